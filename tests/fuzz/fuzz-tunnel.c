/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole server without sockets: any octets, and any order of well-formed requests, media, lost connections, slow
 * readers and time. Nothing may be left when it ends, and the numbers must add up. */
#include <string.h>

#include "fuzz.h"
#include "world.h"

#define CLIENTS 3
#define STEPS 200

typedef struct {
  World *world;
  FuzzInput input;
  Client *clients[CLIENTS];
  StunExtTepLeased leased[CLIENTS];
} Fuzz;

static Peer *
connect_peer (Fuzz *fuzz, guint which)
{
  static const char *const sources[] = { "192.0.2.7:5000", "192.0.2.7:5001", "[2001:db8::7]:5000",
                                         "198.51.100.4:6000" };

  return peer_new (fuzz->world, fuzz_u8 (&fuzz->input) % WORLD_WORKERS,
                   sources[(which + fuzz_u8 (&fuzz->input)) % G_N_ELEMENTS (sources)]);
}

static void
send_octets (Fuzz *fuzz, Client *client)
{
  gsize n = fuzz_u8 (&fuzz->input);

  n = MIN (n, fuzz->input.length);
  peer_send (client->peer, fuzz->input.data, n);
  fuzz->input.data += n;
  fuzz->input.length -= n;
}

/* A well-formed request with fields from the input; sometimes under another key or with an ordinal that was used. */
static void
send_request (Fuzz *fuzz, guint which)
{
  static const StunExtTepKind kinds[] = { STUN_EXT_TEP_KEEPALIVE,  STUN_EXT_TEP_LEASE,
                                          STUN_EXT_TEP_REFRESH,    STUN_EXT_TEP_OPEN_FLOW,
                                          STUN_EXT_TEP_CLOSE_FLOW, STUN_EXT_TEP_CLOSE };
  Client *client = fuzz->clients[which];
  StunExtTepRequest request = { .kind = kinds[fuzz_u8 (&fuzz->input) % G_N_ELEMENTS (kinds)] };
  guint8 flags = fuzz_u8 (&fuzz->input);
  StunExtTepSuccess success;

  if (request.kind == STUN_EXT_TEP_LEASE) {
    request.lease.ports = fuzz_u8 (&fuzz->input) % 3;
    request.lease.wanted_port = fuzz_u16 (&fuzz->input);
    request.lease.lifetime_s = fuzz_u8 (&fuzz->input);
  } else if (request.kind == STUN_EXT_TEP_REFRESH) {
    request.refresh.binding_id = fuzz_u8 (&fuzz->input) % 4;
    request.refresh.lifetime_s = fuzz_u8 (&fuzz->input);
  } else if (request.kind == STUN_EXT_TEP_OPEN_FLOW) {
    request.open_flow.binding_id = fuzz->leased[which].binding_id;
    request.open_flow.flow_id = fuzz_u8 (&fuzz->input) % 8 * 11;
    request.open_flow.port_offset = flags >> 7;
    request.open_flow.remote = world_address (WORLD_REMOTE);
    request.open_flow.remote.octets[3] = fuzz_u8 (&fuzz->input) % 4;
    request.open_flow.bandwidth_kbps = fuzz_u8 (&fuzz->input);
  } else if (request.kind == STUN_EXT_TEP_CLOSE_FLOW) {
    request.close_flow.flow_id = fuzz_u8 (&fuzz->input) % 8 * 11;
  }
  request.ordinal = (flags & 1) != 0 ? MAX (client->ordinal, 1) : ++client->ordinal;
  if ((flags & 6) == 6)
    client->key[0] ^= 1;
  if (request.kind == STUN_EXT_TEP_OPEN_FLOW && request.open_flow.binding_id == 0)
    request.open_flow.binding_id = 1;
  client_send (client, client->peer, &request, client_key (client));
  if ((flags & 6) == 6)
    client->key[0] ^= 1;
  if (client_answer (client, client->peer, request.kind, &success) == 0 &&
      request.kind == STUN_EXT_TEP_LEASE)
    fuzz->leased[which] = success.leased;
}

static void
replace_peer (Fuzz *fuzz, guint which, gboolean is_resume)
{
  Peer *peer = connect_peer (fuzz, which);

  if (peer == NULL)
    return;
  fuzz->clients[which]->peer = peer;
  if (fuzz->clients[which]->id_length > 0)
    client_join (fuzz->clients[which], peer, is_resume);
}

static void
step (Fuzz *fuzz)
{
  guint8 what = fuzz_u8 (&fuzz->input);
  guint which = what >> 5 & 1 ? 1 : what >> 6 & 1 ? 2 : 0;
  Client *client = fuzz->clients[which];

  switch (what & 15) {
  case 0:
    send_octets (fuzz, client);
    break;
  case 1:
  case 2:
    client_try_open (client, what & 16);
    break;
  case 3:
  case 4:
  case 5:
    send_request (fuzz, which);
    break;
  case 6:
    client_media (client, fuzz_u8 (&fuzz->input) % 8 * 11, fuzz_u16 (&fuzz->input), "media");
    break;
  case 7:
    if (fuzz->leased[which].address.family == 4)
      client_whole (client, &fuzz->leased[which].address, WORLD_REMOTE, "whole");
    break;
  case 8:
    if (fuzz->leased[which].address.family != 0)
      world_deliver (fuzz->world, WORLD_REMOTE, &fuzz->leased[which].address, "down");
    break;
  case 9:
    replace_peer (fuzz, which, FALSE);
    break;
  case 10:
    replace_peer (fuzz, which, TRUE);
    break;
  case 11:
    peer_hang_up (client->peer);
    break;
  case 12:
    world_advance (fuzz->world, fuzz_u8 (&fuzz->input) * 100);
    break;
  case 13:
    client->peer->is_reading = !client->peer->is_reading;
    break;
  case 14:
    client->peer->split = fuzz_u8 (&fuzz->input);
    break;
  case 15:
  default:
    if (what == 0xff)
      tep_server_core_drain (fuzz->world->cores[0], fuzz->world->now_us + US_PER_S);
    break;
  }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  Fuzz fuzz = { .input = { data, length } };

  fuzz.world =
      world_new_again ("[media]\nimplicit-flows=own\n[limits]\nbindings-per-tunnel=3\n", 2);
  for (guint i = 0; i < CLIENTS; i++)
    fuzz.clients[i] = client_new (fuzz.world, i == 2 ? "[2001:db8::7]:5000" : "192.0.2.7:5000");
  for (guint i = 0; i < STEPS && fuzz.input.length > 0; i++)
    step (&fuzz);
  world_check_laws (fuzz.world);
  for (guint i = 0; i < CLIENTS; i++)
    client_free (fuzz.clients[i]);
  world_free (fuzz.world);
  return 0;
}
