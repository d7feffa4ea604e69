/* Natural logarithm from additions, multiplications and one division, so that every platform gives the same bits. */
#include <string.h>

#include "kernels/text/text.h"

/* x = 2^k * m with m in [sqrt(1/2), sqrt(2)); ln m = 2 atanh(z), z = (m - 1) / (m + 1), |z| <= 0.1716:
 * the series in z^2 is cut after z^21, below 2^-58 of the result. ln 2 stands in two parts. */
double qc_log(double x) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    int64_t k = (int64_t)(bits >> 52) - 1023;
    bits = (bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull;
    double m;
    memcpy(&m, &bits, 8);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        k++;
    }
    const double z = (m - 1.0) / (m + 1.0), y = z * z;
    double tail = 1.0 / 21.0;
    for (int i = 19; i >= 3; i -= 2) tail = tail * y + 1.0 / (double)i;
    const double kk = (double)k;
    return kk * 6.93147180369123816490e-01 + (2.0 * z + (2.0 * z * y * tail + kk * 1.90821492927058770002e-10));
}
