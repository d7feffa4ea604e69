/* Strings of Arrow's layouts → codes. */
#include "kernels/frame/frame.h"

#include <string.h>

/* Equal strings have equal hashes, and that is all that is asked of it: a lookup compares the bytes. */
uint32_t qc_frame_hash(const char *text, size_t size) {
    const uint64_t factor = 0x9E3779B97F4A7C15u;
    uint64_t h = size * factor, word = 0;
    if (size >= 8) {
        for (; size > 8; text += 8, size -= 8) {
            memcpy(&word, text, 8);
            h = (h ^ word) * factor;
            h ^= h >> 29;
        }
        memcpy(&word, text + size - 8, 8); /* the last of these 8 bytes may have been read before */
    } else if (size >= 4) {
        uint32_t ends[2];
        memcpy(ends, text, 4);
        memcpy(ends + 1, text + size - 4, 4);
        word = ends[0] | (uint64_t)ends[1] << 32;
    } else if (size) {
        word = (uint8_t)text[0] | (uint32_t)(uint8_t)text[size / 2] << 8 | (uint32_t)(uint8_t)text[size - 1] << 16;
    }
    h = (h ^ word) * factor;
    return (uint32_t)(h >> 32);
}

void qc_frame_strings_fill(const char *text, const uint32_t *ends, ptrdiff_t n, uint32_t *slots, uint32_t n_slots) {
    for (ptrdiff_t k = 0; k < n; ++k) {
        uint32_t at = qc_frame_hash(text + ends[k], ends[k + 1] - ends[k]) & (n_slots - 1);
        while (slots[at]) at = (at + 1) & (n_slots - 1);
        slots[at] = (uint32_t)k + 1;
    }
}

static int32_t code_of(const qc_frame_strings *s, const char *text, size_t size) {
    for (uint32_t at = qc_frame_hash(text, size) & s->mask;; at = (at + 1) & s->mask) {
        const uint32_t k = s->slots[at];
        if (!k) return -1;
        const uint32_t first = s->ends[k - 1];
        if (s->ends[k] - first == size && memcmp(s->text + first, text, size) == 0) return s->codes[k - 1];
    }
}

/* A string's place; 0 if it is not within its buffer. */
static int locate(const qc_frame_column *c, ptrdiff_t i, const char **text, size_t *size) {
    int64_t first, last;
    if (c->kind == QC_OF_VIEWS) {
        int32_t view[4]; /* size, then the string itself, or its first bytes, a buffer's number and an offset */
        const char *at = c->data + 16 * i;
        memcpy(view, at, 16);
        if (view[0] < 0) return 0;
        *size = (size_t)view[0];
        *text = at + 4;
        if (view[0] <= 12) return 1;
        if (view[2] < 0 || view[2] >= c->n_more || view[3] < 0 || c->sizes[view[2]] - view[3] < view[0]) return 0;
        *text = (const char *)c->more[view[2]] + view[3];
        return 1;
    }
    if (c->kind == QC_OF_UTF8) {
        int32_t ends[2];
        memcpy(ends, c->data + 4 * i, 8);
        first = ends[0], last = ends[1];
    } else {
        int64_t ends[2];
        memcpy(ends, c->data + 8 * i, 16);
        first = ends[0], last = ends[1];
    }
    if (first < 0 || last < first || last > c->end || last - first > UINT32_MAX) return 0;
    *text = c->bytes + first;
    *size = (size_t)(last - first);
    return 1;
}

int qc_frame_strings_codes(const qc_frame_strings *s, const qc_frame_column *c, ptrdiff_t start, ptrdiff_t n, int32_t of_null,
                           int32_t *out) {
    for (ptrdiff_t i = 0; i < n; ++i) {
        const ptrdiff_t row = c->offset + start + i;
        const char *text;
        size_t size;
        if (c->valid && !(c->valid[row >> 3] >> (row & 7) & 1)) {
            out[i] = of_null;
            continue;
        }
        if (!locate(c, row, &text, &size)) return 0;
        out[i] = code_of(s, text, size);
    }
    return 1;
}
