/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/tep.h"

/* One message of each kind with every field, one with as few as can be; and the keys and randoms
 * they use. */

typedef struct {
  const char *name;
  StunExtTepRequest request;
} TepSampleRequest;

typedef struct {
  const char *name;
  StunExtTepSuccess success;
} TepSampleSuccess;

typedef struct {
  const char *name;
  guint16 method;
  StunExtTepFailure failure;
} TepSampleFailure;

typedef struct {
  const char *name;
  StunExtTepClosing closing;
} TepSampleClosing;

extern const TepSampleRequest tep_sample_requests[];
extern const gsize tep_n_sample_requests;
extern const TepSampleSuccess tep_sample_successes[];
extern const gsize tep_n_sample_successes;
extern const TepSampleFailure tep_sample_failures[];
extern const gsize tep_n_sample_failures;
extern const TepSampleClosing tep_sample_closings[];
extern const gsize tep_n_sample_closings;

extern const guint8 tep_sample_key[STUN_EXT_TUNNEL_KEY_LENGTH];
extern const guint8 tep_sample_transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH];

#define TEP_SAMPLE_KEY                                                                             \
  (StunExtSpan)                                                                                    \
  {                                                                                                \
    tep_sample_key, sizeof tep_sample_key                                                          \
  }

/* A message as it was written, and its index. */
typedef struct {
  guint8 octets[STUN_EXT_TEP_MESSAGE_MAX];
  gsize length;
  StunExtMessage message;
} TepWritten;

void tep_sample_parse (TepWritten *w);
void tep_sample_write_request (TepWritten *w, const StunExtTepRequest *request);
void tep_sample_write_request_of (TepWritten *w, StunExtTepKind kind);
gboolean tep_sample_try_success (TepWritten *w, const StunExtTepSuccess *success, gsize capacity);
void tep_sample_write_success (TepWritten *w, const StunExtTepSuccess *success);
void tep_sample_write_failure (TepWritten *w, const TepSampleFailure *sample, StunExtSpan key);
void tep_sample_write_closing (TepWritten *w, const StunExtTepClosing *closing);
void tep_sample_assert_same (const TepWritten *a, const TepWritten *b);
