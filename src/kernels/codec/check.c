/* What plan.validate_text asks of a vocabulary, and plan.validate_trees of trees. */
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

int qc_codec_trees_sound(const uint8_t *leaf, size_t n, size_t n_trees) {
    size_t found = 0, waiting = 0; /* nodes that the tree still lacks */
    for (size_t i = 0; i < n; i++) {
        waiting += waiting == 0;
        waiting = leaf[i] ? waiting - 1 : waiting + 1;
        found += waiting == 0;
    }
    return waiting == 0 && found == n_trees ? 0 : -1;
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
