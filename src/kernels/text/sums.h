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

/* The scale of a row from the high half of a value: five bits of exponent, three of mantissa. */
static inline float scale_of(uint32_t base, uint32_t high) {
    const uint32_t bits = base + (high >> 24 << 20);
    float scale;
    memcpy(&scale, &bits, 4);
    return scale;
}

#endif
