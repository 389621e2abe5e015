/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds in a session description what decides the path of media, and nothing more: applications and
 * SIP stacks bring their own SDP code, and what they write has to pass here unharmed. */
#include "stun-ext/sdp.h"

#include <string.h>

#include "stun-ext/error.h"
#include "stun-ext/sdp-text-private.h"

/* What session and section can both say. */
typedef struct {
  StunExtAddress connection;
  StunExtSdpDirection direction;
  gboolean has_connection;
  gboolean has_ufrag;
  gboolean has_pwd;
  gboolean has_tep_option;
  guint n_tep;
} Level;

/* "IN IP4 192.0.2.1", with or without the TTL of a group. */
static gboolean
parse_connection (StunExtText rest, StunExtAddress *address)
{
  StunExtText family;
  StunExtText host;
  const char *slash;
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  if (!stun_ext_text_equal (stun_ext_text_next_word (&rest), "IN"))
    return FALSE;
  family = stun_ext_text_next_word (&rest);
  host = stun_ext_text_next_word (&rest);
  slash = host.length > 0 ? memchr (host.data, '/', host.length) : NULL;
  if (slash != NULL)
    host.length = (gsize)(slash - host.data);
  if (rest.length > 0 || !stun_ext_text_copy (host, text, sizeof text) || text[0] == '[' ||
      !stun_ext_address_parse (text, address))
    return FALSE;
  /* The parser knows ports, a c-line does not. */
  if (address->family == 4 ? strchr (text, ':') != NULL : address->port != 0)
    return FALSE;
  return stun_ext_text_equal (family, address->family == 4 ? "IP4" : "IP6");
}

/* "49171", or "49171 IN IP4 192.0.2.1" (RFC 3605). */
static gboolean
parse_rtcp (StunExtText rest, const StunExtAddress *fallback, StunExtAddress *rtcp)
{
  StunExtAddress address = *fallback;
  guint16 port;

  if (!stun_ext_text_number (stun_ext_text_next_word (&rest), &port) || port == 0)
    return FALSE;
  if (rest.length > 0 && !parse_connection (rest, &address))
    return FALSE;
  address.port = port;
  *rtcp = address.family != 0 ? address : (StunExtAddress){ 0 };
  return TRUE;
}

static gboolean
has_word (StunExtText rest, const char *wanted)
{
  while (rest.length > 0) {
    if (stun_ext_text_equal (stun_ext_text_next_word (&rest), wanted))
      return TRUE;
  }
  return FALSE;
}

static void
read_direction (StunExtText text, StunExtSdpDirection *direction)
{
  static const char *const names[] = {
    [STUN_EXT_SDP_SENDRECV] = "a=sendrecv",
    [STUN_EXT_SDP_SENDONLY] = "a=sendonly",
    [STUN_EXT_SDP_RECVONLY] = "a=recvonly",
    [STUN_EXT_SDP_INACTIVE] = "a=inactive",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    if (stun_ext_text_equal (text, names[i]))
      *direction = (StunExtSdpDirection)i;
  }
}

static void
read_common_line (Level *level, StunExtText text)
{
  StunExtSdpTep tep;
  StunExtText value = text;

  if (stun_ext_text_skip (&value, "c=")) {
    /* Of several c-lines (layered groups) the first is the default one. */
    if (!level->has_connection && !parse_connection (value, &level->connection))
      level->connection = (StunExtAddress){ 0 };
    level->has_connection = TRUE;
  } else if (stun_ext_text_skip (&value, "a=ice-ufrag:"))
    level->has_ufrag = value.length > 0;
  else if (stun_ext_text_skip (&value, "a=ice-pwd:"))
    level->has_pwd = value.length > 0;
  else if (stun_ext_text_skip (&value, "a=ice-options:"))
    level->has_tep_option = level->has_tep_option || has_word (value, "tep");
  else if (stun_ext_sdp_tep_parse (&tep, text.data, text.length))
    level->n_tep = MIN (level->n_tep + 1, STUN_EXT_SDP_MAX_TEP);
  else
    read_direction (text, &level->direction);
}

/* "audio 49170 RTP/AVP 0", the port perhaps with a count. */
static gboolean
read_media_line (StunExtSdpMedia *media, StunExtText rest)
{
  StunExtText kind;
  StunExtText port;
  const char *slash;

  if (!stun_ext_text_skip (&rest, "m="))
    return FALSE;
  kind = stun_ext_text_next_word (&rest);
  port = stun_ext_text_next_word (&rest);
  slash = port.length > 0 ? memchr (port.data, '/', port.length) : NULL;
  if (slash != NULL)
    port.length = (gsize)(slash - port.data);
  if (kind.length == 0 || rest.length == 0)
    return FALSE;
  kind.length = MIN (kind.length, sizeof media->kind - 1);
  stun_ext_text_copy (kind, media->kind, sizeof media->kind);
  return stun_ext_text_number (port, &media->address.port);
}

static void
read_media_attribute (StunExtSdpMedia *media, StunExtText text)
{
  if (stun_ext_text_equal (text, "a=rtcp-mux"))
    media->is_rtcp_mux = TRUE;
  else if (stun_ext_text_skip (&text, "a=candidate:"))
    media->n_candidates++;
}

static void
find_rtcp (const StunExtSdp *sdp, StunExtSdpMedia *media)
{
  StunExtText rest = { sdp->text + media->begin, media->end - media->begin };
  StunExtTextLine line;

  while (stun_ext_text_next_line (&rest, &line)) {
    if (stun_ext_text_skip (&line.text, "a=rtcp:") &&
        parse_rtcp (line.text, &media->address, &media->rtcp))
      return;
  }
  if (media->address.family == 0 || media->address.port == 0 || media->address.port == G_MAXUINT16)
    return;
  media->rtcp = media->address;
  media->rtcp.port++;
}

static void
finish_media (StunExtSdp *sdp, const Level *session, const Level *section, gsize end)
{
  StunExtSdpMedia *media = &sdp->media[sdp->n_media - 1];
  guint16 port = media->address.port;

  media->end = end;
  media->address = section->has_connection ? section->connection : session->connection;
  media->address.port = media->address.family != 0 ? port : 0;
  media->direction = section->direction;
  media->has_ice =
      (session->has_ufrag || section->has_ufrag) && (session->has_pwd || section->has_pwd);
  media->has_tep_option = session->has_tep_option || section->has_tep_option;
  media->n_tep = section->n_tep > 0 ? section->n_tep : session->n_tep;
  find_rtcp (sdp, media);
}

/* A letter, "=", and no control octets that would let the text read differently elsewhere. */
static gboolean
is_line (StunExtText text)
{
  if (text.length < 2 || !g_ascii_islower (text.data[0]) || text.data[1] != '=')
    return FALSE;
  return memchr (text.data, '\0', text.length) == NULL &&
         memchr (text.data, '\r', text.length) == NULL;
}

static gboolean
begin_media (StunExtSdp *sdp, StunExtText text, gsize begin)
{
  if (sdp->n_media == STUN_EXT_SDP_MAX_MEDIA)
    return FALSE;
  sdp->media[sdp->n_media].begin = begin;
  return read_media_line (&sdp->media[sdp->n_media++], text);
}

/* Returns the number of the line that cannot be read, 0 if all can. */
static guint
read_lines (StunExtSdp *sdp)
{
  StunExtText rest = { sdp->text, sdp->length };
  StunExtTextLine line;
  Level session = { 0 };
  Level section = { 0 };

  for (guint number = 1; stun_ext_text_next_line (&rest, &line); number++) {
    gsize begin = (gsize)(line.text.data - sdp->text);

    if (!is_line (line.text))
      return number;
    if (line.text.data[0] == 'm') {
      if (sdp->n_media > 0)
        finish_media (sdp, &session, &section, begin);
      else
        sdp->session_end = begin;
      section = (Level){ .direction = session.direction };
      if (!begin_media (sdp, line.text, begin))
        return number;
      continue;
    }
    read_common_line (sdp->n_media > 0 ? &section : &session, line.text);
    if (sdp->n_media > 0)
      read_media_attribute (&sdp->media[sdp->n_media - 1], line.text);
    sdp->is_ice_lite = sdp->is_ice_lite || stun_ext_text_equal (line.text, "a=ice-lite");
  }
  if (sdp->n_media > 0)
    finish_media (sdp, &session, &section, sdp->length);
  return 0;
}

gboolean
stun_ext_sdp_parse (StunExtSdp *sdp, const char *text, gsize length, GError **error)
{
  guint bad_line;

  memset (sdp, 0, sizeof *sdp);
  if (length == 0 || length > STUN_EXT_SDP_MAX_LENGTH) {
    g_set_error (error, STUN_EXT_ERROR, STUN_EXT_ERROR_SYNTAX,
                 "SDP of %" G_GSIZE_FORMAT " octets, expected 1 to %d", length,
                 STUN_EXT_SDP_MAX_LENGTH);
    return FALSE;
  }
  sdp->text = text;
  sdp->length = sdp->session_end = length;
  bad_line = read_lines (sdp);
  if (bad_line == 0)
    return TRUE;
  g_set_error (error, STUN_EXT_ERROR, STUN_EXT_ERROR_SYNTAX,
               "SDP line %u cannot be read, or is m-line %d", bad_line, STUN_EXT_SDP_MAX_MEDIA + 1);
  return FALSE;
}

gboolean
stun_ext_sdp_get_tep (const StunExtSdp *sdp, guint media, guint nth, StunExtSdpTep *tep)
{
  StunExtText rest;
  StunExtTextLine line;

  if (media >= sdp->n_media || nth >= sdp->media[media].n_tep)
    return FALSE;
  /* Lines of the section replace those of the session, so the section is asked first. */
  for (guint level = 0; level < 2; level++) {
    guint n = nth;
    gboolean is_any = FALSE;

    rest = level == 0 ? (StunExtText){ sdp->text + sdp->media[media].begin,
                                       sdp->media[media].end - sdp->media[media].begin }
                      : (StunExtText){ sdp->text, sdp->session_end };
    while (stun_ext_text_next_line (&rest, &line)) {
      if (!stun_ext_sdp_tep_parse (tep, line.text.data, line.text.length))
        continue;
      is_any = TRUE;
      if (n-- == 0)
        return TRUE;
    }
    if (is_any)
      return FALSE;
  }
  return FALSE;
}
