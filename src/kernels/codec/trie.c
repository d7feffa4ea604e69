/* Vocabularies: front-coded symbols, the edges of a level, the numbers of the terms. */
#include <string.h>

#include "kernels/codec/codec.h"

#define MAX_PREFIX 15

int64_t qc_codec_strings_size(const uint8_t *prefix, const uint32_t *rest, size_t n, size_t n_data) {
    uint64_t total = 0, own = 0, before = 0;
    for (size_t i = 0; i < n; i++) {
        if (prefix[i] > MAX_PREFIX || prefix[i] > before) return -1;
        before = prefix[i] + (uint64_t)rest[i];
        total += before;
        own += rest[i];
    }
    return own == n_data && total < (uint64_t)1 << 32 ? (int64_t)total : -1;
}

void qc_codec_strings(const uint8_t *prefix, const uint32_t *rest, size_t n, const uint8_t *data, uint8_t *out, uint32_t *ends) {
    const uint8_t *before = out;
    uint8_t *at = out;
    for (size_t i = 0; i < n; i++) {
        uint8_t *start = at;
        for (uint32_t k = 0; k < prefix[i]; k++) *at++ = before[k];
        if (rest[i] <= 16)
            for (uint32_t k = 0; k < rest[i]; k++) *at++ = *data++;
        else {
            memcpy(at, data, rest[i]);
            at += rest[i];
            data += rest[i];
        }
        before = start;
        ends[i] = (uint32_t)(at - out);
    }
}

/* Positions by falling count, equal ones in their order; counts are at most `most`. `bins` has room for most + 2. */
static int descending(const uint32_t *counts, size_t n, uint32_t most, uint32_t *bins, uint32_t *order) {
    memset(bins, 0, ((size_t)most + 2) * sizeof *bins);
    for (size_t i = 0; i < n; i++) {
        if (counts[i] > most) return -1;
        bins[most - counts[i] + 1]++;
    }
    for (size_t b = 1; b <= most; b++) bins[b] += bins[b - 1];
    for (size_t i = 0; i < n; i++) order[bins[most - counts[i]]++] = (uint32_t)i;
    return 0;
}

static void sort(uint32_t *values, uint32_t n, size_t below, uint32_t *spare) {
    if (n <= 48) {
        for (uint32_t i = 1; i < n; i++) {
            const uint32_t value = values[i];
            uint32_t k = i;
            for (; k && values[k - 1] > value; k--) values[k] = values[k - 1];
            values[k] = value;
        }
        return;
    }
    uint32_t *from = values, *to = spare;
    for (int shift = 0; shift < 32 && (below - 1) >> shift; shift += 8) {
        uint32_t bins[257] = {0};
        for (uint32_t i = 0; i < n; i++) bins[(from[i] >> shift & 255) + 1]++;
        for (int b = 1; b < 256; b++) bins[b] += bins[b - 1];
        for (uint32_t i = 0; i < n; i++) to[bins[from[i] >> shift & 255]++] = from[i];
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != values) memcpy(values, from, n * sizeof *values);
}

int qc_codec_level(const uint32_t *children, size_t n_parents, const uint32_t *uses, size_t n_uses, const uint32_t *gaps,
                   size_t n_edges, size_t n_symbols, uint32_t *scratch, uint32_t *parent, uint32_t *symbol) {
    uint32_t *order = scratch, *first = order + n_parents, *by_rank = first + n_parents, *spare = by_rank + n_uses;
    uint64_t total = 0;
    uint32_t most = 0;
    for (size_t p = 0; p < n_parents; p++) {
        total += children[p];
        most = children[p] > most ? children[p] : most;
    }
    if (total != n_edges || (n_uses && n_uses != n_symbols)) return -1;
    if (n_uses && descending(uses, n_uses, (uint32_t)n_edges, spare, by_rank)) return -1;
    if (descending(children, n_parents, most, spare, order)) return -1;
    for (size_t p = 0, at = 0; p < n_parents; p++) {
        first[p] = (uint32_t)at;
        for (uint32_t k = children[p]; k; k--) parent[at++] = (uint32_t)p;
    }
    for (size_t i = 0; i < n_parents && children[order[i]]; i++) {
        const uint32_t count = children[order[i]];
        uint32_t *set = symbol + first[order[i]];
        uint64_t next = 0; /* at most 2^32 more each time: no overflow before the check */
        for (uint32_t k = 0; k < count; k++) {
            next += (uint64_t)*gaps++ + 1;
            if (next > n_symbols) return -1;
            set[k] = n_uses ? by_rank[next - 1] : (uint32_t)(next - 1);
        }
        if (n_uses) sort(set, count, n_symbols, spare);
    }
    return 0;
}

int qc_codec_alphabetical(const uint32_t *parent, const uint8_t *is_term, size_t n_nodes, size_t n_symbols, uint32_t *size,
                          uint32_t *start, uint32_t *out) {
    for (size_t i = 0; i < n_nodes; i++) size[i] = is_term[i];
    for (size_t i = n_nodes; i-- > n_symbols;) {
        const uint32_t up = parent[i - n_symbols];
        if (up >= i) return -1;
        size[up] += size[i];
    }
    /* start[i] moves on as the subtrees of i's children are placed, and ends behind all of them. */
    uint32_t at = 0;
    for (size_t i = 0; i < n_nodes; i++) {
        uint32_t *before = i < n_symbols ? &at : start + parent[i - n_symbols];
        const uint32_t number = *before;
        *before += size[i];
        start[i] = number + is_term[i];
        if (is_term[i]) *out++ = number;
    }
    return 0;
}
