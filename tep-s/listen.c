/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Listening sockets. Each worker has its own on the same address (SO_REUSEPORT), so that accepting
 * needs no lock and no dispatcher.
 */
#include "tep-s/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tep-s/server.h"

#define BACKLOG 1024
#define PORT_TRIES 20 /* for a port that is free on TCP and UDP alike */

int
tep_server_open_socket (
    const StunExtAddress *address, int type, gboolean is_shared, gboolean keeps_syn, guint16 *port)
{
  struct sockaddr_storage storage;
  socklen_t length = (socklen_t)stun_ext_address_to_sockaddr (address, &storage);
  const int on = 1;
  int fd = socket (storage.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  StunExtAddress bound;

  if (fd < 0)
    return -1;
  if (type == SOCK_STREAM)
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (type == SOCK_STREAM && keeps_syn)
    setsockopt (fd, IPPROTO_TCP, TCP_SAVE_SYN, &on, sizeof on);
  if (is_shared)
    setsockopt (fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (address->family == 6)
    setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind (fd, (struct sockaddr *)&storage, length) != 0 ||
      (type == SOCK_STREAM && listen (fd, BACKLOG) != 0)) {
    int failure = errno;

    close (fd);
    errno = failure;
    return -1;
  }
  length = sizeof storage;
  if (getsockname (fd, (struct sockaddr *)&storage, &length) == 0 &&
      stun_ext_address_from_sockaddr (&bound, (struct sockaddr *)&storage, length))
    *port = bound.port;
  return fd;
}

static gboolean
open_for_worker (const TepServerListener *listener,
                 gboolean is_shared,
                 StunExtAddress *address,
                 GArray *tcp,
                 GArray *udp)
{
  int fd =
      tep_server_open_socket (address, SOCK_STREAM, is_shared, listener->keeps_syn, &address->port);

  if (fd < 0)
    return FALSE;
  if (listener->has_udp) {
    int datagram = tep_server_open_socket (address, SOCK_DGRAM, is_shared, listener->keeps_syn,
                                           &address->port);

    if (datagram < 0) {
      int failure = errno;

      close (fd);
      errno = failure;
      return FALSE;
    }
    g_array_append_val (udp, datagram);
  }
  g_array_append_val (tcp, fd);
  return TRUE;
}

gboolean
tep_server_listen (const TepServerListener *listener,
                   guint n,
                   GArray **tcp,
                   GArray **udp,
                   StunExtAddress *address,
                   GError **error)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  gboolean is_open = FALSE;

  for (guint i = 0; !is_open && i < PORT_TRIES; i++) {
    *address = listener->address;
    is_open = open_for_worker (listener, n > 1, address, tcp[0], udp[0]);
    if (listener->address.port != 0)
      break;
  }
  for (guint i = 1; is_open && i < n; i++)
    is_open = open_for_worker (listener, TRUE, address, tcp[i], udp[i]);
  if (!is_open)
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_LISTEN,
                 "cannot listen on %s: %s; check that the address exists and that no other program "
                 "has the port",
                 stun_ext_address_print (&listener->address, text), g_strerror (errno));
  return is_open;
}
