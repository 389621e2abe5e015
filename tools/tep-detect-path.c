/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way to the far end as a drawing: this host at the top, what stands in between, the far end at
 * the bottom, and a lane for each of UDP, TCP and the proxy, which ends where it is stopped. It is
 * as wide as a phone, for there it is read.
 */
#include "tools/tep-detect.h"

#include <string.h>

#define WIDTH 360
#define MARGIN 8
#define GAP 40   /* between boxes, where lanes are seen */
#define LINE 15  /* of text */
#define PAD 8    /* within a box */
#define CHARS 50 /* that fit across the drawing */
#define SIDE 122 /* of the proxy's box, beside the firewall */
#define SIDE_CHARS 16
#define LINES_MAX 8

typedef struct {
  const char *label;
  const char *css; /* "pass", "stop", "open" for what is not determined */
  gint x;
} Lane;

typedef struct {
  GString *out;
  gint y;
  Lane lanes[3];
  guint n_lanes;
  gboolean is_past; /* the firewall: lanes that it stops have ended */
} Drawing;

static const char *
choose_class (TurnConnectTell tell)
{
  return tell == TURN_CONNECT_TELL_YES ? "pass" : tell == TURN_CONNECT_TELL_NO ? "stop" : "open";
}

static gboolean
is_stopped (const Lane *lane)
{
  return strcmp (lane->css, "stop") == 0;
}

static void
draw_text (Drawing *drawing, gint x, gint y, const char *css, const char *text)
{
  g_string_append_printf (drawing->out, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, css);
  tep_detect_html_append (drawing->out, text);
  g_string_append (drawing->out, "</text>\n");
}

static void
add_line (GPtrArray *lines, GString *line)
{
  if (line->len > 0 && lines->len < LINES_MAX)
    g_ptr_array_add (lines, g_strdup (line->str));
  g_string_truncate (line, 0);
}

/* Cuts a text into lines of whole words; a word that is too long is cut wherever it has to be. */
static GPtrArray *
wrap (GPtrArray *lines, const char *text, glong chars)
{
  g_autofree char *clean = tep_detect_clean (text);
  g_auto (GStrv) words = g_strsplit (clean, " ", -1);
  g_autoptr (GString) line = g_string_new (NULL);

  for (gsize i = 0; words[i] != NULL && lines->len < LINES_MAX; i++) {
    const char *rest = words[i];

    if (line->len > 0 && g_utf8_strlen (line->str, -1) + 1 + g_utf8_strlen (rest, -1) > chars)
      add_line (lines, line);
    while (g_utf8_strlen (rest, -1) > chars && lines->len < LINES_MAX) {
      const char *end = g_utf8_offset_to_pointer (rest, chars);

      g_string_append_len (line, rest, end - rest);
      add_line (lines, line);
      rest = end;
    }
    g_string_append_printf (line, "%s%s", line->len > 0 ? " " : "", rest);
  }
  add_line (lines, line);
  return lines;
}

static gint
get_height (const GPtrArray *lines)
{
  return PAD + LINE * (gint)(lines->len + 1) + PAD / 2;
}

/* A box at the current height, with a title and lines. */
static void
draw_box (Drawing *drawing,
          gint x,
          gint width,
          gint height,
          const char *css,
          const char *title,
          const GPtrArray *lines)
{
  g_string_append_printf (
      drawing->out,
      "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\" class=\"box %s\"/>\n", x,
      drawing->y, width, height, css);
  draw_text (drawing, x + PAD, drawing->y + LINE + 2, "title", title);
  for (guint i = 0; i < lines->len; i++)
    draw_text (drawing, x + PAD, drawing->y + LINE * (gint)(i + 2) + 2, "small",
               g_ptr_array_index (lines, i));
}

static void
draw_wide_box (Drawing *drawing, const char *css, const char *title, const GPtrArray *lines)
{
  gint height = get_height (lines);

  draw_box (drawing, MARGIN, WIDTH - 2 * MARGIN, height, css, title, lines);
  drawing->y += height;
}

/* A lane between two boxes. @is_end: it ends at the lower one, in an arrow or a cross. */
static void
draw_lane (Drawing *drawing, const Lane *lane, gboolean is_end)
{
  gint bottom = drawing->y + GAP;

  g_string_append_printf (drawing->out, "<path d=\"M%d %dV%d\" class=\"lane %s\"/>\n", lane->x,
                          drawing->y + 1, is_end ? bottom - 3 : bottom - 1, lane->css);
  if (is_end && is_stopped (lane))
    g_string_append_printf (drawing->out,
                            "<path d=\"M%d %dl10 10m0 -10l-10 10\" class=\"lane stop\"/>\n",
                            lane->x - 5, bottom - 16);
  else if (is_end)
    g_string_append_printf (drawing->out, "<path d=\"M%d %dl5 5l5 -5\" class=\"lane %s end\"/>\n",
                            lane->x - 5, bottom - 8, lane->css);
}

/* The lanes as seen before the next box: what is stopped ends at the firewall. */
static void
draw_gap (Drawing *drawing, gboolean is_firewall, gboolean is_far_end)
{
  for (guint i = 0; i < drawing->n_lanes; i++) {
    const Lane *lane = &drawing->lanes[i];

    if (!is_stopped (lane) || !drawing->is_past)
      draw_lane (drawing, lane, is_stopped (lane) ? is_firewall || is_far_end : is_far_end);
  }
  drawing->y += GAP;
}

static GPtrArray *
new_lines (void)
{
  return g_ptr_array_new_with_free_func (g_free);
}

/* What stands in between */

static void
draw_host (Drawing *drawing, const TurnConnectObservations *observations)
{
  g_autoptr (GPtrArray) lines = new_lines ();
  GString *text = g_string_new (NULL);
  char address[STUN_EXT_ADDRESS_TEXT_LENGTH];

  for (guint i = 0; i < observations->locals->len && i < 4; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? ", " : "",
                            stun_ext_address_print_host (
                                &g_array_index (observations->locals, StunExtAddress, i), address));
  if (observations->interface != NULL)
    g_string_append_printf (text, " on %s", observations->interface);
  wrap (lines, text->str, CHARS);
  g_string_free (text, TRUE);
  draw_wide_box (drawing, "end", "this host", lines);
}

static void
draw_nat (Drawing *drawing, const TurnConnectVerdict *verdict)
{
  const TurnConnectFamilyVerdict *family = turn_connect_verdict_get_family (verdict);
  g_autoptr (GPtrArray) lines = new_lines ();
  g_autofree char *text = tep_detect_describe_nat (family);
  gint cone = 0;

  for (gint type = 1; type <= 4; type++) {
    if (verdict->types & (1u << type))
      cone = type;
  }
  if (family->translated == TURN_CONNECT_TELL_NO || !family->is_tried)
    return;
  wrap (lines, text, CHARS);
  draw_gap (drawing, FALSE, FALSE);
  if (family->translated == TURN_CONNECT_TELL_UNKNOWN)
    draw_wide_box (drawing, "open", "NAT?", lines);
  else
    draw_wide_box (drawing, "nat", cone > 0 ? turn_connect_type_to_string (cone) : "NAT", lines);
}

static void
draw_plain (Drawing *drawing, const char *css, const char *title, const char *text)
{
  g_autoptr (GPtrArray) lines = wrap (new_lines (), text, CHARS);

  draw_gap (drawing, FALSE, FALSE);
  draw_wide_box (drawing, css, title, lines);
}

static gboolean
has_blocked_port (const TurnConnectFamilyVerdict *family)
{
  for (guint i = 0; i < family->ports->len; i++) {
    if (g_array_index (family->ports, TurnConnectPort, i).reach == TURN_CONNECT_REACH_BLOCKED)
      return TRUE;
  }
  return FALSE;
}

static gboolean
has_firewall (const TurnConnectVerdict *verdict)
{
  const TurnConnectFamilyVerdict *family = turn_connect_verdict_get_family (verdict);

  return (verdict->types >> 5) != 0 || has_blocked_port (family) ||
         family->udp == TURN_CONNECT_TELL_NO || family->tcp == TURN_CONNECT_TELL_NO ||
         verdict->inspection.is_seen == TURN_CONNECT_TELL_YES ||
         (family->is_tried && family->translated == TURN_CONNECT_TELL_NO &&
          family->filtering > TURN_CONNECT_BEHAVIOUR_INDEPENDENT);
}

static void
describe_firewall (GPtrArray *lines, const TurnConnectVerdict *verdict, glong chars)
{
  const TurnConnectFamilyVerdict *family = turn_connect_verdict_get_family (verdict);
  g_autofree char *udp = tep_detect_describe_ports (family, TURN_CONNECT_CARRY_UDP);
  g_autofree char *tcp = tep_detect_describe_ports (family, TURN_CONNECT_CARRY_TCP);
  g_autofree char *udp_line = g_strconcat ("UDP ", udp, NULL);
  g_autofree char *tcp_line = g_strconcat ("TCP ", tcp, NULL);

  wrap (lines, udp_line, chars);
  wrap (lines, tcp_line, chars);
  if (verdict->inspection.is_seen == TURN_CONNECT_TELL_YES) {
    g_autofree char *content = tep_detect_describe_content (&verdict->inspection);

    wrap (lines, content, chars);
  }
}

/* Firewall and proxy stand side by side: who goes through the one does not go through the other. */
static void
draw_firewall (Drawing *drawing, const TurnConnectVerdict *verdict)
{
  gboolean has_proxy = verdict->proxy > TURN_CONNECT_WAY_NONE;
  glong chars = has_proxy ? CHARS - SIDE_CHARS - 4 : CHARS;
  g_autoptr (GPtrArray) lines = new_lines (), side = new_lines ();
  gint width = WIDTH - 2 * MARGIN - (has_proxy ? SIDE + MARGIN : 0), height;

  if (!has_firewall (verdict) && !has_proxy)
    return;
  draw_gap (drawing, TRUE, FALSE);
  describe_firewall (lines, verdict, chars);
  if (has_proxy) {
    wrap (side, verdict->proxy_url != NULL ? verdict->proxy_url : "", SIDE_CHARS);
    wrap (side, turn_connect_way_to_string (verdict->proxy), SIDE_CHARS);
  }
  height = MAX (get_height (lines), get_height (side));
  if (has_firewall (verdict))
    draw_box (drawing, MARGIN, width, height, "wall", "firewall", lines);
  if (has_proxy)
    draw_box (drawing, MARGIN + width + MARGIN, SIDE, height,
              verdict->proxy == TURN_CONNECT_WAY_WORKS ? "nat" : "wall", "HTTP proxy", side);
  drawing->y += height;
  drawing->is_past = TRUE;
}

static void
draw_far_end (Drawing *drawing, const TurnConnectObservations *observations)
{
  g_autoptr (GPtrArray) lines = new_lines ();
  g_autofree char *text = g_strdup_printf (
      "%s port %u", observations->host != NULL ? observations->host : "?", observations->port);

  wrap (lines, text, CHARS);
  draw_gap (drawing, FALSE, TRUE);
  draw_wide_box (drawing, "end", "far end", lines);
}

static void
plan_lanes (Drawing *drawing, const TurnConnectVerdict *verdict)
{
  const TurnConnectFamilyVerdict *family = turn_connect_verdict_get_family (verdict);
  gboolean has_proxy = verdict->proxy > TURN_CONNECT_WAY_NONE;

  drawing->lanes[0] = (Lane){ "UDP", choose_class (family->udp), has_proxy ? 50 : 90 };
  drawing->lanes[1] = (Lane){ "TCP", choose_class (family->tcp), has_proxy ? 150 : 240 };
  drawing->n_lanes = 2;
  if (has_proxy)
    drawing->lanes[drawing->n_lanes++] =
        (Lane){ "by proxy", verdict->proxy == TURN_CONNECT_WAY_WORKS ? "pass" : "stop", 268 };
}

void
tep_detect_path_append (GString *out,
                        const TurnConnectObservations *observations,
                        const TurnConnectVerdict *verdict)
{
  g_autoptr (GString) inner = g_string_new (NULL);
  Drawing drawing = { .out = inner, .y = MARGIN };

  plan_lanes (&drawing, verdict);
  draw_host (&drawing, observations);
  for (guint i = 0; i < drawing.n_lanes; i++)
    draw_text (&drawing, drawing.lanes[i].x + 8, drawing.y + GAP / 2 + 4, "label",
               drawing.lanes[i].label);
  draw_nat (&drawing, verdict);
  if (verdict->carrier_nat == TURN_CONNECT_TELL_YES)
    draw_plain (&drawing, "nat", "a second NAT", "beyond the router, the carrier's as a rule");
  if (verdict->nat64 == TURN_CONNECT_TELL_YES)
    draw_plain (&drawing, "nat", "NAT64", "IPv4 is reached by translation from IPv6");
  if (verdict->portal == TURN_CONNECT_TELL_YES)
    draw_plain (&drawing, "wall", "captive portal", "log in there first");
  draw_firewall (&drawing, verdict);
  draw_far_end (&drawing, observations);
  g_string_append_printf (out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH,
                          drawing.y + MARGIN);
  tep_detect_html_append (out, "The way to the far end, with what passes and what is stopped");
  g_string_append_printf (out, "\">\n%s</svg>\n", inner->str);
}
