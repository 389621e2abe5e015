/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A URI that is taken has a host fit for CONNECT and DNS, and one form that is taken again. */
#include <string.h>

#include "fuzz.h"
#include "turn-connect/host.h"
#include "turn-connect/turn/uri.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  g_autofree char *text = g_strndup ((const char *)data, length);
  g_autoptr (GError) error = NULL;
  g_autoptr (TurnConnectUri) uri = turn_connect_uri_new (text, &error);
  g_autoptr (TurnConnectUri) again = NULL;
  g_autofree char *host = NULL;
  TurnConnectTransport transports[TURN_CONNECT_N_TRANSPORTS];

  g_assert_true ((uri == NULL) == (error != NULL));
  if (uri == NULL) {
    g_assert_true (error->domain == TURN_CONNECT_ERROR && g_str_is_ascii (error->message));
    return 0;
  }
  host = turn_connect_host_normalise (turn_connect_uri_get_host (uri), NULL);
  g_assert_cmpstr (host, ==, turn_connect_uri_get_host (uri));
  g_assert_cmpuint (turn_connect_uri_get_effective_port (uri), >, 0);
  g_assert_cmpuint (turn_connect_uri_get_transports (uri, transports), <=, 2);
  again = turn_connect_uri_new (turn_connect_uri_to_string (uri), NULL);
  g_assert_cmpstr (turn_connect_uri_to_string (again), ==, turn_connect_uri_to_string (uri));
  return 0;
}
