/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the units of the core know of one another: core.c, connection.c, tunnel.c, requests.c,
 * packets.c. */
#pragma once

#include "stun-ext/feedback.h"
#include "stun-ext/flow.h"
#include "stun-ext/frame.h"
#include "stun-ext/front-door.h"
#include "stun-ext/http-request.h"
#include "stun-ext/message.h"
#include "stun-ext/stream.h"
#include "stun-ext/tunnel-key.h"
#include "tep-s/core.h"
#include "tep-s/output.h"
#include "tep-s/table.h"
#include "tep-s/wheel.h"

G_BEGIN_DECLS

#define US_PER_S G_GINT64_CONSTANT (1000000)
#define PACKET_BATCH 256
#define UNAUTHENTICATED_BUDGET 16384u /* octets, PROTOCOL.md section 14 */
#define PLAIN_BUFFER_SIZE 65536
#define RESERVE_OCTETS 16384          /* what answers may use of the output beyond media */
#define TEP_SERVER_CREDENTIAL_MARK 16 /* octets */
#define OPENER_BUCKETS 256

typedef struct _TepServerTunnel TepServerTunnel;
typedef struct _TepServerLeasing TepServerLeasing;
typedef struct _TepServerFlow TepServerFlow;

/* ---- connection ---- */

typedef enum {
  CONNECTION_DOOR,      /* waiting for the first octets of a layer */
  CONNECTION_REQUEST,   /* reading an HTTP request */
  CONNECTION_HANDSHAKE, /* TLS is being set up */
  CONNECTION_STUN,      /* bare STUN over TCP */
  CONNECTION_OPENING,   /* frames, not authenticated */
  CONNECTION_TUNNEL,    /* frames of a tunnel */
  CONNECTION_LEAVING,   /* about to be handed over to another worker */
  CONNECTION_CLOSING,   /* output is still to be written, nothing more is read */
  CONNECTION_OVER,      /* to be freed at the end of the round */
  N_CONNECTION_STATES,
} ConnectionState;

typedef enum {
  CONNECTION_SAW_TLS,
  CONNECTION_SAW_HTTP,
  CONNECTION_SAW_STUN,
  CONNECTION_SAW_TUNNEL,
  CONNECTION_NEXT_LAYER, /* CONNECT was granted, or the handshake is complete */
  CONNECTION_AUTHENTICATED,
  CONNECTION_ELSEWHERE, /* the tunnel belongs to another worker */
  CONNECTION_ADOPTED,
  CONNECTION_FINISH, /* close after what is to be written */
  CONNECTION_ABORT,  /* close now */
  N_CONNECTION_EVENTS,
} ConnectionEvent;

/* What only a connection that is not authenticated needs; freed then. */
typedef struct _FrontDoor FrontDoor;
struct _FrontDoor {
  TepServerConnection *connection;
  FrontDoor *next, **at; /* of all newcomers of the worker */
  gint64 opened_us;
  guint8 sniffed[STUN_EXT_FRONT_DOOR_MAX_LENGTH + 1];
  guint8 n_sniffed;
  guint32 budget;          /* octets that may still come */
  gint64 message_due_us;   /* first complete message */
  gint64 handshake_due_us; /* TLS */
  gint64 authentication_due_us;
  gboolean has_message;
  gboolean may_connect;
  GBytes *unread; /* for the worker that takes over */
  GBytes *unread_tls;
  StunExtHttpRequest request;
};

struct _TepServerConnection {
  TepServerCore *core;
  gintptr host_data;
  StunExtAddress source;
  guint64 source_key;
  guint8 state; /* ConnectionState; step() alone writes it */
  guint8 layers;
  guint8 number;
  guint8 is_dirty;
  guint8 is_unauthenticated; /* counted as such */
  guint8 is_output_waiting;  /* the kernel took less than there is */
  guint8 is_counted;         /* the reason for its end has been counted */
  guint8 target_worker;
  FrontDoor *front;
  TepServerTunnel *tunnel;
  TepServerTls *tls;
  StunExtStream stream;
  TepServerOutput out;   /* for the network */
  TepServerOutput plain; /* for TLS, within a round */
  StunExtTimeline timeline;
  StunExtSendLog log;
  gint64 progress_us; /* when the kernel last took octets, while there are some */
  TepServerTimer timer;
  TepServerConnection *next_dirty;
  TepServerConnection *next, **at; /* of all */
};

/* ---- tunnel ---- */

typedef enum {
  TUNNEL_PROVISIONAL, /* opened, nothing under the tunnel key yet */
  TUNNEL_LIVE,
  TUNNEL_DETACHED,  /* without connections, waiting to be resumed */
  TUNNEL_LINGERING, /* the last flow has ended */
  TUNNEL_OVER,
  N_TUNNEL_STATES,
} TunnelState;

typedef enum {
  TUNNEL_CONFIRM,
  TUNNEL_ATTACH, /* a connection joined or resumed */
  TUNNEL_LOSE,   /* the last connection is gone */
  TUNNEL_FLOW,   /* a flow was opened */
  TUNNEL_IDLE,   /* the last flow has ended */
  TUNNEL_END,
  N_TUNNEL_EVENTS,
} TunnelEvent;

/* A port of a binding, in the table of leased addresses. */
typedef struct {
  TepServerNode node;
  StunExtAddress address;
  TepServerLeasing *leasing;
} LeasedPort;

/* An answer to a Lease request that waits for the media side. */
typedef struct {
  TepServerConnection *connection; /* to compare only: it may be gone */
  guint8 number;
  guint8 transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH];
  guint8 key[STUN_EXT_TUNNEL_KEY_LENGTH];
  guint32 lifetime_s;
} HeldAnswer;

struct _TepServerLeasing {
  TepServerBinding binding; /* what the media side sees; first, so that it leads back here */
  HeldAnswer *held;         /* while the binding is pending */
  TepServerTunnel *tunnel;
  TepServerLeasing *next;
  LeasedPort ports[2];
  guint32 id;
  gint64 expires_us;
};

typedef struct {
  gint64 filled_us;
  gint64 octets;
} Bucket;

struct _TepServerFlow {
  TepServerNode node; /* in the table of 5-tuples */
  TepServerFlow *next;
  TepServerLeasing *leasing;
  StunExtAddress leased;
  StunExtAddress remote;
  guint64 policy_generation; /* for which is_allowed holds */
  guint32 bandwidth_kbit;
  guint16 id;
  guint16 sequence;
  guint8 has_id; /* else implicit: whole IP packets both ways */
  guint8 is_allowed;
  guint8 dscp;
  guint8 offset;
  gint64 used_us;
  Bucket up;
  Bucket down;
  StunExtFlowReceiver receiver;
};

struct _TepServerTunnel {
  TepServerNode node;
  TepServerCore *core;
  guint8 id[STUN_EXT_TUNNEL_ID_LENGTH];
  guint8 state; /* TunnelState; step() alone writes it */
  guint8 is_keep;
  guint8 has_channel_binding;
  guint8 n_connections;
  guint8 last_number; /* connection on which the device's last packet came */
  guint8 had_flow;
  guint16 n_flows;
  guint16 n_bindings;
  guint8 key[STUN_EXT_TUNNEL_KEY_LENGTH];
  guint8 flight_key[STUN_EXT_TUNNEL_KEY_LENGTH]; /* zeros once confirmed */
  StunExtOrdinalWindow ordinals;
  StunExtAddress public_address;
  guint64 user_key;
  guint64 source_key;
  char *login;      /* what the client logged in with; after it was checked */
  const char *user; /* the part of it that names the user */
  guint8 key_kind;  /* TepServerKeyKind */
  guint8 is_secure; /* logged in under TLS */
  guint8 credential_mark[TEP_SERVER_CREDENTIAL_MARK]; /* tells whether the key is still good */
  gint64 confirm_due_us;
  gint64 linger_due_us;
  gint64 heard_us;
  gint64 expires_ms; /* of the credential; 0 for never */
  guint32 next_binding_id;
  TepServerConnection *connections[STUN_EXT_CONNECTIONS_MAX];
  TepServerLeasing *leasings;
  TepServerFlow *flows;
  TepServerFlow *last_flow;
  TepServerTimer timer;
  StunExtTally tally;
  TepServerTunnel *next_feedback, **feedback_at; /* waiting to be sent, oldest first */
  gint64 feedback_since_us;
  TepServerTunnel *next_over;
};

/* ---- core ---- */

typedef struct {
  TepServerNode node;
  StunExtAddress leased; /* no address: any */
  StunExtAddress remote;
} Pinhole;

typedef struct {
  TepServerNode node;
  StunExtAddress leased;
  guint worker;
} ForeignOwner;

struct _TepServerCore {
  const TepServerCoreHost *host;
  gpointer host_data;
  TepServerSettings settings;
  const TepServerConfig
      *started_with; /* the media backend stays as it was opened, whatever a reload says */
  TepServerShared *shared;
  guint index;
  guint total;
  gint64 now_us;
  gint64 now_ms;
  guint64 policy_generation;
  guint64 seed;
  TepServerTable tunnels;
  TepServerTable ports; /* LeasedPort by leased address */
  TepServerTable flows; /* TepServerFlow by 5-tuple */
  TepServerTable foreign;
  TepServerTable pinholes;
  TepServerWheel wheel;
  TepServerChunkPool pool;
  TepServerReplyLimit *reply_limit;
  TepServerConnection *connections;
  FrontDoor *newcomers;
  TepServerConnection *dirty;
  TepServerTunnel *feedback, **feedback_last;
  TepServerTunnel *over; /* to be freed at the end of the round */
  gsize n_connections;
  gboolean is_draining;
  gboolean is_recording;
  gboolean is_detecting;
  gint64 memory_due_us;
  guint memory_level;   /* percent of the budget */
  gint64 opened_window; /* the second in which new tunnels are counted */
  guint opened_in_window;
  guint opened_by[OPENER_BUCKETS]; /* of them, by user */
  gint64 drain_due_us;
  gsize credentials_bucket; /* of the tunnels whose credential a reload made doubtful */
  gboolean is_checking_credentials;
  guint8 *plain_buffer; /* what comes out of TLS in this round */
  gsize plain_used;
  TepServerPacket batch[PACKET_BATCH];
  gsize n_batch;
  _Atomic guint64 counters[TEP_SERVER_N_COUNTERS];
};

static inline void
count_n (TepServerCore *core, TepServerCounter counter, gint64 n)
{
  /* One writer, so no read-modify-write is needed; atomic only because other threads read. */
  guint64 value = atomic_load_explicit (&core->counters[counter], memory_order_relaxed);

  atomic_store_explicit (&core->counters[counter], value + (guint64)n, memory_order_relaxed);
}

#define COUNT(core, name) count_n ((core), TEP_SERVER_COUNTER_##name, 1)
#define COUNT_N(core, name, n) count_n ((core), TEP_SERVER_COUNTER_##name, (n))

/* connection.c */
TepServerConnection *tep_server_connection_new (TepServerCore *core, const StunExtAddress *source);
void tep_server_connection_free (TepServerConnection *connection);
gboolean tep_server_connection_step (TepServerConnection *connection, ConnectionEvent event);
void tep_server_connection_close (TepServerConnection *connection, TepServerCounter reason);
void tep_server_connection_mark_dirty (TepServerConnection *connection);
/* Ends the newcomer of that source that has been there longest and most likely in vain, now and not at the
 * end of the round: its place in all accounts is free when this returns. FALSE if there is none. */
gboolean tep_server_connection_replace (TepServerCore *core, guint64 source_key);
/* Ends it after what is to be written; each end is counted once. */
void tep_server_connection_finish (TepServerConnection *connection, TepServerCounter reason);
/* Appends octets to what is to be written. FALSE if they do not fit and were left out. */
gboolean tep_server_connection_write (TepServerConnection *connection,
                                      const void *head,
                                      gsize head_length,
                                      const void *body,
                                      gsize body_length,
                                      gboolean is_media);
gsize tep_server_connection_unsent (const TepServerConnection *connection);
void tep_server_connection_set_waiting (TepServerConnection *connection, gboolean is_waiting);
void tep_server_connection_encrypt (TepServerConnection *connection);
void tep_server_connection_authenticated (TepServerConnection *connection);
void tep_server_connection_arm (TepServerConnection *connection);
static inline gboolean
tep_server_connection_is_reading (const TepServerConnection *connection)
{
  return connection->state < CONNECTION_LEAVING;
}
void tep_server_connection_timeout (TepServerConnection *connection);
void tep_server_connection_release (TepServerConnection *connection, TepServerHandover *handover);
void tep_server_connection_adopt (TepServerConnection *connection, TepServerHandover *handover);

/* layers.c */
void tep_server_connection_read_plain (TepServerConnection *connection,
                                       const guint8 *data,
                                       gsize length);
void tep_server_connection_read_tls (TepServerConnection *connection);

/* opening.c: STUN messages on a connection without tunnel; bare STUN. */
void tep_server_opening_message (TepServerConnection *connection, const guint8 *data, gsize length);
gsize tep_server_stun_answer (TepServerCore *core,
                              const StunExtAddress *source,
                              const guint8 *data,
                              gsize length,
                              guint8 *answer,
                              gsize capacity);

/* tunnel.c */
gboolean tep_server_tunnel_step (TepServerTunnel *tunnel, TunnelEvent event);
TepServerTunnel *tep_server_tunnel_find (TepServerCore *core, const guint8 *id, gsize length);
void tep_server_tunnel_add (TepServerCore *core, TepServerTunnel *tunnel);
void
tep_server_tunnel_attach (TepServerTunnel *tunnel, TepServerConnection *connection, guint8 number);
void tep_server_tunnel_detach (TepServerTunnel *tunnel, TepServerConnection *connection);
void tep_server_tunnel_confirm (TepServerTunnel *tunnel);
/* Ends a tunnel and closes its connections after their output. code 0: no indication is sent. */
void tep_server_tunnel_end (TepServerTunnel *tunnel, guint code, TepServerCounter reason);
void tep_server_tunnel_free (TepServerTunnel *tunnel);
void tep_server_tunnel_check_idle (TepServerTunnel *tunnel);
void tep_server_tunnel_timeout (TepServerTunnel *tunnel);
void tep_server_tunnel_arm (TepServerTunnel *tunnel);
/* Remembers which key opened the tunnel, and not the key. */
void tep_server_tunnel_mark_credential (TepServerTunnel *tunnel, StunExtSpan key);
/* After a reload: ends the tunnel of a user who could not open it any more. */
void tep_server_tunnel_check_credential (TepServerTunnel *tunnel);
void tep_server_tunnel_feedback (TepServerTunnel *tunnel, TepServerConnection *connection);
void tep_server_tunnel_feedback_due (TepServerTunnel *tunnel);
void tep_server_tunnel_feedback_done (TepServerTunnel *tunnel);

/* flow-table.c */
TepServerLeasing *tep_server_leasing_add (TepServerTunnel *tunnel, const TepServerBinding *binding);
void tep_server_leasing_publish (TepServerLeasing *leasing);
ForeignOwner *tep_server_foreign_find (TepServerCore *core, const StunExtAddress *leased);
void tep_server_leasing_remove (TepServerLeasing *leasing);
TepServerLeasing *tep_server_leasing_find (TepServerTunnel *tunnel, guint32 id);
LeasedPort *tep_server_port_find (TepServerCore *core, const StunExtAddress *leased);
TepServerFlow *tep_server_flow_add (TepServerLeasing *leasing,
                                    const StunExtAddress *leased,
                                    const StunExtAddress *remote);
void tep_server_flow_remove (TepServerFlow *flow);
TepServerFlow *tep_server_flow_find (TepServerCore *core,
                                     const StunExtAddress *leased,
                                     const StunExtAddress *remote);
TepServerFlow *tep_server_flow_find_id (TepServerTunnel *tunnel, guint16 id);
gboolean tep_server_pinhole_is_open (TepServerCore *core,
                                     const StunExtAddress *leased,
                                     const StunExtAddress *remote);

/* requests.c: messages on a connection of a tunnel. */
void tep_server_tunnel_message (TepServerTunnel *tunnel,
                                TepServerConnection *connection,
                                const guint8 *data,
                                gsize length);

/* packets.c */
void tep_server_packets_frame (TepServerTunnel *tunnel,
                               TepServerConnection *connection,
                               const guint8 *body,
                               gsize length);
gboolean
tep_server_flow_is_allowed (TepServerCore *core, TepServerFlow *flow, TepServerDirection direction);

G_END_DECLS
