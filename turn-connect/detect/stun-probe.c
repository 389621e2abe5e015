/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Does UDP pass, and to which ports? One Binding request to each port of the list in each family,
 * from a socket of its own, six times in 1.8 s: at 5 % loss each way a port that is open goes
 * unheard once in a million times.
 */
#include "turn-connect/detect/asker.h"

#include <errno.h>

static const guint sends_ms[] = { 0, 100, 250, 500, 1000, 1800 };
static const TurnConnectSchedule schedule = { sends_ms, G_N_ELEMENTS (sends_ms), 700 };

typedef struct {
  TurnConnectRun *run;
  TurnConnectFamilyId id;
  GPtrArray *askers;
  guint n_pending;
} StunProbe;

static void
asked (TurnConnectProbe *probe, gpointer data)
{
  StunProbe *self = data;
  TurnConnectObservations *observations = turn_connect_run_get_observations (self->run);

  if (turn_connect_probe_passed (probe) && probe->other.family != 0 &&
      !stun_ext_address_equal_host (&probe->other, &probe->target))
    observations->has_second_address = TRUE;
  if (--self->n_pending == 0)
    turn_connect_run_done (self->run, self->id);
}

static void
ask_port (StunProbe *self, const StunExtAddress *server)
{
  TurnConnectProbe *probe = turn_connect_run_begin (self->run, TURN_CONNECT_PROBE_STUN, NULL,
                                                    TURN_CONNECT_CARRY_UDP, server);
  TurnConnectAsker *asker = turn_connect_asker_new (self->run, server->family, asked, self);

  if (asker == NULL) {
    probe->detail = g_strdup (g_strerror (errno));
    turn_connect_run_end (self->run, probe, TURN_CONNECT_OUTCOME_FAILED);
    return;
  }
  g_ptr_array_add (self->askers, asker);
  self->n_pending++;
  turn_connect_asker_ask (asker, probe, &schedule, 0, server);
}

static gpointer
start (TurnConnectRun *run, TurnConnectFamilyId id, const GArray *ports)
{
  StunProbe *self = g_new0 (StunProbe, 1);
  StunExtAddress server;

  self->run = run;
  self->id = id;
  self->askers = g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_asker_free);
  for (guint8 family = 4; family <= 6; family += 2) {
    for (guint i = 0; i < ports->len; i++) {
      if (turn_connect_run_get_server (run, family, g_array_index (ports, guint16, i), &server))
        ask_port (self, &server);
    }
  }
  if (self->n_pending > 0)
    return self;
  turn_connect_stun_probe_stop (self);
  return NULL;
}

gpointer
turn_connect_stun_probe_start (TurnConnectRun *run)
{
  return start (run, TURN_CONNECT_FAMILY_STUN, turn_connect_run_get_plan (run)->udp_ports);
}

gpointer
turn_connect_stun_probe_start_further (TurnConnectRun *run)
{
  g_autoptr (GArray) ports = turn_connect_run_find_further_ports (run, TURN_CONNECT_CARRY_UDP);

  return start (run, TURN_CONNECT_FAMILY_STUN_FURTHER, ports);
}

void
turn_connect_stun_probe_stop (gpointer state)
{
  StunProbe *self = state;

  g_ptr_array_unref (self->askers);
  g_free (self);
}
