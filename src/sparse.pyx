"""The door to ``src/kernels/sparse``: weights are checked once, when they are wrapped; input at every call."""

cimport cython
from libc.stdint cimport int64_t

cimport numpy as cnp
import numpy as np

cnp.import_array()

cdef extern from *:
    """
    #include "kernels/sparse/sparse.h"
    #include "kernels/table.h"
    typedef qc_scores_rows_int8_fn *scores_fn; /* slots of one op have one C type */
    typedef qc_exact_rows_int16_fn *exact_fn;
    """
    ctypedef struct qc_csr:
        const void *indptr
        const void *indices
        const void *data
        ptrdiff_t n_rows
        int wide_indptr
        int wide_indices
        int doubles
    ctypedef struct qc_rows:
        const void *rows
        const int64_t *start
        const float *scale
        const unsigned int *index
        ptrdiff_t n_outputs
        ptrdiff_t stride
        int drops
    ctypedef struct qc_exact_rows:
        const void *rows
        const double *scale
        const unsigned int *index
        const double *bias
        ptrdiff_t n_outputs
        ptrdiff_t stride
        int centred
    enum:
        QC_LANES
        QC_EXACT_LANES
        QC_PADDING
        QC_CSR_OK
        QC_CSR_INDPTR
    const unsigned int QC_DROPPED
    int qc_csr_check(const qc_csr *x, ptrdiff_t n_stored, ptrdiff_t n_columns) noexcept nogil
    ctypedef void (*scores_fn)(const qc_csr *, const qc_rows *, float *) noexcept nogil
    ctypedef void (*exact_fn)(const qc_csr *, const qc_exact_rows *, const double *, double *, double *) noexcept nogil
    scores_fn _int4 "qc_bound.scores_rows_int4"
    scores_fn _int8 "qc_bound.scores_rows_int8"
    scores_fn _int16 "qc_bound.scores_rows_int16"
    scores_fn _float16 "qc_bound.scores_rows_float16"
    scores_fn _float32 "qc_bound.scores_rows_float32"
    scores_fn _lists "qc_bound.scores_lists_int8"
    scores_fn _masks "qc_bound.scores_masks_int8"
    void _column "qc_bound.scores_column_float32"(const qc_csr *, const float *, float *) noexcept nogil
    exact_fn _exact_float64 "qc_bound.exact_rows_float64"
    exact_fn _exact_int16 "qc_bound.exact_rows_int16"
    exact_fn _exact_int32 "qc_bound.exact_rows_int32"

include "door.pxi"

# In bytes of weights that are read: from about 50 us on the GIL is released; between steps of some 10 ms Ctrl-C is honoured.
cdef enum:
    RELEASE_FROM = 1 << 20
    STEP = 1 << 26


cdef object INT8 = np.dtype(np.int8)
cdef object INT16 = np.dtype(np.int16)
cdef object INT32 = np.dtype(np.int32)
cdef object INT64 = np.dtype(np.int64)
cdef object UINT32 = np.dtype(np.uint32)
cdef object FLOAT16 = np.dtype(np.float16)
cdef object FLOAT32 = np.dtype(np.float32)
cdef object FLOAT64 = np.dtype(np.float64)
cdef object asarray = np.asarray


cdef void *data_of(array):
    return NULL if array is None else cnp.PyArray_DATA(array)


cdef object _array(object x, str name, tuple dtypes, int ndim):
    array = asarray(x)
    native = array.dtype
    if native not in dtypes:
        native = native.newbyteorder("=")
    if native not in dtypes:
        raise TypeError(f"{name}: expected {' or '.join(map(str, dtypes))}, got {array.dtype}; convert it first with astype")
    if array.ndim != ndim:
        raise ValueError(f"{name}: expected {ndim} dimension(s), got {array.ndim}, shape {array.shape}")
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned and array.dtype == native else array.astype(native, order="C")


cdef object _finite(object array, str name):
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, found NaN or infinity; clean the weights first")
    return array


cdef object _scale(object scale, object dtype, ptrdiff_t n_stored):
    array = _finite(_array(scale, "scale", (dtype,), 1), "scale").copy()
    if len(array) != n_stored:
        raise ValueError(f"expected one scale per row: {n_stored} rows, {len(array)} scales")
    return array if len(array) else np.zeros(1, dtype)


cdef object _index(object index, ptrdiff_t n_stored, bint may_drop):
    """Copied, since what is checked here is trusted later."""
    given = _array(index, "index", (UINT32, INT32), 1)
    if len(given) >= 1 << 31:
        raise ValueError(f"index: expected fewer than 2,147,483,648 features, got {len(given)}")
    array = given.astype(np.uint32)
    kept = array[array != QC_DROPPED] if may_drop else array
    if len(kept) and kept.max() >= n_stored:
        raise ValueError(
            f"index must hold row numbers from 0 to {n_stored - 1}, found {given.min()} to {given.max()}"
        )
    return array if len(array) else np.zeros(1, np.uint32)


cdef object _buffer(ptrdiff_t n_bytes):
    """Zeros that start on a cache line: rows then touch as few lines as they can."""
    whole = np.zeros(n_bytes + 128, np.uint8)
    start = -whole.ctypes.data % 64
    return whole[start:start + max(n_bytes, 1)]


cdef object _padded(object rows, ptrdiff_t lanes):
    """The same rows, each a multiple of ``lanes`` long, and at least one of them."""
    n_stored, width = rows.shape
    shape = max(n_stored, 1), -(-width // lanes) * lanes
    padded = _buffer(shape[0] * shape[1] * rows.itemsize).view(rows.dtype)[:shape[0] * shape[1]].reshape(shape)
    padded[:n_stored, :width] = rows
    return padded


cdef object _nibbles(object rows):
    """int4: 16 outputs are two words, of the even ones and of the odd ones, from the lowest four bits up."""
    if rows.size and (rows.min() < -8 or rows.max() > 7):
        raise ValueError(f"rows: int4 weights are from -8 to 7, found {rows.min()} to {rows.max()}")
    n_stored, width = rows.shape
    padded = np.zeros((max(n_stored, 1), -(-width // 16), 8, 2), np.uint32)
    padded.reshape(len(padded), -1)[:n_stored, :width] = rows.astype(np.int32).view(np.uint32) & 15
    words = (padded << np.arange(0, 32, 4, dtype=np.uint32)[:, None]).sum(axis=2, dtype=np.uint32)
    packed = _buffer(words.nbytes).view(np.uint32).reshape(len(words), -1)
    packed[:] = words.reshape(packed.shape)
    return packed


@cython.final
cdef class _Csr:
    """A checked CSR matrix: the struct, and the arrays that it points into."""

    cdef qc_csr x
    cdef ptrdiff_t n_stored
    cdef object indptr, indices, data

    def __cinit__(self, indptr, indices, data, ptrdiff_t n_columns):
        # Copies of what names places: other threads may change the caller's arrays while none holds the GIL.
        indptr = _array(indptr, "indptr", (INT32, INT64), 1).copy()
        indices = _array(indices, "indices", (INT32, INT64), 1).copy()
        data = _array(data, "data", (FLOAT32, FLOAT64), 1)
        self.n_stored = len(data)
        if len(indices) != self.n_stored or len(indptr) == 0:
            raise ValueError(
                f"not a CSR matrix: {len(indptr)} row boundaries, {len(indices)} indices, {self.n_stored} values; expected "
                "n_rows + 1 boundaries and as many indices as values"
            )
        self.x.wide_indptr, self.x.wide_indices = indptr.itemsize == 8, indices.itemsize == 8
        self.x.doubles = data.itemsize == 8
        self.indptr, self.indices, self.data = indptr, indices, data
        self.x.indptr, self.x.indices, self.x.data = data_of(indptr), data_of(indices), data_of(data)
        self.x.n_rows = len(indptr) - 1
        cdef int fault = qc_csr_check(&self.x, self.n_stored, n_columns)
        if fault == QC_CSR_INDPTR:
            raise ValueError(f"not a CSR matrix: indptr must rise from 0 to the number of values, {self.n_stored}")
        if fault != QC_CSR_OK:
            raise ValueError(f"column index out of range: these weights have {n_columns} features")


cdef void _slice(const qc_csr *x, qc_csr *part, ptrdiff_t start, ptrdiff_t count) noexcept nogil:
    """Rows start .. start + count: row boundaries count from the first value of the whole matrix."""
    part.n_rows = count
    part.indptr = <const char *>x.indptr + start * (8 if x.wide_indptr else 4)


cdef object _scores(scores_fn kernel, const qc_rows *w, _Csr csr, ptrdiff_t row_bytes):
    out = np.empty((csr.x.n_rows, w.n_outputs), np.float32)
    cdef float *target = <float *>data_of(out)
    cdef ptrdiff_t work = csr.n_stored * row_bytes, n_rows = csr.x.n_rows, start
    cdef ptrdiff_t step = max(1, n_rows // (1 + work // STEP))
    cdef PyThreadState *released
    cdef qc_csr part = csr.x
    for start in range(0, n_rows, step):
        _slice(&csr.x, &part, start, min(step, n_rows - start))
        released = _release(work >= RELEASE_FROM)
        kernel(&part, w, target + start * w.n_outputs)
        _acquire(released)
        PyErr_CheckSignals()
    return out


cdef class _Weights:
    """What int8, lists, masks and the others share: a scale a row, an index, scores."""

    cdef qc_rows w
    cdef ptrdiff_t n_features, row_bytes, n_bytes
    cdef object rows, start, scale, index

    cdef _hold(self, rows, n_stored, n_outputs, scale, index):
        if n_outputs < 1:
            raise ValueError("rows: expected at least one output")
        self.rows = rows
        self.w.rows = data_of(rows)
        self.w.n_outputs, self.n_features, self.n_bytes = n_outputs, n_stored, len(rows)
        self.row_bytes = max(16, self.n_bytes // max(1, n_stored))
        if scale is not None:
            self.scale = _scale(scale, FLOAT32, n_stored)
            self.w.scale = <const float *>data_of(self.scale)
        if index is not None:
            self.n_features = len(index)
            index = _index(index, n_stored, True)
            self.index = index
            self.w.index, self.w.drops = <const unsigned int *>data_of(index), bool((index == QC_DROPPED).any())

    cdef _at(self, start):
        """Rows that differ in length: where each begins, and how many bytes most of them have."""
        self.start = start.astype(np.int64)
        self.w.start = <const int64_t *>data_of(self.start)
        lengths = np.diff(start)
        self.w.stride = int(lengths.mean() + lengths.std()) + 32 if len(lengths) else 64

    cdef scores_fn kernel(self) noexcept nogil:
        return NULL

    @property
    def shape(self):
        """(n_features, n_outputs)."""
        return self.n_features, self.w.n_outputs

    @property
    def nbytes(self):
        """Bytes of the stored rows."""
        return self.n_bytes

    def scores(self, indptr, indices, data):
        """CSR (int32 or int64 boundaries and indices, float32 or float64 values) → float32 scores, (n_rows, n_outputs)."""
        return _scores(self.kernel(), &self.w, _Csr(indptr, indices, data, self.n_features), self.row_bytes)


@cython.final
cdef class Rows(_Weights):
    """Weights in full, one row of outputs per feature: ``W[j] = rows[r] * scale[r]`` with ``r = index[j]``.

    Parameters
    ----------
    rows : array of int8, int16, float16 or float32, shape (n_stored, n_outputs)
    scale : array of float32, shape (n_stored,), optional
        Without it every row has scale 1.
    index : array of uint32 or int32, shape (n_features,), optional
        Stored row of each feature, or 0xFFFFFFFF (-1) where it has no weights; without it feature j has row j.
    bits : int, optional
        4: ``rows`` of int8, from -8 to 7, are stored as int4.
    """

    cdef int kind

    def __cinit__(self, rows, scale=None, index=None, *, bits=None):
        if bits is not None and bits != 4:
            raise ValueError(f"bits={bits!r}; expected 4, or None: as many as the dtype of rows has")
        given = _finite(_array(rows, "rows", (INT8, INT16, FLOAT16, FLOAT32) if bits is None else (INT8,), 2), "rows")
        stored = _padded(given, QC_LANES) if bits is None else _nibbles(given)
        self._hold(stored.reshape(-1).view(np.uint8), given.shape[0], given.shape[1], scale, index)
        self.w.stride = stored.shape[1] * stored.itemsize
        self.kind = 0 if bits else 1 + (INT8, INT16, FLOAT16, FLOAT32).index(given.dtype)

    cdef scores_fn kernel(self) noexcept nogil:
        if self.kind == 0:
            return _int4
        if self.kind == 1:
            return _int8
        if self.kind == 2:
            return _int16
        return _float16 if self.kind == 3 else _float32


@cython.final
cdef class Lists(_Weights):
    """Weights of few nonzeros: of each row the outputs and the int8 values that are not 0; parameters as of Rows."""

    def __cinit__(self, rows, scale=None, index=None):
        rows = _array(rows, "rows", (INT8,), 2)
        if rows.shape[1] > 1 << 16:
            raise ValueError(f"rows: lists number at most 65,536 outputs, got {rows.shape[1]}")
        row, output = np.nonzero(rows)
        count = np.bincount(row, minlength=max(1, len(rows)))
        start = np.concatenate([[0], np.cumsum(3 * count)])
        nth = np.arange(len(row)) - start[row] // 3
        stored = _buffer(int(start.max()) + QC_PADDING)
        stored[(start[row] + 2 * nth)[:, None] + np.arange(2)] = output.astype(np.uint16).view(np.uint8).reshape(-1, 2)
        stored[start[row] + 2 * count[row] + nth] = rows[row, output].view(np.uint8)
        self._hold(stored, rows.shape[0], rows.shape[1], scale, index)
        self._at(start)

    cdef scores_fn kernel(self) noexcept nogil:
        return _lists


@cython.final
cdef class Masks(_Weights):
    """Weights of some nonzeros: of each row a bit an output, and the int8 values that are not 0; parameters as of Rows."""

    def __cinit__(self, rows, scale=None, index=None):
        rows = _array(rows, "rows", (INT8,), 2)
        n_stored, n_outputs = rows.shape
        row, output = np.nonzero(rows)
        count = np.bincount(row, minlength=max(1, n_stored))
        mask_bytes = -(-n_outputs // 64) * 8
        start = np.concatenate([[0], np.cumsum(mask_bytes + count)])
        nth = np.arange(len(row)) - (start[row] - mask_bytes * row)
        masks = np.packbits(rows != 0, axis=1, bitorder="little")
        stored = _buffer(int(start.max()) + QC_PADDING)
        stored[start[:n_stored, None] + np.arange(masks.shape[1])] = masks
        stored[start[row] + mask_bytes + nth] = rows[row, output].view(np.uint8)
        self._hold(stored, n_stored, n_outputs, scale, index)
        self._at(start)

    cdef scores_fn kernel(self) noexcept nogil:
        return _masks


@cython.final
cdef class Float32Column:
    """Weights of one output, shape (n_features,), float32."""

    cdef object weights
    cdef ptrdiff_t n_features

    def __cinit__(self, weights):
        self.weights = _array(weights, "weights", (FLOAT32,), 1)
        self.n_features = len(self.weights)

    @property
    def shape(self):
        """(n_features, n_outputs)."""
        return self.n_features, 1

    def scores(self, indptr, indices, data):
        """CSR (int32 or int64 boundaries and indices, float32 or float64 values) → float32 scores, (n_rows, n_outputs)."""
        cdef _Csr csr = _Csr(indptr, indices, data, self.n_features)
        out = np.empty(csr.x.n_rows, np.float32)
        cdef const float *weights = <const float *>data_of(self.weights)
        cdef float *target = <float *>data_of(out)
        cdef ptrdiff_t work = csr.n_stored * QC_LANES, n_rows = csr.x.n_rows, start
        cdef ptrdiff_t step = max(1, n_rows // (1 + work // STEP))
        cdef PyThreadState *released
        cdef qc_csr part = csr.x
        for start in range(0, n_rows, step):
            _slice(&csr.x, &part, start, min(step, n_rows - start))
            released = _release(work >= RELEASE_FROM)
            _column(&part, weights, target + start)
            _acquire(released)
            PyErr_CheckSignals()
        return out.reshape(-1, 1)


@cython.final
cdef class ExactRows:
    """Weights that are not rounded: float64, or integers times a power of two a row.

    Parameters
    ----------
    rows : array of float64, int16 or int32, shape (n_stored, n_outputs + centred)
    bias : array of float64, shape (n_outputs,)
    exponent : array of int16, shape (n_stored,), optional
        Of integers: ``W[j] = rows[r] * 2.0 ** exponent[r]``, from -1000 to 900.
    index : array of uint32 or int32, shape (n_features,), optional
        Stored row of each feature; without it feature j has row j.
    centred : bool
        The last column of integers is added to the others.
    """

    cdef qc_exact_rows w
    cdef ptrdiff_t n_features
    cdef int kind
    cdef object rows, bias, scale, index

    def __cinit__(self, rows, bias, exponent=None, index=None, bint centred=False):
        rows = _finite(_array(rows, "rows", (FLOAT64, INT16, INT32), 2), "rows")
        bias = _finite(_array(bias, "bias", (FLOAT64,), 1), "bias").copy()
        if (exponent is None) != (rows.dtype == FLOAT64) or (centred and exponent is None):
            raise ValueError(f"rows of {rows.dtype}: expected an exponent per row, and a centre, with integers alone")
        n_stored, width = rows.shape
        if len(bias) < 1 or len(bias) + centred != width:
            raise ValueError(f"expected one bias per output: {width - centred} outputs, {len(bias)} biases")
        single = len(bias) == 1
        stored = _padded(rows, width if single else QC_EXACT_LANES)
        self.rows, self.bias = stored, bias
        self.w.rows, self.w.bias = data_of(stored), <const double *>data_of(bias)
        self.w.n_outputs, self.w.stride, self.w.centred = len(bias), stored.shape[1] * stored.itemsize, centred
        self.kind = (FLOAT64, INT16, INT32).index(rows.dtype)
        self.n_features = n_stored
        if exponent is not None:
            exponent = _array(exponent, "exponent", (INT16,), 1)
            if len(exponent) and (exponent.min() < -1000 or exponent.max() > 900):
                raise ValueError(f"exponent: expected -1000 to 900, found {exponent.min()} to {exponent.max()}")
            self.scale = _scale(np.ldexp(1.0, exponent.astype(np.int32)), FLOAT64, n_stored)
            self.w.scale = <const double *>data_of(self.scale)
        if index is not None:
            self.n_features = len(index)
            self.index = _index(index, n_stored, False)
            self.w.index = <const unsigned int *>data_of(self.index)

    @property
    def shape(self):
        """(n_features, n_outputs)."""
        return self.n_features, self.w.n_outputs

    cdef exact_fn kernel(self) noexcept:
        if self.kind == 0:
            return _exact_float64
        return _exact_int16 if self.kind == 1 else _exact_int32

    def scores(self, indptr, indices, data, norms=None, *, bint sizes=False):
        """CSR (int32 or int64 boundaries and indices, float32 or float64 values) → float64 scores, (n_rows, n_outputs).

        Parameters
        ----------
        indptr, indices, data : array
        norms : array of float64, shape (n_rows,), optional
            What each row's sums are divided by.
        sizes : bool
            Return (scores, sizes) as well: with integers each row's sum of ``abs(x) * 2.0 ** exponent``, shape (n_rows,);
            with float64 weights each score's sum of absolute terms, shape (n_rows, n_outputs).
        """
        cdef _Csr csr = _Csr(indptr, indices, data, self.n_features)
        cdef ptrdiff_t n_rows = csr.x.n_rows, n_outputs = self.w.n_outputs, start
        cdef ptrdiff_t per_row = 0 if not sizes else n_outputs if self.kind == 0 else 1
        out = np.empty((n_rows, n_outputs), np.float64)
        found = np.empty(n_rows * per_row, np.float64)
        cdef double *target = <double *>data_of(out)
        cdef double *size = <double *>data_of(found) if sizes else NULL
        cdef const double *divisors = NULL
        if norms is not None:
            norms = _array(norms, "norms", (FLOAT64,), 1)
            divisors = <const double *>data_of(norms)
            if len(norms) != n_rows:
                raise ValueError(f"expected one norm per row: {n_rows} rows, {len(norms)} norms")
        cdef ptrdiff_t work = csr.n_stored * self.w.stride
        cdef ptrdiff_t step = max(1, n_rows // (1 + work // STEP))
        cdef exact_fn kernel = self.kernel()
        cdef PyThreadState *released
        cdef qc_csr part = csr.x
        for start in range(0, n_rows, step):
            _slice(&csr.x, &part, start, min(step, n_rows - start))
            released = _release(work >= RELEASE_FROM)
            kernel(
                &part, &self.w, divisors + start if divisors else NULL, target + start * n_outputs,
                size + start * per_row if size else NULL,
            )
            _acquire(released)
            PyErr_CheckSignals()
        if not sizes:
            return out
        return out, found.reshape(out.shape) if self.kind == 0 else found


include "labels.pxi"
