/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One dial for the command line: says every step, sends a line to the server and expects it back, and ends with
 * "up PROXY" or "failed STEP CODE STATUS MESSAGE". Before it "took US": from beginning to being ready. */
#include <stdlib.h>
#include <string.h>

#include "turn-connect/dial.h"

static char *proxy, *login_file, *ca_file, *proxy_ca_file, *schemes;
static char **headers, **alpn;
static char *null_suite, *said = "hello through it all\n", *expected;
static gboolean is_tls, is_stun;
static int timeout_ms = 15000, repeat = 1, status;

static const GOptionEntry entries[] = {
  { "proxy", 0, 0, G_OPTION_ARG_STRING, &proxy, "which proxy", "TEXT" },
  { "login", 0, 0, G_OPTION_ARG_FILENAME, &login_file, "user:password for it", "FILE" },
  { "schemes", 0, 0, G_OPTION_ARG_STRING, &schemes, "what may be used, by commas", "LIST" },
  { "proxy-ca", 0, 0, G_OPTION_ARG_FILENAME, &proxy_ca_file, "issuers of the proxy", "FILE" },
  { "ca", 0, 0, G_OPTION_ARG_FILENAME, &ca_file, "issuers of the server", "FILE" },
  { "tls", 0, 0, G_OPTION_ARG_NONE, &is_tls, "TLS with the server", NULL },
  { "header", 0, 0, G_OPTION_ARG_STRING_ARRAY, &headers, "a further line", "LINE" },
  { "alpn", 0, 0, G_OPTION_ARG_STRING_ARRAY, &alpn, "what is spoken inside", "NAME" },
  { "timeout-ms", 0, 0, G_OPTION_ARG_INT, &timeout_ms, "for one dial", "N" },
  { "null-encryption", 0, 0, G_OPTION_ARG_STRING, &null_suite, "this suite", "NAME" },
  { "say", 0, 0, G_OPTION_ARG_STRING, &said, "instead of a greeting", "TEXT" },
  { "expect", 0, 0, G_OPTION_ARG_STRING, &expected, "instead of the same", "TEXT" },
  { "stun", 0, 0, G_OPTION_ARG_NONE, &is_stun, "ask by STUN instead", NULL },
  { "repeat", 0, 0, G_OPTION_ARG_INT, &repeat, "dials of the one target", "N" },
  { NULL }
};

static TurnConnectProxySchemes
read_schemes (const char *text)
{
  TurnConnectProxySchemes found = 0;

  found |= strstr (text, "basic") != NULL ? TURN_CONNECT_PROXY_BASIC : 0;
  found |= strstr (text, "digest") != NULL ? TURN_CONNECT_PROXY_DIGEST : 0;
  found |= strstr (text, "ntlm") != NULL ? TURN_CONNECT_PROXY_NTLM : 0;
  found |= strstr (text, "negotiate") != NULL ? TURN_CONNECT_PROXY_NEGOTIATE : 0;
  return found;
}

static TurnConnectTlsOptions *
make_tls (const char *file, GError **error)
{
  TurnConnectTlsOptions *options = turn_connect_tls_options_new ();

  if (file != NULL)
    turn_connect_tls_options_set_ca_file (options, file, error);
  return options;
}

static gboolean
set_login (TurnConnectTarget *target, GError **error)
{
  g_autofree char *text = NULL;
  char *colon;

  if (!g_file_get_contents (login_file, &text, NULL, error))
    return FALSE;
  colon = strchr (g_strchomp (text), ':');
  *colon = '\0';
  return turn_connect_target_set_proxy_credentials (target, text, colon + 1, error);
}

static TurnConnectTarget *
make_target (char **place, GError **error)
{
  g_autoptr (TurnConnectTarget) target =
      turn_connect_target_new (place[0], (guint)atoi (place[1]), error);
  g_autoptr (TurnConnectTlsOptions) tls = NULL, proxy_tls = NULL;

  if (target == NULL ||
      (proxy != NULL && !turn_connect_target_choose_proxy (target, proxy, error)) ||
      (login_file != NULL && !set_login (target, error)))
    return NULL;
  for (guint i = 0; headers != NULL && headers[i] != NULL; i++) {
    if (!turn_connect_target_add_header (target, headers[i], error))
      return NULL;
  }
  if (alpn != NULL &&
      !turn_connect_target_add_alpn_header (target, (const char *const *)alpn, error))
    return NULL;
  tls = make_tls (ca_file, error);
  if (tls != NULL && null_suite != NULL &&
      !turn_connect_tls_options_set_null_encryption (tls, null_suite, error))
    return NULL;
  proxy_tls = make_tls (proxy_ca_file, error);
  if (is_tls)
    turn_connect_target_set_tls (target, tls);
  turn_connect_target_set_proxy_tls (target, proxy_tls);
  if (schemes != NULL)
    turn_connect_target_set_proxy_schemes (target, read_schemes (schemes), FALSE);
  turn_connect_target_set_timeout (target, (guint)timeout_ms);
  return g_steal_pointer (&target);
}

static void
tell_step (const TurnConnectProgress *progress, gpointer user_data)
{
  g_print ("step %s %s\n", turn_connect_step_to_string (progress->step),
           progress->detail != NULL ? progress->detail : "");
}

/* Sends one thing and reads another, of which @n_known octets are known. */
static gboolean
exchange (TurnConnectStream *stream,
          const void *question,
          gsize n,
          const void *answer,
          gsize n_answer,
          gsize n_known,
          GError **error)
{
  g_autofree char *back = g_malloc0 (n_answer);

  return g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (stream)), question,
                                    n, NULL, NULL, error) &&
         g_input_stream_read_all (g_io_stream_get_input_stream (G_IO_STREAM (stream)), back,
                                  n_answer, NULL, NULL, error) &&
         memcmp (answer, back, n_known) == 0;
}

static gboolean
echo (TurnConnectStream *stream, GError **error)
{
  static const guint8 binding[20] = "\x00\x01\x00\x00\x21\x12\xa4\x42" /* and zeros */;
  const char *answer = expected != NULL ? expected : said;

  if (is_stun)
    return exchange (stream, binding, sizeof binding, "\x01\x01", 20, 2, error);
  return exchange (stream, said, strlen (said), answer, strlen (answer), strlen (answer), error);
}

static void
tell_tls (const TurnConnectTlsInfo *info)
{
  const char *warning = turn_connect_tls_info_get_warning (info);

  if (info == NULL)
    return;
  g_print ("tls %s %s %s %s\n", info->version, info->cipher, info->is_resumed ? "resumed" : "full",
           warning != NULL ? warning : "");
}

static void
tell_failure (const GError *error)
{
  status = 1;
  g_print ("failed %s %d %u %s\n",
           turn_connect_step_to_string (turn_connect_error_get_step (error)),
           error->domain == TURN_CONNECT_ERROR ? error->code : -1,
           turn_connect_error_get_http_status (error), error->message);
}

static void
finished (GObject *source, GAsyncResult *result, gpointer loop)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TurnConnectStream) stream =
      turn_connect_dial_finish (TURN_CONNECT_TARGET (source), result, &error);
  const char *through;

  if (stream == NULL || !echo (stream, &error)) {
    tell_failure (error);
  } else {
    through = turn_connect_stream_get_proxy (stream);
    tell_tls (turn_connect_stream_get_tls_info (stream));
    g_print ("took %" G_GINT64_FORMAT "\n", turn_connect_stream_get_timings (stream)->total_us);
    g_print ("up %s\n", through != NULL ? through : "direct");
  }
  g_main_loop_quit (loop);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("HOST PORT");
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (TurnConnectTarget) target = NULL;
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 3) {
    g_printerr ("dial: %s\n", error != NULL ? error->message : "give HOST and PORT");
    return 64;
  }
  target = make_target (argv + 1, &error);
  if (target == NULL) {
    tell_failure (error);
    return 1;
  }
  while (repeat-- > 0) {
    turn_connect_dial_async (target, tell_step, NULL, NULL, finished, loop);
    g_main_loop_run (loop);
  }
  return status;
}
