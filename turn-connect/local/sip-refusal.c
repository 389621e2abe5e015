/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A telephone shows the reason phrase of a response to its user, but of a connection that breaks
 * only that it broke. So when a registrar cannot be reached, the client's request is answered here
 * with why. Nothing of the request is understood but the fields that a response has to repeat, and
 * those are repeated as they came.
 */
#include "turn-connect/local/sip-refusal.h"

#include <string.h>

#define CAUSE_MAX 200   /* octets of it that are told */
#define METHOD_MAX 32   /* octets before it cannot be one */
#define ANSWER_MAX 8192 /* octets; a request with more of Via is not answered */

/* Long and compact names, RFC 3261 section 7.3.3; their order in the response. */
static const struct {
  const char *name;
  const char *compact; /* NULL: there is none */
  gboolean may_repeat;
} fields[] = {
  { "Via", "v", TRUE },      { "From", "f", FALSE },  { "To", "t", FALSE },
  { "Call-ID", "i", FALSE }, { "CSeq", NULL, FALSE },
};
#define TO 2

/* A header field with the lines that continue it. */
typedef struct {
  const char *text;
  gsize length; /* without the last line end */
} Field;

/* The next line, @rest moved behind it; FALSE if its end is not there. */
static gboolean
cut_line (const char **rest, const char *end, Field *line)
{
  const char *feed = memchr (*rest, '\n', (gsize)(end - *rest));

  if (feed == NULL)
    return FALSE;
  line->text = *rest;
  line->length = (gsize)(feed - *rest);
  if (line->length > 0 && line->text[line->length - 1] == '\r')
    line->length--;
  *rest = feed + 1;
  return TRUE;
}

/* A field may go on in lines that begin with a blank. */
static gboolean
cut_field (const char **rest, const char *end, Field *field)
{
  Field more;

  if (!cut_line (rest, end, field))
    return FALSE;
  while (field->length > 0 && *rest < end && (**rest == ' ' || **rest == '\t')) {
    if (!cut_line (rest, end, &more))
      return FALSE;
    field->length = (gsize)(more.text + more.length - field->text);
  }
  return TRUE;
}

static gboolean
is_named (const Field *field, const char *name)
{
  gsize length = name != NULL ? strlen (name) : 0;
  gsize at = length;

  if (length == 0 || field->length <= length ||
      g_ascii_strncasecmp (field->text, name, length) != 0)
    return FALSE;
  while (at < field->length && (field->text[at] == ' ' || field->text[at] == '\t'))
    at++;
  return at < field->length && field->text[at] == ':';
}

static gboolean
is_clean (const Field *field)
{
  for (gsize i = 0; i < field->length; i++) {
    guchar c = (guchar)field->text[i];

    if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
      return FALSE;
  }
  return TRUE;
}

/* "REGISTER sip:example.org SIP/2.0"; ACK is a request that nobody answers. */
static gboolean
is_request_line (const Field *line)
{
  static const char version[] = " SIP/2.0";
  const char *blank = memchr (line->text, ' ', line->length);
  gsize tail = strlen (version);

  return is_clean (line) && blank != NULL && blank > line->text && line->length > tail &&
         g_ascii_strncasecmp (line->text + line->length - tail, version, tail) == 0 &&
         blank < line->text + line->length - tail &&
         g_ascii_strncasecmp (line->text, "ACK ", 4) != 0 &&
         g_ascii_strncasecmp (line->text, "SIP/", 4) != 0;
}

/* The beginning of a line that may become a request line. */
static gboolean
may_be_request (const char *text, gsize length)
{
  const char *blank = memchr (text, ' ', length);
  gsize method = blank != NULL ? (gsize)(blank - text) : length;

  if (method > METHOD_MAX)
    return FALSE;
  for (gsize i = 0; i < method; i++) {
    if (!g_ascii_isalpha (text[i]))
      return FALSE;
  }
  return TRUE;
}

/* What a reason phrase and a quoted string can both hold. */
static void
append_cause (GString *answer, const char *cause)
{
  for (gsize i = 0; cause[i] != '\0' && i < CAUSE_MAX; i++) {
    char c = cause[i];

    g_string_append_c (answer, c == '"' || c == '\\' ? '\'' : c >= 0x20 && c < 0x7f ? c : '?');
  }
}

static gboolean
has_tag (const Field *field)
{
  g_autofree char *text = g_ascii_strdown (field->text, (gssize)field->length);
  const char *bracket = strrchr (text, '>');

  return strstr (bracket != NULL ? bracket : text, ";tag=") != NULL;
}

static void
append_field (GString *answer, guint index, const Field *field)
{
  g_string_append_len (answer, field->text, (gssize)field->length);
  if (index == TO && !has_tag (field))
    g_string_append_printf (answer, ";tag=%08x", g_random_int ());
  g_string_append (answer, "\r\n");
}

/* Collects the fields in the request's order, which for Via is what counts. */
static TurnConnectSip
append_fields (GString *answer, const char *rest, const char *end)
{
  guint counts[G_N_ELEMENTS (fields)] = { 0 };
  Field field;

  while (cut_field (&rest, end, &field)) {
    if (field.length == 0) { /* the empty line: all have been seen */
      for (guint i = 0; i < G_N_ELEMENTS (fields); i++) {
        if (counts[i] == 0 || (counts[i] > 1 && !fields[i].may_repeat))
          return TURN_CONNECT_SIP_NOT;
      }
      return answer->len <= ANSWER_MAX ? TURN_CONNECT_SIP_REQUEST : TURN_CONNECT_SIP_NOT;
    }
    for (guint i = 0; i < G_N_ELEMENTS (fields); i++) {
      if (!is_named (&field, fields[i].name) && !is_named (&field, fields[i].compact))
        continue;
      if (!is_clean (&field))
        return TURN_CONNECT_SIP_NOT;
      counts[i]++;
      append_field (answer, i, &field);
    }
  }
  return TURN_CONNECT_SIP_MORE;
}

TurnConnectSip
turn_connect_sip_refuse (const guint8 *data, gsize length, const char *cause, GString *answer)
{
  const char *rest = (const char *)data;
  const char *end;
  TurnConnectSip found;
  Field line;

  if (length == 0)
    return TURN_CONNECT_SIP_MORE;
  end = rest + length;
  /* Keepalives and other empty lines before it, RFC 3261 section 7.5. */
  while (rest < end && (*rest == '\r' || *rest == '\n'))
    rest++;
  if (!may_be_request (rest, (gsize)(end - rest)))
    return TURN_CONNECT_SIP_NOT;
  if (!cut_line (&rest, end, &line))
    return TURN_CONNECT_SIP_MORE;
  if (!is_request_line (&line))
    return TURN_CONNECT_SIP_NOT;
  g_string_assign (answer, "SIP/2.0 503 ");
  append_cause (answer, cause);
  g_string_append (answer, "\r\n");
  found = append_fields (answer, rest, end);
  if (found == TURN_CONNECT_SIP_REQUEST) {
    g_string_append (answer, "Warning: 399 turn-connect \"");
    append_cause (answer, cause);
    g_string_append (answer, "\"\r\nContent-Length: 0\r\n\r\n");
  } else
    g_string_truncate (answer, 0);
  return found;
}
