/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A session's side towards the server: a TURN client that is told what to allocate, and whose
 * troubles are its own as long as the relayed address stays.
 */
#include "turn-connect/local/session-private.h"

#include "turn-connect/error-private.h"
#include "turn-connect/local/ahead.h"
#include "turn-connect/local/bridge-login.h"
#include "turn-connect/turn/client-private.h"

#include <string.h>

void
turn_connect_session_end_upstream (TurnConnectSession *session)
{
  TurnConnectClient *upstream = g_steal_pointer (&session->upstream);

  if (session->is_claiming)
    turn_connect_ahead_unclaim (session->server, session);
  session->is_claiming = FALSE;
  if (upstream == NULL)
    return;
  g_signal_handlers_disconnect_by_data (upstream, session);
  turn_connect_client_set_receive (upstream, NULL, NULL, NULL);
  turn_connect_client_set_progress (upstream, NULL, NULL);
  turn_connect_client_close_async (upstream, NULL, NULL);
  g_object_unref (upstream);
  session->granted = (TurnConnectTurnGrant){ 0 };
  g_clear_pointer (&session->trouble, g_free);
}

/* No allocation, or no more. Takes @error. */
static void
lose_upstream (TurnConnectSession *session, GError *error)
{
  turn_connect_session_end_upstream (session);
  turn_connect_turn_server_lost (session->local, turn_connect_error_get_turn_code (error),
                                 error->message, g_get_monotonic_time ());
  turn_connect_bridge_report (session->bridge, session->server, error);
}

static gboolean
has_grant (const TurnConnectSession *session)
{
  return session->granted.relayed[0].family != 0 || session->granted.relayed[1].family != 0;
}

static void
read_grant (TurnConnectClient *upstream, TurnConnectTurnGrant *grant)
{
  const guint8 *reservation = turn_connect_client_get_reservation (upstream);

  *grant = (TurnConnectTurnGrant){ 0 };
  turn_connect_client_get_relayed (upstream, 4, &grant->relayed[0]);
  turn_connect_client_get_relayed (upstream, 6, &grant->relayed[1]);
  turn_connect_client_get_mapped (upstream, &grant->mapped);
  grant->family_error = turn_connect_client_get_family_error (upstream);
  grant->has_reservation = reservation != NULL;
  if (reservation != NULL)
    memcpy (grant->reservation, reservation, sizeof grant->reservation);
}

/* There is an allocation again. Peers know the address of the old one, and no other will do. */
static void
check_grant (TurnConnectSession *session)
{
  g_autofree char *trouble = g_steal_pointer (&session->trouble);
  TurnConnectTurnGrant grant;

  read_grant (session->upstream, &grant);
  for (int i = 0; i < 2; i++)
    if (turn_connect_turn_server_has_family (session->local, i == 1 ? 6 : 4) &&
        !stun_ext_address_equal (&session->granted.relayed[i], &grant.relayed[i])) {
      lose_upstream (session,
                     g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED,
                                  "the relayed address was lost, the server gave another one that "
                                  "peers do not know; before that: %s",
                                  trouble));
      return;
    }
  session->granted = grant;
  turn_connect_bridge_reached (session->bridge, session->server);
}

static void
state_changed (TurnConnectClient *upstream, guint state, const GError *cause, gpointer user_data)
{
  g_autoptr (TurnConnectSession) session = g_rc_box_acquire (user_data);

  if (state == TURN_CONNECT_CLIENT_CONNECTING) {
    session->bridge->counts.n_dialled += !session->has_stream;
    session->has_stream = FALSE;
  }
  if (state == TURN_CONNECT_CLIENT_ALLOCATING) /* media that waits in the kernel is late */
    turn_connect_stream_set_notsent_lowat (turn_connect_client_get_stream (upstream),
                                           session->bridge->late_media);
  if (!has_grant (session))
    return; /* allocated () will tell */
  if (state == TURN_CONNECT_CLIENT_WAITING) {
    g_free (session->trouble);
    session->trouble = g_strdup (cause->message);
    turn_connect_bridge_report (session->bridge, session->server, g_error_copy (cause));
  } else if (state == TURN_CONNECT_CLIENT_READY && session->trouble != NULL)
    check_grant (session);
  else if (state == TURN_CONNECT_CLIENT_CLOSED && cause != NULL)
    lose_upstream (session, g_error_copy (cause));
  turn_connect_session_settle (session);
}

static void
peer_lost (TurnConnectClient *upstream,
           const StunExtAddress *peer,
           const GError *cause,
           gpointer user_data)
{
  TurnConnectSession *session = user_data;

  g_debug ("session: a peer was lost: %s", cause->message);
  turn_connect_turn_server_peer_lost (session->local, peer);
}

static void
received (TurnConnectClient *upstream,
          const StunExtAddress *peer,
          guint16 channel,
          const guint8 *data,
          gsize length,
          gpointer user_data)
{
  g_autoptr (TurnConnectSession) session = g_rc_box_acquire (user_data);

  turn_connect_turn_server_from_peer (session->local, peer, data, length);
  turn_connect_session_settle (session);
}

static void
progressed (const TurnConnectProgress *progress, gpointer user_data)
{
  TurnConnectSession *session = user_data;
  g_autofree char *doing = turn_connect_ahead_describe (progress);

  turn_connect_turn_server_set_doing (session->local, doing);
}

static void
allocated (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (TurnConnectSession) session = user_data;
  g_autoptr (TurnConnectBridge) bridge = NULL;
  GError *error = NULL;
  gboolean is_up =
      turn_connect_client_allocate_finish (TURN_CONNECT_CLIENT (source), result, &error);

  if (session->bridge == NULL || session->upstream != TURN_CONNECT_CLIENT (source)) {
    g_clear_error (&error);
    return;
  }
  bridge = g_object_ref (session->bridge);
  if (is_up && session->wishes.has_dont_fragment &&
      !turn_connect_allocation_knows_dont_fragment (session->upstream->allocation)) {
    is_up = FALSE;
    error = g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_REFUSED,
                         "%s does not know DONT-FRAGMENT", session->server->name);
    turn_connect_error_set_turn_code (error, STUN_EXT_CODE_UNKNOWN_ATTRIBUTE);
  }
  if (is_up) {
    read_grant (session->upstream, &session->granted);
    turn_connect_turn_server_granted (session->local, &session->granted, g_get_monotonic_time ());
    turn_connect_bridge_reached (session->bridge, session->server);
  } else
    lose_upstream (session, error);
  turn_connect_session_settle (session);
}

/* @stream: (transfer full): to the server, or NULL: it is dialled. */
static void
begin_upstream (TurnConnectSession *session, TurnConnectStream *stream)
{
  const TurnConnectTurnWishes *wishes = &session->wishes;
  TurnConnectBridge *bridge = session->bridge;
  TurnConnectClient *upstream =
      turn_connect_client_new (session->server->target, TURN_CONNECT_CARRIER_STREAM);
  GError *error = NULL;

  session->upstream = upstream;
  turn_connect_client_set_relay (upstream, TURN_CONNECT_RELAY_UDP, wishes->families);
  turn_connect_client_set_port (upstream, wishes->even_port,
                                wishes->has_reservation ? wishes->reservation : NULL);
  turn_connect_client_set_dont_fragment (upstream, wishes->has_dont_fragment);
  turn_connect_client_set_keepalive (upstream,
                                     (guint)MAX (bridge->keepalive_us / G_USEC_PER_SEC, 1));
  turn_connect_client_set_receive (upstream, received, session, NULL);
  turn_connect_client_set_progress (upstream, progressed, session);
  turn_connect_client_use_stream (upstream, stream);
  session->has_stream = stream != NULL;
  if (!turn_connect_bridge_login_apply (session->server->login, upstream, &error)) {
    lose_upstream (session, error);
    return;
  }
  g_signal_connect (upstream, "state-changed", G_CALLBACK (state_changed), session);
  g_signal_connect (upstream, "peer-lost", G_CALLBACK (peer_lost), session);
  g_main_context_push_thread_default (bridge->context);
  turn_connect_client_allocate_async (upstream, NULL, allocated, g_rc_box_acquire (session));
  g_main_context_pop_thread_default (bridge->context);
}

/* What came of a stream that was being opened ahead. */
static void
come (gpointer claimant, TurnConnectStream *stream, const GError *error)
{
  g_autoptr (TurnConnectSession) session = g_rc_box_acquire (claimant);

  session->is_claiming = FALSE;
  if (stream == NULL && error->domain == TURN_CONNECT_ERROR)
    turn_connect_turn_server_lost (session->local, 0, error->message, g_get_monotonic_time ());
  else
    begin_upstream (session, stream);
  turn_connect_session_settle (session);
}

static void
set_doing (gpointer claimant, const char *doing)
{
  turn_connect_turn_server_set_doing (((TurnConnectSession *)claimant)->local, doing);
}

static const TurnConnectClaimFuncs claim_funcs = { come, set_doing };

void
turn_connect_session_allocate (TurnConnectSession *session)
{
  TurnConnectStream *spare = turn_connect_ahead_take (session->server);

  turn_connect_session_end_upstream (session);
  if (spare == NULL && turn_connect_ahead_claim (session->server, &claim_funcs, session)) {
    session->is_claiming = TRUE;
    set_doing (session, session->server->doing);
  } else
    begin_upstream (session, spare);
}

static gpointer
acquire (gconstpointer session, gpointer user_data)
{
  return g_rc_box_acquire ((gpointer)session);
}

void
turn_connect_session_renew_all (TurnConnectBridge *bridge, const TurnConnectBridgeServer *server)
{
  g_autoptr (TurnConnectBridge) alive = g_object_ref (bridge);
  /* A copy: an application that is told what comes of it may close any of them. */
  GList *sessions = g_list_copy_deep (bridge->sessions.head, acquire, NULL);

  for (GList *l = sessions; l != NULL; l = l->next) {
    g_autoptr (TurnConnectSession) session = l->data;
    g_autoptr (GError) error = NULL;

    if (session->bridge != NULL && session->server == server && session->upstream != NULL &&
        !turn_connect_bridge_login_apply (server->login, session->upstream, &error))
      g_debug ("session: %s", error->message);
  }
  g_list_free (sessions);
}
