/* The pass over rows of numbers: a model that holds what quantcore.runtime.table promises, of any size, steps and bounds. Every
 * instruction set has plain C's bits, all refuse a value that is not finite at the same row, and a row alone is answered as it is
 * among others. */
#include "fuzz.h"
#include "kernels/table/table.h"
#include "kernels/table.h"

static float *floats(input *in, size_t n, size_t padded, float padding, float (*value)(input *)) {
    float *to = array(in, padded, sizeof *to);
    for (size_t i = 0; i < padded; ++i) to[i] = i < n ? value(in) : padding;
    return to;
}

static double *doubles(input *in, size_t n, size_t padded, double (*value)(input *)) {
    double *to = array(in, padded, sizeof *to);
    for (size_t i = 0; i < padded; ++i) to[i] = i < n ? value(in) : 0.0;
    return to;
}

static float a_weight(input *in) { return (float)((int)below(in, 255) - 127) / 127.0f; }
static double a_gain(input *in) {
    const uint32_t usual = below(in, 4);
    return usual ? ldexp(1.0, (int)below(in, 10) - 5) : ldexp(1.0, (int)below(in, 900) - 450);
}
static double a_shift(input *in) { return finite_value(in, below(in, 2) ? 3 : 2); }
static double a_single_shift(input *in) { return (double)(float)a_shift(in); }
static double a_bias(input *in) { return below(in, 8) ? a_shift(in) : finite_value(in, 0); }

/* From tight ones, which prove much, to infinite ones, which leave all to the fine plane. */
static float bound_size;
static float a_bound(input *in) { return bound_size * (float)(1 + below(in, 3)); }
static double a_fine_bound(input *in) { return (double)a_bound(in) * 0x1p-20; }

static void steps(input *in, qc_table *t) {
    const size_t n = (size_t)t->n_features, padded = (size_t)t->padded;
    t->gain = doubles(in, n, padded, a_gain);
    t->steps = (qc_steps)below(in, 3);
    t->low[0] = t->low[1] = -INFINITY, t->high[0] = t->high[1] = INFINITY;
    if (t->steps != QC_AS_IS)
        for (int i = 0; i < 2; ++i) t->shift[i] = doubles(in, n, padded, i ? a_single_shift : a_shift);
    if (t->steps == QC_PRODUCT) {
        for (int i = 0; i < 2; ++i) t->scale[i] = doubles(in, n, padded, i ? a_single_shift : a_shift);
        t->clipped = below(in, 4) == 0;
        if (t->clipped) t->low[0] = t->low[1] = -1.5, t->high[0] = t->high[1] = 2.0;
    }
    if (below(in, 4) == 0) {
        for (int i = 0; i < 2; ++i) t->fill[i] = doubles(in, n, padded, i ? a_single_shift : a_shift);
        t->missing_is_nan = (int)below(in, 2);
        t->missing = t->missing_is_nan ? 0.0 : 0.25;
    }
    if (below(in, 4) == 0) {
        uint32_t *column = array(in, n, sizeof *column);
        for (size_t i = 0; i < n; ++i) column[i] = below(in, (uint32_t)t->n_columns);
        t->column = column;
    }
    t->checked = t->fill[0] || t->column || t->clipped;
    if (below(in, 2)) { /* a scaler whose constants were rounded first: its steps can be done in float32 */
        float *gain = array(in, padded, 4), *shift = array(in, padded, 4), *scale = array(in, padded, 4);
        int usable = 1;
        for (size_t i = 0; i < padded; ++i) {
            gain[i] = (float)t->gain[i];
            usable &= i >= n || (t->gain[i] >= 0x1p-100 && t->gain[i] <= 0x1p100);
            shift[i] = t->shift[1] ? (float)t->shift[1][i] : 0.0f, scale[i] = t->scale[1] ? (float)t->scale[1][i] : 0.0f;
        }
        if (usable) t->gain32 = gain, t->shift32 = t->shift[1] ? shift : NULL, t->scale32 = t->scale[1] ? scale : NULL;
    }
}

static void bounds(input *in, qc_table *t) {
    static const float sizes[] = {0x1p-40f, 0x1p-24f, 0x1p-10f, 1.0f, 0.0f, 3e38f};
    const size_t n = (size_t)t->n_features, padded = (size_t)t->padded;
    for (int i = 0; i < 2; ++i) {
        bound_size = sizes[below(in, 6)];
        float *hot = floats(in, n, padded, 0.0f, a_bound), *lane = array(in, QC_TABLE_LANES, 4);
        double lanes[QC_TABLE_LANES] = {0.0};
        for (size_t j = 0; j < padded; ++j) lanes[j % QC_TABLE_LANES] += (double)hot[j];
        for (int k = 0; k < QC_TABLE_LANES; ++k) lane[k] = lanes[k] > 3e38 ? INFINITY : nextafterf((float)lanes[k], INFINITY);
        t->hot_bound[i] = hot, t->lane_bound[i] = lane;
        t->fine_bound[i] = doubles(in, n, padded, a_fine_bound);
        t->hot_slack[i] = below(in, 8) ? 0x1p-114 : 0.5, t->fine_slack[i] = 0x1p-990;
        t->last[i] = i ? 0x1p-21 : 0x1p-49, t->most[i] = below(in, 8) ? 0x1p100 : 1e-3;
    }
}

static void plane(input *in, qc_table *t) {
    static const float sizes[] = {0x1p-7f, 0x1p-3f, 10.0f, 0.0f};
    const size_t outputs = (size_t)t->n_outputs, padded = qc_table_up(t->n_outputs, QC_TABLE_LANES);
    t->plane.n_features = (ptrdiff_t)qc_table_up(t->padded, QC_BLOCK), t->plane.n_outputs = t->n_outputs;
    t->plane.n_blocks = t->plane.n_features / QC_BLOCK;
    int8_t *values = array(in, (size_t)(t->plane.n_features * t->n_outputs), 1);
    memset(values, 0, (size_t)(t->plane.n_features * t->n_outputs));
    for (ptrdiff_t j = 0; j < t->n_features; ++j)
        for (ptrdiff_t k = 0; k < t->n_outputs; ++k)
            values[j * t->n_outputs + k] = (int8_t)rintf(t->hot[k * t->padded + j] * 127.0f);
    uint8_t *blocks = keep_aligned((size_t)(t->plane.n_features * t->n_outputs));
    int32_t *offset = array(in, (size_t)((t->plane.n_blocks + QC_SPAN - 1) / QC_SPAN * t->n_outputs), 4);
    qc_dense_arrange(values, t->plane.n_features, t->n_outputs, 1, 0, blocks);
    t->plane.blocks = blocks, t->plane.offset = offset;
    qc_dense_offsets(&t->plane, offset);
    float *scale = array(in, padded, 4), *bias = array(in, padded, 4), *size = array(in, padded, 4);
    bound_size = sizes[below(in, 4)];
    for (size_t k = 0; k < padded; ++k) {
        double square = 0.0;
        for (ptrdiff_t j = 0; k < outputs && j < t->n_features; ++j) {
            const double v = values[j * t->n_outputs + (ptrdiff_t)k];
            square += v * v;
        }
        scale[k] = k < outputs ? 1.0f / 127.0f : 0.0f, bias[k] = k < outputs ? (float)t->bias[k] : -INFINITY;
        size[k] = (float)(sqrt(square) * (double)scale[k] * 1.01);
    }
    t->plane_scale = scale, t->plane_bias = bias, t->plane_size = size;
    for (int i = 0; i < 2; ++i) {
        t->plane_error[i] = floats(in, outputs, padded, 0.0f, a_bound);
        t->plane_last[i] = 0x1p-18f, t->plane_floor[i] = (float)(0x1p-18 * t->bias_max + t->hot_slack[i]);
    }
}

static void model(input *in, qc_table *t) {
    const uint32_t draw = (uint32_t)take(in, 1);
    t->n_features = 1 + below(in, draw < 150 ? 20 : draw < 230 ? 100 : 400);
    t->padded = (ptrdiff_t)qc_table_up(t->n_features, QC_TABLE_LANES);
    t->n_columns = t->n_features;
    t->n_outputs = below(in, 4) ? 1 + below(in, draw < 200 ? 9 : 60) : 1;
    steps(in, t);
    if (t->column && below(in, 2)) t->n_columns += below(in, 9);
    const size_t n = (size_t)(t->n_outputs * t->padded);
    float *hot = array(in, n, 4);
    double *fine = array(in, n, 8);
    for (size_t i = 0; i < n; ++i) {
        hot[i] = (ptrdiff_t)(i % (size_t)t->padded) < t->n_features ? a_weight(in) : 0.0f;
        fine[i] = (double)hot[i] * (1.0 + (double)(int)(i % 7) * 0x1p-30);
    }
    t->hot = hot, t->fine = below(in, 2) ? fine : NULL;
    t->bias = doubles(in, (size_t)t->n_outputs, (size_t)t->n_outputs, a_bias);
    for (ptrdiff_t k = 0; k < t->n_outputs; ++k) t->bias_max = fmax(t->bias_max, fabs(t->bias[k]));
    t->at = below(in, 2) ? 0.0 : a_shift(in);
    bounds(in, t);
    if (below(in, 3) == 0 && t->n_outputs > 1) plane(in, t);
}

static void *some_rows(input *in, const qc_table *t, int single, ptrdiff_t n_rows) {
    const uint32_t mode = below(in, MODES), odd = below(in, 3);
    const size_t n = (size_t)(n_rows * t->n_columns);
    void *x = array(in, n, single ? 4 : 8);
    for (size_t i = 0; i < n; ++i) {
        double value = odd ? finite_value(in, mode) : next_value(in, mode);
        if (odd == 2 && single && !isfinite((float)value)) value = 1.0;
        if (t->fill[0] && take(in, 1) % 8 == 0) value = t->missing_is_nan ? NAN : t->missing;
        if (single) ((float *)x)[i] = (float)value;
        else ((double *)x)[i] = value;
    }
    return x;
}

static qc_table_result room_for(input *in, const qc_table *t, qc_table_job job, ptrdiff_t n_rows, int bounded) {
    const size_t n = (size_t)n_rows;
    qc_table_result r = {.job = job};
    if (job == QC_TABLE_LABELS) {
        r.labels = array(in, n, 4), r.planes = array(in, n, 1);
    } else {
        r.scores = array(in, n * (size_t)t->n_outputs, 8);
        if (bounded) r.bounds = array(in, n, 8);
    }
    return r;
}

static void same(const qc_table *t, const char *isa, const qc_table_result *a, const qc_table_result *b, size_t first, size_t n) {
    if (a->job == QC_TABLE_SCORES) {
        CHECK(same_doubles(a->scores + first * (size_t)t->n_outputs, b->scores, n * (size_t)t->n_outputs), "%s: scores", isa);
        CHECK(!a->bounds || same_doubles(a->bounds + first, b->bounds, n), "%s: bounds of scores", isa);
        return;
    }
    for (size_t i = 0; i < n; ++i)
        CHECK(a->labels[first + i] == b->labels[i] && a->planes[first + i] == b->planes[i],
              "%s: row %zu: label %d by plane %d, not %d by %d", isa, first + i, b->labels[i], b->planes[i], a->labels[first + i],
              a->planes[first + i]);
}

static void ask(input *in, const qc_table *t, const void *x, int single, ptrdiff_t n_rows, qc_table_job job) {
    const int bounded = (int)below(in, 2);
    const ptrdiff_t one = (ptrdiff_t)below(in, (uint32_t)n_rows), width = t->n_columns * (single ? 4 : 8);
    qc_table_result first = {0};
    ptrdiff_t refused = -1;
    for (int isa = 0; isa < QC_ISA_COUNT; ++isa) {
        if (!qc_isa_available(isa)) continue;
        qc_select(isa);
        void *scratch = keep_aligned(qc_table_scratch(t));
        qc_table_result r = room_for(in, t, job, n_rows, bounded), alone = room_for(in, t, job, 1, bounded);
        const ptrdiff_t found = qc_bound.run_rows_table(t, x, single, n_rows, scratch, &r);
        if (isa == 0) first = r, refused = found;
        CHECK(found == refused, "%s: row %td is refused, not %td", qc_isa_name(isa), found, refused);
        CHECK(found >= -1 && found < n_rows, "%s: row %td of %td", qc_isa_name(isa), found, n_rows);
        if (found >= 0) continue; /* what was written means nothing */
        same(t, qc_isa_name(isa), &first, &r, 0, (size_t)n_rows);
        CHECK(first.fine == r.fine && first.open == r.open, "%s: rows of the fine plane", qc_isa_name(isa));
        void *row = array(in, (size_t)t->n_columns, single ? 4 : 8);
        memcpy(row, (const char *)x + one * width, (size_t)width);
        CHECK(qc_bound.run_rows_table(t, row, single, 1, scratch, &alone) == -1, "%s: row %td is refused alone",
              qc_isa_name(isa), one);
        same(t, qc_isa_name(isa), &r, &alone, (size_t)one, 1);
        for (ptrdiff_t i = 0; job == QC_TABLE_LABELS && i < n_rows; ++i)
            CHECK(r.labels[i] >= 0 && r.labels[i] < (t->n_outputs > 1 ? t->n_outputs : 2) && r.planes[i] <= 2, "%s: label %d",
                  qc_isa_name(isa), r.labels[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, data + size, 0};
    static const char *const names[] = {"table_labels", "table_scores", "table_plane_labels", "table_plane_scores"};
    const int single = (int)below(&in, 2);
    const ptrdiff_t n_rows = 1 + below(&in, below(&in, 4) ? 12 : 40);
    qc_table t = {0};
    in.more = take(&in, 8) | 1;
    model(&in, &t);
    const void *x = some_rows(&in, &t, single, n_rows);
    for (int job = 0; job < 2; ++job) {
        ask(&in, &t, x, single, n_rows, job ? QC_TABLE_SCORES : QC_TABLE_LABELS);
        count(job + 2 * (t.plane.blocks != NULL), names[job + 2 * (t.plane.blocks != NULL)]);
    }
    release();
    return 0;
}
