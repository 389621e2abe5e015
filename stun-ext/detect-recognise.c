/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What arrived. Everything here comes from strangers, most of it not even from our clients; so each form is matched by
 * itself over a bounded piece, forwards only, and says "more" only while that can still become true.
 */
#include <string.h>

#include "stun-ext/attribute.h"
#include "stun-ext/detect-payload.h"
#include "stun-ext/detect-text.h"
#include "stun-ext/octets.h"
#include "stun-ext/reader.h"

#define MORE STUN_EXT_DETECT_RECOGNITION_MORE
#define KNOWN STUN_EXT_DETECT_RECOGNITION_KNOWN
#define UNKNOWN STUN_EXT_DETECT_RECOGNITION_UNKNOWN

#define TOKEN_LENGTH STUN_EXT_DETECT_TOKEN_LENGTH
#define TOKEN_DIGITS (2 * TOKEN_LENGTH)
#define BASE64_LENGTH 44
#define METHOD_MAX 16
#define RTP_HEADER 12

G_STATIC_ASSERT (BASE64_LENGTH == STUN_EXT_DETECT_RECOGNISE_LENGTH);

typedef StunExtDetectRecognition (*Match) (const guint8 *data,
                                           gsize length,
                                           StunExtDetectSeen *seen);

/* A token counts only in the form it was made for. */
static gboolean
take_token (const guint8 *octets,
            StunExtDetectPayload first,
            StunExtDetectPayload last,
            StunExtDetectSeen *seen)
{
  StunExtDetectToken token;

  if (!stun_ext_detect_token_read (octets, &token) || token.payload < first || token.payload > last)
    return FALSE;
  seen->has_run = TRUE;
  seen->run = token.run;
  seen->probe = token.probe;
  seen->payload = (StunExtDetectPayload)token.payload;
  seen->length = token.length;
  return TRUE;
}

/* ---- STUN ---- */

static StunExtDetectRecognition
match_stun_words (const guint8 *data, gsize length, guint32 cookie, StunExtDetectSeen *seen)
{
  StunExtMessage message;
  StunExtDetectMark mark;
  guint8 copy[STUN_EXT_DETECT_FLIGHT_MAX];
  gsize total;

  for (gsize i = 4; i < MIN (length, 8); i++)
    if (data[i] != (guint8)(cookie >> (56 - 8 * i)))
      return UNKNOWN;
  if (length >= 1 && data[0] > 0x3f)
    return UNKNOWN;
  if (length < STUN_EXT_HEADER_LENGTH)
    return MORE;
  total = STUN_EXT_HEADER_LENGTH + stun_ext_octets_u16 (data, 2);
  if (total % 4 != 0 || total > sizeof copy)
    return UNKNOWN;
  if (length < total)
    return MORE;
  memcpy (copy, data, total);
  stun_ext_octets_set_u16 (copy, 4, STUN_EXT_MAGIC_COOKIE >> 16);
  stun_ext_octets_set_u16 (copy, 6, STUN_EXT_MAGIC_COOKIE & 0xffff);
  if (stun_ext_message_parse (&message, copy, total) != STUN_EXT_PARSE_OK ||
      message.message_class != STUN_EXT_CLASS_REQUEST ||
      (message.method != STUN_EXT_METHOD_BINDING && message.method != STUN_EXT_METHOD_ALLOCATE))
    return UNKNOWN;
  seen->payload = message.method == STUN_EXT_METHOD_BINDING ? STUN_EXT_DETECT_PAYLOAD_STUN
                                                            : STUN_EXT_DETECT_PAYLOAD_TURN;
  seen->length = total;
  seen->has_run = stun_ext_message_get_detect (&message, &mark);
  if (seen->has_run) {
    seen->run = mark.run;
    seen->probe = mark.probe;
  }
  return KNOWN;
}

static StunExtDetectRecognition
match_stun (const guint8 *data, gsize length, StunExtDetectSeen *seen)
{
  return match_stun_words (data, length, STUN_EXT_MAGIC_COOKIE, seen);
}

/* With first and last octet of the cookie exchanged. Only ours: else it is RFC 3489, or chance. */
static StunExtDetectRecognition
match_misspelt_stun (const guint8 *data, gsize length, StunExtDetectSeen *seen)
{
  StunExtDetectRecognition verdict = match_stun_words (data, length, 0x4212a421u, seen);

  if (verdict != KNOWN)
    return verdict;
  seen->twin = STUN_EXT_DETECT_TWIN_MISSPELT;
  return seen->has_run ? KNOWN : UNKNOWN;
}

/* ---- TLS and DTLS ---- */

static gboolean
has_protocol (StunExtReader list, const char *wanted)
{
  StunExtReader names = stun_ext_reader_slice (&list, stun_ext_reader_u16 (&list));

  while (stun_ext_reader_remaining (&names) > 0) {
    gsize n = stun_ext_reader_u8 (&names);
    const guint8 *name = stun_ext_reader_bytes (&names, n);

    if (name != NULL && n == strlen (wanted) && memcmp (name, wanted, n) == 0)
      return TRUE;
  }
  return FALSE;
}

static void
read_extensions (StunExtReader *hello, StunExtDetectSeen *seen)
{
  StunExtReader all = stun_ext_reader_slice (hello, stun_ext_reader_u16 (hello));
  gboolean has_name = FALSE, is_stun = FALSE;

  while (stun_ext_reader_remaining (&all) > 0) {
    guint16 type = stun_ext_reader_u16 (&all);
    StunExtReader value = stun_ext_reader_slice (&all, stun_ext_reader_u16 (&all));

    has_name |= type == 0 && stun_ext_reader_remaining (&value) > 0;
    is_stun |= type == 16 && has_protocol (value, "stun.turn");
  }
  if (is_stun)
    seen->payload = STUN_EXT_DETECT_PAYLOAD_TLS_STUN;
  else
    seen->payload = has_name ? STUN_EXT_DETECT_PAYLOAD_TLS : STUN_EXT_DETECT_PAYLOAD_TLS_NO_NAME;
}

static void
read_hello (StunExtReader *hello, StunExtDetectSeen *seen)
{
  const guint8 *id;
  gsize n;

  stun_ext_reader_skip (hello, 2 + 32);
  n = stun_ext_reader_u8 (hello);
  id = stun_ext_reader_bytes (hello, n);
  stun_ext_reader_skip (hello, stun_ext_reader_u16 (hello));
  stun_ext_reader_skip (hello, stun_ext_reader_u8 (hello));
  read_extensions (hello, seen);
  if (id != NULL && n == TOKEN_LENGTH)
    take_token (id, STUN_EXT_DETECT_PAYLOAD_TLS, STUN_EXT_DETECT_PAYLOAD_TLS_STUN, seen);
}

static StunExtDetectRecognition
match_tls_record (const guint8 *data, gsize length, guint8 type, StunExtDetectSeen *seen)
{
  const guint8 begin[] = { type, 3 };
  StunExtReader reader;
  gsize total;

  if (memcmp (data, begin, MIN (length, sizeof begin)) != 0 || (length >= 3 && data[2] > 4))
    return UNKNOWN;
  if (length < 6)
    return MORE;
  total = 5 + (gsize)stun_ext_octets_u16 (data, 3);
  if (data[5] != 1 || total > 5 + 16384 || total < 9)
    return UNKNOWN;
  seen->payload = STUN_EXT_DETECT_PAYLOAD_TLS;
  seen->length = total;
  if (total > STUN_EXT_DETECT_FLIGHT_MAX)
    return KNOWN;
  if (length < total)
    return MORE;
  stun_ext_reader_init (&reader, data, total);
  stun_ext_reader_skip (&reader, 9);
  read_hello (&reader, seen);
  seen->length = total;
  return KNOWN;
}

static StunExtDetectRecognition
match_tls (const guint8 *data, gsize length, StunExtDetectSeen *seen)
{
  return match_tls_record (data, length, 0x16, seen);
}

static StunExtDetectRecognition
match_misspelt_tls (const guint8 *data, gsize length, StunExtDetectSeen *seen)
{
  StunExtDetectRecognition verdict = match_tls_record (data, length, 0x36, seen);

  if (verdict != KNOWN)
    return verdict;
  seen->twin = STUN_EXT_DETECT_TWIN_MISSPELT;
  return seen->has_run ? KNOWN : UNKNOWN;
}

static StunExtDetectRecognition
match_dtls_record (const guint8 *data, gsize length, guint8 type, StunExtDetectSeen *seen)
{
  const guint8 *id;
  StunExtReader reader;

  stun_ext_reader_init (&reader, data, length);
  if (stun_ext_reader_u8 (&reader) != type || stun_ext_reader_u8 (&reader) != 0xfe)
    return UNKNOWN;
  stun_ext_reader_skip (&reader, 11);
  if (stun_ext_reader_u8 (&reader) != 1)
    return UNKNOWN;
  stun_ext_reader_skip (&reader, 11 + 2 + 32);
  if (reader.failed)
    return UNKNOWN;
  seen->payload = STUN_EXT_DETECT_PAYLOAD_DTLS;
  seen->length = length;
  if (stun_ext_reader_u8 (&reader) == TOKEN_LENGTH) {
    id = stun_ext_reader_bytes (&reader, TOKEN_LENGTH);
    if (id != NULL)
      take_token (id, STUN_EXT_DETECT_PAYLOAD_DTLS, STUN_EXT_DETECT_PAYLOAD_DTLS, seen);
  }
  return KNOWN;
}

static StunExtDetectRecognition
match_dtls (const guint8 *data, gsize length, StunExtDetectSeen *seen)
{
  return match_dtls_record (data, length, 0x16, seen);
}

static StunExtDetectRecognition
match_misspelt_dtls (const guint8 *data, gsize length, StunExtDetectSeen *seen)
{
  seen->twin = STUN_EXT_DETECT_TWIN_MISSPELT;
  return match_dtls_record (data, length, 0x36, seen) == KNOWN && seen->has_run ? KNOWN : UNKNOWN;
}

/* ---- QUIC and RTP ---- */

static StunExtDetectRecognition
match_quic (const guint8 *data, gsize length, StunExtDetectSeen *seen)
{
  const gsize half = TOKEN_LENGTH / 2;
  guint8 token[TOKEN_LENGTH];
  guint32 version;

  if (length < STUN_EXT_DETECT_QUIC_MIN_LENGTH || (data[0] & 0xf0) != 0xc0)
    return UNKNOWN;
  version = stun_ext_octets_u32 (data, 1);
  if (version != 1 && version != 0x01000000u)
    return UNKNOWN;
  seen->payload = STUN_EXT_DETECT_PAYLOAD_QUIC;
  seen->length = length;
  if (data[5] == half && data[6 + half] == half) {
    memcpy (token, data + 6, half);
    memcpy (token + half, data + 7 + half, half);
    take_token (token, STUN_EXT_DETECT_PAYLOAD_QUIC, STUN_EXT_DETECT_PAYLOAD_QUIC, seen);
  }
  if (version == 1)
    return KNOWN;
  seen->twin = STUN_EXT_DETECT_TWIN_MISSPELT;
  return seen->has_run ? KNOWN : UNKNOWN;
}

/* Only ours: two bits make no protocol. */
static StunExtDetectRecognition
match_rtp (const guint8 *data, gsize length, StunExtDetectSeen *seen)
{
  if (length < RTP_HEADER + TOKEN_LENGTH || (data[0] != 0x80 && data[0] != 0x40) ||
      !take_token (data + RTP_HEADER, STUN_EXT_DETECT_PAYLOAD_RTP, STUN_EXT_DETECT_PAYLOAD_RTP,
                   seen))
    return UNKNOWN;
  if (data[0] == 0x40)
    seen->twin = STUN_EXT_DETECT_TWIN_MISSPELT;
  return KNOWN;
}

/* ---- HTTP and SIP ---- */

static const char *
find_text (const char *text, gsize length, const char *wanted)
{
  return g_strstr_len (text, (gssize)length, wanted);
}

/* Octets of the head with its blank line; 0 if that has not come. */
static gsize
head_length (const char *text, gsize length)
{
  const char *end = find_text (text, length, "\r\n\r\n");

  return end != NULL ? (gsize)(end - text) + 4 : 0;
}

static gboolean
has_method (const char *text, gsize length, gsize *method_length, gboolean *needs_more)
{
  *needs_more = FALSE;
  for (gsize i = 0; i < length && i <= METHOD_MAX; i++) {
    if (text[i] == ' ') {
      *method_length = i;
      return i >= 3;
    }
    if (!(g_ascii_isupper (text[i]) || (text[i] == '-' && i > 0)))
      return FALSE;
  }
  *needs_more = length <= METHOD_MAX;
  return FALSE;
}

static StunExtDetectRecognition
match_http (const char *line, gsize n, gsize method_length, gsize head, StunExtDetectSeen *seen)
{
  const char *target = line + method_length + 1;
  const char *end = g_strrstr_len (line, (gssize)n, " HTTP/1.");
  StunExtDetectQuery query;

  if (end == NULL || end < target)
    return UNKNOWN;
  seen->payload = STUN_EXT_DETECT_PAYLOAD_HTTP;
  seen->length = head;
  if (method_length == 3 && memcmp (line, "GTE", 3) == 0)
    seen->twin = STUN_EXT_DETECT_TWIN_MISSPELT;
  if (stun_ext_detect_target_read (target, (gsize)(end - target), &query) && query.has_run) {
    seen->has_run = TRUE;
    seen->run = query.run;
    seen->probe = query.probe;
    if (query.payload == STUN_EXT_DETECT_PAYLOAD_HTTP_OTHER_HOST)
      seen->payload = STUN_EXT_DETECT_PAYLOAD_HTTP_OTHER_HOST;
  }
  return KNOWN;
}

static gboolean
sip_method (const char *text, gsize n, StunExtDetectSeen *seen)
{
  static const char *const words[] = { "REGISTER", "INVITE", "OPTIONS",
                                       "REGISTRE", "INVIET", "OPTIOSN" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
    if (strlen (words[i]) != n || memcmp (words[i], text, n) != 0)
      continue;
    seen->payload = (StunExtDetectPayload)(STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER + i % 3);
    seen->twin = i >= 3 ? STUN_EXT_DETECT_TWIN_MISSPELT : STUN_EXT_DETECT_TWIN_NONE;
    return TRUE;
  }
  return FALSE;
}

static gsize
sip_body_length (const char *text, gsize head)
{
  static const char name[] = "\r\nContent-Length:";
  const char *field = find_text (text, head, name);
  gsize n = 0;

  if (field == NULL)
    return 0;
  for (field += strlen (name); *field == ' '; field++)
    ;
  for (; g_ascii_isdigit (*field) && n <= STUN_EXT_DETECT_FLIGHT_MAX; field++)
    n = n * 10 + (gsize)(*field - '0');
  return n;
}

static StunExtDetectRecognition
match_sip (const char *text, gsize length, gsize method_length, gsize head, StunExtDetectSeen *seen)
{
  static const char mark[] = "branch=z9hG4bK";
  const char *branch = find_text (text, head, mark);
  StunExtDetectSeen token = { 0 };
  guint8 octets[TOKEN_LENGTH];

  if (!sip_method (text, method_length, seen))
    return UNKNOWN;
  seen->length = head + sip_body_length (text, head);
  if (branch != NULL && (gsize)(branch - text) + strlen (mark) + TOKEN_DIGITS <= head &&
      stun_ext_detect_hex_parse (branch + strlen (mark), TOKEN_DIGITS, octets, sizeof octets) &&
      take_token (octets, STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER, STUN_EXT_DETECT_PAYLOAD_SIP_OPTIONS,
                  &token)) {
    seen->has_run = TRUE;
    seen->run = token.run;
    seen->probe = token.probe;
  }
  if (seen->twin == STUN_EXT_DETECT_TWIN_MISSPELT && !seen->has_run)
    return UNKNOWN;
  return seen->length > STUN_EXT_DETECT_FLIGHT_MAX || seen->length <= length ? KNOWN : MORE;
}

static StunExtDetectRecognition
match_text (const guint8 *data, gsize length, StunExtDetectSeen *seen)
{
  const char *text = (const char *)data;
  const char *line_end;
  gsize method_length, head, n;
  gboolean needs_more;

  if (!has_method (text, length, &method_length, &needs_more))
    return needs_more ? MORE : UNKNOWN;
  head = head_length (text, length);
  if (head == 0)
    return memchr (data, '\0', length) != NULL ? UNKNOWN : MORE;
  line_end = find_text (text, head, "\r\n");
  n = (gsize)(line_end - text);
  if (n >= 8 && memcmp (line_end - 8, " SIP/2.0", 8) == 0)
    return match_sip (text, length, method_length, head, seen);
  return match_http (text, n, method_length, head, seen);
}

/* ---- noise ---- */

static StunExtDetectRecognition
match_random (const guint8 *data, gsize length, StunExtDetectSeen *seen)
{
  if (length < TOKEN_LENGTH)
    return MORE;
  return take_token (data, STUN_EXT_DETECT_PAYLOAD_RANDOM, STUN_EXT_DETECT_PAYLOAD_RANDOM, seen)
             ? KNOWN
             : UNKNOWN;
}

static StunExtDetectRecognition
match_printable (const guint8 *data, gsize length, StunExtDetectSeen *seen)
{
  char text[BASE64_LENGTH + 1];
  gsize n;

  for (gsize i = 0; i < MIN (length, BASE64_LENGTH); i++)
    if (!g_ascii_isalnum (data[i]) && data[i] != '+' && data[i] != '/')
      return UNKNOWN;
  if (length < BASE64_LENGTH)
    return MORE;
  memcpy (text, data, BASE64_LENGTH);
  text[BASE64_LENGTH - 1] = '=';
  text[BASE64_LENGTH] = '\0';
  g_base64_decode_inplace (text, &n);
  return n == TOKEN_LENGTH && take_token ((const guint8 *)text, STUN_EXT_DETECT_PAYLOAD_PRINTABLE,
                                          STUN_EXT_DETECT_PAYLOAD_PRINTABLE, seen)
             ? KNOWN
             : UNKNOWN;
}

/* ---- all of them ---- */

static StunExtDetectRecognition
match_all (const guint8 *data, gsize length, gboolean is_datagram, StunExtDetectSeen *seen)
{
  static const Match matches[] = {
    match_stun,          match_misspelt_stun, match_tls,       match_misspelt_tls,
    match_text,          match_random,        match_printable, match_dtls,
    match_misspelt_dtls, match_quic,          match_rtp,
  };
  const guint n_stream = 7;
  StunExtDetectRecognition verdict = UNKNOWN;

  for (guint i = 0; i < (is_datagram ? G_N_ELEMENTS (matches) : n_stream); i++) {
    StunExtDetectSeen found = { 0 };
    StunExtDetectRecognition one = matches[i](data, length, &found);

    if (one == KNOWN) {
      *seen = found;
      return KNOWN;
    }
    if (one == MORE)
      verdict = MORE;
  }
  return verdict;
}

StunExtDetectRecognition
stun_ext_detect_recognise (const guint8 *data,
                           gsize length,
                           gboolean is_datagram,
                           StunExtDetectSeen *seen)
{
  gsize n = MIN (length, STUN_EXT_DETECT_FLIGHT_MAX);
  guint8 inverted[STUN_EXT_DETECT_FLIGHT_MAX];
  StunExtDetectRecognition plain, twin;
  StunExtDetectSeen found;

  if (n == 0)
    return is_datagram ? UNKNOWN : MORE;
  plain = match_all (data, n, is_datagram, seen);
  if (plain == KNOWN)
    return KNOWN;
  for (gsize i = 0; i < n; i++)
    inverted[i] = (guint8)~data[i];
  twin = match_all (inverted, n, is_datagram, &found);
  /* Without a run in it, it is what it is and not what its inverse would be. */
  if (twin == KNOWN && found.has_run && found.twin == STUN_EXT_DETECT_TWIN_NONE &&
      stun_ext_detect_payload_has_twins (found.payload)) {
    *seen = found;
    seen->twin = STUN_EXT_DETECT_TWIN_INVERTED;
    return KNOWN;
  }
  if ((plain == MORE || twin == MORE) && !is_datagram && length < STUN_EXT_DETECT_FLIGHT_MAX)
    return MORE;
  return UNKNOWN;
}
