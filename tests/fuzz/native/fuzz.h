/* What the fuzz targets share: numbers out of a case's bytes, buffers of the exact size, a check that stops the run.
 *
 * A target is one function, LLVMFuzzerTestOneInput: clang's libFuzzer calls it with inputs that reach new code, driver.c (where
 * there is no clang) with random ones. Buffers come from malloc, so that AddressSanitizer sees a byte read behind their ends. */
#ifndef QC_FUZZ_H
#define QC_FUZZ_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(holds, ...)                                       \
    do {                                                        \
        if (!(holds)) {                                         \
            fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);     \
            fprintf(stderr, __VA_ARGS__);                       \
            fputc('\n', stderr);                                \
            abort();                                            \
        }                                                       \
    } while (0)

/* Cases by kind, which are written when the run ends. */
enum { KINDS = 16 };
static struct {
    const char *name;
    unsigned long n;
} counted[KINDS];

static void write_counted(void) {
    for (int i = 0; i < KINDS; ++i)
        if (counted[i].n) fprintf(stderr, "cases %s %lu\n", counted[i].name, counted[i].n);
}

static inline void count(int kind, const char *name) {
    static int first = 1;
    if (first) atexit(write_counted);
    first = 0;
    counted[kind].name = name;
    ++counted[kind].n;
}

/* The case's bytes, one after another; behind the last there are zeros. */
typedef struct {
    const uint8_t *at, *end;
} input;

static inline uint64_t take(input *in, size_t bytes) {
    uint64_t value = 0;
    const size_t left = (size_t)(in->end - in->at), n = bytes < left ? bytes : left;
    memcpy(&value, in->at, n);
    in->at += n;
    return value;
}

static inline uint32_t below(input *in, uint32_t n) { return (uint32_t)take(in, n > 256 ? 4 : 1) % n; }

/* A buffer of exactly so many bytes (malloc's own for none), filled with what comes next. */
static inline void *filled(input *in, size_t bytes) {
    void *to = malloc(bytes ? bytes : 1);
    const size_t left = (size_t)(in->end - in->at), n = bytes < left ? bytes : left;
    CHECK(to, "no memory");
    if (n) memcpy(to, in->at, n);
    memset((uint8_t *)to + n, 0, bytes - n);
    in->at += n;
    return to;
}

static inline void *room(size_t bytes) {
    void *to = malloc(bytes ? bytes : 1);
    CHECK(to, "no memory");
    return to;
}

/* The next multiple of 64 bytes, aligned to it, with nothing behind. */
static inline void *aligned(size_t bytes) {
    void *to = aligned_alloc(64, (bytes + 63) / 64 * 64 + (bytes ? 0 : 64));
    CHECK(to, "no memory");
    return to;
}

/* Numbers of 32 bits that are small, mostly: few cases get anywhere with others. */
static inline uint32_t *small_words(input *in, size_t n, uint32_t about) {
    uint32_t *to = room(n * 4);
    for (size_t i = 0; i < n; ++i) {
        const uint32_t byte = (uint32_t)take(in, 1);
        to[i] = byte == 255 ? (uint32_t)take(in, 4) : about ? byte % (about + 1) : byte;
    }
    return to;
}

/* Floats that are hard: limits, neighbours, and any bits. */
static inline double some_double(input *in) {
    static const double hard[] = {0.0, -0.0, 1.0, -1.0, 0.5, 1e-35, 1e-320, 1e-45, 3.4e38, 1e308, -1e308, 16777217.0, 0.1};
    const uint32_t kind = (uint32_t)take(in, 1);
    double value;
    uint64_t bits;
    if (kind < 100) return ((int)(kind % 21) - 10) * 0.25;
    if (kind < 180) return hard[kind % (sizeof hard / sizeof *hard)];
    if (kind < 200) return kind % 2 ? INFINITY : -INFINITY;
    if (kind < 215) return NAN;
    if (kind < 235) return (double)(int32_t)take(in, 4) * 1e-6;
    bits = take(in, 8);
    memcpy(&value, &bits, 8);
    return value;
}

#endif
