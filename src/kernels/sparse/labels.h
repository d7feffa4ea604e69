/* Scores of sparse rows to labels, each with its proof: part of sparse.h. The bound is derived in ARCHITECTURE.md, section 3, "CSR rows"; the names
 * are the same here. */
#ifndef QC_SPARSE_LABELS_H
#define QC_SPARSE_LABELS_H

/* Beyond so many nonzeros of a row the first-order constants of the hot bound say nothing: the fine plane answers. */
#define QC_HOT_NONZEROS (1 << 20)

/* What a feature does to scores over rows of int8, and to their bound: in one cache line. */
typedef struct {
    uint32_t place; /* its stored row is at 16 * place */
    float scale;
    float spread;   /* as below */
    float unused;
} qc_feature;

/* Pairs are for rows of float64 and of float32. */
typedef struct {
    ptrdiff_t n_outputs;
    const float *spread;  /* several outputs: of each feature, what |x| adds to the bound on two scores */
    const qc_feature *features; /* of hot rows of int8 that all features have; else NULL */
    int prefetch;         /* those rows are more than a cache is sure to hold */
    const float *column;  /* one output: of each feature its weight, and what |x| adds to the bound */
    const float *bias32;  /* several outputs: padded to a multiple of QC_LANES with -inf */
    double bias_max;
    double at;            /* one output: the label is 1 above it */
    int32_t empty_label;  /* of a row of zeros: the source adds its bias to 0 exactly */
    double share, fixed[2]; /* what is rounded, relative to the bound: per nonzero, and once */
    double last;          /* the same relative to the scores that are shown */
    double slack[2];      /* per nonzero: what underflow loses */
    double most;          /* a bound from which on something may overflow, here or in the source */
    /* The fine plane. */
    qc_exact_rows exact;
    qc_exact_kind kind;
    const double *gain;   /* per feature: what the source multiplies x by first, in the rows' dtype; NULL: nothing */
    const double *step, *size; /* of each stored row: the grid's error, and a bound on the source's own weights and on ours */
    double unit;          /* the source's roundoff */
    double tiny;          /* what one of its roundings loses at most below the normal numbers */
    double largest;       /* a sum of |terms| that surely does not overflow */
} qc_csr_labels;

typedef struct {
    int32_t *labels;
    uint8_t *planes; /* 0 settled by the hot plane, 1 by the fine one, 2 open */
    ptrdiff_t fine, open;
} qc_csr_result;

/* The result is -1, or a row with a value that is not finite. The hot plane is int8 rows; or its scores, without bias, are there
 * already: n_rows x n_outputs; or it is a column. */
typedef ptrdiff_t qc_labels_rows_int8_fn(const qc_csr *x, const qc_csr_labels *m, const qc_rows *w, float *scratch,
                                         qc_csr_result *r); /* scratch: n_outputs floats */
typedef ptrdiff_t qc_labels_rows_float32_fn(const qc_csr *x, const qc_csr_labels *m, const float *scores, qc_csr_result *r);
typedef ptrdiff_t qc_labels_column_float32_fn(const qc_csr *x, const qc_csr_labels *m, qc_csr_result *r);

/* A row that the hot plane left: among the outputs within `within` of its best, `first`. 0 if a value is not finite. */
int qc_csr_settle(const qc_csr *x, const qc_csr_labels *m, ptrdiff_t begin, ptrdiff_t end, const float *scores, double first,
                  double within, ptrdiff_t row, qc_csr_result *r);

QC_INLINE double qc_csr_value(const qc_csr *x, ptrdiff_t i, const int doubles) {
    return doubles ? ((const double *)x->data)[i] : (double)((const float *)x->data)[i];
}

#endif
