/* Dense products and scores of any shape and precision: every instruction set has plain C's bits, a row alone those that it has
 * among others, and integer products are what plain sums over the weights as they came are. */
#include "fuzz.h"
#include "kernels/dense/dense.h"
#include "kernels/table.h"

enum { FLOAT32, FLOAT16, INT8, INT16, INT4, N_KINDS };

static const char *const names[N_KINDS] = {"dense_float32", "dense_float16", "dense_int8", "dense_int16", "dense_int4"};

typedef struct {
    int kind;
    qc_dense w;
    void *values; /* features x outputs, int4 as int8 */
    ptrdiff_t n_rows;
    void *x;
    int64_t *products; /* exact ones; NULL of floats */
} problem;

static int size_of(int kind) { return kind == FLOAT32 ? 4 : kind == FLOAT16 || kind == INT16 ? 2 : 1; }

/* Mostly small; now and then beyond a span, beyond the rows of a cache, or so many features that sums are int64. */
static void shape(input *in, problem *p) {
    const uint32_t draw = (uint32_t)take(in, 1);
    p->kind = (int)below(in, N_KINDS);
    p->w.n_features = 1 + below(in, draw < 120 ? 40 : 300);
    p->w.n_outputs = 1 + below(in, draw < 200 ? 12 : 70);
    p->n_rows = below(in, draw < 160 ? 10 : 40);
    if (draw >= 240) { /* many features of few outputs */
        p->w.n_features = 1900 + below(in, draw >= 252 ? 17000 : 2400);
        p->w.n_outputs = 1 + below(in, 5), p->n_rows = 1 + below(in, 4);
    }
    if (draw == 255 && take(in, 1) % 64 == 0) {
        p->w.n_features = QC_NARROW - 40 + below(in, 300);
        p->w.n_outputs = 1, p->n_rows = 1;
    }
    if (draw == 239) p->n_rows = 1 + below(in, 900), p->w.n_features = 1 + below(in, 80), p->w.n_outputs = 1 + below(in, 6);
}

/* Extremes alone, zeros mostly, or any. */
static int32_t some_integer(input *in, uint32_t mode, int32_t limit, int lowest) {
    const uint32_t draw = (uint32_t)take(in, 2);
    if (mode == 0) return draw % 2 ? limit : -limit - lowest;
    if (mode == 1) return limit;
    if (mode == 2 && draw % 4) return 0;
    return (int32_t)(draw % (uint32_t)(2 * limit + 1 + lowest)) - limit - lowest;
}

static void weights(input *in, problem *p) {
    const ptrdiff_t n = p->w.n_features * p->w.n_outputs;
    const uint32_t mode = below(in, MODES);
    const int size = size_of(p->kind);
    const ptrdiff_t per_block = p->kind == INT4 ? 2 * QC_BLOCK : QC_BLOCK / size;
    p->values = array(in, (size_t)n, (size_t)size);
    for (ptrdiff_t i = 0; i < n; ++i) {
        if (p->kind == FLOAT32) ((float *)p->values)[i] = finite_float(in, mode);
        else if (p->kind == FLOAT16) {
            const uint16_t half = (uint16_t)take(in, 2);
            ((uint16_t *)p->values)[i] = (half & 0x7c00u) == 0x7c00u ? (uint16_t)(half & 0x83ffu) : half;
        } else if (p->kind == INT16) ((int16_t *)p->values)[i] = (int16_t)some_integer(in, mode, 32767, 0);
        else ((int8_t *)p->values)[i] = (int8_t)some_integer(in, mode, p->kind == INT4 ? 7 : 127, 0);
    }
    float *scale = array(in, (size_t)p->w.n_outputs, sizeof *scale);
    for (ptrdiff_t k = 0; k < p->w.n_outputs; ++k) scale[k] = mode == 1 ? 1.0f : finite_float(in, mode);
    p->w.scale = scale;
    p->w.n_blocks = (p->w.n_features + per_block - 1) / per_block;
    p->w.wide = p->w.n_features > QC_NARROW;
    uint8_t *blocks = keep_aligned((size_t)(p->w.n_blocks * p->w.n_outputs * QC_BLOCK));
    qc_dense_arrange(p->values, p->w.n_features, p->w.n_outputs, size, p->kind == INT4, blocks);
    p->w.blocks = blocks;
    if (p->kind != INT8) return;
    int32_t *offset = array(in, (size_t)((p->w.n_blocks + QC_SPAN - 1) / QC_SPAN * p->w.n_outputs), sizeof *offset);
    qc_dense_offsets(&p->w, offset);
    p->w.offset = offset;
}

static ptrdiff_t row_size(const problem *p, int integer) {
    return p->w.n_features * (!integer ? 4 : p->kind == INT16 ? 2 : 1);
}

static int is_wide(const problem *p) { return p->kind == INT16 || p->w.wide; }

static void rows(input *in, problem *p, int integer) {
    const ptrdiff_t n = p->n_rows * p->w.n_features;
    const uint32_t mode = below(in, MODES);
    p->x = array(in, (size_t)n, (size_t)(row_size(p, integer) / p->w.n_features));
    for (ptrdiff_t i = 0; i < n; ++i) {
        if (!integer) ((float *)p->x)[i] = (float)next_value(in, mode);
        else if (p->kind == INT16) ((int16_t *)p->x)[i] = (int16_t)some_integer(in, mode, 32767, 1);
        else ((int8_t *)p->x)[i] = (int8_t)some_integer(in, mode, 127, 1);
    }
    p->products = NULL;
    if (!integer) return;
    p->products = keep(0, (size_t)(p->n_rows * p->w.n_outputs) * 8);
    for (ptrdiff_t row = 0; row < p->n_rows; ++row)
        for (ptrdiff_t k = 0; k < p->w.n_outputs; ++k) {
            int64_t sum = 0;
            for (ptrdiff_t j = 0; j < p->w.n_features; ++j) {
                const ptrdiff_t at = row * p->w.n_features + j, from = j * p->w.n_outputs + k;
                if (p->kind == INT16) sum += (int64_t)((int16_t *)p->x)[at] * ((int16_t *)p->values)[from];
                else sum += (int64_t)((int8_t *)p->x)[at] * ((int8_t *)p->values)[from];
            }
            p->products[row * p->w.n_outputs + k] = sum;
        }
}

static void run(const problem *p, int integer, const void *x, ptrdiff_t n_rows, void *out) {
    if (integer && p->kind == INT8) qc_bound.dot_blocks_int8(&p->w, x, n_rows, out);
    else if (integer && p->kind == INT4) qc_bound.dot_blocks_int4(&p->w, x, n_rows, out);
    else if (integer) qc_bound.dot_blocks_int16(&p->w, x, n_rows, out);
    else if (p->kind == FLOAT32) qc_bound.scores_blocks_float32(&p->w, x, n_rows, out);
    else if (p->kind == FLOAT16) qc_bound.scores_blocks_float16(&p->w, x, n_rows, out);
    else if (p->kind == INT8) qc_bound.scores_blocks_int8(&p->w, x, n_rows, out);
    else if (p->kind == INT16) qc_bound.scores_blocks_int16(&p->w, x, n_rows, out);
    else qc_bound.scores_blocks_int4(&p->w, x, n_rows, out);
}

static void check(input *in, const problem *p, int integer) {
    const size_t n = (size_t)(p->n_rows * p->w.n_outputs), width = integer && is_wide(p) ? 8 : 4;
    const ptrdiff_t one = p->n_rows ? (ptrdiff_t)below(in, (uint32_t)p->n_rows) : -1;
    void *expected = NULL;
    for (int isa = 0; isa < QC_ISA_COUNT; ++isa) {
        if (!qc_isa_available(isa)) continue;
        qc_select(isa);
        void *out = array(in, n, width);
        run(p, integer, p->x, p->n_rows, out);
        for (size_t i = 0; integer && i < n; ++i) {
            const int64_t found = width == 8 ? ((int64_t *)out)[i] : ((int32_t *)out)[i];
            CHECK(found == p->products[i], "%s: product %zu is %lld, not %lld", qc_isa_name(isa), i, (long long)found,
                  (long long)p->products[i]);
        }
        if (!integer) {
            if (!expected) expected = out;
            CHECK(same_floats(expected, out, n), "%s: %s of %td x %td x %td", qc_isa_name(isa), names[p->kind], p->n_rows,
                  p->w.n_features, p->w.n_outputs);
        }
        if (one < 0) continue;
        const ptrdiff_t bytes = row_size(p, integer);
        void *x = array(in, (size_t)p->w.n_features, (size_t)(bytes / p->w.n_features));
        void *alone = array(in, (size_t)p->w.n_outputs, width);
        const char *among = (const char *)out + (size_t)(one * p->w.n_outputs) * width;
        memcpy(x, (const char *)p->x + one * bytes, (size_t)bytes);
        run(p, integer, x, 1, alone);
        const int same = integer ? !memcmp(alone, among, (size_t)p->w.n_outputs * width)
                                 : same_floats(alone, (const float *)among, (size_t)p->w.n_outputs);
        CHECK(same, "%s: %s: row %td alone differs", qc_isa_name(isa), names[p->kind], one);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, data + size, 0};
    problem p = {0};
    shape(&in, &p);
    in.more = take(&in, 8) | 1;
    weights(&in, &p);
    const int integers = p.kind == INT8 || p.kind == INT16 || p.kind == INT4;
    for (int integer = 0; integer <= integers; ++integer) {
        rows(&in, &p, integer);
        check(&in, &p, integer);
    }
    count(p.kind, names[p.kind]);
    release();
    return 0;
}
