"""The door to ``src/kernels/codec``: the hot transforms of reading an artifact.

Each function stands for one of ``quantcore.artifact`` or one check of ``quantcore.plan``, and takes what that takes: arrays
of the kinds that the decoder has checked. None and False mean that the input is refused; the definition then says why.
"""

import numpy as np

cimport numpy as cnp
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_Free
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, strlen

cnp.import_array()

cdef extern from "kernels/codec/codec.h":
    int qc_codec_integers(const uint8_t *, size_t, const uint8_t *, size_t, int, int, int, void *) noexcept nogil
    int64_t qc_codec_classes(const int64_t *, size_t, uint8_t *) noexcept nogil
    void qc_codec_pack(const int64_t *, size_t, const uint8_t *, uint8_t *) noexcept nogil
    int qc_codec_repeats(const uint32_t *, size_t, uint32_t *) noexcept nogil
    void qc_codec_leaves(const uint8_t *, size_t, uint32_t *) noexcept nogil
    ptrdiff_t qc_codec_ranks(const uint32_t *, size_t, uint32_t *, size_t, int64_t *, int32_t *) noexcept nogil
    void qc_codec_idf(const int64_t *, size_t, int64_t, int, void *) noexcept nogil
    ptrdiff_t qc_codec_canonical(const uint8_t *, size_t, uint32_t *, size_t) noexcept nogil
    int64_t qc_codec_strings_size(const uint8_t *, const uint32_t *, size_t, size_t) noexcept nogil
    void qc_codec_strings(const uint8_t *, const uint32_t *, size_t, const uint8_t *, uint8_t *, uint32_t *) noexcept nogil
    int qc_codec_level(const uint32_t *, size_t, const uint32_t *, size_t, const uint32_t *, size_t, size_t, uint32_t *,
                       uint32_t *, uint32_t *) noexcept nogil
    int qc_codec_alphabetical(const uint32_t *, const uint8_t *, size_t, size_t, uint32_t *, uint32_t *,
                              uint32_t *) noexcept nogil
    enum: QC_ROWS_SCRATCH
    int qc_codec_rows(const uint8_t *, const uint8_t *, size_t, size_t, const uint64_t *, const uint32_t *, size_t,
                      const uint32_t *, size_t, const uint8_t *, size_t, void *, int, void *) noexcept nogil
    int qc_codec_symbols_sound(const uint8_t *, size_t, const uint32_t *, size_t) noexcept nogil
    int qc_codec_nodes_sound(const uint32_t *, const uint32_t *, size_t, size_t, const uint64_t *, size_t) noexcept nogil
    int qc_codec_columns_sound(const uint32_t *, size_t, uint64_t, uint8_t *) noexcept nogil
    int qc_codec_trees_sound(const uint8_t *, size_t, const uint32_t *, size_t, uint64_t, const uint32_t *, const uint8_t *,
                             const uint32_t *, size_t, uint64_t, const void *, int, size_t) noexcept nogil

cdef extern from "Python.h":
    double PyOS_string_to_double(const char *, char **, void *) except? -1.0
    char *PyOS_double_to_string(double, char, int, int, int *) except NULL
    enum: Py_DTSF_ADD_DOT_0

include "gil.pxi"

# In items: from about 50 us on the GIL is released.
cdef enum:
    RELEASE_FROM = 1 << 15


cdef inline const uint8_t *bytes_of(array) noexcept:
    return <const uint8_t *>cnp.PyArray_DATA(array)


cdef inline uint32_t *words_of(array) noexcept:
    return <uint32_t *>cnp.PyArray_DATA(array)


cdef inline bint ready(array, int typenum):
    """Whether an array can be read as it is: most can, and NumPy takes longer to say so than small ones take to read."""
    if not cnp.PyArray_Check(array) or cnp.PyArray_NDIM(array) != 1 or cnp.PyArray_TYPE(array) != typenum:
        return False
    return cnp.PyArray_ISCARRAY_RO(array)


cdef inline object fresh(int typenum, Py_ssize_t n):
    """As ``np.empty``, whose arguments take longer to read than a small array takes to fill."""
    cdef cnp.npy_intp shape = n
    return cnp.PyArray_EMPTY(1, &shape, typenum, 0)


cdef inline Py_ssize_t n_set(flags) noexcept:
    cdef const uint8_t *f = bytes_of(flags)
    cdef Py_ssize_t i, found = 0
    for i in range(cnp.PyArray_SIZE(flags)):
        found += f[i] != 0
    return found


cdef object flags_(array):
    return array if ready(array, cnp.NPY_BOOL) else np.ascontiguousarray(array, np.bool_)


cdef object bytes_(array):
    return array if ready(array, cnp.NPY_UINT8) else np.ascontiguousarray(array, np.uint8)


cdef object words(array):
    """The same numbers as uint32, or None where they need more."""
    if ready(array, cnp.NPY_UINT32) and len(array) < 1 << 31:
        return array
    if array.dtype.kind != "u" or array.dtype.itemsize > 4 or array.ndim != 1 or len(array) >= 1 << 31:
        return None
    array = np.ascontiguousarray(array, np.uint32)
    return array if array.flags.aligned else array.copy()


def kernels():
    """None: these functions are the same on every instruction set."""
    return []


def select(str isa):
    """Nothing to choose among."""


def selected():
    """None, as in ``kernels``."""
    return []


cdef dict _KINDS = {name: np.dtype(name) for name in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")}


def same(bytes text, value):
    """``canonical.same``, of texts of ASCII and few floats; ``value`` is not looked at."""
    cdef uint32_t numbers[256]
    cdef const char *data = text
    cdef const char *wanted
    cdef char *end
    cdef char *written
    cdef ptrdiff_t found = qc_codec_canonical(<const uint8_t *>data, len(text), numbers, 128), i
    cdef size_t size
    cdef bint alike
    if found < 0:
        return None
    for i in range(found):
        wanted, size = data + numbers[2 * i], numbers[2 * i + 1] - numbers[2 * i]
        written = PyOS_double_to_string(PyOS_string_to_double(wanted, &end, NULL), b"r", 0, Py_DTSF_ADD_DOT_0, NULL)
        alike = end == wanted + size and strlen(written) == size and memcmp(written, wanted, size) == 0
        PyMem_Free(written)
        if not alike:
            return None
    return True


def pooled(pool, size_t start, str dtype, tuple shape):
    """``deflate.pooled``."""
    cdef cnp.npy_intp dims[3]
    cdef Py_buffer view
    cdef size_t n = 1, itemsize, i, k
    cdef const uint8_t *part
    cdef uint8_t *items
    cdef cnp.dtype kind = _KINDS[dtype]
    if len(shape) > 3:
        return None
    for i in range(<size_t>len(shape)):
        dims[i] = shape[i]
        n *= <size_t>dims[i]
    itemsize = kind.itemsize
    PyObject_GetBuffer(pool, &view, PyBUF_SIMPLE)
    try:
        if start > <size_t>view.len or n > (<size_t>view.len - start) // itemsize:
            return None
        out = cnp.PyArray_EMPTY(<int>len(shape), dims, kind.type_num, 0)
        part = <const uint8_t *>view.buf + start
        items = <uint8_t *>cnp.PyArray_DATA(out)
        for k in range(itemsize):
            for i in range(n):
                items[i * itemsize + k] = part[k * n + i]
        cnp.PyArray_CLEARFLAGS(out, cnp.NPY_ARRAY_WRITEABLE)
        return out
    finally:
        PyBuffer_Release(&view)


def join_bits(classes, packed, str dtype, bint signed):
    """``bits.join``."""
    cdef int status
    cdef PyThreadState *released
    classes, packed = bytes_(classes), bytes_(packed)
    out = np.empty(len(classes), "<" + dtype)
    cdef size_t n = len(classes), n_packed = len(packed)
    cdef const uint8_t *c = bytes_of(classes)
    cdef const uint8_t *p = bytes_of(packed)
    cdef void *o = cnp.PyArray_DATA(out)
    cdef int itemsize = out.itemsize, is_signed = dtype[0] == "i"
    released = _release(n > RELEASE_FROM)
    status = qc_codec_integers(c, n, p, n_packed, signed, itemsize, is_signed, o)
    _acquire(released)
    return None if status else out


def split_bits(values):
    """``bits.split``."""
    cdef int64_t n_bits
    cdef PyThreadState *released
    values = np.ascontiguousarray(values, np.int64)
    classes = fresh(cnp.NPY_UINT8, len(values))
    cdef size_t n = len(values)
    cdef const int64_t *v = <const int64_t *>cnp.PyArray_DATA(values)
    cdef uint8_t *c = <uint8_t *>cnp.PyArray_DATA(classes)
    cdef uint8_t *o
    released = _release(n > RELEASE_FROM)
    n_bits = qc_codec_classes(v, n, c)
    _acquire(released)
    if n_bits < 0:
        return None
    packed = fresh(cnp.NPY_UINT8, (n_bits + 7) // 8)
    o = <uint8_t *>cnp.PyArray_DATA(packed)
    released = _release(n > RELEASE_FROM)
    qc_codec_pack(v, n, c, o)
    _acquire(released)
    return classes, packed


def numbers(back):
    """``repeats.numbers``."""
    cdef int status
    cdef PyThreadState *released
    back = words(back)
    if back is None:
        return None
    out = fresh(cnp.NPY_UINT32, len(back))
    cdef size_t n = len(back)
    cdef const uint32_t *b = words_of(back)
    cdef uint32_t *o = words_of(out)
    released = _release(n > RELEASE_FROM)
    status = qc_codec_repeats(b, n, o)
    _acquire(released)
    return None if status else out


def leaf_numbers(leaf):
    """``preorder.leaf_numbers``."""
    cdef PyThreadState *released
    leaf = flags_(leaf)
    if leaf.ndim != 1 or len(leaf) >= 1 << 32:
        return None
    out = fresh(cnp.NPY_UINT32, n_set(leaf))
    cdef size_t n = len(leaf)
    cdef const uint8_t *flags = bytes_of(leaf)
    cdef uint32_t *o = words_of(out)
    released = _release(n > RELEASE_FROM)
    qc_codec_leaves(flags, n, o)
    _acquire(released)
    return out


def ranks(counts):
    """``idf.ranks``."""
    cdef ptrdiff_t found
    cdef PyThreadState *released
    counts = words(counts)
    if counts is None:
        return None
    cdef size_t n = len(counts), n_seen = n + (1 << 12) + 1
    seen, distinct, rank = np.zeros(n_seen, np.uint32), fresh(cnp.NPY_INT64, min(n, n_seen)), fresh(cnp.NPY_INT32, n)
    cdef const uint32_t *c = words_of(counts)
    cdef uint32_t *s = words_of(seen)
    cdef int64_t *d = <int64_t *>cnp.PyArray_DATA(distinct)
    cdef int32_t *r = <int32_t *>cnp.PyArray_DATA(rank)
    released = _release(n > RELEASE_FROM)
    found = qc_codec_ranks(c, n, s, n_seen, d, r)
    _acquire(released)
    return None if found < 0 else (distinct[:found], rank)


def idf_values(int64_t top, counts, str kind):
    """``idf.values``."""
    cdef PyThreadState *released
    counts = np.ascontiguousarray(counts, np.int64)
    cdef size_t n = len(counts)
    cdef bint single = kind == "f4"
    out = fresh(cnp.NPY_FLOAT32 if single else cnp.NPY_FLOAT64, n)
    cdef const int64_t *c = <const int64_t *>cnp.PyArray_DATA(counts)
    cdef void *o = cnp.PyArray_DATA(out)
    released = _release(n > RELEASE_FROM)
    qc_codec_idf(c, n, top, single, o)
    _acquire(released)
    return out


def flags(packed, Py_ssize_t count):
    """``bits.flags``, of few: of many NumPy is faster."""
    cdef Py_ssize_t i
    packed = bytes_(packed)
    if count > 1 << 12 or len(packed) * 8 < count:
        return None
    out = fresh(cnp.NPY_BOOL, count)
    cdef const uint8_t *p = bytes_of(packed)
    cdef uint8_t *o = <uint8_t *>cnp.PyArray_DATA(out)
    for i in range(count):
        o[i] = p[i >> 3] >> (i & 7) & 1
    return out


def join_sorted(prefix, rest, data):
    """``strings.join_sorted``."""
    cdef int64_t size
    cdef PyThreadState *released
    prefix, rest, data = bytes_(prefix), words(rest), bytes_(data)
    if rest is None or len(prefix) != len(rest):
        return None
    cdef size_t n = len(rest), n_data = len(data)
    cdef const uint8_t *p = bytes_of(prefix)
    cdef const uint32_t *r = words_of(rest)
    cdef const uint8_t *d = bytes_of(data)
    size = qc_codec_strings_size(p, r, n, n_data)
    if size < 0:
        return None
    out, ends = fresh(cnp.NPY_UINT8, size), fresh(cnp.NPY_UINT32, n)
    cdef uint8_t *o = <uint8_t *>cnp.PyArray_DATA(out)
    cdef uint32_t *e = words_of(ends)
    released = _release(n > RELEASE_FROM)
    qc_codec_strings(p, r, n, d, o, e)
    _acquire(released)
    return out, ends


def join_level(children, uses, gaps, size_t n_symbols):
    """``trie.join_level``."""
    cdef int status
    cdef PyThreadState *released
    children, uses, gaps = words(children), words(uses), words(gaps)
    if children is None or uses is None or gaps is None or n_symbols >= 1 << 32:
        return None
    cdef size_t n_parents = len(children), n_uses = len(uses), n_edges = len(gaps)
    if n_uses and n_uses != n_symbols:
        return None
    scratch = fresh(cnp.NPY_UINT32, 2 * n_parents + n_uses + n_edges + 2)
    parent, symbol = fresh(cnp.NPY_UINT32, n_edges), fresh(cnp.NPY_UINT32, n_edges)
    cdef const uint32_t *c = words_of(children)
    cdef const uint32_t *u = words_of(uses)
    cdef const uint32_t *g = words_of(gaps)
    cdef uint32_t *room = words_of(scratch)
    cdef uint32_t *p = words_of(parent)
    cdef uint32_t *s = words_of(symbol)
    released = _release(n_edges > RELEASE_FROM)
    status = qc_codec_level(c, n_parents, u, n_uses, g, n_edges, n_symbols, room, p, s)
    _acquire(released)
    return None if status else (parent, symbol)


def alphabetical(parent, tuple levels, is_term):
    """``trie.alphabetical``."""
    cdef int status
    cdef PyThreadState *released
    parent, is_term = words(parent), flags_(is_term)
    cdef size_t n_nodes = len(is_term), n_symbols = levels[0]
    if parent is None or n_symbols > n_nodes or n_symbols + <size_t>len(parent) != n_nodes or n_nodes >= 1 << 32:
        return None
    scratch, out = fresh(cnp.NPY_UINT32, 2 * n_nodes), fresh(cnp.NPY_UINT32, n_set(is_term))
    cdef const uint32_t *p = words_of(parent)
    cdef const uint8_t *t = bytes_of(is_term)
    cdef uint32_t *room = words_of(scratch)
    cdef uint32_t *o = words_of(out)
    released = _release(n_nodes > RELEASE_FROM)
    status = qc_codec_alphabetical(p, t, n_nodes, n_symbols, room, room + n_nodes, o)
    _acquire(released)
    return None if status else out


def join_rows(parts, str dtype):
    """``rows.join_rows``."""
    cdef int status
    cdef PyThreadState *released
    cdef size_t n_groups = len(parts.low), width = parts.width
    low, codes, packed = np.array(parts.low, np.uint8), bytes_(parts.codes), bytes_(parts.packed)
    group, sizes = bytes_(parts.group), words(parts.sizes)
    if sizes is None or n_groups == 0 or len(codes) % n_groups or len(group) >= 1 << 32:
        return None
    counts = np.bincount(group, minlength=n_groups)
    if <size_t>len(counts) != n_groups:
        return None
    counts, place = counts.astype(np.uint64), np.argsort(group, kind="stable").astype(np.uint32)
    out = np.empty((len(group), width), "<" + dtype)
    scratch = fresh(cnp.NPY_UINT64, QC_ROWS_SCRATCH // 8)
    cdef size_t n_symbols = len(codes) // n_groups, n_sizes = len(sizes), n_packed = len(packed)
    cdef const uint8_t *h = bytes_of(low)
    cdef const uint8_t *c = bytes_of(codes)
    cdef const uint8_t *b = bytes_of(packed)
    cdef const uint64_t *n_rows = <const uint64_t *>cnp.PyArray_DATA(counts)
    cdef const uint32_t *p = words_of(place)
    cdef const uint32_t *s = words_of(sizes)
    cdef void *room = cnp.PyArray_DATA(scratch)
    cdef void *o = cnp.PyArray_DATA(out)
    cdef int itemsize = out.itemsize
    released = _release(n_packed > RELEASE_FROM)
    status = qc_codec_rows(h, c, n_groups, n_symbols, n_rows, p, width, s, n_sizes, b, n_packed, room, itemsize, o)
    _acquire(released)
    return None if status else out


def symbols_sound(symbol_bytes, symbol_ends):
    """Whether symbols are UTF-8, sorted, each once."""
    cdef int status
    cdef PyThreadState *released
    symbol_bytes, symbol_ends = bytes_(symbol_bytes), words(symbol_ends)
    if symbol_ends is None:
        return False
    cdef size_t n_bytes = len(symbol_bytes), n = len(symbol_ends)
    cdef const uint8_t *b = bytes_of(symbol_bytes)
    cdef const uint32_t *e = words_of(symbol_ends)
    released = _release(n > RELEASE_FROM)
    status = qc_codec_symbols_sound(b, n_bytes, e, n)
    _acquire(released)
    return status == 0


def nodes_sound(parent, symbol, tuple levels):
    """Whether the nodes of each level are sorted, each once, and name nodes of the level before and symbols."""
    cdef int status
    cdef PyThreadState *released
    parent, symbol, sizes = words(parent), words(symbol), np.array(levels, np.uint64)
    if parent is None or symbol is None or len(parent) != len(symbol):
        return False
    cdef size_t n = len(parent), n_levels = len(sizes), n_symbols = sizes[0]
    cdef const uint32_t *p = words_of(parent)
    cdef const uint32_t *s = words_of(symbol)
    cdef const uint64_t *v = <const uint64_t *>cnp.PyArray_DATA(sizes)
    released = _release(n > RELEASE_FROM)
    status = qc_codec_nodes_sound(p, s, n, n_symbols, v, n_levels)
    _acquire(released)
    return status == 0


def columns_sound(column, uint64_t n_features):
    """Whether columns are below ``n_features``, each once."""
    cdef int status
    cdef PyThreadState *released
    column = words(column)
    if column is None or n_features > 64 * <uint64_t>len(column) + (1 << 16):
        return False
    seen = np.zeros(n_features // 8 + 1, np.uint8)
    cdef size_t n = len(column)
    cdef const uint32_t *c = words_of(column)
    cdef uint8_t *s = <uint8_t *>cnp.PyArray_DATA(seen)
    released = _release(n > RELEASE_FROM)
    status = qc_codec_columns_sound(c, n, n_features, s)
    _acquire(released)
    return status == 0


def trees_sound(leaf, split, feature, missing, ends, threshold, uint64_t width, uint64_t n_sets):
    """Whether flags are whole trees in preorder whose splits name tests, and columns and thresholds ascend."""
    cdef int status
    cdef PyThreadState *released
    if not ready(threshold, cnp.NPY_FLOAT32) and not ready(threshold, cnp.NPY_FLOAT64):
        threshold = np.require(threshold, None, "CA")
    cdef bint wide = cnp.PyArray_TYPE(threshold) == cnp.NPY_FLOAT64
    if cnp.PyArray_NDIM(threshold) != 1 or not ready(threshold, cnp.NPY_FLOAT64 if wide else cnp.NPY_FLOAT32):
        return False
    if leaf.dtype != np.bool_ or missing.dtype != np.uint8 or leaf.ndim != 1 or missing.ndim != 1 or n_sets >= 1 << 32:
        return False
    split, feature, ends = words(split), words(feature), words(ends)
    if split is None or feature is None or ends is None or not len(feature) == len(missing) == len(ends):
        return False
    leaf, missing = flags_(leaf), bytes_(missing)
    cdef size_t n = len(leaf), n_splits = len(split), n_columns = len(feature), n_thresholds = len(threshold)
    cdef const uint8_t *f = bytes_of(leaf)
    cdef const uint8_t *m = bytes_of(missing)
    cdef const uint32_t *s = words_of(split)
    cdef const uint32_t *c = words_of(feature)
    cdef const uint32_t *e = words_of(ends)
    cdef const void *t = cnp.PyArray_DATA(threshold)
    released = _release(n > RELEASE_FROM)
    status = qc_codec_trees_sound(f, n, s, n_splits, n_thresholds + n_sets, c, m, e, n_columns, width, t, wide, n_thresholds)
    _acquire(released)
    return status == 0
