/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder's door to libnice. libnice cannot be given a path of ours, but it can be given a
 * remote candidate at an address of this device: behind that stands a socket here, and what libnice
 * sends to it goes through the tunnel. So one agent checks the direct pairs and the tunnel, answers
 * the far side on both, and nominates by priority. Media does not take that detour.
 *
 * The address is that of the first host candidate and not loopback: libnice would need a candidate
 * on loopback for that, ranks it above all others, and checks it against each of the far side's
 * first, at 20 ms apiece of the 500 that ICE has. */
#include "tep-c/ice.h"

#include <string.h>

#include <nice/agent.h>
#include <nice/interfaces.h>

#define COMPONENTS_MAX 2
#define DATAGRAM_MAX 2048
#define LINES_MAX 1024    /* twice the lines of a section; arbitrary */
#define CANDIDATES_MAX 50 /* arbitrary; libnice forgets those beyond 25 per component */
/* RFC 8445 section 5.1.2: below every candidate that a far side may name. */
#define LEAST_PRIORITY 1

typedef struct {
  TepClientIce *ice;
  guint number; /* from 1 */
  GSocket *tunnel;
  GSource *tunnel_source;
  StunExtAddress tunnel_address; /* what libnice takes for the far side */
  StunExtAddress agent_address;  /* the agent's candidate that it is checked from */
  gboolean has_tunnel;
} Component;

struct _TepClientIce {
  GMainContext *context;
  guint n_forced;
  guint depth;        /* callbacks of libnice that are running */
  gboolean is_closed; /* wanted by one of them */
  char *remote_ufrag;
  NiceAgent *agent;
  guint stream;
  guint n_components;
  Component components[COMPONENTS_MAX];
  TepClientIceEvents events;
  gpointer user;
};

gboolean
tep_client_ice_is_check (const guint8 *data, gsize length)
{
  /* RFC 7983 section 7, and the magic cookie */
  return length >= 20 && data[0] < 4 && memcmp (data + 4, "\x21\x12\xa4\x42", 4) == 0;
}

static void
from_nice (const NiceAddress *address, StunExtAddress *ours)
{
  char text[NICE_ADDRESS_STRING_LEN];

  nice_address_to_string (address, text);
  memset (ours, 0, sizeof *ours);
  if (stun_ext_address_parse (text, ours)) {
    *ours = stun_ext_address_canonical (ours);
    ours->port = nice_address_get_port (address);
  }
}

static gboolean
nice_address_is_loopback (const NiceAddress *address)
{
  static const guint8 loopback[16] = { [15] = 1 };
  StunExtAddress ours;

  from_nice (address, &ours);
  return (ours.family == 4 && ours.octets[0] == 127) ||
         (ours.family == 6 && memcmp (ours.octets, loopback, sizeof loopback) == 0);
}

/* A far side has no business on our loopback, which "any address" leads to as well, and cannot be
 * many hosts. */
static gboolean
is_acceptable (const NiceAddress *address)
{
  static const guint8 any[16];
  StunExtAddress ours;

  from_nice (address, &ours);
  return ours.family != 0 && ours.port != 0 && !nice_address_is_loopback (address) &&
         memcmp (ours.octets, any, sizeof any) != 0 &&
         ours.octets[0] < (ours.family == 4 ? 224 : 255);
}

static gboolean
finish_close (gpointer data)
{
  tep_client_ice_free (data);
  return G_SOURCE_REMOVE;
}

/* An application may hang up in a callback, but libnice must not lose its stream under its feet. */
static void
leave (TepClientIce *ice)
{
  g_autoptr (GSource) source = NULL;

  if (--ice->depth > 0 || !ice->is_closed)
    return;
  source = g_idle_source_new ();
  g_source_set_callback (source, finish_close, ice, NULL);
  g_source_attach (source, ice->context);
}

static gboolean
enter (TepClientIce *ice)
{
  if (ice->is_closed)
    return FALSE;
  ice->depth++;
  return TRUE;
}

static void
on_gathered (NiceAgent *agent, guint stream, gpointer data)
{
  TepClientIce *ice = data;

  if (!enter (ice))
    return;
  ice->events.gathered (ice->user);
  leave (ice);
}

static void
on_selected (NiceAgent *agent,
             guint stream,
             guint component,
             NiceCandidate *local,
             NiceCandidate *remote,
             gpointer data)
{
  TepClientIce *ice = data;

  StunExtAddress address;

  from_nice (&remote->addr, &address);
  if (!enter (ice))
    return;
  ice->events.nominated (
      ice->user, component,
      stun_ext_address_equal (&address, &ice->components[component - 1].tunnel_address));
  leave (ice);
}

static void
on_state (NiceAgent *agent, guint stream, guint component, guint state, gpointer data)
{
  TepClientIce *ice = data;

  if (state != NICE_COMPONENT_STATE_FAILED || !enter (ice))
    return;
  ice->events.failed (ice->user, component);
  leave (ice);
}

static void
on_packet (NiceAgent *agent, guint stream, guint component, guint length, char *data, gpointer user)
{
  TepClientIce *ice = user;

  if (!enter (ice))
    return;
  ice->events.packet (ice->user, component, (const guint8 *)data, length);
  leave (ice);
}

/* libnice pairs its other addresses with ours too, and anybody on this machine can send here. */
static gboolean
from_socket (GSocketAddress *theirs, StunExtAddress *ours)
{
  struct sockaddr_storage storage;

  return theirs != NULL && g_socket_address_to_native (theirs, &storage, sizeof storage, NULL) &&
         stun_ext_address_from_sockaddr (ours, (struct sockaddr *)&storage,
                                         g_socket_address_get_native_size (theirs));
}

static GSocketAddress *
to_socket (const StunExtAddress *ours)
{
  struct sockaddr_storage storage;
  gsize length = stun_ext_address_to_sockaddr (ours, &storage);

  return g_socket_address_new_from_native (&storage, length);
}

static gboolean
on_tunnel_check (GSocket *socket, GIOCondition condition, gpointer data)
{
  Component *component = data;
  TepClientIce *ice = component->ice;
  guint8 datagram[DATAGRAM_MAX];

  for (guint i = 0; i < 16; i++) {
    g_autoptr (GSocketAddress) from = NULL;
    StunExtAddress sender;
    gssize length =
        g_socket_receive_from (socket, &from, (char *)datagram, sizeof datagram, NULL, NULL);

    if (length <= 0)
      break;
    /* libnice pairs its other addresses with ours too, and others can send here as well. */
    if (component->has_tunnel && from_socket (from, &sender) &&
        stun_ext_address_equal (&sender, &component->agent_address) &&
        tep_client_ice_is_check (datagram, length))
      ice->events.tunnel_check (ice->user, component->number, datagram, length);
  }
  return G_SOURCE_CONTINUE;
}

/* The candidate that is named as default: IPv4 before IPv6, which fewer far sides have. The copy is
 * the caller's. */
static NiceCandidate *
find_default (TepClientIce *ice, guint component, guint family)
{
  GSList *candidates = nice_agent_get_local_candidates (ice->agent, ice->stream, component);
  NiceCandidate *found = NULL;

  for (GSList *l = candidates; l != NULL; l = l->next) {
    NiceCandidate *candidate = l->data;
    guint its_family = nice_address_ip_version (&candidate->addr);

    if (candidate->type != NICE_CANDIDATE_TYPE_HOST || (family != 0 && its_family != family))
      continue;
    if (found == NULL || (nice_address_ip_version (&found->addr) != 4 && its_family == 4))
      found = candidate;
  }
  if (found != NULL)
    candidates = g_slist_remove (candidates, found);
  g_slist_free_full (candidates, (GDestroyNotify)nice_candidate_free);
  return found;
}

static gboolean
open_tunnel_end (Component *component, GError **error)
{
  g_autoptr (GSocketAddress) any = NULL;
  g_autoptr (GSocketAddress) bound = NULL;
  StunExtAddress address;

  if (!tep_client_ice_default_address (component->ice, component->number,
                                       &component->agent_address)) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "ICE has no local address");
    return FALSE;
  }
  address = component->agent_address;
  address.port = 0;
  any = to_socket (&address);
  component->tunnel = g_socket_new (g_socket_address_get_family (any), G_SOCKET_TYPE_DATAGRAM,
                                    G_SOCKET_PROTOCOL_UDP, error);
  if (component->tunnel == NULL || !g_socket_bind (component->tunnel, any, FALSE, error))
    return FALSE;
  g_socket_set_blocking (component->tunnel, FALSE);
  bound = g_socket_get_local_address (component->tunnel, error);
  if (!from_socket (bound, &component->tunnel_address))
    return FALSE;
  component->tunnel_source = g_socket_create_source (component->tunnel, G_IO_IN, NULL);
  g_source_set_callback (component->tunnel_source, G_SOURCE_FUNC (on_tunnel_check), component,
                         NULL);
  g_source_attach (component->tunnel_source, component->ice->context);
  return TRUE;
}

/* libnice's own search would take link-local addresses as well, which a far side has no use for. */
static void
add_local_addresses (TepClientIce *ice)
{
  GList *texts = nice_interfaces_get_local_ips (FALSE);
  NiceAddress address;

  for (GList *l = texts; l != NULL; l = l->next) {
    nice_address_init (&address);
    if (nice_address_set_from_string (&address, l->data) && !nice_address_is_loopback (&address) &&
        !g_str_has_prefix (l->data, "fe80:"))
      nice_agent_add_local_address (ice->agent, &address);
  }
  g_list_free_full (texts, g_free);
}

TepClientIce *
tep_client_ice_new (GMainContext *context,
                    const StunExtAddress *stun_server,
                    gboolean is_controlling,
                    guint n_components,
                    const TepClientIceEvents *events,
                    gpointer user,
                    GError **error)
{
  g_autoptr (TepClientIce) ice = g_new0 (TepClientIce, 1);

  ice->context = g_main_context_ref (context);
  ice->events = *events;
  ice->user = user;
  ice->n_components = CLAMP (n_components, 1, COMPONENTS_MAX);
  ice->agent = nice_agent_new_full (context, NICE_COMPATIBILITY_RFC5245,
                                    NICE_AGENT_OPTION_CONSENT_FRESHNESS);
  g_object_set (ice->agent, "upnp", FALSE, "ice-tcp", FALSE, "controlling-mode", is_controlling,
                NULL);
  if (stun_server != NULL && stun_server->family != 0) {
    char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

    g_object_set (ice->agent, "stun-server", stun_ext_address_print_host (stun_server, text),
                  "stun-server-port", (guint)stun_server->port, NULL);
  }
  add_local_addresses (ice);
  for (guint i = 0; i < ice->n_components; i++) {
    ice->components[i].ice = ice;
    ice->components[i].number = i + 1;
  }
  ice->stream = nice_agent_add_stream (ice->agent, ice->n_components);
  g_signal_connect (ice->agent, "candidate-gathering-done", G_CALLBACK (on_gathered), ice);
  g_signal_connect (ice->agent, "new-selected-pair-full", G_CALLBACK (on_selected), ice);
  g_signal_connect (ice->agent, "component-state-changed", G_CALLBACK (on_state), ice);
  for (guint i = 0; i < ice->n_components; i++)
    nice_agent_attach_recv (ice->agent, ice->stream, i + 1, context, on_packet, ice);
  return g_steal_pointer (&ice);
}

void
tep_client_ice_free (TepClientIce *ice)
{
  if (ice == NULL)
    return;
  ice->is_closed = TRUE;
  if (ice->depth > 0)
    return;
  if (ice->agent != NULL) {
    g_signal_handlers_disconnect_by_data (ice->agent, ice);
    for (guint i = 0; i < ice->n_components && ice->stream != 0; i++)
      nice_agent_attach_recv (ice->agent, ice->stream, i + 1, ice->context, NULL, NULL);
    if (ice->stream != 0)
      nice_agent_remove_stream (ice->agent, ice->stream);
    g_clear_object (&ice->agent);
  }
  for (guint i = 0; i < ice->n_components; i++) {
    Component *component = &ice->components[i];

    if (component->tunnel_source != NULL) {
      g_source_destroy (component->tunnel_source);
      g_clear_pointer (&component->tunnel_source, g_source_unref);
    }
    g_clear_object (&component->tunnel);
  }
  g_main_context_unref (ice->context);
  g_free (ice->remote_ufrag);
  g_free (ice);
}

gboolean
tep_client_ice_gather (TepClientIce *ice, GError **error)
{
  if (!nice_agent_gather_candidates (ice->agent, ice->stream)) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                         "ICE found no local address to gather candidates on");
    return FALSE;
  }
  for (guint i = 0; i < ice->n_components; i++) {
    if (!open_tunnel_end (&ice->components[i], error))
      return FALSE;
  }
  return TRUE;
}

static void
describe_lease (GString *lines, guint component, const StunExtAddress *lease)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  /* RFC 8445 section 5.1.2.1: type preference 100 for server-reflexive, local preference 1. */
  g_string_append_printf (lines, "a=candidate:tep %u UDP %u %s %u typ srflx raddr %s rport 9\r\n",
                          component, (100u << 24) + (1u << 8) + 256 - component,
                          stun_ext_address_print_host (lease, text), lease->port,
                          lease->family == 4 ? "0.0.0.0" : "::");
}

char *
tep_client_ice_describe (TepClientIce *ice, const StunExtAddress *leases)
{
  GString *lines = g_string_new (NULL);
  g_autofree char *ufrag = NULL;
  g_autofree char *password = NULL;

  nice_agent_get_local_credentials (ice->agent, ice->stream, &ufrag, &password);
  g_string_append_printf (lines, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", ufrag, password);
  for (guint i = 0; i < ice->n_components; i++) {
    GSList *candidates = nice_agent_get_local_candidates (ice->agent, ice->stream, i + 1);

    for (GSList *l = candidates; l != NULL; l = l->next) {
      g_autofree char *line = NULL;

      line = nice_agent_generate_local_candidate_sdp (ice->agent, l->data);
      g_string_append_printf (lines, "%s\r\n", line);
    }
    g_slist_free_full (candidates, (GDestroyNotify)nice_candidate_free);
    if (leases != NULL && leases[i].family != 0)
      describe_lease (lines, i + 1, &leases[i]);
  }
  return g_string_free (lines, FALSE);
}

gboolean
tep_client_ice_default_address (TepClientIce *ice, guint component, StunExtAddress *address)
{
  NiceCandidate *candidate = find_default (ice, component, 0);

  if (candidate == NULL)
    return FALSE;
  from_nice (&candidate->addr, address);
  nice_candidate_free (candidate);
  return TRUE;
}

static const char *
value_of (const char *line, const char *name)
{
  return g_str_has_prefix (line, name) ? line + strlen (name) : NULL;
}

static void
find_credentials (char **lines, const char **ufrag, const char **password)
{
  *ufrag = *password = NULL;
  for (guint i = 0; lines[i] != NULL; i++) {
    const char *value;

    if ((value = value_of (lines[i], "a=ice-ufrag:")) != NULL)
      *ufrag = value;
    else if ((value = value_of (lines[i], "a=ice-pwd:")) != NULL)
      *password = value;
  }
}

static char **
lines_of (const char *sdp)
{
  return g_strsplit_set (sdp, "\r\n", LINES_MAX);
}

gboolean
tep_client_ice_is_new_remote (TepClientIce *ice, const char *sdp)
{
  g_auto (GStrv) lines = lines_of (sdp);
  const char *ufrag;
  const char *password;

  find_credentials (lines, &ufrag, &password);
  return ufrag != NULL && password != NULL && g_strcmp0 (ufrag, ice->remote_ufrag) != 0;
}

static guint
take_candidates (TepClientIce *ice, char **lines, GSList **candidates)
{
  guint n = 0;

  for (guint i = 0; lines[i] != NULL && n < CANDIDATES_MAX; i++) {
    NiceCandidate *candidate;

    if (!g_str_has_prefix (lines[i], "a=candidate:"))
      continue;
    candidate = nice_agent_parse_remote_candidate_sdp (ice->agent, ice->stream, lines[i]);
    if (candidate == NULL)
      continue;
    if (candidate->component_id >= 1 && candidate->component_id <= ice->n_components &&
        candidate->transport == NICE_CANDIDATE_TRANSPORT_UDP && is_acceptable (&candidate->addr)) {
      GSList **list = &candidates[candidate->component_id - 1];

      *list = g_slist_append (*list, candidate);
      n++;
    } else {
      nice_candidate_free (candidate);
    }
  }
  return n;
}

int
tep_client_ice_set_remote (TepClientIce *ice, const char *sdp)
{
  g_auto (GStrv) lines = lines_of (sdp);
  GSList *candidates[COMPONENTS_MAX] = { NULL };
  const char *ufrag;
  const char *password;
  guint n;

  find_credentials (lines, &ufrag, &password);
  if (ufrag == NULL || password == NULL ||
      !nice_agent_set_remote_credentials (ice->agent, ice->stream, ufrag, password))
    return -1;
  g_free (ice->remote_ufrag);
  ice->remote_ufrag = g_strdup (ufrag);
  n = take_candidates (ice, lines, candidates);
  for (guint i = 0; i < ice->n_components; i++) {
    if (candidates[i] != NULL)
      nice_agent_set_remote_candidates (ice->agent, ice->stream, i + 1, candidates[i]);
    g_slist_free_full (candidates[i], (GDestroyNotify)nice_candidate_free);
  }
  return n;
}

static NiceCandidate *
remote_candidate (TepClientIce *ice,
                  NiceCandidateType type,
                  guint component,
                  const StunExtAddress *address,
                  const char *foundation)
{
  NiceCandidate *candidate = nice_candidate_new (type);
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  nice_address_set_from_string (&candidate->addr, stun_ext_address_print_host (address, text));
  nice_address_set_port (&candidate->addr, address->port);
  candidate->base_addr = candidate->addr;
  candidate->transport = NICE_CANDIDATE_TRANSPORT_UDP;
  candidate->priority = LEAST_PRIORITY;
  candidate->stream_id = ice->stream;
  candidate->component_id = component;
  g_strlcpy (candidate->foundation, foundation, NICE_CANDIDATE_MAX_FOUNDATION);
  return candidate;
}

void
tep_client_ice_force (TepClientIce *ice, guint component, const StunExtAddress *address)
{
  g_autofree char *foundation = g_strdup_printf ("direct%u", ++ice->n_forced);
  NiceCandidate *local = find_default (ice, component, address->family);
  NiceCandidate *remote =
      remote_candidate (ice, NICE_CANDIDATE_TYPE_HOST, component, address, foundation);

  /* The first call makes it known, the second one chooses the local side. */
  if (local != NULL && is_acceptable (&remote->addr) &&
      nice_agent_set_selected_remote_candidate (ice->agent, ice->stream, component, remote))
    nice_agent_set_selected_pair (ice->agent, ice->stream, component, local->foundation,
                                  remote->foundation);
  g_clear_pointer (&local, nice_candidate_free);
  nice_candidate_free (remote);
}

void
tep_client_ice_add_tunnel (TepClientIce *ice, guint component)
{
  Component *c = &ice->components[component - 1];
  NiceCandidate *candidate =
      remote_candidate (ice, NICE_CANDIDATE_TYPE_RELAYED, component, &c->tunnel_address, "tep");
  g_autoptr (GSList) list = g_slist_prepend (NULL, candidate);

  c->has_tunnel = TRUE;
  nice_agent_set_remote_candidates (ice->agent, ice->stream, component, list);
  nice_candidate_free (candidate);
}

void
tep_client_ice_tunnel_received (TepClientIce *ice,
                                guint component,
                                const guint8 *data,
                                gsize length)
{
  Component *c = &ice->components[component - 1];
  g_autoptr (GSocketAddress) agent = NULL;

  if (c->tunnel == NULL || !tep_client_ice_is_check (data, length))
    return;
  agent = to_socket (&c->agent_address);
  g_socket_send_to (c->tunnel, agent, (const char *)data, length, NULL, NULL);
}

void
tep_client_ice_restart (TepClientIce *ice, gboolean keeps_credentials)
{
  g_autofree char *ufrag = NULL;
  g_autofree char *password = NULL;

  nice_agent_get_local_credentials (ice->agent, ice->stream, &ufrag, &password);
  nice_agent_restart_stream (ice->agent, ice->stream);
  if (keeps_credentials)
    nice_agent_set_local_credentials (ice->agent, ice->stream, ufrag, password);
  for (guint i = 0; i < ice->n_components; i++)
    ice->components[i].has_tunnel = FALSE;
}

gboolean
tep_client_ice_send (TepClientIce *ice, guint component, const guint8 *data, gsize length)
{
  return nice_agent_send (ice->agent, ice->stream, component, length, (const char *)data) ==
         (int)length;
}
