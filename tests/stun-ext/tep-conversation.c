/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints two conversations between TEP-C and TEP-S, with every message and every kind of frame, as JSON: octets, the key
 * that signs them, and what a decoder should find. All randoms are fixed, so the text is the same each time;
 * tests/vectors/tep-1.json is a copy of it. */
#include <stdio.h>
#include <string.h>

#include "stun-ext/credentials.h"
#include "stun-ext/nonce.h"
#include "tep-expect.h"

#define COUNT_8(n) n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7
#define COUNT_32(n) COUNT_8 (n), COUNT_8 (n + 8), COUNT_8 (n + 16), COUNT_8 (n + 24)
#define IPV4(a, b, c, d, port)                                                                     \
  {                                                                                                \
    4, 0, port,                                                                                    \
    {                                                                                              \
      a, b, c, d                                                                                   \
    }                                                                                              \
  }
#define IPV6(subnet, last, port)                                                                   \
  {                                                                                                \
    6, 0, port,                                                                                    \
    {                                                                                              \
      0x20, 0x01, 0x0d, 0xb8, 0, subnet, 0, 0, 0, 0, 0, 0, 0, 0, 0, last                           \
    }                                                                                              \
  }
#define TEXT(text) ((StunExtSpan){ text, sizeof text - 1 })

static const guint8 client_random[] = { COUNT_32 (0x00) };
static const guint8 server_random[] = { COUNT_32 (0x20) };
static const guint8 channel_binding[] = { COUNT_32 (0x60) };
static const guint8 id_random[] = { COUNT_8 (0x80), COUNT_8 (0x88) };
static const guint8 voice[] = "twenty milliseconds!";

#define NOW_MS G_GUINT64_CONSTANT (1700000000000)
#define BUFFER_SIZE 4096

typedef struct {
  guint n_frames;
  guint8 n_transactions;
  guint32 ordinal;
  StunExtSpan key;      /* what signs now */
  const char *key_name; /* "K", "flight", "tunnel", "none" */
  StunExtKey credential;
  guint8 flight_key[STUN_EXT_TUNNEL_KEY_LENGTH];
  guint8 tunnel_key[STUN_EXT_TUNNEL_KEY_LENGTH];
  guint8 request[STUN_EXT_TEP_MESSAGE_MAX]; /* the one that is answered next */
  StunExtMessage request_index;
} Conversation;

static void
use_key (Conversation *c, const char *name)
{
  c->key_name = name;
  if (strcmp (name, "K") == 0)
    c->key = stun_ext_key_span (&c->credential);
  else if (strcmp (name, "flight") == 0)
    c->key = (StunExtSpan){ c->flight_key, sizeof c->flight_key };
  else if (strcmp (name, "tunnel") == 0)
    c->key = (StunExtSpan){ c->tunnel_key, sizeof c->tunnel_key };
  else
    c->key = (StunExtSpan){ 0 };
}

/* One frame; expect is freed. */
static void
print_frame (Conversation *c,
             const char *name,
             const char *from,
             const guint8 *octets,
             gsize length,
             char *expect)
{
  g_autofree char *hex = tep_expect_hex (octets, length);

  printf ("%s\n      {\"name\": \"%s\", \"from\": \"%s\", \"key\": \"%s\",\n"
          "       \"octets\": \"%s\",\n       \"expect\": %s}",
          c->n_frames++ > 0 ? "," : "", name, from, c->key_name, hex, expect);
  g_free (expect);
}

static void
print_body (Conversation *c,
            const char *name,
            const char *from,
            const guint8 *body,
            gsize length,
            char *expect)
{
  guint8 octets[BUFFER_SIZE];
  StunExtWriter writer;

  stun_ext_writer_init (&writer, octets, sizeof octets);
  stun_ext_frame_write (&writer, body, length);
  g_assert_false (writer.failed);
  print_frame (c, name, from, octets, writer.length, expect);
}

static void
next_transaction (Conversation *c, guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH])
{
  memset (id, 0xc0, STUN_EXT_TRANSACTION_ID_LENGTH);
  id[STUN_EXT_TRANSACTION_ID_LENGTH - 1] = ++c->n_transactions;
}

static void
ask (Conversation *c, const char *name, StunExtTepRequest request)
{
  guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH];
  gsize length;

  if (request.kind != STUN_EXT_TEP_OPEN)
    request.ordinal = ++c->ordinal;
  next_transaction (c, id);
  g_assert_true (
      stun_ext_tep_write_request (&request, id, c->key, c->request, sizeof c->request, &length));
  g_assert_cmpint (stun_ext_message_parse (&c->request_index, c->request, length), ==,
                   STUN_EXT_PARSE_OK);
  print_body (c, name, "client", c->request, length, tep_expect_request (&request));
}

static void
grant (Conversation *c, const char *name, StunExtTepSuccess success)
{
  guint8 octets[STUN_EXT_TEP_MESSAGE_MAX];
  gsize length;

  g_assert_true (stun_ext_tep_write_success (&success, &c->request_index, c->key, octets,
                                             sizeof octets, &length));
  print_body (c, name, "server", octets, length, tep_expect_success (&success));
}

static void
refuse (Conversation *c, const char *name, StunExtTepFailure failure)
{
  guint8 octets[STUN_EXT_TEP_MESSAGE_MAX];
  gsize length;

  g_assert_true (stun_ext_tep_write_failure (&failure, &c->request_index, c->key, octets,
                                             sizeof octets, &length));
  print_body (c, name, "server", octets, length,
              tep_expect_failure (&failure, c->request_index.method));
}

static void
compact (Conversation *c, const char *name, const char *from, StunExtCompactFrame frame)
{
  guint8 octets[BUFFER_SIZE];
  StunExtWriter writer;

  stun_ext_writer_init (&writer, octets, sizeof octets);
  stun_ext_compact_write (&writer, &frame);
  g_assert_false (writer.failed);
  print_frame (c, name, from, octets, writer.length, tep_expect_compact (&frame));
}

/* A compact frame, and the packet that its receiver has to make of it. */
static void
rebuilt (Conversation *c, const char *name, StunExtCompactFrame frame, StunExtInnerPacket packet)
{
  guint8 octets[BUFFER_SIZE];
  g_autofree char *hex = NULL;
  g_autofree char *plain = tep_expect_compact (&frame);
  StunExtWriter writer;

  packet.payload = frame.payload;
  packet.length = frame.length;
  stun_ext_writer_init (&writer, octets, sizeof octets);
  stun_ext_inner_packet_write (&writer, &packet);
  hex = tep_expect_hex (octets, writer.length);
  writer.length = 0;
  stun_ext_compact_write (&writer, &frame);
  g_assert_false (writer.failed);
  plain[strlen (plain) - 1] = '\0';
  print_frame (c, name, "server", octets, writer.length,
               g_strdup_printf ("%s, \"rebuilt\": \"%s\"}", plain, hex));
}

static void
feedback (Conversation *c, const char *name, const char *from, StunExtFeedback report)
{
  guint8 octets[STUN_EXT_FEEDBACK_SIZE_MAX];
  StunExtWriter writer;

  stun_ext_writer_init (&writer, octets, sizeof octets);
  stun_ext_feedback_write (&writer, &report);
  g_assert_false (writer.failed);
  print_frame (c, name, from, octets, writer.length, tep_expect_feedback (&report));
}

static void
packet (Conversation *c, const char *name, const char *from, StunExtInnerPacket inner)
{
  guint8 octets[BUFFER_SIZE];
  StunExtWriter writer;

  stun_ext_writer_init (&writer, octets, sizeof octets);
  stun_ext_inner_packet_write (&writer, &inner);
  g_assert_false (writer.failed);
  print_body (c, name, from, octets, writer.length, tep_expect_packet (&inner));
}

static void
raw (Conversation *c, const char *name, const char *body, gsize length, const char *frame)
{
  print_body (c, name, "client", (const guint8 *)body, length,
              g_strdup_printf ("{\"frame\": \"%s\"}", frame));
}

static void
print_keys (const Conversation *c)
{
  g_autofree char *k = tep_expect_hex (c->credential.octets, c->credential.length);
  g_autofree char *flight = tep_expect_hex (c->flight_key, sizeof c->flight_key);
  g_autofree char *tunnel = tep_expect_hex (c->tunnel_key, sizeof c->tunnel_key);

  printf ("\n    ],\n    \"keys\": {\"K\": \"%s\",\n             \"flight\": \"%s\",\n"
          "             \"tunnel\": \"%s\"}}",
          k, flight, tunnel);
}

static void
talk_of_flows (Conversation *c)
{
  ask (c, "open flow",
       (StunExtTepRequest){ STUN_EXT_TEP_OPEN_FLOW,
                            0,
                            { .open_flow = { .binding_id = 1,
                                             .flow_id = 0,
                                             .remote = IPV4 (192, 0, 2, 200, 40000),
                                             .has_dscp = TRUE,
                                             .dscp = 46,
                                             .bandwidth_kbps = 100 } } });
  grant (c, "flow opened",
         (StunExtTepSuccess){ STUN_EXT_TEP_OPEN_FLOW, { .flow = { 0, 0, 46, 100 } } });
  ask (c, "open flow of the odd port with a long id",
       (StunExtTepRequest){ STUN_EXT_TEP_OPEN_FLOW,
                            0,
                            { .open_flow = { .binding_id = 1,
                                             .flow_id = 62,
                                             .port_offset = 1,
                                             .remote = IPV4 (192, 0, 2, 200, 40001) } } });
  grant (c, "flow of the odd port opened",
         (StunExtTepSuccess){ STUN_EXT_TEP_OPEN_FLOW, { .flow = { 62, 1, 0, 0 } } });
  ask (c, "open flow over IPv6",
       (StunExtTepRequest){
           STUN_EXT_TEP_OPEN_FLOW,
           0,
           { .open_flow = { .binding_id = 2, .flow_id = 5, .remote = IPV6 (9, 7, 5004) } } });
  grant (c, "flow over IPv6 opened",
         (StunExtTepSuccess){ STUN_EXT_TEP_OPEN_FLOW, { .flow = { 5, 0, 34, G_MAXUINT32 } } });
  ask (c, "open flow under a used id",
       (StunExtTepRequest){
           STUN_EXT_TEP_OPEN_FLOW,
           0,
           { .open_flow = { .binding_id = 2, .flow_id = 5, .remote = IPV6 (9, 8, 5004) } } });
  refuse (c, "flow exists", (StunExtTepFailure){ .code = 446, .reason = TEXT ("Flow Exists") });
}

static void
talk_of_connections (Conversation *c, StunExtSpan tunnel_id)
{
  ask (c, "join", (StunExtTepRequest){ STUN_EXT_TEP_JOIN, 0, { .join = { 1, tunnel_id, NULL } } });
  grant (
      c, "joined",
      (StunExtTepSuccess){ STUN_EXT_TEP_JOIN, { .joined = { IPV4 (203, 0, 113, 5, 50001), 1 } } });
  ask (c, "resume",
       (StunExtTepRequest){ STUN_EXT_TEP_RESUME, 0, { .join = { 1, tunnel_id, NULL } } });
  grant (c, "resumed",
         (StunExtTepSuccess){ STUN_EXT_TEP_RESUME, { .joined = { IPV6 (1, 1, 50002), 15 } } });
  ask (c, "keepalive", (StunExtTepRequest){ STUN_EXT_TEP_KEEPALIVE, 0, { { 0 } } });
  grant (c, "kept alive",
         (StunExtTepSuccess){ STUN_EXT_TEP_KEEPALIVE, { .mapped = IPV6 (1, 1, 50002) } });
  ask (c, "refresh all", (StunExtTepRequest){ STUN_EXT_TEP_REFRESH, 0, { .refresh = { 0, 600 } } });
  grant (c, "refreshed", (StunExtTepSuccess){ STUN_EXT_TEP_REFRESH, { .lifetime_s = 600 } });
  ask (c, "release one", (StunExtTepRequest){ STUN_EXT_TEP_REFRESH, 0, { .refresh = { 2, 0 } } });
  grant (c, "released", (StunExtTepSuccess){ STUN_EXT_TEP_REFRESH, { .lifetime_s = 0 } });
}

static void
send_media (Conversation *c)
{
  StunExtCompactFrame frame = { .time = 17, .sequence = 65534, .length = 20, .payload = voice };
  StunExtInnerPacket inner = {
    IPV4 (203, 0, 113, 5, 49170), IPV4 (192, 0, 2, 200, 40000), 64, 46, 0, 20, voice
  };
  StunExtInnerPacket back = { .source = IPV4 (192, 0, 2, 200, 40000),
                              .destination = IPV4 (203, 0, 113, 5, 49170),
                              .hop_limit = 63,
                              .dscp = 46 };
  StunExtInnerPacket inner6 = { IPV6 (9, 7, 5004), IPV6 (2, 2, 49172), 255, 0, 0, 0, NULL };

  feedback (c, "clock before the first frame", "client", (StunExtFeedback){ .clock_ms = 136 });
  compact (c, "compact", "client", frame);
  frame.time = 20;
  frame.sequence = 65535;
  frame.n_blocks = 1;
  frame.blocks[0] = (StunExtFrameBlock){ 1, 20, voice };
  compact (c, "compact with the previous one", "client", frame);
  frame.sequence = 1;
  frame.n_blocks = 3;
  frame.blocks[0] = (StunExtFrameBlock){ 2, 3, voice };
  frame.blocks[1] = (StunExtFrameBlock){ 255, 0, NULL };
  frame.blocks[2] = (StunExtFrameBlock){ 1, 9, voice + 5 };
  compact (c, "compact with three, around the end of the numbers", "client", frame);
  frame = (StunExtCompactFrame){ .flow = 62, .time = 255, .sequence = 7 };
  compact (c, "compact with a long id and an empty payload", "client", frame);
  frame = (StunExtCompactFrame){
    .flow = 62, .time = 0, .sequence = 8, .n_blocks = 1, .length = 1, .payload = voice
  };
  frame.blocks[0] = (StunExtFrameBlock){ 1, 2, voice };
  compact (c, "compact with a long id and a repeated one", "client", frame);
  frame = (StunExtCompactFrame){ .time = 1, .sequence = 1, .length = 7, .payload = voice };
  rebuilt (c, "compact to the device, IPv4", frame, back);
  frame.flow = 5;
  back = (StunExtInnerPacket){
    .source = IPV6 (9, 7, 5004), .destination = IPV6 (2, 2, 49172), .hop_limit = 63, .dscp = 34
  };
  rebuilt (c, "compact to the device, IPv6", frame, back);
  packet (c, "IPv4 packet", "client", inner);
  packet (c, "IPv6 packet without payload", "server", inner6);
  feedback (c, "feedback", "server",
            (StunExtFeedback){ 4294967295, 2, { { 0, 12, 5 }, { 15, 65535, 4294967295 } } });
}

static void
send_what_is_dropped (Conversation *c)
{
  static const char bad_checksum[] =
      "\x45\x00\x00\x1c\x00\x00\x40\x00\x40\x11\x00\x00\xcb\x00\x71\x05\xc0\x00\x02\xc8"
      "\xc0\x12\x9c\x40\x00\x08\x00\x00";

  raw (c, "null frame", "", 0, "null");
  raw (c, "unknown first octet", "\x10 bla", 5, "dropped");
  raw (c, "control with redundancy", "\xfe\x01\0\0\0\0\0\0", 8, "dropped");
  raw (c, "unknown control", "\xbe\x02\0\0\0\0\0\0", 8, "dropped");
  raw (c, "control without type", "\xbe", 1, "dropped");
  raw (c, "feedback that is too short", "\xbe\x01\0\1\0\0\0\0", 8, "dropped");
  raw (c, "feedback naming a connection twice",
       "\xbe\x01\0\2\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 24, "dropped");
  raw (c, "feedback naming connection 16", "\xbe\x01\0\1\0\0\0\0\x10\0\0\0\0\0\0\0", 16, "dropped");
  raw (c, "compact cut short", "\x80\1\2", 3, "dropped");
  raw (c, "long id that is short", "\xbf\1\2\3\0\x3d", 6, "dropped");
  raw (c, "no repeated one", "\xc0\1\2\3\0", 5, "dropped");
  raw (c, "four repeated ones", "\xc0\1\2\3\4\1\0\0\2\0\0\3\0\0\4\0\0", 17, "dropped");
  raw (c, "distance 0", "\xc0\1\2\3\1\0\0\0", 8, "dropped");
  raw (c, "repeated one longer than the frame", "\xc0\1\2\3\1\1\0\3ab", 10, "dropped");
  raw (c, "IPv4 header checksum", bad_checksum, 28, "dropped");
  raw (c, "STUN length that disagrees", "\0\1\0\4\x21\x12\xa4\x42\1\2\3\4\5\6\7\10\11\12\13\14", 20,
       "dropped");
}

#define LITERAL(text)                                                                              \
  {                                                                                                \
    text, sizeof text - 1                                                                          \
  }

static guint8 tunnel_id[STUN_EXT_TUNNEL_ID_LENGTH];

/* The first flight of the long-term conversation, and its answers. */
static StunExtTepRequest flight[3] = {
  { STUN_EXT_TEP_OPEN,
    0,
    { .open = { .version = 1,
                .server_name = LITERAL ("tep.example"),
                .client_random = client_random,
                .timestamp_ms = NOW_MS } } },
  { STUN_EXT_TEP_LEASE,
    1,
    { .lease = { STUN_EXT_TEP_FLOW_REFLEXIVE, STUN_EXT_TEP_PORTS_PAIR, 49170, 4, 3600 } } },
  { STUN_EXT_TEP_LEASE,
    2,
    { .lease = { STUN_EXT_TEP_FLOW_RELAYED, STUN_EXT_TEP_PORTS_EVEN, 0, 6, 0 } } },
};
static StunExtTepSuccess answers[3] = {
  { STUN_EXT_TEP_OPEN,
    { .opened = { .mapped = IPV4 (203, 0, 113, 5, 50000),
                  .server_random = server_random,
                  .tunnel_id = { tunnel_id, sizeof tunnel_id },
                  .largest_packet = 1500,
                  .keepalive_s = 15,
                  .silence_s = 45 } } },
  { STUN_EXT_TEP_LEASE,
    { .leased = { 1, IPV4 (203, 0, 113, 5, 49170), STUN_EXT_TEP_FLOW_REFLEXIVE, TRUE, 3600 } } },
  { STUN_EXT_TEP_LEASE,
    { .leased = { 2, IPV6 (2, 2, 49172), STUN_EXT_TEP_FLOW_RELAYED, FALSE, 600 } } },
};

/* Asks without credentials, and puts what the challenge wants into the opening request. */
static void
meet (Conversation *c, StunExtChallenge *challenge)
{
  const StunExtRealm realm = { TEXT ("example.org"), STUN_EXT_ALGORITHMS_SHA256, FALSE };
  const StunExtNonceMaker maker = { { COUNT_32 (0xa0) }, 600 };
  const guint8 salt[STUN_EXT_NONCE_SALT_LENGTH] = { 1, 2, 3, 4, 5, 6 };
  StunExtSpan algorithms = stun_ext_tep_password_algorithms (realm.algorithms);

  memset (challenge, 0, sizeof *challenge);
  g_assert_true (stun_ext_nonce_make (&maker, stun_ext_realm_features (&realm), NOW_MS, salt,
                                      (StunExtSpan){ 0 }, challenge->nonce));
  use_key (c, "none");
  ask (c, "first contact", flight[0]);
  refuse (c, "challenge",
          stun_ext_tep_failure_challenge (401, &realm, challenge->nonce, NOW_MS + 20));
  g_strlcpy (challenge->realm, "example.org", sizeof challenge->realm);
  challenge->algorithm = STUN_EXT_PASSWORD_ALGORITHM_SHA256;
  challenge->offered_length = algorithms.length;
  memcpy (challenge->offered, algorithms.data, algorithms.length);
  g_assert_true (stun_ext_tep_open_log_in (&flight[0].open, challenge, TEXT ("alice"), NULL));
  answers[0].opened.realm = realm.realm;
  answers[0].opened.nonce = flight[0].open.nonce;
  answers[0].opened.password_algorithms = algorithms;
}

static void
derive_keys (Conversation *c, const StunExtTepOpen *open, const StunExtTepOpened *opened)
{
  StunExtTunnelSecrets secrets =
      stun_ext_tep_secrets (open, opened, stun_ext_key_span (&c->credential));

  g_assert_true (stun_ext_flight_key (&secrets, c->flight_key));
  g_assert_true (stun_ext_tunnel_key (&secrets, c->tunnel_key));
}

static void
send_first_flight (Conversation *c)
{
  static const char *const names[] = { "opening", "lease in the first flight",
                                       "lease in the first flight" };
  guint8 octets[BUFFER_SIZE];
  guint8 transactions[3][STUN_EXT_TRANSACTION_ID_LENGTH];
  StunExtReader reader;
  gsize length;

  for (guint i = 0; i < 3; i++)
    next_transaction (c, transactions[i]);
  g_assert_true (stun_ext_tep_write_flight (
      flight, transactions, 3, stun_ext_key_span (&c->credential), octets, sizeof octets, &length));
  stun_ext_reader_init (&reader, octets, length);
  for (guint i = 0; i < 3; i++) {
    gsize n = stun_ext_reader_u16 (&reader);
    const guint8 *frame = stun_ext_reader_bytes (&reader, n);

    use_key (c, i == 0 ? "K" : "flight");
    memcpy (c->request, frame, n);
    g_assert_cmpint (stun_ext_message_parse (&c->request_index, c->request, n), ==,
                     STUN_EXT_PARSE_OK);
    print_body (c, names[i], "client", frame, n, tep_expect_request (&flight[i]));
    grant (c, i == 0 ? "opened" : "leased", answers[i]);
  }
  g_assert_true (stun_ext_reader_done (&reader));
  c->ordinal = 2;
}

static void
talk_of_the_end (Conversation *c)
{
  ask (c, "lease with an unknown attribute, as it would be",
       (StunExtTepRequest){ STUN_EXT_TEP_LEASE, 0, { { 0 } } });
  refuse (
      c, "unknown attributes",
      (StunExtTepFailure){ .code = 420, .n_unknown = 3, .unknown = { 0x7ffe, 0x0002, 0x0003 } });
  refuse (c, "version that is not spoken", (StunExtTepFailure){ .code = 400, .version = 1 });
  ask (c, "close flow",
       (StunExtTepRequest){ STUN_EXT_TEP_CLOSE_FLOW, 0, { .close_flow = { 62 } } });
  grant (c, "flow closed", (StunExtTepSuccess){ STUN_EXT_TEP_CLOSE_FLOW, { .lifetime_s = 0 } });
  ask (c, "close", (StunExtTepRequest){ STUN_EXT_TEP_CLOSE, 0, { { 0 } } });
  grant (c, "closed", (StunExtTepSuccess){ STUN_EXT_TEP_CLOSE, { .lifetime_s = 0 } });
}

/* A user of a long-term credential on plain TCP, from the first contact to the end. */
static void
talk_long_term (void)
{
  Conversation c = { 0 };
  StunExtChallenge challenge;

  printf ("    \"about\": \"long-term credential, plain TCP\",\n    \"credential\": "
          "{\"username\": \"alice\", \"realm\": \"example.org\", \"password\": \"correct horse "
          "battery\"},\n"
          "    \"frames\": [");
  g_assert_true (stun_ext_key_long_term (&c.credential, STUN_EXT_PASSWORD_ALGORITHM_SHA256, "alice",
                                         "example.org", "correct horse battery", NULL));
  g_assert_true (stun_ext_tunnel_id_make (TEXT ("secret of the server"), id_random, 3, tunnel_id));
  meet (&c, &challenge);
  derive_keys (&c, &flight[0].open, &answers[0].opened);
  send_first_flight (&c);
  use_key (&c, "tunnel");
  talk_of_flows (&c);
  talk_of_connections (&c, answers[0].opened.tunnel_id);
  send_media (&c);
  send_what_is_dropped (&c);
  talk_of_the_end (&c);
  print_keys (&c);
}

/* A time-limited short-term credential inside TLS; the server drains soon. */
static void
talk_short_term (void)
{
  Conversation c = { 0 };
  guint8 id[STUN_EXT_TUNNEL_ID_LENGTH];
  guint8 octets[STUN_EXT_TEP_MESSAGE_MAX];
  guint8 transaction[STUN_EXT_TRANSACTION_ID_LENGTH];
  StunExtTepRequest open = { STUN_EXT_TEP_OPEN,
                             0,
                             { .open = { .version = 1,
                                         .keep = TRUE,
                                         .server_name = TEXT ("2001:db8::443"),
                                         .client_random = client_random,
                                         .timestamp_ms = NOW_MS,
                                         .username = TEXT ("1700003600:bob"),
                                         .channel_binding = channel_binding } } };
  StunExtTepSuccess opened = { STUN_EXT_TEP_OPEN,
                               { .opened = { .mapped = IPV6 (1, 1, 50000),
                                             .server_random = server_random,
                                             .tunnel_id = { id, sizeof id },
                                             .largest_packet = 576,
                                             .keepalive_s = 1,
                                             .silence_s = 60 } } };
  StunExtTepClosing closing = {
    300, { NULL, 0 }, IPV4 (192, 0, 2, 44, 443), TEXT ("tep2.example")
  };
  gsize length;

  printf (
      "    \"about\": \"short-term credential, TLS with channel binding\",\n    \"credential\": "
      "{\"username\": \"1700003600:bob\", \"password\": \"0123456789abcdef0123456789a=\"},\n"
      "    \"frames\": [");
  g_assert_true (stun_ext_key_short_term (&c.credential, "0123456789abcdef0123456789a=", NULL));
  g_assert_true (stun_ext_tunnel_id_make (TEXT ("secret of the server"), id_random, 255, id));
  derive_keys (&c, &open.open, &opened.opened);

  use_key (&c, "K");
  ask (&c, "opening", open);
  refuse (&c, "stale, signed",
          (StunExtTepFailure){ .code = 438, .nonce = TEXT ("a nonce"), .timestamp_ms = 1 });
  ask (&c, "opening once more", open);
  grant (&c, "opened", opened);
  use_key (&c, "tunnel");
  ask (&c, "lease", (StunExtTepRequest){ STUN_EXT_TEP_LEASE, 0, { { 0 } } });
  grant (&c, "leased",
         (StunExtTepSuccess){ STUN_EXT_TEP_LEASE,
                              { .leased = { G_MAXUINT32, IPV6 (1, 1, 1),
                                            STUN_EXT_TEP_FLOW_REFLEXIVE, FALSE, 60 } } });
  ask (&c, "join with channel binding",
       (StunExtTepRequest){
           STUN_EXT_TEP_JOIN, 0, { .join = { 1, opened.opened.tunnel_id, channel_binding } } });
  use_key (&c, "none");
  refuse (&c, "no such tunnel, unsigned", (StunExtTepFailure){ .code = 437 });
  use_key (&c, "tunnel");
  next_transaction (&c, transaction);
  g_assert_true (
      stun_ext_tep_write_closing (&closing, transaction, c.key, octets, sizeof octets, &length));
  print_body (&c, "draining", "server", octets, length, tep_expect_closing (&closing));
  print_keys (&c);
}

int
main (void)
{
  printf ("{\"version\": 1, \"conversations\": [\n  {\n");
  talk_long_term ();
  printf (",\n  {\n");
  talk_short_term ();
  printf ("\n]}\n");
  return 0;
}
