/* Integers: bit strings, back references, ranks. */
#include <string.h>

#include "kernels/codec/codec.h"

/* Eight bytes from `at`, zeros behind the end. */
static inline uint64_t window_at(const uint8_t *data, size_t n, size_t at) {
    uint64_t window = 0;
    if (at + 8 <= n) memcpy(&window, data + at, 8);
    else if (at < n) memcpy(&window, data + at, n - at);
    return window;
}

/* Class c > 0 has c - 1 bits below its leading one. */
#define JOIN(TYPE, LOW, HIGH)                                                                              \
    for (size_t i = 0; i < n; i++) {                                                                       \
        const uint32_t c = classes[i], width = c - (c > 0);                                                \
        const uint64_t window = window_at(packed, n_packed, bit >> 3) >> (bit & 7);                        \
        const uint64_t value = (window & (((uint64_t)1 << width) - 1)) | (uint64_t)(c > 0) << width;       \
        const int64_t wide = zigzag ? (int64_t)(value >> 1) ^ -(int64_t)(value & 1) : (int64_t)value;      \
        outside |= wide < (int64_t)(LOW) || wide > (int64_t)(HIGH);                                        \
        ((TYPE *)out)[i] = (TYPE)wide;                                                                     \
        bit += width;                                                                                      \
    }

int qc_codec_integers(const uint8_t *classes, size_t n, const uint8_t *packed, size_t n_packed, int zigzag, int itemsize,
                      int is_signed, void *out) {
    uint64_t bit = 0;
    int outside = 0;
    for (size_t i = 0; i < n; i++) {
        if (classes[i] > 33) return -1;
        bit += classes[i] - (classes[i] > 0);
    }
    if (n_packed != (bit + 7) / 8 || (bit % 8 && packed[n_packed - 1] >> bit % 8)) return -1;
    bit = 0;
    switch (itemsize * 2 + is_signed) {
    case 2: JOIN(uint8_t, 0, UINT8_MAX) break;
    case 3: JOIN(int8_t, INT8_MIN, INT8_MAX) break;
    case 4: JOIN(uint16_t, 0, UINT16_MAX) break;
    case 5: JOIN(int16_t, INT16_MIN, INT16_MAX) break;
    case 8: JOIN(uint32_t, 0, UINT32_MAX) break;
    case 9: JOIN(int32_t, INT32_MIN, INT32_MAX) break;
    case 16: JOIN(uint64_t, 0, INT64_MAX) break;
    case 17: JOIN(int64_t, INT64_MIN, INT64_MAX) break;
    default: return -1;
    }
    return outside ? -1 : 0;
}

int64_t qc_codec_classes(const int64_t *values, size_t n, uint8_t *classes) {
    int64_t bits = 0;
    int outside = 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t value = (uint64_t)values[i];
        uint8_t c = 0;
        outside |= value >> 33 != 0;
        for (uint64_t step = 32, left = value; step; step >>= 1)
            if (left >> step) {
                c = (uint8_t)(c + step);
                left >>= step;
            }
        c = (uint8_t)(c + (value != 0));
        classes[i] = c;
        bits += c - (c > 0);
    }
    return outside ? -1 : bits;
}

void qc_codec_pack(const int64_t *values, size_t n, const uint8_t *classes, uint8_t *out) {
    uint64_t word = 0;
    unsigned used = 0; /* of the word, below 8 before each number: 40 bits at most with it */
    for (size_t i = 0; i < n; i++) {
        const unsigned width = classes[i] - (unsigned)(classes[i] > 0);
        word |= ((uint64_t)values[i] & (((uint64_t)1 << width) - 1)) << used;
        for (used += width; used >= 8; used -= 8, word >>= 8) *out++ = (uint8_t)word;
    }
    if (used) *out = (uint8_t)word;
}

int qc_codec_repeats(const uint32_t *back, size_t n, uint32_t *out) {
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (back[i] > i) return -1;
        out[i] = back[i] ? out[i - back[i]] : count;
        count += back[i] == 0;
    }
    return 0;
}

void qc_codec_leaves(const uint8_t *leaf, size_t n, uint32_t *out) {
    size_t root = 0, waiting = 1; /* nodes that the tree still lacks */
    for (size_t i = 0; i < n; i++) {
        if (!leaf[i]) {
            waiting++;
            continue;
        }
        *out++ = (uint32_t)(i - root);
        if (--waiting == 0) {
            root = i + 1;
            waiting = 1;
        }
    }
}

ptrdiff_t qc_codec_ranks(const uint32_t *counts, size_t n, uint32_t *seen, size_t n_seen, int64_t *distinct, int32_t *rank) {
    for (size_t i = 0; i < n; i++) {
        if (counts[i] >= n_seen) return -1;
        seen[counts[i]] = 1;
    }
    uint32_t found = 0;
    for (size_t value = 0; value < n_seen; value++)
        if (seen[value]) {
            distinct[found] = (int64_t)value;
            seen[value] = found++;
        }
    for (size_t i = 0; i < n; i++) rank[i] = (int32_t)seen[counts[i]];
    return (ptrdiff_t)found;
}
