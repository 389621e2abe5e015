/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A media gateway's sender that uses UDP generic segmentation offload: one call sends many packets.
 *
 *   udp-gso-send SOURCE:PORT DESTINATION:PORT SEGMENT-OCTETS PACKETS [ROUNDS [ms between rounds]]
 *
 * Packet i of a round is filled with (i + 1) * 7 + j at octet j, so each tells itself apart; the
 * last one of a round is half as long. Exits 0 if the kernel took everything.
 */
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stun-ext/address.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static int
open_socket (const char *text)
{
  StunExtAddress address;
  struct sockaddr_storage storage;
  socklen_t length;
  int fd;

  if (!stun_ext_address_parse (text, &address))
    return -1;
  length = (socklen_t)stun_ext_address_to_sockaddr (&address, &storage);
  fd = socket (storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return fd >= 0 && bind (fd, (struct sockaddr *)&storage, length) == 0 ? fd : -1;
}

int
main (int argc, char **argv)
{
  static unsigned char bundle[65000];
  StunExtAddress target;
  struct sockaddr_storage storage;
  int fd, segment, packets, rounds, pause_ms;
  size_t length;

  if (argc < 5 || !stun_ext_address_parse (argv[2], &target)) {
    fprintf (stderr, "usage: udp-gso-send SOURCE DESTINATION SEGMENT PACKETS [ROUNDS [MS]]\n");
    return 64;
  }
  segment = atoi (argv[3]);
  packets = atoi (argv[4]);
  rounds = argc > 5 ? atoi (argv[5]) : 1;
  pause_ms = argc > 6 ? atoi (argv[6]) : 20;
  length = (size_t)segment * (size_t)packets - (size_t)segment / 2;
  fd = open_socket (argv[1]);
  if (fd < 0 || length > sizeof bundle ||
      setsockopt (fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment) != 0) {
    perror ("udp-gso-send");
    return 1;
  }
  for (size_t i = 0; i < length; i++)
    bundle[i] = (unsigned char)((i / (size_t)segment + 1) * 7 + i % (size_t)segment);
  for (int round = 0; round < rounds; round++) {
    if (round > 0)
      usleep ((useconds_t)pause_ms * 1000);
    if (sendto (fd, bundle, length, 0, (struct sockaddr *)&storage,
                (socklen_t)stun_ext_address_to_sockaddr (&target, &storage)) != (ssize_t)length) {
      perror ("udp-gso-send: sendto");
      return 1;
    }
  }
  return 0;
}
