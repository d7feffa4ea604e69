/* Links: what probabilities follow from scores. One definition for every ISA and platform: exp is ours, since libm's differs.
 * Included by the doors that answer probabilities. */
#ifndef QC_LINKS_H
#define QC_LINKS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum { QC_IDENTITY, QC_EXP, QC_SOFTMAX, QC_SIGMOID } qc_link_kind;
typedef enum { QC_ALONE, QC_ZERO, QC_MIRROR } qc_paired; /* one score s stands for itself, (0, s) or (-s, s) */
typedef enum { QC_AS_THEY_ARE, QC_UNIFORM, QC_KEEP } qc_shares; /* divided by their sum; what zeros become */

typedef struct {
    qc_link_kind kind;
    qc_paired paired;
    qc_shares shares;
    double scale;                  /* softmax: of every score */
    const double *slope, *offset;  /* sigmoid: 1 / (1 + exp(slope * s + offset)) for each output */
    ptrdiff_t n_scores, n_outputs; /* n_outputs is n_scores, or 2 where paired */
} qc_link;

/* e^x within 1 unit in the last place: x = k ln 2 + r, |r| <= ln 2 / 2, ln 2 in two parts (k times the first is exact); the
 * series of e^r is cut after r^13, below 2^-57 of the result. */
static double qc_exp(double x) {
    if (!(x < 709.79)) return x != x ? x : HUGE_VAL;
    if (x < -745.2) return 0.0;
    const double k = (x * 1.4426950408889634074 + 0x1.8p52) - 0x1.8p52;
    const double r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
    static const double c[] = {1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0,
                               1.0 / 40320.0,      1.0 / 5040.0,      1.0 / 720.0,      1.0 / 120.0,     1.0 / 24.0,
                               1.0 / 6.0,          0.5};
    double tail = c[0];
    for (size_t i = 1; i < sizeof c / sizeof *c; ++i) tail = tail * r + c[i];
    const double e = 1.0 + (r + r * r * tail);
    /* 2^k in two factors, since k may be beyond the exponents of normal numbers */
    const int64_t whole = (int64_t)k, half = whole / 2;
    const uint64_t bits[2] = {(uint64_t)(half + 1023) << 52, (uint64_t)(whole - half + 1023) << 52};
    double power[2];
    memcpy(power, bits, sizeof power);
    return e * power[0] * power[1];
}

/* The probabilities of one row; `out` may be `s` where nothing is paired. */
static void qc_link_row(const qc_link *link, const double *s, double *out) {
    const ptrdiff_t n = link->n_outputs;
    if (link->paired == QC_ALONE) {
        if (out != s) memcpy(out, s, (size_t)n * sizeof *out);
    } else if (link->kind == QC_SOFTMAX) {
        const double score = s[0];
        out[0] = link->paired == QC_ZERO ? 0.0 : -score;
        out[1] = score;
    }
    if (link->kind == QC_EXP) {
        for (ptrdiff_t k = 0; k < n; ++k) out[k] = qc_exp(out[k]);
    } else if (link->kind == QC_SOFTMAX) {
        double top = -HUGE_VAL, sum = 0.0;
        for (ptrdiff_t k = 0; k < n; ++k) {
            out[k] *= link->scale;
            if (out[k] > top) top = out[k];
        }
        for (ptrdiff_t k = 0; k < n; ++k) sum += out[k] = qc_exp(out[k] - top);
        for (ptrdiff_t k = 0; k < n; ++k) out[k] /= sum;
    } else if (link->kind == QC_SIGMOID) {
        if (link->paired != QC_ALONE) {
            const double p = 1.0 / (1.0 + qc_exp(link->slope[0] * s[0] + link->offset[0]));
            out[0] = 1.0 - p;
            out[1] = p;
        } else {
            for (ptrdiff_t k = 0; k < n; ++k) out[k] = 1.0 / (1.0 + qc_exp(link->slope[k] * out[k] + link->offset[k]));
        }
    }
    if (link->shares != QC_AS_THEY_ARE) {
        double sum = 0.0;
        for (ptrdiff_t k = 0; k < n; ++k) sum += out[k];
        if (sum == 0.0)
            for (ptrdiff_t k = 0; k < n; ++k) out[k] = link->shares == QC_UNIFORM ? 1.0 / (double)n : 0.0;
        else
            for (ptrdiff_t k = 0; k < n; ++k) out[k] /= sum;
    }
}

#endif
