/* Character tables: lowering and classes, a page of 256 code points at a time. */
#include <stdlib.h>
#include <string.h>

#if defined(_MSC_VER)
#include <intrin.h>
#endif

#include "kernels/text/text.h"

qc_chars *qc_chars_new(int lower) {
    qc_chars *chars = calloc(1, sizeof *chars);
    if (!chars) return NULL;
    chars->lower = lower;
    chars->bmp = calloc(65536, sizeof *chars->bmp);
    chars->lowered = calloc(65536, sizeof *chars->lowered);
    if (!chars->bmp || !chars->lowered) {
        qc_chars_free(chars);
        return NULL;
    }
    return chars;
}

void qc_chars_free(qc_chars *chars) {
    if (!chars) return;
    for (int i = 0; i < 4096; i++) free(chars->wide[i]);
    free(chars->bmp);
    free(chars->lowered);
    free(chars);
}

/* NUL becomes the overlong C0 80, so that a zero byte pads keys without doubt. */
static uint32_t internal_utf8(uint32_t code) {
    uint32_t bytes, length;
    if (code >= 1 && code < 0x80) bytes = code, length = 1;
    else if (code < 0x800) bytes = (0xC0 | code >> 6) | (0x80 | (code & 0x3F)) << 8, length = 2;
    else bytes = (0xE0 | code >> 12) | (0x80 | (code >> 6 & 0x3F)) << 8 | (0x80 | (code & 0x3F)) << 16, length = 3;
    return bytes | length << QC_CHAR_LENGTH_SHIFT;
}

static void set_ascii(qc_chars *chars) {
    for (uint32_t c = 0; c < 128; c++) {
        const uint32_t v = chars->bmp[c];
        const int word = (v & QC_CHAR_WORD) != 0;
        chars->ascii_lower[c] = (uint8_t)(chars->lowered[c] | (word ? 0x80 : 0));
        chars->ascii_space[c] = (v & QC_CHAR_SPACE) != 0;
        if (word) chars->word_nibbles[c & 15] |= (uint8_t)(1 << (c >> 4));
    }
}

/* Whether the page took the free place: another thread may have been faster. */
static int publish(uint32_t **place, uint32_t *page) {
#if defined(_MSC_VER) && !defined(__clang__)
    return !_InterlockedCompareExchangePointer((void *volatile *)place, page, NULL);
#else
    uint32_t *none = NULL;
    return __atomic_compare_exchange_n(place, &none, page, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
#endif
}

int qc_chars_set_page(qc_chars *chars, uint32_t first, const uint32_t *lowered, const uint8_t *flags) {
    uint32_t page[256];
    /* A page that is there stays: other threads may be reading it. */
    if (first >= 0x10000 ? QC_LOAD_PAGE(chars->wide + ((first - 0x10000) >> 8)) != NULL
                         : QC_LOAD_FIRST(chars->bmp + first) != 0)
        return 0;
    for (uint32_t i = 0; i < 256; i++) {
        const uint32_t f = (uint32_t)(flags[i] & 7) << 26;
        page[i] = (first < 0x10000 ? internal_utf8(lowered[i]) : lowered[i] & QC_WIDE_CODE) | f | QC_CHAR_MADE;
    }
    if (first >= 0x10000) {
        uint32_t *fresh = malloc(sizeof page);
        if (!fresh) return -1;
        memcpy(fresh, page, sizeof page);
        if (!publish(chars->wide + ((first - 0x10000) >> 8), fresh)) free(fresh);
        return 0;
    }
    for (uint32_t i = 0; i < 256; i++) QC_STORE_EARLY(chars->lowered + first + i, (uint16_t)lowered[i]);
    for (uint32_t i = 0; i < 256; i++) QC_STORE_LAST(chars->bmp + first + i, page[i]);
    if (first == 0) set_ascii(chars);
    return 0;
}
