/* The best of a row's scores and the next: what labels_rows.h asks for, over the 16 lanes of simd_<isa>.h and lanes_max,
 * lanes_min, lanes_most (the largest of 16) and lanes_equal (a bit for each lane that equals a number). */
#include <math.h>
#include <string.h>

typedef struct {
    ptrdiff_t best; /* the first largest */
    float first, second;
} two;

/* read from any of the first 16 on: lowers one of 16 lanes */
static const float others[31] = {INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY,  INFINITY,
                                 INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY,  -INFINITY,
                                 INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY,  INFINITY,
                                 INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY};

/* `padded`: scores are there up to a multiple of 16, of biases -inf. */
QC_INLINE two best_two(const float *scores, const float *bias, ptrdiff_t n_outputs, const int padded) {
    lanes top = lanes_all(-INFINITY), next = top; /* of each lane */
    for (ptrdiff_t k = 0; k < n_outputs; k += QC_LANES) {
        const lanes x = lanes_add(lanes_load(scores + k, padded ? QC_LANES : n_outputs - k), lanes_load(bias + k, QC_LANES));
        next = lanes_max(next, lanes_min(top, x));
        top = lanes_max(top, x);
    }
    const float first = lanes_most(top);
    ptrdiff_t best = 0;
    for (ptrdiff_t k = (n_outputs - 1) / QC_LANES * QC_LANES; k >= 0; k -= QC_LANES) { /* no branch on where it is */
        const lanes x = lanes_add(lanes_load(scores + k, padded ? QC_LANES : n_outputs - k), lanes_load(bias + k, QC_LANES));
        const uint32_t equal = lanes_equal(x, first);
        const ptrdiff_t found = -(ptrdiff_t)(equal != 0);
        best = ((k + qc_first_bit(equal | 0x10000u)) & found) | (best & ~found);
    }
    /* the best one's lane gives its runner-up, the others their best */
    const lanes rest = lanes_min(top, lanes_load(others + QC_LANES - 1 - best % QC_LANES, QC_LANES));
    return (two){best, first, lanes_most(lanes_max(rest, next))};
}
