/* Tables that kernels go through again and again, in large pages where the system has them: at the end of a page of 4 KB prefetchers
 * stop, and half a megabyte is more of those than the first level of a TLB knows. */
#ifndef QC_PAGES_H
#define QC_PAGES_H

#include <stddef.h>
#include <stdint.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

enum {
    QC_LARGE_PAGE = 1 << 21,
    QC_LARGE_FROM = 1 << 18 /* bytes; what is smaller gains nothing, and a page is all there once a byte of it is written */
};

/* How much room `size` bytes need, and where in it they begin: at a large page, if they are worth it, else at a cache line. */
static inline size_t qc_paged_size(size_t size) {
    if (size < QC_LARGE_FROM) return size + 64;
    return ((size + QC_LARGE_PAGE - 1) & ~((size_t)QC_LARGE_PAGE - 1)) + QC_LARGE_PAGE;
}

static inline void *qc_paged(void *room, size_t size) {
    const size_t to = size < QC_LARGE_FROM ? 64 : QC_LARGE_PAGE;
    return (void *)(((uintptr_t)room + to - 1) & ~(uintptr_t)(to - 1));
}

/* Ask for large pages, once, before anything is written there; without them all is the same. */
static inline void qc_page(void *room, size_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (size >= QC_LARGE_FROM) (void)madvise(qc_paged(room, size), qc_paged_size(size) - QC_LARGE_PAGE, MADV_HUGEPAGE);
#else
    (void)room, (void)size;
#endif
}

#endif
