/* Matrices: four stretches are decoded side by side, so that the look-ups of one hide behind those of the others. */
#include <string.h>

#include "kernels/codec/codec.h"
#include "kernels/common.h"

#define LONGEST 12 /* bits of a code */
#define SLOTS (1 << LONGEST)
#define STRETCH 4096
#define DIRECT 32 /* symbols below stand for themselves */
#define SYMBOLS 256
#define MAX_LOW 24
#define LANES 4
/* Bits that an entry takes at most; positions are checked after so many entries, which end within SLACK bytes. */
#define MAX_BITS (LONGEST + MAX_LOW + 14)
#define CHECK 16
#define SLACK (CHECK * MAX_BITS / 8 + 8)
#define LARGEST (STRETCH * MAX_BITS / 8) /* bytes of a stretch */

/* What the bits behind an entry's low ones begin with: a symbol without raw bits and its number, or one with and its base. */
typedef struct {
    int8_t high;
    uint8_t code, bits, extra; /* bits: code and low bits */
} slot;

typedef struct {
    const uint8_t *data;
    const slot *slots;
    uint64_t mask;
    int64_t scale, half;
    int low;
} group;

/* A stretch of a group. */
typedef struct {
    uint64_t bit, end; /* in `data` of the group */
    const uint32_t *place;
} lane;

/* 0, or -1 where the lengths are no complete prefix code. */
static int make_slots(const uint8_t *codes, size_t n_symbols, int low, slot *slots) {
    uint32_t next[LONGEST + 2] = {0}, filled = 0;
    for (size_t s = 0; s < n_symbols; s++) {
        if (codes[s] > LONGEST) return -1;
        if (codes[s]) next[codes[s] + 1] += (uint32_t)SLOTS >> codes[s];
    }
    for (int length = 1; length <= LONGEST; length++) next[length + 1] += next[length];
    if (next[LONGEST + 1] != SLOTS) return -1;
    for (size_t s = 0; s < n_symbols; s++) {
        if (!codes[s]) continue;
        const int extra = s < DIRECT ? 0 : ((int)s - 16) / 16;
        const int high = extra ? 16 + (int)(s & 15) : (int)(s >> 1) ^ -(int)(s & 1);
        const slot made = {(int8_t)high, codes[s], (uint8_t)(codes[s] + low), (uint8_t)extra};
        /* `first` is the code from its highest bit on; a stream has that bit first, so lowest */
        const uint32_t first = next[codes[s]];
        next[codes[s]] += (uint32_t)SLOTS >> codes[s];
        uint32_t reversed = 0;
        for (int b = 0; b < LONGEST; b++) reversed |= (first >> b & 1) << (LONGEST - 1 - b);
        for (uint32_t i = reversed; i < SLOTS; i += 1u << codes[s]) slots[i] = made;
        filled += (uint32_t)SLOTS >> codes[s];
    }
    return filled == SLOTS ? 0 : -1;
}

QC_INLINE int64_t next_entry(const group *g, uint64_t *bit) {
    uint64_t window;
    memcpy(&window, g->data + (*bit >> 3), 8);
    window >>= *bit & 7;
    const int64_t low = (int64_t)(window & g->mask) - g->half;
    window >>= g->low;
    const slot s = g->slots[window & (SLOTS - 1)];
    *bit += s.bits;
    if (!s.extra) return s.high * g->scale + low;
    *bit += s.extra;
    const uint64_t zigzag = ((uint64_t)s.high << s.extra) + (window >> s.code & (((uint64_t)1 << s.extra) - 1));
    const int64_t high = (int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1);
    return high * g->scale + low;
}

/* Returns a number whose bits above the item's own are zero if the value fits. */
QC_INLINE uint64_t store(int64_t value, int itemsize, void *out, size_t at) {
    if (itemsize == 2) ((int16_t *)out)[at] = (int16_t)value;
    else ((int32_t *)out)[at] = (int32_t)value;
    return (uint64_t)value + ((uint64_t)1 << (8 * itemsize - 1));
}

/* Whether a stretch that was read up to `bit` ends there, but for zeros up to a byte. */
static int ends_well(const uint8_t *data, uint64_t bit, uint64_t end) {
    return bit <= end && end - bit <= 7 && !(bit % 8 && data[bit >> 3] >> bit % 8);
}

#define EACH(DO)   \
    DO(0)          \
    if (n > 1) {   \
        DO(1)      \
        DO(2)      \
        DO(3)      \
    }
#define ENTRY(i) outside |= store(next_entry(&g, &bit##i), itemsize, out, target##i + k);
#define BOUND(i) beyond |= bit##i > lanes[i].end;
#define END(i) beyond |= !ends_well(g.data, bit##i, lanes[i].end);

/* `n` lanes, a constant (1 or 4) where this is inlined, of so many rows each; SLACK bytes behind their ends can be read.
 * Positions are variables of their own, for the compiler to keep in registers. */
QC_INLINE int decode(const group g, const lane *lanes, int n, size_t n_rows, size_t width, int itemsize, void *out) {
    const int b = n > 1, c = 2 * b, d = 3 * b;
    uint64_t bit0 = lanes[0].bit, bit1 = lanes[b].bit, bit2 = lanes[c].bit, bit3 = lanes[d].bit;
    uint64_t outside = 0;
    int beyond = 0;
    for (size_t row = 0; row < n_rows; row++) {
        const size_t target0 = lanes[0].place[row] * width, target1 = lanes[b].place[row] * width;
        const size_t target2 = lanes[c].place[row] * width, target3 = lanes[d].place[row] * width;
        for (size_t k = 0; k < width;) {
            const size_t until = width - k < CHECK ? width : k + CHECK;
            for (; k < until; k++) {
                EACH(ENTRY)
            }
            EACH(BOUND)
            if (beyond) return -1;
        }
    }
    EACH(END)
    return outside >> 8 * itemsize || beyond ? -1 : 0;
}

static int decode_lanes(const group g, const lane *lanes, size_t n, size_t n_rows, size_t width, int itemsize, void *out) {
    if (n == LANES && itemsize == 2) return decode(g, lanes, LANES, n_rows, width, 2, out);
    if (n == LANES) return decode(g, lanes, LANES, n_rows, width, 4, out);
    for (size_t i = 0; i < n; i++)
        if (itemsize == 2 ? decode(g, lanes + i, 1, n_rows, width, 2, out) : decode(g, lanes + i, 1, n_rows, width, 4, out)) return -1;
    return 0;
}

int qc_codec_rows(const uint8_t *low, const uint8_t *codes, size_t n_groups, size_t n_symbols, const uint64_t *group_rows,
                  const uint32_t *place, size_t width, const uint32_t *sizes, size_t n_sizes, const uint8_t *packed,
                  size_t n_packed, void *scratch, int itemsize, void *out) {
    slot *slots = scratch;
    uint8_t *tail = (uint8_t *)(slots + SLOTS);
    if (!width || width > STRETCH || n_symbols > SYMBOLS) return -1;
    const size_t most = STRETCH / width;
    uint64_t taken = 0;
    for (size_t i = 0; i < n_groups; i++) {
        if (low[i] > MAX_LOW || make_slots(codes + i * n_symbols, n_symbols, low[i], slots)) return -1;
        const group g = {packed, slots, ((uint64_t)1 << low[i]) - 1, (int64_t)1 << low[i], (int64_t)1 << low[i] >> 1, low[i]};
        lane lanes[LANES];
        size_t waiting = 0;
        for (uint64_t left = group_rows[i]; left;) {
            const size_t n_rows = left < most ? (size_t)left : most;
            if (!n_sizes || *sizes > n_packed - taken || *sizes > LARGEST) return -1;
            const lane l = {8 * taken, 8 * (taken + *sizes), place};
            if (n_packed - taken - *sizes < SLACK) { /* too near the end to be read with the others */
                memcpy(tail, packed + taken, *sizes);
                memset(tail + *sizes, 0, SLACK);
                group copied = g;
                copied.data = tail;
                const lane alone = {0, 8 * (uint64_t)*sizes, place};
                if (decode_lanes(copied, &alone, 1, n_rows, width, itemsize, out)) return -1;
            } else if (n_rows < most) { /* the last stretch of a group */
                if (decode_lanes(g, &l, 1, n_rows, width, itemsize, out)) return -1;
            } else {
                lanes[waiting++] = l;
            }
            if (waiting == LANES) {
                if (decode_lanes(g, lanes, LANES, most, width, itemsize, out)) return -1;
                waiting = 0;
            }
            taken += *sizes++;
            n_sizes--;
            place += n_rows;
            left -= n_rows;
        }
        if (decode_lanes(g, lanes, waiting, most, width, itemsize, out)) return -1;
    }
    return n_sizes || taken != n_packed ? -1 : 0;
}
