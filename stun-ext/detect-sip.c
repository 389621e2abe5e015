/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SIP of detection. A gateway that "helps" SIP changes addresses in what passes, and changes them back in answers: so the
 * far end tells what it saw in a form that no gateway reads.
 */
#include "stun-ext/detect-text.h"

#include <string.h>

#include "stun-ext/detect-payload.h"

#define HEADER "Tep-Detect: 1;"
#define PROOF ";proof="
#define PROOF_DIGITS (2 * STUN_EXT_DETECT_PROOF_LENGTH)
#define VALUE_MAX 1024 /* octets of our header's value */
#define FIELD_MAX 512  /* octets of a header that is copied */

static const char *
find_text (const char *text, gsize length, const char *wanted)
{
  return length > 0 ? g_strstr_len (text, (gssize)length, wanted) : NULL;
}

/* Value of the first header of that name, which begins with a line break, up to the next. */
static StunExtSpan
header (const char *text, gsize length, const char *name)
{
  const char *begin = find_text (text, length, name);
  const char *end;

  if (begin == NULL)
    return (StunExtSpan){ NULL, 0 };
  begin += strlen (name);
  end = find_text (begin, length - (gsize)(begin - text), "\r\n");
  while (end != NULL && begin < end && *begin == ' ')
    begin++;
  return (StunExtSpan){ begin, end != NULL ? (gsize)(end - begin) : 0 };
}

/* Copies what lies between a mark and the first of the ends, if it is short and printable. */
static void
copy_seen (const char *text,
           gsize length,
           const char *mark,
           const char *ends,
           char seen[STUN_EXT_DETECT_SEEN_MAX + 1])
{
  const char *begin = find_text (text, length, mark);
  gsize left, n = 0;

  seen[0] = '\0';
  if (begin == NULL)
    return;
  begin += strlen (mark);
  left = length - (gsize)(begin - text);
  while (n < left && strchr (ends, begin[n]) == NULL && begin[n] != '\0')
    n++;
  if (n > STUN_EXT_DETECT_SEEN_MAX || n == left)
    return;
  for (gsize i = 0; i < n; i++)
    if (!g_ascii_isprint (begin[i]))
      return;
  memcpy (seen, begin, n);
  seen[n] = '\0';
}

static void
look (const char *request, gsize length, gsize head, StunExtDetectSip *sip)
{
  StunExtSpan via = header (request, head, "\r\nVia:");
  StunExtSpan contact = header (request, head, "\r\nContact:");

  /* With what ends the value, so that it is found. */
  if (via.length > 0)
    copy_seen (via.data, via.length + 2, " ", ";, \r", sip->via);
  if (contact.length > 0)
    copy_seen (contact.data, contact.length + 2, "@", ">;, \r", sip->contact);
  copy_seen (request + head - 2, length - head + 2, "\nc=IN ", "\r\n", sip->sdp);
}

static void
append_seen (GString *text, const char *name, const char *seen)
{
  char digits[2 * STUN_EXT_DETECT_SEEN_MAX + 1];

  g_string_append_printf (text, ";%s=%s", name,
                          stun_ext_detect_hex_print ((const guint8 *)seen, strlen (seen), digits));
}

/* The value of our header without its proof. */
static GString *
value_of (const StunExtDetectSip *sip)
{
  GString *text = g_string_new (NULL);
  char digits[2 * STUN_EXT_DETECT_DIGEST_LENGTH + 1];
  char source[STUN_EXT_ADDRESS_TEXT_LENGTH];

  g_string_append_printf (text, "keyed=%u;octets=%u;digest=%s", sip->is_keyed ? 1u : 0u,
                          sip->octets,
                          stun_ext_detect_hex_print (sip->digest, sizeof sip->digest, digits));
  append_seen (text, "source", stun_ext_address_print (&sip->source, source));
  append_seen (text, "via", sip->via);
  append_seen (text, "contact", sip->contact);
  append_seen (text, "sdp", sip->sdp);
  return text;
}

static gboolean
append_copied (GString *text, const char *request, gsize head, const char *name)
{
  StunExtSpan value = header (request, head, name);

  if (value.length == 0 || value.length > FIELD_MAX)
    return FALSE;
  g_string_append (text, name + 2);
  g_string_append_c (text, ' ');
  g_string_append_len (text, value.data, (gssize)value.length);
  return TRUE;
}

/* The top Via with what RFC 3261 section 18.2.1 and RFC 3581 section 4 add. */
static gboolean
append_via (GString *text, const char *request, gsize head, const StunExtAddress *source)
{
  StunExtSpan via = header (request, head, "\r\nVia:");
  char host[STUN_EXT_ADDRESS_TEXT_LENGTH];
  const char *port;

  if (via.length == 0 || via.length > FIELD_MAX)
    return FALSE;
  port = find_text (via.data, via.length, ";rport;");
  g_string_append (text, "Via: ");
  if (port == NULL) {
    g_string_append_len (text, via.data, (gssize)via.length);
  } else {
    gsize n = (gsize)(port - (const char *)via.data);

    g_string_append_len (text, via.data, (gssize)n);
    g_string_append_printf (text, ";rport=%u", source->port);
    g_string_append_len (text, port + strlen (";rport"),
                         (gssize)(via.length - n - strlen (";rport")));
  }
  g_string_append_printf (text, ";received=%s\r\n", stun_ext_address_print_host (source, host));
  return TRUE;
}

static gboolean
append_proven (GString *text,
               const StunExtDetectSip *sip,
               const StunExtDetectToken *token,
               const StunExtDetectKey *key)
{
  g_autoptr (GString) value = value_of (sip);
  guint8 octets[STUN_EXT_DETECT_TOKEN_LENGTH], proof[STUN_EXT_DETECT_PROOF_LENGTH];
  const StunExtSpan parts[] = { { octets, sizeof octets }, { value->str, value->len } };
  char digits[PROOF_DIGITS + 1];

  if (!stun_ext_detect_token_write (token, octets) ||
      !stun_ext_detect_prove (key, "tep-detect/1 sip", parts, G_N_ELEMENTS (parts), proof))
    return FALSE;
  g_string_append_printf (text, HEADER "%s" PROOF "%s\r\n", value->str,
                          stun_ext_detect_hex_print (proof, sizeof proof, digits));
  return TRUE;
}

GString *
stun_ext_detect_sip_answer_write (const char *request,
                                  gsize length,
                                  const StunExtDetectToken *token,
                                  const StunExtAddress *source,
                                  const StunExtDetectKey *key,
                                  gsize largest)
{
  gboolean is_invite = token->payload == STUN_EXT_DETECT_PAYLOAD_SIP_INVITE;
  StunExtDetectSip sip = { .is_keyed = key->is_keyed,
                           .octets = (guint32)length,
                           .source = *source };
  const StunExtSpan part = { request, length };
  const char *end = find_text (request, length, "\r\n\r\n");
  g_autoptr (GString) text = g_string_new (NULL);
  gsize head;

  if (end == NULL || !stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, &part, 1, sip.digest))
    return NULL;
  head = (gsize)(end - request) + 4;
  look (request, length, head, &sip);
  g_string_append (text, is_invite ? "SIP/2.0 486 Busy Here\r\n" : "SIP/2.0 200 OK\r\n");
  if (!append_via (text, request, head, source) ||
      !append_copied (text, request, head, "\r\nFrom:"))
    return NULL;
  g_string_append (text, "\r\n");
  if (!append_copied (text, request, head, "\r\nTo:"))
    return NULL;
  g_string_append (text, ";tag=td\r\n");
  if (!append_copied (text, request, head, "\r\nCall-ID:"))
    return NULL;
  g_string_append (text, "\r\n");
  if (!append_copied (text, request, head, "\r\nCSeq:"))
    return NULL;
  g_string_append (text, "\r\n");
  if (!append_proven (text, &sip, token, key))
    return NULL;
  g_string_append (text, "Content-Length: 0\r\n\r\n");
  return text->len <= largest ? g_steal_pointer (&text) : NULL;
}

/* ---- the client's half ---- */

/* "name=value" at the begin of what is left of the value, up to the next semicolon. */
static gboolean
take (const char **text, gsize *left, const char *name, StunExtSpan *value)
{
  gsize n = strlen (name);
  const char *end;

  if (*left <= n || memcmp (*text, name, n) != 0 || (*text)[n] != '=')
    return FALSE;
  *text += n + 1;
  *left -= n + 1;
  end = memchr (*text, ';', *left);
  *value = (StunExtSpan){ *text, end != NULL ? (gsize)(end - *text) : *left };
  *text += value->length + (end != NULL ? 1 : 0);
  *left -= value->length + (end != NULL ? 1 : 0);
  return TRUE;
}

static gboolean
take_number (const char **text, gsize *left, const char *name, guint32 *number)
{
  StunExtSpan value;
  guint64 n = 0;

  if (!take (text, left, name, &value) || value.length == 0 || value.length > 10)
    return FALSE;
  for (gsize i = 0; i < value.length; i++) {
    char c = ((const char *)value.data)[i];

    if (!g_ascii_isdigit (c))
      return FALSE;
    n = n * 10 + (guint)(c - '0');
  }
  *number = (guint32)n;
  return n <= G_MAXUINT32;
}

static gboolean
take_seen (const char **text,
           gsize *left,
           const char *name,
           char seen[STUN_EXT_DETECT_SEEN_MAX + 1])
{
  StunExtSpan value;

  if (!take (text, left, name, &value) || value.length > 2 * STUN_EXT_DETECT_SEEN_MAX ||
      !stun_ext_detect_hex_parse (value.data, value.length, (guint8 *)seen, value.length / 2))
    return FALSE;
  seen[value.length / 2] = '\0';
  for (gsize i = 0; i < value.length / 2; i++)
    if (!g_ascii_isprint (seen[i]))
      return FALSE;
  return TRUE;
}

static gboolean
read_value (const char *text, gsize left, StunExtDetectSip *sip)
{
  char source[STUN_EXT_DETECT_SEEN_MAX + 1];
  StunExtSpan digest;
  guint32 keyed;

  if (!take_number (&text, &left, "keyed", &keyed) ||
      !take_number (&text, &left, "octets", &sip->octets) ||
      !take (&text, &left, "digest", &digest) ||
      !stun_ext_detect_hex_parse (digest.data, digest.length, sip->digest, sizeof sip->digest) ||
      !take_seen (&text, &left, "source", source) || !take_seen (&text, &left, "via", sip->via) ||
      !take_seen (&text, &left, "contact", sip->contact) ||
      !take_seen (&text, &left, "sdp", sip->sdp) || left > 0)
    return FALSE;
  sip->is_keyed = keyed == 1;
  return stun_ext_address_parse (source, &sip->source);
}

static guint
status_code (const char *answer, gsize length)
{
  static const char begin[] = "SIP/2.0 ";
  guint code = 0;

  if (length < strlen (begin) + 3 || memcmp (answer, begin, strlen (begin)) != 0)
    return 0;
  for (gsize i = strlen (begin); i < strlen (begin) + 3; i++) {
    if (!g_ascii_isdigit (answer[i]))
      return 0;
    code = code * 10 + (guint)(answer[i] - '0');
  }
  return code >= 100 && code < 700 ? code : 0;
}

StunExtDetectProof
stun_ext_detect_sip_answer_read (const char *answer,
                                 gsize length,
                                 const StunExtDetectToken *token,
                                 const StunExtDetectKey *user,
                                 StunExtDetectSip *sip)
{
  guint8 octets[STUN_EXT_DETECT_TOKEN_LENGTH], proof[STUN_EXT_DETECT_PROOF_LENGTH];
  StunExtSpan value = header (answer, length, "\r\nTep-Detect: 1;");
  StunExtDetectSip read = { 0 };
  const char *mark;
  gsize n;

  *sip = (StunExtDetectSip){ .code = status_code (answer, length) };
  if (sip->code == 0 || value.length > VALUE_MAX || value.length == 0)
    return STUN_EXT_DETECT_PROOF_NONE;
  mark = find_text (value.data, value.length, PROOF);
  n = mark != NULL ? (gsize)(mark - (const char *)value.data) : 0;
  if (mark == NULL || !read_value (value.data, n, &read) ||
      !stun_ext_detect_hex_parse (mark + strlen (PROOF), value.length - n - strlen (PROOF), proof,
                                  sizeof proof) ||
      !stun_ext_detect_token_write (token, octets))
    return STUN_EXT_DETECT_PROOF_NONE;
  read.code = sip->code;
  *sip = read;
  return stun_ext_detect_check (
      &token->run, user, read.is_keyed, "tep-detect/1 sip",
      (const StunExtSpan[]){ { octets, sizeof octets }, { value.data, n } }, 2, proof);
}
