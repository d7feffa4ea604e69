#include "cpu/cpu.h"

#include <stddef.h>
#include <string.h>

#if defined(QC_X86)
/* Read from the CPU itself: __builtin_cpu_supports() is always 0 under zig, which builds portable wheels. */
#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>

static void cpuid(uint32_t leaf, uint32_t r[4]) { __cpuidex((int *)r, (int)leaf, 0); }
static uint64_t enabled_state(void) { return _xgetbv(0); }
#else
#include <cpuid.h>

static void cpuid(uint32_t leaf, uint32_t r[4]) { __cpuid_count(leaf, 0, r[0], r[1], r[2], r[3]); }
static uint64_t enabled_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}
#endif

static uint32_t detect(void) {
    enum { YMM = 0x06, ZMM = 0xe6 }; /* bits of XCR0: the registers that the operating system saves */
    uint32_t one[4], seven[4] = {0}, extended[4], found = 0;
    cpuid(0, extended);
    const uint32_t last = extended[0];
    cpuid(1, one);
    if (last >= 7) cpuid(7, seven);
    cpuid(0x80000000u, extended);
    if (extended[0] >= 0x80000001u) cpuid(0x80000001u, extended);
    else extended[2] = 0;

    const uint32_t ecx1 = one[2], ebx7 = seven[1], ecx7 = seven[2];
    const int osxsave = ecx1 >> 27 & 1;
    const uint64_t state = osxsave ? enabled_state() : 0;
#define QC_FOUND(name, word, bit) \
    if ((word) >> (bit) & 1) found |= QC_HAS(name)
    QC_FOUND(popcnt, ecx1, 23);
    QC_FOUND(bmi1, ebx7, 3);
    QC_FOUND(bmi2, ebx7, 8);
    QC_FOUND(lzcnt, extended[2], 5);
    if ((state & YMM) == YMM) {
        QC_FOUND(f16c, ecx1, 29);
        QC_FOUND(avx2, ebx7, 5);
    }
    if ((state & ZMM) == ZMM) {
        QC_FOUND(avx512f, ebx7, 16);
        QC_FOUND(avx512dq, ebx7, 17);
        QC_FOUND(avx512bw, ebx7, 30);
        QC_FOUND(avx512vl, ebx7, 31);
        QC_FOUND(avx512cd, ebx7, 28);
        QC_FOUND(avx512vbmi, ecx7, 1);
        QC_FOUND(avx512vbmi2, ecx7, 6);
        QC_FOUND(avx512vnni, ecx7, 11);
        QC_FOUND(avx512bitalg, ecx7, 12);
        QC_FOUND(avx512vpopcntdq, ecx7, 14);
    }
#undef QC_FOUND
    return found;
}

#elif defined(QC_ARM64)
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

#if !defined(HWCAP_ASIMDDP) /* headers older than Linux 4.15 */
#define HWCAP_ASIMDDP (1 << 20)
#endif

static uint32_t detect(void) {
    const unsigned long capabilities = getauxval(AT_HWCAP);
    return (capabilities & HWCAP_ASIMD ? QC_HAS(neon) : 0u) | (capabilities & HWCAP_ASIMDDP ? QC_HAS(dotprod) : 0u);
}
#elif defined(__APPLE__)
static uint32_t detect(void) { return QC_HAS(neon) | QC_HAS(dotprod); } /* every Apple processor that runs 64-bit macOS */
#else
static uint32_t detect(void) { return QC_HAS(neon); } /* part of the architecture */
#endif

#else
static uint32_t detect(void) { return 0; }
#endif

uint32_t qc_cpu_features(void) {
    enum { DONE = 1u << 31 };
    static uint32_t known; /* one word, always the same value: two threads that detect at once do no harm */
    if (!known) known = detect() | (uint32_t)DONE;
    return known & ~(uint32_t)DONE;
}

static const char *const feature_names[] = {
#define QC_FEATURE(name) #name,
    QC_FEATURES(QC_FEATURE)
#undef QC_FEATURE
};

static const char *const isa_names[] = {
#define QC_ISA(name) #name,
    QC_ISAS(QC_ISA)
#undef QC_ISA
};

static const uint32_t isa_needs[] = {
#define QC_ISA(name) QC_NEEDS_##name,
    QC_ISAS(QC_ISA)
#undef QC_ISA
};

const char *qc_feature_name(int feature) {
    return feature >= 0 && feature < QC_FEATURE_COUNT ? feature_names[feature] : NULL;
}

const char *qc_isa_name(int isa) { return isa >= 0 && isa < QC_ISA_COUNT ? isa_names[isa] : NULL; }

int qc_isa_from_name(const char *name) {
    for (int isa = 0; isa < QC_ISA_COUNT; ++isa)
        if (strcmp(name, isa_names[isa]) == 0) return isa;
    return -1;
}

int qc_isa_available(int isa) {
    return isa >= 0 && isa < QC_ISA_COUNT && (qc_cpu_features() & isa_needs[isa]) == isa_needs[isa];
}

qc_isa qc_isa_effective(int isa) {
    if (qc_isa_available(isa)) return (qc_isa)isa;
    int best = QC_ISA_scalar;
    for (int level = 0; level < QC_ISA_COUNT; ++level)
        if (qc_isa_available(level)) best = level;
    return (qc_isa)best;
}
