#include <string.h>

#define QC_TREES_ISA avx512
#include "kernels/trees/simd_avx512.h"
#include "kernels/trees/sliced_engine.h"
