/* What the machine can do at most: reads of a buffer, products of int8 in registers. Compiled by roof.py, never shipped. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t sweep(const uint8_t *p, ptrdiff_t n) {
    __m512i a[8];
    for (int i = 0; i < 8; ++i) a[i] = _mm512_setzero_si512();
    for (ptrdiff_t j = 0; j + 512 <= n; j += 512) {
        _Pragma("GCC unroll 8") for (int i = 0; i < 8; ++i) a[i] = _mm512_or_si512(a[i], _mm512_load_si512(p + j + 64 * i));
    }
    for (int i = 1; i < 8; ++i) a[0] = _mm512_or_si512(a[0], a[i]);
    return (uint64_t)_mm512_reduce_or_epi64(a[0]);
}

/* Seconds per sweep over n bytes (a multiple of 512, 64-byte aligned): the mean of `repeats`. */
double roof_read(const uint8_t *p, ptrdiff_t n, int repeats) {
    uint64_t seen = 0;
    const double start = now();
    for (int i = 0; i < repeats; ++i) {
        seen |= sweep(p, n);
        __asm__ volatile("" : "+r"(seen), "+r"(p) : : "memory");
    }
    return (now() - start) / repeats;
}

/* Sixteen independent sums, named, so that no compiler can put anything between them. */
#define REGISTERS(step)                                                                                                  \
    step("0") step("1") step("2") step("3") step("4") step("5") step("6") step("7") step("8") step("9") step("10") step("11") \
    step("12") step("13") step("14") step("15")
#define CLOBBERED                                                                                                        \
    "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11", "zmm12", "zmm13", \
    "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20", "zmm21"
#define DOT(i) "vpdpbusd %%zmm17, %%zmm16, %%zmm" i "\n\t"
#define ZERO(i) "vpxord %%zmm" i ", %%zmm" i ", %%zmm" i "\n\t"
#define ADD(i) "vmulps %%zmm17, %%zmm16, %%zmm18\n\tvaddps %%zmm18, %%zmm" i ", %%zmm" i "\n\t"

/* Seconds per int8 product of vpdpbusd. */
double roof_int8(ptrdiff_t steps) {
    ptrdiff_t left = steps;
    const double start = now();
    __asm__ volatile(REGISTERS(ZERO) "vpxord %%zmm16, %%zmm16, %%zmm16\n\tvpxord %%zmm17, %%zmm17, %%zmm17\n\t"
                     "1:\n\t" REGISTERS(DOT) "dec %0\n\tjnz 1b" : "+r"(left) : : CLOBBERED);
    return (now() - start) / ((double)steps * 16 * 64);
}

/* Seconds per float32 multiply and add, each rounded. */
double roof_float32(ptrdiff_t steps) {
    ptrdiff_t left = steps;
    const double start = now();
    __asm__ volatile(REGISTERS(ZERO) "vpxord %%zmm16, %%zmm16, %%zmm16\n\tvpxord %%zmm17, %%zmm17, %%zmm17\n\t"
                     "1:\n\t" REGISTERS(ADD) "dec %0\n\tjnz 1b" : "+r"(left) : : CLOBBERED);
    return (now() - start) / ((double)steps * 16 * 16);
}
