/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inspecting firewall of the lab: reads what passes a host and acts on what it says. nftables can
 * judge first octets, as the network tls-only shows, but has no queue in this kernel, and neither
 * forges nor rewrites. Packets come from an iptables rule "-j NFQUEUE"; each is let through unless a
 * rule given on the command line, ACTION=CLASS, says otherwise. README.md lists actions and classes. */
#include "inspector.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define COPY_MAX 0xffff         /* octets of a packet that are looked at */
#define QUEUE_PACKETS 4096      /* waiting for a verdict at a time */
#define SOCKET_OCTETS (4 << 20) /* the same, as netlink keeps them */
#define FLOWS_MAX 20000 /* then all are forgotten: a lab's network does not live that long */
#define NETLINK_MAX (COPY_MAX + 4096)
#define INSPECTOR_MARK 0x1ab /* as in networks.py */

typedef struct {
  struct mnl_socket *netlink;
  guint16 queue;
  Inspection inspection;
  GHashTable *flows;
} Inspector;

static volatile sig_atomic_t is_ended;

static void
end (int number)
{
  is_ended = 1;
}

static struct nlmsghdr *
begin_message (void *buffer, guint16 queue, guint16 type)
{
  struct nlmsghdr *header = mnl_nlmsg_put_header (buffer);
  header->nlmsg_type = (guint16)(NFNL_SUBSYS_QUEUE << 8) | type;
  header->nlmsg_flags = NLM_F_REQUEST;
  struct nfgenmsg *general = mnl_nlmsg_put_extra_header (header, sizeof *general);
  general->nfgen_family = AF_UNSPEC;
  general->version = NFNETLINK_V0;
  general->res_id = htons (queue);
  return header;
}

static gboolean
send_message (Inspector *i, struct nlmsghdr *header)
{
  return mnl_socket_sendto (i->netlink, header, header->nlmsg_len) >= 0;
}

static gboolean
bind_queue (Inspector *i)
{
  char buffer[256];
  struct nlmsghdr *header = begin_message (buffer, i->queue, NFQNL_MSG_CONFIG);
  struct nfqnl_msg_config_cmd command = { .command = NFQNL_CFG_CMD_BIND };
  mnl_attr_put (header, NFQA_CFG_CMD, sizeof command, &command);
  header->nlmsg_flags |= NLM_F_ACK;
  if (!send_message (i, header))
    return FALSE;
  gssize n = mnl_socket_recvfrom (i->netlink, buffer, sizeof buffer);
  if (n < 0 || mnl_cb_run (buffer, (gsize)n, 0, mnl_socket_get_portid (i->netlink), NULL, NULL) < 0)
    return FALSE;

  header = begin_message (buffer, i->queue, NFQNL_MSG_CONFIG);
  struct nfqnl_msg_config_params parameters = { .copy_range = htonl (COPY_MAX),
                                                .copy_mode = NFQNL_COPY_PACKET };
  mnl_attr_put (header, NFQA_CFG_PARAMS, sizeof parameters, &parameters);
  mnl_attr_put_u32 (header, NFQA_CFG_QUEUE_MAXLEN, htonl (QUEUE_PACKETS));
  return send_message (i, header);
}

static void
give_verdict (Inspector *i, guint32 id, InspectVerdict verdict, const Packet *packet)
{
  char buffer[NETLINK_MAX];
  struct nlmsghdr *header = begin_message (buffer, i->queue, NFQNL_MSG_VERDICT);
  struct nfqnl_msg_verdict_hdr said = {
    .verdict = htonl (verdict == INSPECT_DROP ? NF_DROP : NF_ACCEPT),
    .id = htonl (id),
  };
  mnl_attr_put (header, NFQA_VERDICT_HDR, sizeof said, &said);
  if (verdict == INSPECT_REWRITTEN)
    mnl_attr_put (header, NFQA_PAYLOAD, packet->length, packet->octets);
  if (!send_message (i, header))
    perror ("inspector: verdict");
}

static Flow *
flow_of (Inspector *i, const Packet *packet)
{
  FlowKey key;
  gboolean is_reply = FALSE;
  flow_key (packet, FALSE, &key);
  Flow *flow = g_hash_table_lookup (i->flows, &key);
  if (!flow) {
    FlowKey reversed;
    flow_key (packet, TRUE, &reversed);
    flow = g_hash_table_lookup (i->flows, &reversed);
    is_reply = flow != NULL;
  }
  /* A connection that begins again on the same ports is another one. */
  if (!flow || (packet->is_tcp && packet->is_syn && !packet->is_ack)) {
    if (g_hash_table_size (i->flows) >= FLOWS_MAX)
      g_hash_table_remove_all (i->flows);
    flow = g_new0 (Flow, 1);
    g_hash_table_insert (i->flows, g_memdup2 (&key, sizeof key), flow);
    is_reply = FALSE;
  }
  flow->is_reply = is_reply;
  return flow;
}

static int
take_packet (const struct nlmsghdr *header, void *data)
{
  Inspector *i = data;
  if ((header->nlmsg_type & 0xff) != NFQNL_MSG_PACKET)
    return MNL_CB_OK;
  const struct nfqnl_msg_packet_hdr *about = NULL;
  const struct nlattr *attribute, *payload = NULL;
  mnl_attr_for_each (attribute, header, sizeof (struct nfgenmsg))
  {
    if (mnl_attr_get_type (attribute) == NFQA_PACKET_HDR)
      about = mnl_attr_get_payload (attribute);
    if (mnl_attr_get_type (attribute) == NFQA_PAYLOAD)
      payload = attribute;
  }
  if (!about)
    return MNL_CB_OK;
  static guint8 octets[COPY_MAX];
  Packet packet = { .octets = octets };
  InspectVerdict verdict = INSPECT_PASS;
  if (payload && mnl_attr_get_payload_len (payload) > 0) {
    packet.length = mnl_attr_get_payload_len (payload);
    memcpy (octets, mnl_attr_get_payload (payload), packet.length);
    if (packet_parse (&packet))
      verdict = inspect (&i->inspection, flow_of (i, &packet), &packet);
  }
  give_verdict (i, ntohl (about->packet_id), verdict, &packet);
  return MNL_CB_OK;
}

static void
work (Inspector *i)
{
  sigset_t wanted;
  sigemptyset (&wanted);
  struct pollfd ready = { .fd = mnl_socket_get_fd (i->netlink), .events = POLLIN };
  while (!is_ended) {
    /* Signals are let in only here, so that none is missed between the test and the wait. */
    if (ppoll (&ready, 1, NULL, &wanted) <= 0)
      continue;
    static char buffer[NETLINK_MAX];
    gssize n = mnl_socket_recvfrom (i->netlink, buffer, sizeof buffer);
    if (n > 0)
      mnl_cb_run (buffer, (gsize)n, 0, 0, take_packet, i);
    else if (errno != ENOBUFS && errno != EINTR)
      perror ("inspector: queue");
  }
}

/* What is made here towards the site belongs to no connection that the firewall knows under these
 * addresses; the mark tells its rules so. */
static int
open_raw (int family)
{
  int mark = INSPECTOR_MARK;
  int raw = socket (family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  (void)setsockopt (raw, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
  return raw;
}

static gboolean
open_queue (Inspector *i)
{
  int octets = SOCKET_OCTETS;
  i->netlink = mnl_socket_open (NETLINK_NETFILTER);
  if (!i->netlink || mnl_socket_bind (i->netlink, 0, MNL_SOCKET_AUTOPID) < 0)
    return FALSE;
  (void)setsockopt (mnl_socket_get_fd (i->netlink), SOL_SOCKET, SO_RCVBUFFORCE, &octets,
                    sizeof octets);
  i->inspection.raw4 = open_raw (AF_INET);
  i->inspection.raw6 = open_raw (AF_INET6);
  return i->inspection.raw4 >= 0 && i->inspection.raw6 >= 0 && bind_queue (i);
}

int
main (int argc, char **argv)
{
  Inspector i = { 0 };
  for (int n = 1; n < argc; n++) {
    if (!inspection_add_rule (&i.inspection, argv[n])) {
      fprintf (stderr, "inspector: '%s' is no rule ACTION=CLASS\n", argv[n]);
      return 64;
    }
  }
  if (i.inspection.n_rules == 0) {
    fputs ("usage: inspector ACTION=CLASS...\n"
           "Takes packets from NFQUEUE 0 of its network namespace; says 'ready' on stdout.\n",
           stderr);
    return 64;
  }

  struct sigaction action = { .sa_handler = end };
  sigset_t ends;
  sigemptyset (&ends);
  sigaddset (&ends, SIGTERM);
  sigaddset (&ends, SIGINT);
  sigprocmask (SIG_BLOCK, &ends, NULL);
  sigaction (SIGTERM, &action, NULL);
  sigaction (SIGINT, &action, NULL);

  i.flows = g_hash_table_new_full (flow_key_hash, flow_key_equal, g_free, g_free);
  if (!open_queue (&i)) {
    fprintf (stderr, "inspector: %s\n", g_strerror (errno));
    return 1;
  }
  puts ("ready");
  fclose (stdout);
  work (&i);
  mnl_socket_close (i.netlink);
  g_hash_table_unref (i.flows);
  return 0;
}
