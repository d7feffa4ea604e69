/* Character n-grams: "char" slides over the whole text, "char_wb" over each word between two spaces. */
#ifndef QC_TEXT_CHARACTERS_H
#define QC_TEXT_CHARACTERS_H

/* Lowered code points of [from, to), runs of two and more spaces as one; flags as in words_any. */
#define CODES_IN(TYPE)                                                            \
    for (int64_t i = from; i < to; i++) {                                         \
        uint32_t c = ((const TYPE *)d->data)[i], v;                               \
        if (sizeof(TYPE) < 4 || c < 0x10000) {                                    \
            v = QC_LOAD_FIRST(chars->bmp + c);                                    \
            c = QC_LOAD_LATER(chars->lowered + c);                                \
        } else {                                                                  \
            const uint32_t *page = QC_LOAD_PAGE(chars->wide + ((c - 0x10000) >> 8)); \
            v = page ? page[c & 255] : 0;                                         \
            c = v & QC_WIDE_CODE;                                                 \
        }                                                                         \
        any |= v;                                                                 \
        every &= v;                                                               \
        const uint32_t space = v >> 27 & 1;                                       \
        if (space & was_space) codes[--n] = ' ';                                  \
        else codes[n] = c;                                                        \
        spaces[n++] = (uint8_t)space;                                             \
        was_space = space;                                                        \
    }

/* The same for ASCII, which asks for nothing. */
static size_t ascii_codes(const qc_chars *chars, const uint8_t *data, size_t length, uint32_t *codes, uint8_t *spaces) {
    uint32_t was_space = 0;
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        const uint32_t c = data[i], space = chars->ascii_space[c], shrinks = space & was_space;
        n -= shrinks;
        codes[n] = shrinks ? ' ' : chars->ascii_lower[c] & 0x7F;
        spaces[n++] = (uint8_t)space;
        was_space = space;
    }
    return n;
}

static qc_status lowered_codes(const qc_text *text, qc_scratch *s, const qc_document *d, int64_t from, int64_t to, size_t *count) {
    const qc_chars *chars = d->as_is ? text->chars_as_is : text->chars;
    const size_t room = (size_t)(to - from);
    uint32_t *codes = room_for(s, STARTS, (room + 1) * sizeof *codes);
    uint8_t *spaces = room_for(s, BYTES, room + 2);
    if (!codes || !spaces) return QC_NO_MEMORY;
    if (d->ascii) {
        *count = ascii_codes(chars, (const uint8_t *)d->data + from, room, codes, spaces);
        return QC_DONE;
    }
    uint32_t any = 0, every = UINT32_MAX, was_space = 0;
    size_t n = 0;
    if (d->kind == 1) CODES_IN(uint8_t)
    else if (d->kind == 2) CODES_IN(uint16_t)
    else CODES_IN(uint32_t)
    if (!(every & QC_CHAR_MADE)) return missing_char(chars, d, from, to, s);
    if (chars->lower && any & QC_CHAR_SPECIAL) return QC_NEEDS_LOWER;
    *count = n;
    return QC_DONE;
}

static inline uint32_t symbol_of(const qc_text *text, uint32_t code) {
    const uint32_t *page = text->symbol_pages[code >> 8];
    return page ? page[code & 255] : QC_NONE;
}

/* Marks the start of a word that is shorter than the shortest n-gram and counts once, whole. */
#define WHOLE (1u << 31)

/* References of the characters behind `at` carried ones, and for each how many follow in its piece of text, itself included. */
static size_t lay_out(const qc_text *text, const uint32_t *codes, size_t n_codes, size_t at, uint32_t *refs, uint32_t *room) {
    for (size_t i = 0; i < n_codes; i++) refs[at + i] = symbol_of(text, codes[i]);
    for (size_t i = 0; i < at + n_codes; i++) room[i] = (uint32_t)(at + n_codes - i);
    return at + n_codes;
}

/* The same word by word, each between two spaces. Where words end is hard to predict: a space is written at each change from
 * space to word and back, and kept where there is one. */
static size_t lay_out_words(const qc_text *text, const uint32_t *codes, uint8_t *spaces, size_t n_codes, uint32_t *refs, uint32_t *room) {
    const uint32_t space = symbol_of(text, ' ');
    uint32_t was_space = 1;
    size_t n = 0;
    spaces[n_codes] = 1;
    for (size_t i = 0; i <= n_codes; i++) {
        const uint32_t is_space = spaces[i];
        refs[n] = space;
        room[n] = is_space; /* for now: whether the word ends here */
        n += is_space ^ was_space;
        refs[n] = i < n_codes ? symbol_of(text, codes[i]) : QC_NONE;
        room[n] = 0;
        n += !is_space;
        was_space = is_space;
    }
    uint32_t follow = 0;
    for (size_t i = n; i--;) {
        follow = (follow & (room[i] - 1)) + 1; /* all ones where the word goes on */
        room[i] = follow;
    }
    if (text->min_n > 3) /* no word with its spaces is shorter than 3 */
        for (size_t i = 0; i < n;) {
            const uint32_t length = room[i];
            if (length < (uint32_t)text->min_n) room[i] |= WHOLE;
            i += length;
        }
    return n;
}

/* The symbol that makes the n-gram at i one of `length`, QC_NONE where its piece of text ends before; without a branch. */
static inline uint32_t next_symbol(const uint32_t *refs, const uint32_t *room, uint32_t i, uint32_t length) {
    return refs[i + length - 1] | ((uint32_t)((room[i] & ~WHOLE) >= length) - 1);
}

/* One character more for the n-grams at positions alive[0, n): those that are in the vocabulary stay. Three passes, as for
 * tokens: what the text and the alphabet can continue; what the tags let pass; what is there. */
static size_t extend(const qc_text *text, const uint32_t *refs, const uint32_t *room, uint32_t *alive, uint32_t *grams, uint64_t *keys,
                     uint64_t *hashes, size_t n, uint32_t length) {
    const qc_index index = text->pair_index;
    const qc_pair *pairs = text->pairs;
    size_t kept = 0;
    for (size_t k = 0; k < n; k++) {
        const uint32_t i = alive[k], last = next_symbol(refs, room, i, length);
        const uint64_t key = qc_pair_key(grams[k], last);
        keys[kept] = key;
        hashes[kept] = qc_hash_pair(key, index.seed);
        alive[kept] = i;
        PREFETCH((const char *)index.tags + (hashes[kept] & index.mask));
        kept += last != QC_NONE;
    }
    n = kept;
    kept = 0;
    for (size_t k = 0; k < n; k++) {
        uint32_t go_on;
        const uint32_t slot = quick_slot(&index, hashes[k], &go_on);
        PREFETCH(pairs + slot);
        alive[kept] = alive[k];
        keys[kept] = keys[k];
        hashes[kept] = hashes[k];
        grams[kept] = slot;
        kept += go_on != 0;
    }
    n = kept;
    kept = 0;
    for (size_t k = 0; k < n; k++) {
        uint32_t ref = text->first_pair_ref + grams[k];
        if (UNLIKELY(pairs[grams[k]].key != keys[k])) {
            uint64_t value;
            ref = find_pair(text, keys[k], hashes[k], &value);
        }
        alive[kept] = alive[k];
        grams[kept] = ref;
        kept += ref != QC_NONE;
    }
    return kept;
}

/* The same from one character to two, for a small alphabet. */
static size_t extend_by_grid(const qc_text *text, const uint32_t *refs, const uint32_t *room, uint32_t *alive, uint32_t *grams, size_t n) {
    size_t kept = 0;
    for (size_t k = 0; k < n; k++) {
        const uint32_t i = alive[k], last = next_symbol(refs, room, i, 2);
        const uint64_t there = (uint64_t)(last == QC_NONE) - 1; /* all ones where there is one */
        const uint32_t ref = text->pair_grid[(grams[k] * text->n_symbols + last) & there] | ~(uint32_t)there;
        alive[kept] = i;
        grams[kept] = ref;
        kept += ref != QC_NONE;
    }
    return kept;
}

static qc_status collect_characters(const qc_text *text, qc_scratch *s, collector *c, const qc_document *d, int64_t from,
                                    int64_t to, size_t *carried, tally *seen) {
    size_t n_codes = 0;
    const qc_status status = lowered_codes(text, s, d, from, to, &n_codes);
    if (status) return status;
    /* char_wb: two spaces a word; and n-grams may look, in vain, behind the last character */
    const size_t at = *carried, most = at + 3 * n_codes + 4 + (size_t)text->max_n;
    uint32_t *refs = room_for(s, REFS, most * sizeof *refs);
    uint32_t *room = room_for(s, LENGTHS, most * sizeof *room);
    uint32_t *grams = room_for(s, PAIR_REFS, most * sizeof *grams);
    uint32_t *alive = room_for(s, BOUNDS, most * sizeof *alive);
    uint64_t *hashes = room_for(s, HASHES, most * sizeof *hashes), *keys = room_for(s, KEYS, most * sizeof *keys);
    if (!keys || !refs || !room || !grams || !alive || !hashes) return QC_NO_MEMORY;
    const uint32_t *codes = s->memory[STARTS];
    const size_t n = text->analyzer == QC_CHAR ? lay_out(text, codes, n_codes, at, refs, room)
                                               : lay_out_words(text, codes, s->memory[BYTES], n_codes, refs, room);
    size_t n_alive = 0;
    for (size_t i = 0; i < n; i++) {
        alive[n_alive] = (uint32_t)i;
        grams[n_alive] = refs[i];
        n_alive += refs[i] != QC_NONE;
        seen->unknown += i >= at && refs[i] == QC_NONE;
    }
    seen->symbols += n - at;
    if (collector_room(s, c, n_alive * (size_t)text->max_n)) return QC_NO_MEMORY;
    collector local = *c; /* a copy that the compiler can keep in registers */
    const uint32_t min_n = (uint32_t)text->min_n;
    if (min_n == 1)
        for (size_t k = 0; k < n_alive; k++) {
            const uint64_t value = text->tokens[grams[k]].value;
            if (alive[k] >= at && value > QC_VALUE_STOP) collect(&local, grams[k], value, 1);
        }
    for (uint32_t length = 2; length <= (uint32_t)text->max_n && n_alive; length++) {
        if (length == 2 && text->pair_grid) n_alive = extend_by_grid(text, refs, room, alive, grams, n_alive);
        else n_alive = extend(text, refs, room, alive, grams, keys, hashes, n_alive, length);
        for (size_t k = 0; k < n_alive; k++) {
            const uint32_t i = alive[k];
            const uint64_t value = text->pairs[grams[k] - text->first_pair_ref].value;
            const uint32_t wanted = length >= min_n || room[i] == (length | WHOLE);
            if (LIKELY((i + length > at) & (value > QC_VALUE_STOP) & wanted)) collect(&local, grams[k], value, 1);
        }
    }
    *c = local;
    if (text->analyzer == QC_CHAR) {
        const size_t keep = n < (size_t)text->max_n - 1 ? n : (size_t)text->max_n - 1;
        memmove(refs, refs + n - keep, keep * sizeof *refs);
        *carried = keep;
    }
    return QC_DONE;
}

#endif
