/* Which category a value is, and which side a set of categories sends it to. */
#ifndef QC_TREES_CATEGORIES_H
#define QC_TREES_CATEGORIES_H

#include "kernels/trees/trees.h"

enum { QC_CODE_MISSING = -2, QC_CODE_UNKNOWN = -1 };

/* Position of x among the categories of one feature; or one of the above. */
QC_INLINE int32_t qc_code(const qc_columns *c, ptrdiff_t categorical, double x) {
    if (x != x) return QC_CODE_MISSING;
    if (c->rule == QC_CATEGORY_UNSIGNED && x < 0.0) return QC_CODE_UNKNOWN;
    if (c->rule != QC_CATEGORY_EQUAL) {
        if (!(x > -4e18 && x < 4e18)) return QC_CODE_UNKNOWN;
        x = (double)(int64_t)x;
    }
    const uint32_t start = categorical ? c->category_ends[categorical - 1] : 0;
    uint32_t low = start, high = c->category_ends[categorical];
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (c->category_values[middle] <= x) low = middle;
        else high = middle;
    }
    return c->category_values[low] == x ? (int32_t)(low - start) : QC_CODE_UNKNOWN;
}

QC_INLINE int qc_code_left(const qc_columns *c, ptrdiff_t set, int32_t code) {
    if (code == QC_CODE_MISSING) return (c->set_sides[set] & QC_TREES_LEFT) != 0;
    const int member = code >= 0 && c->members[c->set_starts[set] + code];
    return member == ((c->set_sides[set] & QC_TREES_MEMBERS_LEFT) != 0);
}

#endif
