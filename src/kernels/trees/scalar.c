#define QC_TREES_ISA scalar
#include "kernels/trees/engine.h"
