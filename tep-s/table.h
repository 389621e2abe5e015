/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An intrusive hash table: the nodes live in what they index, so nothing is allocated to find, add
 * or remove. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _TepServerNode TepServerNode;
struct _TepServerNode {
  TepServerNode *next;
  guint64 hash;
};

typedef struct {
  TepServerNode **buckets;
  gsize mask;
  gsize n;
} TepServerTable;

void tep_server_table_init (TepServerTable *table);
void tep_server_table_clear (TepServerTable *table);

/* Adds a node; the caller has made sure that no equal one is there. The hash must come from a keyed
 * function. */
void tep_server_table_add (TepServerTable *table, TepServerNode *node, guint64 hash);

/* Removes a node that is in the table. */
void tep_server_table_remove (TepServerTable *table, TepServerNode *node);

/* The first node with this hash, and the ones after it with the same; the caller compares the rest
 * of the key. */
static inline TepServerNode *
tep_server_table_next (TepServerNode *node, guint64 hash)
{
  while (node != NULL && node->hash != hash)
    node = node->next;
  return node;
}

static inline TepServerNode *
tep_server_table_first (const TepServerTable *table, guint64 hash)
{
  return tep_server_table_next (table->buckets[hash & table->mask], hash);
}

G_END_DECLS
