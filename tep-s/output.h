/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a connection still has to write: a chain of chunks from a pool that belongs to one worker.
 */
#pragma once

#include <sys/uio.h>

#include <glib.h>

G_BEGIN_DECLS

#define TEP_SERVER_CHUNK_SIZE 4096

typedef struct _TepServerChunk TepServerChunk;
struct _TepServerChunk {
  TepServerChunk *next;
  guint32 start;
  guint32 end;
  guint8 data[TEP_SERVER_CHUNK_SIZE - 16];
};
G_STATIC_ASSERT (sizeof (TepServerChunk) == TEP_SERVER_CHUNK_SIZE);

typedef struct {
  TepServerChunk *free;
  guint n_free;
  guint n_used;
} TepServerChunkPool;

typedef struct {
  TepServerChunk *head;
  TepServerChunk *tail;
  gsize length;
} TepServerOutput;

void tep_server_chunk_pool_clear (TepServerChunkPool *pool);

/* Appends octets. FALSE, and nothing appended, if memory is lacking. */
gboolean tep_server_output_append (TepServerOutput *output,
                                   TepServerChunkPool *pool,
                                   const void *data,
                                   gsize length);

/* Describes what is to be written first, in at most n pieces. Returns how many. */
gsize tep_server_output_pieces (const TepServerOutput *output, struct iovec *pieces, gsize n);

/* Forgets octets that were written, and gives chunks back to the pool. */
void tep_server_output_consume (TepServerOutput *output, TepServerChunkPool *pool, gsize length);

void tep_server_output_clear (TepServerOutput *output, TepServerChunkPool *pool);

G_END_DECLS
