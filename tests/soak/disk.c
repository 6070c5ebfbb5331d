/* A disk that can be watched and broken: what a process does to the files of one folder goes through here.
 *
 * Loaded with LD_PRELOAD. Each call on a file below $DISK_UNDER is written to the tape $DISK_TAPE in the order in which
 * it was done, so that a test can work out what a power cut at any moment would have left. What leaves by a socket or a
 * pipe and contains "published" is written there too: that is the moment at which something was confirmed.
 * The control file $DISK_CONTROL, mapped by both sides, tells which calls are to fail; see Control in disk.py.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SYNC = 1, WRITE = 2, TRUNCATE = 4, OPEN = 8, NAME = 16, READ = 32 };
enum { T_START = 1, T_OPEN, T_CLOSE, T_WRITE, T_TRUNCATE, T_SYNC, T_RENAME, T_UNLINK, T_MKDIR, T_LINK, T_SAID };

#define FILES 65536
static unsigned char ours[FILES]; /* 1: below the folder; 2: and one that may be made to fail */
static volatile int32_t *control; /* calls, error, first, many, seen, hit, no_sync */
static int32_t no_control[8];
static const char *under, *only;
static int tape = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(result, name, ...) static result (*real_##name)(__VA_ARGS__);
REAL(int, open64, const char *, int, ...)
REAL(int, openat64, int, const char *, int, ...)
REAL(int, close, int)
REAL(ssize_t, write, int, const void *, size_t)
REAL(ssize_t, writev, int, const struct iovec *, int)
REAL(ssize_t, send, int, const void *, size_t, int)
REAL(ssize_t, sendmsg, int, const struct msghdr *, int)
REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)
REAL(ssize_t, pread64, int, void *, size_t, off64_t)
REAL(int, ftruncate64, int, off64_t)
REAL(int, fsync, int)
REAL(int, fdatasync, int)
REAL(int, rename, const char *, const char *)
REAL(int, unlink, const char *)
REAL(int, mkdir, const char *, mode_t)
REAL(int, link, const char *, const char *)

static void record(int kind, int fd, int64_t place, int result, const void *one, size_t ones, const void *two, size_t twos) {
    struct __attribute__((packed)) { int32_t kind, fd, result; int64_t place; uint32_t ones, twos; } head =
        {kind, fd, result, place, (uint32_t)ones, (uint32_t)twos};
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)one, ones}, {(void *)two, twos}};
    if (tape >= 0 && real_writev(tape, parts, 3) != (ssize_t)(sizeof head + ones + twos))
        abort(); /* a tape with a hole proves nothing */
}

__attribute__((constructor)) static void begin(void) {
#define FIND(name) real_##name = dlsym(RTLD_NEXT, #name)
    FIND(open64); FIND(openat64); FIND(close); FIND(write); FIND(writev); FIND(send); FIND(sendmsg); FIND(pwrite64);
    FIND(pread64); FIND(ftruncate64); FIND(fsync); FIND(fdatasync); FIND(rename); FIND(unlink); FIND(mkdir); FIND(link);
    control = no_control;
    under = getenv("DISK_UNDER");
    only = getenv("DISK_ONLY");
    const char *path = getenv("DISK_CONTROL");
    int fd = path ? real_open64(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *map = mmap(NULL, 32, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        control = map == MAP_FAILED ? no_control : map;
        real_close(fd);
    }
    path = getenv("DISK_TAPE");
    fd = path ? real_open64(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) {
        tape = fcntl(fd, F_DUPFD_CLOEXEC, 900); /* out of the way of who counts descriptors */
        real_close(fd);
        record(T_START, -1, 0, getpid(), NULL, 0, NULL, 0);
    }
}

static int is_under(const char *path) {
    return under && path && strncmp(path, under, strlen(under)) == 0;
}

static int may_fail(const char *path) {
    return is_under(path) && (!only || strstr(path, only));
}

/* Whether this call is one that is to fail; then errno says how. The lock is held. */
static int fails(int call) {
    if (!(control[0] & call))
        return 0;
    int number = ++control[4];
    if (number < control[2] || (control[3] >= 0 && number >= control[2] + control[3]))
        return 0;
    control[5]++;
    errno = control[1];
    return 1;
}

static int file(int fd) { return fd >= 0 && fd < FILES ? ours[fd] : 0; }

static int opened(int fd, int flags) {
    char name[64], path[4096];
    if (fd < 0 || fd >= FILES)
        return fd;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0)
        return fd;
    path[length] = 0;
    if (is_under(path)) {
        ours[fd] = may_fail(path) ? 2 : 1;
        record(T_OPEN, fd, flags, 0, path, (size_t)length, NULL, 0);
    }
    return fd;
}

static int open_at(int folder, const char *path, int flags, mode_t mode) {
    if (!is_under(path))
        return real_openat64(folder, path, flags, mode);
    pthread_mutex_lock(&lock);
    int fd = may_fail(path) && (flags & O_ACCMODE) != O_RDONLY && fails(OPEN) ? -1 : real_openat64(folder, path, flags, mode);
    int why = errno;
    opened(fd, flags);
    pthread_mutex_unlock(&lock);
    errno = why;
    return fd;
}

#define MODE(last) va_list more; va_start(more, last); mode_t mode = va_arg(more, int); va_end(more);
int open(const char *path, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags) return open_at(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags) return open_at(folder, path, flags, mode); }

int close(int fd) {
    if (fd >= 0 && fd == tape)
        return 0;
    if (!file(fd))
        return real_close(fd);
    pthread_mutex_lock(&lock);
    ours[fd] = 0;
    record(T_CLOSE, fd, 0, 0, NULL, 0, NULL, 0);
    int result = real_close(fd);
    pthread_mutex_unlock(&lock);
    return result;
}

static ssize_t put(int fd, const void *data, size_t size, off64_t place) {
    pthread_mutex_lock(&lock);
    ssize_t result = -1;
    if (file(fd) < 2 || !fails(WRITE)) {
        result = place < 0 ? real_write(fd, data, size) : real_pwrite64(fd, data, size, place);
        int why = errno;
        if (result > 0)
            record(T_WRITE, fd, place < 0 ? lseek64(fd, 0, SEEK_CUR) - result : place, 0, data, (size_t)result, NULL, 0);
        errno = why;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

static void said(const void *data, size_t size) {
    if (tape >= 0 && memmem(data, size, "\"published\"", 11)) {
        pthread_mutex_lock(&lock);
        record(T_SAID, -1, 0, 0, data, size, NULL, 0);
        pthread_mutex_unlock(&lock);
    }
}

static void said_in_parts(const struct iovec *parts, size_t count) {
    size_t size = 0;
    for (size_t each = 0; each < count; each++)
        size += parts[each].iov_len;
    char *whole = malloc(size + 1), *end = whole;
    for (size_t each = 0; each < count; end += parts[each++].iov_len)
        memcpy(end, parts[each].iov_base, parts[each].iov_len);
    said(whole, size);
    free(whole);
}

/* For programs that confirm by other means than a socket. */
void disk_said(const char *text) { said(text, strlen(text)); }

ssize_t write(int fd, const void *data, size_t size) {
    if (file(fd))
        return put(fd, data, size, -1);
    said(data, size);
    return real_write(fd, data, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    said_in_parts(parts, (size_t)count);
    return real_writev(fd, parts, count);
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
    said(data, size);
    return real_send(fd, data, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    said_in_parts(message->msg_iov, message->msg_iovlen);
    return real_sendmsg(fd, message, flags);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t place) {
    return file(fd) ? put(fd, data, size, place) : real_pwrite64(fd, data, size, place);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t place) { return pwrite64(fd, data, size, place); }

ssize_t pread64(int fd, void *data, size_t size, off64_t place) {
    if (file(fd) == 2 && (control[0] & READ)) {
        pthread_mutex_lock(&lock);
        int failed = fails(READ), why = errno;
        pthread_mutex_unlock(&lock);
        errno = why;
        if (failed)
            return -1;
    }
    return real_pread64(fd, data, size, place);
}
ssize_t pread(int fd, void *data, size_t size, off_t place) { return pread64(fd, data, size, place); }

int ftruncate64(int fd, off64_t size) {
    if (!file(fd))
        return real_ftruncate64(fd, size);
    pthread_mutex_lock(&lock);
    int result = file(fd) == 2 && fails(TRUNCATE) ? -1 : real_ftruncate64(fd, size);
    int why = errno;
    if (result == 0)
        record(T_TRUNCATE, fd, size, 0, NULL, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = why;
    return result;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int sync_file(int fd, int (*how)(int)) {
    if (!file(fd))
        return how(fd);
    pthread_mutex_lock(&lock);
    int result = file(fd) == 2 && fails(SYNC) ? -1 : control[6] ? 0 : how(fd);
    int why = errno;
    record(T_SYNC, fd, 0, result, NULL, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = why;
    return result;
}
int fsync(int fd) { return sync_file(fd, real_fsync); }
int fdatasync(int fd) { return sync_file(fd, real_fdatasync); }

#define NAMING(kind, test, call, one, two) \
    if (!(test)) \
        return call; \
    pthread_mutex_lock(&lock); \
    int result = may_fail(one) && fails(NAME) ? -1 : call; \
    int why = errno; \
    if (result == 0) \
        record(kind, -1, 0, 0, one, strlen(one), two, strlen(two)); \
    pthread_mutex_unlock(&lock); \
    errno = why; \
    return result;

int rename(const char *from, const char *to) { NAMING(T_RENAME, is_under(from), real_rename(from, to), from, to) }
int unlink(const char *path) { NAMING(T_UNLINK, is_under(path), real_unlink(path), path, "") }
int mkdir(const char *path, mode_t mode) { NAMING(T_MKDIR, is_under(path), real_mkdir(path, mode), path, "") }
int link(const char *from, const char *to) { NAMING(T_LINK, is_under(to), real_link(from, to), from, to) }
