/* What the instruction sets share: the walk over rows, groups and columns, and the kernels themselves.
 *
 * Included once by each <isa>.c, after its primitives. Arguments that are constants at every call (wide: float64 rather than
 * float32; bits: 4, 8 or 16) are folded by inlining, so each kernel is a loop of its own.
 *
 *   largest_of(x, n, wide, out)                       *out = the largest magnitude (as bits: inf, and NaN where it is not found by its flag, are above all others)
 *   merge_rows(x, stride, n_rows, n, wide, out)       the same for every column, out[j] included
 *   round_run(x, n, by, each, stream, wide, bits, q)  q = round(x * by); each: by is an array, else one factor
 *   spread_run(q, n, by, each, stream, wide, bits, x) x = q * by
 *   narrow(x, n, stream, wide, h)                     to float16; returns whether all values are finite
 *   widen(h, n, stream, wide, x)                      and back
 *   settle(stream)                                    after the last run
 *
 * stream: stores may pass by the caches. After #define OWN_ROWS also these three, which have plain forms below:
 *
 *   find_16_<float>(x, n, limit, scale, inverse)      for 16 rows their scales and the inverses; returns whether all are finite
 *   round_16(x, n, by, far, wide, bits, q)            round_run for each of 16 rows; returns 0 where it has no better way for n
 *   spread_groups(q, n_groups, n, by, far, wide, bits, x)  spread_run for each group; returns 0 where it has no better way for n
 *   round_ahead(x, n, by, stream, wide, bits, q, ahead, out)   round_run with one factor, and largest_of for the row ahead
 */
#include "kernels/pack/pack.h"

/* Bytes read and written from which the output will not be found in a cache anyway: stores that pass by save reading it. Short
 * runs would leave too many lines in part. */
enum { STREAM_FROM = 1 << 25, STREAM_RUN = 1024 };

#if defined(_MSC_VER) && !defined(__clang__)
#define QC_CACHE_LINE __declspec(align(64))
#else
#define QC_CACHE_LINE _Alignas(64)
#endif

QC_INLINE ptrdiff_t packed_size(ptrdiff_t n, int bits) { return (n * bits + 7) / 8; }
QC_INLINE int is_far(ptrdiff_t n, int wide, int bits) { return n >= STREAM_FROM / ((wide ? 64 : 32) + bits) * 8; }

/* Asks for n bytes a page from here: where a page ends a core's prefetchers stop. */
QC_INLINE void fetch_later(const void *x, ptrdiff_t n) {
    for (ptrdiff_t i = 4096; i < 4096 + n; i += 64) QC_PREFETCH((const char *)x + i);
}

QC_INLINE int scales(const void *largest, ptrdiff_t n, int wide, int bits, void *scale, void *inverse) {
    const int limit = (1 << (bits - 1)) - 1;
    return wide ? qc_scales64(largest, n, limit, scale, inverse) : qc_scales32(largest, n, (float)limit, scale, inverse);
}

#ifndef OWN_ROWS
QC_INLINE int find_16_float32(const void *x, ptrdiff_t n, int limit, void *scale, void *inverse) {
    float found[16];
    for (ptrdiff_t r = 0; r < 16; ++r) largest_of(qc_at(x, r * n, 0), n, 0, found + r);
    return qc_scales32(found, 16, (float)limit, scale, inverse);
}

QC_INLINE int find_16_float64(const void *x, ptrdiff_t n, int limit, void *scale, void *inverse) {
    double found[16];
    for (ptrdiff_t r = 0; r < 16; ++r) largest_of(qc_at(x, r * n, 1), n, 1, found + r);
    return qc_scales64(found, 16, limit, scale, inverse);
}

QC_INLINE int round_16(const void *x, ptrdiff_t n, const void *by, int far, int wide, int bits, void *q) {
    (void)far, (void)x, (void)n, (void)by, (void)wide, (void)bits, (void)q;
    return 0;
}

QC_INLINE int spread_groups(const void *q, ptrdiff_t n_groups, ptrdiff_t n, const void *by, int far, int wide, int bits,
                            void *x) {
    (void)q, (void)n_groups, (void)n, (void)by, (void)far, (void)wide, (void)bits, (void)x;
    return 0;
}

QC_INLINE void round_ahead(const void *x, ptrdiff_t n, const void *by, int stream, int wide, int bits, void *q, const void *ahead,
                           void *out) {
    round_run(x, n, by, 0, stream, wide, bits, q);
    largest_of(ahead, n, wide, out);
}
#endif

/* Rows (or groups) of n values, one behind the other, each read twice.
 * Short ones: the scales of 16 rows are found before the first of them is rounded, which shares two divisions and the
 * horizontal maxima. Long ones: while a row is rounded, the maximum of the next but one is found, so that arithmetic and
 * latencies hide behind reading: of the next one where three rows are too many for an L1 cache. */
enum { AT_ONCE = 16, SHORT_BYTES = 1024, AHEAD_BYTES = 12 << 10 };

typedef union {
    float f[AT_ONCE];
    double d[AT_ONCE];
} few;

/* Shared by the kernels of a type rather than inlined into each. */
static void largest_float32(const void *x, ptrdiff_t n, void *out) { largest_of(x, n, 0, out); }
static void largest_float64(const void *x, ptrdiff_t n, void *out) { largest_of(x, n, 1, out); }
static int scales_of_16_float32(const void *x, ptrdiff_t n, int limit, void *scale, void *inverse) {
    return find_16_float32(x, n, limit, scale, inverse);
}
static int scales_of_16_float64(const void *x, ptrdiff_t n, int limit, void *scale, void *inverse) {
    return find_16_float64(x, n, limit, scale, inverse);
}

QC_INLINE void largest(const void *x, ptrdiff_t n, int wide, void *out) {
    if (wide) largest_float64(x, n, out);
    else largest_float32(x, n, out);
}

QC_INLINE int find_16(const void *x, ptrdiff_t n, int wide, int bits, void *scale, few *inverse) {
    const int limit = (1 << (bits - 1)) - 1;
    return wide ? scales_of_16_float64(x, n, limit, scale, inverse) : scales_of_16_float32(x, n, limit, scale, inverse);
}

QC_INLINE int pack_short_rows(const void *x, ptrdiff_t n_rows, ptrdiff_t n, int far, int wide, int bits, void *q, void *scale) {
    const ptrdiff_t width = packed_size(n, bits), size = wide ? 8 : 4, whole = n_rows / AT_ONCE * AT_ONCE;
    QC_CACHE_LINE few inverse[2];
    int finite = whole ? find_16(x, n, wide, bits, scale, &inverse[0]) : 1;
    for (ptrdiff_t row = 0; finite && row < whole; row += AT_ONCE) {
        const void *from = qc_at(x, row * n, wide), *by = &inverse[row / AT_ONCE & 1];
        char *to = (char *)q + row * width;
        if (far) fetch_later(qc_at(from, AT_ONCE * n, wide), AT_ONCE * n * size);
        if (row + AT_ONCE < whole)
            finite = find_16(qc_at(from, AT_ONCE * n, wide), n, wide, bits, qc_at_out(scale, row + AT_ONCE, wide),
                             &inverse[~(row / AT_ONCE) & 1]);
        if (!round_16(from, n, by, far, wide, bits, to))
            for (ptrdiff_t r = 0; r < AT_ONCE; ++r)
                round_run(qc_at(from, r * n, wide), n, qc_at(by, r, wide), 0, 0, wide, bits, to + r * width);
    }
    for (ptrdiff_t row = whole; finite && row < n_rows; ++row) {
        few found;
        largest(qc_at(x, row * n, wide), n, wide, &found);
        finite = scales(&found, 1, wide, bits, qc_at_out(scale, row, wide), &inverse[0]);
        round_run(qc_at(x, row * n, wide), n, &inverse[0], 0, 0, wide, bits, (char *)q + row * width);
    }
    return finite;
}

QC_INLINE int pack_long_rows(const void *x, ptrdiff_t n_rows, ptrdiff_t n, int stream, int wide, int bits, void *q, void *scale) {
    const ptrdiff_t width = packed_size(n, bits), distance = n * (wide ? 8 : 4) <= AHEAD_BYTES ? 2 : 1;
    few found, inverse[2]; /* a scale is found where its maximum is: two divisions in a row, long before they are needed */
    int finite = 1;
    for (ptrdiff_t row = 0; row < distance && row < n_rows; ++row) {
        largest(qc_at(x, row * n, wide), n, wide, &found);
        finite &= scales(&found, 1, wide, bits, qc_at_out(scale, row, wide), &inverse[row]);
    }
    for (ptrdiff_t row = 0; finite && row < n_rows; ++row) {
        const void *from = qc_at(x, row * n, wide);
        const ptrdiff_t next = row + distance < n_rows ? row + distance : row; /* in the end the row itself, to no effect */
        few *here = &inverse[row & (distance - 1)];
        round_ahead(from, n, here, stream, wide, bits, (char *)q + row * width, qc_at(x, next * n, wide), &found);
        finite = scales(&found, 1, wide, bits, qc_at_out(scale, next, wide), here);
    }
    return finite;
}

QC_INLINE int pack_rows(const void *x, ptrdiff_t n_rows, ptrdiff_t n, int far, int wide, int bits, void *q, void *scale) {
    if (n * (wide ? 8 : 4) <= SHORT_BYTES) return pack_short_rows(x, n_rows, n, far, wide, bits, q, scale);
    return pack_long_rows(x, n_rows, n, far && n >= STREAM_RUN, wide, bits, q, scale);
}

#ifndef OWN_WATCH
QC_INLINE unsigned watch(void) { return 0; }
QC_INLINE int no_nan_since(unsigned saved) { return !saved; }
#endif

/* One group behind the other where groups fill rows; else row by row, first the whole groups of a row, then its short one. */
QC_INLINE int pack_groups(const void *x, ptrdiff_t n_rows, ptrdiff_t n, ptrdiff_t group, int wide, int bits, void *q,
                          void *scale) {
    const ptrdiff_t whole = group < n ? n / group : 0, rest = n - whole * group;
    const unsigned saved = watch();
    const int ragged = whole && rest, far = is_far(n_rows * n, wide, bits);
    int finite = 1;
    for (ptrdiff_t row = 0; finite && row < (ragged ? n_rows : 1); ++row)
        for (int part = 0; finite && part <= ragged; ++part) {
            const ptrdiff_t first = part * whole * group, length = part || !whole ? rest : group;
            const ptrdiff_t count = part ? 1 : (whole ? whole : 1) * (ragged ? 1 : n_rows);
            void *s = qc_at_out(scale, row * (whole + 1) + part * whole, wide);
            finite = pack_rows(qc_at(x, row * n + first, wide), count, length, far, wide, bits,
                               (char *)q + row * packed_size(n, bits) + packed_size(first, bits), s);
        }
    settle(far);
    return no_nan_since(saved) && finite;
}

/* All rows are read twice, in their order: narrow panels of columns, which a cache would keep, defeat prefetchers and the
 * translation of addresses and lose more than they gain. A panel is as wide as the factors that the stack holds. */
enum { PANEL_BYTES = 32 << 10 };

QC_INLINE int pack_columns(const void *x, ptrdiff_t n_rows, ptrdiff_t n_columns, ptrdiff_t stride, int wide, int bits, void *q,
                           void *scale) {
    QC_CACHE_LINE char inverse[PANEL_BYTES];
    const int size = wide ? 8 : 4, panel = PANEL_BYTES / size;
    const int stream = n_columns >= STREAM_RUN && is_far(n_rows * n_columns, wide, bits);
    const ptrdiff_t width = packed_size(stride, bits), before = (ptrdiff_t)(-(uintptr_t)x & 63u) / size;
    /* A short first panel lets the others begin with cache lines in all rows; two int4 share a byte. */
    ptrdiff_t n = stride * size % 64 == 0 && n_columns >= 256 && before && !(bits == 4 && before % 2) ? before : panel;
    memset(scale, 0, (size_t)n_columns * (size_t)size);
    for (ptrdiff_t j = 0; j < n_columns; j += n, n = panel) {
        if (n > n_columns - j) n = n_columns - j;
        void *s = qc_at_out(scale, j, wide);
        for (ptrdiff_t row = 0; row < n_rows; row += 4)
            merge_rows(qc_at(x, row * stride + j, wide), stride, n_rows - row < 4 ? n_rows - row : 4, n, wide, s);
        if (!scales(s, n, wide, bits, s, inverse)) return 0;
        for (ptrdiff_t row = 0; row < n_rows; ++row)
            round_run(qc_at(x, row * stride + j, wide), n, inverse, 1, stream, wide, bits,
                      (char *)q + row * width + packed_size(j, bits));
    }
    settle(stream);
    return 1;
}

QC_INLINE int all_finite(const void *scale, ptrdiff_t n, int wide) {
    int beyond = 0;
    for (ptrdiff_t i = 0; i < n; ++i)
        beyond |= wide ? qc_magnitude64(((const double *)scale)[i]) >= QC_INFINITY64
                       : qc_magnitude32(((const float *)scale)[i]) >= QC_INFINITY32;
    return !beyond;
}

QC_INLINE int unpack_groups(const void *q, ptrdiff_t n_rows, ptrdiff_t n, ptrdiff_t group, int wide, int bits, const void *scale,
                            void *x) {
    const int stream = group >= STREAM_RUN && n >= STREAM_RUN && is_far(n_rows * n, wide, bits);
    if (!all_finite(scale, n_rows * (n ? (n - 1) / group + 1 : 1), wide)) return 0;
    if (n % group == 0) {
        const int far = is_far(n_rows * n, wide, bits);
        if (spread_groups(q, n_rows * (n / group), group, scale, far, wide, bits, x)) {
            settle(far);
            return 1;
        }
    }
    for (ptrdiff_t row = 0; row < n_rows; ++row)
        for (ptrdiff_t j = 0; j < n; j += group, scale = qc_at(scale, 1, wide))
            spread_run((const char *)q + row * packed_size(n, bits) + packed_size(j, bits), n - j < group ? n - j : group, scale,
                       0, stream, wide, bits, qc_at_out(x, row * n + j, wide));
    settle(stream);
    return 1;
}

/* The factors of a short row are moved to where they begin with cache lines when the values do: loads that take two lines would
 * cost a third of the rate. */
QC_INLINE int unpack_columns(const void *q, ptrdiff_t n_rows, ptrdiff_t n, ptrdiff_t stride, int wide, int bits,
                             const void *scale, void *x) {
    QC_CACHE_LINE char moved[PANEL_BYTES + 64];
    const ptrdiff_t size = wide ? 8 : 4;
    const int stream = n >= STREAM_RUN && is_far(n_rows * n, wide, bits);
    if (!all_finite(scale, n, wide)) return 0;
    if (n_rows > 1 && n * size <= PANEL_BYTES)
        scale = memcpy(moved + ((uintptr_t)x & (size_t)(64 - size)), scale, (size_t)(n * size));
    for (ptrdiff_t row = 0; row < n_rows; ++row)
        spread_run((const char *)q + row * packed_size(stride, bits), n, scale, 1, stream, wide, bits,
                   qc_at_out(x, row * stride, wide));
    settle(stream);
    return 1;
}

#define PACK(bits, type, wide, isa)                                                                                        \
    int qc_to_int##bits##_groups_##type##_##isa(const void *x, ptrdiff_t n_rows, ptrdiff_t n_columns, ptrdiff_t group,     \
                                                void *q, void *scale) {                                                    \
        return pack_groups(x, n_rows, n_columns, group, wide, bits, q, scale);                                             \
    }                                                                                                                      \
    int qc_to_int##bits##_columns_##type##_##isa(const void *x, ptrdiff_t n_rows, ptrdiff_t n_columns, ptrdiff_t stride,   \
                                                 void *q, void *scale) {                                                   \
        return pack_columns(x, n_rows, n_columns, stride, wide, bits, q, scale);                                           \
    }                                                                                                                      \
    int qc_to_##type##_groups_int##bits##_##isa(const void *q, ptrdiff_t n_rows, ptrdiff_t n_columns, ptrdiff_t group,     \
                                                const void *scale, void *x) {                                              \
        return unpack_groups(q, n_rows, n_columns, group, wide, bits, scale, x);                                           \
    }                                                                                                                      \
    int qc_to_##type##_columns_int##bits##_##isa(const void *q, ptrdiff_t n_rows, ptrdiff_t n_columns, ptrdiff_t stride,   \
                                                 const void *scale, void *x) {                                             \
        return unpack_columns(q, n_rows, n_columns, stride, wide, bits, scale, x);                                         \
    }

#define CONVERT(type, wide, isa)                                                                \
    int qc_to_float16_flat_##type##_##isa(const void *x, ptrdiff_t n, void *h) {                \
        const int stream = is_far(n, wide, 16), finite = narrow(x, n, stream, wide, h);         \
        settle(stream);                                                                         \
        return finite;                                                                          \
    }                                                                                           \
    int qc_to_##type##_flat_float16_##isa(const void *h, ptrdiff_t n, void *x) {                \
        const int stream = is_far(n, wide, 16), finite = widen(h, n, stream, wide, x);          \
        settle(stream);                                                                         \
        return finite;                                                                          \
    }

#define KERNELS(isa)           \
    PACK(8, float32, 0, isa)   \
    PACK(8, float64, 1, isa)   \
    PACK(16, float32, 0, isa)  \
    PACK(16, float64, 1, isa)  \
    PACK(4, float32, 0, isa)   \
    PACK(4, float64, 1, isa)   \
    CONVERT(float32, 0, isa)   \
    CONVERT(float64, 1, isa)
