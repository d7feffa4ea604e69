#include <immintrin.h>

#include "kernels/dense/sweep.h"

enum { LANES = 16 }; /* two registers */

/* Weights 8 * part .. 8 * part + 7 of a block, as float32. */
QC_INLINE __m256 widen_float32(const uint8_t *block, int part) { return _mm256_loadu_ps((const float *)block + 8 * part); }

QC_INLINE __m256 widen_float16(const uint8_t *block, int part) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(block + 16 * part)));
}

QC_INLINE __m256 widen_int8(const uint8_t *block, int part) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(block + 8 * part))));
}

QC_INLINE __m256 widen_int16(const uint8_t *block, int part) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(block + 16 * part))));
}

QC_INLINE __m256 widen_int4(const uint8_t *block, int part) {
    const __m128i both = _mm_loadl_epi64((const __m128i *)(block + 8 * (part & 7)));
    const __m128i nibbles = _mm_and_si128(part & 8 ? _mm_srli_epi16(both, 4) : both, _mm_set1_epi8(15));
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_cvtepu8_epi32(nibbles), _mm256_set1_epi32(8)));
}

/* The lanes of each, 0..7 and 8..15, added in the one order: lane i takes i + 8, i + 4, i + 2, i + 1. */
QC_INLINE __m128 reduced(const __m256 *a, const __m256 *b, const __m256 *c, const __m256 *d) {
    const __m256 a8 = _mm256_add_ps(a[0], a[1]), b8 = _mm256_add_ps(b[0], b[1]);
    const __m256 c8 = _mm256_add_ps(c[0], c[1]), d8 = _mm256_add_ps(d[0], d[1]);
    const __m256 ab = _mm256_add_ps(_mm256_permute2f128_ps(a8, b8, 0x20), _mm256_permute2f128_ps(a8, b8, 0x31));
    const __m256 cd = _mm256_add_ps(_mm256_permute2f128_ps(c8, d8, 0x20), _mm256_permute2f128_ps(c8, d8, 0x31));
    const __m256 pairs = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
    const __m256 sums = _mm256_add_ps(_mm256_shuffle_ps(pairs, pairs, 0x88), _mm256_shuffle_ps(pairs, pairs, 0xdd));
    return _mm_unpacklo_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1));
}

QC_INLINE void put(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width,
                   const __m256 (*sum)[2]) {
    static const __m256 none[2];
    float flat[4];
    QC_UNROLL
    for (int r = 0; r < rows; ++r) {
        const __m256(*s)[2] = sum + r * width;
        const float *scale = w->scale + part->output;
        float *out = (float *)part->out + (row + r) * w->n_outputs + part->output;
        const __m128 sums = reduced(s[0], width > 1 ? s[1] : none, width > 2 ? s[2] : none, width > 3 ? s[3] : none);
        if (width == 4) {
            _mm_storeu_ps(out, _mm_mul_ps(sums, _mm_loadu_ps(scale)));
        } else {
            _mm_storeu_ps(flat, sums);
            QC_UNROLL
            for (int c = 0; c < width; ++c) out[c] = flat[c] * scale[c];
        }
    }
}

/* The first `count` of 8 floats, and zeros: weights beyond a row's features are 0, but inf * 0 is not. */
QC_INLINE __m256 load_first(const float *x, ptrdiff_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i wanted = _mm256_set1_epi32(count < 0 ? 0 : count < 8 ? (int)count : 8);
    return _mm256_maskload_ps(x, _mm256_cmpgt_epi32(wanted, lane));
}

#define QC_STEP(dtype, p, loaded)                                                                                     \
    QC_UNROLL                                                                                                         \
    for (int h = 0; h < 2; ++h) {                                                                                     \
        QC_UNROLL                                                                                                     \
        for (int c = 0; c < width; ++c) {                                                                             \
            const __m256 weights = widen_##dtype(block + c * QC_BLOCK, 2 * (p) + h);                                  \
            QC_UNROLL                                                                                                 \
            for (int r = 0; r < rows; ++r)                                                                            \
                sum[r * width + c][h] = _mm256_add_ps(sum[r * width + c][h], _mm256_mul_ps(loaded, weights));         \
        }                                                                                                             \
    }

#define QC_SCORES(dtype, PER_BLOCK)                                                                                   \
    QC_INLINE void dtype##_tile(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width) { \
        const float *x = (const float *)part->x + row * w->n_features;                                                \
        const uint8_t *block = part->blocks;                                                                          \
        ptrdiff_t left = w->n_features;                                                                               \
        __m256 sum[4][2];                                                                                             \
        QC_UNROLL                                                                                                     \
        for (int i = 0; i < rows * width; ++i) sum[i][0] = sum[i][1] = _mm256_setzero_ps();                           \
        for (; left >= (PER_BLOCK); left -= (PER_BLOCK), block += width * QC_BLOCK)                                   \
            QC_ROLLED                                                                                                 \
            for (int p = 0; p < (PER_BLOCK) / LANES; ++p, x += LANES) {                                               \
                QC_STEP(dtype, p, _mm256_loadu_ps(x + r * w->n_features + 8 * h))                                     \
            }                                                                                                         \
        for (int p = 0; left > 0; ++p, left -= LANES, x += LANES) {                                                   \
            QC_STEP(dtype, p, load_first(x + r * w->n_features + 8 * h, left - 8 * h))                                \
        }                                                                                                             \
        put(w, part, row, rows, width, (const __m256(*)[2])sum);                                                      \
    }                                                                                                                 \
    QC_PART(dtype##_part, dtype##_tile, 1, 2)                                                                         \
    void qc_scores_##dtype##_avx2(const qc_dense *w, const float *x, ptrdiff_t n_rows, float *out) {                  \
        qc_sweep(w, x, n_rows, 4 * w->n_features, w->n_blocks, 0, out, dtype##_part);                                 \
    }

QC_SCORES(float32, 16)
QC_SCORES(float16, 32)
QC_SCORES(int8, 64)
QC_SCORES(int16, 32)
QC_SCORES(int4, 128)
