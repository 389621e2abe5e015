/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A server that listens on the unspecified address can be reached under every address of its host,
 * so each of them has to be denied to the devices. The host's interfaces are asked when a policy is
 * built; a reload asks again. */
#include "tep-s/own-private.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>

static void
append (GArray *prefixes,
        const StunExtAddress *address,
        guint8 length,
        guint16 first_port,
        guint16 last_port)
{
  TepServerOwnPrefix own = { .first_port = first_port, .last_port = last_port };

  own.prefix.family = address->family;
  own.prefix.length = length;
  memcpy (own.prefix.octets, address->octets, sizeof own.prefix.octets);
  g_array_append_val (prefixes, own);
}

static gboolean
is_unspecified (const StunExtAddress *address)
{
  static const guint8 zeros[16];

  return memcmp (address->octets, zeros, sizeof zeros) == 0;
}

static gboolean
interface_address (const struct sockaddr *sockaddr, StunExtAddress *address)
{
  if (sockaddr == NULL)
    return FALSE;
  if (sockaddr->sa_family == AF_INET)
    return stun_ext_address_from_sockaddr (address, sockaddr, sizeof (struct sockaddr_in));
  return sockaddr->sa_family == AF_INET6 &&
         stun_ext_address_from_sockaddr (address, sockaddr, sizeof (struct sockaddr_in6));
}

static void
append_all_local (GArray *prefixes, guint8 family, guint16 first_port, guint16 last_port)
{
  StunExtAddress loopback4, loopback6, address;
  struct ifaddrs *all = NULL;

  stun_ext_address_parse ("127.0.0.0", &loopback4);
  stun_ext_address_parse ("::1", &loopback6);
  append (prefixes, &loopback4, 8, first_port, last_port);
  if (family == 6)
    append (prefixes, &loopback6, 128, first_port, last_port);
  if (getifaddrs (&all) != 0)
    return;
  for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
    if (interface_address (i->ifa_addr, &address) && (family == 6 || address.family == 4))
      append (prefixes, &address, address.family == 4 ? 32 : 128, first_port, last_port);
  freeifaddrs (all);
}

void
tep_server_own_expand (GArray *prefixes, const TepServerOwnRange *own)
{
  StunExtAddress address = stun_ext_address_canonical (&own->address);
  guint16 last_port = own->first_port == 0 ? G_MAXUINT16 : own->last_port;

  if (address.family == 0)
    return;
  if (is_unspecified (&address))
    append_all_local (prefixes, address.family, own->first_port, last_port);
  else
    append (prefixes, &address, address.family == 4 ? 32 : 128, own->first_port, last_port);
}

/* Where an interface has an address without a broadcast address, getifaddrs() gives the address itself,
 * for both share a union with that of a point-to-point peer. */
static gboolean
broadcast_address (const struct ifaddrs *interface, StunExtAddress *broadcast)
{
  StunExtAddress address;

  return (interface->ifa_flags & IFF_BROADCAST) != 0 &&
         interface_address (interface->ifa_addr, &address) && address.family == 4 &&
         interface_address (interface->ifa_broadaddr, broadcast) &&
         !stun_ext_address_equal_host (broadcast, &address);
}

void
tep_server_own_broadcasts (GArray *prefixes)
{
  struct ifaddrs *all = NULL;
  StunExtAddress broadcast;

  if (getifaddrs (&all) != 0)
    return;
  for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
    if (broadcast_address (i, &broadcast))
      append (prefixes, &broadcast, 32, 0, G_MAXUINT16);
  freeifaddrs (all);
}
