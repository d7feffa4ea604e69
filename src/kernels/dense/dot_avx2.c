#include <immintrin.h>

#include "kernels/dense/sweep.h"

QC_INLINE __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

/* 16 int8 as int16. */
QC_INLINE __m256i widened(const void *p) { return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)); }

QC_INLINE int32_t total(__m256i a) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

/* The sums of the lanes of each. */
QC_INLINE __m128i reduced(__m256i a, __m256i b, __m256i c, __m256i d) {
    const __m256i abcd = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    return _mm_add_epi32(_mm256_castsi256_si128(abcd), _mm256_extracti128_si256(abcd, 1));
}

QC_INLINE void put(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width, const __m256i *sum) {
    QC_UNROLL
    for (int r = 0; r < rows; ++r) {
        if (width == 4 && !w->wide) {
            __m128i *out = (__m128i *)((int32_t *)part->out + (row + r) * w->n_outputs + part->output);
            const __m128i s = reduced(sum[4 * r], sum[4 * r + 1], sum[4 * r + 2], sum[4 * r + 3]);
            _mm_storeu_si128(out, part->block ? _mm_add_epi32(s, _mm_loadu_si128(out)) : s);
            continue;
        }
        QC_UNROLL
        for (int c = 0; c < width; ++c) qc_add_sum(w, part, row + r, part->output + c, total(sum[r * width + c]));
    }
}

/* Products of int16, two a lane: vpmaddubsw would saturate. */
QC_INLINE void int8_tile(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width) {
    const int8_t *x = (const int8_t *)part->x + row * w->n_features + qc_first_feature(part, QC_BLOCK);
    const uint8_t *q = part->blocks;
    ptrdiff_t left = qc_feature_count(w, part, QC_BLOCK);
    __m256i sum[8], value[2];
    QC_UNROLL
    for (int i = 0; i < rows * width; ++i) sum[i] = _mm256_setzero_si256();
#define QC_STEP(address)                                                                                              \
    for (int i = 0; i < QC_BLOCK; i += 16) {                                                                          \
        QC_UNROLL                                                                                                     \
        for (int r = 0; r < rows; ++r) value[r] = widened((address) + i);                                             \
        QC_UNROLL                                                                                                     \
        for (int c = 0; c < width; ++c) {                                                                             \
            const __m256i weights = widened(q + c * QC_BLOCK + i);                                                    \
            QC_UNROLL                                                                                                 \
            for (int r = 0; r < rows; ++r)                                                                            \
                sum[r * width + c] = _mm256_add_epi32(sum[r * width + c], _mm256_madd_epi16(value[r], weights));      \
        }                                                                                                             \
    }
    for (; left >= QC_BLOCK; left -= QC_BLOCK, x += QC_BLOCK, q += width * QC_BLOCK) {
        QC_STEP(x + r * w->n_features)
    }
    if (left) {
        int8_t tail[2][QC_BLOCK];
        const int8_t *from[2];
        QC_UNROLL
        for (int r = 0; r < rows; ++r) from[r] = qc_whole_block(part, x + r * w->n_features, left, tail[r], sizeof tail[r]);
        QC_STEP(from[r])
    }
#undef QC_STEP
    put(w, part, row, rows, width, sum);
}

/* vpmaddubsw adds two products of 0..15 with x: at most 2 * 15 * 128 in magnitude, twice that for both halves. 8 * x is taken
 * off while they are int16. */
QC_INLINE void int4_tile(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width) {
    const __m256i nibble = _mm256_set1_epi8(15), eight = _mm256_set1_epi8(8), one = _mm256_set1_epi16(1);
    const int8_t *x = (const int8_t *)part->x + row * w->n_features + qc_first_feature(part, 2 * QC_BLOCK);
    const uint8_t *q = part->blocks;
    ptrdiff_t left = qc_feature_count(w, part, 2 * QC_BLOCK);
    __m256i sum[4];
    int8_t tail[2 * QC_BLOCK];
    QC_UNROLL
    for (int c = 0; c < width; ++c) sum[c] = _mm256_setzero_si256();
    for (; left > 0; left -= 2 * QC_BLOCK, x += 2 * QC_BLOCK, q += width * QC_BLOCK) {
        const int8_t *from = qc_whole_block(part, x, left, tail, sizeof tail);
        for (int i = 0; i < QC_BLOCK; i += 32) {
            const __m256i low = load(from + i), high = load(from + QC_BLOCK + i);
            const __m256i excess = _mm256_add_epi16(_mm256_maddubs_epi16(eight, low), _mm256_maddubs_epi16(eight, high));
            QC_UNROLL
            for (int c = 0; c < width; ++c) {
                const __m256i both = load(q + c * QC_BLOCK + i);
                const __m256i lows = _mm256_maddubs_epi16(_mm256_and_si256(both, nibble), low);
                const __m256i highs = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(both, 4), nibble), high);
                const __m256i pairs = _mm256_sub_epi16(_mm256_add_epi16(lows, highs), excess);
                sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(pairs, one));
            }
        }
    }
    put(w, part, row, rows, width, sum);
}

QC_INLINE __m256i widened64(__m256i a) {
    const __m256i first = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(a));
    return _mm256_add_epi64(first, _mm256_cvtepi32_epi64(_mm256_extracti128_si256(a, 1)));
}

QC_INLINE int64_t total64(__m256i low, __m256i high) {
    const __m256i sum = _mm256_add_epi64(widened64(low), _mm256_slli_epi64(widened64(high), 8));
    const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    return _mm_cvtsi128_si64(half) + _mm_extract_epi64(half, 1);
}

/* x = 256 * high + low, both from -128 to 128, summed apart: a lane takes four products of at most 2^7 * 32767 a block, 64 times:
 * below 2^30. */
QC_INLINE void int16_tile(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width) {
    enum { PER_BLOCK = QC_BLOCK / 2 };
    const int16_t *x = (const int16_t *)part->x + row * w->n_features + qc_first_feature(part, PER_BLOCK);
    const uint8_t *q = part->blocks;
    ptrdiff_t left = qc_feature_count(w, part, PER_BLOCK);
    __m256i low[4], high[4];
    int16_t tail[PER_BLOCK];
    (void)rows;
    QC_UNROLL
    for (int c = 0; c < width; ++c) low[c] = high[c] = _mm256_setzero_si256();
    for (; left > 0; left -= PER_BLOCK, x += PER_BLOCK, q += width * QC_BLOCK) {
        const int16_t *from = qc_whole_block(part, x, 2 * left, tail, sizeof tail);
        for (int i = 0; i < PER_BLOCK; i += 16) {
            const __m256i v = load(from + i), x_low = _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8);
            const __m256i x_high = _mm256_sub_epi16(_mm256_srai_epi16(v, 8), _mm256_srai_epi16(x_low, 15));
            QC_UNROLL
            for (int c = 0; c < width; ++c) {
                const __m256i weights = load(q + c * QC_BLOCK + 2 * i);
                low[c] = _mm256_add_epi32(low[c], _mm256_madd_epi16(x_low, weights));
                high[c] = _mm256_add_epi32(high[c], _mm256_madd_epi16(x_high, weights));
            }
        }
    }
    QC_UNROLL
    for (int c = 0; c < width; ++c) qc_add_sum64(w, part, row, part->output + c, total64(low[c], high[c]));
}

QC_PART(int8_part, int8_tile, 2, 2)
QC_PART(int4_part, int4_tile, 1, 1)
QC_PART(int16_part, int16_tile, 1, 1)

void qc_dot_int8_avx2(const qc_dense *w, const int8_t *x, ptrdiff_t n_rows, void *out) {
    qc_sweep(w, x, n_rows, w->n_features, QC_SPAN, 0, out, int8_part);
}

void qc_dot_int4_avx2(const qc_dense *w, const int8_t *x, ptrdiff_t n_rows, void *out) {
    qc_sweep(w, x, n_rows, w->n_features, QC_SPAN, 0, out, int4_part);
}

void qc_dot_int16_avx2(const qc_dense *w, const int16_t *x, ptrdiff_t n_rows, void *out) {
    qc_sweep(w, x, n_rows, 2 * w->n_features, QC_SPAN, 0, out, int16_part);
}
