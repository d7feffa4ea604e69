#include "kernels/sparse/sparse.h"

/* One function per width: each loop is branchless, so that the compiler vectorizes it. */
#define QC_CHECK(width, largest)                                                                                              \
    static int rises##width(const int##width##_t *indptr, ptrdiff_t n_rows, ptrdiff_t n_stored) {                             \
        int##width##_t descends = 0;                                                                                          \
        for (ptrdiff_t row = 0; row < n_rows; ++row) descends |= indptr[row] > indptr[row + 1];                               \
        return !descends && indptr[0] == 0 && indptr[n_rows] == n_stored;                                                     \
    }                                                                                                                         \
    static int inside##width(const int##width##_t *indices, ptrdiff_t n_stored, ptrdiff_t n_columns) {                        \
        const uint##width##_t bound =                                                                                         \
            (uint64_t)n_columns > largest ? (uint##width##_t)largest + 1 : (uint##width##_t)n_columns;                        \
        int##width##_t outside = 0;                                                                                           \
        for (ptrdiff_t i = 0; i < n_stored; ++i) outside |= (uint##width##_t)indices[i] >= bound;                             \
        return !outside;                                                                                                      \
    }

QC_CHECK(32, INT32_MAX)
QC_CHECK(64, INT64_MAX)

qc_csr_fault qc_csr_check(const qc_csr *x, ptrdiff_t n_stored, ptrdiff_t n_columns) {
    const int rises =
        x->wide_indptr ? rises64(x->indptr, x->n_rows, n_stored) : rises32(x->indptr, x->n_rows, n_stored);
    if (!rises) return QC_CSR_INDPTR;
    const int inside =
        x->wide_indices ? inside64(x->indices, n_stored, n_columns) : inside32(x->indices, n_stored, n_columns);
    return inside ? QC_CSR_OK : QC_CSR_INDICES;
}
