/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What call.c and call-branch.c know of each other. */
#pragma once

#include "stun-ext/message.h"
#include "stun-ext/sdp.h"
#include "tep-c/call.h"
#include "tep-c/ice.h"
#include "tep-c/path.h"

G_BEGIN_DECLS

#define TEP_CLIENT_CALL_COMPONENTS_MAX 2
#define TEP_CLIENT_CALL_BRANCHES_MAX 16 /* arbitrary; each may cost a flow per component */

/* One remote of one component, as the tunnel reaches it. Branches that name the same remote share
 * it. */
typedef struct {
  TepClientCall *call;
  guint component;
  StunExtAddress remote;
  TepClientFlow *flow; /* NULL until it is open */
  GError *error;       /* why it will not open */
} TepClientLeg;

/* One far side that answered. */
typedef struct {
  TepClientCall *call; /* NULL once it is closed */
  char *name;
  TepClientPathState state;
  const char *carrier; /* what carries, or last carried, its media */
  guint n_components;  /* in use */
  StunExtAddress remotes[TEP_CLIENT_CALL_COMPONENTS_MAX];
  gboolean is_answered;  /* described to it and by it: the clock runs */
  gboolean was_reported; /* "failed" was emitted */

  gboolean has_tunnel; /* it offers our TEP-S, and we have a lease */
  TepClientLeg *legs[TEP_CLIENT_CALL_COMPONENTS_MAX];
  TepClientLeg *next_legs[TEP_CLIENT_CALL_COMPONENTS_MAX]; /* of a new remote */
  TepClientLeg *old_legs[TEP_CLIENT_CALL_COMPONENTS_MAX];  /* of the one before, for a while */
  GSource *linger;
  GError *tunnel_cause;

  gboolean has_ice;
  gboolean is_lite;
  char *ice_text;  /* its section and the session's part */
  guint nominated; /* bit per component */
  gboolean is_ice_dead;
  GError *ice_cause;

  GSource *head_start;
  gint64 answered_us;
  guint64 decided_us;
  guint64 first_media_us;
} TepClientBranch;

#define TEP_CLIENT_CHECKS_MAX 32 /* whose answers may still come; arbitrary */

typedef struct {
  guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH];
  guint8 ufrag[32]; /* the agent's, or as much of it */
  gsize ufrag_length;
} TepClientCheck;

/* What the agent asked through tunnels, a ring. */
typedef struct {
  TepClientCheck asked[TEP_CLIENT_CHECKS_MAX];
  guint n_asked;
} TepClientChecks;

struct _TepClientCall {
  GObject parent_instance;

  GMainContext *context;
  TepClientSession *session; /* may be NULL */
  TepClientCallOptions options;
  char **server_names;
  TepClientCallReceive receive;
  gpointer receive_data;

  GTask *preparing;
  GSource *prepare_timer;
  gboolean is_prepared;
  gboolean is_leasing;
  gboolean is_gathering;
  gboolean is_over;
  TepClientBinding *binding;
  GError *lease_error;
  TepClientIce *ice; /* NULL without a local address */
  GError *ice_error;

  gboolean is_described;
  gboolean is_ice_restarted; /* by us; the far side's credentials are awaited */
  GPtrArray *branches;       /* (element-type TepClientBranch): own a reference each */
  GPtrArray *legs;           /* (element-type TepClientLeg): not owned */
  TepClientBranch *current;  /* confirmed, or the latest; not owned */
  gboolean is_confirmed;
  TepClientBranch *ice_branch; /* whom the agent serves; not owned */
  TepClientChecks checks;
};

/* call.c */
void tep_client_call_release_lease (TepClientCall *call);

/* call-prepare.c */
/* The answerer controls if the far side is ICE-lite: a new agent, before our description. */
void tep_client_call_take_control (TepClientCall *call);
void tep_client_call_end_preparing (TepClientCall *call, GError *error);

/* call-checks.c */
void tep_client_checks_note (TepClientChecks *checks, const guint8 *data, gsize length);
gboolean tep_client_checks_own (const TepClientChecks *checks, const guint8 *data, gsize length);

/* call-leg.c */
/* A leg to that remote: an existing one unless it failed, or a new one. */
TepClientLeg *
tep_client_leg_get (TepClientCall *call, guint component, const StunExtAddress *remote);
void tep_client_leg_unref (TepClientLeg *leg);
void tep_client_legs_drop (TepClientLeg **legs);
gboolean tep_client_legs_are_open (TepClientLeg *const *legs, guint n);
TepClientFlow *tep_client_branch_get_flow (TepClientBranch *branch, guint component);
TepClientSent
tep_client_branch_send (TepClientBranch *branch, guint component, const guint8 *data, gsize length);
TepClientBranch *
tep_client_branch_find (TepClientCall *call, guint component, const StunExtAddress *remote);

/* call-branch.c */
void tep_client_branch_leg_done (TepClientBranch *branch, TepClientLeg *leg);
TepClientBranch *tep_client_branch_new (TepClientCall *call, const char *name);
void tep_client_branch_close (TepClientBranch *branch);
/* What a description says; the first one starts the paths. */
void tep_client_branch_describe (TepClientBranch *branch, const StunExtSdp *sdp);
/* Both descriptions are known: the head start begins. */
void tep_client_branch_answered (TepClientBranch *branch);
/* The agent leaves whom it served and turns to this one. */
void tep_client_branch_take_agent (TepClientBranch *branch);
void tep_client_branch_ice_restarted (TepClientBranch *branch);
void tep_client_branch_ice_nominated (TepClientBranch *branch, guint component, gboolean is_tunnel);
void tep_client_branch_ice_failed (TepClientBranch *branch, const GError *cause);
void tep_client_branch_tunnel_failed (TepClientBranch *branch, const GError *cause);
void tep_client_branch_received (TepClientBranch *branch);
gpointer tep_client_branch_ref (gconstpointer branch, gpointer data); /* a GCopyFunc */
void tep_client_branch_unref (TepClientBranch *branch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepClientBranch, tep_client_branch_unref)

G_END_DECLS
