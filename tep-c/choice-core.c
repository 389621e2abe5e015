/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything that could work is tried at once and the first that does is used, so that choosing costs no
 * time of its own. The session's own tunnel is one of those that are tried: where it is the first, it is
 * there already. UDP without a tunnel is worth a little more: a tunnel that was quicker gives way to it for
 * a moment, since a lost packet must not decide for a tunnel where none is needed.
 *
 * What is remembered is used without asking, and whether it works is seen from its use.
 *
 * Through a proxy only the session's tunnel is tried until it was let in, one way after the other: a password
 * that is wrong is then wrong once, and not as often as there are ways. It is not sent again.
 */
#include "tep-c/choice-core.h"

#define S(name) TEP_CLIENT_CHOICE_##name
#define MS(ms) ((gint64)(ms)*1000)
#define FIRST_TUNNEL (S (DIRECT_WAY) + 1)
#define STOP (S (STOP_DIRECT) | S (STOP_TUNNELS))

#define BIT(way) (1u << (way))

void
tep_client_choice_core_init (TepClientChoiceCore *core,
                             guint n_ways,
                             gboolean has_direct,
                             gboolean is_proxied)
{
  *core = (TepClientChoiceCore){
    .n_ways = n_ways,
    .has_direct = has_direct,
    .is_proxied = is_proxied,
    .way = S (NO_WAY),
    .chosen = S (NO_WAY),
    .began_us = G_MININT64 / 2,
    .deadline_us = G_MAXINT64,
  };
}

static void
enter (TepClientChoiceCore *core, TepClientChoiceState state, gint64 deadline_us)
{
  if (core->state != state)
    g_debug ("choice: %s -> %s", tep_client_choice_state_name (core->state),
             tep_client_choice_state_name (state));
  core->state = state;
  core->deadline_us = deadline_us;
}

/* Chosen, told and, once it has worked, remembered. */
static guint
choose (TepClientChoiceCore *core, gint way, gboolean is_remembered)
{
  gboolean is_news = !core->is_told || core->chosen != way;

  core->chosen = way;
  core->is_told = TRUE;
  core->is_remembered = is_remembered || (!is_news && core->is_remembered);
  return (is_news ? S (TELL) : 0) | (is_remembered || way == S (NO_WAY) ? 0 : S (REMEMBER));
}

/* The one that the session has, or the first that it was not tried by. */
static gint
next_way (const TepClientChoiceCore *core)
{
  guint out = core->tried | core->refused;

  if (core->is_login_refused)
    return S (NO_WAY);
  if (core->way >= FIRST_TUNNEL && (out & BIT (core->way)) == 0)
    return core->way;
  for (gint way = FIRST_TUNNEL; (guint)way < core->n_ways; way++) {
    if ((out & BIT (way)) == 0)
      return way;
  }
  return S (NO_WAY);
}

/* How long this is waited for. Who asks a proxy is left to it. */
static void
choose_until (TepClientChoiceCore *core, gint64 now_us)
{
  gint64 until_us = core->began_us + MS (TEP_CLIENT_CHOICE_LIMIT_MS);

  if (core->is_proxied && !core->are_trials_begun && !core->is_login_begun &&
      next_way (core) != S (NO_WAY))
    until_us = MIN (until_us, now_us + MS (TEP_CLIENT_CHOICE_REACH_MS));
  enter (core, S (CHOOSING), until_us);
}

static guint
dial (TepClientChoiceCore *core, gint way)
{
  core->way = way;
  core->tried |= BIT (way);
  core->is_login_begun = core->is_admitted = FALSE;
  core->has_session_failed = FALSE;
  return S (DIAL);
}

/* FALSE: there is none left. */
static gboolean
dial_next (TepClientChoiceCore *core, guint *actions)
{
  gint way = next_way (core);

  if (way == S (NO_WAY))
    return FALSE;
  *actions |= dial (core, way);
  return TRUE;
}

static guint
try_tunnels (TepClientChoiceCore *core)
{
  guint actions = 0;

  core->are_trials_begun = !core->is_proxied || core->is_admitted;
  core->are_tunnels_over = !core->are_trials_begun || core->n_ways <= FIRST_TUNNEL + 1;
  if (!core->are_trials_begun && !core->is_login_begun)
    core->has_session_failed = !dial_next (core, &actions);
  return actions | (core->are_tunnels_over ? 0 : S (TRY_TUNNELS));
}

static guint check_all (TepClientChoiceCore *core, gint64 now_us);

/* All but the way that the session is trying already. */
static guint
try_all (TepClientChoiceCore *core, gint64 now_us)
{
  guint actions;

  core->is_direct_tried = core->has_direct && !core->is_direct_barred;
  core->is_direct_over = !core->is_direct_tried;
  core->began_us = now_us;
  actions = (core->is_direct_tried ? S (TRY_DIRECT) : 0) | try_tunnels (core);
  choose_until (core, now_us);
  return actions | (core->is_proxied ? check_all (core, now_us) : 0);
}

static guint
begin (TepClientChoiceCore *core, gint remembered, gint64 now_us)
{
  guint actions = core->state != S (IDLE) ? STOP : 0;

  core->has_session_failed = FALSE;
  core->is_direct_tried = FALSE;
  core->is_told = FALSE;
  core->is_direct_barred = FALSE;
  core->is_login_begun = core->is_admitted = FALSE;
  core->tried = core->refused = 0;
  if (remembered == S (DIRECT_WAY) && core->has_direct) {
    core->way = remembered;
    core->is_direct_tried = TRUE;
    enter (core, S (TRUSTING), G_MAXINT64); /* its trial ends it */
    return actions | S (DROP) | S (TRY_DIRECT) | choose (core, remembered, TRUE);
  }
  if (remembered >= FIRST_TUNNEL && (guint)remembered < core->n_ways && !core->is_login_refused) {
    actions |= dial (core, remembered);
    enter (core, S (TRUSTING), now_us + MS (TEP_CLIENT_CHOICE_TRUST_MS));
    return actions | choose (core, remembered, TRUE);
  }
  if (core->way < FIRST_TUNNEL)
    core->way = FIRST_TUNNEL;
  return actions | (core->is_proxied ? 0 : dial (core, core->way)) | try_all (core, now_us);
}

/* Is its trial waited for? */
static gboolean
is_direct_open (const TepClientChoiceCore *core)
{
  return core->is_direct_tried && !core->is_direct_over;
}

/* A tunnel works. UDP has a moment more if its trial still runs. */
static guint
take_tunnel (TepClientChoiceCore *core, gint64 now_us)
{
  if (is_direct_open (core))
    enter (core, S (SETTLING), now_us + MS (TEP_CLIENT_CHOICE_SETTLE_MS));
  else
    enter (core, S (SETTLED), G_MAXINT64);
  return S (STOP_TUNNELS) | choose (core, core->way, FALSE);
}

static guint
take_direct (TepClientChoiceCore *core)
{
  core->way = S (DIRECT_WAY);
  core->is_login_begun = core->is_admitted = FALSE; /* the session's */
  enter (core, S (SETTLED), G_MAXINT64);
  return STOP | S (DROP) | choose (core, core->way, FALSE);
}

static guint
give_up (TepClientChoiceCore *core, gint64 now_us)
{
  gboolean is_final;

  core->tried = 0;
  is_final = core->is_proxied && next_way (core) == S (NO_WAY) && !core->is_direct_tried;
  enter (core, S (NOTHING), is_final ? G_MAXINT64 : now_us + MS (TEP_CLIENT_CHOICE_AGAIN_MS));
  return STOP | choose (core, S (NO_WAY), FALSE);
}

/* What was used does not work. A round that has just been is not repeated at once: somebody may let trials
 * pass, and not what follows. */
static guint
try_again (TepClientChoiceCore *core, gint64 now_us)
{
  guint actions = S (FORGET) | STOP;
  gint64 due_us = core->began_us + MS (TEP_CLIENT_CHOICE_PAUSE_MS);

  core->is_remembered = FALSE;
  core->tried = 0;
  if (core->way < FIRST_TUNNEL) {
    core->way = FIRST_TUNNEL;
    actions |= core->is_proxied ? 0 : dial (core, core->way);
  }
  if (now_us < due_us) {
    enter (core, S (NOTHING), due_us);
    return actions | choose (core, S (NO_WAY), FALSE);
  }
  return actions | try_all (core, now_us);
}

static guint
use_failed (TepClientChoiceCore *core, gint64 now_us)
{
  if (core->way == S (DIRECT_WAY)) {
    core->is_direct_barred = TRUE;
    core->began_us = now_us - MS (TEP_CLIENT_CHOICE_PAUSE_MS); /* that cannot be repeated */
  }
  return try_again (core, now_us);
}

/* Everything that was tried has failed? */
static guint
check_all (TepClientChoiceCore *core, gint64 now_us)
{
  return core->is_direct_over && core->are_tunnels_over && core->has_session_failed
             ? give_up (core, now_us)
             : 0;
}

static guint
when_trusting (TepClientChoiceCore *core, TepClientChoiceEvent event, gint64 now_us)
{
  gboolean is_direct = core->way == S (DIRECT_WAY);

  switch (event) {
  case S (DIRECT_WORKS):
    return is_direct ? take_direct (core) : 0;
  case S (SESSION_OPEN):
    /* When its day is over everything is tried again: UDP may pass by then. */
    return is_direct ? 0 : take_tunnel (core, now_us) & ~(guint)S (REMEMBER);
  case S (DIRECT_FAILED):
    return is_direct ? try_again (core, now_us) : 0;
  case S (USE_FAILED):
    return use_failed (core, now_us);
  case S (SESSION_FAILED):
    core->has_session_failed = TRUE;
    return is_direct ? 0 : S (FORGET) | try_all (core, now_us);
  case S (TIME):
    return try_all (core, now_us);
  default:
    return 0;
  }
}

static guint
when_choosing (TepClientChoiceCore *core, TepClientChoiceEvent event, gint way, gint64 now_us)
{
  guint actions = 0;

  switch (event) {
  case S (DIRECT_WORKS):
    return is_direct_open (core) ? take_direct (core) : 0;
  case S (SESSION_OPEN):
    return take_tunnel (core, now_us);
  case S (TUNNEL_WORKS):
    if (way < FIRST_TUNNEL || (guint)way >= core->n_ways || core->is_login_refused)
      return 0;
    core->way = way;
    return take_tunnel (core, now_us) | S (DIAL);
  case S (DIRECT_FAILED):
    core->is_direct_over = TRUE;
    return check_all (core, now_us);
  case S (TUNNELS_FAILED):
    core->are_tunnels_over = TRUE;
    return check_all (core, now_us);
  case S (ADMITTED):
    actions = core->are_trials_begun ? 0 : try_tunnels (core);
    choose_until (core, now_us);
    return actions;
  case S (LOGIN_BEGUN):
    choose_until (core, now_us);
    return 0;
  case S (SESSION_FAILED):
    if (!core->are_trials_begun && dial_next (core, &actions)) {
      choose_until (core, now_us);
      return actions;
    }
    core->has_session_failed = TRUE;
    core->are_tunnels_over = core->are_tunnels_over || core->is_login_refused;
    return (core->is_login_refused ? S (STOP_TUNNELS) : 0) | check_all (core, now_us);
  case S (TIME):
    if (now_us >= core->began_us + MS (TEP_CLIENT_CHOICE_LIMIT_MS))
      return give_up (core, now_us);
    dial_next (core, &actions);
    choose_until (core, now_us);
    return actions;
  default:
    return 0;
  }
}

static guint
when_chosen (TepClientChoiceCore *core, TepClientChoiceEvent event, gint64 now_us)
{
  gboolean is_settling = core->state == S (SETTLING);

  switch (event) {
  case S (DIRECT_WORKS):
    return is_settling && is_direct_open (core) ? take_direct (core) : 0;
  case S (DIRECT_FAILED):
  case S (TIME):
    if (is_settling)
      enter (core, S (SETTLED), G_MAXINT64);
    return S (STOP_DIRECT);
  case S (SESSION_FAILED):
    if (core->way == S (DIRECT_WAY) || (is_settling && !core->is_login_refused))
      return 0;
    core->has_session_failed = TRUE;
    return try_again (core, now_us);
  case S (USE_FAILED):
    return use_failed (core, now_us);
  default:
    return 0;
  }
}

static guint
when_nothing (TepClientChoiceCore *core, TepClientChoiceEvent event, gint64 now_us)
{
  switch (event) {
  case S (SESSION_OPEN):
    return take_tunnel (core, now_us);
  case S (SESSION_FAILED):
    if (!core->is_login_refused)
      return 0;
    core->is_told = FALSE; /* that is another reason */
    return give_up (core, now_us);
  case S (TIME):
    core->tried = 0;
    return try_all (core, now_us);
  default:
    return 0;
  }
}

/* What the session says of a proxy. Returns what it comes down to. */
static TepClientChoiceEvent
note_proxy (TepClientChoiceCore *core, TepClientChoiceEvent event)
{
  gboolean is_failure =
      event == S (SESSION_FAILED) || event == S (WAY_REFUSED) || event == S (LOGIN_REFUSED);

  if (is_failure || event == S (LOGIN_BEGUN) || event == S (ADMITTED)) {
    core->is_login_begun = event == S (LOGIN_BEGUN);
    core->is_admitted = event == S (ADMITTED) && !core->is_login_refused;
  }
  if (event == S (WAY_REFUSED) && core->way >= FIRST_TUNNEL)
    core->refused |= BIT (core->way);
  if (event == S (LOGIN_REFUSED) && core->is_proxied)
    core->is_login_refused = TRUE;
  return is_failure ? S (SESSION_FAILED) : event;
}

guint
tep_client_choice_core_step (TepClientChoiceCore *core,
                             TepClientChoiceEvent event,
                             gint way,
                             gint64 now_us)
{
  event = note_proxy (core, event);
  if (event == S (BEGUN))
    return begin (core, way, now_us);
  if (event == S (TIME) && now_us < core->deadline_us)
    return 0;
  if (event == S (ENDED)) {
    enter (core, S (IDLE), G_MAXINT64);
    core->way = core->chosen = S (NO_WAY);
    return STOP | S (DROP);
  }
  switch (core->state) {
  case S (TRUSTING):
    return when_trusting (core, event, now_us);
  case S (CHOOSING):
    return when_choosing (core, event, way, now_us);
  case S (SETTLING):
  case S (SETTLED):
    return when_chosen (core, event, now_us);
  case S (NOTHING):
    return when_nothing (core, event, now_us);
  default:
    return 0;
  }
}

static const char *
describe_direct (const TepClientChoiceCore *core)
{
  if (core->is_direct_barred)
    return "; UDP passes to the server, and did not carry media";
  if (core->is_remembered || !core->is_direct_tried)
    return "";
  return core->is_direct_over ? "; UDP does not pass" : "; UDP has not answered yet";
}

#define REFUSED                                                                                    \
  "; the proxy does not take the user and password, and is not asked again, since it may lock "    \
  "the "                                                                                           \
  "user out: correct them, and start again"

void
tep_client_choice_core_explain (const TepClientChoiceCore *core,
                                const char *host,
                                const char *method,
                                const char *cause,
                                GString *reason)
{
  if (core->chosen == S (NO_WAY))
    g_string_printf (reason, "nothing gets through to %s: %s%s%s", host,
                     core->has_direct ? "neither UDP nor any tunnel" : "no tunnel",
                     cause != NULL && !core->is_login_refused ? "; the last cause: " : "",
                     cause != NULL && !core->is_login_refused ? cause : "");
  else if (core->chosen == S (DIRECT_WAY))
    g_string_printf (reason, "no tunnel is needed: UDP passes to %s%s", host,
                     core->is_remembered ? ", as it did in this network before" : "");
  else
    g_string_printf (reason, "a tunnel by %s: %s%s", method,
                     core->is_remembered ? "it worked in this network before"
                                         : "it is the first that works in this network",
                     describe_direct (core));
  if (core->is_login_refused)
    g_string_append (reason, REFUSED);
}

const char *
tep_client_choice_state_name (TepClientChoiceState state)
{
  static const char *const names[] = { "idle",     "trusting", "choosing",
                                       "settling", "settled",  "nothing" };

  return (guint)state < G_N_ELEMENTS (names) ? names[state] : "unknown";
}
