/* Weights as the pass reads them, and the coefficients of its bounds: once a model, when it is loaded. */
#include <math.h>

#include "kernels/table/table.h"

static const double unit32 = 0x1p-24, unit64 = 0x1p-53, more = 1.0 + 0x1p-8;

static inline double weight_at(const qc_table_source *s, ptrdiff_t at, double power) {
    if (s->width == 8) return ((const double *)s->values)[at] * power;
    return (s->width == 4 ? ((const int32_t *)s->values)[at] : ((const int16_t *)s->values)[at]) * power;
}

/* What a unit of a feature adds to the error of a score, ours and the source's. */
static inline double coefficient(const qc_table_source *s, double step, double largest, int i, double unit, double sums) {
    const double share = (sums + 6.0) * unit + ((double)s->n_features + 4.0) * s->unit[i] + s->relative[i];
    return (step + largest * share) * more;
}

static inline float rounded_up(double x) { return nextafterf((float)x, INFINITY); }

int qc_table_arrange(const qc_table_source *s, qc_table_weights *w) {
    const ptrdiff_t n = s->n_features, k = s->n_outputs, padded = w->padded;
    const double lanes = (double)(padded / QC_TABLE_LANES) + 4.0;
    double least[2] = {1.0, 1.0}, lane[2][QC_TABLE_LANES] = {{0.0}};
    int exact = 1;
    w->size = 0.0;
    for (ptrdiff_t j = 0; j < padded; j++) {
        double step = 0.0, largest = 0.0, gain = 0.0;
        if (j < n) {
            const ptrdiff_t row = s->index ? (ptrdiff_t)s->index[j] : j;
            if (row >= s->n_rows) return -1;
            /* A power of two rounds nothing but what underflows, and that as ldexp does. */
            const double power = s->exponent ? ldexp(1.0, s->exponent[row]) : 1.0;
            int e = 0;
            for (ptrdiff_t o = 0; o < k; o++) {
                const double value = weight_at(s, row * k + o, power), size = fabs(value);
                w->fine[o * padded + j] = value;
                largest = size > largest ? size : largest;
            }
            step = s->exponent ? s->error * power : 0.0;
            largest += step;
            w->size += largest;
            if (largest > 0.0) (void)frexp(largest, &e);
            /* Within what the gain can undo without a loss; the rest stays in the weights. */
            e = e > QC_TABLE_FARTHEST ? QC_TABLE_FARTHEST : e < -QC_TABLE_FARTHEST ? -QC_TABLE_FARTHEST : e;
            gain = ldexp(1.0, e);
            const double down = ldexp(1.0, -e);
            for (ptrdiff_t o = 0; o < k; o++) {
                const double scaled = w->fine[o * padded + j] * down;
                const float hot = (float)scaled;
                w->fine[o * padded + j] = scaled;
                w->hot[o * padded + j] = hot;
                exact &= (double)hot == scaled;
            }
            step *= down;
            largest *= down;
            w->step[j] = step;
            w->largest[j] = largest;
        } else {
            for (ptrdiff_t o = 0; o < k; o++) w->fine[o * padded + j] = w->hot[o * padded + j] = 0.0f;
        }
        w->gain[j] = gain;
        for (int i = 0; i < 2; i++) {
            const double hot = j < n ? coefficient(s, step, largest, i, unit32, lanes) : 0.0;
            w->hot_bound[i][j] = rounded_up(hot);
            w->fine_bound[i][j] = j < n ? coefficient(s, step, largest, i, unit64, lanes) : 0.0;
            lane[i][j % QC_TABLE_LANES] += hot;
            if (largest > 0.0) {
                const double share = coefficient(s, step, largest, i, unit64, 0.0) / largest;
                if (share < least[i] || share != share) least[i] = share; /* NaN, of weights that overflow, stays: it proves nothing */
            }
        }
    }
    for (int i = 0; i < 2; i++) {
        for (int l = 0; l < QC_TABLE_LANES; l++) w->lane_bound[i][l] = rounded_up(lane[i][l]);
        /* A bound below which the source's own sums can't overflow: no product is larger than its share of the bound says. */
        w->most[i] = least[i] * (s->unit[i] == unit32 ? 0x1p124 : 0x1p1020);
    }
    return exact;
}
