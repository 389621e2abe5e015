/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For programs that cannot be told anything: their UDP packets come in by a TUN device, and what the
 * tunnel cannot carry is answered as a router would answer it, so that they need not wait. */
#include "tep-c/capture-tun.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "stun-ext/inner-packet.h"
#include "tep-c/tun-device.h"
#include "tep-c/tun-table.h"

#define PACKET_MAX 65536
#define ROUND_MAX 64
#define SWEEP_S 10
#define IPV4_DESTINATION 16 /* RFC 791 section 3.1 */
#define IPV6_DESTINATION 24 /* RFC 8200 section 3 */

struct _TepClientTun {
  TepClientSession *session;
  TepClientTunDevice device;
  TepClientTunTable *table;
  GArray *prefixes; /* (element-type StunExtPrefix) */
  TepClientTunEvent event;
  gpointer user_data;
  GSource *source;
  GSource *sweep;
  guint mtu;
  guint8 packet[PACKET_MAX];
};

static void
put (TepClientTun *tun, const StunExtWriter *writer)
{
  if (!writer->failed && write (tun->device.descriptor, writer->data, writer->length) < 0)
    g_debug ("packet for a program not written: %s", g_strerror (errno));
}

/* From the tunnel to the program. */
static void
arrived (gpointer user,
         const StunExtAddress *source,
         const StunExtAddress *local,
         const guint8 *payload,
         gsize length)
{
  StunExtInnerPacket packet = { .source = *source,
                                .destination = *local,
                                .hop_limit = STUN_EXT_INNER_HOP_LIMIT,
                                .payload = payload,
                                .length = length };
  guint8 octets[PACKET_MAX];
  StunExtWriter writer;

  stun_ext_writer_init (&writer, octets, sizeof octets);
  stun_ext_inner_packet_write (&writer, &packet);
  put (user, &writer);
}

static void
lease_changed (gpointer user,
               const StunExtAddress *local,
               const StunExtAddress *leased,
               const GError *error)
{
  TepClientTun *tun = user;

  tun->event (tun, local, leased, error, tun->user_data);
}

/* Said in the name of the far side: it is the one address that is sure to be reached by the device. */
static void
refuse (TepClientTun *tun, StunExtInnerIcmp icmp, const guint8 *data, gsize length)
{
  gboolean is_ipv4 = data[0] >> 4 == 4;
  gsize at = is_ipv4 ? IPV4_DESTINATION : IPV6_DESTINATION;
  guint8 answer[STUN_EXT_INNER_ICMP_SIZE_MAX];
  StunExtAddress from;
  StunExtWriter writer;

  if (length < at + (is_ipv4 ? 4 : 16))
    return;
  stun_ext_address_init (&from, is_ipv4 ? 4 : 6, data + at, 0);
  stun_ext_writer_init (&writer, answer, sizeof answer);
  if (stun_ext_inner_icmp_write (&writer, icmp, tun->mtu, &from, data, length))
    put (tun, &writer);
}

static gboolean
is_wanted (const TepClientTun *tun, const StunExtAddress *destination)
{
  for (guint i = 0; i < tun->prefixes->len; i++) {
    if (stun_ext_prefix_contains (&g_array_index (tun->prefixes, StunExtPrefix, i), destination))
      return TRUE;
  }
  return FALSE;
}

/* From the program to the tunnel. The kernel cuts what is larger than the device's MTU; the tunnel
 * carries no fragments (PROTOCOL section 9). */
static void
captured (TepClientTun *tun, const guint8 *data, gsize length)
{
  StunExtInnerPacket packet;

  switch (stun_ext_inner_packet_check (data, length, tun->mtu, &packet)) {
  case STUN_EXT_INNER_OK:
    break;
  case STUN_EXT_INNER_TOO_LONG:
  case STUN_EXT_INNER_FRAGMENT:
    refuse (tun, STUN_EXT_INNER_ICMP_TOO_BIG, data, length);
    return;
  default:
    return; /* the kernel's own talk: router solicitations and the like */
  }
  /* Multicast finds every device. */
  if (!is_wanted (tun, &packet.destination))
    return;
  if (tep_client_tun_table_send (tun->table, &packet.source, &packet.destination, packet.payload,
                                 packet.length, g_get_monotonic_time ()) == TEP_CLIENT_TUN_REFUSED)
    refuse (tun, STUN_EXT_INNER_ICMP_PROHIBITED, data, length);
}

static gboolean
readable (int descriptor, GIOCondition condition, gpointer data)
{
  TepClientTun *tun = data;

  for (guint i = 0; i < ROUND_MAX; i++) {
    gssize length = read (descriptor, tun->packet, sizeof tun->packet);

    if (length <= 0)
      break;
    captured (tun, tun->packet, length);
  }
  return G_SOURCE_CONTINUE;
}

static gboolean
sweep (gpointer data)
{
  TepClientTun *tun = data;

  tep_client_tun_table_sweep (tun->table, g_get_monotonic_time ());
  return G_SOURCE_CONTINUE;
}

static gboolean
parse_prefixes (TepClientTun *tun, const char *const *texts, GError **error)
{
  for (guint i = 0; texts != NULL && texts[i] != NULL; i++) {
    StunExtPrefix prefix;

    if (!stun_ext_prefix_parse (texts[i], &prefix, error))
      return FALSE;
    g_array_append_val (tun->prefixes, prefix);
  }
  return TRUE;
}

static void
attach (TepClientTun *tun)
{
  tun->source = g_unix_fd_source_new (tun->device.descriptor, G_IO_IN);
  g_source_set_callback (tun->source, G_SOURCE_FUNC (readable), tun, NULL);
  g_source_attach (tun->source, g_main_context_get_thread_default ());
  tun->sweep = g_timeout_source_new_seconds (SWEEP_S);
  g_source_set_callback (tun->sweep, sweep, tun, NULL);
  g_source_attach (tun->sweep, g_main_context_get_thread_default ());
}

TepClientTun *
tep_client_tun_new (TepClientSession *session,
                    const TepClientTunOptions *options,
                    TepClientTunEvent event,
                    gpointer user_data,
                    GError **error)
{
  static const TepClientTunTableEvents events = { .packet = arrived, .lease = lease_changed };
  TepClientTun *tun = g_new0 (TepClientTun, 1);

  tun->session = g_object_ref (session);
  tun->event = event;
  tun->user_data = user_data;
  tun->mtu = STUN_EXT_INNER_LARGEST;
  tun->prefixes = g_array_new (FALSE, FALSE, sizeof (StunExtPrefix));
  tun->table = tep_client_tun_table_new (session, &events, tun);
  tun->device.descriptor = -1;
  if (!parse_prefixes (tun, options->prefixes, error) ||
      !tep_client_tun_device_open (&tun->device, options, error)) {
    tep_client_tun_free (tun);
    return NULL;
  }
  attach (tun);
  return tun;
}

void
tep_client_tun_free (TepClientTun *tun)
{
  if (tun == NULL)
    return;
  if (tun->source != NULL) {
    g_source_destroy (tun->source);
    g_source_unref (tun->source);
    g_source_destroy (tun->sweep);
    g_source_unref (tun->sweep);
  }
  tep_client_tun_table_free (tun->table);
  tep_client_tun_device_close (&tun->device);
  g_array_unref (tun->prefixes);
  g_object_unref (tun->session);
  g_free (tun);
}

void
tep_client_tun_set_mtu (TepClientTun *tun, guint mtu)
{
  tun->mtu = mtu;
  tep_client_tun_device_set_mtu (&tun->device, mtu);
}

const StunExtAddress *
tep_client_tun_find_local (TepClientTun *tun, const TepClientBinding *binding)
{
  return tep_client_tun_table_find (tun->table, binding);
}

void
tep_client_tun_foreach_flow (TepClientTun *tun, TepClientTunFlowFunc func, gpointer user_data)
{
  tep_client_tun_table_foreach (tun->table, func, user_data);
}
