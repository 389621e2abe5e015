/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a box looks at contents is seen by what it does to first flights that differ in their contents alone. So they
 * are made here, all of one length, each with twins that differ in nothing but what a box could look for; and what is
 * free in them changes with each probe, so that no box learns to know ours.
 */
#include "stun-ext/detect-payload.h"

#include <string.h>

#include "stun-ext/attribute.h"
#include "stun-ext/detect-payload-private.h"
#include "stun-ext/detect-private.h"
#include "stun-ext/detect-text.h"
#include "stun-ext/integrity.h"

#define HOST_MAX 100
#define USER_LENGTH 8
#define TAG_LENGTH 12
#define TOKEN_DIGITS (2 * STUN_EXT_DETECT_TOKEN_LENGTH)
#define FINGERPRINT_ATTRIBUTE 8
#define RTP_HEADER 12

static const char *const names[] = {
  "unknown",
  "silence",
  "tls",
  "tls-other-name",
  "tls-no-name",
  "tls-stun",
  "sip-register",
  "sip-invite",
  "sip-options",
  "stun",
  "turn",
  "http",
  "http-other-host",
  "random",
  "printable",
  "rtp",
  "dtls",
  "quic",
};
G_STATIC_ASSERT (G_N_ELEMENTS (names) == STUN_EXT_DETECT_N_PAYLOADS);
static const char *const twin_names[] = { "none", "inverted", "misspelt" };
G_STATIC_ASSERT (G_N_ELEMENTS (twin_names) == STUN_EXT_DETECT_N_TWINS);

/* ---- names ---- */

const char *
stun_ext_detect_payload_name (StunExtDetectPayload payload)
{
  return (guint)payload < G_N_ELEMENTS (names) ? names[payload] : names[0];
}

const char *
stun_ext_detect_twin_name (StunExtDetectTwin twin)
{
  return (guint)twin < G_N_ELEMENTS (twin_names) ? twin_names[twin] : twin_names[0];
}

static gboolean
find_name (const char *const *list, guint n, const char *name, gsize length, guint *index)
{
  for (*index = 0; *index < n; (*index)++)
    if (strlen (list[*index]) == length && memcmp (list[*index], name, length) == 0)
      return TRUE;
  return FALSE;
}

StunExtDetectPayload
stun_ext_detect_payload_from_name (const char *name, gsize length)
{
  guint index;

  return find_name (names, G_N_ELEMENTS (names), name, length, &index)
             ? (StunExtDetectPayload)index
             : STUN_EXT_DETECT_PAYLOAD_UNKNOWN;
}

gboolean
stun_ext_detect_twin_from_name (const char *name, gsize length, StunExtDetectTwin *twin)
{
  guint index;

  if (!find_name (twin_names, G_N_ELEMENTS (twin_names), name, length, &index))
    return FALSE;
  *twin = (StunExtDetectTwin)index;
  return TRUE;
}

gboolean
stun_ext_detect_payload_has_twins (StunExtDetectPayload payload)
{
  return payload > STUN_EXT_DETECT_PAYLOAD_SILENCE && payload < STUN_EXT_DETECT_N_PAYLOADS &&
         payload != STUN_EXT_DETECT_PAYLOAD_RANDOM && payload != STUN_EXT_DETECT_PAYLOAD_PRINTABLE;
}

gboolean
stun_ext_detect_payload_is_datagram (StunExtDetectPayload payload)
{
  return payload == STUN_EXT_DETECT_PAYLOAD_RTP || payload == STUN_EXT_DETECT_PAYLOAD_DTLS ||
         payload == STUN_EXT_DETECT_PAYLOAD_QUIC;
}

/* ---- chance ---- */

/* The finalizer of a mixing function that is well known for passing tests of randomness (splitmix64). It has to be
 * even, not secret. */
guint64
stun_ext_detect_chance (StunExtDetectChance *chance)
{
  guint64 z = chance->state += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);

  z = (z ^ z >> 30) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return z ^ z >> 31;
}

void
stun_ext_detect_chance_octets (StunExtDetectChance *chance, StunExtWriter *writer, gsize n)
{
  for (gsize i = 0; i < n && !writer->failed; i++)
    stun_ext_writer_u8 (writer, (guint8)(stun_ext_detect_chance (chance) >> 32));
}

void
stun_ext_detect_chance_letters (StunExtDetectChance *chance, char *text, gsize n)
{
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

  for (gsize i = 0; i < n; i++)
    text[i] = letters[(stun_ext_detect_chance (chance) >> 32) % (sizeof letters - 1)];
  text[n] = '\0';
}

/* ---- SIP and HTTP ---- */

/* Appends a header of letters so that the whole text, with what is still to come, has length characters. */
static gboolean
pad_text (GString *text, StunExtDetectChance *chance, gsize length, gsize to_come)
{
  static const char name[] = "X-Fill: ";
  gsize least = strlen (name) + 2;
  gsize n;
  g_autofree char *letters = NULL;

  if (text->len + to_come + least > length)
    return text->len + to_come == length;
  n = length - text->len - to_come - least;
  letters = g_malloc (n + 1);
  stun_ext_detect_chance_letters (chance, letters, n);
  g_string_append_printf (text, "%s%s\r\n", name, letters);
  return TRUE;
}

static GString *
sdp_of (const char *address, gboolean is_ipv6, StunExtDetectChance *chance)
{
  GString *sdp = g_string_new (NULL);
  const char *family = is_ipv6 ? "IP6" : "IP4";
  guint id = (guint)(stun_ext_detect_chance (chance) >> 40);

  g_string_append_printf (sdp,
                          "v=0\r\no=- %u 1 IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n"
                          "m=audio %u RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
                          "a=sendrecv\r\n",
                          id, family, address, family, address,
                          16384 + 2 * (guint)(stun_ext_detect_chance (chance) >> 52));
  return sdp;
}

static GString *
sip_text (const StunExtDetectFlight *flight,
          const guint8 *token,
          StunExtDetectChance *chance,
          gsize length)
{
  static const char *const methods[] = { "REGISTER", "INVITE", "OPTIONS" };
  const char *method = methods[flight->payload - STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER];
  gboolean is_invite = flight->payload == STUN_EXT_DETECT_PAYLOAD_SIP_INVITE;
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GString) sdp = NULL;
  g_autofree char *end = NULL;
  char user[USER_LENGTH + 1], tag[TAG_LENGTH + 1], id[TAG_LENGTH + 1], digits[TOKEN_DIGITS + 1];
  char local[STUN_EXT_ADDRESS_TEXT_LENGTH], host[STUN_EXT_ADDRESS_TEXT_LENGTH];

  stun_ext_address_print (&flight->local, local);
  stun_ext_address_print_host (&flight->local, host);
  stun_ext_detect_chance_letters (chance, user, USER_LENGTH);
  stun_ext_detect_chance_letters (chance, tag, TAG_LENGTH);
  stun_ext_detect_chance_letters (chance, id, TAG_LENGTH);
  sdp = is_invite ? sdp_of (host, flight->local.family == 6, chance) : g_string_new (NULL);
  g_string_append_printf (
      text,
      "%s sip:%s%s%s SIP/2.0\r\nVia: SIP/2.0/%s %s;rport;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\n"
      "From: <sip:%s@%s>;tag=%s\r\nTo: <sip:%s@%s>\r\nCall-ID: %s\r\nCSeq: %u %s\r\n"
      "Contact: <sip:%s@%s>\r\n",
      method, is_invite ? user : "", is_invite ? "@" : "", flight->host,
      flight->is_datagram ? "UDP" : "TCP", local,
      stun_ext_detect_hex_print (token, STUN_EXT_DETECT_TOKEN_LENGTH, digits), user, flight->host,
      tag, user, flight->host, id, 1 + (guint)(stun_ext_detect_chance (chance) >> 48), method, user,
      local);
  if (is_invite)
    g_string_append (text, "Content-Type: application/sdp\r\n");
  end = g_strdup_printf ("Content-Length: %" G_GSIZE_FORMAT "\r\n\r\n%s", sdp->len, sdp->str);
  if (!pad_text (text, chance, length, strlen (end)))
    return NULL;
  g_string_append (text, end);
  return g_steal_pointer (&text);
}

static GString *
http_text (const StunExtDetectFlight *flight, StunExtDetectChance *chance, gsize length)
{
  StunExtDetectQuery query = { .what = STUN_EXT_DETECT_WHAT_ECHO, .has_run = TRUE };
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *target = NULL;

  query.run = flight->run;
  query.probe = flight->probe;
  query.payload = (guint8)flight->payload;
  memcpy (query.nonce, flight->nonce, sizeof query.nonce);
  target = stun_ext_detect_target_write (&query, NULL);
  g_string_append_printf (text,
                          "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0\r\n"
                          "Accept: */*\r\n",
                          target, flight->host);
  if (!pad_text (text, chance, length, 2))
    return NULL;
  g_string_append (text, "\r\n");
  return g_steal_pointer (&text);
}

static void
write_text (StunExtWriter *writer, GString *text)
{
  if (text == NULL) {
    writer->failed = TRUE;
    return;
  }
  stun_ext_writer_bytes (writer, text->str, text->len);
  g_string_free (text, TRUE);
}

/* ---- the others ---- */

static void
write_stun (const StunExtDetectFlight *flight,
            StunExtDetectChance *chance,
            gsize length,
            StunExtWriter *writer)
{
  const StunExtSpan no_key = { NULL, 0 };
  const StunExtDetectMark mark = { .run = flight->run, .probe = flight->probe };
  gboolean is_turn = flight->payload == STUN_EXT_DETECT_PAYLOAD_TURN;
  guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH];
  StunExtWriter id_writer;
  StunExtBuilder builder;

  stun_ext_writer_init (&id_writer, id, sizeof id);
  stun_ext_detect_chance_octets (chance, &id_writer, sizeof id);
  stun_ext_builder_begin (&builder, writer->data, MIN (writer->capacity, length),
                          STUN_EXT_CLASS_REQUEST,
                          is_turn ? STUN_EXT_METHOD_ALLOCATE : STUN_EXT_METHOD_BINDING, id);
  if (is_turn)
    stun_ext_builder_add_u8 (&builder, STUN_EXT_ATTRIBUTE_REQUESTED_TRANSPORT,
                             STUN_EXT_TRANSPORT_UDP);
  stun_ext_detect_add_mark (&builder, &mark);
  writer->failed =
      !stun_ext_detect_fill (&builder, length, FINGERPRINT_ATTRIBUTE) ||
      !stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, no_key, TRUE, &writer->length);
}

static void
write_rtp (const guint8 *token, StunExtDetectChance *chance, gsize length, StunExtWriter *writer)
{
  stun_ext_writer_u16 (writer, 0x8000); /* version 2, PCMU */
  stun_ext_detect_chance_octets (chance, writer, RTP_HEADER - 2);
  stun_ext_writer_bytes (writer, token, STUN_EXT_DETECT_TOKEN_LENGTH);
  stun_ext_detect_chance_octets (chance, writer, length - MIN (length, writer->length));
}

static void
write_printable (const guint8 *token,
                 StunExtDetectChance *chance,
                 gsize length,
                 StunExtWriter *writer)
{
  g_autofree char *begin = g_base64_encode (token, STUN_EXT_DETECT_TOKEN_LENGTH);
  g_autofree char *rest = NULL;
  gsize n = strlen (begin);

  /* The padding sign would be the same in all of them. */
  begin[n - 1] = 'A';
  rest = g_malloc (length + 1);
  stun_ext_detect_chance_letters (chance, rest, length - MIN (length, n));
  stun_ext_writer_bytes (writer, begin, n);
  stun_ext_writer_bytes (writer, rest, length - MIN (length, n));
}

static void
write_plain (const StunExtDetectFlight *flight,
             const guint8 *token,
             gsize length,
             StunExtWriter *writer)
{
  StunExtDetectChance chance = { flight->seed };

  switch (flight->payload) {
  case STUN_EXT_DETECT_PAYLOAD_TLS:
  case STUN_EXT_DETECT_PAYLOAD_TLS_OTHER_NAME:
  case STUN_EXT_DETECT_PAYLOAD_TLS_NO_NAME:
  case STUN_EXT_DETECT_PAYLOAD_TLS_STUN:
    stun_ext_detect_write_tls (flight, token, &chance, length, writer);
    break;
  case STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER:
  case STUN_EXT_DETECT_PAYLOAD_SIP_INVITE:
  case STUN_EXT_DETECT_PAYLOAD_SIP_OPTIONS:
    write_text (writer, sip_text (flight, token, &chance, length));
    break;
  case STUN_EXT_DETECT_PAYLOAD_STUN:
  case STUN_EXT_DETECT_PAYLOAD_TURN:
    write_stun (flight, &chance, length, writer);
    break;
  case STUN_EXT_DETECT_PAYLOAD_HTTP:
  case STUN_EXT_DETECT_PAYLOAD_HTTP_OTHER_HOST:
    write_text (writer, http_text (flight, &chance, length));
    break;
  case STUN_EXT_DETECT_PAYLOAD_RANDOM:
    stun_ext_writer_bytes (writer, token, STUN_EXT_DETECT_TOKEN_LENGTH);
    stun_ext_detect_chance_octets (&chance, writer, length - MIN (length, writer->length));
    break;
  case STUN_EXT_DETECT_PAYLOAD_PRINTABLE:
    write_printable (token, &chance, length, writer);
    break;
  case STUN_EXT_DETECT_PAYLOAD_RTP:
    write_rtp (token, &chance, length, writer);
    break;
  case STUN_EXT_DETECT_PAYLOAD_DTLS:
    stun_ext_detect_write_dtls (token, &chance, length, writer);
    break;
  case STUN_EXT_DETECT_PAYLOAD_QUIC:
    stun_ext_detect_write_quic (token, &chance, length, writer);
    break;
  case STUN_EXT_DETECT_PAYLOAD_UNKNOWN:
  case STUN_EXT_DETECT_PAYLOAD_SILENCE:
  case STUN_EXT_DETECT_N_PAYLOADS:
  default:
    writer->failed = TRUE;
  }
}

/* ---- twins ---- */

static void
swap (guint8 *octets, gsize a, gsize b)
{
  guint8 kept = octets[a];

  octets[a] = octets[b];
  octets[b] = kept;
}

/* A text method becomes another word wherever it stands. */
static void
misspell_method (guint8 *octets, gsize length)
{
  const guint8 *space = memchr (octets, ' ', length);
  gsize n = space != NULL ? (gsize)(space - octets) : 0;
  g_autofree guint8 *method = g_memdup2 (octets, n);

  for (gsize i = 0; n >= 3 && i + n <= length; i++)
    if (memcmp (octets + i, method, n) == 0)
      swap (octets, i + n - 2, i + n - 1);
}

static void
misspell (StunExtDetectPayload payload, guint8 *octets, gsize length)
{
  switch (payload) {
  case STUN_EXT_DETECT_PAYLOAD_STUN:
  case STUN_EXT_DETECT_PAYLOAD_TURN:
    swap (octets, 4, 7); /* in the magic cookie */
    break;
  case STUN_EXT_DETECT_PAYLOAD_RTP:
    octets[0] = 0x40; /* version 1 */
    break;
  case STUN_EXT_DETECT_PAYLOAD_QUIC:
    swap (octets, 1, 4); /* in the version */
    break;
  case STUN_EXT_DETECT_PAYLOAD_TLS:
  case STUN_EXT_DETECT_PAYLOAD_TLS_OTHER_NAME:
  case STUN_EXT_DETECT_PAYLOAD_TLS_NO_NAME:
  case STUN_EXT_DETECT_PAYLOAD_TLS_STUN:
  case STUN_EXT_DETECT_PAYLOAD_DTLS:
    octets[0] = 0x36; /* a type of record that there is not */
    break;
  default:
    misspell_method (octets, length);
  }
}

gsize
stun_ext_detect_flight_write (const StunExtDetectFlight *flight, guint8 *buffer, gsize capacity)
{
  gsize length = flight->length > 0 ? flight->length : STUN_EXT_DETECT_FLIGHT_LENGTH;
  StunExtDetectToken token = { .run = flight->run, .probe = flight->probe };
  StunExtDetectFlight plain = *flight;
  guint8 octets[STUN_EXT_DETECT_TOKEN_LENGTH];
  StunExtWriter writer;

  if ((guint)flight->twin >= STUN_EXT_DETECT_N_TWINS || flight->host == NULL ||
      (flight->twin != STUN_EXT_DETECT_TWIN_NONE &&
       !stun_ext_detect_payload_has_twins (flight->payload)) ||
      length > MIN (capacity, STUN_EXT_DETECT_FLIGHT_MAX) || length % 4 != 0 ||
      strlen (flight->host) > HOST_MAX)
    return 0;
  if (plain.local.family == 0)
    stun_ext_address_parse ("192.168.1.2:5060", &plain.local);
  token.length = (guint16)length;
  token.payload = (guint8)flight->payload;
  if (!stun_ext_detect_token_write (&token, octets))
    return 0;
  stun_ext_writer_init (&writer, buffer, length);
  write_plain (&plain, octets, length, &writer);
  if (writer.failed || writer.length != length)
    return 0;
  if (flight->twin == STUN_EXT_DETECT_TWIN_MISSPELT)
    misspell (flight->payload, buffer, length);
  for (gsize i = 0; flight->twin == STUN_EXT_DETECT_TWIN_INVERTED && i < length; i++)
    buffer[i] = (guint8)~buffer[i];
  return length;
}
