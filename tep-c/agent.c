/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent: one session, and for each configured way of taking media in a capture. It says what happens and decides nothing. */
#include "tep-c/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stun-ext/pcap-file.h"
#include "tep-c/capture-ports.h"
#include "tep-c/capture-tun.h"
#include "tep-c/session-private.h"
#include "turn-connect/network-watch.h"

#define PCAP_LIMIT (1024 * 1024 * 1024ull) /* octets; a capture nobody ends must not fill a disk */
#define PCAP_SNAP 65535

struct _TepClientAgent {
  const TepClientAgentConfig *config;
  TepClientChoice *choice;   /* NULL: always the tunnel */
  TepClientSession *session; /* NULL: none now */
  gboolean has_nothing;      /* the choice says that nothing works */
  gboolean is_closing;
  GError *end_cause; /* why the session ended */
  TepClientAgentFunc func;
  gpointer user_data;
  GPtrArray *ports; /* (element-type TepClientPort) */
  TepClientTun *tun;
  TurnConnectNetworkWatch *network;
  int pcap_descriptor;
  StunExtPcapFile pcap;
};

static void
say (TepClientAgent *agent, const TepClientAgentEvent *event)
{
  agent->func (agent, event, agent->user_data);
}

/* With a choice, a session that has ended is not the end, as long as something else may work. */
static gboolean
is_the_end (const TepClientAgent *agent)
{
  return agent->choice == NULL || agent->is_closing || agent->has_nothing;
}

static void
say_closed (TepClientAgent *agent, const GError *cause)
{
  TepClientAgentEvent event = { .name = "state",
                                .state = tep_client_state_name (TEP_CLIENT_STATE_CLOSED),
                                .cause = cause != NULL ? cause->message : NULL,
                                .error = cause };

  say (agent, &event);
}

static void
state_changed (TepClientSession *session, int before, int now, const GError *cause, gpointer data)
{
  TepClientAgent *agent = data;
  TepClientAgentEvent event = { .name = "state",
                                .state = tep_client_state_name (now),
                                .cause = cause != NULL ? cause->message : NULL,
                                .error = cause };

  g_clear_error (&agent->end_cause);
  if (now == TEP_CLIENT_STATE_CLOSED && cause != NULL)
    agent->end_cause = g_error_copy (cause);
  if (now == TEP_CLIENT_STATE_CLOSED && !is_the_end (agent))
    return;
  if (now == TEP_CLIENT_STATE_OPEN && agent->tun != NULL)
    tep_client_tun_set_mtu (agent->tun, tep_client_session_get_largest_packet (session));
  say (agent, &event);
}

static void
progressed (TepClientSession *session,
            const char *step,
            const char *detail,
            guint64 elapsed_us,
            gpointer data)
{
  TepClientAgentEvent event = { .name = "progress", .state = step, .cause = detail };

  say (data, &event);
}

static void
loopback (StunExtAddress *address, guint16 port)
{
  stun_ext_address_parse ("127.0.0.1", address);
  address->port = port;
}

static void
moved (TepClientSession *session, TepClientBinding *binding, gpointer data)
{
  TepClientAgent *agent = data;
  TepClientAgentEvent event = { .name = "moved",
                                .leased = tep_client_binding_get_address (binding) };
  StunExtAddress local;

  if (agent->tun != NULL)
    event.local = tep_client_tun_find_local (agent->tun, binding);
  for (guint i = 0; i < agent->ports->len; i++) {
    TepClientPort *port = g_ptr_array_index (agent->ports, i);

    if (tep_client_port_get_binding (port) != binding)
      continue;
    loopback (&local, tep_client_port_get_local (port));
    event.local = &local;
    event.remote = tep_client_port_get_remote (port);
  }
  say (agent, &event);
}

static void
port_changed (TepClientPort *port,
              const StunExtAddress *leased,
              const GError *error,
              gpointer user_data)
{
  TepClientAgent *agent = user_data;
  StunExtAddress local;
  TepClientAgentEvent event = { .name = error == NULL ? "flow" : "flow-failed",
                                .cause = error != NULL ? error->message : NULL,
                                .error = error,
                                .local = &local,
                                .leased = leased,
                                .remote = tep_client_port_get_remote (port) };

  loopback (&local, tep_client_port_get_local (port));
  say (user_data, &event);
  if (agent->choice != NULL && tep_client_port_get_direct (port) != NULL && error != NULL)
    tep_client_choice_failed (agent->choice);
}

static void
tun_changed (TepClientTun *tun,
             const StunExtAddress *local,
             const StunExtAddress *leased,
             const GError *error,
             gpointer user_data)
{
  TepClientAgentEvent event = { .name = error == NULL ? "lease" : "lease-failed",
                                .cause = error != NULL ? error->message : NULL,
                                .error = error,
                                .local = local,
                                .leased = leased };

  say (user_data, &event);
}

/* A connection whose local address is gone is dead; who waits for a next attempt may have a way now. */
static void
network_changed (gpointer data)
{
  TepClientAgent *agent = data;
  TepClientAgentEvent event = { .name = "network-changed" };
  StunExtAddress local;

  if (tep_client_session_get_state (agent->session) == TEP_CLIENT_STATE_WAITING) {
    event.cause = "trying again at once";
  } else if (tep_client_session_get_local_address (agent->session, &local) &&
             !turn_connect_network_has_address (&local)) {
    event.local = &local;
    event.cause = "the connection's local address is gone, it is replaced";
  } else {
    return;
  }
  say (agent, &event);
  tep_client_session_network_changed (agent->session);
}

/* The choice of path */

static void captured (const guint8 *packet, gsize length, gpointer data);

static void
take_session (TepClientAgent *agent, TepClientSession *session)
{
  if (agent->session != NULL && !agent->is_closing) {
    tep_client_session_set_tap (agent->session, NULL, NULL);
    g_signal_handlers_disconnect_by_data (agent->session, agent);
  }
  if (agent->is_closing)
    return; /* its end is still to be told */
  g_set_object (&agent->session, session);
  if (session == NULL)
    return;
  g_signal_connect (session, "state-changed", G_CALLBACK (state_changed), agent);
  g_signal_connect (session, "progress", G_CALLBACK (progressed), agent);
  g_signal_connect (session, "binding-moved", G_CALLBACK (moved), agent);
  if (agent->pcap_descriptor >= 0)
    tep_client_session_set_tap (session, captured, agent);
}

static void
session_changed (TepClientChoice *choice, gpointer data)
{
  TepClientAgent *agent = data;
  TepClientSession *session = tep_client_choice_get_session (choice);

  for (guint i = 0; i < agent->ports->len && !agent->is_closing; i++)
    tep_client_port_set_session (g_ptr_array_index (agent->ports, i), NULL);
  take_session (agent, session);
}

/* A program's packets go by one path at a time. While nothing works they stay where they were. */
static void
chosen (TepClientChoice *choice, gpointer data)
{
  TepClientAgent *agent = data;
  TepClientChoiceReport report;
  TepClientAgentEvent event = { .name = "path", .path = &report };

  tep_client_choice_get_report (choice, &report);
  event.cause = report.reason;
  agent->has_nothing = report.path == TEP_CLIENT_PATH_NONE;
  say (agent, &event);
  for (guint i = 0; i < agent->ports->len && !agent->has_nothing; i++) {
    TepClientPort *port = g_ptr_array_index (agent->ports, i);

    if (report.path == TEP_CLIENT_PATH_TUNNEL)
      tep_client_port_set_session (port, agent->session);
    tep_client_port_set_direct (port, report.path == TEP_CLIENT_PATH_DIRECT);
  }
  if (agent->has_nothing && agent->session != NULL &&
      tep_client_session_get_state (agent->session) == TEP_CLIENT_STATE_CLOSED)
    say_closed (agent, agent->end_cause);
}

static gboolean
begin_choice (TepClientAgent *agent, GError **error)
{
  const TepClientAgentConfig *config = agent->config;

  tep_client_choice_set_direct_port (agent->choice, (guint16)config->direct_port);
  if (config->ways_file != NULL &&
      !tep_client_choice_set_file (agent->choice, config->ways_file, error))
    return FALSE;
  g_signal_connect (agent->choice, "session-changed", G_CALLBACK (session_changed), agent);
  g_signal_connect (agent->choice, "chosen", G_CALLBACK (chosen), agent);
  return tep_client_choice_begin (agent->choice, error);
}

/* The capture file */

/* A capture that cannot be written ends; the media it shows goes on. */
static void
end_pcap (TepClientAgent *agent, const char *cause)
{
  TepClientAgentEvent event = { .name = "capture-ended", .cause = cause };

  if (agent->session != NULL)
    tep_client_session_set_tap (agent->session, NULL, NULL);
  close (agent->pcap_descriptor);
  agent->pcap_descriptor = -1;
  say (agent, &event);
}

static void
write_pcap (TepClientAgent *agent, const StunExtWriter *writer)
{
  gssize written = write (agent->pcap_descriptor, writer->data, writer->length);

  if (written == (gssize)writer->length)
    return;
  /* No reader is left with half a packet. */
  if (written > 0 &&
      ftruncate (agent->pcap_descriptor, (off_t)(agent->pcap.size - writer->length)) < 0)
    g_debug ("%s: %s", agent->config->pcap_file, g_strerror (errno));
  end_pcap (agent, written < 0 ? g_strerror (errno) : "the disk is full");
}

static void
captured (const guint8 *packet, gsize length, gpointer data)
{
  TepClientAgent *agent = data;
  guint8 record[STUN_EXT_PCAP_RECORD_HEADER + PCAP_SNAP];
  StunExtWriter writer;

  stun_ext_writer_init (&writer, record, sizeof record);
  if (stun_ext_pcap_file_packet (&agent->pcap, &writer, g_get_real_time (), packet, length))
    write_pcap (agent, &writer);
  else
    end_pcap (agent, "the file has reached 1 GiB");
}

static gboolean
open_pcap (TepClientAgent *agent, GError **error)
{
  const char *path = agent->config->pcap_file;
  guint8 header[STUN_EXT_PCAP_FILE_HEADER];
  struct stat about;
  StunExtWriter writer;

  if (path == NULL)
    return TRUE;
  agent->pcap_descriptor = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (agent->pcap_descriptor < 0) {
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "capture file %s: %s", path,
                 g_strerror (errno));
    return FALSE;
  }
  /* A file that was there may have been everybody's to read. */
  if (fstat (agent->pcap_descriptor, &about) == 0 && S_ISREG (about.st_mode) &&
      fchmod (agent->pcap_descriptor, 0600) < 0)
    g_info ("%s: %s", path, g_strerror (errno));
  stun_ext_pcap_file_init (&agent->pcap, PCAP_LIMIT, PCAP_SNAP);
  stun_ext_writer_init (&writer, header, sizeof header);
  stun_ext_pcap_file_begin (&agent->pcap, &writer);
  if (agent->session != NULL)
    tep_client_session_set_tap (agent->session, captured, agent);
  write_pcap (agent, &writer);
  return TRUE;
}

static gboolean
open_captures (TepClientAgent *agent, GError **error)
{
  const TepClientAgentConfig *config = agent->config;
  TepClientTunOptions tun = { .name = config->tun_name,
                              .address4 = config->tun_address4,
                              .address6 = config->tun_address6,
                              .prefixes = (const char *const *)config->tun_prefixes };

  for (guint i = 0; i < config->flows->len; i++) {
    const TepClientAgentFlow *flow = &g_array_index (config->flows, TepClientAgentFlow, i);
    TepClientPort *port = tep_client_port_new (agent->session, flow->local_port, &flow->remote,
                                               port_changed, agent, error);

    if (port == NULL)
      return FALSE;
    g_ptr_array_add (agent->ports, port);
  }
  if (config->tun_prefixes == NULL)
    return TRUE;
  agent->tun = tep_client_tun_new (agent->session, &tun, tun_changed, agent, error);
  return agent->tun != NULL;
}

static void
begin_session (TepClientAgent *agent)
{
  g_signal_connect (agent->session, "state-changed", G_CALLBACK (state_changed), agent);
  g_signal_connect (agent->session, "progress", G_CALLBACK (progressed), agent);
  g_signal_connect (agent->session, "binding-moved", G_CALLBACK (moved), agent);
  agent->network = turn_connect_network_watch_new (network_changed, agent);
  tep_client_session_open (agent->session);
}

TepClientAgent *
tep_client_agent_new (const TepClientAgentConfig *config,
                      TepClientAgentFunc func,
                      gpointer user_data,
                      GError **error)
{
  TepClientAgent *agent = g_new0 (TepClientAgent, 1);

  agent->config = config;
  agent->func = func;
  agent->user_data = user_data;
  agent->pcap_descriptor = -1;
  agent->ports = g_ptr_array_new_with_free_func ((GDestroyNotify)tep_client_port_free);
  if (config->is_auto)
    agent->choice = tep_client_choice_new (config->options);
  else
    agent->session = tep_client_session_new (config->options);
  if (!open_pcap (agent, error) || !open_captures (agent, error) ||
      (agent->choice != NULL && !begin_choice (agent, error))) {
    tep_client_agent_free (agent);
    return NULL;
  }
  if (agent->choice == NULL)
    begin_session (agent);
  return agent;
}

static void
free_session (TepClientAgent *agent)
{
  g_signal_handlers_disconnect_by_data (agent->session, agent);
  tep_client_session_set_tap (agent->session, NULL, NULL);
  if (tep_client_session_get_state (agent->session) != TEP_CLIENT_STATE_IDLE)
    tep_client_session_close (agent->session);
  g_clear_object (&agent->session);
}

void
tep_client_agent_free (TepClientAgent *agent)
{
  if (agent == NULL)
    return;
  if (agent->choice != NULL)
    g_signal_handlers_disconnect_by_data (agent->choice, agent);
  turn_connect_network_watch_free (agent->network);
  tep_client_tun_free (agent->tun);
  g_ptr_array_unref (agent->ports);
  if (agent->choice != NULL)
    tep_client_choice_end (agent->choice);
  g_clear_object (&agent->choice);
  if (agent->session != NULL)
    free_session (agent);
  g_clear_error (&agent->end_cause);
  if (agent->pcap_descriptor >= 0)
    close (agent->pcap_descriptor);
  g_free (agent);
}

void
tep_client_agent_close (TepClientAgent *agent)
{
  gboolean has_session = agent->session != NULL &&
                         tep_client_session_get_state (agent->session) != TEP_CLIENT_STATE_CLOSED;

  agent->is_closing = TRUE;
  if (agent->choice != NULL)
    tep_client_choice_end (agent->choice); /* closes the session that it has */
  else if (has_session)
    tep_client_session_close (agent->session);
  if (!has_session)
    say_closed (agent, NULL);
}

TepClientSession *
tep_client_agent_get_session (TepClientAgent *agent)
{
  return agent->session;
}

TepClientChoice *
tep_client_agent_get_choice (TepClientAgent *agent)
{
  return agent->choice;
}

void
tep_client_agent_foreach_flow (TepClientAgent *agent,
                               TepClientAgentFlowFunc func,
                               gpointer user_data)
{
  for (guint i = 0; i < agent->ports->len; i++) {
    TepClientPort *port = g_ptr_array_index (agent->ports, i);
    TepClientBinding *binding = tep_client_port_get_binding (port);
    TepClientFlow *flow = tep_client_port_get_flow (port);
    TepClientFlowQuality quality = { 0 };
    StunExtAddress local;

    if (tep_client_port_get_direct (port) != NULL)
      tep_client_direct_count (tep_client_port_get_direct (port), &quality.sent, &quality.received);
    else if (flow != NULL)
      tep_client_flow_get_quality (flow, &quality);
    loopback (&local, tep_client_port_get_local (port));
    func (&local, flow != NULL ? tep_client_binding_get_address (binding) : NULL,
          tep_client_port_get_remote (port), &quality, user_data);
  }
  if (agent->tun != NULL)
    tep_client_tun_foreach_flow (agent->tun, func, user_data);
}
