/* Columns of a table → a matrix, as quantcore.runtime.frames lays the way out. README.md explains. */
#ifndef QC_FRAME_H
#define QC_FRAME_H

#include <stddef.h>
#include <stdint.h>

/* Values as the caller holds them. Objects are Python's: the door reads those. */
typedef enum {
    QC_OF_BOOL,
    QC_OF_INT8,
    QC_OF_UINT8,
    QC_OF_INT16,
    QC_OF_UINT16,
    QC_OF_INT32,
    QC_OF_UINT32,
    QC_OF_INT64,
    QC_OF_UINT64,
    QC_OF_FLOAT64,
    QC_OF_BITS,    /* Arrow's booleans */
    QC_OF_OBJECT,  /* pointers */
    QC_OF_UTF8,    /* Arrow: int32 offsets, then bytes */
    QC_OF_UTF8_64, /* int64 offsets */
    QC_OF_VIEWS    /* 16 bytes a value, long ones in buffers of their own */
} qc_frame_kind;

typedef struct {
    qc_frame_kind kind;
    const char *data;       /* the first value; bits and strings: the whole buffer */
    ptrdiff_t stride;       /* bytes from one value to the next, where values have addresses of their own */
    ptrdiff_t offset;       /* bits, strings: number of the first value */
    const uint8_t *valid;   /* a bit a value, from offset on; NULL: all are there */
    const char *bytes;      /* strings: what offsets count in */
    int64_t end;            /* strings: their last offset, which no other exceeds */
    const void *const *more; /* views: the buffers of long strings */
    const int64_t *sizes;   /* views: of those buffers */
    int64_t n_more;
    int holds_none;         /* None, or what is not there, is None; else it is NaN */
} qc_frame_column;

/* What is done to numbers, each an IEEE operation of quantcore.reference, in its order. */
typedef enum {
    QC_STEP_FILL_NAN,  /* NaN → a */
    QC_STEP_FILL,      /* a → b; NaN is refused */
    QC_STEP_REPLACE,   /* a → b; NaN stays */
    QC_STEP_SUBTRACT,  /* x - a */
    QC_STEP_DIVIDE,    /* x / a */
    QC_STEP_MULTIPLY,  /* x * a */
    QC_STEP_ADD,       /* x + a */
    QC_STEP_CLIP,      /* a .. b, as np.clip */
    QC_STEP_ABOVE,     /* x > a: 1, else 0 */
    QC_STEP_IS_NAN,    /* 1, else 0 */
    QC_STEP_IS,        /* x == a: 1, else 0; NaN is refused */
    QC_STEP_FINITE,    /* NaN and infinity are refused */
    QC_STEP_NO_INFINITY
} qc_frame_action;

typedef struct {
    qc_frame_action action;
    double a, b;
} qc_frame_step;

/* Strings → codes: open addressing over their UTF-8. */
typedef struct {
    const uint32_t *slots;  /* 1 + number of the string; 0: free; one more than mask of them */
    uint32_t mask;
    const uint32_t *ends;   /* of each string in text, from ends[0] = 0 on */
    const char *text;
    const int32_t *codes;   /* of each string */
} qc_frame_strings;

/* Rows that are read at a time: a column's numbers stay in the first cache. */
#define QC_FRAME_ROWS 256

void qc_frame_numbers(const qc_frame_column *c, ptrdiff_t start, ptrdiff_t n, double *out);
void qc_frame_nulls(const qc_frame_column *c, ptrdiff_t start, ptrdiff_t n, double missing, double *out);
int qc_frame_steps(const qc_frame_step *steps, ptrdiff_t n_steps, double *x, ptrdiff_t n);

void qc_frame_store(const double *x, ptrdiff_t n, double *out, ptrdiff_t width);
void qc_frame_lookup(const int32_t *codes, ptrdiff_t n, const double *values, ptrdiff_t unknown, double *out, ptrdiff_t width);
void qc_frame_hot(const int32_t *codes, ptrdiff_t n, const int32_t *place, ptrdiff_t unknown, double one, double *out,
                  ptrdiff_t width);

/* One column of what rows store; -1 where they store nothing. */
void qc_frame_stored(const double *x, ptrdiff_t n, int32_t column, int32_t *columns, double *values);
void qc_frame_stored_hot(const int32_t *codes, ptrdiff_t n, const int32_t *place, ptrdiff_t unknown, double one, int32_t *columns,
                         double *values);
/* Row by row what n_parts columns store, from stored on; the result is how many values are stored then. */
int64_t qc_frame_rows(const int32_t *columns, const double *values, ptrdiff_t n_parts, ptrdiff_t n, int64_t stored, int64_t *indptr,
                      int64_t *indices, double *data);

/* Codes of numbers among ascending ones; -1 for others. */
void qc_frame_find(const double *x, ptrdiff_t n, const double *known, const int32_t *codes, ptrdiff_t n_known, int32_t of_nan,
                   int32_t *out);
/* How many edges are not above each number; of NaN all are. */
void qc_frame_cells(const double *x, ptrdiff_t n, const double *edges, ptrdiff_t n_edges, int32_t *out);
/* Whether a number is so large that integers beside it have no double of their own. */
int qc_frame_is_large(const double *x, ptrdiff_t n);
int qc_frame_is_infinite(const double *x, ptrdiff_t n);

uint32_t qc_frame_hash(const char *text, size_t size);
/* slots: n_slots (a power of two, at least twice n) zeros. Strings must differ. */
void qc_frame_strings_fill(const char *text, const uint32_t *ends, ptrdiff_t n, uint32_t *slots, uint32_t n_slots);
/* Codes of Arrow's strings, -1 for unknown ones; 0 if an offset leads out of the buffers. */
int qc_frame_strings_codes(const qc_frame_strings *s, const qc_frame_column *c, ptrdiff_t start, ptrdiff_t n, int32_t of_null,
                           int32_t *out);

#endif
