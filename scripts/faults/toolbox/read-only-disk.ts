import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findTool } from '../../../test/harness/tools.ts';

/**
 * Makes a folder read-only for one process and writable again. A kernel refuses to remount what has
 * files open for writing, except where a disk fails; so the C library's calls are what fails here,
 * with EROFS, as they do on a card that has switched itself to read-only.
 */
export interface ReadOnlyDisk {
  /** Variables for the process. */
  readonly env: Readonly<Record<string, string>>;
  protect(): void;
  release(): void;
}

/** Why it cannot be made here; undefined where a C compiler is installed. */
export function readOnlyDiskMissing(): string | undefined {
  return findTool('cc') === undefined ? 'there is no C compiler (cc)' : undefined;
}

/** Builds the library that stands before the C library; `folder` is what it watches. */
export function createReadOnlyDisk(place: string, folder: string): ReadOnlyDisk {
  const source = join(place, 'read-only.c');
  const library = join(place, 'read-only.so');
  const flag = join(place, 'read-only.flag');
  writeFileSync(source, SOURCE);
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
  return {
    env: { LD_PRELOAD: library, FAULTS_FOLDER: folder, FAULTS_FLAG: flag },
    protect: () => writeFileSync(flag, ''),
    release: () => rmSync(flag, { force: true }),
  };
}

const SOURCE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int inside(const char *path) {
  const char *folder = getenv("FAULTS_FOLDER");
  return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

static int closed(void) {
  const char *flag = getenv("FAULTS_FLAG");
  return flag && syscall(SYS_access, flag, F_OK) == 0;
}

static int refused(const char *path) {
  if (!closed() || !inside(path)) return 0;
  errno = EROFS;
  return 1;
}

static int refused_fd(int fd) {
  char link[64], path[4096];
  if (fd <= 2 || !closed()) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  if (!inside(path)) return 0;
  errno = EROFS;
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ON_FD(result, name, declared, passed) \\
  result name declared { return refused_fd(fd) ? -1 : REAL(name) passed; }
#define ON_PATH(result, name, declared, passed) \\
  result name declared { return refused(path) ? -1 : REAL(name) passed; }

ON_FD(ssize_t, write, (int fd, const void *from, size_t count), (fd, from, count))
ON_FD(ssize_t, pwrite, (int fd, const void *from, size_t count, off_t at), (fd, from, count, at))
ON_FD(ssize_t, pwrite64, (int fd, const void *from, size_t n, off64_t at), (fd, from, n, at))
ON_FD(ssize_t, writev, (int fd, const struct iovec *from, int count), (fd, from, count))
ON_FD(int, fsync, (int fd), (fd))
ON_FD(int, fdatasync, (int fd), (fd))
ON_FD(int, ftruncate, (int fd, off_t size), (fd, size))
ON_FD(int, ftruncate64, (int fd, off64_t size), (fd, size))
ON_PATH(int, mkdir, (const char *path, mode_t mode), (path, mode))
ON_PATH(int, unlink, (const char *path), (path))
ON_PATH(int, rmdir, (const char *path), (path))
ON_PATH(int, rename, (const char *path, const char *to), (path, to))

#define ON_OPEN(name) \\
  int name(const char *path, int flags, ...) { \\
    va_list rest; \\
    va_start(rest, flags); \\
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \\
    va_end(rest); \\
    int writes = (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC); \\
    if (writes && refused(path)) return -1; \\
    return REAL(name)(path, flags, mode); \\
  }
ON_OPEN(open)
ON_OPEN(open64)

#define ON_FOPEN(name) \\
  FILE *name(const char *path, const char *mode) { \\
    if (strpbrk(mode, "wa+") && refused(path)) return NULL; \\
    return REAL(name)(path, mode); \\
  }
ON_FOPEN(fopen)
ON_FOPEN(fopen64)
`;
