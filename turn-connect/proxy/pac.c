/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A proxy configuration file decides whether a connection goes through a proxy or not, so a file
 * that does not come, comes cut, or fails is an error and never leave to go directly, which is what
 * libproxy makes of it. It is asked for by HTTP/1.0: the answer then ends with the connection and
 * needs no client of the whole of HTTP.
 */
#include "turn-connect/proxy/pac.h"

#include "turn-connect/dial.h"
#include "turn-connect/error-private.h"
#include "turn-connect/host.h"
#include "turn-connect/proxy/http-head.h"
#include "turn-connect/proxy/pac-cache.h"
#include "turn-connect/proxy/program.h"
#include "turn-connect/tls-options-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FETCH_MS 10000
#define EVALUATION_US (5 * G_USEC_PER_SEC)
#define SCRIPT_MAX (900 * 1024) /* octets; pactester takes a MiB */
#define PIECE 16384

typedef struct {
  char *url;
  TurnConnectTlsOptions *tls; /* NULL by http */
  TurnConnectNetwork network; /* when the fetching began */
  char *host;
  guint16 port;
  gint64 deadline;
  TurnConnectStream *stream;
  GByteArray *reply;
  gsize body_at;      /* 0 while the head has not ended */
  gint64 length;      /* of the body, -1 if not said */
  GCancellable *wait; /* ended by the caller's cancellable, and by the timer */
  GSource *cancel_source;
  GSource *timer;
} Ask;

static void
destroy_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
ask_free (gpointer data)
{
  Ask *ask = data;

  destroy_source (&ask->timer);
  destroy_source (&ask->cancel_source);
  g_clear_object (&ask->stream);
  g_clear_object (&ask->tls);
  g_clear_object (&ask->wait);
  turn_connect_network_clear (&ask->network);
  g_byte_array_unref (ask->reply);
  g_free (ask->url);
  g_free (ask->host);
  g_free (ask);
}

static GUri *
parse_url (const char *url, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_ENCODED, NULL);
  const char *scheme = uri != NULL ? g_uri_get_scheme (uri) : "";
  const char *host = uri != NULL && g_uri_get_host (uri) != NULL ? g_uri_get_host (uri) : "";
  gboolean is_web = strcmp (scheme, "http") == 0 || strcmp (scheme, "https") == 0;
  gboolean is_here = strcmp (host, "") == 0 || strcmp (host, "localhost") == 0;

  if (uri != NULL && g_uri_get_userinfo (uri) == NULL && g_str_is_ascii (url) &&
      strpbrk (url, " \t\r\n") == NULL &&
      (is_web ? *host != '\0' : is_here && strcmp (scheme, "file") == 0))
    return g_steal_pointer (&uri);
  g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                       "the place of the proxy configuration file is not of the form "
                       "http://host/path, https://host/path or file:///path");
  return NULL;
}

gboolean
turn_connect_pac_check_url (const char *url, GError **error)
{
  g_autoptr (GUri) uri = parse_url (url, error);

  return uri != NULL;
}

/* Every failure ends here: with the file's name, under a code that a dial may have. */
static void
fail (GTask *owned, GError *error)
{
  g_autoptr (GTask) task = owned;
  Ask *ask = g_task_get_task_data (task);
  g_autofree char *quoted = turn_connect_error_quote (ask->url, strlen (ask->url), 200);
  g_autoptr (GError) cause = error;
  gboolean is_ours = cause->domain == TURN_CONNECT_ERROR;

  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_CANCELLED) &&
      g_get_monotonic_time () < ask->deadline)
    g_task_return_error (task, g_steal_pointer (&cause));
  else if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_task_return_new_error (task, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT,
                             "the proxy configuration file %s did not come in time", quoted);
  else
    g_task_return_new_error (task, TURN_CONNECT_ERROR,
                             is_ours ? cause->code : TURN_CONNECT_ERROR_INVALID,
                             "the proxy configuration file %s: %s", quoted, cause->message);
}

static void
fail_with (GTask *task, TurnConnectError code, const char *message)
{
  fail (task, g_error_new_literal (TURN_CONNECT_ERROR, (gint)code, message));
}

static void
evaluated (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autofree char *said = turn_connect_program_finish (result, &error);
  GPtrArray *ways = said != NULL ? turn_connect_proxy_list_parse_pac (said, &error) : NULL;

  if (ways == NULL)
    fail (g_steal_pointer (&task), error);
  else
    g_task_return_pointer (task, ways, (GDestroyNotify)g_ptr_array_unref);
}

static void
evaluate (GTask *task, GBytes *script)
{
  Ask *ask = g_task_get_task_data (task);
  g_autofree char *place = turn_connect_host_join (ask->host, ask->port);
  g_autofree char *url = g_strdup_printf ("https://%s/", place);
  const char *argv[] = { "pactester", "-p", "-", "-u", url, "-h", ask->host, NULL };
  TurnConnectProgram program = {
    .argv = argv,
    .package = "libpacparser1",
    .is_stranger = TRUE,
    .input = script,
    .deadline = MIN (ask->deadline, g_get_monotonic_time () + EVALUATION_US),
  };

  if (g_bytes_get_size (script) == 0)
    fail_with (task, TURN_CONNECT_ERROR_INVALID, "it is empty");
  else
    turn_connect_program_async (&program, ask->wait, evaluated, task);
}

/* From a file, in a thread: it may lie far away. */

static GBytes *
fail_read (int number, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (number), g_strerror (number));
  return NULL;
}

static GBytes *
read_script (int descriptor, GError **error)
{
  g_autoptr (GByteArray) script = g_byte_array_new ();
  guint8 piece[PIECE];
  gssize n;

  do {
    n = read (descriptor, piece, sizeof piece);
    if (n < 0 && errno != EINTR)
      return fail_read (errno, error);
    if (n > 0)
      g_byte_array_append (script, piece, (guint)n);
  } while (n != 0 && script->len <= SCRIPT_MAX);
  return g_byte_array_free_to_bytes (g_steal_pointer (&script));
}

/* Nothing is waited for: what stands there may be a pipe that nobody writes to, or a terminal. */
static GBytes *
load_script (const char *path, GError **error)
{
  int descriptor = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  GBytes *script = NULL;
  struct stat about;

  if (descriptor < 0)
    return fail_read (errno, error);
  if (fstat (descriptor, &about) != 0)
    fail_read (errno, error);
  else if (!S_ISREG (about.st_mode))
    g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                         "it is no regular file");
  else
    script = read_script (descriptor, error);
  close (descriptor);
  return script;
}

static void
load (GTask *task, gpointer source, gpointer path, GCancellable *cancellable)
{
  GError *error = NULL;
  GBytes *script = load_script (path, &error);

  if (script != NULL)
    g_task_return_pointer (task, script, (GDestroyNotify)g_bytes_unref);
  else
    g_task_return_error (task, error);
}

static void
loaded (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (GBytes) script = g_task_propagate_pointer (G_TASK (result), &error);

  if (script == NULL)
    fail (g_steal_pointer (&task), error);
  else if (g_bytes_get_size (script) > SCRIPT_MAX)
    fail_with (g_steal_pointer (&task), TURN_CONNECT_ERROR_INVALID, "it is larger than 900 kB");
  else
    evaluate (g_steal_pointer (&task), script);
}

static void
load_file (GTask *task)
{
  Ask *ask = g_task_get_task_data (task);
  GError *error = NULL;
  char *path = g_filename_from_uri (ask->url, NULL, &error);
  g_autoptr (GTask) loading = NULL;

  if (path == NULL) {
    fail (task, error);
    return;
  }
  loading = g_task_new (NULL, ask->wait, loaded, task);
  g_task_set_task_data (loading, path, g_free);
  g_task_set_return_on_cancel (loading, TRUE);
  g_task_run_in_thread (loading, load);
}

/* By HTTP. */

static const char *
judge_head (Ask *ask, gsize head_length)
{
  g_auto (TurnConnectHttpHead) head = { 0 };
  const char *problem = NULL;

  if (!turn_connect_http_head_parse (&head, (const char *)ask->reply->data, head_length, &problem))
    return problem;
  if (head.status >= 300 && head.status < 400)
    return "its server sends us elsewhere; give the place it really is at";
  if (head.status != 200)
    return "its server does not give it (the status is not 200)";
  if (head.is_chunked || head.is_coded_otherwise)
    return "its server answers HTTP/1.0 in chunks";
  ask->length = head.content_length;
  return NULL;
}

/* Is it there? @is_end: nothing more will come. */
static gboolean
judge_reply (Ask *ask, gboolean is_end, const char **problem)
{
  const guint8 *end;

  *problem = NULL;
  if (ask->body_at == 0) {
    end = ask->reply->len > 0 ? memmem (ask->reply->data, ask->reply->len, "\r\n\r\n", 4) : NULL;
    if (end != NULL) {
      ask->body_at = (gsize)(end - ask->reply->data) + 4;
      *problem = judge_head (ask, ask->body_at - 2);
    } else if (is_end)
      *problem = "its server does not answer as HTTP demands";
  }
  if (*problem == NULL && ask->reply->len > SCRIPT_MAX)
    *problem = "it is larger than 900 kB";
  if (*problem != NULL || ask->body_at == 0)
    return *problem != NULL;
  /* With a length it need not end as TLS should, which many servers do not care for. */
  if (ask->length >= 0 && (is_end || ask->reply->len - ask->body_at >= (guint64)ask->length)) {
    if (ask->reply->len - ask->body_at != (guint64)ask->length)
      *problem = "it is not as long as its server says";
    return TRUE;
  }
  return is_end;
}

static void
piece_read (GObject *input, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Ask *ask = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GBytes) piece =
      g_input_stream_read_bytes_finish (G_INPUT_STREAM (input), result, &error);
  gsize length = 0;
  const char *problem;
  gconstpointer octets;

  if (piece == NULL) {
    fail (g_steal_pointer (&task), error);
    return;
  }
  octets = g_bytes_get_data (piece, &length);
  g_byte_array_append (ask->reply, octets, (guint)length);
  if (judge_reply (ask, length == 0, &problem)) {
    if (problem != NULL) {
      fail_with (g_steal_pointer (&task), TURN_CONNECT_ERROR_INVALID, problem);
    } else {
      g_autoptr (GBytes) script =
          g_bytes_new (ask->reply->data + ask->body_at, ask->reply->len - ask->body_at);

      turn_connect_pac_cache_put (ask->url, ask->tls, &ask->network, script,
                                  g_get_monotonic_time ());
      evaluate (g_steal_pointer (&task), script);
    }
  } else
    g_input_stream_read_bytes_async (G_INPUT_STREAM (input), PIECE, G_PRIORITY_DEFAULT, ask->wait,
                                     piece_read, g_steal_pointer (&task));
}

static void
request_written (GObject *output, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Ask *ask = g_task_get_task_data (task);
  GError *error = NULL;

  if (!g_output_stream_write_all_finish (G_OUTPUT_STREAM (output), result, NULL, &error))
    fail (g_steal_pointer (&task), error);
  else
    g_input_stream_read_bytes_async (g_io_stream_get_input_stream (G_IO_STREAM (ask->stream)),
                                     PIECE, G_PRIORITY_DEFAULT, ask->wait, piece_read,
                                     g_steal_pointer (&task));
}

static char *
make_request (const char *url)
{
  g_autoptr (GUri) uri = parse_url (url, NULL);
  const char *path = g_uri_get_path (uri), *query = g_uri_get_query (uri);
  int port = g_uri_get_port (uri);
  g_autofree char *place = port > 0 ? turn_connect_host_join (g_uri_get_host (uri), (guint16)port)
                                    : g_strdup (g_uri_get_host (uri));

  return g_strdup_printf ("GET %s%s%s HTTP/1.0\r\nHost: %s\r\nAccept: */*\r\n\r\n",
                          *path != '\0' ? path : "/", query != NULL ? "?" : "",
                          query != NULL ? query : "", place);
}

static void
dialled (GObject *target, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Ask *ask = g_task_get_task_data (task);
  GError *error = NULL;
  char *request;

  ask->stream = turn_connect_dial_finish (TURN_CONNECT_TARGET (target), result, &error);
  if (ask->stream == NULL) {
    fail (g_steal_pointer (&task), error);
    return;
  }
  request = make_request (ask->url);
  g_object_set_data_full (G_OBJECT (task), "request", request, g_free);
  g_output_stream_write_all_async (g_io_stream_get_output_stream (G_IO_STREAM (ask->stream)),
                                   request, strlen (request), G_PRIORITY_DEFAULT, ask->wait,
                                   request_written, g_steal_pointer (&task));
}

static void
fetch (GTask *task, GUri *uri)
{
  Ask *ask = g_task_get_task_data (task);
  gboolean is_tls = strcmp (g_uri_get_scheme (uri), "https") == 0;
  int port = g_uri_get_port (uri);
  GError *error = NULL;
  g_autoptr (TurnConnectTarget) target = turn_connect_target_new (g_uri_get_host (uri),
                                                                  port >= 0 ? (guint)port
                                                                  : is_tls  ? 443u
                                                                            : 80u,
                                                                  &error);

  if (target == NULL) {
    fail (task, error);
    return;
  }
  if (is_tls) {
    g_autoptr (TurnConnectTlsOptions) tls = turn_connect_tls_options_new ();

    /* Whom to trust is all that the proxy's options say about somebody else. */
    if (ask->tls != NULL)
      turn_connect_tls_options_trust_as (tls, ask->tls);
    turn_connect_target_set_tls (target, tls);
  }
  turn_connect_target_set_timeout (target, FETCH_MS);
  turn_connect_dial_async (target, NULL, NULL, ask->wait, dialled, task);
}

static void
recall_or_fetch (GTask *task, GUri *uri)
{
  Ask *ask = g_task_get_task_data (task);
  g_autoptr (GBytes) script = NULL;

  if (strcmp (g_uri_get_scheme (uri), "https") != 0)
    g_clear_object (&ask->tls);
  turn_connect_network_look (&ask->network, NULL);
  script = turn_connect_pac_cache_get (ask->url, ask->tls, &ask->network, g_get_monotonic_time ());
  if (script != NULL)
    evaluate (task, script);
  else
    fetch (task, uri);
}

static gboolean
timer_fired (gpointer user_data)
{
  Ask *ask = user_data;

  g_cancellable_cancel (ask->wait);
  return G_SOURCE_REMOVE;
}

static gboolean
cancelled (GCancellable *cancellable, gpointer user_data)
{
  Ask *ask = user_data;

  g_cancellable_cancel (ask->wait);
  return G_SOURCE_REMOVE;
}

void
turn_connect_pac_ask_async (const TurnConnectPacRequest *request,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  GTask *task = g_task_new (NULL, NULL, callback, user_data);
  Ask *ask = g_new0 (Ask, 1);
  GError *error = NULL;
  g_autoptr (GUri) uri = parse_url (request->url, &error);

  g_task_set_source_tag (task, turn_connect_pac_ask_async);
  g_task_set_task_data (task, ask, ask_free);
  ask->url = g_strdup (request->url);
  g_set_object (&ask->tls, request->tls);
  ask->host = g_strdup (request->host);
  ask->port = request->port;
  ask->deadline = MIN (request->deadline, g_get_monotonic_time () + FETCH_MS * 1000);
  ask->reply = g_byte_array_new ();
  ask->wait = g_cancellable_new ();
  ask->timer = g_timeout_source_new (0);
  g_source_set_ready_time (ask->timer, ask->deadline);
  g_source_set_callback (ask->timer, timer_fired, ask, NULL);
  g_source_attach (ask->timer, g_task_get_context (task));
  if (cancellable != NULL) {
    ask->cancel_source = g_cancellable_source_new (cancellable);
    g_source_set_callback (ask->cancel_source, G_SOURCE_FUNC (cancelled), ask, NULL);
    g_source_attach (ask->cancel_source, g_task_get_context (task));
  }
  if (uri == NULL)
    fail (task, error);
  else if (strcmp (g_uri_get_scheme (uri), "file") == 0)
    load_file (task);
  else
    recall_or_fetch (task, uri);
}

GPtrArray *
turn_connect_pac_ask_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
