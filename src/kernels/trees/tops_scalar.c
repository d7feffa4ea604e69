#include "kernels/trees/trees.h"

int qc_tops_row_float32_scalar(const qc_tops *t, const float *values, ptrdiff_t n_values, int rounded, int32_t *at) {
    const float *thresholds = rounded ? t->nearest : t->exact;
    int tie = 0;
    (void)n_values;
    for (ptrdiff_t tree = 0; tree < t->n_trees; ++tree) {
        uint32_t left = ~(uint32_t)0, end = t->slots[tree / QC_PACK + 1];
        for (uint32_t slot = t->slots[tree / QC_PACK]; slot < end; ++slot) {
            const ptrdiff_t i = (ptrdiff_t)slot * QC_PACK + tree % QC_PACK;
            const float x = values[t->column[i]];
            if (!(x <= thresholds[i])) left &= t->keep[i];
            tie |= x == thresholds[i];
        }
        int exit = 0;
        while (!(left >> (31 - exit) & 1)) ++exit;
        at[tree] = t->exits[tree * QC_MOST_EXITS + exit];
    }
    return rounded && tie;
}
