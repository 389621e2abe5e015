/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Probes for people. A run has hundreds, most of which say the same, and the one that matters is
 * not to drown in them: those that asked alike and ended alike share a line, which names their
 * ports, their variants and, in brackets, their numbers.
 */
#include "tools/tep-detect.h"

#include <string.h>

#define MS(us) ((double)(us) / 1000)
#define INDENT 12

/* Probes that asked alike and ended alike. */
typedef struct {
  const TurnConnectProbe *first;
  GString *variants;               /* "sip-register, sip-invite"; empty: none has one */
  GString *ports;                  /* " 443 5060" */
  GArray *numbers;                 /* of guint, growing */
  gint64 rtt_us[2], connect_us[2]; /* least and most; -1: none */
  gint64 waited_us;                /* at most */
  guint attempts;                  /* at most */
  StunExtAddress mapped;           /* as which the first appeared that knows */
  gboolean is_one_mapped;          /* and all others, but for the port */
  gboolean is_one_detail;
} Likes;

static void
likes_free (gpointer data)
{
  Likes *likes = data;

  g_string_free (likes->variants, TRUE);
  g_string_free (likes->ports, TRUE);
  g_array_unref (likes->numbers);
  g_free (likes);
}

static void
widen (gint64 range[2], gint64 us)
{
  if (us < 0)
    return;
  if (range[0] < 0 || us < range[0])
    range[0] = us;
  range[1] = MAX (range[1], us);
}

static gboolean
is_same_host (StunExtAddress a, StunExtAddress b)
{
  a.port = b.port = 0;
  return stun_ext_address_equal (&a, &b);
}

static gboolean
is_alike (const TurnConnectProbe *a, const TurnConnectProbe *b)
{
  return a->kind == b->kind && a->carry == b->carry && a->outcome == b->outcome &&
         a->far_saw == b->far_saw && is_same_host (a->target, b->target) &&
         g_strcmp0 (a->via, b->via) == 0 &&
         g_strcmp0 (turn_connect_probe_get_fact (a, "connect"),
                    turn_connect_probe_get_fact (b, "connect")) == 0;
}

static void
add_port (Likes *likes, guint16 port)
{
  g_autofree char *word = g_strdup_printf (" %u", port);
  const char *found = strstr (likes->ports->str, word);

  while (found != NULL && g_ascii_isdigit (found[strlen (word)]))
    found = strstr (found + 1, word);
  if (port != 0 && found == NULL)
    g_string_append (likes->ports, word);
}

static void
add_mapped (Likes *likes, const StunExtAddress *mapped)
{
  if (likes->mapped.family == 0)
    likes->mapped = *mapped;
  else if (mapped->family != 0)
    likes->is_one_mapped &= is_same_host (*mapped, likes->mapped);
}

static void
likes_add (Likes *likes, const TurnConnectProbe *probe, guint number)
{
  add_port (likes, probe->target.port);
  g_array_append_val (likes->numbers, number);
  widen (likes->rtt_us, probe->rtt_us);
  widen (likes->connect_us, probe->connect_us);
  likes->waited_us = MAX (likes->waited_us, probe->deadline_us - probe->start_us);
  likes->attempts = MAX (likes->attempts, probe->attempts);
  add_mapped (likes, &probe->mapped);
  likes->is_one_detail &= g_strcmp0 (probe->detail, likes->first->detail) == 0;
}

static Likes *
likes_new (const TurnConnectProbe *probe)
{
  Likes *likes = g_new0 (Likes, 1);

  likes->first = probe;
  likes->variants = g_string_new (probe->variant);
  likes->ports = g_string_new (NULL);
  likes->numbers = g_array_new (FALSE, FALSE, sizeof (guint));
  likes->rtt_us[0] = likes->rtt_us[1] = likes->connect_us[0] = likes->connect_us[1] = -1;
  likes->is_one_mapped = likes->is_one_detail = TRUE;
  return likes;
}

/* Methods have a list of their own, and what was not asked is no evidence. */
static gboolean
is_evidence (const TurnConnectProbe *probe)
{
  return probe->kind != TURN_CONNECT_PROBE_METHOD &&
         probe->outcome != TURN_CONNECT_OUTCOME_SKIPPED &&
         probe->outcome != TURN_CONNECT_OUTCOME_CANCELLED;
}

static GPtrArray *
gather (const TurnConnectObservations *observations)
{
  GPtrArray *all = g_ptr_array_new_with_free_func (likes_free);

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);
    Likes *likes = NULL;

    for (guint k = 0; k < all->len && likes == NULL; k++) {
      Likes *other = g_ptr_array_index (all, k);

      if (is_alike (other->first, probe) && g_strcmp0 (other->first->variant, probe->variant) == 0)
        likes = other;
    }
    if (likes == NULL && is_evidence (probe))
      g_ptr_array_add (all, likes = likes_new (probe));
    if (likes != NULL)
      likes_add (likes, probe, i);
  }
  return all;
}

/* Takes in those of another variant, if they asked the same ports. */
static gboolean
take_in (Likes *likes, const Likes *other)
{
  if (!is_alike (likes->first, other->first) || other->first->variant == NULL ||
      likes->first->variant == NULL || strcmp (likes->ports->str, other->ports->str) != 0)
    return FALSE;
  g_string_append_printf (likes->variants, ", %s", other->variants->str);
  g_array_append_vals (likes->numbers, other->numbers->data, other->numbers->len);
  for (guint i = 0; i < 2; i++) {
    widen (likes->rtt_us, other->rtt_us[i]);
    widen (likes->connect_us, other->connect_us[i]);
  }
  likes->waited_us = MAX (likes->waited_us, other->waited_us);
  likes->attempts = MAX (likes->attempts, other->attempts);
  likes->is_one_mapped &= other->is_one_mapped;
  add_mapped (likes, &other->mapped);
  likes->is_one_detail &=
      other->is_one_detail && g_strcmp0 (likes->first->detail, other->first->detail) == 0;
  return TRUE;
}

static void
merge_variants (GPtrArray *all)
{
  for (guint i = 0; i < all->len; i++)
    for (guint k = i + 1; k < all->len;) {
      if (take_in (g_ptr_array_index (all, i), g_ptr_array_index (all, k)))
        g_ptr_array_remove_index (all, k);
      else
        k++;
    }
}

/* Sentences */

static void
append_range (GString *line, const char *what, const gint64 us[2])
{
  if (MS (us[1]) - MS (us[0]) < 0.1)
    g_string_append_printf (line, "%s%.1f ms", what, MS (us[0]));
  else
    g_string_append_printf (line, "%s%.1f to %.1f ms", what, MS (us[0]), MS (us[1]));
}

static void
append_asked (GString *line, const Likes *likes)
{
  const TurnConnectProbe *probe = likes->first;
  char address[STUN_EXT_ADDRESS_TEXT_LENGTH];
  StunExtAddress host = probe->target;

  host.port = 0;
  g_string_append (line, turn_connect_probe_kind_to_string (probe->kind));
  if (likes->variants->len > 0)
    g_string_append_printf (line, " %s", likes->variants->str);
  if (probe->carry != TURN_CONNECT_CARRY_NONE)
    g_string_append_printf (line, " by %s", turn_connect_carry_to_string (probe->carry));
  if (host.family != 0)
    g_string_append_printf (line, " to %s", stun_ext_address_print_host (&host, address));
  if (likes->ports->len > 0)
    g_string_append_printf (line, " port%s", likes->ports->str);
  if (probe->via != NULL)
    g_string_append_printf (line, " through %s", probe->via);
}

static void
append_outcome (GString *line, const Likes *likes)
{
  const TurnConnectProbe *probe = likes->first;
  char address[STUN_EXT_ADDRESS_TEXT_LENGTH];
  StunExtAddress mapped = likes->mapped;

  g_string_append_printf (line, ": %s", turn_connect_outcome_to_string (probe->outcome));
  if (likes->rtt_us[0] >= 0)
    append_range (line, ", ", likes->rtt_us);
  else if (likes->connect_us[0] >= 0)
    append_range (line, ", TCP after ", likes->connect_us);
  if (probe->outcome == TURN_CONNECT_OUTCOME_SILENCE ||
      probe->outcome == TURN_CONNECT_OUTCOME_CONNECTED)
    g_string_append_printf (line, " for %.1f s, sent %u times", MS (likes->waited_us) / 1000,
                            likes->attempts);
  mapped.port = likes->numbers->len == 1 ? mapped.port : 0;
  if (mapped.family != 0)
    g_string_append_printf (line, ", as %s",
                            !likes->is_one_mapped ? "several addresses"
                            : mapped.port != 0    ? stun_ext_address_print (&mapped, address)
                                                  : stun_ext_address_print_host (&mapped, address));
  tep_detect_append_far (line, probe, probe->outcome != TURN_CONNECT_OUTCOME_PROOF);
  if (turn_connect_probe_get_fact (probe, "connect") != NULL)
    g_string_append_printf (line, ", CONNECT %s", turn_connect_probe_get_fact (probe, "connect"));
  if (probe->detail != NULL)
    g_string_append_printf (line, " (%s%s)",
                            likes->is_one_detail ? "" : "one of them: ", probe->detail);
}

static int
compare_numbers (gconstpointer a, gconstpointer b)
{
  guint first = *(const guint *)a, second = *(const guint *)b;

  return (first > second) - (first < second);
}

/* " [0-4 44]" */
static void
append_numbers (GString *line, GArray *numbers)
{
  const guint *n = (const guint *)numbers->data;

  g_array_sort (numbers, compare_numbers);
  g_string_append (line, " [");
  for (guint i = 0, last; i < numbers->len; i = last + 1) {
    for (last = i; last + 1 < numbers->len && n[last + 1] == n[last] + 1; last++)
      ;
    g_string_append_printf (line, "%s%u", i > 0 ? " " : "", n[i]);
    if (last > i)
      g_string_append_printf (line, "-%u", n[last]);
  }
  g_string_append_c (line, ']');
}

void
tep_detect_evidence_print (FILE *out, const TurnConnectObservations *observations)
{
  g_autoptr (GPtrArray) all = gather (observations);

  merge_variants (all);
  for (guint i = 0; i < all->len; i++) {
    const Likes *likes = g_ptr_array_index (all, i);
    g_autoptr (GString) line = g_string_new (NULL);

    append_asked (line, likes);
    append_outcome (line, likes);
    append_numbers (line, likes->numbers);
    tep_detect_print (out, INDENT, "  %-9s %s", i == 0 ? "probes" : "", line->str);
  }
}
