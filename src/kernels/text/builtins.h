/* What compilers spell differently. */
#ifndef QC_TEXT_BUILTINS_H
#define QC_TEXT_BUILTINS_H

#include <stdint.h>

#if defined(__GNUC__)
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PREFETCH(p) __builtin_prefetch(p)
#define NOINLINE __attribute__((noinline))
#define FIRST_BIT(x) ((uint32_t)__builtin_ctz(x))
#define FIRST_BIT_64(x) ((uint64_t)__builtin_ctzll(x))
#define COUNT_BITS(x) ((uint32_t)__builtin_popcount(x))
#else
#include <intrin.h>
#define LIKELY(x) (x)
#define UNLIKELY(x) (x)
#define PREFETCH(p) ((void)(p))
#define NOINLINE __declspec(noinline)
static inline uint32_t FIRST_BIT(uint32_t x) {
    unsigned long i;
    _BitScanForward(&i, x);
    return i;
}
static inline uint64_t FIRST_BIT_64(uint64_t x) {
    unsigned long i;
    _BitScanForward64(&i, x);
    return i;
}
#define COUNT_BITS(x) __popcnt(x)
#endif

#endif
