/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What deep runs measured: how long what is silent is remembered, and which sizes pass. A silence
 * counts as forgotten only where its control passed.
 */
#include "turn-connect/detect/classify-private.h"
#include "turn-connect/detect/quality.h"

#include <string.h>

static guint
read_number (const TurnConnectProbe *probe, const char *key)
{
  const char *text = turn_connect_probe_get_fact (probe, key);
  guint64 number = text != NULL ? g_ascii_strtoull (text, NULL, 10) : 0;

  return number <= G_MAXUINT16 ? (guint)number : 0;
}

/* A far end that is restarted ends what is silent, and so does a box that forgets it and says so. */
static const char *
get_end (const TurnConnectProbe *probe)
{
  return turn_connect_probe_get_fact (probe, "ended");
}

/* FALSE where nothing was learnt. */
static gboolean
read_silence (const TurnConnectObservations *observations,
              const TurnConnectProbe *probe,
              guint *idle_s,
              gboolean *is_kept)
{
  *idle_s = read_number (probe, "idle_s");
  if (*idle_s == 0)
    return FALSE;
  *is_kept = turn_connect_classify_counts (observations, probe);
  return *is_kept || (probe->outcome == TURN_CONNECT_OUTCOME_SILENCE && get_end (probe) == NULL &&
                      g_strcmp0 (turn_connect_probe_get_fact (probe, "control"), "answered") == 0);
}

static TurnConnectLifetime *
find_lifetime (TurnConnectVerdict *verdict, const TurnConnectProbe *probe)
{
  TurnConnectLifetime fresh = { .family = probe->family,
                                .carry = probe->carry,
                                .name = probe->variant,
                                .probe = TURN_CONNECT_NO_PROBE };

  for (guint i = 0; i < verdict->lifetimes->len; i++) {
    TurnConnectLifetime *lifetime = &g_array_index (verdict->lifetimes, TurnConnectLifetime, i);

    if (lifetime->family == probe->family && lifetime->carry == probe->carry &&
        g_strcmp0 (lifetime->name, probe->variant) == 0)
      return lifetime;
  }
  g_array_append_val (verdict->lifetimes, fresh);
  return &g_array_index (verdict->lifetimes, TurnConnectLifetime, verdict->lifetimes->len - 1);
}

static void
note_kept (TurnConnectLifetime *lifetime, guint idle_s, gint index)
{
  if (idle_s <= lifetime->kept_s)
    return;
  lifetime->kept_s = idle_s;
  lifetime->probe = index;
}

/* What was forgotten sooner than others were kept was lost, or is handled as the router pleases. */
static void
note_forgotten (TurnConnectLifetime *lifetime, guint idle_s, gint index)
{
  if (idle_s < lifetime->kept_s)
    lifetime->is_unsteady = TRUE;
  else if (lifetime->forgotten_s == 0 || idle_s < lifetime->forgotten_s) {
    lifetime->forgotten_s = idle_s;
    lifetime->probe = index;
  }
}

/* Once for each family: what ends one mostly ends all. */
static void
say_ended (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  gboolean is_said[G_MAXUINT8 + 1] = { FALSE };

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);
    guint ended_s = read_number (probe, "ended_s");

    if (probe->kind != TURN_CONNECT_PROBE_LIFETIME || get_end (probe) == NULL ||
        is_said[probe->family])
      continue;
    is_said[probe->family] = TRUE;
    turn_connect_classify_say (
        verdict,
        "IPv%u: silent connections were %s after %u s, by the far end, which may have been "
        "restarted, or by a box that forgot them: which, is not known, so no lifetime is made of "
        "it",
        probe->family, strcmp (get_end (probe), "reset") == 0 ? "reset" : "closed", ended_s);
  }
}

/* Methods */

/* What a quarter of a minute says counts for more than what a second said; how soon it stood was
 * measured with all others at once. */
static void
judge_listened (TurnConnectVerdict *verdict,
                TurnConnectMethod *method,
                const TurnConnectProbe *probe,
                gint index)
{
  gint64 set_up_us = method->quality.set_up_us;

  if (probe->quality.n_sent == 0) {
    turn_connect_classify_say (verdict, "%s was set up once, and not when it was tried again",
                               method->name);
    return;
  }
  method->works = turn_connect_classify_method (probe);
  method->quality = probe->quality;
  method->quality.set_up_us = set_up_us;
  method->loss = turn_connect_quality_get_loss (&probe->quality);
  method->mos = method->works == TURN_CONNECT_TELL_YES
                    ? turn_connect_quality_estimate_mos (&method->quality)
                    : 0;
  method->probe = index;
  if (method->works == TURN_CONNECT_TELL_YES)
    return;
  g_clear_pointer (&method->config, g_free);
  turn_connect_classify_say (verdict, "%s carries some packets, and then no call", method->name);
}

void
turn_connect_classify_listened (const TurnConnectObservations *observations,
                                TurnConnectVerdict *verdict)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_METHOD || probe->variant == NULL || probe->round == 0 ||
        turn_connect_classify_method (probe) == TURN_CONNECT_TELL_UNKNOWN)
      continue;
    for (guint j = 0; j < verdict->methods->len; j++) {
      TurnConnectMethod *method = &g_array_index (verdict->methods, TurnConnectMethod, j);

      if (strcmp (method->name, probe->variant) == 0 && method->works == TURN_CONNECT_TELL_YES)
        judge_listened (verdict, method, probe, (gint)i);
    }
  }
}

/* Sizes */

static TurnConnectSizes *
find_sizes (TurnConnectVerdict *verdict, const TurnConnectProbe *probe, gint index)
{
  TurnConnectSizes fresh = { .family = probe->family, .probe = index };

  for (guint i = 0; i < verdict->sizes->len; i++) {
    TurnConnectSizes *sizes = &g_array_index (verdict->sizes, TurnConnectSizes, i);

    if (sizes->family == probe->family)
      return sizes;
  }
  g_array_append_val (verdict->sizes, fresh);
  return &g_array_index (verdict->sizes, TurnConnectSizes, verdict->sizes->len - 1);
}

static void
judge_sizes (TurnConnectVerdict *verdict, const TurnConnectProbe *probe, gint index)
{
  TurnConnectSizes *sizes = find_sizes (verdict, probe, index);
  gboolean is_silent = read_number (probe, "lost") > 0 && read_number (probe, "icmp_mtu") == 0 &&
                       turn_connect_probe_get_fact (probe, "local") == NULL;

  if (g_strcmp0 (probe->variant, "there") == 0) {
    sizes->there = read_number (probe, "passed");
    sizes->icmp = read_number (probe, "icmp_mtu");
    sizes->is_black_hole = is_silent;
    sizes->probe = index;
  } else if (g_strcmp0 (probe->variant, "back") == 0)
    sizes->back = read_number (probe, "passed");
  else {
    sizes->mss_said = read_number (probe, "mss-said");
    sizes->mss_arrived = read_number (probe, "mss-arrived");
  }
}

static void
say_sizes (TurnConnectVerdict *verdict)
{
  for (guint i = 0; i < verdict->sizes->len; i++) {
    const TurnConnectSizes *sizes = &g_array_index (verdict->sizes, TurnConnectSizes, i);

    if (sizes->is_black_hole)
      turn_connect_classify_say (
          verdict,
          "packets of more than %u octets vanish on the way there, and nobody "
          "says so (no ICMP): TCP and TLS may stall",
          sizes->there);
  }
}

void
turn_connect_classify_deep (const TurnConnectObservations *observations,
                            TurnConnectVerdict *verdict)
{
  guint idle_s;
  gboolean is_kept;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_MTU && turn_connect_classify_counts (observations, probe))
      judge_sizes (verdict, probe, (gint)i);
  }
  say_sizes (verdict);
  say_ended (observations, verdict);
  for (guint pass = 0; pass < 2; pass++) {
    for (guint i = 0; i < observations->probes->len; i++) {
      const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

      if (probe->kind != TURN_CONNECT_PROBE_LIFETIME || probe->variant == NULL ||
          !read_silence (observations, probe, &idle_s, &is_kept))
        continue;
      if (pass == 0 && is_kept)
        note_kept (find_lifetime (verdict, probe), idle_s, (gint)i);
      else if (pass == 1 && !is_kept)
        note_forgotten (find_lifetime (verdict, probe), idle_s, (gint)i);
    }
  }
}
