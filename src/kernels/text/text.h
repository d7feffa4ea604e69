/* The fused text kernel: documents -> n-grams -> counts -> scores -> label.
 *
 * One pass per document and no matrix in between. This header holds what the
 * door, the table builder and the kernels of every ISA share. Layouts, limits
 * and the order of all float sums are described in README.md beside it. */
#ifndef QC_TEXT_H
#define QC_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* ------------------------------------------------------------- characters */

/* One entry per code point of the Basic Multilingual Plane, made from the
 * running interpreter's own str.lower(), str.isalnum() and str.isspace(), so
 * that it has the interpreter's Unicode version. 0 means: not made yet. */
#define QC_CHAR_BYTES 0x00FFFFFFu /* internal UTF-8 of the lowered character */
#define QC_CHAR_LENGTH_SHIFT 24   /* its length, 1 to 3 */
#define QC_CHAR_WORD (1u << 26)   /* belongs to a token (after lowering) */
#define QC_CHAR_SPACE (1u << 27)  /* str.isspace() */
#define QC_CHAR_SPECIAL (1u << 28) /* str.lower() looks at its neighbours or grows: U+0130, U+03A3 */
#define QC_CHAR_MADE (1u << 31)

/* Supplementary planes: the lowered code point and the same flags. */
#define QC_WIDE_CODE 0x001FFFFFu

typedef struct {
    uint32_t *bmp;         /* 65536 entries, pages of 256 made on demand */
    uint32_t *wide[4096];  /* pages of 256 code points from U+10000 on, NULL: not made */
    uint8_t ascii_lower[128]; /* the lowered character, plus 0x80 where it belongs to a token */
    uint8_t ascii_space[128];
    uint8_t word_nibbles[16]; /* bit h of entry l: character (h << 4 | l) belongs to a token */
    uint16_t *lowered;     /* 65536: the lowered character itself */
    int lower;             /* 0 where the table does not lower */
} qc_chars;

/* ---------------------------------------------------------------- tables */

/* Hash tables with 16-bit tags: 32 tags fill one cache line, so that a miss
 * costs one line; the entry is read when its tag matches and then compared in
 * full (exact). A bucket that is full (its last tag set) spills into the next. */
#define QC_TAGS 32
#define QC_NONE UINT32_MAX

typedef struct {
    uint64_t key[2];   /* token: 16 bytes, zero padded; longer ones: two hashes, top byte 0xFF */
    uint64_t value;
    uint32_t record;   /* longer tokens: offset of their length and bytes in long_tokens */
    uint32_t column;
} qc_token;

typedef struct {
    uint64_t key;      /* reference of the prefix | reference of the last symbol << 32 */
    uint64_t value;
} qc_pair;

/* value: float idf in the low half; in the high half a float weight (one
 * output), or stored row | code of its scale << 24 (several outputs). */
#define QC_VALUE_NONE 0u /* known, but no term */
#define QC_VALUE_STOP 1u /* stop word */
#define QC_ROW_BITS 24

typedef struct {
    uint16_t *tags;
    uint64_t mask;  /* (number of buckets - 1) * 64; that number is a power of two */
    uint64_t seed;
} qc_index;

typedef enum { QC_WORD, QC_CHAR, QC_CHAR_WB } qc_analyzer;
typedef enum { QC_NORM_NONE, QC_NORM_L1, QC_NORM_L2, QC_NORM_MAX } qc_norm;

#define QC_LOG_TABLE 1024
#define QC_GRID 65536 /* entries of a pair grid at most: 256 KB */

typedef struct {
    /* featurizer */
    qc_analyzer analyzer;
    int min_n, max_n;
    int minimum;                /* characters in a token */
    int binary, sublinear, hashing, alternate_sign, has_stop_words;
    qc_norm norm;
    const qc_chars *chars;       /* lowers, where the model does */
    const qc_chars *chars_as_is; /* for text that the caller has lowered */
    uint64_t n_features;         /* hashing: the modulus */

    qc_index token_index, pair_index;
    qc_token *tokens;
    qc_pair *pairs;
    uint32_t *pair_column;
    uint8_t *long_tokens;        /* tokens above 16 bytes: length (4 bytes), bytes */
    uint32_t first_pair_ref;     /* references at and above it name pairs */
    uint64_t n_pairs;
    uint32_t **symbol_pages;     /* characters: [4352] pages, code point -> token reference */
    uint32_t *pair_grid;         /* characters, small alphabets: [n_symbols][n_symbols] -> reference of the 2-gram */
    uint64_t n_symbols;
    const uint64_t *hash_values; /* hashing: value of each feature */
    int prefetch;                /* the tables exceed the second cache level */

    /* scores */
    int n_outputs;              /* 0: counts only; 1: weights stand in the values */
    int width, padded;          /* outputs with the centre; and rounded up to 16 */
    int centred;
    const int8_t *hot;          /* [n_rows][padded]; the code of its scale is in the value */
    uint32_t scale_base;        /* scale = the float with the bits scale_base + (code << 20) */
    const int16_t *fine16;      /* [n_rows][width]: the whole grid ... */
    const int32_t *fine32;      /* ... in whichever width it is stored */
    const double *fine_scale;   /* [n_rows] the grid's step */
    const float *bias32;        /* [padded], -inf beyond n_outputs */
    const double *bias;         /* [n_outputs] */
    float bias_max;
    float spread;               /* largest difference of two hot errors of a row, in hot steps */
    float amplitude;            /* largest |source weight| of a row, in hot steps (several) */
    double fine_error;          /* bound on |V - source| per entry, in grid steps */
    double weight_error;        /* one output: the same, absolute */
    double weight_amplitude;    /* one output: largest |source weight| / |stored weight or step| */
    double source_unit;         /* 2^-53 or 2^-24 */
    int empty_label;            /* the answer for a document without known terms */
    float log_table[QC_LOG_TABLE]; /* 1 + ln(count) */
} qc_text;

/* ------------------------------------------------------------- documents */

typedef struct {
    const void *data;
    int64_t length;  /* code points */
    uint8_t kind;    /* bytes per code point: 1, 2, 4 */
    uint8_t ascii;
    uint8_t as_is;   /* the caller has lowered it */
} qc_document;

typedef enum { QC_HOT = 0, QC_FINE = 1, QC_OPEN = 2 } qc_plane;

typedef enum {
    QC_DONE = 0,
    QC_NEEDS_CHARS = 1, /* `code` names a character whose page is not made yet */
    QC_NEEDS_LOWER = 2, /* the document holds a QC_CHAR_SPECIAL: pass str.lower() of it, as_is */
    QC_NO_MEMORY = 3,
    QC_PAUSED = 4       /* in the middle of a long document: call again to go on, or give up */
} qc_status;

typedef enum { QC_LABELS, QC_SCORES, QC_COUNTS } qc_job;

/* What one run fills; arrays of the other jobs are NULL. */
typedef struct {
    qc_job job;
    int32_t *labels;  /* QC_LABELS: [n], and which plane settled each */
    uint8_t *planes;
    double *scores;   /* QC_SCORES: [n][n_outputs] */
    double *bounds;   /* [n]: bound on the error of each score, and of each difference of two */
    int64_t *counted; /* QC_COUNTS: [n] number of distinct features of each document */
    uint64_t fine, open;      /* documents that went to the fine plane; that stayed open */
    uint64_t tokens, unknown; /* symbols, and those that the vocabulary does not hold */
} qc_result;

/* Where a long document was left: the features so far (in the buffers, but for these sizes), and what is carried over. */
typedef struct {
    int64_t from; /* code points that are done; 0: nothing was left */
    size_t carried, carried_bytes;
    size_t n, room, capacity;
    int shift;
    uint64_t symbols, unknown;
} qc_left;

/* Buffers that grow and serve again; one set per running call. */
typedef struct {
    void *memory[16];
    size_t size[16];
    qc_left left;          /* with QC_PAUSED; left.from is 0 before the first call */
    uint32_t code;         /* with QC_NEEDS_CHARS */
    size_t done;           /* documents that are finished: where to go on after the caller has helped */
    size_t n_counts;       /* QC_COUNTS: used part of the growing columns and counts */
} qc_scratch;

/* ------------------------------------------------------------- functions */

typedef struct {
    const uint8_t *symbol_bytes; const uint32_t *symbol_ends; size_t n_symbols;
    const uint32_t *parent, *symbol; size_t n_pairs;
    const uint64_t *values;   /* [n_symbols + n_pairs] */
    const uint32_t *columns;  /* the same, QC_NONE where no term */
    const uint8_t *stop_bytes; const uint32_t *stop_ends; size_t n_stop;
    int with_columns;         /* keep the columns of pairs: QC_COUNTS needs them */
} qc_text_tables;

/* Builds the tables of `text` from the arrays (copied). 0, -1: no memory,
 * -2: too many equal hashes (a made-up vocabulary). */
int qc_text_build(qc_text *text, const qc_text_tables *tables);
void qc_text_free(qc_text *text);
/* The hot plane [n_rows][padded] of grid rows [n_rows][width] (int32 where wide, |entry| < 2^30, else int16) with grid steps
 * 2^exponent, and each row's scale: 2^(base + codes / 8), the last three bits as a mantissa. Returns the spread: how far two
 * errors of one row may be apart, in hot steps, the grid's own `error` (in its steps) included. */
double qc_hot_plane(const void *fine, int wide, const int32_t *exponent, int base, double error, size_t n_rows, size_t width,
                    size_t n_outputs, size_t padded, int8_t *hot, uint8_t *codes, double *least_step);
void qc_scratch_free(qc_scratch *scratch);
/* Buffer `which` with room for so many bytes, what it held kept, 64-byte aligned; NULL: no memory. */
void *qc_grow(qc_scratch *scratch, int which, size_t bytes);

/* Threads read character tables while another makes a page. An entry that is there has all its parts: it is stored last, and
 * loaded first. Costs nothing on x86. */
#if defined(_MSC_VER) && !defined(__clang__)
#define QC_STORE_LAST(place, value) (*(volatile uint32_t *)(place) = (value))
#define QC_LOAD_FIRST(place) (*(const volatile uint32_t *)(place))
#define QC_LOAD_PAGE(place) (*(uint32_t *const volatile *)(place))
#define QC_STORE_EARLY(place, value) (*(place) = (value))
#define QC_LOAD_LATER(place) (*(place))
#else
#define QC_LOAD_PAGE(place) __atomic_load_n(place, __ATOMIC_ACQUIRE)
/* What a reader may look at before it is there, and then does not use: any value will do. */
#define QC_STORE_EARLY(place, value) __atomic_store_n(place, value, __ATOMIC_RELAXED)
#define QC_LOAD_LATER(place) __atomic_load_n(place, __ATOMIC_RELAXED)
#define QC_STORE_LAST(place, value) __atomic_store_n(place, value, __ATOMIC_RELEASE)
#define QC_LOAD_FIRST(place) __atomic_load_n(place, __ATOMIC_ACQUIRE)
#endif

qc_chars *qc_chars_new(int lower);
void qc_chars_free(qc_chars *chars);
/* Makes the page that holds `first` (a multiple of 256) from 256 lowered code points and flags. */
int qc_chars_set_page(qc_chars *chars, uint32_t first, const uint32_t *lowered, const uint8_t *flags);

/* Natural logarithm, the same bits on every platform; error below 1 ulp. */
double qc_log(double x);

typedef qc_status qc_run_documents_planar_fn(const qc_text *, qc_scratch *, const qc_document *, size_t, qc_result *);

#define QC_FAMILY_text
#include "kernels/declare.h"

#endif
