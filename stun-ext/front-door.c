/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One port serves TLS, CONNECT, the tunnel, STUN and stray web browsers. Here is decided which of
 * them a connection is, from the first octets alone, in one place and without state, so that no
 * later code has to take a guess back. */
#include "stun-ext/front-door.h"

#include <string.h>

#define STUN_HEADER_LENGTH 20 /* RFC 8489 section 5 */
#define FRAME_MAX 2048        /* PROTOCOL.md section 2, before authentication */
#define METHOD_MIN 3          /* GET */
#define METHOD_MAX 16         /* the longest registered method has 16 letters */
#define NEVER G_MAXSIZE       /* these octets are something else */

G_STATIC_ASSERT (STUN_EXT_FRONT_DOOR_MAX_LENGTH == METHOD_MAX + 1);

/* The values that one octet may have. */
typedef struct {
  guint8 min;
  guint8 max;
  guint8 zero_bits;
} OctetRange;

#define ONE(value)                                                                                 \
  {                                                                                                \
    value, value, 0                                                                                \
  }
#define ANY                                                                                        \
  {                                                                                                \
    0x00, 0xff, 0                                                                                  \
  }
#define ANY_TIMES_FOUR                                                                             \
  {                                                                                                \
    0x00, 0xff, 0x03                                                                               \
  }
#define MAGIC_COOKIE ONE (0x21), ONE (0x12), ONE (0xa4), ONE (0x42)

static const OctetRange tls_pattern[] = { ONE (0x16), ONE (0x03) };

/* Type Binding request, length, cookie. Nothing else is answered outside a tunnel. */
static const OctetRange stun_pattern[] = {
  ONE (0x00), ONE (0x01), { 0x00, 0x07, 0 }, ANY_TIMES_FOUR, MAGIC_COOKIE,
};

/* LENGTH, type of a method below 0x100, length, cookie. */
static const OctetRange tunnel_pattern[] = {
  { 0x00, 0x08, 0 }, ANY_TIMES_FOUR, { 0x00, 0x03, 0 }, ANY,
  { 0x00, 0x07, 0 }, ANY_TIMES_FOUR, MAGIC_COOKIE,
};

/* The three functions below return 0 for a match, the octets needed to know more, or NEVER. */

static gsize
match_pattern (const OctetRange *pattern, gsize n, const guint8 *data, gsize length)
{
  for (gsize i = 0; i < MIN (n, length); i++) {
    if (data[i] < pattern[i].min || data[i] > pattern[i].max ||
        (data[i] & pattern[i].zero_bits) != 0)
      return NEVER;
  }
  return length >= n ? 0 : n;
}

static gsize
match_tunnel (const guint8 *data, gsize length)
{
  if (length >= 2) {
    guint frame_length = (guint)data[0] << 8 | data[1];

    if (frame_length < STUN_HEADER_LENGTH || frame_length > FRAME_MAX)
      return NEVER;
    if (length >= 6 && ((guint)data[4] << 8 | data[5]) + STUN_HEADER_LENGTH != frame_length)
      return NEVER;
  }
  return match_pattern (tunnel_pattern, G_N_ELEMENTS (tunnel_pattern), data, length);
}

/* A method name and the space behind it. */
static gsize
match_http (const guint8 *data, gsize length)
{
  for (gsize i = 0; i < MIN (length, METHOD_MAX + 1); i++) {
    if (data[i] == ' ')
      return i >= METHOD_MIN ? 0 : NEVER;
    if (i == METHOD_MAX || !(g_ascii_isupper (data[i]) || (data[i] == '-' && i > 0)))
      return NEVER;
  }
  return MAX (length, METHOD_MIN) + 1;
}

static gboolean
is_connect (const guint8 *data, gsize length)
{
  static const char connect[] = "CONNECT ";

  return length >= strlen (connect) && memcmp (data, connect, strlen (connect)) == 0;
}

/* Inside TLS the CONNECT that came before it no longer counts. */
static gboolean
may_connect (StunExtFrontDoorLayers layers)
{
  if (layers & STUN_EXT_FRONT_DOOR_LAYER_WEB_ONLY)
    return FALSE;
  if (layers & STUN_EXT_FRONT_DOOR_LAYER_TLS)
    return !(layers & STUN_EXT_FRONT_DOOR_LAYER_INNER_CONNECT);
  return !(layers & STUN_EXT_FRONT_DOOR_LAYER_CONNECT);
}

StunExtFrontDoorVerdict
stun_ext_front_door_classify (StunExtFrontDoorLayers layers,
                              const guint8 *data,
                              gsize length,
                              gsize *needed)
{
  gboolean web_only = (layers & STUN_EXT_FRONT_DOOR_LAYER_WEB_ONLY) != 0;
  gboolean no_tls = web_only || (layers & STUN_EXT_FRONT_DOOR_LAYER_TLS) != 0;
  const struct {
    StunExtFrontDoorVerdict verdict;
    gsize needed;
  } rows[] = {
    { STUN_EXT_FRONT_DOOR_HTTP, match_http (data, length) },
    { STUN_EXT_FRONT_DOOR_TLS,
      no_tls ? NEVER : match_pattern (tls_pattern, G_N_ELEMENTS (tls_pattern), data, length) },
    { STUN_EXT_FRONT_DOOR_TUNNEL, web_only ? NEVER : match_tunnel (data, length) },
    { STUN_EXT_FRONT_DOOR_STUN,
      web_only ? NEVER : match_pattern (stun_pattern, G_N_ELEMENTS (stun_pattern), data, length) },
  };
  gsize least = NEVER;

  if (needed != NULL)
    *needed = 0;
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    if (rows[i].needed == 0) {
      if (rows[i].verdict == STUN_EXT_FRONT_DOOR_HTTP && is_connect (data, length) &&
          may_connect (layers))
        return STUN_EXT_FRONT_DOOR_CONNECT;
      return rows[i].verdict;
    }
    least = MIN (least, rows[i].needed);
  }
  if (least == NEVER)
    return STUN_EXT_FRONT_DOOR_CLOSE;
  if (needed != NULL)
    *needed = least;
  return STUN_EXT_FRONT_DOOR_NEED_MORE;
}
