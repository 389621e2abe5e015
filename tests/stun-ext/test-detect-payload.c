/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/detect-payload.h"
#include "stun-ext/front-door.h"

static const StunExtDetectRun run = { { 0xc1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                                        16 } };

static gsize
write_flight (StunExtDetectPayload payload,
              StunExtDetectTwin twin,
              guint64 seed,
              gsize length,
              guint8 *buffer)
{
  StunExtDetectFlight flight = { .payload = payload,
                                 .twin = twin,
                                 .run = run,
                                 .probe = 77,
                                 .seed = seed,
                                 .length = length,
                                 .is_datagram = stun_ext_detect_payload_is_datagram (payload),
                                 .host = "detect.example" };

  return stun_ext_detect_flight_write (&flight, buffer, STUN_EXT_DETECT_FLIGHT_MAX);
}

static gsize
length_of (StunExtDetectPayload payload)
{
  return payload == STUN_EXT_DETECT_PAYLOAD_QUIC ? STUN_EXT_DETECT_QUIC_MIN_LENGTH : 0;
}

typedef void (*EachFlight) (StunExtDetectPayload payload,
                            StunExtDetectTwin twin,
                            const guint8 *octets,
                            gsize length);

static void
for_each_flight (EachFlight each)
{
  guint8 buffer[STUN_EXT_DETECT_FLIGHT_MAX];

  for (guint payload = STUN_EXT_DETECT_PAYLOAD_TLS; payload < STUN_EXT_DETECT_N_PAYLOADS; payload++)
    for (guint twin = 0; twin < STUN_EXT_DETECT_N_TWINS; twin++) {
      gsize length = write_flight (payload, twin, 1000 + payload, length_of (payload), buffer);

      g_test_message ("%s %s", stun_ext_detect_payload_name (payload),
                      stun_ext_detect_twin_name (twin));
      if (twin != STUN_EXT_DETECT_TWIN_NONE && !stun_ext_detect_payload_has_twins (payload)) {
        g_assert_cmpuint (length, ==, 0);
        continue;
      }
      g_assert_cmpuint (length, ==,
                        length_of (payload) > 0 ? length_of (payload)
                                                : STUN_EXT_DETECT_FLIGHT_LENGTH);
      each (payload, twin, buffer, length);
    }
}

static void
check_known (StunExtDetectPayload payload,
             StunExtDetectTwin twin,
             const guint8 *octets,
             gsize length)
{
  gboolean is_datagram = stun_ext_detect_payload_is_datagram (payload);
  g_autofree guint8 *exact = g_memdup2 (octets, length);
  StunExtDetectSeen seen;

  g_assert_cmpint (stun_ext_detect_recognise (exact, length, TRUE, &seen), ==,
                   STUN_EXT_DETECT_RECOGNITION_KNOWN);
  g_assert_cmpint (seen.payload, ==, payload);
  g_assert_cmpint (seen.twin, ==, twin);
  g_assert_true (seen.has_run);
  g_assert_cmpuint (seen.probe, ==, 77);
  g_assert_cmpmem (seen.run.octets, 16, run.octets, 16);
  if (is_datagram)
    return;
  g_assert_cmpint (stun_ext_detect_recognise (exact, length, FALSE, &seen), ==,
                   STUN_EXT_DETECT_RECOGNITION_KNOWN);
  g_assert_cmpint (seen.payload, ==, payload);
  g_assert_cmpint (seen.twin, ==, twin);
  g_assert_cmpuint (seen.length, ==, length);
}

static void
test_each_payload_and_twin_is_known_for_what_it_is (void)
{
  for_each_flight (check_known);
}

static void
check_truncations (StunExtDetectPayload payload,
                   StunExtDetectTwin twin,
                   const guint8 *octets,
                   gsize length)
{
  gboolean is_known = FALSE;

  if (stun_ext_detect_payload_is_datagram (payload))
    return;
  for (gsize n = 0; n <= length; n++) {
    g_autofree guint8 *exact = g_memdup2 (octets, n);
    StunExtDetectSeen seen;
    StunExtDetectRecognition verdict = stun_ext_detect_recognise (exact, n, FALSE, &seen);

    g_assert_cmpint (verdict, !=, STUN_EXT_DETECT_RECOGNITION_UNKNOWN);
    g_assert_true (!is_known || verdict == STUN_EXT_DETECT_RECOGNITION_KNOWN);
    is_known = verdict == STUN_EXT_DETECT_RECOGNITION_KNOWN;
    if (is_known)
      g_assert_true (seen.payload == payload && seen.twin == twin && seen.length == length);
  }
  g_assert_true (is_known);
}

static void
test_a_begin_of_a_payload_is_never_taken_for_something_else (void)
{
  for_each_flight (check_truncations);
}

static void
test_the_same_seed_gives_the_same_octets_and_another_one_others (void)
{
  guint8 one[STUN_EXT_DETECT_FLIGHT_MAX], two[STUN_EXT_DETECT_FLIGHT_MAX];

  for (guint payload = STUN_EXT_DETECT_PAYLOAD_TLS; payload < STUN_EXT_DETECT_N_PAYLOADS;
       payload++) {
    gsize length = length_of (payload);
    gsize n = write_flight (payload, STUN_EXT_DETECT_TWIN_NONE, 5, length, one);

    g_assert_cmpuint (write_flight (payload, STUN_EXT_DETECT_TWIN_NONE, 5, length, two), ==, n);
    g_assert_cmpmem (one, n, two, n);
    write_flight (payload, STUN_EXT_DETECT_TWIN_NONE, 6, length, two);
    g_assert_cmpint (memcmp (one, two, n), !=, 0);
  }
}

static void
check_twin (StunExtDetectPayload payload,
            StunExtDetectTwin twin,
            const guint8 *octets,
            gsize length)
{
  guint8 plain[STUN_EXT_DETECT_FLIGHT_MAX];
  gsize n_different = 0;

  write_flight (payload, STUN_EXT_DETECT_TWIN_NONE, 1000 + payload, length_of (payload), plain);
  for (gsize i = 0; i < length; i++) {
    n_different += octets[i] != plain[i];
    if (twin == STUN_EXT_DETECT_TWIN_INVERTED)
      g_assert_cmpuint (octets[i] ^ plain[i], ==, 0xff);
  }
  if (twin == STUN_EXT_DETECT_TWIN_MISSPELT) {
    g_assert_cmpuint (n_different, >=, 1);
    g_assert_cmpuint (n_different, <=, 4);
  }
}

static void
test_twins_differ_in_nothing_else (void)
{
  for_each_flight (check_twin);
}

static void
test_every_length_is_met_or_refused (void)
{
  guint8 buffer[STUN_EXT_DETECT_FLIGHT_MAX];

  for (guint payload = STUN_EXT_DETECT_PAYLOAD_TLS; payload < STUN_EXT_DETECT_N_PAYLOADS; payload++)
    for (gsize length = 4; length <= STUN_EXT_DETECT_FLIGHT_MAX + 8; length += 4) {
      gsize n = write_flight (payload, STUN_EXT_DETECT_TWIN_NONE, length, length, buffer);

      g_assert_true (n == 0 || n == length);
      if (length >= STUN_EXT_DETECT_QUIC_MIN_LENGTH && length <= STUN_EXT_DETECT_FLIGHT_MAX)
        g_assert_cmpuint (n, ==, length);
    }
}

static guint
ones (const guint8 *octets, gsize length)
{
  guint n = 0;

  for (gsize i = 0; i < length; i++)
    n += (guint)__builtin_popcount (octets[i]);
  return n;
}

static void
test_noise_looks_like_noise (void)
{
  guint8 buffer[STUN_EXT_DETECT_FLIGHT_MAX];
  gsize n = write_flight (STUN_EXT_DETECT_PAYLOAD_RANDOM, STUN_EXT_DETECT_TWIN_NONE, 3, 0, buffer);

  /* Within five standard deviations of a half of all bits. */
  g_assert_cmpuint (ones (buffer + 16, n - 16), >, (guint)(n - 16) * 4 - 220);
  g_assert_cmpuint (ones (buffer + 16, n - 16), <, (guint)(n - 16) * 4 + 220);
  n = write_flight (STUN_EXT_DETECT_PAYLOAD_PRINTABLE, STUN_EXT_DETECT_TWIN_NONE, 3, 0, buffer);
  for (gsize i = 0; i < n; i++)
    g_assert_true (g_ascii_isgraph (buffer[i]));
}

static void
test_what_is_not_ours_is_told_apart (void)
{
  static const struct {
    const char *name;
    const char *octets;
    gsize length;
    gboolean is_known;
    StunExtDetectPayload payload;
  } rows[] = {
#define OCTETS(text) text, sizeof text - 1
    { "web", OCTETS ("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), TRUE, STUN_EXT_DETECT_PAYLOAD_HTTP },
    { "web, misspelt", OCTETS ("GTE / HTTP/1.1\r\nHost: x\r\n\r\n"), TRUE,
      STUN_EXT_DETECT_PAYLOAD_HTTP },
    { "sip", OCTETS ("OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP x\r\n\r\n"), TRUE,
      STUN_EXT_DETECT_PAYLOAD_SIP_OPTIONS },
    { "sip, another method", OCTETS ("SUBSCRIBE sip:x SIP/2.0\r\n\r\n"), FALSE, 0 },
    { "sip, misspelt by somebody else", OCTETS ("INVIET sip:x SIP/2.0\r\n\r\n"), FALSE, 0 },
    { "binding", OCTETS ("\0\1\0\0\x21\x12\xa4\x42tttttttttttt"), TRUE,
      STUN_EXT_DETECT_PAYLOAD_STUN },
    { "allocate", OCTETS ("\0\3\0\0\x21\x12\xa4\x42tttttttttttt"), TRUE,
      STUN_EXT_DETECT_PAYLOAD_TURN },
    { "binding answer", OCTETS ("\1\1\0\0\x21\x12\xa4\x42tttttttttttt"), FALSE, 0 },
    { "binding of RFC 3489", OCTETS ("\0\1\0\0tttttttttttttttt"), FALSE, 0 },
    { "ssh", OCTETS ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n.........."), FALSE, 0 },
    { "no header line", OCTETS ("GET / FTP/1.1\r\n\r\n.........................................."),
      FALSE, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree guint8 *exact = g_memdup2 (rows[i].octets, rows[i].length);
    StunExtDetectSeen seen = { 0 };

    g_test_message ("%s", rows[i].name);
    g_assert_cmpint (stun_ext_detect_recognise (exact, rows[i].length, TRUE, &seen), ==,
                     rows[i].is_known ? STUN_EXT_DETECT_RECOGNITION_KNOWN
                                      : STUN_EXT_DETECT_RECOGNITION_UNKNOWN);
    g_assert_cmpint (seen.payload, ==, rows[i].payload);
    g_assert_false (seen.has_run);
  }
}

static void
check_mutations (StunExtDetectPayload payload,
                 StunExtDetectTwin twin,
                 const guint8 *octets,
                 gsize length)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (payload * 3 + twin);
  g_autofree guint8 *exact = g_memdup2 (octets, length);

  for (guint i = 0; i < 300; i++) {
    gsize at = (gsize)g_rand_int_range (rand, 0, (gint)length);
    guint8 before = exact[at];
    StunExtDetectSeen seen;

    exact[at] = (guint8)g_rand_int (rand);
    stun_ext_detect_recognise (exact, length, i % 2 == 0, &seen);
    if (i % 3 == 0)
      exact[at] = before;
  }
}

static void
test_changed_payloads_are_read_safely (void)
{
  for_each_flight (check_mutations);
}

static void
test_the_front_door_sees_them_as_what_they_are (void)
{
  guint8 buffer[STUN_EXT_DETECT_FLIGHT_MAX];
  const struct {
    StunExtDetectPayload payload;
    StunExtFrontDoorVerdict verdict;
  } rows[] = {
    { STUN_EXT_DETECT_PAYLOAD_TLS, STUN_EXT_FRONT_DOOR_TLS },
    { STUN_EXT_DETECT_PAYLOAD_STUN, STUN_EXT_FRONT_DOOR_STUN },
    { STUN_EXT_DETECT_PAYLOAD_HTTP, STUN_EXT_FRONT_DOOR_HTTP },
    { STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER, STUN_EXT_FRONT_DOOR_HTTP },
    { STUN_EXT_DETECT_PAYLOAD_TURN, STUN_EXT_FRONT_DOOR_CLOSE },
    { STUN_EXT_DETECT_PAYLOAD_RANDOM, STUN_EXT_FRONT_DOOR_CLOSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    gsize n = write_flight (rows[i].payload, STUN_EXT_DETECT_TWIN_NONE, i, 0, buffer);

    g_assert_cmpint (stun_ext_front_door_classify (STUN_EXT_FRONT_DOOR_LAYER_NONE, buffer, n, NULL),
                     ==, rows[i].verdict);
  }
}

static void
test_names_lead_back (void)
{
  StunExtDetectTwin twin;

  for (guint i = 0; i < STUN_EXT_DETECT_N_PAYLOADS; i++) {
    const char *name = stun_ext_detect_payload_name (i);

    g_assert_cmpint (stun_ext_detect_payload_from_name (name, strlen (name)), ==, i);
  }
  for (guint i = 0; i < STUN_EXT_DETECT_N_TWINS; i++) {
    const char *name = stun_ext_detect_twin_name (i);

    g_assert_true (stun_ext_detect_twin_from_name (name, strlen (name), &twin));
    g_assert_cmpint (twin, ==, i);
  }
  g_assert_cmpstr (stun_ext_detect_payload_name (200), ==, "unknown");
  g_assert_false (stun_ext_detect_twin_from_name ("nobody", 6, &twin));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add_func ("/stun-ext/detect-payload/" name, func)
  ADD ("each-payload-and-twin-is-known-for-what-it-is",
       test_each_payload_and_twin_is_known_for_what_it_is);
  ADD ("a-begin-of-a-payload-is-never-taken-for-something-else",
       test_a_begin_of_a_payload_is_never_taken_for_something_else);
  ADD ("the-same-seed-gives-the-same-octets-and-another-one-others",
       test_the_same_seed_gives_the_same_octets_and_another_one_others);
  ADD ("twins-differ-in-nothing-else", test_twins_differ_in_nothing_else);
  ADD ("every-length-is-met-or-refused", test_every_length_is_met_or_refused);
  ADD ("noise-looks-like-noise", test_noise_looks_like_noise);
  ADD ("what-is-not-ours-is-told-apart", test_what_is_not_ours_is_told_apart);
  ADD ("changed-payloads-are-read-safely", test_changed_payloads_are_read_safely);
  ADD ("the-front-door-sees-them-as-what-they-are", test_the_front_door_sees_them_as_what_they_are);
  ADD ("names-lead-back", test_names_lead_back);
  return g_test_run ();
}
