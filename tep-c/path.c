/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of ICE and tunnel carries the media is decided in one table, so that the rule can be read
 * and every pair tested without a network. */
#include "tep-c/path.h"

typedef struct {
  TepClientPathState from;
  TepClientPathEvent event;
  TepClientPathState to;
} Row;

#define S(name) TEP_CLIENT_PATH_##name

static const Row rows[] = {
  { S (IDLE), S (ANSWER_BOTH), S (RACING) },
  { S (IDLE), S (ANSWER_ICE), S (ICE_ALONE) },
  { S (IDLE), S (ANSWER_TUNNEL), S (TUNNEL_ALONE) },
  { S (IDLE), S (ANSWER_NONE), S (ON_DIRECT) },

  { S (RACING), S (ICE_NOMINATED), S (ON_ICE) },
  { S (RACING), S (ICE_FAILED), S (TUNNEL_ALONE) },
  { S (RACING), S (TUNNEL_READY), S (TUNNEL_HELD) },
  { S (RACING), S (TUNNEL_FAILED), S (ICE_ALONE) },
  { S (RACING), S (HEAD_START_OVER), S (RACING_LATE) },

  { S (TUNNEL_HELD), S (ICE_NOMINATED), S (ON_ICE) },
  { S (TUNNEL_HELD), S (ICE_FAILED), S (ON_TUNNEL) },
  { S (TUNNEL_HELD), S (HEAD_START_OVER), S (ON_TUNNEL) },
  { S (TUNNEL_HELD), S (TUNNEL_FAILED), S (ICE_ALONE) },

  { S (RACING_LATE), S (ICE_NOMINATED), S (ON_ICE) },
  { S (RACING_LATE), S (TUNNEL_READY), S (ON_TUNNEL) },
  { S (RACING_LATE), S (ICE_FAILED), S (TUNNEL_ALONE) },
  { S (RACING_LATE), S (TUNNEL_FAILED), S (ICE_ALONE) },

  { S (ICE_ALONE), S (ICE_NOMINATED), S (ON_ICE) },
  { S (ICE_ALONE), S (ICE_FAILED), S (FAILED) },

  { S (TUNNEL_ALONE), S (TUNNEL_READY), S (ON_TUNNEL) },
  { S (TUNNEL_ALONE), S (TUNNEL_FAILED), S (FAILED) },

  /* Consent was lost (RFC 7675): the tunnel is asked again. */
  { S (ON_ICE), S (ICE_FAILED), S (TUNNEL_ALONE) },
  /* Whoever has a tunnel uses it until the new run ends; whoever has none reports that it failed. */
  { S (ON_ICE), S (ICE_RESTARTED), S (ON_TUNNEL_RESTARTING) },

  { S (ON_TUNNEL), S (ICE_RESTARTED), S (ON_TUNNEL_RESTARTING) },
  { S (ON_TUNNEL), S (TUNNEL_FAILED), S (ICE_ALONE) }, /* ICE may have been too late only */
  { S (ON_TUNNEL_RESTARTING), S (ICE_NOMINATED), S (ON_ICE) },
  { S (ON_TUNNEL_RESTARTING), S (ICE_FAILED), S (ON_TUNNEL) },
  { S (ON_TUNNEL_RESTARTING), S (TUNNEL_FAILED), S (ICE_ALONE) },
};

gboolean
tep_client_path_step (TepClientPathState *state, TepClientPathEvent event)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    if (rows[i].from == *state && rows[i].event == event) {
      g_debug ("path: %s -> %s", tep_client_path_carrier (*state),
               tep_client_path_carrier (rows[i].to));
      *state = rows[i].to;
      return TRUE;
    }
  }
  return FALSE;
}

const char *
tep_client_path_carrier (TepClientPathState state)
{
  switch (state) {
  case S (ON_ICE):
    return "ice";
  case S (ON_TUNNEL):
  case S (ON_TUNNEL_RESTARTING):
    return "tunnel";
  case S (ON_DIRECT):
    return "direct";
  case S (FAILED):
    return "none";
  default:
    return "undecided";
  }
}
