/* What the bit-sliced engine needs, on NEON. */
#include <arm_neon.h>

#include "kernels/trees/trees.h"

enum { QC_QUARTERS = 4 };

typedef struct {
    uint64x2_t quarter[QC_QUARTERS];
} qc_wide;

#define QC_EACH(expression)                                                                                               \
    qc_wide r;                                                                                                            \
    QC_UNROLL for (int k = 0; k < QC_QUARTERS; ++k) r.quarter[k] = expression;                                            \
    return r
QC_INLINE qc_wide qc_wide_load(const void *from) { QC_EACH(vld1q_u64((const uint64_t *)from + 2 * k)); }
QC_INLINE void qc_wide_store(void *to, qc_wide a) {
    QC_UNROLL for (int k = 0; k < QC_QUARTERS; ++k) vst1q_u64((uint64_t *)to + 2 * k, a.quarter[k]);
}
QC_INLINE qc_wide qc_wide_zero(void) { QC_EACH(vdupq_n_u64(0)); }
QC_INLINE qc_wide qc_wide_and(qc_wide a, qc_wide b) { QC_EACH(vandq_u64(a.quarter[k], b.quarter[k])); }
QC_INLINE qc_wide qc_wide_and_not(qc_wide a, qc_wide b) { QC_EACH(vbicq_u64(a.quarter[k], b.quarter[k])); }
QC_INLINE qc_wide qc_wide_or(qc_wide a, qc_wide b) { QC_EACH(vorrq_u64(a.quarter[k], b.quarter[k])); }
QC_INLINE qc_wide qc_wide_or_and(qc_wide a, qc_wide b, qc_wide c) {
    QC_EACH(vorrq_u64(a.quarter[k], vandq_u64(b.quarter[k], c.quarter[k])));
}

/* Bytes of 0 or 255 keep a bit each; three sums of neighbours bring eight of them together. */
QC_INLINE void qc_compare(const uint8_t *ranks, uint8_t most, int words, uint64_t *mask) {
    const uint8x16_t own = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201ull)), limit = vdupq_n_u8(most);
    for (int word = 0; word < words; ++word, ranks += 64) {
        uint8x16_t a[4];
        QC_UNROLL for (int k = 0; k < 4; ++k) a[k] = vandq_u8(vcleq_u8(vld1q_u8(ranks + 16 * k), limit), own);
        const uint8x16_t low = vpaddq_u8(a[0], a[1]), high = vpaddq_u8(a[2], a[3]), all = vpaddq_u8(low, high);
        mask[word] = vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(all, all)), 0);
    }
}

#define QC_HAS_PLACES
QC_INLINE void qc_places(const uint64_t *planes, int n_planes, int stride, uint8_t *places) {
    const uint8x16_t own = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201ull));
    uint8x16_t found[4];
    QC_UNROLL for (int k = 0; k < 4; ++k) found[k] = vdupq_n_u8(0);
    for (int bit = 0; bit < n_planes; ++bit) {
        const uint8x16_t plane = vreinterpretq_u8_u64(vdupq_n_u64(planes[bit * stride])), value = vdupq_n_u8((uint8_t)(1 << bit));
        QC_UNROLL for (int k = 0; k < 4; ++k) {
            const uint8x8_t first = vdup_n_u8((uint8_t)(2 * k)), second = vdup_n_u8((uint8_t)(2 * k + 1));
            const uint8x16_t copies = vqtbl1q_u8(plane, vcombine_u8(first, second));
            found[k] = vorrq_u8(found[k], vandq_u8(vtstq_u8(copies, own), value));
        }
    }
    QC_UNROLL for (int k = 0; k < 4; ++k) vst1q_u8(places + 16 * k, found[k]);
}

#include "kernels/trees/simd_plain.h"
