#include "kernels/trees/trees.h"

QC_INLINE uint32_t above(const float *block, float x, uint32_t *equal) {
    uint32_t n = 0;
    for (int k = 0; k < QC_TOP_BLOCK; ++k) {
        n += !(x <= block[k]);
        *equal |= x == block[k];
    }
    return n;
}

#include "kernels/trees/tops_engine.h"

int qc_tops_row_float32_scalar(const qc_tops *t, const float *values, int rounded, int32_t *at) {
    uint8_t ranks[QC_TOP_COLUMNS] = {0};
    if (rank_columns(t, values, rounded, ranks)) return 1;
    for (ptrdiff_t tree = 0; tree < t->n_trees; ++tree) {
        const ptrdiff_t pack = tree / QC_PACK, lane = tree % QC_PACK;
        const uint32_t *slots = t->slots + pack * QC_TOP_PLANES;
        uint32_t left = 0, exit = 0;
        for (int plane = 0; !left; ++plane) { /* some exit is always left */
            left = 0xff;
            for (const qc_top_tests *of = t->tests + slots[plane]; of < t->tests + slots[plane + 1]; ++of)
                if (ranks[of->column[lane]] > of->most[lane]) left &= ~(uint32_t)of->strike[lane];
            for (exit = 8 * (uint32_t)plane; left && !(left & 0x80); left <<= 1) ++exit;
        }
        at[tree] = t->exits[tree * QC_MOST_EXITS + exit];
    }
    return 0;
}
