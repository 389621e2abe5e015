/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How does a network that has IPv6 alone reach IPv4? The name ipv4only.arpa has IPv4 addresses alone;
 * an IPv6 address of it was made up by the translator's name server, and shows how it does that. Under
 * the same prefix this host makes addresses itself, where no name server was asked: of what was given as
 * an IPv4 address, by people or by a server (RFC 8305 section 7.1).
 */
#include "turn-connect/nat64.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LAYOUTS 6
#define DISCARD 9 /* a port; nothing is sent */

/* Where the four octets lie; octet 8 is never used. */
static const struct {
  guint8 length;
  guint8 at[4];
} layouts[LAYOUTS] = {
  { 96, { 12, 13, 14, 15 } }, { 64, { 9, 10, 11, 12 } }, { 56, { 7, 9, 10, 11 } },
  { 48, { 6, 7, 9, 10 } },    { 40, { 5, 6, 7, 9 } },    { 32, { 4, 5, 6, 7 } },
};

gboolean
turn_connect_nat64_find_prefix_of (const StunExtAddress *made,
                                   const StunExtAddress *ipv4,
                                   StunExtPrefix *prefix)
{
  if (made->family != 6 || ipv4->family != 4)
    return FALSE;
  for (guint i = 0; i < LAYOUTS; i++) {
    gboolean is_same = TRUE;

    for (guint k = 0; k < 4; k++)
      is_same &= made->octets[layouts[i].at[k]] == ipv4->octets[k];
    if (!is_same)
      continue;
    memset (prefix, 0, sizeof *prefix);
    prefix->family = 6;
    prefix->length = layouts[i].length;
    memcpy (prefix->octets, made->octets, layouts[i].length / 8);
    return TRUE;
  }
  return FALSE;
}

gboolean
turn_connect_nat64_find_prefix (const StunExtAddress *address, StunExtPrefix *prefix)
{
  static const StunExtAddress known[] = { { .family = 4, .octets = { 192, 0, 0, 170 } },
                                          { .family = 4, .octets = { 192, 0, 0, 171 } } };

  return turn_connect_nat64_find_prefix_of (address, &known[0], prefix) ||
         turn_connect_nat64_find_prefix_of (address, &known[1], prefix);
}

void
turn_connect_nat64_make (const StunExtPrefix *prefix,
                         const StunExtAddress *ipv4,
                         StunExtAddress *made)
{
  StunExtAddress address = { .family = 6, .port = ipv4->port };

  memcpy (address.octets, prefix->octets, prefix->length / 8);
  for (guint i = 0; i < LAYOUTS; i++) {
    for (guint k = 0; k < 4 && layouts[i].length == prefix->length; k++)
      address.octets[layouts[i].at[k]] = ipv4->octets[k];
  }
  *made = address;
}

static gboolean
has_route (const StunExtAddress *address)
{
  int descriptor = socket (address->family == 6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct sockaddr_storage native;
  StunExtAddress to = *address;
  gboolean is_there;

  if (descriptor < 0)
    return FALSE;
  to.port = DISCARD;
  is_there = connect (descriptor, (struct sockaddr *)&native,
                      (socklen_t)stun_ext_address_to_sockaddr (&to, &native)) == 0;
  close (descriptor);
  return is_there;
}

gboolean
turn_connect_nat64_is_wanted (const StunExtAddress *ipv4)
{
  static const StunExtPrefix well_known = { .family = 6,
                                            .length = 96,
                                            .octets = { 0, 0x64, 0xff, 0x9b } };
  StunExtAddress made;

  if (ipv4->family != 4 || has_route (ipv4))
    return FALSE;
  turn_connect_nat64_make (&well_known, ipv4, &made);
  return has_route (&made);
}
