/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The packets of a run, for Wireshark. Whom a run talks to is known for sure only when it is over:
 * names are looked up, servers have second addresses, proxies are found. So packets are kept in
 * memory, within bounds, and of these only the run's own are written; what else this machine did
 * meanwhile is nobody's business.
 */
#include "tools/tep-detect-pcap.h"

#include "turn-connect/error.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SNAPLEN 2048        /* octets of a packet: the path's, and its encapsulations */
#define KEPT_MAX (16 << 20) /* octets of packets; arbitrary, some thirty runs */
#define RING_SIZE (4 << 20) /* octets, in the kernel */
#define HOSTS_MAX 64        /* of a filter */
#define LOOKUP_MS 1000      /* for the address of a proxy, which was looked up before */
#define ANYTHING "udp or tcp or icmp or icmp6"

typedef struct {
  struct pcap_pkthdr header;
  guint8 data[];
} Packet;

struct _TepDetectCapture {
  pcap_t *pcap;
  char *path, *temporary;
  FILE *file;
  guint watch;
  GPtrArray *packets;
  gsize kept;
  gboolean is_full;
};

static void
note_packet (u_char *data, const struct pcap_pkthdr *header, const u_char *octets)
{
  TepDetectCapture *self = (TepDetectCapture *)(void *)data;
  Packet *packet;

  if (self->kept + sizeof *packet + header->caplen > KEPT_MAX) {
    self->is_full = TRUE;
    return;
  }
  packet = g_malloc (sizeof *packet + header->caplen);
  packet->header = *header;
  memcpy (packet->data, octets, header->caplen);
  g_ptr_array_add (self->packets, packet);
  self->kept += sizeof *packet + header->caplen;
}

static gboolean
readable (int fd, GIOCondition condition, gpointer data)
{
  TepDetectCapture *self = data;

  if (pcap_dispatch (self->pcap, -1, note_packet, (u_char *)self) >= 0)
    return G_SOURCE_CONTINUE;
  self->watch = 0; /* the interface went away: what was seen is kept */
  return G_SOURCE_REMOVE;
}

/* Opening */

static gboolean
fail (GError **error, int status, const char *what)
{
  gboolean is_forbidden = status == PCAP_ERROR_PERM_DENIED;

  g_set_error (error, G_IO_ERROR, is_forbidden ? G_IO_ERROR_PERMISSION_DENIED : G_IO_ERROR_FAILED,
               is_forbidden ? "capturing takes the right CAP_NET_RAW (%s)" : "capturing: %s", what);
  return FALSE;
}

static gboolean
set_filter (TepDetectCapture *self, const char *text, struct bpf_program *program, GError **error)
{
  if (pcap_compile (self->pcap, program, text, 1, PCAP_NETMASK_UNKNOWN) == 0)
    return TRUE;
  return fail (error, 0, pcap_geterr (self->pcap));
}

static gboolean
open_pcap (TepDetectCapture *self, const char *interface, GError **error)
{
  char message[PCAP_ERRBUF_SIZE] = "";
  struct bpf_program program;
  int status;
  gboolean is_set;

  self->pcap = pcap_create (interface != NULL ? interface : "any", message);
  if (self->pcap == NULL)
    return fail (error, 0, message);
  pcap_set_snaplen (self->pcap, SNAPLEN);
  pcap_set_immediate_mode (self->pcap, 1);
  pcap_set_buffer_size (self->pcap, RING_SIZE);
  status = pcap_activate (self->pcap);
  if (status < 0)
    return fail (error, status, pcap_geterr (self->pcap));
  if (!set_filter (self, ANYTHING, &program, error))
    return FALSE;
  is_set = pcap_setfilter (self->pcap, &program) == 0;
  pcap_freecode (&program);
  if (!is_set || pcap_setnonblock (self->pcap, 1, message) != 0)
    return fail (error, 0, is_set ? message : pcap_geterr (self->pcap));
  self->watch =
      g_unix_fd_add (pcap_get_selectable_fd (self->pcap), G_IO_IN | G_IO_ERR, readable, self);
  return TRUE;
}

/* Beside the file that it becomes, and readable by its owner alone. */
static gboolean
open_file (TepDetectCapture *self, GError **error)
{
  int fd;

  self->temporary = g_strconcat (self->path, ".XXXXXX", NULL);
  fd = g_mkstemp (self->temporary);
  if (fd >= 0)
    self->file = fdopen (fd, "wb");
  if (self->file != NULL)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "%s: %s", self->path,
               g_strerror (errno));
  g_clear_pointer (&self->temporary, g_free);
  return FALSE;
}

void
tep_detect_capture_free (TepDetectCapture *self)
{
  if (self == NULL)
    return;
  g_clear_handle_id (&self->watch, g_source_remove);
  g_clear_pointer (&self->pcap, pcap_close);
  if (self->file != NULL)
    fclose (self->file);
  if (self->temporary != NULL)
    g_unlink (self->temporary);
  g_ptr_array_unref (self->packets);
  g_free (self->temporary);
  g_free (self->path);
  g_free (self);
}

TepDetectCapture *
tep_detect_capture_new (const char *path, const char *interface, GError **error)
{
  TepDetectCapture *self = g_new0 (TepDetectCapture, 1);

  self->path = g_strdup (path);
  self->packets = g_ptr_array_new_with_free_func (g_free);
  if (open_file (self, error) && open_pcap (self, interface, error))
    return self;
  tep_detect_capture_free (self);
  return NULL;
}

/* Whose packets are the run's */

typedef struct {
  GString *text;
  GHashTable *hosts; /* of what stands there already */
} Filter;

static void
allow (Filter *filter, const StunExtAddress *address, guint16 port)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  g_autofree char *key = NULL;

  if (address->family == 0 || g_hash_table_size (filter->hosts) >= HOSTS_MAX)
    return;
  stun_ext_address_print_host (address, text);
  key = g_strdup_printf ("%s %u", text, port);
  if (!g_hash_table_add (filter->hosts, g_steal_pointer (&key)))
    return;
  g_string_append_printf (filter->text, "%s(host %s", filter->text->len > 0 ? " or " : "", text);
  if (port != 0)
    g_string_append_printf (filter->text, " and port %u", port);
  g_string_append_c (filter->text, ')');
  /* What is said on the way of packets to there: behind 8 octets stands the packet's head. */
  if (address->family == 4)
    g_string_append_printf (
        filter->text,
        " or (icmp and (icmp[0] = 3 or icmp[0] = 11) and icmp[24:4] = 0x%02x%02x%02x%02x)",
        address->octets[0], address->octets[1], address->octets[2], address->octets[3]);
  else {
    g_string_append (filter->text, " or (icmp6 and ip6[40] < 128");
    for (guint i = 0; i < 16; i += 4)
      g_string_append_printf (filter->text, " and ip6[%u:4] = 0x%02x%02x%02x%02x", 72 + i,
                              address->octets[i], address->octets[i + 1], address->octets[i + 2],
                              address->octets[i + 3]);
    g_string_append_c (filter->text, ')');
  }
}

typedef struct {
  GMainLoop *loop;
  GList *found;
} Lookup;

static void
looked_up (GObject *resolver, GAsyncResult *result, gpointer data)
{
  Lookup *lookup = data;

  lookup->found = g_resolver_lookup_by_name_finish (G_RESOLVER (resolver), result, NULL);
  g_main_loop_quit (lookup->loop);
}

static gboolean
give_up (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return G_SOURCE_CONTINUE;
}

static void
allow_name (Filter *filter, const char *name, guint16 port)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GResolver) resolver = g_resolver_get_default ();
  Lookup lookup = { .loop = loop };
  guint timer = g_timeout_add (LOOKUP_MS, give_up, cancellable);

  g_resolver_lookup_by_name_async (resolver, name, cancellable, looked_up, &lookup);
  g_main_loop_run (loop);
  g_source_remove (timer);
  for (const GList *l = lookup.found; l != NULL; l = l->next) {
    StunExtAddress address;
    g_autofree char *text = g_inet_address_to_string (l->data);

    if (stun_ext_address_parse (text, &address))
      allow (filter, &address, port);
  }
  g_resolver_free_addresses (lookup.found);
}

/* The proxy is known by its URL. */
static void
allow_proxy (Filter *filter, const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);
  const char *host = uri != NULL ? g_uri_get_host (uri) : NULL;
  guint16 port = uri != NULL ? (guint16)MAX (g_uri_get_port (uri), 0) : 0;
  StunExtAddress address;

  if (host == NULL || port == 0 || !g_hash_table_add (filter->hosts, g_strdup (url)))
    return;
  if (stun_ext_address_parse (host, &address))
    allow (filter, &address, port);
  else
    allow_name (filter, host, port);
}

/* Of the router only what was asked of it: it is everybody's. */
static char *
make_filter (const TurnConnectObservations *observations)
{
  g_autoptr (GHashTable) hosts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  Filter filter = { g_string_new (NULL), hosts };

  for (guint i = 0; i < observations->servers->len; i++)
    allow (&filter, &g_array_index (observations->servers, StunExtAddress, i), 0);
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);
    gboolean is_gateway = probe->kind == TURN_CONNECT_PROBE_GATEWAY;

    if (probe->kind == TURN_CONNECT_PROBE_NAME)
      continue;
    allow (&filter, &probe->target, is_gateway ? probe->target.port : 0);
    if (probe->via != NULL)
      allow_proxy (&filter, probe->via);
  }
  if (filter.text->len == 0)
    g_string_append (filter.text, "less 1"); /* nobody's */
  return g_string_free (filter.text, FALSE);
}

/* Writing */

static guint
write_packets (TepDetectCapture *self, struct bpf_program *program, pcap_dumper_t *dumper)
{
  guint n = 0;

  for (guint i = 0; i < self->packets->len; i++) {
    const Packet *packet = g_ptr_array_index (self->packets, i);

    if (pcap_offline_filter (program, &packet->header, packet->data) == 0)
      continue;
    pcap_dump ((u_char *)dumper, &packet->header, packet->data);
    n++;
  }
  return n;
}

static gboolean
finish_file (TepDetectCapture *self, pcap_dumper_t *dumper, GError **error)
{
  gboolean is_written =
      pcap_dump_flush (dumper) == 0 && !ferror (self->file) && fsync (fileno (self->file)) == 0;
  int number = errno;

  self->file = NULL; /* the dumper's */
  pcap_dump_close (dumper);
  if (is_written && g_rename (self->temporary, self->path) == 0) {
    g_clear_pointer (&self->temporary, g_free);
    return TRUE;
  }
  number = is_written ? errno : number;
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (number), "%s: %s", self->path,
               g_strerror (number));
  return FALSE;
}

char *
tep_detect_capture_write (TepDetectCapture *self,
                          const TurnConnectObservations *observations,
                          GError **error)
{
  g_autofree char *filter = make_filter (observations);
  struct pcap_stat counts = { 0 };
  struct bpf_program program;
  pcap_dumper_t *dumper;
  guint n;

  pcap_dispatch (self->pcap, -1, note_packet, (u_char *)self);
  pcap_stats (self->pcap, &counts);
  if (!set_filter (self, filter, &program, error))
    return NULL;
  dumper = pcap_dump_fopen (self->pcap, self->file);
  if (dumper == NULL) {
    pcap_freecode (&program);
    fail (error, 0, pcap_geterr (self->pcap));
    return NULL;
  }
  n = write_packets (self, &program, dumper);
  pcap_freecode (&program);
  if (!finish_file (self, dumper, error))
    return NULL;
  return g_strdup_printf (
      "%u packets of this run in %s%s", n, self->path,
      self->is_full || counts.ps_drop > 0 ? "; it is not complete, for too much else went on" : "");
}
