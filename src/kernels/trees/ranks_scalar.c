#define QC_TREES_ISA scalar
#include "kernels/trees/ranks_plain.h"
