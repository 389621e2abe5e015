/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/classifier.h"
#include "turn-connect/detect/observations.h"
#include "turn-connect/detect/trial.h"
#include "turn-connect/target.h"
#include "turn-connect/turn/uri.h"
#include "turn-connect/version.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define TURN_CONNECT_DETECT_PORT 3478 /* where no port is named; RFC 8489 section 18.6 */

#define TURN_CONNECT_LADDER_MAX 12 /* silences of a deep run; arbitrary, each has some sockets */

/**
 * TurnConnectProbeSet:
 * @TURN_CONNECT_PROBE_SET_PORTS: which ports answer, by UDP and TCP, and what the far end says of
 * itself
 * @TURN_CONNECT_PROBE_SET_TRANSLATION: mapping and filtering
 * @TURN_CONNECT_PROBE_SET_SURROUNDINGS: names, captive portals, the router
 * @TURN_CONNECT_PROBE_SET_METHODS: methods of carrying calls, with packets of one
 * @TURN_CONNECT_PROBE_SET_PROXIES: which proxies are known, and to where they let us through
 * @TURN_CONNECT_PROBE_SET_ALL: everything there is
 *
 * What a run asks; may be or-ed.
 */
typedef enum {
  TURN_CONNECT_PROBE_SET_PORTS = 1 << 0,
  TURN_CONNECT_PROBE_SET_TRANSLATION = 1 << 1,
  TURN_CONNECT_PROBE_SET_SURROUNDINGS = 1 << 2,
  TURN_CONNECT_PROBE_SET_METHODS = 1 << 3,
  TURN_CONNECT_PROBE_SET_PROXIES = 1 << 4,
  TURN_CONNECT_PROBE_SET_ALL = 0xffff,
} TurnConnectProbeSet;

#define TURN_CONNECT_TYPE_DETECTION (turn_connect_detection_get_type ())

/**
 * TurnConnectDetection:
 *
 * Finds out which kind of NAT or firewall is in the way to a far end (TR 33.830 clause 4.3), and
 * what gets through. The far end is a tep-s with detection, or, for address translation alone, any
 * STUN server with RFC 5780. It needs no rights.
 *
 * Everything happens on the main context that is the thread's default when
 * turn_connect_detection_run_async() is called; nothing blocks.
 */
TURN_CONNECT_API
G_DECLARE_FINAL_TYPE (
    TurnConnectDetection, turn_connect_detection, TURN_CONNECT, DETECTION, GObject)

/**
 * TurnConnectDetection::progress:
 * @detection: a detection
 * @doing: (nullable): what begins, for people
 * @probe: (nullable): a #TurnConnectProbe that ended; valid during the call
 *
 * Emitted as a run goes on, with one of the two.
 */

/**
 * TurnConnectDetection::method-works:
 * @detection: a detection that turn_connect_detection_set_first_method() was called for
 * @name: the method
 * @proof: a #TurnConnectProof: who answered, as far as proven; methods with a log-in prove nothing
 * here, for theirs is a proof of its own
 *
 * Emitted when the first packet came back over a method, unless a better one works already: once,
 * and again for each better one within the grace. The method goes on as long as better ones are
 * tried, so that what it set up can be taken over.
 */

/**
 * turn_connect_detection_new:
 * @target: the far end with its port, proxy and whom TLS trusts; copied
 *
 * Returns: (transfer full): a detection
 */
TURN_CONNECT_API TurnConnectDetection *turn_connect_detection_new (TurnConnectTarget *target);

/**
 * turn_connect_detection_set_family:
 * @detection: a detection that does not run
 * @family: 4 or 6 for one alone, 0 for both
 */
TURN_CONNECT_API void turn_connect_detection_set_family (TurnConnectDetection *detection,
                                                         guint family);

/**
 * turn_connect_detection_set_interface:
 * @detection: a detection that does not run
 * @name: (nullable): network interface to which all probes are bound; %NULL for none
 * @error: %TURN_CONNECT_ERROR_INVALID if there is none of that name
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_detection_set_interface (TurnConnectDetection *detection,
                                                                const char *name,
                                                                GError **error);

/**
 * turn_connect_detection_set_credentials:
 * @detection: a detection that does not run
 * @user: (nullable): user at the far end
 * @password: (nullable): his password
 */
TURN_CONNECT_API void turn_connect_detection_set_credentials (TurnConnectDetection *detection,
                                                              const char *user,
                                                              const char *password);

/**
 * turn_connect_detection_set_deep:
 * @detection: a detection that does not run
 * @is_deep: also ask what takes minutes: lifetimes, MTU, quality over 15 s
 */
TURN_CONNECT_API void turn_connect_detection_set_deep (TurnConnectDetection *detection,
                                                       gboolean is_deep);

/**
 * turn_connect_detection_set_ladder:
 * @detection: a detection that does not run
 * @seconds: (array length=n): how long a deep run has sockets be silent, 1 to 300 each, ascending
 * @n: how many, 1 to %TURN_CONNECT_LADDER_MAX
 *
 * Sets which lifetimes a deep run tells apart, which is also how long it takes: half a minute more than
 * the longest. Without: 15, 30, 45, 60, 90, 120, 180 and 300 s.
 *
 * Returns: %FALSE if these are no such numbers
 */
TURN_CONNECT_API gboolean turn_connect_detection_set_ladder (TurnConnectDetection *detection,
                                                             const guint *seconds,
                                                             guint n);

/**
 * turn_connect_detection_set_probes:
 * @detection: a detection that does not run
 * @sets: of #TurnConnectProbeSet
 *
 * Sets what is asked; else everything is. What was not asked is not determined in the verdict.
 */
TURN_CONNECT_API void turn_connect_detection_set_probes (TurnConnectDetection *detection,
                                                         TurnConnectProbeSet sets);

/**
 * turn_connect_detection_set_methods:
 * @detection: a detection that does not run
 * @names: (nullable) (array zero-terminated=1): methods to try, the preferred first; %NULL for all.
 * Those that there are not are not tried
 */
TURN_CONNECT_API void turn_connect_detection_set_methods (TurnConnectDetection *detection,
                                                          const char *const *names);

/**
 * turn_connect_detection_set_first_method:
 * @detection: a detection that does not run
 * @is_wanted: end the methods when one works
 * @grace_ms: how long those that are preferred to it have then, ms
 *
 * For who wants a method, and not to know about all of them. At the first packet that comes back
 * #TurnConnectDetection::method-works is emitted, and methods that are not preferred to that one are
 * cancelled; when nothing better can come any more, or the grace is over, all are. They begin without
 * waiting for anything else, and are not waited for longer than 6 s; other probes that were asked for
 * go on.
 */
TURN_CONNECT_API void turn_connect_detection_set_first_method (TurnConnectDetection *detection,
                                                               gboolean is_wanted,
                                                               guint grace_ms);

/**
 * turn_connect_detection_set_direct_port:
 * @detection: a detection that does not run
 * @port: UDP port at which direct UDP is tried; 0 for the target's
 *
 * Firewalls that let some UDP pass look at the port, and media has none that they know. With a port the far
 * end has to be a tep-s with detection, and with credentials its answers prove that it knows them.
 */
TURN_CONNECT_API void turn_connect_detection_set_direct_port (TurnConnectDetection *detection,
                                                              guint16 port);

/**
 * turn_connect_detection_set_turn:
 * @detection: a detection that does not run
 * @uri: a TURN server by RFC 7065. The first call leaves those transports out that no call names
 *
 * Sets which TURN server is tried by the URI's transports, instead of the far end on port 3478 and for
 * TLS on port 443. Names of services in DNS are not looked up.
 */
TURN_CONNECT_API void turn_connect_detection_set_turn (TurnConnectDetection *detection,
                                                       const TurnConnectUri *uri);

/**
 * turn_connect_detection_add_method:
 * @detection: a detection that does not run
 * @way: a further method; copied
 * @user_data: for its start()
 *
 * Adds a method that this library knows nothing of. Those of TURN and SIP, and
 * direct UDP, are tried too, unless turn_connect_detection_set_methods() says otherwise.
 */
TURN_CONNECT_API void turn_connect_detection_add_method (TurnConnectDetection *detection,
                                                         const TurnConnectTrialWay *way,
                                                         gpointer user_data);

/**
 * turn_connect_detection_set_fact:
 * @detection: a detection that does not run
 * @key: what it is about. "options" names, with spaces between, those options of tep-c(1) and
 * turn-connect(1) without which servers are not reached from here, such as --ca: they become part of
 * the verdict's configuration lines, without their values
 * @value: what it is
 *
 * Notes what the program knows of this machine among the facts of the observations.
 */
TURN_CONNECT_API void turn_connect_detection_set_fact (TurnConnectDetection *detection,
                                                       const char *key,
                                                       const char *value);

/**
 * turn_connect_detection_run_async:
 * @detection: a detection that does not run
 * @cancellable: (nullable): ends the run; what was seen until then is kept
 * @callback: (scope async) (closure user_data): called once, never before this call returned
 * @user_data: for @callback
 *
 * Sends all probes and waits for what comes of them: at most 12 s, deep runs 345 s.
 */
TURN_CONNECT_API void turn_connect_detection_run_async (TurnConnectDetection *detection,
                                                        GCancellable *cancellable,
                                                        GAsyncReadyCallback callback,
                                                        gpointer user_data);

/**
 * turn_connect_detection_run_finish:
 * @detection: a detection
 * @result: as given to the callback
 * @error: %G_IO_ERROR_CANCELLED
 *
 * Returns: %FALSE on error; observations and verdict are there in either case
 */
TURN_CONNECT_API gboolean turn_connect_detection_run_finish (TurnConnectDetection *detection,
                                                             GAsyncResult *result,
                                                             GError **error);

/**
 * turn_connect_detection_get_observations:
 * @detection: a detection
 *
 * Returns: (transfer none) (nullable): what the last run saw, until the next begins; %NULL before
 */
TURN_CONNECT_API const TurnConnectObservations *
turn_connect_detection_get_observations (TurnConnectDetection *detection);

/**
 * turn_connect_detection_get_verdict:
 * @detection: a detection
 *
 * Returns: (transfer none) (nullable): what that means
 */
TURN_CONNECT_API const TurnConnectVerdict *
turn_connect_detection_get_verdict (TurnConnectDetection *detection);

G_END_DECLS
