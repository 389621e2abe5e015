/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tunnel-world.h"

#include <string.h>

static void
test_lease_comes_in_the_first_flight (void)
{
  World w;
  TepClientTunnelBinding *binding;
  const TepClientLease lease = { .wanted_port = 40000 };

  world_up (&w, FALSE);
  binding = tep_client_tunnel_add_binding (w.tunnel, &lease, NULL, w.now_us);
  connect_up (&w);
  /* Both requests are on the wire before anything was answered: one round trip. */
  g_assert_cmpuint (w.wire->len, >, 0);
  serve (&w);
  g_assert_cmpuint (w.n_opens, ==, 1);
  g_assert_cmpuint (w.n_leases, ==, 1);
  g_assert_cmpuint (w.n_bound, ==, 1);
  g_assert_cmpuint (binding->address.port, ==, 40000);
  g_assert_cmpuint (w.n_keepalives, ==, 1); /* the confirmation */
  g_assert_cmpstr (w.states->str, ==, "oO");
  world_down (&w);
}

static void
test_long_term_takes_one_challenge_then_none (void)
{
  World w;
  TepClientTunnelBinding *binding;
  const TepClientLease lease = { .wanted_port = 40000 };

  world_up (&w, TRUE);
  binding = tep_client_tunnel_add_binding (w.tunnel, &lease, NULL, w.now_us);
  connect_up (&w);
  serve (&w);
  g_assert_cmpuint (w.n_opens, ==, 2);
  g_assert_cmpuint (w.n_challenges, ==, 1);
  g_assert_true (binding->is_granted);
  /* The nonce is remembered: the next opening needs no challenge. */
  w.forgets = TRUE;
  cut (&w);
  connect_up (&w);
  serve (&w);
  g_assert_cmpuint (w.n_opens, ==, 3);
  g_assert_cmpuint (w.n_challenges, ==, 1);
  g_assert_true (binding->is_granted);
  world_down (&w);
}

static void
test_packets_pass_only_on_an_open_flow (void)
{
  World w;
  TepClientTunnelBinding *binding;
  TepClientTunnelFlow *flow;

  world_up (&w, FALSE);
  flow = call_up (&w, &binding);
  g_assert_cmpint (tep_client_tunnel_send (w.tunnel, flow, (const guint8 *)"x", 1, w.now_us), ==,
                   TEP_CLIENT_SENT_DOWN);
  serve (&w);
  g_assert_cmpuint (w.n_flow_open, ==, 1);
  g_assert_cmpint (tep_client_tunnel_send (w.tunnel, flow, (const guint8 *)"x", 1, w.now_us), ==,
                   TEP_CLIENT_SENT);
  serve (&w);
  g_assert_cmpuint (w.n_media, ==, 1);
  world_down (&w);
}

static void
test_common_frame_costs_six_octets (void)
{
  World w;
  TepClientTunnelBinding *binding;
  TepClientTunnelFlow *flow;
  guint8 payload[172] = { 0 };
  guint before;

  world_up (&w, FALSE);
  flow = call_up (&w, &binding);
  serve (&w);
  /* The first packet is led by a FEEDBACK with the clock; the rest are not. */
  tep_client_tunnel_send (w.tunnel, flow, payload, sizeof payload, w.now_us);
  before = w.wire->len;
  tep_client_tunnel_send (w.tunnel, flow, payload, sizeof payload, w.now_us + 20000);
  g_assert_cmpuint (w.wire->len - before - sizeof payload, ==, 6);
  world_down (&w);
}

static void
test_resume_keeps_flows (void)
{
  World w;
  TepClientTunnelBinding *binding;
  TepClientTunnelFlow *flow;
  StunExtAddress address;

  world_up (&w, FALSE);
  flow = call_up (&w, &binding);
  serve (&w);
  cut (&w);
  g_assert_cmpint (tep_client_tunnel_send (w.tunnel, flow, (const guint8 *)"x", 1, w.now_us), ==,
                   TEP_CLIENT_SENT_DOWN);
  connect_up (&w);
  serve (&w);
  g_assert_cmpuint (w.n_resumes, ==, 1);
  g_assert_cmpuint (w.n_opens, ==, 1);
  g_assert_cmpuint (w.n_leases, ==, 1);
  g_assert_cmpuint (w.n_flows, ==, 1);
  g_assert_true (flow->is_open);
  g_assert_true (tep_client_tunnel_get_public_address (w.tunnel, &address));
  g_assert_cmpuint (address.port, ==, 6000);
  g_assert_cmpuint (w.bound.port, ==, 40000); /* the lease is as it was */
  g_assert_cmpint (tep_client_tunnel_send (w.tunnel, flow, (const guint8 *)"x", 1, w.now_us), ==,
                   TEP_CLIENT_SENT);
  g_assert_cmpstr (w.states->str, ==, "oOsrO");
  world_down (&w);
}

static void
test_forgotten_tunnel_is_opened_anew_on_the_same_connection (void)
{
  World w;
  TepClientTunnelBinding *binding;
  TepClientTunnelFlow *flow;

  world_up (&w, FALSE);
  flow = call_up (&w, &binding);
  serve (&w);
  cut (&w);
  w.forgets = TRUE;
  w.port_shift = 2;
  connect_up (&w);
  serve (&w);
  g_assert_cmpuint (w.n_opens, ==, 2);
  g_assert_cmpuint (w.n_leases, ==, 2);
  g_assert_cmpuint (w.n_flows, ==, 2);
  g_assert_true (flow->is_open);
  g_assert_cmpuint (w.n_moved, ==, 1);
  world_down (&w);
}

static void
test_requests_cut_off_are_asked_again (void)
{
  World w;
  TepClientTunnelBinding *binding;
  TepClientTunnelFlow *flow;

  world_up (&w, FALSE);
  flow = call_up (&w, &binding);
  cut (&w); /* Open-Flow was written and never answered */
  connect_up (&w);
  serve (&w);
  g_assert_true (flow->is_open);
  world_down (&w);
}

typedef struct {
  const char *name;
  gboolean is_long_term;
  guint code;
  gboolean is_plain, forges;
  TepClientError error;
} Refusal;

static const Refusal refusals[] = {
  { "wrong-short-term-password-ends", FALSE, 401, FALSE, FALSE, TEP_CLIENT_ERROR_CREDENTIAL },
  { "forbidden-ends", FALSE, 403, FALSE, FALSE, TEP_CLIENT_ERROR_FORBIDDEN },
  { "a-plain-stun-server-is-told-apart", FALSE, 0, TRUE, FALSE, TEP_CLIENT_ERROR_NOT_A_TEP_SERVER },
  { "endless-challenges-end", TRUE, 438, FALSE, FALSE, TEP_CLIENT_ERROR_PROTOCOL },
};

static void
test_refusal (gconstpointer data)
{
  const Refusal *r = data;
  World w;

  world_up (&w, r->is_long_term);
  w.refuse_opening = r->code;
  w.is_plain = r->is_plain;
  w.forges = r->forges;
  connect_up (&w);
  serve (&w);
  g_assert_cmpint (tep_client_tunnel_get_state (w.tunnel), ==, TEP_CLIENT_TUNNEL_IDLE);
  g_assert_error (w.cause, TEP_CLIENT_ERROR, (int)r->error);
  g_assert_cmpuint (w.n_opens, <=, TEP_CLIENT_TUNNEL_ATTEMPTS_MAX);
  world_down (&w);
}

static void
test_forged_answer_opens_nothing (void)
{
  World w;

  world_up (&w, FALSE);
  w.forges = TRUE;
  connect_up (&w);
  serve (&w);
  g_assert_cmpint (tep_client_tunnel_get_state (w.tunnel), ==, TEP_CLIENT_TUNNEL_IDLE);
  world_down (&w);
}

static void
test_silence_is_noticed (void)
{
  World w;
  TepClientTunnelBinding *binding;
  g_autoptr (GError) error = NULL;

  world_up (&w, FALSE);
  call_up (&w, &binding);
  serve (&w);
  w.is_silent = TRUE;
  w.now_us += 15 * SECOND;
  g_assert_cmpint (tep_client_tunnel_deadline (w.tunnel), <=, w.now_us);
  g_assert_true (tep_client_tunnel_tick (w.tunnel, w.now_us, &error));
  serve (&w);
  w.now_us = tep_client_tunnel_deadline (w.tunnel);
  g_assert_false (tep_client_tunnel_tick (w.tunnel, w.now_us, &error));
  g_assert_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_UNREACHABLE);
  world_down (&w);
}

static void
test_bindings_are_refreshed_on_hold (void)
{
  World w;
  TepClientTunnelBinding *binding;

  world_up (&w, FALSE);
  call_up (&w, &binding);
  serve (&w);
  for (gint64 end = w.now_us + 3600 * SECOND; w.now_us < end;) {
    w.now_us = MAX (w.now_us + 1, tep_client_tunnel_deadline (w.tunnel));
    g_assert_true (tep_client_tunnel_tick (w.tunnel, w.now_us, NULL));
    serve (&w);
  }
  g_assert_cmpuint (w.n_refreshes, >=, 11);
  g_assert_cmpuint (w.n_refreshes, <=, 13);
  world_down (&w);
}

static void
test_lease_given_up_while_asked_is_released (void)
{
  World w;
  TepClientTunnelBinding *binding;
  const TepClientLease lease = { .wanted_port = 40000 };

  world_up (&w, FALSE);
  connect_up (&w);
  serve (&w);
  binding = tep_client_tunnel_add_binding (w.tunnel, &lease, NULL, w.now_us);
  tep_client_tunnel_remove_binding (w.tunnel, binding, w.now_us);
  serve (&w);
  g_assert_cmpuint (w.n_leases, ==, 1);
  g_assert_cmpuint (w.n_refreshes, ==, 1);
  world_down (&w);
}

static void
test_close_is_answered (void)
{
  World w;
  TepClientTunnelBinding *binding;

  world_up (&w, FALSE);
  call_up (&w, &binding);
  serve (&w);
  tep_client_tunnel_close (w.tunnel, w.now_us);
  serve (&w);
  g_assert_cmpuint (w.n_closes, ==, 1);
  g_assert_cmpstr (w.states->str, ==, "oOci");
  world_down (&w);
}

static void
test_every_pair (void)
{
  for (guint from = 0; from < TEP_CLIENT_TUNNEL_N_STATES; from++) {
    for (guint event = 0; event < TEP_CLIENT_TUNNEL_N_EVENTS; event++) {
      TepClientTunnelState state = from;

      if (!tep_client_tunnel_step (&state, event))
        g_assert_cmpint (state, ==, from);
      else if (event == TEP_CLIENT_TUNNEL_ACCEPTED)
        g_assert_cmpint (state, ==, TEP_CLIENT_TUNNEL_OPEN);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, f) g_test_add_func ("/tep-c/tunnel/" name, f)
  ADD ("lease-comes-in-the-first-flight", test_lease_comes_in_the_first_flight);
  ADD ("long-term-takes-one-challenge-then-none", test_long_term_takes_one_challenge_then_none);
  ADD ("packets-pass-only-on-an-open-flow", test_packets_pass_only_on_an_open_flow);
  ADD ("common-frame-costs-six-octets", test_common_frame_costs_six_octets);
  ADD ("resume-keeps-flows", test_resume_keeps_flows);
  ADD ("forgotten-tunnel-is-opened-anew-on-the-same-connection",
       test_forgotten_tunnel_is_opened_anew_on_the_same_connection);
  ADD ("requests-cut-off-are-asked-again", test_requests_cut_off_are_asked_again);
  for (gsize i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autofree char *path = g_strconcat ("/tep-c/tunnel/", refusals[i].name, NULL);

    g_test_add_data_func (path, &refusals[i], test_refusal);
  }
  ADD ("forged-answer-opens-nothing", test_forged_answer_opens_nothing);
  ADD ("silence-is-noticed", test_silence_is_noticed);
  ADD ("bindings-are-refreshed-on-hold", test_bindings_are_refreshed_on_hold);
  ADD ("lease-given-up-while-asked-is-released", test_lease_given_up_while_asked_is_released);
  ADD ("close-is-answered", test_close_is_answered);
  ADD ("every-pair-is-listed-or-ignored", test_every_pair);
  return g_test_run ();
}
