/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/address.h"
#include "tep-s/version.h"

G_BEGIN_DECLS

/**
 * TepServerDirection:
 * @TEP_SERVER_TO_REMOTE: from the device to the remote
 * @TEP_SERVER_FROM_REMOTE: from the remote to the device
 *
 * Which way a packet goes. The same rules hold both ways; the direction is for those who count.
 */
typedef enum {
  TEP_SERVER_TO_REMOTE,
  TEP_SERVER_FROM_REMOTE,
} TepServerDirection;

/**
 * TepServerVerdict:
 * @TEP_SERVER_VERDICT_ALLOW: the packet may pass
 * @TEP_SERVER_VERDICT_DENY_MALFORMED: no address, or port 0
 * @TEP_SERVER_VERDICT_DENY_OWN: an address and port of this server itself, whatever the lists say
 * @TEP_SERVER_VERDICT_DENY_RULE: a "deny" rule names it
 * @TEP_SERVER_VERDICT_DENY_SPECIAL_PURPOSE: in a special-purpose range that no "allow" rule opens
 * @TEP_SERVER_VERDICT_DENY_EMBEDDED: an IPv6 address with a denied IPv4 address inside
 * @TEP_SERVER_VERDICT_DENY_PORT: outside the media ports, and no "allow" rule names the port
 * @TEP_SERVER_VERDICT_DENY_NOT_LISTED: a public address, where only listed ones may be reached
 * @TEP_SERVER_N_VERDICTS: how many there are; sizes arrays of counters
 */
typedef enum {
  TEP_SERVER_VERDICT_ALLOW,
  TEP_SERVER_VERDICT_DENY_MALFORMED,
  TEP_SERVER_VERDICT_DENY_OWN,
  TEP_SERVER_VERDICT_DENY_RULE,
  TEP_SERVER_VERDICT_DENY_SPECIAL_PURPOSE,
  TEP_SERVER_VERDICT_DENY_EMBEDDED,
  TEP_SERVER_VERDICT_DENY_PORT,
  TEP_SERVER_VERDICT_DENY_NOT_LISTED,
  TEP_SERVER_N_VERDICTS
} TepServerVerdict;

/**
 * TepServerOwnRange:
 * @address: an address of this server; the unspecified address (0.0.0.0 or ::) stands for every
 * address of every interface, and loopback. Its port is not looked at
 * @first_port: first port in use, 0 for all ports
 * @last_port: last port in use, not below @first_port
 */
typedef struct {
  StunExtAddress address;
  guint16 first_port;
  guint16 last_port;
} TepServerOwnRange;

/**
 * TepServerPolicyRules:
 * @allow: (nullable) (array zero-terminated=1): rules "PREFIX", "PREFIX:PORT" or
 * "PREFIX:PORT-PORT"; an IPv6 prefix with ports stands in brackets, "[2001:db8::/32]:5060"
 * @deny: (nullable) (array zero-terminated=1): rules of the same form; without a port they deny all
 * ports
 * @core: (nullable) (array zero-terminated=1): prefixes that may send to a binding before its
 * remote is named
 * @own: (nullable) (array length=n_own): what this server listens on
 * @n_own: number of @own
 * @is_public_denied: addresses outside the special-purpose ranges need an "allow" rule too
 * @first_media_port: first port that rules without a port open; 0 for 1024
 * @last_media_port: last such port; 0 for 65535
 *
 * What a policy is made of, as the configuration file says it.
 */
typedef struct {
  const char *const *allow;
  const char *const *deny;
  const char *const *core;
  const TepServerOwnRange *own;
  gsize n_own;
  gboolean is_public_denied;
  guint16 first_media_port;
  guint16 last_media_port;
} TepServerPolicyRules;

/**
 * TepServerPolicy:
 *
 * Decides about every address that is named on any path. Immutable: any number of threads may ask
 * at once without a lock, and a reload replaces the whole policy. Reference-counted.
 */
typedef struct _TepServerPolicy TepServerPolicy;

/**
 * tep_server_policy_new:
 * @rules: the rules, not kept
 * @error: return location
 *
 * Compiles rules. A rule that is malformed or empty, overlaps another of its list, or opens what
 * must stay shut (multicast, broadcast, 0.0.0.0/8) is an error that names the list and quotes the
 * rule.
 *
 * Returns: (transfer full): the policy; %NULL with %TEP_SERVER_ERROR_CONFIG
 */
TEP_SERVER_API TepServerPolicy *tep_server_policy_new (const TepServerPolicyRules *rules,
                                                       GError **error);

/**
 * tep_server_policy_new_with_own:
 * @policy: a policy
 * @own: (array length=n_own): more addresses of this server, such as a listener's whose port the
 * kernel chose
 * @n_own: number of @own
 *
 * Returns: (transfer full): a policy with the same rules that denies @own too, with a generation of
 * its own
 */
TEP_SERVER_API TepServerPolicy *tep_server_policy_new_with_own (const TepServerPolicy *policy,
                                                                const TepServerOwnRange *own,
                                                                gsize n_own);

/**
 * tep_server_policy_ref:
 * @policy: a policy
 *
 * Any thread.
 *
 * Returns: (transfer full): @policy
 */
TEP_SERVER_API TepServerPolicy *tep_server_policy_ref (TepServerPolicy *policy);

/**
 * tep_server_policy_unref:
 * @policy: (transfer full): a policy
 *
 * Any thread.
 */
TEP_SERVER_API void tep_server_policy_unref (TepServerPolicy *policy);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerPolicy, tep_server_policy_unref)

/**
 * tep_server_policy_check:
 * @policy: a policy
 * @direction: which way the packet goes
 * @remote: the far address: destination towards the remote, source from it
 *
 * The one decision (requirement 3): asked for each packet, in both directions. The address is
 * brought into its canonical form first, and each IPv4 address inside an IPv6 one is judged as
 * well. Allocates nothing; time grows with the logarithm of the number of rules. Any thread.
 *
 * Returns: the verdict
 */
TEP_SERVER_API TepServerVerdict tep_server_policy_check (const TepServerPolicy *policy,
                                                         TepServerDirection direction,
                                                         const StunExtAddress *remote);

/**
 * tep_server_policy_is_core:
 * @policy: a policy
 * @remote: the source of a packet
 *
 * Whether a packet may reach a binding although nobody named its source yet (early media).
 * tep_server_policy_check() is to be asked besides. Any thread.
 *
 * Returns: %TRUE if @remote lies in a core prefix
 */
TEP_SERVER_API gboolean tep_server_policy_is_core (const TepServerPolicy *policy,
                                                   const StunExtAddress *remote);

/**
 * tep_server_policy_get_generation:
 * @policy: a policy
 *
 * Names the policy for caches: a verdict remembered under another generation is void.
 *
 * Returns: a number above 0 that no other policy of this process has
 */
TEP_SERVER_API guint64 tep_server_policy_get_generation (const TepServerPolicy *policy);

/**
 * tep_server_verdict_name:
 * @verdict: a verdict
 *
 * Returns: (transfer none): its name for counters and logs, such as "special-purpose"
 */
TEP_SERVER_API const char *tep_server_verdict_name (TepServerVerdict verdict);

G_END_DECLS
