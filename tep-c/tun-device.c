/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a TUN device and sends UDP for some prefixes into it. Rules match UDP alone (`ipproto
 * udp`), because in TR 33.830 clause 8.6 the tunnel's server and the media's far side may share an
 * address. Addresses and routes are set with iproute2, which every Linux has and whose messages a
 * person can act on. */
#include "tep-c/tun-device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_NAME "tepc0"
#define DEFAULT_ADDRESS4 "192.0.0.4"
#define DEFAULT_ADDRESS6 "fd74:6570:2d63::1"
#define DEFAULT_TABLE 7430
#define RULE_PRIORITY "7430"

static gboolean
ip (char **arguments, GError **error)
{
  g_autoptr (GSubprocess) process =
      g_subprocess_newv ((const char *const *)arguments,
                         G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE, error);
  g_autofree char *complaint = NULL;

  if (process == NULL ||
      !g_subprocess_communicate_utf8 (process, NULL, NULL, NULL, &complaint, error))
    return FALSE;
  if (!g_subprocess_get_successful (process)) {
    g_autofree char *command = g_strjoinv (" ", arguments);

    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "“%s”: %s", command, g_strstrip (complaint));
    return FALSE;
  }
  return TRUE;
}

static char **G_GNUC_PRINTF (1, 0) words_of (const char *format, va_list arguments)
{
  g_autofree char *line = g_strdup_vprintf (format, arguments);

  return g_strsplit (line, " ", -1);
}

static gboolean G_GNUC_PRINTF (2, 3) ipf (GError **error, const char *format, ...)
{
  g_auto (GStrv) words = NULL;
  va_list arguments;

  va_start (arguments, format);
  words = words_of (format, arguments);
  va_end (arguments);
  return ip (words, error);
}

static void G_GNUC_PRINTF (2, 3) undo_later (TepClientTunDevice *device, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_ptr_array_add (device->undo, words_of (format, arguments));
  va_end (arguments);
}

static gboolean
create (TepClientTunDevice *device, GError **error)
{
  struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };

  device->descriptor = open ("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  g_strlcpy (request.ifr_name, device->name, sizeof request.ifr_name);
  if (device->descriptor < 0 || ioctl (device->descriptor, TUNSETIFF, &request) < 0) {
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
                 "TUN device %s: %s (it takes root, or CAP_NET_ADMIN and /dev/net/tun)",
                 device->name, g_strerror (errno));
    return FALSE;
  }
  return TRUE;
}

static gboolean
add_prefix (TepClientTunDevice *device, const char *prefix, GError **error)
{
  const char *family = strchr (prefix, ':') != NULL ? "-6" : "-4";
  StunExtPrefix parsed;

  if (!stun_ext_prefix_parse (prefix, &parsed, error))
    return FALSE;
  if (!ipf (error, "ip %s rule add priority " RULE_PRIORITY " ipproto udp to %s lookup %u", family,
            prefix, device->table))
    return FALSE;
  undo_later (device, "ip %s rule del priority " RULE_PRIORITY " ipproto udp to %s lookup %u",
              family, prefix, device->table);
  return ipf (error, "ip %s route replace %s dev %s table %u", family, prefix, device->name,
              device->table);
}

gboolean
tep_client_tun_device_open (TepClientTunDevice *device,
                            const TepClientTunOptions *options,
                            GError **error)
{
  device->descriptor = -1;
  device->name = g_strdup (options->name != NULL ? options->name : DEFAULT_NAME);
  device->table = options->table != 0 ? options->table : DEFAULT_TABLE;
  device->undo = g_ptr_array_new_with_free_func ((GDestroyNotify)g_strfreev);
  if (!create (device, error) ||
      !ipf (error, "ip -4 address add %s/32 dev %s",
            options->address4 != NULL ? options->address4 : DEFAULT_ADDRESS4, device->name) ||
      !ipf (error, "ip -6 address add %s/128 dev %s nodad",
            options->address6 != NULL ? options->address6 : DEFAULT_ADDRESS6, device->name) ||
      !ipf (error, "ip link set %s up", device->name))
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
  for (guint i = device->undo->len; i > 0; i--) {
    g_autoptr (GError) error = NULL;

    if (!ip (g_ptr_array_index (device->undo, i - 1), &error))
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

  if (ipf (&error, "ip link set %s mtu %u", device->name, mtu))
    return TRUE;
  g_info ("MTU not set: %s", error->message);
  return FALSE;
}
