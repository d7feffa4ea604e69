/* What the bit-sliced engine needs, in plain C. */
#include "kernels/trees/trees.h"

typedef struct {
    uint64_t word[QC_WORDS];
} qc_wide;

QC_INLINE qc_wide qc_wide_load(const void *from) { return *(const qc_wide *)from; }
QC_INLINE void qc_wide_store(void *to, qc_wide a) { *(qc_wide *)to = a; }
QC_INLINE qc_wide qc_wide_zero(void) { return (qc_wide){{0}}; }
#define QC_EACH(expression)                                                                                               \
    qc_wide r;                                                                                                            \
    for (int k = 0; k < QC_WORDS; ++k) r.word[k] = expression;                                                            \
    return r
QC_INLINE qc_wide qc_wide_and(qc_wide a, qc_wide b) { QC_EACH(a.word[k] & b.word[k]); }
QC_INLINE qc_wide qc_wide_and_not(qc_wide a, qc_wide b) { QC_EACH(a.word[k] & ~b.word[k]); }
QC_INLINE qc_wide qc_wide_or(qc_wide a, qc_wide b) { QC_EACH(a.word[k] | b.word[k]); }
QC_INLINE qc_wide qc_wide_or_and(qc_wide a, qc_wide b, qc_wide c) { QC_EACH(a.word[k] | (b.word[k] & c.word[k])); }

/* Of `words` times 64 ranks, which are at most one. */
QC_INLINE void qc_compare(const uint8_t *ranks, uint8_t most, int words, uint64_t *mask) {
    for (int word = 0; word < words; ++word, ranks += 64) {
        uint64_t found = 0;
        for (int row = 0; row < 64; ++row) found |= (uint64_t)(ranks[row] <= most) << row;
        mask[word] = found;
    }
}

#include "kernels/trees/simd_plain.h"
