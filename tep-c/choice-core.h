/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The choice between UDP without a tunnel and the ways to a tunnel (TR 33.830 clause 8.1), as a pure
 * state machine: it is told what happened and when, and answers what to do. Internal to the library. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define TEP_CLIENT_CHOICE_DIRECT_WAY 0 /* the others are tunnels, the preferred first */
#define TEP_CLIENT_CHOICE_NO_WAY (-1)

#define TEP_CLIENT_CHOICE_TRUST_MS                                                                 \
  2000 /* for a remembered tunnel, before the others are tried too */
#define TEP_CLIENT_CHOICE_REACH_MS                                                                 \
  1500 /* to reach who is to be logged in at by one way, before the next one is tried */
#define TEP_CLIENT_CHOICE_SETTLE_MS 1500 /* for UDP, once a tunnel works: some lost packets */
#define TEP_CLIENT_CHOICE_LIMIT_MS 8000  /* for all of them; a trial has 6 s */
#define TEP_CLIENT_CHOICE_AGAIN_MS 30000 /* until they are tried again where nothing worked */
#define TEP_CLIENT_CHOICE_PAUSE_MS                                                                 \
  5000 /* between the beginnings of two rounds of trials, at least */

/**
 * TepClientChoiceState:
 * @TEP_CLIENT_CHOICE_IDLE: not begun, or ended
 * @TEP_CLIENT_CHOICE_TRUSTING: a remembered way is used; it has not shown yet that it works
 * @TEP_CLIENT_CHOICE_CHOOSING: all are tried, none works yet
 * @TEP_CLIENT_CHOICE_SETTLING: a tunnel is used; UDP alone may turn out to do
 * @TEP_CLIENT_CHOICE_SETTLED: one is used
 * @TEP_CLIENT_CHOICE_NOTHING: none works; they are tried again
 */
typedef enum {
  TEP_CLIENT_CHOICE_IDLE,
  TEP_CLIENT_CHOICE_TRUSTING,
  TEP_CLIENT_CHOICE_CHOOSING,
  TEP_CLIENT_CHOICE_SETTLING,
  TEP_CLIENT_CHOICE_SETTLED,
  TEP_CLIENT_CHOICE_NOTHING,
  TEP_CLIENT_CHOICE_N_STATES
} TepClientChoiceState;

typedef enum {
  TEP_CLIENT_CHOICE_BEGUN,          /* or the network is another; way: the remembered one */
  TEP_CLIENT_CHOICE_DIRECT_WORKS,   /* a packet came back by UDP */
  TEP_CLIENT_CHOICE_DIRECT_FAILED,  /* none did */
  TEP_CLIENT_CHOICE_TUNNEL_WORKS,   /* a packet came back through a trial's tunnel; way: which */
  TEP_CLIENT_CHOICE_TUNNELS_FAILED, /* the trials of tunnels have ended, and none worked */
  TEP_CLIENT_CHOICE_SESSION_OPEN,   /* the session's own tunnel stands */
  TEP_CLIENT_CHOICE_LOGIN_BEGUN,    /* the session asks a proxy to let it through */
  TEP_CLIENT_CHOICE_ADMITTED,       /* it did, or there is none on the way that was found */
  TEP_CLIENT_CHOICE_SESSION_FAILED, /* an attempt of the session's failed, or it has ended */
  TEP_CLIENT_CHOICE_WAY_REFUSED,    /* likewise, and the proxy will not let this way through */
  TEP_CLIENT_CHOICE_LOGIN_REFUSED,  /* likewise; the proxy does not take the password */
  TEP_CLIENT_CHOICE_USE_FAILED,     /* whoever uses what was chosen says that it does not work */
  TEP_CLIENT_CHOICE_TIME,           /* nothing but that time went by */
  TEP_CLIENT_CHOICE_ENDED,          /* nobody wants to know any more */
  TEP_CLIENT_CHOICE_N_EVENTS
} TepClientChoiceEvent;

/* What to do, in this order. */
typedef enum {
  TEP_CLIENT_CHOICE_FORGET = 1 << 0,       /* what is remembered of this network */
  TEP_CLIENT_CHOICE_STOP_DIRECT = 1 << 1,  /* the trial of UDP, if it runs */
  TEP_CLIENT_CHOICE_STOP_TUNNELS = 1 << 2, /* those of tunnels */
  TEP_CLIENT_CHOICE_DROP = 1 << 3,         /* the session: no tunnel is used */
  TEP_CLIENT_CHOICE_DIAL = 1 << 4,         /* the session's tunnel, by core's way, now */
  TEP_CLIENT_CHOICE_TRY_DIRECT = 1 << 5,
  TEP_CLIENT_CHOICE_TRY_TUNNELS = 1 << 6, /* all but core's way, which the session tries itself */
  TEP_CLIENT_CHOICE_REMEMBER = 1 << 7,    /* core's chosen way */
  TEP_CLIENT_CHOICE_TELL = 1 << 8,        /* core's chosen way; none: that nothing works */
} TepClientChoiceAction;

typedef struct {
  guint n_ways;
  gboolean has_direct;
  gboolean is_proxied;
  TepClientChoiceState state;
  gint way;    /* the session's, or that of UDP */
  gint chosen; /* told last; NO_WAY: nothing */
  gboolean is_told;
  gboolean is_direct_barred; /* trials passed, and its use did not: not in this network any more */
  gboolean is_remembered;    /* chosen is by memory, and unproven */
  gboolean is_direct_tried, is_direct_over, are_tunnels_over, has_session_failed;
  gboolean are_trials_begun;            /* of tunnels, in this round */
  gboolean is_login_begun, is_admitted; /* at the proxy, the session */
  gboolean is_login_refused;            /* for good: the next one could lock the user out */
  guint tried, refused;                 /* ways, a bit each: in this round, in this network */
  gint64 began_us;                      /* of the round of trials */
  gint64 deadline_us;                   /* when TIME is to be told; G_MAXINT64: never */
} TepClientChoiceCore;

/* @n_ways: with that of UDP, 2 to 32. @has_direct: UDP alone is a way. @is_proxied: tunnels may go through a
 * proxy, and nobody logs in there while another one waits to be let through. */
void tep_client_choice_core_init (TepClientChoiceCore *core,
                                  guint n_ways,
                                  gboolean has_direct,
                                  gboolean is_proxied);

/* @way: of BEGUN (NO_WAY: none is remembered) and TUNNEL_WORKS. Returns: a set of
 * #TepClientChoiceAction */
guint tep_client_choice_core_step (TepClientChoiceCore *core,
                                   TepClientChoiceEvent event,
                                   gint way,
                                   gint64 now_us);

/* Why it is so, in a sentence. @method: the name of what is chosen; @cause: why the session's last attempt failed;
 * either may be NULL. */
void tep_client_choice_core_explain (const TepClientChoiceCore *core,
                                     const char *host,
                                     const char *method,
                                     const char *cause,
                                     GString *reason);

const char *tep_client_choice_state_name (TepClientChoiceState state);

G_END_DECLS
