/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tep-c/options.h"
#include "tep-c/session.h"
#include "tep-c/version.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * A choice finds out whether a tunnel is needed at all (TR 33.830 clause 8.1), and if so, by which way it
 * comes about: plain or TLS, port 80 or 443; where a proxy is named through that alone. It asks the detection library
 * (turn-connect/detect/detection.h) for methods and takes the first that works; the session's own tunnel is one
 * of those that are tried, so that choosing costs no time of its own. UDP without a tunnel is preferred: a
 * tunnel that was quicker gives way to it within 1.5 s. It passes where the server's answer, proven by the
 * user's password, comes back. What is sent then is as open as the application made it: the TLS of a tunnel is
 * not around it.
 *
 * What worked is remembered for the network that it worked in, for a day, and is used there without asking;
 * its use shows whether it still works. When it fails everything is tried again; likewise in another network.
 *
 * Through a proxy the session alone is tried, by one way after the other, until the proxy has let it in; then the
 * others are, too. A password that the proxy refuses is not sent again until the choice is begun again, since
 * some lock a user out who was wrong a few times: then UDP alone is tried, and the reason says so.
 *
 * A choice belongs to the thread-default main context of its construction: all functions are called, and all
 * signals are emitted, in the thread that iterates it. Nothing blocks.
 */

#define TEP_CLIENT_CHOICE_DIRECT_PORT 40000 /* arbitrary; a port that no firewall knows */

/**
 * TepClientPath:
 * @TEP_CLIENT_PATH_NONE: nothing is chosen: nothing works, or nothing was tried yet
 * @TEP_CLIENT_PATH_DIRECT: UDP passes; no tunnel is used
 * @TEP_CLIENT_PATH_TUNNEL: the choice's session carries the media
 */
typedef enum {
  TEP_CLIENT_PATH_NONE,
  TEP_CLIENT_PATH_DIRECT,
  TEP_CLIENT_PATH_TUNNEL,
} TepClientPath;

/**
 * tep_client_path_name:
 * @path: a path
 *
 * Returns: (transfer none): "none", "direct" or "tunnel"
 */
TEP_CLIENT_API const char *tep_client_path_name (TepClientPath path);

#define TEP_CLIENT_TYPE_CHOICE (tep_client_choice_get_type ())
TEP_CLIENT_API
G_DECLARE_FINAL_TYPE (TepClientChoice, tep_client_choice, TEP_CLIENT, CHOICE, GObject)

/**
 * TepClientChoice::chosen:
 * @choice: a choice
 *
 * tep_client_choice_get_report() says something new. Emitted for the first choice, for a better one, when
 * nothing works, and for what is chosen when that was found to fail or the network became another.
 */

/**
 * TepClientChoice::session-changed:
 * @choice: a choice
 *
 * tep_client_choice_get_session() returns another session, or none. The one before is closed as soon as this
 * was told.
 */

/**
 * tep_client_choice_new:
 * @options: the server, credentials and trust; its way is preferred to other ways of a tunnel. With
 * TLS no way without is tried, with a proxy no connection around it; copied
 *
 * Returns: (transfer full): a choice that was not begun
 */
TEP_CLIENT_API TepClientChoice *tep_client_choice_new (const TepClientOptions *options);

/**
 * tep_client_choice_set_direct_port:
 * @choice: a choice that was not begun
 * @port: UDP port of the server at which UDP is tried, one of tep-s' [detect] ports; as a firewall treats
 * this one it treats media. 0: a tunnel is used in any case. Without: %TEP_CLIENT_CHOICE_DIRECT_PORT
 */
TEP_CLIENT_API void tep_client_choice_set_direct_port (TepClientChoice *choice, guint16 port);

/**
 * tep_client_choice_set_file:
 * @choice: a choice that was not begun
 * @path: file that remembers; it is made, with mode 0600, where there is none
 * @error: %G_IO_ERROR_FAILED and others, with the file's name, if it cannot be used, or somebody else
 * could have written it
 *
 * Without a file the choice remembers as long as it lives.
 *
 * Returns: %FALSE on error
 */
TEP_CLIENT_API gboolean tep_client_choice_set_file (TepClientChoice *choice,
                                                    const char *path,
                                                    GError **error);

/**
 * tep_client_choice_begin:
 * @choice: a choice that was not begun, or has ended
 * @error: #TepClientError as of tep_client_options_check(), or #TurnConnectError: the options name no way
 *
 * Begins to choose. In at most 8 s #TepClientChoice::chosen tells what became of it.
 *
 * Returns: %FALSE on error
 */
TEP_CLIENT_API gboolean tep_client_choice_begin (TepClientChoice *choice, GError **error);

/**
 * tep_client_choice_end:
 * @choice: a choice
 *
 * Ends all trials, and closes the session. At any time, also within a signal; idempotent. Nothing but
 * #TepClientChoice::session-changed is emitted any more. So does dropping the last reference.
 */
TEP_CLIENT_API void tep_client_choice_end (TepClientChoice *choice);

/**
 * tep_client_choice_failed:
 * @choice: a choice
 *
 * Says that what is chosen does not work in use, such as that a call's ICE failed although UDP was found to
 * pass. It is forgotten, and everything else is tried.
 */
TEP_CLIENT_API void tep_client_choice_failed (TepClientChoice *choice);

/**
 * TepClientChoiceReport:
 * @path: what carries media
 * @method: (nullable): by which method, in tep-detect's words: "direct-udp", "tep-443", "tep-tls-proxy"
 * @is_remembered: it worked in this network before, and nothing was asked before it was chosen
 * @reason: why, in a sentence
 * @took_us: from the beginning, or from when it was found out that another one is needed, us
 *
 * Strings are valid until the next signal.
 */
typedef struct {
  TepClientPath path;
  const char *method;
  gboolean is_remembered;
  const char *reason;
  gint64 took_us;
} TepClientChoiceReport;

/**
 * tep_client_choice_get_report:
 * @choice: a choice
 * @report: (out): what is chosen
 */
TEP_CLIENT_API void tep_client_choice_get_report (TepClientChoice *choice,
                                                  TepClientChoiceReport *report);

/**
 * tep_client_choice_get_session:
 * @choice: a choice
 *
 * The session is there as soon as a tunnel is tried, hence before it is chosen, and its leases may be asked for
 * then. It is open, or about to be. When a tunnel has to take another way the session is the same, and
 * its leases are kept.
 *
 * Returns: (transfer none) (nullable): the session; %NULL while UDP is used
 */
TEP_CLIENT_API TepClientSession *tep_client_choice_get_session (TepClientChoice *choice);

G_END_DECLS
