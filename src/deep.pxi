# Trees of many leaves: bit slices find where a row leaves each tree's top, a walk the leaf below; included by trees.pyx.

cdef extern from *:
    ctypedef struct qc_deep:
        const uint64_t *slots
        const uint32_t *leaf
        const uint32_t *first
        const uint32_t *start
    enum:
        QC_DEEP_TOP
        QC_DEEP_COLUMNS
        QC_DEEP_SLOTS
    void qc_deep_tops_int32(const qc_forest *, const uint8_t *, uint8_t *, int32_t *, int32_t *) noexcept nogil
    bint qc_deep_int32(const qc_forest *, qc_deep *, uint32_t *, uint32_t *) noexcept nogil
    void _walk_deep "qc_bound.walk_deep_int32"(
        const qc_deep *, ptrdiff_t, ptrdiff_t, const int *, ptrdiff_t, const uint8_t *, ptrdiff_t, unsigned int *,
        ptrdiff_t) noexcept nogil

cdef enum:
    MOST_RANKS = 4096  # columns of ranks: those of a block take 2 MB


@cython.final
cdef class Deep:
    """The tops of a forest's trees, and what is below them.

    Parameters
    ----------
    forest : Forest
        Whose thresholds are float32.
    top : Sliced
        The tops: each exit a leaf.
    exits : array of int32
        What the leaves of ``top`` are: splits, or ~leaf.
    tree : array of int
        Of each exit.
    """

    cdef Sliced top
    cdef qc_deep d
    cdef tuple held
    cdef ptrdiff_t room  # bytes that places() needs in front of the places

    def __cinit__(self, Forest forest not None, Sliced top not None, exits, tree):
        cdef Py_ssize_t n_splits = forest.n_leaves - forest.f.n_trees
        self.top = top
        self.room = top.ranks_size + top.codes_size + _rounded(top.scratch_size)
        slots, leaf = np.empty(n_splits + forest.n_leaves, np.uint64), np.empty(n_splits + forest.n_leaves, np.uint32)
        first, start = np.empty(forest.f.n_trees, np.uint32), np.zeros((forest.f.n_trees, QC_DEEP_TOP), np.uint32)
        of_split, of_leaf = np.empty(n_splits + 1, np.uint32), np.empty(forest.n_leaves, np.uint32)
        self.d.slots, self.d.leaf = <uint64_t *>_data(slots), <uint32_t *>_data(leaf)
        self.d.first, self.d.start = <uint32_t *>_data(first), <uint32_t *>_data(start)
        if not qc_deep_int32(&forest.f, &self.d, <uint32_t *>_data(of_split), <uint32_t *>_data(of_leaf)):
            raise ValueError("forest: a tree has too many leaves")
        is_leaf = exits < 0
        start[tree, top.held["places"]] = np.where(is_leaf, of_leaf[np.where(is_leaf, ~exits, 0)], of_split[np.maximum(exits, 0)])
        self.held = slots, leaf, first, start

    cdef bint places(self, const float *x, Py_ssize_t n, Py_ssize_t stride, uint8_t *room) noexcept nogil:
        """Fill what begins ``self.room`` bytes behind ``room``; False where a value is none that bit slices read."""
        cdef int32_t *codes = <int32_t *>(room + self.top.ranks_size)
        cdef void *scratch = room + self.top.ranks_size + self.top.codes_size
        cdef Py_ssize_t start = 0, count
        while start < n:
            count = min(n - start, QC_SLICE)
            if _ranks_float32(&self.top.r, x + start * self.top.forest.c.n_features, count, room, codes):
                return False
            _places(&self.top.s, room, count, scratch, room + self.room + start, stride)
            start += count
        return True

    cdef void walk(
        self, Py_ssize_t tree, Py_ssize_t n_trees, const int *keys, Py_ssize_t width, const uint8_t *places, Py_ssize_t n_rows,
        unsigned int *leaves, Py_ssize_t stride
    ) noexcept nogil:
        _walk_deep(&self.d, tree, n_trees, keys, width, places + tree * stride, n_rows, leaves, stride)


cdef Deep _deep(Forest forest, split, bounds, threshold, categories):
    """What is faster than walks from the roots; None where trees or their tops are too large."""
    cdef Py_ssize_t n_trees = forest.f.n_trees, n_splits = forest.n_leaves - n_trees, n
    leaves, ends = np.empty(n_splits + 1, np.uint32), np.empty(n_trees, np.uint32)
    opened = np.empty(min(n_splits, n_trees * (QC_DEEP_TOP - 1)) + 1, np.int32)
    n = qc_tops_open_int32(
        &forest.f, n_splits, QC_DEEP_TOP, <uint32_t *>_data(leaves), <int32_t *>_data(opened), <uint32_t *>_data(ends)
    )
    roots = forest.roots
    if leaves[roots[roots >= 0]].max() * 2 > QC_DEEP_SLOTS:
        return None
    is_open = np.zeros(n_splits + 1, np.uint8)
    is_open[opened[:n]] = 1
    leaf, splits, exits = np.empty(2 * n + n_trees, np.uint8), np.empty(n + 1, np.int32), np.empty(n + n_trees, np.int32)
    qc_deep_tops_int32(
        &forest.f, <uint8_t *>_data(is_open), <uint8_t *>_data(leaf), <int32_t *>_data(splits), <int32_t *>_data(exits)
    )
    used, test = np.unique(split[splits[:n]], return_inverse=True)
    numeric = used[used < len(threshold)]
    sizes = np.diff(np.searchsorted(numeric, bounds), prepend=0)
    kept = sizes > 0
    number = np.where(used < len(threshold), np.arange(len(used)), used.astype(np.int64) - len(threshold) + len(numeric))
    if len(kept) + len(numeric) // QC_MOST_RANKS + forest.c.n_sets > MOST_RANKS:
        return None
    top = Forest(
        forest.c.n_features, leaf.view(np.bool_), number[test].astype(np.uint32), forest.feature[kept],
        forest.missing[kept], np.cumsum(sizes[kept]).astype(np.uint32), threshold[numeric], categories
    )
    places = Values(np.zeros((1, 1), np.float32), np.zeros(len(exits), np.uint32), None, len(exits), n_trees, 1)
    tree = np.repeat(np.arange(n_trees), np.diff(ends.astype(np.int64), prepend=0) + 1)
    return Deep(forest, Sliced(top, places, np.zeros(1), 1.0, 0), exits, tree)
