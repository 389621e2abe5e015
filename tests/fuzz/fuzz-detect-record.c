/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever is read of a record can be judged, is written and read back the same, and is judged the same again. */
#include <string.h>

#include "fuzz.h"
#include "turn-connect/detect/record.h"
#include "turn-connect/error.h"

static void
check_verdict (const TurnConnectObservations *observations, const char *text)
{
  g_autoptr (TurnConnectVerdict) verdict = turn_connect_classify (observations);
  g_autofree char *judged = turn_connect_record_write (observations, verdict, FALSE);
  g_autoptr (TurnConnectObservations) again = NULL;
  g_autofree char *plain = NULL;

  g_assert_true (verdict->type >= TURN_CONNECT_TYPE_UNKNOWN && verdict->type <= 9);
  g_assert_true ((verdict->type == TURN_CONNECT_TYPE_UNKNOWN) ==
                 (verdict->confidence == TURN_CONNECT_CONFIDENCE_NOT_DETERMINED));
  again = turn_connect_record_read (judged, strlen (judged), NULL);
  if (again == NULL) /* longer than a record may be */
    return;
  plain = turn_connect_record_write (again, NULL, FALSE);
  g_assert_cmpstr (plain, ==, text);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TurnConnectObservations) observations =
      turn_connect_record_read ((const char *)data, length, &error);
  g_autofree char *text = NULL;

  g_assert_true ((observations == NULL) == (error != NULL));
  if (observations == NULL) {
    g_assert_true (error->domain == TURN_CONNECT_ERROR);
    return 0;
  }
  text = turn_connect_record_write (observations, NULL, FALSE);
  check_verdict (observations, text);
  return 0;
}
