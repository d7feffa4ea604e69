/* 16 outputs on AVX-512: one register. */
#include <immintrin.h>

#include "kernels/sparse/entries.h"

#define BLOCK 16 /* groups of 16 outputs: half of the 32 registers are sums */

typedef __m512 lanes;

QC_INLINE lanes lanes_zero(void) { return _mm512_setzero_ps(); }
QC_INLINE lanes lanes_all(float x) { return _mm512_set1_ps(x); }
QC_INLINE lanes lanes_add(lanes a, lanes b) { return _mm512_add_ps(a, b); }
QC_INLINE lanes lanes_mul(lanes a, lanes b) { return _mm512_mul_ps(a, b); }

/* The first `left` of 16: all of them where there are more. */
QC_INLINE __mmask16 lanes_first(ptrdiff_t left) { return left >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1u); }
QC_INLINE lanes lanes_load(const float *from, ptrdiff_t left) { return _mm512_maskz_loadu_ps(lanes_first(left), from); }
QC_INLINE void lanes_store(float *to, lanes x, ptrdiff_t left) { _mm512_mask_storeu_ps(to, lanes_first(left), x); }

QC_INLINE lanes lanes_of_int8(__m128i q) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q)); }

/* 16 weights as float32, exactly. */
QC_INLINE lanes lanes_widened(const char *row, const int dtype) {
    if (dtype == QC_INT8) return lanes_of_int8(_mm_loadu_si128((const __m128i *)row));
    if (dtype == QC_INT16) return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)row)));
    if (dtype == QC_FLOAT16) return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)row));
    if (dtype == QC_FLOAT32) return _mm512_loadu_ps(row);
    /* int4: both words eight times, each nibble moved to the top and back, which brings its sign */
    const __m512i words = _mm512_broadcastq_epi64(_mm_loadl_epi64((const __m128i *)row));
    const __m512i up = _mm512_setr_epi32(28, 28, 24, 24, 20, 20, 16, 16, 12, 12, 8, 8, 4, 4, 0, 0);
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_sllv_epi32(words, up), 28));
}

#define LANES_STAGE

/* Copies those of 16 nonzeros whose features have weights to entries from n on; returns how many. Indices are below 2^31. */
QC_INLINE ptrdiff_t lanes_stage(const qc_csr *x, const qc_rows *w, qc_staged *s, ptrdiff_t t, ptrdiff_t n, const int wide,
                                const int doubles) {
    const ptrdiff_t i = s->from + t;
    __m512i ids = wide ? _mm512_setzero_si512() : _mm512_loadu_si512((const int32_t *)x->indices + i);
    if (wide) {
        const int64_t *from = (const int64_t *)x->indices + i;
        const __m256i low = _mm512_cvtepi64_epi32(_mm512_loadu_si512(from));
        const __m256i high = _mm512_cvtepi64_epi32(_mm512_loadu_si512(from + 8));
        ids = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    }
    __m512 values = doubles ? _mm512_setzero_ps() : _mm512_loadu_ps((const float *)x->data + i);
    if (doubles) {
        const double *from = (const double *)x->data + i;
        const __m256 low = _mm512_cvtpd_ps(_mm512_loadu_pd(from)), high = _mm512_cvtpd_ps(_mm512_loadu_pd(from + 8));
        values = _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
    }
    const __m512i stored = _mm512_i32gather_epi32(ids, w->index, 4);
    const __mmask16 kept = _mm512_cmpneq_epi32_mask(stored, _mm512_set1_epi32(-1));
    const __m512i below = _mm512_setr_epi32(0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 2047, 4095, 8191, 16383, 32767);
    const __m512i before = _mm512_popcnt_epi32(_mm512_and_si512(_mm512_set1_epi32(kept), below));
    const __m512i place = _mm512_add_epi32(before, _mm512_set1_epi32((int)n));
    _mm256_storeu_si256((__m256i *)(s->place + t), _mm512_cvtepi32_epi16(place));
    _mm512_storeu_si512(s->stored + n, _mm512_maskz_compress_epi32(kept, stored));
    _mm512_storeu_ps(s->value + n, _mm512_maskz_compress_ps(kept, values));
    return (ptrdiff_t)_mm_popcnt_u32(kept);
}
