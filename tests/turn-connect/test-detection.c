/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole runs on loopback, against servers that answer as they please. */
#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"
#include "support.h"
#include "turn-connect/detect/detection.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER "127.83.0.1"
#define ELSEWHERE "127.83.0.2"

typedef enum {
  HONEST,
  FROM_ELSEWHERE,
  WITH_ANOTHER_ID,
  WITHOUT_ADDRESS,
  GARBAGE,
  REFUSES_ATTRIBUTES,
  WITH_OTHER_ADDRESS_OF_OURS,
  AN_ENDLESS_FLOOD,
} Manner;

typedef struct {
  Manner manner;
  int descriptor, elsewhere;
  guint16 port;
  GSource *input;
  guint n_asked;
} Server;

static gsize
write_answer (Server *server,
              const StunExtMessage *request,
              const StunExtAddress *source,
              guint8 *buffer)
{
  StunExtBuilder builder;
  StunExtAddress ours = *source;
  gsize length = 0;

  if (server->manner == REFUSES_ATTRIBUTES)
    stun_ext_builder_begin_error (&builder, buffer, 512, request, STUN_EXT_CODE_UNKNOWN_ATTRIBUTE);
  else
    stun_ext_builder_begin_success (&builder, buffer, 512, request);
  if (server->manner != WITHOUT_ADDRESS && server->manner != REFUSES_ATTRIBUTES)
    stun_ext_builder_add_xor_address (&builder, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS, source);
  ours.port = 22;
  if (server->manner == WITH_OTHER_ADDRESS_OF_OURS)
    stun_ext_builder_add_address (&builder, STUN_EXT_ATTRIBUTE_OTHER_ADDRESS, &ours);
  g_assert_true (stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 },
                                          TRUE, &length));
  if (server->manner == WITH_ANOTHER_ID)
    buffer[8] ^= 1;
  if (server->manner == GARBAGE)
    memset (buffer + 4, 0xa5, length - 4);
  return length;
}

static gboolean
server_asked (gint descriptor, GIOCondition condition, gpointer data)
{
  Server *server = data;
  guint8 request[2048], answer[512];
  struct sockaddr_storage native;
  socklen_t native_length = sizeof native;
  ssize_t n = recvfrom (descriptor, request, sizeof request, MSG_DONTWAIT,
                        (struct sockaddr *)&native, &native_length);
  StunExtMessage message;
  StunExtAddress source;
  gsize length;

  if (n < 0 || stun_ext_message_parse (&message, request, (gsize)n) != STUN_EXT_PARSE_OK)
    return G_SOURCE_CONTINUE;
  server->n_asked++;
  stun_ext_address_from_sockaddr (&source, (struct sockaddr *)&native, native_length);
  length = write_answer (server, &message, &source, answer);
  for (guint i = 0; i < (server->manner == AN_ENDLESS_FLOOD ? 200 : 1); i++)
    sendto (server->manner == FROM_ELSEWHERE ? server->elsewhere : descriptor, answer, length, 0,
            (struct sockaddr *)&native, native_length);
  return G_SOURCE_CONTINUE;
}

static void
server_open (Server *server, Manner manner)
{
  guint16 port;

  memset (server, 0, sizeof *server);
  server->manner = manner;
  server->descriptor = support_bind_datagrams (SERVER, &server->port);
  server->elsewhere = support_bind_datagrams (ELSEWHERE, &port);
  server->input = g_unix_fd_source_new (server->descriptor, G_IO_IN);
  g_source_set_callback (server->input, G_SOURCE_FUNC (server_asked), server, NULL);
  g_source_attach (server->input, NULL);
}

static void
server_close (Server *server)
{
  g_source_destroy (server->input);
  g_source_unref (server->input);
  close (server->descriptor);
  close (server->elsewhere);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Server, server_close)

typedef struct {
  gboolean is_done;
  guint n_told;
  GError *error;
} Run;

static void
run_done (GObject *source, GAsyncResult *result, gpointer data)
{
  Run *run = data;

  g_clear_error (&run->error);
  turn_connect_detection_run_finish (TURN_CONNECT_DETECTION (source), result, &run->error);
  run->is_done = TRUE;
  run->n_told++;
}

static TurnConnectDetection *
make_detection (const Server *server)
{
  g_autoptr (TurnConnectTarget) target = turn_connect_target_new (SERVER, server->port, NULL);
  TurnConnectDetection *detection = turn_connect_detection_new (target);
  g_autoptr (GError) error = NULL;

  /* Nothing may leave this machine. */
  turn_connect_detection_set_interface (detection, "lo", &error);
  g_assert_no_error (error);
  turn_connect_detection_set_family (detection, 4);
  return detection;
}

static const TurnConnectProbe *
find_probe (TurnConnectDetection *detection, guint16 port)
{
  const TurnConnectObservations *observations = turn_connect_detection_get_observations (detection);

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    g_assert_cmpint (probe->outcome, !=, TURN_CONNECT_OUTCOME_PENDING);
    g_assert_cmpint (probe->end_us, >=, probe->start_us);
    if (probe->kind == TURN_CONNECT_PROBE_STUN && probe->target.port == port)
      return probe;
  }
  g_assert_not_reached ();
}

static const TurnConnectProbe *
find_tcp_probe (TurnConnectDetection *detection, guint16 port)
{
  const TurnConnectObservations *observations = turn_connect_detection_get_observations (detection);

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_PORT && probe->target.port == port)
      return probe;
  }
  g_assert_not_reached ();
}

typedef struct {
  const char *name;
  Manner manner;
  TurnConnectOutcome outcome;
} Row;

static const Row rows[] = {
  { "honest", HONEST, TURN_CONNECT_OUTCOME_ANSWER },
  { "from-elsewhere", FROM_ELSEWHERE, TURN_CONNECT_OUTCOME_WRONG_SOURCE },
  { "with-another-id", WITH_ANOTHER_ID, TURN_CONNECT_OUTCOME_SILENCE },
  { "without-address", WITHOUT_ADDRESS, TURN_CONNECT_OUTCOME_WRONG_ANSWER },
  { "garbage", GARBAGE, TURN_CONNECT_OUTCOME_SILENCE },
  { "refuses-attributes", REFUSES_ATTRIBUTES, TURN_CONNECT_OUTCOME_UNSUPPORTED },
  { "with-other-address-of-ours", WITH_OTHER_ADDRESS_OF_OURS, TURN_CONNECT_OUTCOME_ANSWER },
  { "an-endless-flood", AN_ENDLESS_FLOOD, TURN_CONNECT_OUTCOME_ANSWER },
};

static void
check_row (const Row *row, const Server *server, TurnConnectDetection *detection, const Run *run)
{
  g_test_message ("%s", row->name);
  g_assert_no_error (run->error);
  g_assert_cmpint (find_probe (detection, server->port)->outcome, ==, row->outcome);
  g_assert_cmpuint (server->n_asked, <=, 40);
  g_assert_cmpint (turn_connect_detection_get_observations (detection)->took_us, <, 8000000);
  if (row->outcome != TURN_CONNECT_OUTCOME_ANSWER)
    g_assert_cmpint (turn_connect_detection_get_verdict (detection)->type, ==,
                     TURN_CONNECT_TYPE_UNKNOWN);
}

/* All at once: each takes as long as its silences. */
static void
test_servers_may_answer_as_they_please (void)
{
  Server servers[G_N_ELEMENTS (rows)];
  TurnConnectDetection *detections[G_N_ELEMENTS (rows)];
  Run runs[G_N_ELEMENTS (rows)] = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    server_open (&servers[i], rows[i].manner);
    detections[i] = make_detection (&servers[i]);
    turn_connect_detection_run_async (detections[i], NULL, run_done, &runs[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    support_run_until (&runs[i].is_done);
    check_row (&rows[i], &servers[i], detections[i], &runs[i]);
    g_object_unref (detections[i]);
    server_close (&servers[i]);
  }
}

/* At whatever moment it is cancelled, it ends once, at once, and tells what it saw. */
static void
test_it_can_be_cancelled_at_any_time (void)
{
  g_auto (Server) server;

  server_open (&server, HONEST);
  for (guint ms = 0; ms < 80; ms += 4) {
    g_autoptr (TurnConnectDetection) detection = make_detection (&server);
    g_autoptr (GCancellable) cancellable = g_cancellable_new ();
    Run run = { 0 };

    if (ms == 0)
      g_cancellable_cancel (cancellable);
    turn_connect_detection_run_async (detection, cancellable, run_done, &run);
    g_assert_false (run.is_done);
    support_run_for (ms);
    g_cancellable_cancel (cancellable);
    support_run_until (&run.is_done);
    support_run_for (2);
    g_assert_cmpuint (run.n_told, ==, 1);
    g_assert_nonnull (turn_connect_detection_get_verdict (detection));
    run.is_done = FALSE;
    turn_connect_detection_run_async (detection, cancellable, run_done, &run);
    support_run_until (&run.is_done); /* a detection can run again */
    g_clear_error (&run.error);
  }
}

static void
count_progress (TurnConnectDetection *detection,
                const char *doing,
                const TurnConnectProbe *probe,
                gpointer data)
{
  guint *n_ended = data;

  g_assert_true ((doing == NULL) != (probe == NULL));
  *n_ended += probe != NULL;
}

static void
test_progress_tells_of_every_probe (void)
{
  g_auto (Server) server;
  g_autoptr (TurnConnectDetection) detection = NULL;
  guint n_ended = 0;
  Run run = { 0 };

  server_open (&server, HONEST);
  detection = make_detection (&server);
  g_signal_connect (detection, "progress", G_CALLBACK (count_progress), &n_ended);
  turn_connect_detection_run_async (detection, NULL, run_done, &run);
  support_run_until (&run.is_done);
  g_assert_no_error (run.error);
  g_assert_cmpuint (n_ended, ==, turn_connect_detection_get_observations (detection)->probes->len);
}

static void
test_an_interface_that_is_not_there_is_refused (void)
{
  g_autoptr (TurnConnectTarget) target = turn_connect_target_new (SERVER, 3478, NULL);
  g_autoptr (TurnConnectDetection) detection = turn_connect_detection_new (target);
  g_autoptr (GError) error = NULL;

  g_assert_false (turn_connect_detection_set_interface (detection, "nowhere0", &error));
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
}

/* TCP */

typedef struct {
  int listener, connections[4];
  guint n_connections, n_mute; /* the first ones are not answered */
} Door;

static gboolean
door_asked (gint descriptor, GIOCondition condition, gpointer data)
{
  guint8 request[2048], answer[512];
  StunExtAddress source = { 0 };
  StunExtMessage message;
  Server honest = { .manner = HONEST };
  ssize_t n = recv (descriptor, request, sizeof request, MSG_DONTWAIT);

  if (n <= 0)
    return G_SOURCE_REMOVE;
  g_assert_cmpint (stun_ext_message_parse (&message, request, (gsize)n), ==, STUN_EXT_PARSE_OK);
  g_assert_true (stun_ext_address_parse (SERVER, &source));
  send (descriptor, answer, write_answer (&honest, &message, &source, answer), MSG_NOSIGNAL);
  return G_SOURCE_CONTINUE;
}

static gboolean
door_knocked (gint descriptor, GIOCondition condition, gpointer data)
{
  Door *door = data;
  int connection = support_accept (descriptor);

  g_assert_cmpuint (door->n_connections, <, G_N_ELEMENTS (door->connections));
  door->connections[door->n_connections++] = connection;
  if (door->n_connections > door->n_mute)
    g_unix_fd_add (connection, G_IO_IN, door_asked, door);
  return G_SOURCE_CONTINUE;
}

/* A box that takes connections in the far end's place begins them anew, and may lose its first packet. */
static void
test_a_connection_that_stays_unanswered_is_joined_by_another (void)
{
  for (guint n_mute = 0; n_mute < 2; n_mute++) {
    Door door = { .n_mute = n_mute };
    Server named = { 0 };
    g_autoptr (TurnConnectDetection) detection = NULL;
    Run run = { 0 };
    guint listening;

    door.listener = support_listen (SERVER, 8, &named.port);
    listening = g_unix_fd_add (door.listener, G_IO_IN, door_knocked, &door);
    detection = make_detection (&named);
    turn_connect_detection_set_probes (detection, TURN_CONNECT_PROBE_SET_PORTS);
    turn_connect_detection_run_async (detection, NULL, run_done, &run);
    support_run_until (&run.is_done);
    g_assert_no_error (run.error);
    g_assert_cmpint (find_tcp_probe (detection, named.port)->outcome, ==,
                     TURN_CONNECT_OUTCOME_ANSWER);
    g_assert_cmpuint (door.n_connections, ==, n_mute + 1);
    g_source_remove (listening);
    for (guint i = 0; i < door.n_connections; i++) {
      support_run_for (1);
      close (door.connections[i]);
    }
    close (door.listener);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
  support_resolver_set ("ipv4only.arpa", "");
  g_test_add_func ("/turn-connect/detection/servers-may-answer-as-they-please",
                   test_servers_may_answer_as_they_please);
  g_test_add_func ("/turn-connect/detection/it-can-be-cancelled-at-any-time",
                   test_it_can_be_cancelled_at_any_time);
  g_test_add_func (
      "/turn-connect/detection/a-connection-that-stays-unanswered-is-joined-by-another",
      test_a_connection_that_stays_unanswered_is_joined_by_another);
  g_test_add_func ("/turn-connect/detection/progress-tells-of-every-probe",
                   test_progress_tells_of_every_probe);
  g_test_add_func ("/turn-connect/detection/an-interface-that-is-not-there-is-refused",
                   test_an_interface_that_is_not_there_is_refused);
  return g_test_run ();
}
