# Columns of Arrow's, by its C stream interface; included by frame.pyx.

from cpython.pycapsule cimport PyCapsule_GetPointer

cdef extern from "kernels/frame/arrow.h":
    struct ArrowSchema:
        const char *format
        const char *name
        int64_t n_children
        ArrowSchema **children
        void (*release)(ArrowSchema *) noexcept
    struct ArrowArray:
        int64_t length
        int64_t null_count
        int64_t offset
        int64_t n_children
        ArrowArray **children
        void (*release)(ArrowArray *) noexcept
    struct ArrowArrayStream:
        int (*get_schema)(ArrowArrayStream *, ArrowSchema *) noexcept
        int (*get_next)(ArrowArrayStream *, ArrowArray *) noexcept
    bint qc_arrow_column(const ArrowSchema *, const ArrowArray *, int64_t, qc_frame_column *) noexcept nogil

cdef enum:
    MOST_CHUNKS = 16


@cython.final
cdef class _Chunks:
    """What an object with ``__arrow_c_stream__`` holds, held."""

    cdef object stream
    cdef ArrowSchema schema
    cdef ArrowArray arrays[MOST_CHUNKS]
    cdef Py_ssize_t count
    cdef list places

    def __cinit__(self, source):
        self.stream = source.__arrow_c_stream__()

    def __dealloc__(self):
        cdef Py_ssize_t k
        for k in range(self.count):
            if self.arrays[k].release is not NULL:
                self.arrays[k].release(&self.arrays[k])
        if self.schema.release is not NULL:
            self.schema.release(&self.schema)

    def __len__(self):
        return self.count

    cdef bint take(self) except -1:
        """Whether the stream was read, and not too long."""
        cdef ArrowArrayStream *stream = <ArrowArrayStream *>PyCapsule_GetPointer(self.stream, "arrow_array_stream")
        if stream.get_schema(stream, &self.schema):
            self.schema.release = NULL
            return False
        while self.count < MOST_CHUNKS:
            if stream.get_next(stream, &self.arrays[self.count]):
                return False
            if self.arrays[self.count].release is NULL:
                return True
            self.count += 1
        return False

    cdef Py_ssize_t rows(self, Py_ssize_t chunk):
        return self.arrays[chunk].length

    cdef bint column(self, Py_ssize_t chunk, qc_frame_column *out):
        """The chunk as a column of its own."""
        return qc_arrow_column(&self.schema, &self.arrays[chunk], 0, out)

    cdef bint find(self, tuple names, tuple columns, bint by_name):
        """Whether the columns are there, and as they have to be."""
        cdef int64_t k
        if self.schema.format[0] != c"+" or self.schema.format[1] != c"s":
            return False
        there = [self.schema.children[k].name.decode() for k in range(self.schema.n_children)]
        numbers = {name: i for i, name in enumerate(there)}
        if by_name:
            self.places = [numbers.get(names[i], -1) for i in columns]
            return len(numbers) == len(there) and -1 not in self.places
        self.places = list(columns)
        return tuple(there) == names

    cdef bint columns(self, Py_ssize_t chunk, qc_frame_column *out):
        """The columns that were found, of a chunk."""
        cdef ArrowArray *array = &self.arrays[chunk]
        cdef Py_ssize_t k, at
        if array.null_count > 0 or array.n_children != self.schema.n_children:
            return False
        for k in range(len(self.places)):
            at = self.places[k]
            if not qc_arrow_column(self.schema.children[at], array.children[at], array.offset, &out[k]):
                return False
            out[k].holds_none = out[k].kind != QC_OF_FLOAT64
        return True
