/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who opens TLS on the way cannot hide it, if the answer is proven with the user's password: he cannot
 * alter it then, and the keys that two connections export are never the same. An answer that is proven
 * without, anybody can make who knows the protocol and what runs are: that it says of the keys that
 * they are the same shows that nobody opens TLS by rote, and no more.
 */
#include "turn-connect/detect/exporter.h"

#include "turn-connect/detect/far-lines.h"

#include <string.h>

struct _TurnConnectExporter {
  TurnConnectFetch *fetch;
  TurnConnectExporterFunc told;
  gpointer user_data;
};

static TurnConnectOutcome
compare (TurnConnectProbe *probe, const char *body, gsize length, TurnConnectStream *stream)
{
  guint8 ours[TURN_CONNECT_BINDING_SIZE];
  TurnConnectFarExporter theirs;
  gboolean is_told = turn_connect_far_lines_read_exporter (body, length, &theirs);
  const TurnConnectTlsInfo *info = turn_connect_stream_get_tls_info (stream);
  gboolean has_ours = turn_connect_stream_export_binding (stream, ours);

  if (info != NULL)
    turn_connect_probe_set_fact (probe, "tls", info->version);
  if (has_ours && theirs.has_keys && memcmp (ours, theirs.keys, sizeof ours) == 0)
    return TURN_CONNECT_OUTCOME_PROOF;
  g_free (probe->detail);
  if (!is_told || (theirs.is_tls && (!has_ours || !theirs.has_keys))) {
    probe->detail = g_strdup ("one end has no keys to compare");
    return TURN_CONNECT_OUTCOME_UNSUPPORTED;
  }
  probe->detail = g_strdup (theirs.is_tls ? "the far end sees another TLS connection than ours"
                                          : "the far end sees no TLS");
  return TURN_CONNECT_OUTCOME_ALTERED;
}

static TurnConnectOutcome
fetched (TurnConnectProbe *probe,
         TurnConnectOutcome outcome,
         const char *body,
         gsize length,
         TurnConnectStream *stream,
         gpointer data)
{
  TurnConnectExporter *self = data;

  if (outcome == TURN_CONNECT_OUTCOME_PROOF)
    outcome = compare (probe, body, length, stream);
  self->told (probe, outcome, self->user_data);
  return outcome;
}

TurnConnectExporter *
turn_connect_exporter_new (TurnConnectRun *run,
                           guint8 family,
                           guint16 port,
                           guint limit_ms,
                           TurnConnectExporterFunc told,
                           gpointer user_data)
{
  const TurnConnectFetchWay way = { .variant = "exporter",
                                    .kind = TURN_CONNECT_PROBE_TLS,
                                    .what = STUN_EXT_DETECT_WHAT_EXPORTER,
                                    .family = family,
                                    .port = port,
                                    .is_tls = TRUE,
                                    .is_blind = TRUE,
                                    .limit_ms = limit_ms };
  TurnConnectExporter *self = g_new0 (TurnConnectExporter, 1);

  self->told = told;
  self->user_data = user_data;
  self->fetch = turn_connect_fetch_new (run, &way, fetched, self);
  if (self->fetch == NULL)
    g_clear_pointer (&self, g_free);
  return self;
}

void
turn_connect_exporter_free (TurnConnectExporter *exporter)
{
  if (exporter == NULL)
    return;
  turn_connect_fetch_free (exporter->fetch);
  g_free (exporter);
}
