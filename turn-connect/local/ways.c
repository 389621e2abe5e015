/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The driver of way-memory.c: it knows the targets, asks the kernel for the network before every
 * attempt, and tells when the network became another one while nobody attempted anything.
 */
#include "turn-connect/local/ways-private.h"

#include "turn-connect/network-watch.h"

struct _TurnConnectWays {
  GObject parent_instance;
  GPtrArray *names;
  GPtrArray *targets;
  TurnConnectWayMemory *memory;
  TurnConnectNetworkWatch *watch; /* NULL where the kernel does not tell */
};

G_DEFINE_FINAL_TYPE (TurnConnectWays, turn_connect_ways, G_TYPE_OBJECT)

static guint network_changed;

static void
turn_connect_ways_finalize (GObject *object)
{
  TurnConnectWays *self = TURN_CONNECT_WAYS (object);

  turn_connect_network_watch_free (self->watch);
  g_ptr_array_unref (self->names);
  g_ptr_array_unref (self->targets);
  turn_connect_way_memory_free (self->memory);
  G_OBJECT_CLASS (turn_connect_ways_parent_class)->finalize (object);
}

static void
turn_connect_ways_class_init (TurnConnectWaysClass *class)
{
  G_OBJECT_CLASS (class)->finalize = turn_connect_ways_finalize;
  network_changed = g_signal_new ("network-changed", G_TYPE_FROM_CLASS (class), G_SIGNAL_RUN_LAST,
                                  0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
look (TurnConnectWays *self)
{
  g_auto (TurnConnectNetwork) network = { 0 };

  turn_connect_network_look (&network, NULL);
  if (turn_connect_way_memory_enter (self->memory, &network))
    g_signal_emit (self, network_changed, 0, network.place);
}

static void
changed (gpointer data)
{
  g_autoptr (TurnConnectWays) self = g_object_ref (data);

  look (self);
}

static void
turn_connect_ways_init (TurnConnectWays *self)
{
  self->names = g_ptr_array_new_with_free_func (g_free);
  self->targets = g_ptr_array_new_with_free_func (g_object_unref);
  self->memory = turn_connect_way_memory_new ();
  self->watch = turn_connect_network_watch_new (changed, self);
  look (self);
}

TurnConnectWays *
turn_connect_ways_new (void)
{
  return g_object_new (TURN_CONNECT_TYPE_WAYS, NULL);
}

void
turn_connect_ways_add (TurnConnectWays *ways, const char *name, TurnConnectTarget *target)
{
  g_return_if_fail (ways->targets->len < TURN_CONNECT_WAYS_MAX);
  g_ptr_array_add (ways->names, g_strdup (name));
  g_ptr_array_add (ways->targets, g_object_ref (target));
}

void
turn_connect_ways_begin (TurnConnectWays *ways, TurnConnectWayAttempt *attempt)
{
  look (ways);
  turn_connect_way_memory_begin (ways->memory, ways->targets->len, attempt);
}

gboolean
turn_connect_ways_failed (TurnConnectWays *ways, TurnConnectWayAttempt *attempt)
{
  return turn_connect_way_memory_failed (ways->memory, attempt);
}

void
turn_connect_ways_worked (TurnConnectWays *ways, const TurnConnectWayAttempt *attempt)
{
  turn_connect_way_memory_worked (ways->memory, attempt);
}

TurnConnectTarget *
turn_connect_ways_get_target (TurnConnectWays *ways, const TurnConnectWayAttempt *attempt)
{
  return ways->targets->pdata[attempt->way];
}

const char *
turn_connect_ways_get_name (TurnConnectWays *ways, const TurnConnectWayAttempt *attempt)
{
  return ways->names->pdata[attempt->way];
}
