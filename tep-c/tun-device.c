/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a TUN device and sends UDP for some prefixes into it. Rules match UDP alone (`ipproto
 * udp`), because in TR 33.830 clause 8.6 the tunnel's server and the media's far side may share an
 * address. Addresses and routes are set with iproute2, which every Linux has and whose messages a
 * person can act on. The device and its routes go with the process however it ends; rules do not,
 * so those that lead to an empty table are removed at the next start. */
#include "tep-c/tun-device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Rules of ours are known by their priority; it stands before those of the main table (32766). Each
 * device has a routing table of its own, above the 255 that others share. */
#define PRIORITY 7430
#define FIRST_TABLE 743000
#define MTU_MIN 1280 /* RFC 8200 section 5: with less the kernel takes IPv6 away from a device */

static gboolean
run (char **words, char **output, GError **error)
{
  g_autoptr (GSubprocess) process =
      g_subprocess_newv ((const char *const *)words,
                         G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, error);
  g_autofree char *said = NULL;
  g_autofree char *complaint = NULL;

  if (process == NULL) {
    g_prefix_error (error, "install iproute2: ");
    return FALSE;
  }
  if (!g_subprocess_communicate_utf8 (process, NULL, NULL, &said, &complaint, error))
    return FALSE;
  if (!g_subprocess_get_successful (process)) {
    g_autofree char *command = g_strjoinv (" ", words);

    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "“%s”: %s", command, g_strstrip (complaint));
    return FALSE;
  }
  if (output != NULL)
    *output = g_steal_pointer (&said);
  return TRUE;
}

static char **G_GNUC_PRINTF (1, 0) words_of (const char *format, va_list arguments)
{
  g_autofree char *line = g_strdup_vprintf (format, arguments);

  return g_strsplit (line, " ", -1);
}

static gboolean G_GNUC_PRINTF (3, 4) ip (char **output, GError **error, const char *format, ...)
{
  g_auto (GStrv) words = NULL;
  va_list arguments;

  va_start (arguments, format);
  words = words_of (format, arguments);
  va_end (arguments);
  return run (words, output, error);
}

static void G_GNUC_PRINTF (2, 3) undo_later (TepClientTunDevice *device, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_ptr_array_add (device->undo, words_of (format, arguments));
  va_end (arguments);
}

/* Lines of `ip rule` end with "lookup TABLE". */
static void
remove_stale_rules (const char *family)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!ip (&text, NULL, "ip %s rule show priority %d", family, PRIORITY))
    return;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++) {
    const char *lookup = strstr (lines[i], "lookup ");
    guint table = lookup != NULL ? (guint)strtoul (lookup + strlen ("lookup "), NULL, 10) : 0;
    g_autofree char *routes = NULL;

    /* `ip` complains of a table that does not exist. */
    if (table > FIRST_TABLE &&
        (!ip (&routes, NULL, "ip %s route show table %u", family, table) || *routes == '\0'))
      ip (NULL, NULL, "ip %s rule del priority %d table %u", family, PRIORITY, table);
  }
}

static gboolean
create (TepClientTunDevice *device, GError **error)
{
  struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
  guint number;

  device->descriptor = open ("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  g_strlcpy (request.ifr_name, device->name, sizeof request.ifr_name);
  if (device->descriptor < 0 || ioctl (device->descriptor, TUNSETIFF, &request) < 0) {
    int cause = errno;

    if (cause == EBUSY)
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                   "TUN device %s is in use, perhaps by another tep-c; give this one another name",
                   device->name);
    else
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (cause),
                   "TUN device %s: %s (it takes root, or CAP_NET_ADMIN and /dev/net/tun)",
                   device->name, g_strerror (cause));
    return FALSE;
  }
  number = if_nametoindex (device->name);
  device->table = FIRST_TABLE + number;
  return number != 0;
}

/* Where reverse paths are checked strictly, ICMP from the device would fail the check: the rules
 * lead UDP alone there. 2 is "loose", and the larger of this and the value for all devices holds. */
static void
relax_reverse_path (const TepClientTunDevice *device)
{
  g_autofree char *path = g_strdup_printf ("/proc/sys/net/ipv4/conf/%s/rp_filter", device->name);
  int descriptor = open (path, O_WRONLY | O_CLOEXEC);

  if (descriptor < 0 || write (descriptor, "2", 1) != 1)
    g_info ("%s: %s", path, g_strerror (errno));
  if (descriptor >= 0)
    close (descriptor);
}

static gboolean
configure (const TepClientTunDevice *device, const TepClientTunOptions *options, GError **error)
{
  gboolean has_ipv4 = FALSE;
  gboolean has_ipv6 = FALSE;

  for (guint i = 0; options->prefixes != NULL && options->prefixes[i] != NULL; i++) {
    gboolean is_ipv6 = strchr (options->prefixes[i], ':') != NULL;

    has_ipv4 |= !is_ipv6;
    has_ipv6 |= is_ipv6;
  }
  relax_reverse_path (device);
  /* Nobody asks for a link-local address; it would only send router solicitations. A kernel without
   * IPv6 has no such mode. */
  ip (NULL, NULL, "ip link set %s addrgenmode none", device->name);
  if (!ip (NULL, error, "ip link set %s up", device->name))
    return FALSE;
  if (has_ipv4 &&
      !ip (NULL, error, "ip -4 address add %s/32 dev %s",
           options->address4 != NULL ? options->address4 : TEP_CLIENT_TUN_ADDRESS4, device->name))
    return FALSE;
  return !has_ipv6 ||
         ip (NULL, error, "ip -6 address add %s/128 dev %s nodad",
             options->address6 != NULL ? options->address6 : TEP_CLIENT_TUN_ADDRESS6, device->name);
}

static gboolean
add_prefix (TepClientTunDevice *device, const char *prefix, GError **error)
{
  const char *family = strchr (prefix, ':') != NULL ? "-6" : "-4";

  if (!ip (NULL, error, "ip %s route add %s dev %s table %u", family, prefix, device->name,
           device->table) ||
      !ip (NULL, error, "ip %s rule add priority %d ipproto udp to %s lookup %u", family, PRIORITY,
           prefix, device->table))
    return FALSE;
  undo_later (device, "ip %s rule del priority %d ipproto udp to %s lookup %u", family, PRIORITY,
              prefix, device->table);
  return TRUE;
}

gboolean
tep_client_tun_device_open (TepClientTunDevice *device,
                            const TepClientTunOptions *options,
                            GError **error)
{
  device->descriptor = -1;
  device->name = g_strdup (options->name != NULL ? options->name : TEP_CLIENT_TUN_NAME);
  device->undo = g_ptr_array_new_with_free_func ((GDestroyNotify)g_strfreev);
  remove_stale_rules ("-4"); /* before a table of theirs could be ours */
  remove_stale_rules ("-6");
  if (!create (device, error) || !configure (device, options, error))
    return FALSE;
  for (guint i = 0; options->prefixes != NULL && options->prefixes[i] != NULL; i++) {
    if (!add_prefix (device, options->prefixes[i], error))
      return FALSE;
  }
  return TRUE;
}

void
tep_client_tun_device_close (TepClientTunDevice *device)
{
  for (guint i = device->undo != NULL ? device->undo->len : 0; i > 0; i--) {
    g_autoptr (GError) error = NULL;

    if (!run (g_ptr_array_index (device->undo, i - 1), NULL, &error))
      g_info ("rule not removed: %s", error->message);
  }
  g_clear_pointer (&device->undo, g_ptr_array_unref);
  if (device->descriptor >= 0)
    close (device->descriptor); /* the device and its routes go with it */
  device->descriptor = -1;
  g_clear_pointer (&device->name, g_free);
}

gboolean
tep_client_tun_device_set_mtu (TepClientTunDevice *device, guint mtu)
{
  g_autoptr (GError) error = NULL;

  if (ip (NULL, &error, "ip link set %s mtu %u", device->name, MAX (mtu, MTU_MIN)))
    return TRUE;
  g_info ("MTU not set: %s", error->message);
  return FALSE;
}
