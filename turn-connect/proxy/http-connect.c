/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A CONNECT dialogue that no proxy can stretch, swell or confuse. Replies are collected octet by
 * octet under a total allowance, so how the octets are cut into reads never matters; a 407's body
 * is only skipped where its end is certain and near, and costs a new connection otherwise; and not
 * one octet behind the blank line of a 2xx is looked at, for it belongs to the tunnel.
 */
#include "turn-connect/proxy/http-connect.h"

#include "turn-connect/error-private.h"
#include "turn-connect/host.h"
#include "turn-connect/proxy/http-head.h"

#include <string.h>

#define HEAD_MAX (16 * 1024) /* octets of head, interim replies included, per request */
#define LINES_MAX 100
#define INTERIM_MAX 8        /* 1xx replies per request */
#define BODY_MAX (64 * 1024) /* octets of a 407's body worth reading, framing included */
#define REQUESTS_MAX                                                                               \
  12 /* per dial; each scheme once, with its legs, and a lost connection or two */
#define CHUNK_DIGITS_MAX 6

typedef enum {
  STATE_HEAD,
  STATE_BODY,       /* left octets of it */
  STATE_CHUNK_SIZE, /* hexadecimal digits */
  STATE_CHUNK_REST, /* extensions, to the end of the line */
  STATE_CHUNK_DATA, /* left octets */
  STATE_CHUNK_END,  /* the line end after the data */
  STATE_TRAILER,    /* lines until an empty one */
  STATE_WAIT,       /* for a token */
  STATE_OVER,
} State;

struct _TurnConnectHttp {
  char *target; /* host:port */
  char *who;
  char **lines;
  gsize lines_size;
  TurnConnectProxyAuth *auth;
  GString *output;
  gsize sent;
  State state;
  GString *head;
  guint n_octets; /* of heads, for this request */
  guint n_lines;
  guint n_interim;
  gsize line_length; /* of the line being read, without its end */
  gboolean saw_cr;
  gsize left;
  gsize body_octets; /* including framing */
  guint chunk_digits;
  guint n_requests;
  guint n_on_connection;
  const TurnConnectDigest *digest; /* of @auth, after a success */
  gboolean is_waiting;             /* a token is wanted before the next request */
  gboolean is_lost;                /* the next request needs a new connection */
};

static void
wipe_output (TurnConnectHttp *http)
{
  explicit_bzero (http->output->str, http->output->len);
  g_string_truncate (http->output, 0);
  http->sent = 0;
}

static void
make_request (TurnConnectHttp *http)
{
  const char *header = turn_connect_proxy_auth_get_header (http->auth);
  gsize size = 4096 + http->lines_size + (header != NULL ? strlen (header) : 0);

  wipe_output (http);
  g_string_free (http->output, TRUE);
  /* Large enough that no copy of a password is left behind by growing. */
  http->output = g_string_sized_new (size);
  g_string_append_printf (http->output, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", http->target,
                          http->target);
  if (header != NULL)
    g_string_append_printf (http->output, "Proxy-Authorization: %s\r\n", header);
  for (char **line = http->lines; line != NULL && *line != NULL; line++)
    g_string_append_printf (http->output, "%s\r\n", *line);
  g_string_append (http->output, "\r\n");
  http->n_requests++;
  http->n_on_connection++;
  http->state = STATE_HEAD;
  http->n_octets = http->n_lines = http->n_interim = 0;
  http->line_length = 0;
  http->saw_cr = FALSE;
  http->body_octets = 0;
  g_string_truncate (http->head, 0);
}

TurnConnectHttp *
turn_connect_http_new (const TurnConnectHttpRequest *request)
{
  TurnConnectHttp *http = g_new0 (TurnConnectHttp, 1);

  for (const char *const *line = request->lines; line != NULL && *line != NULL; line++)
    http->lines_size += strlen (*line) + 2;
  http->target = turn_connect_host_join (request->host, request->port);
  http->who = g_strdup (request->who);
  http->lines = g_strdupv ((char **)request->lines);
  http->auth = request->auth;
  if (request->cnonce != NULL)
    turn_connect_proxy_auth_set_digest (http->auth, request->cnonce, http->target);
  if (request->digest != NULL)
    turn_connect_proxy_auth_go_on (http->auth, request->digest);
  http->output = g_string_new (NULL);
  http->head = g_string_new (NULL);
  make_request (http);
  return http;
}

void
turn_connect_http_free (TurnConnectHttp *http)
{
  wipe_output (http);
  g_string_free (http->output, TRUE);
  g_string_free (http->head, TRUE);
  g_strfreev (http->lines);
  g_free (http->target);
  g_free (http->who);
  turn_connect_proxy_auth_free (http->auth);
  g_free (http);
}

const guint8 *
turn_connect_http_get_output (TurnConnectHttp *http, gsize *length)
{
  *length = http->output->len - http->sent;
  return (const guint8 *)http->output->str + http->sent;
}

void
turn_connect_http_sent (TurnConnectHttp *http, gsize length)
{
  g_return_if_fail (length <= http->output->len - http->sent);
  http->sent += length;
  if (http->sent == http->output->len)
    wipe_output (http);
}

static TurnConnectHttpVerdict G_GNUC_PRINTF (4, 5)
    fail (TurnConnectHttp *http, TurnConnectError code, GError **error, const char *format, ...)
{
  va_list arguments;
  g_autofree char *what = NULL;

  va_start (arguments, format);
  what = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  http->state = STATE_OVER;
  g_set_error (error, TURN_CONNECT_ERROR, (gint)code, "%s %s", http->who, what);
  return TURN_CONNECT_HTTP_FAILED;
}

static TurnConnectHttpVerdict
fail_protocol (TurnConnectHttp *http, GError **error, const char *what)
{
  return fail (http, TURN_CONNECT_ERROR_PROXY_PROTOCOL, error,
               "does not answer CONNECT as HTTP demands: %s; check that it is a proxy", what);
}

static TurnConnectHttpVerdict
wait_for_token (TurnConnectHttp *http, gboolean is_lost)
{
  http->state = STATE_WAIT;
  http->is_lost = is_lost;
  return TURN_CONNECT_HTTP_WAIT;
}

/* The next request, on another connection. */
static TurnConnectHttpVerdict
reopen (TurnConnectHttp *http, GError **error)
{
  if (http->is_waiting)
    return wait_for_token (http, TRUE);
  if (turn_connect_proxy_auth_is_bound (http->auth))
    return fail (http, TURN_CONNECT_ERROR_CLOSED, error,
                 "ended the connection in the middle of the authentication that is bound to it");
  if (http->n_requests >= REQUESTS_MAX)
    return fail_protocol (http, error, "it keeps ending the connection");
  http->n_on_connection = 0;
  make_request (http);
  return TURN_CONNECT_HTTP_REOPEN;
}

/* The 407's body is behind us. */
static TurnConnectHttpVerdict
ask_again (TurnConnectHttp *http, GError **error)
{
  if (http->is_waiting)
    return wait_for_token (http, FALSE);
  if (http->n_requests >= REQUESTS_MAX)
    return fail_protocol (http, error, "it wants authentication without end");
  make_request (http);
  return TURN_CONNECT_HTTP_MORE;
}

/* Can the body be skipped, and does the connection live on behind it? */
static gboolean
can_follow (const TurnConnectHttpHead *head)
{
  if (!turn_connect_http_head_keeps_alive (head) || head->is_coded_otherwise)
    return FALSE;
  return head->is_chunked ? head->content_length < 0
                          : head->content_length >= 0 && head->content_length <= BODY_MAX;
}

static gboolean
take_auth_verdict (TurnConnectHttp *http, TurnConnectProxyAuthVerdict verdict)
{
  http->is_waiting = verdict == TURN_CONNECT_PROXY_AUTH_WAIT;
  if (verdict == TURN_CONNECT_PROXY_AUTH_OVER)
    http->state = STATE_OVER;
  return verdict != TURN_CONNECT_PROXY_AUTH_OVER;
}

static TurnConnectHttpVerdict
judge_407 (TurnConnectHttp *http, const TurnConnectHttpHead *head, GError **error)
{
  const char *const *challenges = (const char *const *)head->challenges->pdata;
  gboolean stays = can_follow (head);

  if (!take_auth_verdict (http, turn_connect_proxy_auth_challenge (http->auth, challenges, stays,
                                                                   http->who, error)))
    return TURN_CONNECT_HTTP_FAILED;
  if (!stays)
    return reopen (http, error);
  if (head->is_chunked) {
    http->state = STATE_CHUNK_SIZE;
    http->chunk_digits = 0;
    http->left = 0;
    return TURN_CONNECT_HTTP_MORE;
  }
  http->state = STATE_BODY;
  http->left = (gsize)head->content_length;
  return http->left > 0 ? TURN_CONNECT_HTTP_MORE : ask_again (http, error);
}

static TurnConnectHttpVerdict
judge_refusal (TurnConnectHttp *http, const TurnConnectHttpHead *head, GError **error)
{
  guint status = head->status;
  const char *reason = head->reason != NULL ? head->reason : "";

  /* tinyproxy 1.11 asks by 407 and refuses by 401. */
  if (status == 401 && turn_connect_proxy_auth_get_header (http->auth) != NULL)
    return fail (http, TURN_CONNECT_ERROR_PROXY_CREDENTIALS_WRONG, error,
                 "did not accept the configured user and password");
  if (status == 403 || status == 451 || status == 401)
    return fail (http, TURN_CONNECT_ERROR_PROXY_FORBIDDEN, error,
                 "does not allow %s (%u %s); most proxies allow port 443 only, its owner can allow "
                 "this target",
                 http->target, status, reason);
  if (status == 405 || status == 501 || status == 505)
    return fail (http, TURN_CONNECT_ERROR_PROXY_FORBIDDEN, error, "does not do CONNECT (%u %s)",
                 status, reason);
  if (status >= 300 && status < 400)
    return fail (http, TURN_CONNECT_ERROR_PROXY_FORBIDDEN, error,
                 "sends us elsewhere (%u %s), as networks do where one has to sign in by a browser "
                 "first",
                 status, reason);
  if (status == 408 || status == 429 || status >= 500)
    return fail (http, TURN_CONNECT_ERROR_PROXY_UPSTREAM, error, "could not reach %s (%u %s)",
                 http->target, status, reason);
  return fail (http, TURN_CONNECT_ERROR_PROXY_PROTOCOL, error,
               "refused CONNECT %s (%u %s); check that it is a proxy", http->target, status,
               reason);
}

static TurnConnectHttpVerdict
judge_head (TurnConnectHttp *http, GError **error)
{
  g_auto (TurnConnectHttpHead) head = { 0 };
  const char *problem = NULL;
  TurnConnectHttpVerdict verdict;

  if (!turn_connect_http_head_parse (&head, http->head->str, http->head->len, &problem))
    return fail_protocol (http, error, problem);
  g_string_truncate (http->head, 0);
  if (head.status == 101)
    return fail_protocol (http, error, "it switches protocols unasked");
  if (head.status < 200) {
    if (++http->n_interim > INTERIM_MAX)
      return fail_protocol (http, error, "it sends interim replies without end");
    return TURN_CONNECT_HTTP_MORE;
  }
  if (head.status < 300) {
    http->state = STATE_OVER;
    http->digest = turn_connect_proxy_auth_succeed (http->auth, head.info);
    return TURN_CONNECT_HTTP_UP;
  }
  verdict =
      head.status == 407 ? judge_407 (http, &head, error) : judge_refusal (http, &head, error);
  if (verdict == TURN_CONNECT_HTTP_FAILED && error != NULL)
    turn_connect_error_set_http_status (*error, head.status);
  return verdict;
}

/* One octet of a line. Lines end with CR LF and with nothing else; *@is_end when one did. */
static const char *
take_line_octet (TurnConnectHttp *http, guint8 octet, gboolean *is_end)
{
  *is_end = FALSE;
  if (http->saw_cr != (octet == '\n'))
    return octet == '\n' ? "a line ends without carriage return"
                         : "a carriage return stands in the middle of a line";
  http->saw_cr = octet == '\r';
  if (octet == '\0')
    return "it contains a zero octet";
  if (octet == '\n')
    *is_end = TRUE;
  else if (octet != '\r')
    http->line_length++;
  return NULL;
}

static TurnConnectHttpVerdict
feed_head (TurnConnectHttp *http, guint8 octet, GError **error)
{
  static const char beginning[] = "HTTP/1.";
  gboolean is_end;
  const char *problem;

  if (++http->n_octets > HEAD_MAX)
    return fail_protocol (http, error, "its header is larger than 16 kB");
  if (http->head->len < strlen (beginning) && octet != (guint8)beginning[http->head->len])
    return fail_protocol (http, error, "it does not begin with HTTP/1");
  problem = take_line_octet (http, octet, &is_end);
  if (problem != NULL)
    return fail_protocol (http, error, problem);
  g_string_append_c (http->head, (char)octet);
  if (!is_end)
    return TURN_CONNECT_HTTP_MORE;
  if (http->line_length == 0)
    return judge_head (http, error);
  http->line_length = 0;
  if (++http->n_lines > LINES_MAX)
    return fail_protocol (http, error, "its header has more than 100 lines");
  return TURN_CONNECT_HTTP_MORE;
}

static TurnConnectHttpVerdict
feed_chunk_size (TurnConnectHttp *http, guint8 octet, GError **error)
{
  if (g_ascii_isxdigit (octet) && http->chunk_digits < CHUNK_DIGITS_MAX) {
    http->left = http->left * 16 + (gsize)g_ascii_xdigit_value ((char)octet);
    http->chunk_digits++;
    return TURN_CONNECT_HTTP_MORE;
  }
  if (http->chunk_digits == 0 || (octet != '\r' && octet != ';' && octet != ' '))
    return fail_protocol (http, error, "a chunk has no proper size");
  http->saw_cr = octet == '\r';
  http->state = STATE_CHUNK_REST;
  return TURN_CONNECT_HTTP_MORE;
}

/* The line ends of a chunked body, by the state they end. */
static TurnConnectHttpVerdict
feed_chunk_line (TurnConnectHttp *http, guint8 octet, GError **error)
{
  gboolean is_end;
  const char *problem = take_line_octet (http, octet, &is_end);
  gsize line_length = http->line_length;

  if (problem != NULL)
    return fail_protocol (http, error, problem);
  if (http->state == STATE_CHUNK_END && line_length > 0)
    return fail_protocol (http, error, "a chunk is longer than it says");
  if (!is_end)
    return TURN_CONNECT_HTTP_MORE;
  http->line_length = 0;
  if (http->state == STATE_CHUNK_REST)
    http->state = http->left > 0 ? STATE_CHUNK_DATA : STATE_TRAILER;
  else if (http->state == STATE_CHUNK_END) {
    http->state = STATE_CHUNK_SIZE;
    http->chunk_digits = 0;
  } else if (line_length == 0) /* of the trailer */
    return ask_again (http, error);
  return TURN_CONNECT_HTTP_MORE;
}

/* A body costs at most BODY_MAX octets; beyond that a new connection is cheaper. */
static TurnConnectHttpVerdict
feed_body (TurnConnectHttp *http, guint8 octet, GError **error)
{
  if (++http->body_octets > BODY_MAX)
    return reopen (http, error);
  switch (http->state) {
  case STATE_BODY:
    return --http->left > 0 ? TURN_CONNECT_HTTP_MORE : ask_again (http, error);
  case STATE_CHUNK_SIZE:
    return feed_chunk_size (http, octet, error);
  case STATE_CHUNK_DATA:
    if (--http->left == 0)
      http->state = STATE_CHUNK_END;
    return TURN_CONNECT_HTTP_MORE;
  case STATE_CHUNK_REST:
  case STATE_CHUNK_END:
  case STATE_TRAILER:
    return feed_chunk_line (http, octet, error);
  case STATE_HEAD:
  case STATE_WAIT:
  case STATE_OVER:
    break;
  }
  return TURN_CONNECT_HTTP_MORE;
}

TurnConnectHttpVerdict
turn_connect_http_feed (
    TurnConnectHttp *http, const guint8 *data, gsize length, gsize *consumed, GError **error)
{
  TurnConnectHttpVerdict verdict = TURN_CONNECT_HTTP_MORE;
  gsize n = 0;

  g_return_val_if_fail (http->state != STATE_OVER && http->state != STATE_WAIT,
                        TURN_CONNECT_HTTP_FAILED);
  while (n < length && verdict == TURN_CONNECT_HTTP_MORE) {
    gsize pending;

    turn_connect_http_get_output (http, &pending);
    if (pending > 0 && http->state == STATE_HEAD && http->sent == 0) {
      verdict = fail_protocol (http, error, "it answers before it was asked");
      break;
    }
    verdict = http->state == STATE_HEAD ? feed_head (http, data[n], error)
                                        : feed_body (http, data[n], error);
    n++;
  }
  *consumed = verdict == TURN_CONNECT_HTTP_UP ? n : length;
  return verdict;
}

const TurnConnectDigest *
turn_connect_http_get_digest (TurnConnectHttp *http)
{
  return http->digest;
}

const TurnConnectProxyWanted *
turn_connect_http_get_wanted (TurnConnectHttp *http)
{
  return turn_connect_proxy_auth_get_wanted (http->auth);
}

TurnConnectHttpVerdict
turn_connect_http_give (TurnConnectHttp *http, GBytes *token, const char *problem, GError **error)
{
  g_return_val_if_fail (http->state == STATE_WAIT, TURN_CONNECT_HTTP_FAILED);
  if (!take_auth_verdict (
          http, turn_connect_proxy_auth_give (http->auth, token, problem, http->who, error))) {
    if (error != NULL)
      turn_connect_error_set_http_status (*error, 407);
    return TURN_CONNECT_HTTP_FAILED;
  }
  return http->is_lost ? reopen (http, error) : ask_again (http, error);
}

TurnConnectHttpVerdict
turn_connect_http_end (TurnConnectHttp *http, GError **error)
{
  g_return_val_if_fail (http->state != STATE_OVER && http->state != STATE_WAIT,
                        TURN_CONNECT_HTTP_FAILED);
  /* It said no to the request before, or let the next one fall between two stools. */
  if (http->state != STATE_HEAD || (http->n_octets == 0 && http->n_on_connection > 1))
    return reopen (http, error);
  return fail (http, TURN_CONNECT_ERROR_CLOSED, error,
               http->n_octets == 0 ? "ended the connection without an answer to CONNECT"
                                   : "ended the connection in the middle of its answer");
}
