/* Loaded before the C library by the storms: makes a process see what is rare. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* SHORT_WRITES: a write to a regular file takes half of what it is given. */
ssize_t write(int fd, const void *bytes, size_t size) {
    static ssize_t (*next)(int, const void *, size_t);
    struct stat found;
    if (!next) next = dlsym(RTLD_NEXT, "write");
    if (size > 1 && getenv("SHORT_WRITES") && !fstat(fd, &found) && S_ISREG(found.st_mode)) size /= 2;
    return next(fd, bytes, size);
}

/* CLOCK_BACK: the time of day jumps back an hour at every call. */
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*next)(clockid_t, struct timespec *);
    static long calls;
    if (!next) next = dlsym(RTLD_NEXT, "clock_gettime");
    int result = next(clock, now);
    if (clock == CLOCK_REALTIME && getenv("CLOCK_BACK")) now->tv_sec -= 3600 * ++calls;
    return result;
}
