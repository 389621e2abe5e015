/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run that is cancelled ends once, at once, and for good: at every event of it, from inside the event, and between them. */
#include "stun-ext/attribute.h"
#include "stun-ext/detect.h"
#include "support.h"
#include "turn-connect/detect/detection.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 80
#define CANCELLED_MIN 31   /* runs that came to their event */
#define DESCRIPTORS 16384  /* some for each run, all at once */
#define AT_ONCE_US 1000000 /* with sanitizers, of all runs; a probe waits for longer than that */
#define PATIENCE_US (4 * G_USEC_PER_SEC) /* a deep run would listen for 15 s */

/* A far end with two addresses and two ports, as far as runs are concerned that end soon. */
typedef struct {
  int descriptors[2][2];
  GSource *inputs[2][2];
  StunExtAddress places[2][2];
  int listener;
  GSource *accepting;
  GPtrArray *streams; /* Stream */
} FarEnd;

typedef struct {
  FarEnd *far_end;
  int descriptor;
  GSource *input;
} Stream;

static const char *const hosts[2] = { "127.84.0.1", "127.84.0.2" };

static gsize
write_answer (FarEnd *far_end,
              const guint8 *data,
              gsize length,
              guint at,
              const StunExtAddress *source,
              guint32 *change,
              guint16 *port,
              guint8 answer[2048])
{
  StunExtMessage request;
  StunExtDetectMark mark;
  StunExtDetectAnswer said = { 0 };
  StunExtDetectKey key;
  gsize n = 0;

  *change = 0;
  *port = source->port;
  if (stun_ext_message_parse (&request, data, length) != STUN_EXT_PARSE_OK ||
      !stun_ext_message_get_detect (&request, &mark))
    return 0;
  if (stun_ext_message_get_u32 (&request, STUN_EXT_ATTRIBUTE_CHANGE_REQUEST, change) !=
      STUN_EXT_GET_OK)
    *change = 0;
  if (stun_ext_message_get_u16 (&request, STUN_EXT_ATTRIBUTE_RESPONSE_PORT, port) !=
      STUN_EXT_GET_OK)
    *port = source->port;
  said.mark = mark;
  said.mark.flags &= STUN_EXT_DETECT_FLAG_FILL;
  said.mapped = said.mapped_plain = *source;
  said.origin = far_end->places[at / 2][at % 2];
  said.other = far_end->places[1 - at / 2][1 - at % 2];
  g_assert_true (stun_ext_detect_key_derive (&key, (StunExtSpan){ NULL, 0 }, &mark.run));
  return stun_ext_detect_answer_write (&said, &request, &key, length, answer, 2048, &n) ? n : 0;
}

static gboolean
datagram_came (gint descriptor, GIOCondition condition, gpointer data)
{
  FarEnd *far_end = data;
  guint8 request[2048], answer[2048];
  struct sockaddr_storage native;
  socklen_t native_length = sizeof native;
  ssize_t n = recvfrom (descriptor, request, sizeof request, MSG_DONTWAIT,
                        (struct sockaddr *)&native, &native_length);
  StunExtAddress source;
  guint at = 0;
  guint32 change;
  guint16 port;
  gsize length;

  if (n < 0)
    return G_SOURCE_CONTINUE;
  while (at < 3 && far_end->descriptors[at / 2][at % 2] != descriptor)
    at++;
  stun_ext_address_from_sockaddr (&source, (struct sockaddr *)&native, native_length);
  length = write_answer (far_end, request, (gsize)n, at, &source, &change, &port, answer);
  if (change & STUN_EXT_CHANGE_IP)
    at ^= 2;
  if (change & STUN_EXT_CHANGE_PORT)
    at ^= 1;
  source.port = port;
  native_length = (socklen_t)stun_ext_address_to_sockaddr (&source, &native);
  if (length > 0)
    sendto (far_end->descriptors[at / 2][at % 2], answer, length, 0, (struct sockaddr *)&native,
            native_length);
  return G_SOURCE_CONTINUE;
}

static void
stream_free (gpointer data)
{
  Stream *stream = data;

  g_source_destroy (stream->input);
  g_source_unref (stream->input);
  close (stream->descriptor);
  g_free (stream);
}

static gboolean
octets_came (gint descriptor, GIOCondition condition, gpointer data)
{
  Stream *stream = data;
  guint8 request[2048], answer[2048];
  ssize_t n = recv (descriptor, request, sizeof request, MSG_DONTWAIT);
  guint32 change;
  guint16 port;
  gsize length = n > 0 ? write_answer (stream->far_end, request, (gsize)n, 0,
                                       &stream->far_end->places[0][0], &change, &port, answer)
                       : 0;

  if (length > 0)
    send (descriptor, answer, length, MSG_NOSIGNAL);
  else if (n <= 0)
    g_ptr_array_remove (stream->far_end->streams, stream);
  return G_SOURCE_CONTINUE;
}

static gboolean
connection_came (gint descriptor, GIOCondition condition, gpointer data)
{
  FarEnd *far_end = data;
  int accepted = accept4 (descriptor, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  Stream *stream;

  if (accepted < 0)
    return G_SOURCE_CONTINUE;
  stream = g_new0 (Stream, 1);
  stream->far_end = far_end;
  stream->descriptor = accepted;
  stream->input = g_unix_fd_source_new (accepted, G_IO_IN);
  g_source_set_callback (stream->input, G_SOURCE_FUNC (octets_came), stream, NULL);
  g_source_attach (stream->input, NULL);
  g_ptr_array_add (far_end->streams, stream);
  return G_SOURCE_CONTINUE;
}

static int
bind_at (const StunExtAddress *place, int type)
{
  int descriptor =
      socket (place->family == 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct sockaddr_storage native;
  socklen_t length = (socklen_t)stun_ext_address_to_sockaddr (place, &native);

  if (bind (descriptor, (struct sockaddr *)&native, length) == 0)
    return descriptor;
  close (descriptor);
  return -1;
}

/* The same two ports at both addresses, and the first for TCP too. */
static gboolean
bind_all (FarEnd *far_end, guint16 port)
{
  for (guint i = 0; i < 4; i++) {
    StunExtAddress *place = &far_end->places[i / 2][i % 2];

    g_assert_true (stun_ext_address_parse (hosts[i / 2], place));
    place->port = (guint16)(port + i % 2);
    far_end->descriptors[i / 2][i % 2] = bind_at (place, SOCK_DGRAM);
  }
  far_end->listener = bind_at (&far_end->places[0][0], SOCK_STREAM);
  for (guint i = 0; i < 4; i++) {
    if (far_end->descriptors[i / 2][i % 2] < 0 || far_end->listener < 0)
      return FALSE;
  }
  return listen (far_end->listener, 128) == 0;
}

static void
far_end_open (FarEnd *far_end)
{
  guint16 port = 30000;

  while (!bind_all (far_end, port)) {
    for (guint i = 0; i < 4; i++)
      close (far_end->descriptors[i / 2][i % 2]);
    close (far_end->listener);
    port += 2;
    g_assert_cmpuint (port, <, 60000);
  }
  for (guint i = 0; i < 4; i++) {
    GSource *input = g_unix_fd_source_new (far_end->descriptors[i / 2][i % 2], G_IO_IN);

    g_source_set_callback (input, G_SOURCE_FUNC (datagram_came), far_end, NULL);
    g_source_attach (input, NULL);
    far_end->inputs[i / 2][i % 2] = input;
  }
  far_end->streams = g_ptr_array_new_with_free_func (stream_free);
  far_end->accepting = g_unix_fd_source_new (far_end->listener, G_IO_IN);
  g_source_set_callback (far_end->accepting, G_SOURCE_FUNC (connection_came), far_end, NULL);
  g_source_attach (far_end->accepting, NULL);
}

static void
far_end_close (FarEnd *far_end)
{
  for (guint i = 0; i < 4; i++) {
    g_source_destroy (far_end->inputs[i / 2][i % 2]);
    g_source_unref (far_end->inputs[i / 2][i % 2]);
    close (far_end->descriptors[i / 2][i % 2]);
  }
  g_source_destroy (far_end->accepting);
  g_source_unref (far_end->accepting);
  close (far_end->listener);
  g_ptr_array_unref (far_end->streams);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FarEnd, far_end_close)

/* One run, and when it is to be cancelled. */
typedef struct {
  TurnConnectDetection *detection;
  GCancellable *cancellable;
  guint cancel_at; /* event, from 1 */
  guint n_events;
  guint n_told;
  gboolean is_cancelled;
} Run;

static void
run_done (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  Run *run = data;
  gboolean is_whole =
      turn_connect_detection_run_finish (TURN_CONNECT_DETECTION (source), result, &error);

  run->n_told++;
  g_assert_true (is_whole == (error == NULL));
  if (run->is_cancelled)
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
run_goes_on (TurnConnectDetection *detection,
             const char *doing,
             const TurnConnectProbe *probe,
             gpointer data)
{
  Run *run = data;

  g_assert_cmpuint (run->n_told, ==, 0);
  if (++run->n_events != run->cancel_at)
    return;
  run->is_cancelled = TRUE;
  g_cancellable_cancel (run->cancellable);
}

static void
run_begin (Run *run, const FarEnd *far_end, guint cancel_at, gboolean is_deep)
{
  static const guint ladder[] = { 1 };
  g_autoptr (TurnConnectTarget) target =
      turn_connect_target_new (hosts[0], far_end->places[0][0].port, NULL);
  g_autoptr (GError) error = NULL;

  run->cancel_at = cancel_at;
  run->cancellable = g_cancellable_new ();
  run->detection = turn_connect_detection_new (target);
  turn_connect_detection_set_interface (run->detection, "lo", &error);
  g_assert_no_error (error);
  turn_connect_detection_set_family (run->detection, 4);
  turn_connect_detection_set_credentials (run->detection, "alice", "correct horse battery staple");
  turn_connect_detection_set_deep (run->detection, is_deep);
  g_assert_true (turn_connect_detection_set_ladder (run->detection, ladder, 1));
  g_signal_connect (run->detection, "progress", G_CALLBACK (run_goes_on), run);
  turn_connect_detection_run_async (run->detection, run->cancellable, run_done, run);
}

/* What content was to be asked about and was not is there, too: silence about it would be a finding. */
static void
check_payload (const TurnConnectObservations *observations, const TurnConnectVerdict *verdict)
{
  static const char *const variants[] = { "printable", "tls", "random", "stun", "sip-invite" };
  guint n_cancelled = 0, n_found = 0;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_PAYLOAD || probe->carry == TURN_CONNECT_CARRY_UDP)
      continue;
    n_cancelled += probe->outcome == TURN_CONNECT_OUTCOME_CANCELLED;
    for (guint j = 0; j < G_N_ELEMENTS (variants); j++)
      n_found += probe->round == 0 && strcmp (probe->variant, variants[j]) == 0;
  }
  if (n_cancelled == 0)
    return;
  g_assert_cmpuint (n_found, ==, G_N_ELEMENTS (variants));
  g_test_message ("%u of payload were cancelled", n_cancelled);
  g_assert_true (verdict->type ==
                 (verdict->inspection.is_in_doubt ? TURN_CONNECT_TYPE_UNKNOWN : 9));
}

/* What is there afterwards is whole. */
static void
run_check (Run *run)
{
  const TurnConnectObservations *observations =
      turn_connect_detection_get_observations (run->detection);

  g_assert_cmpuint (run->n_told, ==, 1);
  g_assert_nonnull (turn_connect_detection_get_verdict (run->detection));
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    g_assert_cmpint (probe->outcome, !=, TURN_CONNECT_OUTCOME_PENDING);
    g_assert_cmpint (probe->end_us, >=, probe->start_us);
  }
  check_payload (observations, turn_connect_detection_get_verdict (run->detection));
}

static void
run_clear (Run *run)
{
  g_object_add_weak_pointer (G_OBJECT (run->detection), (gpointer *)&run->detection);
  g_object_unref (run->detection);
  g_assert_null (run->detection); /* nobody else holds it */
  g_object_unref (run->cancellable);
}

static gboolean
all_told (const Run *runs)
{
  for (guint i = 0; i < EVENTS_MAX; i++) {
    if (runs[i].n_told == 0)
      return FALSE;
  }
  return TRUE;
}

static guint
count_cancelled (const Run *runs)
{
  guint n = 0;

  for (guint i = 0; i < EVENTS_MAX; i++)
    n += runs[i].is_cancelled;
  return n;
}

/* Until each run that was cancelled has ended: without waiting for anything, but there are many. */
static void
await_cancelled (const Run *runs)
{
  gint64 until = g_get_monotonic_time () + AT_ONCE_US;
  gboolean are_told;

  do {
    support_run_for (10);
    are_told = TRUE;
    for (guint i = 0; i < EVENTS_MAX; i++)
      are_told = are_told && (runs[i].n_told > 0 || !runs[i].is_cancelled);
  } while (!are_told && g_get_monotonic_time () < until);
  g_assert_true (are_told);
}

/* All at once, run n cancelled at its event n; what has not so many is cancelled late. */
static void
check_all_events (gboolean is_deep)
{
  g_auto (FarEnd) far_end = { 0 };
  g_autofree Run *runs = g_new0 (Run, EVENTS_MAX);
  gint64 until = g_get_monotonic_time () + PATIENCE_US;
  guint n_cancelled;

  far_end_open (&far_end);
  for (guint i = 0; i < EVENTS_MAX; i++)
    run_begin (&runs[i], &far_end, i + 1, is_deep);
  while (!all_told (runs) &&
         (g_get_monotonic_time () < until || count_cancelled (runs) < CANCELLED_MIN))
    support_run_for (50);
  n_cancelled = count_cancelled (runs);
  for (guint i = 0; i < EVENTS_MAX; i++)
    runs[i].cancel_at = 0; /* one may have been cancelled this very moment */
  await_cancelled (runs);  /* at once */
  for (guint i = 0; i < EVENTS_MAX; i++) {
    if (runs[i].n_told == 0) {
      runs[i].is_cancelled = TRUE;
      g_cancellable_cancel (runs[i].cancellable);
    }
  }
  await_cancelled (runs);
  g_assert_cmpuint (n_cancelled, >=, CANCELLED_MIN);
  for (guint i = 0; i < EVENTS_MAX; i++) {
    run_check (&runs[i]);
    run_clear (&runs[i]);
  }
}

static void
test_at_every_event_it_ends_once_and_for_good (void)
{
  check_all_events (FALSE);
}

static void
test_so_does_a_deep_run (void)
{
  check_all_events (TRUE);
}

static void
allow_descriptors (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS)
    return;
  limit.rlim_cur = MIN (limit.rlim_max, DESCRIPTORS);
  setrlimit (RLIMIT_NOFILE, &limit);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  allow_descriptors ();
  support_resolver_install ();
  support_resolver_set ("ipv4only.arpa", "");
  g_test_add_func ("/turn-connect/detect-cancel/at-every-event-it-ends-once-and-for-good",
                   test_at_every_event_it_ends_once_and_for_good);
  g_test_add_func ("/turn-connect/detect-cancel/so-does-a-deep-run", test_so_does_a_deep_run);
  return g_test_run ();
}
