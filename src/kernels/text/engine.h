/* The text kernel itself, written once over a handful of primitives that each
 * ISA provides (simd_<isa>.h):
 *
 *   words_ascii(chars, data, n, out, bounds)   lower, and where tokens start and end
 *   words_any(...)                             the same for any text (words.h)
 *   load_key(bytes, length, key)               up to 16 bytes, zero padded
 *   match_tags(tags, tag)                      bit per equal tag of a bucket of 32
 *   repeats(refs, n)                           bit per ref (n <= 32) that stood earlier; QC_NONE never does
 *   equal_refs(refs, n, ref)                   bit per equal ref (n <= 32)
 *   keep_terms(values, n, kept)                those of terms, in order, n <= 32; bit per term; may write 8 values too many
 *   sums_one(text, values, counts, n, sums)    one output: the five sums of a document
 *   steps_many(...), dot_many(...)             several outputs: counts on an integer grid, integer dot products
 *
 * All else is plain C, so every ISA takes the same decisions; float sums are
 * taken in the order that README.md fixes. */
#ifndef QC_TEXT_ENGINE_H
#define QC_TEXT_ENGINE_H

#include <math.h>
#include <string.h>

#include "kernels/builtins.h"
#include "kernels/text/hash.h"
#include "kernels/text/text.h"

enum {
    BYTES, BOUNDS, STARTS, LENGTHS, KEYS, HASHES, REFS, VALUES, PAIR_REFS, PAIR_VALUES,
    STAMPS, KEPT_REFS, KEPT, STEPS, COLUMNS, COUNTS
};

#define GROUP_TOKENS 256      /* tokens that are looked up together, across documents */
#define GROUP_DOCUMENTS 64
#define SLICE 65536           /* longer documents are taken in slices of so many code points */
#define PAUSE (8 * SLICE)     /* and left for a moment after so many: at most some 20 ms, so that Ctrl-C is heard */
#define MOST_REPEATS 32       /* so many tokens are compared with each other; more go through a table */
#define KEPT_PADDING 16       /* sums read whole vectors: zeros stand behind the last value */

/* qc_grow without the call where there is room already. */
static inline void *room_for(qc_scratch *s, int which, size_t bytes) {
    return LIKELY(bytes <= s->size[which]) ? s->memory[which] : qc_grow(s, which, bytes);
}

/* A document's distinct features: values, and counts where not all are 1. */
typedef struct {
    uint64_t *values;
    int32_t *counts; /* NULL: all 1 */
    float *tf;       /* the counts' (sublinear) frequencies, NULL: not known yet */
    size_t n;
} features;

/* Features of a document that is collected piece by piece. */
typedef struct {
    uint32_t *places; /* hash of a reference -> position + 1, 0: free */
    size_t capacity; /* 2^(32 - shift) */
    int shift;
    uint32_t *refs;
    uint64_t *values;
    int32_t *counts;
    size_t n, room;
} collector;

/* Symbols of a document, and those that the vocabulary does not hold. */
typedef struct {
    uint64_t symbols, unknown;
} tally;

/* ------------------------------------------------------------- look-ups */

/* The whole search, for what the quick look leaves open. */
static NOINLINE uint32_t find_token(const qc_text *text, const uint64_t key[2], uint64_t hash, const uint8_t *bytes,
                                    uint32_t length, uint64_t *value) {
    const qc_index *index = &text->token_index;
    *value = QC_VALUE_NONE;
    for (uint64_t offset = hash & index->mask;; offset = (offset + 64) & index->mask) {
        const uint16_t *tags = index->tags + offset / 2;
        for (uint32_t mask = match_tags(tags, qc_tag(hash)); mask; mask &= mask - 1) {
            const uint32_t slot = (uint32_t)(offset / 2) + FIRST_BIT(mask);
            const qc_token *token = text->tokens + slot;
            if (token->key[0] == key[0] && token->key[1] == key[1] &&
                (length <= 16 || qc_same_long(text->long_tokens + token->record, bytes, length))) {
                *value = token->value;
                return slot;
            }
        }
        if (!tags[QC_TAGS - 1]) return QC_NONE;
    }
}

static NOINLINE uint32_t find_pair(const qc_text *text, uint64_t key, uint64_t hash, uint64_t *value) {
    const qc_index *index = &text->pair_index;
    *value = QC_VALUE_NONE;
    for (uint64_t offset = hash & index->mask;; offset = (offset + 64) & index->mask) {
        const uint16_t *tags = index->tags + offset / 2;
        for (uint32_t mask = match_tags(tags, qc_tag(hash)); mask; mask &= mask - 1) {
            const uint32_t slot = (uint32_t)(offset / 2) + FIRST_BIT(mask);
            if (text->pairs[slot].key == key) {
                *value = text->pairs[slot].value;
                return text->first_pair_ref + slot;
            }
        }
        if (!tags[QC_TAGS - 1]) return QC_NONE;
    }
}

/* ---------------------------------------------------------- tokenization */

/* Asks for the page of the first character that has none yet. Another thread may have made it meanwhile: then for page 0, which
 * is always there, and so for nothing but another try. */
static qc_status missing_char(const qc_chars *chars, const qc_document *d, int64_t from, int64_t to, qc_scratch *s) {
    for (int64_t i = from; i < to; i++) {
        const uint32_t c = d->kind == 1   ? ((const uint8_t *)d->data)[i]
                           : d->kind == 2 ? ((const uint16_t *)d->data)[i]
                                          : ((const uint32_t *)d->data)[i];
        if (c < 0x10000 ? !QC_LOAD_LATER(chars->bmp + c) : !QC_LOAD_PAGE(chars->wide + ((c - 0x10000) >> 8))) {
            s->code = c & ~255u;
            return QC_NEEDS_CHARS;
        }
    }
    s->code = 0;
    return QC_NEEDS_CHARS;
}

static int long_enough(const uint8_t *bytes, uint32_t length, uint32_t minimum) {
    uint32_t characters = 0;
    for (uint32_t i = 0; i < length; i++) characters += (bytes[i] & 0xC0) != 0x80;
    return characters >= minimum;
}

/* Appends the tokens of code points [from, to) to STARTS and LENGTHS, their bytes to BYTES. */
static qc_status tokenize(const qc_text *text, qc_scratch *s, const qc_document *d, int64_t from, int64_t to,
                          size_t *n_tokens, size_t *n_bytes) {
    const qc_chars *chars = d->as_is ? text->chars_as_is : text->chars;
    const size_t n = (size_t)(to - from);
    uint8_t *bytes = room_for(s, BYTES, *n_bytes + (d->ascii ? 2 * n : 4 * n) + 256);
    uint32_t *bounds = room_for(s, BOUNDS, (n + 160) * sizeof *bounds);
    uint32_t *starts = room_for(s, STARTS, (*n_tokens + n / 2 + 80) * sizeof *starts);
    uint32_t *lengths = room_for(s, LENGTHS, (*n_tokens + n / 2 + 80) * sizeof *lengths);
    if (!bytes || !bounds || !starts || !lengths) return QC_NO_MEMORY;
    const uint8_t *data = (const uint8_t *)d->data + from * d->kind;
    const uint32_t base = (uint32_t)*n_bytes, minimum = (uint32_t)text->minimum;
    size_t found, used, kept = *n_tokens;
    /* Where NUL may stand in a token it takes two bytes, which the ASCII way doesn't write. */
    if (d->ascii && !(chars->ascii_lower[0] & 0x80 && memchr(data, 0, n))) {
        found = words_ascii(chars, data, n, bytes + base, bounds);
        kept = keep_long(bounds, found, base, minimum, starts, lengths, kept);
        used = (n + 63) & ~(size_t)63;
    } else {
        uint32_t seen, all;
        found = words_any(chars, data, d->kind, n, bytes + base, bounds, &used, &seen, &all);
        if (!(all & QC_CHAR_MADE)) return missing_char(chars, d, from, to, s);
        if (chars->lower && seen & QC_CHAR_SPECIAL) return QC_NEEDS_LOWER;
        for (size_t i = 0; i < found; i++) {
            const uint32_t start = bounds[2 * i], length = bounds[2 * i + 1] - start;
            starts[kept] = base + start;
            lengths[kept] = length;
            kept += length >= 4 * minimum || long_enough(bytes + base + start, length, minimum);
        }
    }
    *n_tokens = kept;
    *n_bytes = base + used + 16; /* keys are loaded 16 bytes at a time */
    return QC_DONE;
}

/* -------------------------------------------------------- token look-ups */

/* The quick look: the first slot of the bucket whose tag fits, the slot behind the bucket where none does: a look at its
 * entry does no harm, and saves a branch that nothing could predict. `go_on` is not 0 where the key may be there: a tag fits,
 * or the bucket is full and may have spilled. */
static inline uint32_t quick_slot(const qc_index *index, uint64_t hash, uint32_t *go_on) {
    const uint64_t offset = hash & index->mask;
    const uint16_t *tags = index->tags + offset / 2;
    const uint32_t mask = match_tags(tags, qc_tag(hash));
    *go_on = mask | tags[QC_TAGS - 1];
    return (uint32_t)(offset / 2 + FIRST_BIT_64((uint64_t)mask | (uint64_t)1 << 32));
}

/* References and values of tokens [0, n) into REFS and VALUES, from position `at` on. Three passes, so that the misses of
 * many tokens overlap: hashes, then tags, then entries. */
static qc_status look_up_tokens(const qc_text *text, qc_scratch *s, size_t n, size_t at) {
    uint64_t *keys = room_for(s, KEYS, (2 * n + 2) * sizeof *keys);
    uint64_t *hashes = room_for(s, HASHES, (n + 1) * sizeof *hashes);
    uint32_t *refs = room_for(s, REFS, (n + at + 64) * sizeof *refs);
    uint64_t *values = room_for(s, VALUES, (n + at + 64) * sizeof *values);
    if (!keys || !hashes || !refs || !values) return QC_NO_MEMORY;
    const uint8_t *bytes = s->memory[BYTES];
    const uint32_t *starts = s->memory[STARTS], *lengths = s->memory[LENGTHS];
    const qc_index index = text->token_index;
    const qc_token *tokens = text->tokens;
    refs += at;
    values += at;
    for (size_t i = 0; i < n; i++) {
        uint64_t *key = keys + 2 * i;
        if (LIKELY(lengths[i] <= 16)) load_key(bytes + starts[i], lengths[i], key);
        else qc_long_key(bytes + starts[i], lengths[i], index.seed, key);
        hashes[i] = qc_hash_key(key[0], key[1], index.seed);
        PREFETCH((const char *)index.tags + (hashes[i] & index.mask));
        if (UNLIKELY(lengths[i] > 16)) key[1] ^= 1; /* equal keys don't prove it equal: leave it to the whole search */
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t go_on;
        refs[i] = quick_slot(&index, hashes[i], &go_on);
        PREFETCH(tokens + refs[i]);
    }
    for (size_t i = 0; i < n; i++) {
        const qc_token *token = tokens + refs[i];
        uint64_t *key = keys + 2 * i;
        const uint64_t differs = (token->key[0] ^ key[0]) | (token->key[1] ^ key[1]);
        values[i] = token->value;
        if (UNLIKELY(differs)) {
            key[1] ^= lengths[i] > 16;
            refs[i] = find_token(text, key, hashes[i], bytes + starts[i], lengths[i], values + i);
        }
    }
    return QC_DONE;
}

/* Stop words leave before n-grams are formed. */
static size_t drop_stop_words(uint32_t *refs, uint64_t *values, size_t from, size_t to) {
    size_t kept = from;
    for (size_t i = from; i < to; i++) {
        refs[kept] = refs[i];
        values[kept] = values[i];
        kept += values[i] != QC_VALUE_STOP;
    }
    return kept;
}

/* 2-grams of the adjacent references [0, n): into PAIR_REFS and PAIR_VALUES. Most are in no vocabulary (those of unknown
 * tokens never), so that the last pass takes only those that may be. */
static qc_status look_up_pairs(const qc_text *text, qc_scratch *s, size_t n) {
    uint64_t *hashes = room_for(s, HASHES, (n + 1) * sizeof *hashes);
    uint32_t *left = room_for(s, STARTS, (n + 1) * sizeof *left); /* the tokens' bytes have served */
    uint32_t *slots = room_for(s, LENGTHS, (n + 1) * sizeof *slots);
    uint32_t *pair_refs = room_for(s, PAIR_REFS, (n + 64) * sizeof *pair_refs);
    uint64_t *pair_values = room_for(s, PAIR_VALUES, (n + 64) * sizeof *pair_values);
    if (!hashes || !left || !slots || !pair_refs || !pair_values) return QC_NO_MEMORY;
    const uint32_t *refs = s->memory[REFS];
    const qc_index index = text->pair_index;
    const qc_pair *pairs = text->pairs;
    for (size_t i = 0; i + 1 < n; i++) {
        hashes[i] = qc_hash_pair(qc_pair_key(refs[i], refs[i + 1]), index.seed);
        PREFETCH((const char *)index.tags + (hashes[i] & index.mask));
    }
    memset(pair_refs, 0xFF, n * sizeof *pair_refs);
    memset(pair_values, 0, n * sizeof *pair_values);
    size_t n_left = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        uint32_t go_on;
        const uint32_t slot = quick_slot(&index, hashes[i], &go_on);
        PREFETCH(pairs + slot);
        left[n_left] = (uint32_t)i;
        slots[n_left] = slot;
        n_left += go_on != 0;
    }
    for (size_t k = 0; k < n_left; k++) {
        const uint32_t i = left[k], slot = slots[k];
        const uint64_t key = qc_pair_key(refs[i], refs[i + 1]);
        if (LIKELY(pairs[slot].key == key)) {
            pair_refs[i] = text->first_pair_ref + slot;
            pair_values[i] = pairs[slot].value;
        } else if (refs[i] != QC_NONE && refs[i + 1] != QC_NONE) {
            pair_refs[i] = find_pair(text, key, hashes[i], pair_values + i);
        }
    }
    return QC_DONE;
}

/* ------------------------------------------------------------ collecting */

/* The hash's upper bits, as many as the table has, so that references spread over all of it. */
static inline size_t first_place(uint32_t ref, int shift) { return ref * 0x9E3779B1u >> shift; }

/* Room for so many more features; the table stays at most a quarter full, so that most look at one place. */
static int collector_room(qc_scratch *s, collector *c, size_t more) {
    if (c->n + more <= c->room) return 0;
    const size_t room = c->n + more < 2 * c->room ? 2 * c->room : c->n + more;
    int shift = 24;
    while ((size_t)1 << (32 - shift) < 4 * room && shift > 1) shift--;
    const size_t capacity = (size_t)1 << (32 - shift);
    uint32_t *refs = room_for(s, KEPT_REFS, 2 * (room + KEPT_PADDING) * sizeof *refs); /* refs, then counts */
    c->values = room_for(s, KEPT, (room + KEPT_PADDING) * sizeof *c->values);
    c->places = room_for(s, STAMPS, capacity * sizeof *c->places);
    if (!refs || !c->values || !c->places) return -1;
    if (c->n) memmove(refs + room + KEPT_PADDING, refs + c->room + KEPT_PADDING, c->n * sizeof *refs);
    c->refs = refs;
    c->counts = (int32_t *)(refs + room + KEPT_PADDING);
    c->room = room;
    c->capacity = capacity;
    c->shift = shift;
    memset(c->places, 0, capacity * sizeof *c->places);
    for (size_t i = 0; i < c->n; i++) {
        size_t place = first_place(c->refs[i], shift);
        while (c->places[place]) place = (place + 1) & (capacity - 1);
        c->places[place] = (uint32_t)i + 1;
    }
    return 0;
}

/* Whether a feature is new is hard to predict, so the usual case (its own place, free or held by it) has no branch. */
static inline void collect(collector *c, uint32_t ref, uint64_t value, int32_t count) {
    size_t place = first_place(ref, c->shift);
    uint32_t held = c->places[place];
    while (UNLIKELY(held && c->refs[held - 1] != ref)) {
        place = (place + 1) & (c->capacity - 1);
        held = c->places[place];
    }
    const size_t at = held ? held - 1 : c->n;
    c->places[place] = (uint32_t)at + 1;
    c->refs[at] = ref;
    c->values[at] = value;
    c->counts[at] = (held ? c->counts[at] : 0) + count;
    c->n += !held;
}

static double tf64(const qc_text *text, int32_t count) {
    return text->sublinear ? 1.0 + qc_log((double)count) : (double)count;
}

static inline float frequency(const qc_text *text, int32_t count) {
    if (!text->sublinear) return (float)count;
    return count < QC_LOG_TABLE ? text->log_table[count] : (float)tf64(text, count);
}

static features collected(const qc_text *text, collector *c) {
    features f = {c->values, c->counts, NULL, c->n};
    for (size_t i = c->n; i < c->n + KEPT_PADDING; i++) c->values[i] = 0, c->counts[i] = 0;
    if (text->binary) f.counts = NULL;
    return f;
}

/* n-grams of the references [a, b) from the one ending at position `fresh` on, level by level. */
static int collect_words(const qc_text *text, qc_scratch *s, collector *c, size_t a, size_t b, size_t fresh) {
    const uint32_t *refs = s->memory[REFS];
    const uint64_t *values = s->memory[VALUES];
    if (b <= a) return 0;
    const size_t levels = (size_t)text->max_n;
    if (collector_room(s, c, (b - a) * (levels > 1 ? levels : 1))) return -1;
    collector local = *c; /* a copy that the compiler can keep in registers */
    if (text->min_n == 1)
        for (size_t i = fresh; i < b; i++)
            if (values[i] > QC_VALUE_STOP) collect(&local, refs[i], values[i], 1);
    if (text->max_n < 2 || !text->n_pairs) {
        *c = local;
        return 0;
    }
    uint32_t *longer = s->memory[PAIR_REFS];
    const uint64_t *pair_values = s->memory[PAIR_VALUES];
    if (text->min_n <= 2)
        for (size_t i = a; i + 1 < b; i++)
            if (i + 1 >= fresh && pair_values[i] > QC_VALUE_STOP) collect(&local, longer[i], pair_values[i], 1);
    for (size_t n = 3; n <= levels && a + n <= b; n++)
        for (size_t i = a; i + n <= b; i++) {
            uint64_t value = QC_VALUE_NONE;
            const uint32_t last = refs[i + n - 1];
            if (longer[i] != QC_NONE && last != QC_NONE) {
                const uint64_t key = qc_pair_key(longer[i], last);
                longer[i] = find_pair(text, key, qc_hash_pair(key, text->pair_index.seed), &value);
            } else {
                longer[i] = QC_NONE;
            }
            if (i + n - 1 >= fresh && (int)n >= text->min_n && value > QC_VALUE_STOP) collect(&local, longer[i], value, 1);
        }
    *c = local;
    return 0;
}

/* Up to MOST_REPEATS tokens and 2-grams: compare them with each other. A 2-gram can only stand twice where
 * both its tokens do, so that usually one comparison of the tokens tells that all counts are 1. */
static features collect_few(const qc_text *text, qc_scratch *s, size_t a, size_t b) {
    const uint32_t *refs = (uint32_t *)s->memory[REFS] + a, *pair_refs = (uint32_t *)s->memory[PAIR_REFS] + a;
    uint64_t *values = (uint64_t *)s->memory[VALUES] + a, *pair_values = (uint64_t *)s->memory[PAIR_VALUES] + a;
    uint64_t *kept = s->memory[KEPT];
    const size_t n_tokens = b - a, n_pairs = text->max_n > 1 && text->n_pairs && n_tokens > 1 ? n_tokens - 1 : 0;
    const uint32_t again = repeats(refs, n_tokens);
    uint32_t pairs_again = 0;
    if (again & again >> 1 && n_pairs)
        for (uint32_t mask = again & again >> 1; mask; mask &= mask - 1) {
            const uint32_t i = FIRST_BIT(mask);
            if (pair_refs[i] != QC_NONE && FIRST_BIT(equal_refs(pair_refs, n_pairs, pair_refs[i])) < i) pairs_again |= 1u << i;
        }
    for (uint32_t mask = again; mask; mask &= mask - 1) values[FIRST_BIT(mask)] = QC_VALUE_NONE;
    for (uint32_t mask = pairs_again; mask; mask &= mask - 1) pair_values[FIRST_BIT(mask)] = QC_VALUE_NONE;
    const uint32_t terms = text->min_n == 1 ? keep_terms(values, n_tokens, kept) : 0;
    const size_t n_terms = COUNT_BITS(terms);
    const uint32_t pair_terms = n_pairs ? keep_terms(pair_values, n_pairs, kept + n_terms) : 0;
    const size_t n = n_terms + COUNT_BITS(pair_terms);
    for (size_t i = n; i < n + KEPT_PADDING; i++) kept[i] = 0;
    if (!again || text->binary) return (features){kept, NULL, NULL, n};
    int32_t *counts = s->memory[KEPT_REFS];
    float *tf = s->memory[STEPS];
    for (size_t i = 0; i < n; i++) counts[i] = 1, tf[i] = 1.0f; /* 1 + ln(1) is 1, too */
    for (size_t i = n; i < n + KEPT_PADDING; i++) counts[i] = 0, tf[i] = 0.0f;
    for (uint32_t mask = again; mask; mask &= mask - 1) {
        const uint32_t i = FIRST_BIT(mask), first = FIRST_BIT(equal_refs(refs, n_tokens, refs[i]));
        const uint32_t at = COUNT_BITS(terms & ((1u << first) - 1));
        if (terms >> first & 1) tf[at] = frequency(text, ++counts[at]);
    }
    for (uint32_t mask = pairs_again; mask; mask &= mask - 1) {
        const uint32_t i = FIRST_BIT(mask), first = FIRST_BIT(equal_refs(pair_refs, n_pairs, pair_refs[i]));
        const size_t at = n_terms + COUNT_BITS(pair_terms & ((1u << first) - 1));
        if (pair_terms >> first & 1) tf[at] = frequency(text, ++counts[at]);
    }
    return (features){kept, counts, tf, n};
}

#include "kernels/text/hashing.h"
#include "kernels/text/characters.h"
#include "kernels/text/score.h"

/* ----------------------------------------------------------- documents */

static uint32_t code_at(const qc_document *d, int64_t i) {
    return d->kind == 1 ? ((const uint8_t *)d->data)[i] : d->kind == 2 ? ((const uint16_t *)d->data)[i] : ((const uint32_t *)d->data)[i];
}

static uint32_t flags_at(const qc_chars *chars, const qc_document *d, int64_t i) {
    const uint32_t c = code_at(d, i);
    if (c < 0x10000) return QC_LOAD_LATER(chars->bmp + c);
    const uint32_t *page = QC_LOAD_PAGE(chars->wide + ((c - 0x10000) >> 8));
    return page ? page[c & 255] : 0;
}

/* May the text be cut in front of code point i? Tokens, and runs of spaces that shrink to one, stay whole. A character without
 * a page says yes; end_of_slice then asks for the page, since what it belongs to is not known. */
static int may_cut(const qc_text *text, const qc_chars *chars, const qc_document *d, int64_t i, uint32_t *flags) {
    *flags = flags_at(chars, d, text->analyzer == QC_CHAR ? i - 1 : i);
    if (!(*flags & QC_CHAR_MADE)) return 1;
    if (text->analyzer == QC_WORD) return !(*flags & QC_CHAR_WORD);
    return !(*flags & QC_CHAR_SPACE) == (text->analyzer == QC_CHAR);
}

/* Where the slice that starts at `from` ends; -1: a character's page has to be made first (`code`). */
static int64_t end_of_slice(const qc_text *text, const qc_chars *chars, const qc_document *d, int64_t from, qc_scratch *s) {
    uint32_t flags = QC_CHAR_MADE;
    int64_t i = from + SLICE;
    if (d->length - from <= SLICE) return d->length;
    while (i > from + SLICE / 2 && !may_cut(text, chars, d, i, &flags)) i--;
    if (i == from + SLICE / 2) {
        i = from + SLICE + 1;
        while (i < d->length && !may_cut(text, chars, d, i, &flags)) i++;
    }
    if (flags & QC_CHAR_MADE) return i;
    s->code = code_at(d, text->analyzer == QC_CHAR ? i - 1 : i) & ~255u;
    return -1;
}

/* A document of any length, slice by slice; the last references (hashing: tokens) of a slice are carried into the next. */
static qc_status run_long(const qc_text *text, qc_scratch *s, const qc_document *d, qc_result *r, size_t at) {
    const qc_chars *chars = d->as_is ? text->chars_as_is : text->chars;
    const qc_left left = s->left;
    collector c = {0};
    tally seen = {left.symbols, left.unknown};
    size_t carried = left.carried, carried_bytes = left.carried_bytes;
    memset(&s->left, 0, sizeof s->left); /* whatever ends this but a pause, the document begins anew */
    if (left.from) {
        c = (collector){s->memory[STAMPS], left.capacity, left.shift, s->memory[KEPT_REFS], s->memory[KEPT], NULL, left.n, left.room};
        c.counts = (int32_t *)(c.refs + left.room + KEPT_PADDING);
    } else if (collector_room(s, &c, 64)) {
        return QC_NO_MEMORY;
    }
    for (int64_t from = left.from, to; from < d->length; from = to) {
        qc_status status;
        if (from - left.from >= PAUSE) {
            s->left = (qc_left){from, carried, carried_bytes, c.n, c.room, c.capacity, c.shift, seen.symbols, seen.unknown};
            return QC_PAUSED;
        }
        to = end_of_slice(text, chars, d, from, s);
        if (to < 0) return QC_NEEDS_CHARS;
        if (text->analyzer != QC_WORD) {
            status = collect_characters(text, s, &c, d, from, to, &carried, &seen);
            if (status) return status;
            continue;
        }
        size_t n = text->hashing ? carried : 0, n_bytes = carried_bytes;
        status = tokenize(text, s, d, from, to, &n, &n_bytes);
        if (status) return status;
        if (text->hashing) {
            seen.symbols += n - carried;
            status = collect_hashed(text, s, &c, n, &carried, &carried_bytes);
            if (status) return status;
            continue;
        }
        status = look_up_tokens(text, s, n, carried);
        if (status) return status;
        uint32_t *refs = s->memory[REFS];
        uint64_t *values = s->memory[VALUES];
        seen.symbols += n;
        for (size_t i = 0; i < n; i++) seen.unknown += refs[carried + i] == QC_NONE;
        size_t end = carried + n;
        if (text->has_stop_words) end = drop_stop_words(refs, values, carried, end);
        if (text->max_n > 1 && text->n_pairs) {
            status = look_up_pairs(text, s, end);
            if (status) return status;
        }
        if (collect_words(text, s, &c, 0, end, carried)) return QC_NO_MEMORY;
        const size_t keep = end < (size_t)text->max_n - 1 ? end : (size_t)text->max_n - 1;
        memmove(refs, refs + end - keep, keep * sizeof *refs);
        memmove(values, values + end - keep, keep * sizeof *values);
        carried = keep;
    }
    r->tokens += seen.symbols;
    r->unknown += seen.unknown;
    return finish(text, s, collected(text, &c), c.refs, r, at);
}

/* Documents in groups: their tokens are looked up together, so that cache misses overlap. */
static qc_status run(const qc_text *text, qc_scratch *s, const qc_document *documents, size_t n, qc_result *r) {
    const int together = text->analyzer == QC_WORD && !text->hashing;
    if (!room_for(s, STEPS, (2 * MOST_REPEATS + KEPT_PADDING) * sizeof(float)) || !room_for(s, PAIR_REFS, 64 * sizeof(uint32_t)) || !room_for(s, PAIR_VALUES, 64 * sizeof(uint64_t)) ||
        !room_for(s, KEPT, (2 * MOST_REPEATS + KEPT_PADDING) * sizeof(uint64_t)) ||
        !room_for(s, KEPT_REFS, 2 * (2 * MOST_REPEATS + KEPT_PADDING) * sizeof(uint32_t)))
        return QC_NO_MEMORY;
    while (s->done < n) {
        size_t ends[GROUP_DOCUMENTS], n_group = 0, n_tokens = 0, n_bytes = 0;
        qc_status status = QC_DONE;
        while (together && n_group < GROUP_DOCUMENTS && s->done + n_group < n && n_tokens < GROUP_TOKENS) {
            const qc_document *d = documents + s->done + n_group;
            if (d->length > SLICE) break;
            status = tokenize(text, s, d, 0, d->length, &n_tokens, &n_bytes);
            if (status) break;
            ends[n_group++] = n_tokens;
        }
        if (!n_group) {
            if (status) return status;
            status = run_long(text, s, documents + s->done, r, s->done);
            if (status) return status;
            s->done++;
            continue;
        }
        status = look_up_tokens(text, s, n_tokens, 0);
        if (status) return status;
        r->tokens += n_tokens;
        uint32_t *refs = s->memory[REFS];
        for (size_t i = 0; i < n_tokens; i++) r->unknown += refs[i] == QC_NONE;
        if (text->has_stop_words) {
            size_t from = 0, kept = 0;
            for (size_t g = 0; g < n_group; g++) {
                const size_t end = drop_stop_words(refs, s->memory[VALUES], from, ends[g]);
                memmove(refs + kept, refs + from, (end - from) * sizeof *refs);
                memmove((uint64_t *)s->memory[VALUES] + kept, (uint64_t *)s->memory[VALUES] + from, (end - from) * sizeof(uint64_t));
                kept += end - from;
                from = ends[g];
                ends[g] = kept;
            }
            n_tokens = kept;
        }
        if (text->max_n > 1 && text->n_pairs) {
            status = look_up_pairs(text, s, n_tokens);
            if (status) return status;
        }
        for (size_t g = 0; g < n_group; g++) {
            const size_t a = g ? ends[g - 1] : 0, b = ends[g];
            if (b - a <= MOST_REPEATS && text->max_n <= 2 && r->job != QC_COUNTS) {
                status = finish(text, s, collect_few(text, s, a, b), NULL, r, s->done);
            } else {
                collector c = {0};
                if (collector_room(s, &c, 2 * MOST_REPEATS) || collect_words(text, s, &c, a, b, a)) return QC_NO_MEMORY;
                status = finish(text, s, collected(text, &c), c.refs, r, s->done);
            }
            if (status) return status;
            s->done++;
        }
    }
    return QC_DONE;
}

#endif
