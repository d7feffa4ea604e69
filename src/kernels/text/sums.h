/* What one document's features add up to. */
#ifndef QC_TEXT_SUMS_H
#define QC_TEXT_SUMS_H

#include <stdint.h>
#include <string.h>

typedef struct {
    float dot;      /* tf * weight */
    float absolute; /* |tf * weight| */
    float norm;     /* (tf * idf)^2, |tf * idf|, or their maximum */
    float count;    /* |tf| */
} qc_sums;

/* The scale of a row, 2^(exponent - 127), from the high half of a value: its exponent field is a float's. */
static inline float scale_of(uint32_t high) {
    const uint32_t bits = high >> 24 << 23;
    float scale;
    memcpy(&scale, &bits, 4);
    return scale;
}

#endif
