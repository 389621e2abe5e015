/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order in which the servers of a URI are tried (RFC 5928), apart from the asking. The walk
 * through SRV and NAPTR records is done anew after every answer, over the answers there are; so it
 * reads as the RFC does, questions that do not depend on each other are open at once, and loops and
 * floods meet limits in one place.
 */
#include "turn-connect/turn/plan.h"

#include "turn-connect/error-private.h"
#include "turn-connect/host.h"

#include <string.h>

#define APPLICATION "relay" /* RFC 5928 section 6.1 */
#define WALK_MAX 256        /* domains looked at in one walk; arbitrary */
#define IS_RELAY 0x80

typedef struct {
  TurnConnectDnsType type;
  char *name;
  gboolean is_answered;
  TurnConnectDnsAnswer answer;
  GPtrArray *records; /* in the order in which they are to be used; name NULL if unusable */
  guint8 offers[TURN_CONNECT_DNS_RECORDS_MAX]; /* of NAPTR: bits by transport, and IS_RELAY */
} Entry;

struct _TurnConnectPlan {
  TurnConnectUri *uri;
  TurnConnectTransport transports[TURN_CONNECT_N_TRANSPORTS]; /* the caller's */
  guint n_transports;
  TurnConnectResolveFlags flags;
  TurnConnectPlanRandom random;
  gpointer random_data;
  GPtrArray *entries; /* Entry */
  guint n_taken;
  /* Of one walk: */
  GPtrArray *servers;
  gboolean is_waiting;
  gboolean has_failed; /* something on the way got no answer */
  guint n_walked;
};

G_DEFINE_BOXED_TYPE (TurnConnectServer,
                     turn_connect_server,
                     turn_connect_server_copy,
                     turn_connect_server_free)

static TurnConnectServer *
server_new (TurnConnectTransport transport, const char *host, guint16 port)
{
  TurnConnectServer *server = g_new0 (TurnConnectServer, 1);

  server->transport = transport;
  server->host = g_strdup (host);
  server->port = port;
  return server;
}

TurnConnectServer *
turn_connect_server_copy (const TurnConnectServer *server)
{
  return server_new (server->transport, server->host, server->port);
}

void
turn_connect_server_free (TurnConnectServer *server)
{
  g_free (server->host);
  g_free (server);
}

static void
entry_free (Entry *entry)
{
  g_free (entry->name);
  g_clear_pointer (&entry->records, g_ptr_array_unref);
  g_free (entry);
}

TurnConnectPlan *
turn_connect_plan_new (TurnConnectUri *uri,
                       const TurnConnectTransport *transports,
                       guint n_transports,
                       TurnConnectResolveFlags flags,
                       TurnConnectPlanRandom random,
                       gpointer random_data)
{
  TurnConnectPlan *plan = g_new0 (TurnConnectPlan, 1);

  plan->uri = turn_connect_uri_ref (uri);
  plan->n_transports = MIN (n_transports, TURN_CONNECT_N_TRANSPORTS);
  memcpy (plan->transports, transports, plan->n_transports * sizeof *transports);
  plan->flags = flags;
  plan->random = random;
  plan->random_data = random_data;
  plan->entries = g_ptr_array_new_with_free_func ((GDestroyNotify)entry_free);
  return plan;
}

void
turn_connect_plan_free (TurnConnectPlan *plan)
{
  turn_connect_uri_unref (plan->uri);
  g_ptr_array_unref (plan->entries);
  g_clear_pointer (&plan->servers, g_ptr_array_unref);
  g_free (plan);
}

static gint
compare_records (gconstpointer a, gconstpointer b)
{
  const TurnConnectDnsRecord *left = *(TurnConnectDnsRecord *const *)a;
  const TurnConnectDnsRecord *right = *(TurnConnectDnsRecord *const *)b;

  if (left->priority != right->priority)
    return left->priority < right->priority ? -1 : 1;
  return left->weight == right->weight ? 0 : left->weight < right->weight ? -1 : 1;
}

/* RFC 2782, "Weight": among those of one priority, draw by weight until none is left. Those of
 * weight 0 stand first, so they are drawn only by a zero, or when nothing else is left. */
static void
shuffle_srv (TurnConnectPlan *plan, GPtrArray *records)
{
  for (guint at = 0; at < records->len; at++) {
    const TurnConnectDnsRecord *first = g_ptr_array_index (records, at);
    guint32 sum = 0, drawn, running = 0;
    guint end = at, chosen = at;

    for (; end < records->len; end++) {
      const TurnConnectDnsRecord *record = g_ptr_array_index (records, end);

      if (record->priority != first->priority)
        break;
      sum += record->weight;
    }
    drawn = plan->random (sum, plan->random_data);
    for (; chosen < end - 1; chosen++) {
      running += ((TurnConnectDnsRecord *)g_ptr_array_index (records, chosen))->weight;
      if (running >= drawn)
        break;
    }
    /* The order of the others is kept: zeros stay first. */
    g_ptr_array_insert (records, (gint)at, g_ptr_array_steal_index (records, chosen));
  }
}

/* The walk finds the entry of a question that is answered. */
static Entry *
find_entry (TurnConnectPlan *plan, TurnConnectDnsType type, const char *name)
{
  for (guint i = 0; i < plan->entries->len; i++) {
    Entry *entry = g_ptr_array_index (plan->entries, i);

    if (entry->type == type && strcmp (entry->name, name) == 0)
      return entry;
  }
  return NULL;
}

static const Entry *
ask (TurnConnectPlan *plan, TurnConnectDnsType type, const char *name)
{
  Entry *entry = find_entry (plan, type, name);

  if (entry == NULL) {
    if (plan->entries->len >= TURN_CONNECT_PLAN_QUESTIONS_MAX) {
      plan->has_failed = TRUE;
      return NULL;
    }
    entry = g_new0 (Entry, 1);
    entry->type = type;
    entry->name = g_strdup (name);
    g_ptr_array_add (plan->entries, entry);
  }
  if (!entry->is_answered) {
    plan->is_waiting = TRUE;
    return NULL;
  }
  if (entry->answer == TURN_CONNECT_DNS_FAILED)
    plan->has_failed = TRUE;
  return entry;
}

gboolean
turn_connect_plan_take_question (TurnConnectPlan *plan, TurnConnectDnsType *type, const char **name)
{
  const Entry *entry;

  if (plan->n_taken == plan->entries->len)
    return FALSE;
  entry = g_ptr_array_index (plan->entries, plan->n_taken++);
  *type = entry->type;
  *name = entry->name;
  return TRUE;
}

/* What DNS calls a host has to be a name: "127.0.0.1" would become an address on the way. */
static char *
read_name (const char *given)
{
  g_autofree char *name =
      given != NULL && *given != '[' ? turn_connect_host_normalise (given, NULL) : NULL;

  return name != NULL && !turn_connect_host_is_address (name) ? g_steal_pointer (&name) : NULL;
}

/* RFC 3958 section 6.5: "RELAY:turn.udp:turn.tcp"; section 6.4.1: no rewriting. */
static guint8
read_offers (const TurnConnectDnsRecord *record)
{
  /* RFC 5928 section 6.2, RFC 7350 section 7.1 */
  static const char *const tags[TURN_CONNECT_N_TRANSPORTS] = { "turn.udp", "turn.tcp", "turn.tls",
                                                               "turn.dtls" };
  g_auto (GStrv) parts = g_strsplit (record->service != NULL ? record->service : "", ":", 16);
  guint8 found = IS_RELAY;

  if (parts[0] == NULL || g_ascii_strcasecmp (parts[0], APPLICATION) != 0 ||
      (record->regexp != NULL && *record->regexp != '\0'))
    return 0;
  for (guint i = 1; parts[i] != NULL; i++)
    for (guint k = 0; k < TURN_CONNECT_N_TRANSPORTS; k++)
      if (g_ascii_strcasecmp (parts[i], tags[k]) == 0)
        found |= (guint8)(1u << k);
  return found;
}

static gboolean
offers (const Entry *entry, guint at, TurnConnectTransport transport)
{
  return (entry->offers[at] & 1u << transport) != 0;
}

void
turn_connect_plan_answer (TurnConnectPlan *plan,
                          TurnConnectDnsType type,
                          const char *name,
                          TurnConnectDnsAnswer answer,
                          GPtrArray *records)
{
  Entry *entry = find_entry (plan, type, name);

  if (entry == NULL || entry->is_answered)
    return;
  entry->is_answered = TRUE;
  entry->answer = answer;
  entry->records = g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_dns_record_free);
  g_ptr_array_extend_and_steal (entry->records, g_ptr_array_ref (records));
  g_ptr_array_sort (entry->records, compare_records);
  if (entry->records->len > TURN_CONNECT_DNS_RECORDS_MAX)
    g_ptr_array_set_size (entry->records, TURN_CONNECT_DNS_RECORDS_MAX);
  if (type == TURN_CONNECT_DNS_SRV)
    shuffle_srv (plan, entry->records);
  for (guint i = 0; i < entry->records->len; i++) {
    TurnConnectDnsRecord *record = g_ptr_array_index (entry->records, i);
    char *usable = read_name (record->name);

    g_free (record->name);
    record->name = usable;
    if (type == TURN_CONNECT_DNS_NAPTR)
      entry->offers[i] = read_offers (record);
  }
}

void
turn_connect_plan_answer_rest (TurnConnectPlan *plan)
{
  for (guint i = 0; i < plan->entries->len; i++) {
    Entry *entry = g_ptr_array_index (plan->entries, i);

    entry->answer = entry->is_answered ? entry->answer : TURN_CONNECT_DNS_FAILED;
    entry->is_answered = TRUE;
  }
}

static void
add_server (TurnConnectPlan *plan, TurnConnectTransport transport, const char *host, guint16 port)
{
  for (guint i = 0; i < plan->servers->len; i++) {
    const TurnConnectServer *server = g_ptr_array_index (plan->servers, i);

    if (server->transport == transport && server->port == port && strcmp (server->host, host) == 0)
      return;
  }
  if (plan->servers->len < TURN_CONNECT_SERVERS_MAX)
    g_ptr_array_add (plan->servers, server_new (transport, host, port));
}

static gboolean
is_secure (TurnConnectTransport transport)
{
  return transport == TURN_CONNECT_TRANSPORT_TLS || transport == TURN_CONNECT_TRANSPORT_DTLS;
}

static guint16
default_port (TurnConnectTransport transport)
{
  return is_secure (transport) ? TURN_CONNECT_PORT_SECURE : TURN_CONNECT_PORT_PLAIN;
}

/* @fallback: the host that stands for itself if there are no records (RFC 5928 section 3 items 3
 * and 5), or NULL. */
static void
walk_srv (TurnConnectPlan *plan,
          TurnConnectTransport transport,
          const char *name,
          const char *fallback)
{
  const Entry *entry = ask (plan, TURN_CONNECT_DNS_SRV, name);

  if (entry == NULL && plan->is_waiting)
    return;
  if (entry == NULL || entry->answer != TURN_CONNECT_DNS_FOUND) {
    if (fallback != NULL)
      add_server (plan, transport, fallback, default_port (transport));
    return;
  }
  /* A target of "." says that there is none, and read_name() refuses it. */
  for (guint i = 0; i < entry->records->len; i++) {
    const TurnConnectDnsRecord *record = g_ptr_array_index (entry->records, i);

    if (record->name != NULL && record->port != 0)
      add_server (plan, transport, record->name, record->port);
  }
}

static void
walk_service (TurnConnectPlan *plan, TurnConnectTransport transport)
{
  const char *host = turn_connect_uri_get_host (plan->uri);
  gboolean is_datagram =
      transport == TURN_CONNECT_TRANSPORT_UDP || transport == TURN_CONNECT_TRANSPORT_DTLS;
  g_autofree char *name = g_strdup_printf ("_%s._%s.%s", turn_connect_uri_get_scheme (plan->uri),
                                           is_datagram ? "udp" : "tcp", host);

  walk_srv (plan, transport, name, host);
}

static void
walk_naptr (TurnConnectPlan *plan, TurnConnectTransport transport, const char *domain, guint depth);

static void
follow (TurnConnectPlan *plan,
        TurnConnectTransport transport,
        const TurnConnectDnsRecord *record,
        guint depth)
{
  const char *name = record->name;
  const char *flags = record->flags != NULL ? record->flags : "";

  if (name == NULL)
    return;
  if (*flags == '\0')
    walk_naptr (plan, transport, name, depth + 1);
  else if (g_ascii_strcasecmp (flags, "s") == 0)
    walk_srv (plan, transport, name, NULL);
  else if (g_ascii_strcasecmp (flags, "a") == 0)
    add_server (plan, transport, name, default_port (transport));
}

static void
walk_naptr (TurnConnectPlan *plan, TurnConnectTransport transport, const char *domain, guint depth)
{
  const Entry *entry;

  if (depth >= TURN_CONNECT_PLAN_DEPTH_MAX || ++plan->n_walked > WALK_MAX)
    return;
  entry = ask (plan, TURN_CONNECT_DNS_NAPTR, domain);
  if (entry == NULL || entry->answer != TURN_CONNECT_DNS_FOUND)
    return;
  for (guint i = 0; i < entry->records->len; i++)
    if (offers (entry, i, transport))
      follow (plan, transport, g_ptr_array_index (entry->records, i), depth);
}

/* RFC 5928 section 3 item 4: the first set of records ranks the transports, the caller's preference
 * decides between equals. Only those that are offered are written. */
static guint
rank_transports (const TurnConnectPlan *plan,
                 const Entry *entry,
                 TurnConnectTransport ranked[TURN_CONNECT_N_TRANSPORTS])
{
  guint32 ranks[TURN_CONNECT_N_TRANSPORTS];
  guint n = 0;

  for (guint i = 0; i < plan->n_transports; i++) {
    TurnConnectTransport transport = plan->transports[i];
    const TurnConnectDnsRecord *record = NULL;
    guint32 rank;
    guint at;

    if (turn_connect_uri_is_secure (plan->uri) && !is_secure (transport))
      continue;
    for (guint k = 0; k < entry->records->len && record == NULL; k++)
      if (offers (entry, k, transport))
        record = g_ptr_array_index (entry->records, k);
    if (record == NULL)
      continue;
    rank = (guint32)record->priority << 16 | record->weight;
    for (at = n++; at > 0 && ranks[at - 1] > rank; at--) {
      ranks[at] = ranks[at - 1];
      ranked[at] = ranked[at - 1];
    }
    ranks[at] = rank;
    ranked[at] = transport;
  }
  return n;
}

static gboolean
has_relay (const Entry *entry)
{
  for (guint i = 0; entry->answer == TURN_CONNECT_DNS_FOUND && i < entry->records->len; i++)
    if (entry->offers[i] & IS_RELAY)
      return TRUE;
  return FALSE;
}

/* What both the URI and the caller know, in the caller's order. */
static guint
common_transports (const TurnConnectPlan *plan,
                   TurnConnectTransport common[TURN_CONNECT_N_TRANSPORTS])
{
  TurnConnectTransport meant[TURN_CONNECT_N_TRANSPORTS];
  guint n_meant = turn_connect_uri_get_transports (plan->uri, meant);
  guint n = 0;

  for (guint i = 0; i < plan->n_transports; i++) {
    TurnConnectTransport transport = plan->transports[i];
    gboolean is_stream =
        transport == TURN_CONNECT_TRANSPORT_TCP || transport == TURN_CONNECT_TRANSPORT_TLS;

    if ((plan->flags & TURN_CONNECT_RESOLVE_BY_PROXY) && !is_stream)
      continue;
    for (guint k = 0; k < n_meant; k++)
      if (meant[k] == transport && n < TURN_CONNECT_N_TRANSPORTS)
        common[n++] = transport;
  }
  return n;
}

/* These names mean something without the name service, and must not be asked of it: RFC 6761
 * section 6.3, RFC 6762 section 3. */
static gboolean
is_local (const char *host)
{
  return strcmp (host, "localhost") == 0 || g_str_has_suffix (host, ".localhost") ||
         g_str_has_suffix (host, ".local");
}

static void
walk (TurnConnectPlan *plan, const TurnConnectTransport *common, guint n)
{
  const char *host = turn_connect_uri_get_host (plan->uri);
  TurnConnectTransport ranked[TURN_CONNECT_N_TRANSPORTS];
  const Entry *entry = NULL;

  if ((plan->flags & TURN_CONNECT_RESOLVE_BY_PROXY) || turn_connect_uri_is_address (plan->uri) ||
      turn_connect_uri_get_port (plan->uri) != 0 || is_local (host)) {
    for (guint i = 0; i < n; i++)
      add_server (plan, common[i], host, turn_connect_uri_get_effective_port (plan->uri));
    return;
  }
  if (turn_connect_uri_is_turn (plan->uri) && turn_connect_uri_get_transport (plan->uri) == NULL) {
    entry = ask (plan, TURN_CONNECT_DNS_NAPTR, host);
    if (entry != NULL && has_relay (entry)) {
      n = rank_transports (plan, entry, ranked);
      for (guint i = 0; i < n; i++)
        walk_naptr (plan, ranked[i], host, 0);
      return;
    }
  }
  /* While NAPTR is not answered too: most domains have none, and this saves a round trip. */
  for (guint i = 0; i < n; i++)
    walk_service (plan, common[i]);
}

static GError *
make_error (const TurnConnectPlan *plan)
{
  const char *host = turn_connect_uri_get_host (plan->uri);
  GError *error;

  if (plan->has_failed)
    error = g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_NAME_FAILED,
                         "DNS names servers for %s:%s, but does not say where they are",
                         turn_connect_uri_get_scheme (plan->uri), host);
  else
    error = g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_NAME_NOT_FOUND,
                         "DNS says that %s offers no server for %s: URIs that could be used from "
                         "here",
                         host, turn_connect_uri_get_scheme (plan->uri));
  return error;
}

static GError *
make_transport_error (const TurnConnectPlan *plan)
{
  TurnConnectTransport meant[TURN_CONNECT_N_TRANSPORTS];

  if (turn_connect_uri_get_transports (plan->uri, meant) == 0)
    return g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_UNSUPPORTED,
                                "the URI's transport is none that is known here: udp and tcp are");
  if (plan->flags & TURN_CONNECT_RESOLVE_BY_PROXY)
    return g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_UNSUPPORTED,
                                "the URI asks for UDP, which no HTTP proxy carries: use turns: or "
                                "?transport=tcp");
  return g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_UNSUPPORTED,
                              "the URI asks for a transport that is not to be used here");
}

gboolean
turn_connect_plan_step (TurnConnectPlan *plan, GPtrArray **servers, GError **error)
{
  TurnConnectTransport common[TURN_CONNECT_N_TRANSPORTS];
  guint n = common_transports (plan, common);
  GError *found = NULL;

  g_clear_pointer (&plan->servers, g_ptr_array_unref);
  plan->servers = g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_server_free);
  plan->is_waiting = FALSE;
  plan->has_failed = FALSE;
  plan->n_walked = 0;
  if (n > 0)
    walk (plan, common, n);
  if (plan->is_waiting)
    return FALSE;
  if (plan->servers->len > 0) {
    *servers = g_steal_pointer (&plan->servers);
    return TRUE;
  }
  found = n > 0 ? make_error (plan) : make_transport_error (plan);
  turn_connect_error_set_step (found, TURN_CONNECT_STEP_RESOLVE);
  g_propagate_error (error, found);
  return TRUE;
}
