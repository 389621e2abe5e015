/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages of somebody who has not proven anything yet: plain STUN, the request that opens a
 * tunnel, Join and Resume. Nothing is remembered of a request before its signature verified, and a
 * wrong password looks like an unknown user.
 */
#include <string.h>

#include "stun-ext/attribute.h"
#include "stun-ext/challenge.h"
#include "tep-s/messages-private.h"

#define USER_PART 4  /* of the new tunnels in a second */
#define USER_LEAST 4 /* devices that one user may bring back at once */

/* ---- opening ---- */

typedef struct {
  TepServerConnection *connection;
  TepServerCore *core;
  const StunExtMessage *message;
  const StunExtTepOpen *open;
  StunExtLogin login; /* with a long-term credential */
  gboolean is_long_term;
  TepServerCredential credential;
  StunExtSpan key; /* that verified; else empty */
} Opening;

static StunExtRealm
realm_of (const TepServerConfig *config)
{
  /* USERHASH is taken whether it was asked for or not: what was may have changed since. */
  return (StunExtRealm){ .realm = { config->realm, strlen (config->realm) },
                         .is_anonymous = TRUE,
                         .algorithms = STUN_EXT_ALGORITHMS_SHA256 |
                                       (config->is_md5_allowed ? STUN_EXT_ALGORITHMS_MD5 : 0) };
}

static StunExtNonceMaker
nonce_maker (const TepServerCore *core)
{
  StunExtNonceMaker maker = { .lifetime_s = core->settings.config->timers.nonce_s };

  memcpy (maker.key, core->shared->nonce_secret, sizeof maker.key);
  return maker;
}

static void
make_nonce (TepServerCore *core, char nonce[STUN_EXT_NONCE_LENGTH + 1])
{
  StunExtNonceMaker maker = nonce_maker (core);
  guint8 salt[STUN_EXT_NONCE_SALT_LENGTH];
  const StunExtSpan context = { NULL, 0 };
  guint features = STUN_EXT_FEATURE_PASSWORD_ALGORITHMS;

  if (tep_server_users_may_be_anonymous (core->settings.config->users))
    features |= STUN_EXT_FEATURE_USERNAME_ANONYMITY;
  core->host->random (core->host_data, salt, sizeof salt);
  if (!stun_ext_nonce_make (&maker, (StunExtFeatures)features, (guint64)core->now_ms, salt, context,
                            nonce))
    nonce[0] = '\0';
  stun_ext_crypto_cleanse (&maker, sizeof maker);
}

/* Value of PASSWORD-ALGORITHMS, the strongest first. */
static StunExtSpan
offered_algorithms (const TepServerConfig *config)
{
  static const guint8 algorithms[] = { 0, STUN_EXT_PASSWORD_ALGORITHM_SHA256, 0, 0,
                                       0, STUN_EXT_PASSWORD_ALGORITHM_MD5,    0, 0 };

  return (StunExtSpan){ algorithms, config->is_md5_allowed ? 8 : 4 };
}

/* 401 or 438 with all a client needs for the next try. */
static void
challenge (Opening *opening, guint code)
{
  const TepServerConfig *config = opening->core->settings.config;
  char nonce[STUN_EXT_NONCE_LENGTH + 1];
  StunExtTepFailure failure = { .code = code, .timestamp_ms = (guint64)opening->core->now_ms };

  make_nonce (opening->core, nonce);
  failure.nonce = (StunExtSpan){ nonce, strlen (nonce) };
  failure.realm = (StunExtSpan){ config->realm, strlen (config->realm) };
  failure.password_algorithms = offered_algorithms (config);
  tep_server_refuse (opening->connection, opening->message, &failure, opening->key);
}

static void
refuse (Opening *opening, guint code)
{
  tep_server_refuse_code (opening->connection, opening->message, code, opening->key);
}

static gboolean
has_own_name (Opening *opening)
{
  const StunExtSpan *name = &opening->open->server_name;
  const char *const *names = opening->core->settings.config->names;

  for (gsize i = 0; names[i] != NULL; i++) {
    if (strlen (names[i]) == name->length && memcmp (names[i], name->data, name->length) == 0)
      return TRUE;
  }
  COUNT (opening->core, AUTH_FORBIDDEN);
  refuse (opening, STUN_EXT_CODE_FORBIDDEN);
  return FALSE;
}

/* RFC 8489 section 9.2.4 up to the user; for a short-term credential there is little to check. */
static gboolean
read_login (Opening *opening)
{
  const TepServerConfig *config = opening->core->settings.config;
  StunExtRealm realm = realm_of (config);

  opening->is_long_term = opening->open->realm.length > 0;
  if (opening->is_long_term ? !config->has_long_term : !config->has_short_term)
    goto challenge;
  if (!opening->is_long_term) {
    if (opening->message->integrity_sha256_offset == 0 || opening->open->username.length == 0)
      goto challenge;
    return TRUE;
  }
  switch (stun_ext_login_read (opening->message, &realm, &opening->login)) {
  case STUN_EXT_LOGIN_COMPLETE:
    if (opening->message->integrity_sha256_offset == 0)
      goto challenge;
    return TRUE;
  case STUN_EXT_LOGIN_BAD_REQUEST:
    refuse (opening, STUN_EXT_CODE_BAD_REQUEST);
    return FALSE;
  case STUN_EXT_LOGIN_CHALLENGE:
  default:
    break;
  }
challenge:
  COUNT (opening->core, AUTH_CHALLENGED);
  challenge (opening, STUN_EXT_CODE_UNAUTHENTICATED);
  return FALSE;
}

/* Whether a NONCE, if there is one, is of this server's making, after the floor, and not too old.
 */
static gboolean
check_nonce (Opening *opening)
{
  TepServerCore *core = opening->core;
  StunExtNonceMaker maker = nonce_maker (core);
  const StunExtSpan context = { NULL, 0 };
  guint64 made_ms = 0;
  gboolean is_good;

  if (opening->open->nonce.length == 0)
    return TRUE;
  is_good = stun_ext_nonce_check (&maker, opening->open->nonce, (guint64)core->now_ms, context,
                                  &made_ms) == STUN_EXT_NONCE_VALID &&
            (gint64)made_ms >= tep_server_replay_floor (core->shared->replay);
  stun_ext_crypto_cleanse (&maker, sizeof maker);
  if (is_good)
    return TRUE;
  COUNT (core, AUTH_STALE);
  challenge (opening, STUN_EXT_CODE_STALE_NONCE);
  return FALSE;
}

static TepServerKeyKind
key_kind (const Opening *opening)
{
  if (!opening->is_long_term)
    return TEP_SERVER_KEY_SHORT_TERM;
  return opening->login.algorithm == STUN_EXT_PASSWORD_ALGORITHM_SHA256
             ? TEP_SERVER_KEY_LONG_TERM_SHA256
             : TEP_SERVER_KEY_LONG_TERM_MD5;
}

static void
find_credential (Opening *opening)
{
  const TepServerUsers *users = opening->core->settings.config->users;
  const StunExtTepOpen *open = opening->open;
  TepServerKeyKind kind = key_kind (opening);
  gboolean is_secure = opening->connection->tls != NULL;

  if (open->username.length > 0)
    tep_server_users_find (users, kind, open->username.data, open->username.length, is_secure,
                           opening->core->now_ms, &opening->credential);
  else
    tep_server_users_find_hash (users, kind, open->userhash.data, is_secure, &opening->credential);
}

/* Every key is tried, and only then is looked at whether there is such a user (requirement 22). */
static gboolean
verify (Opening *opening)
{
  TepServerCore *core = opening->core;
  TepServerCredential *credential = &opening->credential;
  const StunExtAddress *source = &opening->connection->source;

  find_credential (opening);
  if (!tep_server_throttle_may_try (core->shared->throttle, source, credential->identity,
                                    core->now_us)) {
    /* Not 401: that would tell an honest client to give up, where it only has to wait. */
    COUNT (core, AUTH_THROTTLED);
    refuse (opening, STUN_EXT_CODE_INSUFFICIENT_CAPACITY);
    return FALSE;
  }
  for (guint i = 0; i < credential->n_keys; i++) {
    if (stun_ext_tep_verify (opening->message, tep_server_credential_mac_key (credential, i)))
      opening->key = (StunExtSpan){ credential->keys[i].octets, credential->keys[i].length };
  }
  if (opening->key.length > 0 && credential->refusal == TEP_SERVER_REFUSAL_NONE) {
    tep_server_throttle_verified (core->shared->throttle, source, credential->identity,
                                  core->now_us);
    return TRUE;
  }
  opening->key = (StunExtSpan){ NULL, 0 };
  tep_server_throttle_failed (core->shared->throttle, source, credential->identity, core->now_us);
  COUNT (core, AUTH_FAILED);
  challenge (opening, STUN_EXT_CODE_UNAUTHENTICATED);
  return FALSE;
}

/* PROTOCOL.md section 6: (a) a nonce, checked already, or (b) a timestamp, and never the same
 * random twice. */
static gboolean
check_freshness (Opening *opening)
{
  TepServerCore *core = opening->core;
  TepServerReplay *replay = core->shared->replay;
  const StunExtTepOpen *open = opening->open;
  gint64 skew_ms = (gint64)core->settings.config->timers.clock_skew_s * 1000;
  gint64 then_ms = (gint64)MIN (open->timestamp_ms, (guint64)G_MAXINT64 / 2);
  gboolean is_fresh =
      open->nonce.length > 0 || (ABS (then_ms - core->now_ms) <= skew_ms &&
                                 then_ms > tep_server_replay_floor (replay) + skew_ms);

  if (!is_fresh) {
    COUNT (core, AUTH_STALE);
    challenge (opening, STUN_EXT_CODE_STALE_NONCE);
    return FALSE;
  }
  if (tep_server_replay_accept (replay, open->client_random, core->now_ms))
    return TRUE;
  COUNT (core, AUTH_REPLAYED);
  challenge (opening, STUN_EXT_CODE_STALE_NONCE);
  return FALSE;
}

gboolean
tep_server_check_channel_binding (TepServerConnection *connection, const guint8 *claimed)
{
  TepServerCore *core = connection->core;
  guint8 ours[TEP_SERVER_EXPORTER_LENGTH];
  TepServerChannelBinding rule = core->settings.config->tls.channel_binding;
  gboolean is_same;

  if (rule == TEP_SERVER_CHANNEL_BINDING_OFF)
    return TRUE;
  if (connection->tls == NULL)
    is_same = claimed == NULL; /* a client that sees TLS where we do not has somebody in between */
  else
    is_same = claimed != NULL && tep_server_tls_exporter (connection->tls, ours) &&
              stun_ext_crypto_equal (claimed, ours, sizeof ours);
  if (is_same)
    return TRUE;
  if (claimed != NULL)
    COUNT (core, CHANNEL_BINDING_DIFFERENT);
  return rule != TEP_SERVER_CHANNEL_BINDING_REQUIRE;
}

/* New tunnels in a second, each worker with its share; of that no user gets more than a quarter, or who opens
 * and closes in a loop would keep the others out. Users who share a bucket share the quarter. */
static gboolean
take_rate (TepServerCore *core, guint64 user_key)
{
  guint share = MAX (core->settings.config->limits.tunnels_per_second / core->total, 1);
  guint *opened_by = &core->opened_by[(user_key ^ core->seed) % OPENER_BUCKETS];
  gint64 window = core->now_us / US_PER_S;

  if (core->opened_window != window) {
    core->opened_window = window;
    core->opened_in_window = 0;
    memset (core->opened_by, 0, sizeof core->opened_by);
  }
  if (core->opened_in_window >= share || *opened_by >= MAX (share / USER_PART, USER_LEAST))
    return FALSE;
  core->opened_in_window++;
  (*opened_by)++;
  return TRUE;
}

/* Takes from every account, or from none. 0, or the code to answer. */
static guint
take_quotas (Opening *opening)
{
  TepServerCore *core = opening->core;
  TepServerShared *shared = core->shared;
  const TepServerLimits *limits = &core->settings.config->limits;
  guint64 user_key = opening->credential.identity;
  guint64 source_key = opening->connection->source_key;

  if (core->is_draining || core->memory_level >= 90)
    return STUN_EXT_CODE_INSUFFICIENT_CAPACITY;
  if (!tep_server_quota_take (shared->user_tunnels, user_key, limits->tunnels_per_user))
    return STUN_EXT_CODE_QUOTA_REACHED;
  if (!tep_server_quota_take (shared->source_tunnels, source_key, limits->tunnels_per_source)) {
    tep_server_quota_give (shared->user_tunnels, user_key);
    return STUN_EXT_CODE_QUOTA_REACHED;
  }
  /* What all share comes last: who has used up his own part must not use up theirs by asking on. */
  if (take_rate (core, user_key) && tep_server_shared_take (&shared->tunnels, limits->tunnels))
    return 0;
  tep_server_quota_give (shared->user_tunnels, user_key);
  tep_server_quota_give (shared->source_tunnels, source_key);
  return STUN_EXT_CODE_INSUFFICIENT_CAPACITY;
}

/* Who opened the tunnel, and with what, for the log and for later checks of the credential. */
static void
name_owner (const Opening *opening, TepServerTunnel *tunnel)
{
  const TepServerCredential *credential = &opening->credential;
  const StunExtSpan *username = &opening->open->username;

  tunnel->user_key = credential->identity;
  tunnel->source_key = opening->connection->source_key;
  if (username->length > 0) {
    /* The name of a time-limited credential has the user's behind the colon. */
    tunnel->login = g_strndup (username->data, username->length);
    tunnel->user = tunnel->login + username->length - credential->name_length;
  } else {
    tunnel->login = g_strndup (credential->name, credential->name_length);
    tunnel->user = tunnel->login;
  }
  tunnel->expires_ms = credential->expires_ms;
  tunnel->key_kind = (guint8)key_kind (opening);
  tunnel->is_secure = opening->connection->tls != NULL;
}

static void
create_tunnel (Opening *opening)
{
  TepServerConnection *connection = opening->connection;
  TepServerCore *core = opening->core;
  const TepServerConfig *config = core->settings.config;
  const StunExtSpan secret = { core->shared->tunnel_secret, TEP_SERVER_SECRET_LENGTH };
  TepServerTunnel *tunnel = g_new0 (TepServerTunnel, 1);
  guint8 random[STUN_EXT_TUNNEL_ID_RANDOM_LENGTH];
  guint8 server_random[STUN_EXT_TUNNEL_RANDOM_LENGTH];
  char nonce[STUN_EXT_NONCE_LENGTH + 1];
  StunExtTepSuccess success = { .kind = STUN_EXT_TEP_OPEN };
  StunExtTunnelSecrets secrets;

  core->host->random (core->host_data, random, sizeof random);
  core->host->random (core->host_data, server_random, sizeof server_random);
  make_nonce (core, nonce);
  success.opened = (StunExtTepOpened){ .mapped = connection->source,
                                       .server_random = server_random,
                                       .tunnel_id = { tunnel->id, sizeof tunnel->id },
                                       .largest_packet = config->media.largest_packet,
                                       .keepalive_s = (guint16)config->timers.keepalive_s,
                                       .silence_s = (guint16)config->timers.silence_s,
                                       .nonce = { nonce, strlen (nonce) } };
  if (opening->is_long_term) {
    success.opened.realm = (StunExtSpan){ config->realm, strlen (config->realm) };
    success.opened.password_algorithms = offered_algorithms (config);
  }
  tunnel->is_keep = opening->open->keep;
  tunnel->has_channel_binding = opening->open->channel_binding != NULL;
  tunnel->public_address = connection->source;
  name_owner (opening, tunnel);
  secrets = stun_ext_tep_secrets (opening->open, &success.opened, opening->key);
  if (!stun_ext_tunnel_id_make (secret, random, (guint8)core->index, tunnel->id) ||
      !stun_ext_flight_key (&secrets, tunnel->flight_key) ||
      !stun_ext_tunnel_key (&secrets, tunnel->key)) {
    g_free (tunnel->login);
    g_free (tunnel);
    atomic_fetch_sub_explicit (&core->shared->tunnels, 1, memory_order_relaxed);
    tep_server_quota_give (core->shared->user_tunnels, opening->credential.identity);
    tep_server_quota_give (core->shared->source_tunnels, connection->source_key);
    refuse (opening, STUN_EXT_CODE_SERVER_ERROR);
    return;
  }
  tep_server_tunnel_add (core, tunnel);
  tep_server_tunnel_mark_credential (tunnel, opening->key);
  tep_server_tunnel_attach (tunnel, connection, 0);
  tep_server_grant (connection, opening->message, &success, opening->key);
}

static void
open_tunnel (TepServerConnection *connection,
             const StunExtMessage *message,
             const StunExtTepOpen *open)
{
  Opening opening = {
    .connection = connection, .core = connection->core, .message = message, .open = open
  };
  guint code;

  if (!has_own_name (&opening) || !read_login (&opening) || !check_nonce (&opening))
    return;
  if (!verify (&opening) || !check_freshness (&opening)) {
    tep_server_credential_clear (&opening.credential);
    return;
  }
  tep_server_throttle_succeeded (opening.core->shared->throttle, &connection->source,
                                 opening.credential.identity, opening.core->now_us);
  if (!tep_server_check_channel_binding (connection, open->channel_binding)) {
    COUNT (opening.core, AUTH_FORBIDDEN);
    refuse (&opening, STUN_EXT_CODE_FORBIDDEN);
  } else if ((code = take_quotas (&opening)) != 0) {
    COUNT (opening.core, AUTH_QUOTA);
    refuse (&opening, code);
  } else {
    create_tunnel (&opening);
  }
  tep_server_credential_clear (&opening.credential);
}

/* ---- Join and Resume ---- */

static gint
free_number (const TepServerTunnel *tunnel)
{
  guint limit = tunnel->core->settings.config->limits.connections_per_tunnel;

  for (guint i = 0; i < MIN (limit, STUN_EXT_CONNECTIONS_MAX); i++) {
    if (tunnel->connections[i] == NULL)
      return (gint)i;
  }
  return -1;
}

static void
admit (TepServerTunnel *tunnel,
       TepServerConnection *connection,
       const StunExtMessage *message,
       const StunExtTepRequest *request)
{
  const StunExtSpan key = { tunnel->key, sizeof tunnel->key };
  StunExtTepSuccess success = { .kind = request->kind };
  gint number;

  if (tunnel->has_channel_binding &&
      !tep_server_check_channel_binding (connection, request->join.channel_binding)) {
    tep_server_refuse_code (connection, message, STUN_EXT_CODE_FORBIDDEN, key);
    return;
  }
  tep_server_tunnel_confirm (tunnel);
  for (guint i = 0; request->kind == STUN_EXT_TEP_RESUME && i < STUN_EXT_CONNECTIONS_MAX; i++) {
    if (tunnel->connections[i] != NULL)
      tep_server_connection_finish (tunnel->connections[i], TEP_SERVER_COUNTER_CONNECTION_DONE);
  }
  number = free_number (tunnel);
  if (number < 0) {
    tep_server_refuse_code (connection, message, STUN_EXT_CODE_QUOTA_REACHED, key);
    return;
  }
  if (request->kind == STUN_EXT_TEP_RESUME)
    COUNT (tunnel->core, RESUMED);
  else
    COUNT (tunnel->core, JOINED);
  success.joined =
      (StunExtTepJoined){ .mapped = connection->source, .connection_number = (guint8)number };
  tep_server_tunnel_attach (tunnel, connection, (guint8)number);
  tep_server_grant (connection, message, &success, key);
}

/* A Resume that somebody on the way held back must not take the tunnel over later, when the client has resumed by
 * another one or gone on; nor may a Join from before the last Resume be added then. */
static gboolean
accept_ordinal (TepServerTunnel *tunnel, const StunExtTepRequest *request)
{
  gboolean is_resume = request->kind == STUN_EXT_TEP_RESUME;

  if (is_resume && request->ordinal <= tunnel->ordinals.highest)
    return FALSE;
  if (!stun_ext_ordinal_window_accept (&tunnel->ordinals, request->ordinal))
    return FALSE;
  if (is_resume)
    tunnel->ordinals.seen = G_MAXUINT64;
  return TRUE;
}

/* An unknown tunnel, a wrong signature and a used ordinal look alike, and take alike. */
static void
join_tunnel (TepServerConnection *connection,
             const StunExtMessage *message,
             const StunExtTepRequest *request)
{
  TepServerCore *core = connection->core;
  const StunExtSpan secret = { core->shared->tunnel_secret, TEP_SERVER_SECRET_LENGTH };
  const StunExtSpan *id = &request->join.tunnel_id;
  guint8 worker = (guint8)core->index;
  TepServerTunnel *tunnel = NULL;
  StunExtSpan key = secret; /* which nobody can have signed with */

  if (stun_ext_tunnel_id_check (secret, id->data, id->length, &worker)) {
    if (worker != core->index && worker < core->total) {
      connection->target_worker = worker;
      stun_ext_stream_put_back (&connection->stream);
      tep_server_connection_step (connection, CONNECTION_ELSEWHERE);
      tep_server_connection_mark_dirty (connection);
      return;
    }
    tunnel = tep_server_tunnel_find (core, id->data, id->length);
  }
  if (tunnel != NULL)
    key = (StunExtSpan){ tunnel->key, sizeof tunnel->key };
  if (!stun_ext_tep_verify (message, key) || tunnel == NULL || !accept_ordinal (tunnel, request)) {
    tep_server_mismatch (connection, message);
    return;
  }
  admit (tunnel, connection, message, request);
}

/* ---- the first messages of a connection ---- */

static void
read_request (TepServerConnection *connection, const StunExtMessage *message)
{
  Opening opening = { .connection = connection, .core = connection->core, .message = message };
  const StunExtSpan no_key = { NULL, 0 };
  StunExtTepRequest request;
  StunExtTepFailure failure;

  switch (stun_ext_tep_read_request (message, &request, &failure)) {
  case STUN_EXT_TEP_READ_OK:
    if (request.kind == STUN_EXT_TEP_OPEN) {
      open_tunnel (connection, message, &request.open);
    } else if (request.kind == STUN_EXT_TEP_JOIN || request.kind == STUN_EXT_TEP_RESUME) {
      join_tunnel (connection, message, &request);
    } else {
      /* Sent in one flight with an opening that failed. */
      COUNT (connection->core, AUTH_CHALLENGED);
      challenge (&opening, STUN_EXT_CODE_UNAUTHENTICATED);
    }
    break;
  case STUN_EXT_TEP_READ_PLAIN:
    tep_server_answer_plain (connection, message);
    break;
  case STUN_EXT_TEP_READ_BAD:
    tep_server_refuse (connection, message, &failure, no_key);
    break;
  case STUN_EXT_TEP_READ_IGNORED:
  default:
    COUNT (connection->core, FRAMES_STUN);
    break;
  }
}

void
tep_server_opening_message (TepServerConnection *connection, const guint8 *data, gsize length)
{
  const StunExtSpan no_key = { NULL, 0 };
  StunExtMessage message;

  switch (stun_ext_message_parse (&message, data, length)) {
  case STUN_EXT_PARSE_OK:
    connection->front->has_message = TRUE;
    read_request (connection, &message);
    break;
  case STUN_EXT_PARSE_MALFORMED:
    tep_server_refuse_code (connection, &message, STUN_EXT_CODE_BAD_REQUEST, no_key);
    break;
  case STUN_EXT_PARSE_INCOMPLETE:
  case STUN_EXT_PARSE_NOT_STUN:
  default:
    tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_PROTOCOL);
    break;
  }
}
