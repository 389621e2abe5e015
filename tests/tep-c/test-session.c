/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions against a real TEP-S in this process, over loopback, with a forwarder between that can cut the connection. */
#include <string.h>

#include <gio/gio.h>
#include <glib/gstdio.h>

#include "core.h"
#include "tep-c/agent.h"
#include "tep-c/session.h"

/* The device */

typedef struct {
  TepClientOptions *options;
  TepClientSession *session;
  TepClientBinding *binding;
  TepClientFlow *flow;
  GError *failure; /* of the lease or the flow */
  GString *states;
  GError *cause;
  GString *heard;
  guint n_heard;
  gboolean closes_on_packet;
} Device;

static void
on_state (TepClientSession *session, int before, int now, const GError *cause, gpointer data)
{
  Device *device = data;

  g_string_append_c (device->states, "icoOwrx"[now]);
  if (cause != NULL) {
    g_clear_error (&device->cause);
    device->cause = g_error_copy (cause);
  }
}

static void
on_packet (TepClientBinding *binding, const TepClientPacket *packet, gpointer data)
{
  Device *device = data;

  device->n_heard++;
  g_string_append_len (device->heard, (const char *)packet->payload, packet->length);
  if (device->closes_on_packet)
    tep_client_session_close (device->session);
}

static void
on_flow (GObject *source, GAsyncResult *result, gpointer data)
{
  Device *device = data;

  device->flow =
      tep_client_binding_open_flow_finish (TEP_CLIENT_BINDING (source), result, &device->failure);
}

static void
on_lease (GObject *source, GAsyncResult *result, gpointer data)
{
  Device *device = data;
  StunExtAddress remote;

  device->binding =
      tep_client_session_lease_finish (TEP_CLIENT_SESSION (source), result, &device->failure);
  if (device->binding == NULL)
    return;
  stun_ext_address_parse ("198.18.0.9:4000", &remote);
  tep_client_binding_open_flow_async (device->binding, &remote, 0, 0, -1, NULL, on_flow, device);
}

static void
device_init (Device *device, const Core *core)
{
  memset (device, 0, sizeof *device);
  device->options = tep_client_options_new ();
  device->options->host = g_strdup ("127.0.0.1");
  device->options->port = core->address.port;
  device->options->user = g_strdup ("alice");
  device->options->password = g_strdup (CORE_PASSWORD);
  device->states = g_string_new (NULL);
  device->heard = g_string_new (NULL);
}

static void
device_start (Device *device)
{
  const TepClientLease lease = { .wanted_port = 40000 };

  device->session = tep_client_session_new (device->options);
  g_signal_connect (device->session, "state-changed", G_CALLBACK (on_state), device);
  tep_client_session_lease_async (device->session, &lease, on_packet, device, NULL, on_lease,
                                  device);
  tep_client_session_open (device->session);
}

static void
device_clear (Device *device)
{
  g_clear_object (&device->flow);
  g_clear_object (&device->binding);
  g_clear_object (&device->session);
  tep_client_options_free (device->options);
  g_clear_error (&device->failure);
  g_clear_error (&device->cause);
  g_string_free (device->states, TRUE);
  g_string_free (device->heard, TRUE);
}

static void
say (Device *device, const char *text)
{
  g_assert_cmpint (tep_client_flow_send (device->flow, (const guint8 *)text, strlen (text)), ==,
                   TEP_CLIENT_SENT);
}

static void
test_packets_go_and_come (Core *core, gconstpointer data)
{
  Device device;
  TepClientFlowQuality quality;
  TepClientStatistics statistics;

  device_init (&device, core);
  device_start (&device);
  WAIT_FOR (device.flow != NULL);
  g_assert_cmpstr (device.states->str, ==, "coO");
  g_assert_cmpuint (tep_client_binding_get_address (device.binding)->port, ==, 40000);
  for (guint i = 0; i < 50; i++)
    say (&device, "x");
  WAIT_FOR (device.n_heard == 50);
  tep_client_flow_get_quality (device.flow, &quality);
  g_assert_cmpuint (quality.sent, ==, 50);
  g_assert_cmpuint (quality.received, ==, 50);
  g_assert_cmpuint (quality.lost, ==, 0);
  tep_client_session_get_statistics (device.session, &statistics);
  g_assert_cmpuint (statistics.connections, ==, 1);
  g_assert_cmpuint (statistics.first_packet_us, >, 0);
  tep_client_session_close (device.session);
  WAIT_FOR (tep_client_session_get_state (device.session) == TEP_CLIENT_STATE_CLOSED);
  g_assert_null (device.cause);
  device_clear (&device);
}

static void
test_lost_connection_is_resumed_with_its_flows (Core *core, gconstpointer data)
{
  Device device;
  TepClientStatistics statistics;

  device_init (&device, core);
  device_start (&device);
  WAIT_FOR (device.flow != NULL);
  tep_client_session_network_changed (device.session);
  WAIT_FOR (tep_client_session_get_state (device.session) == TEP_CLIENT_STATE_OPEN);
  say (&device, "after");
  WAIT_FOR (device.n_heard == 1);
  g_assert_cmpstr (device.states->str, ==, "coOrO");
  tep_client_session_get_statistics (device.session, &statistics);
  g_assert_cmpuint (statistics.connections, ==, 2);
  device_clear (&device);
}

static void
test_restarted_server_is_found_again (Core *core, gconstpointer data)
{
  Device device;

  device_init (&device, core);
  device_start (&device);
  WAIT_FOR (device.flow != NULL);
  core_stop (core);
  WAIT_FOR (tep_client_session_get_state (device.session) == TEP_CLIENT_STATE_WAITING ||
            tep_client_session_get_state (device.session) == TEP_CLIENT_STATE_CLOSED);
  core_start (core);
  WAIT_FOR (tep_client_session_get_state (device.session) == TEP_CLIENT_STATE_OPEN);
  WAIT_FOR (tep_client_flow_send (device.flow, (const guint8 *)"y", 1) == TEP_CLIENT_SENT ||
            g_main_context_iteration (NULL, TRUE));
  WAIT_FOR (device.n_heard > 0);
  device_clear (&device);
}

static void
test_closing_inside_a_packet_is_safe (Core *core, gconstpointer data)
{
  Device device;

  device_init (&device, core);
  device.closes_on_packet = TRUE;
  device_start (&device);
  WAIT_FOR (device.flow != NULL);
  say (&device, "last");
  WAIT_FOR (tep_client_session_get_state (device.session) == TEP_CLIENT_STATE_CLOSED);
  g_assert_cmpint (tep_client_flow_send (device.flow, (const guint8 *)"z", 1), ==,
                   TEP_CLIENT_SENT_DOWN);
  device_clear (&device);
}

static void
test_wrong_password_ends_with_its_cause (Core *core, gconstpointer data)
{
  Device device;

  device_init (&device, core);
  g_free (device.options->password);
  device.options->password = g_strdup ("incorrect horse battery");
  device_start (&device);
  WAIT_FOR (device.failure != NULL);
  g_assert_error (device.cause, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CREDENTIAL);
  g_assert_error (device.failure, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CREDENTIAL);
  g_assert_null (g_strstr_len (device.cause->message, -1, "incorrect horse"));
  device_clear (&device);
}

static void
test_forbidden_remote_is_refused_and_the_tunnel_stays (Core *core, gconstpointer data)
{
  Device device;
  StunExtAddress remote;

  device_init (&device, core);
  device_start (&device);
  WAIT_FOR (device.flow != NULL);
  g_clear_object (&device.flow);
  stun_ext_address_parse ("127.0.0.1:22", &remote);
  tep_client_binding_open_flow_async (device.binding, &remote, 0, 0, -1, NULL, on_flow, &device);
  WAIT_FOR (device.failure != NULL);
  g_assert_error (device.failure, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_FORBIDDEN);
  g_assert_cmpint (tep_client_session_get_state (device.session), ==, TEP_CLIENT_STATE_OPEN);
  device_clear (&device);
}

static void
test_nobody_there_gives_up_with_the_cause (Core *core, gconstpointer data)
{
  Device device;

  device_init (&device, core);
  core_stop (core);
  device.options->gives_up_after_s = 1;
  device_start (&device);
  WAIT_FOR (device.failure != NULL);
  g_assert_cmpint (tep_client_session_get_state (device.session), ==, TEP_CLIENT_STATE_CLOSED);
  g_assert_nonnull (device.cause);
  device_clear (&device);
}

static void
test_a_thousand_sessions_leave_nothing (Core *core, gconstpointer data)
{
  for (guint i = 0; i < 1000; i++) {
    Device device;

    device_init (&device, core);
    device_start (&device);
    /* Ended at every stage: before the name is known, while connecting, opening, leasing, open. */
    for (guint round = 0; round < i % 20; round++)
      g_main_context_iteration (NULL, FALSE);
    tep_client_session_close (device.session);
    WAIT_FOR (tep_client_session_get_state (device.session) == TEP_CLIENT_STATE_CLOSED);
    WAIT_FOR (device.flow != NULL || device.failure != NULL);
    device_clear (&device);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, f) g_test_add ("/tep-c/session/" name, Core, NULL, core_up, f, core_down)
  ADD ("packets-go-and-come", test_packets_go_and_come);
  ADD ("lost-connection-is-resumed-with-its-flows", test_lost_connection_is_resumed_with_its_flows);
  ADD ("restarted-server-is-found-again", test_restarted_server_is_found_again);
  ADD ("closing-inside-a-packet-is-safe", test_closing_inside_a_packet_is_safe);
  ADD ("wrong-password-ends-with-its-cause", test_wrong_password_ends_with_its_cause);
  ADD ("forbidden-remote-is-refused-and-the-tunnel-stays",
       test_forbidden_remote_is_refused_and_the_tunnel_stays);
  ADD ("nobody-there-gives-up-with-the-cause", test_nobody_there_gives_up_with_the_cause);
  ADD ("a-thousand-sessions-leave-nothing", test_a_thousand_sessions_leave_nothing);
  return g_test_run ();
}
