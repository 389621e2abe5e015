/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is taken from a file that remembers networks is bounded, and written as it is read; and whatever happens while
 * a path is chosen, a way is used that there is. */
#include <string.h>

#include "fuzz.h"
#include "tep-c/choice-core.h"
#include "tep-c/choice-memory.h"

#define NOW 1700000000
#define N_WAYS 5

static void
read_and_write (const char *text, gsize length)
{
  g_autoptr (TepClientChoiceMemory) memory = tep_client_choice_memory_new ();
  g_autoptr (TepClientChoiceMemory) again = tep_client_choice_memory_new ();
  g_autofree char *first = NULL, *second = NULL;

  tep_client_choice_memory_read (memory, text, length, NOW);
  g_assert_cmpuint (tep_client_choice_memory_count (memory), <=, TEP_CLIENT_CHOICE_NETWORKS_MAX);
  first = tep_client_choice_memory_write (memory);
  g_assert_cmpuint (strlen (first), <=, TEP_CLIENT_CHOICE_TEXT_MAX);
  tep_client_choice_memory_read (again, first, strlen (first), NOW);
  second = tep_client_choice_memory_write (again);
  g_assert_cmpstr (first, ==, second);
}

/* Three octets are an event, a way, and how long it was until then. */
static void
choose (const guint8 *data, gsize length)
{
  TepClientChoiceCore core;
  gint64 now_us = 0;

  tep_client_choice_core_init (&core, N_WAYS, length % 2 == 0, length / 2 % 2 == 0);
  for (gsize i = 0; i + 3 <= length && i < 600; i += 3) {
    guint actions;

    now_us += data[i + 2] * (gint64)100000;
    actions = tep_client_choice_core_step (
        &core, (TepClientChoiceEvent)(data[i] % TEP_CLIENT_CHOICE_N_EVENTS),
        (gint)(data[i + 1] % (N_WAYS + 2)) - 1, now_us);
    g_assert_true (core.way >= TEP_CLIENT_CHOICE_NO_WAY && core.way < N_WAYS);
    g_assert_true (core.chosen >= TEP_CLIENT_CHOICE_NO_WAY && core.chosen < N_WAYS);
    if ((actions & TEP_CLIENT_CHOICE_DIAL) != 0)
      g_assert_true (core.way > TEP_CLIENT_CHOICE_DIRECT_WAY);
    if ((actions & TEP_CLIENT_CHOICE_REMEMBER) != 0)
      g_assert_true (core.chosen >= TEP_CLIENT_CHOICE_DIRECT_WAY);
  }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  read_and_write ((const char *)data, length);
  choose (data, length);
  return 0;
}
