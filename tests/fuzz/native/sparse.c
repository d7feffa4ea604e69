/* Sparse rows times weights of every layout, and labels with their proof: every instruction set has plain C's bits, a sum in its
 * order is what README says, and qc_csr_check lets through what a matrix may be and nothing else. */
#include "fuzz.h"
#include "kernels/sparse/sparse.h"
#include "kernels/table.h"

#include "kernels/sparse/exact.h"

enum { CHECKED, SCORES, COLUMN, EXACT, LABELS, LABEL_COLUMN, N_KINDS };
static const char *const names[N_KINDS] = {"sparse_check",  "sparse_scores", "sparse_column",
                                           "sparse_exact", "sparse_labels", "sparse_label_column"};

static ptrdiff_t at_least_one(ptrdiff_t n) { return n ? n : 1; }

/* ------------------------------------------------------------------- rows of X */

static void put(void *to, int wide, ptrdiff_t i, int64_t value) {
    if (wide) ((int64_t *)to)[i] = value;
    else ((int32_t *)to)[i] = (int32_t)value;
}

static qc_csr some_rows(input *in, ptrdiff_t n_columns) {
    const uint32_t draw = (uint32_t)take(in, 1), longest = draw < 160 ? 8 : draw < 240 ? 40 : 700, mode = below(in, MODES);
    qc_csr x = {.n_rows = below(in, draw < 240 ? 12 : 4), .wide_indptr = (int)below(in, 2), .wide_indices = (int)below(in, 2)};
    x.doubles = (int)below(in, 2);
    void *indptr = array(in, (size_t)x.n_rows + 1, x.wide_indptr ? 8 : 4);
    ptrdiff_t n = 0;
    put(indptr, x.wide_indptr, 0, 0);
    for (ptrdiff_t row = 0; row < x.n_rows; ++row) {
        n += n_columns ? below(in, longest) : 0;
        put(indptr, x.wide_indptr, row + 1, n);
    }
    void *indices = array(in, (size_t)n, x.wide_indices ? 8 : 4), *data = array(in, (size_t)n, x.doubles ? 8 : 4);
    for (ptrdiff_t i = 0; i < n; ++i) {
        put(indices, x.wide_indices, i, below(in, (uint32_t)n_columns));
        if (x.doubles) ((double *)data)[i] = next_value(in, mode);
        else ((float *)data)[i] = (float)next_value(in, mode);
    }
    x.indptr = indptr, x.indices = indices, x.data = data;
    CHECK(qc_csr_check(&x, n, n_columns) == QC_CSR_OK, "a whole matrix is refused");
    return x;
}

/* Any boundaries and indices. */
static void checked(input *in) {
    const int64_t far[] = {-1, 0, 1, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    qc_csr x = {.n_rows = below(in, 10), .wide_indptr = (int)below(in, 2), .wide_indices = (int)below(in, 2)};
    const ptrdiff_t n = below(in, 30), n_columns = below(in, 20);
    void *indptr = array(in, (size_t)x.n_rows + 1, x.wide_indptr ? 8 : 4);
    void *indices = array(in, (size_t)n, x.wide_indices ? 8 : 4);
    int64_t last = 0;
    for (ptrdiff_t row = 0; row <= x.n_rows; ++row) {
        const uint32_t draw = (uint32_t)take(in, 1);
        if (row) last = draw < 250 ? last + draw % 4 : far[draw % 7];
        if (row == x.n_rows && draw < 200) last = n;
        put(indptr, x.wide_indptr, row, last);
    }
    for (ptrdiff_t i = 0; i < n; ++i) {
        const uint32_t draw = (uint32_t)take(in, 1);
        put(indices, x.wide_indices, i, draw < 254 && n_columns ? draw % n_columns : far[take(in, 1) % 7]);
    }
    x.indptr = indptr, x.indices = indices;
    int rises = qc_at(indptr, x.wide_indptr, 0) == 0 && qc_at(indptr, x.wide_indptr, x.n_rows) == n, inside = 1;
    for (ptrdiff_t row = 0; row < x.n_rows; ++row)
        rises &= qc_at(indptr, x.wide_indptr, row) <= qc_at(indptr, x.wide_indptr, row + 1);
    for (ptrdiff_t i = 0; i < n; ++i) {
        const ptrdiff_t index = qc_at(indices, x.wide_indices, i);
        inside &= index >= 0 && index < n_columns;
    }
    const qc_csr_fault found = qc_csr_check(&x, n, n_columns);
    CHECK(found == (!rises ? QC_CSR_INDPTR : !inside ? QC_CSR_INDICES : QC_CSR_OK), "a check says %d", found);
}

/* --------------------------------------------------------------------- weights */

enum { INT4, INT8, INT16, FLOAT16, FLOAT32, LISTS, MASKS, N_LAYOUTS };
static const char *const layouts[N_LAYOUTS] = {"int4", "int8", "int16", "float16", "float32", "lists", "masks"};

typedef struct {
    int layout;
    ptrdiff_t n_stored, n_features;
    float *plain; /* n_stored x n_outputs */
    qc_rows w;
} weights;

static float half(uint16_t h) { /* finite ones */
    const int exponent = h >> 10 & 31, significand = h & 1023;
    const float size = exponent ? ldexpf((float)(1024 + significand), exponent - 25) : ldexpf((float)significand, -24);
    return h & 0x8000u ? -size : size;
}

static void put_weight(input *in, weights *w, char *row, ptrdiff_t k, uint32_t zeros, float *plain) {
    const uint16_t bits = (uint16_t)take(in, 2);
    const int none = zeros && bits % 16 < zeros;
    if (w->layout == FLOAT32) *plain = ((float *)(void *)row)[k] = none ? 0.0f : finite_float(in, bits % MODES);
    else if (w->layout == FLOAT16) {
        const uint16_t h = none ? 0 : (bits & 0x7c00u) == 0x7c00u ? bits & 0x83ffu : bits;
        ((uint16_t *)(void *)row)[k] = h;
        *plain = half(h);
    } else if (w->layout == INT16) *plain = ((int16_t *)(void *)row)[k] = none ? 0 : (int16_t)bits;
    else if (w->layout == INT4) { /* 16 outputs are two words, of the even ones and of the odd ones */
        const int value = none ? 0 : (int)(bits & 15u) - 8;
        uint32_t *word = (uint32_t *)(void *)row + 2 * (k / 16) + k % 2;
        *word |= ((uint32_t)value & 15u) << 4 * (k % 16 / 2);
        *plain = (float)value;
    } else *plain = ((int8_t *)row)[k] = none ? 0 : (int8_t)bits;
}

/* The bytes that lists and masks take, written where there is room for them. */
static int64_t write_pruned(const weights *w, ptrdiff_t row, uint8_t *to) {
    const float *plain = w->plain + row * w->w.n_outputs;
    int64_t n = 0, size = 0;
    for (ptrdiff_t k = 0; k < w->w.n_outputs; ++k) n += plain[k] != 0.0f;
    if (w->layout == LISTS) {
        for (ptrdiff_t k = 0; to && k < w->w.n_outputs; ++k) {
            if (plain[k] == 0.0f) continue;
            const uint16_t output = (uint16_t)k;
            memcpy(to + 2 * size, &output, 2);
            ((int8_t *)to)[2 * n + size++] = (int8_t)plain[k];
        }
        return 3 * n;
    }
    const int64_t mask = (w->w.n_outputs + 63) / 64 * 8;
    if (to) memset(to, 0, (size_t)mask);
    for (ptrdiff_t k = 0; to && k < w->w.n_outputs; ++k) {
        if (plain[k] == 0.0f) continue;
        to[k / 8] |= (uint8_t)(1u << k % 8);
        ((int8_t *)to)[mask + size++] = (int8_t)plain[k];
    }
    return mask + n;
}

static weights some_weights(input *in, int layout, int scaled, int indexed) {
    static const ptrdiff_t group_bytes[] = {8, 16, 32, 32, 64, 16, 16};
    const uint32_t draw = (uint32_t)take(in, 1), zeros = layout >= LISTS ? 8 + below(in, 9) : below(in, 17);
    weights w = {.layout = layout, .n_stored = below(in, draw < 200 ? 10 : 30)};
    w.w.n_outputs = 1 + below(in, draw < 128 ? 20 : draw < 250 ? 200 : 700);
    const ptrdiff_t groups = (w.w.n_outputs + QC_LANES - 1) / QC_LANES, stored = at_least_one(w.n_stored);
    w.w.stride = groups * group_bytes[layout];
    char *rows = keep_aligned((size_t)(stored * w.w.stride));
    memset(rows, 0, (size_t)(stored * w.w.stride));
    w.plain = keep(0, (size_t)(stored * w.w.n_outputs) * sizeof(float));
    memset(w.plain, 0, (size_t)(stored * w.w.n_outputs) * sizeof(float));
    for (ptrdiff_t row = 0; row < w.n_stored; ++row)
        for (ptrdiff_t k = 0; k < w.w.n_outputs; ++k)
            put_weight(in, &w, rows + row * w.w.stride, k, zeros, w.plain + row * w.w.n_outputs + k);
    w.w.rows = rows;
    if (layout >= LISTS) {
        int64_t *start = array(in, (size_t)stored + 1, 8);
        start[0] = 0;
        for (ptrdiff_t row = 0; row < stored; ++row) start[row + 1] = start[row] + write_pruned(&w, row, NULL);
        uint8_t *pruned = keep_aligned((size_t)start[stored] + QC_PADDING);
        for (ptrdiff_t row = 0; row < stored; ++row) write_pruned(&w, row, pruned + start[row]);
        w.w.rows = pruned, w.w.start = start;
        w.w.stride = start[stored] / stored + 32;
    }
    w.n_features = w.n_stored;
    if (scaled) {
        float *scale = array(in, (size_t)stored, 4);
        for (ptrdiff_t i = 0; i < stored; ++i) scale[i] = finite_float(in, below(in, MODES));
        w.w.scale = scale;
    }
    if (indexed) {
        const uint32_t dropped = below(in, 12);
        w.n_features = below(in, 60);
        uint32_t *index = array(in, (size_t)at_least_one(w.n_features), 4);
        index[0] = 0;
        for (ptrdiff_t i = 0; i < w.n_features; ++i) {
            index[i] = !w.n_stored || below(in, 12) < dropped ? QC_DROPPED : below(in, (uint32_t)w.n_stored);
            w.w.drops |= index[i] == QC_DROPPED;
        }
        w.w.index = index;
    }
    return w;
}

static double data_at(const qc_csr *x, ptrdiff_t i) { return qc_csr_value(x, i, x->doubles); }

/* README's sum, over the weights as they came. */
static void plain_scores(const qc_csr *x, const weights *w, float *out) {
    for (ptrdiff_t row = 0; row < x->n_rows; ++row)
        for (ptrdiff_t k = 0; k < w->w.n_outputs; ++k) {
            float sum = 0.0f;
            for (ptrdiff_t i = qc_at(x->indptr, x->wide_indptr, row); i < qc_at(x->indptr, x->wide_indptr, row + 1); ++i) {
                const ptrdiff_t feature = qc_at(x->indices, x->wide_indices, i);
                const uint32_t stored = w->w.index ? w->w.index[feature] : (uint32_t)feature;
                if (stored == QC_DROPPED) continue;
                const float weight = w->plain[(ptrdiff_t)stored * w->w.n_outputs + k];
                const float value = w->w.scale ? (float)data_at(x, i) * w->w.scale[stored] : (float)data_at(x, i);
                if (w->layout == LISTS && weight == 0.0f) continue; /* infinity times 0 is NaN in the others alone */
                sum += value * weight;
            }
            out[row * w->w.n_outputs + k] = sum;
        }
}

static qc_scores_rows_int8_fn *scores_of(int layout) {
    switch (layout) {
    case INT4:
        return qc_bound.scores_rows_int4;
    case INT8:
        return qc_bound.scores_rows_int8;
    case INT16:
        return qc_bound.scores_rows_int16;
    case FLOAT16:
        return qc_bound.scores_rows_float16;
    case FLOAT32:
        return qc_bound.scores_rows_float32;
    case LISTS:
        return qc_bound.scores_lists_int8;
    default:
        return qc_bound.scores_masks_int8;
    }
}

static void scores(input *in) {
    const int layout = (int)below(in, N_LAYOUTS), scaled = (int)below(in, 2);
    const weights w = some_weights(in, layout, scaled, (int)below(in, 2));
    const qc_csr x = some_rows(in, w.n_features);
    const size_t n = (size_t)(x.n_rows * w.w.n_outputs);
    float *expected = keep(0, n * 4);
    plain_scores(&x, &w, expected);
    for (int isa = 0; isa < QC_ISA_COUNT; ++isa) {
        if (!qc_isa_available(isa)) continue;
        qc_select(isa);
        float *out = array(in, n, 4);
        scores_of(layout)(&x, &w.w, out);
        CHECK(same_floats(expected, out, n), "%s: scores of %s, %td outputs", qc_isa_name(isa), layouts[layout], w.w.n_outputs);
    }
}

static void column(input *in) {
    const ptrdiff_t n_features = below(in, 40);
    const uint32_t mode = below(in, MODES);
    float *w = array(in, (size_t)n_features, 4);
    for (ptrdiff_t i = 0; i < n_features; ++i) w[i] = (float)next_value(in, mode);
    const qc_csr x = some_rows(in, n_features);
    float *out = array(in, (size_t)x.n_rows, 4);
    qc_select(0);
    qc_bound.scores_column_float32(&x, w, out);
    for (ptrdiff_t row = 0; row < x.n_rows; ++row) {
        float sum = 0.0f;
        for (ptrdiff_t i = qc_at(x.indptr, x.wide_indptr, row); i < qc_at(x.indptr, x.wide_indptr, row + 1); ++i)
            sum += (float)data_at(&x, i) * w[qc_at(x.indices, x.wide_indices, i)];
        CHECK(same_floats(&sum, out + row, 1), "row %td is %g, not %g", row, (double)out[row], (double)sum);
    }
}

/* ----------------------------------------------------------------- exact scores */

typedef struct {
    qc_exact_rows w;
    qc_exact_kind kind;
    ptrdiff_t n_stored, n_features;
} exact_weights;

static exact_weights some_exact(input *in, ptrdiff_t n_outputs, int may_centre) {
    static const size_t sizes[] = {8, 2, 4};
    exact_weights e = {.kind = (qc_exact_kind)below(in, 3), .n_stored = 1 + below(in, 20)};
    const size_t size = sizes[e.kind];
    const uint32_t mode = below(in, MODES);
    e.w.n_outputs = n_outputs;
    e.w.centred = may_centre && e.kind != QC_EXACT_FLOAT64 && below(in, 2);
    const ptrdiff_t width = n_outputs + e.w.centred, lanes = n_outputs == 1 ? width : QC_EXACT_LANES;
    const ptrdiff_t padded = (width + lanes - 1) / lanes * lanes;
    e.w.stride = padded * (ptrdiff_t)size;
    char *rows = keep_aligned((size_t)(e.n_stored * e.w.stride));
    memset(rows, 0, (size_t)(e.n_stored * e.w.stride));
    for (ptrdiff_t row = 0; row < e.n_stored; ++row)
        for (ptrdiff_t k = 0; k < width; ++k) {
            void *to = rows + row * e.w.stride + k * (ptrdiff_t)size;
            const double value = finite_value(in, mode);
            if (e.kind == QC_EXACT_FLOAT64) *(double *)to = value;
            else if (e.kind == QC_EXACT_INT16) *(int16_t *)to = (int16_t)take(in, 2);
            else *(int32_t *)to = (int32_t)take(in, 4);
        }
    e.w.rows = rows;
    if (e.kind != QC_EXACT_FLOAT64) {
        double *scale = array(in, (size_t)e.n_stored, 8);
        for (ptrdiff_t i = 0; i < e.n_stored; ++i)
            scale[i] = ldexp(1.0, below(in, 8) ? (int)below(in, 40) - 30 : (int)below(in, 1901) - 1000);
        e.w.scale = scale;
    }
    double *bias = array(in, (size_t)n_outputs, 8);
    for (ptrdiff_t k = 0; k < n_outputs; ++k) bias[k] = finite_value(in, mode);
    e.w.bias = bias;
    e.n_features = e.n_stored;
    return e;
}

static void index_exact(input *in, exact_weights *e, ptrdiff_t n_features) {
    uint32_t *index = array(in, (size_t)at_least_one(n_features), 4);
    index[0] = 0;
    for (ptrdiff_t i = 0; i < n_features; ++i) index[i] = below(in, (uint32_t)e->n_stored);
    e->w.index = index, e->n_features = n_features;
}

static void exact_of(qc_exact_kind kind, const qc_csr *x, const qc_exact_rows *w, const double *norms, double *out,
                     double *sizes) {
    if (kind == QC_EXACT_FLOAT64) qc_bound.exact_rows_float64(x, w, norms, out, sizes);
    else if (kind == QC_EXACT_INT16) qc_bound.exact_rows_int16(x, w, norms, out, sizes);
    else qc_bound.exact_rows_int32(x, w, norms, out, sizes);
}

static void exact(input *in) {
    const uint32_t draw = (uint32_t)take(in, 1);
    exact_weights e = some_exact(in, 1 + below(in, draw < 200 ? 20 : 200), 1);
    if (below(in, 2)) index_exact(in, &e, below(in, 50));
    const qc_csr x = some_rows(in, e.n_features);
    const ptrdiff_t n_outputs = e.w.n_outputs;
    const size_t n = (size_t)(x.n_rows * n_outputs);
    double *norms = NULL, *expected = keep(0, n * 8), *sums = NULL;
    const int sized = (int)below(in, 2);
    const size_t n_sizes = (size_t)x.n_rows * (e.kind == QC_EXACT_FLOAT64 ? (size_t)n_outputs : 1);
    if (below(in, 2)) {
        norms = array(in, (size_t)x.n_rows, 8);
        for (ptrdiff_t row = 0; row < x.n_rows; ++row) norms[row] = some_double(in);
    }
    for (ptrdiff_t row = 0; row < x.n_rows; ++row)
        for (ptrdiff_t k = 0; k < n_outputs; ++k) {
            double sum = 0.0;
            for (ptrdiff_t i = qc_at(x.indptr, x.wide_indptr, row); i < qc_at(x.indptr, x.wide_indptr, row + 1); ++i) {
                const ptrdiff_t stored = qc_exact_stored(&x, &e.w, i);
                sum += data_at(&x, i) * qc_exact_weight(qc_exact_row(&e.w, stored), k, qc_exact_scale(&e.w, stored),
                                                        e.w.centred ? n_outputs : 0, (int)e.kind);
            }
            expected[row * n_outputs + k] = (norms ? sum / norms[row] : sum) + e.w.bias[k];
        }
    for (int isa = 0; isa < QC_ISA_COUNT; ++isa) {
        if (!qc_isa_available(isa)) continue;
        qc_select(isa);
        double *out = array(in, n, 8), *sizes = sized ? array(in, n_sizes, 8) : NULL;
        exact_of(e.kind, &x, &e.w, norms, out, sizes);
        CHECK(same_doubles(expected, out, n), "%s: exact scores of kind %d, %td outputs", qc_isa_name(isa), (int)e.kind,
              n_outputs);
        if (!sums) sums = sizes;
        CHECK(!sized || same_doubles(sums, sizes, n_sizes), "%s: sizes of kind %d", qc_isa_name(isa), (int)e.kind);
    }
}

#include "sparse_labels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, data + size, 0};
    const int kind = (int)below(&in, N_KINDS);
    in.more = kind == CHECKED ? 0 : take(&in, 8) | 1;
    if (kind == CHECKED) checked(&in);
    else if (kind == SCORES) scores(&in);
    else if (kind == COLUMN) column(&in);
    else if (kind == EXACT) exact(&in);
    else labels(&in, kind == LABEL_COLUMN);
    count(kind, names[kind]);
    release();
    return 0;
}
