#define QC_TREES_ISA neon
#include "kernels/trees/engine.h"
