/* Numbers: columns of any type → doubles, and what is done to them. */
#include "kernels/frame/frame.h"

#include <math.h>
#include <string.h>

#define TYPED(kind, type)                                                     \
    case kind:                                                                \
        for (ptrdiff_t i = 0; i < n; ++i, at += stride) {                     \
            type value;                                                       \
            memcpy(&value, at, sizeof value); /* may not be aligned */        \
            out[i] = (double)value;                                           \
        }                                                                     \
        break;

static int bit_of(const uint8_t *bits, ptrdiff_t i) {
    return bits[i >> 3] >> (i & 7) & 1;
}

void qc_frame_numbers(const qc_frame_column *c, ptrdiff_t start, ptrdiff_t n, double *out) {
    const ptrdiff_t stride = c->stride;
    const char *at = c->data + start * stride;
    switch (c->kind) {
        TYPED(QC_OF_BOOL, uint8_t)
        TYPED(QC_OF_INT8, int8_t)
        TYPED(QC_OF_UINT8, uint8_t)
        TYPED(QC_OF_INT16, int16_t)
        TYPED(QC_OF_UINT16, uint16_t)
        TYPED(QC_OF_INT32, int32_t)
        TYPED(QC_OF_UINT32, uint32_t)
        TYPED(QC_OF_INT64, int64_t)
        TYPED(QC_OF_UINT64, uint64_t)
        TYPED(QC_OF_FLOAT64, double)
        case QC_OF_BITS:
            for (ptrdiff_t i = 0; i < n; ++i) out[i] = bit_of((const uint8_t *)c->data, c->offset + start + i);
            break;
        default: /* the door asks for numbers alone */
            for (ptrdiff_t i = 0; i < n; ++i) out[i] = NAN;
    }
}

void qc_frame_nulls(const qc_frame_column *c, ptrdiff_t start, ptrdiff_t n, double missing, double *out) {
    for (ptrdiff_t i = 0; i < n; ++i)
        if (!bit_of(c->valid, c->offset + start + i)) out[i] = missing;
}

static int all_finite(const double *x, ptrdiff_t n) {
    double zero = 0.0; /* of finite values; NaN of others */
    for (ptrdiff_t i = 0; i < n; ++i) zero += x[i] * 0.0;
    return zero == 0.0;
}

static int has_nan(const double *x, ptrdiff_t n) {
    int found = 0;
    for (ptrdiff_t i = 0; i < n; ++i) found |= x[i] != x[i];
    return found;
}

int qc_frame_steps(const qc_frame_step *steps, ptrdiff_t n_steps, double *x, ptrdiff_t n) {
    for (const qc_frame_step *s = steps; s < steps + n_steps; ++s) {
        const double a = s->a, b = s->b;
        ptrdiff_t i;
        switch (s->action) {
            case QC_STEP_FILL_NAN:
                for (i = 0; i < n; ++i) x[i] = x[i] != x[i] ? a : x[i];
                break;
            case QC_STEP_FILL:
                if (has_nan(x, n)) return 0;
                for (i = 0; i < n; ++i) x[i] = x[i] == a ? b : x[i];
                break;
            case QC_STEP_REPLACE:
                for (i = 0; i < n; ++i) x[i] = x[i] == a ? b : x[i];
                break;
            case QC_STEP_SUBTRACT:
                for (i = 0; i < n; ++i) x[i] -= a;
                break;
            case QC_STEP_DIVIDE:
                for (i = 0; i < n; ++i) x[i] /= a;
                break;
            case QC_STEP_MULTIPLY:
                for (i = 0; i < n; ++i) x[i] *= a;
                break;
            case QC_STEP_ADD:
                for (i = 0; i < n; ++i) x[i] += a;
                break;
            case QC_STEP_CLIP: /* NaN stays, and so does a zero beside one of the other sign */
                for (i = 0; i < n; ++i) {
                    const double low = x[i] < a ? a : x[i];
                    x[i] = low > b ? b : low;
                }
                break;
            case QC_STEP_ABOVE:
                for (i = 0; i < n; ++i) x[i] = x[i] > a ? 1.0 : 0.0;
                break;
            case QC_STEP_IS_NAN:
                for (i = 0; i < n; ++i) x[i] = x[i] != x[i] ? 1.0 : 0.0;
                break;
            case QC_STEP_IS:
                if (has_nan(x, n)) return 0;
                for (i = 0; i < n; ++i) x[i] = x[i] == a ? 1.0 : 0.0;
                break;
            case QC_STEP_FINITE:
                if (!all_finite(x, n)) return 0;
                break;
            case QC_STEP_NO_INFINITY:
                if (qc_frame_is_infinite(x, n)) return 0;
                break;
        }
    }
    return 1;
}

int qc_frame_is_large(const double *x, ptrdiff_t n) {
    int found = 0;
    for (ptrdiff_t i = 0; i < n; ++i) found |= fabs(x[i]) >= 0x1p53;
    return found;
}

int qc_frame_is_infinite(const double *x, ptrdiff_t n) {
    int found = 0;
    for (ptrdiff_t i = 0; i < n; ++i) found |= fabs(x[i]) == INFINITY;
    return found;
}

void qc_frame_find(const double *x, ptrdiff_t n, const double *known, const int32_t *codes, ptrdiff_t n_known, int32_t of_nan,
                   int32_t *out) {
    for (ptrdiff_t i = 0; i < n; ++i) {
        ptrdiff_t first = 0;
        for (ptrdiff_t left = n_known; left > 1;) { /* the last that is not above x stays within first .. first + left */
            const ptrdiff_t half = left / 2;
            first = known[first + half] <= x[i] ? first + half : first;
            left -= half;
        }
        const int32_t found = n_known > 0 && known[first] == x[i] ? codes[first] : -1;
        out[i] = x[i] != x[i] ? of_nan : found;
    }
}

void qc_frame_cells(const double *x, ptrdiff_t n, const double *edges, ptrdiff_t n_edges, int32_t *out) {
    for (ptrdiff_t i = 0; i < n; ++i) {
        ptrdiff_t low = 0, high = n_edges;
        while (low < high) {
            const ptrdiff_t middle = (low + high) / 2;
            if (x[i] < edges[middle])
                high = middle;
            else
                low = middle + 1;
        }
        out[i] = (int32_t)low;
    }
}
