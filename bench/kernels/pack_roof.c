/* The roof of packing: loops that read and write as many bytes as a kernel does, and do nothing else.
 *
 * shrink_<k> reads k vectors for each one that it writes, grow_<k> writes k for each one that it reads; _stream writes past the
 * caches. n is in vectors of the smaller side. Compiled by bench_pack.py for the machine that it runs on, never shipped. */
#include <stddef.h>

typedef long long vector __attribute__((vector_size(64)));
typedef vector anywhere __attribute__((aligned(8), may_alias));

#define STORE(to, v) (*(anywhere *)(to) = (v))
#if defined(__AVX512F__)
#include <immintrin.h>
#define STREAM(to, v) _mm512_stream_si512((void *)(to), (__m512i)(v))
#define SETTLE() _mm_sfence()
#else
#define STREAM STORE
#define SETTLE() ((void)0)
#endif

#define SHRINK(name, k, put)                                                                \
    void shrink_##name(const char *x, char *y, size_t n) {                                  \
        for (size_t i = 0; i < n; ++i) {                                                    \
            vector v = *(const anywhere *)(x + 64 * k * i);                                 \
            for (int j = 1; j < k; ++j) v |= *(const anywhere *)(x + 64 * (k * i + j));     \
            put(y + 64 * i, v);                                                             \
        }                                                                                   \
        SETTLE();                                                                           \
    }
#define GROW(name, k, put)                                                                  \
    void grow_##name(const char *x, char *y, size_t n) {                                    \
        for (size_t i = 0; i < n; ++i) {                                                    \
            const vector v = *(const anywhere *)(x + 64 * i);                               \
            for (int j = 0; j < k; ++j) put(y + 64 * (k * i + j), v);                       \
        }                                                                                   \
        SETTLE();                                                                           \
    }
#define BOTH(k)                   \
    SHRINK(k, k, STORE)           \
    SHRINK(k##_stream, k, STREAM) \
    GROW(k, k, STORE)             \
    GROW(k##_stream, k, STREAM)

BOTH(2)
BOTH(4)
BOTH(8)
BOTH(16)
