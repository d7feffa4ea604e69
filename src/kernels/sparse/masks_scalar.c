#include <string.h>

#include "kernels/sparse/entries.h"

QC_INLINE void part(const qc_entries *e, ptrdiff_t begin, ptrdiff_t end, int fresh, const qc_rows *w, float *restrict out,
                    const int dtype) {
    (void)dtype;
    if (fresh) memset(out, 0, (size_t)w->n_outputs * sizeof *out);
    for (ptrdiff_t n = begin; n < end; ++n) {
        const ptrdiff_t stored = qc_stored(e, n);
        const uint8_t *masks = (const uint8_t *)qc_row_from(w, stored);
        const int8_t *packed = (const int8_t *)masks + (w->n_outputs + 63) / 64 * 8;
        const float value = qc_value(e, w, n, stored);
        qc_prefetch_from(e, w, n);
        for (ptrdiff_t k = 0; k < w->n_outputs; ++k) /* zeros as well: infinity times 0 is NaN, as in full rows */
            out[k] += value * (masks[k / 8] >> k % 8 & 1 ? (float)*packed++ : 0.0f);
    }
}

#include "kernels/sparse/each.h"

void qc_scores_masks_int8_scalar(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_MASKS); }
