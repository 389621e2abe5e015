/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What deep runs measured: how long what is silent is remembered, and which sizes pass. A silence
 * counts as forgotten only where its control passed.
 */
#include "turn-connect/detect/classify-private.h"

#include <string.h>

/* FALSE where nothing was learnt. */
static gboolean
read_silence (const TurnConnectObservations *observations,
              const TurnConnectProbe *probe,
              guint *idle_s,
              gboolean *is_kept)
{
  const char *text = turn_connect_probe_get_fact (probe, "idle_s");
  guint64 number = text != NULL ? g_ascii_strtoull (text, NULL, 10) : 0;

  if (number == 0 || number > G_MAXUINT16)
    return FALSE;
  *idle_s = (guint)number;
  *is_kept = turn_connect_classify_counts (observations, probe);
  return *is_kept || (probe->outcome == TURN_CONNECT_OUTCOME_SILENCE &&
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

void
turn_connect_classify_deep (const TurnConnectObservations *observations,
                            TurnConnectVerdict *verdict)
{
  guint idle_s;
  gboolean is_kept;

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
