# The parts of the way from columns to a matrix; included by frame.pyx.


cdef object _doubles(x):
    return np.ascontiguousarray(x, np.float64)


cdef const double *_at(array):
    return <const double *>cnp.PyArray_DATA(array)


@cython.final
cdef class Sink:
    """Where a part's result goes.

    Parameters
    ----------
    kind : int
        ``STORE``: numbers, to a column; ``LOOKUP``: the values of codes, to a column; ``HOT``: ones, to the places of codes.
    column : int
    values : array of float64, or None
        One a code, and that of -1.
    place : array of int32, or None
        Columns, -1 for none: one a code, and that of -1.
    one : float
        What stands at a place.
    """

    cdef _Sink s
    cdef tuple held
    cdef Py_ssize_t n_slots, reach

    def __cinit__(self, int kind, int column, values, place, double one):
        values = None if values is None else _doubles(values)
        place = None if place is None else np.ascontiguousarray(place, np.int32)
        self.held = values, place
        self.s.kind, self.s.column, self.s.one = kind, column, one
        slots = place if kind == 2 else values
        if kind not in (0, 1, 2) or (kind and (slots is None or slots.ndim != 1 or not len(slots))) or column < 0:
            raise ValueError("a sink of no kind, or without slots")
        self.n_slots = 0 if slots is None else len(slots)
        self.reach = column + 1 if kind != 2 else int(place.max()) + 1
        self.s.unknown = <int32_t>self.n_slots - 1
        # Not as conditional expressions: Cython keeps those in pointers that are not const.
        self.s.values = NULL
        self.s.place = NULL
        if values is not None:
            self.s.values = _at(values)
        if place is not None:
            self.s.place = <const int32_t *>cnp.PyArray_DATA(place)


@cython.final
cdef class Part:
    """What is made of a column.

    Parameters
    ----------
    column : int
        Its number among those that are read.
    knows_none : bool
        None in dicts and lists is None; else it is NaN there.
    sinks : tuple of Sink
    none, nan : float
        The numbers that None and NaN are read as.
    wide : bool
        Columns of booleans, and of integers of 8 and 16 bits, are not read.
    steps : list of (action, a, b)
    edges : array of float64, or None
        Numbers become the number of edges that are not above them.
    known : dict of value → code, or None
        Values become codes: strings, and numbers without NaN.
    of_nan, of_none : int
        The codes of NaN and None, or -1.
    least : int
        A table with a lower code is not read.
    objects : bool
        Numbers of any column are compared as Python compares them; else columns of numbers are read with ``numbers`` alone, and
        where none is infinite.
    numbers : bool
        The categories are an array of numbers.
    """

    cdef _Part p
    cdef tuple sinks, held
    cdef Py_ssize_t reach

    def __cinit__(self, int column, bint knows_none, tuple sinks, *, double none=NAN, double nan=NAN, bint wide=False,
                  steps=(), edges=None, known=None, int of_nan=-1,
                  int of_none=-1, int least=-1, bint objects=True, bint numbers=False):
        cdef _Part *p = &self.p
        cdef Sink sink
        cdef Py_ssize_t n_codes = -1
        memset(p, 0, sizeof(_Part))
        steps = _doubles(steps).reshape(-1, 3)
        p.column, p.knows_none, p.none, p.nan, p.wide = column, knows_none, none, nan, wide
        p.coded, p.least, p.objects, p.all_numbers = known is not None, least, objects, numbers
        packed = np.empty(len(steps) * sizeof(qc_frame_step) + 1, np.uint8)
        cdef qc_frame_step *to = <qc_frame_step *>cnp.PyArray_DATA(packed)
        for k, (action, a, b) in enumerate(steps.tolist()):
            to[k].action, to[k].a, to[k].b = <qc_frame_action><int>action, a, b
        p.steps, p.n_steps, p.n_edges = to, len(steps), -1
        self.sinks, self.held = sinks, (packed,)
        if edges is not None:
            edges = _doubles(edges)
            p.edges, p.n_edges, n_codes = _at(edges), len(edges), len(edges) + 1
            self.held += (edges,)
        if known is not None:
            n_codes = self.set_codes(known, of_nan, of_none)
        p.n_sinks = len(sinks)
        for sink in sinks:
            self.reach = max(self.reach, sink.reach)
            if (sink.s.kind == 0) != (n_codes < 0) or (sink.s.kind and sink.n_slots < n_codes + (known is not None)):
                raise ValueError("a sink that does not fit what it is given")

    cdef Py_ssize_t set_codes(self, dict known, int of_nan, int of_none) except -1:
        """How many codes there are."""
        cdef qc_cell_codes *c = &self.p.codes
        strings = {value: code for value, code in known.items() if type(value) is str}
        numbers = sorted([(float(value), code) for value, code in known.items() if type(value) in (int, float, bool)])
        if len(strings) + len(numbers) != len(known):
            raise TypeError("categories must be strings or numbers")
        doubles, codes = np.array([v for v, _ in numbers], np.float64), np.array([code for _, code in numbers], np.int32)
        c.numbers, c.number_codes = _at(doubles), <const int32_t *>cnp.PyArray_DATA(codes)
        c.n_numbers, c.of_nan, c.of_none = len(numbers), of_nan, of_none
        c.known = <PyObject *>strings
        listed = [(value.encode(), code) for value, code in strings.items() if _encodes(value)]
        text, ends = b"".join([value for value, _ in listed]), np.zeros(len(listed) + 1, np.uint32)
        ends[1:] = np.cumsum([len(value) for value, _ in listed])
        slots = np.zeros(1 << max(2, 2 * len(listed) - 1).bit_length(), np.uint32)
        of = np.array([code for _, code in listed], np.int32)
        qc_frame_strings_fill(text, <const uint32_t *>cnp.PyArray_DATA(ends), len(listed),
                              <uint32_t *>cnp.PyArray_DATA(slots), <uint32_t>len(slots))
        self.p.strings.slots, self.p.strings.mask = <const uint32_t *>cnp.PyArray_DATA(slots), <uint32_t>len(slots) - 1
        self.p.strings.ends, self.p.strings.text = <const uint32_t *>cnp.PyArray_DATA(ends), text
        self.p.strings.codes = <const int32_t *>cnp.PyArray_DATA(of)
        self.held += (strings, doubles, codes, text, ends, slots, of)
        return max(-1, of_nan, of_none, *known.values()) + 1


cdef bint _encodes(str value):
    """Whether Arrow could hold it: lone surrogates have no UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


cdef bint _numbers(const _Part *p, const qc_frame_column *c, Py_ssize_t start, Py_ssize_t n, double *out) noexcept:
    """A column's numbers; False where it has others."""
    cdef Py_ssize_t i
    cdef double none = p.none if c.holds_none or p.knows_none else p.nan
    if c.kind == QC_OF_OBJECT:
        if not qc_cells_numbers(c.data + start * c.stride, c.stride, n, none, out):
            return False
    elif c.kind >= QC_OF_UTF8 or (p.wide and (c.kind <= QC_OF_UINT16 or c.kind == QC_OF_BITS)):
        return False
    else:
        qc_frame_numbers(c, start, n, out)
        if c.valid is not NULL:
            qc_frame_nulls(c, start, n, p.none if c.holds_none else p.nan, out)
    if p.nan == p.nan:
        for i in range(n):
            if out[i] != out[i]:
                out[i] = p.nan
    return True


cdef bint _codes(const _Part *p, const qc_frame_column *c, Py_ssize_t start, Py_ssize_t n, _Scratch *s) except -1:
    """The codes of a column's values; False where it has some that are not read."""
    cdef Py_ssize_t i
    cdef int32_t of_none = p.codes.of_none if c.holds_none or p.knows_none else p.codes.of_nan
    cdef int32_t least = p.least
    if c.kind == QC_OF_OBJECT:
        if not qc_cells_codes(&p.codes, of_none, c.data + start * c.stride, c.stride, n, s.codes):
            return False
    elif c.kind >= QC_OF_UTF8:
        if not qc_frame_strings_codes(&p.strings, c, start, n, of_none, s.codes):
            return False
    else:
        qc_frame_numbers(c, start, n, s.values)
        if c.valid is not NULL:
            qc_frame_nulls(c, start, n, NAN, s.values)
        if (c.kind == QC_OF_INT64 or c.kind == QC_OF_UINT64) and qc_frame_is_large(s.values, n):
            return False
        if not p.objects:
            if c.kind == QC_OF_BOOL or c.kind == QC_OF_BITS:
                least = 0  # of unknown ones the reference says more
            elif not p.all_numbers or qc_frame_is_infinite(s.values, n):
                return False
        qc_frame_find(s.values, n, p.codes.numbers, p.codes.number_codes, p.codes.n_numbers, p.codes.of_nan, s.codes)
    for i in range(n):
        if s.codes[i] < least:
            return False
    return True


cdef void _to_rows(const _Sink *sink, const _Scratch *s, Py_ssize_t n, double *out, Py_ssize_t width) noexcept nogil:
    if sink.kind == 0:
        qc_frame_store(s.values, n, out + sink.column, width)
    elif sink.kind == 1:
        qc_frame_lookup(s.codes, n, sink.values, sink.unknown, out + sink.column, width)
    else:
        qc_frame_hot(s.codes, n, sink.place, sink.unknown, sink.one, out, width)


cdef void _to_stored(const _Sink *sink, const _Scratch *s, Py_ssize_t n, Py_ssize_t number) noexcept nogil:
    cdef int32_t *columns = s.stored_columns + number * QC_FRAME_ROWS
    cdef double *values = s.stored_values + number * QC_FRAME_ROWS
    if sink.kind == 0:
        qc_frame_stored(s.values, n, sink.column, columns, values)
    elif sink.kind == 1:
        qc_frame_lookup(s.codes, n, sink.values, sink.unknown, values, 1)
        qc_frame_stored(values, n, sink.column, columns, values)
    else:
        qc_frame_stored_hot(s.codes, n, sink.place, sink.unknown, sink.one, columns, values)
