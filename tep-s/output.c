/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An idle connection must hold no buffer, a busy one must not allocate per packet. So output lies
 * in chunks that return to a pool as soon as the kernel took them: the chunk used last is used next
 * and is still in the cache.
 */
#include "tep-s/output.h"

#include <string.h>

#define KEPT_FREE 1024 /* chunks a worker keeps for the next burst: 4 MiB */

static TepServerChunk *
take_chunk (TepServerChunkPool *pool)
{
  TepServerChunk *chunk = pool->free;

  if (chunk != NULL) {
    pool->free = chunk->next;
    pool->n_free--;
  } else {
    chunk = g_try_malloc (sizeof *chunk);
    if (chunk == NULL)
      return NULL;
  }
  pool->n_used++;
  chunk->next = NULL;
  chunk->start = chunk->end = 0;
  return chunk;
}

static void
give_chunk (TepServerChunkPool *pool, TepServerChunk *chunk)
{
  pool->n_used--;
  if (pool->n_free >= KEPT_FREE) {
    g_free (chunk);
    return;
  }
  chunk->next = pool->free;
  pool->free = chunk;
  pool->n_free++;
}

void
tep_server_chunk_pool_clear (TepServerChunkPool *pool)
{
  while (pool->free != NULL) {
    TepServerChunk *chunk = pool->free;

    pool->free = chunk->next;
    g_free (chunk);
  }
  pool->n_free = 0;
}

static gboolean
make_room (TepServerOutput *output, TepServerChunkPool *pool, gsize length)
{
  gsize room = output->tail != NULL ? sizeof output->tail->data - output->tail->end : 0;
  TepServerChunk *first = NULL, **at = &first;

  while (room < length) {
    *at = take_chunk (pool);
    if (*at == NULL) {
      while (first != NULL) {
        TepServerChunk *chunk = first;

        first = chunk->next;
        give_chunk (pool, chunk);
      }
      return FALSE;
    }
    room += sizeof (*at)->data;
    at = &(*at)->next;
  }
  if (first == NULL)
    return TRUE;
  if (output->tail != NULL)
    output->tail->next = first;
  else
    output->head = output->tail = first;
  return TRUE;
}

gboolean
tep_server_output_append (TepServerOutput *output,
                          TepServerChunkPool *pool,
                          const void *data,
                          gsize length)
{
  const guint8 *from = data;

  if (!make_room (output, pool, length))
    return FALSE;
  output->length += length;
  while (length > 0) {
    TepServerChunk *chunk = output->tail;
    gsize n = MIN (length, sizeof chunk->data - chunk->end);

    memcpy (chunk->data + chunk->end, from, n);
    chunk->end += n;
    from += n;
    length -= n;
    if (length > 0)
      output->tail = chunk->next;
  }
  return TRUE;
}

gsize
tep_server_output_pieces (const TepServerOutput *output, struct iovec *pieces, gsize n)
{
  gsize count = 0;

  for (TepServerChunk *chunk = output->head; chunk != NULL && count < n; chunk = chunk->next) {
    if (chunk->end == chunk->start)
      continue;
    pieces[count].iov_base = chunk->data + chunk->start;
    pieces[count].iov_len = chunk->end - chunk->start;
    count++;
  }
  return count;
}

void
tep_server_output_consume (TepServerOutput *output, TepServerChunkPool *pool, gsize length)
{
  length = MIN (length, output->length);
  output->length -= length;
  while (output->head != NULL) {
    TepServerChunk *chunk = output->head;
    gsize n = MIN (length, (gsize)chunk->end - chunk->start);

    chunk->start += n;
    length -= n;
    if (chunk->start < chunk->end)
      break;
    output->head = chunk->next;
    if (output->tail == chunk)
      output->tail = NULL;
    give_chunk (pool, chunk);
  }
}

void
tep_server_output_clear (TepServerOutput *output, TepServerChunkPool *pool)
{
  while (output->head != NULL) {
    TepServerChunk *chunk = output->head;

    output->head = chunk->next;
    give_chunk (pool, chunk);
  }
  output->tail = NULL;
  output->length = 0;
}
