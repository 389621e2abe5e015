/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A reflexive binding borrows an address that is not ours, so no kernel keeps two tunnels from
 * taking the same port of it. This account does, for all workers, under one mutex that no packet
 * waits for.
 */
#include "tep-s/lease.h"

#include <pthread.h>

#include "tep-s/table.h"

/* What is below belongs to services. The leased address is the one that the device's proxy or gateway has, and what
 * such a box answers there, DNS or time, is nothing for a device to take over. */
#define FIRST_PORT 1024u
#define PORTS (65536u - FIRST_PORT)

typedef struct {
  TepServerNode node;
  StunExtAddress address;
} Lease;

struct _TepServerLeases {
  pthread_mutex_t lock;
  TepServerTable table;
  guint64 seed;
};

TepServerLeases *
tep_server_leases_new (guint64 seed)
{
  TepServerLeases *leases = g_new0 (TepServerLeases, 1);

  pthread_mutex_init (&leases->lock, NULL);
  tep_server_table_init (&leases->table);
  leases->seed = seed;
  return leases;
}

void
tep_server_leases_free (TepServerLeases *leases)
{
  for (gsize i = 0; i <= leases->table.mask; i++) {
    while (leases->table.buckets[i] != NULL) {
      Lease *lease = (Lease *)leases->table.buckets[i];

      leases->table.buckets[i] = lease->node.next;
      g_free (lease);
    }
  }
  tep_server_table_clear (&leases->table);
  pthread_mutex_destroy (&leases->lock);
  g_free (leases);
}

static Lease *
find (TepServerLeases *leases, const StunExtAddress *address)
{
  guint64 hash = stun_ext_address_hash (address, leases->seed);
  TepServerNode *node = tep_server_table_first (&leases->table, hash);

  while (node != NULL && !stun_ext_address_equal (&((Lease *)node)->address, address))
    node = tep_server_table_next (node->next, hash);
  return (Lease *)node;
}

static void
add (TepServerLeases *leases, const StunExtAddress *address)
{
  Lease *lease = g_new0 (Lease, 1);

  lease->address = *address;
  tep_server_table_add (&leases->table, &lease->node,
                        stun_ext_address_hash (address, leases->seed));
}

static gboolean
try_port (TepServerLeases *leases, StunExtAddress *address, guint32 port, gboolean is_pair)
{
  StunExtAddress above = *address;

  address->port = (guint16)port;
  above.port = (guint16)(port + 1);
  if (find (leases, address) != NULL || (is_pair && find (leases, &above) != NULL))
    return FALSE;
  add (leases, address);
  if (is_pair)
    add (leases, &above);
  return TRUE;
}

gboolean
tep_server_leases_take (TepServerLeases *leases,
                        const StunExtAddress *host,
                        guint16 wanted_port,
                        gboolean is_even,
                        gboolean is_pair,
                        guint32 random,
                        StunExtAddress *leased)
{
  const guint32 step = is_even || is_pair ? 2 : 1;
  guint32 offset = random % PORTS / step * step;
  StunExtAddress address = *host;
  gboolean is_taken = FALSE;

  pthread_mutex_lock (&leases->lock);
  if (wanted_port >= FIRST_PORT && (step == 1 || wanted_port % 2 == 0))
    is_taken = try_port (leases, &address, wanted_port, is_pair);
  for (guint32 i = 0; !is_taken && i < PORTS; i += step) {
    is_taken = try_port (leases, &address, FIRST_PORT + offset, is_pair);
    offset = (offset + step) % PORTS;
  }
  pthread_mutex_unlock (&leases->lock);
  if (is_taken)
    *leased = address;
  return is_taken;
}

static void
give (TepServerLeases *leases, const StunExtAddress *address)
{
  Lease *lease = find (leases, address);

  if (lease == NULL)
    return;
  tep_server_table_remove (&leases->table, &lease->node);
  g_free (lease);
}

void
tep_server_leases_give (TepServerLeases *leases, const StunExtAddress *leased, gboolean is_pair)
{
  StunExtAddress above = *leased;

  above.port++;
  pthread_mutex_lock (&leases->lock);
  give (leases, leased);
  if (is_pair)
    give (leases, &above);
  pthread_mutex_unlock (&leases->lock);
}

gsize
tep_server_leases_count (TepServerLeases *leases)
{
  gsize n;

  pthread_mutex_lock (&leases->lock);
  n = leases->table.n;
  pthread_mutex_unlock (&leases->lock);
  return n;
}
