/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Observations and verdicts as JSON, and observations back from it: what a run saw can be sent to
 * somebody else, compared with another day's, and judged again.
 */
#include "turn-connect/detect/record.h"

#include "turn-connect/detect/record-private.h"

#include <string.h>

#define MS(us) ((double)(us) / 1000)

static void
put_text (JsonBuilder *out, const char *key, const char *value)
{
  json_builder_set_member_name (out, key);
  if (value == NULL)
    json_builder_add_null_value (out);
  else {
    g_autofree char *valid = g_utf8_make_valid (value, -1);

    json_builder_add_string_value (out, valid);
  }
}

static void
put_number (JsonBuilder *out, const char *key, gint64 value)
{
  json_builder_set_member_name (out, key);
  json_builder_add_int_value (out, value);
}

static void
put_flag (JsonBuilder *out, const char *key, gboolean value)
{
  json_builder_set_member_name (out, key);
  json_builder_add_boolean_value (out, value);
}

static void
put_real (JsonBuilder *out, const char *key, double value)
{
  json_builder_set_member_name (out, key);
  json_builder_add_double_value (out, value);
}

static void
put_real_or_null (JsonBuilder *out, const char *key, double value, gboolean is_known)
{
  if (is_known)
    put_real (out, key, value);
  else
    put_text (out, key, NULL);
}

/* Microseconds; what is below 0 was not measured. */
static void
put_us (JsonBuilder *out, const char *key, gint64 us)
{
  if (us >= 0)
    put_number (out, key, us);
  else
    put_text (out, key, NULL);
}

static void
put_ms (JsonBuilder *out, const char *key, gint64 us)
{
  if (us >= 0)
    put_real (out, key, MS (us));
  else
    put_text (out, key, NULL);
}

static void
put_tell (JsonBuilder *out, const char *key, TurnConnectTell tell)
{
  if (tell == TURN_CONNECT_TELL_UNKNOWN)
    put_text (out, key, NULL);
  else
    put_flag (out, key, tell == TURN_CONNECT_TELL_YES);
}

static void
put_address (JsonBuilder *out, const char *key, const StunExtAddress *address)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  if (address->family != 0)
    put_text (out, key, stun_ext_address_print (address, text));
}

static void
put_index (JsonBuilder *out, const char *key, gint index)
{
  if (index >= 0)
    put_number (out, key, index);
  else
    put_text (out, key, NULL);
}

static void
put_count (JsonBuilder *out, const char *key, guint count)
{
  if (count > 0)
    put_number (out, key, count);
  else
    put_text (out, key, NULL);
}

static void
put_array (JsonBuilder *out, const char *key)
{
  json_builder_set_member_name (out, key);
  json_builder_begin_array (out);
}

static void
put_object (JsonBuilder *out, const char *key)
{
  json_builder_set_member_name (out, key);
  json_builder_begin_object (out);
}

static void
put_texts (JsonBuilder *out, const char *key, const GPtrArray *texts)
{
  put_array (out, key);
  for (guint i = 0; i < texts->len; i++) {
    g_autofree char *valid = g_utf8_make_valid (g_ptr_array_index (texts, i), -1);

    json_builder_add_string_value (out, valid);
  }
  json_builder_end_array (out);
}

static void
put_addresses (JsonBuilder *out, const char *key, const GArray *addresses)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  put_array (out, key);
  for (guint i = 0; i < addresses->len; i++)
    json_builder_add_string_value (
        out, stun_ext_address_print (&g_array_index (addresses, StunExtAddress, i), text));
  json_builder_end_array (out);
}

/* Sorted, so that the same facts make the same text. */
static void
put_facts (JsonBuilder *out, const char *key, GHashTable *facts)
{
  g_autoptr (GList) keys = g_list_sort (g_hash_table_get_keys (facts), (GCompareFunc)strcmp);

  put_object (out, key);
  for (const GList *l = keys; l != NULL; l = l->next)
    put_text (out, l->data, g_hash_table_lookup (facts, l->data));
  json_builder_end_object (out);
}

static void
put_quality (JsonBuilder *out, const TurnConnectQuality *quality)
{
  put_object (out, "quality");
  put_number (out, "set_up_us", quality->set_up_us);
  put_number (out, "sent", quality->n_sent);
  put_number (out, "received", quality->n_received);
  put_number (out, "reordered", quality->n_reordered);
  put_number (out, "late", quality->n_late);
  put_number (out, "longest_gap", quality->longest_gap);
  put_number (out, "rtt_us", quality->rtt_us);
  put_number (out, "rtt_p95_us", quality->rtt_p95_us);
  put_number (out, "jitter_us", quality->jitter_us);
  put_number (out, "size", quality->size);
  json_builder_end_object (out);
}

static void
put_answer (JsonBuilder *out, const TurnConnectProbe *probe)
{
  if (probe->proof != TURN_CONNECT_PROOF_NONE)
    put_text (out, "proof", turn_connect_proof_to_string (probe->proof));
  if (probe->far_saw != TURN_CONNECT_FAR_SAW_UNKNOWN)
    put_text (out, "far_saw", turn_connect_far_saw_to_string (probe->far_saw));
  if (probe->connect_us >= 0)
    put_number (out, "connect_us", probe->connect_us);
  if (probe->rtt_us >= 0)
    put_number (out, "rtt_us", probe->rtt_us);
  put_address (out, "local", &probe->local);
  put_address (out, "mapped", &probe->mapped);
  put_address (out, "source", &probe->source);
  put_address (out, "origin", &probe->origin);
  put_address (out, "other", &probe->other);
  if (probe->code != 0)
    put_number (out, "code", probe->code);
  if (probe->detail != NULL)
    put_text (out, "detail", probe->detail);
  if (probe->facts != NULL)
    put_facts (out, "facts", probe->facts);
  if (probe->quality.n_sent > 0)
    put_quality (out, &probe->quality);
}

static void
put_probe (JsonBuilder *out, const TurnConnectProbe *probe)
{
  json_builder_begin_object (out);
  put_text (out, "kind", turn_connect_probe_kind_to_string (probe->kind));
  if (probe->variant != NULL)
    put_text (out, "variant", probe->variant);
  put_text (out, "carry", turn_connect_carry_to_string (probe->carry));
  put_number (out, "family", probe->family);
  put_address (out, "target", &probe->target);
  if (probe->target.family == 0 && probe->target.port != 0) /* of a name that a proxy looks up */
    put_number (out, "port", probe->target.port);
  if (probe->via != NULL)
    put_text (out, "via", probe->via);
  if (probe->is_control)
    put_flag (out, "control", TRUE);
  if (probe->group != 0)
    put_number (out, "group", probe->group);
  if (probe->round != 0)
    put_number (out, "round", probe->round);
  put_number (out, "start_us", probe->start_us);
  put_number (out, "deadline_us", probe->deadline_us);
  put_us (out, "end_us", probe->end_us);
  put_number (out, "attempts", probe->attempts);
  put_number (out, "answers", probe->answers);
  put_text (out, "outcome", turn_connect_outcome_to_string (probe->outcome));
  put_answer (out, probe);
  json_builder_end_object (out);
}

static void
put_listeners (JsonBuilder *out, const GArray *listeners)
{
  put_array (out, "listeners");
  for (guint i = 0; i < listeners->len; i++) {
    const TurnConnectListener *listener = &g_array_index (listeners, TurnConnectListener, i);

    json_builder_begin_object (out);
    put_text (out, "carry", turn_connect_carry_to_string (listener->carry));
    put_number (out, "port", listener->port);
    put_us (out, "heard_ago_s", listener->heard_ago_s);
    if (listener->is_front_door)
      put_flag (out, "front_door", TRUE);
    json_builder_end_object (out);
  }
  json_builder_end_array (out);
}

static void
put_run_id (JsonBuilder *out, const guint8 *id)
{
  char text[2 * TURN_CONNECT_RUN_ID_SIZE + 1];

  for (guint i = 0; i < TURN_CONNECT_RUN_ID_SIZE; i++)
    g_snprintf (text + 2 * i, 3, "%02x", id[i]);
  put_text (out, "run", text);
}

static void
put_observations (JsonBuilder *out, const TurnConnectObservations *observations)
{
  put_text (out, "host", observations->host);
  put_number (out, "port", observations->port);
  put_run_id (out, observations->run_id);
  put_text (out, "began", observations->began);
  put_number (out, "took_us", observations->took_us);
  put_text (out, "interface", observations->interface);
  put_text (out, "software", observations->software);
  put_flag (out, "far_end", observations->is_far_end);
  put_flag (out, "second_address", observations->has_second_address);
  put_text (out, "resolve_error", observations->resolve_error);
  put_addresses (out, "locals", observations->locals);
  put_addresses (out, "servers", observations->servers);
  put_listeners (out, observations->listeners);
  put_facts (out, "facts", observations->facts);
  put_array (out, "probes");
  for (guint i = 0; i < observations->probes->len; i++)
    put_probe (out, g_ptr_array_index (observations->probes, i));
  json_builder_end_array (out);
}

/* The verdict. */

static void
put_nat (JsonBuilder *out, const TurnConnectFamilyVerdict *family)
{
  put_object (out, "nat");
  put_tell (out, "translated", family->translated);
  put_text (out, "mapping",
            family->translated == TURN_CONNECT_TELL_NO
                ? "none"
                : turn_connect_behaviour_to_string (family->mapping));
  put_text (out, "filtering", turn_connect_behaviour_to_string (family->filtering));
  put_tell (out, "pool", family->is_pool);
  put_text (out, "confidence", turn_connect_confidence_to_string (family->nat_confidence));
  json_builder_end_object (out);
}

static void
put_ports (JsonBuilder *out,
           const char *key,
           const TurnConnectFamilyVerdict *family,
           TurnConnectCarry carry)
{
  put_array (out, key);
  for (guint i = 0; i < family->ports->len; i++) {
    const TurnConnectPort *port = &g_array_index (family->ports, TurnConnectPort, i);

    if (port->carry != carry)
      continue;
    json_builder_begin_object (out);
    put_number (out, "port", port->port);
    put_text (out, "reach", turn_connect_reach_to_string (port->reach));
    put_ms (out, "rtt_ms", port->rtt_us);
    put_index (out, "probe", port->probe);
    json_builder_end_object (out);
  }
  json_builder_end_array (out);
}

static void
put_types (JsonBuilder *out, guint types)
{
  put_array (out, "types");
  for (guint type = 1; type <= 9; type++) {
    if (types & (1u << type))
      json_builder_add_int_value (out, type);
  }
  json_builder_end_array (out);
}

static void
put_reach (JsonBuilder *out, const TurnConnectFamilyVerdict *family)
{
  put_nat (out, family);
  put_object (out, "udp");
  put_tell (out, "works", family->udp);
  put_ports (out, "ports", family, TURN_CONNECT_CARRY_UDP);
  json_builder_end_object (out);
  put_tell (out, "tcp", family->tcp);
  put_ports (out, "tcp_ports", family, TURN_CONNECT_CARRY_TCP);
  put_tell (out, "intercepted", family->is_intercepted);
}

static void
put_proxy (JsonBuilder *out, const TurnConnectVerdict *verdict)
{
  put_object (out, "proxy");
  put_text (out, "state", turn_connect_way_to_string (verdict->proxy));
  put_text (out, "url", verdict->proxy_url);
  put_text (out, "source", verdict->proxy_source);
  put_text (out, "authentication", verdict->proxy_schemes);
  put_tell (out, "opens_tls", verdict->proxy_opens_tls);
  put_number (out, "code", verdict->proxy_code);
  put_index (out, "probe", verdict->proxy_probe);
  put_array (out, "ports");
  for (guint i = 0; i < verdict->proxy_ports->len; i++) {
    const TurnConnectProxyPort *port =
        &g_array_index (verdict->proxy_ports, TurnConnectProxyPort, i);

    json_builder_begin_object (out);
    put_number (out, "port", port->port);
    put_text (out, "state", port->state);
    put_number (out, "code", port->code);
    put_index (out, "probe", port->probe);
    json_builder_end_object (out);
  }
  json_builder_end_array (out);
  put_tell (out, "transparent", verdict->transparent);
  put_index (out, "transparent_probe", verdict->transparent_probe);
  json_builder_end_object (out);
}

static void
put_inspection (JsonBuilder *out, const TurnConnectInspection *inspection)
{
  put_object (out, "inspection");
  put_tell (out, "seen", inspection->is_seen);
  put_text (out, "confidence", turn_connect_confidence_to_string (inspection->confidence));
  put_tell (out, "tls_opened", inspection->tls_opened);
  put_texts (out, "blocked", inspection->blocked);
  put_texts (out, "passing", inspection->passing);
  put_text (out, "mechanism", inspection->mechanism);
  put_tell (out, "near", inspection->is_near);
  put_count (out, "hop", inspection->hop);
  put_index (out, "probe", inspection->probe);
  json_builder_end_object (out);
}

static void
put_methods (JsonBuilder *out, const GArray *methods)
{
  put_array (out, "methods");
  for (guint i = 0; i < methods->len; i++) {
    const TurnConnectMethod *method = &g_array_index (methods, TurnConnectMethod, i);
    gboolean has_packets = method->quality.n_received > 0;

    json_builder_begin_object (out);
    put_text (out, "name", method->name);
    put_tell (out, "works", method->works);
    put_ms (out, "setup_ms", has_packets ? method->quality.set_up_us : -1);
    put_ms (out, "rtt_ms", has_packets ? method->quality.rtt_us : -1);
    put_ms (out, "jitter_ms", has_packets ? method->quality.jitter_us : -1);
    put_real_or_null (out, "loss", method->loss, method->quality.n_sent > 0);
    put_number (out, "late", method->quality.n_late);
    put_number (out, "packets", method->quality.n_sent);
    put_real_or_null (out, "mos", (double)(gint64)(method->mos * 100 + 0.5) / 100, method->mos > 0);
    put_index (out, "probe", method->probe);
    put_text (out, "config", method->config);
    json_builder_end_object (out);
  }
  json_builder_end_array (out);
}

static void
put_lifetimes (JsonBuilder *out, const GArray *lifetimes)
{
  put_array (out, "lifetimes");
  for (guint i = 0; i < lifetimes->len; i++) {
    const TurnConnectLifetime *lifetime = &g_array_index (lifetimes, TurnConnectLifetime, i);

    json_builder_begin_object (out);
    put_number (out, "family", lifetime->family);
    put_text (out, "carry", turn_connect_carry_to_string (lifetime->carry));
    put_text (out, "after", lifetime->name);
    put_count (out, "kept_s", lifetime->kept_s);
    put_count (out, "forgotten_s", lifetime->forgotten_s);
    put_flag (out, "unsteady", lifetime->is_unsteady);
    put_index (out, "probe", lifetime->probe);
    json_builder_end_object (out);
  }
  json_builder_end_array (out);
}

static void
put_sizes (JsonBuilder *out, const GArray *all)
{
  put_array (out, "sizes");
  for (guint i = 0; i < all->len; i++) {
    const TurnConnectSizes *sizes = &g_array_index (all, TurnConnectSizes, i);

    json_builder_begin_object (out);
    put_number (out, "family", sizes->family);
    put_count (out, "there", sizes->there);
    put_count (out, "back", sizes->back);
    put_count (out, "icmp", sizes->icmp);
    put_flag (out, "black_hole", sizes->is_black_hole);
    put_count (out, "mss_said", sizes->mss_said);
    put_count (out, "mss_arrived", sizes->mss_arrived);
    put_index (out, "probe", sizes->probe);
    json_builder_end_object (out);
  }
  json_builder_end_array (out);
}

static void
put_advice (JsonBuilder *out, const GPtrArray *all)
{
  put_array (out, "advice");
  for (guint i = 0; i < all->len; i++) {
    const TurnConnectAdvice *advice = g_ptr_array_index (all, i);

    json_builder_begin_object (out);
    put_text (out, "protocol", advice->protocol);
    put_text (out, "host", advice->host);
    put_number (out, "port", advice->port);
    put_text (out, "text", advice->text);
    put_index (out, "probe", advice->probe);
    json_builder_end_object (out);
  }
  json_builder_end_array (out);
}

static void
put_families (JsonBuilder *out, const TurnConnectVerdict *verdict)
{
  put_array (out, "families");
  for (guint i = 0; i < G_N_ELEMENTS (verdict->families); i++) {
    const TurnConnectFamilyVerdict *family = &verdict->families[i];

    if (!family->is_tried)
      continue;
    json_builder_begin_object (out);
    put_number (out, "family", family->family);
    put_types (out, family->types);
    put_text (out, "confidence", turn_connect_confidence_to_string (family->confidence));
    put_reach (out, family);
    json_builder_end_object (out);
  }
  json_builder_end_array (out);
}

static void
put_verdict (JsonBuilder *out, const TurnConnectVerdict *verdict)
{
  put_index (out, "type", verdict->type);
  put_types (out, verdict->types);
  put_text (out, "confidence", turn_connect_confidence_to_string (verdict->confidence));
  put_text (out, "headline", turn_connect_verdict_get_headline (verdict));
  put_tell (out, "works", verdict->works);
  put_number (out, "exit", turn_connect_verdict_get_exit (verdict));
  put_number (out, "family", verdict->main_family);
  put_reach (out, turn_connect_verdict_get_family (verdict));
  put_families (out, verdict);
  put_proxy (out, verdict);
  put_inspection (out, &verdict->inspection);
  put_tell (out, "portal", verdict->portal);
  put_tell (out, "nat64", verdict->nat64);
  put_text (out, "nat64_prefix", verdict->nat64_prefix);
  put_tell (out, "carrier_nat", verdict->carrier_nat);
  put_methods (out, verdict->methods);
  put_lifetimes (out, verdict->lifetimes);
  put_sizes (out, verdict->sizes);
  put_texts (out, "reasons", verdict->reasons);
  put_advice (out, verdict->advice);
}

char *
turn_connect_record_write (const TurnConnectObservations *observations,
                           const TurnConnectVerdict *verdict,
                           gboolean pretty)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_begin_object (out);
  put_number (out, "schema", TURN_CONNECT_OBSERVATIONS_SCHEMA);
  if (verdict != NULL)
    put_verdict (out, verdict);
  put_observations (out, observations);
  json_builder_end_object (out);
  root = json_builder_get_root (out);
  text = json_to_string (root, pretty);
  return turn_connect_record_tidy (text);
}
