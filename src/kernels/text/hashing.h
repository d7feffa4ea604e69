/* Hashed features: 32-bit MurmurHash3 (seed 0) of the UTF-8 bytes of each n-gram, as scikit-learn's FeatureHasher. */
#ifndef QC_TEXT_HASHING_H
#define QC_TEXT_HASHING_H

static inline uint32_t rotate(uint32_t x, int by) { return x << by | x >> (32 - by); }

static uint32_t murmur3(const uint8_t *p, size_t length) {
    uint32_t h = 0, k;
    size_t rest = length;
    for (; rest >= 4; rest -= 4, p += 4) {
        memcpy(&k, p, 4);
        h ^= rotate(k * 0xCC9E2D51u, 15) * 0x1B873593u;
        h = rotate(h, 13) * 5 + 0xE6546B64u;
    }
    if (rest) {
        k = 0;
        for (size_t i = rest; i--;) k = k << 8 | p[i];
        h ^= rotate(k * 0xCC9E2D51u, 15) * 0x1B873593u;
    }
    h ^= (uint32_t)length;
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    return h ^ h >> 16;
}

/* n-grams of tokens [0, n) of one document that end behind the first `carried`, which were here before; then the last tokens,
 * which n-grams to come begin with, are carried to the front. Token classes hold neither NUL nor surrogates. */
static qc_status collect_hashed(const qc_text *text, qc_scratch *s, collector *c, size_t n, size_t *carried, size_t *carried_bytes) {
    const size_t fresh = *carried;
    if (text->has_stop_words) {
        const qc_status status = look_up_tokens(text, s, n, 0);
        if (status) return status;
        uint32_t *starts = s->memory[STARTS], *lengths = s->memory[LENGTHS];
        const uint64_t *values = s->memory[VALUES];
        size_t kept = 0;
        for (size_t i = 0; i < n; i++) {
            starts[kept] = starts[i];
            lengths[kept] = lengths[i];
            kept += values[i] != QC_VALUE_STOP;
        }
        n = kept;
    }
    uint32_t *starts = s->memory[STARTS], *lengths = s->memory[LENGTHS];
    size_t total = 0;
    for (size_t i = 0; i < n; i++) total += lengths[i] + 1;
    uint8_t *joined = room_for(s, BOUNDS, total + 16); /* the bounds have served */
    uint32_t *at = room_for(s, REFS, (n + 1) * sizeof *at);
    if (!joined || !at || collector_room(s, c, n * (size_t)(text->max_n - text->min_n + 1))) return QC_NO_MEMORY;
    uint8_t *bytes = s->memory[BYTES];
    uint32_t end = 0;
    for (size_t i = 0; i < n; i++) {
        at[i] = end;
        memcpy(joined + end, bytes + starts[i], lengths[i]);
        end += lengths[i];
        joined[end++] = ' ';
    }
    at[n] = end;
    for (size_t gram = (size_t)text->min_n; gram <= (size_t)text->max_n && gram <= n; gram++)
        for (size_t i = gram > fresh ? 0 : fresh + 1 - gram; i + gram <= n; i++) {
            const int32_t h = (int32_t)murmur3(joined + at[i], at[i + gram] - 1 - at[i]);
            const uint64_t magnitude = h < 0 ? (uint64_t)(-(int64_t)h) : (uint64_t)h;
            const uint32_t feature = (uint32_t)(magnitude % text->n_features);
            const uint64_t value = text->hash_values ? text->hash_values[feature] : 2;
            collect(c, feature, value, text->alternate_sign && h < 0 ? -1 : 1);
        }
    const size_t keep = n < (size_t)text->max_n - 1 ? n : (size_t)text->max_n - 1;
    end = 0;
    for (size_t i = 0; i < keep; i++) { /* downwards, so that none is overwritten before it is moved */
        memmove(bytes + end, bytes + starts[n - keep + i], lengths[n - keep + i]);
        starts[i] = end;
        lengths[i] = lengths[n - keep + i];
        end += lengths[i];
    }
    *carried = keep;
    *carried_bytes = end + 16;
    return QC_DONE;
}

#endif
