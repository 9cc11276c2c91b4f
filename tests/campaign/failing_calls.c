// Counts the calls of a program that change files under one directory, and lets one of them go wrong. For LD_PRELOAD.
//   THAW_FAULT_DIR   the directory, an absolute path without symbolic links; without it nothing is counted
//   THAW_FAULT_AT    which call goes wrong, from 1 in order; 0: none, all are logged
//   THAW_FAULT_KIND  ENOSPC, EIO  that call fails
//                    full         from that call on, all that need space fail with ENOSPC
//                    short        a write writes half of its bytes, and the next call that needs space fails with ENOSPC
//                    slow         from that call on, each takes 8 ms longer
//                    die          the process is killed there; a write has written half of its bytes
//   THAW_FAULT_RANK  the rank of Open MPI whose calls count; all where it is not set
//   THAW_FAULT_LOG   gets "NUMBER CALL FILE [NEW NAME]", with tabs, of each call that went wrong, or of all and "total NUMBER"
// The calls go straight to the kernel. Not seen: stdio, which writes from within the C library, mapped files, fallocate and times.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { happens = 0, halved = -1, fatal = -2 };  // what becomes of a call; above 0: it fails with that error
enum { needs_space = 1, writes = 2 };

static struct {
  const char *directory, *kind, *log;
  size_t length;  // of `directory`; 0: nothing is watched
  long at;
} setting;
static atomic_long calls;
static atomic_bool disk_full, next_fails;

static const char* environment(const char* name, const char* otherwise) {
  const char* const value = getenv(name);
  return value == NULL ? otherwise : value;
}

__attribute__((constructor)) static void begin(void) {
  setting.directory = environment("THAW_FAULT_DIR", "");
  setting.kind = environment("THAW_FAULT_KIND", "ENOSPC");
  setting.log = environment("THAW_FAULT_LOG", "");
  setting.at = atol(environment("THAW_FAULT_AT", "0"));
  const char* const rank = environment("THAW_FAULT_RANK", "");
  const bool ours = *rank == '\0' || atoi(rank) == atoi(environment("OMPI_COMM_WORLD_RANK", "0"));
  setting.length = ours ? strlen(setting.directory) : 0;
}

// One write to a file in append mode: lines of threads do not mix.
static void note(const char* line, int length) {
  if (*setting.log == '\0' || length <= 0) return;
  const int log = (int)syscall(SYS_openat, AT_FDCWD, setting.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return;
  syscall(SYS_write, log, line, (size_t)length);
  syscall(SYS_close, log);
}

__attribute__((destructor)) static void end(void) {
  char line[64];
  if (setting.length > 0 && setting.at == 0) note(line, snprintf(line, sizeof line, "total\t%ld\n", atomic_load(&calls)));
}

static void path_of(int descriptor, char path[PATH_MAX]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
  path[length > 0 ? length : 0] = '\0';
}

static void resolve(int directory, const char* name, char path[PATH_MAX]) {
  path[0] = '\0';
  if (name[0] != '/') {
    if (directory != AT_FDCWD) path_of(directory, path);
    else if (syscall(SYS_getcwd, path, PATH_MAX) < 0) path[0] = '\0';
    strncat(path, "/", PATH_MAX - 1 - strlen(path));
  }
  strncat(path, name, PATH_MAX - 1 - strlen(path));
}

// The name below the directory ("." for itself); nothing where it is elsewhere.
static const char* below(const char* path) {
  if (strncmp(path, setting.directory, setting.length) != 0) return NULL;
  path += setting.length;
  return *path == '/' ? path + 1 : *path == '\0' ? "." : NULL;
}

static void note_call(long number, const char* call, const char* file, const char* to) {
  char line[2 * PATH_MAX + 64];
  const char* const renamed = to == NULL ? NULL : below(to);
  const int length = snprintf(line, sizeof line, "%ld\t%s\t%s%s%s\n", number, call, file, renamed ? "\t" : "", renamed ? renamed : "");
  note(line, length < (int)sizeof line ? length : (int)sizeof line - 1);
}

static int choose(long number, int nature) {
  if (strcmp(setting.kind, "slow") == 0 && setting.at > 0 && number >= setting.at) {
    const struct timespec moment = {0, 8000000};
    nanosleep(&moment, NULL);
    return happens;
  }
  if (number == setting.at) {
    if (strcmp(setting.kind, "die") == 0) return fatal;
    if (strcmp(setting.kind, "EIO") == 0) return EIO;
    if (strcmp(setting.kind, "ENOSPC") == 0) return ENOSPC;
    if (strcmp(setting.kind, "full") == 0) atomic_store(&disk_full, true);
    if (strcmp(setting.kind, "short") == 0 && nature & writes) {
      atomic_store(&next_fails, true);
      return halved;
    }
  } else if (nature & needs_space && atomic_exchange(&next_fails, false)) {
    return ENOSPC;
  }
  return nature & needs_space && atomic_load(&disk_full) ? ENOSPC : happens;
}

static int fate_of(const char* call, const char* path, const char* to, int nature) {
  const char* const file = below(path);
  if (file == NULL) return happens;
  const long number = atomic_fetch_add(&calls, 1) + 1;
  const int fate = choose(number, nature);
  if (setting.at == 0 || fate != happens) note_call(number, call, file, to);
  return fate;
}

static void die(void) {
  syscall(SYS_kill, getpid(), SIGKILL);
  while (true) pause();
}

static bool prevented(int fate) {
  if (fate == happens) return false;
  if (fate == fatal) die();
  errno = fate;
  return true;
}

static int fate_of_path(const char* call, int directory, const char* name, int nature) {
  if (setting.length == 0) return happens;
  char path[PATH_MAX];
  resolve(directory, name, path);
  return fate_of(call, path, NULL, nature);
}

static int fate_of_descriptor(const char* call, int descriptor, int nature) {
  if (setting.length == 0) return happens;
  const int before = errno;
  char path[PATH_MAX];
  path_of(descriptor, path);
  errno = before;
  return fate_of(call, path, NULL, nature);
}

static int fate_of_two(const char* call, int from_directory, const char* from, int to_directory, const char* to, int nature) {
  if (setting.length == 0) return happens;
  char first[PATH_MAX], second[PATH_MAX];
  resolve(from_directory, from, first);
  resolve(to_directory, to, second);
  return fate_of(call, below(first) ? first : second, second, nature);
}

// open

static int open_at(const char* call, int directory, const char* name, int flags, mode_t mode) {
  if (flags & (O_CREAT | O_TRUNC)) {
    const bool there = syscall(SYS_faccessat, directory, name, F_OK) == 0;
    if (prevented(fate_of_path(call, directory, name, there ? 0 : needs_space))) return -1;
  }
  return (int)syscall(SYS_openat, directory, name, flags, mode);
}

#define MODE_AFTER(flags)                                    \
  mode_t mode = 0;                                           \
  if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) { \
    va_list rest;                                            \
    va_start(rest, flags);                                   \
    mode = va_arg(rest, mode_t);                             \
    va_end(rest);                                            \
  }
#define DEFINE_OPEN(suffix, large)                                                                                  \
  int open##suffix(const char* name, int flags, ...) {                                                              \
    MODE_AFTER(flags)                                                                                               \
    return open_at("open", AT_FDCWD, name, flags | large, mode);                                                    \
  }                                                                                                                 \
  int openat##suffix(int directory, const char* name, int flags, ...) {                                             \
    MODE_AFTER(flags)                                                                                               \
    return open_at("openat", directory, name, flags | large, mode);                                                 \
  }                                                                                                                 \
  int creat##suffix(const char* name, mode_t mode) {                                                                \
    return open_at("creat", AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC | large, mode);                            \
  }                                                                                                                 \
  int __open##suffix##_2(const char* name, int flags) { return open_at("open", AT_FDCWD, name, flags | large, 0); } \
  int __openat##suffix##_2(int directory, const char* name, int flags) { return open_at("openat", directory, name, flags | large, 0); }
DEFINE_OPEN(, 0)
DEFINE_OPEN(64, O_LARGEFILE)

// write

ssize_t write(int descriptor, const void* data, size_t bytes) {
  const int fate = fate_of_descriptor("write", descriptor, needs_space | writes);
  if (fate == halved) bytes = (bytes + 1) / 2;
  else if (fate == fatal) syscall(SYS_write, descriptor, data, bytes / 2), die();
  else if (prevented(fate)) return -1;
  return syscall(SYS_write, descriptor, data, bytes);
}

static ssize_t write_at(int descriptor, const void* data, size_t bytes, off_t offset) {
  const int fate = fate_of_descriptor("pwrite", descriptor, needs_space | writes);
  if (fate == halved) bytes = (bytes + 1) / 2;
  else if (fate == fatal) syscall(SYS_pwrite64, descriptor, data, bytes / 2, offset), die();
  else if (prevented(fate)) return -1;
  return syscall(SYS_pwrite64, descriptor, data, bytes, offset);
}
ssize_t pwrite(int descriptor, const void* data, size_t bytes, off_t offset) { return write_at(descriptor, data, bytes, offset); }
ssize_t pwrite64(int descriptor, const void* data, size_t bytes, off64_t offset) { return write_at(descriptor, data, bytes, offset); }

// Half of several pieces: the first half of the first one.
ssize_t writev(int descriptor, const struct iovec* pieces, int count) {
  const int fate = fate_of_descriptor("writev", descriptor, needs_space | writes);
  if ((fate == halved || fate == fatal) && count > 0) {
    const ssize_t wrote = syscall(SYS_write, descriptor, pieces[0].iov_base, (pieces[0].iov_len + 1) / 2);
    if (fate == fatal) die();
    return wrote;
  }
  if (prevented(fate)) return -1;
  return syscall(SYS_writev, descriptor, pieces, count);
}

static int resize(int descriptor, off_t bytes) {
  struct stat info;
  const bool longer = fstat(descriptor, &info) == 0 && info.st_size < bytes;
  if (prevented(fate_of_descriptor("ftruncate", descriptor, longer ? needs_space : 0))) return -1;
  return (int)syscall(SYS_ftruncate, descriptor, bytes);
}
int ftruncate(int descriptor, off_t bytes) { return resize(descriptor, bytes); }
int ftruncate64(int descriptor, off64_t bytes) { return resize(descriptor, bytes); }

static int resize_path(const char* name, off_t bytes) {
  if (prevented(fate_of_path("truncate", AT_FDCWD, name, 0))) return -1;
  return (int)syscall(SYS_truncate, name, bytes);
}
int truncate(const char* name, off_t bytes) { return resize_path(name, bytes); }
int truncate64(const char* name, off64_t bytes) { return resize_path(name, bytes); }

int fsync(int descriptor) { return prevented(fate_of_descriptor("fsync", descriptor, 0)) ? -1 : (int)syscall(SYS_fsync, descriptor); }
int fdatasync(int descriptor) {
  return prevented(fate_of_descriptor("fdatasync", descriptor, 0)) ? -1 : (int)syscall(SYS_fdatasync, descriptor);
}

// names

static int rename_at(const char* call, int from_directory, const char* from, int to_directory, const char* to, unsigned flags) {
  if (prevented(fate_of_two(call, from_directory, from, to_directory, to, 0))) return -1;
  return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
}
int rename(const char* from, const char* to) { return rename_at("rename", AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_directory, const char* from, int to_directory, const char* to) {
  return rename_at("renameat", from_directory, from, to_directory, to, 0);
}
int renameat2(int from_directory, const char* from, int to_directory, const char* to, unsigned flags) {
  return rename_at("renameat2", from_directory, from, to_directory, to, flags);
}

static int link_at(const char* call, int from_directory, const char* from, int to_directory, const char* to, int flags) {
  if (prevented(fate_of_two(call, from_directory, from, to_directory, to, needs_space))) return -1;
  return (int)syscall(SYS_linkat, from_directory, from, to_directory, to, flags);
}
int link(const char* from, const char* to) { return link_at("link", AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_directory, const char* from, int to_directory, const char* to, int flags) {
  return link_at("linkat", from_directory, from, to_directory, to, flags);
}

static int unlink_at(const char* call, int directory, const char* name, int flags) {
  if (prevented(fate_of_path(call, directory, name, 0))) return -1;
  return (int)syscall(SYS_unlinkat, directory, name, flags);
}
int unlink(const char* name) { return unlink_at("unlink", AT_FDCWD, name, 0); }
int unlinkat(int directory, const char* name, int flags) { return unlink_at("unlinkat", directory, name, flags); }
int rmdir(const char* name) { return unlink_at("rmdir", AT_FDCWD, name, AT_REMOVEDIR); }
int remove(const char* name) {
  if (prevented(fate_of_path("remove", AT_FDCWD, name, 0))) return -1;
  if (syscall(SYS_unlinkat, AT_FDCWD, name, 0) == 0) return 0;
  return errno == EISDIR ? (int)syscall(SYS_unlinkat, AT_FDCWD, name, AT_REMOVEDIR) : -1;
}

static int make_directory_at(const char* call, int directory, const char* name, mode_t mode) {
  if (prevented(fate_of_path(call, directory, name, needs_space))) return -1;
  return (int)syscall(SYS_mkdirat, directory, name, mode);
}
int mkdir(const char* name, mode_t mode) { return make_directory_at("mkdir", AT_FDCWD, name, mode); }
int mkdirat(int directory, const char* name, mode_t mode) { return make_directory_at("mkdirat", directory, name, mode); }
