/* Packing of any shape: every instruction set has plain C's bits and finds every value that is not finite, what is packed is
 * within README's bound of what it came from, and it comes back as the product says. */
#include "fuzz.h"
#include "kernels/pack/pack.h"
#include "kernels/pack/choose.h"

enum { TO_INTEGERS, TO_FLOATS, TO_HALF, FROM_HALF };

typedef struct {
    int bits, wide, columns;
    ptrdiff_t n_rows, n_columns, group, n_groups; /* groups of a row */
    ptrdiff_t first, count;                       /* columns: the panel that a call takes, as the door cuts them */
} shape;

static ptrdiff_t packed_size(ptrdiff_t n, int bits) { return (n * bits + 7) / 8; }

/* Groups are multiples of 16, of which the last may be shorter; one for each row where none is asked for. */
static shape some_shape(input *in) {
    static const ptrdiff_t usual[] = {16, 32, 48, 64, 128, 256};
    const uint32_t draw = (uint32_t)take(in, 1);
    shape s = {.bits = 4 << below(in, 3), .wide = (int)below(in, 2), .columns = (int)below(in, 2)};
    s.n_rows = 1 + below(in, draw < 200 ? 20 : 70);
    s.n_columns = draw < 100 ? below(in, 40) : below(in, draw < 245 ? 300 : 4000);
    if (draw >= 252) s.n_rows = 1 + below(in, 6), s.n_columns = 4000 + below(in, 9000); /* beyond a panel of columns */
    if (s.columns && !s.n_columns) s.n_columns = 1;
    s.first = 0, s.count = s.n_columns;
    if (s.columns && s.n_columns > 64 && below(in, 4) == 0) s.first = 64, s.count = s.n_columns - 64;
    s.group = s.n_columns ? s.n_columns : 1;
    const uint32_t asked = s.n_columns ? below(in, 8) : 7; /* the door asks nothing of groups of nothing */
    if (asked < 6) s.group = usual[asked];
    const ptrdiff_t most = (s.n_columns + 15) / 16 * 16;
    if (asked < 6 && s.group > most) s.group = most;
    s.n_groups = asked < 6 ? (s.n_columns + s.group - 1) / s.group : 1;
    return s;
}

static void *some_values(input *in, size_t n, int wide, int clean) {
    const uint32_t mode = below(in, MODES);
    void *x = array(in, n, wide ? 8 : 4);
    for (size_t i = 0; i < n; ++i) {
        if (wide) ((double *)x)[i] = clean ? finite_value(in, mode) : next_value(in, mode);
        else ((float *)x)[i] = clean ? finite_float(in, mode) : (float)next_value(in, mode);
    }
    return x;
}

static double value_at(const void *x, ptrdiff_t i, int wide) {
    return wide ? ((const double *)x)[i] : (double)((const float *)x)[i];
}

static size_t n_scales(const shape *s) { return (size_t)(s->columns ? s->count : s->n_rows * s->n_groups); }

static ptrdiff_t scale_of(const shape *s, ptrdiff_t row, ptrdiff_t j) {
    return s->columns ? j - s->first : row * s->n_groups + j / s->group;
}

/* |q * scale - x| is at most half a step and the three roundings of README. */
static void within(const shape *s, const void *x, const void *q, const void *scale) {
    const int limit = (1 << (s->bits - 1)) - 1;
    const double unit = s->wide ? 0x1p-53 : 0x1p-24, most = 0.5 + 4.0 * unit * limit;
    for (ptrdiff_t row = 0; row < s->n_rows; ++row)
        for (ptrdiff_t j = s->first; j < s->first + s->count; ++j) {
            const int32_t found = qc_get((const char *)q + row * packed_size(s->n_columns, s->bits), j, s->bits);
            const double step = value_at(scale, scale_of(s, row, j), s->wide);
            const double away = fabs(value_at(x, row * s->n_columns + j, s->wide) / step - found);
            CHECK(found >= -limit && found <= limit && away <= most, "value %td, %td: %d is %g steps away", row, j, found, away);
        }
}

static void pack(input *in, const shape *s, int clean) {
    const size_t n = (size_t)(s->n_rows * s->n_columns), bytes = (size_t)(s->n_rows * packed_size(s->n_columns, s->bits));
    const size_t item = s->wide ? 8 : 4;
    void *x = some_values(in, n, s->wide, clean), *q = NULL, *scale = NULL;
    int finite = 1;
    for (ptrdiff_t row = 0; row < s->n_rows; ++row)
        for (ptrdiff_t j = s->first; j < s->first + s->count; ++j)
            finite &= isfinite(value_at(x, row * s->n_columns + j, s->wide));
    for (int isa = 0; isa < QC_ISA_COUNT; ++isa) {
        if (!qc_isa_available(isa)) continue;
        qc_select(isa);
        void *packed = array(in, bytes / (s->bits == 16 ? 2 : 1), s->bits == 16 ? 2 : 1), *scales = array(in, n_scales(s), item);
        if (s->columns) memset(packed, 0, bytes);
        const ptrdiff_t from = s->columns ? s->first : 0;
        const int found = qc_packing(s->bits, s->wide, s->columns)(
            (const char *)x + (size_t)from * item, s->n_rows, s->columns ? s->count : s->n_columns,
            s->columns ? s->n_columns : s->group, (char *)packed + from * s->bits / 8, scales);
        CHECK(!found == !finite, "%s: says %d of values that are %sfinite", qc_isa_name(isa), found, finite ? "" : "not all ");
        if (!finite) continue;
        if (!q) q = packed, scale = scales, within(s, x, q, scale);
        CHECK(!memcmp(q, packed, bytes) && !memcmp(scale, scales, n_scales(s) * item), "%s: int%d of float%d, %s",
              qc_isa_name(isa), s->bits, 8 * (int)item, s->columns ? "columns" : "groups");
    }
}

/* Any bytes and any scales: files hold no others than packed ones, callers may. */
static void unpack(input *in, const shape *s, int clean) {
    const size_t n = (size_t)(s->n_rows * s->n_columns), bytes = (size_t)(s->n_rows * packed_size(s->n_columns, s->bits));
    const size_t item = s->wide ? 8 : 4;
    shape whole = *s;
    whole.first = 0, whole.count = s->n_columns;
    const size_t scales = n_scales(&whole);
    uint8_t *q = array(in, bytes / (s->bits == 16 ? 2 : 1), s->bits == 16 ? 2 : 1);
    for (size_t i = 0; i < bytes; ++i) q[i] = (uint8_t)take(in, 1);
    void *scale = some_values(in, scales, s->wide, clean);
    int finite = 1;
    for (size_t i = 0; i < scales; ++i) finite &= isfinite(value_at(scale, (ptrdiff_t)i, s->wide));
    for (int isa = 0; isa < QC_ISA_COUNT; ++isa) {
        if (!qc_isa_available(isa)) continue;
        qc_select(isa);
        void *x = array(in, n, item);
        const int found = qc_unpacking(s->bits, s->wide, s->columns)(
            q, s->n_rows, s->n_columns, s->columns ? s->n_columns : s->group, scale, x);
        CHECK(!found == !finite, "%s: says %d of scales that are %sfinite", qc_isa_name(isa), found, finite ? "" : "not all ");
        for (ptrdiff_t row = 0; finite && row < s->n_rows; ++row)
            for (ptrdiff_t j = 0; j < s->n_columns; ++j) {
                const int32_t value = qc_get(q + row * packed_size(s->n_columns, s->bits), j, s->bits);
                const ptrdiff_t by = scale_of(&whole, row, j), at = row * s->n_columns + j;
                const double wide = value * value_at(scale, by, s->wide);
                const float narrow = s->wide ? 0.0f : (float)value * ((float *)scale)[by];
                CHECK(s->wide ? !memcmp(&wide, (double *)x + at, 8) : !memcmp(&narrow, (float *)x + at, 4),
                      "%s: int%d to float%d, %s: value %td, %td", qc_isa_name(isa), s->bits, 8 * (int)item,
                      s->columns ? "columns" : "groups", row, j);
            }
    }
}

static ptrdiff_t some_length(input *in) { return below(in, take(in, 1) < 200 ? 100 : 3000); }

static void to_half(input *in, int wide, int clean) {
    const size_t n = (size_t)some_length(in);
    void *x = some_values(in, n, wide, clean), *expected = NULL;
    int finite = 1;
    for (size_t i = 0; i < n; ++i) finite &= isfinite(value_at(x, (ptrdiff_t)i, wide));
    for (int isa = 0; isa < QC_ISA_COUNT; ++isa) {
        if (!qc_isa_available(isa)) continue;
        qc_select(isa);
        uint16_t *h = array(in, n, 2);
        const int found = qc_narrowing(wide)(x, (ptrdiff_t)n, h);
        CHECK(!found == !finite, "%s: says %d of values that are %sfinite", qc_isa_name(isa), found, finite ? "" : "not all ");
        if (!finite) continue;
        if (!expected) expected = h;
        CHECK(!memcmp(expected, h, 2 * n), "%s: float16 of float%d", qc_isa_name(isa), wide ? 64 : 32);
        for (size_t i = 0; i < n; ++i) { /* no neighbour is nearer; beyond 65520 it is infinite */
            const double value = fabs(value_at(x, (ptrdiff_t)i, wide)), half = qc_from_float16(h[i] & 0x7fffu);
            if ((h[i] & 0x7fffu) == 0x7c00u) {
                CHECK(value >= 65520.0, "%g is no infinity", value);
                continue;
            }
            const double above = (h[i] & 0x7fffu) == 0x7bffu ? 65536.0 : qc_from_float16((uint16_t)((h[i] & 0x7fffu) + 1));
            const double under = h[i] & 0x7fffu ? qc_from_float16((uint16_t)((h[i] & 0x7fffu) - 1)) : -half;
            CHECK(fabs(value - half) <= fabs(value - above) && fabs(value - half) <= fabs(value - under), "%g became %g", value,
                  half);
        }
    }
}

static void from_half(input *in, int wide) {
    const size_t n = (size_t)some_length(in);
    uint16_t *h = array(in, n, 2);
    const uint32_t mode = below(in, 3);
    int finite = 1;
    for (size_t i = 0; i < n; ++i) {
        h[i] = (uint16_t)take(in, 2);
        if (mode) h[i] &= 0xfbffu;
        finite &= (h[i] & 0x7c00u) != 0x7c00u;
    }
    for (int isa = 0; isa < QC_ISA_COUNT; ++isa) {
        if (!qc_isa_available(isa)) continue;
        qc_select(isa);
        void *x = array(in, n, wide ? 8 : 4);
        const int found = qc_widening(wide)(h, (ptrdiff_t)n, x);
        CHECK(!found == !finite, "%s: says %d of halves that are %sfinite", qc_isa_name(isa), found, finite ? "" : "not all ");
        for (size_t i = 0; finite && i < n; ++i) {
            const int exponent = h[i] >> 10 & 31, significand = h[i] & 1023;
            const double size = exponent ? ldexp(1024 + significand, exponent - 25) : ldexp(significand, -24);
            const double value = h[i] & 0x8000u ? -size : size, got = value_at(x, (ptrdiff_t)i, wide);
            CHECK(!memcmp(&value, &got, 8), "%s: %04x became %g", qc_isa_name(isa), h[i], got);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, data + size, 0};
    static const char *const names[] = {"pack_to_integers", "pack_to_floats", "pack_to_half", "pack_from_half"};
    const int kind = (int)below(&in, 4), clean = below(&in, 4) != 0;
    const shape s = some_shape(&in);
    in.more = take(&in, 8) | 1;
    if (kind == TO_INTEGERS) pack(&in, &s, clean);
    else if (kind == TO_FLOATS) unpack(&in, &s, clean);
    else if (kind == TO_HALF) to_half(&in, s.wide, clean);
    else from_half(&in, s.wide);
    count(kind, names[kind]);
    release();
    return 0;
}
