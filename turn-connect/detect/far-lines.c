/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Anybody who knows the protocol can pose as the far end, so one unit reads what it says. All of a body
 * is looked at before anything of it counts: a lie further on is no reason to believe the beginning.
 */
#include "turn-connect/detect/far-lines.h"

#include <string.h>

char *
turn_connect_far_lines_find_fault (const char *body, gsize length)
{
  guint n = 1; /* the line that @i is in */
  gsize begin = 0;

  for (gsize i = 0; i < length; i++) {
    if (n > TURN_CONNECT_FAR_LINES_MAX)
      return g_strdup_printf ("there are more than %d lines", TURN_CONNECT_FAR_LINES_MAX);
    if (body[i] == '\n') {
      begin = i + 1;
      n++;
    } else if (body[i] < ' ' || body[i] > '~')
      return g_strdup_printf ("line %u has an octet that is no text", n);
    else if (i - begin >= STUN_EXT_DETECT_LINE_MAX)
      return g_strdup_printf ("line %u has more than %d octets", n, STUN_EXT_DETECT_LINE_MAX);
  }
  return begin == length ? NULL : g_strdup_printf ("line %u does not end", n);
}

void
turn_connect_far_lines_begin (TurnConnectFarLines *lines, const char *body, gsize length)
{
  g_autofree char *fault = turn_connect_far_lines_find_fault (body, length);

  *lines = (TurnConnectFarLines){ .body = body, .length = fault == NULL ? length : 0, .lost = -1 };
}

gboolean
turn_connect_far_lines_next (TurnConnectFarLines *lines, StunExtSpan *line)
{
  return stun_ext_detect_line_next (lines->body, lines->length, &lines->position, line);
}

static gboolean
has_word (StunExtSpan line, const char *name, const char *word)
{
  StunExtSpan text;

  return stun_ext_detect_line_text (line, name, &text) && text.length == strlen (word) &&
         memcmp (text.data, word, text.length) == 0;
}

static gboolean
read_digits (StunExtSpan line, const char *name, guint8 *octets, gsize length)
{
  StunExtSpan digits;

  return stun_ext_detect_line_text (line, name, &digits) &&
         stun_ext_detect_hex_parse (digits.data, digits.length, octets, length);
}

static gboolean
read_address (StunExtSpan line, const char *name, StunExtAddress *address)
{
  g_autofree char *text = NULL;
  StunExtSpan said;

  if (!stun_ext_detect_line_text (line, name, &said))
    return FALSE;
  text = g_strndup (said.data, said.length);
  return stun_ext_address_parse (text, address);
}

gboolean
turn_connect_far_lines_next_record (TurnConnectFarLines *lines, StunExtDetectRecord *record)
{
  StunExtSpan line;

  while (turn_connect_far_lines_next (lines, &line)) {
    if (stun_ext_detect_record_read (line.data, line.length, record))
      return TRUE;
    stun_ext_detect_line_number (line, "lost", &lines->lost);
  }
  return FALSE;
}

/* A line such as {"line":"listener","transport":"udp","address":"192.0.2.1:3478","heard":0,...}. */
static gboolean
read_listener (StunExtSpan line, gint64 now_ms, TurnConnectListener *listener)
{
  StunExtAddress bound;
  gint64 heard_ms = 0;

  if (!has_word (line, "line", "listener") || !read_address (line, "address", &bound) ||
      bound.port == 0)
    return FALSE;
  *listener = (TurnConnectListener){ .carry = TURN_CONNECT_CARRY_UDP,
                                     .port = bound.port,
                                     .heard_ago_s = -1,
                                     .is_front_door = stun_ext_detect_line_is_true (line, "door") };
  if (has_word (line, "transport", "tcp"))
    listener->carry = TURN_CONNECT_CARRY_TCP;
  else if (!has_word (line, "transport", "udp"))
    return FALSE;
  if (stun_ext_detect_line_number (line, "heard", &heard_ms) && heard_ms > 0 && now_ms >= heard_ms)
    listener->heard_ago_s = (gint)MIN ((now_ms - heard_ms) / 1000, G_MAXINT32);
  return TRUE;
}

gboolean
turn_connect_far_lines_next_listener (TurnConnectFarLines *lines, TurnConnectListener *listener)
{
  StunExtSpan line;

  while (turn_connect_far_lines_next (lines, &line)) {
    if (read_listener (line, lines->now_ms, listener))
      return TRUE;
    if (has_word (line, "line", "self"))
      stun_ext_detect_line_number (line, "time", &lines->now_ms);
  }
  return FALSE;
}

static gboolean
find_line (const char *body, gsize length, const char *word, StunExtSpan *line)
{
  TurnConnectFarLines lines;

  turn_connect_far_lines_begin (&lines, body, length);
  while (turn_connect_far_lines_next (&lines, line)) {
    if (has_word (*line, "line", word))
      return TRUE;
  }
  return FALSE;
}

gboolean
turn_connect_far_lines_read_exporter (const char *body,
                                      gsize length,
                                      TurnConnectFarExporter *exporter)
{
  StunExtSpan line;

  *exporter = (TurnConnectFarExporter){ .is_tls = FALSE };
  if (!find_line (body, length, "exporter", &line))
    return FALSE;
  exporter->is_tls = stun_ext_detect_line_is_true (line, "tls");
  exporter->has_keys = read_digits (line, "exporter", exporter->keys, sizeof exporter->keys);
  return TRUE;
}

gboolean
turn_connect_far_lines_read_echo (const char *body, gsize length, TurnConnectFarEcho *echo)
{
  StunExtSpan line, source;

  *echo = (TurnConnectFarEcho){ .head = { NULL, 0 } };
  if (!find_line (body, length, "echo", &line) ||
      !read_digits (line, "digest", echo->digest, sizeof echo->digest) ||
      !stun_ext_detect_line_text (line, "source", &source))
    return FALSE;
  if (!read_address (line, "source", &echo->source))
    echo->source = (StunExtAddress){ 0 };
  stun_ext_detect_line_text (line, "head", &echo->head);
  return TRUE;
}
