/* Stands between a process and libc (LD_PRELOAD), and lets a call fail: the n-th one, or that and all after it.
 * It also counts the blocks that are allocated and not freed. glibc only. One thread is meant to be armed at a time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/types.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

enum { NONE, MALLOC, OPEN, READ, WRITE, FSYNC, RENAME, CLOSE };
static const char *const NAMES[] = {"", "malloc", "open", "read", "write", "fsync", "rename", "close"};
static __thread int armed __attribute__((tls_model("initial-exec")));
static __thread long left __attribute__((tls_model("initial-exec")));
static __thread int forever __attribute__((tls_model("initial-exec")));
static __thread long failed __attribute__((tls_model("initial-exec")));
static long live;

void fault_arm(const char *what, long after, int always) {
    left = after, forever = always, failed = 0;
    for (int i = 1; i < (int)(sizeof NAMES / sizeof *NAMES); i++)
        if (strcmp(what, NAMES[i]) == 0) armed = i;
}

long fault_disarm(void) {
    armed = NONE;
    return failed;
}

long fault_live(void) { return __atomic_load_n(&live, __ATOMIC_RELAXED); }

static int fails(int what, int error) {
    if (armed != what || left-- > 0 || (failed && !forever)) return 0;
    failed++;
    errno = error;
    return 1;
}

static void *counted(void *p) {
    if (p) __atomic_add_fetch(&live, 1, __ATOMIC_RELAXED);
    return p;
}

void *malloc(size_t n) { return fails(MALLOC, ENOMEM) ? NULL : counted(__libc_malloc(n)); }
void *calloc(size_t n, size_t size) { return fails(MALLOC, ENOMEM) ? NULL : counted(__libc_calloc(n, size)); }

void *realloc(void *p, size_t n) {
    if (fails(MALLOC, ENOMEM)) return NULL;
    void *found = __libc_realloc(p, n);
    if (p == NULL) counted(found);
    else if (n == 0 && found == NULL) __atomic_sub_fetch(&live, 1, __ATOMIC_RELAXED);
    return found;
}

void *memalign(size_t align, size_t n) { return fails(MALLOC, ENOMEM) ? NULL : counted(__libc_memalign(align, n)); }
void *aligned_alloc(size_t align, size_t n) { return memalign(align, n); }

int posix_memalign(void **out, size_t align, size_t n) {
    void *found = memalign(align, n);
    if (found) *out = found;
    return found ? 0 : ENOMEM;
}

void free(void *p) {
    if (p) __atomic_sub_fetch(&live, 1, __ATOMIC_RELAXED);
    __libc_free(p);
}

#define REAL(type, name, ...) ((type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

#define OPENER(name)                                                 \
    int name(const char *path, int flags, ...) {                     \
        va_list more;                                                \
        va_start(more, flags);                                       \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;    \
        va_end(more);                                                \
        if (fails(OPEN, EMFILE)) return -1;                          \
        return REAL(int, name, const char *, int, ...)(path, flags, mode); \
    }
OPENER(open)
OPENER(open64)

ssize_t read(int fd, void *to, size_t n) { return fails(READ, EIO) ? -1 : REAL(ssize_t, read, int, void *, size_t)(fd, to, n); }

ssize_t write(int fd, const void *from, size_t n) {
    return fails(WRITE, ENOSPC) ? -1 : REAL(ssize_t, write, int, const void *, size_t)(fd, from, n);
}

int fsync(int fd) { return fails(FSYNC, EIO) ? -1 : REAL(int, fsync, int)(fd); }

int rename(const char *from, const char *to) {
    return fails(RENAME, EACCES) ? -1 : REAL(int, rename, const char *, const char *)(from, to);
}

/* A close that fails has closed all the same, as Linux does it. */
int close(int fd) {
    int found = REAL(int, close, int)(fd);
    return fails(CLOSE, EIO) ? -1 : found;
}
