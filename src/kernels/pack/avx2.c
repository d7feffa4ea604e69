#include <immintrin.h>

#include "kernels/pack/pack.h"

/* Conversions to integers round as MXCSR says: to nearest even, in every process that has not changed it.
 * What does not fill a vector is left to the one-value functions of pack.h. */

QC_INLINE void save(void *x, int stream, __m256i v) {
    if (stream) _mm256_stream_si256((__m256i *)x, v);
    else _mm256_storeu_si256((__m256i *)x, v);
}

/* The magnitudes of 32 bytes, and the larger of two, as integers (whose sign bit is clear). */
QC_INLINE __m256i magnitude(const void *x, int wide) {
    const __m256i mask = wide ? _mm256_set1_epi64x(INT64_MAX) : _mm256_set1_epi32(INT32_MAX);
    return _mm256_and_si256(_mm256_loadu_si256(x), mask);
}

QC_INLINE __m256i larger(__m256i a, __m256i b, int wide) {
    return wide ? _mm256_blendv_epi8(a, b, _mm256_cmpgt_epi64(b, a)) : _mm256_max_epi32(a, b);
}

QC_INLINE void largest_of(const void *x, ptrdiff_t n, int wide, void *out) {
    const ptrdiff_t unit = wide ? 4 : 8;
    const char *p = x;
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    for (; n >= 4 * unit; n -= 4 * unit, p += 128) {
        a = larger(a, magnitude(p, wide), wide);
        b = larger(b, magnitude(p + 32, wide), wide);
        c = larger(c, magnitude(p + 64, wide), wide);
        d = larger(d, magnitude(p + 96, wide), wide);
    }
    for (; n >= unit; n -= unit, p += 32) a = larger(a, magnitude(p, wide), wide);
    a = larger(larger(a, b, wide), larger(c, d, wide), wide);
    a = larger(a, _mm256_permute2x128_si256(a, a, 1), wide);
    a = larger(a, _mm256_shuffle_epi32(a, 0x4e), wide);
    if (wide) *(double *)out = _mm256_cvtsd_f64(_mm256_castsi256_pd(a));
    else *(float *)out = _mm256_cvtss_f32(_mm256_castsi256_ps(larger(a, _mm256_shuffle_epi32(a, 0xb1), 0)));
    for (ptrdiff_t j = 0; j < n; ++j) qc_larger_one(out, p, j, wide);
}

QC_INLINE void merge_rows(const void *x, ptrdiff_t stride, ptrdiff_t n_rows, ptrdiff_t n, int wide, void *out) {
    const ptrdiff_t unit = wide ? 4 : 8, apart = stride * (wide ? 8 : 4);
    const char *p = x;
    char *o = out;
    for (; n >= unit; n -= unit, p += 32, o += 32) {
        __m256i most = _mm256_loadu_si256((const __m256i *)o);
        if (n_rows == 4) {
            const __m256i a = larger(magnitude(p, wide), magnitude(p + apart, wide), wide);
            const __m256i b = larger(magnitude(p + 2 * apart, wide), magnitude(p + 3 * apart, wide), wide);
            most = larger(most, larger(a, b, wide), wide);
        } else
            for (ptrdiff_t row = 0; row < n_rows; ++row) most = larger(most, magnitude(p + row * apart, wide), wide);
        save(o, 0, most);
    }
    for (; n > 0; --n, p += wide ? 8 : 4, o += wide ? 8 : 4)
        for (ptrdiff_t row = 0; row < n_rows; ++row) qc_larger_one(o, p + row * apart, 0, wide);
}

/* What values are multiplied by: an array of factors, or one for all. */
typedef struct {
    const void *each; /* or NULL */
    __m256 f;
    __m256d d;
} factors;

QC_INLINE factors factors_from(const void *by, int each, int wide) {
    factors f = {each ? by : NULL, _mm256_setzero_ps(), _mm256_setzero_pd()};
    if (!each && wide) f.d = _mm256_set1_pd(*(const double *)by);
    if (!each && !wide) f.f = _mm256_set1_ps(*(const float *)by);
    return f;
}

QC_INLINE __m256 times32(__m256 v, const factors *by, ptrdiff_t j) {
    return _mm256_mul_ps(v, by->each ? _mm256_loadu_ps((const float *)by->each + j) : by->f);
}

QC_INLINE __m256d times64(__m256d v, const factors *by, ptrdiff_t j) {
    return _mm256_mul_pd(v, by->each ? _mm256_loadu_pd((const double *)by->each + j) : by->d);
}

/* Values j to j + 7 of a row. */
QC_INLINE __m256i rounded(const void *x, ptrdiff_t j, const factors *by, int wide) {
    if (!wide) return _mm256_cvtps_epi32(times32(_mm256_loadu_ps((const float *)x + j), by, j));
    const double *v = (const double *)x + j;
    const __m128i a = _mm256_cvtpd_epi32(times64(_mm256_loadu_pd(v), by, j));
    const __m128i b = _mm256_cvtpd_epi32(times64(_mm256_loadu_pd(v + 4), by, j + 4));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
}

/* 32-bit integers to values j to j + 31 of a packed row; the packs work within 128-bit lanes. */
QC_INLINE void put32(void *q, ptrdiff_t j, int bits, int stream, const __m256i v[4]) {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i ab = _mm256_packs_epi32(v[0], v[1]), cd = _mm256_packs_epi32(v[2], v[3]);
    if (bits == 16) {
        save((int16_t *)q + j, stream, _mm256_permute4x64_epi64(ab, 0xd8));
        save((int16_t *)q + j + 16, stream, _mm256_permute4x64_epi64(cd, 0xd8));
        return;
    }
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(ab, cd), order);
    if (bits == 8) {
        save((int8_t *)q + j, stream, bytes);
        return;
    }
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_and_si256(bytes, _mm256_set1_epi8(15)), _mm256_set1_epi16(0x1001));
    const __m128i out = _mm_packus_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    if (stream) _mm_stream_si128((__m128i *)((uint8_t *)q + j / 2), out);
    else _mm_storeu_si128((__m128i *)((uint8_t *)q + j / 2), out);
}

/* Values before the first 32 bytes of a row's output that are aligned, at most all of them. */
QC_INLINE ptrdiff_t until_aligned(const void *to, ptrdiff_t n, int bits) {
    const ptrdiff_t values = (ptrdiff_t)(-(uintptr_t)to & 31u) * 8 / bits;
    return values < n ? values : n;
}

QC_INLINE void round_run(const void *x, ptrdiff_t n, const void *by, int each, int stream, int wide, int bits, void *q) {
    const factors f = factors_from(by, each, wide);
    const ptrdiff_t head = stream ? until_aligned(q, n, bits) : 0;
    ptrdiff_t j = 0;
    for (int part = 0; part < 2; ++part) { /* what stands before aligned bytes, and the rest */
        if (part)
            for (; j + 32 <= n; j += 32) {
                const __m256i v[4] = {rounded(x, j, &f, wide), rounded(x, j + 8, &f, wide), rounded(x, j + 16, &f, wide),
                                      rounded(x, j + 24, &f, wide)};
                put32(q, j, bits, stream, v);
            }
        for (; j < (part ? n : head); ++j) qc_round_one(x, j, by, each, wide, bits, q);
    }
}

QC_INLINE void got32(const void *q, ptrdiff_t j, int bits, __m256i v[4]) {
    if (bits == 16) {
        const __m128i *p = (const __m128i *)((const int16_t *)q + j);
        for (int i = 0; i < 4; ++i) v[i] = _mm256_cvtepi16_epi32(_mm_loadu_si128(p + i));
    } else if (bits == 8) {
        const int8_t *p = (const int8_t *)q + j;
        for (int i = 0; i < 4; ++i) v[i] = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(p + 8 * i)));
    } else {
        const __m256i pairs = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)((const uint8_t *)q + j / 2)));
        const __m256i nibbles = _mm256_and_si256(_mm256_or_si256(pairs, _mm256_slli_epi16(pairs, 4)), _mm256_set1_epi8(15));
        const __m256i eight = _mm256_set1_epi8(8), bytes = _mm256_sub_epi8(_mm256_xor_si256(nibbles, eight), eight);
        const __m128i low = _mm256_castsi256_si128(bytes), high = _mm256_extracti128_si256(bytes, 1);
        v[0] = _mm256_cvtepi8_epi32(low);
        v[1] = _mm256_cvtepi8_epi32(_mm_unpackhi_epi64(low, low));
        v[2] = _mm256_cvtepi8_epi32(high);
        v[3] = _mm256_cvtepi8_epi32(_mm_unpackhi_epi64(high, high));
    }
}

QC_INLINE void spread8(void *x, ptrdiff_t j, const factors *by, int stream, int wide, __m256i v) {
    if (!wide) {
        save((float *)x + j, stream, _mm256_castps_si256(times32(_mm256_cvtepi32_ps(v), by, j)));
        return;
    }
    const __m256d a = _mm256_cvtepi32_pd(_mm256_castsi256_si128(v)), b = _mm256_cvtepi32_pd(_mm256_extracti128_si256(v, 1));
    save((double *)x + j, stream, _mm256_castpd_si256(times64(a, by, j)));
    save((double *)x + j + 4, stream, _mm256_castpd_si256(times64(b, by, j + 4)));
}

QC_INLINE void spread_run(const void *q, ptrdiff_t n, const void *by, int each, int stream, int wide, int bits, void *x) {
    const factors f = factors_from(by, each, wide);
    /* An odd number of int4 would leave the rest of the row out of step with its bytes: then nothing streams. */
    const ptrdiff_t until = stream ? until_aligned(x, n, wide ? 64 : 32) : 0, head = bits == 4 && until % 2 ? 0 : until;
    const int passing = stream && !(bits == 4 && until % 2);
    ptrdiff_t j = 0;
    for (int part = 0; part < 2; ++part) { /* what stands before aligned bytes, and the rest */
        if (part)
            for (; j + 32 <= n; j += 32) {
                __m256i v[4];
                got32(q, j, bits, v);
                for (int i = 0; i < 4; ++i) spread8(x, j + 8 * i, &f, passing, wide, v[i]);
            }
        for (; j < (part ? n : head); ++j) qc_spread_one(q, j, by, each, wide, bits, x);
    }
}

/* 8 values to float16; above gathers what says whether all were finite: 32-bit words, for float64 the upper ones. */
QC_INLINE __m128i halves(const void *x, ptrdiff_t i, int wide, __m256i *above) {
    if (!wide) {
        const __m256 v = _mm256_loadu_ps((const float *)x + i);
        *above = _mm256_max_epi32(*above, magnitude((const float *)x + i, 0));
        return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
    }
    const __m256i lost = _mm256_set1_epi64x(QC_LOST), upper = _mm256_set1_epi64x(0x7fffffff00000000);
    __m128 part[2];
    for (int k = 0; k < 2; ++k) { /* as qc_to_odd */
        const __m256i v = _mm256_loadu_si256((const __m256i *)((const double *)x + i + 4 * k));
        *above = _mm256_max_epi32(*above, _mm256_and_si256(v, upper));
        const __m256i sticky = _mm256_add_epi64(_mm256_and_si256(v, lost), lost);
        part[k] = _mm256_cvtpd_ps(_mm256_castsi256_pd(_mm256_andnot_si256(lost, _mm256_or_si256(v, sticky))));
    }
    return _mm256_cvtps_ph(_mm256_insertf128_ps(_mm256_castps128_ps256(part[0]), part[1], 1), _MM_FROUND_TO_NEAREST_INT);
}

QC_INLINE int narrow(const void *x, ptrdiff_t n, int stream, int wide, void *h) {
    __m256i above = _mm256_setzero_si256(), beyond = above;
    uint16_t *to = h;
    const ptrdiff_t head = stream ? until_aligned(h, n, 16) : 0;
    int finite = 1;
    ptrdiff_t i = 0;
    for (int part = 0; part < 2; ++part) { /* what stands before aligned bytes, and the rest */
        if (part)
            for (; i + 16 <= n; i += 16) {
                const __m128i a = halves(x, i, wide, &above), b = halves(x, i + 8, wide, &beyond);
                save(to + i, stream, _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1));
            }
        for (; i < (part ? n : head); ++i) finite &= qc_narrow_one(x, i, wide, h);
    }
    const __m256i limit = _mm256_set1_epi32((int)(wide ? QC_INFINITY64 >> 32 : QC_INFINITY32) - 1);
    return finite && !_mm256_movemask_epi8(_mm256_cmpgt_epi32(_mm256_max_epi32(above, beyond), limit));
}

QC_INLINE void widen8(void *x, ptrdiff_t i, int stream, int wide, __m128i v) {
    const __m256 f = _mm256_cvtph_ps(v);
    if (!wide) {
        save((float *)x + i, stream, _mm256_castps_si256(f));
        return;
    }
    save((double *)x + i, stream, _mm256_castpd_si256(_mm256_cvtps_pd(_mm256_castps256_ps128(f))));
    save((double *)x + i + 4, stream, _mm256_castpd_si256(_mm256_cvtps_pd(_mm256_extractf128_ps(f, 1))));
}

QC_INLINE int widen(const void *h, ptrdiff_t n, int stream, int wide, void *x) {
    __m256i most = _mm256_setzero_si256();
    const uint16_t *from = h;
    const ptrdiff_t head = stream ? until_aligned(x, n, wide ? 64 : 32) : 0;
    int finite = 1;
    ptrdiff_t i = 0;
    for (int part = 0; part < 2; ++part) { /* what stands before aligned bytes, and the rest */
        if (part)
            for (; i + 16 <= n; i += 16) {
                const __m256i v = _mm256_loadu_si256((const __m256i *)(from + i));
                most = _mm256_max_epi16(most, _mm256_and_si256(v, _mm256_set1_epi16(0x7fff)));
                widen8(x, i, stream, wide, _mm256_castsi256_si128(v));
                widen8(x, i + 8, stream, wide, _mm256_extracti128_si256(v, 1));
            }
        for (; i < (part ? n : head); ++i) finite &= qc_widen_one(h, i, wide, x);
    }
    return finite && !_mm256_movemask_epi8(_mm256_cmpgt_epi16(most, _mm256_set1_epi16(QC_INFINITY16 - 1)));
}

/* Orders stores that passed by the caches before all later ones. */
QC_INLINE void settle(int stream) {
    if (stream) _mm_sfence();
}

#include "kernels/pack/loops.h"

KERNELS(avx2)
