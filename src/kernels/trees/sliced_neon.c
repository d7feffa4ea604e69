#include <string.h>

#define QC_TREES_ISA neon
#include "kernels/trees/simd_neon.h"
#include "kernels/trees/sliced_engine.h"
