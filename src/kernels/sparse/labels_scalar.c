#include <math.h>
#include <string.h>

#include "kernels/sparse/sparse.h"

typedef struct {
    ptrdiff_t best; /* the first largest */
    float first, second;
} two;

static inline two best_two(const float *scores, const float *bias, ptrdiff_t n_outputs, int padded) {
    (void)padded;
    two found = {0, -INFINITY, -INFINITY};
    for (ptrdiff_t k = 0; k < n_outputs; ++k) {
        const float x = scores[k] + bias[k], lower = x < found.first ? x : found.first;
        found.second = lower > found.second ? lower : found.second;
        found.best = x > found.first ? k : found.best;
        found.first = x > found.first ? x : found.first;
    }
    return found;
}

/* A row's hot scores in float32, in order; the sum of its spreads. */
static inline float score_row(const qc_csr *x, const qc_csr_labels *m, const qc_rows *w, ptrdiff_t begin, ptrdiff_t end,
                              ptrdiff_t last, float *out, const int doubles, const int ahead) {
    float spread = 0.0f;
    (void)last, (void)ahead;
    memset(out, 0, (size_t)m->n_outputs * sizeof *out);
    for (ptrdiff_t i = begin; i < end; ++i) {
        const qc_feature *feature = m->features + qc_at(x->indices, x->wide_indices, i);
        const int8_t *row = (const int8_t *)w->rows + 16 * (size_t)feature->place;
        const float given = (float)qc_csr_value(x, i, doubles), value = given * feature->scale;
        spread += fabsf(given) * feature->spread;
        for (ptrdiff_t k = 0; k < m->n_outputs; ++k) out[k] += value * (float)row[k];
    }
    return spread;
}

#include "kernels/sparse/labels_rows.h"

ptrdiff_t qc_labels_rows_float32_scalar(const qc_csr *x, const qc_csr_labels *m, const float *scores, qc_csr_result *r) {
    return labels_of_scores(x, m, scores, r);
}

ptrdiff_t qc_labels_rows_int8_scalar(const qc_csr *x, const qc_csr_labels *m, const qc_rows *w, float *scratch, qc_csr_result *r) {
    return labels_of_rows(x, m, w, scratch, r);
}
