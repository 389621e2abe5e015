/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a proxy refuses it will refuse again. Whether it is the target or the password makes a difference: another
 * port may be allowed, but a wrong password is wrong for every port, and costs the user his account if it is
 * tried too often. */
#include "tep-c/choice-session.h"

#include "turn-connect/error.h"

TepClientChoiceEvent
tep_client_choice_judge_failure (TepClientState now, const GError *cause)
{
  static const int refusals[] = {
    TURN_CONNECT_ERROR_PROXY_FORBIDDEN,
    TURN_CONNECT_ERROR_PROXY_CREDENTIALS_NEEDED,
    TURN_CONNECT_ERROR_PROXY_SCHEME,
  };

  if (g_error_matches (cause, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_PROXY_CREDENTIALS_WRONG))
    return TEP_CLIENT_CHOICE_LOGIN_REFUSED;
  for (gsize i = 0; i < G_N_ELEMENTS (refusals) && now == TEP_CLIENT_STATE_CLOSED; i++) {
    if (g_error_matches (cause, TURN_CONNECT_ERROR, refusals[i]))
      return TEP_CLIENT_CHOICE_WAY_REFUSED;
  }
  return TEP_CLIENT_CHOICE_SESSION_FAILED;
}

/* Where there is no proxy on the way that was found, nobody is logged in at. */
TepClientChoiceEvent
tep_client_choice_judge_progress (const char *step)
{
  static const struct {
    TurnConnectStep step;
    TepClientChoiceEvent event;
  } news[] = {
    { TURN_CONNECT_STEP_PROXY, TEP_CLIENT_CHOICE_LOGIN_BEGUN },
    { TURN_CONNECT_STEP_TLS, TEP_CLIENT_CHOICE_ADMITTED },
    { TURN_CONNECT_STEP_READY, TEP_CLIENT_CHOICE_ADMITTED },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (news); i++) {
    if (g_str_equal (step, turn_connect_step_to_string (news[i].step)))
      return news[i].event;
  }
  return TEP_CLIENT_CHOICE_N_EVENTS;
}
