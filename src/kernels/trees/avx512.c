#define QC_TREES_ISA avx512
#include "kernels/trees/engine.h"
