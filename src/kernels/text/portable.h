/* Primitives that are the same in plain C, for AVX2 and for NEON. */
#ifndef QC_TEXT_PORTABLE_H
#define QC_TEXT_PORTABLE_H

#include "kernels/text/text.h"

static size_t keep_long(const uint32_t *bounds, size_t n, uint32_t base, uint32_t minimum, uint32_t *starts, uint32_t *lengths, size_t kept) {
    for (size_t i = 0; i < n; i++) {
        const uint32_t length = bounds[2 * i + 1] - bounds[2 * i];
        starts[kept] = base + bounds[2 * i];
        lengths[kept] = length;
        kept += length >= minimum;
    }
    return kept;
}

static inline uint32_t equal_refs(const uint32_t *refs, size_t n, uint32_t ref) {
    uint32_t mask = 0;
    for (size_t i = 0; i < n; i++) mask |= (uint32_t)(refs[i] == ref) << i;
    return mask;
}

static inline uint32_t keep_terms(const uint64_t *values, size_t n, uint64_t *kept) {
    uint32_t terms = 0;
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t term = values[i] > QC_VALUE_STOP;
        kept[m] = values[i];
        terms |= term << i;
        m += term;
    }
    return terms;
}

#endif
