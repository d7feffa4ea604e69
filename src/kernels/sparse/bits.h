/* Set bits, and where the packed values of eight of them go. */
#ifndef QC_SPARSE_BITS_H
#define QC_SPARSE_BITS_H

#include <stdint.h>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#if defined(_M_X64)
#define qc_count_bits(x) ((ptrdiff_t)__popcnt64(x))
#else
#define qc_count_bits(x) ((ptrdiff_t)_CountOneBits64(x))
#endif
static inline ptrdiff_t qc_first_bit(uint32_t x) { /* not of 0 */
    unsigned long place;
    _BitScanForward(&place, x);
    return (ptrdiff_t)place;
}
#else
#define qc_count_bits(x) ((ptrdiff_t)__builtin_popcountll(x))
#define qc_first_bit(x) ((ptrdiff_t)__builtin_ctz(x)) /* not of 0 */
#endif

/* For each byte of mask: the packed value that each of its eight outputs takes, or 0x80 (none: shuffles give 0). */
#define QC_BELOW(m, i) \
    (((m) & 1 && (i) > 0) + ((m) >> 1 & 1 && (i) > 1) + ((m) >> 2 & 1 && (i) > 2) + ((m) >> 3 & 1 && (i) > 3) + \
     ((m) >> 4 & 1 && (i) > 4) + ((m) >> 5 & 1 && (i) > 5) + ((m) >> 6 & 1 && (i) > 6))
#define QC_TAKES(m, i) ((m) >> (i)&1 ? QC_BELOW(m, i) : 0x80)
#define QC_SPREAD1(m)                                                               \
    {QC_TAKES(m, 0), QC_TAKES(m, 1), QC_TAKES(m, 2), QC_TAKES(m, 3), QC_TAKES(m, 4), \
     QC_TAKES(m, 5), QC_TAKES(m, 6), QC_TAKES(m, 7)}
#define QC_SPREAD4(m) QC_SPREAD1(m), QC_SPREAD1(m + 1), QC_SPREAD1(m + 2), QC_SPREAD1(m + 3)
#define QC_SPREAD16(m) QC_SPREAD4(m), QC_SPREAD4(m + 4), QC_SPREAD4(m + 8), QC_SPREAD4(m + 12)
#define QC_SPREAD64(m) QC_SPREAD16(m), QC_SPREAD16(m + 16), QC_SPREAD16(m + 32), QC_SPREAD16(m + 48)

static const uint8_t qc_spread[256][8] = {QC_SPREAD64(0), QC_SPREAD64(64), QC_SPREAD64(128), QC_SPREAD64(192)};

#endif
