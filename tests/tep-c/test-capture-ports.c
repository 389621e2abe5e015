/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose port it is, among programs that all can send to loopback. */
#include <string.h>

#include <gio/gio.h>

#include "core.h"
#include "tep-c/capture-ports.h"

#define SILENCE_US (300 * G_TIME_SPAN_MILLISECOND)

typedef struct {
  TepClientOptions *options;
  TepClientSession *session;
  TepClientPort *port;
  gboolean has_flow;
} Device;

static void
on_port (TepClientPort *port, const StunExtAddress *leased, const GError *error, gpointer data)
{
  ((Device *)data)->has_flow = leased != NULL;
}

static void
device_up (Device *device, const Core *core)
{
  g_autoptr (GError) error = NULL;
  StunExtAddress remote;

  memset (device, 0, sizeof *device);
  device->options = tep_client_options_new ();
  device->options->host = g_strdup ("127.0.0.1");
  device->options->port = core->address.port;
  device->options->user = g_strdup ("alice");
  device->options->password = g_strdup (CORE_PASSWORD);
  device->session = tep_client_session_new (device->options);
  g_assert_true (stun_ext_address_parse ("198.18.0.9:4000", &remote));
  device->port = tep_client_port_new (device->session, 0, &remote, on_port, device, &error);
  g_assert_no_error (error);
  tep_client_port_set_silence (device->port, SILENCE_US);
  tep_client_session_open (device->session);
  WAIT_FOR (device->has_flow);
}

static void
device_down (Device *device)
{
  tep_client_port_free (device->port);
  tep_client_session_close (device->session);
  WAIT_FOR (tep_client_session_get_state (device->session) == TEP_CLIENT_STATE_CLOSED);
  g_object_unref (device->session);
  tep_client_options_free (device->options);
}

/* ---- a program on the device ---- */

static GSocket *
program_new (const Device *device)
{
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) address =
      g_inet_socket_address_new (loopback, tep_client_port_get_local (device->port));
  g_autoptr (GError) error = NULL;
  GSocket *program =
      g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, &error);

  g_assert_no_error (error);
  g_socket_set_blocking (program, FALSE);
  g_assert_true (g_socket_connect (program, address, NULL, &error));
  return program;
}

/* Whether the answer to an earlier datagram, or word of its refusal, is there. */
static gboolean
hears (GSocket *program, gboolean *is_refused)
{
  g_autoptr (GError) error = NULL;
  char buffer[16];
  gssize n = g_socket_receive (program, buffer, sizeof buffer, NULL, &error);

  *is_refused |= g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
  return n > 0;
}

static gboolean
tick (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

/* Sends again and again until the answer is there. */
static void
exchange (GSocket *program)
{
  guint ticker = g_timeout_add (10, tick, NULL);
  gboolean is_refused = FALSE, is_heard = FALSE;

  WAIT_FOR (is_heard ||
            (g_socket_send (program, "x", 1, NULL, NULL), is_heard = hears (program, &is_refused)));
  g_source_remove (ticker);
}

/* ---- tests ---- */

static void
test_first_program_has_the_port_while_it_sends (Core *core, gconstpointer data)
{
  Device device;
  gint64 start = g_get_monotonic_time ();
  gboolean is_refused = FALSE;
  g_autoptr (GSocket) first = NULL;
  g_autoptr (GSocket) second = NULL;

  device_up (&device, core);
  first = program_new (&device);
  second = program_new (&device);
  exchange (first);
  /* Three times as long as it would take if it were silent. */
  while (g_get_monotonic_time () - start < 3 * SILENCE_US) {
    g_socket_send (second, "y", 1, NULL, NULL);
    exchange (first);
    g_assert_false (hears (second, &is_refused));
  }
  g_assert_true (is_refused);
  device_down (&device);
}

static void
test_silence_lets_another_have_it (Core *core, gconstpointer data)
{
  Device device;
  g_autoptr (GSocket) first = NULL;
  g_autoptr (GSocket) second = NULL;
  gint64 start;

  device_up (&device, core);
  first = program_new (&device);
  second = program_new (&device);
  exchange (first);
  start = g_get_monotonic_time ();
  exchange (second);
  g_assert_cmpint (g_get_monotonic_time () - start, >, SILENCE_US / 2);
  device_down (&device);
}

/* The one before is heard of no more. */
static void
test_end_lets_another_have_it_at_once (Core *core, gconstpointer data)
{
  Device device;
  g_autoptr (GSocket) second = NULL;

  device_up (&device, core);
  tep_client_port_set_silence (device.port, 60 * G_TIME_SPAN_SECOND);
  second = program_new (&device);
  for (guint i = 0; i < 20; i++) {
    g_autoptr (GSocket) first = program_new (&device);

    exchange (first);
    g_socket_send (first, "z", 1, NULL, NULL); /* its echo finds nobody */
    g_socket_close (first, NULL);
  }
  exchange (second);
  device_down (&device);
}

/* Pauses and comes back: the port is still its own if nobody else has sent. */
static void
test_program_comes_back_after_silence (Core *core, gconstpointer data)
{
  Device device;
  gint64 start = g_get_monotonic_time ();
  guint ticker = g_timeout_add (10, tick, NULL);
  g_autoptr (GSocket) first = NULL;

  device_up (&device, core);
  first = program_new (&device);
  exchange (first);
  WAIT_FOR (g_get_monotonic_time () - start > 2 * SILENCE_US);
  exchange (first);
  g_source_remove (ticker);
  device_down (&device);
}

#define ADD(name, function)                                                                        \
  g_test_add ("/tep-c/capture-ports/" name, Core, NULL, core_up, function, core_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("first-program-has-the-port-while-it-sends", test_first_program_has_the_port_while_it_sends);
  ADD ("silence-lets-another-have-it", test_silence_lets_another_have_it);
  ADD ("end-lets-another-have-it-at-once", test_end_lets_another_have_it_at_once);
  ADD ("program-comes-back-after-silence", test_program_comes_back_after_silence);
  return g_test_run ();
}
