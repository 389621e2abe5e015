/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the inspecting firewall takes octets for, and what it does about them. */
#include "inspector.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#define LATE_PACKETS 6 /* with payload, of both ends, that a "late" rule still lets through */
#define FORGED_MAX 1200
#define PACKET_MAX 0xffff

static const char *const action_words[] = { "drop", "reset", "late", "forge", "rewrite" };
static const char *const class_words[] = { "sip",     "invite", "stun", "tls",  "http", "not-tls",
                                           "not-web", "random", "alpn", "name", "text" };

static gint
index_of (const char *const *words, gsize n, const char *word)
{
  for (gsize i = 0; i < n; i++) {
    if (strcmp (words[i], word) == 0)
      return (gint)i;
  }
  return -1;
}

gboolean
inspection_add_rule (Inspection *inspection, const char *text)
{
  g_auto (GStrv) halves = g_strsplit (text, "=", 2);
  if (g_strv_length (halves) != 2 || inspection->n_rules == RULES_MAX)
    return FALSE;
  g_auto (GStrv) class_and_word = g_strsplit (halves[1], ":", 2);
  g_auto (GStrv) path = g_strsplit (class_and_word[0] ? class_and_word[0] : "", "/", 3);
  guint n = g_strv_length (path);
  if (n == 0)
    return FALSE;
  Rule rule = { 0 };
  gint action = index_of (action_words, G_N_ELEMENTS (action_words), halves[0]);
  gint class = index_of (class_words, G_N_ELEMENTS (class_words), path[n - 1]);
  for (guint i = 0; i + 1 < n; i++) {
    guint64 port = 0;
    if (strcmp (path[i], "tcp") == 0 || strcmp (path[i], "udp") == 0)
      rule.only = path[i][0] == 't' ? IPPROTO_TCP : IPPROTO_UDP;
    else if (g_ascii_string_to_unsigned (path[i], 10, 1, 65535, &port, NULL))
      rule.port = (guint16)port;
    else
      return FALSE;
  }
  if (class_and_word[1]) {
    g_auto (GStrv) words = g_strsplit (class_and_word[1], ">", 2);
    rule.word = g_strdup (words[0]);
    rule.other = g_strdup (words[0] ? words[1] : NULL);
  }
  gboolean wants_word = class == CLASS_ALPN || class == CLASS_NAME || class == CLASS_TEXT;
  if (action < 0 || class < 0 || (wants_word && !(rule.word && *rule.word)) ||
      (action == ACTION_REWRITE && !(rule.word && *rule.word && rule.other)))
    return FALSE;
  rule.action = (Action)action;
  rule.class = (Class) class;
  inspection->rules[inspection->n_rules++] = rule;
  return TRUE;
}

static gboolean
begins (const Packet *p, const char *text)
{
  gsize length = strlen (text);
  return p->payload_length >= length && memcmp (p->payload, text, length) == 0;
}

static gboolean
contains (const Packet *p, const char *text)
{
  return memmem (p->payload, p->payload_length, text, strlen (text)) != NULL;
}

static gboolean
is_sip (const Packet *p)
{
  static const char *const methods[] = {
    "REGISTER ", "INVITE ", "OPTIONS ",   "ACK ",    "BYE ",
    "CANCEL ",   "INFO ",   "SUBSCRIBE ", "NOTIFY ", "MESSAGE "
  };
  if (begins (p, "SIP/2.0 "))
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (methods); i++) {
    if (begins (p, methods[i]))
      return contains (p, " SIP/2.0\r\n");
  }
  return FALSE;
}

static gboolean
is_stun (const Packet *p)
{
  static const guint8 cookie[] = { 0x21, 0x12, 0xa4, 0x42 };
  return p->payload_length >= 20 && p->payload[0] < 0x40 && memcmp (p->payload + 4, cookie, 4) == 0;
}

static gboolean
is_tls_hello (const Packet *p)
{
  return p->payload_length >= 6 && p->payload[0] == 0x16 && p->payload[1] == 3 &&
         p->payload[5] == 1;
}

static gboolean
is_tls_answer (const Packet *p)
{
  return p->payload_length >= 2 && (p->payload[0] == 0x16 || p->payload[0] == 0x15) &&
         p->payload[1] == 3;
}

static gboolean
is_http (const Packet *p)
{
  static const char *const methods[] = { "GET ", "HEAD ", "POST ", "PUT ", "OPTIONS ", "CONNECT " };
  for (gsize i = 0; i < G_N_ELEMENTS (methods); i++) {
    if (begins (p, methods[i]))
      return contains (p, " HTTP/1.");
  }
  return FALSE;
}

/* The published rule of a national firewall: what has neither the bits nor the letters of anything
 * known is taken for something hidden. */
static gboolean
is_random (const Packet *p)
{
  gsize bits = 0, printable = 0, run = 0, longest = 0;
  for (gsize i = 0; i < p->payload_length; i++) {
    bits += (gsize)__builtin_popcount (p->payload[i]);
    gboolean is_printable = p->payload[i] >= 0x20 && p->payload[i] <= 0x7e;
    run = is_printable ? run + 1 : 0;
    printable += is_printable ? 1 : 0;
    longest = MAX (longest, run);
    if (i == 5 && printable == 6)
      return FALSE;
  }
  gdouble each = (gdouble)bits / (gdouble)p->payload_length;
  return each > 3.4 && each < 4.6 && longest <= 20 && printable * 2 <= p->payload_length &&
         !is_tls_hello (p);
}

/* The value of an extension of a ClientHello that is whole in its first packet. */
static gboolean
find_extension (const Packet *p, guint16 wanted, const guint8 **value, gsize *length)
{
  const guint8 *o = p->payload;
  gsize at = 5 + 4 + 2 + 32, limit = p->payload_length;
  if (!is_tls_hello (p) || at >= limit)
    return FALSE;
  at += (gsize)o[at] + 1; /* session id */
  if (at + 2 > limit)
    return FALSE;
  at += (gsize)(o[at] << 8 | o[at + 1]) + 2; /* ciphers */
  if (at + 1 > limit)
    return FALSE;
  at += (gsize)o[at] + 1; /* compression */
  for (at += 2; at + 4 <= limit; at += 4 + *length) {
    guint16 type = (guint16)(o[at] << 8 | o[at + 1]);
    *length = (gsize)(o[at + 2] << 8 | o[at + 3]);
    *value = o + at + 4;
    if (at + 4 + *length > limit)
      return FALSE;
    if (type == wanted)
      return TRUE;
  }
  return FALSE;
}

/* ALPN (16) and server name (0) both hold their words behind lengths and in plain text. */
static gboolean
hello_says (const Packet *p, guint16 extension, const char *word)
{
  const guint8 *value;
  gsize length;
  return find_extension (p, extension, &value, &length) &&
         memmem (value, length, word, strlen (word)) != NULL;
}

static gboolean
matches (const Rule *rule, const Flow *flow, const Packet *p)
{
  gboolean is_first = flow->is_reply ? !flow->has_been_spoken_to : !flow->has_spoken;
  gboolean is_to_proxy = flow->tunnel == TUNNEL_ASKED;
  switch (rule->class) {
  case CLASS_SIP:
    return is_sip (p);
  case CLASS_SIP_INVITE:
    return begins (p, "INVITE ") && is_sip (p);
  case CLASS_STUN:
    return is_stun (p);
  case CLASS_TLS:
    return is_first && !flow->is_reply && is_tls_hello (p);
  case CLASS_HTTP:
    return is_first && !flow->is_reply && is_http (p);
  case CLASS_NOT_TLS:
    return is_first && !is_to_proxy &&
           !(flow->is_reply ? flow->has_spoken && is_tls_answer (p) : is_tls_hello (p));
  case CLASS_NOT_WEB:
    return is_first && !is_to_proxy &&
           (flow->is_reply ? !flow->has_spoken : !is_tls_hello (p) && !is_http (p));
  case CLASS_RANDOM:
    return is_first && !flow->is_reply && is_random (p);
  case CLASS_ALPN:
    return is_first && !flow->is_reply && hello_says (p, 16, rule->word);
  case CLASS_NAME:
    return is_first && !flow->is_reply && hello_says (p, 0, rule->word);
  case CLASS_TEXT:
    return contains (p, rule->word);
  default:
    return FALSE;
  }
}

/* Lines of a SIP request that its answer repeats. */
static void
repeat_lines (GString *answer, const Packet *p)
{
  static const char *const names[] = { "Via:", "From:", "To:", "Call-ID:", "CSeq:" };
  g_autofree char *text = g_strndup ((const char *)p->payload, p->payload_length);
  g_auto (GStrv) lines = g_strsplit (text, "\r\n", 64);
  for (char **line = lines; *line; line++) {
    for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
      if (g_ascii_strncasecmp (*line, names[i], strlen (names[i])) == 0)
        g_string_append_printf (answer, "%s\r\n", *line);
    }
  }
}

static GString *
forged_stun (const Packet *p)
{
  /* Success, 12 octets, the request's cookie and transaction; XOR-MAPPED-ADDRESS 203.0.113.77:7777. */
  static const guint8 mapped[] = { 0x00,       0x20,     0x00,        0x08,
                                   0x00,       0x01,     0x1e ^ 0x21, 0x61 ^ 0x12,
                                   203 ^ 0x21, 0 ^ 0x12, 113 ^ 0xa4,  77 ^ 0x42 };
  GString *answer = g_string_new (NULL);
  g_string_append_len (answer, "\x01\x01\x00\x0c", 4);
  g_string_append_len (answer, (const char *)p->payload + 4, 16);
  g_string_append_len (answer, (const char *)mapped, sizeof mapped);
  return answer;
}

static void
forge (const Inspection *inspection, const Packet *p)
{
  g_autoptr (GString) answer = NULL;
  if (is_stun (p)) {
    answer = forged_stun (p);
  } else if (is_sip (p)) {
    answer = g_string_new ("SIP/2.0 403 Forbidden\r\n");
    repeat_lines (answer, p);
    g_string_append (answer, "Content-Length: 0\r\n\r\n");
  } else {
    answer = g_string_new (
        "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 49\r\n"
        "Connection: close\r\n\r\n<html><body>Not allowed in here.</body></html>\r\n\r\n");
  }
  packet_answer (p, TH_PUSH | TH_ACK, (const guint8 *)answer->str, MIN (answer->len, FORGED_MAX),
                 inspection->raw4, inspection->raw6);
}

static InspectVerdict
rewrite (const Rule *rule, Packet *p)
{
  gsize from = strlen (rule->word), to = strlen (rule->other);
  gboolean is_changed = FALSE;
  /* TCP counts octets, which only another of the same length leaves alone. */
  if (p->is_tcp && from != to)
    return INSPECT_PASS;
  for (gsize at = 0; at + from <= p->payload_length;) {
    if (memcmp (p->payload + at, rule->word, from) != 0) {
      at++;
      continue;
    }
    if (!packet_replace (p, PACKET_MAX, at, from, (const guint8 *)rule->other, to))
      break;
    is_changed = TRUE;
    at += to;
  }
  if (is_changed)
    packet_seal (p);
  return is_changed ? INSPECT_REWRITTEN : INSPECT_PASS;
}

static InspectVerdict
act (const Inspection *inspection, const Rule *rule, Flow *flow, Packet *p)
{
  if (rule->action == ACTION_REWRITE)
    return rewrite (rule, p);
  flow->is_condemned = TRUE;
  if (rule->action == ACTION_LATE) {
    flow->grace = LATE_PACKETS;
    return INSPECT_PASS;
  }
  if (rule->action == ACTION_RESET && p->is_tcp) {
    packet_answer (p, TH_RST | TH_ACK, NULL, 0, inspection->raw4, inspection->raw6);
    packet_reset_onwards (p, inspection->raw4, inspection->raw6);
  }
  if (rule->action == ACTION_FORGE && !flow->is_reply)
    forge (inspection, p);
  return INSPECT_DROP;
}

/* Follows a CONNECT, since what comes behind its answer is a first flight of its own. */
static void
follow_tunnel (Flow *flow, const Packet *p)
{
  if (!flow->is_reply && flow->tunnel == TUNNEL_NONE && !flow->has_spoken && begins (p, "CONNECT "))
    flow->tunnel = TUNNEL_ASKED;
  else if (flow->is_reply && flow->tunnel == TUNNEL_ASKED &&
           (begins (p, "HTTP/1.0 2") || begins (p, "HTTP/1.1 2")))
    flow->tunnel = TUNNEL_OPEN;
}

InspectVerdict
inspect (Inspection *inspection, Flow *flow, Packet *p)
{
  if (flow->is_condemned) {
    if (flow->grace == 0)
      return INSPECT_DROP;
    flow->grace -= p->payload_length > 0;
    return INSPECT_PASS;
  }
  if (p->payload_length == 0)
    return INSPECT_PASS;
  Tunnel before = flow->tunnel;
  follow_tunnel (flow, p);
  InspectVerdict verdict = INSPECT_PASS;
  gboolean opens_tunnel = before == TUNNEL_ASKED && flow->tunnel == TUNNEL_OPEN;
  guint16 server = flow->is_reply ? p->from : p->to;
  for (guint i = 0; i < inspection->n_rules && verdict == INSPECT_PASS && !opens_tunnel; i++) {
    const Rule *rule = &inspection->rules[i];
    if (rule->only != 0 && (rule->only == IPPROTO_TCP) != p->is_tcp)
      continue;
    if (rule->port != 0 && rule->port != server)
      continue;
    if (!flow->is_condemned && matches (rule, flow, p))
      verdict = act (inspection, rule, flow, p);
  }
  if (opens_tunnel) {
    flow->has_spoken = flow->has_been_spoken_to = FALSE;
  } else if (flow->is_reply) {
    flow->has_been_spoken_to = TRUE;
  } else {
    flow->has_spoken = TRUE;
  }
  return verdict;
}
