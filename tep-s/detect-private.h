/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The far end of detection, without sockets: what is answered to a datagram and on a connection. One thread at a time. */
#pragma once

#include <stdatomic.h>

#include "stun-ext/detect-payload.h"
#include "stun-ext/detect-record.h"
#include "stun-ext/message.h"
#include "tep-s/config.h"
#include "tep-s/counters.h"
#include "tep-s/detect-book.h"
#include "tep-s/quota.h"
#include "tep-s/throttle.h"

G_BEGIN_DECLS

#define TEP_SERVER_DETECT_DATAGRAM_MAX 2048 /* octets of the longest datagram that is looked at */
#define TEP_SERVER_DETECT_SECRET_LENGTH 32
#define TEP_SERVER_DETECT_NO_ADDRESS G_MAXUINT

/* What all of detection has in common. Time is set by the driver before each call. */
typedef struct {
  const TepServerConfig *config;
  TepServerDetectConfig
      detect; /* addresses and ports stay as they were opened, whatever a reload says */
  TepServerDetectBook *book;
  TepServerThrottle *throttle;
  TepServerReplyLimit *limit;
  TepServerQuota *waiting; /* delayed answers of a source */
  guint n_waiting;
  guint8 secret[TEP_SERVER_DETECT_SECRET_LENGTH];
  gint64 now_us;
  gint64 now_ms;
  struct _TepServerDetectReply *scratch;            /* for answers on streams */
  void (*tell_self) (gpointer data, GString *text); /* nullable: lines about the far end itself */
  gpointer self_data;
  _Atomic guint64 counters[TEP_SERVER_N_COUNTERS]; /* its own; any thread adds, and reads */
} TepServerDetectCore;

static inline void
tep_server_detect_count (TepServerDetectCore *core, TepServerCounter counter, gint64 n)
{
  atomic_fetch_add_explicit (&core->counters[counter], (guint64)n, memory_order_relaxed);
}

/* Sets up and clears what a core owns. */
void tep_server_detect_core_init (TepServerDetectCore *core,
                                  const TepServerConfig *config,
                                  guint64 seed,
                                  const guint8 secret[TEP_SERVER_DETECT_SECRET_LENGTH]);
void tep_server_detect_core_reconfigure (TepServerDetectCore *core,
                                         const TepServerConfig *config,
                                         guint64 seed);
void tep_server_detect_core_clear (TepServerDetectCore *core);

/* ---- addresses ---- */

/* Where something arrived. */
typedef struct {
  guint address;        /* index into the configured addresses; NO_ADDRESS at the front door */
  StunExtAddress local; /* as it is called outside; of no family where it is not known */
} TepServerDetectPlace;

/* The other address of the same family; NO_ADDRESS if there is none. */
guint tep_server_detect_other_address (const TepServerDetectConfig *config, guint address);
/* The port that "change port" leads to from a port. */
guint16 tep_server_detect_other_port (const TepServerDetectConfig *config, guint16 port);
/* What OTHER-ADDRESS says; of no family if there is nothing to say. */
StunExtAddress tep_server_detect_other (const TepServerDetectConfig *config,
                                        const TepServerDetectPlace *place);

/* ---- datagrams ---- */

typedef struct {
  TepServerDetectPlace place;
  StunExtAddress source;
  const guint8 *data;
  gsize length;
  guint8 ttl;
  gboolean is_front_door; /* its sockets are not detection's to wait with */
} TepServerDetectDatagram;

typedef struct _TepServerDetectReply {
  gsize length; /* 0: no answer */
  guint8 octets[TEP_SERVER_DETECT_DATAGRAM_MAX];
  StunExtAddress destination; /* the source, but for the port perhaps */
  gboolean is_address_changed;
  gboolean is_port_changed;
  gboolean is_whole; /* must not be fragmented */
  guint delay_s;     /* counted with the source until tep_server_detect_waited() */
} TepServerDetectReply;

/* Decides; is_recorded tells the front door whether it was detection's at all. */
void tep_server_detect_datagram (TepServerDetectCore *core,
                                 const TepServerDetectDatagram *datagram,
                                 TepServerDetectReply *reply);

/* A delayed answer was sent, or given up. */
void tep_server_detect_waited (TepServerDetectCore *core, const StunExtAddress *source);

/* ---- STUN that names a run; datagrams and streams ---- */

typedef struct {
  const TepServerDetectPlace *place;
  const StunExtAddress *source;
  gboolean is_stream;
  gboolean is_secure; /* inside TLS */
  gboolean may_wait;  /* for a delayed answer */
} TepServerDetectAsker;

/* The answer, not longer than the request. */
void tep_server_detect_stun (TepServerDetectCore *core,
                             const TepServerDetectAsker *asker,
                             const StunExtMessage *request,
                             const StunExtDetectMark *mark,
                             TepServerDetectReply *reply);

/* detect-plain.c: STUN that names none, of RFC 5780 and of RFC 3489. */
void tep_server_detect_plain (TepServerDetectCore *core,
                              const TepServerDetectAsker *asker,
                              const guint8 *data,
                              gsize length,
                              TepServerDetectReply *reply);

/* A digest answer to a first flight. FALSE if the cryptographic library refused. */
gboolean tep_server_detect_echo (const StunExtAddress *source,
                                 const StunExtDetectSeen *seen,
                                 const StunExtDetectKey *key,
                                 const guint8 *first,
                                 gsize length,
                                 guint8 octets[STUN_EXT_DETECT_ANSWER_LENGTH]);

/* ---- users ---- */

typedef gboolean (*TepServerDetectVerify) (gpointer data, const StunExtDetectKey *key);

/* Tries the keys of a user on what he signed. On success key is set; it proves all further answers of the run, unless the
 * password is for TLS alone. */
gboolean tep_server_detect_login (TepServerDetectCore *core,
                                  const TepServerDetectAsker *asker,
                                  const StunExtDetectRun *run,
                                  StunExtSpan username,
                                  StunExtSpan realm,
                                  TepServerDetectVerify verify,
                                  gpointer data,
                                  StunExtDetectKey *key);

G_END_DECLS
