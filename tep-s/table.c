/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GHashTable takes no secret seed, so a stranger who chooses keys could choose buckets; and it
 * allocates. The packet path looks up by addresses strangers choose, so its table is this one.
 */
#include "tep-s/table.h"

#define FIRST_BUCKETS 64

void
tep_server_table_init (TepServerTable *table)
{
  table->buckets = g_new0 (TepServerNode *, FIRST_BUCKETS);
  table->mask = FIRST_BUCKETS - 1;
  table->n = 0;
}

void
tep_server_table_clear (TepServerTable *table)
{
  g_clear_pointer (&table->buckets, g_free);
  table->mask = 0;
  table->n = 0;
}

static void
grow (TepServerTable *table)
{
  gsize mask = table->mask * 2 + 1;
  TepServerNode **buckets = g_try_new0 (TepServerNode *, mask + 1);

  if (buckets == NULL)
    return; /* longer chains are better than no service */
  for (gsize i = 0; i <= table->mask; i++) {
    while (table->buckets[i] != NULL) {
      TepServerNode *node = table->buckets[i];

      table->buckets[i] = node->next;
      node->next = buckets[node->hash & mask];
      buckets[node->hash & mask] = node;
    }
  }
  g_free (table->buckets);
  table->buckets = buckets;
  table->mask = mask;
}

void
tep_server_table_add (TepServerTable *table, TepServerNode *node, guint64 hash)
{
  if (table->n > table->mask)
    grow (table);
  node->hash = hash;
  node->next = table->buckets[hash & table->mask];
  table->buckets[hash & table->mask] = node;
  table->n++;
}

void
tep_server_table_remove (TepServerTable *table, TepServerNode *node)
{
  TepServerNode **at = &table->buckets[node->hash & table->mask];

  while (*at != NULL && *at != node)
    at = &(*at)->next;
  if (*at == NULL)
    return;
  *at = node->next;
  node->next = NULL;
  table->n--;
}
