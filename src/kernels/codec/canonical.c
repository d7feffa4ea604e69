/* Whether a JSON text is the canonical one: a scan that knows the common case. What it does not know it refuses, and the definition
 * (`canonical.same`: write the value again, and compare) decides. The text has been parsed: it is JSON. */
#include <string.h>

#include "kernels/codec/codec.h"

enum { DEEPEST = 100 };

typedef struct {
    const uint8_t *at, *end;
    uint32_t *numbers; /* from .. to of each number that is no integer */
    const uint8_t *text;
    size_t n_numbers, most;
} scan;

static inline int take(scan *s, uint8_t c) { return s->at < s->end && *s->at == c ? (s->at++, 1) : 0; }

static inline int is_digit(const scan *s) { return s->at < s->end && *s->at >= '0' && *s->at <= '9'; }

/* ASCII that is written as it is, and the escapes that have no other form; keys hold none. */
static int string(scan *s, int key) {
    if (!take(s, '"')) return 0;
    while (s->at < s->end) {
        const uint8_t c = *s->at++;
        if (c == '"') return 1;
        if (c < 0x20 || c >= 0x7f) return 0;
        if (c == '\\' && (key || s->at == s->end || !strchr("\"\\nrtbf", *s->at++) || !s->at[-1])) return 0;
    }
    return 0;
}

/* Integers of up to 18 digits here; of others the caller asks which digits they have. */
static int number(scan *s) {
    const uint8_t *from = s->at;
    const int negative = take(s, '-'), zero = s->at < s->end && *s->at == '0';
    while (is_digit(s)) s->at++;
    const ptrdiff_t digits = s->at - from - negative;
    if (s->at < s->end && (*s->at == '.' || *s->at == 'e' || *s->at == 'E')) {
        while (is_digit(s) || (s->at < s->end && strchr(".eE+-", *s->at) && *s->at)) s->at++;
        if (s->n_numbers == s->most) return 0;
        s->numbers[2 * s->n_numbers] = (uint32_t)(from - s->text);
        s->numbers[2 * s->n_numbers++ + 1] = (uint32_t)(s->at - s->text);
        return 1;
    }
    return digits >= 1 && digits <= 18 && !(zero && (negative || digits > 1));
}

static int word(scan *s, const char *name) {
    const size_t n = strlen(name);
    if ((size_t)(s->end - s->at) < n || memcmp(s->at, name, n)) return 0;
    s->at += n;
    return 1;
}

static int value(scan *s, int depth);

/* Keys ascend by their bytes, each once. */
static int object(scan *s, int depth) {
    const uint8_t *before = NULL;
    size_t n_before = 0;
    if (take(s, '}')) return 1;
    do {
        const uint8_t *key = s->at + 1;
        if (!string(s, 1)) return 0;
        const size_t n = (size_t)(s->at - 1 - key), shared = n < n_before ? n : n_before;
        const int order = before ? memcmp(before, key, shared) : -1;
        if (order > 0 || (order == 0 && n_before >= n)) return 0;
        before = key;
        n_before = n;
        if (!take(s, ':') || !value(s, depth)) return 0;
    } while (take(s, ','));
    return take(s, '}');
}

static int array(scan *s, int depth) {
    if (take(s, ']')) return 1;
    do {
        if (!value(s, depth)) return 0;
    } while (take(s, ','));
    return take(s, ']');
}

static int value(scan *s, int depth) {
    if (s->at == s->end || depth == DEEPEST) return 0;
    switch (*s->at) {
    case '{': s->at++; return object(s, depth + 1);
    case '[': s->at++; return array(s, depth + 1);
    case '"': return string(s, 0);
    case 't': return word(s, "true");
    case 'f': return word(s, "false");
    case 'n': return word(s, "null");
    default: return number(s);
    }
}

ptrdiff_t qc_codec_canonical(const uint8_t *text, size_t n, uint32_t *numbers, size_t most) {
    scan s = {.at = text, .end = text + n, .numbers = numbers, .text = text, .n_numbers = 0, .most = most};
    return n < UINT32_MAX && value(&s, 0) && s.at == s.end ? (ptrdiff_t)s.n_numbers : -1;
}
