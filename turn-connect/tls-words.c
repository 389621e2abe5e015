/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sentences about TLS, apart from the library that finds the facts. Each says which check
 * failed, since "certificate verify failed" has sent more people to switch checking off than any
 * attacker.
 */
#include "turn-connect/tls-words.h"

#include "turn-connect/stream.h"

static const struct {
  TurnConnectError code;
  const char *before; /* the fact */
  const char *after;
} sentences[] = {
  [TURN_CONNECT_TLS_FINDING_NAME] = { TURN_CONNECT_ERROR_TLS_NAME,
                                      "has a certificate for another name: for ", ", not for " },
  [TURN_CONNECT_TLS_FINDING_EXPIRED] = { TURN_CONNECT_ERROR_TLS_EXPIRED,
                                         "has a certificate that expired on ",
                                         "; if that cannot be, check this machine's clock" },
  [TURN_CONNECT_TLS_FINDING_NOT_YET] = { TURN_CONNECT_ERROR_TLS_EXPIRED,
                                         "has a certificate that is valid only from ",
                                         "; if that cannot be, check this machine's clock" },
  [TURN_CONNECT_TLS_FINDING_SELF_SIGNED] = { TURN_CONNECT_ERROR_TLS_UNTRUSTED,
                                             "has a self-signed certificate (",
                                             ") that is not trusted here" },
  [TURN_CONNECT_TLS_FINDING_ISSUER] = { TURN_CONNECT_ERROR_TLS_UNTRUSTED,
                                        "has a certificate issued by ",
                                        ", which nobody here trusts: an inspecting proxy? Or an "
                                        "authority that has to be trusted here" },
  [TURN_CONNECT_TLS_FINDING_OTHER] = { TURN_CONNECT_ERROR_TLS_CERTIFICATE,
                                       "has a certificate that fails a check: ", "" },
  [TURN_CONNECT_TLS_FINDING_PIN] = { TURN_CONNECT_ERROR_TLS_PIN,
                                     "has another key than the pinned one, in a certificate issued "
                                     "by ",
                                     ": an inspecting proxy? Or the server has a new key" },
  [TURN_CONNECT_TLS_FINDING_CUT] = { TURN_CONNECT_ERROR_CLOSED,
                                     "or somebody on the way cut the connection without closing "
                                     "TLS",
                                     "" },
  [TURN_CONNECT_TLS_FINDING_CUT_OFF] = { TURN_CONNECT_ERROR_CLOSED,
                                         "ended the connection in the TLS handshake: it may not "
                                         "speak TLS, or a firewall does not let TLS through",
                                         "" },
  [TURN_CONNECT_TLS_FINDING_SILENT] = { TURN_CONNECT_ERROR_TIMED_OUT,
                                        "does not answer to DTLS: a firewall may not let UDP "
                                        "through",
                                        "" },
  [TURN_CONNECT_TLS_FINDING_NO_TLS] = { TURN_CONNECT_ERROR_TLS_FAILED,
                                        "does not speak TLS on this port", "" },
  [TURN_CONNECT_TLS_FINDING_OLD] = { TURN_CONNECT_ERROR_TLS_FAILED,
                                     "speaks only versions of TLS older than 1.2", "" },
  [TURN_CONNECT_TLS_FINDING_BROKEN] = { TURN_CONNECT_ERROR_TLS_FAILED, "broke TLS: ", "" },
};

GError *
turn_connect_tls_words_finding (TurnConnectTlsFinding finding,
                                const char *who,
                                const char *name,
                                const char *fact)
{
  return g_error_new (TURN_CONNECT_ERROR, (gint)sentences[finding].code, "%s %s%s%s%s", who,
                      sentences[finding].before, fact != NULL ? fact : "", sentences[finding].after,
                      finding == TURN_CONNECT_TLS_FINDING_NAME ? name : "");
}

static const struct {
  int number;
  const char *meaning;
} alerts[] = {
  { 40, ": nothing it offers is accepted on both sides" },
  { 70, ": it does not speak TLS 1.2 or later" },
  { 112, ": it does not know the name it was asked for" },
  { 116, ": it demands a client certificate" },
  { 120, ": it speaks none of the protocols offered by ALPN" },
};

GError *
turn_connect_tls_words_alert (const char *who, int number, const char *description)
{
  const char *meaning = "";

  for (gsize i = 0; i < G_N_ELEMENTS (alerts); i++) {
    if (alerts[i].number == number)
      meaning = alerts[i].meaning;
  }
  return g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TLS_FAILED,
                      "%s ended TLS with the alert \"%s\"%s", who, description, meaning);
}

const char *
turn_connect_tls_info_get_warning (const TurnConnectTlsInfo *info)
{
  if (info == NULL || !info->is_unencrypted)
    return NULL;
  return "NOT ENCRYPTED: a cipher suite without encryption was asked for; everybody on the way can "
         "read everything, passwords included; only changes are noticed";
}
