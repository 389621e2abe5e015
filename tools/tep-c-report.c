/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A person wants sentences, a script wants fields; neither should have to read the other's. */
#include "tools/tep-c-report.h"

#include "tools/cli.h"

static const char *
print (const StunExtAddress *address, char text[STUN_EXT_ADDRESS_TEXT_LENGTH])
{
  return address != NULL ? stun_ext_address_print (address, text) : "nothing yet";
}

static void
add_address (GString *json, const char *key, const StunExtAddress *address)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  if (address != NULL)
    cli_json_text (json, key, stun_ext_address_print (address, text));
}

/* Events */

static void
add_path (GString *json, const TepClientChoiceReport *path)
{
  cli_json_text (json, "path", tep_client_path_name (path->path));
  if (path->method != NULL)
    cli_json_text (json, "method", path->method);
  cli_json_boolean (json, "remembered", path->is_remembered);
  cli_json_real (json, "took_ms", (double)path->took_us / 1000);
}

static void
tell_script (const TepClientAgentEvent *event)
{
  GString *json = cli_event_begin (event->name);
  gboolean is_progress = g_str_equal (event->name, "progress");

  if (event->state != NULL)
    cli_json_text (json, is_progress ? "step" : "state", event->state);
  add_address (json, "local", event->local);
  add_address (json, "leased", event->leased);
  add_address (json, "remote", event->remote);
  if (event->path != NULL)
    add_path (json, event->path);
  if (event->cause != NULL)
    cli_json_text (json, is_progress ? "detail" : "cause", event->cause);
  cli_event_print (json);
}

static void
tell_person (const TepClientOptions *options, const TepClientAgentEvent *event)
{
  char local[STUN_EXT_ADDRESS_TEXT_LENGTH];
  char leased[STUN_EXT_ADDRESS_TEXT_LENGTH];
  char remote[STUN_EXT_ADDRESS_TEXT_LENGTH];
  const char *cause = event->cause != NULL ? event->cause : "";
  const char *colon = event->cause != NULL ? ": " : "";

  if (g_str_equal (event->name, "state"))
    cli_say ("%s%s%s", event->state, colon, cause);
  else if (g_str_equal (event->name, "progress"))
    cli_say ("%s:%u: %s%s%s", options->host, options->port, event->state, *cause ? " " : "", cause);
  else if (g_str_equal (event->name, "path"))
    cli_say ("%s, after %.0f ms: %s", tep_client_path_name (event->path->path),
             (double)event->path->took_us / 1000, cause);
  else if (g_str_equal (event->name, "flow") && event->leased == NULL)
    cli_say ("ready: send to %s for %s; no tunnel", print (event->local, local),
             print (event->remote, remote));
  else if (g_str_equal (event->name, "flow"))
    cli_say ("ready: send to %s for %s, which sees %s", print (event->local, local),
             print (event->remote, remote), print (event->leased, leased));
  else if (g_str_equal (event->name, "flow-failed"))
    cli_say ("not carried: %s to %s%s%s", print (event->local, local),
             print (event->remote, remote), colon, cause);
  else if (g_str_equal (event->name, "lease"))
    cli_say ("carried: %s is seen as %s", print (event->local, local),
             print (event->leased, leased));
  else if (g_str_equal (event->name, "lease-failed"))
    cli_say ("not carried: %s has no lease%s%s", print (event->local, local), colon, cause);
  else if (g_str_equal (event->name, "moved"))
    cli_say ("moved: the server forgot the lease; %s is now seen as %s: tell the far side",
             print (event->local, local), print (event->leased, leased));
  else if (g_str_equal (event->name, "capture-ended"))
    cli_say ("the packet capture has ended%s%s; media goes on", colon, cause);
  else
    cli_say ("%s%s%s", event->name, colon, cause);
}

void
report_event (const Report *report, const TepClientAgentEvent *event)
{
  if (report->is_json)
    tell_script (event);
  else
    tell_person (report->config->options, event);
}

/* Figures */

static void
tell_flow (const StunExtAddress *local,
           const StunExtAddress *leased,
           const StunExtAddress *remote,
           const TepClientFlowQuality *quality,
           gpointer data)
{
  const Report *report = data;
  char texts[3][STUN_EXT_ADDRESS_TEXT_LENGTH];

  if (report->is_json) {
    GString *json = cli_event_begin ("quality");

    add_address (json, "local", local);
    add_address (json, "leased", leased);
    add_address (json, "remote", remote);
    cli_json_integer (json, "sent", (gint64)quality->sent);
    cli_json_integer (json, "received", (gint64)quality->received);
    cli_json_integer (json, "lost", (gint64)quality->lost);
    cli_json_integer (json, "late", (gint64)quality->late);
    cli_json_integer (json, "duplicates", (gint64)quality->duplicates);
    cli_json_real (json, "jitter_ms", quality->jitter_ms);
    cli_event_print (json);
  } else {
    cli_say ("  %s as %s with %s: %zu packets sent, %zu received, %zu lost, %zu late beyond 60 ms, "
             "jitter %.1f ms",
             print (local, texts[0]), print (leased, texts[1]), print (remote, texts[2]),
             (gsize)quality->sent, (gsize)quality->received, (gsize)quality->lost,
             (gsize)quality->late, quality->jitter_ms);
  }
}

static void
add_figures (GString *json, const TepClientStatistics *statistics)
{
  cli_json_integer (json, "packets_sent", (gint64)statistics->packets_sent);
  cli_json_integer (json, "packets_received", (gint64)statistics->packets_received);
  cli_json_integer (json, "octets_sent", (gint64)statistics->octets_sent);
  cli_json_integer (json, "octets_received", (gint64)statistics->octets_received);
  cli_json_integer (json, "dropped_blocked", (gint64)statistics->dropped_blocked);
  cli_json_integer (json, "dropped_too_large", (gint64)statistics->dropped_too_large);
  cli_json_integer (json, "dropped_invalid", (gint64)statistics->dropped_invalid);
  cli_json_integer (json, "duplicates", (gint64)statistics->duplicates);
  cli_json_integer (json, "connections", (gint64)statistics->connections);
  cli_json_integer (json, "round_trip_ms", statistics->round_trip_ms);
}

static void
tell_status_to_script (TepClientAgent *agent,
                       const char *state,
                       const TepClientStatistics *statistics)
{
  GString *json = cli_event_begin ("status");
  TepClientChoice *choice = tep_client_agent_get_choice (agent);
  TepClientChoiceReport path;

  if (state != NULL)
    cli_json_text (json, "state", state);
  if (choice != NULL) {
    tep_client_choice_get_report (choice, &path);
    add_path (json, &path);
  }
  if (state != NULL)
    add_figures (json, statistics);
  cli_event_print (json);
}

static void
tell_status_to_person (TepClientAgent *agent,
                       const char *state,
                       const TepClientStatistics *statistics)
{
  TepClientChoice *choice = tep_client_agent_get_choice (agent);
  TepClientChoiceReport path;

  if (choice != NULL) {
    tep_client_choice_get_report (choice, &path);
    cli_say ("%s: %s", tep_client_path_name (path.path), path.reason);
  }
  if (state != NULL)
    cli_say (
        "%s; round trip %u ms; %zu packets sent, %zu received; not sent: %zu because the way was "
        "blocked, %zu larger than the tunnel takes",
        state, statistics->round_trip_ms, (gsize)statistics->packets_sent,
        (gsize)statistics->packets_received, (gsize)statistics->dropped_blocked,
        (gsize)statistics->dropped_too_large);
}

void
report_status (const Report *report, TepClientAgent *agent)
{
  TepClientSession *session = tep_client_agent_get_session (agent);
  TepClientStatistics statistics = { 0 };
  const char *state = NULL;

  if (session != NULL) {
    state = tep_client_state_name (tep_client_session_get_state (session));
    tep_client_session_get_statistics (session, &statistics);
  }
  if (report->is_json)
    tell_status_to_script (agent, state, &statistics);
  else
    tell_status_to_person (agent, state, &statistics);
  tep_client_agent_foreach_flow (agent, tell_flow, (gpointer)report);
}
