/* Arrow's C data interface: the structs that its specification fixes, and what is read of them. */
#ifndef QC_FRAME_ARROW_H
#define QC_FRAME_ARROW_H

#include "kernels/frame/frame.h"

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};
struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
#endif
#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE
struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};
#endif

/* A column of Arrow's, from row `skipped` of it on; 0 for what is left to others: types that are no numbers, booleans or strings,
 * float32, integers and booleans with nulls (float64 elsewhere). */
int qc_arrow_column(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t skipped, qc_frame_column *out);

#endif
