/* Many outputs: exact products of int8 weights and rows rounded to int8 leave few outputs in play, which float32 scores then
 * decide among. README.md derives the bound. Included by engine.h, after DOT_INT8 was defined by the ISA's file. */
#ifndef QC_TABLE_PLANE_H
#define QC_TABLE_PLANE_H

typedef struct {
    float scale; /* of a step */
    float size;  /* at least the norm of the row's values */
    float lost;  /* at least the norm of what rounding to steps takes from them */
} rounded_row;

/* Rounds values to -127 .. 127 steps; 0 for rows whose largest is so large, or so small, that squares leave float32. */
static int round_row(const qc_table *t, const float *values, f16 most, int8_t *steps, rounded_row *out) {
    f16 squares = f16_zero(), lost = f16_zero();
    for (ptrdiff_t j = 0; j < t->padded; j += QC_TABLE_LANES) {
        const f16 v = f16_load(values + j);
        squares = f16_add(squares, f16_mul(v, v));
    }
    const float largest = f16_most(most), square = f16_sum(squares);
    if (!(largest >= 0x1p-40f && largest <= 0x1p40f && square < 0x1p100f)) return 0; /* NaN is in the squares */
    const float scale = largest / 127.0f;
    const f16 inverse = f16_all(127.0f / largest), step = f16_all(scale);
    for (ptrdiff_t j = 0; j < t->padded; j += QC_TABLE_LANES) {
        const f16 v = f16_load(values + j), q = f16_store_int8(steps + j, f16_mul(v, inverse));
        const f16 left = f16_sub(v, f16_mul(q, step));
        lost = f16_add(lost, f16_mul(left, left));
    }
    memset(steps + t->padded, 0, (size_t)(t->plane.n_features - t->padded));
    /* Sums of squares are within 2^-9 of themselves. What is left of a value is rounded by 2^-24 of the largest, and vanishes
     * when squared below 2^-63 of 2^-40: 2^-22 of the largest covers both, times the root of the number of values. */
    const double root = sqrt((double)t->padded);
    out->scale = scale;
    out->size = (float)(sqrt((double)square) * (1.0 + 0x1p-9));
    out->lost = (float)(sqrt((double)f16_sum(lost)) * (1.0 + 0x1p-9) + root * (double)largest * 0x1p-22);
    return 1;
}

/* The outputs whose highest possible score is not below the lowest possible of another; the result is their number. */
static ptrdiff_t still_in_play(const qc_table *t, const int32_t *dots, const rounded_row *row, const int single, float *upper,
                               uint32_t *play) {
    const f16 scale = f16_all(row->scale), size = f16_all(row->size), lost = f16_all(row->lost);
    const f16 last = f16_all(t->plane_last[single]), floor = f16_all(t->plane_floor[single]);
    f16 best = f16_all(-INFINITY);
    for (ptrdiff_t k = 0; k < t->n_outputs; k += QC_TABLE_LANES) {
        const f16 sum = f16_mul(f16_mul(scale, f16_load(t->plane_scale + k)), f16_from_int(dots + k));
        const f16 score = f16_add(sum, f16_load(t->plane_bias + k));
        const f16 error = f16_add(f16_mul(size, f16_load(t->plane_error[single] + k)), f16_mul(lost, f16_load(t->plane_size + k)));
        const f16 around = f16_add(error, f16_add(f16_mul(last, f16_abs(sum)), floor));
        f16_store(upper + k, f16_add(score, around));
        best = f16_max(best, f16_sub(score, around));
    }
    const float least = f16_most(best);
    ptrdiff_t n = 0;
    for (ptrdiff_t k = 0; k < t->n_outputs; k += QC_TABLE_LANES)
        for (uint32_t mask = f16_at_least(f16_load(upper + k), least); mask; mask &= mask - 1)
            play[n++] = (uint32_t)k + FIRST_BIT(mask);
    return n;
}

QC_INLINE ptrdiff_t run_plane(const qc_table *t, const void *x, const int single, ptrdiff_t n_rows, workspace *w,
                              qc_table_result *r) {
    const char *rows = x;
    const ptrdiff_t stride = t->n_columns * (single ? 4 : 8);
    rounded_row rounded[QC_TABLE_ROWS];
    int whole[QC_TABLE_ROWS]; /* rows that were rounded */
    for (ptrdiff_t row = 0; row < n_rows; row += QC_TABLE_ROWS) {
        const ptrdiff_t n = n_rows - row < QC_TABLE_ROWS ? n_rows - row : QC_TABLE_ROWS;
        for (ptrdiff_t i = 0; i < n; ++i) {
            f16 most;
            int8_t *steps = w->steps + i * t->plane.n_features;
            if (!values_of(t, rows + (row + i) * stride, single, w, w->values + i * t->padded, &most)) return row + i;
            w->most[i] = f16_sum(f16_mul(most, f16_load(t->lane_bound[single])));
            whole[i] = round_row(t, w->values + i * t->padded, most, steps, rounded + i);
            if (!whole[i]) memset(steps, 0, (size_t)t->plane.n_features);
        }
        DOT_INT8(&t->plane, w->steps, n, w->dots);
        for (ptrdiff_t i = 0; i < n; ++i) {
            const float *values = w->values + i * t->padded;
            ptrdiff_t in_play = t->n_outputs;
            if (whole[i]) in_play = still_in_play(t, w->dots + i * t->n_outputs, rounded + i, single, w->upper, w->play);
            if (in_play == 1) {
                r->labels[row + i] = (int32_t)w->play[0];
                r->planes[row + i] = 0;
                continue;
            }
            if (in_play < t->n_outputs) {
                for (ptrdiff_t k = 0; k < t->n_outputs; ++k) w->sums[k] = -INFINITY;
                picked_scores(t, values, w->sums, w->play, in_play);
            } else {
                hot_scores_row(t, values, w->sums);
            }
            if (!decide(t, rows + (row + i) * stride, single, w, values, w->sums, w->most[i], 1, row + i, r)) return row + i;
        }
    }
    return -1;
}

#endif
