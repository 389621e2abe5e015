/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls-peer.h"

#include "turn-connect/tls-options-private.h"
#include "turn-connect/tls.h"

#include <glib/gstdio.h>
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

static TlsPeerIdentity *authority;
static char *authority_path;

static TlsPeerIdentity *
make_identity (const char *names)
{
  TlsPeerSpec spec = { .common_name = "server.test", .names = names, .signer = authority };

  return tls_peer_identity_new (&spec);
}

static TurnConnectTlsOptions *
make_options (void)
{
  TurnConnectTlsOptions *options = turn_connect_tls_options_new ();
  g_autoptr (GError) error = NULL;

  turn_connect_tls_options_set_ca_file (options, authority_path, &error);
  g_assert_no_error (error);
  return options;
}

static TurnConnectTls *
make_client (TurnConnectTlsOptions *options, const char *name)
{
  g_autoptr (GError) error = NULL;
  TurnConnectTls *tls = turn_connect_tls_new (turn_connect_tls_options_get_context (options), name,
                                              "the server", &error);

  g_assert_no_error (error);
  return tls;
}

/* Moves what each side has for the other, @step octets at a time. */
static gsize
move (TurnConnectTls *client, TlsPeer *peer, gsize step)
{
  TurnConnectTlsBuffers *buffers = turn_connect_tls_get_buffers (client);
  gsize length, room, n, moved;
  const guint8 *output = turn_connect_tls_buffers_get_output (buffers, &length);
  guint8 *input;

  n = MIN (length, step);
  tls_peer_feed (peer, output, n);
  turn_connect_tls_buffers_sent (buffers, n);
  moved = n;
  input = turn_connect_tls_buffers_get_room (buffers, &room);
  n = tls_peer_take (peer, input, MIN (room, step));
  turn_connect_tls_buffers_fed (buffers, n);
  return moved + n;
}

static TurnConnectIo
shake_hands (TurnConnectTls *client, TlsPeer *peer, gsize step, GError **error)
{
  TurnConnectIo io = TURN_CONNECT_IO_BLOCKED;

  for (guint i = 0; io == TURN_CONNECT_IO_BLOCKED; i++) {
    g_assert_cmpuint (i, <, 20000);
    io = turn_connect_tls_handshake (client, error);
    move (client, peer, step);
    tls_peer_step (peer);
  }
  while (io == TURN_CONNECT_IO_OK && move (client, peer, 100000) > 0)
    tls_peer_step (peer);
  return io;
}

static void
assert_talk (TurnConnectTls *client, TlsPeer *peer)
{
  char text[100] = { 0 };
  gsize got = 0;

  g_assert_cmpint (turn_connect_tls_write (client, "ping", 4, NULL), ==, TURN_CONNECT_IO_OK);
  move (client, peer, 100000);
  g_assert_cmpint (tls_peer_read (peer, text, sizeof text), ==, 4);
  tls_peer_write (peer, "pong", 4);
  move (client, peer, 100000);
  g_assert_cmpint (turn_connect_tls_read (client, text, sizeof text, &got, NULL), ==,
                   TURN_CONNECT_IO_OK);
  g_assert_cmpuint (got, ==, 4);
  g_assert_cmpint (memcmp (text, "pong", 4), ==, 0);
  g_assert_cmpint (turn_connect_tls_read (client, text, sizeof text, &got, NULL), ==,
                   TURN_CONNECT_IO_BLOCKED);
}

static const struct {
  TlsPeerFlags flags;
  const char *version;
} versions[] = { { TLS_PEER_NORMAL, "TLSv1.3" }, { TLS_PEER_ONLY_TLS12, "TLSv1.2" } };

static void
test_octets_may_come_one_by_one (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  g_autofree char *pin = tls_peer_identity_get_pin (identity);

  for (gsize i = 0; i < G_N_ELEMENTS (versions); i++) {
    g_autoptr (TurnConnectTlsOptions) options = make_options ();
    g_autoptr (TlsPeer) peer = tls_peer_new (identity, versions[i].flags);
    TurnConnectTls *client = make_client (options, "server.test");
    const TurnConnectTlsInfo *info;
    g_autoptr (GString) spki = g_string_new (NULL);

    g_assert_null (turn_connect_tls_get_info (client));
    g_assert_cmpint (shake_hands (client, peer, 1, NULL), ==, TURN_CONNECT_IO_OK);
    assert_talk (client, peer);
    info = turn_connect_tls_get_info (client);
    g_assert_cmpstr (info->version, ==, versions[i].version);
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
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  guint8 before[32] = { 0 };

  for (gsize i = 0; i < G_N_ELEMENTS (versions); i++) {
    g_autoptr (TurnConnectTlsOptions) options = make_options ();
    g_autoptr (TlsPeer) peer = tls_peer_new (identity, versions[i].flags);
    TurnConnectTls *client = make_client (options, "server.test");
    guint8 ours[32], theirs[32];

    g_assert_false (turn_connect_tls_export_binding (client, ours));
    g_assert_cmpint (shake_hands (client, peer, 1000, NULL), ==, TURN_CONNECT_IO_OK);
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
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  g_autoptr (TurnConnectTlsOptions) options = make_options ();
  g_autoptr (TlsPeer) peer = tls_peer_new (identity, TLS_PEER_ONLY_TLS12 | TLS_PEER_NO_EMS);
  TurnConnectTls *client = make_client (options, "server.test");
  guint8 binding[32];

  g_assert_cmpint (shake_hands (client, peer, 1000, NULL), ==, TURN_CONNECT_IO_OK);
  g_assert_false (turn_connect_tls_export_binding (client, binding));
  turn_connect_tls_free (client);
}

/* Certificates. */

typedef struct {
  const char *name;   /* of the row */
  const char *wanted; /* what the client connects to */
  const char *names;  /* of the certificate */
  int from_s;
  int to_s;
  enum {
    BY_AUTHORITY,
    BY_ITSELF,
    BY_STRANGER
  } signer;
  gint code; /* -1: accepted */
  const char *words;
} Certificate;

#define NAME TURN_CONNECT_ERROR_TLS_NAME
#define EXPIRED TURN_CONNECT_ERROR_TLS_EXPIRED
#define UNTRUSTED TURN_CONNECT_ERROR_TLS_UNTRUSTED

/* clang-format off */
static const Certificate certificates[] = {
  { "good", "server.test", "DNS:server.test", 0, 0, BY_AUTHORITY, -1, NULL },
  { "good-among-many", "server.test", "DNS:a.test,DNS:server.test,IP:192.0.2.1", 0, 0, BY_AUTHORITY, -1, NULL },
  { "good-wildcard", "server.test.example", "DNS:*.test.example", 0, 0, BY_AUTHORITY, -1, NULL },
  { "good-ipv4", "192.0.2.1", "IP:192.0.2.1", 0, 0, BY_AUTHORITY, -1, NULL },
  { "good-ipv6", "2001:db8::1", "IP:2001:db8::1", 0, 0, BY_AUTHORITY, -1, NULL },
  { "wrong-name", "server.test", "DNS:other.test,DNS:third.test", 0, 0, BY_AUTHORITY, NAME, "for other.test, third.test, not for server.test" },
  { "right-common-name-only", "server.test", NULL, 0, 0, BY_AUTHORITY, NAME, "for no name at all, not for server.test" },
  { "right-common-name-wrong-san", "server.test", "DNS:other.test", 0, 0, BY_AUTHORITY, NAME, "other.test" },
  { "wildcard-of-another-depth", "a.b.test", "DNS:*.test", 0, 0, BY_AUTHORITY, NAME, "*.test" },
  { "wildcard-in-a-part", "server.test.example", "DNS:se*.test.example", 0, 0, BY_AUTHORITY, NAME, "se*" },
  { "wildcard-alone", "server.test", "DNS:*", 0, 0, BY_AUTHORITY, NAME, "*" },
  { "parent-name", "server.test", "DNS:test", 0, 0, BY_AUTHORITY, NAME, "for test" },
  { "address-as-dns-name", "192.0.2.1", "DNS:192.0.2.1", 0, 0, BY_AUTHORITY, NAME, "for 192.0.2.1 as a name, not for 192.0.2.1" },
  { "address-as-common-name-only", "192.0.2.1", NULL, 0, 0, BY_AUTHORITY, NAME, "for no name at all, not for 192.0.2.1" },
  { "address-by-wildcard", "192.0.2.1", "DNS:*.0.2.1", 0, 0, BY_AUTHORITY, NAME, "not for 192.0.2.1" },
  { "another-address", "192.0.2.1", "IP:192.0.2.2,IP:2001:db8::1", 0, 0, BY_AUTHORITY, NAME, "for 192.0.2.2, 2001:db8::1, not" },
  { "name-for-an-address", "server.test", "IP:192.0.2.1", 0, 0, BY_AUTHORITY, NAME, "192.0.2.1" },
  { "expired", "server.test", "DNS:server.test", -7200, -60, BY_AUTHORITY, EXPIRED, "expired on 20" },
  { "not-yet-valid", "server.test", "DNS:server.test", 600, 7200, BY_AUTHORITY, EXPIRED, "valid only from 20" },
  { "self-signed", "server.test", "DNS:server.test", 0, 0, BY_ITSELF, UNTRUSTED, "self-signed" },
  { "unknown-issuer", "server.test", "DNS:server.test", 0, 0, BY_STRANGER, UNTRUSTED, "issued by CN = Stranger, which nobody here trusts" },
};
/* clang-format on */

static TlsPeerIdentity *
identity_of (const Certificate *row)
{
  TlsPeerSpec stranger_spec = { .common_name = "Stranger", .is_authority = TRUE };
  g_autoptr (TlsPeerIdentity) stranger = tls_peer_identity_new (&stranger_spec);
  TlsPeerSpec spec = {
    .common_name = row->wanted, .names = row->names, .from_s = row->from_s, .to_s = row->to_s
  };

  if (row->signer == BY_AUTHORITY)
    spec.signer = authority;
  if (row->signer == BY_STRANGER)
    spec.signer = stranger;
  return tls_peer_identity_new (&spec);
}

static void
test_certificate (gconstpointer data)
{
  const Certificate *row = data;
  g_autoptr (TlsPeerIdentity) identity = identity_of (row);

  for (gsize i = 0; i < G_N_ELEMENTS (versions); i++) {
    g_autoptr (TurnConnectTlsOptions) options = make_options ();
    g_autoptr (TlsPeer) peer = tls_peer_new (identity, versions[i].flags);
    TurnConnectTls *client = make_client (options, row->wanted);
    g_autoptr (GError) error = NULL;
    TurnConnectIo io = shake_hands (client, peer, 1000, &error);

    if (row->code < 0) {
      g_assert_no_error (error);
      g_assert_cmpint (io, ==, TURN_CONNECT_IO_OK);
      assert_talk (client, peer);
    } else {
      gsize alert;

      g_assert_cmpint (io, ==, TURN_CONNECT_IO_FAILED);
      g_assert_error (error, TURN_CONNECT_ERROR, row->code);
      g_test_message ("%s", error->message);
      g_assert_nonnull (strstr (error->message, row->words));
      g_assert_null (turn_connect_tls_get_info (client));
      g_assert_cmpint (turn_connect_tls_write (client, "x", 1, NULL), ==, TURN_CONNECT_IO_FAILED);
      turn_connect_tls_buffers_get_output (turn_connect_tls_get_buffers (client), &alert);
      g_assert_cmpuint (alert, <=, 64);
    }
    turn_connect_tls_free (client);
  }
}

static void
test_nothing_of_ours_means_the_systems_trust (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  g_autoptr (TurnConnectTlsOptions) options = turn_connect_tls_options_new ();
  g_autoptr (TlsPeer) peer = tls_peer_new (identity, TLS_PEER_NORMAL);
  TurnConnectTls *client = make_client (options, "server.test");
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (shake_hands (client, peer, 1000, &error), ==, TURN_CONNECT_IO_FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, UNTRUSTED);
  turn_connect_tls_free (client);
}

static void
test_unreadable_trust_trusts_nobody (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  g_autoptr (TurnConnectTlsOptions) options = make_options ();
  g_autoptr (TlsPeer) peer = tls_peer_new (identity, TLS_PEER_NORMAL);
  TurnConnectTls *client;
  g_autoptr (GError) error = NULL;

  g_assert_false (turn_connect_tls_options_set_ca_file (options, "/nonexistent.pem", &error));
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
  g_assert_cmpstr (error->message, ==,
                   "/nonexistent.pem: no certificates to trust can be read: "
                   "No such file or directory");
  g_clear_error (&error);
  client = make_client (options, "server.test");
  g_assert_cmpint (shake_hands (client, peer, 1000, &error), ==, TURN_CONNECT_IO_FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, UNTRUSTED);
  turn_connect_tls_free (client);
}

static const struct {
  gboolean is_right; /* the pin */
  gboolean is_alone; /* pins only, with a self-signed certificate for another name */
  gint code;
} pins[] = {
  { TRUE, FALSE, -1 },
  { FALSE, FALSE, TURN_CONNECT_ERROR_TLS_PIN },
  { TRUE, TRUE, -1 },
  { FALSE, TRUE, TURN_CONNECT_ERROR_TLS_PIN },
};

static void
test_pins_add_to_the_chain_or_replace_it (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (pins); i++) {
    TlsPeerSpec alone = { .common_name = "x", .names = "DNS:other.test" };
    g_autoptr (TlsPeerIdentity) identity =
        pins[i].is_alone ? tls_peer_identity_new (&alone) : make_identity ("DNS:server.test");
    g_autoptr (TlsPeerIdentity) other = make_identity (NULL);
    g_autofree char *pin = tls_peer_identity_get_pin (pins[i].is_right ? identity : other);
    g_autoptr (TurnConnectTlsOptions) options = make_options ();
    g_autoptr (TlsPeer) peer = tls_peer_new (identity, TLS_PEER_NORMAL);
    TurnConnectTls *client;
    g_autoptr (GError) error = NULL;

    g_assert_true (turn_connect_tls_options_add_pin (options, pin, NULL));
    turn_connect_tls_options_set_pins_only (options, pins[i].is_alone);
    client = make_client (options, "server.test");
    shake_hands (client, peer, 1000, &error);
    if (pins[i].code < 0) {
      g_assert_no_error (error);
      assert_talk (client, peer);
      g_assert_cmpint (turn_connect_tls_get_info (client)->is_pinned_only, ==, pins[i].is_alone);
    } else
      g_assert_error (error, TURN_CONNECT_ERROR, pins[i].code);
    turn_connect_tls_free (client);
  }
}

static void
test_right_pin_does_not_excuse_a_wrong_name (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:other.test");
  g_autofree char *pin = tls_peer_identity_get_pin (identity);
  g_autoptr (TurnConnectTlsOptions) options = make_options ();
  g_autoptr (TlsPeer) peer = tls_peer_new (identity, TLS_PEER_NORMAL);
  TurnConnectTls *client;
  g_autoptr (GError) error = NULL;

  g_assert_true (turn_connect_tls_options_add_pin (options, pin, NULL));
  client = make_client (options, "server.test");
  g_assert_cmpint (shake_hands (client, peer, 1000, &error), ==, TURN_CONNECT_IO_FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, NAME);
  turn_connect_tls_free (client);
}

static void
test_options_are_checked_as_they_are_set (void)
{
  static const char *const bad_pins[] = { "", "abc", "zz", "sha256//AAAA",
                                          "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==" };
  g_autoptr (TurnConnectTlsOptions) options = turn_connect_tls_options_new ();
  g_autofree char *key_path = NULL;
  g_autofree char *path = tls_peer_identity_write (authority, &key_path);
  g_autofree char *long_name = g_strnfill (256, 'a');
  const char *const long_list[] = { long_name, NULL };
  const char *const empty_name[] = { "", NULL };
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (bad_pins); i++)
    g_assert_false (turn_connect_tls_options_add_pin (options, bad_pins[i], NULL));
  g_assert_true (turn_connect_tls_options_add_pin (
      options, "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", NULL));
  g_assert_false (turn_connect_tls_options_set_alpn (options, long_list, NULL));
  g_assert_false (turn_connect_tls_options_set_alpn (options, empty_name, NULL));
  g_assert_false (turn_connect_tls_options_set_server_name (options, "a\r\nb", NULL));
  g_assert_false (turn_connect_tls_options_set_certificate (options, key_path, path, NULL));
  g_assert_false (turn_connect_tls_options_set_certificate (options, path, path, &error));
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
  g_assert_true (turn_connect_tls_options_set_certificate (options, path, key_path, NULL));
  g_unlink (path);
  g_unlink (key_path);
}

static void
test_pins_only_without_a_pin_is_refused (void)
{
  g_autoptr (TurnConnectTlsOptions) options = turn_connect_tls_options_new ();
  g_autoptr (GError) error = NULL;

  turn_connect_tls_options_set_pins_only (options, TRUE);
  g_assert_null (turn_connect_tls_new (turn_connect_tls_options_get_context (options),
                                       "server.test", "the server", &error));
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
}

/* Peers that are no TLS server, or a bad one. */

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
    g_autoptr (TurnConnectTlsOptions) options = make_options ();
    TurnConnectTls *client = make_client (options, "server.test");
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
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  g_autoptr (TurnConnectTlsOptions) options = make_options ();
  g_autoptr (TlsPeer) peer = tls_peer_new (identity, TLS_PEER_ONLY_TLS11);
  TurnConnectTls *client = make_client (options, "server.test");
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (shake_hands (client, peer, 1000, &error), ==, TURN_CONNECT_IO_FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TLS_FAILED);
  g_assert_nonnull (strstr (error->message, "1.2"));
  turn_connect_tls_free (client);
}

/* The server's first flight, cut off or bent at every octet, never makes a connection. */
static void
test_no_damaged_flight_passes (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  g_autoptr (TurnConnectTlsOptions) options = make_options ();
  gsize length = 1;

  for (gsize at = 0; at < 2 * length; at++) {
    g_autoptr (TlsPeer) peer = tls_peer_new (identity, TLS_PEER_NORMAL);
    TurnConnectTls *client = make_client (options, "server.test");
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

/* Once it is up. */

typedef struct {
  TlsPeerIdentity *identity;
  TurnConnectTlsOptions *options;
  TlsPeer *peer;
  TurnConnectTls *client;
} Pair;

static void
pair_open (Pair *pair, TlsPeerFlags flags)
{
  pair->identity = make_identity ("DNS:server.test");
  pair->options = make_options ();
  pair->peer = tls_peer_new (pair->identity, flags);
  pair->client = make_client (pair->options, "server.test");
  g_assert_cmpint (shake_hands (pair->client, pair->peer, 1000, NULL), ==, TURN_CONNECT_IO_OK);
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
      move (pair.client, pair.peer, 1000);
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

  for (gsize i = 0; i < G_N_ELEMENTS (versions); i++) {
    Pair pair;
    guint n_ours = 0;

    pair_open (&pair, versions[i].flags);
    for (int round = 0; round < 200; round++) {
      gsize got = 0;
      guint before;

      tls_peer_write (pair.peer, packet, sizeof packet);
      move (pair.client, pair.peer, 100000);
      before = n_allocations;
      g_assert_cmpint (turn_connect_tls_read (pair.client, text, sizeof text, &got, NULL), ==,
                       TURN_CONNECT_IO_OK);
      g_assert_cmpint (turn_connect_tls_read (pair.client, text, sizeof text, &got, NULL), ==,
                       TURN_CONNECT_IO_BLOCKED);
      turn_connect_tls_write (pair.client, packet, sizeof packet, NULL);
      if (round >= 10)
        n_ours += n_allocations - before;
      move (pair.client, pair.peer, 100000);
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
  move (pair.client, pair.peer, 1000);
  g_assert_cmpint (turn_connect_tls_read (pair.client, text, sizeof text, &got, NULL), !=,
                   TURN_CONNECT_IO_OK);
  move (pair.client, pair.peer, 1000);
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
    assert_talk (pair.client, pair.peer);
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
  TlsPeerSpec spec = { .common_name = "Authority", .is_authority = TRUE };
  int result;

  leave_openssl_out ();
  g_test_init (&argc, &argv, NULL);
  authority = tls_peer_identity_new (&spec);
  authority_path = tls_peer_identity_write (authority, NULL);
  g_test_add_func ("/turn-connect/tls/octets-may-come-one-by-one", test_octets_may_come_one_by_one);
  g_test_add_func ("/turn-connect/tls/both-ends-export-the-same-binding",
                   test_both_ends_export_the_same_binding);
  g_test_add_func ("/turn-connect/tls/tls12-without-extended-master-secret-binds-nothing",
                   test_tls12_without_extended_master_secret_binds_nothing);
  for (gsize i = 0; i < G_N_ELEMENTS (certificates); i++) {
    g_autofree char *path =
        g_strconcat ("/turn-connect/tls/certificate/", certificates[i].name, NULL);

    g_test_add_data_func (path, &certificates[i], test_certificate);
  }
  g_test_add_func ("/turn-connect/tls/nothing-of-ours-means-the-systems-trust",
                   test_nothing_of_ours_means_the_systems_trust);
  g_test_add_func ("/turn-connect/tls/unreadable-trust-trusts-nobody",
                   test_unreadable_trust_trusts_nobody);
  g_test_add_func ("/turn-connect/tls/pins-add-to-the-chain-or-replace-it",
                   test_pins_add_to_the_chain_or_replace_it);
  g_test_add_func ("/turn-connect/tls/right-pin-does-not-excuse-a-wrong-name",
                   test_right_pin_does_not_excuse_a_wrong_name);
  g_test_add_func ("/turn-connect/tls/options-are-checked-as-they-are-set",
                   test_options_are_checked_as_they_are_set);
  g_test_add_func ("/turn-connect/tls/pins-only-without-a-pin-is-refused",
                   test_pins_only_without_a_pin_is_refused);
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
  result = g_test_run ();
  g_unlink (authority_path);
  g_free (authority_path);
  tls_peer_identity_free (authority);
  return result;
}
