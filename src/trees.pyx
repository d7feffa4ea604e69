"""The door to ``src/kernels/trees``: an ensemble is checked once, when it is wrapped; rows at every call."""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

cimport numpy as cnp
import numpy as np

cnp.import_array()

cdef extern from *:
    """
    #include "kernels/trees/trees.h"
    #include "kernels/table.h"
    """
    ctypedef struct qc_columns:
        const unsigned int *feature
        const unsigned char *missing
        ptrdiff_t n_columns
        ptrdiff_t n_features
        const unsigned int *category_feature
        const unsigned int *category_ends
        const double *category_values
        ptrdiff_t n_categorical
        const unsigned int *set_feature
        const unsigned char *set_sides
        const ptrdiff_t *set_starts
        const unsigned char *members
        ptrdiff_t n_sets
        int rule
    ctypedef struct qc_node_int32:
        pass
    ctypedef struct qc_node_int64:
        pass
    ctypedef struct qc_forest:
        const void *nodes
        const int *roots
        ptrdiff_t n_trees
    ctypedef struct qc_leaf_values:
        const void *values
        const unsigned int *index
        const unsigned int *output
        ptrdiff_t width
        ptrdiff_t n_outputs
    bint qc_build_int32(const unsigned char *, ptrdiff_t, const unsigned int *, const unsigned int *, const float *, ptrdiff_t,
                        qc_node_int32 *, int *, ptrdiff_t) noexcept nogil
    bint qc_build_int64(const unsigned char *, ptrdiff_t, const unsigned int *, const unsigned int *, const double *, ptrdiff_t,
                        qc_node_int64 *, int *, ptrdiff_t) noexcept nogil
    void _keys_float32 "qc_bound.keys_rows_float32"(const qc_columns *, const float *, ptrdiff_t, int *, int *) noexcept nogil
    void _keys_float64 "qc_bound.keys_rows_float64"(
        const qc_columns *, const double *, ptrdiff_t, int64_t *, int *) noexcept nogil
    void _walk_int32 "qc_bound.walk_rows_int32"(
        const qc_forest *, const int *, ptrdiff_t, ptrdiff_t, unsigned int *, ptrdiff_t) noexcept nogil
    void _walk_int64 "qc_bound.walk_rows_int64"(
        const qc_forest *, const int64_t *, ptrdiff_t, ptrdiff_t, unsigned int *, ptrdiff_t) noexcept nogil
    void _sum_float32 "qc_bound.sum_leaves_float32"(
        const qc_leaf_values *, const unsigned int *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, float *) noexcept nogil
    void _sum_float64 "qc_bound.sum_leaves_float64"(
        const qc_leaf_values *, const unsigned int *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, double *) noexcept nogil

include "door.pxi"

cdef enum:
    RELEASE_FROM = 1 << 12  # rows times trees: about 50 us
    SLICED_RELEASE_FROM = 1 << 17
    ROWS_RELEASE_FROM = 1 << 13
    PAUSE = 1 << 21  # rows times trees times outputs
    KEYS = 1 << 19  # bytes of keys of a block of rows: they stay in the second level of the cache
    ROWS = 4096  # a tree of thousands of leaves is read from the last level of the cache once a block
    DEEP_FROM = 64  # rows
    PLACES = 1 << 18  # bytes of places in the tops of trees, one a row and tree
    TREES = 8  # trees whose leaves are summed at once
    PART = 1 << 17  # rows times trees between two looks for Ctrl-C: 15 ms of trees of thousands of leaves

cdef object FLOAT32 = np.dtype(np.float32)
cdef object FLOAT64 = np.dtype(np.float64)
cdef tuple RULES = ("equal", "truncated", "unsigned")


cdef object _array(object x, str name, object dtype, int ndim):
    array = np.asarray(x)
    if array.dtype != dtype or array.ndim != ndim:
        raise TypeError(f"{name}: expected {ndim} dimension(s) of {dtype}, got {array.ndim} of {array.dtype}")
    return np.ascontiguousarray(array, dtype)


cdef object _ends(object x, str name, ptrdiff_t count, ptrdiff_t total):
    """Ends of parts of a whole, each part holding something; copied, since what is checked here is trusted later."""
    ends = _array(x, name, np.uint32, 1).copy()
    cdef const uint32_t *end = <const uint32_t *>cnp.PyArray_DATA(ends)
    cdef ptrdiff_t i
    cdef bint rises = len(ends) == count and (end[count - 1] if count else 0) == total
    if rises:
        for i in range(count):
            rises = rises and end[i] > (end[i - 1] if i else 0)
    if not rises:
        raise ValueError(f"{name}: expected {count} ends that ascend to {total}")
    return ends


cdef object _below(object x, str name, ptrdiff_t count, ptrdiff_t limit):
    numbers = _array(x, name, np.uint32, 1).copy()
    cdef const uint32_t *number = <const uint32_t *>cnp.PyArray_DATA(numbers)
    cdef ptrdiff_t i
    cdef uint32_t most = 0
    if len(numbers) == count:
        for i in range(count):
            most = max(most, number[i])
    if len(numbers) != count or (count and most >= limit):
        raise ValueError(f"{name}: expected {count} numbers below {limit}")
    return numbers


cdef struct _Block:
    const char *x  # rows, from the first of the block on
    char *keys
    int *codes
    unsigned int *found  # leaves[tree * stride + row]
    char *out  # leaves row by row, or sums
    uint8_t *ranks  # and what else the tops of deep trees need; NULL: they are walked from their roots
    uint8_t *places  # of each row in each tree's top, or NULL
    const qc_leaf_values *values  # NULL where leaves are asked for
    ptrdiff_t n_rows, width, stride
    bint single


cdef char *_address(cnp.ndarray array):
    return <char *>cnp.PyArray_DATA(array)


@cython.final
cdef class Values:
    """What leaves hold.

    Parameters
    ----------
    values : array of float32 or float64, shape (n_distinct, width)
    index : array of uint32, shape (n_leaves,), or None
    output : array of uint32, shape (n_trees,), or None
    n_leaves, n_trees, n_outputs : int
    """

    cdef qc_leaf_values v
    cdef ptrdiff_t n_leaves, n_trees
    cdef readonly object dtype
    cdef bint single_
    cdef tuple held
    cdef object values, index, output

    def __cinit__(self, values, index, output, ptrdiff_t n_leaves, ptrdiff_t n_trees, ptrdiff_t n_outputs):
        values = np.asarray(values)
        self.dtype = values.dtype
        self.single_ = values.dtype == FLOAT32
        self.values = values = _array(values, "values", FLOAT32 if self.single_ else FLOAT64, 2)
        self.v.values = cnp.PyArray_DATA(values)
        self.v.width, self.v.n_outputs = values.shape[1], n_outputs
        self.n_leaves, self.n_trees = n_leaves, n_trees
        if not 1 <= self.v.width <= n_outputs:
            raise ValueError(f"values: a leaf has {self.v.width} of them for {n_outputs} outputs")
        if index is not None:
            self.index = _below(index, "index", n_leaves, len(values))
            self.v.index = <const unsigned int *>cnp.PyArray_DATA(self.index)
        elif len(values) != n_leaves:
            raise ValueError(f"values: {len(values)} rows for {n_leaves} leaves")
        if output is not None:
            self.output = _below(output, "output", n_trees, n_outputs - self.v.width + 1)
            self.v.output = <const unsigned int *>cnp.PyArray_DATA(self.output)


cdef class Deep
cdef class Sliced


@cython.final
cdef class Forest:
    """Trees whose leaves are to be found, as :class:`quantcore.plan.ops.Trees` holds them.

    Parameters
    ----------
    n_features : int
    leaf, split, feature, missing, ends, threshold
    categories : (category_feature, category_ends, category_values, set_feature, set_sides, members, rule), or None
    """

    cdef qc_columns c
    cdef qc_forest f
    cdef readonly ptrdiff_t n_leaves
    cdef bint wide
    cdef object nodes, roots
    cdef Deep deep  # or None
    cdef object leaf, split, bounds, threshold  # what is laid out anew for bit slices; leaf is None where trees are too large
    cdef object feature, missing, category_feature, category_ends, category_values, set_feature, set_sides, set_starts, members

    def __cinit__(self, ptrdiff_t n_features, leaf, split, feature, missing, ends, threshold, categories=None):
        leaf = _array(leaf, "leaf", np.bool_, 1).copy()
        threshold = np.asarray(threshold)
        self.wide = threshold.dtype == FLOAT64
        threshold = _array(threshold, "threshold", FLOAT64 if self.wide else FLOAT32, 1)
        cdef ptrdiff_t n_thresholds = len(threshold), n_nodes = len(leaf)
        self.c.n_features = n_features
        self.c.n_columns = len(np.asarray(feature))
        self.feature = _below(feature, "feature", self.c.n_columns, n_features)
        self.missing = _array(missing, "missing", np.uint8, 1).copy()
        if len(self.missing) != self.c.n_columns:
            raise ValueError(f"missing: expected one a column, {self.c.n_columns}")
        bounds = _ends(ends, "ends", self.c.n_columns, n_thresholds)
        if self.c.n_columns:
            self.c.feature = <const unsigned int *>cnp.PyArray_DATA(self.feature)
            self.c.missing = <const unsigned char *>cnp.PyArray_DATA(self.missing)
        self._sets(categories)
        column = np.empty(n_thresholds + self.c.n_sets, np.uint32)
        cdef uint32_t *of = <uint32_t *>cnp.PyArray_DATA(column)
        cdef const uint32_t *end = <const uint32_t *>cnp.PyArray_DATA(bounds)
        cdef ptrdiff_t test, at = 0
        for test in range(n_thresholds + self.c.n_sets):
            while at < self.c.n_columns and test >= end[at]:
                at += 1
            of[test] = <uint32_t>(at if test < n_thresholds else at + test - n_thresholds)
        self.n_leaves = np.count_nonzero(leaf)
        self.f.n_trees = 2 * self.n_leaves - n_nodes
        if not 1 <= self.f.n_trees <= self.n_leaves < 1 << 31:
            raise ValueError(f"leaf: {n_nodes} nodes, {self.n_leaves} of them leaves, are no trees in preorder")
        split = _below(split, "split", n_nodes - self.n_leaves, len(column))
        self._build(leaf, split, column, threshold)
        if self.n_leaves <= 256 * self.f.n_trees:
            self.leaf, self.split, self.bounds, self.threshold = leaf, split, bounds, threshold.copy()
        elif not self.wide and self.c.n_columns + self.c.n_sets <= QC_DEEP_COLUMNS:
            self.deep = _deep(self, split, bounds, threshold, categories)

    cdef object _sets(self, categories):
        if categories is None:
            return
        feature, ends, values, of, sides, members, rule = categories
        values = _array(values, "category_values", np.float64, 1)
        self.c.n_categorical, self.c.n_sets = len(feature), len(of)
        self.category_feature = _below(feature, "category_feature", self.c.n_categorical, self.c.n_features)
        bounds = _ends(ends, "category_ends", self.c.n_categorical, len(values))
        self.category_ends, self.category_values = bounds, values.copy()
        self.set_feature = _below(of, "set_feature", self.c.n_sets, self.c.n_categorical)
        self.set_sides = _array(sides, "set_sides", np.uint8, 1).copy()
        self.members = _array(members, "members", np.bool_, 1).copy().view(np.uint8)
        sizes = np.diff(bounds.astype(np.intp), prepend=0)[np.asarray(of, np.intp)]
        if len(self.set_sides) != self.c.n_sets or sizes.sum() != len(self.members):
            raise ValueError(f"members: expected {sizes.sum()} of {self.c.n_sets} sets, got {len(self.members)}")
        self.set_starts = (np.cumsum(sizes) - sizes).astype(np.intp)
        self.c.rule = RULES.index(rule)
        if self.c.n_sets:
            self.c.category_feature = <const unsigned int *>cnp.PyArray_DATA(self.category_feature)
            self.c.category_ends = <const unsigned int *>cnp.PyArray_DATA(self.category_ends)
            self.c.category_values = <const double *>cnp.PyArray_DATA(self.category_values)
            self.c.members = <const unsigned char *>cnp.PyArray_DATA(self.members)
            self.c.set_feature = <const unsigned int *>cnp.PyArray_DATA(self.set_feature)
            self.c.set_sides = <const unsigned char *>cnp.PyArray_DATA(self.set_sides)
            self.c.set_starts = <const ptrdiff_t *>cnp.PyArray_DATA(self.set_starts)

    cdef object _build(self, leaf, split, column, threshold):
        cdef const uint8_t *flags = <const uint8_t *>cnp.PyArray_DATA(leaf)
        cdef const uint32_t *tests = <const uint32_t *>cnp.PyArray_DATA(split)
        cdef const uint32_t *columns = <const uint32_t *>cnp.PyArray_DATA(column)
        cdef const void *bounds = cnp.PyArray_DATA(threshold)
        cdef ptrdiff_t n_splits = len(split), n_thresholds = len(threshold), n_nodes = len(leaf)
        cdef void *nodes
        cdef int *roots
        cdef bint whole
        self.nodes = np.empty((n_splits + 1) * (sizeof(qc_node_int64) if self.wide else sizeof(qc_node_int32)), np.uint8)
        self.roots = np.empty(self.f.n_trees, np.intc)
        nodes, roots = cnp.PyArray_DATA(self.nodes), <int *>cnp.PyArray_DATA(self.roots)
        if self.wide:
            whole = qc_build_int64(flags, n_nodes, tests, columns, <const double *>bounds, n_thresholds,
                                   <qc_node_int64 *>nodes, roots, self.f.n_trees)
        else:
            whole = qc_build_int32(flags, n_nodes, tests, columns, <const float *>bounds, n_thresholds,
                                   <qc_node_int32 *>nodes, roots, self.f.n_trees)
        if not whole:
            raise ValueError("leaf: the flags do not end with a whole tree")
        self.f.nodes, self.f.roots = nodes, roots

    @property
    def shape(self):
        """(n_features, n_trees)."""
        return self.c.n_features, self.f.n_trees

    def leaves(self, rows):
        """Rows (float32 or float64, as the thresholds are) → numbers of their leaves, uint32, (n_rows, n_trees)."""
        out = np.empty((len(rows), self.f.n_trees), np.uint32)
        self._run(rows, None, None, out)
        return out

    def sums(self, rows, Values values not None, out):
        """Add the values of the rows' leaves to ``out``, (n_rows, n_outputs) of the values' dtype, tree after tree."""
        if values.n_trees != self.f.n_trees or values.n_leaves != self.n_leaves:
            raise ValueError(f"values: they are of {values.n_trees} trees with {values.n_leaves} leaves, not of these")
        found = _array(out, "out", values.dtype, 2)
        if found is not out or found.shape != (len(rows), values.v.n_outputs) or not found.flags.writeable:
            raise ValueError(f"out: expected a writable array, C-contiguous, of shape {(len(rows), values.v.n_outputs)}")
        self._run(rows, values, found, None)

    cdef object _run(self, rows, Values values, sums, leaves):
        cdef ptrdiff_t width = self.c.n_columns + self.c.n_sets, n_rows = len(rows), start = 0, tree, some
        cdef ptrdiff_t block = max(1, min(ROWS, n_rows, KEYS // (max(width, 1) * (8 if self.wide else 4))))
        cdef bint worth_it = n_rows * self.f.n_trees >= RELEASE_FROM
        cdef PyThreadState *released
        cdef _Block of
        of.ranks = NULL
        rows = _array(rows, "rows", FLOAT64 if self.wide else FLOAT32, 2)
        if rows.shape[1] != self.c.n_features:
            raise ValueError(f"rows: expected {self.c.n_features} features, got {rows.shape[1]}")
        # Held while their addresses are used.
        of.stride = (block + 63) & ~63
        ranks = None
        if self.deep is not None and n_rows >= DEEP_FROM:
            block = min(block, max(QC_SLICE, PLACES // self.f.n_trees // QC_SLICE * QC_SLICE))
            of.stride = (block + 63) & ~63
            ranks = np.empty(self.deep.room + self.f.n_trees * of.stride + 64, np.uint8)
            of.ranks = <uint8_t *>((<uintptr_t>_address(ranks) + 63) & ~<uintptr_t>63)
        keys = np.empty(block * width + 1, np.int64 if self.wide else np.int32)
        codes = np.empty(self.c.n_categorical + 1, np.int32)
        found = np.empty(TREES * of.stride, np.uint32)
        of.x, of.keys, of.codes = _address(rows), _address(keys), <int *>_address(codes)
        of.found = <unsigned int *>_address(found)
        of.out, of.width = _address(sums if leaves is None else leaves), width
        of.values = NULL if values is None else &values.v
        of.single = values is not None and values.dtype == FLOAT32
        while start < n_rows:
            of.n_rows = min(block, n_rows - start)
            some = max(1, PART // (of.n_rows * TREES)) * TREES
            for tree in range(0, self.f.n_trees, some):
                released = _release(worth_it)
                self._block(&of, tree, min(tree + some, self.f.n_trees))
                _acquire(released)
                PyErr_CheckSignals()
            of.x += of.n_rows * self.c.n_features * (8 if self.wide else 4)
            if of.values:
                of.out += of.n_rows * values.v.n_outputs * (4 if of.single else 8)
            else:
                of.out += of.n_rows * self.f.n_trees * 4
            start += block

    cdef void _block(self, _Block *of, ptrdiff_t tree, ptrdiff_t last) noexcept nogil:
        """A block of rows through some of the trees, TREES at a time, whose leaves stay in the cache until they are summed; the
        first of them make the keys and find the places in the tops."""
        cdef qc_forest part = self.f
        if tree == 0:
            of.places = NULL
            if of.ranks and self.deep.places(<const float *>of.x, of.n_rows, of.stride, of.ranks):
                of.places = of.ranks + self.deep.room
            if self.wide:
                _keys_float64(&self.c, <const double *>of.x, of.n_rows, <int64_t *>of.keys, of.codes)
            else:
                _keys_float32(&self.c, <const float *>of.x, of.n_rows, <int *>of.keys, of.codes)
        while tree < last:
            part.roots, part.n_trees = self.f.roots + tree, min(TREES, last - tree)
            if of.places:
                self.deep.walk(tree, part.n_trees, <const int *>of.keys, of.width, of.places, of.n_rows, of.found, of.stride)
            elif self.wide:
                _walk_int64(&part, <const int64_t *>of.keys, of.width, of.n_rows, of.found, of.stride)
            else:
                _walk_int32(&part, <const int *>of.keys, of.width, of.n_rows, of.found, of.stride)
            if of.values == NULL:
                _transpose(of.found, of.stride, part.n_trees, of.n_rows, <unsigned int *>of.out + tree, self.f.n_trees)
            elif of.single:
                _sum_float32(of.values, of.found, of.stride, tree, part.n_trees, of.n_rows, <float *>of.out)
            else:
                _sum_float64(of.values, of.found, of.stride, tree, part.n_trees, of.n_rows, <double *>of.out)
            tree += TREES


cdef void _transpose(
    const unsigned int *found, ptrdiff_t stride, ptrdiff_t n_trees, ptrdiff_t n_rows, unsigned int *out, ptrdiff_t width
) noexcept nogil:
    """Leaves tree by tree → row by row."""
    cdef ptrdiff_t row, tree
    for row in range(n_rows):
        for tree in range(n_trees):
            out[row * width + tree] = found[tree * stride + row]


include "sliced.pxi"
include "rows.pxi"
include "deep.pxi"
include "walk.pxi"
include "links.pxi"
include "ensemble.pxi"
