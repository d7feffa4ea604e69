#include <immintrin.h>

#include "kernels/dense/sweep.h"

enum { LANES = 16 };

/* Weights 16 * part .. 16 * part + 15 of a block, as float32. */
QC_INLINE __m512 widen_float32(const uint8_t *block, int part) { return _mm512_loadu_ps(block + 4 * LANES * part); }

QC_INLINE __m512 widen_float16(const uint8_t *block, int part) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(block + 2 * LANES * part)));
}

QC_INLINE __m512 widen_int8(const uint8_t *block, int part) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(block + LANES * part))));
}

QC_INLINE __m512 widen_int16(const uint8_t *block, int part) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)(block + 2 * LANES * part))));
}

QC_INLINE __m512 widen_int4(const uint8_t *block, int part) {
    const __m128i both = _mm_loadu_si128((const __m128i *)(block + LANES * (part & 3)));
    const __m128i nibbles = _mm_and_si128(part & 4 ? _mm_srli_epi16(both, 4) : both, _mm_set1_epi8(15));
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_cvtepu8_epi32(nibbles), _mm512_set1_epi32(8)));
}

/* The lanes of each added in the one order: lane i takes i + 8, i + 4, i + 2, i + 1. */
QC_INLINE __m128 reduced(__m512 a, __m512 b, __m512 c, __m512 d) {
    const __m512 ab = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    const __m512 cd = _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
    __m512 sum = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
    sum = _mm512_add_ps(sum, _mm512_shuffle_ps(sum, sum, 0x4e));
    sum = _mm512_add_ps(sum, _mm512_shuffle_ps(sum, sum, 0xb1));
    const __m512i first = _mm512_castsi128_si512(_mm_setr_epi32(0, 4, 8, 12));
    return _mm512_castps512_ps128(_mm512_permutexvar_ps(first, sum));
}

QC_INLINE void put(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width, const __m512 *sum) {
    const float *scale = w->scale + part->output;
    float *out = (float *)part->out + row * w->n_outputs + part->output;
    if (width == 4) {
        QC_UNROLL
        for (int r = 0; r < rows; ++r, out += w->n_outputs) {
            const __m128 s = reduced(sum[4 * r], sum[4 * r + 1], sum[4 * r + 2], sum[4 * r + 3]);
            _mm_storeu_ps(out, _mm_mul_ps(s, _mm_loadu_ps(scale)));
        }
        return;
    }
    float flat[16];
    const __m512 none = _mm512_setzero_ps();
    QC_UNROLL
    for (int i = 0; i < rows * width; i += 4)
        _mm_storeu_ps(flat + i,
                      reduced(sum[i], i + 1 < rows * width ? sum[i + 1] : none, i + 2 < rows * width ? sum[i + 2] : none,
                              i + 3 < rows * width ? sum[i + 3] : none));
    QC_UNROLL
    for (int r = 0; r < rows; ++r, out += w->n_outputs) {
        QC_UNROLL
        for (int c = 0; c < width; ++c) out[c] = flat[r * width + c] * scale[c];
    }
}

#define QC_STEP(dtype, p, loaded)                                                                                     \
    QC_UNROLL                                                                                                         \
    for (int r = 0; r < rows; ++r) value[r] = loaded;                                                                 \
    QC_UNROLL                                                                                                         \
    for (int c = 0; c < width; ++c) {                                                                                 \
        const __m512 weights = widen_##dtype(block + c * QC_BLOCK, p);                                                \
        QC_UNROLL                                                                                                     \
        for (int r = 0; r < rows; ++r)                                                                                \
            sum[r * width + c] = _mm512_add_ps(sum[r * width + c], _mm512_mul_ps(value[r], weights));                 \
    }

#define QC_SCORES(dtype, PER_BLOCK)                                                                                   \
    QC_INLINE void dtype##_tile(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width) { \
        const float *x = (const float *)part->x + row * w->n_features;                                                \
        const uint8_t *block = part->blocks;                                                                          \
        ptrdiff_t left = w->n_features;                                                                               \
        __m512 sum[16], value[8];                                                                                     \
        QC_UNROLL                                                                                                     \
        for (int i = 0; i < rows * width; ++i) sum[i] = _mm512_setzero_ps();                                          \
        for (; left >= (PER_BLOCK); left -= (PER_BLOCK), block += width * QC_BLOCK)                                   \
            QC_ROLLED                                                                                                 \
            for (int p = 0; p < (PER_BLOCK) / LANES; ++p, x += LANES) {                                               \
                QC_STEP(dtype, p, _mm512_loadu_ps(x + r * w->n_features))                                             \
            }                                                                                                         \
        for (int p = 0; left > 0; ++p, left -= LANES, x += LANES) {                                                   \
            const __mmask16 mask = left >= LANES ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1u);                \
            QC_STEP(dtype, p, _mm512_maskz_loadu_ps(mask, x + r * w->n_features))                                     \
        }                                                                                                             \
        put(w, part, row, rows, width, sum);                                                                          \
    }                                                                                                                 \
    QC_PART(dtype##_part, dtype##_tile, 4, 8)                                                                         \
    void qc_scores_##dtype##_avx512(const qc_dense *w, const float *x, ptrdiff_t n_rows, float *out) {                \
        qc_sweep(w, x, n_rows, 4 * w->n_features, w->n_blocks, 0, out, dtype##_part);                                 \
    }

QC_SCORES(float32, 16)
QC_SCORES(float16, 32)
QC_SCORES(int8, 64)
QC_SCORES(int16, 32)
QC_SCORES(int4, 128)
