/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers that come after their time: something held them up, but nobody held them back. */
#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"
#include "support.h"
#include "turn-connect/detect/detection.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELD_UP_MS 1350 /* beyond the 1.2 s that filtering is listened for */
#define PATIENCE 64     /* tries for two ports that are free at both addresses */

static const char *const hosts[] = { "127.83.1.1", "127.83.1.2" };

typedef struct _Server Server;

typedef struct {
  Server *server;
  int descriptor;
  guint host, port; /* indexes */
  GSource *input;
} Socket;

/* A server of RFC 5780 with two addresses and two ports, slow to answer from another one. */
struct _Server {
  StunExtAddress addresses[2][2];
  Socket sockets[2][2];
  guint held_up_ms;
};

typedef struct {
  int descriptor;
  struct sockaddr_storage to;
  socklen_t to_length;
  guint8 octets[512];
  gsize length;
} Answer;

static gboolean
send_answer (gpointer data)
{
  Answer *answer = data;

  sendto (answer->descriptor, answer->octets, answer->length, 0, (struct sockaddr *)&answer->to,
          answer->to_length);
  return G_SOURCE_REMOVE;
}

static gboolean
asked (gint descriptor, GIOCondition condition, gpointer data)
{
  Socket *socket = data;
  Server *server = socket->server;
  guint8 request[2048];
  Answer *answer = g_new0 (Answer, 1);
  StunExtMessage message;
  StunExtBuilder builder;
  StunExtAddress source;
  guint32 change = 0;
  ssize_t n;

  answer->to_length = sizeof answer->to;
  n = recvfrom (descriptor, request, sizeof request, MSG_DONTWAIT, (struct sockaddr *)&answer->to,
                &answer->to_length);
  if (n < 0 || stun_ext_message_parse (&message, request, (gsize)n) != STUN_EXT_PARSE_OK) {
    g_free (answer);
    return G_SOURCE_CONTINUE;
  }
  stun_ext_address_from_sockaddr (&source, (struct sockaddr *)&answer->to, answer->to_length);
  stun_ext_message_get_u32 (&message, STUN_EXT_ATTRIBUTE_CHANGE_REQUEST, &change);
  stun_ext_builder_begin_success (&builder, answer->octets, sizeof answer->octets, &message);
  stun_ext_builder_add_xor_address (&builder, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS, &source);
  stun_ext_builder_add_address (&builder, STUN_EXT_ATTRIBUTE_OTHER_ADDRESS,
                                &server->addresses[!socket->host][!socket->port]);
  g_assert_true (stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 },
                                          TRUE, &answer->length));
  answer->descriptor = server
                           ->sockets[socket->host ^ !!(change & STUN_EXT_CHANGE_IP)]
                                    [socket->port ^ !!(change & STUN_EXT_CHANGE_PORT)]
                           .descriptor;
  g_timeout_add_full (G_PRIORITY_DEFAULT, change != 0 ? server->held_up_ms : 0, send_answer, answer,
                      g_free);
  return G_SOURCE_CONTINUE;
}

/* FALSE if somebody else has the port at the second address. */
static gboolean
bind_both (Server *server, guint port)
{
  struct sockaddr_storage native;
  guint16 number = 0;
  socklen_t length;

  server->sockets[0][port].descriptor = support_bind_datagrams (hosts[0], &number);
  for (guint host = 0; host < 2; host++) {
    g_assert_true (stun_ext_address_parse (hosts[host], &server->addresses[host][port]));
    server->addresses[host][port].port = number;
  }
  length = (socklen_t)stun_ext_address_to_sockaddr (&server->addresses[1][port], &native);
  server->sockets[1][port].descriptor =
      socket (AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind (server->sockets[1][port].descriptor, (struct sockaddr *)&native, length) == 0)
    return TRUE;
  close (server->sockets[0][port].descriptor);
  close (server->sockets[1][port].descriptor);
  return FALSE;
}

static void
server_open (Server *server, guint held_up_ms)
{
  memset (server, 0, sizeof *server);
  server->held_up_ms = held_up_ms;
  for (guint port = 0; port < 2; port++) {
    guint tries = 0;

    while (!bind_both (server, port))
      g_assert_cmpuint (++tries, <, PATIENCE);
  }
  for (guint i = 0; i < 4; i++) {
    Socket *socket = &server->sockets[i / 2][i % 2];

    socket->server = server;
    socket->host = i / 2;
    socket->port = i % 2;
    socket->input = g_unix_fd_source_new (socket->descriptor, G_IO_IN);
    g_source_set_callback (socket->input, G_SOURCE_FUNC (asked), socket, NULL);
    g_source_attach (socket->input, NULL);
  }
}

static void
server_close (Server *server)
{
  for (guint i = 0; i < 4; i++) {
    g_source_destroy (server->sockets[i / 2][i % 2].input);
    g_source_unref (server->sockets[i / 2][i % 2].input);
    close (server->sockets[i / 2][i % 2].descriptor);
  }
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Server, server_close)

static void
run_done (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;

  turn_connect_detection_run_finish (TURN_CONNECT_DETECTION (source), result, &error);
  g_assert_no_error (error);
  *(gboolean *)data = TRUE;
}

static guint
count_late (const TurnConnectObservations *observations)
{
  guint n = 0;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_FILTERING || probe->end_us <= probe->deadline_us)
      continue;
    g_assert_cmpint (probe->outcome, ==, TURN_CONNECT_OUTCOME_ANSWER);
    n++;
  }
  return n;
}

static void
check (guint held_up_ms, guint n_late)
{
  g_auto (Server) server;
  g_autoptr (TurnConnectTarget) target = NULL;
  g_autoptr (TurnConnectDetection) detection = NULL;
  g_autoptr (GError) error = NULL;
  gboolean is_done = FALSE;

  server_open (&server, held_up_ms);
  target = turn_connect_target_new (hosts[0], server.addresses[0][0].port, NULL);
  detection = turn_connect_detection_new (target);
  turn_connect_detection_set_interface (detection, "lo", &error); /* nothing may leave */
  g_assert_no_error (error);
  turn_connect_detection_set_family (detection, 4);
  turn_connect_detection_run_async (detection, NULL, run_done, &is_done);
  support_run_until (&is_done);
  g_assert_cmpuint (count_late (turn_connect_detection_get_observations (detection)), ==, n_late);
  g_assert_cmpint (turn_connect_detection_get_verdict (detection)->families[0].filtering, ==,
                   TURN_CONNECT_BEHAVIOUR_INDEPENDENT);
}

static void
test_an_answer_in_time_is_heard (void)
{
  check (0, 0);
}

static void
test_an_answer_that_was_held_up_is_no_silence (void)
{
  check (HELD_UP_MS, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
  support_resolver_set ("ipv4only.arpa", "");
  g_test_add_func ("/turn-connect/detect-late/an-answer-in-time-is-heard",
                   test_an_answer_in_time_is_heard);
  g_test_add_func ("/turn-connect/detect-late/an-answer-that-was-held-up-is-no-silence",
                   test_an_answer_that_was_held_up_is_no_silence);
  return g_test_run ();
}
