/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a name to addresses, by two lookups at once: an IPv6 answer that never comes must not hold
 * up IPv4. Apart from what is done with the addresses, which differs for TCP and UDP. An IPv4 address is
 * its own answer, but where only IPv6 leads out it is one under the prefix of the network's translator.
 */
#include "turn-connect/lookup.h"

#include "turn-connect/alarm.h"
#include "turn-connect/error-private.h"
#include "turn-connect/host.h"
#include "turn-connect/nat64.h"

#define PREFIX_US G_USEC_PER_SEC /* how long a prefix is waited for */

struct _TurnConnectLookup {
  char *host;
  TurnConnectLookupFunc func; /* NULL once ended */
  gpointer user_data;
  GCancellable *cancellable;
  GSource *idle; /* for an address literal */
  GSource *prefix_limit;
  GError *errors[2];
  gint64 begun_at;
  guint n_users; /* the owner and the lookups that run */
};

static void
unref (TurnConnectLookup *lookup)
{
  if (--lookup->n_users > 0)
    return;
  g_free (lookup->host);
  g_clear_object (&lookup->cancellable);
  g_clear_error (&lookup->errors[0]);
  g_clear_error (&lookup->errors[1]);
  g_free (lookup);
}

static void
tell (TurnConnectLookup *lookup, GSocketFamily family, GList *addresses)
{
  if (lookup->func != NULL)
    lookup->func (family, addresses, lookup->user_data);
}

static void
looked_up (GObject *resolver, GAsyncResult *result, TurnConnectLookup *lookup, GSocketFamily family)
{
  GError **error = &lookup->errors[family == G_SOCKET_FAMILY_IPV6 ? 0 : 1];
  GList *addresses =
      g_resolver_lookup_by_name_with_flags_finish (G_RESOLVER (resolver), result, error);

  tell (lookup, family, addresses);
  g_resolver_free_addresses (addresses);
  unref (lookup);
}

static void
looked_up_ipv6 (GObject *resolver, GAsyncResult *result, gpointer lookup)
{
  looked_up (resolver, result, lookup, G_SOCKET_FAMILY_IPV6);
}

static void
looked_up_ipv4 (GObject *resolver, GAsyncResult *result, gpointer lookup)
{
  looked_up (resolver, result, lookup, G_SOCKET_FAMILY_IPV4);
}

static void
look_up (TurnConnectLookup *lookup)
{
  g_autoptr (GResolver) resolver = g_resolver_get_default ();

  lookup->n_users += 2;
  g_resolver_lookup_by_name_with_flags_async (resolver, lookup->host,
                                              G_RESOLVER_NAME_LOOKUP_FLAGS_IPV6_ONLY,
                                              lookup->cancellable, looked_up_ipv6, lookup);
  g_resolver_lookup_by_name_with_flags_async (resolver, lookup->host,
                                              G_RESOLVER_NAME_LOOKUP_FLAGS_IPV4_ONLY,
                                              lookup->cancellable, looked_up_ipv4, lookup);
}

/* Address literals */

static void
tell_one (TurnConnectLookup *lookup, GInetAddress *address)
{
  GList one = { .data = address };
  GSocketFamily family = g_inet_address_get_family (address);

  lookup->n_users++;
  tell (lookup, family == G_SOCKET_FAMILY_IPV4 ? G_SOCKET_FAMILY_IPV6 : G_SOCKET_FAMILY_IPV4, NULL);
  tell (lookup, family, &one);
  unref (lookup);
}

/* NULL if none of the addresses of ipv4only.arpa shows a prefix. */
static GInetAddress *
translate (const StunExtAddress *literal, const GList *shown)
{
  for (const GList *l = shown; l != NULL; l = l->next) {
    StunExtAddress found, made;
    StunExtPrefix prefix;

    if (g_inet_address_get_family (l->data) != G_SOCKET_FAMILY_IPV6)
      continue;
    stun_ext_address_init (&found, 6, g_inet_address_to_bytes (l->data), 0);
    if (!turn_connect_nat64_find_prefix (&found, &prefix))
      continue;
    turn_connect_nat64_make (&prefix, literal, &made);
    return g_inet_address_new_from_bytes (made.octets, G_SOCKET_FAMILY_IPV6);
  }
  return NULL;
}

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
looked_up_prefix (GObject *resolver, GAsyncResult *result, gpointer user_data)
{
  TurnConnectLookup *lookup = user_data;
  GList *shown = g_resolver_lookup_by_name_with_flags_finish (G_RESOLVER (resolver), result, NULL);
  g_autoptr (GInetAddress) address = NULL;
  StunExtAddress literal;

  clear_source (&lookup->prefix_limit);
  if (stun_ext_address_parse (lookup->host, &literal))
    address = translate (&literal, shown);
  if (address == NULL)
    address = g_inet_address_new_from_string (lookup->host); /* and whoever tries it says why not */
  g_resolver_free_addresses (shown);
  tell_one (lookup, address);
  unref (lookup);
}

static gboolean
prefix_is_late (gpointer user_data)
{
  TurnConnectLookup *lookup = user_data;

  g_cancellable_cancel (lookup->cancellable);
  return G_SOURCE_REMOVE;
}

/* Who has IPv6 alone cannot send to an IPv4 address, but to one that a translator knows as that. */
static void
look_up_prefix (TurnConnectLookup *lookup)
{
  g_autoptr (GResolver) resolver = g_resolver_get_default ();

  lookup->n_users++;
  lookup->prefix_limit = turn_connect_alarm_new (g_main_context_get_thread_default (),
                                                 "TurnConnectLookup", prefix_is_late, lookup);
  g_source_set_ready_time (lookup->prefix_limit, g_get_monotonic_time () + PREFIX_US);
  g_resolver_lookup_by_name_with_flags_async (resolver, TURN_CONNECT_NAT64_NAME,
                                              G_RESOLVER_NAME_LOOKUP_FLAGS_IPV6_ONLY,
                                              lookup->cancellable, looked_up_prefix, lookup);
}

/* Runs from the context, so that nothing is told before the lookup is known to its owner. */
static gboolean
answer_with_literal (gpointer user_data)
{
  TurnConnectLookup *lookup = user_data;
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (lookup->host);

  tell_one (lookup, address);
  return G_SOURCE_REMOVE;
}

static void
look_up_literal (TurnConnectLookup *lookup)
{
  StunExtAddress literal;

  if (stun_ext_address_parse (lookup->host, &literal) && turn_connect_nat64_is_wanted (&literal)) {
    look_up_prefix (lookup);
    return;
  }
  lookup->idle = g_idle_source_new ();
  g_source_set_priority (lookup->idle, G_PRIORITY_DEFAULT);
  g_source_set_callback (lookup->idle, answer_with_literal, lookup, NULL);
  g_source_attach (lookup->idle, g_main_context_get_thread_default ());
}

TurnConnectLookup *
turn_connect_lookup_new (const char *host, TurnConnectLookupFunc func, gpointer user_data)
{
  TurnConnectLookup *lookup = g_new0 (TurnConnectLookup, 1);

  lookup->host = g_strdup (host);
  lookup->begun_at = g_get_monotonic_time ();
  lookup->func = func;
  lookup->user_data = user_data;
  lookup->cancellable = g_cancellable_new ();
  lookup->n_users = 1;
  if (turn_connect_host_is_address (host))
    look_up_literal (lookup);
  else
    look_up (lookup);
  return lookup;
}

void
turn_connect_lookup_free (TurnConnectLookup *lookup)
{
  lookup->func = NULL;
  clear_source (&lookup->idle);
  clear_source (&lookup->prefix_limit);
  g_cancellable_cancel (lookup->cancellable);
  unref (lookup);
}

GError *
turn_connect_lookup_make_error (const TurnConnectLookup *lookup)
{
  const GError *error = NULL;
  gboolean is_missing = TRUE;
  GError *made;

  for (int i = 0; i < 2; i++) {
    if (lookup->errors[i] == NULL)
      continue;
    error = lookup->errors[i];
    if (!g_error_matches (error, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND))
      is_missing = FALSE;
  }
  if (is_missing)
    made = g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_NAME_NOT_FOUND,
                        "the name %s has no address: check its spelling, and whether this network "
                        "knows it",
                        lookup->host);
  else
    made = g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_NAME_FAILED,
                        "the name %s could not be looked up: %s", lookup->host, error->message);
  turn_connect_error_set_step (made, TURN_CONNECT_STEP_RESOLVE);
  return made;
}

GError *
turn_connect_lookup_make_silence_error (const TurnConnectLookup *lookup)
{
  GError *error =
      g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_NAME_FAILED,
                   "looking up the name %s got no answer within %.1f s", lookup->host,
                   (double)(g_get_monotonic_time () - lookup->begun_at) / G_USEC_PER_SEC);

  turn_connect_error_set_step (error, TURN_CONNECT_STEP_RESOLVE);
  return error;
}
