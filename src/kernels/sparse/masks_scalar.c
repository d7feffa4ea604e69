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
        for (ptrdiff_t byte = 0; byte < (w->n_outputs + 7) / 8; ++byte)
            for (unsigned mask = masks[byte], k = 0; mask; mask >>= 1, ++k)
                if (mask & 1u) out[8 * byte + k] += value * (float)*packed++;
    }
}

#include "kernels/sparse/each.h"

void qc_scores_masks_int8_scalar(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_MASKS); }
