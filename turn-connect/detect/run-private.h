/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a family of probes is, and what it is given to work with.
 *
 * To add a family, "tls" say:
 *  1. Write detect/tls-probe.c with start () and stop (), and declare both below, beside the others.
 *  2. Add a line to the table in families.c and a value to TurnConnectFamilyId. The line says which
 *     families it waits for, and from when on it need not wait any longer (is_ready).
 *  3. In start (): for every question turn_connect_run_begin (), fill in what is known beforehand
 *     (target, carry, deadline_us), ask, and whatever happens turn_connect_run_end () exactly once
 *     for each. Return the family's state; or NULL if there is nothing to ask.
 *  4. When all its probes ended: turn_connect_run_done (). Then, and when the run is cancelled,
 *     stop () is called once: it frees everything and calls nothing back. Probes that did not end
 *     are noted as cancelled by the run.
 *  5. Teach the classifier what the outcomes mean, in the classify-*.c of its part of the vector,
 *     and add a recorded case to tests/turn-connect/detect-cases.
 *
 * Probes write facts; they judge nothing. What comes from the network is hostile: bounded, and text
 * of it goes through turn_connect_error_quote () before it becomes a detail or a fact.
 * Everything happens on the run's main context; nothing blocks.
 */
#pragma once

#include "stun-ext/detect.h"
#include "turn-connect/detect/observations.h"
#include "turn-connect/detect/trial.h"
#include "turn-connect/detect/trust.h"
#include "turn-connect/proxy/url.h"
#include "turn-connect/target.h"

#include <gio/gio.h>

typedef struct _TurnConnectRun TurnConnectRun;

/* In the order of the table. */
typedef enum {
  TURN_CONNECT_FAMILY_STUN,
  TURN_CONNECT_FAMILY_PORT,
  TURN_CONNECT_FAMILY_NAT,
  TURN_CONNECT_FAMILY_NAT6,
  TURN_CONNECT_FAMILY_SELF,
  TURN_CONNECT_FAMILY_SELF_LATE,
  TURN_CONNECT_FAMILY_STUN_FURTHER,
  TURN_CONNECT_FAMILY_PORT_FURTHER,
  TURN_CONNECT_FAMILY_NAME,
  TURN_CONNECT_FAMILY_GATEWAY,
  TURN_CONNECT_FAMILY_PROXY,
  TURN_CONNECT_FAMILY_SELF_PROXY,
  TURN_CONNECT_FAMILY_TRANSPARENT,
  TURN_CONNECT_FAMILY_METHOD,
  TURN_CONNECT_FAMILY_LIFETIME,
  TURN_CONNECT_FAMILY_IDLE,
  TURN_CONNECT_FAMILY_MTU,
  TURN_CONNECT_FAMILY_MSS,
  TURN_CONNECT_FAMILY_QUALITY,
  TURN_CONNECT_FAMILY_PAYLOAD,
  TURN_CONNECT_FAMILY_FAR_RECORD,
  TURN_CONNECT_FAMILY_HOP,
  TURN_CONNECT_N_FAMILIES,
} TurnConnectFamilyId;
#define TURN_CONNECT_WAITS_FOR(name) (1u << TURN_CONNECT_FAMILY_##name)

typedef struct {
  const char *name;
  const char *doing; /* for people, while it is at work */
  guint waits_for;   /* set of TURN_CONNECT_WAITS_FOR; 0: begins at once */
  /* Whether it can begin before those it waits for have ended; asked whenever a probe ends, and four
   * times a second. NULL: it cannot. */
  gboolean (*is_ready) (TurnConnectRun *run);
  gpointer (*start) (TurnConnectRun *run);
  void (*stop) (gpointer state);
  /* Which of #TurnConnectProbeSet it belongs to; none: it runs only when everything is asked. */
  guint sets;
} TurnConnectProbeFamily;

extern const TurnConnectProbeFamily turn_connect_families[TURN_CONNECT_N_FAMILIES];

/* A method that the program brings. */
typedef struct {
  TurnConnectTrialWay way;
  gpointer data;
} TurnConnectPlannedWay;

/* Which TURN server is tried by one transport. */
typedef struct {
  char *host;   /* NULL: the far end */
  guint16 port; /* 0: the usual one */
  gboolean is_off;
} TurnConnectPlannedTurn;

/* What a run was asked for; borrowed, constant while it lasts. */
typedef struct {
  TurnConnectTarget *target; /* host, port, proxy, whom TLS trusts */
  guint family;              /* 4 or 6 alone; 0: both */
  char *interface;           /* NULL: any */
  char *user, *password;     /* NULL: none */
  gboolean is_deep;
  GArray *ladder;                /* guint, seconds: how long deep runs are silent, ascending */
  guint sets;                    /* of #TurnConnectProbeSet */
  char **methods;                /* those to try, best first; NULL: all */
  gboolean is_first_wanted;      /* the first method that works ends it */
  gint64 grace_us;               /* how long better ones have then */
  guint16 direct_port;           /* where direct UDP is tried; 0: the target's */
  GArray *udp_ports, *tcp_ports; /* guint16, without repetition */
  GArray *ways;                  /* TurnConnectPlannedWay; NULL: none */
  TurnConnectPlannedTurn turn[TURN_CONNECT_N_CARRIES];
  GHashTable *facts; /* of this machine, for the observations */
} TurnConnectPlan;

/* The run */

const TurnConnectPlan *turn_connect_run_get_plan (TurnConnectRun *run);
/* The addresses of the far end stand in servers, with port 0. */
TurnConnectObservations *turn_connect_run_get_observations (TurnConnectRun *run);
GMainContext *turn_connect_run_get_context (TurnConnectRun *run);
/* Cancelled when the run ends; for what takes a cancellable. */
GCancellable *turn_connect_run_get_cancellable (TurnConnectRun *run);
/* Microseconds since the run began. */
gint64 turn_connect_run_get_now (TurnConnectRun *run);

/* Is the far end's name looked up, so that its addresses are known if there are any? */
gboolean turn_connect_run_is_looked_up (TurnConnectRun *run);
/* Tells whoever asked for the first method that this one works. */
void turn_connect_run_tell_works (TurnConnectRun *run, const TurnConnectProbe *probe);

/* The address of the far end in a family with this port; FALSE if it has none. */
gboolean turn_connect_run_get_server (TurnConnectRun *run,
                                      guint8 family,
                                      guint16 port,
                                      StunExtAddress *address);
/* The shortest round trip to the far end so far, -1 without: what deadlines are made of. */
gint64 turn_connect_run_get_rtt (TurnConnectRun *run, guint8 family);
/* From where packets to @remote go, with port 0; FALSE without a route. */
gboolean turn_connect_run_get_local (TurnConnectRun *run,
                                     const StunExtAddress *remote,
                                     StunExtAddress *local);
/* A number for probes that share a socket. */
guint turn_connect_run_new_group (TurnConnectRun *run);

/* An address that nobody has (RFC 5737, RFC 3849), not next to the far end or this network. */
gboolean turn_connect_run_find_decoy (TurnConnectRun *run, guint8 family, StunExtAddress *decoy);
/* The plan's target; once the proxy is found that the plan only says where to look for, with it. */
TurnConnectTarget *turn_connect_run_get_target (TurnConnectRun *run);
/* It is found: NULL for none. @is_told: as proxy/finder.h has it. */
void turn_connect_run_set_proxy (TurnConnectRun *run, TurnConnectProxy *proxy, gboolean is_told);
/* Is it still to be found, or to let us through for the first time? Others had better wait. */
gboolean turn_connect_run_is_proxy_awaited (TurnConnectRun *run);
/* Is there a proxy to go through, as far as known, and what to call it. */
gboolean turn_connect_run_has_proxy (TurnConnectRun *run);
/* A proxy refused the password it was given: it is not to be given again. */
gboolean turn_connect_run_is_proxy_login_wrong (TurnConnectRun *run);
char *turn_connect_run_describe_proxy (TurnConnectRun *run);
/* Ports where the far end says that it listens, UDP or TCP, and which are not in the plan; a few. */
GArray *turn_connect_run_find_further_ports (TurnConnectRun *run, TurnConnectCarry carry);

/* A probe that begins now; lives as long as the run's observations. NULL target: none. */
TurnConnectProbe *turn_connect_run_begin (TurnConnectRun *run,
                                          TurnConnectProbeKind kind,
                                          const char *variant,
                                          TurnConnectCarry carry,
                                          const StunExtAddress *target);
/* Its number, which is what far end and record know it by. */
guint turn_connect_run_get_number (TurnConnectRun *run, const TurnConnectProbe *probe);
/* It ended with this outcome. Families that wait may begin before this returns. */
void
turn_connect_run_end (TurnConnectRun *run, TurnConnectProbe *probe, TurnConnectOutcome outcome);
/* All of the family's probes have ended; its stop () is called soon. */
void turn_connect_run_done (TurnConnectRun *run, TurnConnectFamilyId id);

/* Has a probe of this kind and family ended with the right answer? */
const TurnConnectProbe *
turn_connect_run_find_passed (TurnConnectRun *run, TurnConnectProbeKind kind, guint8 family);

/* Tells people what goes on. */
void turn_connect_run_say (TurnConnectRun *run, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* A non-blocking socket of the family (4 or 6), bound to the interface the run is bound to; -1 with
 * errno. */
int turn_connect_run_open_socket (TurnConnectRun *run, guint8 family, int type);
/* Calls once, @delay_us from now. Owned by the caller. */
GSource *
turn_connect_run_add_timer (TurnConnectRun *run, gint64 delay_us, GSourceFunc func, gpointer data);
/* Destroys a source and forgets it; NULL is fine. */
void turn_connect_run_clear_source (GSource **source);

/* What marks this run's probes; see stun-ext/detect.h. */
StunExtDetectRun turn_connect_run_get_id (TurnConnectRun *run);
/* Whom it signs for, and whom it believes. */
TurnConnectTrust *turn_connect_run_get_trust (TurnConnectRun *run);
/* The key that answers are checked with, which the user's password makes for this run; NULL without
 * credentials. */
const StunExtDetectKey *turn_connect_run_get_user_key (TurnConnectRun *run);
/* What the proof of an answer to an unsigned request is worth; the probe has it from now on. */
TurnConnectProof
turn_connect_run_weigh (TurnConnectRun *run, TurnConnectProbe *probe, StunExtDetectProof proof);

/* Whether the probe's next request, a Binding request outside TLS, names the user. A server that knows
 * nothing of our signatures refuses all that have one, and is then asked without. */
gboolean turn_connect_run_signs (TurnConnectRun *run, const TurnConnectProbe *probe);

/* Binding requests of this run */

#define TURN_CONNECT_BINDING_MAX 512 /* octets of one */

/* Writes one for the probe. Returns its octets, 0 if that cannot be. */
gsize turn_connect_run_write_binding (TurnConnectRun *run,
                                      const TurnConnectProbe *probe,
                                      const guint8 id[12],
                                      guint32 change,
                                      guint8 buffer[TURN_CONNECT_BINDING_MAX]);
/* One of @size octets, for an answer as long. It names no user, for servers that know nothing of our way
 * of doing so refuse it; but where the plan has a port for direct UDP, one that they do not have. */
gsize turn_connect_run_write_long_binding (TurnConnectRun *run,
                                           const TurnConnectProbe *probe,
                                           const guint8 id[12],
                                           gsize size,
                                           guint8 buffer[TURN_CONNECT_BINDING_MAX]);
/* Any other of the run: @request but for its mark's run and probe, and for who asks. */
gsize turn_connect_run_write_request (TurnConnectRun *run,
                                      const TurnConnectProbe *probe,
                                      StunExtDetectRequest *request,
                                      guint8 *buffer,
                                      gsize capacity);
/* What exactly one datagram or message is: PENDING if no answer to the request with this id but for
 * its last octet, which tells attempts apart; else the outcome, with what the answer says noted in
 * the probe, where it is not an error. @attempt: that last octet. */
TurnConnectOutcome turn_connect_run_read_binding (TurnConnectRun *run,
                                                  TurnConnectProbe *probe,
                                                  const guint8 id[12],
                                                  const guint8 *data,
                                                  gsize length,
                                                  guint8 *attempt);

/* The run's own making, for detection.c */

/* Told when a probe ended (and @doing what else begins), and when all is over. */
typedef void (*TurnConnectRunProgressFunc) (const char *doing,
                                            const TurnConnectProbe *probe,
                                            gpointer user_data);
typedef void (*TurnConnectRunDoneFunc) (gpointer user_data);
/* Told about the method that is to be used now. */
typedef void (*TurnConnectRunWorksFunc) (const TurnConnectProbe *probe, gpointer user_data);

/* Begins at the next iteration of the thread's default main context. @plan must outlive it. */
TurnConnectRun *turn_connect_run_new (const TurnConnectPlan *plan,
                                      TurnConnectRunProgressFunc progress,
                                      TurnConnectRunWorksFunc works,
                                      TurnConnectRunDoneFunc done,
                                      gpointer user_data);
/* Ends it wherever it is; nothing is called back. */
void turn_connect_run_free (TurnConnectRun *run);
/* What it saw so far; the run must not be used any more, but freed. */
TurnConnectObservations *turn_connect_run_steal_observations (TurnConnectRun *run);

/* The families */

gpointer turn_connect_stun_probe_start (TurnConnectRun *run);
gpointer turn_connect_stun_probe_start_further (TurnConnectRun *run);
void turn_connect_stun_probe_stop (gpointer state);
gpointer turn_connect_port_probe_start (TurnConnectRun *run);
gpointer turn_connect_port_probe_start_further (TurnConnectRun *run);
void turn_connect_port_probe_stop (gpointer state);
gboolean turn_connect_self_probe_is_known (TurnConnectRun *run);
gboolean turn_connect_self_probe_is_late (TurnConnectRun *run);
gpointer turn_connect_self_probe_start (TurnConnectRun *run);
gpointer turn_connect_self_probe_start_late (TurnConnectRun *run);
gpointer turn_connect_self_probe_start_proxied (TurnConnectRun *run);
void turn_connect_self_probe_stop (gpointer state);
gboolean turn_connect_nat_probe_is_ready_ipv4 (TurnConnectRun *run);
gboolean turn_connect_nat_probe_is_ready_ipv6 (TurnConnectRun *run);
gpointer turn_connect_nat_probe_start_ipv4 (TurnConnectRun *run);
gpointer turn_connect_nat_probe_start_ipv6 (TurnConnectRun *run);
void turn_connect_nat_probe_stop (gpointer state);
gpointer turn_connect_name_probe_start (TurnConnectRun *run);
void turn_connect_name_probe_stop (gpointer state);
/* A proxy let us through, or did not, or there is none. */
gboolean turn_connect_proxy_probe_is_tried (TurnConnectRun *run);
gpointer turn_connect_proxy_probe_start (TurnConnectRun *run);
void turn_connect_proxy_probe_stop (gpointer state);
gpointer turn_connect_transparent_probe_start (TurnConnectRun *run);
void turn_connect_transparent_probe_stop (gpointer state);
gpointer turn_connect_gateway_probe_start (TurnConnectRun *run);
void turn_connect_gateway_probe_stop (gpointer state);
gboolean turn_connect_method_probe_is_ready (TurnConnectRun *run);
gpointer turn_connect_method_probe_start (TurnConnectRun *run);
void turn_connect_method_probe_stop (gpointer state);
gboolean turn_connect_lifetime_probe_is_ready (TurnConnectRun *run);
gpointer turn_connect_lifetime_probe_start (TurnConnectRun *run);
void turn_connect_lifetime_probe_stop (gpointer state);
gboolean turn_connect_idle_probe_is_ready (TurnConnectRun *run);
gpointer turn_connect_idle_probe_start (TurnConnectRun *run);
void turn_connect_idle_probe_stop (gpointer state);
gpointer turn_connect_mtu_probe_start (TurnConnectRun *run);
void turn_connect_mtu_probe_stop (gpointer state);
gpointer turn_connect_mss_probe_start (TurnConnectRun *run);
void turn_connect_mss_probe_stop (gpointer state);
gpointer turn_connect_quality_probe_start (TurnConnectRun *run);
void turn_connect_quality_probe_stop (gpointer state);
gboolean turn_connect_payload_probe_is_ready (TurnConnectRun *run);
gpointer turn_connect_payload_probe_start (TurnConnectRun *run);
void turn_connect_payload_probe_stop (gpointer state);
gpointer turn_connect_hop_probe_start (TurnConnectRun *run);
void turn_connect_hop_probe_stop (gpointer state);
gpointer turn_connect_far_record_probe_start (TurnConnectRun *run);
void turn_connect_far_record_probe_stop (gpointer state);
