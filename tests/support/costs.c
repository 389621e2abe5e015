/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "costs.h"

#include <dlfcn.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_bool is_counting;
static atomic_uint n_allocations, n_of_openssl, n_locks, n_records;
static _Thread_local gboolean is_thread_left_out;

static void
count (atomic_uint *number)
{
  if (atomic_load_explicit (&is_counting, memory_order_relaxed) && !is_thread_left_out)
    atomic_fetch_add_explicit (number, 1, memory_order_relaxed);
}

#if !COSTS_HAS_MEMORY
#define __libc_malloc malloc
#define __libc_realloc realloc
#else
void *__libc_malloc (size_t size);
void *__libc_realloc (void *old, size_t size);
void *__libc_calloc (size_t n, size_t size);
void *__libc_memalign (size_t alignment, size_t size);
void *malloc (size_t size);
void *realloc (void *old, size_t size);
void *calloc (size_t n, size_t size);
void *aligned_alloc (size_t alignment, size_t size);
int posix_memalign (void **memory, size_t alignment, size_t size);

void *
malloc (size_t size)
{
  count (&n_allocations);
  return __libc_malloc (size);
}

void *
realloc (void *old, size_t size)
{
  count (&n_allocations);
  return __libc_realloc (old, size);
}

void *
calloc (size_t n, size_t size)
{
  count (&n_allocations);
  return __libc_calloc (n, size);
}

void *
aligned_alloc (size_t alignment, size_t size)
{
  count (&n_allocations);
  return __libc_memalign (alignment, size);
}

int
posix_memalign (void **memory, size_t alignment, size_t size)
{
  void *found = __libc_memalign (alignment, size);

  count (&n_allocations);
  if (found == NULL)
    return ENOMEM;
  *memory = found;
  return 0;
}

/* The real function behind ours; found once, for to look it up may allocate. */
#define REAL(name)                                                                                 \
  ({                                                                                               \
    static __typeof__ (&name) real;                                                                \
    if (real == NULL)                                                                              \
      real = (__typeof__ (&name))dlsym (RTLD_NEXT, #name);                                         \
    real;                                                                                          \
  })

int
pthread_mutex_lock (pthread_mutex_t *mutex)
{
  count (&n_locks);
  return REAL (pthread_mutex_lock) (mutex);
}

int
pthread_mutex_trylock (pthread_mutex_t *mutex)
{
  count (&n_locks);
  return REAL (pthread_mutex_trylock) (mutex);
}

int
pthread_rwlock_rdlock (pthread_rwlock_t *lock)
{
  count (&n_locks);
  return REAL (pthread_rwlock_rdlock) (lock);
}

int
pthread_rwlock_wrlock (pthread_rwlock_t *lock)
{
  count (&n_locks);
  return REAL (pthread_rwlock_wrlock) (lock);
}

void
g_mutex_lock (GMutex *mutex)
{
  count (&n_locks);
  REAL (g_mutex_lock) (mutex);
}
#endif

static GLogWriterOutput
count_record (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
  count (&n_records);
  return level < G_LOG_LEVEL_MESSAGE ? g_log_writer_default (level, fields, n_fields, data)
                                     : G_LOG_WRITER_HANDLED;
}

static void *
allocate_for_openssl (size_t size, const char *file, int line)
{
  count (&n_of_openssl);
  return __libc_malloc (size);
}

static void *
reallocate_for_openssl (void *old, size_t size, const char *file, int line)
{
  count (&n_of_openssl);
  return __libc_realloc (old, size);
}

static void
free_for_openssl (void *memory, const char *file, int line)
{
  free (memory);
}

void
costs_init (char **argv)
{
  /* GLib's slices would hide what is taken from them, and were there before main(). */
  if (g_getenv ("G_SLICE") == NULL) {
    g_setenv ("G_SLICE", "always-malloc", TRUE);
    execv ("/proc/self/exe", argv);
  }
  g_assert_cmpint (
      CRYPTO_set_mem_functions (allocate_for_openssl, reallocate_for_openssl, free_for_openssl), ==,
      1);
  g_log_set_writer_func (count_record, NULL, NULL);
}

void
costs_leave_out_this_thread (gboolean is_left_out)
{
  is_thread_left_out = is_left_out;
}

void
costs_begin (void)
{
  n_allocations = n_of_openssl = n_locks = n_records = 0;
  is_counting = TRUE;
}

Costs
costs_end (void)
{
  is_counting = FALSE;
  return (Costs){
    .allocations = n_allocations, .of_openssl = n_of_openssl, .locks = n_locks, .records = n_records
  };
}
