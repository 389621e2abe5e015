/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The devices and descriptors that need rights: queues of a TUN device, sockets for whole IP
 * packets, and a capture device that hands over finished packets only. A device that can do
 * checksums or segmentation gets packets with these undone, and a capture sees them so; with every
 * such feature switched off the kernel does the work before any capture looks.
 */
#include "tep-s/helper-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_FEATURES 256
#define FEATURE_WORDS (MOST_FEATURES / 32)
#define RAW_SEND_OCTETS (1 << 20)

int
tep_server_helper_open_queues (TepServerHelperChild *child)
{
  struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE };

  g_strlcpy (request.ifr_name, child->plan.device, sizeof request.ifr_name);
  for (guint i = 0; i < child->plan.n_workers; i++) {
    child->queues[i] = open ("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (child->queues[i] < 0 || ioctl (child->queues[i], TUNSETIFF, &request) != 0)
      return errno;
  }
  child->device_index = (int)if_nametoindex (child->plan.device);
  return child->device_index == 0 ? errno : 0;
}

/* Of protocol IPPROTO_RAW: they receive nothing and expect the IP header with every packet. */
int
tep_server_helper_open_raw (guint8 family, int *fd)
{
  int octets = RAW_SEND_OCTETS;

  *fd = socket (family == 4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                IPPROTO_RAW);
  if (*fd < 0)
    return errno == EAFNOSUPPORT && family == 6 ? 0 : errno;
  setsockopt (*fd, SOL_SOCKET, SO_SNDBUF, &octets, sizeof octets);
  return 0;
}

static int
ethtool (int fd, const char *device, void *command)
{
  struct ifreq request = { .ifr_data = command };

  g_strlcpy (request.ifr_name, device, sizeof request.ifr_name);
  return ioctl (fd, SIOCETHTOOL, &request) < 0 ? errno : 0;
}

static int
list_features (int fd, const char *device, struct ethtool_gstrings *strings)
{
  struct {
    struct ethtool_sset_info info;
    guint32 n;
  } count = { .info = { .cmd = ETHTOOL_GSSET_INFO,
                        .sset_mask = G_GUINT64_CONSTANT (1) << ETH_SS_FEATURES } };
  int error = ethtool (fd, device, &count);

  if (error != 0)
    return error;
  if (count.info.sset_mask == 0 || count.n > MOST_FEATURES)
    return EOPNOTSUPP;
  strings->cmd = ETHTOOL_GSTRINGS;
  strings->string_set = ETH_SS_FEATURES;
  strings->len = count.n;
  return ethtool (fd, device, strings);
}

/* "tx-udp-segmentation", "tx-checksum-ip-generic", "tx-scatter-gather", ... */
static gboolean
is_offload (const char *name)
{
  return strncmp (name, "tx-", 3) == 0 &&
         (strstr (name, "segmentation") != NULL || strstr (name, "checksum") != NULL ||
          strstr (name, "gso") != NULL || strstr (name, "scatter-gather") != NULL);
}

static int
clear_features (int fd, const char *device, const struct ethtool_gstrings *strings)
{
  struct {
    struct ethtool_sfeatures set;
    struct ethtool_set_features_block blocks[FEATURE_WORDS];
  } change = { .set = { .cmd = ETHTOOL_SFEATURES } };
  struct {
    struct ethtool_gfeatures get;
    struct ethtool_get_features_block blocks[FEATURE_WORDS];
  } state = { .get = { .cmd = ETHTOOL_GFEATURES } };
  guint32 offloads[FEATURE_WORDS] = { 0 };
  guint32 words = (strings->len + 31) / 32;
  int error;

  for (guint32 i = 0; i < strings->len; i++)
    if (is_offload ((const char *)strings->data + (gsize)i * ETH_GSTRING_LEN))
      offloads[i / 32] |= 1U << i % 32;
  state.get.size = words;
  error = ethtool (fd, device, &state);
  if (error != 0)
    return error;
  change.set.size = words;
  for (guint32 w = 0; w < words; w++)
    change.blocks[w].valid = offloads[w] & state.blocks[w].available;
  error = ethtool (fd, device, &change);
  if (error != 0)
    return error;
  state.get.cmd = ETHTOOL_GFEATURES;
  state.get.size = words;
  error = ethtool (fd, device, &state);
  /* What cannot be switched ("fixed") and is on would spoil the captures just the same. */
  for (guint32 w = 0; error == 0 && w < words; w++)
    if ((state.blocks[w].active & offloads[w]) != 0)
      error = EOPNOTSUPP;
  return error;
}

int
tep_server_helper_switch_offloads_off (const char *device)
{
  union {
    struct ethtool_gstrings strings;
    guint8 room[sizeof (struct ethtool_gstrings) + (gsize)MOST_FEATURES * ETH_GSTRING_LEN];
  } names = { .room = { 0 } };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int error = fd < 0 ? errno : list_features (fd, device, &names.strings);

  if (error == 0)
    error = clear_features (fd, device, &names.strings);
  if (fd >= 0)
    close (fd);
  return error;
}
