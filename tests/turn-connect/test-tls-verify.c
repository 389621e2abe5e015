/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls-hands.h"

#include "turn-connect/tls-options-private.h"

#include <glib/gstdio.h>
#include <string.h>

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
    spec.signer = tls_peer_authority ();
  if (row->signer == BY_STRANGER)
    spec.signer = stranger;
  return tls_peer_identity_new (&spec);
}

static void
test_certificate (gconstpointer data)
{
  const Certificate *row = data;
  g_autoptr (TlsPeerIdentity) identity = identity_of (row);

  for (gsize i = 0; i < G_N_ELEMENTS (tls_hands_versions); i++) {
    g_autoptr (TurnConnectTlsOptions) options = tls_hands_options ();
    g_autoptr (TlsPeer) peer = tls_peer_new (identity, tls_hands_versions[i].flags);
    TurnConnectTls *client = tls_hands_client (options, row->wanted);
    g_autoptr (GError) error = NULL;
    TurnConnectIo io = tls_hands_shake (client, peer, 1000, &error);

    if (row->code < 0) {
      g_assert_no_error (error);
      g_assert_cmpint (io, ==, TURN_CONNECT_IO_OK);
      tls_hands_assert_talk (client, peer);
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
  g_autoptr (TlsPeerIdentity) identity = tls_hands_identity ("DNS:server.test");
  g_autoptr (TurnConnectTlsOptions) options = turn_connect_tls_options_new ();
  g_autoptr (TlsPeer) peer = tls_peer_new (identity, TLS_PEER_NORMAL);
  TurnConnectTls *client = tls_hands_client (options, "server.test");
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (tls_hands_shake (client, peer, 1000, &error), ==, TURN_CONNECT_IO_FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, UNTRUSTED);
  turn_connect_tls_free (client);
}

static void
test_unreadable_trust_trusts_nobody (void)
{
  g_autoptr (TlsPeerIdentity) identity = tls_hands_identity ("DNS:server.test");
  g_autoptr (TurnConnectTlsOptions) options = tls_hands_options ();
  g_autoptr (TlsPeer) peer = tls_peer_new (identity, TLS_PEER_NORMAL);
  TurnConnectTls *client;
  g_autoptr (GError) error = NULL;

  g_assert_false (turn_connect_tls_options_set_ca_file (options, "/nonexistent.pem", &error));
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
  g_assert_cmpstr (error->message, ==,
                   "/nonexistent.pem: no certificates to trust can be read: "
                   "No such file or directory");
  g_clear_error (&error);
  client = tls_hands_client (options, "server.test");
  g_assert_cmpint (tls_hands_shake (client, peer, 1000, &error), ==, TURN_CONNECT_IO_FAILED);
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
        pins[i].is_alone ? tls_peer_identity_new (&alone) : tls_hands_identity ("DNS:server.test");
    g_autoptr (TlsPeerIdentity) other = tls_hands_identity (NULL);
    g_autofree char *pin = tls_peer_identity_get_pin (pins[i].is_right ? identity : other);
    g_autoptr (TurnConnectTlsOptions) options = tls_hands_options ();
    g_autoptr (TlsPeer) peer = tls_peer_new (identity, TLS_PEER_NORMAL);
    TurnConnectTls *client;
    g_autoptr (GError) error = NULL;

    g_assert_true (turn_connect_tls_options_add_pin (options, pin, NULL));
    turn_connect_tls_options_set_pins_only (options, pins[i].is_alone);
    client = tls_hands_client (options, "server.test");
    tls_hands_shake (client, peer, 1000, &error);
    if (pins[i].code < 0) {
      g_assert_no_error (error);
      tls_hands_assert_talk (client, peer);
      g_assert_cmpint (turn_connect_tls_get_info (client)->is_pinned_only, ==, pins[i].is_alone);
    } else
      g_assert_error (error, TURN_CONNECT_ERROR, pins[i].code);
    turn_connect_tls_free (client);
  }
}

static void
test_right_pin_does_not_excuse_a_wrong_name (void)
{
  g_autoptr (TlsPeerIdentity) identity = tls_hands_identity ("DNS:other.test");
  g_autofree char *pin = tls_peer_identity_get_pin (identity);
  g_autoptr (TurnConnectTlsOptions) options = tls_hands_options ();
  g_autoptr (TlsPeer) peer = tls_peer_new (identity, TLS_PEER_NORMAL);
  TurnConnectTls *client;
  g_autoptr (GError) error = NULL;

  g_assert_true (turn_connect_tls_options_add_pin (options, pin, NULL));
  client = tls_hands_client (options, "server.test");
  g_assert_cmpint (tls_hands_shake (client, peer, 1000, &error), ==, TURN_CONNECT_IO_FAILED);
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
  g_autofree char *path = tls_peer_identity_write (tls_peer_authority (), &key_path);
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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (certificates); i++) {
    g_autofree char *path =
        g_strconcat ("/turn-connect/tls-verify/certificate/", certificates[i].name, NULL);

    g_test_add_data_func (path, &certificates[i], test_certificate);
  }
  g_test_add_func ("/turn-connect/tls-verify/nothing-of-ours-means-the-systems-trust",
                   test_nothing_of_ours_means_the_systems_trust);
  g_test_add_func ("/turn-connect/tls-verify/unreadable-trust-trusts-nobody",
                   test_unreadable_trust_trusts_nobody);
  g_test_add_func ("/turn-connect/tls-verify/pins-add-to-the-chain-or-replace-it",
                   test_pins_add_to_the_chain_or_replace_it);
  g_test_add_func ("/turn-connect/tls-verify/right-pin-does-not-excuse-a-wrong-name",
                   test_right_pin_does_not_excuse_a_wrong_name);
  g_test_add_func ("/turn-connect/tls-verify/options-are-checked-as-they-are-set",
                   test_options_are_checked_as_they_are_set);
  g_test_add_func ("/turn-connect/tls-verify/pins-only-without-a-pin-is-refused",
                   test_pins_only_without_a_pin_is_refused);
  return g_test_run ();
}
