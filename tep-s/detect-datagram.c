/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is answered to a datagram. Its source may be forged, so whatever happens here must be worth nothing to who forges it: no
 * answer is longer than what came, none goes anywhere else, none answers an answer, and there are only so many for one source.
 */
#include <string.h>

#include "stun-ext/attribute.h"
#include "stun-ext/detect-text.h"
#include "stun-ext/integrity.h"
#include "stun-ext/reader.h"
#include "stun-ext/writer.h"
#include "tep-s/detect-private.h"

#define COOKIE_LENGTH 16
#define COOKIE_MAC (COOKIE_LENGTH - 4)
#define COOKIE_LIFETIME_S 600
#define WAITING_MAX 4096
#define WAITING_PER_SOURCE 16
#define WAITING_LENGTH 512 /* octets of an answer that may wait */

/* ---- the core ---- */

void
tep_server_detect_core_init (TepServerDetectCore *core,
                             const TepServerConfig *config,
                             guint64 seed,
                             const guint8 secret[TEP_SERVER_DETECT_SECRET_LENGTH])
{
  *core = (TepServerDetectCore){ .now_us = 1 };
  memcpy (core->secret, secret, sizeof core->secret);
  core->book = tep_server_detect_book_new ();
  core->waiting = tep_server_quota_new ();
  core->throttle = tep_server_throttle_new (config->limits.failures_per_window, seed);
  core->detect = config->detect;
  core->scratch = g_new0 (TepServerDetectReply, 1);
  tep_server_detect_core_reconfigure (core, config, seed);
}

void
tep_server_detect_core_reconfigure (TepServerDetectCore *core,
                                    const TepServerConfig *config,
                                    guint64 seed)
{
  TepServerConfig *old = (TepServerConfig *)core->config;

  core->config = tep_server_config_ref (config);
  core->detect.is_plain_answered = config->detect.is_plain_answered;
  core->detect.is_at_front_door = config->detect.is_at_front_door;
  core->detect.replies_per_second = config->detect.replies_per_second;
  core->detect.connections = config->detect.connections;
  core->detect.connections_per_source = config->detect.connections_per_source;
  g_clear_pointer (&old, tep_server_config_unref);
  g_clear_pointer (&core->limit, tep_server_reply_limit_free);
  core->limit = tep_server_reply_limit_new (MAX (config->detect.replies_per_second, 1), seed);
}

void
tep_server_detect_core_clear (TepServerDetectCore *core)
{
  TepServerConfig *config = (TepServerConfig *)core->config;

  g_clear_pointer (&core->scratch, g_free);
  g_clear_pointer (&core->book, tep_server_detect_book_free);
  g_clear_pointer (&core->waiting, tep_server_quota_free);
  g_clear_pointer (&core->throttle, tep_server_throttle_free);
  g_clear_pointer (&core->limit, tep_server_reply_limit_free);
  g_clear_pointer (&config, tep_server_config_unref);
  stun_ext_crypto_cleanse (core, sizeof *core);
}

/* ---- addresses ---- */

guint
tep_server_detect_other_address (const TepServerDetectConfig *config, guint address)
{
  for (guint i = 0; address < config->n_addresses && i < config->n_addresses; i++)
    if (i != address && config->addresses[i].family == config->addresses[address].family)
      return i;
  return TEP_SERVER_DETECT_NO_ADDRESS;
}

guint16
tep_server_detect_other_port (const TepServerDetectConfig *config, guint16 port)
{
  return port == config->ports[0] ? config->ports[1] : config->ports[0];
}

StunExtAddress
tep_server_detect_other (const TepServerDetectConfig *config, const TepServerDetectPlace *place)
{
  StunExtAddress other = { 0 };
  guint index = tep_server_detect_other_address (config, place->address);

  if (index == TEP_SERVER_DETECT_NO_ADDRESS)
    return other;
  other = config->public_addresses[index];
  other.port = tep_server_detect_other_port (config, place->local.port);
  return other;
}

/* ---- cookies ---- */

static gboolean
cookie_mac (const TepServerDetectCore *core,
            guint32 time_s,
            const StunExtDetectRun *run,
            const StunExtAddress *source,
            guint8 mac[STUN_EXT_SHA256_LENGTH])
{
  const StunExtSpan parts[] = { { &time_s, sizeof time_s },
                                { run->octets, sizeof run->octets },
                                { &source->family, sizeof source->family },
                                { source->octets, stun_ext_address_length (source) } };

  return stun_ext_crypto_hmac (STUN_EXT_HASH_SHA256, core->secret, sizeof core->secret, parts,
                               G_N_ELEMENTS (parts), mac);
}

/* Shows later that its holder receives what is sent to that address. */
static StunExtSpan
make_cookie (const TepServerDetectCore *core,
             const StunExtDetectRun *run,
             const StunExtAddress *source,
             guint8 cookie[COOKIE_LENGTH])
{
  guint32 time_s = (guint32)(core->now_us / G_USEC_PER_SEC);
  guint8 mac[STUN_EXT_SHA256_LENGTH];
  StunExtWriter writer;

  if (!cookie_mac (core, time_s, run, source, mac))
    return (StunExtSpan){ NULL, 0 };
  stun_ext_writer_init (&writer, cookie, COOKIE_LENGTH);
  stun_ext_writer_u32 (&writer, time_s);
  stun_ext_writer_bytes (&writer, mac, COOKIE_MAC);
  return (StunExtSpan){ cookie, COOKIE_LENGTH };
}

static gboolean
has_cookie (const TepServerDetectCore *core,
            const StunExtMessage *request,
            const StunExtDetectRun *run,
            const StunExtAddress *source)
{
  guint8 cookie[COOKIE_LENGTH], mac[STUN_EXT_SHA256_LENGTH];
  guint32 now_s = (guint32)(core->now_us / G_USEC_PER_SEC), time_s;
  StunExtReader reader;

  if (stun_ext_message_get_fixed (request, STUN_EXT_TEP_ATTRIBUTE_DETECT_COOKIE, cookie,
                                  sizeof cookie) != STUN_EXT_GET_OK)
    return FALSE;
  stun_ext_reader_init (&reader, cookie, sizeof cookie);
  time_s = stun_ext_reader_u32 (&reader);
  return now_s - time_s <= COOKIE_LIFETIME_S && cookie_mac (core, time_s, run, source, mac) &&
         stun_ext_crypto_equal (mac, cookie + 4, COOKIE_MAC);
}

/* ---- STUN of a run ---- */

static gboolean
verify_message (gpointer data, const StunExtDetectKey *key)
{
  return stun_ext_integrity_verify (
             data, STUN_EXT_INTEGRITY_SHA256, STUN_EXT_INTEGRITY_SHA256_LENGTH,
             (StunExtSpan){ key->octets, sizeof key->octets }) == STUN_EXT_VERDICT_VALID;
}

/* The key of the answer, and its flags. */
static gboolean
choose_key (TepServerDetectCore *core,
            const TepServerDetectAsker *asker,
            const StunExtMessage *request,
            StunExtDetectMark *mark,
            StunExtDetectKey *key)
{
  StunExtSpan username, realm = { NULL, 0 };

  if (!tep_server_detect_book_key (core->book, &mark->run, asker->source, core->now_us, key))
    return FALSE;
  if (!key->is_keyed && stun_ext_message_get_text (request, STUN_EXT_ATTRIBUTE_USERNAME,
                                                   &username) == STUN_EXT_GET_OK) {
    if (stun_ext_message_get_text (request, STUN_EXT_ATTRIBUTE_REALM, &realm) != STUN_EXT_GET_OK)
      realm = (StunExtSpan){ NULL, 0 };
    if (!tep_server_detect_login (core, asker, &mark->run, username, realm, verify_message,
                                  (gpointer)request, key))
      mark->flags |= STUN_EXT_DETECT_FLAG_REFUSED;
  }
  if (key->is_keyed)
    mark->flags |= STUN_EXT_DETECT_FLAG_KEYED;
  return TRUE;
}

static gboolean
may_wait (TepServerDetectCore *core,
          const TepServerDetectAsker *asker,
          const StunExtMessage *request,
          const StunExtDetectMark *mark)
{
  if (!asker->may_wait || core->n_waiting >= WAITING_MAX ||
      mark->delay_s > STUN_EXT_DETECT_DELAY_MAX_S || request->length > WAITING_LENGTH ||
      !(asker->is_stream || has_cookie (core, request, &mark->run, asker->source)) ||
      !tep_server_quota_take (core->waiting, tep_server_quota_source_key (asker->source),
                              WAITING_PER_SOURCE))
    return FALSE;
  core->n_waiting++;
  return TRUE;
}

void
tep_server_detect_waited (TepServerDetectCore *core, const StunExtAddress *source)
{
  tep_server_quota_give (core->waiting, tep_server_quota_source_key (source));
  core->n_waiting--;
}

static void
apply_change (TepServerDetectCore *core,
              const TepServerDetectAsker *asker,
              const StunExtMessage *request,
              StunExtDetectAnswer *answer,
              TepServerDetectReply *reply)
{
  const TepServerDetectConfig *config = &core->detect;
  guint other = tep_server_detect_other_address (config, asker->place->address);
  guint16 port = 0;
  guint32 change = 0;

  if (stun_ext_message_get_u32 (request, STUN_EXT_ATTRIBUTE_CHANGE_REQUEST, &change) ==
      STUN_EXT_GET_ABSENT)
    change = 0;
  change &= STUN_EXT_CHANGE_IP | STUN_EXT_CHANGE_PORT;
  if (change != 0 &&
      (asker->is_stream || asker->place->address == TEP_SERVER_DETECT_NO_ADDRESS ||
       ((change & STUN_EXT_CHANGE_IP) != 0 && other == TEP_SERVER_DETECT_NO_ADDRESS))) {
    answer->code = STUN_EXT_CODE_UNKNOWN_ATTRIBUTE;
    return;
  }
  reply->is_address_changed = (change & STUN_EXT_CHANGE_IP) != 0;
  reply->is_port_changed = (change & STUN_EXT_CHANGE_PORT) != 0;
  port = answer->origin.port;
  if (reply->is_address_changed)
    answer->origin = config->public_addresses[other];
  answer->origin.port = reply->is_port_changed ? tep_server_detect_other_port (config, port) : port;
  if (!asker->is_stream &&
      stun_ext_message_get_u16 (request, STUN_EXT_ATTRIBUTE_RESPONSE_PORT, &port) ==
          STUN_EXT_GET_OK &&
      port != 0)
    reply->destination.port = port;
}

void
tep_server_detect_stun (TepServerDetectCore *core,
                        const TepServerDetectAsker *asker,
                        const StunExtMessage *request,
                        const StunExtDetectMark *mark,
                        TepServerDetectReply *reply)
{
  StunExtDetectAnswer answer = { .mark = *mark };
  StunExtDetectKey key;
  guint8 cookie[COOKIE_LENGTH];

  answer.mark.flags &= STUN_EXT_DETECT_FLAG_FILL;
  if (!choose_key (core, asker, request, &answer.mark, &key))
    return;
  answer.mapped = answer.mapped_plain = *asker->source;
  answer.origin = asker->place->local;
  answer.other = tep_server_detect_other (&core->detect, asker->place);
  answer.cookie = make_cookie (core, &mark->run, asker->source, cookie);
  if (request->method != STUN_EXT_METHOD_BINDING)
    answer.code = STUN_EXT_CODE_FORBIDDEN;
  else
    apply_change (core, asker, request, &answer, reply);
  if (mark->delay_s > 0 && (answer.code != 0 || !may_wait (core, asker, request, mark))) {
    answer.mark.delay_s = 0;
    answer.mark.flags |= STUN_EXT_DETECT_FLAG_WAIT;
  }
  reply->is_whole = (answer.mark.flags & STUN_EXT_DETECT_FLAG_FILL) != 0;
  reply->delay_s = answer.mark.delay_s;
  if (stun_ext_detect_answer_write (&answer, request, &key, request->length, reply->octets,
                                    sizeof reply->octets, &reply->length))
    return;
  reply->length = 0;
  if (reply->delay_s > 0)
    tep_server_detect_waited (core, asker->source);
  reply->delay_s = 0;
}

/* ---- other payloads ---- */

gboolean
tep_server_detect_echo (const StunExtAddress *source,
                        const StunExtDetectSeen *seen,
                        const StunExtDetectKey *key,
                        const guint8 *first,
                        gsize length,
                        guint8 octets[STUN_EXT_DETECT_ANSWER_LENGTH])
{
  const StunExtSpan part = { first, length };
  StunExtDetectEcho echo = { .payload = (guint8)seen->payload,
                             .twin = (guint8)seen->twin,
                             .has_run = seen->has_run,
                             .run = seen->run,
                             .probe = seen->probe,
                             .octets = (guint32)length,
                             .source = *source };

  return stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, &part, 1, echo.digest) &&
         stun_ext_detect_echo_write (&echo, seen->has_run ? key : NULL, octets);
}

static gboolean
is_sip (const StunExtDetectSeen *seen)
{
  return seen->twin == STUN_EXT_DETECT_TWIN_NONE &&
         seen->payload >= STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER &&
         seen->payload <= STUN_EXT_DETECT_PAYLOAD_SIP_OPTIONS;
}

static void
answer_payload (TepServerDetectCore *core,
                const TepServerDetectDatagram *datagram,
                const StunExtDetectSeen *seen,
                TepServerDetectReply *reply)
{
  const StunExtDetectToken token = { .run = seen->run,
                                     .probe = seen->probe,
                                     .length = (guint16)datagram->length,
                                     .payload = (guint8)seen->payload };
  g_autoptr (GString) sip = NULL;
  StunExtDetectKey key;

  if (!tep_server_detect_book_key (core->book, &seen->run, &datagram->source, core->now_us, &key))
    return;
  if (is_sip (seen))
    sip = stun_ext_detect_sip_answer_write ((const char *)datagram->data, datagram->length, &token,
                                            &datagram->source, &key, datagram->length);
  if (sip != NULL && sip->len <= sizeof reply->octets) {
    memcpy (reply->octets, sip->str, sip->len);
    reply->length = sip->len;
  } else if (datagram->length >= STUN_EXT_DETECT_ANSWER_LENGTH &&
             tep_server_detect_echo (&datagram->source, seen, &key, datagram->data,
                                     datagram->length, reply->octets)) {
    reply->length = STUN_EXT_DETECT_ANSWER_LENGTH;
  }
}

static void
record (TepServerDetectCore *core,
        const TepServerDetectDatagram *datagram,
        const StunExtDetectSeen *seen,
        const TepServerDetectReply *reply)
{
  const StunExtSpan part = { datagram->data, datagram->length };
  StunExtDetectRecord line = { .time_ms = core->now_ms,
                               .transport = STUN_EXT_DETECT_TRANSPORT_UDP,
                               .local = datagram->place.local,
                               .source = datagram->source,
                               .payload = seen->payload,
                               .twin = seen->twin,
                               .probe = seen->probe,
                               .octets_in = (guint32)datagram->length,
                               .octets_out = (guint32)reply->length,
                               .first_length = (guint32)datagram->length,
                               .ttl = datagram->ttl };

  if (stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, &part, 1, line.digest))
    tep_server_detect_book_add (core->book, &line, seen->has_run ? &seen->run : NULL, core->now_us);
}

static void
answer_stun (TepServerDetectCore *core,
             const TepServerDetectDatagram *datagram,
             const StunExtDetectSeen *seen,
             TepServerDetectReply *reply)
{
  const TepServerDetectAsker asker = { .place = &datagram->place,
                                       .source = &datagram->source,
                                       .may_wait = !datagram->is_front_door };
  StunExtMessage request;
  StunExtDetectMark mark;

  if (seen->has_run &&
      stun_ext_message_parse (&request, datagram->data, datagram->length) == STUN_EXT_PARSE_OK &&
      stun_ext_fingerprint_verify (&request) != STUN_EXT_VERDICT_WRONG &&
      stun_ext_message_get_detect (&request, &mark))
    tep_server_detect_stun (core, &asker, &request, &mark, reply);
  else
    tep_server_detect_plain (core, &asker, datagram->data, datagram->length, reply);
}

void
tep_server_detect_datagram (TepServerDetectCore *core,
                            const TepServerDetectDatagram *datagram,
                            TepServerDetectReply *reply)
{
  StunExtDetectSeen seen = { 0 };
  gboolean is_plain_stun;

  reply->length = 0;
  reply->delay_s = 0;
  reply->is_address_changed = reply->is_port_changed = reply->is_whole = FALSE;
  reply->destination = datagram->source;
  if (datagram->source.port == 0 || datagram->length == 0 ||
      datagram->length > TEP_SERVER_DETECT_DATAGRAM_MAX ||
      !tep_server_reply_limit_may_reply (core->limit, &datagram->source, core->now_us, NULL))
    return;
  if (stun_ext_detect_recognise (datagram->data, datagram->length, TRUE, &seen) !=
      STUN_EXT_DETECT_RECOGNITION_KNOWN)
    seen = (StunExtDetectSeen){ 0 };
  is_plain_stun = !seen.has_run && (seen.payload == STUN_EXT_DETECT_PAYLOAD_STUN ||
                                    seen.payload == STUN_EXT_DETECT_PAYLOAD_UNKNOWN);
  if (is_plain_stun ||
      (seen.twin == STUN_EXT_DETECT_TWIN_NONE && (seen.payload == STUN_EXT_DETECT_PAYLOAD_STUN ||
                                                  seen.payload == STUN_EXT_DETECT_PAYLOAD_TURN)))
    answer_stun (core, datagram, &seen, reply);
  else if (seen.has_run)
    answer_payload (core, datagram, &seen, reply);
  record (core, datagram, &seen, reply);
}
