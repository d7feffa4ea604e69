/* The text kernels on any code points, over a few vocabularies: every instruction set has plain C's bits, and a document alone
 * the answer that it has among others. Characters are lowered and classed by rules of our own: the kernel knows no others. */
#include "fuzz.h"
#include "kernels/text/text.h"
#include "kernels/table.h"

#include <stddef.h>

enum { MODELS = 9, DOCUMENTS = 5, MOST = 400, SCORES = 3 };

typedef struct {
    qc_text text;
    qc_text_tables tables;
    int ready;
} model;

static model models[MODELS];

static int is_word(uint32_t c) {
    if (c < 128) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    return (c * 2654435761u >> 28) % 3 != 0;
}

static int is_space(uint32_t c) {
    return c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31) || c == 0x85 || c == 0xA0 || c == 0x3000;
}

static uint32_t lowered(uint32_t c) {
    const int latin = (c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7);
    if (latin || (c >= 0x391 && c <= 0x3AB) || (c >= 0x410 && c <= 0x42F)) return c + 32;
    return c >= 0x10400 && c <= 0x10427 ? c + 40 : c == 0x212A ? 'k' : c;
}

static int is_special(uint32_t c) { return c == 0x130 || c == 0x3A3; }

static void make_page(qc_chars *chars, uint32_t code) {
    uint32_t small[256];
    uint8_t flags[256];
    const uint32_t first = code & ~255u;
    for (uint32_t i = 0; i < 256; ++i) {
        const uint32_t c = first + i;
        const int special = chars->lower && is_special(c);
        small[i] = chars->lower && !special ? lowered(c) : c;
        flags[i] = (uint8_t)(is_word(small[i]) | is_space(c) << 1 | special << 2);
    }
    CHECK(!qc_chars_set_page(chars, first, small, flags), "no memory");
}

static qc_chars *some_chars(int lower) {
    qc_chars *chars = qc_chars_new(lower);
    CHECK(chars, "no memory");
    make_page(chars, 0);
    return chars;
}

static uint64_t value_of(uint32_t i, int outputs, uint32_t n_rows) {
    const float idf = 1.0f + (float)(i % 5) * 0.375f, weight = (float)((int)(i % 13) - 6) * 0.125f;
    uint32_t low, high = i % n_rows | (8 * (uint32_t)(i % 4) + 56) << QC_ROW_BITS;
    memcpy(&low, &idf, 4);
    if (outputs == 1) memcpy(&high, &weight, 4);
    return low | (uint64_t)high << 32;
}

/* Words of one, two and many bytes, of more than 16, neighbours of each other; sorted as UTF-8. */
static const char *const words[] = {
    "0", "00", "a", "aa", "ab", "abcdefghijklmnop", "abcdefghijklmnopq", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
    "alarm", "b", "ba", "caf\xc3\xa9", "card", "freeze", "g", "x", "z", "\xc3\xa9", "\xc3\xa9t\xc3\xa9", "\xce\xb1\xce\xb2",
    "\xcf\x83", "\xd0\xb1\xd1\x83", "\xe6\x97\xa5", "\xf0\x90\x90\xa8",
};
static const char *const letters[] = {
    "\x01", " ", "0", "a", "b", "c", "d", "e", "g", "k", "x", "\xc3\xa9", "\xcc\x87", "\xce\xb1", "\xcf\x82", "\xcf\x83",
    "\xd0\xb1", "\xe6\x97\xa5", "\xf0\x90\x90\xa8", "\xf0\x9f\x98\x80",
};

static void build(int number) {
    model *m = &models[number];
    qc_text *t = &m->text;
    static const struct {
        qc_analyzer analyzer;
        int min_n, max_n, minimum, binary, sublinear, hashing, sign, outputs, lower, stop;
        qc_norm norm;
    } kinds[MODELS] = {
        {QC_WORD, 1, 2, 2, 0, 0, 0, 0, 1, 1, 1, QC_NORM_L2}, {QC_WORD, 1, 3, 1, 0, 1, 0, 0, SCORES, 1, 0, QC_NORM_L2},
        {QC_CHAR, 1, 3, 1, 0, 0, 0, 0, 1, 1, 0, QC_NORM_L1}, {QC_CHAR_WB, 2, 3, 1, 1, 0, 0, 0, SCORES, 1, 0, QC_NORM_MAX},
        {QC_WORD, 1, 2, 2, 0, 0, 1, 1, 1, 1, 0, QC_NORM_L2}, {QC_WORD, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, QC_NORM_NONE},
        {QC_CHAR_WB, 1, 2, 1, 0, 1, 0, 0, 0, 1, 0, QC_NORM_NONE}, {QC_CHAR, 1, 4, 1, 0, 0, 1, 0, SCORES, 1, 0, QC_NORM_L2},
        {QC_WORD, 2, 3, 1, 1, 0, 0, 0, 1, 0, 1, QC_NORM_NONE},
    };
    const int outputs = kinds[number].outputs, many = outputs > 1;
    t->analyzer = kinds[number].analyzer, t->min_n = kinds[number].min_n, t->max_n = kinds[number].max_n;
    t->minimum = kinds[number].minimum, t->binary = kinds[number].binary, t->sublinear = kinds[number].sublinear;
    t->hashing = kinds[number].hashing, t->alternate_sign = kinds[number].sign, t->norm = kinds[number].norm;
    t->has_stop_words = kinds[number].stop;
    t->chars = some_chars(kinds[number].lower), t->chars_as_is = some_chars(0);
    for (int i = 1; i < QC_LOG_TABLE; ++i) t->log_table[i] = (float)(1.0 + qc_log(i));
    const int by_words = t->analyzer == QC_WORD;
    const char *const *symbols = by_words ? words : letters;
    const size_t known = by_words ? sizeof words / sizeof *words : sizeof letters / sizeof *letters;
    const uint32_t n = t->hashing ? 0 : (uint32_t)known;
    const uint32_t n_rows = 7, levels = n ? (uint32_t)t->max_n : 1;
    uint8_t *bytes = room(2048);
    uint32_t *ends = room(n * 4 + 4), size = 0;
    for (uint32_t i = 0; i < n; ++i) {
        const size_t length = strlen(symbols[i]);
        if (symbols[i][0] == 1) {
            memcpy(bytes + size, "\xc0\x80", 2); /* NUL */
            size += 2;
        } else {
            memcpy(bytes + size, symbols[i], length);
            size += (uint32_t)length;
        }
        ends[i] = size;
    }
    /* Each node of a level goes on with some symbols. */
    uint32_t *parent = room(4096 * 4), *symbol = room(4096 * 4), n_pairs = 0, before = 0, start = n;
    for (uint32_t level = 1; level < levels; ++level) {
        const uint32_t first = n_pairs;
        for (uint32_t p = before; p < start && n_pairs < 3000; ++p)
            for (uint32_t s = 0; s < n; ++s)
                if ((p * 7 + s * 3) % 5 == 0 || (symbols[s][1] == 0 && p % n == s)) parent[n_pairs] = p, symbol[n_pairs++] = s;
        before = start;
        start += n_pairs - first;
    }
    const uint32_t n_nodes = n + n_pairs;
    t->n_features = t->hashing ? 61 : n_nodes;
    uint64_t *values = room((size_t)n_nodes * 8 + 8), *hashed = room(61 * 8);
    uint32_t *columns = room((size_t)n_nodes * 4 + 4);
    for (uint32_t i = 0; i < n_nodes; ++i) {
        values[i] = i % 11 == 3 ? QC_VALUE_NONE : value_of(i, outputs, n_rows);
        columns[i] = i % 11 == 3 ? QC_NONE : i;
    }
    for (uint32_t i = 0; i < 61; ++i) hashed[i] = value_of(i, outputs, n_rows);
    if (t->hashing) t->hash_values = hashed;
    t->n_outputs = outputs, t->width = outputs, t->padded = 16;
    t->source_unit = 0x1p-53, t->fine_error = 0.50001, t->weight_error = 1e-9, t->weight_amplitude = 1.0;
    static const double bias[SCORES] = {0.25, -0.5, 0.125};
    t->bias = bias, t->bias_max = 0.5f;
    if (many) {
        int16_t *fine = room(n_rows * SCORES * 2);
        int32_t exponent[7];
        double *scale = room(n_rows * 8), least;
        float *bias32 = room(16 * 4);
        int8_t *hot = aligned(n_rows * 16);
        uint8_t codes[7];
        for (uint32_t i = 0; i < n_rows; ++i) {
            exponent[i] = -10 - (int)(i % 3);
            scale[i] = ldexp(1.0, exponent[i]);
            for (uint32_t k = 0; k < SCORES; ++k) fine[i * SCORES + k] = (int16_t)((i * 977 + k * 3331) % 4000 - 2000);
        }
        for (int k = 0; k < 16; ++k) bias32[k] = k < SCORES ? (float)bias[k] : -INFINITY;
        t->spread = (float)qc_hot_plane(fine, 0, exponent, -16, 0.50001, n_rows, SCORES, SCORES, 16, hot, codes, &least);
        t->scale_base = (uint32_t)(-16 + 127) << 23, t->amplitude = (float)(2000 / least);
        t->hot = hot, t->fine16 = fine, t->fine_scale = scale, t->bias32 = bias32;
        for (uint32_t i = 0; i < n_nodes || i < 61; ++i) {
            const uint64_t row = (uint64_t)(i % n_rows | (uint32_t)codes[i % n_rows] << QC_ROW_BITS) << 32;
            if (i < n_nodes && values[i]) values[i] = (uint32_t)values[i] | row;
            if (i < 61) hashed[i] = (uint32_t)hashed[i] | row;
        }
    }
    static const uint8_t stop[] = "abthe";
    static const uint32_t stop_ends[] = {2, 5};
    m->tables = (qc_text_tables){bytes, ends, n, parent, symbol, n_pairs, values, columns, stop, stop_ends,
                                 kinds[number].stop ? 2 : 0, !outputs};
    CHECK(!qc_text_build(t, &m->tables), "the tables of model %d", number);
    free(bytes), free(ends), free(parent), free(symbol), free(values), free(columns);
    if (!t->hashing) free(hashed);
    m->ready = 1;
}

/* Code points as Python stores them: in the narrowest kind, nothing but a NUL behind them. */
static qc_document stored(const uint32_t *codes, int64_t n, int as_is) {
    uint32_t most = 0;
    for (int64_t i = 0; i < n; ++i) most = codes[i] > most ? codes[i] : most;
    const uint8_t kind = most < 256 ? 1 : most < 65536 ? 2 : 4;
    uint8_t *data = room((size_t)(n + 1) * kind);
    for (int64_t i = 0; i <= n; ++i) {
        const uint32_t code = i < n ? codes[i] : 0;
        memcpy(data + i * kind, &code, kind); /* little endian */
    }
    return (qc_document){data, n, kind, most < 128, (uint8_t)as_is};
}

static int64_t code_at(const qc_document *d, int64_t i) {
    uint32_t code = 0;
    memcpy(&code, (const uint8_t *)d->data + i * d->kind, d->kind);
    return code;
}

static uint32_t some_code(input *in, uint32_t style) {
    static const uint32_t hard[] = {0, 0x130, 0x3A3, 0x3C2, 0x212A, 0xD800, 0xDFFF, 0xFFFF, 0x10000, 0x10400, 0x10FFFF, 0xFFFD,
                                    0x7FF, 0x800, 0xFF, 0x100, 0x3000, 0x2028, 0xE9, 0x1F600};
    const uint32_t byte = (uint32_t)take(in, 1);
    if (style == 0) return byte % 128;
    if (style == 1) return " ab0cgx\0az"[byte % 10];
    if (style == 2) return byte;
    if (byte < 120) return " abcdegxk0"[byte % 10];
    if (byte < 180) return hard[byte % (sizeof hard / sizeof *hard)];
    if (byte < 230) return (byte * 37 + (uint32_t)take(in, 1)) & 0xFFF;
    return (uint32_t)take(in, 3) % 0x110000;
}

typedef struct {
    int64_t column;
    double count;
} feature;

typedef struct {
    int32_t labels[DOCUMENTS];
    uint8_t planes[DOCUMENTS];
    double scores[DOCUMENTS * SCORES], bounds[DOCUMENTS];
    int64_t counted[DOCUMENTS], n_counts;
    uint64_t sums[4];
    feature features[4 * MOST * DOCUMENTS];
} answers;

static int by_column(const void *a, const void *b) {
    const int64_t x = ((const feature *)a)->column, y = ((const feature *)b)->column;
    return (x > y) - (x < y);
}

static void run(model *m, qc_scratch *scratch, const qc_document *given, size_t n, qc_job job, answers *to) {
    qc_document documents[DOCUMENTS], kept[DOCUMENTS];
    size_t n_kept = 0;
    qc_result r = {job, to->labels, to->planes, to->scores, to->bounds, to->counted, 0, 0, 0, 0};
    memset(to, 0, offsetof(answers, features));
    memcpy(documents, given, n * sizeof *given);
    scratch->done = scratch->n_counts = 0;
    memset(&scratch->left, 0, sizeof scratch->left);
    for (int rounds = 0; scratch->done < n; ++rounds) {
        CHECK(rounds < 100000, "no end");
        const qc_status status = qc_bound.run_documents_planar(&m->text, scratch, documents, n, &r);
        qc_document *at = documents + scratch->done;
        CHECK(status != QC_NO_MEMORY, "no memory");
        if (status == QC_NEEDS_CHARS) make_page((qc_chars *)(at->as_is ? m->text.chars_as_is : m->text.chars), scratch->code);
        if (status == QC_NEEDS_LOWER) {
            uint32_t codes[2 * MOST];
            int64_t length = 0;
            CHECK(!at->as_is, "lowered twice");
            for (int64_t i = 0; i < at->length; ++i) {
                const uint32_t c = (uint32_t)code_at(at, i);
                codes[length++] = c == 0x130 ? 'i' : c == 0x3A3 ? 0x3C3 : lowered(c);
                if (c == 0x130) codes[length++] = 0x307;
            }
            *at = kept[n_kept++] = stored(codes, length, 1);
        }
    }
    to->sums[0] = r.fine, to->sums[1] = r.open, to->sums[2] = r.tokens, to->sums[3] = r.unknown;
    if (job == QC_COUNTS) {
        to->n_counts = (int64_t)scratch->n_counts;
        CHECK(to->n_counts <= 4 * MOST * DOCUMENTS, "%lld counts", (long long)to->n_counts);
        for (int64_t i = 0; i < to->n_counts; ++i) {
            to->features[i] = (feature){((int64_t *)scratch->memory[14])[i], ((double *)scratch->memory[15])[i]};
            CHECK((uint64_t)to->features[i].column < m->text.n_features, "column %lld", (long long)to->features[i].column);
        }
        feature *from = to->features;
        for (size_t i = 0; i < n; ++i) { /* in no order: compared as sets */
            qsort(from, (size_t)to->counted[i], sizeof *from, by_column);
            from += to->counted[i];
        }
    }
    for (size_t i = 0; i < n_kept; ++i) free((void *)kept[i].data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static answers first, other;
    input in = {data, data + size, 0};
    model *m = &models[take(&in, 1) % MODELS];
    if (!m->ready) build((int)(m - models));
    qc_document documents[DOCUMENTS];
    const uint32_t shape = (uint32_t)take(&in, 1);
    const size_t n = 1 + shape % DOCUMENTS;
    const qc_job job = !m->text.n_outputs ? QC_COUNTS : shape & 32 ? QC_SCORES : QC_LABELS;
    count(m->text.hashing ? 2 : m->text.analyzer == QC_WORD ? 0 : 1,
          m->text.hashing ? "text.hashing" : m->text.analyzer == QC_WORD ? "text.words" : "text.characters");
    const int as_is = (shape & 64) != 0, twice = (shape & 128) != 0;
    for (size_t i = 0; i < n; ++i) {
        uint32_t codes[MOST];
        int64_t length = 0;
        const uint32_t style = (uint32_t)take(&in, 1) % 4, wanted = (uint32_t)take(&in, 1) * (i ? 1 : 1 + twice) % MOST;
        while (length < wanted && in.at < in.end) codes[length++] = some_code(&in, style);
        documents[i] = stored(codes, length, as_is);
    }
    qc_scratch scratch;
    memset(&scratch, 0, sizeof scratch);
    for (int isa = 0; isa < QC_ISA_COUNT; ++isa) {
        if (!qc_isa_available(isa)) continue;
        qc_select(isa);
        run(m, &scratch, documents, n, job, isa ? &other : &first);
        if (!isa) continue;
        CHECK(!memcmp(first.labels, other.labels, sizeof first.labels), "%s: labels", qc_isa_name(isa));
        CHECK(!memcmp(first.planes, other.planes, sizeof first.planes), "%s: planes", qc_isa_name(isa));
        CHECK(!memcmp(first.scores, other.scores, sizeof first.scores), "%s: scores", qc_isa_name(isa));
        CHECK(!memcmp(first.bounds, other.bounds, sizeof first.bounds), "%s: bounds", qc_isa_name(isa));
        CHECK(!memcmp(first.counted, other.counted, sizeof first.counted), "%s: numbers of features", qc_isa_name(isa));
        const size_t features = (size_t)first.n_counts * sizeof *first.features;
        CHECK(!memcmp(first.features, other.features, features), "%s: features", qc_isa_name(isa));
        CHECK(!memcmp(first.sums, other.sums, sizeof first.sums), "%s: counters", qc_isa_name(isa));
    }
    for (size_t i = 0; i < n; ++i) { /* with the best kernels, alone */
        run(m, &scratch, documents + i, 1, job, &other);
        CHECK(first.labels[i] == other.labels[0] && first.planes[i] == other.planes[0], "document %zu alone: label", i);
        CHECK(!memcmp(&first.bounds[i], other.bounds, 8) && first.counted[i] == other.counted[0], "document %zu alone", i);
        CHECK(!memcmp(first.scores + i * (size_t)m->text.n_outputs, other.scores, (size_t)m->text.n_outputs * 8),
              "document %zu alone: scores", i);
    }
    qc_scratch_free(&scratch);
    for (size_t i = 0; i < n; ++i) free((void *)documents[i].data);
    return 0;
}
