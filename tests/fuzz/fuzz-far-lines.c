/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever poses as a far end: either its lines are such that each reader ends with what they may say, or nobody reads any. */
#include <string.h>

#include "fuzz.h"
#include "turn-connect/detect/far-lines.h"
#include "turn-connect/detect/far-record.h"
#include "turn-connect/detect/transparent.h"

#define SENT "GET / HTTP/1.1\r\nHost: far.example\r\n\r\n"

static guint
count_lines (const char *body, gsize length)
{
  TurnConnectFarLines lines;
  StunExtSpan line;
  guint n = 0;

  for (turn_connect_far_lines_begin (&lines, body, length);
       turn_connect_far_lines_next (&lines, &line); n++) {
    g_assert_cmpuint (line.length, <=, STUN_EXT_DETECT_LINE_MAX);
    for (gsize i = 0; i < line.length; i++)
      g_assert_true (g_ascii_isprint (((const char *)line.data)[i]));
  }
  g_assert_cmpuint (n, <=, TURN_CONNECT_FAR_LINES_MAX);
  g_assert_cmpuint (lines.position, ==, lines.length);
  return n;
}

static guint
read_listeners (const char *body, gsize length)
{
  TurnConnectFarLines lines;
  TurnConnectListener listener;
  guint n = 0;

  for (turn_connect_far_lines_begin (&lines, body, length);
       turn_connect_far_lines_next_listener (&lines, &listener); n++) {
    g_assert_cmpuint (listener.port, !=, 0);
    g_assert_cmpint (listener.heard_ago_s, >=, -1);
    g_assert_true (listener.carry == TURN_CONNECT_CARRY_UDP ||
                   listener.carry == TURN_CONNECT_CARRY_TCP);
  }
  return n;
}

static guint
read_records (const char *body, gsize length)
{
  TurnConnectFarLines lines;
  StunExtDetectRecord record;
  guint n = 0;

  turn_connect_far_lines_begin (&lines, body, length);
  while (turn_connect_far_lines_next_record (&lines, &record))
    n++;
  g_assert_cmpint (lines.lost, >=, -1);
  return n;
}

static guint
read_others (const char *body, gsize length)
{
  g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
  TurnConnectProbe *probe =
      turn_connect_observations_add (observations, TURN_CONNECT_PROBE_PROXY, "transparent");
  TurnConnectOutcome outcome = turn_connect_transparent_compare (probe, SENT, body, length);
  TurnConnectFarExporter exporter;
  TurnConnectFarEcho echo;
  gboolean has_echo = turn_connect_far_lines_read_echo (body, length, &echo);
  gboolean has_exporter = turn_connect_far_lines_read_exporter (body, length, &exporter);

  g_assert_true (has_echo == (outcome != TURN_CONNECT_OUTCOME_UNSUPPORTED));
  g_assert_true (has_exporter || (!exporter.is_tls && !exporter.has_keys));
  if (turn_connect_probe_get_fact (probe, "added") != NULL)
    g_assert_cmpint (outcome, ==, TURN_CONNECT_OUTCOME_ALTERED);
  turn_connect_far_record_note (observations, body, length);
  return (guint)has_echo + (guint)has_exporter;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  const char *body = (const char *)data;
  g_autofree char *fault = turn_connect_far_lines_find_fault (body, length);
  guint n = count_lines (body, length);

  g_assert_true (fault == NULL ? (n > 0) == (length > 0) : n == 0);
  /* A line has one kind. */
  g_assert_cmpuint (read_listeners (body, length) + read_records (body, length) +
                        read_others (body, length),
                    <=, n);
  return 0;
}
