/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/tunnel-key.h"

static guint8 client_random[STUN_EXT_TUNNEL_RANDOM_LENGTH];
static guint8 server_random[STUN_EXT_TUNNEL_RANDOM_LENGTH];
static guint8 tunnel_id[STUN_EXT_TUNNEL_ID_LENGTH];
static guint8 channel_binding[32];
static guint8 credential_key[STUN_EXT_SHA256_LENGTH];

#define TEXT_SPAN(text)                                                                            \
  {                                                                                                \
    text, sizeof text - 1                                                                          \
  }

/* The example of PROTOCOL.md annex A. */
static StunExtTunnelSecrets
example (void)
{
  StunExtSpan user = TEXT_SPAN ("alice:example.org:correct horse battery");
  StunExtTunnelSecrets secrets = {
    .credential_key = { credential_key, sizeof credential_key },
    .client_random = client_random,
    .server_random = server_random,
    .timestamp_ms = G_GUINT64_CONSTANT (1700000000000),
    .server_name = TEXT_SPAN ("tep.example"),
    .nonce = TEXT_SPAN ("obMatJos2AAACXXXXXXXXXXXXX"),
    .tunnel_id = { tunnel_id, sizeof tunnel_id },
    .channel_binding = { channel_binding, sizeof channel_binding },
  };

  g_assert_true (stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, &user, 1, credential_key));
  for (guint8 i = 0; i < 32; i++) {
    client_random[i] = i;
    server_random[i] = 0x20 + i;
    channel_binding[i] = 0x60 + i;
  }
  for (guint8 i = 0; i < sizeof tunnel_id; i++)
    tunnel_id[i] = 0x40 + i;
  return secrets;
}

static void
assert_hex (const guint8 *octets, gsize n, const char *expected)
{
  g_autoptr (GString) hex = g_string_new (NULL);

  for (gsize i = 0; i < n; i++)
    g_string_append_printf (hex, "%02x", octets[i]);
  g_assert_cmpstr (hex->str, ==, expected);
}

static void
test_keys_are_those_of_another_implementation (void)
{
  StunExtTunnelSecrets secrets = example ();
  guint8 key[STUN_EXT_TUNNEL_KEY_LENGTH];

  assert_hex (credential_key, sizeof credential_key,
              "02c5f7e88ce3974fda09ae412056af87be5854e9f1562d0894f4f4d8edbe18f3");
  g_assert_true (stun_ext_flight_key (&secrets, key));
  assert_hex (key, sizeof key, "49301d9e52314e75e3bfab082bc976080c852d55d22914c635b4572677f1184d");
  g_assert_true (stun_ext_tunnel_key (&secrets, key));
  assert_hex (key, sizeof key, "66f9dfad5c494893052ed335f7d40d92c8c2ec72387da32d0308bef805f2fc3f");

  secrets.nonce = secrets.channel_binding = (StunExtSpan){ 0 };
  g_assert_true (stun_ext_flight_key (&secrets, key));
  assert_hex (key, sizeof key, "41ad578fc64bff35e42e3679017a8206e143cbc274e61eab7268a84e5dc8255e");
  g_assert_true (stun_ext_tunnel_key (&secrets, key));
  assert_hex (key, sizeof key, "ead8e3e685ee90142fb1f9bc91fe0b14a4929bd437d1ed8595cbdf6b006d7dd3");
}

static void
assert_keys_differ (const StunExtTunnelSecrets *a,
                    const StunExtTunnelSecrets *b,
                    gboolean flight_differs,
                    gboolean tunnel_differs)
{
  guint8 keys[4][STUN_EXT_TUNNEL_KEY_LENGTH];

  g_assert_true (stun_ext_flight_key (a, keys[0]));
  g_assert_true (stun_ext_flight_key (b, keys[1]));
  g_assert_true (stun_ext_tunnel_key (a, keys[2]));
  g_assert_true (stun_ext_tunnel_key (b, keys[3]));
  g_assert_cmpint (memcmp (keys[0], keys[1], sizeof keys[0]) != 0, ==, flight_differs);
  g_assert_cmpint (memcmp (keys[2], keys[3], sizeof keys[2]) != 0, ==, tunnel_differs);
}

static void
test_every_input_counts (void)
{
  static const guint8 other[32] = { 0x99 };
  StunExtSpan span = { other, sizeof other };
  StunExtTunnelSecrets a = example ();
  StunExtTunnelSecrets b;

#define CHANGE(field, value, flight, tunnel)                                                       \
  b = a;                                                                                           \
  b.field = value;                                                                                 \
  assert_keys_differ (&a, &b, flight, tunnel)

  CHANGE (credential_key, span, TRUE, TRUE);
  CHANGE (client_random, other, TRUE, TRUE);
  CHANGE (server_random, other, FALSE, TRUE);
  CHANGE (timestamp_ms, 1, TRUE, FALSE);
  CHANGE (server_name, span, TRUE, TRUE);
  CHANGE (nonce, span, TRUE, FALSE);
  CHANGE (tunnel_id, span, FALSE, TRUE);
  CHANGE (channel_binding, span, FALSE, TRUE);
}

static void
test_fields_cannot_borrow_octets_from_each_other (void)
{
  StunExtTunnelSecrets a = example ();
  StunExtTunnelSecrets b = a;

  a.tunnel_id = (StunExtSpan){ "abc", 3 };
  a.channel_binding = (StunExtSpan){ "def", 3 };
  b.tunnel_id = (StunExtSpan){ "ab", 2 };
  b.channel_binding = (StunExtSpan){ "cdef", 4 };
  assert_keys_differ (&a, &b, FALSE, TRUE);
}

static void
test_impossible_fields_give_no_key (void)
{
  static const guint8 zeros[STUN_EXT_TUNNEL_KEY_LENGTH];
  g_autofree guint8 *long_field = g_malloc0 (65536);
  StunExtTunnelSecrets secrets = example ();
  guint8 key[STUN_EXT_TUNNEL_KEY_LENGTH];

  secrets.server_name = (StunExtSpan){ long_field, 763 };
  secrets.nonce = secrets.tunnel_id = secrets.channel_binding = secrets.server_name;
  g_assert_true (stun_ext_flight_key (&secrets, key));
  g_assert_true (stun_ext_tunnel_key (&secrets, key));
  secrets.server_name.length = 764;
  g_assert_false (stun_ext_flight_key (&secrets, key));
  g_assert_cmpmem (key, sizeof key, zeros, sizeof zeros);
  secrets.server_name.length = 65536;
  g_assert_false (stun_ext_tunnel_key (&secrets, key));
  g_assert_cmpmem (key, sizeof key, zeros, sizeof zeros);

  secrets = example ();
  secrets.credential_key.length = 0;
  g_assert_false (stun_ext_tunnel_key (&secrets, key));
}

static void
test_each_ordinal_is_good_once_within_the_window (void)
{
  const struct {
    guint32 ordinal;
    gboolean is_good;
  } rows[] = {
    { 0, FALSE },
    { 1, TRUE },
    { 1, FALSE },
    { 3, TRUE },
    { 2, TRUE },
    { 2, FALSE },
    { 67, TRUE },
    { 3, FALSE },
    { 2, FALSE },
    { 4, TRUE },
    { 4, FALSE },
    { 66, TRUE },
    { 66, FALSE },
    { 131, TRUE },
    { 67, FALSE },
    { 66, FALSE },
    { 68, TRUE },
    { 68, FALSE },
    { 1000, TRUE },
    { 935, FALSE },
    { 936, TRUE },
    { 936, FALSE },
    { 999, TRUE },
    { 1000, FALSE },
    { 1001, TRUE },
    { 1000, FALSE },
    { G_MAXUINT32, TRUE },
    { G_MAXUINT32, FALSE },
    { 1, FALSE },
    { 0, FALSE },
    { G_MAXUINT32 - 64, TRUE },
    { G_MAXUINT32 - 65, FALSE },
  };
  StunExtOrdinalWindow window = { 0 };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("row %" G_GSIZE_FORMAT, i);
    g_assert_cmpint (stun_ext_ordinal_window_accept (&window, rows[i].ordinal), ==,
                     rows[i].is_good);
  }
}

/* The same as remembering every number. */
static void
test_ordinals_in_any_order_match_a_plain_list (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (6);

  for (guint round = 0; round < 200; round++) {
    StunExtOrdinalWindow window = { 0 };
    guint8 used[1200] = { 0 };
    gint highest = 0;

    for (guint i = 0; i < 300; i++) {
      gint wanted = highest + g_rand_int_range (rand, -90, 8);
      gint ordinal = CLAMP (wanted, 1, 1199);
      gboolean is_good = !used[ordinal] && ordinal >= highest - STUN_EXT_ORDINAL_WINDOW;

      g_assert_cmpint (stun_ext_ordinal_window_accept (&window, (guint32)ordinal), ==, is_good);
      if (is_good)
        used[ordinal] = 1;
      highest = is_good ? MAX (highest, ordinal) : highest;
    }
  }
}

static void
test_tunnel_ids_lead_to_their_worker (void)
{
  StunExtSpan secret = TEXT_SPAN ("0123456789abcdef");
  StunExtSpan other = TEXT_SPAN ("0123456789abcdeg");
  guint8 id[STUN_EXT_TUNNEL_ID_LENGTH];
  guint8 worker;

  for (guint i = 0; i < STUN_EXT_TUNNEL_MAX_WORKERS; i++) {
    worker = (guint8)~i;
    g_assert_true (stun_ext_tunnel_id_make (secret, client_random, (guint8)i, id));
    g_assert_cmpmem (id, STUN_EXT_TUNNEL_ID_RANDOM_LENGTH, client_random,
                     STUN_EXT_TUNNEL_ID_RANDOM_LENGTH);
    g_assert_true (stun_ext_tunnel_id_check (secret, id, sizeof id, &worker));
    g_assert_cmpuint (worker, ==, i);
    g_assert_false (stun_ext_tunnel_id_check (other, id, sizeof id, &worker));
  }
}

static void
test_altered_tunnel_ids_are_refused (void)
{
  StunExtSpan secret = TEXT_SPAN ("0123456789abcdef");
  guint8 id[STUN_EXT_TUNNEL_ID_LENGTH];
  guint8 worker = 77;

  g_assert_true (stun_ext_tunnel_id_make (secret, client_random, 3, id));
  for (guint bit = 0; bit < 8 * sizeof id; bit++) {
    id[bit / 8] ^= (guint8)(1 << bit % 8);
    g_assert_false (stun_ext_tunnel_id_check (secret, id, sizeof id, &worker));
    id[bit / 8] ^= (guint8)(1 << bit % 8);
  }
  for (gsize length = 0; length < sizeof id; length++) {
    g_autofree guint8 *exact = g_memdup2 (id, length);

    g_assert_false (stun_ext_tunnel_id_check (secret, exact, length, &worker));
  }
  g_assert_cmpuint (worker, ==, 77);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stun-ext/tunnel-key/keys-are-those-of-another-implementation",
                   test_keys_are_those_of_another_implementation);
  g_test_add_func ("/stun-ext/tunnel-key/every-input-counts", test_every_input_counts);
  g_test_add_func ("/stun-ext/tunnel-key/fields-cannot-borrow-octets-from-each-other",
                   test_fields_cannot_borrow_octets_from_each_other);
  g_test_add_func ("/stun-ext/tunnel-key/impossible-fields-give-no-key",
                   test_impossible_fields_give_no_key);
  g_test_add_func ("/stun-ext/tunnel-key/each-ordinal-is-good-once-within-the-window",
                   test_each_ordinal_is_good_once_within_the_window);
  g_test_add_func ("/stun-ext/tunnel-key/ordinals-in-any-order-match-a-plain-list",
                   test_ordinals_in_any_order_match_a_plain_list);
  g_test_add_func ("/stun-ext/tunnel-key/tunnel-ids-lead-to-their-worker",
                   test_tunnel_ids_lead_to_their_worker);
  g_test_add_func ("/stun-ext/tunnel-key/altered-tunnel-ids-are-refused",
                   test_altered_tunnel_ids_are_refused);
  return g_test_run ();
}
