#include "kernels/text/simd_neon.h"

#include "kernels/text/engine.h"

qc_status qc_run_documents_planar_neon(const qc_text *text, qc_scratch *s, const qc_document *d, size_t n, qc_result *r) {
    return run(text, s, d, n, r);
}
