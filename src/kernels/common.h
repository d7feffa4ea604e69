/* The few things that compilers spell differently. */
#ifndef QC_COMMON_H
#define QC_COMMON_H

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define QC_INLINE static __forceinline
#define QC_NOINLINE static __declspec(noinline)
#define QC_ALIGNED __declspec(align(64))
#define QC_UNROLL
#if defined(_M_X64)
#define QC_PREFETCH(address) _mm_prefetch((const char *)(address), _MM_HINT_T0)
#else
#define QC_PREFETCH(address) ((void)0)
#endif
#else
#define QC_INLINE static inline __attribute__((always_inline))
#define QC_NOINLINE static __attribute__((noinline))
#define QC_ALIGNED __attribute__((aligned(64))) /* to a cache line */
#define QC_PREFETCH(address) __builtin_prefetch(address)
#if defined(__clang__)
#define QC_UNROLL _Pragma("clang loop unroll(full)")
#else
#define QC_UNROLL _Pragma("GCC unroll 16")
#endif
#endif

/* What certificates cost is measured against a build without them (bench/models/bench_certificate.py): never ship that. */
#ifdef QC_UNCERTIFIED
#define QC_CERTIFICATE(with, without) (without)
#else
#define QC_CERTIFICATE(with, without) (with)
#endif

#endif
