/* Makes system calls on some files fail on demand: for LD_PRELOAD.

   HW_FAULT_PATH   calls on files whose path holds this text are counted
   HW_FAULT_ROLE   only in a process with this argument on its command line
   HW_FAULT_FILE   the control file, mapped here and by the test: struct control */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
    volatile long calls;  /* counted so far */
    volatile long first;  /* these fail, from 1 on; 0: none */
    volatile long last;
    volatile long number; /* with this errno; -1: a write is cut short instead */
    volatile long again;  /* this one fails, too */
    volatile long struck; /* failed so far */
    volatile char kinds[4000];
};

static struct control *control;
static const char *wanted;
static int state; /* 0: not asked yet, 1: on, -1: off */
static void *mapped[16];

static int has_role(const char *role) {
    char line[8192];
    int fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY, 0);
    ssize_t size = fd < 0 ? 0 : syscall(SYS_read, fd, line, sizeof line - 1);
    syscall(SYS_close, fd);
    for (ssize_t at = 0; at < size; at += strlen(line + at) + 1) {
        line[size] = 0;
        if (!strcmp(line + at, role)) return 1;
    }
    return 0;
}

static int is_on(void) {
    if (state) return state > 0;
    const char *path = getenv("HW_FAULT_FILE"), *role = getenv("HW_FAULT_ROLE");
    wanted = getenv("HW_FAULT_PATH");
    state = -1;
    if (!path || !role || !wanted || !has_role(role)) return 0;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR, 0);
    if (fd < 0) return 0;
    void *map = (void *)syscall(SYS_mmap, 0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (map == MAP_FAILED) return 0;
    control = map;
    state = 1;
    return 1;
}

static int is_ours(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = syscall(SYS_readlink, link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return strstr(path, wanted) != NULL;
}

/* Counts a call; 0: let it be, else the errno it fails with, or -1. */
static long strike(char kind) {
    long call = __sync_add_and_fetch(&control->calls, 1);
    if (call < (long)sizeof control->kinds) control->kinds[call - 1] = kind;
    if (!control->first || ((call < control->first || call > control->last) && call != control->again)) return 0;
    if (control->number < 0 && kind != 'W') return 0;
    __sync_add_and_fetch(&control->struck, 1);
    return control->number;
}

#define ON_FD(fd, kind)                                     \
    do {                                                    \
        int before = errno;                                 \
        long number = is_on() && is_ours(fd) ? strike(kind) : 0; \
        errno = before;                                     \
        if (number > 0) return errno = number, -1;          \
    } while (0)

#define ON_PATH(path, kind)                                        \
    do {                                                           \
        long number = is_on() && strstr(path, wanted) ? strike(kind) : 0; \
        if (number > 0) return errno = number, -1;                 \
    } while (0)

static int opened(const char *path, int flags, mode_t mode) {
    ON_PATH(path, 'O');
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

#define OPEN(name)                                        \
    int name(const char *path, int flags, ...) {          \
        va_list more;                                     \
        va_start(more, flags);                            \
        mode_t mode = flags & O_CREAT ? va_arg(more, int) : 0; \
        va_end(more);                                     \
        return opened(path, flags, mode);                 \
    }
OPEN(open)
OPEN(open64)

/* How much of a write of `size` bytes goes through: all, half of it, or -1 with errno set. */
static ssize_t allowed(int fd, size_t size) {
    int before = errno;
    long number = is_on() && is_ours(fd) ? strike('W') : 0;
    errno = before;
    if (number > 0) return errno = number, -1;
    return number < 0 && size > 1 ? (ssize_t)(size / 2) : (ssize_t)size;
}

ssize_t write(int fd, const void *data, size_t size) {
    ssize_t most = allowed(fd, size);
    return most < 0 ? -1 : syscall(SYS_write, fd, data, most);
}

static ssize_t written_at(int fd, const void *data, size_t size, off_t at) {
    ssize_t most = allowed(fd, size);
    return most < 0 ? -1 : syscall(SYS_pwrite64, fd, data, most, at);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return written_at(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return written_at(fd, data, size, at); }

static ssize_t gathered(int fd, const struct iovec *parts, int count, off_t at) {
    size_t size = 0;
    for (int n = 0; n < count; n++) size += parts[n].iov_len;
    ssize_t most = allowed(fd, size);
    if (most < 0) return -1;
    if ((size_t)most == size) return syscall(SYS_pwritev, fd, parts, count, at, 0);
    size_t first = parts[0].iov_len < (size_t)most ? parts[0].iov_len : (size_t)most;
    return syscall(SYS_pwrite64, fd, parts[0].iov_base, first, at);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return gathered(fd, parts, count, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return gathered(fd, parts, count, at); }
ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t at, int flags) {
    (void)flags;
    return gathered(fd, parts, count, at);
}
ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t at, int flags) {
    (void)flags;
    return gathered(fd, parts, count, at);
}

ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
    ON_FD(fd, 'P');
    return syscall(SYS_pread64, fd, data, size, at);
}

int fsync(int fd) {
    ON_FD(fd, 'S');
    return syscall(SYS_fsync, fd);
}
int fdatasync(int fd) {
    ON_FD(fd, 'S');
    return syscall(SYS_fdatasync, fd);
}
int ftruncate(int fd, off_t size) {
    ON_FD(fd, 'T');
    return syscall(SYS_ftruncate, fd, size);
}
int ftruncate64(int fd, off64_t size) {
    ON_FD(fd, 'T');
    return syscall(SYS_ftruncate, fd, size);
}
int rename(const char *old, const char *new) {
    ON_PATH(new, 'R');
    return syscall(SYS_rename, old, new);
}
int unlink(const char *path) {
    ON_PATH(path, 'U');
    return syscall(SYS_unlink, path);
}

/* msync has no descriptor: the maps of the files are remembered. */
static void *map_of(void *addr, size_t size, int prot, int flags, int fd, off_t at) {
    void *map = (void *)syscall(SYS_mmap, addr, size, prot, flags, fd, at);
    if (map != MAP_FAILED && fd >= 0 && flags & MAP_SHARED && is_on() && is_ours(fd))
        for (int n = 0; n < 16; n++)
            if (!mapped[n]) {
                mapped[n] = map;
                break;
            }
    return map;
}
void *mmap(void *addr, size_t size, int prot, int flags, int fd, off_t at) {
    return map_of(addr, size, prot, flags, fd, at);
}
void *mmap64(void *addr, size_t size, int prot, int flags, int fd, off64_t at) {
    return map_of(addr, size, prot, flags, fd, at);
}
int msync(void *addr, size_t size, int flags) {
    for (int n = 0; n < 16 && is_on(); n++)
        if (addr && mapped[n] == addr) {
            long number = strike('M');
            if (number > 0) return errno = number, -1;
        }
    return syscall(SYS_msync, addr, size, flags);
}
