/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sessions that save a round trip (TLS 1.2) or the certificates (TLS 1.3) when the same server is
 * reached again. Resuming skips verification, so each session carries until when the verification
 * it rests on holds: a certificate that has expired since is looked at again. They belong to one
 * set of options, hence to one trust store and one client certificate.
 */
#include "turn-connect/tls-sessions.h"

#include <string.h>

#define SESSIONS_MAX 64        /* in all; the oldest goes first */
#define SESSIONS_PER_KEY_MAX 4 /* a server of TLS 1.3 sends two tickets at a time */

typedef struct {
  char *key;
  SSL_SESSION *session;
  gint64 until;          /* the server forgets it then; seconds of the real clock */
  gint64 verified_until; /* likewise */
} Entry;

struct _TurnConnectTlsSessions {
  GQueue entries; /* newest first; few enough to look through */
};

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  SSL_SESSION_free (entry->session);
  g_free (entry->key);
  g_free (entry);
}

static void
add_field (GChecksum *sum, const char *text)
{
  guint64 length = text != NULL ? strlen (text) : G_MAXUINT64;

  g_checksum_update (sum, (const guchar *)&length, sizeof length);
  if (text != NULL)
    g_checksum_update (sum, (const guchar *)text, (gssize)length);
}

char *
turn_connect_tls_session_key (const char *place,
                              const char *proxy_url,
                              const char *user,
                              const char *password)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  add_field (sum, place);
  add_field (sum, proxy_url);
  add_field (sum, user);
  add_field (sum, password);
  return g_strdup (g_checksum_get_string (sum));
}

TurnConnectTlsSessions *
turn_connect_tls_sessions_new (void)
{
  return g_new0 (TurnConnectTlsSessions, 1);
}

void
turn_connect_tls_sessions_clear (TurnConnectTlsSessions *sessions)
{
  g_queue_clear_full (&sessions->entries, entry_free);
}

void
turn_connect_tls_sessions_free (TurnConnectTlsSessions *sessions)
{
  turn_connect_tls_sessions_clear (sessions);
  g_free (sessions);
}

static void
remove_link (TurnConnectTlsSessions *sessions, GList *link)
{
  entry_free (link->data);
  g_queue_delete_link (&sessions->entries, link);
}

/* Room for one more. */
static void
trim (TurnConnectTlsSessions *sessions, const char *key)
{
  GList *oldest = NULL;
  guint n = 0;

  for (GList *l = sessions->entries.head; l != NULL; l = l->next) {
    const Entry *entry = l->data;

    if (g_str_equal (entry->key, key)) {
      oldest = l;
      n++;
    }
  }
  if (n >= SESSIONS_PER_KEY_MAX)
    remove_link (sessions, oldest);
  if (sessions->entries.length >= SESSIONS_MAX)
    remove_link (sessions, sessions->entries.tail);
}

void
turn_connect_tls_sessions_put (TurnConnectTlsSessions *sessions,
                               const char *key,
                               SSL_SESSION *session,
                               gint64 verified_until)
{
  Entry *entry = g_new0 (Entry, 1);

  trim (sessions, key);
  entry->key = g_strdup (key);
  entry->session = session;
  entry->until = (gint64)SSL_SESSION_get_time (session) + (gint64)SSL_SESSION_get_timeout (session);
  if (SSL_SESSION_has_ticket (session) == 1 && SSL_SESSION_get_ticket_lifetime_hint (session) > 0)
    entry->until = (gint64)SSL_SESSION_get_time (session) +
                   (gint64)SSL_SESSION_get_ticket_lifetime_hint (session);
  entry->verified_until = verified_until;
  g_queue_push_head (&sessions->entries, entry);
}

SSL_SESSION *
turn_connect_tls_sessions_take (TurnConnectTlsSessions *sessions,
                                const char *key,
                                gint64 now,
                                gint64 *verified_until)
{
  for (GList *l = sessions->entries.head, *next; l != NULL; l = next) {
    Entry *entry = l->data;
    SSL_SESSION *session = entry->session;

    next = l->next;
    if (entry->until <= now || entry->verified_until <= now) {
      remove_link (sessions, l);
      continue;
    }
    if (!g_str_equal (entry->key, key))
      continue;
    SSL_SESSION_up_ref (session);
    *verified_until = entry->verified_until;
    if (SSL_SESSION_get_protocol_version (session) == TLS1_3_VERSION)
      remove_link (sessions, l);
    return session;
  }
  return NULL;
}

void
turn_connect_tls_sessions_drop (TurnConnectTlsSessions *sessions, const char *key)
{
  for (GList *l = sessions->entries.head, *next; l != NULL; l = next) {
    next = l->next;
    if (g_str_equal (((Entry *)l->data)->key, key))
      remove_link (sessions, l);
  }
}

guint
turn_connect_tls_sessions_count (const TurnConnectTlsSessions *sessions)
{
  return sessions->entries.length;
}

static gboolean
may_keep (const TurnConnectTls *tls, SSL_SESSION *session)
{
  return tls->session_key != NULL && tls->generation == tls->context->generation &&
         tls->verify_error == NULL && SSL_SESSION_is_resumable (session) == 1;
}

int
turn_connect_tls_sessions_keep_ticket (SSL *ssl, SSL_SESSION *session)
{
  TurnConnectTls *tls = SSL_get_app_data (ssl);

  if (SSL_SESSION_get_protocol_version (session) != TLS1_3_VERSION || !may_keep (tls, session))
    return 0;
  turn_connect_tls_sessions_put (tls->context->sessions, tls->session_key, session,
                                 tls->verified_until);
  return 1;
}

void
turn_connect_tls_sessions_keep_tls12 (TurnConnectTls *tls)
{
  SSL_SESSION *session;

  /* Without the extended master secret, a session may be shared with somebody else: RFC 7627. */
  if (SSL_version (tls->ssl) == TLS1_3_VERSION || SSL_get_extms_support (tls->ssl) != 1)
    return;
  session = SSL_get1_session (tls->ssl);
  if (session != NULL && may_keep (tls, session)) {
    turn_connect_tls_sessions_drop (tls->context->sessions, tls->session_key);
    turn_connect_tls_sessions_put (tls->context->sessions, tls->session_key, session,
                                   tls->verified_until);
  } else
    SSL_SESSION_free (session);
}
