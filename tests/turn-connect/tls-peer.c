/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TLS servers with certificates good and bad, made while the test runs so that nothing in the tree
 * ever expires. Written against OpenSSL itself and not against our door to it.
 */
#include "tls-peer.h"

#include "peers.h"

#include <glib/gstdio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct _TlsPeerIdentity {
  EVP_PKEY *key;
  X509 *certificate;
  X509 *signer; /* NULL if self-signed */
};

static void
add_extension (X509 *certificate, X509 *issuer, int nid, const char *value)
{
  X509V3_CTX context;
  X509_EXTENSION *extension;

  X509V3_set_ctx (&context, issuer, certificate, NULL, NULL, 0);
  extension = X509V3_EXT_conf_nid (NULL, &context, nid, value);
  g_assert_nonnull (extension);
  X509_add_ext (certificate, extension, -1);
  X509_EXTENSION_free (extension);
}

TlsPeerIdentity *
tls_peer_identity_new (const TlsPeerSpec *spec)
{
  TlsPeerIdentity *identity = g_new0 (TlsPeerIdentity, 1);
  X509 *certificate = X509_new ();
  X509 *issuer = spec->signer != NULL ? spec->signer->certificate : certificate;

  identity->key = spec->is_rsa ? EVP_RSA_gen (2048) : EVP_EC_gen ("P-256");
  identity->certificate = certificate;
  X509_set_version (certificate, 2);
  ASN1_INTEGER_set (X509_get_serialNumber (certificate), (long)g_random_int_range (1, G_MAXINT));
  X509_gmtime_adj (X509_getm_notBefore (certificate), spec->from_s != 0 ? spec->from_s : -3600);
  X509_gmtime_adj (X509_getm_notAfter (certificate), spec->to_s != 0 ? spec->to_s : 3600);
  X509_set_pubkey (certificate, identity->key);
  X509_NAME_add_entry_by_txt (X509_get_subject_name (certificate), "CN", MBSTRING_UTF8,
                              (const guchar *)spec->common_name, -1, -1, 0);
  X509_set_issuer_name (certificate, X509_get_subject_name (issuer));
  add_extension (certificate, issuer, NID_basic_constraints,
                 spec->is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add_extension (certificate, issuer, NID_subject_key_identifier, "hash");
  if (spec->names != NULL)
    add_extension (certificate, issuer, NID_subject_alt_name, spec->names);
  g_assert_cmpint (X509_sign (certificate, spec->signer != NULL ? spec->signer->key : identity->key,
                              EVP_sha256 ()),
                   >, 0);
  if (spec->signer != NULL) {
    identity->signer = spec->signer->certificate;
    X509_up_ref (identity->signer);
  }
  return identity;
}

void
tls_peer_identity_free (TlsPeerIdentity *identity)
{
  EVP_PKEY_free (identity->key);
  X509_free (identity->certificate);
  X509_free (identity->signer);
  g_free (identity);
}

static char *
open_file (FILE **file)
{
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  int descriptor = g_file_open_tmp ("tepkit-tls-XXXXXX.pem", &path, &error);

  g_assert_no_error (error);
  *file = fdopen (descriptor, "w");
  return g_steal_pointer (&path);
}

char *
tls_peer_identity_write (const TlsPeerIdentity *identity, char **key_path)
{
  FILE *file;
  char *path = open_file (&file);

  PEM_write_X509 (file, identity->certificate);
  fclose (file);
  if (key_path != NULL) {
    *key_path = open_file (&file);
    PEM_write_PrivateKey (file, identity->key, NULL, NULL, 0, NULL, NULL);
    fclose (file);
  }
  return path;
}

char *
tls_peer_identity_get_pin (const TlsPeerIdentity *identity)
{
  unsigned char *der = NULL;
  int length = i2d_PUBKEY (identity->key, &der);
  char *pin = g_compute_checksum_for_data (G_CHECKSUM_SHA256, der, (gsize)length);

  OPENSSL_free (der);
  return pin;
}

static char *authority_path;

static void
remove_authority (void)
{
  g_unlink (authority_path);
  g_free (authority_path);
}

const TlsPeerIdentity *
tls_peer_authority (void)
{
  static TlsPeerIdentity *authority;
  TlsPeerSpec spec = { .common_name = "Test Authority", .is_authority = TRUE };

  if (authority == NULL) {
    authority = tls_peer_identity_new (&spec);
    authority_path = tls_peer_identity_write (authority, NULL);
    atexit (remove_authority);
  }
  return authority;
}

const char *
tls_peer_authority_path (void)
{
  tls_peer_authority ();
  return authority_path;
}

TlsPeerIdentity *
tls_peer_identity_signed (const char *names, int to_s)
{
  TlsPeerSpec spec = { .common_name = "server.test",
                       .names = names,
                       .from_s = -7200,
                       .to_s = to_s,
                       .signer = tls_peer_authority () };

  return tls_peer_identity_new (&spec);
}

/* In memory. */

static int
choose_tep (SSL *ssl,
            const unsigned char **chosen,
            unsigned char *length,
            const unsigned char *offered,
            unsigned int n_offered,
            void *unused)
{
  static const unsigned char tep[] = "\x05tep/1";

  if (SSL_select_next_proto ((unsigned char **)chosen, length, tep, sizeof tep - 1, offered,
                             n_offered) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *
make_context (const TlsPeerIdentity *identity, TlsPeerFlags flags)
{
  gboolean is_dtls = (flags & TLS_PEER_DATAGRAMS) != 0;
  SSL_CTX *context = SSL_CTX_new (is_dtls ? DTLS_server_method () : TLS_server_method ());

  g_assert_cmpint (SSL_CTX_use_certificate (context, identity->certificate), ==, 1);
  g_assert_cmpint (SSL_CTX_use_PrivateKey (context, identity->key), ==, 1);
  if ((flags & TLS_PEER_ONLY_TLS12) != 0)
    SSL_CTX_set_max_proto_version (context, TLS1_2_VERSION);
  if ((flags & TLS_PEER_ONLY_TLS11) != 0) {
    SSL_CTX_set_security_level (context, 0);
    SSL_CTX_set_min_proto_version (context, is_dtls ? DTLS1_VERSION : TLS1_VERSION);
    SSL_CTX_set_max_proto_version (context, is_dtls ? DTLS1_VERSION : TLS1_1_VERSION);
  }
  if ((flags & TLS_PEER_NULL) != 0) {
    SSL_CTX_set_max_proto_version (context, is_dtls ? DTLS1_2_VERSION : TLS1_2_VERSION);
    g_assert_cmpint (SSL_CTX_set_cipher_list (context, "NULL-SHA256:@SECLEVEL=0"), ==, 1);
  }
  if ((flags & TLS_PEER_NO_EMS) != 0)
    SSL_CTX_set_options (context, SSL_OP_NO_EXTENDED_MASTER_SECRET);
  if ((flags & TLS_PEER_ALPN_TEP) != 0)
    SSL_CTX_set_alpn_select_cb (context, choose_tep, NULL);
  SSL_CTX_set_session_id_context (context, (const guchar *)"tepkit", 6);
  if ((flags & TLS_PEER_WANTS_CLIENT) != 0) {
    X509_STORE_add_cert (SSL_CTX_get_cert_store (context), identity->signer);
    SSL_CTX_set_verify (context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  }
  return context;
}

struct _TlsPeer {
  SSL_CTX *context;
  SSL *ssl;
  BIO *in;
  BIO *out;
};

TlsPeer *
tls_peer_new (const TlsPeerIdentity *identity, TlsPeerFlags flags)
{
  TlsPeer *peer = g_new0 (TlsPeer, 1);

  peer->context = make_context (identity, flags);
  peer->ssl = SSL_new (peer->context);
  peer->in = BIO_new (BIO_s_mem ());
  peer->out = BIO_new (BIO_s_mem ());
  SSL_set_bio (peer->ssl, peer->in, peer->out);
  SSL_set_accept_state (peer->ssl);
  return peer;
}

void
tls_peer_free (TlsPeer *peer)
{
  SSL_free (peer->ssl);
  SSL_CTX_free (peer->context);
  ERR_clear_error ();
  g_free (peer);
}

void
tls_peer_feed (TlsPeer *peer, const guint8 *data, gsize length)
{
  if (length > 0)
    g_assert_cmpint (BIO_write (peer->in, data, (int)length), ==, (int)length);
}

void
tls_peer_step (TlsPeer *peer)
{
  SSL_do_handshake (peer->ssl);
  ERR_clear_error ();
}

gsize
tls_peer_take (TlsPeer *peer, guint8 *data, gsize size)
{
  int n = BIO_read (peer->out, data, (int)size);

  return n > 0 ? (gsize)n : 0;
}

gssize
tls_peer_read (TlsPeer *peer, void *data, gsize size)
{
  int n = SSL_read (peer->ssl, data, (int)size);

  ERR_clear_error ();
  return n;
}

void
tls_peer_write (TlsPeer *peer, const void *data, gsize length)
{
  g_assert_cmpint (SSL_write (peer->ssl, data, (int)length), ==, (int)length);
}

void
tls_peer_close (TlsPeer *peer)
{
  SSL_shutdown (peer->ssl);
}

void
tls_peer_renegotiate (TlsPeer *peer)
{
  g_assert_cmpint (SSL_renegotiate (peer->ssl), ==, 1);
  SSL_do_handshake (peer->ssl);
  ERR_clear_error ();
}

void
tls_peer_update_key (TlsPeer *peer)
{
  g_assert_cmpint (SSL_key_update (peer->ssl, SSL_KEY_UPDATE_REQUESTED), ==, 1);
  SSL_do_handshake (peer->ssl);
}

static void
export_binding (SSL *ssl, guint8 binding[32])
{
  static const char label[] = "EXPORTER-Channel-Binding";

  g_assert_cmpint (SSL_export_keying_material (ssl, binding, 32, label, strlen (label),
                                               (const guchar *)"", 0, 1),
                   ==, 1);
}

void
tls_peer_export (TlsPeer *peer, guint8 binding[32])
{
  export_binding (peer->ssl, binding);
}

/* In a thread. */

struct _TlsPeerServer {
  SSL_CTX *context;
  TlsPeerFlags flags;
  int listener;
  guint16 forward_to;
  GMutex lock;
  GCond may_read_changed;
  gboolean may_read;
  int is_over; /* atomic; for datagrams */
  TlsPeerReport report;
  GThread *thread;
};

static void
wait_for_reading (TlsPeerServer *server)
{
  gint64 until = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;

  g_mutex_lock (&server->lock);
  while (!server->may_read && g_cond_wait_until (&server->may_read_changed, &server->lock, until))
    continue;
  g_mutex_unlock (&server->lock);
}

static void
note_handshake (TlsPeerServer *server, SSL *ssl)
{
  const char *sni = SSL_get_servername (ssl, TLSEXT_NAMETYPE_host_name);
  X509 *client = SSL_get0_peer_certificate (ssl);

  server->report.n_handshakes++;
  if (SSL_session_reused (ssl))
    server->report.n_resumed++;
  g_strlcpy (server->report.sni, sni != NULL ? sni : "", sizeof server->report.sni);
  if (client != NULL)
    X509_NAME_get_text_by_NID (X509_get_subject_name (client), NID_commonName,
                               server->report.client, sizeof server->report.client);
  export_binding (ssl, server->report.binding);
}

static void
echo (TlsPeerServer *server, SSL *ssl)
{
  char buffer[16384];
  int n;

  if ((server->flags & TLS_PEER_READS_LATE) != 0)
    wait_for_reading (server);
  while ((n = SSL_read (ssl, buffer, sizeof buffer)) > 0) {
    server->report.n_octets += (gsize)n;
    if ((server->flags & TLS_PEER_CUTS) != 0)
      return;
    SSL_write (ssl, buffer, n);
  }
  SSL_shutdown (ssl);
}

/* Until the client closes, or the test does. */
static void
echo_datagrams (TlsPeerServer *server, SSL *ssl)
{
  char buffer[16384];
  int n;

  do {
    n = SSL_read (ssl, buffer, sizeof buffer);
    if (n > 0) {
      server->report.n_octets += (gsize)n;
      SSL_write (ssl, buffer, n);
    }
  } while (!g_atomic_int_get (&server->is_over) &&
           (n > 0 || SSL_get_error (ssl, n) == SSL_ERROR_WANT_READ));
  SSL_shutdown (ssl);
}

static int
connect_to (guint16 port)
{
  struct sockaddr_storage native;
  g_autoptr (GSocketAddress) address =
      g_inet_socket_address_new_from_string (peers_address (), port);
  int descriptor = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_socket_address_to_native (address, &native, sizeof native, NULL);
  g_assert_no_errno (connect (descriptor, (struct sockaddr *)&native,
                              (socklen_t)g_socket_address_get_native_size (address)));
  return descriptor;
}

static void
pass_octets (SSL *ssl, int client, int onward)
{
  char buffer[16384];

  for (;;) {
    struct pollfd look[2] = { { client, POLLIN, 0 }, { onward, POLLIN, 0 } };
    int n;

    if (SSL_pending (ssl) == 0 && poll (look, 2, 10000) <= 0)
      return;
    if (SSL_pending (ssl) > 0 || look[0].revents != 0) {
      n = SSL_read (ssl, buffer, sizeof buffer);
      if (n <= 0 || send (onward, buffer, (size_t)n, MSG_NOSIGNAL) != n)
        return;
    }
    if (look[1].revents != 0) {
      n = (int)recv (onward, buffer, sizeof buffer, 0);
      if (n <= 0 || SSL_write (ssl, buffer, n) != n)
        return;
    }
  }
}

static void
be_proxy (TlsPeerServer *server, SSL *ssl, int client)
{
  static const char answer[] = "HTTP/1.1 200 OK\r\n\r\n";
  g_autoptr (GString) request = g_string_new (NULL);
  char octet;
  int onward;

  while (!g_str_has_suffix (request->str, "\r\n\r\n")) {
    if (SSL_read (ssl, &octet, 1) != 1)
      return;
    g_string_append_c (request, octet);
  }
  server->report.n_octets += request->len;
  SSL_write (ssl, answer, (int)strlen (answer));
  onward = connect_to (server->forward_to);
  pass_octets (ssl, client, onward);
  close (onward);
}

/* One client after the other: the socket is connected to whoever sends first. */
static gpointer
datagram_thread (gpointer data)
{
  TlsPeerServer *server = data;
  struct sockaddr nobody = { .sa_family = AF_UNSPEC };
  struct sockaddr_storage from;
  socklen_t length;
  char octet;
  struct timeval limit = { .tv_usec = 100 * 1000 };

  setsockopt (server->listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  while (!g_atomic_int_get (&server->is_over)) {
    SSL *ssl;
    BIO *bio;

    length = sizeof from;
    if (recvfrom (server->listener, &octet, 1, MSG_PEEK, (struct sockaddr *)&from, &length) < 0)
      continue;
    ssl = SSL_new (server->context);
    bio = BIO_new_dgram (server->listener, BIO_NOCLOSE);
    connect (server->listener, (struct sockaddr *)&from, length);
    BIO_ctrl (bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &from);
    BIO_ctrl (bio, BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
    SSL_set_bio (ssl, bio, bio);
    while (SSL_accept (ssl) < 0 && !g_atomic_int_get (&server->is_over) &&
           SSL_get_error (ssl, -1) == SSL_ERROR_WANT_READ)
      DTLSv1_handle_timeout (ssl);
    if (SSL_is_init_finished (ssl)) {
      note_handshake (server, ssl);
      echo_datagrams (server, ssl);
    }
    ERR_clear_error ();
    SSL_free (ssl);
    connect (server->listener, &nobody, sizeof nobody);
  }
  return NULL;
}

static gpointer
server_thread (gpointer data)
{
  TlsPeerServer *server = data;
  struct timeval limit = { .tv_sec = 10 };
  sigset_t pipe_signal;
  int client;

  /* OpenSSL writes to sockets whose other end has left. */
  sigemptyset (&pipe_signal);
  sigaddset (&pipe_signal, SIGPIPE);
  pthread_sigmask (SIG_BLOCK, &pipe_signal, NULL);
  while ((client = accept (server->listener, NULL, NULL)) >= 0) {
    SSL *ssl = SSL_new (server->context);

    setsockopt (client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt (client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    SSL_set_fd (ssl, client);
    if (SSL_accept (ssl) == 1) {
      note_handshake (server, ssl);
      if (server->forward_to != 0)
        be_proxy (server, ssl, client);
      else
        echo (server, ssl);
    }
    ERR_clear_error ();
    SSL_free (ssl);
    close (client);
  }
  return NULL;
}

TlsPeerServer *
tls_peer_server_new (const TlsPeerIdentity *identity, TlsPeerFlags flags, guint16 *port)
{
  TlsPeerServer *server = g_new0 (TlsPeerServer, 1);

  server->context = make_context (identity, flags);
  server->flags = flags;
  g_mutex_init (&server->lock);
  g_cond_init (&server->may_read_changed);
  if ((flags & TLS_PEER_DATAGRAMS) != 0) {
    server->listener = support_bind_datagrams (peers_address (), port);
    server->thread = g_thread_new ("dtls-server", datagram_thread, server);
    return server;
  }
  server->listener = support_listen (peers_address (), 16, port);
  server->thread = g_thread_new ("tls-server", server_thread, server);
  return server;
}

TlsPeerServer *
tls_peer_server_new_proxy (const TlsPeerIdentity *identity, guint16 forward_to, guint16 *port)
{
  TlsPeerServer *server = g_new0 (TlsPeerServer, 1);

  server->context = make_context (identity, TLS_PEER_NORMAL);
  server->forward_to = forward_to;
  server->listener = support_listen (peers_address (), 16, port);
  g_mutex_init (&server->lock);
  g_cond_init (&server->may_read_changed);
  server->thread = g_thread_new ("tls-proxy", server_thread, server);
  return server;
}

void
tls_peer_server_read_now (TlsPeerServer *server)
{
  g_mutex_lock (&server->lock);
  server->may_read = TRUE;
  g_cond_signal (&server->may_read_changed);
  g_mutex_unlock (&server->lock);
}

void
tls_peer_server_free (TlsPeerServer *server, TlsPeerReport *report)
{
  tls_peer_server_read_now (server);
  g_atomic_int_set (&server->is_over, 1);
  if ((server->flags & TLS_PEER_DATAGRAMS) == 0)
    shutdown (server->listener, SHUT_RDWR);
  g_thread_join (server->thread);
  close (server->listener);
  SSL_CTX_free (server->context);
  g_mutex_clear (&server->lock);
  g_cond_clear (&server->may_read_changed);
  if (report != NULL)
    *report = server->report;
  g_free (server);
}
