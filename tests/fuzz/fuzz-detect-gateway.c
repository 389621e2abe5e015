/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What routers, or whoever is in this network, answer to PCP, NAT-PMP and SSDP; and what the kernel says of routes. */
#include <string.h>

#include "fuzz.h"
#include "turn-connect/detect/gateway-wire.h"

static void
check_fact (const TurnConnectProbe *probe, const char *key)
{
  const char *text = turn_connect_probe_get_fact (probe, key);

  if (text == NULL)
    return;
  g_assert_true (g_utf8_validate (text, -1, NULL));
  for (const char *c = text; *c != '\0'; c++)
    g_assert_false (g_ascii_iscntrl (*c));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
  TurnConnectProbe *probe =
      turn_connect_observations_add (observations, TURN_CONNECT_PROBE_GATEWAY, NULL);
  g_autofree char *place = g_strndup ((const char *)data, length);
  guint8 request[TURN_CONNECT_GATEWAY_REQUEST_MAX];
  StunExtAddress gateway = { 0 };

  for (guint i = 0; i < TURN_CONNECT_N_GATEWAY_PROTOCOLS; i++) {
    TurnConnectOutcome outcome =
        turn_connect_gateway_read ((TurnConnectGatewayProtocol)i, probe, data, length);

    g_assert_true (
        outcome == TURN_CONNECT_OUTCOME_PENDING || outcome == TURN_CONNECT_OUTCOME_ANSWER ||
        outcome == TURN_CONNECT_OUTCOME_DENIED || outcome == TURN_CONNECT_OUTCOME_WRONG_ANSWER ||
        outcome == TURN_CONNECT_OUTCOME_UNSUPPORTED);
    g_assert_cmpint (probe->proof, ==, TURN_CONNECT_PROOF_NONE);
    g_assert_true (probe->mapped.family == 0 || probe->mapped.family == 4);
  }
  check_fact (probe, "location");
  check_fact (probe, "server");
  if (turn_connect_gateway_find (place, &gateway)) {
    g_assert_cmpuint (gateway.family, ==, 4);
    g_assert_cmpuint (turn_connect_gateway_write (TURN_CONNECT_GATEWAY_PCP, &gateway, request), ==,
                      24);
  }
  return 0;
}
