/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "stun-ext/attribute.h"
#include "stun-ext/detect-text.h"
#include "stun-ext/integrity.h"
#include "tep-s/detect-private.h"

#define PASSWORD "correct horse battery staple"
#define START_US (1000 * G_USEC_PER_SEC)

static const StunExtDetectRun run = { { 1, 2, 3, 4 } };

typedef struct {
  TepServerDetectCore core;
  TepServerDetectReply reply;
  char *folder;
  guint8 octets[TEP_SERVER_DETECT_DATAGRAM_MAX];
} World;

static TepServerConfig *
load_config (const char *folder, const char *detect)
{
  g_autofree char *users = g_build_filename (folder, "users", NULL);
  g_autofree char *text = g_strdup_printf ("[server]\nlisten=127.0.0.1:0\n[credentials]\nusers=%s\n"
                                           "[detect]\n%s\n",
                                           users, detect);
  g_autoptr (GError) error = NULL;
  TepServerConfig *config;

  g_assert_true (g_file_set_contents (users, "alice:" PASSWORD "\nshort:secret\n", -1, NULL));
  g_chmod (users, 0600);
  config = tep_server_config_load_from_data (text, -1, "test", &error);
  g_assert_no_error (error);
  return config;
}

#define TWO "addresses=192.0.2.1;192.0.2.2;2001:db8::1;2001:db8::2\nports=5060\nreplies=10000"
#define ONE "addresses=192.0.2.1\nreplies=10000"

static World *
world_new (const char *detect)
{
  static const guint8 secret[TEP_SERVER_DETECT_SECRET_LENGTH] = { 5 };
  World *world = g_new0 (World, 1);
  TepServerConfig *config;

  world->folder = g_dir_make_tmp ("tepkit-XXXXXX", NULL);
  config = load_config (world->folder, detect);
  tep_server_detect_core_init (&world->core, config, 7, secret);
  tep_server_config_unref (config);
  world->core.now_us = START_US;
  world->core.now_ms = G_GINT64_CONSTANT (1795000000000);
  return world;
}

static void
world_free (World *world)
{
  g_autofree char *users = g_build_filename (world->folder, "users", NULL);

  tep_server_detect_core_clear (&world->core);
  g_unlink (users);
  g_rmdir (world->folder);
  g_free (world->folder);
  g_free (world);
}

static StunExtAddress
address_of (const char *text)
{
  StunExtAddress address;

  g_assert_true (stun_ext_address_parse (text, &address));
  return address;
}

static TepServerDetectPlace
place_of (World *world, guint index, guint16 port)
{
  TepServerDetectPlace place = { index, world->core.detect.public_addresses[index] };

  place.local.port = port;
  return place;
}

/* What is answered to a datagram; the octets lie in memory of exactly their length. */
static gsize
ask (
    World *world, guint address, guint16 port, const char *source, const guint8 *data, gsize length)
{
  g_autofree guint8 *exact = g_memdup2 (data, length);
  TepServerDetectDatagram datagram = { .place = place_of (world, address, port),
                                       .source = address_of (source),
                                       .data = exact,
                                       .length = length,
                                       .ttl = 60 };

  tep_server_detect_datagram (&world->core, &datagram, &world->reply);
  return world->reply.length;
}

static gsize
probe (World *world, const StunExtDetectRequest *request, const StunExtDetectKey *key)
{
  gsize length;

  g_assert_true (
      stun_ext_detect_request_write (request, key, world->octets, sizeof world->octets, &length));
  return length;
}

static StunExtDetectProof
read_answer (World *world, const StunExtDetectKey *key, StunExtDetectAnswer *answer)
{
  StunExtMessage message;

  g_assert_cmpint (stun_ext_message_parse (&message, world->reply.octets, world->reply.length), ==,
                   STUN_EXT_PARSE_OK);
  return stun_ext_detect_answer_read (&message, &run, key, answer);
}

static void
test_change_request_leads_to_the_other_address_and_port (void)
{
  static const struct {
    guint address;
    guint16 port;
    guint32 change;
    const char *origin;
    const char *other;
  } rows[] = {
    { 0, 3478, 0, "192.0.2.1:3478", "192.0.2.2:3479" },
    { 0, 3478, 2, "192.0.2.1:3479", "192.0.2.2:3479" },
    { 0, 3478, 4, "192.0.2.2:3478", "192.0.2.2:3479" },
    { 0, 3478, 6, "192.0.2.2:3479", "192.0.2.2:3479" },
    { 1, 3479, 6, "192.0.2.1:3478", "192.0.2.1:3478" },
    { 0, 5060, 6, "192.0.2.2:3478", "192.0.2.2:3478" },
    { 2, 3478, 6, "[2001:db8::2]:3479", "[2001:db8::2]:3479" },
  };
  World *world = world_new (TWO);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtDetectRequest request = { .mark = { .run = run, .probe = 4 }, .change = rows[i].change };
    const char *source = rows[i].address < 2 ? "198.51.100.7:4000" : "[2001:db8::7]:4000";
    StunExtAddress origin = address_of (rows[i].origin), other = address_of (rows[i].other);
    StunExtAddress mapped = address_of (source);
    gsize length = probe (world, &request, NULL);
    StunExtDetectAnswer answer;

    g_assert_cmpuint (ask (world, rows[i].address, rows[i].port, source, world->octets, length), >,
                      0);
    g_assert_cmpuint (world->reply.length, <=, length);
    g_assert_cmpint (read_answer (world, NULL, &answer), ==, STUN_EXT_DETECT_PROOF_UNKEYED);
    g_assert_true (stun_ext_address_equal (&answer.origin, &origin));
    g_assert_true (stun_ext_address_equal (&answer.other, &other));
    g_assert_true (stun_ext_address_equal (&answer.mapped, &mapped));
    g_assert_true (stun_ext_address_equal (&world->reply.destination, &mapped));
    g_assert_cmpint (world->reply.is_address_changed, ==, (rows[i].change & 4) != 0);
    g_assert_cmpint (world->reply.is_port_changed, ==, (rows[i].change & 2) != 0);
    g_assert_cmpuint (answer.cookie.length, >, 0);
  }
  world_free (world);
}

static void
test_with_one_address_the_other_is_neither_promised_nor_used (void)
{
  World *world = world_new (ONE);

  for (guint32 change = 0; change <= 6; change += 2) {
    StunExtDetectRequest request = { .mark = { .run = run }, .change = change };
    gsize length = probe (world, &request, NULL);
    StunExtDetectAnswer answer;

    g_assert_cmpuint (ask (world, 0, 3478, "198.51.100.7:4000", world->octets, length), >, 0);
    g_assert_cmpint (read_answer (world, NULL, &answer), ==, STUN_EXT_DETECT_PROOF_UNKEYED);
    g_assert_cmpuint (answer.code, ==,
                      (change & STUN_EXT_CHANGE_IP) != 0 ? STUN_EXT_CODE_UNKNOWN_ATTRIBUTE : 0);
    g_assert_cmpuint (answer.other.family, ==, 0);
    g_assert_false (world->reply.is_address_changed);
  }
  world_free (world);
}

/* ---- who may not be flooded through it ---- */

typedef struct {
  guint n_answered;
  gsize octets_in;
  gsize octets_out;
} Tally;

/* Octets on the wire, IP and UDP headers included. */
static void
count (World *world,
       const char *source,
       const guint8 *data,
       gsize length,
       gboolean has_run,
       Tally *tally)
{
  gsize headers = source[0] == '[' ? 48 : 28;
  gsize n = ask (world, source[0] == '[' ? 2 : 0, 3478, source, data, length);
  StunExtAddress from = address_of (source);

  if (n == 0)
    return;
  tally->n_answered++;
  tally->octets_in += length + headers;
  tally->octets_out += n + headers;
  if (has_run)
    g_assert_cmpuint (n, <=, length);
  else if (headers == 28)
    g_assert_cmpuint ((n + headers) * 4, <=, (length + headers) * 7);
  else
    g_assert_cmpuint ((n + headers) * 5, <=, (length + headers) * 11);
  g_assert_true (stun_ext_address_equal_host (&world->reply.destination, &from));
}

static gsize
plain_request (guint8 *buffer, gsize capacity, guint variant)
{
  static const guint8 id[12] = { 1 };
  const StunExtSpan no_key = { NULL, 0 };
  static const guint8 zeros[1400];
  StunExtBuilder builder;
  gsize length;

  stun_ext_builder_begin (&builder, buffer, capacity, STUN_EXT_CLASS_REQUEST,
                          STUN_EXT_METHOD_BINDING, id);
  if ((variant & 1) != 0)
    stun_ext_builder_add_u32 (&builder, STUN_EXT_ATTRIBUTE_CHANGE_REQUEST, variant & 6);
  if ((variant & 8) != 0)
    stun_ext_builder_add_u16 (&builder, STUN_EXT_ATTRIBUTE_RESPONSE_PORT, 999);
  if ((variant & 16) != 0)
    stun_ext_builder_add_data (&builder, STUN_EXT_ATTRIBUTE_PADDING, zeros, sizeof zeros);
  if ((variant & 64) != 0)
    for (guint16 type = 0x7f00; type < 0x7f10; type++)
      stun_ext_builder_add_flag (&builder, type);
  g_assert_true (stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, no_key,
                                          (variant & 32) != 0, &length));
  if ((variant & 128) != 0)
    memset (buffer + 4, 0x77, 4); /* RFC 3489 */
  return length;
}

static void
test_no_request_of_any_kind_is_worth_its_forging (void)
{
  static const char *const sources[] = { "198.51.100.7:4000", "[2001:db8::7]:4000" };
  World *world = world_new (TWO);
  guint8 buffer[TEP_SERVER_DETECT_DATAGRAM_MAX];

  for (guint i = 0; i < G_N_ELEMENTS (sources); i++) {
    Tally plain = { 0 }, named = { 0 };

    for (guint variant = 0; variant < 256; variant++)
      count (world, sources[i], buffer, plain_request (buffer, sizeof buffer, variant), FALSE,
             &plain);
    for (gsize length = 52; length <= 1400; length += 4)
      for (guint flags = 0; flags < 2; flags++) {
        StunExtDetectRequest request = { .mark = { .run = run, .flags = flags * 0x80 },
                                         .change = length % 8 == 0 ? 6 : 0,
                                         .response_port = length % 12 == 0 ? 99 : 0,
                                         .length = length };
        gsize n;

        if (stun_ext_detect_request_write (&request, NULL, buffer, sizeof buffer, &n))
          count (world, sources[i], buffer, n, TRUE, &named);
      }
    for (guint payload = 2; payload < STUN_EXT_DETECT_N_PAYLOADS; payload++)
      for (guint twin = 0; twin < STUN_EXT_DETECT_N_TWINS; twin++) {
        StunExtDetectFlight flight = {
          .payload = payload, .twin = twin, .run = run, .host = "far.example", .is_datagram = TRUE
        };

        for (flight.length = 32; flight.length <= 1400; flight.length += 44) {
          gsize n = stun_ext_detect_flight_write (&flight, buffer, sizeof buffer);

          if (n > 0)
            count (world, sources[i], buffer, n, TRUE, &named);
        }
      }
    g_test_message ("%s: %u plain requests of %" G_GSIZE_FORMAT " octets, %" G_GSIZE_FORMAT
                    " answered; %u of runs of %" G_GSIZE_FORMAT ", %" G_GSIZE_FORMAT " answered",
                    sources[i], plain.n_answered, plain.octets_in, plain.octets_out,
                    named.n_answered, named.octets_in, named.octets_out);
    g_assert_cmpuint (plain.n_answered, >, 100);
    g_assert_cmpuint (named.n_answered, >, 500);
    g_assert_cmpuint (named.octets_out, <=, named.octets_in);
  }
  world_free (world);
}

static void
test_answers_are_not_answered (void)
{
  World *world = world_new (TWO);
  guint8 buffer[TEP_SERVER_DETECT_DATAGRAM_MAX];

  for (guint i = 2; i < STUN_EXT_DETECT_N_PAYLOADS + 256; i++) {
    StunExtDetectFlight flight = {
      .payload = i, .run = run, .host = "far.example", .is_datagram = TRUE, .length = 1200
    };
    gsize n = i < STUN_EXT_DETECT_N_PAYLOADS
                  ? stun_ext_detect_flight_write (&flight, buffer, sizeof buffer)
                  : plain_request (buffer, sizeof buffer, i - STUN_EXT_DETECT_N_PAYLOADS);

    n = ask (world, 0, 3478, "198.51.100.7:4000", buffer, n);
    if (n == 0)
      continue;
    memcpy (buffer, world->reply.octets, n);
    g_assert_cmpuint (ask (world, 0, 3478, "192.0.2.2:3479", buffer, n), ==, 0);
  }
  world_free (world);
}

static void
test_nobody_is_named_who_did_not_ask (void)
{
  /* RESPONSE-ADDRESS of RFC 3489, in both forms. */
  static const guint8 classic[] =
      "\0\1\0\x0cttttttttttttttttt\0\2\0\x08\0\1\x12\x34\xc6\x33\x64\x09";
  guint8 request[] = "\0\1\0\x0c\x21\x12\xa4\x42tttttttttttt\0\2\0\x08\0\1\x12\x34\xc6\x33\x64\x09";
  World *world = world_new (TWO);

  g_assert_cmpuint (ask (world, 0, 3478, "198.51.100.7:4000", classic, 32), ==, 0);
  ask (world, 0, 3478, "198.51.100.7:4000", request, 32);
  g_assert_cmpuint (world->reply.destination.port, ==, 4000);
  g_assert_cmpuint (ask (world, 0, 3478, "198.51.100.7:0", request, 32), ==, 0);
  world_free (world);
}

static void
test_a_source_gets_so_many_answers_in_a_second (void)
{
  World *world = world_new ("addresses=192.0.2.1\nreplies=20");
  StunExtDetectRequest request = { .mark = { .run = run } };
  gsize length = probe (world, &request, NULL);
  guint n = 0;

  for (guint i = 0; i < 200; i++)
    n += ask (world, 0, 3478, "198.51.100.7:4000", world->octets, length) > 0;
  g_assert_cmpuint (n, ==, 20);
  world->core.now_us += 2 * G_USEC_PER_SEC;
  g_assert_cmpuint (ask (world, 0, 3478, "198.51.100.7:4000", world->octets, length), >, 0);
  world_free (world);
}

/* ---- delays ---- */

static void
test_a_delay_wants_the_cookie_of_the_address_it_goes_to (void)
{
  World *world = world_new (TWO);
  StunExtDetectRequest request = { .mark = { .run = run, .delay_s = 30 } };
  gsize length = probe (world, &request, NULL);
  StunExtDetectAnswer answer;
  guint8 cookie[STUN_EXT_DETECT_COOKIE_MAX_LENGTH];

  ask (world, 0, 3478, "198.51.100.7:4000", world->octets, length);
  g_assert_cmpuint (world->reply.delay_s, ==, 0);
  read_answer (world, NULL, &answer);
  g_assert_cmpuint (answer.mark.flags, ==, STUN_EXT_DETECT_FLAG_WAIT);
  g_assert_cmpuint (answer.mark.delay_s, ==, 0);
  memcpy (cookie, answer.cookie.data, answer.cookie.length);
  request.cookie = (StunExtSpan){ cookie, answer.cookie.length };
  length = probe (world, &request, NULL);
  for (guint i = 0; i < 20; i++) {
    ask (world, 0, 3478, "198.51.100.7:4000", world->octets, length);
    g_assert_cmpuint (world->reply.delay_s, ==, i < 16 ? 30 : 0);
  }
  ask (world, 0, 3478, "198.51.100.8:4000", world->octets, length);
  g_assert_cmpuint (world->reply.delay_s, ==, 0);
  for (guint i = 0; i < 16; i++) {
    StunExtAddress source = address_of ("198.51.100.7:4000");

    tep_server_detect_waited (&world->core, &source);
  }
  world->core.now_us += 601 * G_USEC_PER_SEC;
  ask (world, 0, 3478, "198.51.100.7:4000", world->octets, length);
  g_assert_cmpuint (world->reply.delay_s, ==, 0);
  world_free (world);
}

/* ---- users ---- */

static void
test_a_users_proof_goes_to_who_has_the_users_key (void)
{
  static const struct {
    const char *name;
    const char *password;
    StunExtDetectProof proof;
  } rows[] = {
    { "alice", PASSWORD, STUN_EXT_DETECT_PROOF_KEYED },
    { "alice", "guess", STUN_EXT_DETECT_PROOF_UNKEYED },
    { "nobody", PASSWORD, STUN_EXT_DETECT_PROOF_UNKEYED },
    { "short", "secret", STUN_EXT_DETECT_PROOF_UNKEYED }, /* too short for plain transports */
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    World *world = world_new (TWO);
    StunExtDetectRequest request = { .mark = { .run = run }, .username = rows[i].name };
    StunExtDetectAnswer answer;
    StunExtDetectKey key;
    gsize length;

    g_assert_true (stun_ext_detect_key_derive (
        &key, (StunExtSpan){ rows[i].password, strlen (rows[i].password) }, &run));
    length = probe (world, &request, &key);
    ask (world, 0, 3478, "198.51.100.7:4000", world->octets, length);
    g_assert_cmpint (read_answer (world, &key, &answer), ==, rows[i].proof);
    g_assert_cmpint ((answer.mark.flags & STUN_EXT_DETECT_FLAG_REFUSED) != 0, ==, i != 0);
    /* From then on, all answers of the run. */
    request.username = NULL;
    length = probe (world, &request, NULL);
    ask (world, 1, 3479, "198.51.100.7:4001", world->octets, length);
    g_assert_cmpint (read_answer (world, &key, &answer), ==, rows[i].proof);
    world_free (world);
  }
}

/* Whoever saw the run's id may ask about it, and must not get anything to search in. */
static void
test_a_short_password_proves_one_answer_inside_tls_and_none_besides (void)
{
  static const struct {
    gboolean is_signed, is_secure;
    StunExtDetectProof proof;
  } rows[] = {
    { TRUE, FALSE, STUN_EXT_DETECT_PROOF_UNKEYED }, { TRUE, TRUE, STUN_EXT_DETECT_PROOF_KEYED },
    { FALSE, TRUE, STUN_EXT_DETECT_PROOF_UNKEYED }, { FALSE, FALSE, STUN_EXT_DETECT_PROOF_UNKEYED },
    { TRUE, FALSE, STUN_EXT_DETECT_PROOF_UNKEYED }, { TRUE, TRUE, STUN_EXT_DETECT_PROOF_KEYED },
  };
  World *world = world_new (TWO);
  TepServerDetectPlace place = place_of (world, 0, 443);
  StunExtAddress source = address_of ("198.51.100.7:4000");
  StunExtDetectKey key;

  g_assert_true (stun_ext_detect_key_derive (&key, (StunExtSpan){ "secret", 6 }, &run));
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const TepServerDetectAsker asker = { &place, &source, TRUE, rows[i].is_secure, FALSE };
    StunExtDetectRequest request = { .mark = { .run = run },
                                     .username = rows[i].is_signed ? "short" : NULL };
    gsize length = probe (world, &request, rows[i].is_signed ? &key : NULL);
    StunExtDetectAnswer answer;
    StunExtMessage message;

    world->core.now_us += 60 * G_USEC_PER_SEC; /* a guess has its price */
    g_assert_cmpint (stun_ext_message_parse (&message, world->octets, length), ==,
                     STUN_EXT_PARSE_OK);
    tep_server_detect_stun (&world->core, &asker, &message, &request.mark, &world->reply);
    g_assert_cmpint (read_answer (world, &key, &answer), ==, rows[i].proof);
  }
  world_free (world);
}

static void
test_guessing_is_slow (void)
{
  World *world = world_new (TWO);
  StunExtDetectRequest request = { .mark = { .run = run }, .username = "alice" };
  StunExtDetectAnswer answer;
  StunExtDetectKey key;

  for (guint i = 0; i < 20; i++) {
    g_assert_true (stun_ext_detect_key_derive (&key, (StunExtSpan){ "guess", 5 }, &run));
    ask (world, 0, 3478, "198.51.100.7:4000", world->octets, probe (world, &request, &key));
  }
  g_assert_true (
      stun_ext_detect_key_derive (&key, (StunExtSpan){ PASSWORD, strlen (PASSWORD) }, &run));
  ask (world, 0, 3478, "198.51.100.7:4000", world->octets, probe (world, &request, &key));
  g_assert_cmpint (read_answer (world, &key, &answer), ==, STUN_EXT_DETECT_PROOF_UNKEYED);
  g_assert_cmpuint (answer.mark.flags, ==, STUN_EXT_DETECT_FLAG_REFUSED);
  world_free (world);
}

/* ---- the record ---- */

static guint
count_lines (World *world, const StunExtDetectRun *which, guint *n_strays)
{
  g_autoptr (GString) text = g_string_new (NULL);
  StunExtDetectRecord record;
  StunExtSpan line;
  gsize position = 0;
  guint n = 0;

  *n_strays = 0;
  tep_server_detect_book_print (world->core.book, which, world->core.now_us, world->core.now_ms,
                                text);
  while (stun_ext_detect_line_next (text->str, text->len, &position, &line))
    if (stun_ext_detect_record_read (line.data, line.length, &record)) {
      n++;
      *n_strays += !record.has_run;
      g_assert_cmpuint (record.ttl, ==, 60);
    }
  return n;
}

static void
test_the_record_has_what_named_the_run_and_what_its_source_sent_besides (void)
{
  const StunExtDetectRun other = { { 9 } };
  World *world = world_new (TWO);
  StunExtDetectRequest request = { .mark = { .run = run } };
  guint n_strays;
  gsize length = probe (world, &request, NULL);

  for (guint i = 0; i < 3; i++)
    ask (world, i % 2, 3478, "198.51.100.7:4000", world->octets, length);
  ask (world, 0, 3478, "198.51.100.7:4001", (const guint8 *)"rewritten", 9);
  ask (world, 0, 3478, "198.51.100.9:4001", (const guint8 *)"somebody else", 13);
  g_assert_cmpuint (count_lines (world, &run, &n_strays), ==, 4);
  g_assert_cmpuint (n_strays, ==, 1);
  g_assert_cmpuint (count_lines (world, &other, &n_strays), ==, 0);
  world->core.now_us += TEP_SERVER_DETECT_KEEP_US + 1;
  g_assert_cmpuint (count_lines (world, &run, &n_strays), ==, 0);
  world_free (world);
}

static void
test_one_source_cannot_push_out_anothers_record (void)
{
  World *world = world_new (TWO);
  StunExtDetectRequest request = { .mark = { .run = run } };
  guint n_strays;

  ask (world, 0, 3478, "198.51.100.7:4000", world->octets, probe (world, &request, NULL));
  for (guint i = 0; i < 6000; i++) {
    request.mark.run.octets[8] = (guint8)i;
    request.mark.run.octets[9] = (guint8)(i >> 8);
    ask (world, 0, 3478, "203.0.113.1:4000", world->octets, probe (world, &request, NULL));
    world->core.now_us += 1000;
  }
  g_assert_cmpuint (count_lines (world, &run, &n_strays), ==, 1);
  world_free (world);
}

static void
test_any_octets_are_taken (void)
{
  World *world = world_new (TWO);
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  guint8 buffer[TEP_SERVER_DETECT_DATAGRAM_MAX + 1];

  for (guint i = 0; i < 30000; i++) {
    gsize n = i % 4 == 0 ? (gsize)g_rand_int_range (rand, 0, 300)
                         : plain_request (buffer, 2048, g_rand_int_range (rand, 0, 256));

    if (i % 4 == 0)
      for (gsize j = 0; j < n; j++)
        buffer[j] = (guint8)g_rand_int (rand);
    for (guint j = 0; j < 3; j++)
      if (n > 0)
        buffer[g_rand_int_range (rand, 0, (gint)n)] ^= (guint8)(1 << (g_rand_int (rand) & 7));
    n = g_rand_int_range (rand, 0, 3) == 0 ? (gsize)g_rand_int_range (rand, 0, (gint)n + 1) : n;
    ask (world, 0, 3478, "198.51.100.7:4000", buffer, n);
    g_assert_cmpuint (world->reply.length, <=, MAX (n * 3, 64));
    world->core.now_us += 1000;
  }
  world_free (world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add_func ("/tep-s/detect-datagram/" name, func)
  ADD ("change-request-leads-to-the-other-address-and-port",
       test_change_request_leads_to_the_other_address_and_port);
  ADD ("with-one-address-the-other-is-neither-promised-nor-used",
       test_with_one_address_the_other_is_neither_promised_nor_used);
  ADD ("no-request-of-any-kind-is-worth-its-forging",
       test_no_request_of_any_kind_is_worth_its_forging);
  ADD ("answers-are-not-answered", test_answers_are_not_answered);
  ADD ("nobody-is-named-who-did-not-ask", test_nobody_is_named_who_did_not_ask);
  ADD ("a-source-gets-so-many-answers-in-a-second", test_a_source_gets_so_many_answers_in_a_second);
  ADD ("a-delay-wants-the-cookie-of-the-address-it-goes-to",
       test_a_delay_wants_the_cookie_of_the_address_it_goes_to);
  ADD ("a-users-proof-goes-to-who-has-the-users-key",
       test_a_users_proof_goes_to_who_has_the_users_key);
  ADD ("a-short-password-proves-one-answer-inside-tls-and-none-besides",
       test_a_short_password_proves_one_answer_inside_tls_and_none_besides);
  ADD ("guessing-is-slow", test_guessing_is_slow);
  ADD ("the-record-has-what-named-the-run-and-what-its-source-sent-besides",
       test_the_record_has_what_named_the_run_and_what_its_source_sent_besides);
  ADD ("one-source-cannot-push-out-anothers-record",
       test_one_source_cannot_push_out_anothers_record);
  ADD ("any-octets-are-taken", test_any_octets_are_taken);
  return g_test_run ();
}
