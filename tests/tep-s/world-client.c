/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client of the world that speaks the tunnel, one request at a time. */
#include "world.h"

#include <string.h>

Client *
client_new (World *world, const char *source)
{
  Client *client = g_new0 (Client, 1);

  client->world = world;
  client->user = "alice";
  client->peer = source != NULL ? peer_new (world, 0, source) : peer_connect (world);
  g_assert_nonnull (client->peer);
  client->credential_key_length = strlen (WORLD_PASSWORD);
  memcpy (client->credential_key, WORLD_PASSWORD, client->credential_key_length);
  return client;
}

void
client_free (Client *client)
{
  g_free (client->nonce);
  g_free (client);
}

StunExtSpan
client_key (Client *client)
{
  return (StunExtSpan){ client->key, sizeof client->key };
}

void
client_prepare (Client *client, StunExtTepRequest *request)
{
  world_random (client->world, client->client_random, sizeof client->client_random);
  if (client->peer->fd >= 0)
    client->world->now_ms = g_get_real_time () / 1000;
  *request = (StunExtTepRequest){ .kind = STUN_EXT_TEP_OPEN };
  request->open = (StunExtTepOpen){ .version = STUN_EXT_TEP_VERSION,
                                    .server_name = { WORLD_NAME, strlen (WORLD_NAME) },
                                    .client_random = client->client_random,
                                    .timestamp_ms = (guint64)client->world->now_ms,
                                    .username = { client->user, strlen (client->user) } };
  if (client->nonce != NULL)
    request->open.nonce = (StunExtSpan){ client->nonce, strlen (client->nonce) };
}

void
client_send (Client *client, Peer *peer, const StunExtTepRequest *request, StunExtSpan key)
{
  guint8 frame[2 + STUN_EXT_TEP_MESSAGE_MAX];
  guint8 transaction_id[12] = { 0 };
  gsize length;

  client->transaction++;
  memcpy (transaction_id, &client->transaction, sizeof client->transaction);
  g_assert_true (stun_ext_tep_write_request (request, transaction_id, key, frame + 2,
                                             sizeof frame - 2, &length));
  frame[0] = (guint8)(length >> 8);
  frame[1] = (guint8)length;
  peer_send (peer, frame, length + 2);
}

static void
remember_nonce (Client *client, StunExtSpan nonce)
{
  if (nonce.length == 0)
    return;
  g_free (client->nonce);
  client->nonce = g_strndup (nonce.data, nonce.length);
}

/* Media may lie in between; the answer is the next STUN message. */
static GBytes *
next_message (Peer *peer, StunExtMessage *message)
{
  GBytes *frame;

  while ((frame = peer_frame (peer)) != NULL) {
    gsize length;
    const guint8 *data = g_bytes_get_data (frame, &length);

    if (stun_ext_frame_kind (data, length) == STUN_EXT_FRAME_STUN) {
      g_assert_cmpint (stun_ext_message_parse (message, data, length), ==, STUN_EXT_PARSE_OK);
      return frame;
    }
    g_bytes_unref (frame);
  }
  return NULL;
}

guint
client_answer (Client *client, Peer *peer, StunExtTepKind kind, StunExtTepSuccess *success)
{
  StunExtMessage message;
  StunExtTepFailure failure;
  StunExtTepSuccess ignored;
  g_autoptr (GBytes) frame = next_message (peer, &message);

  if (success == NULL)
    success = &ignored;
  if (frame == NULL)
    return 1; /* no answer */
  if (message.message_class == STUN_EXT_CLASS_SUCCESS) {
    /* It may answer an earlier request, if nothing was read meanwhile. */
    if (!stun_ext_tep_read_success (&message, kind, success))
      return 1;
    if (kind == STUN_EXT_TEP_OPEN) {
      /* Copied before the frame goes. */
      memcpy (client->id, success->opened.tunnel_id.data, success->opened.tunnel_id.length);
      client->id_length = success->opened.tunnel_id.length;
      remember_nonce (client, success->opened.nonce);
    }
    return 0;
  }
  if (message.message_class == STUN_EXT_CLASS_INDICATION) {
    StunExtTepClosing closing;

    g_assert_true (stun_ext_tep_verify (&message, client_key (client)));
    g_assert_true (stun_ext_tep_read_closing (&message, &closing));
    return closing.code;
  }
  g_assert_true (stun_ext_tep_read_failure (&message, &failure));
  remember_nonce (client, failure.nonce);
  return failure.code;
}

/* The answer to the opening, from which the tunnel key comes. */
static guint
take_keys (Client *client, const StunExtTepRequest *request)
{
  StunExtSpan key = { client->credential_key, client->credential_key_length };
  StunExtMessage message;
  StunExtTepSuccess success;
  StunExtTepFailure failure;
  StunExtTunnelSecrets secrets;
  g_autoptr (GBytes) frame = next_message (client->peer, &message);

  if (frame == NULL)
    return 1;
  if (stun_ext_tep_read_failure (&message, &failure)) {
    remember_nonce (client, failure.nonce);
    return failure.code;
  }
  if (!stun_ext_tep_read_success (&message, STUN_EXT_TEP_OPEN, &success))
    return 1;
  g_assert_true (stun_ext_tep_verify (&message, key));
  secrets = stun_ext_tep_secrets (&request->open, &success.opened, key);
  g_assert_true (stun_ext_tunnel_key (&secrets, client->key));
  memcpy (client->id, success.opened.tunnel_id.data, success.opened.tunnel_id.length);
  client->id_length = success.opened.tunnel_id.length;
  client->mapped = success.opened.mapped;
  client->ordinal = 0;
  return 0;
}

guint
client_try_open (Client *client, gboolean is_keep)
{
  StunExtSpan key = { client->credential_key, client->credential_key_length };
  StunExtTepRequest request;
  guint code = 438;

  for (guint i = 0; i < 2 && code == 438; i++) {
    client_prepare (client, &request);
    request.open.keep = is_keep;
    client_send (client, client->peer, &request, key);
    code = take_keys (client, &request);
  }
  return code;
}

void
client_open (Client *client, gboolean is_keep)
{
  g_assert_cmpuint (client_try_open (client, is_keep), ==, 0);
}

guint
client_ask (Client *client, StunExtTepRequest *request, StunExtTepSuccess *success)
{
  request->ordinal = ++client->ordinal;
  client_send (client, client->peer, request, client_key (client));
  return client_answer (client, client->peer, request->kind, success);
}

guint
client_lease (Client *client, guint16 wanted_port, StunExtTepLeased *leased)
{
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_LEASE };
  StunExtTepSuccess success;
  guint code;

  request.lease.wanted_port = wanted_port;
  code = client_ask (client, &request, &success);
  if (code == 0)
    *leased = success.leased;
  return code;
}

guint
client_flow (Client *client, const StunExtTepLeased *leased, guint16 id, const char *remote)
{
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_OPEN_FLOW };

  request.open_flow.binding_id = leased->binding_id;
  request.open_flow.flow_id = id;
  request.open_flow.remote = world_address (remote);
  return client_ask (client, &request, NULL);
}

void
client_media (Client *client, guint16 flow, guint16 sequence, const char *payload)
{
  guint8 buffer[2048];
  StunExtCompactFrame frame = { .flow = flow,
                                .time = stun_ext_flow_time (client->world->server != NULL
                                                                ? g_get_monotonic_time ()
                                                                : client->world->now_us),
                                .sequence = sequence,
                                .length = strlen (payload),
                                .payload = (const guint8 *)payload };
  StunExtWriter writer;

  stun_ext_writer_init (&writer, buffer, sizeof buffer);
  stun_ext_compact_write (&writer, &frame);
  g_assert_false (writer.failed);
  peer_send (client->peer, buffer, writer.length);
}

void
client_whole (Client *client, const StunExtAddress *from, const char *to, const char *payload)
{
  guint8 buffer[2048];
  StunExtInnerPacket packet = { .source = *from,
                                .destination = world_address (to),
                                .hop_limit = 64,
                                .length = strlen (payload),
                                .payload = (const guint8 *)payload };
  StunExtWriter writer;

  stun_ext_writer_init (&writer, buffer + 2, sizeof buffer - 2);
  stun_ext_inner_packet_write (&writer, &packet);
  g_assert_false (writer.failed);
  buffer[0] = (guint8)(writer.length >> 8);
  buffer[1] = (guint8)writer.length;
  peer_send (client->peer, buffer, writer.length + 2);
}

guint
client_join (Client *client, Peer *peer, gboolean is_resume)
{
  StunExtTepRequest request = { .kind = is_resume ? STUN_EXT_TEP_RESUME : STUN_EXT_TEP_JOIN };

  request.ordinal = ++client->ordinal;
  request.join.version = STUN_EXT_TEP_VERSION;
  request.join.tunnel_id = (StunExtSpan){ client->id, client->id_length };
  client_send (client, peer, &request, client_key (client));
  return client_answer (client, peer, request.kind, NULL);
}

guint
client_try_password (Client *client, const char *user, const char *password)
{
  StunExtTepRequest request;
  StunExtSpan key = { password, strlen (password) };

  client_prepare (client, &request);
  request.open.username = (StunExtSpan){ user, strlen (user) };
  client_send (client, client->peer, &request, key);
  return client_answer (client, client->peer, STUN_EXT_TEP_OPEN, NULL);
}
