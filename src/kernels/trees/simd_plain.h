/* Places and sums in plain C, for the instruction sets that have no look-up in registers. */

/* Bits of planes, `stride` words apart → bytes of 64 rows. */
#ifndef QC_HAS_PLACES
QC_INLINE void qc_places(const uint64_t *planes, int n_planes, int stride, uint8_t *places) {
    memset(places, 0, 64);
    for (int bit = 0; bit < n_planes; ++bit) {
        const uint64_t plane = planes[bit * stride];
        for (int row = 0; row < 64; ++row) places[row] = (uint8_t)(places[row] | (plane >> row & 1) << bit);
    }
}
#endif

QC_INLINE void qc_add_float32(const qc_sliced *s, size_t table, int entries, const uint8_t *places, int words, float *sums) {
    const float *values = (const float *)s->values + table;
    (void)entries;
    for (int row = 0; row < words * 64; ++row) sums[row] += values[places[row]];
}

QC_INLINE void qc_add_float64(const qc_sliced *s, size_t table, int entries, const uint8_t *places, int words, double *sums) {
    const double *values = (const double *)s->values + table;
    (void)entries;
    for (int row = 0; row < words * 64; ++row) sums[row] += values[places[row]];
}

/* Sums stand in the order of rows. */
QC_INLINE void qc_order_float32(float *sums, int words) { (void)sums, (void)words; }
QC_INLINE void qc_order_float64(double *sums, int words) { (void)sums, (void)words; }
