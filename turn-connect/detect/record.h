/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/classifier.h"
#include "turn-connect/detect/observations.h"
#include "turn-connect/version.h"

#include <glib.h>

G_BEGIN_DECLS

#define TURN_CONNECT_RECORD_MAX_SIZE (4 * 1024 * 1024) /* octets; arbitrary, ten deep runs */

/**
 * turn_connect_record_write:
 * @observations: what was seen
 * @verdict: (nullable): what it means
 * @pretty: for people to read
 *
 * Writes one JSON object, described in tep-detect(1). "schema" numbers its form.
 *
 * Returns: (transfer full): the text
 */
TURN_CONNECT_API char *turn_connect_record_write (const TurnConnectObservations *observations,
                                                  const TurnConnectVerdict *verdict,
                                                  gboolean pretty);

/**
 * turn_connect_record_read:
 * @text: (array length=length): what turn_connect_record_write() wrote, or anybody
 * @length: octets in @text
 * @error: %TURN_CONNECT_ERROR_INVALID, naming the place
 *
 * Reads the observations of a record; a verdict in it is not looked at. Any octets are survived.
 *
 * Returns: (transfer full): the observations, or %NULL
 */
TURN_CONNECT_API TurnConnectObservations *
turn_connect_record_read (const char *text, gsize length, GError **error);

G_END_DECLS
