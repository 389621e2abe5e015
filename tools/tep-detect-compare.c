/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two results side by side: before and after the rule was changed, this site and that one. Compared
 * is what observations mean and not what they are, for no packet takes as long as the one before.
 */
#include "tools/tep-detect.h"

#include "tools/cli.h"

#include <string.h>

#define INDENT 4

/* Facts of one result, in the order in which they are told. */
typedef struct {
  GPtrArray *names;
  GHashTable *values;
} Facts;

static void
facts_init (Facts *facts)
{
  facts->names = g_ptr_array_new_with_free_func (g_free);
  facts->values = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
}

static void
facts_clear (Facts *facts)
{
  g_hash_table_unref (facts->values);
  g_ptr_array_unref (facts->names);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Facts, facts_clear)

/* Both are taken over. What has no value is not there. */
static void
note (Facts *facts, char *name, char *value)
{
  if (value == NULL || g_hash_table_contains (facts->values, name)) {
    g_free (name);
    g_free (value);
    return;
  }
  g_ptr_array_add (facts->names, name);
  g_hash_table_insert (facts->values, name, value);
}

static char *
say (TurnConnectTell tell)
{
  static const char *const words[] = { "not determined", "no", "yes" };

  return g_strdup (words[tell]);
}

static char *
list_types (const TurnConnectVerdict *verdict)
{
  GString *list = g_string_new (NULL);

  for (guint type = 1; type <= 9; type++) {
    if (verdict->types & (1u << type))
      g_string_append_printf (list, "%s%u", list->len > 0 ? ", " : "", type);
  }
  if (list->len == 0)
    g_string_append (list, "none");
  return g_string_free (list, FALSE);
}

static void
note_family (Facts *facts, const TurnConnectFamilyVerdict *family)
{
  if (!family->is_tried)
    return;
  note (facts, g_strdup_printf ("IPv%u NAT", family->family), tep_detect_describe_nat (family));
  note (facts, g_strdup_printf ("IPv%u UDP", family->family), say (family->udp));
  note (facts, g_strdup_printf ("IPv%u TCP", family->family), say (family->tcp));
  for (guint i = 0; i < family->ports->len; i++) {
    const TurnConnectPort *port = &g_array_index (family->ports, TurnConnectPort, i);

    note (facts,
          g_strdup_printf ("IPv%u %s port %u", family->family,
                           port->carry == TURN_CONNECT_CARRY_UDP ? "UDP" : "TCP", port->port),
          g_strdup (turn_connect_reach_to_string (port->reach)));
  }
}

static void
note_methods (Facts *facts, const TurnConnectVerdict *verdict)
{
  static const char *const words[] = { "not determined", "does not work", "works" };

  for (guint i = 0; i < verdict->methods->len; i++) {
    const TurnConnectMethod *method = &g_array_index (verdict->methods, TurnConnectMethod, i);

    note (facts, g_strdup_printf ("method %s", method->name), g_strdup (words[method->works]));
  }
}

static void
gather (Facts *facts, const TurnConnectVerdict *verdict)
{
  TurnConnectInspection inspection = verdict->inspection;

  inspection.hop = 0; /* which routers do not let us know every time */
  note (facts, g_strdup ("verdict"), tep_detect_describe_verdict (verdict));
  note (facts, g_strdup ("types that hold"), list_types (verdict));
  note (facts, g_strdup ("anything gets through"), say (verdict->works));
  for (guint i = 0; i < G_N_ELEMENTS (verdict->families); i++)
    note_family (facts, &verdict->families[i]);
  note (facts, g_strdup ("proxy"), g_strdup (turn_connect_way_to_string (verdict->proxy)));
  note (facts, g_strdup ("content"), tep_detect_describe_content (&inspection));
  note (facts, g_strdup ("captive portal"), say (verdict->portal));
  note (facts, g_strdup ("NAT64"), say (verdict->nat64));
  note (facts, g_strdup ("a second NAT"), say (verdict->carrier_nat));
  note_methods (facts, verdict);
  for (guint i = 0; i < verdict->lifetimes->len; i++) {
    const TurnConnectLifetime *lifetime =
        &g_array_index (verdict->lifetimes, TurnConnectLifetime, i);

    note (facts,
          g_strdup_printf ("IPv%u %s %s", lifetime->family,
                           turn_connect_carry_to_string (lifetime->carry), lifetime->name),
          tep_detect_describe_lifetime (lifetime));
  }
}

/* Telling */

typedef void (*TellFunc) (const char *name, const char *before, const char *after, gpointer data);

static void
tell_one (const Facts *before, const Facts *after, const char *name, TellFunc tell, gpointer data)
{
  const char *one = g_hash_table_lookup (before->values, name);
  const char *other = g_hash_table_lookup (after->values, name);

  if (g_strcmp0 (one, other) != 0)
    tell (name, one, other, data);
}

static void
tell_differences (const Facts *before, const Facts *after, TellFunc tell, gpointer data)
{
  for (guint i = 0; i < before->names->len; i++)
    tell_one (before, after, g_ptr_array_index (before->names, i), tell, data);
  for (guint i = 0; i < after->names->len; i++) {
    const char *name = g_ptr_array_index (after->names, i);

    if (!g_hash_table_contains (before->values, name))
      tell_one (before, after, name, tell, data);
  }
}

static void
count (const char *name, const char *before, const char *after, gpointer n)
{
  ++*(guint *)n;
}

static void
print_line (const char *name, const char *before, const char *after, gpointer out)
{
  if (strcmp (name, "verdict") != 0) /* stands first already */
    tep_detect_print (out, INDENT, "  %s: %s -> %s", name, before != NULL ? before : "not tried",
                      after != NULL ? after : "not tried");
}

static void
append_json (const char *name, const char *before, const char *after, gpointer data)
{
  GString *list = data;
  g_autoptr (GString) one = g_string_new (NULL);

  cli_json_begin (one);
  cli_json_text (one, "what", name);
  cli_json_text (one, "before", before);
  cli_json_text (one, "after", after);
  cli_json_end (one);
  if (list->len > 1)
    g_string_append_c (list, ',');
  g_string_append (list, one->str);
}

static void
print_json (FILE *out, const Facts *before, const Facts *after, guint n)
{
  g_autoptr (GString) list = g_string_new ("["), whole = g_string_new (NULL);

  tell_differences (before, after, append_json, list);
  g_string_append_c (list, ']');
  cli_json_begin (whole);
  cli_json_integer (whole, "schema", TURN_CONNECT_OBSERVATIONS_SCHEMA);
  cli_json_boolean (whole, "same", n == 0);
  cli_json_raw (whole, "differences", list->str);
  cli_json_end (whole);
  fprintf (out, "%s\n", whole->str);
}

static void
print_text (FILE *out, const Facts *before, const Facts *after, guint n)
{
  const char *one = g_hash_table_lookup (before->values, "verdict");
  const char *other = g_hash_table_lookup (after->values, "verdict");

  if (strcmp (one, other) == 0)
    tep_detect_print (out, INDENT, "the same verdict: %s", one);
  else {
    tep_detect_print (out, INDENT, "before: %s", one);
    tep_detect_print (out, INDENT, "after:  %s", other);
  }
  if (n == 0)
    tep_detect_print (out, INDENT, "  nothing differs in ports, NAT, proxy, content or methods");
  tell_differences (before, after, print_line, out);
}

gboolean
tep_detect_compare_print (FILE *out,
                          const TurnConnectVerdict *before,
                          const TurnConnectVerdict *after,
                          gboolean is_json)
{
  g_auto (Facts) one = { NULL }, other = { NULL };
  guint n = 0;

  facts_init (&one);
  facts_init (&other);
  gather (&one, before);
  gather (&other, after);
  tell_differences (&one, &other, count, &n);
  if (is_json)
    print_json (out, &one, &other, n);
  else
    print_text (out, &one, &other, n);
  return n > 0;
}
