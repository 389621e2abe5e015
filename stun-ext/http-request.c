/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TEP-S shares its port with web clients and takes CONNECT to itself. Reading a request octet by
 * octet needs no buffer of its size, and gives no place where two readings of one request could
 * differ: what is not plainly right is bad. */
#include "stun-ext/http-request.h"

#include <string.h>

#include "stun-ext/address.h"

#define METHOD_MAX 16            /* octets; the longest registered method */
#define VERSION_LENGTH 8         /* octets of "HTTP/1.1" */
#define CONTENT_LENGTH_DIGITS 18 /* fits 64 bits */

enum {
  STEP_METHOD,
  STEP_TARGET,
  STEP_VERSION,
  STEP_LINE_FEED,
  STEP_LINE,
  STEP_NAME,
  STEP_VALUE,
  STEP_LAST_LINE_FEED,
  STEP_DONE,
  STEP_BAD,
};

enum {
  HEADER_OTHER,
  HEADER_HOST,
  HEADER_CONTENT_LENGTH,
  HEADER_TRANSFER_ENCODING,
};

void
stun_ext_http_request_init (StunExtHttpRequest *request)
{
  memset (request, 0, sizeof *request);
}

/* RFC 9110 section 5.6.2 */
static gboolean
is_token (guint8 octet)
{
  return octet != 0 && (g_ascii_isalnum (octet) || strchr ("!#$%&'*+-.^_`|~", octet) != NULL);
}

static gboolean
append (StunExtHttpRequest *request, guint8 octet, gsize max)
{
  if (request->position >= max)
    return FALSE;
  request->word[request->position++] = (char)octet;
  request->word[request->position] = '\0';
  return TRUE;
}

static guint8
begin (StunExtHttpRequest *request, guint8 step)
{
  request->position = 0;
  request->word[0] = '\0';
  return step;
}

static guint8
read_method (StunExtHttpRequest *request, guint8 octet)
{
  if (octet == ' ' && request->position > 0) {
    request->is_connect = strcmp (request->word, "CONNECT") == 0;
    request->is_head = strcmp (request->word, "HEAD") == 0;
    return begin (request, STEP_TARGET);
  }
  if (!g_ascii_isupper (octet) && octet != '-')
    return STEP_BAD;
  return append (request, octet, METHOD_MAX) ? STEP_METHOD : STEP_BAD;
}

/* Only the target of CONNECT is kept. */
static guint8
read_target (StunExtHttpRequest *request, guint8 octet)
{
  if (octet == ' ' && request->n_target > 0)
    return begin (request, STEP_VERSION);
  if (octet <= ' ' || octet >= 0x7f)
    return STEP_BAD;
  if (request->is_connect) {
    if (request->n_target >= sizeof request->target - 1)
      return STEP_BAD;
    request->target[request->n_target] = (char)octet;
  }
  request->n_target++;
  return STEP_TARGET;
}

static guint8
read_version (StunExtHttpRequest *request, guint8 octet)
{
  if (octet != '\r')
    return append (request, octet, VERSION_LENGTH) ? STEP_VERSION : STEP_BAD;
  request->is_http_1_1 = strcmp (request->word, "HTTP/1.1") == 0;
  if (!request->is_http_1_1 && strcmp (request->word, "HTTP/1.0") != 0)
    return STEP_BAD;
  return STEP_LINE_FEED;
}

static guint8
end_name (StunExtHttpRequest *request)
{
  static const char *const names[] = {
    [HEADER_HOST] = "host",
    [HEADER_CONTENT_LENGTH] = "content-length",
    [HEADER_TRANSFER_ENCODING] = "transfer-encoding",
  };

  if (request->position == 0)
    return STEP_BAD;
  request->header = HEADER_OTHER;
  for (guint8 i = HEADER_HOST; i < G_N_ELEMENTS (names); i++) {
    if (strcmp (request->word, names[i]) == 0)
      request->header = i;
  }
  if (request->header == HEADER_HOST)
    request->n_hosts++;
  /* Two ways to tell where a body ends are two bodies to two readers. */
  if (request->header == HEADER_CONTENT_LENGTH || request->header == HEADER_TRANSFER_ENCODING)
    request->n_content_lengths++;
  if (request->n_hosts > 1 || request->n_content_lengths > 1 ||
      (request->is_connect && request->header == HEADER_TRANSFER_ENCODING))
    return STEP_BAD;
  return begin (request, STEP_VALUE);
}

static guint8
read_name (StunExtHttpRequest *request, guint8 octet)
{
  if (octet == ':')
    return end_name (request);
  if (!is_token (octet))
    return STEP_BAD;
  return append (request, (guint8)g_ascii_tolower (octet), STUN_EXT_HTTP_REQUEST_MAX_NAME)
             ? STEP_NAME
             : STEP_BAD;
}

static guint8
read_line (StunExtHttpRequest *request, guint8 octet)
{
  if (octet == '\r')
    return STEP_LAST_LINE_FEED;
  if (++request->n_lines > STUN_EXT_HTTP_REQUEST_MAX_LINES)
    return STEP_BAD;
  begin (request, STEP_NAME);
  return read_name (request, octet);
}

static gboolean
is_good_content_length (StunExtHttpRequest *request)
{
  const char *digits = g_strstrip (request->word);
  gsize n = strlen (digits);

  if (n == 0 || n > CONTENT_LENGTH_DIGITS || strspn (digits, "0123456789") != n)
    return FALSE;
  return !request->is_connect || strspn (digits, "0") == n;
}

static guint8
read_value (StunExtHttpRequest *request, guint8 octet)
{
  gboolean is_content_length = request->header == HEADER_CONTENT_LENGTH;

  if (octet == '\r')
    return is_content_length && !is_good_content_length (request) ? STEP_BAD : STEP_LINE_FEED;
  if ((octet < ' ' && octet != '\t') || octet == 0x7f)
    return STEP_BAD;
  if (is_content_length && !append (request, octet, sizeof request->word - 1))
    return STEP_BAD;
  return STEP_VALUE;
}

/* The port as RFC 3986 writes it, without leading zeros. */
static guint16
parse_port (const char *text)
{
  gsize n = strlen (text);
  guint64 port;

  if (n == 0 || n > 5 || text[0] == '0' || strspn (text, "0123456789") != n)
    return 0;
  port = g_ascii_strtoull (text, NULL, 10);
  return port <= G_MAXUINT16 ? (guint16)port : 0;
}

static gboolean
is_host_name (const char *text)
{
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-._";

  return text[0] != '\0' && strspn (text, allowed) == strlen (text);
}

/* Address literals are brought into the one form in which they print, so that comparing text
 * compares addresses. */
static gboolean
set_host (StunExtHttpRequest *request, const char *text, gboolean is_bracketed)
{
  g_autofree char *lower = g_ascii_strdown (text, -1);
  char printed[STUN_EXT_ADDRESS_TEXT_LENGTH];
  StunExtAddress address;

  if (strchr (lower, '[') != NULL || (!is_bracketed && strchr (lower, ':') != NULL))
    return FALSE;
  if (stun_ext_address_parse (lower, &address)) {
    if ((address.family == 6) != is_bracketed)
      return FALSE;
    stun_ext_address_print_host (&address, printed);
    g_strlcpy (request->host, printed, sizeof request->host);
    return TRUE;
  }
  if (is_bracketed || !is_host_name (lower))
    return FALSE;
  return g_strlcpy (request->host, lower, sizeof request->host) < sizeof request->host;
}

/* host ":" port, or "[" IPv6 "]" ":" port (RFC 9112 section 3.2.3) */
static gboolean
parse_target (StunExtHttpRequest *request)
{
  g_autofree char *host = g_strndup (request->target, request->n_target);
  gboolean is_bracketed = host[0] == '[';
  char *colon = strrchr (host, ':');
  gsize n;

  if (colon == NULL)
    return FALSE;
  *colon = '\0';
  n = strlen (host);
  if (is_bracketed) {
    if (n < 2 || host[n - 1] != ']')
      return FALSE;
    host[n - 1] = '\0';
  }
  request->port = parse_port (colon + 1);
  return request->port != 0 && set_host (request, host + (is_bracketed ? 1 : 0), is_bracketed);
}

static guint8
end_request (StunExtHttpRequest *request)
{
  if (request->is_http_1_1 && request->n_hosts == 0)
    return STEP_BAD;
  if (request->is_connect && !parse_target (request))
    return STEP_BAD;
  return STEP_DONE;
}

static guint8
read_octet (StunExtHttpRequest *request, guint8 octet)
{
  switch (request->step) {
  case STEP_METHOD:
    return read_method (request, octet);
  case STEP_TARGET:
    return read_target (request, octet);
  case STEP_VERSION:
    return read_version (request, octet);
  case STEP_LINE_FEED:
    return octet == '\n' ? STEP_LINE : STEP_BAD;
  case STEP_LINE:
    return read_line (request, octet);
  case STEP_NAME:
    return read_name (request, octet);
  case STEP_VALUE:
    return read_value (request, octet);
  case STEP_LAST_LINE_FEED:
    return octet == '\n' ? end_request (request) : STEP_BAD;
  default:
    return STEP_BAD;
  }
}

StunExtHttpRequestState
stun_ext_http_request_feed (StunExtHttpRequest *request,
                            const void *data,
                            gsize length,
                            gsize *consumed)
{
  const guint8 *octets = data;
  gsize i = 0;

  while (i < length && request->step < STEP_DONE) {
    if (request->length >= STUN_EXT_HTTP_REQUEST_MAX_LENGTH)
      request->step = STEP_BAD;
    else
      request->step = read_octet (request, octets[i++]);
    request->length++;
  }
  *consumed = i;
  if (request->step == STEP_DONE)
    return STUN_EXT_HTTP_REQUEST_DONE;
  return request->step == STEP_BAD ? STUN_EXT_HTTP_REQUEST_BAD : STUN_EXT_HTTP_REQUEST_MORE;
}

StunExtHttpAnswer
stun_ext_http_request_judge (const StunExtHttpRequest *request,
                             gboolean may_connect,
                             StunExtHttpIsOwn is_own,
                             gpointer user_data)
{
  if (request->step != STEP_DONE)
    return STUN_EXT_HTTP_ANSWER_BAD_REQUEST;
  if (!request->is_connect)
    return STUN_EXT_HTTP_ANSWER_NOT_FOUND;
  if (!may_connect)
    return STUN_EXT_HTTP_ANSWER_NOT_ALLOWED;
  return is_own != NULL && is_own (request->host, request->port, user_data)
             ? STUN_EXT_HTTP_ANSWER_CONNECTED
             : STUN_EXT_HTTP_ANSWER_FORBIDDEN;
}

#define REFUSAL(status, allow, length, body)                                                       \
  "HTTP/1.1 " status "\r\n" allow "Connection: close\r\nContent-Type: text/plain\r\n"              \
  "Content-Length: " length "\r\n\r\n" body

const char *
stun_ext_http_answer_text (StunExtHttpAnswer answer, gboolean is_head, gsize *length)
{
  static const char *const texts[] = {
    [STUN_EXT_HTTP_ANSWER_CONNECTED] = "HTTP/1.1 200 OK\r\n\r\n",
    [STUN_EXT_HTTP_ANSWER_BAD_REQUEST] = REFUSAL ("400 Bad Request", "", "12", "Bad request\n"),
    [STUN_EXT_HTTP_ANSWER_FORBIDDEN] = REFUSAL ("403 Forbidden", "", "10", "Forbidden\n"),
    [STUN_EXT_HTTP_ANSWER_NOT_FOUND] = REFUSAL ("404 Not Found", "", "10", "Not found\n"),
    [STUN_EXT_HTTP_ANSWER_NOT_ALLOWED] =
        REFUSAL ("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "12", "Not allowed\n"),
  };
  const char *text = texts[answer];
  const char *blank_line = strstr (text, "\r\n\r\n");

  *length = is_head ? (gsize)(blank_line + strlen ("\r\n\r\n") - text) : strlen (text);
  return text;
}
