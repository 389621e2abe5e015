/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A server's cores without sockets, a clock that stands still until told, and a client that speaks
 * the tunnel. */
#pragma once

#include "stun-ext/frame.h"
#include "stun-ext/inner-packet.h"
#include "stun-ext/tep.h"
#include "tep-s/core-private.h"
#include "tep-s/server.h"
#include "tls-client.h"

#define WORLD_WORKERS 2
#define WORLD_NAME "tep.example"
#define WORLD_REALM "example.org"
#define WORLD_PASSWORD "correct horse battery"
#define WORLD_TLS "[tls]\ncertificate=cert.pem\nkey=key.pem\n"
#define WORLD_NO_SECRETS "# no time-limited credentials\n"
#define WORLD_REMOTE "198.18.0.9:4000"

typedef struct _World World;
typedef struct _Peer Peer;

/* A packet that went to the core network. */
typedef struct {
  StunExtAddress source;
  StunExtAddress destination;
  GBytes *payload;
  guint8 dscp;
} WorldPacket;

struct _World {
  char *folder;
  TepServerSettings settings;
  TepServerShared *shared;
  TepServerCore *cores[WORLD_WORKERS];
  guint n_cores;
  gint64 now_us;
  gint64 now_ms;
  guint32 random; /* state of a generator that repeats itself in each run */
  GPtrArray *packets;
  GPtrArray *peers;
  guint n_media_bindings;
  guint n_events;
  gboolean is_refusing_passes; /* the other worker has too many packets waiting */
  gboolean is_media_full;
  gboolean is_media_slow;    /* leases stay pending */
  TepServerBinding *pending; /* the last one */
  guint16 real_port;         /* of a server in another process */
  TepServer *server;         /* a real one, with sockets; there are no cores then */
};

/* One TCP connection as its client sees it. */
struct _Peer {
  World *world;
  TepServerCore *core;
  TepServerConnection *connection; /* NULL once the server has closed it */
  int fd;                          /* of a real connection, else -1 */
  GByteArray *received;            /* plain, if there is TLS */
  GByteArray *cipher;              /* what TLS has not read yet */
  TlsClient *tls;
  gboolean is_tls_failed;
  gsize split; /* octets handed to the server at a time; 0 for all */
  GByteArray *sent;
  gboolean is_shut;    /* the server will send nothing more */
  gboolean is_reading; /* else its window is closed */
  gboolean is_broken;  /* writing to it fails, before reading told */
  gsize consumed;      /* octets of received that frames were taken from */
};

/* A client of one tunnel. */
typedef struct {
  World *world;
  Peer *peer;
  const char *user; /* borrowed; "alice" */
  guint8 credential_key[32];
  gsize credential_key_length;
  guint8 client_random[32];
  guint8 key[32]; /* tunnel key */
  guint8 id[32];
  gsize id_length;
  guint32 ordinal;
  guint32 transaction;
  char *nonce;
  StunExtAddress mapped;
} Client;

/* extra: lines of further groups, or of [media] and so on; NULL for none. Behind WORLD_NO_SECRETS:
 * without the shared secret. */
World *world_new (const char *extra, guint n_cores);
void world_free (World *world);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (World, world_free)

/* Cheap from the second time on; extra counts only the first time. */
World *world_new_again (const char *extra, guint n_cores);

/* A real server on loopback; "embedded" unless extra says otherwise. */
World *world_new_real (const char *extra,
                       guint n_workers,
                       const TepServerMediaCallbacks *callbacks,
                       gpointer data);
/* Connects to it. */
Peer *peer_connect (World *world);
/* Lets the main context run until the counter has that value; fails after five seconds. */
void world_wait (World *world, TepServerCounter counter, guint64 value);

void world_reload_real (World *world, const char *extra);
/* Reads a configuration anew, as a reload does. */
void world_reload (World *world, const char *extra);

void world_advance (World *world, gint64 ms);
void world_flush (World *world);
guint64 world_count (World *world, TepServerCounter counter);
/* Opened = closed + alive, packets in = out + drops, and so on. */
void world_check_laws (World *world);
WorldPacket *world_take_packet (World *world);
void world_packet_free (WorldPacket *packet);
/* A packet of the core network. */
void
world_deliver (World *world, const char *source, const StunExtAddress *leased, const char *payload);
/* Asserts that the oldest packet that was not taken yet is this one. */
void
world_assert_packet (World *world, const StunExtAddress *from, const char *to, const char *payload);
StunExtAddress world_address (const char *text);
/* Octets that are the same in each run. */
void world_random (gpointer world, void *octets, gsize length);
/* A UDP socket on loopback and where it is: the remote of a real server. */
int world_open_remote (StunExtAddress *address);

Peer *peer_new (World *world, guint core, const char *source);
void peer_send (Peer *peer, const void *data, gsize length);
/* TLS from here on. */
void peer_start_tls (Peer *peer, const char *name, const char *alpn, int max_version);
void peer_hang_up (Peer *peer);
/* The next whole frame the server sent; NULL if there is none. */
GBytes *peer_frame (Peer *peer);
/* The next compact frame of the server has to be this one. */
void peer_assert_media (Peer *peer, guint16 flow, const char *payload);
/* Waits for octets of a real connection. FALSE if none came, or it was closed. */
gboolean peer_receive (Peer *peer);
void peer_free (Peer *peer);

/* source: NULL for a real connection. */
Client *client_new (World *world, const char *source);
void client_free (Client *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Client, client_free)
/* A short-term opening; fills request. */
void client_prepare (Client *client, StunExtTepRequest *request);
void client_send (Client *client, Peer *peer, const StunExtTepRequest *request, StunExtSpan key);
/* Opens a tunnel with a nonce from a first try. Asserts success. */
/* 0, or the code of the refusal, 1 without an answer. */
guint client_try_open (Client *client, gboolean is_keep);
void client_open (Client *client, gboolean is_keep);
/* One short-term opening with that name and password: 0, or the code of the refusal. */
guint client_try_password (Client *client, const char *user, const char *password);
/* Takes the next answer; 0 for success, else the code. */
guint client_answer (Client *client, Peer *peer, StunExtTepKind kind, StunExtTepSuccess *success);
/* Sends a request under the tunnel key and takes its answer. */
guint client_ask (Client *client, StunExtTepRequest *request, StunExtTepSuccess *success);
guint client_lease (Client *client, guint16 wanted_port, StunExtTepLeased *leased);
guint client_flow (Client *client, const StunExtTepLeased *leased, guint16 id, const char *remote);
void client_media (Client *client, guint16 flow, guint16 sequence, const char *payload);
void client_whole (Client *client, const StunExtAddress *from, const char *to, const char *payload);
/* Joins or resumes on a new connection of that core. */
guint client_join (Client *client, Peer *peer, gboolean is_resume);
StunExtSpan client_key (Client *client);
