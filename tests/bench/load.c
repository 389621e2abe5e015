/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The load of the relay benchmark: many tunnels to TEP-S, or as many TURN allocations over TCP to any TURN server, carrying the
 * same packets at the same pace to one UDP peer of this program's own, or from it. One thread, one clock. What the server spent
 * is read from /proc by whoever runs this. Prints one line of JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stun-ext/attribute.h"
#include "stun-ext/channel-data.h"
#include "stun-ext/integrity.h"
#include "stun-ext/stream.h"
#include "tep-c/tunnel.h"

#define PAYLOAD 172 /* octets: RTP with 20 ms of G.711, 200 octets of IPv4 packet */
#define STAMP_AT 12 /* where the sending time stands in it */
#define SAMPLES_MAX 2000000
#define OPENING_AT_ONCE 64
#define CHANNEL 0x4001

static char *server_text = "127.0.0.1:3478", *peer_text = "127.0.0.1:0", *user = "bench", *password;
static char *kind = "tep", *direction = "up";
static int n_tunnels = 1000, rate = 50, seconds = 10;
static gboolean is_idle, is_long_term;
static const GOptionEntry entries[] = {
  { "kind", 0, 0, G_OPTION_ARG_STRING, &kind, "tep, turn, or direct (no relay)", "KIND" },
  { "direction", 0, 0, G_OPTION_ARG_STRING, &direction, "up, down, or both (a call)", "WAY" },
  { "server", 0, 0, G_OPTION_ARG_STRING, &server_text, "Server", "ADDRESS:PORT" },
  { "peer", 0, 0, G_OPTION_ARG_STRING, &peer_text, "Where the UDP peer listens", "ADDRESS:PORT" },
  { "user", 0, 0, G_OPTION_ARG_STRING, &user, "User of TEP-S", "NAME" },
  { "password", 0, 0, G_OPTION_ARG_STRING, &password, "Its password", "TEXT" },
  { "tunnels", 0, 0, G_OPTION_ARG_INT, &n_tunnels, "Tunnels", "N" },
  { "rate", 0, 0, G_OPTION_ARG_INT, &rate, "Packets per second and tunnel", "N" },
  { "seconds", 0, 0, G_OPTION_ARG_INT, &seconds, "Duration", "S" },
  { "long-term", 0, 0, G_OPTION_ARG_NONE, &is_long_term, "Prove a long-term credential", NULL },
  { "idle", 0, 0, G_OPTION_ARG_NONE, &is_idle, "Open the tunnels and send nothing", NULL },
  G_OPTION_ENTRY_NULL
};

typedef enum {
  OPENING,
  READY,
  BROKEN
} Phase;

typedef struct {
  int descriptor;
  Phase phase;
  GByteArray *output;
  /* TEP */
  TepClientTunnel *tunnel;
  TepClientTunnelBinding *binding;
  TepClientTunnelFlow *flow;
  gint64 connected_us;
  /* TURN */
  StunExtStream stream;
  gboolean is_allocated;
  struct sockaddr_storage relayed;
  gsize relayed_length;
} Leg;

static Leg *legs;
static int epoll_descriptor, udp;
static StunExtAddress server, peer;
static TepClientOptions *options;
static guint n_ready, n_broken;
static guint64 n_sent, n_received, n_blocked;
static guint64 n_octets;        /* in the tunnels' streams, both ways */
static gint64 slowest_lease_us; /* from TCP established to the lease known */
static guint32 *samples;        /* microseconds */
static guint n_samples;

static gint64
clock_us (void)
{
  return g_get_monotonic_time ();
}

static void
fill_random (gpointer leg, guint8 *octets, gsize length)
{
  if (getrandom (octets, length, 0) != (gssize)length)
    abort ();
}

static void
note_arrival (const guint8 *payload, gsize length)
{
  gint64 sent_us;

  if (length != PAYLOAD)
    return;
  n_received++;
  memcpy (&sent_us, payload + STAMP_AT, sizeof sent_us);
  if (n_samples < SAMPLES_MAX)
    samples[n_samples++] = CLAMP (clock_us () - sent_us, 0, G_MAXUINT32);
}

static void
mark_ready (Leg *leg)
{
  if (leg->phase != OPENING)
    return;
  leg->phase = READY;
  n_ready++;
}

static void
mark_broken (Leg *leg)
{
  if (leg->phase == BROKEN)
    return;
  n_ready -= leg->phase == READY;
  leg->phase = BROKEN;
  n_broken++;
  close (leg->descriptor);
}

static void
flush (Leg *leg)
{
  gssize n;

  if (leg->output->len == 0 || leg->phase == BROKEN)
    return;
  n = send (leg->descriptor, leg->output->data, leg->output->len, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n > 0) {
    n_octets += n;
    g_byte_array_remove_range (leg->output, 0, n);
  } else if (errno != EAGAIN) {
    mark_broken (leg);
  }
}

/* TEP */

static void
tep_state (gpointer user_data,
           TepClientTunnelState before,
           TepClientTunnelState now,
           const GError *cause)
{
  if (cause != NULL) {
    g_printerr ("load: %s\n", cause->message);
    mark_broken (user_data);
  }
}

static void
tep_binding (gpointer user_data, TepClientTunnelBinding *binding, const GError *error)
{
  Leg *leg = user_data;

  if (error != NULL) {
    g_printerr ("load: %s\n", error->message);
    mark_broken (leg);
    return;
  }
  leg->relayed_length = stun_ext_address_to_sockaddr (&binding->address, &leg->relayed);
  slowest_lease_us = MAX (slowest_lease_us, clock_us () - leg->connected_us);
}

static void
tep_flow (gpointer user_data, TepClientTunnelFlow *flow, const GError *error)
{
  if (error == NULL) {
    mark_ready (user_data);
  } else {
    g_printerr ("load: %s\n", error->message);
    mark_broken (user_data);
  }
}

static void
tep_packet (gpointer user_data, const TepClientArrival *arrival)
{
  note_arrival (arrival->payload, arrival->length);
}

static void
tep_inner (gpointer user_data, const StunExtInnerPacket *packet)
{
}

static const TepClientTunnelEvents tep_events = { .state = tep_state,
                                                  .binding = tep_binding,
                                                  .flow = tep_flow,
                                                  .packet = tep_packet,
                                                  .inner = tep_inner,
                                                  .random = fill_random };

static void
tep_begin (Leg *leg)
{
  const TepClientLease lease = { .family = 4 };

  leg->tunnel = tep_client_tunnel_new (options, leg->output, &tep_events, leg);
  leg->binding = tep_client_tunnel_add_binding (leg->tunnel, &lease, leg, clock_us ());
  leg->flow =
      tep_client_tunnel_add_flow (leg->tunnel, leg->binding, &peer, 0, 0, -1, leg, clock_us ());
  leg->connected_us = clock_us ();
  tep_client_tunnel_connected (leg->tunnel, leg->connected_us, g_get_real_time () / 1000, NULL);
}

/* TURN, RFC 8656, without authentication */

static void
turn_request (Leg *leg, guint16 method)
{
  guint8 message[256];
  guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH];
  StunExtBuilder builder;
  gsize length;

  fill_random (leg, id, sizeof id);
  stun_ext_builder_begin (&builder, message, sizeof message, STUN_EXT_CLASS_REQUEST, method, id);
  if (method == STUN_EXT_METHOD_ALLOCATE) {
    stun_ext_builder_add_u32 (&builder, STUN_EXT_ATTRIBUTE_REQUESTED_TRANSPORT, 17u << 24);
  } else {
    stun_ext_builder_add_u32 (&builder, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER, CHANNEL << 16);
    stun_ext_builder_add_xor_address (&builder, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, &peer);
  }
  if (stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 }, FALSE,
                               &length))
    g_byte_array_append (leg->output, message, length);
}

static void
turn_message (Leg *leg, const guint8 *body, gsize length)
{
  StunExtMessage message;
  StunExtAddress relayed;
  StunExtChannelData data;

  if (stun_ext_channel_data_parse (&data, body, length)) {
    note_arrival (data.payload.data, data.payload.length);
    return;
  }
  if (stun_ext_message_parse (&message, body, length) != STUN_EXT_PARSE_OK)
    return;
  if (message.message_class != STUN_EXT_CLASS_SUCCESS) {
    g_printerr ("load: the TURN server refused method 0x%x\n", message.method);
    mark_broken (leg);
  } else if (message.method == STUN_EXT_METHOD_ALLOCATE) {
    if (stun_ext_message_get_xor_address (&message, STUN_EXT_ATTRIBUTE_XOR_RELAYED_ADDRESS,
                                          &relayed) == STUN_EXT_GET_OK)
      leg->relayed_length = stun_ext_address_to_sockaddr (&relayed, &leg->relayed);
    turn_request (leg, STUN_EXT_METHOD_CHANNEL_BIND);
  } else {
    mark_ready (leg);
  }
}

static void
turn_begin (Leg *leg)
{
  stun_ext_stream_init (&leg->stream, STUN_EXT_FRAMING_TURN, 4096);
  turn_request (leg, STUN_EXT_METHOD_ALLOCATE);
}

static gboolean
is_tep (void)
{
  return g_str_equal (kind, "tep");
}

static void
leg_input (Leg *leg, const guint8 *data, gsize length)
{
  const guint8 *body;
  gsize body_length;

  if (is_tep ()) {
    if (!tep_client_tunnel_input (leg->tunnel, data, length, clock_us (), NULL))
      mark_broken (leg);
    return;
  }
  stun_ext_stream_push (&leg->stream, data, length);
  while (stun_ext_stream_next (&leg->stream, &body, &body_length) == STUN_EXT_STREAM_FRAME)
    turn_message (leg, body, body_length);
}

static void
leg_send (Leg *leg, const guint8 *payload)
{
  guint8 unit[PAYLOAD + 8];
  StunExtWriter writer;

  if (leg->output->len > 0) {
    n_blocked++;
    return;
  }
  if (is_tep ()) {
    if (tep_client_tunnel_send (leg->tunnel, leg->flow, payload, PAYLOAD, clock_us ()) !=
        TEP_CLIENT_SENT)
      return;
  } else {
    stun_ext_writer_init (&writer, unit, sizeof unit);
    stun_ext_channel_data_write (&writer, CHANNEL, payload, PAYLOAD, TRUE);
    g_byte_array_append (leg->output, unit, writer.length);
  }
  n_sent++;
  flush (leg);
}

static void
leg_read (Leg *leg)
{
  guint8 buffer[16384];
  gssize n;

  if (leg->phase == BROKEN)
    return;
  n = recv (leg->descriptor, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n > 0) {
    n_octets += n;
    leg_input (leg, buffer, n);
  } else if (n == 0 || errno != EAGAIN) {
    mark_broken (leg);
  }
  flush (leg);
}

/* Driver */

static void
leg_open (Leg *leg)
{
  struct sockaddr_storage address;
  gsize length = stun_ext_address_to_sockaddr (&server, &address);
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = leg };
  int one = 1;

  leg->output = g_byte_array_new ();
  leg->descriptor = socket (address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (leg->descriptor < 0 || connect (leg->descriptor, (struct sockaddr *)&address, length) != 0) {
    g_printerr ("load: %s: %s\n", server_text, g_strerror (errno));
    exit (1);
  }
  setsockopt (leg->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  epoll_ctl (epoll_descriptor, EPOLL_CTL_ADD, leg->descriptor, &event);
  if (is_tep ())
    tep_begin (leg);
  else
    turn_begin (leg);
  flush (leg);
}

static void
read_peer (void)
{
  static guint8 buffers[64][2048];
  struct mmsghdr messages[64] = { 0 };
  struct iovec vectors[64];
  int n;

  for (guint i = 0; i < 64; i++) {
    vectors[i] = (struct iovec){ buffers[i], sizeof buffers[i] };
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  while ((n = recvmmsg (udp, messages, 64, MSG_DONTWAIT, NULL)) > 0) {
    for (int i = 0; i < n; i++)
      note_arrival (buffers[i], messages[i].msg_len);
  }
}

static void
poll_once (int timeout_ms)
{
  struct epoll_event events[256];
  int n = epoll_wait (epoll_descriptor, events, G_N_ELEMENTS (events), timeout_ms);

  for (int i = 0; i < n; i++) {
    if (events[i].data.ptr == NULL)
      read_peer ();
    else
      leg_read (events[i].data.ptr);
  }
}

static void
open_peer (void)
{
  struct sockaddr_storage address;
  socklen_t length = stun_ext_address_to_sockaddr (&peer, &address);
  struct epoll_event event = { .events = EPOLLIN };
  int size = 8 * 1024 * 1024;

  udp = socket (address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt (udp, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  if (udp < 0 || bind (udp, (struct sockaddr *)&address, length) != 0) {
    g_printerr ("load: peer %s: %s\n", peer_text, g_strerror (errno));
    exit (1);
  }
  length = sizeof address;
  getsockname (udp, (struct sockaddr *)&address, &length);
  stun_ext_address_from_sockaddr (&peer, (struct sockaddr *)&address, length);
  epoll_ctl (epoll_descriptor, EPOLL_CTL_ADD, udp, &event);
}

static void
open_legs (void)
{
  gint64 deadline = clock_us () + 60 * (gint64)G_USEC_PER_SEC;

  for (int i = 0; i < n_tunnels; i++) {
    leg_open (&legs[i]);
    while ((guint)i + 1 > n_ready + n_broken + OPENING_AT_ONCE && clock_us () < deadline)
      poll_once (10);
  }
  while (n_ready + n_broken < (guint)n_tunnels && clock_us () < deadline)
    poll_once (10);
}

static void
send_one (guint index, gboolean is_up)
{
  guint8 payload[PAYLOAD] = { 0x80 };
  gint64 now_us = clock_us ();
  Leg *leg = &legs[index];
  struct sockaddr_storage target;
  gsize length;

  memcpy (payload + STAMP_AT, &now_us, sizeof now_us);
  if (g_str_equal (kind, "direct")) {
    length = stun_ext_address_to_sockaddr (&peer, &target);
    n_sent +=
        sendto (udp, payload, sizeof payload, MSG_DONTWAIT, (struct sockaddr *)&target, length) > 0;
  } else if (leg->phase != READY) {
    return;
  } else if (is_up) {
    leg_send (leg, payload);
  } else if (sendto (udp, payload, sizeof payload, MSG_DONTWAIT, (struct sockaddr *)&leg->relayed,
                     leg->relayed_length) > 0) {
    n_sent++;
  } else {
    n_blocked++;
  }
}

static void
tick_tunnels (void)
{
  for (int i = 0; i < n_tunnels && is_tep (); i++) {
    if (legs[i].phase == READY && clock_us () >= tep_client_tunnel_deadline (legs[i].tunnel)) {
      tep_client_tunnel_tick (legs[i].tunnel, clock_us (), NULL);
      flush (&legs[i]);
    }
  }
}

/* Evenly spread: packet n of all goes out n / (tunnels * rate) seconds after the start. */
static void
run (void)
{
  gboolean is_both = g_str_equal (direction, "both");
  gint64 begin = clock_us ();
  gint64 end = begin + seconds * (gint64)G_USEC_PER_SEC;
  double interval_us = 1e6 / ((double)n_tunnels * rate * (is_both ? 2 : 1));
  gboolean is_up = g_str_equal (direction, "up");
  guint64 n = 0;
  gint64 next_tick = begin;

  while (clock_us () < end) {
    gint64 now_us = clock_us ();

    for (guint burst = 0; burst < 64 && !is_idle && begin + n * interval_us <= now_us; burst++, n++)
      send_one (n % n_tunnels, is_both ? (n / n_tunnels) % 2 == 0 : is_up);
    if (now_us >= next_tick) {
      tick_tunnels ();
      next_tick = now_us + 50000;
    }
    poll_once (is_idle ? 10 : 0);
  }
  for (gint64 until = clock_us () + 200000; clock_us () < until;)
    poll_once (1);
}

static int
compare (const void *a, const void *b)
{
  guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;

  return x < y ? -1 : x > y;
}

/* Of the sorted samples; 0 if there are none. */
static guint32
sample_at (guint percent)
{
  return n_samples > 0 ? samples[(guint64)(n_samples - 1) * percent / 100] : 0;
}

static void
wait_for_line (const char *said)
{
  char line[16];

  printf ("%s\n", said);
  fflush (stdout);
  if (fgets (line, sizeof line, stdin) == NULL)
    exit (1);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  struct rlimit descriptors;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, NULL) || n_tunnels < 1 || rate < 1 ||
      !stun_ext_address_parse (server_text, &server) ||
      !stun_ext_address_parse (peer_text, &peer)) {
    g_printerr ("load: see --help\n");
    return 64;
  }
  getrlimit (RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = descriptors.rlim_max;
  setrlimit (RLIMIT_NOFILE, &descriptors);
  options = tep_client_options_new ();
  options->host =
      g_strdup_printf ("%.*s", (int)(strrchr (server_text, ':') - server_text), server_text);
  options->user = g_strdup (user);
  options->password = g_strdup (password != NULL ? password : "benchmark password");
  options->mechanism =
      is_long_term ? TEP_CLIENT_MECHANISM_LONG_TERM : TEP_CLIENT_MECHANISM_SHORT_TERM;
  legs = g_new0 (Leg, n_tunnels);
  samples = g_new (guint32, SAMPLES_MAX);
  epoll_descriptor = epoll_create1 (EPOLL_CLOEXEC);
  open_peer ();
  if (!g_str_equal (kind, "direct"))
    open_legs ();
  /* The caller reads the server's counters now, and again when the run is over. */
  wait_for_line (n_broken > 0 ? "broken" : "ready");
  n_octets = 0;
  run ();
  qsort (samples, n_samples, sizeof *samples, compare);
  printf (
      "{\"tunnels\": %u, \"sent\": %zu, \"received\": %zu, \"blocked\": %zu, \"lease_us\": %ld, "
      "\"overhead\": %.2f, \"p50_us\": %u, \"p95_us\": %u, \"p99_us\": %u, \"max_us\": %u}\n",
      n_ready, (gsize)n_sent, (gsize)n_received, (gsize)n_blocked, (long)slowest_lease_us,
      (double)n_octets / MAX (1, n_sent) - PAYLOAD, sample_at (50), sample_at (95), sample_at (99),
      sample_at (100));
  wait_for_line ("done");
  return n_broken > 0;
}
