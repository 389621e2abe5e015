/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tunnel-world.h"

#include <string.h>

#define PASSWORD "correct horse battery staple"

static void
on_state (gpointer user, TepClientTunnelState before, TepClientTunnelState now, const GError *cause)
{
  World *w = user;

  g_string_append_c (w->states, "ioOsrc"[now]);
  if (cause != NULL) {
    g_clear_error (&w->cause);
    w->cause = g_error_copy (cause);
  }
}

static void
on_binding (gpointer user, TepClientTunnelBinding *binding, const GError *error)
{
  World *w = user;

  if (error != NULL) {
    w->n_refused++;
    g_clear_error (&w->cause);
    w->cause = g_error_copy (error);
    tep_client_tunnel_remove_binding (w->tunnel, binding, w->now_us);
    return;
  }
  if (w->n_bound++ > 0)
    w->n_moved++;
  w->bound = binding->address;
}

static void
on_flow (gpointer user, TepClientTunnelFlow *flow, const GError *error)
{
  World *w = user;

  if (error == NULL)
    w->n_flow_open++;
  else
    w->n_flow_refused++;
}

static void
on_packet (gpointer user, const TepClientArrival *arrival)
{
  World *w = user;

  w->n_packets++;
  g_string_append_len (w->heard, (const char *)arrival->payload, arrival->length);
}

static void
fill_random (gpointer user, guint8 *octets, gsize length)
{
  static guint32 seed = 1;

  for (gsize i = 0; i < length; i++)
    octets[i] = (seed = seed * 1664525 + 1013904223) >> 24;
}

static void
on_inner (gpointer user, const StunExtInnerPacket *packet)
{
}

static const TepClientTunnelEvents events = {
  .inner = on_inner,
  .state = on_state,
  .binding = on_binding,
  .flow = on_flow,
  .packet = on_packet,
  .random = fill_random,
};

static TepClientOptions *
make_options (gboolean is_long_term)
{
  TepClientOptions *options = tep_client_options_new ();

  options->host = g_strdup ("tep.example");
  options->user = g_strdup ("alice");
  options->password = g_strdup (PASSWORD);
  options->mechanism =
      is_long_term ? TEP_CLIENT_MECHANISM_LONG_TERM : TEP_CLIENT_MECHANISM_SHORT_TERM;
  return options;
}

/* The server */

static void
reply (World *w, const guint8 *body, gsize length)
{
  guint8 frame[2 + STUN_EXT_TEP_MESSAGE_MAX] = { length >> 8, length };
  g_autoptr (GError) error = NULL;

  memcpy (frame + 2, body, length);
  /* One octet at a time: where the stream is cut must not matter. */
  for (gsize i = 0; i < length + 2; i++) {
    if (!tep_client_tunnel_input (w->tunnel, frame + i, 1, w->now_us, &error)) {
      tep_client_tunnel_disconnected (w->tunnel);
      return;
    }
  }
}

static void
reply_success (World *w, const StunExtMessage *message, StunExtTepSuccess *success, StunExtSpan key)
{
  guint8 body[STUN_EXT_TEP_MESSAGE_MAX];
  guint8 wrong[32] = { 0xAA };
  gsize length;

  if (w->forges)
    key = (StunExtSpan){ wrong, sizeof wrong };
  g_assert_true (stun_ext_tep_write_success (success, message, key, body, sizeof body, &length));
  reply (w, body, length);
}

static void
reply_failure (World *w, const StunExtMessage *message, guint code, StunExtSpan key)
{
  StunExtTepFailure failure = { .code = code };
  guint8 body[STUN_EXT_TEP_MESSAGE_MAX];
  gsize length;

  if (code == 401 || code == 438) {
    static const char nonce[] = "obMatJos2gAAAsalt-and-mac-of-the-test";

    failure.realm = (StunExtSpan){ "example.org", 11 };
    failure.nonce = (StunExtSpan){ nonce, sizeof nonce - 1 };
    failure.password_algorithms = (StunExtSpan){ "\0\2\0\0", 4 };
    failure.timestamp_ms = 1800000000000;
    w->n_challenges++;
  }
  g_assert_true (stun_ext_tep_write_failure (&failure, message, key, body, sizeof body, &length));
  reply (w, body, length);
}

static void
serve_open (World *w, const StunExtMessage *message, const StunExtTepOpen *open)
{
  StunExtTepSuccess success = { .kind = STUN_EXT_TEP_OPEN };
  StunExtTunnelSecrets secrets;
  g_autoptr (GError) error = NULL;
  StunExtSpan none = { NULL, 0 };

  w->n_opens++;
  if (w->is_plain) {
    guint8 body[256];
    StunExtBuilder builder;
    gsize length;
    StunExtAddress address;

    stun_ext_address_parse ("198.51.100.7:5000", &address);
    stun_ext_builder_begin_success (&builder, body, sizeof body, message);
    stun_ext_builder_add_xor_address (&builder, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS, &address);
    g_assert_true (
        stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, none, FALSE, &length));
    reply (w, body, length);
    return;
  }
  if (w->refuse_opening != 0) {
    reply_failure (w, message, w->refuse_opening, none);
    return;
  }
  if (w->is_long_term && open->realm.length == 0) {
    reply_failure (w, message, 401, none);
    return;
  }
  if (w->is_long_term)
    g_assert_true (stun_ext_key_long_term (&w->credential, STUN_EXT_PASSWORD_ALGORITHM_SHA256,
                                           "alice", "example.org", PASSWORD, &error));
  else
    g_assert_true (stun_ext_key_short_term (&w->credential, PASSWORD, &error));
  g_assert_true (stun_ext_tep_verify (message, stun_ext_key_span (&w->credential)));
  fill_random (NULL, w->random, sizeof w->random);
  fill_random (NULL, w->id, sizeof w->id);
  success.opened = (StunExtTepOpened){ .server_random = w->random,
                                       .tunnel_id = { w->id, sizeof w->id },
                                       .largest_packet = 1500,
                                       .keepalive_s = 15,
                                       .silence_s = 45 };
  stun_ext_address_parse ("198.51.100.7:5000", &success.opened.mapped);
  secrets = stun_ext_tep_secrets (open, &success.opened, stun_ext_key_span (&w->credential));
  g_assert_true (stun_ext_flight_key (&secrets, w->flight_key));
  g_assert_true (stun_ext_tunnel_key (&secrets, w->key));
  memset (&w->ordinals, 0, sizeof w->ordinals);
  reply_success (w, message, &success, stun_ext_key_span (&w->credential));
}

static void
serve_lease (World *w, const StunExtMessage *message, const StunExtTepLease *lease, StunExtSpan key)
{
  StunExtTepSuccess success = { .kind = STUN_EXT_TEP_LEASE };

  w->n_leases++;
  if (w->refuse_lease != 0) {
    reply_failure (w, message, w->refuse_lease, key);
    return;
  }
  success.leased = (StunExtTepLeased){ .binding_id = ++w->next_binding,
                                       .kind = STUN_EXT_TEP_FLOW_REFLEXIVE,
                                       .is_pair = lease->ports == STUN_EXT_TEP_PORTS_PAIR,
                                       .lifetime_s = 600 };
  stun_ext_address_parse ("198.51.100.7", &success.leased.address);
  success.leased.address.port = lease->wanted_port + w->port_shift;
  reply_success (w, message, &success, key);
}

static void
serve_request (World *w,
               const StunExtMessage *message,
               const StunExtTepRequest *request,
               StunExtSpan key)
{
  StunExtTepSuccess success = { .kind = request->kind };

  stun_ext_address_parse ("198.51.100.7:5000", &success.mapped);
  switch (request->kind) {
  case STUN_EXT_TEP_LEASE:
    serve_lease (w, message, &request->lease, key);
    return;
  case STUN_EXT_TEP_REFRESH:
    w->n_refreshes++;
    success.lifetime_s = request->refresh.lifetime_s;
    break;
  case STUN_EXT_TEP_OPEN_FLOW:
    w->n_flows++;
    if (w->refuse_flow != 0) {
      reply_failure (w, message, w->refuse_flow, key);
      return;
    }
    success.flow.flow_id = request->open_flow.flow_id;
    success.flow.port_offset = request->open_flow.port_offset;
    break;
  case STUN_EXT_TEP_KEEPALIVE:
    w->n_keepalives++;
    break;
  case STUN_EXT_TEP_RESUME:
    w->n_resumes++;
    if (w->forgets) {
      reply_failure (w, message, 437, (StunExtSpan){ NULL, 0 });
      return;
    }
    success.joined.connection_number = 0;
    stun_ext_address_parse ("198.51.100.9:6000", &success.joined.mapped);
    break;
  case STUN_EXT_TEP_CLOSE:
    w->n_closes++;
    break;
  default:
    break;
  }
  reply_success (w, message, &success, key);
}

static void
serve_message (World *w, const guint8 *body, gsize length)
{
  StunExtMessage message;
  StunExtTepRequest request;
  StunExtTepFailure failure;
  StunExtSpan tunnel_key = { w->key, sizeof w->key };
  StunExtSpan flight_key = { w->flight_key, sizeof w->flight_key };

  g_assert_cmpint (stun_ext_message_parse (&message, body, length), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpint (stun_ext_tep_read_request (&message, &request, &failure), ==,
                   STUN_EXT_TEP_READ_OK);
  if (w->is_silent)
    return;
  if (request.kind == STUN_EXT_TEP_OPEN) {
    serve_open (w, &message, &request.open);
    return;
  }
  if (stun_ext_tep_verify (&message, tunnel_key)) {
    g_assert_true (stun_ext_ordinal_window_accept (&w->ordinals, request.ordinal));
    serve_request (w, &message, &request, tunnel_key);
  } else if (request.kind == STUN_EXT_TEP_LEASE && stun_ext_tep_verify (&message, flight_key)) {
    g_assert_true (stun_ext_ordinal_window_accept (&w->ordinals, request.ordinal));
    serve_request (w, &message, &request, flight_key);
  } else {
    reply_failure (w, &message, 401, (StunExtSpan){ NULL, 0 });
  }
}

/* Serves what the client has written until it writes nothing more. */
void
serve (World *w)
{
  while (w->wire->len > 0) {
    g_autoptr (GBytes) flight = NULL;
    const guint8 *data;
    gsize length;

    flight = g_bytes_new (w->wire->data, w->wire->len);
    g_byte_array_set_size (w->wire, 0);
    data = g_bytes_get_data (flight, &length);
    for (gsize at = 0; at + 2 <= length;) {
      gsize size = data[at] << 8 | data[at + 1];

      g_assert_cmpuint (at + 2 + size, <=, length);
      if (stun_ext_frame_kind (data + at + 2, size) == STUN_EXT_FRAME_STUN)
        serve_message (w, data + at + 2, size);
      else if (stun_ext_frame_is_counted (stun_ext_frame_kind (data + at + 2, size)))
        w->n_media++;
      at += 2 + size;
    }
  }
}

void
connect_up (World *w)
{
  tep_client_tunnel_connected (w->tunnel, w->now_us, 1790000000000 + w->now_us / 1000, NULL);
}

void
cut (World *w)
{
  g_byte_array_set_size (w->wire, 0);
  tep_client_tunnel_disconnected (w->tunnel);
}

static TepClientOptions *world_options;

void
world_up (World *w, gboolean is_long_term)
{
  memset (w, 0, sizeof *w);
  w->now_us = 1000 * SECOND;
  w->is_long_term = is_long_term;
  w->wire = g_byte_array_new ();
  w->states = g_string_new (NULL);
  w->heard = g_string_new (NULL);
  world_options = make_options (is_long_term);
  w->tunnel = tep_client_tunnel_new (world_options, w->wire, &events, w);
}

void
world_down (World *w)
{
  tep_client_tunnel_free (w->tunnel);
  tep_client_options_free (world_options);
  g_byte_array_unref (w->wire);
  g_string_free (w->states, TRUE);
  g_string_free (w->heard, TRUE);
  g_clear_error (&w->cause);
}

TepClientTunnelFlow *
call_up (World *w, TepClientTunnelBinding **binding)
{
  const TepClientLease lease = { .wanted_port = 40000 };
  StunExtAddress remote;

  stun_ext_address_parse ("192.0.2.10:30000", &remote);
  *binding = tep_client_tunnel_add_binding (w->tunnel, &lease, NULL, w->now_us);
  connect_up (w);
  serve (w);
  return tep_client_tunnel_add_flow (w->tunnel, *binding, &remote, 0, 0, -1, NULL, w->now_us);
}
