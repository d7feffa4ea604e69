/* The nonzeros of X as kernels read them: X's own arrays, or without those whose features have no weights. */
#ifndef QC_SPARSE_ENTRIES_H
#define QC_SPARSE_ENTRIES_H

#include "kernels/sparse/sparse.h"

enum {
    QC_STAGE = 256,   /* entries that are copied at once: 2 KB */
    QC_PLACES = 2048, /* nonzeros that they are copied from: 4 KB */
    QC_AHEAD = 8      /* entries between a row's prefetch and its use, across the ends of X's rows */
};

typedef struct {
    const void *ids, *values;
    const uint32_t *index; /* id -> stored row; NULL: ids are stored rows */
    ptrdiff_t last;        /* of all rows */
    int wide, doubles;
    const char **packed;   /* of masks: how far each row's packed values have been read */
} qc_entries;

QC_INLINE ptrdiff_t qc_stored(const qc_entries *e, ptrdiff_t n) {
    const ptrdiff_t id = qc_at(e->ids, e->wide, n);
    return e->index ? (ptrdiff_t)e->index[id] : id;
}

/* What an entry's weights are multiplied by: x_j * scale_j, x_j and the product rounded to float32. */
QC_INLINE float qc_value(const qc_entries *e, const qc_rows *w, ptrdiff_t n, ptrdiff_t stored) {
    const float value = e->doubles ? (float)((const double *)e->values)[n] : ((const float *)e->values)[n];
    return w->scale ? value * w->scale[stored] : value;
}

/* Where a stored row begins: rows of one length, and rows of their own lengths. */
QC_INLINE const char *qc_row(const qc_rows *w, ptrdiff_t stored) { return (const char *)w->rows + stored * w->stride; }
QC_INLINE const char *qc_row_from(const qc_rows *w, ptrdiff_t stored) { return (const char *)w->rows + w->start[stored]; }

/* Asks for `bytes` from an address on, which need not be the start of a cache line. */
QC_INLINE void qc_prefetch(const char *address, const ptrdiff_t bytes) {
    QC_UNROLL
    for (ptrdiff_t line = 0; line < bytes; line += 64) QC_PREFETCH(address + line);
    QC_PREFETCH(address + bytes - 1);
}

/* Asks for the row of the entry QC_AHEAD on, `stride` bytes of it: as many as most rows have, since a loop over the bytes of each
 * would end at random. Where it begins is asked for before that. */
QC_INLINE void qc_prefetch_from(const qc_entries *e, const qc_rows *w, ptrdiff_t n) {
    if (n + 2 * QC_AHEAD < e->last) QC_PREFETCH(w->start + qc_stored(e, n + 2 * QC_AHEAD));
    if (n + QC_AHEAD >= e->last) return;
    const ptrdiff_t next = qc_stored(e, n + QC_AHEAD);
    const char *row = qc_row_from(w, next);
    if (w->scale) QC_PREFETCH(w->scale + next);
    for (ptrdiff_t line = 0; line < w->stride; line += 64) QC_PREFETCH(row + line);
}

/* Copies of the nonzeros that have weights. */
typedef struct {
    uint32_t stored[QC_STAGE + 16]; /* 16 may be written at once */
    float value[QC_STAGE + 16];
    const char *packed[QC_STAGE];
    uint16_t place[QC_PLACES + 1];  /* nonzero from + t is entry place[t] */
    ptrdiff_t from, to;
} qc_staged;

/* Kinds of weights: constants wherever they are passed. */
enum { QC_INT4, QC_INT8, QC_INT16, QC_FLOAT16, QC_FLOAT32, QC_LISTS, QC_MASKS };

/* Bytes of 16 weights. */
QC_INLINE ptrdiff_t qc_group_bytes(const int dtype) {
    return dtype == QC_INT4 ? 8 : dtype == QC_INT8 ? 16 : dtype == QC_FLOAT32 ? 64 : 32;
}

#endif
