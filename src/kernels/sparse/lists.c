/* Weights of few nonzeros: a stored row is the numbers of its outputs (uint16), then as many values (int8). */
#include <string.h>

#include "kernels/sparse/entries.h"

QC_INLINE void part(const qc_entries *e, ptrdiff_t begin, ptrdiff_t end, int fresh, const qc_rows *w, float *restrict out,
                    const int dtype) {
    (void)dtype;
    if (fresh) memset(out, 0, (size_t)w->n_outputs * sizeof *out);
    for (ptrdiff_t n = begin; n < end; ++n) {
        const ptrdiff_t stored = qc_stored(e, n), count = (w->start[stored + 1] - w->start[stored]) / 3;
        const char *outputs = qc_row_from(w, stored), *values = outputs + 2 * count;
        const float value = qc_value(e, w, n, stored);
        qc_prefetch_from(e, w, n);
        for (ptrdiff_t entry = 0; entry < count; ++entry) {
            uint16_t k; /* rows start on any byte */
            memcpy(&k, outputs + 2 * entry, sizeof k);
            out[k] += value * (float)((const int8_t *)values)[entry];
        }
    }
}

#include "kernels/sparse/each.h"

void qc_scores_lists_int8_scalar(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_LISTS); }
