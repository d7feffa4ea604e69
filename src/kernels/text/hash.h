/* Hashing of table keys: shared by the builder and by every kernel. */
#ifndef QC_TEXT_HASH_H
#define QC_TEXT_HASH_H

#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER) && defined(_M_X64)
#include <intrin.h>
static inline uint64_t qc_mix(uint64_t a, uint64_t b) {
    uint64_t high, low = _umul128(a, b, &high);
    return low ^ high;
}
#else
static inline uint64_t qc_mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}
#endif

#define QC_MIX_A 0x9E3779B97F4A7C15ull
#define QC_MIX_B 0xD6E8FEB86659FD93ull

static inline uint64_t qc_hash_key(uint64_t k0, uint64_t k1, uint64_t seed) { return qc_mix(k0 ^ seed, k1 ^ QC_MIX_B); }

static inline uint64_t qc_hash_pair(uint64_t key, uint64_t seed) { return qc_mix(key ^ seed, QC_MIX_A); }

/* The tag is the hash's high end, odd so that it is never 0, which marks a free slot. The bucket comes from bits in the
 * middle: `mask` selects them so that they are the bucket's offset in bytes (64 tags' bytes each). */
static inline uint16_t qc_tag(uint64_t hash) { return (uint16_t)(hash >> 48 | 1); }

/* Key of a 2-gram: two adjacent references as they stand in memory; of a longer one its prefix and its last symbol. */
static inline uint64_t qc_pair_key(uint32_t prefix, uint32_t last) { return prefix | (uint64_t)last << 32; }

/* Key of a token above 16 bytes: the top byte of k1 is 0xFF, which no UTF-8 holds. */
static inline void qc_long_key(const uint8_t *bytes, uint32_t length, uint64_t seed, uint64_t key[2]) {
    uint64_t h = length * QC_MIX_A ^ seed, a, b;
    while (length > 16) {
        memcpy(&a, bytes, 8);
        memcpy(&b, bytes + 8, 8);
        h = qc_mix(a ^ QC_MIX_A ^ h, b ^ QC_MIX_B);
        bytes += 16;
        length -= 16;
    }
    uint8_t last[16] = {0};
    memcpy(last, bytes, length);
    memcpy(&a, last, 8);
    memcpy(&b, last + 8, 8);
    h = qc_mix(a ^ QC_MIX_A ^ h, b ^ QC_MIX_B);
    key[0] = h;
    key[1] = h * QC_MIX_B | 0xFFull << 56;
}

/* Whether the record of a token above 16 bytes (its length, its bytes) is this token. */
static inline int qc_same_long(const uint8_t *record, const uint8_t *bytes, uint32_t length) {
    uint32_t stored;
    memcpy(&stored, record, 4);
    return stored == length && !memcmp(record + 4, bytes, length);
}

#endif
