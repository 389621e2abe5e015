/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading and checking header lines, apart from the dialogue they belong to. Strict, because two
 * parties that read one reply differently is how requests get smuggled and tunnels mixed up.
 */
#include "turn-connect/proxy/http-head.h"

#include "turn-connect/error-private.h"

#include <string.h>

#define REASON_MAX 60      /* octets shown to people */
#define LINE_MAX_SENT 2048 /* octets of one configured header line */
#define ALPN_MAX 255       /* octets of a protocol name: RFC 7301 section 3.1 */

static gboolean
is_token_char (char c)
{
  return g_ascii_isalnum (c) || (c != '\0' && strchr ("!#$%&'*+-.^_`|~", c) != NULL);
}

static gboolean
is_blank (char c)
{
  return c == ' ' || c == '\t';
}

/* HTTP/1.x SP 3DIGIT [SP reason]: RFC 9112 section 4. */
static gboolean
parse_status (TurnConnectHttpHead *head, const char *line, gsize length, const char **problem)
{
  *problem = "its first line is not a status line of HTTP/1";
  if (length < 12 || strncmp (line, "HTTP/1.", 7) != 0 || !g_ascii_isdigit (line[7]) ||
      line[8] != ' ')
    return FALSE;
  for (int i = 9; i < 12; i++) {
    if (!g_ascii_isdigit (line[i]))
      return FALSE;
  }
  if (length > 12 && line[12] != ' ')
    return FALSE;
  head->minor = (guint)(line[7] - '0');
  head->status = (guint)((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
  if (head->status < 100 || head->status > 599)
    return FALSE;
  if (length > 13)
    head->reason = turn_connect_error_quote (line + 13, length - 13, REASON_MAX);
  return TRUE;
}

/* Is @word one of the comma-separated words of @value? */
static gboolean
has_word (const char *value, const char *word)
{
  g_auto (GStrv) words = g_strsplit (value, ",", -1);

  for (char **w = words; *w != NULL; w++) {
    if (g_ascii_strcasecmp (g_strstrip (*w), word) == 0)
      return TRUE;
  }
  return FALSE;
}

static gboolean
take_length (TurnConnectHttpHead *head, const char *value, const char **problem)
{
  guint64 length;

  *problem = "its Content-Length is not one number";
  if (strlen (value) == 0 || strlen (value) > 18 || strspn (value, "0123456789") != strlen (value))
    return FALSE;
  length = g_ascii_strtoull (value, NULL, 10);
  if (head->content_length >= 0 && head->content_length != (gint64)length)
    return FALSE;
  head->content_length = (gint64)length;
  return TRUE;
}

static gboolean
take_header (TurnConnectHttpHead *head, const char *name, const char *value, const char **problem)
{
  if (g_ascii_strcasecmp (name, "Proxy-Authenticate") == 0)
    g_ptr_array_add (head->challenges, g_strdup (value));
  else if (g_ascii_strcasecmp (name, "Proxy-Authentication-Info") == 0 && head->info == NULL)
    head->info = g_strdup (value);
  else if (g_ascii_strcasecmp (name, "Connection") == 0 ||
           g_ascii_strcasecmp (name, "Proxy-Connection") == 0) {
    head->says_close |= has_word (value, "close");
    head->says_keep |= has_word (value, "keep-alive");
  } else if (g_ascii_strcasecmp (name, "Transfer-Encoding") == 0) {
    if (g_ascii_strcasecmp (value, "chunked") == 0 && !head->is_chunked)
      head->is_chunked = TRUE;
    else
      head->is_coded_otherwise = TRUE;
  } else if (g_ascii_strcasecmp (name, "Content-Length") == 0)
    return take_length (head, value, problem);
  return TRUE;
}

/* @field: name, colon, value, as one line with folds already undone. */
static gboolean
parse_field (TurnConnectHttpHead *head, char *field, const char **problem)
{
  char *value = field;

  while (is_token_char (*value))
    value++;
  if (value == field || *value != ':') {
    *problem = "a header line has no proper name";
    return FALSE;
  }
  *value++ = '\0';
  for (const char *c = value; *c != '\0'; c++) {
    if (((guchar)*c < 0x20 && *c != '\t') || *c == 0x7f) {
      *problem = "a header line contains a control character";
      return FALSE;
    }
  }
  return take_header (head, field, g_strstrip (value), problem);
}

/* A line that begins with a blank goes on with the one before: RFC 9112 section 5.2. */
static gboolean
parse_fields (TurnConnectHttpHead *head, char **lines, const char **problem)
{
  g_autoptr (GString) field = g_string_new (NULL);

  for (; *lines != NULL && **lines != '\0'; lines++) {
    if (is_blank (**lines)) {
      if (field->len == 0) {
        *problem = "a folded header line continues nothing";
        return FALSE;
      }
      g_string_append_printf (field, " %s", g_strchug (*lines));
      continue;
    }
    if (field->len > 0 && !parse_field (head, field->str, problem))
      return FALSE;
    g_string_assign (field, *lines);
  }
  return field->len == 0 || parse_field (head, field->str, problem);
}

gboolean
turn_connect_http_head_parse (TurnConnectHttpHead *head,
                              const char *text,
                              gsize length,
                              const char **problem)
{
  g_autofree char *copy = g_strndup (text, length);
  g_auto (GStrv) lines = g_strsplit (copy, "\r\n", -1);

  memset (head, 0, sizeof *head);
  head->content_length = -1;
  head->challenges = g_ptr_array_new_with_free_func (g_free);
  if (lines[0] == NULL || !parse_status (head, lines[0], strlen (lines[0]), problem) ||
      !parse_fields (head, lines + 1, problem))
    return FALSE;
  g_ptr_array_add (head->challenges, NULL);
  return TRUE;
}

void
turn_connect_http_head_clear (TurnConnectHttpHead *head)
{
  g_clear_pointer (&head->reason, g_free);
  g_clear_pointer (&head->info, g_free);
  g_clear_pointer (&head->challenges, g_ptr_array_unref);
}

gboolean
turn_connect_http_head_keeps_alive (const TurnConnectHttpHead *head)
{
  if (head->says_close)
    return FALSE;
  return head->minor >= 1 || head->says_keep;
}

static gboolean
refuse (GError **error, const char *message)
{
  g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, message);
  return FALSE;
}

gboolean
turn_connect_http_head_check_line (const char *line, GError **error)
{
  /* What frames the request, says where it goes, or carries credentials is written here alone. */
  static const char *const own[] = { "Host",       "Content-Length",   "Transfer-Encoding",
                                     "Connection", "Proxy-Connection", "Proxy-Authorization",
                                     "TE",         "Trailer",          "Upgrade",
                                     "Expect",     "Keep-Alive" };
  gsize n = 0;

  if (strlen (line) > LINE_MAX_SENT)
    return refuse (error, "the header line is longer than 2048 octets");
  while (is_token_char (line[n]))
    n++;
  if (n == 0 || line[n] != ':')
    return refuse (error, "the header line is not of the form \"Name: value\"");
  for (const char *c = line; *c != '\0'; c++) {
    if (((guchar)*c < 0x20 && *c != '\t') || *c == 0x7f)
      return refuse (error, "the header line contains a line break or another control character");
  }
  for (gsize i = 0; i < G_N_ELEMENTS (own); i++) {
    if (strlen (own[i]) == n && g_ascii_strncasecmp (own[i], line, n) == 0)
      return refuse (error, "this header belongs to the request itself and cannot be set");
  }
  return TRUE;
}

char *
turn_connect_http_head_make_alpn (const char *const *protocols, GError **error)
{
  g_autoptr (GString) value = g_string_new (NULL);

  if (*protocols == NULL) {
    refuse (error, "the list of protocols for ALPN is empty");
    return NULL;
  }
  for (; *protocols != NULL; protocols++) {
    gsize length = strlen (*protocols);

    if (length == 0 || length > ALPN_MAX || value->len > LINE_MAX_SENT) {
      refuse (error, "a protocol name for ALPN must have 1 to 255 octets");
      return NULL;
    }
    if (value->len > 0)
      g_string_append (value, ", ");
    for (const char *c = *protocols; *c != '\0'; c++) {
      if (is_token_char (*c) && *c != '%')
        g_string_append_c (value, *c);
      else
        g_string_append_printf (value, "%%%02X", (guchar)*c);
    }
  }
  return g_string_free (g_steal_pointer (&value), FALSE);
}
