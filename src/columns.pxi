# Columns in memory: arrays, lists, the blocks of pandas; included by frame.pyx.


cdef int _kind_of(cnp.ndarray array):
    """How its values are read, or -1. Floats of other widths are left to the reference: the source computes in their dtype."""
    cdef cnp.dtype dtype = array.dtype
    if array.dtype.byteorder == (">" if sys.byteorder == "little" else "<"):
        return -1
    if dtype.kind == c"O":
        return QC_OF_OBJECT
    if dtype.kind == c"b":
        return QC_OF_BOOL
    if dtype.kind == c"f":
        return QC_OF_FLOAT64 if dtype.itemsize == 8 else -1
    if dtype.kind == c"i":
        return {1: QC_OF_INT8, 2: QC_OF_INT16, 4: QC_OF_INT32, 8: QC_OF_INT64}.get(dtype.itemsize, -1)
    if dtype.kind == c"u":
        return {1: QC_OF_UINT8, 2: QC_OF_UINT16, 4: QC_OF_UINT32, 8: QC_OF_UINT64}.get(dtype.itemsize, -1)
    return -1


cdef cnp.ndarray _own(cnp.ndarray array):
    """An array whose objects stay while they are read: without a GIL another thread may replace those of the caller's, and the
    last reference to one is gone. NumPy's own copy is not safe from that either, but much shorter than what follows."""
    return array.copy() if QC_SHARED and cnp.PyArray_TYPE(array) == cnp.NPY_OBJECT else array


cdef bint _of_memory(cnp.ndarray array, Py_ssize_t first, Py_ssize_t stride, qc_frame_column *c):
    """A column in an array, so many bytes after its start; whether it can be read."""
    cdef int kind = _kind_of(array)
    if kind < 0 or (kind == QC_OF_OBJECT and not cnp.PyArray_ISALIGNED(array)):
        return False
    c.kind, c.data, c.stride, c.valid = <qc_frame_kind>kind, cnp.PyArray_BYTES(array) + first, stride, NULL
    c.holds_none = True
    return True


cdef Py_ssize_t _of_values(values, qc_frame_column *c, list held):
    """The number of values of a list or an array; NOT_READ for all else. What must stay is held."""
    if type(values) is list or type(values) is tuple:
        values = tuple(values)  # a list may change while rows of it are answered
        held.append(values)
        c.kind, c.data, c.stride, c.valid = QC_OF_OBJECT, <char *>PySequence_Fast_ITEMS(values), sizeof(PyObject *), NULL
        c.holds_none = False
        return len(values) if len(values) else NOT_READ
    if not PyArray_CheckExact(values) or cnp.PyArray_NDIM(values) != 1 or not cnp.PyArray_DIM(values, 0):
        return NOT_READ
    values = _own(values)
    held.append(values)
    if not _of_memory(values, 0, cnp.PyArray_STRIDE(values, 0), c):
        return NOT_READ
    c.holds_none = False
    return cnp.PyArray_DIM(values, 0)


cdef Py_ssize_t _of_block(values, Py_ssize_t row, Py_ssize_t n, qc_frame_column *c, list held) except -1:
    """A column of a block of pandas: a row of a 2-d array, or an extension array; NOT_READ where it is not read here."""
    if PyArray_CheckExact(values):
        if cnp.PyArray_NDIM(values) != 2 or cnp.PyArray_DIM(values, 1) != n or not 0 <= row < cnp.PyArray_DIM(values, 0):
            return NOT_READ
        if QC_SHARED:
            values, row = _own(values[row:row + 1]), 0
        held.append(values)
        return 0 if _of_memory(values, row * cnp.PyArray_STRIDE(values, 0), cnp.PyArray_STRIDE(values, 1), c) else NOT_READ
    name = type(values).__name__
    if name == "ArrowStringArray":
        array = values.__arrow_array__()
        if getattr(array, "num_chunks", 1) != 1:  # of frames that were joined, or read from several row groups of a file
            array = sys.modules["pyarrow"].chunked_array([array.combine_chunks()])
        chunks = _Chunks(array)
        missing = values.dtype.na_value
        if not chunks.take() or len(chunks) != 1 or chunks.rows(0) != n or type(missing) is not float:
            return NOT_READ
        held.append(chunks)
        return 0 if chunks.column(0, c) else NOT_READ
    if name in ("StringArray", "StringArrayNumpySemantics"):
        objects = _own(np.asarray(values))
        held.append(objects)
        return 0 if len(objects) == n and _of_memory(objects, 0, cnp.PyArray_STRIDE(objects, 0), c) else NOT_READ
    return NOT_READ
