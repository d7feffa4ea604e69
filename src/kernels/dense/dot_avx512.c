#include <immintrin.h>

#include "kernels/dense/sweep.h"

/* Four products u8 x s8, or two s16 x s16, join each lane. As asm, since GCC copies every accumulator of the intrinsics before
 * and after each step, which halves the speed of a register tile. */
QC_INLINE __m512i dpbusd(__m512i sum, __m512i u8, __m512i s8) {
#if defined(__GNUC__) && !defined(__clang__)
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(u8), "v"(s8));
    return sum;
#else
    return _mm512_dpbusd_epi32(sum, u8, s8);
#endif
}

QC_INLINE __m512i dpwssd(__m512i sum, __m512i a, __m512i b) {
#if defined(__GNUC__) && !defined(__clang__)
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#else
    return _mm512_dpwssd_epi32(sum, a, b);
#endif
}

QC_INLINE __m512i load(const void *p) { return _mm512_loadu_si512(p); }

/* `count` bytes, at most 64 and perhaps none, then zeros. */
QC_INLINE __m512i load_first(const int8_t *p, ptrdiff_t count) {
    if (count <= 0) return _mm512_setzero_si512();
    return _mm512_maskz_loadu_epi8(count >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << count) - 1, p);
}

/* The sums of the lanes of each. */
QC_INLINE __m128i reduced(__m512i a, __m512i b, __m512i c, __m512i d) {
    const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    const __m512i abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/* sum[rows][width] joins the result. */
QC_INLINE void put(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width, const __m512i *sum) {
    int32_t flat[16], *out = (int32_t *)part->out + row * w->n_outputs + part->output;
    const __m512i none = _mm512_setzero_si512();
    if (width == 4 && !w->wide) {
        QC_UNROLL
        for (int r = 0; r < rows; ++r, out += w->n_outputs) {
            __m128i s = reduced(sum[4 * r], sum[4 * r + 1], sum[4 * r + 2], sum[4 * r + 3]);
            if (part->block) s = _mm_add_epi32(s, _mm_loadu_si128((const __m128i *)out));
            _mm_storeu_si128((__m128i *)out, s);
        }
        return;
    }
    QC_UNROLL
    for (int i = 0; i < rows * width; i += 4)
        _mm_storeu_si128((__m128i *)(flat + i),
                         reduced(sum[i], i + 1 < rows * width ? sum[i + 1] : none, i + 2 < rows * width ? sum[i + 2] : none,
                                 i + 3 < rows * width ? sum[i + 3] : none));
    if (!w->wide && !part->block) {
        QC_UNROLL
        for (int r = 0; r < rows; ++r) memcpy(out + r * w->n_outputs, flat + r * width, (size_t)width * sizeof *out);
        return;
    }
    for (int i = 0; i < rows * width; ++i) qc_add_sum(w, part, row + i / width, part->output + i % width, flat[i]);
}

/* x + 128 is unsigned, as vpdpbusd wants it; the offset takes off what that adds. */
QC_INLINE void int8_tile(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width) {
    const __m512i flip = _mm512_set1_epi8(-128);
    const int8_t *x = (const int8_t *)part->x + row * w->n_features + qc_first_feature(part, QC_BLOCK);
    const uint8_t *q = part->blocks;
    const int32_t *offset = w->offset + part->block / QC_SPAN * w->n_outputs + part->output;
    ptrdiff_t left = qc_feature_count(w, part, QC_BLOCK);
    __m512i sum[16], value[8];
    QC_UNROLL
    for (int i = 0; i < rows * width; ++i) sum[i] = _mm512_zextsi128_si512(_mm_cvtsi32_si128(offset[i % width]));
#define QC_STEP(loaded)                                                                                             \
    QC_UNROLL                                                                                                       \
    for (int r = 0; r < rows; ++r) value[r] = _mm512_xor_si512(flip, loaded);                                       \
    QC_UNROLL                                                                                                       \
    for (int c = 0; c < width; ++c) {                                                                               \
        const __m512i weights = load(q + c * QC_BLOCK);                                                             \
        QC_UNROLL                                                                                                   \
        for (int r = 0; r < rows; ++r) sum[r * width + c] = dpbusd(sum[r * width + c], value[r], weights);          \
    }
    for (; left >= QC_BLOCK; left -= QC_BLOCK, x += QC_BLOCK, q += width * QC_BLOCK) {
        if (rows == 4 && width == 4 && part->output == 0) { /* the first group brings the rows into L1 */
            QC_UNROLL
            for (int r = 0; r < rows; ++r) QC_PREFETCH(x + (r + rows) * w->n_features);
        }
        QC_STEP(load(x + r * w->n_features))
    }
    if (left) {
        QC_STEP(load_first(x + r * w->n_features, left))
    }
#undef QC_STEP
    put(w, part, row, rows, width, sum);
}

/* One row of at most a span times all groups of 4 outputs: a stream of weights, with as little beside it as can be, since reads
 * from L2 leave no time for more. A row that does not start on a cache line would cost two loads a block: it is copied to one.
 * Returns the number of outputs that it has done. */
static ptrdiff_t one_row(const qc_dense *w, const int8_t *x, int32_t *out) {
    QC_ALIGNED uint8_t row[QC_SPAN * QC_BLOCK];
    const uint8_t *end = row + w->n_blocks * QC_BLOCK, *q = w->blocks;
    ptrdiff_t k = 0;
    for (ptrdiff_t j = 0; j < w->n_features; j += QC_BLOCK)
        _mm512_store_si512(row + j, _mm512_xor_si512(_mm512_set1_epi8(-128), load_first(x + j, w->n_features - j)));
    for (; k + QC_GROUP <= w->n_outputs; k += QC_GROUP) {
        __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
        for (const uint8_t *from = row; from < end; from += QC_BLOCK, q += QC_GROUP * QC_BLOCK) {
            const __m512i value = load(from);
            a = dpbusd(a, value, load(q));
            b = dpbusd(b, value, load(q + QC_BLOCK));
            c = dpbusd(c, value, load(q + 2 * QC_BLOCK));
            d = dpbusd(d, value, load(q + 3 * QC_BLOCK));
        }
        const __m128i offset = _mm_loadu_si128((const __m128i *)(w->offset + k));
        _mm_storeu_si128((__m128i *)(out + k), _mm_add_epi32(offset, reduced(a, b, c, d)));
    }
    return k;
}

/* The weights + 8 are unsigned; 8 * x, summed beside them, is taken off each sum of the row. */
QC_INLINE void int4_tile(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width) {
    const __m512i nibble = _mm512_set1_epi8(15), eight = _mm512_set1_epi8(8);
    const int8_t *x = (const int8_t *)part->x + row * w->n_features + qc_first_feature(part, 2 * QC_BLOCK);
    const uint8_t *q = part->blocks;
    ptrdiff_t left = qc_feature_count(w, part, 2 * QC_BLOCK);
    __m512i sum[16], excess[8], low[8], high[8];
    QC_UNROLL
    for (int i = 0; i < rows * width; ++i) sum[i] = _mm512_setzero_si512();
    QC_UNROLL
    for (int r = 0; r < rows; ++r) excess[r] = _mm512_setzero_si512();
#define QC_STEP(loaded_low, loaded_high)                                                                            \
    QC_UNROLL                                                                                                       \
    for (int r = 0; r < rows; ++r) {                                                                                \
        low[r] = loaded_low;                                                                                        \
        high[r] = loaded_high;                                                                                      \
        excess[r] = dpbusd(dpbusd(excess[r], eight, low[r]), eight, high[r]);                                       \
    }                                                                                                               \
    QC_UNROLL                                                                                                       \
    for (int c = 0; c < width; ++c) {                                                                               \
        const __m512i both = load(q + c * QC_BLOCK);                                                                \
        const __m512i lows = _mm512_and_si512(both, nibble), highs = _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble); \
        QC_UNROLL                                                                                                   \
        for (int r = 0; r < rows; ++r)                                                                              \
            sum[r * width + c] = dpbusd(dpbusd(sum[r * width + c], lows, low[r]), highs, high[r]);                  \
    }
    for (; left >= 2 * QC_BLOCK; left -= 2 * QC_BLOCK, x += 2 * QC_BLOCK, q += width * QC_BLOCK) {
        QC_STEP(load(x + r * w->n_features), load(x + r * w->n_features + QC_BLOCK))
    }
    if (left) {
        QC_STEP(load_first(x + r * w->n_features, left), load_first(x + r * w->n_features + QC_BLOCK, left - QC_BLOCK))
    }
#undef QC_STEP
    QC_UNROLL
    for (int i = 0; i < rows * width; ++i) sum[i] = _mm512_sub_epi32(sum[i], excess[i / width]);
    put(w, part, row, rows, width, sum);
}

QC_INLINE int64_t total64(__m512i low, __m512i high) {
    const __m512i lows = _mm512_add_epi64(_mm512_cvtepi32_epi64(_mm512_castsi512_si256(low)),
                                          _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(low, 1)));
    const __m512i highs = _mm512_add_epi64(_mm512_cvtepi32_epi64(_mm512_castsi512_si256(high)),
                                           _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(high, 1)));
    return _mm512_reduce_add_epi64(_mm512_add_epi64(lows, _mm512_slli_epi64(highs, 8)));
}

/* x = 256 * high + low, both from -128 to 128, summed apart: a lane takes two products of at most 2^7 * 32767 a block, 64 times:
 * below 2^29. */
QC_INLINE void int16_tile(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width) {
    enum { PER_BLOCK = QC_BLOCK / 2 };
    const int16_t *x = (const int16_t *)part->x + row * w->n_features + qc_first_feature(part, PER_BLOCK);
    const uint8_t *q = part->blocks;
    ptrdiff_t left = qc_feature_count(w, part, PER_BLOCK);
    __m512i low[8], high[8], x_low[2], x_high[2];
    QC_UNROLL
    for (int i = 0; i < rows * width; ++i) low[i] = high[i] = _mm512_setzero_si512();
#define QC_STEP(loaded)                                                                                             \
    QC_UNROLL                                                                                                       \
    for (int r = 0; r < rows; ++r) {                                                                                \
        const __m512i v = loaded;                                                                                   \
        x_low[r] = _mm512_srai_epi16(_mm512_slli_epi16(v, 8), 8);                                                   \
        x_high[r] = _mm512_sub_epi16(_mm512_srai_epi16(v, 8), _mm512_srai_epi16(x_low[r], 15));                     \
    }                                                                                                               \
    QC_UNROLL                                                                                                       \
    for (int c = 0; c < width; ++c) {                                                                               \
        const __m512i weights = load(q + c * QC_BLOCK);                                                             \
        QC_UNROLL                                                                                                   \
        for (int r = 0; r < rows; ++r) {                                                                            \
            low[r * width + c] = dpwssd(low[r * width + c], x_low[r], weights);                                     \
            high[r * width + c] = dpwssd(high[r * width + c], x_high[r], weights);                                  \
        }                                                                                                           \
    }
    for (; left >= PER_BLOCK; left -= PER_BLOCK, x += PER_BLOCK, q += width * QC_BLOCK) {
        QC_STEP(load(x + r * w->n_features))
    }
    if (left) {
        QC_STEP(load_first((const int8_t *)(x + r * w->n_features), 2 * left))
    }
#undef QC_STEP
    QC_UNROLL
    for (int i = 0; i < rows * width; ++i)
        qc_add_sum64(w, part, row + i / width, part->output + i % width, total64(low[i], high[i]));
}

QC_PART(int8_part, int8_tile, 4, 8)
QC_PART(int4_part, int4_tile, 4, 4)
QC_PART(int16_part, int16_tile, 2, 2)

void qc_dot_int8_avx512(const qc_dense *w, const int8_t *x, ptrdiff_t n_rows, void *out) {
    const ptrdiff_t done = n_rows == 1 && w->n_blocks <= QC_SPAN ? one_row(w, x, out) : 0;
    qc_sweep(w, x, n_rows, w->n_features, QC_SPAN, done, out, int8_part);
}

void qc_dot_int4_avx512(const qc_dense *w, const int8_t *x, ptrdiff_t n_rows, void *out) {
    qc_sweep(w, x, n_rows, w->n_features, QC_SPAN, 0, out, int4_part);
}

void qc_dot_int16_avx512(const qc_dense *w, const int16_t *x, ptrdiff_t n_rows, void *out) {
    qc_sweep(w, x, n_rows, 2 * w->n_features, QC_SPAN, 0, out, int16_part);
}
