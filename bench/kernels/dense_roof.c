/* What the machine can do at most: reads of a buffer, products in registers. Compiled by bench_dense.py for the machine that it
 * runs on; no part of the library. */
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef int64_t vector __attribute__((vector_size(64), may_alias));

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds for a read of n bytes (a multiple of 512, 64-byte aligned): the mean of `repeats`, after one that warms the caches. */
double roof_read(const uint8_t *p, ptrdiff_t n, int repeats) {
    double start = 0;
    for (int i = -1; i < repeats; ++i) {
        if (i == 0) start = now();
        vector a = {0}, b = a, c = a, d = a, e = a, f = a, g = a, h = a;
        for (const vector *v = (const vector *)p, *end = (const vector *)(p + n); v < end; v += 8) {
            a |= v[0], b |= v[1], c |= v[2], d |= v[3], e |= v[4], f |= v[5], g |= v[6], h |= v[7];
        }
        a |= b | c | d | e | f | g | h;
        __asm__ volatile("" : : "m"(a), "r"(p) : "memory");
    }
    return (now() - start) / repeats;
}

#if defined(__AVX512VNNI__)
/* Sixteen independent sums, in registers by name, so that no compiler puts anything between them. */
#define SUMS(step)                                                                                                        \
    step("0") step("1") step("2") step("3") step("4") step("5") step("6") step("7") step("8") step("9") step("10") step("11") \
    step("12") step("13") step("14") step("15")
#define CLOBBERED                                                                                                         \
    "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11", "zmm12", "zmm13",  \
    "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "cc"
#define ZERO(i) "vpxord %%zmm" i ", %%zmm" i ", %%zmm" i "\n\t"
#define START SUMS(ZERO) ZERO("16") ZERO("17")
#define DOT(i) "vpdpbusd %%zmm17, %%zmm16, %%zmm" i "\n\t"
#define ADD(i) "vmulps %%zmm17, %%zmm16, %%zmm18\n\tvaddps %%zmm18, %%zmm" i ", %%zmm" i "\n\t"

/* Seconds for one product of int8 by vpdpbusd. */
double roof_int8(ptrdiff_t steps) {
    ptrdiff_t left = steps;
    const double start = now();
    __asm__ volatile(START "1:\n\t" SUMS(DOT) "dec %0\n\tjnz 1b" : "+r"(left) : : CLOBBERED);
    return (now() - start) / ((double)steps * 16 * 64);
}

/* Seconds for one product of float32, rounded, and its addition, rounded. */
double roof_float32(ptrdiff_t steps) {
    ptrdiff_t left = steps;
    const double start = now();
    __asm__ volatile(START "1:\n\t" SUMS(ADD) "dec %0\n\tjnz 1b" : "+r"(left) : : CLOBBERED);
    return (now() - start) / ((double)steps * 16 * 16);
}
#endif
