#define QC_TREES_ISA avx2
#include "kernels/trees/engine.h"
