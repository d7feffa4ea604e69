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

/* The case's bytes, one after another; behind the last there are zeros, or, with a `more` that is not 0, random ones: a few bytes
 * then shape a problem, and many fill it. */
typedef struct {
    const uint8_t *at, *end;
    uint64_t more;
} input;

static inline uint64_t take(input *in, size_t bytes) {
    uint64_t value = 0;
    const size_t left = (size_t)(in->end - in->at), n = bytes < left ? bytes : left;
    if (n) memcpy(&value, in->at, n);
    in->at += n;
    if (n < bytes && in->more) {
        in->more ^= in->more << 13, in->more ^= in->more >> 7, in->more ^= in->more << 17;
        value |= in->more >> 8 << 8 * n;
        if (bytes < 8) value &= ((uint64_t)1 << 8 * bytes) - 1;
    }
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

/* Buffers that go when the case ends. `before`: bytes in front, so that an array begins where no allocator would let it begin. */
static struct {
    void *at[512];
    int n;
} kept;

static inline void *keep(size_t before, size_t bytes) {
    char *to = malloc(before + bytes ? before + bytes : 1);
    CHECK(to && kept.n < 512, "no memory");
    kept.at[kept.n++] = to;
    memset(to, 0x5A, before + bytes);
    return to + before;
}

/* At a cache line, exactly so many bytes. */
static inline void *keep_aligned(size_t bytes) {
    void *to = NULL;
    CHECK(!posix_memalign(&to, 64, bytes ? bytes : 1) && kept.n < 512, "no memory");
    kept.at[kept.n++] = to;
    memset(to, 0x5A, bytes);
    return to;
}

static inline void release(void) {
    while (kept.n) free(kept.at[--kept.n]);
}

/* An array of n values as NumPy may hold it: aligned to a value, and to nothing else. */
static inline void *array(input *in, size_t n, size_t size) { return keep(below(in, 16) * size, n * size); }

/* Floats are the same if their bits are; every NaN is the same as any other. */
static inline int same_floats(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; ++i)
        if (memcmp(a + i, b + i, sizeof *a) && (a[i] == a[i] || b[i] == b[i])) return 0;
    return 1;
}

static inline int same_doubles(const double *a, const double *b, size_t n) {
    for (size_t i = 0; i < n; ++i)
        if (memcmp(a + i, b + i, sizeof *a) && (a[i] == a[i] || b[i] == b[i])) return 0;
    return 1;
}

static inline float some_float(input *in) {
    const double value = some_double(in);
    uint32_t bits;
    float single = (float)value;
    if (value == value || !(take(in, 1) & 1)) return single;
    bits = (uint32_t)take(in, 4);
    memcpy(&single, &bits, 4);
    return single;
}

/* Values of one kind in a whole array: what sums well, what is hard, what is all the same, zeros among few. */
static inline double next_value(input *in, uint32_t mode) {
    switch (mode) {
    case 0:
        return some_double(in);
    case 1:
        return take(in, 1) % 8 ? 0.0 : some_double(in);
    case 2:
        return ldexp((double)(int32_t)take(in, 4), -20);
    case 3:
        return (double)(int8_t)take(in, 1);
    default:
        return ldexp((double)(int32_t)take(in, 4), (int)(take(in, 1) % 120) - 90);
    }
}
enum { MODES = 5 };

static inline double finite_value(input *in, uint32_t mode) {
    const double value = next_value(in, mode);
    return isfinite(value) ? value : 0.5;
}

static inline float finite_float(input *in, uint32_t mode) {
    const float value = (float)next_value(in, mode);
    return isfinite(value) ? value : 0.5f;
}

#endif
