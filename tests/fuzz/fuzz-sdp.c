/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A description that can be read can be edited, and the result can be read and says what was asked
 * for. */
#include <string.h>

#include "fuzz.h"
#include "stun-ext/sdp.h"

static void
check_tep (const StunExtSdpTep *tep)
{
  g_autofree char *line = stun_ext_sdp_tep_print (tep);
  StunExtSdpTep again;

  g_assert_nonnull (line);
  g_assert_true (stun_ext_sdp_tep_parse (&again, line, strlen (line)));
  g_assert_cmpstr (again.host, ==, tep->host);
  g_assert_cmpstr (again.server_name, ==, tep->server_name);
  g_assert_cmpuint (again.port, ==, tep->port);
  g_assert_cmpint (again.is_tls, ==, tep->is_tls);
}

static void
check_edited (const StunExtSdp *sdp, guint media)
{
  static const char *const removed[] = { "a=candidate:", NULL };
  static const char *const appended[] = { "a=tep-s:1 tls tep.example 443 tep.example", NULL };
  StunExtAddress address;
  StunExtSdpEdit edit = { .with_tep_option = TRUE, .remove = removed, .append = appended };
  g_autofree char *text = NULL;
  StunExtSdp again;
  gsize length;

  g_assert_true (stun_ext_address_parse ("192.0.2.1:4000", &address));
  if (media != STUN_EXT_SDP_SESSION)
    edit.address = &address;
  text = stun_ext_sdp_edit (sdp, media, &edit, &length, NULL);
  if (text == NULL || !stun_ext_sdp_parse (&again, text, length, NULL))
    return; /* a bound may be exceeded now */
  g_assert_cmpuint (again.n_media, ==, sdp->n_media);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  StunExtSdp sdp;
  StunExtSdpTep tep;

  if (stun_ext_sdp_tep_parse (&tep, (const char *)data, length))
    check_tep (&tep);
  if (!stun_ext_sdp_parse (&sdp, (const char *)data, length, NULL))
    return 0;
  g_assert_cmpuint (sdp.n_media, <=, STUN_EXT_SDP_MAX_MEDIA);
  for (guint i = 0; i < sdp.n_media; i++) {
    g_assert_cmpuint (sdp.media[i].begin, <=, sdp.media[i].end);
    g_assert_cmpuint (sdp.media[i].end, <=, length);
    for (guint nth = 0; nth < sdp.media[i].n_tep; nth++) {
      g_assert_true (stun_ext_sdp_get_tep (&sdp, i, nth, &tep));
      check_tep (&tep);
    }
    if (i < 2)
      check_edited (&sdp, i);
  }
  check_edited (&sdp, STUN_EXT_SDP_SESSION);
  return 0;
}
