/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/stream.h"
#include "tls-peer.h"
#include "turn-mock.h"

/* A TURN server of the tests' own, in the thread-default main context of whoever opens it, on
 * peers_address (). It knows the mock's one user, relays nothing, and sends packets back to whoever
 * sent them. What it answers can be exchanged. */
typedef struct _TurnServer TurnServer;

/* Somebody connected, or who sent a datagram. */
typedef struct {
  TurnServer *server;
  int socket;
  GSource *watch; /* NULL: gone */
  TlsPeer *tls;   /* NULL: plain */
  StunExtStream cutter;
  struct sockaddr_storage *from; /* of datagrams */
  socklen_t from_length;
} TurnVisitor;

typedef void (*TurnAnswer) (TurnVisitor *visitor, const StunExtMessage *request);

struct _TurnServer {
  guint16 port;
  TurnAnswer answer;
  guint n_visitors;
  guint n_requests;
  StunExtAddress elsewhere;        /* for redirections */
  const char *domain;              /* NULL: none */
  guint close_after;               /* requests; 0: never */
  guint piece;                     /* octets sent at once; 0: all */
  const TlsPeerIdentity *identity; /* shown to the next visitor; NULL: no TLS */
  /* private */
  int listener;
  gboolean is_datagram;
  GSource *watch;
  GPtrArray *visitors; /* those still there */
};

typedef enum {
  TURN_SERVER_TCP,
  TURN_SERVER_TLS, /* takes @identity */
  TURN_SERVER_UDP,
} TurnServerKind;

void turn_server_open (TurnServer *server,
                       TurnServerKind kind,
                       const TlsPeerIdentity *identity,
                       TurnAnswer answer);
/* By UDP at an address and port of the test's choice. */
void turn_server_open_at (TurnServer *server, const char *ip, guint16 port, TurnAnswer answer);
void turn_server_close (TurnServer *server);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TurnServer, turn_server_close)
/* Cuts everybody off, without a word. */
void turn_server_drop_visitors (TurnServer *server);
StunExtAddress turn_server_address (const TurnServer *server);

void turn_visitor_say (TurnVisitor *visitor, const MockMessage *message);
void turn_visitor_say_octets (TurnVisitor *visitor, const void *data, gsize length);

/* What an ordinary server says. */
void turn_server_behave (TurnVisitor *visitor, const StunExtMessage *request);
/* Sends whoever asks elsewhere: at once, or once it is known who asks and with proof. */
void turn_server_send_on (TurnVisitor *visitor, const StunExtMessage *request);
void turn_server_send_on_with_proof (TurnVisitor *visitor, const StunExtMessage *request);
