/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"
#include "stun-ext/tep.h"
#include "tep-samples.h"

/* Copies a message attribute by attribute with one of them changed, and signs it again. */
typedef struct {
  guint16 type;     /* of the attribute to change */
  gint size_change; /* G_MININT: leave it out */
  gint set_octet;   /* -1, or offset of an octet to set */
  guint8 octet;     /* what to set it to */
  gboolean append;  /* a second one behind all others */
  guint16 extra;    /* an empty attribute of that type at the end, 0 for none */
} Change;

static void
put_changed (StunExtBuilder *builder, StunExtReader reader, const Change *change)
{
  gsize length = stun_ext_reader_remaining (&reader);
  const guint8 *octets = stun_ext_reader_bytes (&reader, length);
  g_autofree guint8 *copy = g_malloc0 (length + 16);

  if (change->size_change == G_MININT)
    return;
  if (length > 0)
    memcpy (copy, octets, length);
  if (change->set_octet >= 0)
    copy[change->set_octet] = change->octet;
  length = (gsize)MAX (0, (gint)length + change->size_change);
  stun_ext_builder_add_data (builder, change->type, copy, length);
}

static void
rewrite (const TepWritten *from, const Change *change, TepWritten *to)
{
  const StunExtMessage *m = &from->message;
  const StunExtAttribute *changed = stun_ext_message_find (m, change->type);
  StunExtBuilder builder;

  stun_ext_builder_begin (&builder, to->octets, sizeof to->octets, m->message_class, m->method,
                          m->transaction_id);
  for (guint i = 0; i < m->n_attributes; i++) {
    StunExtReader reader = stun_ext_attribute_reader (m, &m->attributes[i]);
    gsize length = stun_ext_reader_remaining (&reader);

    if (m->attributes[i].type == change->type && !change->append)
      put_changed (&builder, reader, change);
    else
      stun_ext_builder_add_data (&builder, m->attributes[i].type,
                                 stun_ext_reader_bytes (&reader, length), length);
  }
  if (change->append && changed != NULL)
    put_changed (&builder, stun_ext_attribute_reader (m, changed), change);
  if (change->extra != 0)
    stun_ext_builder_add_flag (&builder, change->extra);
  g_assert_true (stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_SHA256, TEP_SAMPLE_KEY,
                                          FALSE, &to->length));
  tep_sample_parse (to);
}

static gboolean
is_in (guint16 type, const guint16 *types)
{
  for (gsize i = 0; types[i] != 0; i++) {
    if (types[i] == type)
      return TRUE;
  }
  return FALSE;
}

/* What PROTOCOL.md section 5 says must be there. */
static const guint16 required_in_requests[][8] = {
  [STUN_EXT_TEP_OPEN] = { 0xc7e1, 0xc7e3, 0xc7e4 },
  [STUN_EXT_TEP_KEEPALIVE] = { 0 },
  [STUN_EXT_TEP_LEASE] = { 0xc7e6 },
  [STUN_EXT_TEP_REFRESH] = { 0xc7e6, 0x000d },
  [STUN_EXT_TEP_OPEN_FLOW] = { 0xc7e6, 0xc7e8, 0xc7ea, 0x0012 },
  [STUN_EXT_TEP_CLOSE_FLOW] = { 0xc7e6, 0xc7ea },
  [STUN_EXT_TEP_JOIN] = { 0xc7e6, 0xc7e0, 0xc7e5 },
  [STUN_EXT_TEP_RESUME] = { 0xc7e6, 0xc7e0, 0xc7e5 },
  [STUN_EXT_TEP_CLOSE] = { 0xc7e6 },
};

static const guint16 required_in_successes[][8] = {
  [STUN_EXT_TEP_OPEN] = { 0x0020, 0xc7e0, 0xc7e2, 0xc7e5, 0xc7e7, 0xc7ed, 0xc7f0 },
  [STUN_EXT_TEP_KEEPALIVE] = { 0x0020 },
  [STUN_EXT_TEP_LEASE] = { 0xc7e8, 0xc7e9, 0xc7eb, 0x000d },
  [STUN_EXT_TEP_REFRESH] = { 0x000d },
  [STUN_EXT_TEP_OPEN_FLOW] = { 0xc7ea, 0xc7ee, 0xc7ef },
  [STUN_EXT_TEP_CLOSE_FLOW] = { 0 },
  [STUN_EXT_TEP_JOIN] = { 0x0020, 0xc7e7 },
  [STUN_EXT_TEP_RESUME] = { 0x0020, 0xc7e7 },
  [STUN_EXT_TEP_CLOSE] = { 0 },
};

static StunExtTepRead
read_changed (const TepWritten *w, const Change *change, StunExtTepRequest *request)
{
  StunExtTepFailure failure;
  static TepWritten changed; /* what was read borrows from it */
  StunExtTepRead result;

  rewrite (w, change, &changed);
  result = stun_ext_tep_read_request (&changed.message, request, &failure);
  if (result == STUN_EXT_TEP_READ_BAD)
    g_assert_cmpuint (failure.code, ==, STUN_EXT_CODE_BAD_REQUEST);
  return result;
}

static void
test_only_optional_attributes_may_be_absent (void)
{
  for (gsize i = 0; i < tep_n_sample_requests; i++) {
    StunExtTepKind kind = tep_sample_requests[i].request.kind;
    StunExtTepRequest request;
    TepWritten w;

    tep_sample_write_request (&w, &tep_sample_requests[i].request);
    for (guint j = 0; j < w.message.n_attributes; j++) {
      Change change = { w.message.attributes[j].type, G_MININT, -1, 0, FALSE, 0 };
      StunExtTepRead result = read_changed (&w, &change, &request);

      g_test_message ("%s without 0x%04x", tep_sample_requests[i].name, change.type);
      if ((kind == STUN_EXT_TEP_KEEPALIVE && change.type == 0xc7e6) ||
          (kind == STUN_EXT_TEP_OPEN && change.type == 0xc7e0))
        g_assert_cmpint (result, ==, STUN_EXT_TEP_READ_PLAIN);
      else
        g_assert_cmpint (result, ==,
                         is_in (change.type, required_in_requests[kind]) ? STUN_EXT_TEP_READ_BAD
                                                                         : STUN_EXT_TEP_READ_OK);
    }
  }
  for (gsize i = 0; i < tep_n_sample_successes; i++) {
    StunExtTepKind kind = tep_sample_successes[i].success.kind;
    StunExtTepSuccess success;
    TepWritten w;
    TepWritten changed;

    tep_sample_write_success (&w, &tep_sample_successes[i].success);
    for (guint j = 0; j < w.message.n_attributes; j++) {
      Change change = { w.message.attributes[j].type, G_MININT, -1, 0, FALSE, 0 };

      g_test_message ("%s without 0x%04x", tep_sample_successes[i].name, change.type);
      rewrite (&w, &change, &changed);
      g_assert_cmpint (stun_ext_tep_read_success (&changed.message, kind, &success), ==,
                       !is_in (change.type, required_in_successes[kind]));
    }
  }
}

/* Texts and what may have parameters may have any size; everything else has one, or a range. */
static gboolean
may_have_another_size (guint16 type, gint change)
{
  static const guint16 of_any_size[] = {
    0xc7e3, 0x0006, 0x0014, 0x0015, 0x8002, 0x8003, 0x0009, 0
  };

  return is_in (type, of_any_size);
}

static void
test_attributes_of_another_size_are_bad (void)
{
  static const gint changes[] = { -4, -1, 1, 4, -100 };

  for (gsize i = 0; i < tep_n_sample_requests; i++) {
    StunExtTepRequest request;
    TepWritten w;

    tep_sample_write_request (&w, &tep_sample_requests[i].request);
    for (guint j = 0; j < w.message.n_attributes * G_N_ELEMENTS (changes); j++) {
      guint16 type = w.message.attributes[j / G_N_ELEMENTS (changes)].type;
      gint size_change = changes[j % G_N_ELEMENTS (changes)];
      Change change = { type, size_change, -1, 0, FALSE, 0 };

      if (may_have_another_size (type, size_change) ||
          (type == STUN_EXT_TEP_ATTRIBUTE_TUNNEL_ID && size_change > -100))
        continue;
      g_test_message ("%s, 0x%04x by %d", tep_sample_requests[i].name, type, size_change);
      g_assert_cmpint (read_changed (&w, &change, &request), ==, STUN_EXT_TEP_READ_BAD);
    }
  }
  for (gsize i = 0; i < tep_n_sample_successes; i++) {
    StunExtTepSuccess success;
    TepWritten w;
    TepWritten changed;

    tep_sample_write_success (&w, &tep_sample_successes[i].success);
    for (guint j = 0; j < w.message.n_attributes * G_N_ELEMENTS (changes); j++) {
      guint16 type = w.message.attributes[j / G_N_ELEMENTS (changes)].type;
      gint size_change = changes[j % G_N_ELEMENTS (changes)];
      Change change = { type, size_change, -1, 0, FALSE, 0 };

      if (may_have_another_size (type, size_change) ||
          (type == STUN_EXT_TEP_ATTRIBUTE_TUNNEL_ID && size_change > -100))
        continue;
      g_test_message ("%s, 0x%04x by %d", tep_sample_successes[i].name, type, size_change);
      rewrite (&w, &change, &changed);
      g_assert_false (stun_ext_tep_read_success (&changed.message,
                                                 tep_sample_successes[i].success.kind, &success));
    }
  }
}

static void
test_tunnel_ids_have_16_to_32_octets (void)
{
  StunExtTepRequest request;
  TepWritten w;

  tep_sample_write_request_of (&w, STUN_EXT_TEP_JOIN);
  for (gint length = 0; length <= 36; length++) {
    Change change = { STUN_EXT_TEP_ATTRIBUTE_TUNNEL_ID, length - 20, -1, 0, FALSE, 0 };

    g_assert_cmpint (read_changed (&w, &change, &request), ==,
                     length >= 16 && length <= 32 ? STUN_EXT_TEP_READ_OK : STUN_EXT_TEP_READ_BAD);
  }
}

static guint8
octet_of (const TepWritten *w, guint16 type, gsize offset)
{
  StunExtReader reader =
      stun_ext_attribute_reader (&w->message, stun_ext_message_find (&w->message, type));

  stun_ext_reader_skip (&reader, offset);
  return stun_ext_reader_u8 (&reader);
}

static void
test_reserved_octets_are_ignored (void)
{
  static const struct {
    guint16 type;
    guint8 offset;
    guint8 octet;
  } reserved[] = {
    { 0xc7e0, 1, 0x7f }, { 0xc7e0, 2, 0xff }, { 0xc7e0, 3, 0xff }, { 0xc7e7, 1, 0xff },
    { 0xc7e7, 3, 0xff }, { 0xc7ea, 3, 0xff }, { 0xc7eb, 1, 0xff }, { 0xc7eb, 3, 0xff },
    { 0xc7ec, 2, 0xff }, { 0xc7ec, 3, 0xff }, { 0xc7ed, 2, 0xff }, { 0xc7ed, 3, 0xff },
    { 0xc7ef, 1, 0xff }, { 0xc7ef, 3, 0xff }, { 0x0018, 0, 0x7f },
  };
  gsize n_checked = 0;

  for (gsize i = 0; i < tep_n_sample_requests; i++) {
    for (gsize j = 0; j < G_N_ELEMENTS (reserved); j++) {
      Change change = { reserved[j].type, 0, reserved[j].offset, reserved[j].octet, FALSE, 0 };
      StunExtTepRequest request;
      TepWritten w;
      TepWritten again;

      tep_sample_write_request (&w, &tep_sample_requests[i].request);
      if (stun_ext_message_find (&w.message, change.type) == NULL)
        continue;
      change.octet |= octet_of (&w, change.type, reserved[j].offset);
      g_assert_cmpint (read_changed (&w, &change, &request), ==, STUN_EXT_TEP_READ_OK);
      tep_sample_write_request (&again, &request);
      tep_sample_assert_same (&w, &again);
      n_checked++;
    }
  }
  g_assert_cmpuint (n_checked, >, 10);
}

static void
test_values_out_of_range_are_bad (void)
{
  static const struct {
    StunExtTepKind kind;
    guint16 type;
    guint8 offset;
    guint8 octet;
  } rows[] = {
    { STUN_EXT_TEP_OPEN, 0xc7e3, 0, '\n' },    { STUN_EXT_TEP_OPEN, 0x0006, 0, 0xff },
    { STUN_EXT_TEP_OPEN_FLOW, 0xc7ea, 2, 2 },  { STUN_EXT_TEP_OPEN_FLOW, 0x0012, 1, 3 },
    { STUN_EXT_TEP_CLOSE_FLOW, 0xc7ea, 2, 2 },
  };
  StunExtTepRequest request;
  TepWritten w;

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    Change change = { rows[i].type, 0, rows[i].offset, rows[i].octet, FALSE, 0 };

    g_test_message ("0x%04x", rows[i].type);
    tep_sample_write_request_of (&w, rows[i].kind);
    g_assert_cmpint (read_changed (&w, &change, &request), ==, STUN_EXT_TEP_READ_BAD);
  }
  for (guint octet = 0; octet < 256; octet++) {
    Change kind = { 0xc7eb, 0, 0, (guint8)octet, FALSE, 0 };
    Change dscp = { 0xc7ef, 0, 0, (guint8)octet, FALSE, 0 };
    Change family = { 0x0017, 0, 0, (guint8)octet, FALSE, 0 };

    tep_sample_write_request (&w, &tep_sample_requests[4].request);
    g_assert_cmpint (read_changed (&w, &kind, &request) == STUN_EXT_TEP_READ_OK, ==,
                     octet == 1 || octet == 2);
    g_assert_cmpint (read_changed (&w, &family, &request), ==, STUN_EXT_TEP_READ_OK);
    g_assert_cmpuint (request.lease.family, ==, octet == 1 ? 4 : octet == 2 ? 6 : 1);
    tep_sample_write_request (&w, &tep_sample_requests[9].request);
    g_assert_cmpint (read_changed (&w, &dscp, &request) == STUN_EXT_TEP_READ_OK, ==, octet <= 63);
  }
}

static void
test_zero_is_no_ordinal_and_no_binding (void)
{
  static const struct {
    StunExtTepKind kind;
    guint16 type;
  } rows[] = { { STUN_EXT_TEP_LEASE, 0xc7e6 },
               { STUN_EXT_TEP_CLOSE, 0xc7e6 },
               { STUN_EXT_TEP_OPEN_FLOW, 0xc7e8 } };
  StunExtTepRequest request;
  TepWritten w;

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    Change change = { rows[i].type, 0, 3, 0, FALSE, 0 };

    tep_sample_write_request_of (&w, rows[i].kind);
    g_assert_cmpint (read_changed (&w, &change, &request), ==, STUN_EXT_TEP_READ_BAD);
  }
}

static void
test_of_two_attributes_the_first_counts (void)
{
  for (gsize i = 0; i < tep_n_sample_requests; i++) {
    TepWritten w;

    tep_sample_write_request (&w, &tep_sample_requests[i].request);
    for (guint j = 0; j < w.message.n_attributes; j++) {
      Change change = { w.message.attributes[j].type, 0, 0, 0x5a, TRUE, 0 };
      StunExtTepRequest request;
      TepWritten again;

      g_assert_cmpint (read_changed (&w, &change, &request), ==, STUN_EXT_TEP_READ_OK);
      tep_sample_write_request (&again, &request);
      tep_sample_assert_same (&w, &again);
    }
  }
}

static void
test_unknown_attributes_are_refused_if_they_must_be_understood (void)
{
  for (gsize i = 0; i < tep_n_sample_requests; i++) {
    Change required = { 0, 0, -1, 0, FALSE, 0x7ffe };
    Change optional = { 0, 0, -1, 0, FALSE, 0xfffe };
    StunExtTepRequest request;
    StunExtTepFailure failure;
    TepWritten w;
    TepWritten changed;

    tep_sample_write_request (&w, &tep_sample_requests[i].request);
    rewrite (&w, &optional, &changed);
    g_assert_cmpint (stun_ext_tep_read_request (&changed.message, &request, &failure), ==,
                     STUN_EXT_TEP_READ_OK);
    rewrite (&w, &required, &changed);
    g_assert_cmpint (stun_ext_tep_read_request (&changed.message, &request, &failure), ==,
                     STUN_EXT_TEP_READ_BAD);
    g_assert_cmpuint (failure.code, ==, STUN_EXT_CODE_UNKNOWN_ATTRIBUTE);
    g_assert_cmpuint (failure.n_unknown, ==, 1);
    g_assert_cmpuint (failure.unknown[0], ==, 0x7ffe);
  }
  for (gsize i = 0; i < tep_n_sample_successes; i++) {
    Change required = { 0, 0, -1, 0, FALSE, 0x7ffe };
    StunExtTepSuccess success;
    TepWritten w;
    TepWritten changed;

    tep_sample_write_success (&w, &tep_sample_successes[i].success);
    rewrite (&w, &required, &changed);
    g_assert_false (stun_ext_tep_read_success (&changed.message,
                                               tep_sample_successes[i].success.kind, &success));
  }
}

static void
test_other_versions_are_told_ours (void)
{
  static const guint8 versions[] = { 0, 2, 255 };

  for (gsize i = 0; i < G_N_ELEMENTS (versions) * 2; i++) {
    Change change = { 0xc7e0, 0, 0, versions[i / 2], FALSE, 0 };
    StunExtTepRequest request;
    StunExtTepFailure failure;
    TepWritten w;
    TepWritten changed;

    tep_sample_write_request_of (&w, i % 2 == 0 ? STUN_EXT_TEP_OPEN : STUN_EXT_TEP_JOIN);
    rewrite (&w, &change, &changed);
    g_assert_cmpint (stun_ext_tep_read_request (&changed.message, &request, &failure), ==,
                     STUN_EXT_TEP_READ_BAD);
    g_assert_cmpuint (failure.code, ==, STUN_EXT_CODE_BAD_REQUEST);
    g_assert_cmpuint (failure.version, ==, STUN_EXT_TEP_VERSION);
  }
}

static void
test_impossible_answers_are_neither_written_nor_read (void)
{
  TepWritten w;
  StunExtTepSuccess success;

#define REFUSED(index, change)                                                                     \
  success = tep_sample_successes[index].success;                                                   \
  change;                                                                                          \
  g_assert_false (tep_sample_try_success (&w, &success, sizeof w.octets))

  REFUSED (0, success.opened.mapped.family = 0);
  REFUSED (0, success.opened.server_random = NULL);
  REFUSED (0, success.opened.tunnel_id.length = 15);
  REFUSED (0, success.opened.tunnel_id.data = NULL);
  REFUSED (0, success.opened.connection_number = 16);
  REFUSED (0, success.opened.largest_packet = 575);
  REFUSED (0, success.opened.keepalive_s = 0);
  REFUSED (0, success.opened.silence_s = success.opened.keepalive_s);
  REFUSED (3, success.leased.binding_id = 0);
  REFUSED (3, success.leased.address.port = 0);
  REFUSED (3, success.leased.address.port = 49171);
  REFUSED (3, success.leased.kind = STUN_EXT_TEP_FLOW_ANY);
  REFUSED (3, success.leased.lifetime_s = 0);
  REFUSED (7, success.flow.dscp = 64);
  REFUSED (7, success.flow.port_offset = 2);
  REFUSED (9, success.joined.connection_number = 16);

  {
    static const Change changes[] = {
      { 0xc7e7, 0, 0, 16, FALSE, 0 },
      { 0xc7ed, 0, 0, 0x02, FALSE, 0 },
      { 0xc7f0, 0, 3, 15, FALSE, 0 },
      { 0xc7e0, 0, 0, 2, FALSE, 0 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS (changes); i++) {
      TepWritten changed;

      tep_sample_write_success (&w, &tep_sample_successes[0].success);
      rewrite (&w, &changes[i], &changed);
      /* LARGEST-PACKET 1500 is 05 dc; 02 dc is 732 and good, so go on to 01 dc. */
      if (changes[i].type == 0xc7ed) {
        Change smaller = changes[i];

        g_assert_true (stun_ext_tep_read_success (&changed.message, STUN_EXT_TEP_OPEN, &success));
        smaller.octet = 0x01;
        rewrite (&w, &smaller, &changed);
      }
      g_assert_false (stun_ext_tep_read_success (&changed.message, STUN_EXT_TEP_OPEN, &success));
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add_func ("/stun-ext/tep-strict/" path, function)
  ADD ("only-optional-attributes-may-be-absent", test_only_optional_attributes_may_be_absent);
  ADD ("attributes-of-another-size-are-bad", test_attributes_of_another_size_are_bad);
  ADD ("tunnel-ids-have-16-to-32-octets", test_tunnel_ids_have_16_to_32_octets);
  ADD ("reserved-octets-are-ignored", test_reserved_octets_are_ignored);
  ADD ("values-out-of-range-are-bad", test_values_out_of_range_are_bad);
  ADD ("zero-is-no-ordinal-and-no-binding", test_zero_is_no_ordinal_and_no_binding);
  ADD ("of-two-attributes-the-first-counts", test_of_two_attributes_the_first_counts);
  ADD ("unknown-attributes-are-refused-if-they-must-be-understood",
       test_unknown_attributes_are_refused_if_they_must_be_understood);
  ADD ("other-versions-are-told-ours", test_other_versions_are_told_ours);
  ADD ("impossible-answers-are-neither-written-nor-read",
       test_impossible_answers_are_neither_written_nor_read);
  return g_test_run ();
}
