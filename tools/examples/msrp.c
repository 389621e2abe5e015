/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One MSRP session (RFC 4975) of a device that only TLS to port 443 leaves, through a proxy: TCP allocated on a TURN
 * server (RFC 6062). Signalling is the terminal: the own path is printed, the other one is read; "bye" ends it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem () */
#endif
#include <string.h>

#include <turn-connect/secret-file.h>
#include <turn-connect/turn/client.h>
#include <turn-connect/turn/uri.h>

#define CHUNK 8192  /* octets of one SEND request */
#define IN_FLIGHT 8 /* SEND requests without an answer: what stands between has bounded buffers */
#define HEADER_MAX 4096 /* octets of a request or answer before its content */

typedef struct {
  GMainLoop *loop;
  TurnConnectClient *client;
  GIOStream *stream; /* the peer's octets */
  GIOChannel *terminal;
  char *path, *peer_path;
  StunExtAddress peer;
  gboolean is_active, is_whole, has_told;
  GByteArray *in, *out;
  GBytes *writing;
  guint8 room[65536];
  gint64 sent, received, n_chunks, n_answered;
  GChecksum *said, *heard;
  int status;
} Session;

static char *server_uri, *proxy, *ca, *credentials, *setup = "passive";
static gint64 to_send = 10 * 1024 * 1024;

static void
give_up (Session *s, const char *doing, const GError *error)
{
  g_printerr ("msrp: %s: %s\n", doing, error != NULL ? error->message : "not understood");
  s->status = 1;
  g_main_loop_quit (s->loop);
}

/* What is said */

static void go_on (Session *s);

static void
written (GObject *stream, GAsyncResult *result, gpointer data)
{
  Session *s = data;
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&s->writing, g_bytes_unref);
  if (!g_output_stream_write_all_finish (G_OUTPUT_STREAM (stream), result, NULL, &error))
    give_up (s, "sending", error);
  else
    go_on (s);
}

static void add_text (Session *s, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
add_text (Session *s, const char *format, ...)
{
  va_list arguments;
  g_autofree char *text = NULL;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_byte_array_append (s->out, (const guint8 *)text, (guint)strlen (text));
}

/* RFC 4975 section 7.1: the end-line tells where the content ends, so it must not stand in it. */
static void
add_send (Session *s)
{
  guint8 content[CHUNK];
  gsize length = (gsize)MIN (to_send - s->sent, CHUNK);
  char transaction[17];

  for (gsize i = 0; i < length; i++)
    content[i] = (guint8)g_random_int ();
  do
    g_snprintf (transaction, sizeof transaction, "%08x%08x", g_random_int (), g_random_int ());
  while (memmem (content, length, transaction, 16) != NULL);
  g_checksum_update (s->said, content, (gssize)length);
  add_text (s,
            "MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: one\r\n"
            "Byte-Range: %zd-%zd/%zd\r\nContent-Type: application/octet-stream\r\n\r\n",
            transaction, s->peer_path, s->path, (gssize)s->sent + 1,
            (gssize)s->sent + (gssize)length, (gssize)to_send);
  g_byte_array_append (s->out, content, (guint)length);
  s->sent += (gint64)length;
  s->n_chunks++;
  add_text (s, "\r\n-------%s%c\r\n", transaction, s->sent == to_send ? '$' : '+');
}

static void
tell_result (Session *s)
{
  s->has_told = TRUE;
  g_print ("done sent %zd %s received %zd %s\n", (gssize)s->sent, g_checksum_get_string (s->said),
           (gssize)s->received, g_checksum_get_string (s->heard));
}

static void
go_on (Session *s)
{
  while (s->sent < to_send && s->n_chunks - s->n_answered < IN_FLIGHT)
    add_send (s);
  if (s->writing != NULL)
    return;
  if (s->out->len > 0) {
    s->writing = g_byte_array_free_to_bytes (g_steal_pointer (&s->out));
    s->out = g_byte_array_new ();
    g_output_stream_write_all_async (
        g_io_stream_get_output_stream (s->stream), g_bytes_get_data (s->writing, NULL),
        g_bytes_get_size (s->writing), G_PRIORITY_DEFAULT, NULL, written, s);
  } else if (s->is_whole && s->n_answered == s->n_chunks && !s->has_told)
    tell_result (s);
}

/* What is heard */

/* One header of a request; the caller frees it. */
static char *
find_header (const char *head, const char *name)
{
  g_autofree char *start = g_strdup_printf ("\r\n%s: ", name);
  const char *found = strstr (head, start);
  gsize length;

  if (found == NULL)
    return NULL;
  found += strlen (start);
  length = strcspn (found, "\r");
  return g_strndup (found, length);
}

/* FALSE if the request is none that is meant here. */
static gboolean
read_range (Session *s, const char *head, gsize *length, gint64 *whole)
{
  g_autofree char *range = find_header (head, "Byte-Range");
  g_auto (GStrv) parts = g_strsplit_set (range != NULL ? range : "", "-/", 3);
  gint64 from, to;

  if (g_strv_length (parts) != 3)
    return FALSE;
  from = g_ascii_strtoll (parts[0], NULL, 10);
  to = g_ascii_strtoll (parts[1], NULL, 10);
  *whole = g_ascii_strtoll (parts[2], NULL, 10);
  *length = (gsize)(to - from + 1);
  return from == s->received + 1 && to >= from && to - from < 1 << 20;
}

/* Takes a request off the front; 0 if it is not whole yet, -1 if it is none. */
static int
take_request (Session *s)
{
  const char *end = memmem (s->in->data, s->in->len, "\r\n\r\n", 4);
  gsize at = end != NULL ? (gsize)(end - (const char *)s->in->data) + 4 : 0;
  g_autofree char *head = g_strndup ((const char *)s->in->data, at);
  g_autofree char *end_line = NULL;
  g_auto (GStrv) words = g_strsplit_set (head, " \r", 4);
  gint64 whole;
  gsize length, end_length;

  if (end == NULL)
    return s->in->len > HEADER_MAX ? -1 : 0;
  if (g_strv_length (words) != 4 || strcmp (words[2], "SEND") != 0 ||
      !read_range (s, head, &length, &whole))
    return -1;
  end_line = g_strdup_printf ("\r\n-------%s", words[1]);
  end_length = strlen (end_line);
  if (s->in->len < at + length + end_length + 3)
    return 0;
  if (memcmp (s->in->data + at + length, end_line, end_length) != 0)
    return -1;
  g_checksum_update (s->heard, s->in->data + at, (gssize)length);
  s->received += (gint64)length;
  s->is_whole = s->received == whole && s->in->data[at + length + end_length] == '$';
  add_text (s, "MSRP %s 200 OK\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------%s$\r\n", words[1],
            s->peer_path, s->path, words[1]);
  g_byte_array_remove_range (s->in, 0, (guint)(at + length + end_length + 3));
  return 1;
}

/* An answer has no content: it ends with its end-line. */
static int
take_answer (Session *s)
{
  const char *end = memmem (s->in->data, s->in->len, "$\r\n", 3);

  if (end == NULL)
    return s->in->len > HEADER_MAX ? -1 : 0;
  s->n_answered++;
  g_byte_array_remove_range (s->in, 0, (guint)(end - (const char *)s->in->data) + 3);
  return 1;
}

static int
take_one (Session *s)
{
  const char *line = memchr (s->in->data, '\r', s->in->len);

  if (line == NULL)
    return s->in->len > HEADER_MAX ? -1 : 0;
  if (memmem (s->in->data, (gsize)(line - (const char *)s->in->data), " 200 ", 5) != NULL)
    return take_answer (s);
  return take_request (s);
}

static void
heard (GObject *stream, GAsyncResult *result, gpointer data)
{
  Session *s = data;
  g_autoptr (GError) error = NULL;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (stream), result, &error);
  int taken = 1;

  if (n <= 0) {
    if (!s->has_told)
      give_up (s, "receiving", error);
    return;
  }
  g_byte_array_append (s->in, s->room, (guint)n);
  while (taken > 0 && s->in->len > 0)
    taken = take_one (s);
  if (taken < 0) {
    give_up (s, "what the peer sent", NULL);
    return;
  }
  go_on (s);
  g_input_stream_read_async (G_INPUT_STREAM (stream), s->room, sizeof s->room, G_PRIORITY_DEFAULT,
                             NULL, heard, s);
}

/* The way */

static void
connected (GObject *client, GAsyncResult *result, gpointer data)
{
  Session *s = data;
  g_autoptr (GError) error = NULL;
  TurnConnectStream *stream =
      s->is_active
          ? turn_connect_client_connect_finish (TURN_CONNECT_CLIENT (client), result, &error)
          : turn_connect_client_accept_finish (TURN_CONNECT_CLIENT (client), result, &error);

  if (stream == NULL) {
    give_up (s, "the connection with the peer", error);
    return;
  }
  s->stream = G_IO_STREAM (stream);
  g_input_stream_read_async (g_io_stream_get_input_stream (s->stream), s->room, sizeof s->room,
                             G_PRIORITY_DEFAULT, NULL, heard, s);
  go_on (s);
}

static void
attempted (TurnConnectClient *client, const StunExtAddress *peer, guint id, gpointer data)
{
  Session *s = data;

  if (!s->is_active && s->stream == NULL)
    turn_connect_client_accept_async (client, id, NULL, connected, s);
}

static void
permitted (GObject *client, GAsyncResult *result, gpointer data)
{
  Session *s = data;
  g_autoptr (GError) error = NULL;

  if (!turn_connect_client_permit_finish (TURN_CONNECT_CLIENT (client), result, &error)) {
    give_up (s, "permission for the peer", error);
    return;
  }
  g_print ("ready\n");
  if (s->is_active)
    turn_connect_client_connect_async (s->client, &s->peer, NULL, connected, s);
}

/* "msrp://192.0.2.1:2855/session;tcp", or "bye". */
static gboolean
told (GIOChannel *terminal, GIOCondition condition, gpointer data)
{
  Session *s = data;
  g_autofree char *line = NULL;
  gsize end = 0;

  if (g_io_channel_read_line (terminal, &line, NULL, &end, NULL) != G_IO_STATUS_NORMAL ||
      g_str_has_prefix (line, "bye")) {
    s->status = s->has_told ? 0 : 1;
    g_main_loop_quit (s->loop);
    return G_SOURCE_REMOVE;
  }
  if (s->peer_path == NULL && g_str_has_prefix (line, "msrp://")) {
    g_autofree char *place = g_strndup (line + 7, strcspn (line + 7, "/"));

    s->peer_path = g_strndup (line, end);
    if (stun_ext_address_parse (place, &s->peer))
      turn_connect_client_permit_async (s->client, &s->peer, 1, NULL, permitted, s);
    else
      give_up (s, "the peer's path", NULL);
  }
  return G_SOURCE_CONTINUE;
}

static void
allocated (GObject *client, GAsyncResult *result, gpointer data)
{
  Session *s = data;
  g_autoptr (GError) error = NULL;
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  StunExtAddress relayed;

  if (!turn_connect_client_allocate_finish (s->client, result, &error) ||
      !turn_connect_client_get_relayed (s->client, 4, &relayed)) {
    give_up (s, "the allocation", error);
    return;
  }
  s->path = g_strdup_printf ("msrp://%s/%08x;tcp", stun_ext_address_print (&relayed, text),
                             g_random_int ());
  g_print ("%s\n", s->path);
  g_io_add_watch (s->terminal, G_IO_IN | G_IO_HUP, told, s);
}

static TurnConnectClient *
make_client (GError **error)
{
  static const char *const alpn[] = { "stun.turn", NULL };
  g_autoptr (TurnConnectUri) uri = turn_connect_uri_new (server_uri, error);
  g_autoptr (TurnConnectTlsOptions) tls = turn_connect_tls_options_new ();
  g_autoptr (TurnConnectTarget) target = NULL;
  g_autoptr (TurnConnectClient) client = NULL;
  g_autofree char *user = NULL;
  char *password = NULL;
  gboolean is_set;

  if (uri == NULL ||
      (target = turn_connect_target_new (turn_connect_uri_get_host (uri),
                                         turn_connect_uri_get_effective_port (uri), error)) ==
          NULL ||
      !turn_connect_target_set_proxy (target, proxy, error) ||
      (ca != NULL && !turn_connect_tls_options_set_ca_file (tls, ca, error)) ||
      !turn_connect_tls_options_set_alpn (tls, alpn, error) ||
      !turn_connect_secret_file_load (credentials, TRUE, &user, &password, error))
    return NULL;
  if (turn_connect_uri_is_secure (uri))
    turn_connect_target_set_tls (target, tls);
  client = turn_connect_client_new (target, TURN_CONNECT_CARRIER_STREAM);
  turn_connect_client_set_relay (client, TURN_CONNECT_RELAY_TCP, TURN_CONNECT_FAMILY_IPV4);
  is_set = turn_connect_client_set_credentials (client, user, password, error);
  turn_connect_secret_free (password);
  return is_set ? g_steal_pointer (&client) : NULL;
}

static void
session_clear (Session *s)
{
  g_clear_object (&s->stream);
  g_clear_object (&s->client);
  g_clear_pointer (&s->loop, g_main_loop_unref);
  g_clear_pointer (&s->terminal, g_io_channel_unref);
  g_clear_pointer (&s->in, g_byte_array_unref);
  g_clear_pointer (&s->out, g_byte_array_unref);
  g_clear_pointer (&s->said, g_checksum_free);
  g_clear_pointer (&s->heard, g_checksum_free);
  g_clear_pointer (&s->path, g_free);
  g_clear_pointer (&s->peer_path, g_free);
}

static void
closed (GObject *client, GAsyncResult *result, gpointer loop)
{
  turn_connect_client_close_finish (TURN_CONNECT_CLIENT (client), result);
  g_main_loop_quit (loop);
}

static int
run (Session *s)
{
  s->loop = g_main_loop_new (NULL, FALSE);
  s->terminal = g_io_channel_unix_new (0);
  s->is_active = strcmp (setup, "active") == 0;
  s->in = g_byte_array_new ();
  s->out = g_byte_array_new ();
  s->said = g_checksum_new (G_CHECKSUM_SHA256);
  s->heard = g_checksum_new (G_CHECKSUM_SHA256);
  g_signal_connect (s->client, "connection-attempt", G_CALLBACK (attempted), s);
  turn_connect_client_allocate_async (s->client, NULL, allocated, s);
  g_main_loop_run (s->loop);
  turn_connect_client_close_async (s->client, closed, s->loop);
  g_main_loop_run (s->loop);
  session_clear (s);
  return s->status;
}

int
main (int argc, char **argv)
{
  const GOptionEntry entries[] = {
    { "server", 0, 0, G_OPTION_ARG_STRING, &server_uri, "TURN server", "turns:HOST:443" },
    { "proxy", 0, 0, G_OPTION_ARG_STRING, &proxy, "HTTP proxy", "URL" },
    { "ca", 0, 0, G_OPTION_ARG_FILENAME, &ca, "Trust these issuers", "FILE" },
    { "credentials", 0, 0, G_OPTION_ARG_FILENAME, &credentials, "user:password of the server",
      "FILE" },
    { "setup", 0, 0, G_OPTION_ARG_STRING, &setup, "active: connects to the peer; or passive",
      "WORD" },
    { "octets", 0, 0, G_OPTION_ARG_INT64, &to_send, "How much to send; 10 MiB by default", "N" },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  Session session = { 0 };

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("msrp: %s\n", error->message);
    return 64;
  }
  if (server_uri == NULL || credentials == NULL) {
    g_printerr ("msrp: --server and --credentials are needed\n");
    return 64;
  }
  session.client = make_client (&error);
  if (session.client == NULL) {
    g_printerr ("msrp: %s\n", error->message);
    return 78;
  }
  return run (&session);
}
