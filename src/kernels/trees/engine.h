/* The kernels of this family, once for each instruction set: #define QC_TREES_ISA, then include. */
#include "kernels/trees/categories.h"
#include "kernels/trees/name.h"

#define QC_TREES_KEYS(type, key_type, least, most, key_of, size_of)                                                       \
    void QC_TREES_NAME(qc_keys_rows_##type)(const qc_columns *c, const size_of *x, ptrdiff_t n_rows, key_type *keys,      \
                                            int32_t *codes) {                                                             \
        for (ptrdiff_t row = 0; row < n_rows; ++row, x += c->n_features) {                                                \
            for (ptrdiff_t j = 0; j < c->n_columns; ++j) {                                                                \
                const size_of value = x[c->feature[j]];                                                                   \
                const int zero = (c->missing[j] & QC_TREES_ZERO) && value <= 1e-35f && value >= -1e-35f;                  \
                const key_type end = c->missing[j] & QC_TREES_LEFT ? least : most;                                        \
                keys[j] = value != value || zero ? end : key_of(value);                                                   \
            }                                                                                                             \
            keys += c->n_columns;                                                                                         \
            for (ptrdiff_t j = 0; j < c->n_categorical; ++j) codes[j] = qc_code(c, j, (double)x[c->category_feature[j]]); \
            for (ptrdiff_t j = 0; j < c->n_sets; ++j)                                                                         \
                keys[j] = qc_code_left(c, j, codes[c->set_feature[j]]) ? least : most;                                        \
            keys += c->n_sets;                                                                                            \
        }                                                                                                                 \
    }

QC_TREES_KEYS(float32, int32_t, INT32_MIN, INT32_MAX, qc_key_float32, float)
QC_TREES_KEYS(float64, int64_t, INT64_MIN, INT64_MAX, qc_key_float64, double)

/* One step of a walk; one that has reached its leaf stays there, without a branch. */
#define QC_TREES_STEP(nodes, keys, at)                                                                                    \
    do {                                                                                                                  \
        const int32_t done = (at) >> 31, here = (at) & ~done;                                                             \
        const int32_t next = (nodes)[here].child[(keys)[(nodes)[here].column] > (nodes)[here].key];                       \
        (at) = ((at) & done) | (next & ~done);                                                                            \
    } while (0)

#define QC_TREES_WALK(key_type, type, node_type)                                                                          \
    /* Eight walks at once hide each other's latency: eight rows of a tree, or, of the last rows, eight trees. */         \
    QC_INLINE void QC_TREES_NAME(qc_eight_##type)(const node_type *nodes, const key_type *const *keys, int32_t *at) {     \
        int32_t a = at[0], b = at[1], c = at[2], d = at[3], e = at[4], f = at[5], g = at[6], h = at[7];                   \
        while ((a & b & c & d & e & f & g & h) >= 0) {                                                                    \
            QC_TREES_STEP(nodes, keys[0], a);                                                                             \
            QC_TREES_STEP(nodes, keys[1], b);                                                                             \
            QC_TREES_STEP(nodes, keys[2], c);                                                                             \
            QC_TREES_STEP(nodes, keys[3], d);                                                                             \
            QC_TREES_STEP(nodes, keys[4], e);                                                                             \
            QC_TREES_STEP(nodes, keys[5], f);                                                                             \
            QC_TREES_STEP(nodes, keys[6], g);                                                                             \
            QC_TREES_STEP(nodes, keys[7], h);                                                                             \
        }                                                                                                                 \
        at[0] = a, at[1] = b, at[2] = c, at[3] = d, at[4] = e, at[5] = f, at[6] = g, at[7] = h;                           \
    }                                                                                                                     \
                                                                                                                          \
    void QC_TREES_NAME(qc_walk_rows_##type)(const qc_forest *f, const key_type *keys, ptrdiff_t width, ptrdiff_t n_rows,  \
                                            uint32_t *leaves, ptrdiff_t stride) {                                         \
        const node_type *nodes = (const node_type *)f->nodes;                                                             \
        const ptrdiff_t whole = n_rows - n_rows % QC_TREES_LANES;                                                         \
        const key_type *lanes[QC_TREES_LANES];                                                                            \
        int32_t at[QC_TREES_LANES];                                                                                       \
        for (ptrdiff_t tree = 0; tree < f->n_trees; ++tree) {                                                             \
            for (ptrdiff_t row = 0; row < whole; row += QC_TREES_LANES) {                                                 \
                for (int k = 0; k < QC_TREES_LANES; ++k) lanes[k] = keys + (row + k) * width, at[k] = f->roots[tree];     \
                QC_TREES_NAME(qc_eight_##type)(nodes, lanes, at);                                                         \
                for (int k = 0; k < QC_TREES_LANES; ++k) leaves[tree * stride + row + k] = (uint32_t)~at[k];              \
            }                                                                                                             \
        }                                                                                                                 \
        for (ptrdiff_t row = whole; row < n_rows; ++row) {                                                                \
            for (int k = 0; k < QC_TREES_LANES; ++k) lanes[k] = keys + row * width;                                       \
            for (ptrdiff_t tree = 0; tree < f->n_trees; tree += QC_TREES_LANES) {                                         \
                const ptrdiff_t left = f->n_trees - tree;                                                                 \
                for (int k = 0; k < QC_TREES_LANES; ++k) at[k] = k < left ? f->roots[tree + k] : -1;                      \
                QC_TREES_NAME(qc_eight_##type)(nodes, lanes, at);                                                         \
                for (int k = 0; k < QC_TREES_LANES && k < left; ++k) leaves[(tree + k) * stride + row] = (uint32_t)~at[k];\
            }                                                                                                             \
        }                                                                                                                 \
    }

QC_TREES_WALK(int32_t, int32, qc_node_int32)
QC_TREES_WALK(int64_t, int64, qc_node_int64)

#define QC_TREES_SUM(name, type)                                                                                          \
    void QC_TREES_NAME(qc_sum_leaves_##name)(const qc_leaf_values *v, const uint32_t *leaves, ptrdiff_t stride,           \
                                             ptrdiff_t first, ptrdiff_t n_trees, ptrdiff_t n_rows, type *out) {           \
        const type *values = (const type *)v->values;                                                                     \
        for (ptrdiff_t tree = 0; tree < n_trees; ++tree, leaves += stride) {                                              \
            type *to = out + (v->output ? v->output[first + tree] : 0);                                                   \
            if (v->width == 1) {                                                                                          \
                for (ptrdiff_t row = 0; row < n_rows; ++row, to += v->n_outputs)                                          \
                    *to += values[v->index ? v->index[leaves[row]] : leaves[row]];                                        \
                continue;                                                                                                 \
            }                                                                                                             \
            for (ptrdiff_t row = 0; row < n_rows; ++row, to += v->n_outputs) {                                            \
                const type *from = values + (ptrdiff_t)(v->index ? v->index[leaves[row]] : leaves[row]) * v->width;       \
                for (ptrdiff_t k = 0; k < v->width; ++k) to[k] += from[k];                                                \
            }                                                                                                             \
        }                                                                                                                 \
    }

QC_TREES_SUM(float32, float)
QC_TREES_SUM(float64, double)
