/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tep-c/public-address.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"
#include "turn-connect/error.h"

#define ADDRESS "203.0.113.7:4711"

/* A server on loopback, UDP and TCP on one port, in a thread. */
typedef struct {
  guint n_ignored;      /* requests by UDP to lose first */
  guint error_code;     /* answer with this, or 0 */
  const char *text;     /* say this by TCP instead of an answer */
  gsize cut;            /* by TCP, end after so many octets; 0 for all of them */
  gboolean is_hostile;  /* by UDP, say everything that is nearly an answer first */
  gboolean is_required; /* add an attribute that must be understood and is not */
  gboolean is_silent;   /* by TCP */

  int udp, tcp, stop, held;
  guint16 port;
  guint n_asked;
  GThread *thread;
} Server;

static gsize
answer (Server *server, const guint8 *request, gsize length, guint8 *buffer, gsize size)
{
  StunExtMessage message;
  StunExtBuilder builder;
  StunExtAddress address;
  gsize answer_length = 0;

  g_assert_cmpint (stun_ext_message_parse (&message, request, length), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpint (message.method, ==, STUN_EXT_METHOD_BINDING);
  g_assert_true (stun_ext_address_parse (ADDRESS, &address));
  if (server->error_code != 0) {
    stun_ext_builder_begin_error (&builder, buffer, size, &message, server->error_code);
  } else {
    stun_ext_builder_begin_success (&builder, buffer, size, &message);
    stun_ext_builder_add_xor_address (&builder, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS, &address);
  }
  if (server->is_required)
    stun_ext_builder_add_u32 (&builder, 0x7abc, 1);
  g_assert_true (stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 },
                                          TRUE, &answer_length));
  return answer_length;
}

/* Every truncation, and every octet of the head wrong. */
static void
be_hostile (int fd, const struct sockaddr_storage *to, const guint8 *right, gsize length)
{
  g_autofree guint8 *wrong = g_memdup2 (right, length);

  for (gsize n = 0; n < length; n++)
    sendto (fd, right, n, 0, (const struct sockaddr *)to, sizeof (struct sockaddr_in));
  for (gsize i = 0; i < STUN_EXT_HEADER_LENGTH; i++) {
    wrong[i] ^= 0x11;
    sendto (fd, wrong, length, 0, (const struct sockaddr *)to, sizeof (struct sockaddr_in));
    wrong[i] ^= 0x11;
  }
}

static void
serve_udp (Server *server)
{
  struct sockaddr_storage from;
  socklen_t from_length = sizeof from;
  guint8 request[512], buffer[512];
  ssize_t length =
      recvfrom (server->udp, request, sizeof request, 0, (struct sockaddr *)&from, &from_length);
  gsize answer_length;

  if (length < 0 || server->n_asked++ < server->n_ignored)
    return;
  answer_length = answer (server, request, length, buffer, sizeof buffer);
  if (server->is_hostile)
    be_hostile (server->udp, &from, buffer, answer_length);
  sendto (server->udp, buffer, answer_length, 0, (struct sockaddr *)&from, from_length);
}

static void
serve_tcp (Server *server)
{
  int fd = accept4 (server->tcp, NULL, NULL, SOCK_CLOEXEC);
  guint8 request[512], buffer[512];
  ssize_t length = recv (fd, request, sizeof request, 0);
  gsize n;

  if (server->is_silent) {
    server->held = fd;
    return;
  }
  if (server->text != NULL) {
    send (fd, server->text, strlen (server->text), MSG_NOSIGNAL);
  } else if (length > 0) {
    n = answer (server, request, length, buffer, sizeof buffer);
    if (server->cut > 0)
      n = MIN (n, server->cut);
    for (gsize i = 0; i < n; i++)
      send (fd, buffer + i, 1, MSG_NOSIGNAL);
  }
  close (fd);
}

static gpointer
serve (gpointer data)
{
  Server *server = data;
  struct pollfd fds[] = { { .fd = server->stop, .events = POLLIN },
                          { .fd = server->udp, .events = POLLIN },
                          { .fd = server->tcp, .events = POLLIN } };

  while (poll (fds, G_N_ELEMENTS (fds), -1) > 0 && fds[0].revents == 0) {
    if (fds[1].revents != 0)
      serve_udp (server);
    if (fds[2].revents != 0)
      serve_tcp (server);
  }
  return NULL;
}

static int
open_on (int type, guint16 *port)
{
  struct sockaddr_in address = { .sin_family = AF_INET,
                                 .sin_port = g_htons (*port),
                                 .sin_addr.s_addr = g_htonl (INADDR_LOOPBACK) };
  socklen_t length = sizeof address;
  int fd = socket (AF_INET, type | SOCK_CLOEXEC, 0);

  if (bind (fd, (struct sockaddr *)&address, sizeof address) != 0) {
    close (fd);
    return -1;
  }
  g_assert_cmpint (getsockname (fd, (struct sockaddr *)&address, &length), ==, 0);
  *port = g_ntohs (address.sin_port);
  return fd;
}

static void
server_start (Server *server)
{
  server->udp = server->held = -1;
  while (server->udp < 0) {
    server->port = 0;
    server->tcp = open_on (SOCK_STREAM, &server->port);
    server->udp = open_on (SOCK_DGRAM, &server->port); /* somebody may have that one */
    if (server->udp < 0)
      close (server->tcp);
  }
  g_assert_cmpint (listen (server->tcp, 4), ==, 0);
  server->stop = eventfd (0, EFD_CLOEXEC);
  server->thread = g_thread_new ("server", serve, server);
}

static void
server_stop (Server *server)
{
  g_assert_cmpint (eventfd_write (server->stop, 1), ==, 0);
  g_thread_join (server->thread);
  close (server->udp);
  close (server->tcp);
  close (server->stop);
  if (server->held >= 0)
    close (server->held);
}

static void
take_result (GObject *object, GAsyncResult *result, gpointer data)
{
  GAsyncResult **taken = data;

  *taken = g_object_ref (result);
}

static TepClientPublicAddresses *
find (guint16 port, guint timeout_ms, GError **error)
{
  TepClientPublicAddressOptions options = { "127.0.0.1", port, 0, NULL, timeout_ms };
  g_autoptr (GAsyncResult) result = NULL;

  tep_client_public_address_find_async (&options, NULL, take_result, &result);
  g_assert_null (result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return tep_client_public_address_find_finish (result, error);
}

typedef struct {
  const char *name;
  Server server;
  const char *udp; /* beginning of the cause, or NULL if it is found */
  const char *tcp;
  guint n_asked; /* at least */
} Row;

static const Row rows[] = {
  { .name = "both-transports-find-it", .n_asked = 1 },
  { .name = "lost-requests-are-repeated", .server = { .n_ignored = 1 }, .n_asked = 2 },
  { .name = "near-answers-are-passed-over", .server = { .is_hostile = TRUE }, .n_asked = 1 },
  { .name = "errors-are-told-with-their-code",
    .server = { .error_code = 500 },
    .udp = "the STUN server refused: 500 Server Error",
    .tcp = "the STUN server refused: 500 Server Error",
    .n_asked = 1 },
  { .name = "what-must-be-understood-and-is-not-spoils-the-answer",
    .server = { .is_required = TRUE },
    .udp = "the STUN server's answer names no address that can be understood",
    .tcp = "the STUN server's answer names no address that can be understood",
    .n_asked = 1 },
  { .name = "a-web-server-is-no-stun-server",
    .server = { .text = "HTTP/1.1 400 Bad Request\r\n\r\n" },
    .tcp = "what answers there is not a STUN server",
    .n_asked = 1 },
  { .name = "tcp-that-says-nothing-is-told-from-tcp-that-fails",
    .server = { .is_silent = TRUE, .n_ignored = 9 },
    .udp = "no answer by UDP within 1200 ms, asked 2 times",
    .tcp = "connected by TCP, but no answer within 1200 ms",
    .n_asked = 2 },
};

static void
assert_found (const TepClientPublicAddress *found, const char *cause)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  if (cause == NULL) {
    g_assert_no_error (found->error);
    g_assert_cmpstr (stun_ext_address_print (&found->address, text), ==, ADDRESS);
    g_assert_true (g_str_has_prefix (stun_ext_address_print (&found->local, text), "127.0.0.1:"));
  } else {
    g_assert_nonnull (found->error);
    g_assert_cmpstr (found->error->message, ==, cause);
    g_assert_cmpuint (found->address.family, ==, 0);
  }
}

static void
test_row (gconstpointer data)
{
  const Row *row = data;
  Server server = row->server;
  g_autoptr (TepClientPublicAddresses) found = NULL;
  g_autoptr (GError) error = NULL;

  server_start (&server);
  found = find (server.port, server.is_silent ? 1200 : 20000, &error);
  server_stop (&server);
  g_assert_no_error (error);
  assert_found (&found->udp, row->udp);
  assert_found (&found->tcp, row->tcp);
  g_assert_cmpuint (server.n_asked, >=, row->n_asked);
}

static void
test_truncated (void)
{
  for (gsize cut = 1; cut < 40; cut++) {
    Server server = { .cut = cut };
    g_autoptr (TepClientPublicAddresses) found = NULL;
    g_autoptr (GError) error = NULL;

    server_start (&server);
    found = find (server.port, 20000, &error);
    server_stop (&server);
    g_assert_no_error (error);
    assert_found (&found->udp, NULL);
    assert_found (&found->tcp, "the server ended the connection without an answer");
  }
}

static void
test_nobody (void)
{
  guint16 port = 0;
  int fd = open_on (SOCK_STREAM, &port); /* bound but not listening: refused */
  g_autoptr (TepClientPublicAddresses) found = NULL;
  g_autoptr (GError) error = NULL;

  found = find (port, 20000, &error);
  g_assert_no_error (error);
  g_assert_error (found->udp.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED);
  g_assert_error (found->tcp.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED);
  close (fd);
}

static void
test_cancelled (void)
{
  TepClientPublicAddressOptions options = { "127.0.0.1", 9, 0, NULL, 0 };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  tep_client_public_address_find_async (&options, cancellable, take_result, &result);
  g_cancellable_cancel (cancellable);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_null (tep_client_public_address_find_finish (result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_wrong_options (void)
{
  static const TepClientPublicAddressOptions wrong[] = {
    { "", 3478, 0, NULL, 0 },
    { "bad host", 3478, 0, NULL, 0 },
    { "127.0.0.1", 0, 0, NULL, 0 },
    { "127.0.0.1", 3478, 0, "gopher://proxy", 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (GAsyncResult) result = NULL;
    g_autoptr (GError) error = NULL;

    tep_client_public_address_find_async (&wrong[i], NULL, take_result, &result);
    while (result == NULL)
      g_main_context_iteration (NULL, TRUE);
    g_assert_null (tep_client_public_address_find_finish (result, &error));
    g_assert_nonnull (error);
    g_assert_true (error->domain == TURN_CONNECT_ERROR);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strconcat ("/tep-c/public-address/", rows[i].name, NULL);

    g_test_add_data_func (path, &rows[i], test_row);
  }
  g_test_add_func ("/tep-c/public-address/each-truncation-by-tcp-is-no-answer", test_truncated);
  g_test_add_func ("/tep-c/public-address/nobody-there-is-told-at-once", test_nobody);
  g_test_add_func ("/tep-c/public-address/a-cancelled-search-ends", test_cancelled);
  g_test_add_func ("/tep-c/public-address/wrong-options-are-refused", test_wrong_options);
  return g_test_run ();
}
