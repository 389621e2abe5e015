/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stun-ext/classic.h"

#include "stun-ext/message.h"

#include <string.h>

#define ID                                                                                         \
  0xea, 0xdb, 0xe2, 0xda, 0x81, 0x7b, 0x01, 0xa8, 0x4a, 0xb6, 0xc2, 0x8a, 0x82, 0x1e, 0x52, 0x34

static const guint8 request[] = { 0, 1, 0, 0, ID };

static gsize
answer_to (
    const char *source_text, const guint8 *data, gsize length, guint8 *answer, gsize capacity)
{
  /* Copied, so that a read behind the end is seen by a sanitizer. */
  g_autofree guint8 *exact = g_memdup2 (data, length);
  StunExtAddress source;

  g_assert_true (stun_ext_address_parse (source_text, &source));
  return stun_ext_classic_answer (&source, exact, length, answer, capacity);
}

static void
test_address_is_told_as_it_is (void)
{
  static const guint8 ipv4[] = { 1, 1, 0, 12, ID, 0, 1, 0, 8, 0, 1, 0x12, 0x34, 198, 51, 100, 2 };
  static const guint8 ipv6[] = { 1,    1,    0, 24, ID, 0, 1, 0, 20, 0, 2, 0x12, 0x34, 0x20, 0x01,
                                 0x0d, 0xb8, 0, 0,  0,  0, 0, 0, 0,  0, 0, 0,    0,    1 };
  guint8 answer[64];

  g_assert_cmpmem (answer, answer_to ("198.51.100.2:4660", request, sizeof request, answer, 64),
                   ipv4, sizeof ipv4);
  g_assert_cmpmem (answer, answer_to ("[2001:db8::1]:4660", request, sizeof request, answer, 64),
                   ipv6, sizeof ipv6);
}

static void
test_only_harmless_attributes_are_passed_over (void)
{
  static const struct {
    const char *what;
    guint8 attribute[16];
    gsize length;
    gboolean is_answered;
  } cases[] = {
    { "no change wanted", { 0, 3, 0, 4, 0, 0, 0, 0 }, 8, TRUE },
    { "another port wanted", { 0, 3, 0, 4, 0, 0, 0, 2 }, 8, FALSE },
    { "another address wanted", { 0, 3, 0, 4, 0, 0, 0, 4 }, 8, FALSE },
    { "answer to a third", { 0, 2, 0, 8, 0, 1, 0, 80, 192, 0, 2, 1 }, 12, FALSE },
    { "user name", { 0, 6, 0, 4, 'a', 'b', 'c', 'd' }, 8, TRUE },
    { "optional", { 0x80, 0x22, 0, 4, 'a', 'b', 'c', 'd' }, 8, TRUE },
    { "to be understood", { 0x7f, 0xff, 0, 0 }, 4, FALSE },
    { "longer than the rest", { 0x80, 0x22, 0, 8, 'a', 'b', 'c', 'd' }, 8, FALSE },
    { "no whole words", { 0x80, 0x22, 0, 3, 'a', 'b', 'c', 0 }, 8, FALSE },
    { "empty change", { 0, 3, 0, 0 }, 4, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    guint8 data[sizeof request + 16], answer[64];

    memcpy (data, request, sizeof request);
    memcpy (data + sizeof request, cases[i].attribute, cases[i].length);
    data[3] = (guint8)cases[i].length;
    g_test_message ("%s", cases[i].what);
    g_assert_cmpuint (
        answer_to ("198.51.100.2:1", data, sizeof request + cases[i].length, answer, 64), ==,
        cases[i].is_answered ? 32 : 0);
  }
}

static void
test_nothing_else_is_answered (void)
{
  guint8 data[sizeof request + 4] = { 0 }, answer[64];

  memcpy (data, request, sizeof request);
  for (gsize length = 0; length < sizeof request; length++)
    g_assert_cmpuint (answer_to ("198.51.100.2:1", data, length, answer, 64), ==, 0);
  for (gsize length = sizeof request + 1; length <= sizeof data; length++)
    g_assert_cmpuint (answer_to ("198.51.100.2:1", data, length, answer, 64), ==, 0);
  for (guint at = 0; at < 4; at++)
    for (guint value = 0; value < 256; value++) {
      memcpy (data, request, sizeof request);
      data[at] = (guint8)value;
      g_assert_cmpuint (answer_to ("198.51.100.2:1", data, sizeof request, answer, 64), ==,
                        value == request[at] ? 32 : 0);
    }
  for (gsize capacity = 0; capacity < 32; capacity++)
    g_assert_cmpuint (answer_to ("198.51.100.2:1", request, sizeof request, answer, capacity), ==,
                      0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stun-ext/classic/address-is-told-as-it-is", test_address_is_told_as_it_is);
  g_test_add_func ("/stun-ext/classic/only-harmless-attributes-are-passed-over",
                   test_only_harmless_attributes_are_passed_over);
  g_test_add_func ("/stun-ext/classic/nothing-else-is-answered", test_nothing_else_is_answered);
  return g_test_run ();
}
