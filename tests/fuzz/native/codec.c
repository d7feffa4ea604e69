/* All that takes coded sections of a file: whatever the bytes, it stays within its buffers, and what it accepts is sound. */
#include "fuzz.h"
#include "kernels/codec/codec.h"

static void integers(input *in) {
    static const int sizes[] = {1, 2, 4, 8};
    const size_t n = below(in, 80);
    const int zigzag = (int)below(in, 2), size = sizes[below(in, 4)], is_signed = (int)below(in, 2);
    uint8_t *classes = filled(in, n);
    uint64_t bits = 0;
    const uint32_t most = below(in, 36);
    for (size_t i = 0; i < n; ++i) {
        if (most < 34) classes[i] %= (uint8_t)(most + 1);
        bits += classes[i] ? classes[i] - 1u : 0;
    }
    const size_t n_packed = below(in, 8) ? (bits + 7) / 8 : below(in, 64);
    uint8_t *packed = filled(in, n_packed);
    if (bits % 8 && n_packed && below(in, 4)) packed[n_packed - 1] &= (uint8_t)((1u << bits % 8) - 1);
    void *out = room(n * (size_t)size);
    qc_codec_integers(classes, n, packed, n_packed, zigzag, size, is_signed, out);
    free(classes), free(packed), free(out);
}

static void repeats(input *in) {
    const size_t n = below(in, 100);
    uint32_t *back = small_words(in, n, below(in, 12)), *out = room(n * 4), seen = 0;
    if (!qc_codec_repeats(back, n, out))
        for (size_t i = 0; i < n; ++i) {
            CHECK(out[i] <= seen, "number %u before %u", out[i], seen);
            seen += out[i] == seen;
        }
    free(back), free(out);
}

static void leaves(input *in) {
    const size_t n = below(in, 200);
    uint8_t *flags = filled(in, n);
    size_t count = 0;
    for (size_t i = 0; i < n; ++i) {
        flags[i] &= 1;
        count += flags[i];
    }
    uint32_t *out = room(count * 4);
    qc_codec_leaves(flags, n, out);
    for (size_t i = 0; i < count; ++i) CHECK(out[i] < n, "leaf %u of %zu nodes", out[i], n);
    free(flags), free(out);
}

static void ranks(input *in) {
    const size_t n = below(in, 100), n_seen = n + 20;
    uint32_t *counts = small_words(in, n, below(in, 100)), *seen = calloc(n_seen, 4);
    int64_t *distinct = room((n < n_seen ? n : n_seen) * 8);
    int32_t *rank = room(n * 4);
    const ptrdiff_t found = qc_codec_ranks(counts, n, seen, n_seen, distinct, rank);
    for (size_t i = 0; found >= 0 && i < n; ++i)
        CHECK(rank[i] < found && distinct[rank[i]] == counts[i], "rank %d of the count %u", rank[i], counts[i]);
    free(counts), free(seen), free(distinct), free(rank);
}

static void strings(input *in) {
    const size_t n = below(in, 40);
    uint8_t *prefix = filled(in, n);
    uint32_t *rest = small_words(in, n, below(in, 40));
    uint64_t own = 0;
    for (size_t i = 0; i < n; ++i) {
        if (prefix[i] < 240) prefix[i] %= 5;
        own += rest[i];
    }
    const size_t n_data = own < 4000 && below(in, 8) ? (size_t)own : below(in, 100);
    uint8_t *data = filled(in, n_data);
    const int64_t size = qc_codec_strings_size(prefix, rest, n, n_data);
    CHECK(size <= (int64_t)(n_data + 15 * n), "%lld bytes", (long long)size);
    if (size >= 0) {
        uint8_t *out = room((size_t)size);
        uint32_t *ends = room(n * 4);
        qc_codec_strings(prefix, rest, n, data, out, ends);
        CHECK(!n || ends[n - 1] == size, "ends at %u of %lld", ends[n - 1], (long long)size);
        free(out), free(ends);
    }
    free(prefix), free(rest), free(data);
}

static void level(input *in) {
    const size_t n_symbols = below(in, 40), n_parents = below(in, 40), n_uses = below(in, 2) ? n_symbols : 0;
    uint32_t *children = small_words(in, n_parents, below(in, 6));
    uint64_t total = 0;
    for (size_t i = 0; i < n_parents; ++i) total += children[i];
    const size_t n_edges = total < 4000 && below(in, 8) ? (size_t)total : below(in, 60);
    uint32_t *uses = small_words(in, n_uses, below(in, 9)), *gaps = small_words(in, n_edges, below(in, 4));
    uint32_t *scratch = room((2 * n_parents + n_uses + n_edges + 2) * 4);
    uint32_t *parent = room(n_edges * 4), *symbol = room(n_edges * 4);
    if (!qc_codec_level(children, n_parents, uses, n_uses, gaps, n_edges, n_symbols, scratch, parent, symbol))
        for (size_t i = 0; i < n_edges; ++i) {
            const int rises = !i || parent[i] > parent[i - 1] || (parent[i] == parent[i - 1] && symbol[i] > symbol[i - 1]);
            CHECK(parent[i] < n_parents && symbol[i] < n_symbols && rises, "edge %zu: %u %u", i, parent[i], symbol[i]);
        }
    free(children), free(uses), free(gaps), free(scratch), free(parent), free(symbol);
}

static void alphabetical(input *in) {
    const size_t n_symbols = below(in, 20), n_nodes = n_symbols + below(in, 60);
    uint32_t *parent = small_words(in, n_nodes - n_symbols, 0), n_terms = 0;
    uint8_t *is_term = filled(in, n_nodes);
    for (size_t i = 0; i < n_nodes; ++i) {
        if (i >= n_symbols && parent[i - n_symbols] < 256 && i) parent[i - n_symbols] %= (uint32_t)i;
        n_terms += is_term[i] &= 1;
    }
    uint32_t *size = room(n_nodes * 4), *start = room(n_nodes * 4), *out = room(n_terms * 4);
    uint8_t *seen = calloc(n_terms + 1, 1);
    if (!qc_codec_alphabetical(parent, is_term, n_nodes, n_symbols, size, start, out))
        for (uint32_t i = 0; i < n_terms; ++i) {
            CHECK(out[i] < n_terms && !seen[out[i]], "term %u has the number %u", i, out[i]);
            seen[out[i]] = 1;
        }
    free(parent), free(is_term), free(size), free(start), free(out), free(seen);
}

/* Lengths of a complete code, one symbol split at a time: others are refused at once. */
static void complete(input *in, uint8_t *codes, size_t n) {
    size_t used = 1;
    if (n < 2) return;
    codes[0] = 0;
    for (const size_t wanted = 2 + below(in, (uint32_t)(n - 1)); used < wanted; ++used) {
        const size_t split = below(in, (uint32_t)used);
        if (codes[split] >= 12) return;
        codes[used] = ++codes[split];
    }
}

static void matrix(input *in) {
    const size_t n_groups = 1 + below(in, 4), n_symbols = below(in, 3) ? 2 + below(in, 90) : below(in, 257);
    const size_t width = below(in, 16) ? 1 + below(in, 40) : below(in, 5000);
    const int size = below(in, 2) ? 2 : 4;
    uint8_t *low = filled(in, n_groups), *codes = calloc(n_groups * n_symbols + 1, 1);
    uint64_t *rows = room(n_groups * 8), total = 0;
    for (size_t i = 0; i < n_groups; ++i) {
        if (low[i] < 250) low[i] %= 12;
        rows[i] = below(in, 12);
        if (width < 41 && rows[i] == 11) rows[i] = below(in, 2000);
        total += rows[i];
        complete(in, codes + i * n_symbols, n_symbols);
        if (n_symbols && !below(in, 8)) codes[i * n_symbols + below(in, (uint32_t)n_symbols)] = (uint8_t)below(in, 16);
    }
    uint8_t *exact = room(n_groups * n_symbols);
    memcpy(exact, codes, n_groups * n_symbols);
    uint32_t *place = room(total * 4);
    for (uint64_t i = 0; i < total; ++i) place[i] = (uint32_t)(total - 1 - i);
    const size_t n_sizes = below(in, 20);
    uint32_t *sizes = small_words(in, n_sizes, 0);
    uint64_t packed_size = 0;
    for (size_t i = 0; i < n_sizes; ++i) packed_size += sizes[i];
    if (packed_size > 4000 || !below(in, 8)) packed_size = below(in, 300);
    uint8_t *packed = filled(in, (size_t)packed_size);
    void *out = room(total * width * (size_t)size), *scratch = aligned(QC_ROWS_SCRATCH);
    qc_codec_rows(low, exact, n_groups, n_symbols, rows, place, width, sizes, n_sizes, packed, (size_t)packed_size, scratch, size,
                  out);
    free(low), free(codes), free(exact), free(rows), free(place), free(sizes), free(packed), free(out), free(scratch);
}

static void checks(input *in) {
    const size_t n_bytes = below(in, 100), n = below(in, 30);
    uint8_t *bytes = filled(in, n_bytes);
    uint32_t *ends = small_words(in, n, (uint32_t)n_bytes);
    if (n && below(in, 2)) {
        for (size_t i = 0; i < n; ++i) ends[i] = (uint32_t)((i + 1) * n_bytes / n);
    }
    qc_codec_symbols_sound(bytes, n_bytes, ends, n);
    const size_t n_symbols = below(in, 20), n_nodes = below(in, 30), n_levels = 1 + below(in, 5);
    uint32_t *parent = small_words(in, n_nodes, 40), *symbol = small_words(in, n_nodes, (uint32_t)n_symbols);
    uint64_t *levels = room(n_levels * 8);
    levels[0] = n_symbols;
    for (size_t i = 1; i < n_levels; ++i) levels[i] = below(in, 16) ? below(in, 12) : take(in, 8);
    if (n_levels > 1) {
        if (!qc_codec_nodes_sound(parent, symbol, n_nodes, n_symbols, levels, n_levels))
            for (size_t i = 0; i < n_nodes; ++i)
                CHECK(parent[i] < n_symbols + i && symbol[i] < n_symbols, "node %zu: %u %u", i, parent[i], symbol[i]);
    }
    const uint64_t n_features = below(in, 300);
    uint8_t *seen = calloc(n_features / 8 + 1, 1);
    qc_codec_columns_sound(ends, n, n_features, seen);
    free(bytes), free(ends), free(parent), free(symbol), free(levels), free(seen);
}

/* What is accepted must be walkable: the flags' last tree is whole, every index has its place. */
static void trees(input *in) {
    const size_t n_columns = below(in, 6), n_thresholds = below(in, 30), n_nodes = below(in, 60);
    const int wide = (int)below(in, 2);
    const uint64_t width = below(in, 9), n_tests = n_thresholds + below(in, 3);
    uint8_t *leaf = filled(in, n_nodes), *missing = filled(in, n_columns);
    size_t n_splits = 0;
    for (size_t i = 0; i < n_nodes; ++i) {
        leaf[i] %= 2;
        n_splits += !leaf[i];
    }
    if (!below(in, 8)) n_splits = below(in, 60);
    uint32_t *split = small_words(in, n_splits, (uint32_t)n_tests), *feature = small_words(in, n_columns, (uint32_t)width);
    uint32_t *ends = small_words(in, n_columns, (uint32_t)n_thresholds);
    const int sorted = below(in, 4) != 0;
    for (size_t i = 0; i < n_columns; ++i) {
        if (missing[i] < 250) missing[i] %= 4;
        if (!sorted) continue;
        ends[i] = (uint32_t)((i + 1) * n_thresholds / n_columns), feature[i] = (uint32_t)i / 2, missing[i] = i % 2 ? 3 : 1;
    }
    void *threshold = room(n_thresholds * (wide ? 8 : 4));
    for (size_t i = 0; i < n_thresholds; ++i) {
        const double value = sorted && below(in, 16) ? (double)i : some_double(in);
        if (wide) ((double *)threshold)[i] = value;
        else ((float *)threshold)[i] = (float)value;
    }
    if (!qc_codec_trees_sound(leaf, n_nodes, split, n_splits, n_tests, feature, missing, ends, n_columns, width, threshold, wide,
                              n_thresholds)) {
        size_t waiting = 1, splits = 0;
        for (size_t i = 0; i < n_nodes; ++i) {
            if (!waiting) waiting = 1;
            waiting = leaf[i] ? waiting - 1 : waiting + 1;
            splits += !leaf[i];
        }
        CHECK(n_nodes && !waiting && splits == n_splits, "no whole trees");
        for (size_t i = 0; i < n_splits; ++i) CHECK(split[i] < n_tests, "split %u", split[i]);
        for (size_t i = 0; i < n_columns; ++i) CHECK(feature[i] < width && ends[i] <= n_thresholds, "column %zu", i);
        CHECK(n_columns || !n_thresholds, "thresholds of no column");
    }
    free(leaf), free(missing), free(split), free(feature), free(ends), free(threshold);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct {
        const char *name;
        void (*run)(input *);
    } all[] = {
        {"codec.integers", integers}, {"codec.repeats", repeats}, {"codec.leaves", leaves},
        {"codec.ranks", ranks}, {"codec.strings", strings}, {"codec.level", level},
        {"codec.alphabetical", alphabetical}, {"codec.rows", matrix}, {"codec.checks", checks}, {"codec.trees", trees},
    };
    input in = {data, data + size, 0};
    do { /* several cases an input, as long as it has bytes for them */
        const int kind = (int)(take(&in, 1) % (sizeof all / sizeof *all));
        all[kind].run(&in);
        count(kind, all[kind].name);
    } while (in.at < in.end);
    return 0;
}
