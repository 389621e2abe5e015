/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection whose local address went away with its network dies in silence; TCP would notice
 * after many seconds. The kernel tells of the change at once. */
#include "turn-connect/network-watch.h"

#include <errno.h>
#include <glib-unix.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define SETTLE_MS 300 /* a change of network is a burst of messages */
#define GROUPS                                                                                     \
  (RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE)

struct _TurnConnectNetworkWatch {
  int descriptor;
  GSource *source;
  GSource *settling;
  TurnConnectNetworkFunc changed;
  gpointer user_data;
};

static gboolean
settled (gpointer data)
{
  TurnConnectNetworkWatch *watch = data;

  g_clear_pointer (&watch->settling, g_source_unref);
  watch->changed (watch->user_data);
  return G_SOURCE_REMOVE;
}

/* What the messages say does not matter, nor that some were lost: the state is looked up when they
 * have ended. */
static gboolean
readable (int descriptor, GIOCondition condition, gpointer data)
{
  TurnConnectNetworkWatch *watch = data;
  guint8 message[8192];
  gssize length;

  do
    length = recv (descriptor, message, sizeof message, MSG_DONTWAIT);
  while (length > 0 || (length < 0 && (errno == EINTR || errno == ENOBUFS)));
  if (watch->settling == NULL) {
    watch->settling = g_timeout_source_new (SETTLE_MS);
    g_source_set_callback (watch->settling, settled, watch, NULL);
    g_source_attach (watch->settling, g_main_context_get_thread_default ());
  }
  return G_SOURCE_CONTINUE;
}

TurnConnectNetworkWatch *
turn_connect_network_watch_new (TurnConnectNetworkFunc changed, gpointer user_data)
{
  struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = GROUPS };
  int descriptor = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  TurnConnectNetworkWatch *watch;

  if (descriptor < 0)
    return NULL;
  if (bind (descriptor, (struct sockaddr *)&address, sizeof address) < 0) {
    close (descriptor);
    return NULL;
  }
  watch = g_new0 (TurnConnectNetworkWatch, 1);
  watch->descriptor = descriptor;
  watch->changed = changed;
  watch->user_data = user_data;
  watch->source = g_unix_fd_source_new (descriptor, G_IO_IN);
  g_source_set_callback (watch->source, G_SOURCE_FUNC (readable), watch, NULL);
  g_source_attach (watch->source, g_main_context_get_thread_default ());
  return watch;
}

static void
drop (GSource *source)
{
  g_source_destroy (source);
  g_source_unref (source);
}

void
turn_connect_network_watch_free (TurnConnectNetworkWatch *watch)
{
  if (watch == NULL)
    return;
  g_clear_pointer (&watch->settling, drop);
  drop (watch->source);
  close (watch->descriptor);
  g_free (watch);
}

gboolean
turn_connect_network_has_address (const StunExtAddress *address)
{
  struct ifaddrs *all;
  gboolean is_there = FALSE;

  if (getifaddrs (&all) < 0)
    return TRUE; /* not known: nothing is done about it */
  for (struct ifaddrs *each = all; each != NULL && !is_there; each = each->ifa_next) {
    gsize length = each->ifa_addr == NULL                  ? 0
                   : each->ifa_addr->sa_family == AF_INET  ? sizeof (struct sockaddr_in)
                   : each->ifa_addr->sa_family == AF_INET6 ? sizeof (struct sockaddr_in6)
                                                           : 0;
    StunExtAddress found;

    is_there = length > 0 && stun_ext_address_from_sockaddr (&found, each->ifa_addr, length) &&
               stun_ext_address_equal_host (&found, address);
  }
  freeifaddrs (all);
  return is_there;
}
