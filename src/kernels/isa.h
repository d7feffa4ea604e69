/* QC_ON_<isa>(...): its argument where this build has that ISA's files, else nothing. */
#ifndef QC_ISA_H
#define QC_ISA_H

#include "cpu/cpu.h"

#define QC_ON_scalar(...) __VA_ARGS__

#if defined(QC_X86)
#define QC_ON_avx2(...) __VA_ARGS__
#define QC_ON_avx512(...) __VA_ARGS__
#else
#define QC_ON_avx2(...)
#define QC_ON_avx512(...)
#endif

#if defined(QC_ARM64)
#define QC_ON_neon(...) __VA_ARGS__
#define QC_ON_dotprod(...) __VA_ARGS__
#else
#define QC_ON_neon(...)
#define QC_ON_dotprod(...)
#endif

#endif
