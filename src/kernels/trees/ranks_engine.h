/* Ranks with pivots searched in registers: what comes before an instruction set's own part. */
#include "kernels/trees/name.h"
#include "kernels/trees/ranks.h"

enum { ROWS = 128 /* of a tile, so that they stay in the first level of the cache */ };

/* A column of ranks; `ties`: values were rounded, and those that equal a pivot need a second look. */
typedef struct {
    const float *pivots;
    int missing, count, ties;
} qc_search;
