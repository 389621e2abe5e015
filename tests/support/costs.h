/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts what the path of a packet must not cost: memory, a lock, a line in the log. Link costs.c into the
 * test; it stands before the C library. Under the address sanitizer only records are counted. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COSTS_HAS_MEMORY 0 /* the sanitizers have allocators and locks of their own */
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COSTS_HAS_MEMORY 0
#endif
#ifndef COSTS_HAS_MEMORY
#define COSTS_HAS_MEMORY 1
#endif

typedef struct {
  guint allocations; /* malloc, calloc, realloc, aligned or not; not OpenSSL's */
  guint of_openssl;  /* it frees a connection's buffers whenever they are empty, as we ask it to */
  guint locks;       /* mutexes and read-write locks, of pthreads and of GLib */
  guint records;     /* log records of any level */
} Costs;

/* Before anything else: OpenSSL and GLib take their memory from here, for which the program is started
 * anew. Takes the log over: warnings and worse are written as ever, the rest is swallowed. */
void costs_init (char **argv);

/* Whether what this thread does is not counted. */
void costs_leave_out_this_thread (gboolean is_left_out);

/* Counts in every other thread, from zero. */
void costs_begin (void);
Costs costs_end (void);

G_END_DECLS
