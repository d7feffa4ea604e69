/* The dispatch table of one family: included by its door alone, after kernels/<family>/<family>.h.
 * The bound function of a slot is qc_bound.<op>_<layout>_<dtype>; no pointer is ever cast. */
#ifndef QC_TABLE_H
#define QC_TABLE_H

#include <stddef.h>

#include "kernels/isa.h"

typedef struct {
    const char *op, *layout, *dtype, *isa, *symbol;
} qc_kernel;

static const qc_kernel qc_kernels[] = {
#define QC_KERNEL(family, op, layout, dtype, isa, symbol) QC_ON_##isa({#op, #layout, #dtype, #isa, #symbol}, )
#include "kernels/kernels.def"
};

enum { QC_KERNEL_COUNT = sizeof qc_kernels / sizeof *qc_kernels };

#define QC_SLOT_scalar(...) __VA_ARGS__
#define QC_SLOT_avx2(...)
#define QC_SLOT_avx512(...)
#define QC_SLOT_neon(...)
#define QC_SLOT_dotprod(...)

/* Each slot has one scalar kernel, so the scalar lines are the slots. */
static struct {
#define QC_KERNEL(family, op, layout, dtype, isa, symbol) \
    QC_SLOT_##isa(qc_##op##_##layout##_##dtype##_fn *op##_##layout##_##dtype;)
#include "kernels/kernels.def"
} qc_bound;

/* Binds in every slot the best kernel at or below the cap; a cap that this CPU lacks caps nothing. */
static void qc_select(int cap) {
    const qc_isa level = qc_isa_effective(cap);
#define QC_KERNEL(family, op, layout, dtype, isa, symbol) \
    QC_ON_##isa(if (QC_ISA_##isa <= level && qc_isa_available(QC_ISA_##isa)) qc_bound.op##_##layout##_##dtype = symbol;)
#include "kernels/kernels.def"
}

static int qc_is_bound(int position) {
    int i = 0;
#define QC_KERNEL(family, op, layout, dtype, isa, symbol) \
    QC_ON_##isa(if (i++ == position) return qc_bound.op##_##layout##_##dtype == symbol;)
#include "kernels/kernels.def"
    return 0;
}

#endif
