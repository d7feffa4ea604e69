#include <math.h>

#include "kernels/sparse/sparse.h"

typedef struct {
    ptrdiff_t best; /* the first largest */
    float first, second;
} two;

static inline two best_two(const float *scores, const float *bias, ptrdiff_t n_outputs) {
    two found = {0, -INFINITY, -INFINITY};
    for (ptrdiff_t k = 0; k < n_outputs; ++k) {
        const float x = scores[k] + bias[k], lower = x < found.first ? x : found.first;
        found.second = lower > found.second ? lower : found.second;
        found.best = x > found.first ? k : found.best;
        found.first = x > found.first ? x : found.first;
    }
    return found;
}

#include "kernels/sparse/labels_rows.h"

ptrdiff_t qc_labels_rows_float32_scalar(const qc_csr *x, const qc_csr_labels *m, const float *scores, qc_csr_result *r) {
    return labels(x, m, scores, r);
}
