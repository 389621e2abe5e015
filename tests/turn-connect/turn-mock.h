/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/attribute.h"
#include "stun-ext/challenge.h"
#include "stun-ext/credentials.h"
#include "stun-ext/integrity.h"
#include "stun-ext/message.h"

/* What a TURN server says, octet by octet, for tests that play the server. It knows one user. */
#define MOCK_USER "alice"
#define MOCK_PASSWORD "secret"
#define MOCK_REALM "test"

typedef struct {
  guint8 octets[2048];
  gsize length;
} MockMessage;

typedef enum {
  MOCK_SIGNED,   /* with the key of the one user */
  MOCK_UNSIGNED, /* without integrity */
  MOCK_FORGED,   /* with another key */
} MockProof;

/* What an answer to Allocate holds. */
typedef struct {
  const char *relayed;      /* NULL: none */
  const char *relayed_also; /* NULL: none */
  const char *mapped;       /* NULL: none */
  gint lifetime_s;          /* -1: none */
  const char *ticket;       /* NULL: none */
  const char *reservation;  /* NULL: none */
  guint family_error;       /* 0: none; for IPv6 */
} MockAllocated;

extern const MockAllocated mock_usual; /* 192.0.2.1:50000 for 600 s */

void mock_key (StunExtKey *key, const char *user, const char *password);
/* Ends a message that was begun; signed for @user (NULL: the one user). */
void mock_finish (MockMessage *message, StunExtBuilder *builder, MockProof proof, const char *user);
void
mock_challenge (MockMessage *message, const StunExtMessage *request, guint code, const char *nonce);
void mock_error (MockMessage *message, const StunExtMessage *request, guint code, MockProof proof);
void mock_success (MockMessage *message, const StunExtMessage *request, MockProof proof);
void mock_lifetime (MockMessage *message,
                    const StunExtMessage *request,
                    guint lifetime_s,
                    const char *ticket);
void mock_allocated (MockMessage *message,
                     const StunExtMessage *request,
                     const MockAllocated *allocated,
                     MockProof proof);
void mock_redirect (MockMessage *message,
                    const StunExtMessage *request,
                    const StunExtAddress *server,
                    const char *domain,
                    MockProof proof);
void mock_connection (MockMessage *message, const StunExtMessage *request, guint32 id);
void mock_data (MockMessage *message, const char *peer, const char *text);
void mock_icmp (MockMessage *message, const char *peer, guint8 type, guint16 code, guint32 data);
void mock_attempt (MockMessage *message, const char *peer, guint32 id);
void mock_channel_data (MockMessage *message, guint16 channel, const char *text);
StunExtAddress mock_address (const char *text);
/* Is it signed with the one user's key? */
gboolean mock_is_signed (const StunExtMessage *request);
