#include <string.h>

#define QC_TREES_ISA scalar
#include "kernels/trees/simd_scalar.h"
#include "kernels/trees/sliced_engine.h"
