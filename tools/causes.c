/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One table from causes to what can be done about them: programs end alike, and advise alike. */
#include "tools/causes.h"

#include "turn-connect/error.h"

typedef struct {
  int code; /* of TurnConnectError */
  const char *name;
  CliExit status;
  const char *advice;
} Cause;

static const Cause causes[] = {
  { TURN_CONNECT_ERROR_INVALID, "invalid", CLI_EXIT_CONFIG, "correct what was given" },
  { TURN_CONNECT_ERROR_UNSUPPORTED, "unsupported", CLI_EXIT_CONFIG,
    "ask for something that this build can do" },
  { TURN_CONNECT_ERROR_RESOURCES, "resources", CLI_EXIT_SYSTEM,
    "this machine has run out of something: end other programs, or try later" },
  { TURN_CONNECT_ERROR_NAME_NOT_FOUND, "name-not-found", CLI_EXIT_UNAVAILABLE,
    "check the spelling of the name, and whether this network has a name service" },
  { TURN_CONNECT_ERROR_NAME_FAILED, "name-failed", CLI_EXIT_UNAVAILABLE,
    "the name service does not answer: try later, or behind a proxy let the proxy look names up" },
  { TURN_CONNECT_ERROR_REFUSED, "refused", CLI_EXIT_UNAVAILABLE,
    "nothing listens there, or a firewall refuses: check host and port; where only web traffic "
    "gets out, give --proxy" },
  { TURN_CONNECT_ERROR_UNREACHABLE, "unreachable", CLI_EXIT_UNAVAILABLE,
    "this network has no way there: check that it is up; where only web traffic gets out, give "
    "--proxy" },
  { TURN_CONNECT_ERROR_TIMED_OUT, "timed-out", CLI_EXIT_UNAVAILABLE,
    "a firewall may drop this without a word: try port 443, or give --proxy" },
  { TURN_CONNECT_ERROR_CLOSED, "closed", CLI_EXIT_UNAVAILABLE,
    "try again; if it is always so, something on the way does not let this through" },
  { TURN_CONNECT_ERROR_PROXY_CREDENTIALS_NEEDED, "proxy-credentials-needed", CLI_EXIT_DENIED,
    "give user and password of the proxy: --proxy-credentials FILE" },
  { TURN_CONNECT_ERROR_PROXY_CREDENTIALS_WRONG, "proxy-credentials-wrong", CLI_EXIT_DENIED,
    "correct user and password of the proxy" },
  { TURN_CONNECT_ERROR_PROXY_SCHEME, "proxy-scheme", CLI_EXIT_DENIED,
    "ask the proxy's owner for a way to log in that is known here" },
  { TURN_CONNECT_ERROR_PROXY_FORBIDDEN, "proxy-forbidden", CLI_EXIT_DENIED,
    "most proxies allow CONNECT to port 443 only: try that port, or ask the proxy's owner" },
  { TURN_CONNECT_ERROR_PROXY_UPSTREAM, "proxy-upstream", CLI_EXIT_UNAVAILABLE,
    "the proxy cannot reach the server: check host and port, or try later" },
  { TURN_CONNECT_ERROR_PROXY_PROTOCOL, "proxy-protocol", CLI_EXIT_UNAVAILABLE,
    "check that host and port are those of an HTTP proxy" },
  { TURN_CONNECT_ERROR_TLS_FAILED, "tls-failed", CLI_EXIT_UNAVAILABLE,
    "check that the port is one for TLS, version 1.2 or later" },
  { TURN_CONNECT_ERROR_TLS_NAME, "tls-name", CLI_EXIT_UNAVAILABLE,
    "use the name that the certificate is for; never accept another's" },
  { TURN_CONNECT_ERROR_TLS_EXPIRED, "tls-expired", CLI_EXIT_UNAVAILABLE,
    "tell the server's owner, or set this machine's clock" },
  { TURN_CONNECT_ERROR_TLS_UNTRUSTED, "tls-untrusted", CLI_EXIT_UNAVAILABLE,
    "get the issuer's certificate from the server's owner and trust it by --ca FILE; if a proxy "
    "here "
    "opens TLS, ask its owner to let this server through unopened" },
  { TURN_CONNECT_ERROR_TLS_PIN, "tls-pin", CLI_EXIT_UNAVAILABLE,
    "ask the server's owner for the new key's hash; if the key has not changed, somebody on the "
    "way "
    "opens TLS" },
  { TURN_CONNECT_ERROR_TLS_CERTIFICATE, "tls-certificate", CLI_EXIT_UNAVAILABLE,
    "tell the server's owner what is wrong with the certificate" },
  { TURN_CONNECT_ERROR_TURN_CREDENTIALS_NEEDED, "turn-credentials-needed", CLI_EXIT_DENIED,
    "give user and password of the TURN server: --credentials FILE" },
  { TURN_CONNECT_ERROR_TURN_UNAUTHORIZED, "turn-unauthorized", CLI_EXIT_DENIED,
    "correct user and password of the TURN server; those that are limited in time run out" },
  { TURN_CONNECT_ERROR_TURN_WRONG_USER, "turn-wrong-user", CLI_EXIT_DENIED,
    "use the credentials that the allocation was made with" },
  { TURN_CONNECT_ERROR_TURN_BID_DOWN, "turn-bid-down", CLI_EXIT_DENIED,
    "ask the server's owner what it offers; if it offers more, somebody on the way took it out" },
  { TURN_CONNECT_ERROR_TURN_FORBIDDEN, "turn-forbidden", CLI_EXIT_DENIED,
    "ask the server's owner whom it relays, and to whom" },
  { TURN_CONNECT_ERROR_TURN_QUOTA, "turn-quota", CLI_EXIT_UNAVAILABLE,
    "end other calls of the same user, try again in a few minutes, or ask for a larger quota" },
  { TURN_CONNECT_ERROR_TURN_CAPACITY, "turn-capacity", CLI_EXIT_UNAVAILABLE,
    "the server is full: try later, or another server" },
  { TURN_CONNECT_ERROR_TURN_MISMATCH, "turn-mismatch", CLI_EXIT_UNAVAILABLE,
    "try again: the server has another idea of what was before" },
  { TURN_CONNECT_ERROR_TURN_TRANSPORT, "turn-transport", CLI_EXIT_UNAVAILABLE,
    "ask the server's owner for relaying this transport, or use another server" },
  { TURN_CONNECT_ERROR_TURN_FAMILY, "turn-family", CLI_EXIT_UNAVAILABLE,
    "ask for an address of the other family" },
  { TURN_CONNECT_ERROR_TURN_REDIRECT, "turn-redirect", CLI_EXIT_UNAVAILABLE,
    "use turns:, so that the redirection is proven, or tell the server's owner of the circle" },
  { TURN_CONNECT_ERROR_TURN_PEER, "turn-peer", CLI_EXIT_UNAVAILABLE,
    "check that the far side listens, and that nothing refuses it" },
  { TURN_CONNECT_ERROR_TURN_REFUSED, "turn-refused", CLI_EXIT_DENIED,
    "tell the server's owner the code and the words" },
  { TURN_CONNECT_ERROR_TURN_PROTOCOL, "turn-protocol", CLI_EXIT_UNAVAILABLE,
    "check that host and port are those of a TURN server" },
};

static const Cause unknown = { -1, "other", CLI_EXIT_UNAVAILABLE, "try again later" };

static const Cause *
find (const GError *error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (causes); i++) {
    if (g_error_matches (error, TURN_CONNECT_ERROR, causes[i].code))
      return &causes[i];
  }
  return &unknown;
}

const char *
cause_name (const GError *error)
{
  return find (error)->name;
}

const char *
cause_advice (const GError *error)
{
  return find (error)->advice;
}

CliExit
cause_exit (const GError *error)
{
  return find (error)->status;
}

void
cause_say (const char *subject, const GError *error)
{
  TurnConnectStep step = turn_connect_error_get_step (error);

  if (subject != NULL)
    cli_say ("%s: %s", subject, error->message);
  else
    cli_say ("%s", error->message);
  cli_say ("  what to do: %s", cause_advice (error));
  cli_say ("  cause %s, step %s", cause_name (error), turn_connect_step_to_string (step));
}

void
cause_append (GString *json, const GError *error)
{
  guint status = turn_connect_error_get_http_status (error);

  cli_json_text (json, "cause", error->message);
  cli_json_text (json, "kind", cause_name (error));
  cli_json_text (json, "step", turn_connect_step_to_string (turn_connect_error_get_step (error)));
  cli_json_text (json, "advice", cause_advice (error));
  if (status != 0)
    cli_json_integer (json, "http_status", status);
}
