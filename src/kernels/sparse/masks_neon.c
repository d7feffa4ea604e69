#include "kernels/sparse/simd_neon.h"

#include "kernels/sparse/bits.h"

#define WORDS 1 /* of 64 outputs: 16 of the 32 registers are sums */

typedef struct {
    uint64_t mask;
    const char *packed;
} spread;

QC_INLINE spread spread_over(uint64_t mask, const char *packed) { return (spread){mask, packed}; }

/* Eight outputs: their packed values, which begin behind those of the outputs before. */
QC_INLINE int8x8_t eight(spread x, const int byte) {
    const ptrdiff_t before = byte ? qc_count_bits(x.mask << (64 - 8 * byte) % 64) : 0;
    const uint8x8_t takes = vld1_u8(qc_spread[x.mask >> 8 * byte & 255u]);
    return vreinterpret_s8_u8(vtbl1_u8(vld1_u8((const uint8_t *)x.packed + before), takes));
}

QC_INLINE lanes spread_lanes(spread x, const int g) { return lanes_of_int8(vcombine_s8(eight(x, 2 * g), eight(x, 2 * g + 1))); }

#include "kernels/sparse/masks.h"

void qc_scores_masks_int8_neon(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_MASKS); }
