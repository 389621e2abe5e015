/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/turn/allocation.h"
#include "turn-mock.h"

#define S(seconds) ((gint64)((seconds)*G_USEC_PER_SEC))
#define SILENCE_S 39.5

/* One allocation without sockets: the test plays the server and owns the time. */
typedef struct {
  TurnConnectAllocation *allocation;
  gint64 now_us;
  guint counter; /* of transaction ids */
  GBytes *output;
  StunExtMessage request; /* inside output */
  TurnConnectEvent *event;
} Stage;

extern const TurnConnectWishes stage_usual_wishes; /* one IPv4 address */

/* @wishes NULL: the usual ones. Connected at once; the user's login is set. */
void stage_open (Stage *stage, const TurnConnectWishes *wishes, TurnConnectLinkFlags flags);
void stage_close (Stage *stage);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Stage, stage_close)
/* To the server that gave the ticket, if one did. */
void stage_connect (Stage *stage, TurnConnectLinkFlags flags);
void stage_set_login (Stage *stage, const char *user, const char *password);
/* Lets time pass, ticking when it was asked for. */
void stage_pass (Stage *stage, gint64 us);

/* The next message sent; FALSE if there is none. */
gboolean stage_take_output (Stage *stage);
gboolean stage_take_event (Stage *stage);

/* The server says this. @received: NULL if it is no packet. */
TurnConnectTook
stage_give (Stage *stage, const MockMessage *message, TurnConnectReceived *received);
void stage_challenge (Stage *stage);
void stage_answer_success (Stage *stage);
void stage_answer_error (Stage *stage, guint code);
/* Up to the signed Allocate, which is then stage->request. */
void stage_come_to_signed (Stage *stage);
/* And beyond. @allocated NULL: the usual. */
void stage_come_up (Stage *stage, const MockAllocated *allocated);

#define STREAM TURN_CONNECT_LINK_IS_STREAM
#define DATAGRAMS 0

#define expect_request(stage, m)                                                                   \
  G_STMT_START                                                                                     \
  {                                                                                                \
    g_assert_true (stage_take_output (stage));                                                     \
    g_assert_cmpint ((stage)->request.method, ==, STUN_EXT_METHOD_##m);                            \
    g_assert_cmpint ((stage)->request.message_class, ==, STUN_EXT_CLASS_REQUEST);                  \
  }                                                                                                \
  G_STMT_END
#define expect_no_output(stage) g_assert_false (stage_take_output (stage))
#define expect_event(stage, k)                                                                     \
  G_STMT_START                                                                                     \
  {                                                                                                \
    g_assert_true (stage_take_event (stage));                                                      \
    g_assert_cmpint ((stage)->event->kind, ==, TURN_CONNECT_EVENT_##k);                            \
  }                                                                                                \
  G_STMT_END
#define expect_no_event(stage) g_assert_false (stage_take_event (stage))
#define expect_error(stage, code)                                                                  \
  g_assert_error ((stage)->event->error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_##code)
#define expect_state(stage, s)                                                                     \
  g_assert_cmpint (turn_connect_allocation_get_state ((stage)->allocation), ==,                    \
                   TURN_CONNECT_ALLOCATION_##s)
