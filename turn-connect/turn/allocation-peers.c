/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Permissions and channels of an allocation: what is wanted is asked for, renewed, and asked for
 * again on a new allocation, and whoever waits for it is told once.
 */
#include "turn-connect/turn/allocation-private.h"

#include "turn-connect/error-private.h"

#define PENDING_MAX 32                  /* requests for peers at a time; more would burst */
#define PROBED_US (30 * G_USEC_PER_SEC) /* for so long it is not doubted again */
#define AGAIN_US (10 * G_USEC_PER_SEC)  /* after a refusal that may pass */

static void
emit_done (TurnConnectAllocation *self, guint64 token, guint16 channel, const GError *error)
{
  TurnConnectEvent *event;

  if (token == 0)
    return;
  event = turn_connect_event_new (TURN_CONNECT_EVENT_DONE);
  event->token = token;
  event->channel = channel;
  event->error = error != NULL ? g_error_copy (error) : NULL;
  turn_connect_allocation_emit (self, event);
}

static void
emit_lost (TurnConnectAllocation *self, const StunExtAddress *peer, const GError *error)
{
  TurnConnectEvent *event = turn_connect_event_new (TURN_CONNECT_EVENT_PEER_LOST);

  event->peer = *peer;
  event->error = g_error_copy (error);
  turn_connect_allocation_emit (self, event);
}

/* A host is permitted, or with @error it is not: tell those who wait for it. */
static void
settle_host (TurnConnectAllocation *self, const StunExtAddress *host, const GError *error)
{
  for (guint i = 0; i < self->waiters->len;) {
    TurnConnectWaiter *waiter = self->waiters->pdata[i];
    gboolean was_there = FALSE;

    for (guint j = 0; j < waiter->hosts->len && !was_there; j++)
      if (stun_ext_address_equal_host (&g_array_index (waiter->hosts, StunExtAddress, j), host)) {
        g_array_remove_index_fast (waiter->hosts, j);
        was_there = TRUE;
      }
    if (was_there && (error != NULL || waiter->hosts->len == 0)) {
      emit_done (self, waiter->token, 0, error);
      g_ptr_array_remove_index (self->waiters, i);
    } else
      i++;
  }
}

static void
settle_channel (TurnConnectAllocation *self,
                const StunExtAddress *peer,
                guint16 number,
                const GError *error)
{
  for (guint i = 0; i < self->channel_waiters->len;) {
    TurnConnectChannelWaiter *waiter =
        &g_array_index (self->channel_waiters, TurnConnectChannelWaiter, i);

    if (stun_ext_address_equal (&waiter->peer, peer)) {
      emit_done (self, waiter->token, number, error);
      g_array_remove_index (self->channel_waiters, i);
    } else
      i++;
  }
}

void
turn_connect_allocation_fail_waiters (TurnConnectAllocation *self, const GError *error)
{
  for (guint i = 0; i < self->waiters->len; i++)
    emit_done (self, ((TurnConnectWaiter *)self->waiters->pdata[i])->token, 0, error);
  g_ptr_array_set_size (self->waiters, 0);
  for (guint i = 0; i < self->channel_waiters->len; i++)
    emit_done (self, g_array_index (self->channel_waiters, TurnConnectChannelWaiter, i).token, 0,
               error);
  g_array_set_size (self->channel_waiters, 0);
}

static GError *
refusal (TurnConnectError code, const char *words, TurnConnectStep step)
{
  GError *error = g_error_new_literal (TURN_CONNECT_ERROR, (int)code, words);

  turn_connect_error_set_step (error, step);
  return error;
}

/* Why nothing can be asked for this peer; NULL: it can. */
static GError *
check_peer (const TurnConnectAllocation *self, const StunExtAddress *peer, TurnConnectStep step)
{
  if (self->state == TURN_CONNECT_ALLOCATION_GONE || self->state == TURN_CONNECT_ALLOCATION_LEAVING)
    return refusal (TURN_CONNECT_ERROR_CLOSED, "the client was closed", step);
  if (peer->family != 4 && peer->family != 6)
    return refusal (TURN_CONNECT_ERROR_INVALID, "the peer has no address", step);
  if (step == TURN_CONNECT_STEP_CHANNEL && peer->port == 0)
    return refusal (TURN_CONNECT_ERROR_INVALID, "the peer has no port", step);
  if (step == TURN_CONNECT_STEP_CHANNEL && self->wishes.relay != TURN_CONNECT_RELAY_UDP)
    return refusal (TURN_CONNECT_ERROR_INVALID, "channels are for UDP peers alone", step);
  return NULL;
}

void
turn_connect_allocation_permit (TurnConnectAllocation *self,
                                const StunExtAddress *peers,
                                guint n_peers,
                                guint64 token,
                                gint64 now_us)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) hosts = g_array_new (FALSE, FALSE, sizeof (StunExtAddress));
  TurnConnectWaiter *waiter;

  for (guint i = 0; i < n_peers && error == NULL; i++)
    error = check_peer (self, &peers[i], TURN_CONNECT_STEP_PERMISSION);
  for (guint i = 0; i < n_peers && error == NULL; i++) {
    TurnConnectPermission *permission =
        turn_connect_permissions_want (&self->permissions, &peers[i]);

    if (permission == NULL)
      error = refusal (TURN_CONNECT_ERROR_RESOURCES, "too many peers are permitted",
                       TURN_CONNECT_STEP_PERMISSION);
    else if (self->state != TURN_CONNECT_ALLOCATION_UP ||
             !turn_connect_permission_lets_through (permission))
      g_array_append_val (hosts, permission->host);
  }
  if (error != NULL || hosts->len == 0) {
    emit_done (self, token, 0, error);
    return;
  }
  waiter = g_new0 (TurnConnectWaiter, 1);
  waiter->token = token;
  waiter->hosts = g_steal_pointer (&hosts);
  g_ptr_array_add (self->waiters, waiter);
  turn_connect_allocation_pump (self, now_us);
}

void
turn_connect_allocation_bind (TurnConnectAllocation *self,
                              const StunExtAddress *peer,
                              guint64 token,
                              gint64 now_us)
{
  g_autoptr (GError) error = check_peer (self, peer, TURN_CONNECT_STEP_CHANNEL);
  TurnConnectChannelWaiter waiter = { .token = token };
  TurnConnectChannel *channel = NULL;

  if (error == NULL) {
    waiter.peer = stun_ext_address_canonical (peer);
    if (turn_connect_permissions_want (&self->permissions, peer) != NULL)
      channel = turn_connect_channels_want (&self->channels, &waiter.peer);
    if (channel == NULL)
      error = refusal (TURN_CONNECT_ERROR_RESOURCES, "all channels are taken",
                       TURN_CONNECT_STEP_CHANNEL);
  }
  if (error != NULL ||
      (self->state == TURN_CONNECT_ALLOCATION_UP && turn_connect_channel_carries (channel))) {
    emit_done (self, token, error == NULL ? channel->number : 0, error);
    return;
  }
  g_array_append_val (self->channel_waiters, waiter);
  turn_connect_allocation_pump (self, now_us);
}

void
turn_connect_allocation_forget (TurnConnectAllocation *self,
                                const StunExtAddress *peer,
                                gint64 now_us)
{
  g_autoptr (GError) error =
      refusal (TURN_CONNECT_ERROR_CLOSED, "the peer is no longer wanted", TURN_CONNECT_STEP_NONE);
  StunExtAddress canonical = stun_ext_address_canonical (peer);
  TurnConnectChannel *channel;

  if (peer->port == 0)
    turn_connect_channels_forget_host (&self->channels, &canonical, now_us);
  else if ((channel = turn_connect_channels_find (&self->channels, &canonical)) != NULL)
    turn_connect_channels_forget (&self->channels, channel, now_us);
  for (guint i = 0; i < self->channel_waiters->len;) {
    TurnConnectChannelWaiter waiter =
        g_array_index (self->channel_waiters, TurnConnectChannelWaiter, i);

    channel = turn_connect_channels_find (&self->channels, &waiter.peer);
    if (channel == NULL || !channel->is_wanted) {
      settle_channel (self, &waiter.peer, 0, error);
      i = 0;
    } else
      i++;
  }
  /* The host stays permitted as long as another of its ports has a channel. */
  if (peer->port == 0 || !turn_connect_channels_wants_host (&self->channels, &canonical)) {
    turn_connect_permissions_drop (&self->permissions, &canonical);
    settle_host (self, &canonical, error);
  }
}

/* Asks for what is due, as far as requests may be on their way. */
void
turn_connect_allocation_pump (TurnConnectAllocation *self, gint64 now_us)
{
  while (self->state == TURN_CONNECT_ALLOCATION_UP && !self->is_probing &&
         self->transactions->len < PENDING_MAX) {
    TurnConnectRequest request = { .method = STUN_EXT_METHOD_CREATE_PERMISSION };
    TurnConnectChannel *channel;

    request.n_peers = turn_connect_permissions_take_due (&self->permissions, now_us, request.peers,
                                                         STUN_EXT_PEERS_MAX);
    if (request.n_peers == 0) {
      channel = turn_connect_channels_take_due (&self->channels, now_us);
      if (channel == NULL)
        return;
      request.method = STUN_EXT_METHOD_CHANNEL_BIND;
      request.channel = channel->number;
      request.peers[0] = channel->peer;
      request.n_peers = 1;
    }
    turn_connect_allocation_ask (self, &request, now_us);
  }
}

gint64
turn_connect_allocation_next_peer (const TurnConnectAllocation *self)
{
  if (self->transactions->len >= PENDING_MAX || self->is_probing)
    return G_MAXINT64;
  return MIN (turn_connect_permissions_next (&self->permissions),
              turn_connect_channels_next (&self->channels));
}

/* The server has no allocation here: nothing else matters. */
static gboolean
is_mismatch (const GError *error)
{
  return turn_connect_error_get_turn_code (error) == STUN_EXT_CODE_ALLOCATION_MISMATCH;
}

/* Another attempt before the end may do: the server was busy, or the credential is being renewed. */
static gboolean
may_pass_before (const GError *error, gint64 ends_us, gint64 now_us)
{
  guint code = turn_connect_error_get_turn_code (error);

  return (code == 0 || code == STUN_EXT_CODE_UNAUTHENTICATED ||
          code == STUN_EXT_CODE_WRONG_CREDENTIALS || code >= STUN_EXT_CODE_SERVER_ERROR) &&
         now_us + AGAIN_US < ends_us;
}

/* A 400 to what worked before: servers (coturn 4.6) say it where RFC 8656 has 437, after they were
 * restarted. TRUE: a refresh finds out, and then the same is asked again. */
static gboolean
is_doubtful (TurnConnectAllocation *self, const GError *error, gint64 now_us)
{
  if (turn_connect_error_get_turn_code (error) != STUN_EXT_CODE_BAD_REQUEST)
    return FALSE;
  if (!self->is_probing && now_us - self->probed_us < PROBED_US)
    return FALSE;
  if (!self->is_probing)
    turn_connect_allocation_probe (self, now_us);
  return TRUE;
}

static void
permission_refused (TurnConnectAllocation *self,
                    TurnConnectPermission *permission,
                    gboolean was_alone,
                    const GError *error,
                    gint64 now_us)
{
  gboolean was_there = permission->state == TURN_CONNECT_ENTRY_RENEWING;
  StunExtAddress host = permission->host;

  if (is_doubtful (self, error, now_us)) {
    permission->state = was_there ? TURN_CONNECT_ENTRY_THERE : TURN_CONNECT_ENTRY_WANTED;
    permission->renew_us = now_us;
    return;
  }
  if (was_there && may_pass_before (error, permission->ends_us, now_us)) {
    permission->state = TURN_CONNECT_ENTRY_THERE;
    permission->renew_us = now_us + AGAIN_US;
    return;
  }
  if (!was_alone && turn_connect_error_get_turn_code (error) != 0) {
    /* One of them is not liked; which one, only asking for each tells. */
    permission->is_alone = TRUE;
    permission->state = was_there ? TURN_CONNECT_ENTRY_THERE : TURN_CONNECT_ENTRY_WANTED;
    permission->renew_us = now_us;
    return;
  }
  if (was_there || permission->was_there)
    emit_lost (self, &host, error);
  turn_connect_permissions_drop (&self->permissions, &host);
  settle_host (self, &host, error);
}

void
turn_connect_allocation_permission_done (TurnConnectAllocation *self,
                                         const TurnConnectRequest *request,
                                         GError *error,
                                         gint64 now_us)
{
  if (is_mismatch (error)) {
    turn_connect_allocation_fall (self, error);
    return;
  }
  for (guint i = 0; i < request->n_peers; i++) {
    TurnConnectPermission *permission =
        turn_connect_permissions_find (&self->permissions, &request->peers[i]);

    if (permission == NULL || permission->state == TURN_CONNECT_ENTRY_WANTED)
      continue; /* forgotten, perhaps wanted again */
    if (error == NULL) {
      turn_connect_permission_installed (permission, now_us);
      settle_host (self, &request->peers[i], NULL);
    } else
      permission_refused (self, permission, request->n_peers == 1, error, now_us);
  }
  g_clear_error (&error);
}

static void
channel_refused (TurnConnectAllocation *self,
                 TurnConnectChannel *channel,
                 const GError *error,
                 gint64 now_us)
{
  gboolean was_there = channel->state == TURN_CONNECT_ENTRY_RENEWING;
  StunExtAddress peer = channel->peer;

  if (is_doubtful (self, error, now_us)) {
    channel->state = was_there ? TURN_CONNECT_ENTRY_THERE : TURN_CONNECT_ENTRY_WANTED;
    channel->renew_us = now_us;
    return;
  }
  if (was_there && may_pass_before (error, channel->ends_us, now_us)) {
    channel->state = TURN_CONNECT_ENTRY_THERE;
    channel->renew_us = now_us + AGAIN_US;
    return;
  }
  /* The server remembers another peer under this number, from before we knew: once another. */
  if (!was_there && !channel->was_renumbered &&
      turn_connect_error_get_turn_code (error) == STUN_EXT_CODE_BAD_REQUEST &&
      turn_connect_channels_renumber (&self->channels, channel))
    return;
  if (was_there || channel->was_there)
    emit_lost (self, &peer, error);
  settle_channel (self, &peer, 0, error);
  turn_connect_channels_forget (&self->channels, channel, now_us);
}

void
turn_connect_allocation_channel_done (TurnConnectAllocation *self,
                                      const TurnConnectRequest *request,
                                      GError *error,
                                      gint64 now_us)
{
  TurnConnectChannel *channel = turn_connect_channels_find (&self->channels, &request->peers[0]);
  TurnConnectPermission *permission;

  if (is_mismatch (error)) {
    turn_connect_allocation_fall (self, error);
    return;
  }
  if (channel != NULL && channel->number == request->channel &&
      channel->state != TURN_CONNECT_ENTRY_WANTED) {
    if (error == NULL) {
      turn_connect_channel_installed (channel, now_us);
      /* "also installs or refreshes a permission", RFC 8656 section 12 */
      permission = turn_connect_permissions_find (&self->permissions, &request->peers[0]);
      if (permission != NULL)
        turn_connect_permission_installed (permission, now_us);
      settle_host (self, &request->peers[0], NULL);
      settle_channel (self, &request->peers[0], channel->number, NULL);
    } else
      channel_refused (self, channel, error, now_us);
  }
  g_clear_error (&error);
}
