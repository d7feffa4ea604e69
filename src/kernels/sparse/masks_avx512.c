#include "kernels/sparse/simd_avx512.h"

#include <string.h>

#include "kernels/sparse/bits.h"

#define WORDS 4 /* of 64 outputs: 16 of the 32 registers are sums */

typedef __m512i spread;

/* Output i takes the packed value whose number is the count of bits below i: those of the bytes before, by a product that sums
 * them up, and those of its own byte. (VPEXPANDB does the same in one instruction, of 10 cycles on Zen 5; this takes 3.) */
QC_INLINE spread spread_over(uint64_t mask, const char *packed) {
    const __m512i byte_of = _mm512_set_epi64(0x0707070707070707, 0x0606060606060606, 0x0505050505050505, 0x0404040404040404,
                                             0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0);
    const __m512i below = _mm512_set1_epi64(0x7F3F1F0F07030100);
    const uint64_t counts = (uint64_t)_mm_cvtsi128_si64(_mm_popcnt_epi8(_mm_cvtsi64_si128((int64_t)mask)));
    const __m512i before = _mm512_shuffle_epi8(_mm512_set1_epi64((int64_t)(counts * 0x0101010101010100u)), byte_of);
    const __m512i own = _mm512_shuffle_epi8(_mm512_set1_epi64((int64_t)mask), byte_of);
    const __m512i place = _mm512_add_epi8(before, _mm512_popcnt_epi8(_mm512_and_si512(own, below)));
    return _mm512_maskz_permutexvar_epi8((__mmask64)mask, place, _mm512_loadu_si512(packed));
}

QC_INLINE lanes spread_lanes(spread x, const int g) {
    return lanes_of_int8(g == 0   ? _mm512_castsi512_si128(x)
                         : g == 1 ? _mm512_extracti32x4_epi32(x, 1)
                         : g == 2 ? _mm512_extracti32x4_epi32(x, 2)
                                  : _mm512_extracti32x4_epi32(x, 3));
}

#include "kernels/sparse/masks.h"

void qc_scores_masks_int8_avx512(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_MASKS); }
