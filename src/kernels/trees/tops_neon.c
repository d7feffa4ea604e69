/* Tops, 16 trees at a time: ranks are picked from tables of up to 64 bytes. */
#include <arm_neon.h>

#include "kernels/trees/trees.h"

QC_INLINE uint32_t above(const float *block, float x, uint32_t *equal) {
    const float32x4_t value = vdupq_n_f32(x);
    uint32x4_t not_above = vdupq_n_u32(0), same = not_above;
    QC_UNROLL for (int k = 0; k < QC_TOP_BLOCK; k += 4) {
        const float32x4_t thresholds = vld1q_f32(block + k);
        not_above = vaddq_u32(not_above, vcleq_f32(value, thresholds)); /* -1 each */
        same = vorrq_u32(same, vceqq_f32(value, thresholds));
    }
    *equal |= vmaxvq_u32(same);
    return QC_TOP_BLOCK + vaddvq_u32(not_above);
}

#include "kernels/trees/tops_engine.h"

/* Tables of 16, 32, 64 and 128 bytes. */
QC_INLINE uint8x16_t pick(const uint8_t *ranks, const int size, uint8x16_t column) {
    if (size == 16) return vqtbl1q_u8(vld1q_u8(ranks), column);
    if (size == 32) return vqtbl2q_u8(vld1q_u8_x2(ranks), column);
    const uint8x16_t found = vqtbl4q_u8(vld1q_u8_x4(ranks), column);
    return size == 64 ? found : vqtbx4q_u8(found, vld1q_u8_x4(ranks + 64), vsubq_u8(column, vdupq_n_u8(64)));
}

QC_INLINE void run(const qc_tops *t, const uint8_t *ranks, const int size, int32_t *at) {
    for (ptrdiff_t pack = 0; pack < t->n_packs; ++pack) {
        const uint32_t *slots = t->slots + pack * QC_TOP_PLANES;
        uint8_t found[QC_PACK];
        uint8x16_t exit[4], left[4];
        QC_UNROLL for (int k = 0; k < 4; ++k) exit[k] = vdupq_n_u8(0);
        for (int plane = t->planes[pack] - 1; plane >= 0; --plane) {
            const qc_top_tests *end = t->tests + slots[plane + 1];
            QC_UNROLL for (int k = 0; k < 4; ++k) left[k] = vdupq_n_u8(0xff);
            for (const qc_top_tests *of = t->tests + slots[plane]; of < end; ++of) {
                QC_UNROLL for (int k = 0; k < 4; ++k) {
                    const uint8x16_t rank = pick(ranks, size, vld1q_u8(of->column + 16 * k));
                    const uint8x16_t right = vcgtq_u8(rank, vld1q_u8(of->most + 16 * k));
                    left[k] = vbicq_u8(left[k], vandq_u8(right, vld1q_u8(of->strike + 16 * k)));
                }
            }
            QC_UNROLL for (int k = 0; k < 4; ++k) {
                const uint8x16_t here = vaddq_u8(vclzq_u8(left[k]), vdupq_n_u8((uint8_t)(8 * plane)));
                exit[k] = vbslq_u8(vceqq_u8(left[k], vdupq_n_u8(0)), exit[k], here);
            }
        }
        QC_UNROLL for (int k = 0; k < 4; ++k) vst1q_u8(found + 16 * k, exit[k]);
        take_exits(t, pack, found, at);
    }
}

int qc_tops_row_float32_neon(const qc_tops *t, const float *values, int rounded, int32_t *at) {
    uint8_t ranks[QC_TOP_COLUMNS] = {0};
    if (rank_columns(t, values, rounded, ranks)) return 1;
    if (t->n_columns <= 16) run(t, ranks, 16, at);
    else if (t->n_columns <= 32) run(t, ranks, 32, at);
    else if (t->n_columns <= 64) run(t, ranks, 64, at);
    else run(t, ranks, 128, at);
    return 0;
}
