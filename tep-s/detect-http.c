/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /tep-detect/1/...: what arrived, what is remembered of a run, what TLS looks like from here, and whether the far end is
 * well. Everything else gets what the front door gives it.
 */
#include <string.h>

#include "stun-ext/detect-text.h"
#include "stun-ext/http-request.h"
#include "tep-s/detect-stream.h"

#define HEAD_ECHOED 1536 /* octets of a head that are sent back */

static gboolean
verify_query (gpointer data, const StunExtDetectKey *key)
{
  return stun_ext_detect_target_is_signed_by (data, key);
}

static gboolean
never_own (const char *host, guint16 port, gpointer user_data)
{
  return FALSE;
}

static gboolean
refuse (const char *head, gsize length, GString *answer)
{
  StunExtHttpRequest request;
  const char *text;
  gsize used, n;

  stun_ext_http_request_init (&request);
  stun_ext_http_request_feed (&request, head, length, &used);
  text = stun_ext_http_answer_text (stun_ext_http_request_judge (&request, FALSE, never_own, NULL),
                                    request.is_head, &n);
  g_string_append_len (answer, text, (gssize)n);
  return FALSE;
}

/* ---- bodies ---- */

static void
append_bool (GString *body, const char *name, gboolean value)
{
  g_string_append_printf (body, ",\"%s\":%s", name, value ? "true" : "false");
}

static void
append_hex (GString *body, const char *name, const guint8 *octets, gsize length)
{
  char digits[2 * 32 + 1];

  g_string_append_printf (body, ",\"%s\":\"%s\"", name,
                          stun_ext_detect_hex_print (octets, length, digits));
}

static void
append_address (GString *body, const char *name, const StunExtAddress *address)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  g_string_append_printf (body, ",\"%s\":\"%s\"", name, stun_ext_address_print (address, text));
}

static void
append_layers (const TepServerDetectHttp *http, GString *body)
{
  append_bool (body, "tls", http->tls != NULL);
  append_bool (body, "connect", (http->layers & STUN_EXT_DETECT_LAYER_CONNECT) != 0);
}

static void
write_echo (const TepServerDetectHttp *http, const char *head, gsize length, GString *body)
{
  const StunExtSpan part = { head, length };
  guint8 digest[STUN_EXT_SHA256_LENGTH];
  g_autofree char *copy = g_base64_encode ((const guchar *)head, MIN (length, HEAD_ECHOED));

  if (!stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, &part, 1, digest))
    return;
  g_string_append (body, "{\"line\":\"echo\"");
  append_address (body, "source", http->asker->source);
  append_address (body, "local", &http->asker->place->local);
  g_string_append_printf (body, ",\"octets\":%" G_GSIZE_FORMAT, length);
  append_hex (body, "digest", digest, sizeof digest);
  append_layers (http, body);
  g_string_append_printf (body, ",\"time\":%" G_GINT64_FORMAT ",\"head\":\"%s\"}\n",
                          http->core->now_ms, copy);
}

static void
write_exporter (const TepServerDetectHttp *http, GString *body)
{
  guint8 exporter[TEP_SERVER_EXPORTER_LENGTH];

  g_string_append (body, "{\"line\":\"exporter\"");
  append_layers (http, body);
  if (http->tls != NULL && tep_server_tls_exporter (http->tls, exporter))
    append_hex (body, "exporter", exporter, sizeof exporter);
  g_string_append (body, "}\n");
}

static GString *
body_of (const TepServerDetectHttp *http,
         const StunExtDetectQuery *query,
         const char *head,
         gsize length)
{
  TepServerDetectCore *core = http->core;
  GString *body = g_string_new (NULL);

  switch (query->what) {
  case STUN_EXT_DETECT_WHAT_ECHO:
    write_echo (http, head, length, body);
    break;
  case STUN_EXT_DETECT_WHAT_RECORD:
    tep_server_detect_book_print (core->book, &query->run, core->now_us, core->now_ms, body);
    break;
  case STUN_EXT_DETECT_WHAT_EXPORTER:
    write_exporter (http, body);
    break;
  case STUN_EXT_DETECT_WHAT_SELF:
    if (core->tell_self != NULL)
      core->tell_self (core->self_data, body);
    break;
  case STUN_EXT_DETECT_N_WHATS:
  default:
    break;
  }
  return body;
}

/* ---- the request ---- */

static gboolean
find_target (const char *head, gsize length, StunExtDetectQuery *query)
{
  static const char method[] = "GET ";
  const char *line_end = g_strstr_len (head, (gssize)length, "\r\n");
  const char *end = line_end != NULL ? g_strrstr_len (head, line_end - head, " HTTP/1.") : NULL;

  return end != NULL && length > strlen (method) && memcmp (head, method, strlen (method)) == 0 &&
         end >= head + strlen (method) &&
         stun_ext_detect_target_read (head + strlen (method), (gsize)(end - head) - strlen (method),
                                      query);
}

static gboolean
choose_key (TepServerDetectHttp *http, StunExtDetectQuery *query, StunExtDetectKey *key)
{
  TepServerDetectCore *core = http->core;

  if (!tep_server_detect_book_key (core->book, &query->run, http->asker->source, core->now_us, key))
    return FALSE;
  if (!key->is_keyed && query->has_proof)
    tep_server_detect_login (
        core, http->asker, &query->run, (StunExtSpan){ query->username, strlen (query->username) },
        (StunExtSpan){ query->realm, strlen (query->realm) }, verify_query, query, key);
  return TRUE;
}

gboolean
tep_server_detect_http (TepServerDetectHttp *http, const char *head, gsize length, GString *answer)
{
  StunExtDetectQuery query;
  StunExtDetectKey key;
  GString *body;

  if (!find_target (head, length, &query))
    return refuse (head, length, answer);
  if (query.has_run && !choose_key (http, &query, &key))
    return refuse (head, length, answer);
  if (query.has_run) {
    http->seen.has_run = TRUE;
    http->seen.run = query.run;
    http->seen.probe = query.probe;
  }
  body = body_of (http, &query, head, length);
  if (query.has_run)
    body = stun_ext_detect_body_seal (body, &key, query.nonce);
  if (body == NULL)
    return FALSE;
  g_string_append_printf (answer,
                          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                          "Content-Length: %" G_GSIZE_FORMAT "\r\n"
                          "Cache-Control: no-store, no-transform\r\n\r\n",
                          body->len);
  g_string_append_len (answer, body->str, (gssize)body->len);
  g_string_free (body, TRUE);
  return TRUE;
}
