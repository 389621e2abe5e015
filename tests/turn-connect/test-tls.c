/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls-hands.h"

#include "turn-connect/tls-options-private.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* What is asked of the allocator, for the test that nothing is while packets pass. The sanitizer
 * has an allocator of its own, which counts for nothing here. */
static guint n_allocations;

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1 /* as gcc says it */
#endif
#endif

#ifndef __SANITIZE_ADDRESS__
void *__libc_malloc (size_t size);
void *__libc_realloc (void *old, size_t size);
void *__libc_calloc (size_t n, size_t size);
void *malloc (size_t size);
void *realloc (void *old, size_t size);
void *calloc (size_t n, size_t size);

void *
malloc (size_t size)
{
  n_allocations++;
  return __libc_malloc (size);
}

void *
realloc (void *old, size_t size)
{
  n_allocations++;
  return __libc_realloc (old, size);
}

void *
calloc (size_t n, size_t size)
{
  n_allocations++;
  return __libc_calloc (n, size);
}

static void *
openssl_malloc (size_t size, const char *file, int line)
{
  return __libc_malloc (size);
}

static void *
openssl_realloc (void *old, size_t size, const char *file, int line)
{
  return __libc_realloc (old, size);
}

static void
openssl_free (void *old, const char *file, int line)
{
  free (old);
}

static void
leave_openssl_out (void)
{
  g_assert_cmpint (CRYPTO_set_mem_functions (openssl_malloc, openssl_realloc, openssl_free), ==, 1);
}
#else
static void
leave_openssl_out (void)
{
}
#endif

static void
test_octets_may_come_one_by_one (void)
{
  g_autoptr (TlsPeerIdentity) identity = tls_hands_identity ("DNS:server.test");
  g_autofree char *pin = tls_peer_identity_get_pin (identity);

  for (gsize i = 0; i < G_N_ELEMENTS (tls_hands_versions); i++) {
    g_autoptr (TurnConnectTlsOptions) options = tls_hands_options ();
    g_autoptr (TlsPeer) peer = tls_peer_new (identity, tls_hands_versions[i].flags);
    TurnConnectTls *client = tls_hands_client (options, "server.test");
    const TurnConnectTlsInfo *info;
    g_autoptr (GString) spki = g_string_new (NULL);

    g_assert_null (turn_connect_tls_get_info (client));
    g_assert_cmpint (tls_hands_shake (client, peer, 1, NULL), ==, TURN_CONNECT_IO_OK);
    tls_hands_assert_talk (client, peer);
    info = turn_connect_tls_get_info (client);
    g_assert_cmpstr (info->version, ==, tls_hands_versions[i].version);
    g_assert_cmpstr (info->server_name, ==, "server.test");
    g_assert_null (info->alpn);
    g_assert_nonnull (info->cipher);
    for (gsize k = 0; k < TURN_CONNECT_SHA256_SIZE; k++)
      g_string_append_printf (spki, "%02x", info->spki_sha256[k]);
    g_assert_cmpstr (spki->str, ==, pin);
    turn_connect_tls_free (client);
  }
}

static void
test_both_ends_export_the_same_binding (void)
{
  g_autoptr (TlsPeerIdentity) identity = tls_hands_identity ("DNS:server.test");
  guint8 before[32] = { 0 };

  for (gsize i = 0; i < G_N_ELEMENTS (tls_hands_versions); i++) {
    g_autoptr (TurnConnectTlsOptions) options = tls_hands_options ();
    g_autoptr (TlsPeer) peer = tls_peer_new (identity, tls_hands_versions[i].flags);
    TurnConnectTls *client = tls_hands_client (options, "server.test");
    guint8 ours[32], theirs[32];

    g_assert_false (turn_connect_tls_export_binding (client, ours));
    g_assert_cmpint (tls_hands_shake (client, peer, 1000, NULL), ==, TURN_CONNECT_IO_OK);
    g_assert_true (turn_connect_tls_export_binding (client, ours));
    tls_peer_export (peer, theirs);
    g_assert_cmpmem (ours, 32, theirs, 32);
    g_assert_cmpint (memcmp (ours, before, 32), !=, 0);
    memcpy (before, ours, 32);
    turn_connect_tls_free (client);
  }
}

static void
test_tls12_without_extended_master_secret_binds_nothing (void)
{
  g_autoptr (TlsPeerIdentity) identity = tls_hands_identity ("DNS:server.test");
  g_autoptr (TurnConnectTlsOptions) options = tls_hands_options ();
  g_autoptr (TlsPeer) peer = tls_peer_new (identity, TLS_PEER_ONLY_TLS12 | TLS_PEER_NO_EMS);
  TurnConnectTls *client = tls_hands_client (options, "server.test");
  guint8 binding[32];

  g_assert_cmpint (tls_hands_shake (client, peer, 1000, NULL), ==, TURN_CONNECT_IO_OK);
  g_assert_false (turn_connect_tls_export_binding (client, binding));
  turn_connect_tls_free (client);
}

static void
feed_text (TurnConnectTls *client, const void *data, gsize length)
{
  TurnConnectTlsBuffers *buffers = turn_connect_tls_get_buffers (client);
  gsize room;
  guint8 *input = turn_connect_tls_buffers_get_room (buffers, &room);

  g_assert_cmpuint (length, <=, room);
  memcpy (input, data, length);
  turn_connect_tls_buffers_fed (buffers, length);
}

static const struct {
  const char *octets;
  gsize length;
  TurnConnectError code;
  const char *words;
} strangers[] = {
  { "HTTP/1.1 400 Bad Request\r\n\r\n", 28, TURN_CONNECT_ERROR_TLS_FAILED, "does not speak TLS" },
  { "SSH-2.0-OpenSSH_9.2\r\n", 21, TURN_CONNECT_ERROR_TLS_FAILED, "does not speak TLS" },
  { "\x15\x03\x03\x00\x02\x02\x28", 7, TURN_CONNECT_ERROR_TLS_FAILED, "handshake failure" },
  { "\x15\x03\x03\x00\x02\x02\x78", 7, TURN_CONNECT_ERROR_TLS_FAILED, "offered by ALPN" },
  { "\x15\x03\x03\x00\x02\x02\x46", 7, TURN_CONNECT_ERROR_TLS_FAILED, "TLS 1.2 or later" },
  { "\x16\x03\x03\xff\xff", 5, TURN_CONNECT_ERROR_TLS_FAILED, "TLS" },
  { "", 0, TURN_CONNECT_ERROR_CLOSED, "ended the connection in the TLS handshake" },
  { "\x16\x03\x03", 3, TURN_CONNECT_ERROR_CLOSED, "ended the connection" },
};

static void
test_strangers_are_named (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (strangers); i++) {
    g_autoptr (TurnConnectTlsOptions) options = tls_hands_options ();
    TurnConnectTls *client = tls_hands_client (options, "server.test");
    g_autoptr (GError) error = NULL;

    g_assert_cmpint (turn_connect_tls_handshake (client, NULL), ==, TURN_CONNECT_IO_BLOCKED);
    feed_text (client, strangers[i].octets, strangers[i].length);
    turn_connect_tls_get_buffers (client)->input_ended = TRUE;
    g_assert_cmpint (turn_connect_tls_handshake (client, &error), ==, TURN_CONNECT_IO_FAILED);
    g_assert_error (error, TURN_CONNECT_ERROR, (gint)strangers[i].code);
    g_assert_nonnull (strstr (error->message, strangers[i].words));
    turn_connect_tls_free (client);
  }
}

static void
test_old_tls_is_refused (void)
{
  g_autoptr (TlsPeerIdentity) identity = tls_hands_identity ("DNS:server.test");
  g_autoptr (TurnConnectTlsOptions) options = tls_hands_options ();
  g_autoptr (TlsPeer) peer = tls_peer_new (identity, TLS_PEER_ONLY_TLS11);
  TurnConnectTls *client = tls_hands_client (options, "server.test");
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (tls_hands_shake (client, peer, 1000, &error), ==, TURN_CONNECT_IO_FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TLS_FAILED);
  g_assert_nonnull (strstr (error->message, "1.2"));
  turn_connect_tls_free (client);
}

/* The server's first flight, cut off or bent at every octet, never makes a connection. */
static void
test_no_damaged_flight_passes (void)
{
  g_autoptr (TlsPeerIdentity) identity = tls_hands_identity ("DNS:server.test");
  g_autoptr (TurnConnectTlsOptions) options = tls_hands_options ();
  gsize length = 1;

  for (gsize at = 0; at < 2 * length; at++) {
    g_autoptr (TlsPeer) peer = tls_peer_new (identity, TLS_PEER_NORMAL);
    TurnConnectTls *client = tls_hands_client (options, "server.test");
    TurnConnectTlsBuffers *buffers = turn_connect_tls_get_buffers (client);
    guint8 flight[8192];
    const guint8 *hello;
    gsize n;

    turn_connect_tls_handshake (client, NULL);
    hello = turn_connect_tls_buffers_get_output (buffers, &n);
    tls_peer_feed (peer, hello, n);
    turn_connect_tls_buffers_sent (buffers, n);
    tls_peer_step (peer);
    length = tls_peer_take (peer, flight, sizeof flight);
    g_assert_cmpuint (length, >, 500);
    if (at < length)
      feed_text (client, flight, at);
    else {
      gsize bent = (at - length) % length; /* signatures differ in length by an octet or two */

      /* The record's version is to be ignored: RFC 8446 section 5.1. */
      flight[bent != 2 ? bent : 3] ^= 0x41;
      feed_text (client, flight, length);
    }
    buffers->input_ended = TRUE;
    g_assert_cmpint (turn_connect_tls_handshake (client, NULL), ==, TURN_CONNECT_IO_FAILED);
    turn_connect_tls_free (client);
  }
}

typedef struct {
  TlsPeerIdentity *identity;
  TurnConnectTlsOptions *options;
  TlsPeer *peer;
  TurnConnectTls *client;
} Pair;

static void
pair_open (Pair *pair, TlsPeerFlags flags)
{
  pair->identity = tls_hands_identity ("DNS:server.test");
  pair->options = tls_hands_options ();
  pair->peer = tls_peer_new (pair->identity, flags);
  pair->client = tls_hands_client (pair->options, "server.test");
  g_assert_cmpint (tls_hands_shake (pair->client, pair->peer, 1000, NULL), ==, TURN_CONNECT_IO_OK);
}

static void
pair_clear (Pair *pair)
{
  turn_connect_tls_free (pair->client);
  tls_peer_free (pair->peer);
  g_object_unref (pair->options);
  tls_peer_identity_free (pair->identity);
}

static void
test_cut_is_told_from_end (void)
{
  for (int is_cut = 0; is_cut < 2; is_cut++) {
    Pair pair;
    g_autoptr (GError) error = NULL;
    char text[10];
    gsize got = 0;

    pair_open (&pair, TLS_PEER_NORMAL);
    if (!is_cut) {
      tls_peer_close (pair.peer);
      tls_hands_move (pair.client, pair.peer, 1000);
    }
    turn_connect_tls_get_buffers (pair.client)->input_ended = TRUE;
    g_assert_cmpint (turn_connect_tls_read (pair.client, text, sizeof text, &got, &error), ==,
                     is_cut ? TURN_CONNECT_IO_FAILED : TURN_CONNECT_IO_END);
    if (is_cut)
      g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED);
    pair_clear (&pair);
  }
}

static void
test_each_write_is_one_record (void)
{
  static const gsize sizes[] = { 1, 200, 1400, TURN_CONNECT_WRITE_MAX };
  g_autofree char *data = g_strnfill (TURN_CONNECT_WRITE_MAX, 'x');
  Pair pair;

  pair_open (&pair, TLS_PEER_NORMAL);
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
    TurnConnectTlsBuffers *buffers = turn_connect_tls_get_buffers (pair.client);
    const guint8 *output;
    gsize length;

    g_assert_cmpint (turn_connect_tls_write (pair.client, data, sizes[i], NULL), ==,
                     TURN_CONNECT_IO_OK);
    output = turn_connect_tls_buffers_get_output (buffers, &length);
    g_assert_cmpuint (output[0], ==, 23); /* application data */
    g_assert_cmpuint ((gsize)(output[3] << 8 | output[4]) + 5, ==, length);
    turn_connect_tls_buffers_sent (buffers, length);
  }
  pair_clear (&pair);
}

static void
test_packets_pass_without_allocation_of_ours (void)
{
  char packet[200] = { 0 };
  char text[400];

  for (gsize i = 0; i < G_N_ELEMENTS (tls_hands_versions); i++) {
    Pair pair;
    guint n_ours = 0;

    pair_open (&pair, tls_hands_versions[i].flags);
    for (int round = 0; round < 200; round++) {
      gsize got = 0;
      guint before;

      tls_peer_write (pair.peer, packet, sizeof packet);
      tls_hands_move (pair.client, pair.peer, 100000);
      before = n_allocations;
      g_assert_cmpint (turn_connect_tls_read (pair.client, text, sizeof text, &got, NULL), ==,
                       TURN_CONNECT_IO_OK);
      g_assert_cmpint (turn_connect_tls_read (pair.client, text, sizeof text, &got, NULL), ==,
                       TURN_CONNECT_IO_BLOCKED);
      turn_connect_tls_write (pair.client, packet, sizeof packet, NULL);
      if (round >= 10)
        n_ours += n_allocations - before;
      tls_hands_move (pair.client, pair.peer, 100000);
      g_assert_cmpint (tls_peer_read (pair.peer, text, sizeof text), ==, sizeof packet);
    }
    g_assert_cmpuint (n_ours, ==, 0);
    pair_clear (&pair);
  }
}

static void
test_renegotiation_is_declined (void)
{
  Pair pair;
  char text[10];
  gsize got = 0;

  pair_open (&pair, TLS_PEER_ONLY_TLS12);
  tls_peer_renegotiate (pair.peer);
  tls_hands_move (pair.client, pair.peer, 1000);
  g_assert_cmpint (turn_connect_tls_read (pair.client, text, sizeof text, &got, NULL), !=,
                   TURN_CONNECT_IO_OK);
  tls_hands_move (pair.client, pair.peer, 1000);
  tls_peer_step (pair.peer);
  /* No second ClientHello: at most an alert of a few octets went out. */
  g_assert_cmpint (tls_peer_read (pair.peer, text, sizeof text), <=, 0);
  pair_clear (&pair);
}

static void
test_key_updates_are_followed (void)
{
  Pair pair;

  pair_open (&pair, TLS_PEER_NORMAL);
  for (int i = 0; i < 50; i++) {
    tls_peer_update_key (pair.peer);
    tls_hands_assert_talk (pair.client, pair.peer);
  }
  pair_clear (&pair);
}

/* A peer that never reads what it makes us say cannot make us pile it up. */
static void
test_unread_answers_are_bounded (void)
{
  Pair pair;
  TurnConnectTlsBuffers *buffers;
  gsize length = 0;

  pair_open (&pair, TLS_PEER_NORMAL);
  buffers = turn_connect_tls_get_buffers (pair.client);
  for (int i = 0; i < 20000; i++) {
    guint8 *input;
    char text[10];
    gsize room, got = 0;

    tls_peer_update_key (pair.peer);
    input = turn_connect_tls_buffers_get_room (buffers, &room);
    turn_connect_tls_buffers_fed (buffers, tls_peer_take (pair.peer, input, room));
    turn_connect_tls_read (pair.client, text, sizeof text, &got, NULL);
    if (!turn_connect_tls_buffers_are_clogged (buffers))
      turn_connect_tls_write (pair.client, "x", 1, NULL);
  }
  turn_connect_tls_buffers_get_output (buffers, &length);
  g_assert_cmpuint (length, <, 100 * 1024);
  pair_clear (&pair);
}

int
main (int argc, char **argv)
{
  leave_openssl_out ();
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/tls/octets-may-come-one-by-one", test_octets_may_come_one_by_one);
  g_test_add_func ("/turn-connect/tls/both-ends-export-the-same-binding",
                   test_both_ends_export_the_same_binding);
  g_test_add_func ("/turn-connect/tls/tls12-without-extended-master-secret-binds-nothing",
                   test_tls12_without_extended_master_secret_binds_nothing);
  g_test_add_func ("/turn-connect/tls/strangers-are-named", test_strangers_are_named);
  g_test_add_func ("/turn-connect/tls/old-tls-is-refused", test_old_tls_is_refused);
  g_test_add_func ("/turn-connect/tls/no-damaged-flight-passes", test_no_damaged_flight_passes);
  g_test_add_func ("/turn-connect/tls/cut-is-told-from-end", test_cut_is_told_from_end);
  g_test_add_func ("/turn-connect/tls/each-write-is-one-record", test_each_write_is_one_record);
  g_test_add_func ("/turn-connect/tls/packets-pass-without-allocation-of-ours",
                   test_packets_pass_without_allocation_of_ours);
  g_test_add_func ("/turn-connect/tls/renegotiation-is-declined", test_renegotiation_is_declined);
  g_test_add_func ("/turn-connect/tls/key-updates-are-followed", test_key_updates_are_followed);
  g_test_add_func ("/turn-connect/tls/unread-answers-are-bounded", test_unread_answers_are_bounded);
  return g_test_run ();
}
