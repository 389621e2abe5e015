/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one decision about addresses. Relays have been turned into doors to the networks behind them
 * by every path that forgot to ask, or asked about another form of the address; so all paths ask
 * here, each packet does, and the form is made canonical first. Rules are compiled into a table of
 * disjoint address intervals that a binary search answers from. */
#include "tep-s/policy.h"

#include <stdatomic.h>
#include <string.h>

#include "tep-s/error.h"
#include "tep-s/own-private.h"

/* More is no list that a person wrote, and compiling takes a time that grows with the square. */
#define MAX_RULES 4096

#define DEFAULT_FIRST_MEDIA_PORT 1024

/* Ports from the media range on which something other than media answers, often with much for
 * little. */
static const guint16 refused_ports[] = { 1900, 5060, 5061, 11211 };

/* What no rule may open. */
static const char *const never_open[] = { "0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128",
                                          "ff00::/8" };

static const char *const verdict_names[] = {
  [TEP_SERVER_VERDICT_ALLOW] = "allow",
  [TEP_SERVER_VERDICT_DENY_MALFORMED] = "malformed",
  [TEP_SERVER_VERDICT_DENY_OWN] = "own-address",
  [TEP_SERVER_VERDICT_DENY_RULE] = "rule",
  [TEP_SERVER_VERDICT_DENY_SPECIAL_PURPOSE] = "special-purpose",
  [TEP_SERVER_VERDICT_DENY_EMBEDDED] = "embedded",
  [TEP_SERVER_VERDICT_DENY_PORT] = "port",
  [TEP_SERVER_VERDICT_DENY_NOT_LISTED] = "not-listed",
};
G_STATIC_ASSERT (G_N_ELEMENTS (verdict_names) == TEP_SERVER_N_VERDICTS);

/* In the order in which they are asked. */
typedef enum {
  LIST_OWN,
  LIST_DENY,
  LIST_ALLOW,
  LIST_CORE
} List;

static const char *const list_names[] = { "own", "deny", "allow", "core" };

typedef struct {
  List list;
  StunExtPrefix prefix;
  gboolean names_ports;
  guint16 first_port;
  guint16 last_port;
  const char *opens; /* the special-purpose range this rule lies in, or NULL */
  char *text;
} Rule;

/* Addresses of both families in one order: IPv4 stands where its mapped form would. */
typedef struct {
  guint64 high;
  guint64 low;
} Key;

typedef struct {
  Key first;
  guint32 rules_at;
  guint32 n_rules;
} Interval;

struct _TepServerPolicy {
  atomic_int references;
  guint64 generation;
  gboolean is_public_denied;
  guint16 first_media_port;
  guint16 last_media_port;
  GArray *rules;     /* Rule, sorted by list */
  GArray *intervals; /* Interval, sorted; the first starts at zero */
  GArray *members;   /* guint32, indices into rules */
};

static atomic_ullong last_generation;

static gboolean
fail (GError **error, List list, const char *text, const char *problem)
{
  g_autofree char *quoted = g_utf8_make_valid (text, -1);

  g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG, "%s: rule \"%.120s\" %s",
               list_names[list], quoted, problem);
  return FALSE;
}

static void
rule_clear (gpointer data)
{
  g_clear_pointer (&((Rule *)data)->text, g_free);
}

static gboolean
parse_port (const char *text, gsize length, guint16 *port)
{
  guint value = 0;

  if (length == 0 || length > 5 || text[0] == '0')
    return FALSE;
  for (gsize i = 0; i < length; i++) {
    if (!g_ascii_isdigit (text[i]))
      return FALSE;
    value = value * 10 + (guint)(text[i] - '0');
  }
  *port = (guint16)value;
  return value <= G_MAXUINT16;
}

static gboolean
parse_ports (const char *text, Rule *rule)
{
  const char *dash = strchr (text, '-');
  gsize length = dash != NULL ? (gsize)(dash - text) : strlen (text);

  rule->names_ports = TRUE;
  if (!parse_port (text, length, &rule->first_port))
    return FALSE;
  rule->last_port = rule->first_port;
  return dash == NULL || (parse_port (dash + 1, strlen (dash + 1), &rule->last_port) &&
                          rule->last_port >= rule->first_port);
}

/* Cuts "PREFIX", "PREFIX:PORTS" (IPv4) or "[PREFIX]:PORTS" apart. */
static gboolean
split_rule (const char *text, char **prefix, const char **ports)
{
  const char *end;

  *ports = NULL;
  if (text[0] == '[') {
    end = strchr (text, ']');
    if (end == NULL || (end[1] != '\0' && end[1] != ':'))
      return FALSE;
    *prefix = g_strndup (text + 1, (gsize)(end - text - 1));
    if (end[1] == ':')
      *ports = end + 2;
    return strchr (*prefix, ':') != NULL;
  }
  end = strchr (text, ':');
  if (end != NULL && strchr (end + 1, ':') == NULL) {
    *prefix = g_strndup (text, (gsize)(end - text));
    *ports = end + 1;
  } else {
    *prefix = g_strdup (text);
  }
  return TRUE;
}

static void
prefix_ends (const StunExtPrefix *prefix, StunExtAddress *first, StunExtAddress *last)
{
  guint bits = prefix->family == 4 ? 32 : 128;

  stun_ext_address_init (first, prefix->family, prefix->octets, 0);
  *last = *first;
  for (guint i = prefix->length; i < bits; i++)
    last->octets[i / 8] |= (guint8)(0x80 >> i % 8);
}

/* A rule opens at most the one special-purpose range that it lies in, so that a short prefix does
 * not open by accident what its writer did not think of. */
static gboolean
check_opening (Rule *rule, GError **error)
{
  StunExtAddress first, last;
  StunExtPrefix never;

  for (gsize i = 0; i < G_N_ELEMENTS (never_open); i++)
    if (stun_ext_prefix_parse (never_open[i], &never, NULL) &&
        stun_ext_prefix_overlaps (&rule->prefix, &never)) {
      g_autofree char *problem = g_strdup_printf (
          "reaches into %s, which is never opened; write one rule for each network "
          "that the gateways are in",
          never_open[i]);

      return fail (error, rule->list, rule->text, problem);
    }
  prefix_ends (&rule->prefix, &first, &last);
  rule->opens = stun_ext_address_special_purpose (&first);
  if (g_strcmp0 (rule->opens, stun_ext_address_special_purpose (&last)) != 0)
    return fail (error, rule->list, rule->text,
                 "reaches across the border of a special-purpose range; write one rule for each "
                 "side");
  return TRUE;
}

static gboolean
parse_rule (List list, const char *text, Rule *rule, GError **error)
{
  g_autofree char *prefix = NULL;
  g_autoptr (GError) cause = NULL;
  const char *ports;

  *rule = (Rule){ .list = list, .last_port = G_MAXUINT16, .text = (char *)text };
  if (text[0] == '\0')
    return fail (error, list, text, "is empty; write a prefix such as 192.0.2.0/24, or remove it");
  if (!split_rule (text, &prefix, &ports))
    return fail (error, list, text,
                 "has brackets in the wrong place; write ports as [2001:db8::/32]:5060");
  if (!stun_ext_prefix_parse (prefix, &rule->prefix, &cause)) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG, "%s: rule %s", list_names[list],
                 cause->message);
    return FALSE;
  }
  if (ports != NULL && list == LIST_CORE)
    return fail (error, list, text, "names a port; here a prefix alone is wanted");
  if (ports != NULL && !parse_ports (ports, rule))
    return fail (error, list, text,
                 "has no valid port; write PREFIX:PORT or PREFIX:FIRST-LAST, 1 to 65535");
  return list != LIST_ALLOW || check_opening (rule, error);
}

static gboolean
is_media_port (const TepServerPolicy *policy, guint port)
{
  if (port < policy->first_media_port || port > policy->last_media_port)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (refused_ports); i++)
    if (port == refused_ports[i])
      return FALSE;
  return TRUE;
}

static gboolean
has_media_port (const TepServerPolicy *policy, const Rule *rule)
{
  for (guint port = rule->first_port; port <= rule->last_port; port++)
    if (is_media_port (policy, port))
      return TRUE;
  return FALSE;
}

static gboolean
ports_overlap (const TepServerPolicy *policy, const Rule *a, const Rule *b)
{
  if (a->list == LIST_ALLOW && a->names_ports != b->names_ports)
    return has_media_port (policy, a->names_ports ? a : b);
  return a->first_port <= b->last_port && b->first_port <= a->last_port;
}

static gboolean
check_overlap (const TepServerPolicy *policy, const Rule *rule, GError **error)
{
  for (guint i = 0; i < policy->rules->len; i++) {
    const Rule *other = &g_array_index (policy->rules, Rule, i);

    if (other->list == rule->list && stun_ext_prefix_overlaps (&other->prefix, &rule->prefix) &&
        ports_overlap (policy, other, rule)) {
      g_autofree char *problem =
          g_strdup_printf ("overlaps \"%.120s\"; keep the one that is meant", other->text);

      return fail (error, rule->list, rule->text, problem);
    }
  }
  return TRUE;
}

static gboolean
add_list (TepServerPolicy *policy, List list, const char *const *texts, GError **error)
{
  for (gsize i = 0; texts != NULL && texts[i] != NULL; i++) {
    g_autofree char *text = g_strstrip (g_strdup (texts[i]));
    Rule rule;

    if (policy->rules->len >= MAX_RULES)
      return fail (error, list, text, "is one too many: 4096 rules are the limit");
    if (!parse_rule (list, text, &rule, error) || !check_overlap (policy, &rule, error))
      return FALSE;
    rule.text = g_steal_pointer (&text);
    g_array_append_val (policy->rules, rule);
  }
  return TRUE;
}

static void
add_own (TepServerPolicy *policy, const TepServerOwnRange *own, gsize n_own)
{
  g_autoptr (GArray) prefixes = g_array_new (FALSE, FALSE, sizeof (TepServerOwnPrefix));

  for (gsize i = 0; i < n_own; i++)
    tep_server_own_expand (prefixes, &own[i]);
  for (guint i = 0; i < prefixes->len; i++) {
    const TepServerOwnPrefix *prefix = &g_array_index (prefixes, TepServerOwnPrefix, i);
    Rule rule = { .list = LIST_OWN, .prefix = prefix->prefix, .names_ports = TRUE };

    rule.first_port = prefix->first_port;
    rule.last_port = prefix->last_port;
    g_array_append_val (policy->rules, rule);
  }
}

static int
key_compare (const Key *a, const Key *b)
{
  if (a->high != b->high)
    return a->high < b->high ? -1 : 1;
  if (a->low != b->low)
    return a->low < b->low ? -1 : 1;
  return 0;
}

static Key
address_key (const StunExtAddress *address)
{
  Key key = { 0 };

  if (address->family == 4) {
    key.low = G_GUINT64_CONSTANT (0xffff) << 32;
    for (gsize i = 0; i < 4; i++)
      key.low |= (guint64)address->octets[i] << (24 - 8 * i);
    return key;
  }
  for (gsize i = 0; i < 8; i++) {
    key.high = key.high << 8 | address->octets[i];
    key.low = key.low << 8 | address->octets[i + 8];
  }
  return key;
}

static gint
compare_keys (gconstpointer a, gconstpointer b)
{
  return key_compare (a, b);
}

static gint
compare_rules (gconstpointer a, gconstpointer b)
{
  return (gint)((const Rule *)a)->list - (gint)((const Rule *)b)->list;
}

/* Every address at which the set of rules that hold can change. */
static GArray *
collect_borders (const TepServerPolicy *policy)
{
  GArray *borders = g_array_new (FALSE, TRUE, sizeof (Key));
  Key zero = { 0 };

  g_array_append_val (borders, zero);
  for (guint i = 0; i < policy->rules->len; i++) {
    StunExtAddress first, last;
    Key from, behind;

    prefix_ends (&g_array_index (policy->rules, Rule, i).prefix, &first, &last);
    from = address_key (&first);
    behind = address_key (&last);
    if (++behind.low == 0)
      behind.high++;
    g_array_append_val (borders, from);
    if (behind.high != 0 || behind.low != 0)
      g_array_append_val (borders, behind);
  }
  g_array_sort (borders, compare_keys);
  return borders;
}

static gboolean
rule_holds_at (const Rule *rule, const Key *key)
{
  StunExtAddress first, last;
  Key from, to;

  prefix_ends (&rule->prefix, &first, &last);
  from = address_key (&first);
  to = address_key (&last);
  return key_compare (&from, key) <= 0 && key_compare (key, &to) <= 0;
}

static void
compile (TepServerPolicy *policy)
{
  g_autoptr (GArray) borders = NULL;

  g_array_sort (policy->rules, compare_rules);
  borders = collect_borders (policy);
  for (guint i = 0; i < borders->len; i++) {
    Interval interval = { .first = g_array_index (borders, Key, i) };

    if (i > 0 && key_compare (&interval.first, &g_array_index (borders, Key, i - 1)) == 0)
      continue;
    interval.rules_at = policy->members->len;
    for (guint32 j = 0; j < policy->rules->len; j++)
      if (rule_holds_at (&g_array_index (policy->rules, Rule, j), &interval.first))
        g_array_append_val (policy->members, j);
    interval.n_rules = policy->members->len - interval.rules_at;
    g_array_append_val (policy->intervals, interval);
  }
  policy->generation = atomic_fetch_add (&last_generation, 1) + 1;
}

static TepServerPolicy *
policy_alloc (void)
{
  TepServerPolicy *policy = g_new0 (TepServerPolicy, 1);

  atomic_init (&policy->references, 1);
  policy->rules = g_array_new (FALSE, TRUE, sizeof (Rule));
  g_array_set_clear_func (policy->rules, rule_clear);
  policy->intervals = g_array_new (FALSE, TRUE, sizeof (Interval));
  policy->members = g_array_new (FALSE, TRUE, sizeof (guint32));
  return policy;
}

static void
add_broadcasts (TepServerPolicy *policy)
{
  g_autoptr (GArray) prefixes = g_array_new (FALSE, FALSE, sizeof (TepServerOwnPrefix));

  tep_server_own_broadcasts (prefixes);
  for (guint i = 0; i < prefixes->len; i++) {
    Rule rule = { .list = LIST_OWN, .last_port = G_MAXUINT16 };

    rule.prefix = g_array_index (prefixes, TepServerOwnPrefix, i).prefix;
    g_array_append_val (policy->rules, rule);
  }
}

TepServerPolicy *
tep_server_policy_new (const TepServerPolicyRules *rules, GError **error)
{
  g_autoptr (TepServerPolicy) policy = policy_alloc ();

  policy->is_public_denied = rules->is_public_denied;
  policy->first_media_port =
      rules->first_media_port != 0 ? rules->first_media_port : DEFAULT_FIRST_MEDIA_PORT;
  policy->last_media_port = rules->last_media_port != 0 ? rules->last_media_port : G_MAXUINT16;
  if (!add_list (policy, LIST_DENY, rules->deny, error) ||
      !add_list (policy, LIST_ALLOW, rules->allow, error) ||
      !add_list (policy, LIST_CORE, rules->core, error))
    return NULL;
  add_own (policy, rules->own, rules->n_own);
  add_broadcasts (policy);
  compile (policy);
  return g_steal_pointer (&policy);
}

TepServerPolicy *
tep_server_policy_new_with_own (const TepServerPolicy *policy,
                                const TepServerOwnRange *own,
                                gsize n_own)
{
  TepServerPolicy *copy = policy_alloc ();

  copy->is_public_denied = policy->is_public_denied;
  copy->first_media_port = policy->first_media_port;
  copy->last_media_port = policy->last_media_port;
  for (guint i = 0; i < policy->rules->len; i++) {
    Rule rule = g_array_index (policy->rules, Rule, i);

    rule.text = g_strdup (rule.text);
    g_array_append_val (copy->rules, rule);
  }
  add_own (copy, own, n_own);
  compile (copy);
  return copy;
}

TepServerPolicy *
tep_server_policy_ref (TepServerPolicy *policy)
{
  atomic_fetch_add_explicit (&policy->references, 1, memory_order_relaxed);
  return policy;
}

void
tep_server_policy_unref (TepServerPolicy *policy)
{
  if (atomic_fetch_sub_explicit (&policy->references, 1, memory_order_acq_rel) != 1)
    return;
  g_clear_pointer (&policy->rules, g_array_unref);
  g_clear_pointer (&policy->intervals, g_array_unref);
  g_clear_pointer (&policy->members, g_array_unref);
  g_free (policy);
}

static const Interval *
find_interval (const TepServerPolicy *policy, const StunExtAddress *address)
{
  Key key = address_key (address);
  guint low = 0;
  guint high = policy->intervals->len;

  while (high - low > 1) {
    guint middle = low + (high - low) / 2;

    if (key_compare (&g_array_index (policy->intervals, Interval, middle).first, &key) <= 0)
      low = middle;
    else
      high = middle;
  }
  return &g_array_index (policy->intervals, Interval, low);
}

static const Rule *
member (const TepServerPolicy *policy, const Interval *interval, guint i)
{
  return &g_array_index (policy->rules, Rule,
                         g_array_index (policy->members, guint32, interval->rules_at + i));
}

/* One address, whatever may be encoded inside it. */
static TepServerVerdict
judge (const TepServerPolicy *policy, const StunExtAddress *address)
{
  const Interval *interval = find_interval (policy, address);
  const char *special = stun_ext_address_special_purpose (address);
  gboolean is_listed = FALSE;
  gboolean is_open = FALSE;
  gboolean is_port_named = FALSE;

  for (guint i = 0; i < interval->n_rules; i++) {
    const Rule *rule = member (policy, interval, i);
    gboolean has_port = address->port >= rule->first_port && address->port <= rule->last_port;

    if (rule->list == LIST_OWN && has_port)
      return TEP_SERVER_VERDICT_DENY_OWN;
    if (rule->list == LIST_DENY && has_port)
      return TEP_SERVER_VERDICT_DENY_RULE;
    if (rule->list != LIST_ALLOW || g_strcmp0 (rule->opens, special) != 0)
      continue;
    is_listed = TRUE;
    is_open |= has_port;
    is_port_named |= has_port && rule->names_ports;
  }
  if (special != NULL && !is_listed)
    return TEP_SERVER_VERDICT_DENY_SPECIAL_PURPOSE;
  if (policy->is_public_denied && !is_listed)
    return TEP_SERVER_VERDICT_DENY_NOT_LISTED;
  if ((special != NULL || policy->is_public_denied) && !is_open)
    return TEP_SERVER_VERDICT_DENY_PORT;
  if (!is_port_named && !is_media_port (policy, address->port))
    return TEP_SERVER_VERDICT_DENY_PORT;
  return TEP_SERVER_VERDICT_ALLOW;
}

static gboolean
is_loopback6 (const StunExtAddress *address)
{
  static const guint8 loopback[16] = { [15] = 1 };

  return address->family == 6 && memcmp (address->octets, loopback, sizeof loopback) == 0;
}

TepServerVerdict
tep_server_policy_check (const TepServerPolicy *policy,
                         TepServerDirection direction,
                         const StunExtAddress *remote)
{
  StunExtAddress embedded[STUN_EXT_ADDRESS_EMBEDDED_MAX];
  StunExtAddress address = stun_ext_address_canonical (remote);
  TepServerVerdict verdict;
  gsize n_embedded;

  if ((address.family != 4 && address.family != 6) || address.port == 0)
    return TEP_SERVER_VERDICT_DENY_MALFORMED;
  verdict = judge (policy, &address);
  /* ::1 has the form of a compatible address, but is none. */
  if (verdict != TEP_SERVER_VERDICT_ALLOW || is_loopback6 (&address))
    return verdict;
  n_embedded = stun_ext_address_embedded (&address, embedded);
  for (gsize i = 0; i < n_embedded; i++)
    if (judge (policy, &embedded[i]) != TEP_SERVER_VERDICT_ALLOW)
      return TEP_SERVER_VERDICT_DENY_EMBEDDED;
  return TEP_SERVER_VERDICT_ALLOW;
}

gboolean
tep_server_policy_is_core (const TepServerPolicy *policy, const StunExtAddress *remote)
{
  StunExtAddress address = stun_ext_address_canonical (remote);
  const Interval *interval;

  if (address.family != 4 && address.family != 6)
    return FALSE;
  interval = find_interval (policy, &address);
  return interval->n_rules > 0 &&
         member (policy, interval, interval->n_rules - 1)->list == LIST_CORE;
}

guint64
tep_server_policy_get_generation (const TepServerPolicy *policy)
{
  return policy->generation;
}

const char *
tep_server_verdict_name (TepServerVerdict verdict)
{
  return verdict < TEP_SERVER_N_VERDICTS ? verdict_names[verdict] : "unknown";
}
