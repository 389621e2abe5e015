/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every family of probes asks of the kernel besides sockets. */
#include "turn-connect/detect/kernel.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define WHOLE 256 /* octets that are given whole, whatever interrupts (getrandom(2)) */

TurnConnectOutcome
turn_connect_outcome_of_errno (int number)
{
  if (number == ECONNREFUSED)
    return TURN_CONNECT_OUTCOME_REFUSED;
  return number == ETIMEDOUT ? TURN_CONNECT_OUTCOME_SILENCE : TURN_CONNECT_OUTCOME_UNREACHABLE;
}

gboolean
turn_connect_random_octets (gpointer octets, gsize length)
{
  for (gsize done = 0; done < length; done += MIN (length - done, WHOLE)) {
    gsize n = MIN (length - done, WHOLE);

    if (getrandom ((guint8 *)octets + done, n, 0) == (ssize_t)n)
      continue;
    g_warning ("the kernel gives no random octets");
    return FALSE;
  }
  return TRUE;
}

gboolean
turn_connect_limit_hops (int descriptor, guint8 family, int hops)
{
  const int on = 1;

  if (family == 6)
    return setsockopt (descriptor, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof hops) == 0 &&
           setsockopt (descriptor, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on) == 0;
  return setsockopt (descriptor, IPPROTO_IP, IP_TTL, &hops, sizeof hops) == 0 &&
         setsockopt (descriptor, IPPROTO_IP, IP_RECVERR, &on, sizeof on) == 0;
}

gboolean
turn_connect_take_icmp (int descriptor, TurnConnectOutcome *outcome, StunExtAddress *router)
{
  guint8 control[512] __attribute__ ((aligned (sizeof (size_t))));
  struct msghdr message = { .msg_control = control, .msg_controllen = sizeof control };

  if (recvmsg (descriptor, &message, MSG_ERRQUEUE) < 0)
    return FALSE;
  for (struct cmsghdr *c = CMSG_FIRSTHDR (&message); c != NULL; c = CMSG_NXTHDR (&message, c)) {
    struct sock_extended_err said;
    const guint8 *from = CMSG_DATA (c) + sizeof said;
    struct sockaddr_storage native = { 0 };
    gsize length;

    if (c->cmsg_len < CMSG_LEN (sizeof said) ||
        !((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
          (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)))
      continue;
    memcpy (&said, CMSG_DATA (c), sizeof said);
    *outcome = turn_connect_outcome_of_errno ((int)said.ee_errno);
    length = MIN (c->cmsg_len - CMSG_LEN (sizeof said), sizeof native);
    memcpy (&native, from, length);
    if ((said.ee_origin == SO_EE_ORIGIN_ICMP && said.ee_type == ICMP_TIME_EXCEEDED) ||
        (said.ee_origin == SO_EE_ORIGIN_ICMP6 && said.ee_type == ICMP6_TIME_EXCEEDED))
      stun_ext_address_from_sockaddr (router, (struct sockaddr *)&native, length);
  }
  return TRUE;
}
