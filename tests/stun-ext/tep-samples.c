/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tep-samples.h"

#include <string.h>

#define TEXT(text)                                                                                 \
  {                                                                                                \
    text, sizeof text - 1                                                                          \
  }
#define IPV4(a, b, c, d, port)                                                                     \
  {                                                                                                \
    4, 0, port,                                                                                    \
    {                                                                                              \
      a, b, c, d                                                                                   \
    }                                                                                              \
  }
#define IPV6(last, port)                                                                           \
  {                                                                                                \
    6, 0, port,                                                                                    \
    {                                                                                              \
      0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, last                                \
    }                                                                                              \
  }

/* 32 octets counting up from the first. */
#define COUNT_8(n) n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7
#define COUNT_32(n) COUNT_8 (n), COUNT_8 (n + 8), COUNT_8 (n + 16), COUNT_8 (n + 24)

static const guint8 client_random[] = { COUNT_32 (0x00) };
static const guint8 server_random[] = { COUNT_32 (0x20) };
static const guint8 tunnel_id[] = { COUNT_32 (0x40) };
static const guint8 channel_binding[] = { COUNT_32 (0x60) };
static const guint8 userhash[] = { COUNT_32 (0x80) };
static const guint8 algorithms[] = { 0, 2, 0, 0, 0, 1, 0, 0 };

const guint8 tep_sample_key[] = { COUNT_32 (0xa0) };
const guint8 tep_sample_transaction_id[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

const TepSampleRequest tep_sample_requests[] = {
  { "open, short-term",
    { STUN_EXT_TEP_OPEN,
      0,
      { .open = { .version = 1,
                  .server_name = TEXT ("tep.example"),
                  .client_random = client_random,
                  .timestamp_ms = G_GUINT64_CONSTANT (1700000000000),
                  .username = TEXT ("1700003600:alice") } } } },
  { "open, long-term",
    { STUN_EXT_TEP_OPEN,
      0,
      { .open = { .version = 1,
                  .keep = TRUE,
                  .server_name = TEXT ("2001:db8::443"),
                  .client_random = client_random,
                  .timestamp_ms = G_GUINT64_CONSTANT (0x0102030405060708),
                  .userhash = { userhash, sizeof userhash },
                  .realm = TEXT ("example.org"),
                  .nonce = TEXT ("obMatJos2gAAABCDEFGHIJ"),
                  .password_algorithms = { algorithms, sizeof algorithms },
                  .password_algorithm = STUN_EXT_PASSWORD_ALGORITHM_SHA256,
                  .channel_binding = channel_binding } } } },
  { "keepalive", { STUN_EXT_TEP_KEEPALIVE, G_MAXUINT32, { { 0 } } } },
  { "lease, least", { STUN_EXT_TEP_LEASE, 1, { { 0 } } } },
  { "lease, pair",
    { STUN_EXT_TEP_LEASE,
      2,
      { .lease = { STUN_EXT_TEP_FLOW_REFLEXIVE, STUN_EXT_TEP_PORTS_PAIR, 49170, 6, 3600 } } } },
  { "lease, even",
    { STUN_EXT_TEP_LEASE,
      3,
      { .lease = { STUN_EXT_TEP_FLOW_RELAYED, STUN_EXT_TEP_PORTS_EVEN, 0, 4, 0 } } } },
  { "refresh, all", { STUN_EXT_TEP_REFRESH, 4, { .refresh = { 0, 600 } } } },
  { "refresh, release", { STUN_EXT_TEP_REFRESH, 5, { .refresh = { 0xfedcba98, 0 } } } },
  { "open flow, least",
    { STUN_EXT_TEP_OPEN_FLOW,
      6,
      { .open_flow = { .binding_id = 7,
                       .flow_id = 0,
                       .remote = IPV4 (192, 0, 2, 200, 40000) } } } },
  { "open flow, most",
    { STUN_EXT_TEP_OPEN_FLOW,
      7,
      { .open_flow = { .binding_id = 8,
                       .flow_id = 65535,
                       .port_offset = 1,
                       .has_dscp = TRUE,
                       .dscp = 46,
                       .remote = IPV6 (9, 65535),
                       .bandwidth_kbps = 128 } } } },
  { "close flow", { STUN_EXT_TEP_CLOSE_FLOW, 8, { .close_flow = { 62 } } } },
  { "join", { STUN_EXT_TEP_JOIN, 9, { .join = { 1, { tunnel_id, 20 }, channel_binding } } } },
  { "resume", { STUN_EXT_TEP_RESUME, 10, { .join = { 1, { tunnel_id, 16 }, NULL } } } },
  { "close", { STUN_EXT_TEP_CLOSE, 11, { { 0 } } } },
};
const gsize tep_n_sample_requests = G_N_ELEMENTS (tep_sample_requests);

const TepSampleSuccess tep_sample_successes[] = {
  { "opened",
    { STUN_EXT_TEP_OPEN,
      { .opened = { .mapped = IPV4 (203, 0, 113, 5, 50000),
                    .server_random = server_random,
                    .tunnel_id = { tunnel_id, 20 },
                    .connection_number = 0,
                    .largest_packet = 1500,
                    .keepalive_s = 15,
                    .silence_s = 45,
                    .realm = TEXT ("example.org"),
                    .nonce = TEXT ("obMatJos2gAAABCDEFGHIK"),
                    .password_algorithms = { algorithms, sizeof algorithms } } } } },
  { "opened without nonce",
    { STUN_EXT_TEP_OPEN,
      { .opened = { .mapped = IPV6 (1, 1),
                    .server_random = server_random,
                    .tunnel_id = { tunnel_id, 32 },
                    .connection_number = 15,
                    .largest_packet = 576,
                    .keepalive_s = 1,
                    .silence_s = 2 } } } },
  { "kept alive", { STUN_EXT_TEP_KEEPALIVE, { .mapped = IPV4 (203, 0, 113, 5, 50001) } } },
  { "leased pair",
    { STUN_EXT_TEP_LEASE,
      { .leased = { 1, IPV4 (203, 0, 113, 5, 49170), STUN_EXT_TEP_FLOW_REFLEXIVE, TRUE, 600 } } } },
  { "leased one",
    { STUN_EXT_TEP_LEASE,
      { .leased = { G_MAXUINT32, IPV6 (2, 49171), STUN_EXT_TEP_FLOW_RELAYED, FALSE, 60 } } } },
  { "refreshed", { STUN_EXT_TEP_REFRESH, { .lifetime_s = 3600 } } },
  { "released", { STUN_EXT_TEP_REFRESH, { .lifetime_s = 0 } } },
  { "flow opened", { STUN_EXT_TEP_OPEN_FLOW, { .flow = { 61, 1, 46, 128 } } } },
  { "flow closed", { STUN_EXT_TEP_CLOSE_FLOW, { .lifetime_s = 0 } } },
  { "joined", { STUN_EXT_TEP_JOIN, { .joined = { IPV4 (203, 0, 113, 5, 50002), 3 } } } },
  { "resumed", { STUN_EXT_TEP_RESUME, { .joined = { IPV6 (3, 50003), 0 } } } },
  { "closed", { STUN_EXT_TEP_CLOSE, { .lifetime_s = 0 } } },
};
const gsize tep_n_sample_successes = G_N_ELEMENTS (tep_sample_successes);

const TepSampleFailure tep_sample_failures[] = {
  { "challenge",
    STUN_EXT_METHOD_BINDING,
    { .code = 438,
      .realm = TEXT ("example.org"),
      .nonce = TEXT ("obMatJos2gAAABCDEFGHIL"),
      .password_algorithms = { algorithms, sizeof algorithms },
      .timestamp_ms = G_GUINT64_CONSTANT (1700000000123) } },
  { "other version", STUN_EXT_TEP_METHOD_JOIN, { .code = 400, .version = 1 } },
  { "unknown attribute",
    STUN_EXT_TEP_METHOD_LEASE,
    { .code = 420, .n_unknown = 3, .unknown = { 0x7fff, 0x0002, 0x0004 } } },
  { "quota with a phrase",
    STUN_EXT_TEP_METHOD_OPEN_FLOW,
    { .code = 486, .reason = TEXT ("64 flows are open; close one") } },
};
const gsize tep_n_sample_failures = G_N_ELEMENTS (tep_sample_failures);

const TepSampleClosing tep_sample_closings[] = {
  { "draining", { 300, TEXT ("Draining"), IPV4 (192, 0, 2, 44, 443), TEXT ("tep2.example") } },
  { "idle", { .code = 437 } },
};
const gsize tep_n_sample_closings = G_N_ELEMENTS (tep_sample_closings);

void
tep_sample_parse (TepWritten *w)
{
  g_assert_cmpint (stun_ext_message_parse (&w->message, w->octets, w->length), ==,
                   STUN_EXT_PARSE_OK);
}

void
tep_sample_write_request (TepWritten *w, const StunExtTepRequest *request)
{
  g_assert_true (stun_ext_tep_write_request (request, tep_sample_transaction_id, TEP_SAMPLE_KEY,
                                             w->octets, sizeof w->octets, &w->length));
  tep_sample_parse (w);
}

/* Any request of that kind, to answer it. */
void
tep_sample_write_request_of (TepWritten *w, StunExtTepKind kind)
{
  for (gsize i = 0; i < tep_n_sample_requests; i++) {
    if (tep_sample_requests[i].request.kind == kind) {
      tep_sample_write_request (w, &tep_sample_requests[i].request);
      return;
    }
  }
  g_assert_not_reached ();
}

gboolean
tep_sample_try_success (TepWritten *w, const StunExtTepSuccess *success, gsize capacity)
{
  TepWritten request;

  tep_sample_write_request_of (&request, success->kind);
  return stun_ext_tep_write_success (success, &request.message, TEP_SAMPLE_KEY, w->octets, capacity,
                                     &w->length);
}

void
tep_sample_write_success (TepWritten *w, const StunExtTepSuccess *success)
{
  g_assert_true (tep_sample_try_success (w, success, sizeof w->octets));
  tep_sample_parse (w);
}

void
tep_sample_write_failure (TepWritten *w, const TepSampleFailure *sample, StunExtSpan key)
{
  StunExtMessage request = { .method = sample->method };

  memcpy (request.transaction_id, tep_sample_transaction_id, sizeof request.transaction_id);
  g_assert_true (stun_ext_tep_write_failure (&sample->failure, &request, key, w->octets,
                                             sizeof w->octets, &w->length));
  tep_sample_parse (w);
}

void
tep_sample_write_closing (TepWritten *w, const StunExtTepClosing *closing)
{
  g_assert_true (stun_ext_tep_write_closing (closing, tep_sample_transaction_id, TEP_SAMPLE_KEY,
                                             w->octets, sizeof w->octets, &w->length));
  tep_sample_parse (w);
}

void
tep_sample_assert_same (const TepWritten *a, const TepWritten *b)
{
  g_assert_cmpmem (a->octets, a->length, b->octets, b->length);
}
