# The walk behind plain arrays, for trees of any size; included by trees.pyx.

@cython.final
cdef class Walk:
    """An ensemble of any trees, for many rows.

    Parameters
    ----------
    forest : Forest
    values : Values
    base : array of float64, shape (n_outputs,)
    divisor : float
    refused : int
        As of Sliced.
    """

    cdef Forest forest
    cdef Values values
    cdef object held
    cdef double divisor
    cdef int refused

    def __cinit__(self, Forest forest not None, Values values not None, base, double divisor, int refused):
        if not divisor > 0 or not 0 <= refused <= 3:
            raise ValueError(f"divisor {divisor!r} or refused {refused!r}: expected a positive number, and 0 to 3")
        self.forest, self.values, self.held = forest, _values_of(forest, values), _base_of(base, values)
        self.divisor, self.refused = divisor, refused

    def sums(self, rows):
        """As of Sliced."""
        cdef int width = _checked_width(self.forest, rows)
        out = _empty(self.values, rows)
        return None if self.run(rows, width, cnp.PyArray_DIM(rows, 0), cnp.PyArray_BYTES(out)) else out

    cdef int run(self, X, int width, Py_ssize_t n, char *out) except -1:
        """1 if a value is refused, else 0."""
        cdef Py_ssize_t size = n * self.values.v.n_outputs, count = n * self.forest.c.n_features
        cdef const char *rows = cnp.PyArray_BYTES(X)
        cdef bint refused
        with nogil:
            if width == 4:
                refused = qc_row_refused_float32(<const float *>rows, count, self.refused)
            else:
                refused = qc_row_refused_float64(<const double *>rows, count, self.refused)
        if refused:
            return 1
        if self.forest.c.n_categorical and self.forest.c.rule == 0:
            X = np.ascontiguousarray(X)
            if np.isinf(X[:, self.forest.category_feature]).any():
                return 1
        if (width == 8) != self.forest.wide:
            with np.errstate(over="ignore"):
                X = X.astype(FLOAT64 if self.forest.wide else FLOAT32)
        sums = _empty(self.values, X)
        sums[:] = self.held
        self.forest._run(X, self.values, sums, None)
        if self.divisor != 1.0:
            sums /= self.values.dtype.type(self.divisor)
        memcpy(out, cnp.PyArray_DATA(sums), size * (4 if self.values.single_ else 8))
        return 0
