/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tep-c/version.h"

#include <glib.h>

G_BEGIN_DECLS

/*
 * The choice of path (TR 33.830 clauses 8.1 and 8.6; PROTOCOL section 12), as a pure state machine:
 * it is told what happened and answers which path carries the media. No clock: the owner reports
 * the timer.
 */

/* ICE wins if it nominates within this time of the answer (PROTOCOL section 12). */
#define TEP_CLIENT_PATH_ICE_HEAD_START_MS 500

/**
 * TepClientPathState:
 * @TEP_CLIENT_PATH_IDLE: the far side has not answered
 * @TEP_CLIENT_PATH_RACING: ICE and tunnel are both under way, ICE has its head start
 * @TEP_CLIENT_PATH_TUNNEL_HELD: the tunnel could carry media; ICE still has its head start
 * @TEP_CLIENT_PATH_RACING_LATE: the head start is over, neither is ready: the first one wins
 * @TEP_CLIENT_PATH_ICE_ALONE: only ICE can still win
 * @TEP_CLIENT_PATH_TUNNEL_ALONE: only the tunnel can still win
 * @TEP_CLIENT_PATH_ON_ICE: media goes by ICE
 * @TEP_CLIENT_PATH_ON_TUNNEL: media goes through the tunnel
 * @TEP_CLIENT_PATH_ON_TUNNEL_RESTARTING: likewise, while ICE was restarted
 * @TEP_CLIENT_PATH_ON_DIRECT: media goes to the far side's default address
 * @TEP_CLIENT_PATH_FAILED: no path is left
 */
typedef enum {
  TEP_CLIENT_PATH_IDLE,
  TEP_CLIENT_PATH_RACING,
  TEP_CLIENT_PATH_TUNNEL_HELD,
  TEP_CLIENT_PATH_RACING_LATE,
  TEP_CLIENT_PATH_ICE_ALONE,
  TEP_CLIENT_PATH_TUNNEL_ALONE,
  TEP_CLIENT_PATH_ON_ICE,
  TEP_CLIENT_PATH_ON_TUNNEL,
  TEP_CLIENT_PATH_ON_TUNNEL_RESTARTING,
  TEP_CLIENT_PATH_ON_DIRECT,
  TEP_CLIENT_PATH_FAILED,
  TEP_CLIENT_PATH_N_STATES
} TepClientPathState;

typedef enum {
  TEP_CLIENT_PATH_ANSWER_BOTH,   /* the answer offers a TEP-S we trust, and ICE */
  TEP_CLIENT_PATH_ANSWER_ICE,    /* ICE only */
  TEP_CLIENT_PATH_ANSWER_TUNNEL, /* a TEP-S only */
  TEP_CLIENT_PATH_ANSWER_NONE,   /* neither */
  TEP_CLIENT_PATH_ICE_NOMINATED,
  TEP_CLIENT_PATH_ICE_FAILED,
  TEP_CLIENT_PATH_ICE_RESTARTED,
  TEP_CLIENT_PATH_TUNNEL_READY,
  TEP_CLIENT_PATH_TUNNEL_FAILED,
  TEP_CLIENT_PATH_HEAD_START_OVER,
  TEP_CLIENT_PATH_N_EVENTS
} TepClientPathEvent;

/**
 * tep_client_path_step:
 * @state: (inout): the state; changed only if the pair is listed
 * @event: what happened
 *
 * Returns: %FALSE if @event means nothing in @state
 */
gboolean tep_client_path_step (TepClientPathState *state, TepClientPathEvent event);

/** Returns: (transfer none): "ice", "tunnel", "direct", "none" or "undecided": what carries media
 * in @state */
const char *tep_client_path_carrier (TepClientPathState state);

G_END_DECLS
