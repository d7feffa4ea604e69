/* Values times weights. README.md has the order of every sum. */
#ifndef QC_TABLE_SCORES_H
#define QC_TABLE_SCORES_H

/* Sums of n_rows rows and n_outputs outputs, both constant where this is inlined, so that they stay in registers. */
QC_INLINE void tile(const qc_table *t, const float *values, float *sums, const uint32_t *outputs, const int n_rows,
                    const int n_outputs) {
    f16 sum[2 * QC_TABLE_LANES];
    const float *weights[QC_TABLE_LANES];
    QC_UNROLL
    for (int k = 0; k < n_outputs; ++k) weights[k] = t->hot + (ptrdiff_t)outputs[k] * t->padded;
    QC_UNROLL
    for (int i = 0; i < n_rows * n_outputs; ++i) sum[i] = f16_zero();
    for (ptrdiff_t j = 0; j < t->padded; j += QC_TABLE_LANES) {
        f16 w[QC_TABLE_LANES];
        QC_UNROLL
        for (int k = 0; k < n_outputs; ++k) w[k] = f16_load(weights[k] + j);
        QC_UNROLL
        for (int r = 0; r < n_rows; ++r) {
            const f16 v = f16_load(values + r * t->padded + j);
            QC_UNROLL
            for (int k = 0; k < n_outputs; ++k) sum[r * n_outputs + k] = f16_add(sum[r * n_outputs + k], f16_mul(v, w[k]));
        }
    }
    float found[2 * QC_TABLE_LANES];
    f16_sums(sum, n_rows * n_outputs, found);
    QC_UNROLL
    for (int r = 0; r < n_rows; ++r) {
        QC_UNROLL
        for (int k = 0; k < n_outputs; ++k) sums[r * t->n_outputs + outputs[k]] = found[r * n_outputs + k];
    }
}

static void hot_scores(const qc_table *t, const float *values, float *sums) {
    uint32_t k = 0;
    const uint32_t n = (uint32_t)t->n_outputs;
    for (; k + TILE_OUTPUTS <= n; k += TILE_OUTPUTS) {
        const uint32_t outputs[2] = {k, k + 1};
        tile(t, values, sums, outputs, TILE_ROWS, TILE_OUTPUTS);
    }
    for (; k < n; ++k) tile(t, values, sums, &k, TILE_ROWS, 1);
}

/* One row, and the outputs that are listed. */
static void picked_scores(const qc_table *t, const float *values, float *sums, const uint32_t *outputs, ptrdiff_t n) {
    ptrdiff_t i = 0;
    for (; i + ROW_OUTPUTS <= n; i += ROW_OUTPUTS) tile(t, values, sums, outputs + i, 1, ROW_OUTPUTS);
    if (ROW_OUTPUTS > 2)
        for (; i + 2 <= n; i += 2) tile(t, values, sums, outputs + i, 1, 2);
    for (; i < n; ++i) tile(t, values, sums, outputs + i, 1, 1);
}

static void hot_scores_row(const qc_table *t, const float *values, float *sums) {
    uint32_t outputs[ROW_OUTPUTS];
    const uint32_t n = (uint32_t)t->n_outputs;
    for (uint32_t k = 0; k < n; k += ROW_OUTPUTS) {
        const uint32_t count = n - k < ROW_OUTPUTS ? n - k : ROW_OUTPUTS;
        for (uint32_t i = 0; i < count; ++i) outputs[i] = k + i;
        picked_scores(t, values, sums, outputs, count);
    }
}

static double fine_score(const qc_table *t, const double *values, ptrdiff_t k) {
    d16 sum = d16_zero();
    for (ptrdiff_t j = 0; j < t->padded; j += QC_TABLE_LANES) {
        const d16 w = t->fine ? d16_load(t->fine + k * t->padded + j) : d16_widen(t->hot + k * t->padded + j);
        sum = d16_add(sum, d16_mul(d16_load(values + j), w));
    }
    return d16_sum(sum) + t->bias[k];
}

#endif
