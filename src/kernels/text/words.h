/* Tokens of texts that are not ASCII. */
#ifndef QC_TEXT_WORDS_H
#define QC_TEXT_WORDS_H

#include <string.h>

#include "kernels/text/text.h"

static inline uint32_t wide_utf8(uint32_t code, uint8_t *out) {
    if (code < 0x10000) { /* no supplementary character lowers into the BMP today; a later Unicode may */
        out[0] = (uint8_t)(0xE0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (code & 0x3F));
    return 4;
}

/* Lowered bytes, and alternately the start and the end of each token. Needs 4 * n + 8 bytes and n + 1 bounds.
 * Flags seen in any character come back in `seen`, those in all in `all`. */
#define WORDS_IN(TYPE)                                                                     \
    for (size_t i = 0; i < n; i++) {                                                       \
        const uint32_t c = ((const TYPE *)data)[i];                                        \
        uint32_t v, length;                                                                \
        if (sizeof(TYPE) < 4 || c < 0x10000) {                                             \
            v = QC_LOAD_LATER(bmp + c);                                                    \
            memcpy(p, &v, 4);                                                              \
            length = v >> QC_CHAR_LENGTH_SHIFT & 3;                                        \
        } else {                                                                           \
            const uint32_t *page = QC_LOAD_PAGE(chars->wide + ((c - 0x10000) >> 8));       \
            v = page ? page[c & 255] : 0;                                                  \
            length = wide_utf8(v & QC_WIDE_CODE, p);                                       \
        }                                                                                  \
        const uint32_t word = v >> 26 & 1;                                                 \
        bounds[n_bounds] = (uint32_t)(p - out);                                            \
        n_bounds += word ^ inside;                                                         \
        inside = word;                                                                     \
        any |= v;                                                                          \
        every &= v;                                                                        \
        p += length;                                                                       \
    }

static size_t words_scalar(const qc_chars *chars, const void *data, int kind, size_t n, uint8_t *out, uint32_t *bounds,
                        size_t *used, uint32_t *seen, uint32_t *all) {
    const uint32_t *bmp = chars->bmp;
    uint8_t *p = out;
    size_t n_bounds = 0;
    uint32_t inside = 0, any = 0, every = UINT32_MAX;
    if (kind == 1) WORDS_IN(uint8_t)
    else if (kind == 2) WORDS_IN(uint16_t)
    else WORDS_IN(uint32_t)
    bounds[n_bounds] = (uint32_t)(p - out);
    n_bounds += inside;
    *used = (size_t)(p - out);
    *seen = any;
    *all = every;
    return n_bounds / 2;
}

#endif
