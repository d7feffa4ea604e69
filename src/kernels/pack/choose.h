/* Which bound kernel a call wants: included by the door alone, after kernels/table.h. */
#ifndef QC_PACK_CHOOSE_H
#define QC_PACK_CHOOSE_H

#include "kernels/table.h"

#define QC_EITHER(op, dtype) (columns ? qc_bound.op##_columns_##dtype : qc_bound.op##_groups_##dtype)
#define QC_PACKING(bits) (wide ? QC_EITHER(to_int##bits, float64) : QC_EITHER(to_int##bits, float32))
#define QC_UNPACKING(bits) (wide ? QC_EITHER(to_float64, int##bits) : QC_EITHER(to_float32, int##bits))

/* wide: float64 rather than float32; columns: a scale a column rather than a group. */
static qc_pack_fn *qc_packing(int bits, int wide, int columns) {
    return bits == 4 ? QC_PACKING(4) : bits == 8 ? QC_PACKING(8) : QC_PACKING(16);
}

static qc_unpack_fn *qc_unpacking(int bits, int wide, int columns) {
    return bits == 4 ? QC_UNPACKING(4) : bits == 8 ? QC_UNPACKING(8) : QC_UNPACKING(16);
}

static qc_convert_fn *qc_narrowing(int wide) {
    return wide ? qc_bound.to_float16_flat_float64 : qc_bound.to_float16_flat_float32;
}

static qc_convert_fn *qc_widening(int wide) {
    return wide ? qc_bound.to_float64_flat_float16 : qc_bound.to_float32_flat_float16;
}

#endif
