#include "kernels/sparse/sparse.h"

/* One function per width: each loop is branchless, so that the compiler vectorizes it. */
#define QC_CHECK(name, type, unsigned_type, largest)                                                                  \
    static qc_csr_fault name(const type *indptr, const type *indices, ptrdiff_t n_rows, ptrdiff_t n_stored,            \
                             ptrdiff_t n_columns) {                                                                    \
        const unsigned_type bound = (uint64_t)n_columns > largest ? (unsigned_type)largest + 1 : (unsigned_type)n_columns; \
        type descends = 0, outside = 0;                                                                                \
        for (ptrdiff_t row = 0; row < n_rows; ++row) descends |= indptr[row] > indptr[row + 1];                        \
        if (descends || indptr[0] != 0 || indptr[n_rows] != n_stored) return QC_CSR_INDPTR;                            \
        for (ptrdiff_t i = 0; i < n_stored; ++i) outside |= (unsigned_type)indices[i] >= bound;                        \
        return outside ? QC_CSR_INDICES : QC_CSR_OK;                                                                   \
    }

QC_CHECK(check32, int32_t, uint32_t, INT32_MAX)
QC_CHECK(check64, int64_t, uint64_t, INT64_MAX)

qc_csr_fault qc_csr_check(const qc_csr *x, ptrdiff_t n_stored, ptrdiff_t n_columns) {
    return x->wide ? check64(x->indptr, x->indices, x->n_rows, n_stored, n_columns)
                   : check32(x->indptr, x->indices, x->n_rows, n_stored, n_columns);
}
