/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A telephone in one file: a lease at TEP-S, a flow to a gateway, a mu-law recording spoken and heard as RTP. */
#include <string.h>

#include <tep-c/session.h>

#define FRAME 160 /* octets: 20 ms of G.711 at 8 kHz */

typedef struct {
  GMainLoop *loop;
  TepClientSession *session;
  TepClientFlow *flow;
  StunExtAddress gateway;
  char *speech, *hear_path;
  gsize length, spoken;
  GByteArray *heard;
  int status;
} Phone;

static gboolean
hang_up (gpointer data)
{
  Phone *phone = data;
  TepClientFlowQuality q;
  TepClientStatistics s;

  tep_client_flow_get_quality (phone->flow, &q);
  tep_client_session_get_statistics (phone->session, &s);
  g_print ("{\"path\": \"tunnel\", \"sent\": %zu, \"received\": %zu, \"lost\": %zu, \"late\": %zu, "
           "\"jitter_ms\": %.2f, \"first_media_ms\": %.1f, \"round_trip_ms\": %u}\n",
           (gsize)q.sent, (gsize)q.received, (gsize)q.lost, (gsize)q.late, q.jitter_ms,
           s.first_packet_us / 1000.0, s.round_trip_ms);
  phone->status =
      !g_file_set_contents (phone->hear_path, (char *)phone->heard->data, phone->heard->len, NULL);
  tep_client_session_close (phone->session);
  return G_SOURCE_REMOVE;
}

/* RTP, RFC 3550 section 5.1: twelve octets, then the audio. */
static void
hear (TepClientBinding *binding, const TepClientPacket *packet, gpointer data)
{
  if (packet->length > 12)
    g_byte_array_append (((Phone *)data)->heard, packet->payload + 12, packet->length - 12);
}

static gboolean
speak (gpointer data)
{
  Phone *phone = data;
  guint8 rtp[12 + FRAME] = { [0] = 0x80 };
  guint16 sequence = g_htons (phone->spoken / FRAME);
  guint32 timestamp = g_htonl (phone->spoken);

  if (phone->spoken + FRAME > phone->length) {
    g_timeout_add (1000, hang_up, phone); /* the far side may still be speaking */
    return G_SOURCE_REMOVE;
  }
  memcpy (rtp + 2, &sequence, 2);
  memcpy (rtp + 4, &timestamp, 4);
  memcpy (rtp + 12, phone->speech + phone->spoken, FRAME);
  tep_client_flow_send (phone->flow, rtp, sizeof rtp);
  phone->spoken += FRAME;
  return G_SOURCE_CONTINUE;
}

static void
flow_opened (GObject *binding, GAsyncResult *result, gpointer data)
{
  Phone *phone = data;
  g_autoptr (GError) error = NULL;

  phone->flow = tep_client_binding_open_flow_finish (TEP_CLIENT_BINDING (binding), result, &error);
  if (phone->flow == NULL) {
    g_printerr ("endpoint: no flow: %s\n", error->message);
    tep_client_session_close (phone->session);
    return;
  }
  g_timeout_add_full (G_PRIORITY_HIGH, 20, speak, phone, NULL);
}

static void
leased (GObject *session, GAsyncResult *result, gpointer data)
{
  Phone *phone = data;
  g_autoptr (GError) error = NULL;
  TepClientBinding *binding = tep_client_session_lease_finish (phone->session, result, &error);
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  if (binding == NULL)
    return; /* "state-changed" tells why */
  g_printerr ("endpoint: my public address is %s\n",
              stun_ext_address_print (tep_client_binding_get_address (binding), text));
  tep_client_binding_open_flow_async (binding, &phone->gateway, 0, 0, -1, NULL, flow_opened, phone);
}

static void
state_changed (TepClientSession *session, int before, int now, GError *cause, Phone *phone)
{
  g_printerr ("endpoint: %s%s%s\n", tep_client_state_name (now), cause != NULL ? ": " : "",
              cause != NULL ? cause->message : "");
  if (now == TEP_CLIENT_STATE_CLOSED)
    g_main_loop_quit (phone->loop);
}

int
main (int argc, char **argv)
{
  g_autoptr (TepClientOptions) options = tep_client_options_new ();
  const GOptionEntry entries[] = {
    { "proxy", 0, 0, G_OPTION_ARG_STRING, &options->proxy, "http://[USER:PASSWORD@]HOST:PORT",
      "URL" },
    { "tls", 0, 0, G_OPTION_ARG_NONE, &options->is_tls, "Use TLS", NULL },
    { "ca-file", 0, 0, G_OPTION_ARG_FILENAME, &options->ca_file, "Trusted issuers, PEM", "FILE" },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr (GOptionContext) context =
      g_option_context_new ("HOST PORT USER PASSWORD-FILE GATEWAY:PORT SPEAK HEAR");
  g_autoptr (GError) error = NULL;
  TepClientLease lease = { .wanted_port = 40000 };
  Phone phone = { .loop = g_main_loop_new (NULL, FALSE),
                  .heard = g_byte_array_new (),
                  .status = 1 };

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 8 ||
      !stun_ext_address_parse (argv[5], &phone.gateway) ||
      !g_file_get_contents (argv[4], &options->password, NULL, &error) ||
      !g_file_get_contents (argv[6], &phone.speech, &phone.length, &error)) {
    g_printerr ("endpoint: %s\n", error != NULL ? error->message : "see --help");
    return 64;
  }
  options->host = g_strdup (argv[1]);
  options->port = g_ascii_strtoull (argv[2], NULL, 10);
  options->user = g_strdup (argv[3]);
  g_strchomp (options->password);
  phone.hear_path = argv[7];
  phone.session = tep_client_session_new (options);
  g_signal_connect (phone.session, "state-changed", G_CALLBACK (state_changed), &phone);
  tep_client_session_lease_async (phone.session, &lease, hear, &phone, NULL, leased, &phone);
  tep_client_session_open (phone.session);
  g_main_loop_run (phone.loop);
  return phone.status;
}
