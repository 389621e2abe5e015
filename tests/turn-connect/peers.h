/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support.h"

/* A loopback address of this process's own, so that tests running side by side never meet. */
const char *peers_address (void);
guint16 peers_free_port (void);

/* A server in a thread: answers every connection with what it reads, one after the other. */
typedef struct _PeersEcho PeersEcho;
PeersEcho *peers_echo_new (guint16 *port);
guint peers_echo_count (PeersEcho *echo); /* connections so far */
void peers_echo_free (PeersEcho *echo);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PeersEcho, peers_echo_free)

/* A program that serves, with a directory of its own that goes with it. It dies with the test. */
typedef struct _PeersProgram PeersProgram;
void peers_program_free (PeersProgram *program);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PeersProgram, peers_program_free)

/* The two proxies, on peers_address (). @user NULL: open to all. @allowed_port: the only one
 * CONNECT may name; 0, with tinyproxy: any. squid knows @host_line ("127.0.0.1 server.test") and no other name. */
PeersProgram *
peers_tinyproxy_new (const char *user, const char *password, guint16 allowed_port, guint16 *port);
PeersProgram *peers_squid_new (const char *user,
                               const char *password,
                               guint16 allowed_port,
                               const char *host_line,
                               guint16 *port);

/* A proxy in a thread that says exactly what it is told. Each act answers one request. */
typedef enum {
  PEERS_THEN_LISTEN, /* for the next request on the same connection */
  PEERS_THEN_CLOSE,  /* and take the next act on the next connection */
  PEERS_THEN_RESET,
  PEERS_THEN_ECHO, /* be the tunnel to an echo server */
  PEERS_THEN_STAY, /* silent, until the client leaves */
} PeersThen;

typedef struct {
  const char *reply; /* NULL: none at all, without even reading the request */
  PeersThen then;
} PeersAct;

typedef struct _PeersScript PeersScript;
/* @repeat: a piece sent without end after the reply of the last act, or NULL. */
PeersScript *
peers_script_new (const PeersAct *acts, guint n_acts, const char *repeat, guint16 *port);
/* Ends it; what it was asked, all connections in one. */
char *peers_script_free (PeersScript *script, guint *n_connections);

/* coturn on peers_address (), both over UDP and TCP, or with @certificate and @key over TLS and DTLS
 * alone (it takes plaintext on its TLS port else). User "alice", password "secret", realm "test".
 * @options: more of its options, NULL-terminated, or NULL. @port 0 picks one. */
PeersProgram *peers_turnserver_new (const char *certificate,
                                    const char *key,
                                    const char *const *options,
                                    guint16 *port);
/* Ends it without a word. */
void peers_program_kill (PeersProgram *program);
