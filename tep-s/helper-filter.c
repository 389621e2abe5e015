/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which packets are diverted: one nftables table with a set of exact address and port for each
 * family. Where a packet is in a set, "divert" (packets of this host) and "divert-in" (forwarded
 * ones) give it our mark before it is routed, and "guard" drops it if it is about to
 * leave by any device but ours all the same, as a packet of a socket bound to an interface would:
 * an original never gets onto the wire beside its copy in the tunnel.
 *
 * The table is owned by the netlink socket that made it (NFT_TABLE_F_OWNER), of which the server
 * keeps a duplicate. So it stays while one of the two processes lives, and the kernel removes it
 * with the last one even if both are killed. Without it nothing else of ours has any effect.
 */
#include "tep-s/helper-netlink.h"
#include "tep-s/helper-private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>
#include <unistd.h>

/* nft's numbers of its types, so that "nft list" prints the sets readably. */
#define NFT_TYPE_IPADDR 7
#define NFT_TYPE_IP6ADDR 8
#define NFT_TYPE_INET_SERVICE 13
#define NFT_TYPE_BITS 6

#define SET_ID_4 4
#define SET_ID_6 6
#define GUARD_PRIORITY 300 /* after any address translation */

/* What differs between the families in a rule. Registers of 32 bits hold the set's key. */
typedef struct {
  guint8 nfproto;
  guint32 set_id;
  guint32 destination_offset; /* in the IP header */
  guint32 address_length;
} Family;

static const Family families[2] = {
  { NFPROTO_IPV4, SET_ID_4, 16, 4 },
  { NFPROTO_IPV6, SET_ID_6, 24, 16 },
};

static const char *
set_name (const Family *family)
{
  return family->nfproto == NFPROTO_IPV4 ? "leased4" : "leased6";
}

int
tep_server_helper_filter_open (TepServerHelperChild *child)
{
  child->filter = tep_server_netlink_open (NETLINK_NETFILTER);
  return child->filter < 0 ? errno : 0;
}

static struct nlmsghdr *
add_message (TepServerNetlink *netlink, guint16 type, guint16 flags, guint8 family)
{
  struct nfgenmsg *header;
  struct nlmsghdr *message =
      tep_server_netlink_message (netlink, type, flags, sizeof *header, (void **)&header);

  header->nfgen_family = family;
  header->version = NFNETLINK_V0;
  header->res_id = htons (type < NLMSG_MIN_TYPE + 2 ? NFNL_SUBSYS_NFTABLES : 0);
  return message;
}

static struct nlmsghdr *
add_change (TepServerNetlink *netlink, int type, int flags)
{
  return add_message (netlink, (guint16)(NFNL_SUBSYS_NFTABLES << 8 | type),
                      (guint16)(NLM_F_ACK | flags), NFPROTO_INET);
}

static void
begin_batch (TepServerNetlink *netlink)
{
  add_message (netlink, NFNL_MSG_BATCH_BEGIN, 0, NFPROTO_UNSPEC);
}

/* The end of a batch is not answered, so the last change before it is what talk() waits for. */
static int
commit_batch (TepServerNetlink *netlink, int fd)
{
  add_message (netlink, NFNL_MSG_BATCH_END, 0, NFPROTO_UNSPEC);
  netlink->sequence--;
  return tep_server_netlink_talk (netlink, fd);
}

static void
put_u32 (struct nlmsghdr *message, guint16 type, guint32 value)
{
  mnl_attr_put_u32 (message, type, htonl (value));
}

static void
put_value (struct nlmsghdr *message, guint16 type, const void *octets, gsize length)
{
  struct nlattr *nest = mnl_attr_nest_start (message, type);

  mnl_attr_put (message, NFTA_DATA_VALUE, length, octets);
  mnl_attr_nest_end (message, nest);
}

static void
add_set (TepServerNetlink *netlink, const TepServerHelperChild *child, const Family *family)
{
  struct nlmsghdr *message = add_change (netlink, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL);
  guint32 address_type = family->nfproto == NFPROTO_IPV4 ? NFT_TYPE_IPADDR : NFT_TYPE_IP6ADDR;

  mnl_attr_put_strz (message, NFTA_SET_TABLE, child->plan.filter_table);
  mnl_attr_put_strz (message, NFTA_SET_NAME, set_name (family));
  put_u32 (message, NFTA_SET_KEY_TYPE, address_type << NFT_TYPE_BITS | NFT_TYPE_INET_SERVICE);
  put_u32 (message, NFTA_SET_KEY_LEN, family->address_length + 4);
  put_u32 (message, NFTA_SET_ID, family->set_id);
}

static void
add_chain (TepServerNetlink *netlink,
           const TepServerHelperChild *child,
           const char *name,
           const char *type,
           guint32 hook,
           gint32 priority)
{
  struct nlmsghdr *message = add_change (netlink, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
  struct nlattr *nest;

  mnl_attr_put_strz (message, NFTA_CHAIN_TABLE, child->plan.filter_table);
  mnl_attr_put_strz (message, NFTA_CHAIN_NAME, name);
  mnl_attr_put_strz (message, NFTA_CHAIN_TYPE, type);
  nest = mnl_attr_nest_start (message, NFTA_CHAIN_HOOK);
  put_u32 (message, NFTA_HOOK_HOOKNUM, hook);
  put_u32 (message, NFTA_HOOK_PRIORITY, (guint32)priority);
  mnl_attr_nest_end (message, nest);
}

typedef struct {
  struct nlattr *element;
  struct nlattr *data;
} Expression;

static Expression
open_expression (struct nlmsghdr *message, const char *name)
{
  Expression expression = { .element = mnl_attr_nest_start (message, NFTA_LIST_ELEM) };

  mnl_attr_put_strz (message, NFTA_EXPR_NAME, name);
  expression.data = mnl_attr_nest_start (message, NFTA_EXPR_DATA);
  return expression;
}

static void
close_expression (struct nlmsghdr *message, Expression expression)
{
  mnl_attr_nest_end (message, expression.data);
  mnl_attr_nest_end (message, expression.element);
}

/* The packet's `key` must (not) be `octets`. */
static void
expect_meta (struct nlmsghdr *message, guint32 key, guint32 comparison, const void *octets, gsize n)
{
  Expression expression = open_expression (message, "meta");

  put_u32 (message, NFTA_META_DREG, NFT_REG_1);
  put_u32 (message, NFTA_META_KEY, key);
  close_expression (message, expression);
  expression = open_expression (message, "cmp");
  put_u32 (message, NFTA_CMP_SREG, NFT_REG_1);
  put_u32 (message, NFTA_CMP_OP, comparison);
  put_value (message, NFTA_CMP_DATA, octets, n);
  close_expression (message, expression);
}

static void
load_octets (struct nlmsghdr *message, guint32 base, guint32 offset, guint32 length, guint32 target)
{
  Expression expression = open_expression (message, "payload");

  put_u32 (message, NFTA_PAYLOAD_DREG, target);
  put_u32 (message, NFTA_PAYLOAD_BASE, base);
  put_u32 (message, NFTA_PAYLOAD_OFFSET, offset);
  put_u32 (message, NFTA_PAYLOAD_LEN, length);
  close_expression (message, expression);
}

/* UDP of the family whose destination address and port are in the set. */
static void
match_set (struct nlmsghdr *message, const Family *family)
{
  const guint8 udp = IPPROTO_UDP;
  Expression expression;

  expect_meta (message, NFT_META_NFPROTO, NFT_CMP_EQ, &family->nfproto, 1);
  expect_meta (message, NFT_META_L4PROTO, NFT_CMP_EQ, &udp, 1);
  load_octets (message, NFT_PAYLOAD_NETWORK_HEADER, family->destination_offset,
               family->address_length, NFT_REG32_00);
  load_octets (message, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2,
               NFT_REG32_00 + family->address_length / 4);
  expression = open_expression (message, "lookup");
  mnl_attr_put_strz (message, NFTA_LOOKUP_SET, set_name (family));
  put_u32 (message, NFTA_LOOKUP_SET_ID, family->set_id);
  put_u32 (message, NFTA_LOOKUP_SREG, NFT_REG32_00);
  close_expression (message, expression);
  expression = open_expression (message, "counter");
  close_expression (message, expression);
}

/* The mark is in host order. */
static void
set_mark (struct nlmsghdr *message, guint32 mark)
{
  Expression expression = open_expression (message, "immediate");

  put_u32 (message, NFTA_IMMEDIATE_DREG, NFT_REG_1);
  put_value (message, NFTA_IMMEDIATE_DATA, &mark, sizeof mark);
  close_expression (message, expression);
  expression = open_expression (message, "meta");
  put_u32 (message, NFTA_META_SREG, NFT_REG_1);
  put_u32 (message, NFTA_META_KEY, NFT_META_MARK);
  close_expression (message, expression);
}

static void
drop (struct nlmsghdr *message)
{
  Expression expression = open_expression (message, "immediate");
  struct nlattr *data, *verdict;

  put_u32 (message, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
  data = mnl_attr_nest_start (message, NFTA_IMMEDIATE_DATA);
  verdict = mnl_attr_nest_start (message, NFTA_DATA_VERDICT);
  put_u32 (message, NFTA_VERDICT_CODE, NF_DROP);
  mnl_attr_nest_end (message, verdict);
  mnl_attr_nest_end (message, data);
  close_expression (message, expression);
}

static void
add_rule (TepServerNetlink *netlink,
          const TepServerHelperChild *child,
          const char *chain,
          const Family *family,
          gboolean is_guard)
{
  struct nlmsghdr *message = add_change (netlink, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
  struct nlattr *expressions;

  mnl_attr_put_strz (message, NFTA_RULE_TABLE, child->plan.filter_table);
  mnl_attr_put_strz (message, NFTA_RULE_CHAIN, chain);
  expressions = mnl_attr_nest_start (message, NFTA_RULE_EXPRESSIONS);
  if (is_guard)
    expect_meta (message, NFT_META_OIFNAME, NFT_CMP_NEQ, child->plan.device,
                 sizeof child->plan.device);
  match_set (message, family);
  if (is_guard)
    drop (message);
  else
    set_mark (message, child->plan.mark);
  mnl_attr_nest_end (message, expressions);
}

int
tep_server_helper_filter_set_up (TepServerHelperChild *child)
{
  TepServerNetlink netlink = { 0 };
  struct nlmsghdr *message;

  begin_batch (&netlink);
  message = add_change (&netlink, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
  mnl_attr_put_strz (message, NFTA_TABLE_NAME, child->plan.filter_table);
  put_u32 (message, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
  add_chain (&netlink, child, "divert", "route", NF_INET_LOCAL_OUT, NF_IP_PRI_MANGLE);
  add_chain (&netlink, child, "divert-in", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_MANGLE);
  add_chain (&netlink, child, "guard", "filter", NF_INET_POST_ROUTING, GUARD_PRIORITY);
  for (gsize i = 0; i < G_N_ELEMENTS (families); i++) {
    add_set (&netlink, child, &families[i]);
    add_rule (&netlink, child, "divert", &families[i], FALSE);
    add_rule (&netlink, child, "divert-in", &families[i], FALSE);
    add_rule (&netlink, child, "guard", &families[i], TRUE);
  }
  return commit_batch (&netlink, child->filter);
}

int
tep_server_helper_change_element (TepServerHelperChild *child,
                                  const StunExtAddress *address,
                                  gboolean is_added)
{
  TepServerNetlink netlink = { 0 };
  const Family *family = &families[address->family == 4 ? 0 : 1];
  guint8 key[20] = { 0 };
  struct nlmsghdr *message;
  struct nlattr *elements, *element;

  memcpy (key, address->octets, family->address_length);
  key[family->address_length] = (guint8)(address->port >> 8);
  key[family->address_length + 1] = (guint8)address->port;
  begin_batch (&netlink);
  message = add_change (&netlink, is_added ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM,
                        is_added ? NLM_F_CREATE : 0);
  mnl_attr_put_strz (message, NFTA_SET_ELEM_LIST_TABLE, child->plan.filter_table);
  mnl_attr_put_strz (message, NFTA_SET_ELEM_LIST_SET, set_name (family));
  elements = mnl_attr_nest_start (message, NFTA_SET_ELEM_LIST_ELEMENTS);
  element = mnl_attr_nest_start (message, NFTA_LIST_ELEM);
  put_value (message, NFTA_SET_ELEM_KEY, key, family->address_length + 4);
  mnl_attr_nest_end (message, element);
  mnl_attr_nest_end (message, elements);
  return commit_batch (&netlink, child->filter);
}

void
tep_server_helper_filter_remove (TepServerHelperChild *child)
{
  TepServerNetlink netlink = { 0 };
  struct nlmsghdr *message;

  if (child->filter < 0)
    return;
  begin_batch (&netlink);
  message = add_change (&netlink, NFT_MSG_DELTABLE, 0);
  mnl_attr_put_strz (message, NFTA_TABLE_NAME, child->plan.filter_table);
  commit_batch (&netlink, child->filter);
}
