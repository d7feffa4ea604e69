#include <string.h>

#define QC_TREES_ISA avx2
#include "kernels/trees/simd_avx2.h"
#include "kernels/trees/sliced_engine.h"
