/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one SDP attribute that is ours. Whatever it says comes from the far side of a call, so a line
 * that is not exactly right is no line. */
#include "stun-ext/sdp.h"

#include <string.h>

#include "stun-ext/sdp-text-private.h"

#define PREFIX "a=tep-s:"
#define VERSION "1"

/* A host name, or an address literal without brackets; lower case. */
static gboolean
is_name (const char *name)
{
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-._";
  StunExtAddress address;

  if (name[0] == '\0')
    return FALSE;
  if (strchr (name, ':') == NULL)
    return strspn (name, letters) == strlen (name);
  return name[0] != '[' && stun_ext_address_parse (name, &address) && address.family == 6;
}

static gboolean
copy_name (StunExtText text, char name[STUN_EXT_SDP_MAX_NAME + 1])
{
  if (!stun_ext_text_copy (text, name, STUN_EXT_SDP_MAX_NAME + 1) || strlen (name) != text.length)
    return FALSE;
  for (char *letter = name; *letter != '\0'; letter++)
    *letter = g_ascii_tolower (*letter);
  return is_name (name);
}

gboolean
stun_ext_sdp_tep_parse (StunExtSdpTep *tep, const char *line, gsize length)
{
  StunExtText rest = { line, length };
  StunExtText transport;

  memset (tep, 0, sizeof *tep);
  if (!stun_ext_text_skip (&rest, PREFIX) ||
      !stun_ext_text_equal (stun_ext_text_next_word (&rest), VERSION))
    return FALSE;
  transport = stun_ext_text_next_word (&rest);
  tep->is_tls = stun_ext_text_equal (transport, "tls");
  if (!tep->is_tls && !stun_ext_text_equal (transport, "tcp"))
    return FALSE;
  return copy_name (stun_ext_text_next_word (&rest), tep->host) &&
         stun_ext_text_number (stun_ext_text_next_word (&rest), &tep->port) && tep->port != 0 &&
         copy_name (rest, tep->server_name);
}

char *
stun_ext_sdp_tep_print (const StunExtSdpTep *tep)
{
  if (tep->port == 0 || !is_name (tep->host) || !is_name (tep->server_name))
    return NULL;
  return g_strdup_printf (PREFIX VERSION " %s %s %u %s", tep->is_tls ? "tls" : "tcp", tep->host,
                          tep->port, tep->server_name);
}
