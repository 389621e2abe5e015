/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two units with sockets of detection share: detect.c has datagrams and the clock, detect-tcp.c connections. */
#pragma once

#include "tep-s/detect-stream.h"
#include "tep-s/detect.h"
#include "tep-s/mailbox.h"

G_BEGIN_DECLS

#define TEP_SERVER_DETECT_MAIL_MAX 256 /* messages of the workers that may wait */

/* A listening socket. */
typedef struct {
  TepServerDetect *detect;
  GSource *source;
  int fd;
  gboolean is_stream;
  gboolean is_whole; /* what is sent must not be fragmented */
  TepServerDetectPlace place;
  gint64 heard_ms; /* when anybody from another host was last heard */
  guint64 n_heard;
} TepServerDetectPort;

struct _TepServerDetect {
  TepServerDetectCore core;
  GMainContext *context;
  GPtrArray *ports;   /* TepServerDetectPort */
  GSequence *waiting; /* answers, by due time */
  GSource *timer;
  guint64 seed;
  gint64 started_ms;
  TepServerTlsContext *tls; /* for the own ports: any name will do; nullable */
  TepServerQuota *connections;
  GHashTable *open;          /* connections */
  TepServerMailbox *mailbox; /* from the workers */
  GSource *mail;
  atomic_uint n_mail;
  GPtrArray *doors; /* TepServerDetectPort without a socket: the front door's listeners */
  TepServerDetectReply reply;
  guint8 buffer[TEP_SERVER_DETECT_DATAGRAM_MAX + 1];
};

/* detect.c */
void tep_server_detect_take_time (TepServerDetect *detect);
/* Somebody was heard at a port. */
void tep_server_detect_note_heard (TepServerDetectPort *port, const StunExtAddress *source);

/* Whether what is sent next must not be fragmented. */
void tep_server_detect_set_whole (TepServerDetectPort *port, gboolean is_whole);
/* Sends or holds the reply that is in @detect. */
void tep_server_detect_send_reply (TepServerDetect *detect,
                                   TepServerDetectPort *port,
                                   const StunExtAddress *source);

/* detect-front.c */
/* The front door has that port already, and answers there. */
gboolean tep_server_detect_is_front_door (const TepServerConfig *config,
                                          const StunExtAddress *address,
                                          guint16 number);
/* Where something came in at the front door, and that it did; local is the address of the socket. */
TepServerDetectPlace tep_server_detect_door (TepServerDetect *detect,
                                             const StunExtAddress *local,
                                             gboolean is_stream,
                                             const StunExtAddress *source);

/* detect-tcp.c */
gboolean
tep_server_detect_open_tcp (TepServerDetect *detect, TepServerDetectPort *port, GError **error);
void tep_server_detect_watch_tcp (TepServerDetectPort *port);
/* The arrival is the callee's, with its TLS and descriptor; plain: octets of the innermost layer that came already. */
void tep_server_detect_adopt (TepServerDetect *detect,
                              int fd,
                              const TepServerDetectArrival *arrival,
                              GBytes *plain,
                              GBytes *unread_tls);
void tep_server_detect_close_all (TepServerDetect *detect);

G_END_DECLS
