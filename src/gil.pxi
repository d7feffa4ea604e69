# Releasing the GIL where it is worth it; included by door.pxi and by the door without kernels.

cdef extern from "Python.h":
    ctypedef struct PyThreadState:
        pass
    PyThreadState *PyEval_SaveThread() noexcept nogil
    void PyEval_RestoreThread(PyThreadState *state) noexcept nogil


cdef inline PyThreadState *_release(bint worth_it) noexcept nogil:
    """Release the GIL, or not (NULL): for work under about 50 us, taking it back costs more than others gain."""
    return PyEval_SaveThread() if worth_it else NULL


cdef inline void _acquire(PyThreadState *released) noexcept nogil:
    if released:
        PyEval_RestoreThread(released)
