#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
/* A record that begins with "VICTIM": half, then a writer without locks appends a line, then 10 bytes more, then the disk is full. */
ssize_t write(int fd, const void *b, size_t n) {
    static ssize_t (*next)(int, const void *, size_t);
    static int state;
    if (!next) next = dlsym(RTLD_NEXT, "write");
    if (state == 0 && n > 100 && !memcmp(b, "VICTIM", 6)) {
        char p[64], path[4096];
        snprintf(p, 64, "/proc/self/fd/%d", fd);
        ssize_t l = readlink(p, path, 4095); path[l] = 0;
        ssize_t r = next(fd, b, 50);
        int o = open(path, O_WRONLY | O_APPEND); next(o, "\nFOREIGN LINE OF A PROGRAM WITHOUT LOCKS\n", 41); close(o);
        state = 1; return r;
    }
    if (state == 1) { state = 2; return next(fd, b, 10); }
    if (state == 2) { state = 3; errno = ENOSPC; return -1; }
    return next(fd, b, n);
}
