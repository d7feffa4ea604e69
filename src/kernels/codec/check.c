/* What plan.validate_text asks of a vocabulary, and plan.validate_trees of trees. */
#include <math.h>
#include <string.h>

#include "kernels/codec/codec.h"

/* Whether the bytes are UTF-8; surrogates, as three bytes, pass. */
static int is_utf8(const uint8_t *at, const uint8_t *end) {
    while (at < end) {
        const uint32_t a = *at++;
        if (a < 0x80) continue;
        if (a < 0xC2 || a > 0xF4) return 0;
        const int more = a < 0xE0 ? 1 : a < 0xF0 ? 2 : 3;
        if (end - at < more) return 0;
        if ((a == 0xE0 && at[0] < 0xA0) || (a == 0xF0 && at[0] < 0x90) || (a == 0xF4 && at[0] > 0x8F)) return 0;
        for (int k = 0; k < more; k++)
            if ((*at++ & 0xC0) != 0x80) return 0;
    }
    return 1;
}

int qc_codec_symbols_sound(const uint8_t *bytes, size_t n_bytes, const uint32_t *ends, size_t n) {
    size_t start = 0, before = 0; /* length of the symbol before */
    for (size_t i = 0; i < n; i++) {
        if (ends[i] <= start || ends[i] > n_bytes) return -1;
        const size_t length = ends[i] - start, both = length < before ? length : before;
        if (!is_utf8(bytes + start, bytes + ends[i])) return -1;
        if (i) {
            const int order = memcmp(bytes + start - before, bytes + start, both);
            if (order > 0 || (order == 0 && before >= length)) return -1;
        }
        before = length;
        start = ends[i];
    }
    return start == n_bytes ? 0 : -1;
}

int qc_codec_nodes_sound(const uint32_t *parent, const uint32_t *symbol, size_t n, size_t n_symbols, const uint64_t *levels,
                         size_t n_levels) {
    size_t at = 0;
    uint64_t before = 0, start = n_symbols; /* nodes of the level before */
    for (size_t level = 1; level < n_levels; level++) {
        if (levels[level] == 0 || levels[level] > n - at) return -1;
        uint64_t last = 0;
        for (const size_t end = at + levels[level], first = at; at < end; at++) {
            const uint64_t pair = (uint64_t)parent[at] << 32 | symbol[at];
            if (parent[at] < before || parent[at] >= start || symbol[at] >= n_symbols || (at > first && pair <= last)) return -1;
            last = pair;
        }
        before = start;
        start += levels[level];
    }
    return at == n ? 0 : -1;
}

int qc_codec_columns_sound(const uint32_t *column, size_t n, uint64_t n_features, uint8_t *seen) {
    for (size_t i = 0; i < n; i++) {
        if (column[i] >= n_features) return -1;
        const uint8_t bit = (uint8_t)(1u << (column[i] & 7));
        if (seen[column[i] >> 3] & bit) return -1;
        seen[column[i] >> 3] |= bit;
    }
    return 0;
}

/* Whether numbers ascend, none being NaN or -0.0. */
#define ASCENDING(name, type)                                                  \
    static int name(const type *value, size_t n) {                             \
        for (size_t i = 0; i < n; i++) {                                       \
            if (value[i] != value[i] || (value[i] == 0 && signbit(value[i]))) return 0; \
            if (i && !(value[i] > value[i - 1])) return 0;                     \
        }                                                                      \
        return 1;                                                              \
    }

ASCENDING(ascending_float, float)
ASCENDING(ascending_double, double)

int qc_codec_trees_sound(const uint8_t *leaf, size_t n_nodes, const uint32_t *split, size_t n_splits, uint64_t n_tests,
                         const uint32_t *feature, const uint8_t *missing, const uint32_t *ends, size_t n_columns, uint64_t width,
                         const void *threshold, int wide, size_t n_thresholds) {
    size_t waiting = 0, splits = 0, start = 0; /* waiting: nodes that the tree still lacks */
    if (!n_nodes || n_nodes >= (size_t)1 << 31) return -1;
    for (size_t i = 0; i < n_nodes; i++) {
        if (!waiting) waiting = 1;
        if (leaf[i]) waiting--;
        else waiting++, splits++;
    }
    if (waiting || splits != n_splits) return -1;
    for (size_t i = 0; i < n_splits; i++)
        if (split[i] >= n_tests) return -1;
    for (size_t i = 0; i < n_columns; i++) {
        if (feature[i] >= width || missing[i] > 3) return -1;
        if (i && (feature[i] < feature[i - 1] || (feature[i] == feature[i - 1] && missing[i] <= missing[i - 1]))) return -1;
        if (ends[i] <= start || ends[i] > n_thresholds) return -1;
        const size_t n = ends[i] - start;
        if (!(wide ? ascending_double((const double *)threshold + start, n) : ascending_float((const float *)threshold + start, n)))
            return -1;
        start = ends[i];
    }
    return start == n_thresholds ? 0 : -1;
}
