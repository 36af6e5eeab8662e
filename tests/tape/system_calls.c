/* Stands between a process and its files: names each call that changes one below a folder, and at one of them ends the
   process or fails. Loaded by LD_PRELOAD; `arm` is called by the test in the process that is to meet it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { PASS, BEFORE, AFTER, FAIL, FAIL_ALWAYS, SHORT };

static char under[PATH_MAX], wanted[256];
static int nth, action, error, log_fd = -1;
static int counts[4096];
static char names[4096][96];
static int known;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void arm(const char* folder, const char* site, int number, int what, int code, int log) {
    snprintf(under, sizeof under, "%s/", folder);
    snprintf(wanted, sizeof wanted, "%s", site);
    nth = number, action = what, error = code, log_fd = log, known = 0;
}

static int count_of(const char* name) {
    for (int at = 0; at < known; ++at)
        if (strcmp(names[at], name) == 0) return ++counts[at];
    if (known == 4096) return 0;
    snprintf(names[known], sizeof names[0], "%s", name);
    return counts[known++] = 1;
}

/* Returns what happens at this call. A site is the call and the last part of the path, digits as 0; what is drawn, after
   a %, is left out. */
static int met(const char* call, const char* path) {
    if (!under[0] || path == NULL || strncmp(path, under, strlen(under)) != 0) return PASS;
    char name[96];
    const char* last = strrchr(path, '/') + 1;
    snprintf(name, sizeof name, "%s %s", call, last);
    char* to = name;
    for (char* at = name; *at && (at == name || at[-1] != '%'); ++at) {
        char c = *at >= '0' && *at <= '9' ? '0' : *at;
        if (c == '0' && to > name && to[-1] == '0') continue;
        *to++ = c;
    }
    *to = 0;
    pthread_mutex_lock(&lock);
    int number = count_of(name), what = PASS;
    if (log_fd >= 0) dprintf(log_fd, "%s\n", name);
    if (strcmp(name, wanted) == 0 && (number == nth || (number > nth && action == FAIL_ALWAYS))) what = action;
    pthread_mutex_unlock(&lock);
    if (what == BEFORE) kill(getpid(), SIGKILL), pause();
    return what;
}

static const char* path_of(int fd, char* into) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, into, PATH_MAX - 1);
    if (length < 0) return NULL;
    into[length] = 0;
    return into;
}

#define REAL(name, ...) ((name##_t)dlsym(RTLD_NEXT, #name))(__VA_ARGS__)
#define AROUND(type, failed, call)                   \
    if (what == FAIL || what == FAIL_ALWAYS) {       \
        errno = error;                               \
        return failed;                               \
    }                                                \
    type result = call;                              \
    if (what == AFTER) kill(getpid(), SIGKILL), pause(); \
    return result;

#define OF_FD(type, name, failed, args, ...)         \
    typedef type(*name##_t) args;                    \
    type name args {                                 \
        char path[PATH_MAX];                         \
        int what = met(#name, path_of(fd, path));    \
        AROUND(type, failed, REAL(name, __VA_ARGS__)) \
    }

OF_FD(int, fsync, -1, (int fd), fd)
OF_FD(int, fdatasync, -1, (int fd), fd)
OF_FD(int, ftruncate, -1, (int fd, off_t size), fd, size)
OF_FD(int, ftruncate64, -1, (int fd, off_t size), fd, size)
OF_FD(int, fallocate, -1, (int fd, int mode, off_t at, off_t size), fd, mode, at, size)

typedef int (*posix_fallocate_t)(int, off_t, off_t);
int posix_fallocate(int fd, off_t at, off_t size) {
    char path[PATH_MAX];
    int what = met("posix_fallocate", path_of(fd, path));
    AROUND(int, error, REAL(posix_fallocate, fd, at, size)) /* it returns its error */
}

#define WRITES(name, args, ...)                       \
    typedef ssize_t(*name##_t) args;                  \
    ssize_t name args {                               \
        char path[PATH_MAX];                          \
        int what = met(#name, path_of(fd, path));     \
        if (what == SHORT && size > 1) size /= 2;     \
        AROUND(ssize_t, -1, REAL(name, __VA_ARGS__))  \
    }

WRITES(write, (int fd, const void* data, size_t size), fd, data, size)
WRITES(pwrite, (int fd, const void* data, size_t size, off_t at), fd, data, size, at)
WRITES(pwrite64, (int fd, const void* data, size_t size, off_t at), fd, data, size, at)

#define OF_PATH(name, args, path, ...)                \
    typedef int(*name##_t) args;                      \
    int name args {                                   \
        int what = met(#name, path);                  \
        AROUND(int, -1, REAL(name, __VA_ARGS__))      \
    }

OF_PATH(rename, (const char* from, const char* to), to, from, to)
OF_PATH(link, (const char* from, const char* to), to, from, to)
OF_PATH(unlink, (const char* path), path, path)
OF_PATH(mkdir, (const char* path, mode_t mode), path, path, mode)

#define OPENS(name)                                                 \
    typedef int (*name##_t)(const char*, int, ...);                 \
    int name(const char* path, int flags, ...) {                    \
        mode_t mode = 0;                                            \
        if (flags & O_CREAT) {                                      \
            va_list rest;                                           \
            va_start(rest, flags);                                  \
            mode = va_arg(rest, mode_t);                            \
            va_end(rest);                                           \
        }                                                           \
        int what = (flags & (O_CREAT | O_RDWR | O_WRONLY)) ? met(#name, path) : PASS; \
        AROUND(int, -1, REAL(name, path, flags, mode))              \
    }

OPENS(open)
OPENS(open64)

typedef void* (*mmap_t)(void*, size_t, int, int, int, off_t);
void* mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset) {
    char path[PATH_MAX];
    int what = fd >= 0 && (protection & PROT_WRITE) && (flags & MAP_SHARED) ? met("mmap", path_of(fd, path)) : PASS;
    AROUND(void*, MAP_FAILED, REAL(mmap, at, size, protection, flags, fd, offset))
}
