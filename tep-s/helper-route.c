/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How diverted packets find the device. Which packets these are, the nftables sets alone say, to
 * the port; they give them our mark. A rule on exactly this mark and UDP leads to a table of our
 * own whose one route is the device. The tunnel's own TCP never carries the mark, so it never
 * loops. A lease changes nothing here: route changes wait for a lock that anything which makes or
 * removes interfaces holds, for many milliseconds where containers come and go.
 *
 * A rule on "UDP" alone, with a route for each leased address, would do without nftables, but takes
 * a public address whole: the answers of the STUN responder, and the ICE checks of other devices
 * behind the same NAT that need no tunnel, would end in the device too.
 *
 * The reverse path filter. Packets from the device come with a source that the main table routes
 * elsewhere, so strict filtering would drop them all. The larger of the settings for the interface
 * and for "all" counts: 2 (loose) on the interface wins over 1 for all without touching it. But in
 * loose mode the kernel drops everything that enters by an interface without an address, hence the
 * dummy address. Both are set by rtnetlink, as /proc may be read-only here.
 */
#include "tep-s/helper-netlink.h"
#include "tep-s/helper-private.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RULE_PRIORITY 8330 /* before the main table's 32766; after 0, what is local */
#define QUEUE_PACKETS 4000 /* a quarter second of 16,000 packets/s */
#define RP_FILTER_LOOSE 2
static const guint8 dummy_address[4] = { 192, 0, 0, 8 }; /* RFC 7600 section 4.8 */
static const char capture_alias[] = "tep-s capture";

int
tep_server_helper_route_open (TepServerHelperChild *child)
{
  child->route = tep_server_netlink_open (NETLINK_ROUTE);
  return child->route < 0 ? errno : 0;
}

static int
delete_link (TepServerHelperChild *child, const char *name)
{
  TepServerNetlink netlink = { 0 };
  struct ifinfomsg *info;
  struct nlmsghdr *message =
      tep_server_netlink_message (&netlink, RTM_DELLINK, NLM_F_ACK, sizeof *info, (void **)&info);

  mnl_attr_put_strz (message, IFLA_IFNAME, name);
  return tep_server_netlink_talk (&netlink, child->route);
}

/* Whether a link of that name carries our alias: left by a server that was killed with its helper.
 */
static gboolean
is_left_over (TepServerHelperChild *child, const char *name)
{
  TepServerNetlink netlink = { 0 };
  struct ifinfomsg *info;
  struct nlmsghdr *message =
      tep_server_netlink_message (&netlink, RTM_GETLINK, 0, sizeof *info, (void **)&info);
  char alias[64];

  mnl_attr_put_strz (message, IFLA_IFNAME, name);
  return tep_server_netlink_ask_text (&netlink, child->route, sizeof *info, IFLA_IFALIAS, alias,
                                      sizeof alias) &&
         strcmp (alias, capture_alias) == 0;
}

static int
create_veth (TepServerHelperChild *child)
{
  TepServerNetlink netlink = { 0 };
  struct ifinfomsg *info, *peer_info;
  struct nlmsghdr *message = tep_server_netlink_message (
      &netlink, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof *info, (void **)&info);
  struct nlattr *link, *data, *peer;

  mnl_attr_put_strz (message, IFLA_IFNAME, child->plan.device);
  link = mnl_attr_nest_start (message, IFLA_LINKINFO);
  mnl_attr_put_strz (message, IFLA_INFO_KIND, "veth");
  data = mnl_attr_nest_start (message, IFLA_INFO_DATA);
  peer = mnl_attr_nest_start (message, VETH_INFO_PEER);
  peer_info = mnl_nlmsg_put_extra_header (message, sizeof *peer_info);
  (void)peer_info;
  mnl_attr_put_strz (message, IFLA_IFNAME, child->plan.far_end);
  mnl_attr_nest_end (message, peer);
  mnl_attr_nest_end (message, data);
  mnl_attr_nest_end (message, link);
  return tep_server_netlink_talk (&netlink, child->route);
}

int
tep_server_helper_make_link (TepServerHelperChild *child)
{
  int error = create_veth (child);

  if (error == EEXIST && is_left_over (child, child->plan.device)) {
    delete_link (child, child->plan.device);
    error = create_veth (child);
  }
  if (error != 0)
    return error;
  child->made_link = TRUE;
  child->device_index = (int)if_nametoindex (child->plan.device);
  return child->device_index == 0 ? errno : 0;
}

/* Without link-local addresses the device stays quiet; without ARP nothing is asked before a packet
 * is sent: it goes to the far end with a destination that is not the far end's, and is dropped. */
static int
set_link (TepServerHelperChild *child, int index)
{
  TepServerNetlink netlink = { 0 };
  struct ifinfomsg *info;
  struct nlmsghdr *message =
      tep_server_netlink_message (&netlink, RTM_NEWLINK, NLM_F_ACK, sizeof *info, (void **)&info);
  struct nlattr *families, *family, *settings;

  info->ifi_index = index;
  info->ifi_flags = IFF_UP | IFF_NOARP;
  info->ifi_change = IFF_UP | IFF_NOARP;
  mnl_attr_put_u32 (message, IFLA_MTU, child->plan.mtu);
  mnl_attr_put_u32 (message, IFLA_TXQLEN, QUEUE_PACKETS);
  if (child->plan.is_capture)
    mnl_attr_put_strz (message, IFLA_IFALIAS, capture_alias);
  families = mnl_attr_nest_start (message, IFLA_AF_SPEC);
  family = mnl_attr_nest_start (message, AF_INET);
  settings = mnl_attr_nest_start (message, IFLA_INET_CONF);
  mnl_attr_put_u32 (message, IPV4_DEVCONF_RP_FILTER, RP_FILTER_LOOSE);
  mnl_attr_nest_end (message, settings);
  mnl_attr_nest_end (message, family);
  if (child->has_ipv6) {
    family = mnl_attr_nest_start (message, AF_INET6);
    mnl_attr_put_u8 (message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end (message, family);
  }
  mnl_attr_nest_end (message, families);
  return tep_server_netlink_talk (&netlink, child->route);
}

static int
add_dummy_address (TepServerHelperChild *child)
{
  TepServerNetlink netlink = { 0 };
  struct ifaddrmsg *info;
  struct nlmsghdr *message =
      tep_server_netlink_message (&netlink, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
                                  sizeof *info, (void **)&info);

  info->ifa_family = AF_INET;
  info->ifa_prefixlen = 32;
  info->ifa_scope = RT_SCOPE_HOST;
  info->ifa_index = (guint32)child->device_index;
  mnl_attr_put (message, IFA_LOCAL, sizeof dummy_address, dummy_address);
  mnl_attr_put (message, IFA_ADDRESS, sizeof dummy_address, dummy_address);
  return tep_server_netlink_talk (&netlink, child->route);
}

int
tep_server_helper_set_up_link (TepServerHelperChild *child)
{
  int error = 0;

  if (child->plan.is_capture)
    error = set_link (child, (int)if_nametoindex (child->plan.far_end));
  if (error == 0)
    error = set_link (child, child->device_index);
  if (error == 0 && !child->plan.is_capture)
    error = add_dummy_address (child);
  return error;
}

static int
change_rule (TepServerHelperChild *child, int family, gboolean is_added)
{
  TepServerNetlink netlink = { 0 };
  struct fib_rule_hdr *rule;
  struct nlmsghdr *message =
      tep_server_netlink_message (&netlink, is_added ? RTM_NEWRULE : RTM_DELRULE,
                                  (guint16)(NLM_F_ACK | (is_added ? NLM_F_CREATE | NLM_F_EXCL : 0)),
                                  sizeof *rule, (void **)&rule);

  rule->family = (guint8)family;
  rule->action = FR_ACT_TO_TBL;
  mnl_attr_put_u32 (message, FRA_PRIORITY, RULE_PRIORITY);
  mnl_attr_put_u32 (message, FRA_FWMARK, child->plan.mark);
  mnl_attr_put_u32 (message, FRA_FWMASK, G_MAXUINT32);
  mnl_attr_put_u8 (message, FRA_IP_PROTO, IPPROTO_UDP);
  mnl_attr_put_u32 (message, FRA_TABLE, child->plan.table);
  return tep_server_netlink_talk (&netlink, child->route);
}

/* A rule that a killed server left is the same rule and serves as well. */
int
tep_server_helper_add_rules (TepServerHelperChild *child)
{
  int error;

  child->made_rules = TRUE;
  error = change_rule (child, AF_INET, TRUE);
  if ((error == 0 || error == EEXIST) && child->has_ipv6)
    error = change_rule (child, AF_INET6, TRUE);
  return error == EEXIST ? 0 : error;
}

static int
add_route (TepServerHelperChild *child, int family)
{
  TepServerNetlink netlink = { 0 };
  struct rtmsg *route;
  struct nlmsghdr *message =
      tep_server_netlink_message (&netlink, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
                                  sizeof *route, (void **)&route);

  route->rtm_family = (guint8)family;
  route->rtm_protocol = RTPROT_STATIC;
  route->rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  route->rtm_type = RTN_UNICAST;
  mnl_attr_put_u32 (message, RTA_TABLE, child->plan.table);
  mnl_attr_put_u32 (message, RTA_OIF, (guint32)child->device_index);
  return tep_server_netlink_talk (&netlink, child->route);
}

int
tep_server_helper_add_routes (TepServerHelperChild *child)
{
  int error = add_route (child, AF_INET);

  if (error == 0 && child->has_ipv6)
    error = add_route (child, AF_INET6);
  return error;
}

/* The routes go with the device: the veth pair here, the TUN device when its last queue is closed.
 */
void
tep_server_helper_remove_routing (TepServerHelperChild *child)
{
  if (child->made_rules)
    change_rule (child, AF_INET, FALSE);
  if (child->made_rules && child->has_ipv6)
    change_rule (child, AF_INET6, FALSE);
  if (child->made_link)
    delete_link (child, child->plan.device);
}
