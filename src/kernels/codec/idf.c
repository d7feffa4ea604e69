/* idf values from document frequencies: the operations of quantcore/artifact/idf.py in their order, so that the bits are its. */
#include <math.h>

#include "kernels/codec/codec.h"

static const double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
static const double lg[] = {
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
    1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
};

static double natural_log(double x) {
    int exponent;
    const double mantissa = frexp(x, &exponent);
    const int small = mantissa < 0.7071067811865476;
    const double f = (small ? 2.0 * mantissa : mantissa) - 1.0, k = (double)(exponent - small);
    const double s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
    double r = 0.0;
    for (int i = (int)(sizeof lg / sizeof *lg) - 1; i >= 0; i--) r = (r + lg[i]) * z;
    return k * ln2_high - ((half - (s * (half + r) + k * ln2_low)) - f);
}

void qc_codec_idf(const int64_t *counts, size_t n, int64_t top, int single, void *out) {
    for (size_t i = 0; i < n; i++) {
        if (single) {
            const float ratio = (float)top / (float)counts[i];
            ((float *)out)[i] = (float)natural_log((double)ratio) + 1.0f;
        } else {
            ((double *)out)[i] = natural_log((double)top / (double)counts[i]) + 1.0;
        }
    }
}
