/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/front-door.h"

enum {
  NONE = STUN_EXT_FRONT_DOOR_LAYER_NONE,
  CONNECT = STUN_EXT_FRONT_DOOR_LAYER_CONNECT,
  TLS = STUN_EXT_FRONT_DOOR_LAYER_TLS,
  INNER = STUN_EXT_FRONT_DOOR_LAYER_INNER_CONNECT,
  WEB = STUN_EXT_FRONT_DOOR_LAYER_WEB_ONLY,
};

typedef struct {
  const char *name;
  guint layers;
  const char *octets;
  gsize length;
  StunExtFrontDoorVerdict verdict;
} Row;

#define OCTETS(text) text, sizeof text - 1
#define COOKIE "\x21\x12\xa4\x42"

static const Row rows[] = {
  { "TLS 1.0 record", NONE, OCTETS ("\x16\x03\x01\x02\x00"), STUN_EXT_FRONT_DOOR_TLS },
  { "TLS after CONNECT", CONNECT, OCTETS ("\x16\x03\x03"), STUN_EXT_FRONT_DOOR_TLS },
  { "TLS in TLS", TLS, OCTETS ("\x16\x03\x03"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "TLS where ALPN said web", WEB, OCTETS ("\x16\x03\x03"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "SSL 2", NONE, OCTETS ("\x80\x2e\x01\x00\x02"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "TLS alert", NONE, OCTETS ("\x15\x03\x01"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "handshake of no TLS", NONE, OCTETS ("\x16\x04\x01"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "CONNECT", NONE, OCTETS ("CONNECT tep:443 HTTP/1.1"), STUN_EXT_FRONT_DOOR_CONNECT },
  { "CONNECT twice", CONNECT, OCTETS ("CONNECT a:1 HTTP/1.1"), STUN_EXT_FRONT_DOOR_HTTP },
  { "CONNECT in TLS", TLS, OCTETS ("CONNECT a:1 HTTP/1.1"), STUN_EXT_FRONT_DOOR_CONNECT },
  { "CONNECT, TLS, CONNECT", CONNECT | TLS, OCTETS ("CONNECT a"), STUN_EXT_FRONT_DOOR_CONNECT },
  { "third CONNECT", CONNECT | TLS | INNER, OCTETS ("CONNECT a"), STUN_EXT_FRONT_DOOR_HTTP },
  { "CONNECT where ALPN said web", TLS | WEB, OCTETS ("CONNECT a"), STUN_EXT_FRONT_DOOR_HTTP },
  { "connect", NONE, OCTETS ("connect a:1 HTTP/1.1"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "CONNECTS", NONE, OCTETS ("CONNECTS a:1"), STUN_EXT_FRONT_DOOR_HTTP },
  { "GET", NONE, OCTETS ("GET / HTTP/1.1"), STUN_EXT_FRONT_DOOR_HTTP },
  { "GET in TLS", TLS, OCTETS ("GET / HTTP/1.1"), STUN_EXT_FRONT_DOOR_HTTP },
  { "GET where ALPN said web", TLS | WEB, OCTETS ("GET / HTTP/1.1"), STUN_EXT_FRONT_DOOR_HTTP },
  { "HTTP/2", NONE, OCTETS ("PRI * HTTP/2.0"), STUN_EXT_FRONT_DOOR_HTTP },
  { "M-SEARCH", NONE, OCTETS ("M-SEARCH * HTTP/1.1"), STUN_EXT_FRONT_DOOR_HTTP },
  { "longest method", NONE, OCTETS ("ABCDEFGHIJKLMNOP "), STUN_EXT_FRONT_DOOR_HTTP },
  { "method too long", NONE, OCTETS ("ABCDEFGHIJKLMNOPQ "), STUN_EXT_FRONT_DOOR_CLOSE },
  { "method too short", NONE, OCTETS ("GO /"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "no method", NONE, OCTETS (" / HTTP/1.1"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "method and tab", NONE, OCTETS ("GET\t/"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "ssh", NONE, OCTETS ("SSH-2.0-x"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "tunnel, least frame", NONE, OCTETS ("\x00\x14\x00\x01\x00\x00" COOKIE),
    STUN_EXT_FRONT_DOOR_TUNNEL },
  { "tunnel, largest frame", NONE, OCTETS ("\x08\x00\x02\x03\x07\xec" COOKIE),
    STUN_EXT_FRONT_DOOR_TUNNEL },
  { "tunnel after all layers", CONNECT | TLS | INNER, OCTETS ("\x00\x14\x00\x01\x00\x00" COOKIE),
    STUN_EXT_FRONT_DOOR_TUNNEL },
  { "tunnel where ALPN said web", TLS | WEB, OCTETS ("\x00\x14\x00\x01\x00\x00" COOKIE),
    STUN_EXT_FRONT_DOOR_CLOSE },
  { "frame below a header", NONE, OCTETS ("\x00\x10\x00\x01"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "frame above the bound", NONE, OCTETS ("\x08\x04\x00\x01"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "frame not in fours", NONE, OCTETS ("\x00\x15"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "null frame first", NONE, OCTETS ("\x00\x00\x00\x14"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "lengths that disagree", NONE, OCTETS ("\x00\x18\x00\x01\x00\x00" COOKIE),
    STUN_EXT_FRONT_DOOR_CLOSE },
  { "tunnel with a foreign method", NONE, OCTETS ("\x00\x14\x04\x01\x00\x00" COOKIE),
    STUN_EXT_FRONT_DOOR_CLOSE },
  { "tunnel without cookie", NONE, OCTETS ("\x00\x14\x00\x01\x00\x00\x21\x12\xa4\x43"),
    STUN_EXT_FRONT_DOOR_CLOSE },
  { "packet instead of a message", NONE, OCTETS ("\x00\x14\x45\x00"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "bare STUN", NONE, OCTETS ("\x00\x01\x00\x00" COOKIE), STUN_EXT_FRONT_DOOR_STUN },
  { "bare STUN in TLS", TLS, OCTETS ("\x00\x01\x00\x08" COOKIE), STUN_EXT_FRONT_DOOR_STUN },
  { "bare STUN where ALPN said web", TLS | WEB, OCTETS ("\x00\x01\x00\x08" COOKIE),
    STUN_EXT_FRONT_DOOR_CLOSE },
  { "bare STUN of RFC 3489", NONE, OCTETS ("\x00\x01\x00\x00\x01\x02\x03\x04"),
    STUN_EXT_FRONT_DOOR_CLOSE },
  { "bare Allocate", NONE, OCTETS ("\x00\x03\x00\x00" COOKIE), STUN_EXT_FRONT_DOOR_CLOSE },
  { "bare STUN not in fours", NONE, OCTETS ("\x00\x01\x00\x01"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "bare STUN too long", NONE, OCTETS ("\x00\x01\x08\x00"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "nothing", NONE, "", 0, STUN_EXT_FRONT_DOOR_NEED_MORE },
  { "half a method", NONE, OCTETS ("CONNEC"), STUN_EXT_FRONT_DOOR_NEED_MORE },
  { "half a frame", NONE, OCTETS ("\x00\x14\x00"), STUN_EXT_FRONT_DOOR_NEED_MORE },
  { "socks", NONE, OCTETS ("\x05\x01\x00"), STUN_EXT_FRONT_DOOR_CLOSE },
  { "ones", NONE, OCTETS ("\xff\xff\xff\xff"), STUN_EXT_FRONT_DOOR_CLOSE },
};

static StunExtFrontDoorVerdict
classify (guint layers, const guint8 *data, gsize length, gsize *needed)
{
  g_autofree guint8 *exact = g_memdup2 (data, length);

  return stun_ext_front_door_classify (layers, exact, length, needed);
}

static void
test_first_octets_name_the_protocol (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    gsize needed = 1;

    g_test_message ("%s", rows[i].name);
    g_assert_cmpint (
        classify (rows[i].layers, (const guint8 *)rows[i].octets, rows[i].length, NULL), ==,
        rows[i].verdict);
    classify (rows[i].layers, (const guint8 *)rows[i].octets, rows[i].length, &needed);
    if (rows[i].verdict == STUN_EXT_FRONT_DOOR_NEED_MORE)
      g_assert_cmpuint (needed, >, rows[i].length);
    else
      g_assert_cmpuint (needed, ==, 0);
  }
}

/* Reads octet by octet, and again only as many as were asked for; both end where all at once ends.
 */
static void
check_every_split (guint layers, const guint8 *data, gsize length)
{
  StunExtFrontDoorVerdict whole = classify (layers, data, length, NULL);
  StunExtFrontDoorVerdict now = STUN_EXT_FRONT_DOOR_NEED_MORE;
  gsize promised = 0;

  for (gsize i = 0; i <= length; i++) {
    gsize needed;

    now = classify (layers, data, i, &needed);
    if (now != STUN_EXT_FRONT_DOOR_NEED_MORE) {
      g_assert_cmpint (now, ==, whole);
      g_assert_true (now == STUN_EXT_FRONT_DOOR_CLOSE || i >= promised);
      continue;
    }
    g_assert_cmpint (i == length ? whole : now, ==, now);
    g_assert_cmpuint (needed, >, i);
    g_assert_cmpuint (needed, <=, STUN_EXT_FRONT_DOOR_MAX_LENGTH);
    promised = needed;
  }
  for (gsize n = 0, needed = 0; n < length || n == 0; n = MIN (needed, length)) {
    now = classify (layers, data, n, &needed);
    if (now != STUN_EXT_FRONT_DOOR_NEED_MORE || length == 0)
      break;
  }
  if (now == STUN_EXT_FRONT_DOOR_NEED_MORE)
    now = classify (layers, data, length, NULL);
  g_assert_cmpint (now, ==, whole);
}

static void
test_every_split_gives_the_same_verdict (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    for (guint layers = 0; layers < 16; layers++)
      check_every_split (layers, (const guint8 *)rows[i].octets, rows[i].length);
  }
}

static void
test_mutated_octets_give_one_verdict_too (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (20);

  for (guint round = 0; round < 20000; round++) {
    const Row *row = &rows[g_rand_int_range (rand, 0, G_N_ELEMENTS (rows))];
    guint8 octets[32];

    for (gsize i = 0; i < sizeof octets; i++)
      octets[i] = (guint8)g_rand_int_range (rand, 0, 256);
    memcpy (octets, row->octets, MIN (row->length, sizeof octets));
    if (row->length > 0)
      octets[g_rand_int_range (rand, 0, (gint)MIN (row->length, sizeof octets))] ^=
          (guint8)(1 << g_rand_int_range (rand, 0, 8));
    check_every_split (g_rand_int (rand) & 15, octets, sizeof octets);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stun-ext/front-door/first-octets-name-the-protocol",
                   test_first_octets_name_the_protocol);
  g_test_add_func ("/stun-ext/front-door/every-split-gives-the-same-verdict",
                   test_every_split_gives_the_same_verdict);
  g_test_add_func ("/stun-ext/front-door/mutated-octets-give-one-verdict-too",
                   test_mutated_octets_give_one_verdict_too);
  return g_test_run ();
}
