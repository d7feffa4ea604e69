/* Arrow's columns → columns as the other functions read them. */
#include "kernels/frame/arrow.h"

#include <string.h>

static int kind_of(const char *format, qc_frame_kind *kind, int *size) {
    static const struct {
        const char *format;
        qc_frame_kind kind;
        int size;
    } known[] = {{"b", QC_OF_BITS, 0},     {"c", QC_OF_INT8, 1},    {"C", QC_OF_UINT8, 1},   {"s", QC_OF_INT16, 2},
                 {"S", QC_OF_UINT16, 2},   {"i", QC_OF_INT32, 4},   {"I", QC_OF_UINT32, 4},  {"l", QC_OF_INT64, 8},
                 {"L", QC_OF_UINT64, 8},   {"g", QC_OF_FLOAT64, 8}, {"u", QC_OF_UTF8, 0},    {"U", QC_OF_UTF8_64, 0},
                 {"vu", QC_OF_VIEWS, 0}};
    for (size_t i = 0; i < sizeof known / sizeof *known; ++i)
        if (strcmp(format, known[i].format) == 0) {
            *kind = known[i].kind;
            *size = known[i].size;
            return 1;
        }
    return 0;
}

/* Arrow tells no sizes of these buffers, but that offsets ascend. */
static int64_t last_offset(const qc_frame_column *c, int64_t n) {
    int32_t narrow = 0;
    int64_t wide = 0;
    if (!n) return 0; /* then there may be no offset at all */
    if (c->kind == QC_OF_UTF8_64) {
        memcpy(&wide, c->data + 8 * n, 8);
        return wide;
    }
    memcpy(&narrow, c->data + 4 * n, 4);
    return narrow;
}

int qc_arrow_column(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t skipped, qc_frame_column *out) {
    int size;
    memset(out, 0, sizeof *out);
    if (schema->dictionary || array->dictionary || !kind_of(schema->format, &out->kind, &size) || array->n_buffers < 2) return 0;
    const int strings = out->kind == QC_OF_UTF8 || out->kind == QC_OF_UTF8_64 || out->kind == QC_OF_VIEWS;
    if (array->null_count != 0) out->valid = array->buffers[0]; /* -1: not counted */
    if (out->valid && !strings && out->kind != QC_OF_FLOAT64) return 0;
    out->offset = array->offset + skipped;
    out->stride = size;
    out->data = array->buffers[1];
    if (!out->data) return array->length == 0;
    if (size) out->data += out->offset * size;
    if (out->kind == QC_OF_UTF8 || out->kind == QC_OF_UTF8_64) {
        if (array->n_buffers < 3) return 0;
        out->bytes = array->buffers[2] ? array->buffers[2] : ""; /* all strings may be empty */
        out->end = last_offset(out, array->offset + array->length);
    }
    if (out->kind == QC_OF_VIEWS) { /* the last buffer holds the sizes of the others */
        if (array->n_buffers < 3) return 0;
        out->n_more = array->n_buffers - 3;
        out->more = array->buffers + 2;
        out->sizes = array->buffers[array->n_buffers - 1];
        if (out->n_more && !out->sizes) return 0;
    }
    return 1;
}
