/* Columns of a caller's table → numbers, codes and rows: any type, stride and offset, Arrow's strings with any offsets and
 * views, against plain loops over one value at a time. Buffers whose size Arrow's interface does not tell are as large as their
 * producer owes them. */
#include "fuzz.h"
#include "kernels/frame/arrow.h"
#include "kernels/frame/frame.h"

enum { NUMBERS, STEPS, CODES, ROWS, STRINGS, ARROW, N_KINDS, MOST = QC_FRAME_ROWS };
static const char *const names[N_KINDS] = {"frame_numbers", "frame_steps", "frame_codes", "frame_rows", "frame_strings",
                                           "frame_arrow"};

static double *values(input *in, ptrdiff_t n) {
    double *x = array(in, (size_t)n, 8);
    const uint32_t mode = below(in, MODES);
    for (ptrdiff_t i = 0; i < n; ++i) x[i] = next_value(in, mode);
    return x;
}

static int is_set(const uint8_t *bits, ptrdiff_t i) { return bits[i / 8] >> i % 8 & 1; }

static void *some_bytes(input *in, size_t n) {
    uint8_t *to = keep(below(in, 8), n);
    for (size_t i = 0; i < n; ++i) to[i] = (uint8_t)take(in, 1);
    return to;
}

/* Values of their type's bytes, on any address, a stride forwards, backwards or of 0. */
static void numbers(input *in) {
    static const ptrdiff_t sizes[] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 8, 0};
    const ptrdiff_t n = below(in, MOST), start = below(in, 20), rows = start + n;
    qc_frame_column c = {.kind = (qc_frame_kind)below(in, QC_OF_BITS + 1), .offset = below(in, 20)};
    const ptrdiff_t size = sizes[c.kind], apart = below(in, 4) ? size + below(in, 9) : 0;
    const uint8_t *bits = NULL;
    if (c.kind == QC_OF_BITS) {
        c.data = some_bytes(in, (size_t)(c.offset + rows + 7) / 8);
    } else {
        char *whole = some_bytes(in, (size_t)(rows ? (rows - 1) * apart + size : 0));
        c.data = below(in, 2) && rows ? whole + (rows - 1) * apart : whole;
        c.stride = c.data == whole ? apart : -apart;
    }
    double *out = array(in, (size_t)n, 8);
    qc_frame_numbers(&c, start, n, out);
    if (below(in, 2)) c.valid = bits = some_bytes(in, (size_t)(c.offset + rows + 7) / 8), qc_frame_nulls(&c, start, n, -7.5, out);
    for (ptrdiff_t i = 0; i < n; ++i) {
        const char *at = c.data + (start + i) * c.stride;
        double expected = 0.0;
        uint64_t raw = 0;
        if (c.kind == QC_OF_BITS) expected = is_set((const uint8_t *)c.data, c.offset + start + i);
        else memcpy(&raw, at, (size_t)size);
        const int shift = (int)(64 - 8 * size);
        switch (c.kind) {
        case QC_OF_INT8:
        case QC_OF_INT16:
        case QC_OF_INT32:
        case QC_OF_INT64:
            expected = (double)((int64_t)(raw << shift) >> shift);
            break;
        case QC_OF_FLOAT64:
            memcpy(&expected, &raw, 8);
            break;
        case QC_OF_BITS:
            break;
        default:
            expected = (double)raw;
        }
        if (bits && !is_set(bits, c.offset + start + i)) expected = -7.5;
        CHECK(same_doubles(&expected, out + i, 1), "value %td of kind %d is %g, not %g", i, (int)c.kind, out[i], expected);
    }
}

/* 0 where a value is refused. */
static int step(const qc_frame_step *s, double *x) {
    const double v = *x, a = s->a, b = s->b;
    switch (s->action) {
    case QC_STEP_FILL_NAN:
        return *x = v != v ? a : v, 1;
    case QC_STEP_FILL:
        return *x = v == a ? b : v, v == v;
    case QC_STEP_REPLACE:
        return *x = v == a ? b : v, 1;
    case QC_STEP_SUBTRACT:
        return *x = v - a, 1;
    case QC_STEP_DIVIDE:
        return *x = v / a, 1;
    case QC_STEP_MULTIPLY:
        return *x = v * a, 1;
    case QC_STEP_ADD:
        return *x = v + a, 1;
    case QC_STEP_CLIP:
        return *x = v < a ? (a > b ? b : a) : v > b ? b : v, 1;
    case QC_STEP_ABOVE:
        return *x = v > a, 1;
    case QC_STEP_IS_NAN:
        return *x = v != v, 1;
    case QC_STEP_IS:
        return *x = v == a, v == v;
    case QC_STEP_FINITE:
        return isfinite(v) != 0;
    default:
        return !isinf(v);
    }
}

static void steps(input *in) {
    const ptrdiff_t n = below(in, MOST), n_steps = below(in, 6);
    qc_frame_step *list = keep(0, (size_t)n_steps * sizeof *list);
    double *x = values(in, n), *expected = keep(0, (size_t)n * 8);
    for (ptrdiff_t k = 0; k < n_steps; ++k)
        list[k] = (qc_frame_step){(qc_frame_action)below(in, QC_STEP_NO_INFINITY + 1), some_double(in), some_double(in)};
    memcpy(expected, x, (size_t)n * 8);
    int large = 0, infinite = 0, read = 1;
    for (ptrdiff_t i = 0; i < n; ++i) large |= fabs(x[i]) >= 9007199254740992.0, infinite |= isinf(x[i]) != 0;
    CHECK(qc_frame_is_large(x, n) == large && qc_frame_is_infinite(x, n) == infinite, "large or infinite values are not found");
    for (ptrdiff_t k = 0; k < n_steps && read; ++k)
        for (ptrdiff_t i = 0; i < n; ++i) read &= step(list + k, expected + i);
    CHECK(qc_frame_steps(list, n_steps, x, n) == read, "steps say %d", !read);
    CHECK(!read || same_doubles(expected, x, (size_t)n), "steps");
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double *ascending_values(input *in, ptrdiff_t n, int distinct, ptrdiff_t *kept) {
    double *found = array(in, (size_t)n, 8);
    for (ptrdiff_t i = 0; i < n; ++i) found[i] = some_double(in), found[i] = found[i] == found[i] ? found[i] : 3.0;
    qsort(found, (size_t)n, 8, ascending);
    *kept = 0;
    for (ptrdiff_t i = 0; i < n; ++i)
        if (!distinct || !*kept || found[i] > found[*kept - 1]) found[(*kept)++] = found[i];
    return found;
}

static void codes(input *in) {
    const ptrdiff_t n = below(in, MOST);
    ptrdiff_t n_known, n_edges;
    const double *x = values(in, n), *known = ascending_values(in, below(in, 30), 1, &n_known);
    const double *edges = ascending_values(in, below(in, 30), 0, &n_edges);
    int32_t *of = array(in, (size_t)n_known, 4), *found = array(in, (size_t)n, 4), *cells = array(in, (size_t)n, 4);
    for (ptrdiff_t k = 0; k < n_known; ++k) of[k] = (int32_t)below(in, 100);
    qc_frame_find(x, n, known, of, n_known, 77, found);
    qc_frame_cells(x, n, edges, n_edges, cells);
    for (ptrdiff_t i = 0; i < n; ++i) {
        int32_t code = x[i] == x[i] ? -1 : 77, cell = 0;
        for (ptrdiff_t k = 0; k < n_known; ++k) code = known[k] == x[i] ? of[k] : code;
        for (ptrdiff_t k = 0; k < n_edges; ++k) cell += !(x[i] < edges[k]);
        CHECK(found[i] == code, "the code of %g is %d, not %d", x[i], found[i], code);
        CHECK(cells[i] == cell, "%g is in cell %d, not %d", x[i], cells[i], cell);
    }
}

/* Dense rows and CSR of the same columns hold the same. */
static void rows(input *in) {
    const ptrdiff_t n = below(in, MOST), width = 1 + below(in, 40), n_codes = 1 + below(in, 12), n_parts = 1 + below(in, 4);
    double *dense = array(in, (size_t)(n * width), 8), *data = array(in, (size_t)(n * n_parts), 8);
    double *again = keep(0, (size_t)(n * width) * 8), *stored = array(in, (size_t)(n_parts * MOST), 8);
    int32_t *columns = array(in, (size_t)(n_parts * MOST), 4), *of = array(in, (size_t)n, 4);
    int32_t *place = array(in, (size_t)n_codes + 1, 4);
    int64_t *indptr = array(in, (size_t)n + 1, 8), *indices = array(in, (size_t)(n * n_parts), 8);
    memset(dense, 0, (size_t)(n * width) * 8), memset(again, 0, (size_t)(n * width) * 8);
    for (ptrdiff_t k = 0; k < n_parts; ++k) {
        const ptrdiff_t share = width / n_parts, first = k * share;
        if (!share) return;
        if (below(in, 2)) {
            const double *x = values(in, n);
            qc_frame_store(x, n, dense + first, width);
            qc_frame_stored(x, n, (int32_t)first, columns + k * MOST, stored + k * MOST);
            continue;
        }
        for (ptrdiff_t i = 0; i < n; ++i) of[i] = (int32_t)below(in, (uint32_t)n_codes + 1) - 1;
        for (ptrdiff_t i = 0; i <= n_codes; ++i) place[i] = below(in, 4) ? (int32_t)(first + below(in, (uint32_t)share)) : -1;
        qc_frame_hot(of, n, place, n_codes, 2.5, dense, width);
        qc_frame_stored_hot(of, n, place, n_codes, 2.5, columns + k * MOST, stored + k * MOST);
    }
    indptr[0] = 0;
    const int64_t total = n ? qc_frame_rows(columns, stored, n_parts, n, 0, indptr, indices, data) : 0;
    CHECK(total <= n * n_parts && indptr[n] == total, "%lld values are stored", (long long)total);
    for (ptrdiff_t i = 0; i < n; ++i)
        for (int64_t at = indptr[i]; at < indptr[i + 1]; ++at) {
            CHECK(indices[at] >= 0 && indices[at] < width, "column %lld", (long long)indices[at]);
            again[i * width + indices[at]] = data[at];
        }
    for (ptrdiff_t i = 0; i < n * width; ++i)
        CHECK(dense[i] == again[i] || (dense[i] != dense[i] && again[i] != again[i]), "value %td: %g or %g", i, dense[i],
              again[i]);
}

/* ----------------------------------------------------------------- Arrow's strings */

typedef struct {
    const char *at[MOST];
    ptrdiff_t size[MOST];
    int32_t code[MOST];
    uint8_t null[MOST];
    ptrdiff_t n;
    int sound; /* all offsets lead into the buffers */
} strings;

enum { TEXT = 600 };

/* A column of rows, at an offset, with nulls or not; views with numbers of buffers, sizes and offsets that may be wrong. */
static qc_frame_column some_strings(input *in, strings *s, const char *text, int wanted) {
    qc_frame_column c = {.kind = (qc_frame_kind)(QC_OF_UTF8 + wanted), .offset = below(in, 12), .bytes = text};
    const ptrdiff_t rows = c.offset + s->n, size = c.kind == QC_OF_VIEWS ? 16 : c.kind == QC_OF_UTF8 ? 4 : 8;
    char *data = keep(below(in, 8), (size_t)((rows + (size < 16)) * size));
    int64_t at = below(in, 20);
    if (below(in, 2)) c.valid = some_bytes(in, (size_t)(rows + 7) / 8);
    const void **more = keep(0, 2 * sizeof *more);
    int64_t *sizes = keep(0, 2 * sizeof *sizes);
    more[0] = text, more[1] = text + 100, sizes[0] = TEXT, sizes[1] = TEXT - 100;
    if (c.kind == QC_OF_VIEWS) c.more = more, c.sizes = sizes, c.n_more = 2;
    s->sound = 1;
    for (ptrdiff_t row = 0; row < rows + (size < 16); ++row) {
        const ptrdiff_t i = row - c.offset;
        const int missing = i >= 0 && i < s->n && c.valid && !is_set(c.valid, row), broken = take(in, 1) == 255;
        const ptrdiff_t length = below(in, 8) ? below(in, 14) : below(in, 40);
        if (i >= 0 && i < s->n) s->null[i] = (uint8_t)missing;
        if (size < 16) { /* offsets descend where they are broken, and never leave the text */
            if (broken && at > 5) at -= 5;
            if (size == 4) memcpy(data + 4 * row, &(int32_t){(int32_t)at}, 4);
            else memcpy(data + 8 * row, &at, 8);
            if (i > 0 && i <= s->n) s->size[i - 1] = text + at - s->at[i - 1];
            if (i > 0 && i <= s->n && s->size[i - 1] < 0 && !s->null[i - 1]) s->sound = 0;
            if (i >= 0 && i < s->n) s->at[i] = text + at;
            at = at + length > TEXT ? at : at + length;
            continue;
        }
        int32_t view[4] = {(int32_t)length, 0, (int32_t)below(in, 2), (int32_t)below(in, 80)};
        if (broken) view[2 * below(in, 2)] = (int32_t)take(in, 4), view[3] = (int32_t)(take(in, 4) >> (take(in, 1) % 32));
        char *to = data + 16 * row;
        if (view[0] >= 0 && view[0] <= 12) {
            memcpy(to, view, 4), memcpy(to + 4, text + below(in, 30), 12);
            if (i >= 0 && i < s->n) s->at[i] = to + 4, s->size[i] = view[0];
            continue;
        }
        memcpy(to, view, 16);
        if (i < 0 || i >= s->n) continue;
        const int within = view[0] > 0 && (view[2] == 0 || view[2] == 1) && view[3] >= 0
            && (int64_t)view[3] + view[0] <= sizes[view[2] & 1];
        if (!within && !missing) s->sound = 0;
        s->at[i] = within ? (const char *)more[view[2]] + view[3] : text, s->size[i] = within ? view[0] : 0;
    }
    c.data = data;
    return c;
}

static void coded(input *in) {
    static const char letters[] = "abcabcab\xc3\xa9";
    strings *s = keep(0, sizeof *s);
    char *text = keep(0, TEXT);
    for (ptrdiff_t i = 0; i < TEXT; ++i) text[i] = letters[take(in, 1) % (sizeof letters - 1)];
    s->n = below(in, MOST);
    const qc_frame_column c = some_strings(in, s, text, (int)below(in, 3));
    /* What is known: different strings, cut out of the same text. */
    const ptrdiff_t wanted = below(in, 40);
    char *known = keep(0, (size_t)wanted * 16);
    uint32_t *ends = array(in, (size_t)wanted + 1, 4);
    ptrdiff_t n = 0;
    ends[0] = 0;
    for (ptrdiff_t k = 0; k < wanted; ++k) {
        const char *from = text + below(in, 250);
        const uint32_t size = below(in, 8) ? below(in, 4) : below(in, 16);
        int there = 0;
        for (ptrdiff_t j = 0; j < n; ++j) there |= ends[j + 1] - ends[j] == size && !memcmp(known + ends[j], from, size);
        if (there) continue;
        memcpy(known + ends[n], from, size);
        ends[n + 1] = ends[n] + size, ++n;
    }
    char *exact = keep(0, ends[n]);
    memcpy(exact, known, ends[n]);
    uint32_t n_slots = 2;
    while (n_slots < 2 * (uint32_t)n) n_slots *= 2;
    uint32_t *slots = array(in, n_slots, 4);
    int32_t *of = array(in, (size_t)n, 4), *out = array(in, (size_t)s->n, 4);
    memset(slots, 0, n_slots * 4);
    for (ptrdiff_t k = 0; k < n; ++k) of[k] = (int32_t)(k * 3 + 1);
    qc_frame_strings_fill(exact, ends, n, slots, n_slots);
    const qc_frame_strings table = {slots, n_slots - 1, ends, exact, of};
    CHECK(qc_frame_strings_codes(&table, &c, 0, s->n, -5, out) == s->sound, "offsets are said to be %s",
          s->sound ? "wrong" : "right");
    for (ptrdiff_t i = 0; s->sound && i < s->n; ++i) {
        int32_t code = s->null[i] ? -5 : -1;
        for (ptrdiff_t k = 0; !s->null[i] && k < n; ++k)
            if ((ptrdiff_t)(ends[k + 1] - ends[k]) == s->size[i] && !memcmp(exact + ends[k], s->at[i], (size_t)s->size[i]))
                code = of[k];
        CHECK(out[i] == code, "string %td has code %d, not %d", i, out[i], code);
    }
}

/* What a producer may say of a column: any format, number of buffers, count of nulls, offset. */
static void arrow(input *in) {
    static const char *const formats[] = {"b", "c", "C", "s", "S", "i", "I", "l", "L", "g", "u", "U", "vu", "f", "e", "z", "n",
                                          "", "tdD", "vuz"};
    const void *buffers[4] = {NULL};
    const char *format = formats[below(in, 20)];
    const int strings_of = !strcmp(format, "u") || !strcmp(format, "U") || !strcmp(format, "vu");
    struct ArrowSchema schema = {.format = format}, nothing = {0};
    struct ArrowArray whole = {.length = below(in, 40), .null_count = (int64_t)below(in, 3) - 1, .offset = below(in, 20)};
    struct ArrowArray other = {0};
    const ptrdiff_t skipped = below(in, 9);
    whole.n_buffers = below(in, 5), whole.buffers = keep(0, (size_t)whole.n_buffers * sizeof *buffers);
    for (int64_t i = 0; i < whole.n_buffers; ++i)
        whole.buffers[i] = below(in, 4) ? keep(0, (size_t)(whole.length + whole.offset + skipped + 1) * 16) : NULL;
    if (below(in, 12) == 0) schema.dictionary = &nothing;
    if (below(in, 12) == 0) whole.dictionary = &other;
    qc_frame_column c;
    if (!qc_arrow_column(&schema, &whole, skipped, &c)) return;
    CHECK(!schema.dictionary && !whole.dictionary && whole.n_buffers >= 2 && format[0] && !strchr("fezn", format[0]),
          "%s is read", format);
    if (!c.data) {
        CHECK(!whole.length, "rows without data");
        return;
    }
    CHECK((!strings_of) == (c.kind < QC_OF_UTF8) && c.offset == whole.offset + skipped, "%s is kind %d", format, (int)c.kind);
    CHECK(!c.valid || strings_of || c.kind == QC_OF_FLOAT64, "nulls in %s", format);
    double *out = array(in, (size_t)whole.length, 8);
    if (!strings_of) qc_frame_numbers(&c, 0, whole.length, out);
    if (c.valid) qc_frame_nulls(&c, 0, whole.length, 0.0, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const run[N_KINDS])(input *) = {numbers, steps, codes, rows, coded, arrow};
    input in = {data, data + size, 0};
    const int kind = (int)below(&in, N_KINDS);
    in.more = take(&in, 8) | 1;
    run[kind](&in);
    count(kind, names[kind]);
    release();
    return 0;
}
