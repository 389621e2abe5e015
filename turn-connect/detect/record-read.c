/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Observations from JSON that anybody may have written. Every member is looked at for its type
 * before it is taken, every count and length is bounded, and what is wrong is said with its place.
 */
#include "turn-connect/detect/record.h"

#include "turn-connect/detect/record-check.h"
#include "turn-connect/detect/record-private.h"
#include "turn-connect/error.h"

#include <string.h>

#define ADDRESSES_MAX 64
#define LISTENERS_MAX 256
#define FACTS_MAX 64
#define TIME_MAX (G_GINT64_CONSTANT (86400) * 365 * G_USEC_PER_SEC) /* nothing lasts longer */

/* One object being read. The first failure sticks; reading on yields nothing. */
typedef struct {
  JsonObject *object;
  char *where; /* "probes[3]." */
  GError **error;
  gboolean is_failed;
} Reader;

G_GNUC_PRINTF (3, 4)
static void
fail (Reader *reader, const char *key, const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list arguments;

  if (reader->is_failed)
    return;
  reader->is_failed = TRUE;
  va_start (arguments, format);
  what = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (reader->error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, "%s%s %s",
               reader->where, key, what);
}

/* NULL for what is absent or null. */
static JsonNode *
get (Reader *reader, const char *key)
{
  JsonNode *node = reader->is_failed ? NULL : json_object_get_member (reader->object, key);

  return node == NULL || JSON_NODE_HOLDS_NULL (node) ? NULL : node;
}

static const char *
get_text (Reader *reader, const char *key)
{
  JsonNode *node = get (reader, key);
  const char *text;

  if (node == NULL)
    return NULL;
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING) {
    fail (reader, key, "is no text");
    return NULL;
  }
  text = json_node_get_string (node);
  if (text == NULL || strlen (text) > TURN_CONNECT_RECORD_TEXT_MAX) {
    fail (reader, key, "is longer than %d octets", TURN_CONNECT_RECORD_TEXT_MAX);
    return NULL;
  }
  return text;
}

static gint64
get_number (Reader *reader, const char *key, gint64 min, gint64 max, gint64 absent)
{
  JsonNode *node = get (reader, key);
  gint64 number;

  if (node == NULL)
    return absent;
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64) {
    fail (reader, key, "is no whole number");
    return absent;
  }
  number = json_node_get_int (node);
  if (number < min || number > max) {
    fail (reader, key, "is not from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, min, max);
    return absent;
  }
  return number;
}

static gint64
get_time (Reader *reader, const char *key, gint64 absent)
{
  return get_number (reader, key, 0, TIME_MAX, absent);
}

static guint
get_count (Reader *reader, const char *key)
{
  return (guint)get_number (reader, key, 0, G_MAXINT32, 0);
}

static gboolean
get_flag (Reader *reader, const char *key)
{
  JsonNode *node = get (reader, key);

  if (node == NULL)
    return FALSE;
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_BOOLEAN) {
    fail (reader, key, "is neither true nor false");
    return FALSE;
  }
  return json_node_get_boolean (node);
}

typedef const char *(*WordFunc) (guint number);

/* The number whose word stands there; 0 where nothing does. */
static guint
get_word (Reader *reader, const char *key, WordFunc word_of, guint n_words)
{
  const char *text = get_text (reader, key);

  if (text == NULL)
    return 0;
  for (guint i = 0; i < n_words; i++) {
    if (strcmp (word_of (i), text) == 0)
      return i;
  }
  fail (reader, key, "is no word that is known there");
  return 0;
}

static const char *
kind_word (guint number)
{
  return turn_connect_probe_kind_to_string ((TurnConnectProbeKind)number);
}

static const char *
outcome_word (guint number)
{
  return turn_connect_outcome_to_string ((TurnConnectOutcome)number);
}

static const char *
carry_word (guint number)
{
  return turn_connect_carry_to_string ((TurnConnectCarry)number);
}

static const char *
proof_word (guint number)
{
  return turn_connect_proof_to_string ((TurnConnectProof)number);
}

static const char *
far_saw_word (guint number)
{
  return turn_connect_far_saw_to_string ((TurnConnectFarSaw)number);
}

static void
get_address (Reader *reader, const char *key, StunExtAddress *address)
{
  const char *text = get_text (reader, key);

  if (text != NULL && !stun_ext_address_parse (text, address))
    fail (reader, key, "is no address");
}

/* NULL for what is absent, or is no array, or has too many elements. */
static JsonArray *
get_array (Reader *reader, const char *key, guint max)
{
  JsonNode *node = get (reader, key);

  if (node == NULL)
    return NULL;
  if (!JSON_NODE_HOLDS_ARRAY (node) || json_array_get_length (json_node_get_array (node)) > max) {
    fail (reader, key, "is no array of at most %u", max);
    return NULL;
  }
  return json_node_get_array (node);
}

static void
get_addresses (Reader *reader, const char *key, GArray *addresses)
{
  JsonArray *array = get_array (reader, key, ADDRESSES_MAX);

  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);
    StunExtAddress address = { 0 };

    if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING ||
        !stun_ext_address_parse (json_node_get_string (node), &address)) {
      fail (reader, key, "has no address at %u", i);
      return;
    }
    g_array_append_val (addresses, address);
  }
}

static void
get_facts (Reader *reader, const char *key, GHashTable *facts)
{
  JsonNode *node = get (reader, key);
  g_autoptr (GList) keys = NULL;
  Reader inner = { .where = reader->where, .error = reader->error };

  if (node == NULL)
    return;
  if (!JSON_NODE_HOLDS_OBJECT (node) ||
      json_object_get_size (json_node_get_object (node)) > FACTS_MAX) {
    fail (reader, key, "is no object of at most %d members", FACTS_MAX);
    return;
  }
  inner.object = json_node_get_object (node);
  keys = json_object_get_members (inner.object);
  for (const GList *l = keys; l != NULL; l = l->next) {
    const char *text = get_text (&inner, l->data);

    if (text != NULL && strlen (l->data) <= TURN_CONNECT_RECORD_TEXT_MAX)
      g_hash_table_insert (facts, g_strdup (l->data), g_strdup (text));
  }
  reader->is_failed |= inner.is_failed;
}

static void
get_quality (Reader *reader, TurnConnectQuality *quality)
{
  JsonNode *node = get (reader, "quality");
  Reader inner = { .where = reader->where, .error = reader->error };

  if (node == NULL)
    return;
  if (!JSON_NODE_HOLDS_OBJECT (node)) {
    fail (reader, "quality", "is no object");
    return;
  }
  inner.object = json_node_get_object (node);
  quality->set_up_us = get_time (&inner, "set_up_us", 0);
  quality->n_sent = get_count (&inner, "sent");
  quality->n_received = get_count (&inner, "received");
  quality->n_reordered = get_count (&inner, "reordered");
  quality->n_late = get_count (&inner, "late");
  quality->longest_gap = get_count (&inner, "longest_gap");
  quality->rtt_us = get_time (&inner, "rtt_us", 0);
  quality->rtt_p95_us = get_time (&inner, "rtt_p95_us", 0);
  quality->jitter_us = get_time (&inner, "jitter_us", 0);
  quality->size = get_count (&inner, "size");
  reader->is_failed |= inner.is_failed;
}

static void
get_family (Reader *reader, TurnConnectProbe *probe)
{
  gint64 family = get_number (reader, "family", 0, 6, 0);

  if (family != 0 && family != 4 && family != 6)
    fail (reader, "family", "is neither 4 nor 6");
  else
    probe->family = (guint8)family;
}

static void
get_answer (Reader *reader, TurnConnectProbe *probe)
{
  probe->outcome =
      (TurnConnectOutcome)get_word (reader, "outcome", outcome_word, TURN_CONNECT_N_OUTCOMES);
  probe->proof = (TurnConnectProof)get_word (reader, "proof", proof_word, TURN_CONNECT_N_PROOFS);
  probe->far_saw =
      (TurnConnectFarSaw)get_word (reader, "far_saw", far_saw_word, TURN_CONNECT_N_FAR_SAWS);
  probe->connect_us = get_time (reader, "connect_us", -1);
  probe->rtt_us = get_time (reader, "rtt_us", -1);
  get_address (reader, "local", &probe->local);
  get_address (reader, "mapped", &probe->mapped);
  get_address (reader, "source", &probe->source);
  get_address (reader, "origin", &probe->origin);
  get_address (reader, "other", &probe->other);
  probe->code = get_count (reader, "code");
  probe->detail = g_strdup (get_text (reader, "detail"));
  if (get (reader, "facts") != NULL) {
    probe->facts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    get_facts (reader, "facts", probe->facts);
  }
  get_quality (reader, &probe->quality);
}

static void
get_probe (Reader *reader, TurnConnectObservations *observations)
{
  TurnConnectProbe *probe;
  guint kind = get_word (reader, "kind", kind_word, TURN_CONNECT_N_PROBE_KINDS);

  if (get (reader, "kind") == NULL)
    fail (reader, "kind", "is missing");
  probe = turn_connect_observations_add (observations, (TurnConnectProbeKind)kind,
                                         get_text (reader, "variant"));
  probe->carry = (TurnConnectCarry)get_word (reader, "carry", carry_word, TURN_CONNECT_N_CARRIES);
  get_family (reader, probe);
  get_address (reader, "target", &probe->target);
  if (probe->target.family == 0)
    probe->target.port = (guint16)get_number (reader, "port", 0, G_MAXUINT16, 0);
  probe->via = g_strdup (get_text (reader, "via"));
  probe->is_control = get_flag (reader, "control");
  probe->group = get_count (reader, "group");
  probe->round = get_count (reader, "round");
  probe->start_us = get_time (reader, "start_us", 0);
  probe->deadline_us = get_time (reader, "deadline_us", 0);
  probe->end_us = get_time (reader, "end_us", -1);
  probe->attempts = get_count (reader, "attempts");
  probe->answers = get_count (reader, "answers");
  get_answer (reader, probe);
}

typedef void (*EachFunc) (Reader *reader, TurnConnectObservations *observations);

/* Reads each object of an array. */
static void
get_each (Reader *reader,
          const char *key,
          guint max,
          EachFunc each,
          TurnConnectObservations *observations)
{
  JsonArray *array = get_array (reader, key, max);

  for (guint i = 0; array != NULL && i < json_array_get_length (array) && !reader->is_failed; i++) {
    JsonNode *node = json_array_get_element (array, i);
    g_autofree char *where = g_strdup_printf ("%s%s[%u].", reader->where, key, i);
    Reader inner = { .where = where, .error = reader->error };

    if (!JSON_NODE_HOLDS_OBJECT (node)) {
      fail (reader, key, "has no object at %u", i);
      return;
    }
    inner.object = json_node_get_object (node);
    each (&inner, observations);
    reader->is_failed |= inner.is_failed;
  }
}

static void
get_listener (Reader *reader, TurnConnectObservations *observations)
{
  TurnConnectListener listener = {
    .carry = (TurnConnectCarry)get_word (reader, "carry", carry_word, TURN_CONNECT_N_CARRIES),
    .port = (guint16)get_number (reader, "port", 1, G_MAXUINT16, 1),
    .heard_ago_s = (gint)get_number (reader, "heard_ago_s", 0, G_MAXINT32, -1),
    .is_front_door = get_flag (reader, "front_door"),
  };

  g_array_append_val (observations->listeners, listener);
}

static void
get_run_id (Reader *reader, guint8 *id)
{
  const char *text = get_text (reader, "run");

  if (text == NULL)
    return;
  if (strlen (text) != 2 * TURN_CONNECT_RUN_ID_SIZE ||
      strspn (text, "0123456789abcdef") != 2 * TURN_CONNECT_RUN_ID_SIZE) {
    fail (reader, "run", "is no run id");
    return;
  }
  for (guint i = 0; i < TURN_CONNECT_RUN_ID_SIZE; i++)
    id[i] =
        (guint8)(g_ascii_xdigit_value (text[2 * i]) * 16 + g_ascii_xdigit_value (text[2 * i + 1]));
}

static void
get_observations (Reader *reader, TurnConnectObservations *observations)
{
  if (get_number (reader, "schema", 0, G_MAXINT32, 0) != TURN_CONNECT_OBSERVATIONS_SCHEMA)
    fail (reader, "schema", "is not %d", TURN_CONNECT_OBSERVATIONS_SCHEMA);
  observations->host = g_strdup (get_text (reader, "host"));
  observations->port = (guint)get_number (reader, "port", 0, G_MAXUINT16, 0);
  get_run_id (reader, observations->run_id);
  observations->began = g_strdup (get_text (reader, "began"));
  observations->took_us = get_time (reader, "took_us", 0);
  observations->interface = g_strdup (get_text (reader, "interface"));
  observations->software = g_strdup (get_text (reader, "software"));
  observations->is_far_end = get_flag (reader, "far_end");
  observations->has_second_address = get_flag (reader, "second_address");
  observations->resolve_error = g_strdup (get_text (reader, "resolve_error"));
  get_addresses (reader, "locals", observations->locals);
  get_addresses (reader, "servers", observations->servers);
  get_each (reader, "listeners", LISTENERS_MAX, get_listener, observations);
  get_facts (reader, "facts", observations->facts);
  get_each (reader, "probes", TURN_CONNECT_OBSERVATIONS_MAX_PROBES, get_probe, observations);
}

static gboolean
check_text (const char *text, gsize length, GError **error)
{
  gsize at = 0;

  if (length > TURN_CONNECT_RECORD_MAX_SIZE) {
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                 "a record has at most %d octets", TURN_CONNECT_RECORD_MAX_SIZE);
    return FALSE;
  }
  if (!turn_connect_record_is_shallow (text, length, TURN_CONNECT_RECORD_DEPTH_MAX, &at)) {
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                 "this is no record: octet %" G_GSIZE_FORMAT " is not what JSON has there", at);
    return FALSE;
  }
  return TRUE;
}

TurnConnectObservations *
turn_connect_record_read (const char *text, gsize length, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (TurnConnectObservations) observations = NULL;
  g_autoptr (GError) cause = NULL;
  JsonNode *root;
  Reader reader = { .where = (char *)"", .error = error };

  if (!check_text (text, length, error))
    return NULL;
  if (!json_parser_load_from_data (parser, text, (gssize)length, &cause)) {
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, "this is no record: %s",
                 cause->message);
    return NULL;
  }
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root)) {
    g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                         "this is no record: no object");
    return NULL;
  }
  reader.object = json_node_get_object (root);
  observations = turn_connect_observations_new ();
  get_observations (&reader, observations);
  return reader.is_failed ? NULL : g_steal_pointer (&observations);
}
