/* Declares each function of a family with its slot's type, so that the compiler holds every kernel to it.
 * Included by kernels/<family>/<family>.h, after the types and #define QC_FAMILY_<family>. */
#include "kernels/isa.h"

#define QC_KERNEL(family, op, layout, dtype, isa, symbol) QC_ON_##isa(qc_##op##_##layout##_##dtype##_fn symbol;)
#include "kernels/kernels.def"
