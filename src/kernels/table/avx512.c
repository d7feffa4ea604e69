#include "kernels/table/simd_avx512.h"

#include "kernels/table/engine.h"

ptrdiff_t qc_run_rows_table_avx512(const qc_table *t, const void *x, int single, ptrdiff_t n_rows, void *scratch, qc_table_result *r) {
    return single ? run(t, x, 1, n_rows, scratch, r) : run(t, x, 0, n_rows, scratch, r);
}
