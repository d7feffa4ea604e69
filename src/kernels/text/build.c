/* Builds the tables of a text model; ISA-neutral. */
#define _POSIX_C_SOURCE 200112L /* posix_memalign */
#include <stdlib.h>
#include <string.h>

#include "kernels/common.h"
#include "kernels/text/hash.h"
#include "kernels/text/text.h"

/* Tags fill at most this share of a table; above it buckets spill too often. */
#define LOAD 0.80
/* A chain of so many full buckets never happens by chance: the keys were made to collide. */
#define LONGEST_CHAIN 64
#define SEEDS 4
#define BATCH 32

/* Zeros, 64-byte aligned; exactly so many bytes, so that a sanitizer sees who goes beyond. */
static void *allocate(size_t bytes) {
#if defined(_MSC_VER)
    void *p = _aligned_malloc(bytes, 64);
#else
    void *p = NULL;
    if (posix_memalign(&p, 64, bytes)) return NULL;
#endif
    if (p) memset(p, 0, bytes);
    return p;
}

static void release(void *p) {
#if defined(_MSC_VER)
    _aligned_free(p);
#else
    free(p);
#endif
}

static int new_index(qc_index *index, size_t n) {
    uint64_t n_buckets = 1;
    while ((double)(n_buckets * QC_TAGS) * LOAD < (double)n) n_buckets *= 2;
    index->mask = (n_buckets - 1) * 64;
    index->tags = allocate(n_buckets * QC_TAGS * sizeof(uint16_t));
    return index->tags ? 0 : -1;
}

static uint64_t slots_of(const qc_index *index) { return (index->mask / 64 + 1) * QC_TAGS; }

/* A free slot for the hash: its number, or -2. */
static int64_t insert(qc_index *index, uint64_t hash) {
    uint64_t offset = hash & index->mask;
    for (int chain = 0; chain < LONGEST_CHAIN; chain++, offset = (offset + 64) & index->mask) {
        uint16_t *tags = index->tags + offset / 2;
        if (tags[QC_TAGS - 1]) continue;
        int i = 0;
        while (tags[i]) i++;
        tags[i] = qc_tag(hash);
        return (int64_t)(offset / 2) + i;
    }
    return -2;
}

static void token_key(const uint8_t *bytes, uint32_t length, uint64_t seed, uint64_t key[2]) {
    if (length > 16) {
        qc_long_key(bytes, length, seed, key);
    } else {
        key[0] = key[1] = 0;
        memcpy(key, bytes, length);
    }
}

/* The slot of a token that is there already (stop words are inserted first), or -1. */
static int64_t find_token(const qc_text *text, const uint64_t key[2], const uint8_t *bytes, uint32_t length) {
    const uint64_t hash = qc_hash_key(key[0], key[1], text->token_index.seed);
    for (uint64_t offset = hash & text->token_index.mask;; offset = (offset + 64) & text->token_index.mask) {
        const uint16_t *tags = text->token_index.tags + offset / 2;
        for (int i = 0; i < QC_TAGS && tags[i]; i++) {
            const qc_token *token = text->tokens + offset / 2 + i;
            if (tags[i] == qc_tag(hash) && token->key[0] == key[0] && token->key[1] == key[1] &&
                (length <= 16 || qc_same_long(text->long_tokens + token->record, bytes, length)))
                return (int64_t)(offset / 2) + i;
        }
        if (!tags[QC_TAGS - 1]) return -1;
    }
}

static int64_t add_token(qc_text *text, const uint8_t *bytes, uint32_t length, size_t *used) {
    uint64_t key[2];
    token_key(bytes, length, text->token_index.seed, key);
    const int64_t slot = insert(&text->token_index, qc_hash_key(key[0], key[1], text->token_index.seed));
    if (slot < 0) return slot;
    qc_token *token = text->tokens + slot;
    memcpy(token->key, key, sizeof key);
    token->column = QC_NONE;
    if (length > 16) {
        token->record = (uint32_t)*used;
        memcpy(text->long_tokens + *used, &length, 4);
        memcpy(text->long_tokens + *used + 4, bytes, length);
        *used += 4 + (size_t)length;
    }
    return slot;
}

static int add_tokens(qc_text *text, const qc_text_tables *t, uint32_t *refs) {
    size_t used = 0;
    for (size_t i = 0; i < t->n_stop; i++) {
        const uint32_t start = i ? t->stop_ends[i - 1] : 0, length = t->stop_ends[i] - start;
        const int64_t slot = add_token(text, t->stop_bytes + start, length, &used);
        if (slot < 0) return -2;
        text->tokens[slot].value = QC_VALUE_STOP;
    }
    for (size_t i = 0; i < t->n_symbols; i++) {
        const uint32_t start = i ? t->symbol_ends[i - 1] : 0, length = t->symbol_ends[i] - start;
        const uint8_t *bytes = t->symbol_bytes + start;
        refs[i] = QC_NONE;
        if (t->n_stop) { /* a stop word is no symbol: no text can lead to its n-grams */
            uint64_t key[2];
            token_key(bytes, length, text->token_index.seed, key);
            if (find_token(text, key, bytes, length) >= 0) continue;
        }
        const int64_t slot = add_token(text, bytes, length, &used);
        if (slot < 0) return -2;
        text->tokens[slot].value = t->values[i];
        text->tokens[slot].column = t->columns[i];
        refs[i] = (uint32_t)slot;
    }
    return 0;
}

/* In batches, so that the misses of one pair hide behind those of the others. */
static int add_pairs(qc_text *text, const qc_text_tables *t, uint32_t *refs) {
    for (size_t start = 0, end; start < t->n_pairs; start = end) {
        uint64_t keys[BATCH], hashes[BATCH];
        int64_t slots[BATCH];
        size_t n = 0;
        /* a parent in the batch has no reference yet */
        for (end = start; end < t->n_pairs && n < BATCH && t->parent[end] < t->n_symbols + start; end++, n++) {
            const uint32_t prefix = refs[t->parent[end]], last = refs[t->symbol[end]];
            slots[n] = prefix == QC_NONE || last == QC_NONE ? -1 : 0;
            keys[n] = qc_pair_key(prefix, last);
            hashes[n] = qc_hash_pair(keys[n], text->pair_index.seed);
            if (!slots[n]) QC_PREFETCH(text->pair_index.tags + (hashes[n] & text->pair_index.mask) / 2);
        }
        for (size_t k = 0; k < n; k++) {
            if (slots[k]) continue;
            slots[k] = insert(&text->pair_index, hashes[k]);
            if (slots[k] < 0) return -2;
            QC_PREFETCH(text->pairs + slots[k]);
        }
        for (size_t k = 0; k < n; k++) {
            const size_t i = start + k, node = t->n_symbols + i;
            refs[node] = QC_NONE;
            if (slots[k] < 0) continue;
            text->pairs[slots[k]].key = keys[k];
            text->pairs[slots[k]].value = t->values[node];
            if (text->pair_column) text->pair_column[slots[k]] = t->columns[node];
            refs[node] = text->first_pair_ref + (uint32_t)slots[k];
            if (text->pair_grid && t->parent[i] < t->n_symbols)
                text->pair_grid[t->parent[i] * t->n_symbols + t->symbol[i]] = refs[node];
        }
    }
    return 0;
}

static void clear(qc_text *text) {
    release(text->token_index.tags);
    release(text->pair_index.tags);
    release(text->tokens);
    release(text->pairs);
    text->token_index.tags = text->pair_index.tags = NULL;
    text->tokens = NULL;
    text->pairs = NULL;
    free(text->pair_column);
    free(text->long_tokens);
    free(text->pair_grid);
    text->pair_grid = NULL;
    text->pair_column = NULL;
    text->long_tokens = NULL;
}

/* Characters are looked up by code point (map_symbols), so that their references are their numbers. */
static int add_characters(qc_text *text, const qc_text_tables *t, uint32_t *refs) {
    for (size_t i = 0; i < t->n_symbols; i++) {
        text->tokens[i].value = t->values[i];
        text->tokens[i].column = t->columns[i];
        refs[i] = (uint32_t)i;
    }
    if (t->n_symbols * t->n_symbols > QC_GRID) return 0;
    text->pair_grid = malloc((t->n_symbols * t->n_symbols + 1) * sizeof(uint32_t));
    if (!text->pair_grid) return -1;
    memset(text->pair_grid, 0xFF, t->n_symbols * t->n_symbols * sizeof(uint32_t));
    return 0;
}

static int build_once(qc_text *text, const qc_text_tables *t, uint64_t seed, uint32_t *refs) {
    size_t long_bytes = 1;
    for (size_t i = 0; i < t->n_stop; i++) {
        const uint32_t length = t->stop_ends[i] - (i ? t->stop_ends[i - 1] : 0);
        if (length > 16) long_bytes += 4 + (size_t)length;
    }
    for (size_t i = 0; i < t->n_symbols; i++) {
        const uint32_t length = t->symbol_ends[i] - (i ? t->symbol_ends[i - 1] : 0);
        if (length > 16) long_bytes += 4 + (size_t)length;
    }
    text->token_index.seed = text->pair_index.seed = seed;
    const int characters = text->analyzer != QC_WORD;
    if (new_index(&text->token_index, characters ? 0 : t->n_symbols + t->n_stop)) return -1;
    if (new_index(&text->pair_index, t->n_pairs)) return -1;
    const uint64_t slots = characters ? t->n_symbols : slots_of(&text->token_index), pair_slots = slots_of(&text->pair_index);
    if (slots + pair_slots >= QC_NONE || long_bytes >= QC_NONE) return -1;
    /* One entry more than slots: look-ups may read the one behind the last bucket before they know better. */
    text->tokens = allocate((slots + 1) * sizeof(qc_token));
    text->pairs = allocate((pair_slots + 1) * sizeof(qc_pair));
    text->long_tokens = malloc(long_bytes);
    if (!text->tokens || !text->pairs || !text->long_tokens) return -1;
    for (uint64_t i = 0; i <= pair_slots; i++) text->pairs[i].key = UINT64_MAX; /* no pair of references: 0 is one */
    if (t->with_columns && t->n_pairs) {
        text->pair_column = malloc(pair_slots * sizeof(uint32_t));
        if (!text->pair_column) return -1;
    }
    text->first_pair_ref = (uint32_t)slots;
    text->n_pairs = t->n_pairs;
    text->prefetch = slots * sizeof(qc_token) + pair_slots * sizeof(qc_pair) > (size_t)512 << 10;
    text->n_symbols = t->n_symbols;
    const int status = characters ? add_characters(text, t, refs) : add_tokens(text, t, refs);
    return status ? status : add_pairs(text, t, refs);
}

static int decode(const uint8_t *bytes, uint32_t length, uint32_t *code) {
    const uint32_t a = bytes[0];
    if (length == 1) *code = a;
    else if (length == 2) *code = (a & 0x1F) << 6 | (bytes[1] & 0x3F);
    else if (length == 3) *code = (a & 0x0F) << 12 | (bytes[1] & 0x3Fu) << 6 | (bytes[2] & 0x3F);
    else if (length == 4) *code = (a & 0x07) << 18 | (bytes[1] & 0x3Fu) << 12 | (bytes[2] & 0x3Fu) << 6 | (bytes[3] & 0x3F);
    else return -2;
    return *code < 0x110000 ? 0 : -2;
}

/* Characters are symbols of one code point: pages lead from the code point to the reference. */
static int map_symbols(qc_text *text, const qc_text_tables *t, const uint32_t *refs) {
    text->symbol_pages = calloc(4352, sizeof(uint32_t *));
    if (!text->symbol_pages) return -1;
    for (size_t i = 0; i < t->n_symbols; i++) {
        const uint32_t start = i ? t->symbol_ends[i - 1] : 0;
        uint32_t code;
        if (decode(t->symbol_bytes + start, t->symbol_ends[i] - start, &code)) return -2;
        uint32_t **page = text->symbol_pages + (code >> 8);
        if (!*page) {
            *page = malloc(256 * sizeof(uint32_t));
            if (!*page) return -1;
            memset(*page, 0xFF, 256 * sizeof(uint32_t));
        }
        (*page)[code & 255] = refs[i];
    }
    return 0;
}

int qc_text_build(qc_text *text, const qc_text_tables *t) {
    uint32_t *refs = malloc((t->n_symbols + t->n_pairs + 1) * sizeof(uint32_t));
    if (!refs) return -1;
    int status = -2;
    for (uint64_t seed = 0; status == -2 && seed < SEEDS; seed++) {
        clear(text);
        status = build_once(text, t, QC_MIX_A ^ seed * QC_MIX_B, refs);
    }
    if (!status && text->analyzer != QC_WORD) status = map_symbols(text, t, refs);
    free(refs);
    return status;
}

void qc_text_free(qc_text *text) {
    clear(text);
    if (text->symbol_pages)
        for (int i = 0; i < 4352; i++) free(text->symbol_pages[i]);
    free(text->symbol_pages);
    text->symbol_pages = NULL;
}

/* The hot step of a row whose largest entry is `largest` grid steps: how many grid steps it is. Up to 4 a power of two
 * (the remainders are then whole steps, and the spread of errors stays at one hot step); above, in eighths of an octave. */
static double hot_step(int64_t largest, int *octave, int *eighths) {
    *octave = *eighths = 0;
    while ((largest + ((int64_t)1 << *octave >> 1)) >> *octave > 127) ++*octave;
    if (*octave > 2) {
        --*octave;
        while (*eighths < 8 && (double)largest > 127.0 * (1.0 + *eighths / 8.0) * (double)((int64_t)1 << *octave)) ++*eighths;
        if (*eighths == 8) { /* also up to 127.5 steps of the full octave, which round to 127 */
            ++*octave;
            *eighths = 0;
        }
    }
    return (1.0 + *eighths / 8.0) * (double)((int64_t)1 << *octave);
}

#define SPLIT(TYPE)                                                                                                  \
    for (size_t i = 0; i < n_rows; i++) {                                                                            \
        const TYPE *restrict row = (const TYPE *)fine + i * width;                                                   \
        TYPE lowest = 0, highest = 0;                                                                                \
        for (size_t k = 0; k < n_outputs; k++) {                                                                     \
            lowest = row[k] < lowest ? row[k] : lowest;                                                              \
            highest = row[k] > highest ? row[k] : highest;                                                           \
        }                                                                                                            \
        const int64_t largest = -(int64_t)lowest > highest ? -(int64_t)lowest : highest;                             \
        int octave, eighths;                                                                                         \
        double step = hot_step(largest, &octave, &eighths);                                                          \
        int code = 8 * (exponent[i] + octave - base) + eighths;                                                      \
        if (code < 0) { /* far below the other rows: a step that is coarser than need be */                          \
            step = (double)((int64_t)1 << (base - exponent[i] < 40 ? base - exponent[i] : 40));                      \
            code = 0;                                                                                                \
        }                                                                                                            \
        const double inverse = 1.0 / step, share = octave ? 1.0 + 2.0 * (error - 0.5) : 2.0 * error;                 \
        const int whole = octave <= 2 && !eighths && code;                                                           \
        const double own = whole ? share : 1.0001 + 2.0 * error * inverse;                                           \
        spread = own > spread ? own : spread;                                                                        \
        least = step < least ? step : least;                                                                         \
        codes[i] = (uint8_t)code;                                                                                    \
        int8_t *restrict out = hot + i * padded;                                                                     \
        if (whole) { /* half up: remainders from -2^(h-1) to 2^(h-1) - 1 */                \
            for (size_t k = 0; k < n_outputs; k++) out[k] = (int8_t)((row[k] + (1 << octave >> 1)) >> octave);       \
        } else {                                                                                                     \
            const float by = (float)inverse; /* adding 1.5 * 2^23 rounds to the nearest integer, in the low bits */ \
            for (size_t k = 0; k < n_outputs; k++) {                                                                 \
                const float sum = (float)row[k] * by + 12582912.0f;                                                  \
                uint32_t bits;                                                                                       \
                memcpy(&bits, &sum, 4);                                                                              \
                out[k] = (int8_t)(bits & 0xFF);                                                                      \
            }                                                                                                        \
        }                                                                                                            \
        memset(out + n_outputs, 0, padded - n_outputs);                                                              \
    }

double qc_hot_plane(const void *fine, int wide, const int32_t *exponent, int base, double error, size_t n_rows, size_t width,
                    size_t n_outputs, size_t padded, int8_t *hot, uint8_t *codes, double *least_step) {
    double spread = 1.0, least = 1e300;
    if (wide) SPLIT(int32_t)
    else SPLIT(int16_t)
    *least_step = n_rows ? least : 1.0;
    return spread;
}

/* Room to spare, so that buffers seldom grow; none for small ones under a sanitizer, to which it would hide overruns. */
static size_t generous(size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
    if (bytes < (size_t)1 << 17) return bytes;
#endif
    return bytes + bytes / 2 + 1024;
}

void *qc_grow(qc_scratch *scratch, int which, size_t bytes) {
    if (bytes > scratch->size[which]) {
        const size_t size = generous(bytes);
        void *fresh = allocate(size);
        if (!fresh) return NULL;
        if (scratch->memory[which]) memcpy(fresh, scratch->memory[which], scratch->size[which]);
        release(scratch->memory[which]);
        scratch->memory[which] = fresh;
        scratch->size[which] = size;
    }
    return scratch->memory[which];
}

void qc_scratch_free(qc_scratch *scratch) {
    for (int i = 0; i < 16; i++) release(scratch->memory[i]);
    memset(scratch, 0, sizeof *scratch);
}
