/* Moves the wall clock of a process on demand: for LD_PRELOAD.

   HW_CLOCK_FILE   a file of one long, mapped here and by the test: nanoseconds that are added to the time

   The monotonic clock goes on as it does when an operator sets a machine's clock. ClickHouse keeps the true time: it
   waits on condition variables until moments of the wall clock, and those the kernel knows. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000L

static volatile long *moved;
static int asked;

static long shift(const void *caller) {
    if (!asked) {
        asked = 1;
        const char *path = getenv("HW_CLOCK_FILE");
        int fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0) : -1;
        if (fd >= 0) {
            void *map = mmap(NULL, sizeof *moved, PROT_READ, MAP_SHARED, fd, 0);
            syscall(SYS_close, fd);
            if (map != MAP_FAILED) moved = map;
        }
    }
    Dl_info from;
    if (!moved || !*moved) return 0;
    if (dladdr(caller, &from) && from.dli_fname && strstr(from.dli_fname, "chdb")) return 0;
    return *moved;
}

static void add(struct timespec *to, long by) {
    long all = to->tv_sec * SECOND + to->tv_nsec + by;
    to->tv_sec = all / SECOND;
    to->tv_nsec = all % SECOND;
}

int clock_gettime(clockid_t clock, struct timespec *to) {
    int failed = syscall(SYS_clock_gettime, clock, to);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        add(to, shift(__builtin_return_address(0)));
    return failed;
}

int gettimeofday(struct timeval *restrict to, void *restrict zone) {
    struct timespec now;
    (void)zone;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    add(&now, shift(__builtin_return_address(0)));
    to->tv_sec = now.tv_sec;
    to->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *to) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    add(&now, shift(__builtin_return_address(0)));
    if (to) *to = now.tv_sec;
    return now.tv_sec;
}
