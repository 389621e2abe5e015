/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the answers of a TURN server change in an allocation: RFC 8656 sections 7.3, 7.4 and 8.3,
 * RFC 8016 section 3.
 */
#include "turn-connect/turn/allocation-private.h"

#include "stun-ext/attribute.h"
#include "turn-connect/error-private.h"
#include "turn-connect/turn/answer.h"

#define REFRESH_BEFORE_US (60 * G_USEC_PER_SEC) /* RFC 8656 section 8: a minute before the end */
#define REFRESH_AGAIN_US (10 * G_USEC_PER_SEC)  /* after a refusal */
#define LIFETIME_MAX_S 86400                    /* a promise for longer is not relied on */
#define TICKET_MAX 512                          /* octets of a ticket that is worth keeping */
#define SOFTWARE_MAX 64                         /* octets of the server's name that are kept */

static void
take_lifetime (TurnConnectAllocation *self, guint32 lifetime_s, gint64 now_us)
{
  gint64 lasts_us;

  self->lifetime_s = MIN (lifetime_s, LIFETIME_MAX_S);
  lasts_us = (gint64)self->lifetime_s * G_USEC_PER_SEC;
  self->ends_us = now_us + lasts_us;
  self->was_refused = FALSE;
  self->refresh_us = now_us + MAX (lasts_us - REFRESH_BEFORE_US, lasts_us / 2);
}

static void
take_ticket (TurnConnectAllocation *self, const StunExtMessage *answer)
{
  StunExtSpan ticket;

  if (stun_ext_message_get_data (answer, STUN_EXT_ATTRIBUTE_MOBILITY_TICKET, &ticket) !=
          STUN_EXT_GET_OK ||
      ticket.length == 0 || ticket.length > TICKET_MAX || !self->wishes.is_mobile)
    return; /* the old one stays good, RFC 8016 section 3.2.3 */
  g_clear_pointer (&self->ticket, g_byte_array_unref);
  self->ticket = g_byte_array_sized_new ((guint)ticket.length);
  g_byte_array_append (self->ticket, ticket.data, (guint)ticket.length);
}

static gboolean
is_wanted_family (const TurnConnectWishes *wishes, guint8 family)
{
  return wishes->has_reservation ||
         (wishes->families & (family == 6 ? TURN_CONNECT_FAMILY_IPV6 : TURN_CONNECT_FAMILY_IPV4)) !=
             0;
}

/* Reads one or two relayed addresses of different families. FALSE: what is there is not right. */
static gboolean
read_relayed (const TurnConnectAllocation *self,
              const StunExtMessage *answer,
              StunExtAddress relayed[2])
{
  gboolean found = FALSE;

  for (guint i = 0; i < answer->n_attributes; i++) {
    StunExtAddress address;

    if (answer->attributes[i].type != STUN_EXT_ATTRIBUTE_XOR_RELAYED_ADDRESS)
      continue;
    if (!stun_ext_attribute_xor_address (answer, &answer->attributes[i], &address) ||
        address.port == 0 || !is_wanted_family (&self->wishes, address.family) ||
        relayed[address.family == 6].family != 0)
      return FALSE;
    relayed[address.family == 6] = address;
    found = TRUE;
  }
  return found;
}

static void
take_extras (TurnConnectAllocation *self, const StunExtMessage *answer)
{
  StunExtSpan software;
  guint8 family;

  self->family_error = 0;
  if (stun_ext_message_get_address_error (answer, &family, &self->family_error) != STUN_EXT_GET_OK)
    self->family_error = 0;
  self->has_reservation =
      stun_ext_message_get_fixed (answer, STUN_EXT_ATTRIBUTE_RESERVATION_TOKEN, self->reservation,
                                  sizeof self->reservation) == STUN_EXT_GET_OK;
  g_clear_pointer (&self->software, g_free);
  if (stun_ext_message_get_text (answer, STUN_EXT_ATTRIBUTE_SOFTWARE, &software) == STUN_EXT_GET_OK)
    self->software = turn_connect_error_quote (software.data, software.length, SOFTWARE_MAX);
}

static void
come_up (TurnConnectAllocation *self, gboolean is_new)
{
  TurnConnectEvent *event = turn_connect_event_new (TURN_CONNECT_EVENT_UP);

  event->is_new = is_new;
  turn_connect_allocation_set_state (self, TURN_CONNECT_ALLOCATION_UP);
  turn_connect_allocation_emit (self, event);
}

static void
allocated (TurnConnectAllocation *self, const StunExtMessage *answer, gint64 now_us)
{
  StunExtAddress relayed[2] = { 0 }, mapped;
  guint32 lifetime_s = 0;

  if (!read_relayed (self, answer, relayed) ||
      stun_ext_message_get_xor_address (answer, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS, &mapped) !=
          STUN_EXT_GET_OK ||
      stun_ext_message_get_u32 (answer, STUN_EXT_ATTRIBUTE_LIFETIME, &lifetime_s) !=
          STUN_EXT_GET_OK ||
      lifetime_s == 0) {
    turn_connect_allocation_fall (
        self, turn_connect_answer_protocol_error (
                  STUN_EXT_METHOD_ALLOCATE, self->who,
                  "its answer lacks a relayed address, a mapped address or a lifetime, or has one "
                  "of a family nobody asked for"));
    return;
  }
  self->relayed[0] = relayed[0];
  self->relayed[1] = relayed[1];
  self->mapped = mapped;
  g_clear_pointer (&self->ticket, g_byte_array_unref);
  take_lifetime (self, lifetime_s, now_us);
  take_ticket (self, answer);
  take_extras (self, answer);
  turn_connect_auth_own (&self->auth);
  turn_connect_permissions_restart (&self->permissions);
  turn_connect_channels_restart (&self->channels);
  come_up (self, TRUE);
}

static void
redirected (TurnConnectAllocation *self, const StunExtMessage *answer, GError *error)
{
  TurnConnectEvent *event;
  StunExtAddress server;
  StunExtSpan domain;

  if (stun_ext_message_get_address (answer, STUN_EXT_ATTRIBUTE_ALTERNATE_SERVER, &server) !=
          STUN_EXT_GET_OK ||
      server.port == 0) {
    turn_connect_allocation_fall (self, error);
    return;
  }
  event = turn_connect_event_new (TURN_CONNECT_EVENT_REDIRECT);
  event->peer = server;
  event->error = error;
  if (stun_ext_message_get_text (answer, STUN_EXT_ATTRIBUTE_ALTERNATE_DOMAIN, &domain) ==
      STUN_EXT_GET_OK)
    event->domain = g_strndup (domain.data, domain.length);
  turn_connect_allocation_disconnected (self);
  turn_connect_allocation_emit (self, event);
}

/* A 420: whether it is about DONT-FRAGMENT, which can be done without. */
static gboolean
is_about_dont_fragment (const StunExtMessage *answer)
{
  guint16 types[STUN_EXT_UNKNOWN_MAX];
  guint n_types = 0;

  if (stun_ext_message_get_unknown_attributes (answer, types, &n_types) != STUN_EXT_GET_OK)
    return FALSE;
  for (guint i = 0; i < n_types; i++)
    if (types[i] == STUN_EXT_ATTRIBUTE_DONT_FRAGMENT)
      return TRUE;
  return FALSE;
}

static void
not_allocated (TurnConnectAllocation *self,
               const TurnConnectRequest *request,
               const StunExtMessage *answer,
               GError *error,
               gint64 now_us)
{
  guint code = answer != NULL ? turn_connect_error_get_turn_code (error) : 0;

  if (code == STUN_EXT_CODE_TRY_ALTERNATE) {
    redirected (self, answer, error);
    return;
  }
  if (code == STUN_EXT_CODE_UNKNOWN_ATTRIBUTE && request->has_dont_fragment &&
      is_about_dont_fragment (answer))
    self->lacks_dont_fragment = TRUE;
  else if (code == STUN_EXT_CODE_MOBILITY_FORBIDDEN && request->has_ticket)
    self->forbids_mobility = TRUE;
  else {
    turn_connect_allocation_fall (self, error);
    return;
  }
  g_error_free (error);
  turn_connect_allocation_ask_for_it (self, now_us);
}

static void
resumed (TurnConnectAllocation *self, const StunExtMessage *answer, GError *error, gint64 now_us)
{
  guint32 lifetime_s = 0;

  if (answer == NULL) { /* silence, or no way to write it */
    turn_connect_allocation_fall (self, error);
    return;
  }
  if (error != NULL ||
      stun_ext_message_get_u32 (answer, STUN_EXT_ATTRIBUTE_LIFETIME, &lifetime_s) !=
          STUN_EXT_GET_OK ||
      lifetime_s == 0) {
    g_debug ("allocation: not resumed: %s", error != NULL ? error->message : "no lifetime");
    g_clear_error (&error);
    g_clear_pointer (&self->ticket, g_byte_array_unref);
    turn_connect_allocation_ask_for_it (self, now_us);
    return;
  }
  take_lifetime (self, lifetime_s, now_us);
  take_ticket (self, answer);
  turn_connect_permissions_renew_all (&self->permissions, now_us);
  turn_connect_channels_renew_all (&self->channels, now_us);
  come_up (self, FALSE);
}

static void
refreshed (TurnConnectAllocation *self, const StunExtMessage *answer, GError *error, gint64 now_us)
{
  guint32 lifetime_s = 0;

  if (self->is_probing)
    self->probed_us = now_us;
  self->is_probing = FALSE;
  if (error == NULL &&
      stun_ext_message_get_u32 (answer, STUN_EXT_ATTRIBUTE_LIFETIME, &lifetime_s) ==
          STUN_EXT_GET_OK &&
      lifetime_s > 0) {
    take_lifetime (self, lifetime_s, now_us);
    take_ticket (self, answer);
    return;
  }
  if (error == NULL)
    error = turn_connect_answer_protocol_error (STUN_EXT_METHOD_REFRESH, self->who,
                                                "a refresh without a lifetime");
  /* The allocation is gone, or nobody is there; else it lasts until its end, and somebody may renew
   * the credential before. */
  if (answer == NULL ||
      turn_connect_error_get_turn_code (error) == STUN_EXT_CODE_ALLOCATION_MISMATCH ||
      now_us + REFRESH_AGAIN_US >= self->ends_us) {
    turn_connect_allocation_fall (self, error);
    return;
  }
  g_debug ("allocation: not refreshed: %s", error->message);
  g_error_free (error);
  self->was_refused = TRUE;
  self->refresh_us = now_us + REFRESH_AGAIN_US;
}

static void
peer_connected (TurnConnectAllocation *self,
                const TurnConnectRequest *request,
                const StunExtMessage *answer,
                GError *error)
{
  TurnConnectEvent *event = turn_connect_event_new (TURN_CONNECT_EVENT_DONE);

  event->token = request->token;
  event->peer = request->peers[0];
  if (error == NULL && stun_ext_message_get_u32 (answer, STUN_EXT_ATTRIBUTE_CONNECTION_ID,
                                                 &event->connection_id) != STUN_EXT_GET_OK)
    error = turn_connect_answer_protocol_error (STUN_EXT_METHOD_CONNECT, self->who,
                                                "a connection without an id");
  event->error = error;
  turn_connect_allocation_emit (self, event);
}

/* A keepalive: any answer is a sign of life, even a refusal. */
static void
heard (TurnConnectAllocation *self, const StunExtMessage *answer, GError *error)
{
  if (answer == NULL)
    turn_connect_allocation_fall (self, error);
  else
    g_clear_error (&error);
}

static void
left (TurnConnectAllocation *self, GError *error)
{
  g_clear_error (&error);
  turn_connect_allocation_disconnected (self);
}

void
turn_connect_allocation_finish (TurnConnectAllocation *self,
                                const TurnConnectTransaction *transaction,
                                const StunExtMessage *answer,
                                GError *error,
                                gint64 now_us)
{
  const TurnConnectRequest *request = &transaction->request;

  switch (request->method) {
  case STUN_EXT_METHOD_ALLOCATE:
    if (error == NULL)
      allocated (self, answer, now_us);
    else
      not_allocated (self, request, answer, error, now_us);
    break;
  case STUN_EXT_METHOD_REFRESH:
    if (self->state == TURN_CONNECT_ALLOCATION_LEAVING)
      left (self, error);
    else if (self->state == TURN_CONNECT_ALLOCATION_RESUMING)
      resumed (self, answer, error, now_us);
    else
      refreshed (self, answer, error, now_us);
    break;
  case STUN_EXT_METHOD_CREATE_PERMISSION:
    turn_connect_allocation_permission_done (self, request, error, now_us);
    break;
  case STUN_EXT_METHOD_CHANNEL_BIND:
    turn_connect_allocation_channel_done (self, request, error, now_us);
    break;
  case STUN_EXT_METHOD_CONNECT:
    peer_connected (self, request, answer, error);
    break;
  default:
    heard (self, answer, error);
    break;
  }
}

TurnConnectAllocationState
turn_connect_allocation_get_state (const TurnConnectAllocation *self)
{
  return self->state;
}

const StunExtAddress *
turn_connect_allocation_get_relayed (const TurnConnectAllocation *self, guint family)
{
  const StunExtAddress *address = &self->relayed[family == 6];

  return address->family == family ? address : NULL;
}

const StunExtAddress *
turn_connect_allocation_get_mapped (const TurnConnectAllocation *self)
{
  return self->mapped.family != 0 ? &self->mapped : NULL;
}

guint
turn_connect_allocation_get_lifetime (const TurnConnectAllocation *self)
{
  return self->state == TURN_CONNECT_ALLOCATION_UP ? self->lifetime_s : 0;
}

const guint8 *
turn_connect_allocation_get_reservation (const TurnConnectAllocation *self)
{
  return self->has_reservation ? self->reservation : NULL;
}

gboolean
turn_connect_allocation_has_ticket (const TurnConnectAllocation *self)
{
  return self->ticket != NULL;
}

gboolean
turn_connect_allocation_knows_dont_fragment (const TurnConnectAllocation *self)
{
  return !self->lacks_dont_fragment;
}

guint
turn_connect_allocation_get_family_error (const TurnConnectAllocation *self)
{
  return self->family_error;
}

const char *
turn_connect_allocation_get_software (const TurnConnectAllocation *self)
{
  return self->software;
}

const char *
turn_connect_allocation_get_who (const TurnConnectAllocation *self)
{
  return self->who;
}

guint64
turn_connect_allocation_get_ignored (const TurnConnectAllocation *self)
{
  return self->ignored;
}

guint64
turn_connect_allocation_get_retransmitted (const TurnConnectAllocation *self)
{
  return self->retransmitted;
}

const TurnConnectAuth *
turn_connect_allocation_get_auth (const TurnConnectAllocation *self)
{
  return &self->auth;
}
