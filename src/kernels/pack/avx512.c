#include <immintrin.h>

#include "kernels/pack/pack.h"

/* Conversions to integers round as MXCSR says: to nearest even, in every process that has not changed it. */

QC_INLINE uint32_t low(ptrdiff_t n) { return (1u << n) - 1u; }

/* Up to 16 (8) values; beyond the left ones 0, and nothing is read. left is a constant wherever speed counts. */
QC_INLINE __m512 load32(const float *x, ptrdiff_t left) {
    return left >= 16 ? _mm512_loadu_ps(x) : _mm512_maskz_loadu_ps((__mmask16)low(left), x);
}

QC_INLINE __m512d load64(const double *x, ptrdiff_t left) {
    return left >= 8 ? _mm512_loadu_pd(x) : left <= 0 ? _mm512_setzero_pd() : _mm512_maskz_loadu_pd((__mmask8)low(left), x);
}

QC_INLINE void save32(float *x, ptrdiff_t left, int stream, __m512 v) {
    if (left < 16) _mm512_mask_storeu_ps(x, (__mmask16)low(left), v);
    else if (stream) _mm512_stream_ps(x, v);
    else _mm512_storeu_ps(x, v);
}

QC_INLINE void save64(double *x, ptrdiff_t left, int stream, __m512d v) {
    if (left < 8) _mm512_mask_storeu_pd(x, (__mmask8)(left > 0 ? low(left) : 0), v);
    else if (stream) _mm512_stream_pd(x, v);
    else _mm512_storeu_pd(x, v);
}

QC_INLINE void save(void *x, int stream, __m512i v) {
    if (stream) _mm512_stream_si512((__m512i *)x, v);
    else _mm512_storeu_si512(x, v);
}

QC_INLINE __m512i magnitude32(__m512 v) { return _mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(0x7fffffff)); }
QC_INLINE __m512i magnitude64(__m512d v) { return _mm512_and_si512(_mm512_castpd_si512(v), _mm512_set1_epi64(INT64_MAX)); }

/* The magnitudes of 64 bytes, and the larger of two, as integers. */
QC_INLINE __m512i magnitude(const void *x, ptrdiff_t left, int wide) {
    return wide ? magnitude64(load64(x, left)) : magnitude32(load32(x, left));
}

enum { MAXIMUM_MAGNITUDE = 0xb }; /* of vrange: the operand of larger magnitude, sign cleared */

QC_INLINE __m512i larger(__m512i a, __m512i b, int wide) { return wide ? _mm512_max_epu64(a, b) : _mm512_max_epu32(a, b); }

/* The larger of what most holds (magnitudes already) and the magnitudes of 64 bytes. Of float32 a NaN is passed over, and found
 * when it is rounded (watch): one operation in place of two. */
QC_INLINE __m512i most_of_vector(__m512i most, __m512i v, int wide) {
    if (wide) return larger(most, magnitude64(_mm512_castsi512_pd(v)), 1);
    return _mm512_castps_si512(_mm512_range_ps(_mm512_castsi512_ps(most), _mm512_castsi512_ps(v), MAXIMUM_MAGNITUDE));
}

QC_INLINE __m512i most_of(__m512i most, const void *x, ptrdiff_t left, int wide) {
    return most_of_vector(most, wide ? _mm512_castpd_si512(load64(x, left)) : _mm512_castps_si512(load32(x, left)), wide);
}

/* The largest magnitudes of a row, a lane each. */
QC_INLINE __m512i largest_lanes(const char *p, ptrdiff_t n, int wide) {
    const ptrdiff_t unit = wide ? 8 : 16;
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    for (; n >= 4 * unit; n -= 4 * unit, p += 256) {
        a = most_of(a, p, unit, wide);
        b = most_of(b, p + 64, unit, wide);
        c = most_of(c, p + 128, unit, wide);
        d = most_of(d, p + 192, unit, wide);
    }
    for (; n >= unit; n -= unit, p += 64) a = most_of(a, p, unit, wide);
    if (n > 0) b = most_of(b, p, n, wide);
    return larger(larger(a, b, wide), larger(c, d, wide), wide);
}

QC_INLINE void largest_lane(__m512i v, int wide, void *out) {
    if (wide) *(double *)out = qc_double(_mm512_reduce_max_epu64(v));
    else *(float *)out = qc_float(_mm512_reduce_max_epu32(v));
}

QC_INLINE void largest_of(const void *x, ptrdiff_t n, int wide, void *out) { largest_lane(largest_lanes(x, n, wide), wide, out); }

QC_INLINE __m512i merged32(__m512i a, __m512i b) { return larger(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b), 0); }
QC_INLINE __m512i merged64(__m512i a, __m512i b, int wide) {
    return larger(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b), wide);
}
QC_INLINE __m512i merged128(__m512i a, __m512i b, int wide) {
    return larger(_mm512_shuffle_i64x2(a, b, 0x88), _mm512_shuffle_i64x2(a, b, 0xdd), wide);
}

/* Vectors are merged pair by pair, as they are transposed: 3 operations a row, against 9 for a row by itself. float64 gives two
 * vectors of 8. */
QC_INLINE void largest_lanes_of_16(const char *p, ptrdiff_t n, int wide, __m512i out[2]) {
    __m512i m[16];
    QC_UNROLL
    for (int r = 0; r < 16; ++r) m[r] = largest_lanes(p + r * n * (wide ? 8 : 4), n, wide);
    if (!wide) {
        QC_UNROLL
        for (int r = 0; r < 8; ++r) m[r] = merged32(m[2 * r], m[2 * r + 1]);
    }
    const int n_left = wide ? 8 : 4;
    QC_UNROLL
    for (int r = 0; r < n_left; ++r) m[r] = merged64(m[2 * r], m[2 * r + 1], wide);
    QC_UNROLL
    for (int r = 0; r < n_left / 2; ++r) m[r] = merged128(m[2 * r], m[2 * r + 1], wide);
    QC_UNROLL
    for (int r = 0; r < n_left / 4; ++r) out[r] = merged128(m[2 * r], m[2 * r + 1], wide);
}

/* The lengths that are usual for groups are constants, so that no loop is left. */
#define LARGEST_LANES_OF_16(wide)                                 \
    if (n == 16) largest_lanes_of_16(x, 16, wide, most);          \
    else if (n == 32) largest_lanes_of_16(x, 32, wide, most);     \
    else if (n == 64) largest_lanes_of_16(x, 64, wide, most);     \
    else if (n == 128) largest_lanes_of_16(x, 128, wide, most);   \
    else largest_lanes_of_16(x, n, wide, most)

/* As qc_scales32 and qc_scales64, for the maxima of a vector. */
QC_INLINE int scales_of_vector(__m512i most, int limit, int wide, void *scale, void *inverse) {
    if (wide) {
        const __m512d cap = _mm512_set1_pd(qc_double(qc_bits64(DBL_MAX / limit) - 1));
        const __m512d s = _mm512_div_pd(_mm512_castsi512_pd(most), _mm512_set1_pd(limit));
        const __m512d kept = _mm512_min_pd(_mm512_max_pd(s, _mm512_set1_pd(DBL_MIN)), cap);
        _mm512_storeu_pd(scale, kept);
        _mm512_storeu_pd(inverse, _mm512_div_pd(_mm512_set1_pd(1.0), kept));
        return !_mm512_cmpge_epu64_mask(most, _mm512_set1_epi64((int64_t)QC_INFINITY64));
    }
    const __m512 cap = _mm512_set1_ps(qc_float(qc_bits32(FLT_MAX / (float)limit) - 1));
    const __m512 s = _mm512_div_ps(_mm512_castsi512_ps(most), _mm512_set1_ps((float)limit));
    const __m512 kept = _mm512_min_ps(_mm512_max_ps(s, _mm512_set1_ps(FLT_MIN)), cap);
    _mm512_storeu_ps(scale, kept);
    _mm512_storeu_ps(inverse, _mm512_div_ps(_mm512_set1_ps(1.0f), kept));
    return !_mm512_cmpge_epu32_mask(most, _mm512_set1_epi32((int)QC_INFINITY32));
}

QC_INLINE int find_16_float32(const void *x, ptrdiff_t n, int limit, void *scale, void *inverse) {
    __m512i most[2];
    LARGEST_LANES_OF_16(0);
    return scales_of_vector(most[0], limit, 0, scale, inverse);
}

QC_INLINE int find_16_float64(const void *x, ptrdiff_t n, int limit, void *scale, void *inverse) {
    __m512i most[2];
    LARGEST_LANES_OF_16(1);
    return scales_of_vector(most[0], limit, 1, scale, inverse) &
           scales_of_vector(most[1], limit, 1, (double *)scale + 8, (double *)inverse + 8);
}
#undef LARGEST_LANES_OF_16

QC_INLINE void merge_vector(const char *p, ptrdiff_t apart, ptrdiff_t n_rows, ptrdiff_t left, int wide, void *out) {
    __m512i most = magnitude(out, left, wide);
    if (n_rows == 4) {
        const __m512i a = larger(magnitude(p, left, wide), magnitude(p + apart, left, wide), wide);
        const __m512i b = larger(magnitude(p + 2 * apart, left, wide), magnitude(p + 3 * apart, left, wide), wide);
        most = larger(most, larger(a, b, wide), wide);
    } else
        for (ptrdiff_t row = 0; row < n_rows; ++row) most = larger(most, magnitude(p + row * apart, left, wide), wide);
    if (wide) save64(out, left, 0, _mm512_castsi512_pd(most));
    else save32(out, left, 0, _mm512_castsi512_ps(most));
}

QC_INLINE void merge_rows(const void *x, ptrdiff_t stride, ptrdiff_t n_rows, ptrdiff_t n, int wide, void *out) {
    const ptrdiff_t unit = wide ? 8 : 16, apart = stride * (wide ? 8 : 4);
    const char *p = x;
    char *o = out;
    for (; n >= unit; n -= unit, p += 64, o += 64) merge_vector(p, apart, n_rows, unit, wide, o);
    if (n > 0) merge_vector(p, apart, n_rows, n, wide, o);
}

/* What values are multiplied by: an array of factors, or one for all. */
typedef struct {
    const void *each; /* or NULL */
    __m512 f;
    __m512d d;
} factors;

QC_INLINE factors factors_from(const void *by, int each, int wide) {
    factors f = {each ? by : NULL, _mm512_setzero_ps(), _mm512_setzero_pd()};
    if (!each && wide) f.d = _mm512_set1_pd(*(const double *)by);
    if (!each && !wide) f.f = _mm512_set1_ps(*(const float *)by);
    return f;
}

QC_INLINE __m512 times32(__m512 v, const factors *by, ptrdiff_t j, ptrdiff_t left) {
    return _mm512_mul_ps(v, by->each ? load32((const float *)by->each + j, left) : by->f);
}

QC_INLINE __m512d times64(__m512d v, const factors *by, ptrdiff_t j, ptrdiff_t left) {
    return _mm512_mul_pd(v, by->each ? load64((const double *)by->each + j, left) : by->d);
}

/* Values j to j + 15 of a row. */
QC_INLINE __m512i rounded(const void *x, ptrdiff_t j, const factors *by, ptrdiff_t left, int wide) {
    if (!wide) return _mm512_cvtps_epi32(times32(load32((const float *)x + j, left), by, j, left));
    const double *v = (const double *)x + j;
    /* As qc_round64: the integers are the even words of the sums, which saves converting and joining. */
    const __m512d magic = _mm512_set1_pd(6755399441055744.0);
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512d a = _mm512_add_pd(times64(load64(v, left), by, j, left), magic);
    const __m512d b = _mm512_add_pd(times64(load64(v + 8, left - 8), by, j + 8, left - 8), magic);
    return _mm512_permutex2var_epi32(_mm512_castpd_si512(a), even, _mm512_castpd_si512(b));
}

QC_INLINE void put16(void *q, ptrdiff_t j, int bits, ptrdiff_t left, __m512i v) {
    const __mmask16 mask = (__mmask16)low(left >= 16 ? 16 : left);
    if (bits == 16) {
        const __m256i words = _mm512_cvtepi32_epi16(v);
        if (left >= 16) _mm256_storeu_si256((__m256i *)((int16_t *)q + j), words);
        else _mm256_mask_storeu_epi16((int16_t *)q + j, mask, words);
        return;
    }
    const __m128i bytes = _mm512_cvtepi32_epi8(v);
    if (bits == 8) {
        if (left >= 16) _mm_storeu_si128((__m128i *)((int8_t *)q + j), bytes);
        else _mm_mask_storeu_epi8((int8_t *)q + j, mask, bytes);
        return;
    }
    const __m128i pairs = _mm_maddubs_epi16(_mm_and_si128(bytes, _mm_set1_epi8(15)), _mm_set1_epi16(0x1001));
    const __m128i out = _mm_packus_epi16(pairs, pairs);
    if (left >= 16) _mm_storel_epi64((__m128i *)((uint8_t *)q + j / 2), out);
    else _mm_mask_storeu_epi8((uint8_t *)q + j / 2, (__mmask16)low((left + 1) / 2), out);
}

/* The even ones of the 64 words (128 bytes) of two vectors. */
QC_INLINE __m512i even_words(__m512i a, __m512i b) {
    static const uint16_t even[32] = {0,  2,  4,  6,  8,  10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
                                      32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62};
    return _mm512_permutex2var_epi16(a, _mm512_loadu_si512(even), b);
}

QC_INLINE __m512i even_bytes(__m512i a, __m512i b) {
    static const uint8_t even[64] = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
                                     32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62,
                                     64, 66, 68, 70, 72, 74, 76, 78, 80, 82, 84, 86, 88, 90, 92, 94,
                                     96, 98, 100, 102, 104, 106, 108, 110, 112, 114, 116, 118, 120, 122, 124, 126};
    return _mm512_permutex2var_epi8(a, _mm512_loadu_si512(even), b);
}

/* 32-bit integers to values j to j + 63 of a packed row. */
QC_INLINE void put64(void *q, ptrdiff_t j, int bits, int stream, const __m512i v[4]) {
    const __m512i ab = even_words(v[0], v[1]), cd = even_words(v[2], v[3]);
    if (bits == 16) {
        save((int16_t *)q + j, stream, ab);
        save((int16_t *)q + j + 32, stream, cd);
        return;
    }
    const __m512i bytes = even_bytes(ab, cd);
    if (bits == 8) {
        save((int8_t *)q + j, stream, bytes);
        return;
    }
    const __m512i pairs = _mm512_maddubs_epi16(_mm512_and_si512(bytes, _mm512_set1_epi8(15)), _mm512_set1_epi16(0x1001));
    const __m256i out = _mm512_cvtepi16_epi8(pairs);
    if (stream) _mm256_stream_si256((__m256i *)((uint8_t *)q + j / 2), out);
    else _mm256_storeu_si256((__m256i *)((uint8_t *)q + j / 2), out);
}

/* Values of some bits before the first that begins a cache line; 0 where so few follow that going there does not pay. Without it
 * all loads (or stores) of 64 bytes would take two lines. */
QC_INLINE ptrdiff_t until_aligned(const void *x, ptrdiff_t n, int bits) {
    return n < 256 ? 0 : (ptrdiff_t)(-(uintptr_t)x & 63u) * 8 / bits;
}

/* A core's own prefetchers leave a tenth of the rate from L2 to be had. */
enum { FETCH_AHEAD = 1024 };

/* ahead, if not NULL, is a row whose largest magnitude goes to *out: it is read in step with the one that is rounded. */
QC_INLINE void round_both(const void *x, ptrdiff_t n, const void *by, int each, int stream, int wide, int bits, void *q,
                          const void *ahead, void *out) {
    const factors f = factors_from(by, each, wide);
    /* Aligned loads are worth more than stores that pass by the caches, so those are for targets that are aligned with them. Two
     * int4 share a byte. */
    const ptrdiff_t unit = wide ? 8 : 16, first = each && !stream ? 0 : until_aligned(x, n, wide ? 64 : 32);
    const ptrdiff_t head = bits == 4 ? first & -2 : first;
    const int passing = stream && !((uintptr_t)((const char *)q + head * bits / 8) & 63u);
    __m512i most[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    ptrdiff_t j = 0;
    for (; j + 16 <= head; j += 16) put16(q, j, bits, 16, rounded(x, j, &f, 16, wide));
    if (j < head) put16(q, j, bits, head - j, rounded(x, j, &f, head - j, wide));
    for (j = head; j + 64 <= n; j += 64) {
        __m512i v[4];
        QC_UNROLL
        for (int i = 0; i < 4; ++i) {
            v[i] = rounded(x, j + 16 * i, &f, 16, wide);
            if (ahead)
                for (ptrdiff_t k = 0; k < 16; k += unit) {
                    QC_PREFETCH((const char *)qc_at(ahead, j + 16 * i + k, wide) + FETCH_AHEAD);
                    most[i] = most_of(most[i], qc_at(ahead, j + 16 * i + k, wide), unit, wide);
                }
        }
        put64(q, j, bits, passing, v);
    }
    const ptrdiff_t seen = j;
    for (; j + 16 <= n; j += 16) put16(q, j, bits, 16, rounded(x, j, &f, 16, wide));
    if (j < n) put16(q, j, bits, n - j, rounded(x, j, &f, n - j, wide));
    if (ahead) {
        if (head) most[1] = larger(most[1], largest_lanes(ahead, head, wide), wide);
        if (seen < n) most[0] = larger(most[0], largest_lanes(qc_at(ahead, seen, wide), n - seen, wide), wide);
        largest_lane(larger(larger(most[0], most[1], wide), larger(most[2], most[3], wide), wide), wide, out);
    }
}

QC_INLINE void round_run(const void *x, ptrdiff_t n, const void *by, int each, int stream, int wide, int bits, void *q) {
    round_both(x, n, by, each, stream, wide, bits, q, NULL, NULL);
}

QC_INLINE void round_ahead(const void *x, ptrdiff_t n, const void *by, int stream, int wide, int bits, void *q, const void *ahead,
                           void *out) {
    round_both(x, n, by, 0, stream, wide, bits, q, ahead, out);
}

/* Rows that are one behind the other fill whole blocks, with up to four factors in each. */
QC_INLINE void round_blocks(const void *x, ptrdiff_t n, const void *by, int stream, int wide, int bits, void *q) {
    for (ptrdiff_t j = 0, r = 0; r < 16; r += n < 64 ? 64 / n : 1)
        for (const ptrdiff_t end = j + (n < 64 ? 64 : n); j < end; j += 64) {
            __m512i v[4];
            QC_UNROLL
            for (int i = 0; i < 4; ++i) {
                const factors f = factors_from(qc_at(by, r + (n < 64 ? 16 * i / n : 0), wide), 0, wide);
                v[i] = rounded(x, j + 16 * i, &f, 16, wide);
            }
            put64(q, j, bits, stream, v);
        }
}

QC_INLINE int round_16(const void *x, ptrdiff_t n, const void *by, int far, int wide, int bits, void *q) {
    const int stream = far && !((uintptr_t)q & 63u);
    if (n == 16) round_blocks(x, 16, by, stream, wide, bits, q);
    else if (n == 32) round_blocks(x, 32, by, stream, wide, bits, q);
    else if (n == 64) round_blocks(x, 64, by, stream, wide, bits, q);
    else if (n == 128) round_blocks(x, 128, by, stream, wide, bits, q);
    else if (n % 64 == 0 && n) round_blocks(x, n, by, stream, wide, bits, q);
    else return 0;
    return 1;
}

/* Values j to j + 15 of a packed row as 32-bit integers. */
QC_INLINE __m512i got16(const void *q, ptrdiff_t j, int bits, ptrdiff_t left) {
    const __mmask16 mask = (__mmask16)low(left >= 16 ? 16 : left);
    if (bits == 16) {
        const int16_t *p = (const int16_t *)q + j;
        return _mm512_cvtepi16_epi32(left >= 16 ? _mm256_loadu_si256((const __m256i *)p) : _mm256_maskz_loadu_epi16(mask, p));
    }
    const int8_t *p = (const int8_t *)q + j;
    return _mm512_cvtepi8_epi32(left >= 16 ? _mm_loadu_si128((const __m128i *)p) : _mm_maskz_loadu_epi8(mask, p));
}

/* The 16 values of an int4 as floats, times the one factor where there is one: unpacking is looking up. */
typedef struct {
    __m512 f;
    __m512d low, high;
} int4_values;

QC_INLINE int4_values values_of_int4(const factors *by) {
    int4_values t = {_mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1),
                     _mm512_setr_pd(0, 1, 2, 3, 4, 5, 6, 7), _mm512_setr_pd(-8, -7, -6, -5, -4, -3, -2, -1)};
    if (!by->each) {
        t.f = _mm512_mul_ps(t.f, by->f);
        t.low = _mm512_mul_pd(t.low, by->d);
        t.high = _mm512_mul_pd(t.high, by->d);
    }
    return t;
}

/* Eight bytes go to every 64 bits, of which each takes the bits that begin with its own nibbles; look-ups see only those. */
QC_INLINE void spread16_int4(void *x, ptrdiff_t j, const void *q, const factors *by, const int4_values *t, ptrdiff_t left,
                             int stream, int wide) {
    const uint8_t *p = (const uint8_t *)q + j / 2;
    const __m128i eight =
        left >= 16 ? _mm_loadl_epi64((const __m128i *)p) : _mm_maskz_loadu_epi8((__mmask16)low((left + 1) / 2), p);
    const __m512i all = _mm512_broadcastq_epi64(eight);
    if (!wide) {
        const __m512i shifts = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60);
        const __m512 v = _mm512_permutexvar_ps(_mm512_multishift_epi64_epi8(shifts, all), t->f);
        save32((float *)x + j, left, stream, by->each ? times32(v, by, j, left) : v);
        return;
    }
    const __m512i shifts = _mm512_setr_epi64(0, 4, 8, 12, 16, 20, 24, 28);
    const __m512i later = _mm512_setr_epi64(32, 36, 40, 44, 48, 52, 56, 60);
    const __m512d a = _mm512_permutex2var_pd(t->low, _mm512_multishift_epi64_epi8(shifts, all), t->high);
    const __m512d b = _mm512_permutex2var_pd(t->low, _mm512_multishift_epi64_epi8(later, all), t->high);
    save64((double *)x + j, left, stream, by->each ? times64(a, by, j, left) : a);
    save64((double *)x + j + 8, left - 8, stream, by->each ? times64(b, by, j + 8, left - 8) : b);
}

QC_INLINE void spread16(void *x, ptrdiff_t j, const void *q, const factors *by, ptrdiff_t left, int stream, int wide, int bits) {
    const __m512i v = got16(q, j, bits, left);
    if (!wide) {
        save32((float *)x + j, left, stream, times32(_mm512_cvtepi32_ps(v), by, j, left));
        return;
    }
    const __m512d a = _mm512_cvtepi32_pd(_mm512_castsi512_si256(v)), b = _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(v, 1));
    save64((double *)x + j, left, stream, times64(a, by, j, left));
    save64((double *)x + j + 8, left - 8, stream, times64(b, by, j + 8, left - 8));
}

QC_INLINE void spread_run(const void *q, ptrdiff_t n, const void *by, int each, int stream, int wide, int bits, void *x) {
    const factors f = factors_from(by, each, wide);
    const int4_values t = values_of_int4(&f);
    /* An odd number of int4 would leave the rest of the row out of step with its bytes. */
    const ptrdiff_t until = until_aligned(x, n, wide ? 64 : 32), head = bits == 4 && until % 2 ? 0 : until;
    const int passing = stream && !((uintptr_t)qc_at(x, head, wide) & 63u);
#define SPREAD(left, stream) \
    (bits == 4 ? spread16_int4(x, j, q, &f, &t, left, stream, wide) : spread16(x, j, q, &f, left, stream, wide, bits))
    ptrdiff_t j = 0;
    for (; j + 16 <= head; j += 16) SPREAD(16, 0);
    if (j < head) SPREAD(head - j, 0);
    for (j = head; j + 64 <= n; j += 16) { /* four at a time */
        SPREAD(16, passing);
        j += 16;
        SPREAD(16, passing);
        j += 16;
        SPREAD(16, passing);
        j += 16;
        SPREAD(16, passing);
    }
    for (; j + 16 <= n; j += 16) SPREAD(16, 0);
    if (j < n) SPREAD(n - j, 0);
#undef SPREAD
}

/* Groups that are one behind the other, of a length that is a constant wherever it is usual. */
QC_INLINE void spread_blocks(const void *q, ptrdiff_t n_groups, ptrdiff_t n, const void *by, int stream, int wide, int bits,
                             void *x) {
    for (ptrdiff_t j = 0, g = 0; g < n_groups; ++g) {
        const factors f = factors_from(qc_at(by, g, wide), 0, wide);
        const int4_values t = values_of_int4(&f);
        const ptrdiff_t end = j + n;
        while (j < end) {
            QC_UNROLL
            for (int i = 0; i < (n == 32 ? 2 : 4); ++i, j += 16) {
                if (bits == 4) spread16_int4(x, j, q, &f, &t, 16, stream, wide);
                else spread16(x, j, q, &f, 16, stream, wide, bits);
            }
        }
    }
}

/* Longer ones are better off where runs of their own begin with cache lines, unless they do anyway. */
QC_INLINE int spread_groups(const void *q, ptrdiff_t n_groups, ptrdiff_t n, const void *by, int far, int wide, int bits,
                            void *x) {
    const int aligned = !((uintptr_t)x & 63u);
    if (n == 32 && far && aligned) spread_blocks(q, n_groups, 32, by, 1, wide, bits, x);
    else if (n == 32) spread_blocks(q, n_groups, 32, by, 0, wide, bits, x);
    else if (n % 64 == 0 && aligned && far) spread_blocks(q, n_groups, n & -64, by, 1, wide, bits, x);
    else if (n % 64 == 0 && (aligned || n < 256)) spread_blocks(q, n_groups, n & -64, by, 0, wide, bits, x);
    else return 0;
    return 1;
}

/* 16 values to float16; above gathers what says whether all were finite: 32-bit words, for float64 the upper ones. */
QC_INLINE __m256i halves(const void *x, ptrdiff_t i, ptrdiff_t left, int wide, __m512i *above) {
    if (!wide) {
        const __m512 v = load32((const float *)x + i, left);
        *above = _mm512_max_epu32(*above, magnitude32(v));
        return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
    }
    const __m512i lost = _mm512_set1_epi64(QC_LOST), upper = _mm512_set1_epi64(0x7fffffff00000000);
    __m256 part[2];
    for (int k = 0; k < 2; ++k) { /* as qc_to_odd: (v | sticky) & ~lost */
        const __m512i v = _mm512_castpd_si512(load64((const double *)x + i + 8 * k, left - 8 * k));
        const __m512i sticky = _mm512_add_epi64(_mm512_and_si512(v, lost), lost);
        *above = _mm512_max_epu32(*above, _mm512_and_si512(v, upper));
        part[k] = _mm512_cvtpd_ps(_mm512_castsi512_pd(_mm512_ternarylogic_epi64(v, sticky, lost, 0x54)));
    }
    const __m512 both = _mm512_insertf32x8(_mm512_castps256_ps512(part[0]), part[1], 1);
    return _mm512_cvtps_ph(both, _MM_FROUND_TO_NEAREST_INT);
}

QC_INLINE int narrow(const void *x, ptrdiff_t n, int stream, int wide, void *h) {
    __m512i above = _mm512_setzero_si512(), beyond = above;
    uint16_t *to = h;
    const ptrdiff_t head = until_aligned(x, n, wide ? 64 : 32);
    const int passing = stream && !((uintptr_t)(to + head) & 63u); /* as in round_both */
    ptrdiff_t i = 0;
    for (; i + 16 <= head; i += 16) _mm256_storeu_si256((__m256i *)(to + i), halves(x, i, 16, wide, &above));
    if (i < head) _mm256_mask_storeu_epi16(to + i, (__mmask16)low(head - i), halves(x, i, head - i, wide, &above));
    for (i = head; i + 32 <= n; i += 32) {
        const __m256i a = halves(x, i, 16, wide, &above), b = halves(x, i + 16, 16, wide, &beyond);
        save(to + i, passing, _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1));
    }
    for (; i + 16 <= n; i += 16) _mm256_storeu_si256((__m256i *)(to + i), halves(x, i, 16, wide, &above));
    if (i < n) _mm256_mask_storeu_epi16(to + i, (__mmask16)low(n - i), halves(x, i, n - i, wide, &above));
    return _mm512_reduce_max_epu32(_mm512_max_epu32(above, beyond)) < (wide ? QC_INFINITY64 >> 32 : QC_INFINITY32);
}

QC_INLINE void widen16(void *x, ptrdiff_t i, ptrdiff_t left, int stream, int wide, __m256i v) {
    const __m512 f = _mm512_cvtph_ps(v);
    if (!wide) {
        save32((float *)x + i, left, stream, f);
        return;
    }
    save64((double *)x + i, left, stream, _mm512_cvtps_pd(_mm512_castps512_ps256(f)));
    save64((double *)x + i + 8, left - 8, stream, _mm512_cvtps_pd(_mm512_extractf32x8_ps(f, 1)));
}

QC_INLINE int widen(const void *h, ptrdiff_t n, int stream, int wide, void *x) {
    const __m256i all = _mm256_set1_epi16(0x7fff);
    __m256i most = _mm256_setzero_si256();
    const uint16_t *from = h;
    const ptrdiff_t head = until_aligned(x, n, wide ? 64 : 32);
    ptrdiff_t i = 0;
    for (int part = 0; part < 2; ++part) { /* what stands before the first cache line, and the rest */
        const ptrdiff_t end = part ? n : head;
        for (i = part ? head : 0; i + 16 <= end; i += 16) {
            const __m256i v = _mm256_loadu_si256((const __m256i *)(from + i));
            most = _mm256_max_epu16(most, _mm256_and_si256(v, all));
            widen16(x, i, 16, part && stream, wide, v);
        }
        if (i < end) {
            const __m256i v = _mm256_maskz_loadu_epi16((__mmask16)low(end - i), from + i);
            most = _mm256_max_epu16(most, _mm256_and_si256(v, all));
            widen16(x, i, end - i, 0, wide, v);
        }
    }
    return !_mm256_cmpge_epu16_mask(most, _mm256_set1_epi16(QC_INFINITY16));
}

/* Converting NaN to an integer is an invalid operation, of which MXCSR keeps a flag; nothing else in packing is one. So a NaN
 * costs nothing where there is none. Calls that are not inlined: what was stored before them has been computed. */
enum { MXCSR_INVALID = 0x1, MXCSR_INVALID_MASKED = 0x80 };

QC_NOINLINE unsigned watch(void) {
    const unsigned saved = _mm_getcsr();
    _mm_setcsr((saved | MXCSR_INVALID_MASKED) & ~(unsigned)MXCSR_INVALID);
    return saved;
}

QC_NOINLINE int no_nan_since(unsigned saved) {
    const unsigned found = _mm_getcsr();
    _mm_setcsr(saved);
    return !(found & MXCSR_INVALID);
}

/* Orders stores that passed by the caches before all later ones. */
QC_INLINE void settle(int stream) {
    if (stream) _mm_sfence();
}

#define OWN_ROWS
#define OWN_WATCH
#include "kernels/pack/loops.h"

KERNELS(avx512)
