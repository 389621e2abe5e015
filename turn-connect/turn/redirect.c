/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guard against servers that send their clients in circles (RFC 8489 section 10): a server that
 * this request was sent to within the last 5 min is not asked again. A new attempt after a pause is
 * another request, and begins with an empty memory.
 */
#include "turn-connect/turn/redirect.h"

#include <string.h>

#define MEMORY_US (5 * 60 * G_USEC_PER_SEC) /* RFC 8489 section 10 */
#define ASKED_MAX 64                        /* arbitrary */

typedef struct {
  char *place;
  gint64 at_us;
} Asked;

static void
clear_asked (gpointer data)
{
  g_free (((Asked *)data)->place);
}

void
turn_connect_redirects_init (TurnConnectRedirects *redirects)
{
  redirects->asked = g_array_new (FALSE, FALSE, sizeof (Asked));
  g_array_set_clear_func (redirects->asked, clear_asked);
  redirects->followed = 0;
}

void
turn_connect_redirects_clear (TurnConnectRedirects *redirects)
{
  g_clear_pointer (&redirects->asked, g_array_unref);
}

void
turn_connect_redirects_restart (TurnConnectRedirects *redirects)
{
  redirects->followed = 0;
  g_array_set_size (redirects->asked, 0);
}

static gboolean
was_asked (TurnConnectRedirects *redirects, const char *place, gint64 now_us)
{
  for (guint i = 0; i < redirects->asked->len;) {
    Asked *asked = &g_array_index (redirects->asked, Asked, i);

    if (now_us - asked->at_us >= MEMORY_US)
      g_array_remove_index_fast (redirects->asked, i);
    else if (strcmp (asked->place, place) == 0)
      return TRUE;
    else
      i++;
  }
  return FALSE;
}

static void
note (TurnConnectRedirects *redirects, const char *place, gint64 now_us)
{
  Asked asked = { g_strdup (place), now_us };

  if (redirects->asked->len >= ASKED_MAX)
    g_array_remove_index (redirects->asked, 0);
  g_array_append_val (redirects->asked, asked);
}

TurnConnectRedirectVerdict
turn_connect_redirects_judge (
    TurnConnectRedirects *redirects, const char *from, const char *to, guint most, gint64 now_us)
{
  if (strcmp (from, to) == 0 || was_asked (redirects, to, now_us))
    return TURN_CONNECT_REDIRECT_CIRCLE;
  if (redirects->followed >= most)
    return TURN_CONNECT_REDIRECT_TOO_MANY;
  redirects->followed++;
  if (!was_asked (redirects, from, now_us))
    note (redirects, from, now_us);
  note (redirects, to, now_us);
  return TURN_CONNECT_REDIRECT_FOLLOW;
}
