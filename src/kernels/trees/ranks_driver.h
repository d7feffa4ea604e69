/* Ranks with pivots searched in registers: blocks of rows, tile by tile. After an instruction set's own part: TILE rows and
 * columns of read_tile_..., and search, which is inlined once for every number of levels. */

QC_INLINE void search_levels(const qc_search *c, int levels, const float *rows, int n, uint8_t *to, uint16_t *ties) {
    switch (levels) {
    case 5: search(c, 5, rows, n, to, ties); break;
    case 6: search(c, 6, rows, n, to, ties); break;
    case 7: search(c, 7, rows, n, to, ties); break;
    default: search(c, 8, rows, n, to, ties); break;
    }
}

static void search_exact(qc_search c, int levels, const float *rows, int n, uint8_t *to) {
    c.ties = 0;
    search_levels(&c, levels, rows, n, to, NULL);
}

static void search_nearest(qc_search c, int levels, const float *rows, int n, uint8_t *to, uint16_t *ties) {
    c.ties = 1;
    search_levels(&c, levels, rows, n, to, ties);
}

#define QC_RANKS(name, type, single)                                                                                      \
    int QC_TREES_NAME(qc_ranks_blocks_##name)(const qc_ranks *r, const type *x, ptrdiff_t n_rows, uint8_t *ranks,         \
                                              int32_t *codes) {                                                           \
        _Alignas(64) float tile[TILE * ROWS];                                                                             \
        uint16_t ties[ROWS / TILE];                                                                                       \
        const ptrdiff_t width = r->columns->n_features;                                                                   \
        const float *pivots = !single && r->nearest ? r->nearest : r->exact;                                              \
        ptrdiff_t next = 0;                                                                                               \
        for (ptrdiff_t first = 0; first < width; first += TILE) {                                                         \
            ptrdiff_t end = next;                                                                                         \
            while (end < r->n_columns && r->feature[end] < first + TILE) ++end;                                           \
            if (end == next && !r->refused) continue;                                                                     \
            const int n_columns = (int)(width - first < TILE ? width - first : TILE);                                     \
            for (ptrdiff_t start = 0; start < n_rows; start += ROWS) {                                                    \
                const int n = (int)(n_rows - start < ROWS ? n_rows - start : ROWS);                                       \
                const type *from = x + start * width + first;                                                             \
                int found = 0;                                                                                            \
                for (int row = 0; row < n; row += TILE, from += TILE * width)                                             \
                    found |= read_tile_##name(from, width, n - row, n_columns, r->refused, tile + row);                   \
                if (found & r->refused) return 1;                                                                         \
                for (ptrdiff_t j = next; j < end; ++j) {                                                                  \
                    const float *rows = tile + (r->feature[j] - first) * ROWS;                                            \
                    const qc_search c = {pivots + r->pivot[j], r->missing[j], r->count[j], 0};                            \
                    uint8_t *to = ranks + j * QC_SLICE + start;                                                           \
                    if (single || !r->nearest) {                                                                          \
                        search_exact(c, r->levels[j], rows, n, to);                                                       \
                        continue;                                                                                         \
                    }                                                                                                     \
                    search_nearest(c, r->levels[j], rows, n, to, ties);                                                   \
                    for (int k = 0; k * TILE < n; ++k)                                                                    \
                        for (int row = k * TILE; ties[k] && row < k * TILE + TILE && row < n; ++row)                      \
                            if (ties[k] >> (row % TILE) & 1)                                                              \
                                to[row] = qc_rank(r, j, x[(start + row) * width + r->feature[j]]);                        \
                }                                                                                                         \
            }                                                                                                             \
            next = end;                                                                                                   \
        }                                                                                                                 \
        return qc_set_columns(r, x, single, n_rows, ranks, codes);                                                        \
    }

QC_RANKS(float32, float, 1)
QC_RANKS(float64, double, 0)
