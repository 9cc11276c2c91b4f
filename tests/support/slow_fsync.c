// A disk on which an fsync takes a fifth of a second. For LD_PRELOAD.
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int file) {
  usleep(200000);
  return (int)syscall(SYS_fsync, file);
}
