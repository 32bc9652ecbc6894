/* Preloaded: steps the wall clock of one process by the seconds in the file CLOCK_STEP_FILE.

   CLOCK_REALTIME is read shifted, and absolute deadlines on it are shifted back, since the kernel
   does not know of the step. A wait that has begun keeps its end. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t none = 0;
static const volatile int64_t *step = &none;

__attribute__((constructor)) static void open_step(void)
{
  const char *path = getenv("CLOCK_STEP_FILE");
  int file = path ? open(path, O_RDONLY) : -1;
  if (file < 0) return;
  void *map = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  if (map != MAP_FAILED) step = map;
  close(file);
}

static void *next(const char *name)
{
  /* Condition variables have an old version on x86-64, which dlsym would find first. */
  void *found = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
  return found ? found : dlsym(RTLD_NEXT, name);
}

/* Monotonic times count from boot, so that they stay far below those since 1970. */
static struct timespec unshifted(const struct timespec *at)
{
  struct timespec real = *at;
  if (real.tv_sec > 1000000000) real.tv_sec -= *step;
  return real;
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = next(#name)

int clock_gettime(clockid_t clock, struct timespec *at)
{
  REAL(clock_gettime);
  int failed = real(clock, at);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += *step;
  return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
  REAL(gettimeofday);
  int failed = real(at, zone);
  if (!failed) at->tv_sec += *step;
  return failed;
}

time_t time(time_t *at)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *at)
{
  REAL(pthread_cond_timedwait);
  struct timespec end = unshifted(at);
  return real(c, m, &end);
}

int pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t k,
                           const struct timespec *at)
{
  REAL(pthread_cond_clockwait);
  struct timespec end = unshifted(at);
  return real(c, m, k, &end);
}

int pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *at)
{
  REAL(pthread_mutex_timedlock);
  struct timespec end = unshifted(at);
  return real(m, &end);
}

int sem_timedwait(sem_t *s, const struct timespec *at)
{
  REAL(sem_timedwait);
  struct timespec end = unshifted(at);
  return real(s, &end);
}
