/* From a document's features to its scores, its label and the certificate. The bound is derived in ARCHITECTURE.md. */
#ifndef QC_TEXT_SCORE_H
#define QC_TEXT_SCORE_H

#include "kernels/common.h"

#define TWO_TO_MINUS(n) (1.0 / (double)(1ull << (n)))

static inline float value_idf(uint64_t value) {
    const uint32_t bits = (uint32_t)value;
    float idf;
    memcpy(&idf, &bits, 4);
    return idf;
}

static inline float value_weight(uint64_t value) {
    const uint32_t bits = (uint32_t)(value >> 32);
    float weight;
    memcpy(&weight, &bits, 4);
    return weight;
}

static inline float power_of_two(int exponent) {
    const uint32_t bits = (uint32_t)(exponent + 127) << 23;
    float power;
    memcpy(&power, &bits, 4);
    return power;
}

/* Counts as floats in STEPS, zeros behind the last; NULL where all are 1. */
static const float *term_frequencies(const qc_text *text, qc_scratch *s, const features *f, int *failed) {
    if (!f->counts || f->tf) return f->tf;
    float *tf = room_for(s, STEPS, (f->n + KEPT_PADDING) * sizeof *tf);
    if (!tf) {
        *failed = 1;
        return NULL;
    }
    for (size_t i = 0; i < f->n; i++) tf[i] = frequency(text, f->counts[i]);
    for (size_t i = f->n; i < f->n + KEPT_PADDING; i++) tf[i] = 0.0f;
    return tf;
}

static inline float inverse_norm(qc_norm norm, float sum) {
    if (norm == QC_NORM_NONE || !(sum > 0.0f)) return 1.0f;
    return norm == QC_NORM_L2 ? 1.0f / sqrtf(sum) : 1.0f / sum;
}

/* Doubles throughout: 1 / norm, and the sum of the |counts| times each feature's step. */
static double inverse_norm64(const qc_text *text, const features *f) {
    if (text->norm == QC_NORM_NONE) return 1.0;
    double sum = 0.0;
    for (size_t i = 0; i < f->n; i++) {
        const double x = fabs((f->counts ? tf64(text, f->counts[i]) : 1.0) * (double)value_idf(f->values[i]));
        if (text->norm == QC_NORM_L2) sum += x * x;
        else if (text->norm == QC_NORM_L1) sum += x;
        else sum = x > sum ? x : sum;
    }
    if (!(sum > 0.0)) return 1.0;
    return text->norm == QC_NORM_L2 ? 1.0 / sqrt(sum) : 1.0 / sum;
}

/* Everything the source rounds on the way to a score, relative to the sum of the |terms|. */
static inline double source_rounding(const qc_text *text, size_t n) {
    return text->source_unit * (3.0 * (double)n + 64.0);
}

/* ------------------------------------------------------------ one output */

static qc_status label_one(const qc_text *text, qc_scratch *s, const features *f, int32_t *label, uint8_t *plane) {
    int failed = 0;
    const float *tf = term_frequencies(text, s, f, &failed);
    if (failed) return QC_NO_MEMORY;
    qc_sums sums;
    sums_one(f->values, tf, f->n, text->norm, &sums);
    const double n = (double)f->n, inverse = inverse_norm(text->norm, sums.norm);
    const double dot = (double)sums.dot * inverse, score = dot + text->bias[0];
    const double bound =
        inverse * ((double)sums.count * (text->weight_error + text->weight_amplitude * source_rounding(text, f->n)) +
                   (double)sums.absolute * (n + 32.0) * TWO_TO_MINUS(24)) *
            (1.0001 + n * TWO_TO_MINUS(23)) +
        (fabs(dot) + fabs(text->bias[0])) * (n + 64.0) * TWO_TO_MINUS(24);
    *label = score > 0.0;
    *plane = QC_CERTIFICATE(fabs(score) > bound, 1) ? QC_HOT : QC_OPEN;
    return QC_DONE;
}

static void scores_one(const qc_text *text, const features *f, double *score, double *bound) {
    double dot = 0.0, absolute = 0.0, count = 0.0;
    for (size_t i = 0; i < f->n; i++) {
        const double tf = f->counts ? tf64(text, f->counts[i]) : 1.0, w = (double)value_weight(f->values[i]);
        dot += tf * w;
        absolute += fabs(tf * w);
        count += fabs(tf);
    }
    const double inverse = inverse_norm64(text, f), n = (double)f->n;
    *score = dot * inverse + text->bias[0];
    *bound = inverse * (count * (text->weight_error + text->weight_amplitude * source_rounding(text, f->n)) +
                        absolute * (n + 32.0) * TWO_TO_MINUS(52)) * 1.0001 +
             (fabs(dot * inverse) + fabs(text->bias[0])) * TWO_TO_MINUS(22);
}

/* ------------------------------------------------------- several outputs */

/* Scores on the whole grid, in doubles: out[0 .. width); returns the bound on the difference of two (and on each). */
static double fine_scores(const qc_text *text, const features *f, double *out) {
    const size_t width = (size_t)text->width;
    double steps = 0.0, source = 0.0;
    for (size_t k = 0; k < width; k++) out[k] = 0.0;
    for (size_t i = 0; i < f->n; i++) {
        const uint32_t high = (uint32_t)(f->values[i] >> 32), row = high & ((1u << QC_ROW_BITS) - 1);
        const double tf = f->counts ? tf64(text, f->counts[i]) : 1.0, x = tf * text->fine_scale[row];
        if (text->fine16) {
            const int16_t *w = text->fine16 + (size_t)row * width;
            for (size_t k = 0; k < width; k++) out[k] += x * (double)w[k];
        } else {
            const int32_t *w = text->fine32 + (size_t)row * width;
            for (size_t k = 0; k < width; k++) out[k] += x * (double)w[k];
        }
        steps += fabs(x);
        source += fabs(tf) * (double)scale_of(text->scale_base, high);
    }
    const double inverse = inverse_norm64(text, f), centre = text->centred ? out[width - 1] : 0.0;
    for (int k = 0; k < text->n_outputs; k++) out[k] = (out[k] + centre) * inverse + text->bias[k];
    return inverse * (2.0 * text->fine_error * steps +
                      source * (double)text->amplitude * (source_rounding(text, f->n) + (2.0 * (double)f->n + 32.0) * TWO_TO_MINUS(52))) * 1.0001;
}

/* Among the outputs that the hot plane leaves in play (`out` at least `least`) the best on the whole grid. All others are
 * proved to be below the hot plane's best, so that a winner among these that is certified is certified against all. */
static int label_fine(const qc_text *text, const features *f, const float *out, double least, double *x, uint8_t *plane) {
    const size_t width = (size_t)text->width;
    double steps = 0.0, source = 0.0;
    for (size_t i = 0; i < f->n; i++) {
        const uint32_t high = (uint32_t)(f->values[i] >> 32), row = high & ((1u << QC_ROW_BITS) - 1);
        const double tf = f->counts ? tf64(text, f->counts[i]) : 1.0;
        x[i] = tf * text->fine_scale[row];
        steps += fabs(x[i]);
        source += fabs(tf) * (double)scale_of(text->scale_base, high);
    }
    const double inverse = inverse_norm64(text, f);
    double first = -INFINITY, second = -INFINITY;
    int best = 0;
    for (int k = 0; k < text->n_outputs; k++) {
        if (!((double)out[k] >= least)) continue;
        double sum = 0.0;
        for (size_t i = 0; i < f->n; i++) {
            const size_t entry = ((f->values[i] >> 32) & ((1u << QC_ROW_BITS) - 1)) * width + (size_t)k;
            sum += x[i] * (text->fine16 ? (double)text->fine16[entry] : (double)text->fine32[entry]);
        }
        const double score = sum * inverse + text->bias[k];
        if (score > first) {
            second = first;
            first = score;
            best = k;
        } else if (score > second) {
            second = score;
        }
    }
    const double n = (double)f->n;
    const double bound = inverse * (2.0 * text->fine_error * steps + source * (double)text->amplitude *
                                    (source_rounding(text, f->n) + (2.0 * n + 32.0) * TWO_TO_MINUS(52))) * 1.0001;
    const double shown = fabs(first) + (second > -INFINITY ? fabs(second) : 0.0) + 2.0 * (double)text->bias_max;
    *plane = first - second > bound + shown * TWO_TO_MINUS(22) ? QC_FINE : QC_OPEN;
    return best;
}

static qc_status label_many(const qc_text *text, qc_scratch *s, const features *f, int32_t *label, uint8_t *plane) {
    int failed = 0;
    const float *tf = term_frequencies(text, s, f, &failed);
    const size_t padded = (f->n + KEPT_PADDING) & ~(size_t)(KEPT_PADDING - 1);
    /* one buffer: terms of the fine plane (doubles), outputs, steps as floats, rows, steps */
    const size_t outputs = (size_t)text->padded;
    uint8_t *memory = room_for(s, KEYS, outputs * 4 + padded * 18 + 64);
    if (failed || !memory) return QC_NO_MEMORY;
    double *x = (double *)memory;
    float *out = (float *)(x + padded), *q = out + outputs;
    uint32_t *rows = (uint32_t *)(q + padded);
    int16_t *steps = (int16_t *)(rows + padded);
    float norm, largest;
    steps_many(text, f->values, tf, f->n, q, rows, &norm, &largest);
    if (text->prefetch)
        for (size_t i = 0; i < f->n; i++)
            for (int k = 0; k < text->padded; k += 64) PREFETCH(text->hot + (size_t)rows[i] * (size_t)text->padded + k);
    /* largest * grid stays below 32767, and the sum of |steps| * 127 below 2^31 */
    if (!(largest < 1e30f)) { /* beyond the grid (`shift` would leave float32): nothing is ruled out */
        for (int k = 0; k < text->padded; k++) out[k] = 0.0f;
        *label = label_fine(text, f, out, -1.0, x, plane);
        return QC_DONE;
    }
    const float bumped = largest * (1.0f + 1.0f / 32768.0f);
    uint32_t bits;
    memcpy(&bits, &bumped, 4);
    int shift = 141 - (int)(bits >> 23); /* 2^14 <= bumped * 2^shift < 2^15 */
    for (size_t most = 512; f->n > most; most *= 2) shift--;
    shift = shift > 100 ? 100 : shift;
    const float grid = power_of_two(shift), step = power_of_two(-shift);
    const int64_t total = to_steps(q, f->n, grid, steps);
    const float inverse = inverse_norm(text->norm, norm), factor = inverse * step;
    dot_many(text, rows, steps, f->n, factor, out);
    int best;
    float first, second;
    best_two(out, text->padded, &best, &first, &second);
    const double n = (double)f->n, sum = (double)total + 0.5 * n;
    const double bound =
        (double)factor * (sum * ((double)text->spread + (double)text->amplitude * source_rounding(text, f->n)) + 127.0 * n) *
            (1.0 + TWO_TO_MINUS(13) + n * TWO_TO_MINUS(23)) +
        ((double)fabsf(first) + (double)fabsf(second) + 2.0 * (double)text->bias_max) * (n + 64.0) * TWO_TO_MINUS(24);
    *label = best;
    *plane = QC_HOT;
    if (LIKELY(QC_CERTIFICATE((double)first - (double)second > bound, 1))) return QC_DONE;
    *label = label_fine(text, f, out, (double)first - bound, x, plane);
    return QC_DONE;
}

/* ---------------------------------------------------------------- results */

static qc_status finish_counts(const qc_text *text, qc_scratch *s, const features *f, const uint32_t *refs, qc_result *r, size_t at) {
    int64_t *columns = room_for(s, COLUMNS, (s->n_counts + f->n + 1) * sizeof *columns);
    double *counts = room_for(s, COUNTS, (s->n_counts + f->n + 1) * sizeof *counts);
    if (!columns || !counts) return QC_NO_MEMORY;
    for (size_t i = 0; i < f->n; i++) {
        const uint32_t ref = refs[i];
        columns[s->n_counts + i] = text->hashing                ? ref
                                   : ref < text->first_pair_ref ? text->tokens[ref].column
                                                                : text->pair_column[ref - text->first_pair_ref];
        counts[s->n_counts + i] = f->counts ? (double)f->counts[i] : 1.0;
    }
    s->n_counts += f->n;
    r->counted[at] = (int64_t)f->n;
    return QC_DONE;
}

static qc_status finish(const qc_text *text, qc_scratch *s, features f, const uint32_t *refs, qc_result *r, size_t at) {
    if (r->job == QC_COUNTS) return finish_counts(text, s, &f, refs, r, at);
    if (r->job == QC_SCORES) {
        double *scores = r->scores + at * (size_t)text->n_outputs, *wide = scores;
        if (text->n_outputs == 1) {
            scores_one(text, &f, scores, r->bounds + at);
        } else {
            wide = room_for(s, KEYS, (size_t)text->width * sizeof *wide);
            if (!wide) return QC_NO_MEMORY;
            double largest = 0.0;
            const double bound = fine_scores(text, &f, wide);
            for (int k = 0; k < text->n_outputs; k++) {
                scores[k] = wide[k];
                largest = fabs(wide[k]) > largest ? fabs(wide[k]) : largest;
            }
            r->bounds[at] = bound + 2.0 * (largest + (double)text->bias_max) * TWO_TO_MINUS(22);
        }
        if (!f.n) r->bounds[at] = 0.0; /* the source adds its bias to zero */
        return QC_DONE;
    }
    if (!f.n) {
        r->labels[at] = text->empty_label;
        r->planes[at] = QC_HOT;
        return QC_DONE;
    }
    const qc_status status = text->n_outputs == 1 ? label_one(text, s, &f, r->labels + at, r->planes + at)
                                                  : label_many(text, s, &f, r->labels + at, r->planes + at);
    if (status) return status;
    r->fine += r->planes[at] != QC_HOT && text->n_outputs > 1;
    r->open += r->planes[at] == QC_OPEN;
    return QC_DONE;
}

#endif
