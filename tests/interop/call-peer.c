/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both ends of a call, for tests: "device" is an application over TepClientCall, "far" an IMS media
 * end point with a NiceAgent of its own, "stun" asks for the device's public address. Commands come on stdin, a line each; what happens goes to
 * stdout as lines of JSON. Descriptions go through files. Media are packets of RTP's shape that
 * carry a number; "far" sends back what it hears. */
#include <stdio.h>
#include <string.h>

#include <nice/agent.h>

#include "tep-c/call.h"
#include "tep-c/public-address.h"

#define PACKET_MS 20
#define PACKET_LENGTH 172
#define TEMPLATE                                                                                   \
  "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n" \
  "a=sendrecv\r\n"

typedef struct {
  GMainLoop *loop;
  guint n_components;
  char *extra; /* lines for the description, from the command line */

  TepClientSession *session;
  TepClientCall *call;
  GHashTable *received; /* "branch/carrier/component" -> count */
  guint32 sent;
  guint32 highest; /* number heard last */
  gint64 heard_us; /* when */
  gint64 gap_us;   /* longest time between two packets heard */
  gboolean hangs_up_on_packet;

  NiceAgent *agent;
  guint stream;
  gboolean is_ready;
} Peer;

static void G_GNUC_PRINTF (1, 2) say (const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  vprintf (format, arguments);
  va_end (arguments);
  printf ("\n");
  fflush (stdout);
}

static void
say_error (const char *event, const char *who, const GError *error)
{
  g_autofree char *text = g_strescape (error != NULL ? error->message : "", NULL);

  say ("{\"event\": \"%s\", \"who\": \"%s\", \"cause\": \"%s\"}", event, who, text);
}

static void
say_sdp (const char *sdp)
{
  g_autofree char *text = g_strescape (sdp, NULL);

  say ("{\"event\": \"sdp\", \"sdp\": \"%s\"}", text);
}

/* ---- the device ---- */

static void
heard (TepClientCall *call, const TepClientCallPacket *packet, gpointer data)
{
  Peer *peer = data;
  char *key = g_strdup_printf ("%s/%s/%u", packet->branch != NULL ? packet->branch : "early",
                               packet->carrier, packet->component);
  gint64 now_us = g_get_monotonic_time ();
  guint count = GPOINTER_TO_UINT (g_hash_table_lookup (peer->received, key)) + 1;

  if (count == 1)
    say ("{\"event\": \"heard\", \"key\": \"%s\"}", key);
  g_hash_table_replace (peer->received, key, GUINT_TO_POINTER (count));
  if (peer->heard_us != 0)
    peer->gap_us = MAX (peer->gap_us, now_us - peer->heard_us);
  peer->heard_us = now_us;
  if (peer->hangs_up_on_packet) {
    tep_client_call_hang_up (call);
    say ("{\"event\": \"hung-up\"}");
  }
}

static gboolean
talk (gpointer data)
{
  Peer *peer = data;
  guint8 packet[PACKET_LENGTH] = { 0x80, 0 };

  if (peer->call == NULL)
    return G_SOURCE_REMOVE;
  for (guint i = 1; i <= peer->n_components; i++) {
    packet[1] = i == 1 ? 0 : 200;
    memcpy (packet + 12, &peer->sent, sizeof peer->sent);
    if (tep_client_call_send (peer->call, NULL, i, packet, sizeof packet) == TEP_CLIENT_SENT &&
        i == 1)
      peer->sent++;
  }
  return G_SOURCE_CONTINUE;
}

static void
path_changed (TepClientCall *call, const char *branch, const char *carrier, Peer *peer)
{
  say ("{\"event\": \"path\", \"branch\": \"%s\", \"carrier\": \"%s\"}", branch, carrier);
  talk (peer); /* so that what is measured is not the time to the next 20 ms */
}

static void
call_failed (TepClientCall *call, const char *branch, const GError *cause, Peer *peer)
{
  say_error ("failed", branch, cause);
}

static void
description_changed (TepClientCall *call, Peer *peer)
{
  say ("{\"event\": \"description-changed\"}");
}

static void
state_changed (TepClientSession *session, int before, int now, const GError *cause, Peer *peer)
{
  say_error ("session", tep_client_state_name (now), cause);
}

static void
prepared (GObject *call, GAsyncResult *result, gpointer data)
{
  Peer *peer = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) cause = NULL;
  StunExtAddress lease;
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH] = "";

  if (!tep_client_call_prepare_finish (peer->call, result, &error)) {
    say_error ("unprepared", "", error);
    return;
  }
  if (tep_client_call_get_lease (peer->call, &lease, &cause))
    stun_ext_address_print (&lease, text);
  say_error ("prepared", text, cause);
}

static void
report (Peer *peer, const char *branch)
{
  TepClientCallReport r;
  GString *counts = g_string_new (NULL);
  GHashTableIter iter;
  gpointer key, value;
  TepClientStatistics s = { 0 };
  StunExtAddress address;
  char lease[STUN_EXT_ADDRESS_TEXT_LENGTH] = "";

  g_hash_table_iter_init (&iter, peer->received);
  while (g_hash_table_iter_next (&iter, &key, &value))
    g_string_append_printf (counts, "%s\"%s\": %u", counts->len > 0 ? ", " : "", (char *)key,
                            GPOINTER_TO_UINT (value));
  if (peer->session != NULL)
    tep_client_session_get_statistics (peer->session, &s);
  if (tep_client_call_get_lease (peer->call, &address, NULL))
    stun_ext_address_print (&address, lease);
  if (tep_client_call_get_report (peer->call, branch, &r)) {
    g_autofree char *ice = g_strescape (r.ice_cause != NULL ? r.ice_cause->message : "", NULL);
    g_autofree char *tunnel =
        g_strescape (r.tunnel_cause != NULL ? r.tunnel_cause->message : "", NULL);

    say ("{\"event\": \"report\", \"carrier\": \"%s\", \"lease\": \"%s\", \"decided_us\": "
         "%" G_GUINT64_FORMAT ", \"first_media_us\": %" G_GUINT64_FORMAT
         ", \"ice_cause\": \"%s\", \"tunnel_cause\": "
         "\"%s\", \"sent\": %u, \"gap_us\": %" G_GINT64_FORMAT ", \"round_trip_ms\": %u, "
         "\"tunnel_sent\": %" G_GUINT64_FORMAT ", \"received\": {%s}}",
         r.carrier, lease, r.decided_us, r.first_media_us, ice, tunnel, peer->sent, peer->gap_us,
         s.round_trip_ms, s.packets_sent, counts->str);
  } else {
    say ("{\"event\": \"report\", \"carrier\": \"\", \"received\": {%s}}", counts->str);
  }
  g_string_free (counts, TRUE);
}

static void
describe_device (Peer *peer)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *sdp = tep_client_call_describe (peer->call, TEMPLATE, &error);

  if (sdp != NULL)
    say_sdp (sdp);
  else
    say_error ("undescribed", "", error);
}

static void
device_remote (Peer *peer, const char *branch, const char *sdp)
{
  g_autoptr (GError) error = NULL;

  if (tep_client_call_set_remote (peer->call, branch, sdp, &error))
    say ("{\"event\": \"remote\", \"branch\": \"%s\"}", branch);
  else
    say_error ("refused", branch, error);
}

static void
device_command (Peer *peer, char **words)
{
  if (g_str_equal (words[0], "prepare"))
    tep_client_call_prepare_async (peer->call, NULL, prepared, peer);
  else if (g_str_equal (words[0], "describe"))
    describe_device (peer);
  else if (g_str_equal (words[0], "confirm"))
    tep_client_call_confirm (peer->call, words[1]);
  else if (g_str_equal (words[0], "restart"))
    tep_client_call_restart_ice (peer->call);
  else if (g_str_equal (words[0], "forget-gap"))
    peer->gap_us = peer->heard_us = 0;
  else if (g_str_equal (words[0], "report"))
    report (peer, words[1]);
  else if (g_str_equal (words[0], "network-changed"))
    tep_client_session_network_changed (peer->session);
  else if (g_str_equal (words[0], "hang-up-on-packet"))
    peer->hangs_up_on_packet = TRUE;
  else if (g_str_equal (words[0], "hang-up"))
    tep_client_call_hang_up (peer->call);
  else
    g_assert_not_reached ();
}

/* ---- the far side ---- */

static void
far_heard (NiceAgent *agent, guint stream, guint component, guint length, char *data, gpointer user)
{
  Peer *peer = user;

  peer->highest++;
  nice_agent_send (agent, stream, component, length, data);
}

static void
far_state (NiceAgent *agent, guint stream, guint component, guint state, Peer *peer)
{
  say ("{\"event\": \"ice\", \"component\": %u, \"state\": \"%s\"}", component,
       nice_component_state_to_string (state));
}

static void
describe_far (Peer *peer)
{
  GString *sdp = g_string_new ("v=0\r\no=- 2 2 IN IP4 192.0.2.2\r\ns=-\r\nt=0 0\r\n");
  g_autofree char *ufrag = NULL;
  g_autofree char *password = NULL;
  guint port[2] = { 0 };
  char host[NICE_ADDRESS_STRING_LEN] = "";
  GString *lines = g_string_new (NULL);

  for (guint i = 0; i < peer->n_components; i++) {
    GSList *candidates = nice_agent_get_local_candidates (peer->agent, peer->stream, i + 1);

    for (GSList *l = candidates; l != NULL; l = l->next) {
      NiceCandidate *candidate = l->data;
      g_autofree char *line = nice_agent_generate_local_candidate_sdp (peer->agent, candidate);

      if (nice_address_ip_version (&candidate->addr) == 4 && port[i] == 0) {
        nice_address_to_string (&candidate->addr, host);
        port[i] = nice_address_get_port (&candidate->addr);
      }
      g_string_append_printf (lines, "%s\r\n", line);
    }
    g_slist_free_full (candidates, (GDestroyNotify)nice_candidate_free);
  }
  nice_agent_get_local_credentials (peer->agent, peer->stream, &ufrag, &password);
  g_string_append_printf (sdp, "m=audio %u RTP/AVP 0\r\nc=IN IP4 %s\r\na=sendrecv\r\n", port[0],
                          host);
  if (peer->n_components == 2)
    g_string_append_printf (sdp, "a=rtcp:%u IN IP4 %s\r\n", port[1], host);
  g_string_append_printf (sdp, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n%s", ufrag, password, lines->str);
  if (peer->extra != NULL)
    g_string_append_printf (sdp, "%s\r\n", peer->extra);
  say_sdp (sdp->str);
  g_string_free (lines, TRUE);
  g_string_free (sdp, TRUE);
}

static void
far_remote (Peer *peer, const char *sdp)
{
  g_auto (GStrv) lines = g_strsplit_set (sdp, "\r\n", -1);
  GSList *candidates[2] = { NULL };
  const char *ufrag = NULL;
  const char *password = NULL;

  for (guint i = 0; lines[i] != NULL; i++) {
    if (g_str_has_prefix (lines[i], "a=ice-ufrag:"))
      ufrag = strchr (lines[i], ':') + 1;
    else if (g_str_has_prefix (lines[i], "a=ice-pwd:"))
      password = strchr (lines[i], ':') + 1;
  }
  nice_agent_set_remote_credentials (peer->agent, peer->stream, ufrag, password);
  for (guint i = 0; lines[i] != NULL; i++) {
    NiceCandidate *candidate = NULL;

    if (g_str_has_prefix (lines[i], "a=candidate:"))
      candidate = nice_agent_parse_remote_candidate_sdp (peer->agent, peer->stream, lines[i]);
    if (candidate != NULL && candidate->component_id <= peer->n_components)
      candidates[candidate->component_id - 1] =
          g_slist_append (candidates[candidate->component_id - 1], candidate);
    else
      g_clear_pointer (&candidate, nice_candidate_free);
  }
  for (guint i = 0; i < peer->n_components; i++) {
    nice_agent_set_remote_candidates (peer->agent, peer->stream, i + 1, candidates[i]);
    g_slist_free_full (candidates[i], (GDestroyNotify)nice_candidate_free);
  }
  say ("{\"event\": \"remote\"}");
}

static void
far_prepared (NiceAgent *agent, guint stream, Peer *peer)
{
  say ("{\"event\": \"prepared\"}");
}

static void
far_command (Peer *peer, char **words)
{
  if (g_str_equal (words[0], "prepare"))
    g_assert_true (nice_agent_gather_candidates (peer->agent, peer->stream));
  else if (g_str_equal (words[0], "describe"))
    describe_far (peer);
  else if (g_str_equal (words[0], "restart"))
    g_assert_true (nice_agent_restart_stream (peer->agent, peer->stream));
  else if (g_str_equal (words[0], "report"))
    say ("{\"event\": \"report\", \"heard\": %u}", peer->highest);
  else
    g_assert_not_reached ();
}

/* ---- its public address ---- */

static void
say_found (const char *transport, const TepClientPublicAddress *found)
{
  char address[STUN_EXT_ADDRESS_TEXT_LENGTH], local[STUN_EXT_ADDRESS_TEXT_LENGTH];
  g_autofree char *cause = g_strescape (found->error != NULL ? found->error->message : "", NULL);

  say ("{\"event\": \"%s\", \"address\": \"%s\", \"local\": \"%s\", \"took_us\": "
       "%" G_GUINT64_FORMAT ", \"cause\": \"%s\"}",
       transport, stun_ext_address_print (&found->address, address),
       stun_ext_address_print (&found->local, local), found->took_us, cause);
}

static void
found (GObject *object, GAsyncResult *result, gpointer data)
{
  Peer *peer = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TepClientPublicAddresses) addresses =
      tep_client_public_address_find_finish (result, &error);

  g_assert_no_error (error);
  say_found ("udp", &addresses->udp);
  say_found ("tcp", &addresses->tcp);
  g_main_loop_quit (peer->loop);
}

/* ---- both ---- */

static gboolean
command (GIOChannel *channel, GIOCondition condition, gpointer data)
{
  Peer *peer = data;
  g_autofree char *line = NULL;
  g_auto (GStrv) words = NULL;

  if (g_io_channel_read_line (channel, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL) {
    g_main_loop_quit (peer->loop);
    return G_SOURCE_REMOVE;
  }
  words = g_strsplit (g_strchomp (line), " ", -1);
  if (g_str_equal (words[0], "remote")) {
    g_autofree char *sdp = NULL;

    g_assert_true (g_file_get_contents (words[2], &sdp, NULL, NULL));
    if (peer->call != NULL)
      device_remote (peer, words[1], sdp);
    else
      far_remote (peer, sdp);
  } else if (peer->call != NULL) {
    device_command (peer, words);
  } else {
    far_command (peer, words);
  }
  return G_SOURCE_CONTINUE;
}

static void
start_device (Peer *peer, TepClientOptions *options, TepClientCallOptions *call_options)
{
  if (options->host != NULL) {
    peer->session = tep_client_session_new (options);
    g_signal_connect (peer->session, "state-changed", G_CALLBACK (state_changed), peer);
    tep_client_session_open (peer->session);
  }
  peer->call = tep_client_call_new (peer->session, call_options, heard, peer);
  g_signal_connect (peer->call, "path-changed", G_CALLBACK (path_changed), peer);
  g_signal_connect (peer->call, "failed", G_CALLBACK (call_failed), peer);
  g_signal_connect (peer->call, "description-changed", G_CALLBACK (description_changed), peer);
  g_timeout_add (PACKET_MS, talk, peer);
}

static void
start_far (Peer *peer, gboolean is_controlling)
{
  peer->agent = nice_agent_new_full (NULL, NICE_COMPATIBILITY_RFC5245, NICE_AGENT_OPTION_NONE);
  g_object_set (peer->agent, "upnp", FALSE, "ice-tcp", FALSE, "controlling-mode", is_controlling,
                NULL);
  peer->stream = nice_agent_add_stream (peer->agent, peer->n_components);
  g_signal_connect (peer->agent, "candidate-gathering-done", G_CALLBACK (far_prepared), peer);
  g_signal_connect (peer->agent, "component-state-changed", G_CALLBACK (far_state), peer);
  for (guint i = 0; i < peer->n_components; i++)
    nice_agent_attach_recv (peer->agent, peer->stream, i + 1, NULL, far_heard, peer);
}

static void
end (Peer *peer)
{
  if (peer->call != NULL)
    tep_client_call_hang_up (peer->call);
  g_clear_object (&peer->call);
  if (peer->session != NULL)
    tep_client_session_close (peer->session);
  for (gint64 until_us = g_get_monotonic_time () + 2 * G_USEC_PER_SEC;
       peer->session != NULL &&
       tep_client_session_get_state (peer->session) != TEP_CLIENT_STATE_CLOSED &&
       g_get_monotonic_time () < until_us;)
    g_main_context_iteration (NULL, FALSE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_clear_object (&peer->session);
  g_clear_object (&peer->agent);
  g_hash_table_unref (peer->received);
  g_main_loop_unref (peer->loop);
  g_free (peer->extra);
}

int
main (int argc, char **argv)
{
  g_autoptr (TepClientOptions) options = tep_client_options_new ();
  TepClientCallOptions call_options = { .n_components = 1, .dscp = -1 };
  Peer peer = { .loop = g_main_loop_new (NULL, FALSE) };
  g_autofree char *server = NULL;
  g_autofree char *stun = NULL;
  int n_components = 1;
  const GOptionEntry entries[] = {
    { "server", 0, 0, G_OPTION_ARG_STRING, &server, NULL, "ADDRESS:PORT" },
    { "server-name", 0, 0, G_OPTION_ARG_STRING, &options->server_name, NULL, "NAME" },
    { "proxy", 0, 0, G_OPTION_ARG_STRING, &options->proxy, NULL, "URL" },
    { "user", 0, 0, G_OPTION_ARG_STRING, &options->user, NULL, "NAME" },
    { "password", 0, 0, G_OPTION_ARG_STRING, &options->password, NULL, "SECRET" },
    { "stays", 0, 0, G_OPTION_ARG_NONE, &options->stays, NULL, NULL },
    { "stun", 0, 0, G_OPTION_ARG_STRING, &stun, NULL, "ADDRESS:PORT" },
    { "family", 0, 0, G_OPTION_ARG_INT, &call_options.family, NULL, "4|6" },
    { "offerer", 0, 0, G_OPTION_ARG_NONE, &call_options.is_offerer, NULL, NULL },
    { "components", 0, 0, G_OPTION_ARG_INT, &n_components, NULL, "N" },
    { "extra", 0, 0, G_OPTION_ARG_STRING, &peer.extra, NULL, "LINE" },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("device|far");
  g_autoptr (GIOChannel) channel = g_io_channel_unix_new (0);
  g_autoptr (GError) error = NULL;
  StunExtAddress address;

  g_log_writer_default_set_use_stderr (TRUE);
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 2)
    g_error ("%s", error != NULL ? error->message : "device or far?");
  if (server != NULL && stun_ext_address_parse (server, &address)) {
    char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

    options->host = g_strdup (stun_ext_address_print_host (&address, text));
    options->port = address.port;
  }
  if (stun != NULL)
    stun_ext_address_parse (stun, &call_options.stun_server);
  peer.n_components = call_options.n_components = n_components;
  peer.received = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (g_str_equal (argv[1], "stun")) {
    TepClientPublicAddressOptions ask = { options->host, options->port, 0, options->proxy, 2500 };

    tep_client_public_address_find_async (&ask, NULL, found, &peer);
  } else if (g_str_equal (argv[1], "device"))
    start_device (&peer, options, &call_options);
  else
    start_far (&peer, call_options.is_offerer);
  if (!g_str_equal (argv[1], "stun"))
    g_io_add_watch (channel, G_IO_IN | G_IO_HUP, command, &peer);
  say ("{\"event\": \"ready\"}");
  g_main_loop_run (peer.loop);
  end (&peer);
  return 0;
}
