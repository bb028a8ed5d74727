/* Preloaded: the n-th call of one kind that touches a given folder fails. Calls that read are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { OPEN, WRITE, FSYNC, RENAME, UNLINK, MKDIR, KINDS };

static const int said[KINDS] = {EACCES, ENOSPC, EIO, EIO, EIO, EACCES};
static int counts[KINDS], kind = -1, nth, forever;
static char folder[PATH_MAX];

void failing_io_arm(const char *where, int which, int number, int from_then_on)
{
    snprintf(folder, sizeof folder, "%s", where);
    memset(counts, 0, sizeof counts);
    kind = which, nth = number, forever = from_then_on;
}

int failing_io_count(int which) { return counts[which]; }

static int inside(const char *path) { return *folder && strncmp(path, folder, strlen(folder)) == 0; }

static int fails(int which, int directory, const char *path)
{
    char whole[2 * PATH_MAX], base[PATH_MAX] = "", link[64];
    if (!*folder)
        return 0;
    if (*path != '/') { /* relative to a folder that is open, or to where the process is */
        if (directory == AT_FDCWD)
            snprintf(link, sizeof link, "/proc/self/cwd");
        else
            snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        ssize_t length = readlink(link, base, sizeof base - 2);
        if (length < 0)
            return 0;
        base[length] = 0;
        if (*path)
            strcat(base, "/");
    }
    snprintf(whole, sizeof whole, "%s%s", base, path);
    if (!inside(whole))
        return 0;
    counts[which]++;
    if (which != kind || !(counts[which] == nth || (forever && counts[which] > nth)))
        return 0;
    errno = said[which];
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT))
#define MODE(mode, last) va_list more; va_start(more, last); mode_t mode = va_arg(more, mode_t); va_end(more)

int open(const char *path, int flags, ...)
{
    MODE(mode, flags);
    return WRITES(flags) && fails(OPEN, AT_FDCWD, path) ? -1 : REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE(mode, flags);
    return WRITES(flags) && fails(OPEN, AT_FDCWD, path) ? -1 : REAL(open64)(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    MODE(mode, flags);
    return WRITES(flags) && fails(OPEN, at, path) ? -1 : REAL(openat)(at, path, flags, mode);
}

ssize_t write(int file, const void *data, size_t size)
{
    return file > 2 && fails(WRITE, file, "") ? -1 : REAL(write)(file, data, size);
}

int fsync(int file) { return fails(FSYNC, file, "") ? -1 : REAL(fsync)(file); }
int rename(const char *a, const char *b) { return fails(RENAME, AT_FDCWD, b) ? -1 : REAL(rename)(a, b); }
int unlink(const char *path) { return fails(UNLINK, AT_FDCWD, path) ? -1 : REAL(unlink)(path); }
int unlinkat(int at, const char *path, int flags) { return fails(UNLINK, at, path) ? -1 : REAL(unlinkat)(at, path, flags); }
int rmdir(const char *path) { return fails(UNLINK, AT_FDCWD, path) ? -1 : REAL(rmdir)(path); }
int mkdir(const char *path, mode_t mode) { return fails(MKDIR, AT_FDCWD, path) ? -1 : REAL(mkdir)(path, mode); }
