/* What this CPU can do, and the instruction set levels that kernels are written for. */
#ifndef QC_CPU_H
#define QC_CPU_H

#include <stdint.h>

#if defined(__x86_64__) || (defined(_M_X64) && !defined(_M_ARM64EC))
#define QC_X86 1
#elif defined(__aarch64__) || defined(_M_ARM64)
#define QC_ARM64 1
#endif

/* QC_FEATURE(name): one bit each, in this order. */
#define QC_FEATURES(QC_FEATURE) \
    QC_FEATURE(avx2)            \
    QC_FEATURE(f16c)            \
    QC_FEATURE(bmi1)            \
    QC_FEATURE(bmi2)            \
    QC_FEATURE(lzcnt)           \
    QC_FEATURE(popcnt)          \
    QC_FEATURE(avx512f)         \
    QC_FEATURE(avx512bw)        \
    QC_FEATURE(avx512dq)        \
    QC_FEATURE(avx512vl)        \
    QC_FEATURE(avx512cd)        \
    QC_FEATURE(avx512vbmi)      \
    QC_FEATURE(avx512vbmi2)     \
    QC_FEATURE(avx512vnni)      \
    QC_FEATURE(avx512bitalg)    \
    QC_FEATURE(avx512vpopcntdq) \
    QC_FEATURE(neon)            \
    QC_FEATURE(dotprod)

enum {
#define QC_FEATURE(name) QC_BIT_##name,
    QC_FEATURES(QC_FEATURE)
#undef QC_FEATURE
    QC_FEATURE_COUNT
};

#define QC_HAS(name) (1u << QC_BIT_##name)

/* The features that a level's files are compiled with (setup.py's flags say the same). */
#define QC_NEEDS_scalar 0u
#define QC_NEEDS_avx2 (QC_HAS(avx2) | QC_HAS(f16c) | QC_HAS(bmi1) | QC_HAS(bmi2) | QC_HAS(lzcnt) | QC_HAS(popcnt))
#define QC_NEEDS_avx512                                                                                             \
    (QC_NEEDS_avx2 | QC_HAS(avx512f) | QC_HAS(avx512bw) | QC_HAS(avx512dq) | QC_HAS(avx512vl) | QC_HAS(avx512cd) | QC_HAS(avx512vbmi) | \
     QC_HAS(avx512vbmi2) | QC_HAS(avx512vnni) | QC_HAS(avx512bitalg) | QC_HAS(avx512vpopcntdq))
#define QC_NEEDS_neon QC_HAS(neon)
#define QC_NEEDS_dotprod (QC_NEEDS_neon | QC_HAS(dotprod))

/* QC_ISA(name): the levels, within one architecture from the least to the most demanding, each with all that is below it; no CPU has
 * levels of two architectures besides scalar. */
#define QC_ISAS(QC_ISA) \
    QC_ISA(scalar)      \
    QC_ISA(avx2)        \
    QC_ISA(avx512)      \
    QC_ISA(neon)        \
    QC_ISA(dotprod)

typedef enum {
#define QC_ISA(name) QC_ISA_##name,
    QC_ISAS(QC_ISA)
#undef QC_ISA
    QC_ISA_COUNT
} qc_isa;

/* Bit set of QC_HAS(...): what the CPU has and the operating system saves. */
uint32_t qc_cpu_features(void);

/* NULL beyond the last. */
const char *qc_feature_name(int feature);
const char *qc_isa_name(int isa);

/* The level of that name, -1 if there is none. */
int qc_isa_from_name(const char *name);

int qc_isa_available(int isa);

/* The level itself where this CPU has it, else the best that it has. */
qc_isa qc_isa_effective(int isa);

#endif
