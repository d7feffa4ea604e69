#include "kernels/sparse/simd_avx2.h"

#include "kernels/sparse/bits.h"

#define WORDS 1 /* of 64 outputs: 8 of the 16 registers are sums */

typedef struct {
    uint64_t mask;
    const char *packed;
} spread;

QC_INLINE spread spread_over(uint64_t mask, const char *packed) { return (spread){mask, packed}; }

/* Eight outputs: their packed values, which begin behind those of the outputs before. */
QC_INLINE __m256i eight(spread x, const int byte) {
    const ptrdiff_t before = byte ? qc_count_bits(x.mask << (64 - 8 * byte) % 64) : 0;
    const __m128i takes = _mm_loadl_epi64((const __m128i *)qc_spread[x.mask >> 8 * byte & 255u]);
    return _mm256_cvtepi8_epi32(_mm_shuffle_epi8(_mm_loadl_epi64((const __m128i *)(x.packed + before)), takes));
}

QC_INLINE lanes spread_lanes(spread x, const int g) { return lanes_of_int32(eight(x, 2 * g), eight(x, 2 * g + 1)); }

#include "kernels/sparse/masks.h"

void qc_scores_masks_int8_avx2(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_MASKS); }
