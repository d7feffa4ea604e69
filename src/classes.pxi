# Positions of classes → the classes themselves, as an array of the source's dtype; included by doors that answer labels.

cdef extern from *:
    """
    #include <numpy/arrayobject.h>
    static PyObject *qc_new_array(PyObject *descr, npy_intp n) {
        Py_INCREF(descr); /* the call steals a reference */
        return PyArray_NewFromDescr(&PyArray_Type, (PyArray_Descr *)descr, 1, &n, NULL, NULL, 0, NULL);
    }
    """
    object qc_new_array(object descr, cnp.npy_intp n)


cdef class Classes:
    """What label i is answered as: an array of any dtype, objects included."""

    cdef object array, descr
    cdef char *data
    cdef Py_ssize_t size
    cdef bint objects

    def __cinit__(self, classes):
        self.array = np.ascontiguousarray(classes)
        self.descr = self.array.dtype
        self.data = cnp.PyArray_BYTES(self.array)
        self.size = self.array.itemsize
        self.objects = self.descr.hasobject

    cdef object answer(self, const int32_t *labels, Py_ssize_t n):
        """The classes at n positions, which must be within the array."""
        cdef Py_ssize_t i
        answer = qc_new_array(self.descr, n)
        cdef char *out = cnp.PyArray_BYTES(answer)
        if self.objects:
            for i in range(n):
                Py_INCREF(<object>(<PyObject **>self.data)[labels[i]])
                (<PyObject **>out)[i] = (<PyObject **>self.data)[labels[i]]
        elif self.size == 8:
            for i in range(n):
                (<uint64_t *>out)[i] = (<uint64_t *>self.data)[labels[i]]
        else:
            for i in range(n):
                memcpy(out + i * self.size, self.data + labels[i] * self.size, self.size)
        return answer

    cdef int settle(self, settle, rows, int32_t *labels, const uint8_t *planes, Py_ssize_t n) except -1:
        """Ask for the labels of the rows that no plane settled, of a tuple or an array."""
        cdef Py_ssize_t i
        positions = [i for i in range(n) if planes[i] == 2]
        found = [rows[i] for i in positions] if type(rows) is tuple else rows[positions]
        answers = settle(found, [labels[i] for i in positions], list(positions))
        for row, label in zip(positions, answers, strict=True):
            if not 0 <= label < len(self.array):
                raise ValueError(f"settle answered {label!r} for row {row}, not a position in the {len(self.array)} classes")
            labels[row] = label
        return 0
