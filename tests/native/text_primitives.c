/* The text kernel's primitives: an instruction set's against plain C's, bit for bit, on generated input. Doors show labels and
 * planes, where a last bit of a sum seldom tells; here it does. tools/text_primitives compiles this file three times: for the
 * two sets of primitives (PRIMITIVES=scalar and another, HEADER=the file that has them), and for the comparison. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/text/sums.h"
#include "kernels/text/text.h"

typedef struct {
    size_t (*words)(const qc_chars *, const uint8_t *, size_t, uint8_t *, uint32_t *);
    void (*key)(const uint8_t *, uint32_t, uint64_t *);
    uint32_t (*tags)(const uint16_t *, uint16_t);
    uint32_t (*repeats)(const uint32_t *, size_t);
    uint32_t (*equal)(const uint32_t *, size_t, uint32_t);
    uint32_t (*terms)(const uint64_t *, size_t, uint64_t *);
    void (*sums)(const uint64_t *, const float *, size_t, qc_norm, qc_sums *);
    void (*steps_many)(const qc_text *, const uint64_t *, const float *, size_t, float *, uint32_t *, float *, float *);
    int64_t (*to_steps)(const float *, size_t, float, int16_t *);
    void (*dot)(const qc_text *, const uint32_t *, const int16_t *, size_t, float, float *);
    void (*best)(const float *, int, int *, float *, float *);
} primitives;

#ifdef PRIMITIVES
#include HEADER
#define NAME_(isa) primitives_##isa
#define NAME(isa) NAME_(isa)
extern const primitives NAME(PRIMITIVES);
const primitives NAME(PRIMITIVES) = {words_ascii, load_key,   match_tags, repeats,  equal_refs, keep_terms,
                                     sums_one,    steps_many, to_steps,   dot_many, best_two};
#else

extern const primitives primitives_scalar, OTHER;

enum { MOST = 1024, WIDEST = 256, ROWS = 64 };

static uint64_t state = 88172645463325252u;

static uint32_t below(uint32_t n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % n;
}

static float some_float(void) { return ldexpf((float)(below(1u << 24)) - (float)(1 << 23), (int)below(40) - 40); }

static int wrong;

static void check(int same, const char *what, size_t n) {
    if (same) return;
    printf("%s: other bits for n = %zu\n", what, n);
    if (++wrong == 20) exit(1);
}

static qc_chars *some_chars(int lower) {
    uint32_t lowered[256];
    uint8_t flags[256];
    qc_chars *chars = qc_chars_new(lower);
    if (!chars) exit(2);
    for (uint32_t c = 0; c < 256; c++) {
        lowered[c] = lower && c >= 'A' && c <= 'Z' ? c + 32 : c;
        flags[c] = c && below(3) ? 1 : 0; /* bit 0: belongs to a token; NUL is left to the other way */
    }
    for (uint32_t c = 'A'; c <= 'Z'; c++) flags[c + 32] = flags[c];
    if (qc_chars_set_page(chars, 0, lowered, flags)) exit(2);
    return chars;
}

static void check_words(const primitives *a, const primitives *b, size_t n) {
    static uint8_t data[MOST], out[2][2 * MOST];
    static uint32_t bounds[2][MOST + 160];
    qc_chars *chars = some_chars((int)below(2));
    for (size_t i = 0; i < n; i++) data[i] = (uint8_t)below(128);
    const size_t found = a->words(chars, data, n, out[0], bounds[0]), other = b->words(chars, data, n, out[1], bounds[1]);
    check(found == other && !memcmp(out[0], out[1], n) && !memcmp(bounds[0], bounds[1], 2 * found * sizeof **bounds), "words", n);
    qc_chars_free(chars);
}

static void check_look_ups(const primitives *a, const primitives *b) {
    _Alignas(64) uint16_t tags[QC_TAGS];
    uint32_t refs[64];
    uint64_t values[64], kept[2][64], key[2][2];
    uint8_t bytes[16];
    const uint32_t n = below(33), kinds = 1 + below(40);
    for (int i = 0; i < QC_TAGS; i++) tags[i] = (uint16_t)(257 * below(4));
    check(a->tags(tags, 514) == b->tags(tags, 514), "match_tags", QC_TAGS);
    for (int i = 0; i < 64; i++) refs[i] = below(5) ? below(kinds) : QC_NONE, values[i] = below(3) ? below(3) : state;
    check(a->repeats(refs, n) == b->repeats(refs, n), "repeats", n);
    check(a->equal(refs, n, 0) == b->equal(refs, n, 0), "equal_refs", n);
    memset(kept, 0, sizeof kept);
    const uint32_t terms = a->terms(values, n, kept[0]);
    check(terms == b->terms(values, n, kept[1]), "keep_terms", n);
    for (int i = 0, bits = (int)terms; bits; bits &= bits - 1, i++) check(kept[0][i] == kept[1][i], "keep_terms' values", n);
    for (int i = 0; i < 16; i++) bytes[i] = (uint8_t)below(256);
    for (uint32_t length = 0; length <= 16; length++) {
        a->key(bytes, length, key[0]);
        b->key(bytes, length, key[1]);
        check(!memcmp(key[0], key[1], sizeof *key), "load_key", length);
    }
}

static void check_scores(const primitives *a, const primitives *b, size_t n) {
    static uint64_t values[MOST];
    static float tf[MOST], q[2][MOST], out[2][WIDEST], bias[WIDEST];
    static uint32_t rows[2][MOST];
    static int16_t steps[2][MOST];
    static int8_t hot[ROWS * WIDEST];
    static const int widths[] = {16, 32, 48, 64, 80, 112, 128, 240};
    qc_text text = {.norm = (qc_norm)below(4), .scale_base = (90 + below(20)) << 23, .padded = widths[below(8)], .hot = hot, .bias32 = bias};
    const float *counts = below(2) ? tf : NULL;
    const float count = below(2) ? 1.0f : 1.37f;
    memset(values, 0, sizeof values);
    memset(tf, 0, sizeof tf);
    for (size_t i = 0; i < n; i++) {
        const float idf = some_float(), weight = some_float();
        memcpy(values + i, &idf, 4);
        memcpy((char *)(values + i) + 4, &weight, 4);
        tf[i] = (float)(1 + below(7)) * count;
    }
    qc_sums sums[2];
    a->sums(values, counts, n, text.norm, sums);
    b->sums(values, counts, n, text.norm, sums + 1);
    check(!memcmp(sums, sums + 1, sizeof *sums), "sums_one", n);

    for (size_t i = 0; i < n; i++) values[i] = (uint32_t)values[i] | (uint64_t)(below(32) << QC_ROW_BITS | below(ROWS)) << 32;
    memset(q, 0xAB, sizeof q);
    memset(rows, 0xAB, sizeof rows);
    float norm[2], largest[2];
    a->steps_many(&text, values, counts, n, q[0], rows[0], norm, largest);
    b->steps_many(&text, values, counts, n, q[1], rows[1], norm + 1, largest + 1);
    check(!memcmp(norm, norm + 1, 4) && !memcmp(largest, largest + 1, 4) && !memcmp(q[0], q[1], sizeof *q) &&
              !memcmp(rows[0], rows[1], sizeof *rows), "steps_many", n);

    const float grid = (n > 512 ? 16000.0f : 32000.0f) / (largest[0] > 0.0f ? largest[0] : 1.0f);
    const int64_t total = a->to_steps(q[0], n, grid, steps[0]);
    check(total == b->to_steps(q[0], n, grid, steps[1]) && !memcmp(steps[0], steps[1], sizeof *steps), "to_steps", n);

    for (size_t i = 0; i < sizeof hot; i++) hot[i] = (int8_t)((int)below(255) - 127);
    for (int k = 0; k < WIDEST; k++) bias[k] = some_float();
    memset(out, 0, sizeof out);
    a->dot(&text, rows[0], steps[0], n, 0.37e-3f, out[0]);
    b->dot(&text, rows[0], steps[0], n, 0.37e-3f, out[1]);
    check(!memcmp(out[0], out[1], sizeof *out), "dot_many", n);

    const int n_outputs = 1 + (int)below((uint32_t)text.padded);
    int best[2];
    float first[2], second[2];
    for (int k = 0; k < text.padded; k++) out[0][k] = k >= n_outputs ? -INFINITY : below(2) ? (float)below(5) : out[0][k];
    a->best(out[0], text.padded, best, first, second);
    b->best(out[0], text.padded, best + 1, first + 1, second + 1);
    check(best[0] == best[1] && first[0] == first[1] && second[0] == second[1], "best_two", (size_t)text.padded);
}

int main(void) {
    const int rounds = 10000;
    for (int round = 0; round < rounds && !wrong; round++) {
        const size_t n = below(round % 10 ? 70 : 900);
        check_words(&primitives_scalar, &OTHER, n);
        check_look_ups(&primitives_scalar, &OTHER);
        check_scores(&primitives_scalar, &OTHER, n);
    }
    return wrong != 0;
}
#endif
