/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a name to addresses, by two lookups at once: an IPv6 answer that never comes must not hold
 * up IPv4. Apart from what is done with the addresses, which differs for TCP and UDP.
 */
#include "turn-connect/lookup.h"

#include "turn-connect/error-private.h"
#include "turn-connect/host.h"

struct _TurnConnectLookup {
  char *host;
  TurnConnectLookupFunc func; /* NULL once ended */
  gpointer user_data;
  GCancellable *cancellable;
  GSource *idle; /* for an address literal */
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

/* Runs from the context, so that nothing is told before the lookup is known to its owner. */
static gboolean
answer_with_literal (gpointer user_data)
{
  TurnConnectLookup *lookup = user_data;
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (lookup->host);
  GList one = { .data = address };
  GSocketFamily family = g_inet_address_get_family (address);

  lookup->n_users++;
  tell (lookup, family == G_SOCKET_FAMILY_IPV4 ? G_SOCKET_FAMILY_IPV6 : G_SOCKET_FAMILY_IPV4, NULL);
  tell (lookup, family, &one);
  unref (lookup);
  return G_SOURCE_REMOVE;
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
  if (turn_connect_host_is_address (host)) {
    lookup->idle = g_idle_source_new ();
    g_source_set_priority (lookup->idle, G_PRIORITY_DEFAULT);
    g_source_set_callback (lookup->idle, answer_with_literal, lookup, NULL);
    g_source_attach (lookup->idle, g_main_context_get_thread_default ());
  } else
    look_up (lookup);
  return lookup;
}

void
turn_connect_lookup_free (TurnConnectLookup *lookup)
{
  lookup->func = NULL;
  if (lookup->idle != NULL)
    g_source_destroy (lookup->idle);
  g_clear_pointer (&lookup->idle, g_source_unref);
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
