/*
 * Breaks a folder for the processes that load this library (LD_PRELOAD): those calls of libc that
 * change or open files in the folder $CHAOS_FOLDER
 *
 *     wait             while the file $CHAOS_FOLDER.stalls exists,
 *     fail by EIO      while $CHAOS_FOLDER.fails exists,
 *     fail by ENOSPC   while $CHAOS_FOLDER.full exists, if they need room on the disk.
 *
 * Calls block the thread that makes them, as those on a network file system do.
 */
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
#include <sys/uio.h>
#include <unistd.h>

#define POLL_MICROSECONDS 20000

static int is_on(const char *folder, const char *fault) {
  char name[PATH_MAX];
  snprintf(name, sizeof name, "%s.%s", folder, fault);
  return access(name, F_OK) == 0;
}

/* The error number that a call on `path` has to fail with, or 0. */
static int fault_of(const char *path, int needs_room) {
  const char *folder = getenv("CHAOS_FOLDER");
  size_t length = folder ? strlen(folder) : 0;
  if (!length || !path || strncmp(path, folder, length)) return 0;
  if (path[length] != '/' && path[length] != '\0') return 0;
  while (is_on(folder, "stalls")) usleep(POLL_MICROSECONDS);
  if (is_on(folder, "fails")) return EIO;
  return needs_room && is_on(folder, "full") ? ENOSPC : 0;
}

static int fault_of_open_file(int file, int needs_room) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = '\0';
  return fault_of(path, needs_room);
}

/* Defines the function of libc with a check before it, whose result is an error number. */
#define BREAK(type, failure, name, parameters, arguments, check)                  \
  type name parameters {                                                          \
    static type(*real) parameters;                                                \
    if (!real) real = (type(*) parameters)dlsym(RTLD_NEXT, #name);                \
    int before = errno, fault = check;                                            \
    errno = fault ? fault : before;                                               \
    return fault ? failure : real arguments;                                      \
  }

BREAK(int, -1, mkdir, (const char *path, mode_t mode), (path, mode), fault_of(path, 1))
BREAK(char *, NULL, mkdtemp, (char *path), (path), fault_of(path, 1))
BREAK(int, -1, rmdir, (const char *path), (path), fault_of(path, 0))
BREAK(int, -1, unlink, (const char *path), (path), fault_of(path, 0))
BREAK(int, -1, rename, (const char *from, const char *to), (from, to), fault_of(to, 1))
BREAK(int, -1, fsync, (int file), (file), fault_of_open_file(file, 1))
BREAK(ssize_t, -1, write, (int file, const void *bytes, size_t size), (file, bytes, size),
      fault_of_open_file(file, 1))
BREAK(ssize_t, -1, writev, (int file, const struct iovec *parts, int count), (file, parts, count),
      fault_of_open_file(file, 1))
BREAK(ssize_t, -1, pwrite64, (int file, const void *bytes, size_t size, off64_t at),
      (file, bytes, size, at), fault_of_open_file(file, 1))
BREAK(ssize_t, -1, pwritev64, (int file, const struct iovec *parts, int count, off64_t at),
      (file, parts, count, at), fault_of_open_file(file, 1))

#define BREAK_OPEN(name)                                                          \
  int name(const char *path, int flags, ...) {                                    \
    static int (*real)(const char *, int, ...);                                   \
    if (!real) real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name);   \
    va_list more;                                                                 \
    va_start(more, flags);                                                        \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;       \
    va_end(more);                                                                 \
    int fault = fault_of(path, flags & O_CREAT);                                  \
    errno = fault;                                                                \
    return fault ? -1 : real(path, flags, mode);                                  \
  }

BREAK_OPEN(open)
BREAK_OPEN(open64)
