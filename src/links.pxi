# Probabilities from scores; included by the doors that answer them.

cdef extern from "kernels/links.h":
    ctypedef enum qc_link_kind:
        pass
    ctypedef enum qc_paired:
        pass
    ctypedef enum qc_shares:
        pass
    ctypedef struct qc_link:
        qc_link_kind kind
        qc_paired paired
        qc_shares shares
        double scale
        const double *slope
        const double *offset
        ptrdiff_t n_scores, n_outputs
    double qc_exp(double) noexcept nogil
    void qc_link_row(const qc_link *, const double *, double *) noexcept nogil


cdef class Link:
    """What probabilities follow from scores.

    Parameters
    ----------
    kind : int
        0 the scores themselves, 1 exp, 2 softmax, 3 sigmoid.
    paired : int
        0: as many as scores; one score s as 1: (0, s), 2: (-s, s).
    shares : int
        1, 2: divided by their sum; a row of zeros becomes equal shares (1) or stays (2).
    scale : float
        Of softmax.
    slope, offset : ndarray of float64, shape (n_scores,)
        Of sigmoid.
    flat : bool
        One output is answered as a 1-d array.
    """

    cdef qc_link link
    cdef object arrays
    cdef bint flat

    def __cinit__(self, int kind, int paired, int shares, double scale, slope, offset, bint flat):
        self.arrays = (np.array(slope, np.float64), np.array(offset, np.float64))
        self.link.kind, self.link.paired, self.link.shares = <qc_link_kind>kind, <qc_paired>paired, <qc_shares>shares
        self.link.scale = scale
        self.link.slope = <const double *>cnp.PyArray_DATA(self.arrays[0])
        self.link.offset = <const double *>cnp.PyArray_DATA(self.arrays[1])
        self.link.n_scores = len(slope)
        self.link.n_outputs = 2 if paired else len(slope)
        self.flat = flat and self.link.n_outputs == 1

    def __call__(self, scores):
        """Probabilities of scores, shape (n_rows, n_scores)."""
        given = np.ascontiguousarray(scores, np.float64)
        if given.ndim != 2 or given.shape[1] != self.link.n_scores:
            raise ValueError(f"expected scores of shape (n_rows, {self.link.n_scores}), got {given.shape}")
        out = np.empty((len(given), self.link.n_outputs))
        self.rows(<const double *>cnp.PyArray_DATA(given), <double *>cnp.PyArray_DATA(out), len(given))
        return out[:, 0] if self.flat else out

    cdef void rows(self, const double *scores, double *out, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(n):
            qc_link_row(&self.link, scores + i * self.link.n_scores, out + i * self.link.n_outputs)


def exp(double x):
    """The links' exponential, for tests."""
    return qc_exp(x)
