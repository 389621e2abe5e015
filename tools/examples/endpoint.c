/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A telephone in one file: leases a public address at TEP-S, opens a flow to a media gateway, speaks a mu-law
 * recording as RTP and writes what it hears. Links TEP-C and nothing else of tepkit. */
#include <gio/gio.h>
#include <string.h>
#include <tep-c/session.h>

#define FRAME 160 /* octets: 20 ms of G.711 at 8 kHz */

typedef struct {
  GMainLoop *loop;
  TepClientSession *session;
  TepClientBinding *binding;
  TepClientFlow *flow;
  StunExtAddress gateway;
  char *speech, *hear_path;
  gsize length, spoken;
  GByteArray *heard;
  int exit_code;
} Phone;

static char *user, *password_file, *proxy, *ca_file, *speak_path, *hear_path, *gateway_name;
static gboolean is_tls;
static const GOptionEntry entries[] = {
  { "user", 0, 0, G_OPTION_ARG_STRING, &user, "User name", "NAME" },
  { "password-file", 0, 0, G_OPTION_ARG_FILENAME, &password_file, "File with the password",
    "FILE" },
  { "proxy", 0, 0, G_OPTION_ARG_STRING, &proxy, "HTTP proxy, http://[USER:PASSWORD@]HOST:PORT",
    "URL" },
  { "tls", 0, 0, G_OPTION_ARG_NONE, &is_tls, "Use TLS", NULL },
  { "ca-file", 0, 0, G_OPTION_ARG_FILENAME, &ca_file, "Trusted issuers, PEM", "FILE" },
  { "gateway", 0, 0, G_OPTION_ARG_STRING, &gateway_name, "Media address of the far side",
    "ADDRESS:PORT" },
  { "speak", 0, 0, G_OPTION_ARG_FILENAME, &speak_path, "Recording to speak, raw mu-law 8 kHz",
    "FILE" },
  { "hear", 0, 0, G_OPTION_ARG_FILENAME, &hear_path, "Where to write what is heard", "FILE" },
  G_OPTION_ENTRY_NULL
};

static gboolean
end (gpointer data)
{
  Phone *phone = data;
  TepClientFlowQuality quality = { 0 };
  TepClientStatistics statistics = { 0 };
  g_autoptr (GError) error = NULL;

  if (phone->flow != NULL)
    tep_client_flow_get_quality (phone->flow, &quality);
  tep_client_session_get_statistics (phone->session, &statistics);
  g_print ("{\"sent\": %" G_GUINT64_FORMAT ", \"received\": %" G_GUINT64_FORMAT
           ", \"lost\": %" G_GUINT64_FORMAT ", \"late\": %" G_GUINT64_FORMAT
           ", \"jitter_ms\": %.2f, \"first_media_ms\": %.1f, \"rtt_ms\": %u}\n",
           quality.sent, quality.received, quality.lost, quality.late, quality.jitter_ms,
           statistics.first_packet_us / 1000.0, statistics.round_trip_ms);
  if (!g_file_set_contents (hear_path, (char *)phone->heard->data, phone->heard->len, &error)) {
    g_printerr ("endpoint: %s\n", error->message);
    phone->exit_code = 1;
  }
  tep_client_session_close (phone->session);
  return G_SOURCE_REMOVE;
}

/* RTP, RFC 3550 section 5.1: twelve octets, then the audio. */
static void
hear (TepClientBinding *binding, const TepClientPacket *packet, gpointer data)
{
  Phone *phone = data;

  if (packet->length > 12)
    g_byte_array_append (phone->heard, packet->payload + 12, packet->length - 12);
}

static gboolean
speak (gpointer data)
{
  Phone *phone = data;
  guint8 rtp[12 + FRAME] = { 0x80, 0 };
  guint16 sequence = g_htons (phone->spoken / FRAME);
  guint32 timestamp = g_htonl (phone->spoken);

  if (phone->spoken + FRAME > phone->length) {
    g_timeout_add (1000, end, phone); /* the far side may still be speaking */
    return G_SOURCE_REMOVE;
  }
  memcpy (rtp + 2, &sequence, 2);
  memcpy (rtp + 4, &timestamp, 4);
  memcpy (rtp + 8, "TEPC", 4);
  memcpy (rtp + 12, phone->speech + phone->spoken, FRAME);
  tep_client_flow_send (phone->flow, rtp, sizeof rtp);
  phone->spoken += FRAME;
  return G_SOURCE_CONTINUE;
}

static void
flow_opened (GObject *source, GAsyncResult *result, gpointer data)
{
  Phone *phone = data;
  g_autoptr (GError) error = NULL;

  phone->flow = tep_client_binding_open_flow_finish (phone->binding, result, &error);
  if (phone->flow == NULL) {
    g_printerr ("endpoint: no flow: %s\n", error->message);
    phone->exit_code = 1;
    tep_client_session_close (phone->session);
    return;
  }
  g_timeout_add_full (G_PRIORITY_HIGH, 20, speak, phone, NULL);
}

static void
leased (GObject *source, GAsyncResult *result, gpointer data)
{
  Phone *phone = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *address = NULL;

  phone->binding = tep_client_session_lease_finish (phone->session, result, &error);
  if (phone->binding == NULL) {
    g_printerr ("endpoint: no lease: %s\n", error->message);
    phone->exit_code = 1;
    tep_client_session_close (phone->session);
    return;
  }
  address = stun_ext_address_to_string (tep_client_binding_get_address (phone->binding));
  g_printerr ("endpoint: my public address is %s\n", address);
  tep_client_binding_open_flow_async (phone->binding, &phone->gateway, 0, 0, -1, NULL, flow_opened,
                                      phone);
}

static void
state_changed (TepClientSession *session, int before, int now, GError *cause, gpointer data)
{
  Phone *phone = data;

  g_printerr ("endpoint: %s%s%s\n", tep_client_state_name (now), cause != NULL ? ": " : "",
              cause != NULL ? cause->message : "");
  if (now == TEP_CLIENT_STATE_CLOSED) {
    phone->exit_code |= cause != NULL;
    g_main_loop_quit (phone->loop);
  }
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("SERVER:PORT");
  g_autoptr (TepClientOptions) options = tep_client_options_new ();
  g_autoptr (GSocketConnectable) server = NULL;
  g_autoptr (GError) error = NULL;
  TepClientLease lease = { .wanted_port = 40000 };
  Phone phone = { .heard = g_byte_array_new () };

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 2 ||
      (server = g_network_address_parse (argv[1], 443, &error)) == NULL || gateway_name == NULL ||
      !stun_ext_address_parse (gateway_name, &phone.gateway, &error) ||
      !g_file_get_contents (password_file, &options->password, NULL, &error) ||
      !g_file_get_contents (speak_path, &phone.speech, &phone.length, &error)) {
    g_printerr ("endpoint: %s (see --help)\n",
                error != NULL ? error->message : "SERVER:PORT or --gateway is missing");
    return 2;
  }
  options->host = g_strdup (g_network_address_get_hostname (G_NETWORK_ADDRESS (server)));
  options->port = g_network_address_get_port (G_NETWORK_ADDRESS (server));
  options->is_tls = is_tls;
  options->ca_file = g_strdup (ca_file);
  options->proxy = g_strdup (proxy);
  options->user = g_strdup (user);
  g_strchomp (options->password);

  phone.loop = g_main_loop_new (NULL, FALSE);
  phone.session = tep_client_session_new (options);
  g_signal_connect (phone.session, "state-changed", G_CALLBACK (state_changed), &phone);
  tep_client_session_lease_async (phone.session, &lease, hear, &phone, NULL, leased, &phone);
  tep_client_session_open (phone.session);
  g_main_loop_run (phone.loop);
  return phone.exit_code;
}
