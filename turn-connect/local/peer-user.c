/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is calling on loopback. A TURN client that was only given an address and a port brings no
 * secret with its first octets, and TCP has no SO_PEERCRED; but both ends of the connection are
 * sockets of this kernel, and its table says whose they are.
 */
#include "turn-connect/local/peer-user.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define COLUMN_LOCAL 1
#define COLUMN_REMOTE 2
#define COLUMN_UID 7
#define N_COLUMNS 8

/* "0100007F:1F90", octets of an address in words of the machine's own order. */
static gboolean
parse_end (const char *word, StunExtAddress *address)
{
  const char *colon = strchr (word, ':');
  gsize n_digits = colon != NULL ? (gsize)(colon - word) : 0;
  guint8 octets[16];
  guint64 port;

  if (n_digits != 8 && n_digits != 32)
    return FALSE;
  for (gsize i = 0; i < n_digits / 8; i++) {
    char digits[9] = { 0 };
    guint32 native;

    memcpy (digits, &word[i * 8], 8);
    native = (guint32)strtoul (digits, NULL, 16);
    memcpy (&octets[i * 4], &native, 4);
  }
  if (!g_ascii_string_to_unsigned (colon + 1, 16, 0, G_MAXUINT16, &port, NULL))
    return FALSE;
  stun_ext_address_init (address, n_digits == 8 ? 4 : 6, octets, (guint16)port);
  *address = stun_ext_address_canonical (address);
  return TRUE;
}

/* Splits in place at runs of blanks; FALSE if there are fewer words. */
static gboolean
split (char *line, char *words[N_COLUMNS])
{
  char *rest = NULL;

  for (guint i = 0; i < N_COLUMNS; i++) {
    words[i] = strtok_r (i == 0 ? line : NULL, " ", &rest);
    if (words[i] == NULL)
      return FALSE;
  }
  return TRUE;
}

gboolean
turn_connect_peer_user_parse (const char *table,
                              const StunExtAddress *peer,
                              const StunExtAddress *own,
                              guint *uid)
{
  while (*table != '\0') {
    const char *end = strchrnul (table, '\n');
    g_autofree char *line = g_strndup (table, (gsize)(end - table));
    char *words[N_COLUMNS];
    StunExtAddress local, remote;
    guint64 number;

    table = *end != '\0' ? end + 1 : end;
    if (!split (line, words) || !parse_end (words[COLUMN_LOCAL], &local) ||
        !parse_end (words[COLUMN_REMOTE], &remote) || !stun_ext_address_equal (&local, peer) ||
        !stun_ext_address_equal (&remote, own) ||
        !g_ascii_string_to_unsigned (words[COLUMN_UID], 10, 0, G_MAXUINT32, &number, NULL))
      continue;
    *uid = (guint)number;
    return TRUE;
  }
  return FALSE;
}

static gboolean
ask_end (int descriptor, int (*ask) (int, struct sockaddr *, socklen_t *), StunExtAddress *address)
{
  struct sockaddr_storage native = { 0 };
  socklen_t length = sizeof native;

  return ask (descriptor, (struct sockaddr *)&native, &length) == 0 &&
         stun_ext_address_from_sockaddr (address, (struct sockaddr *)&native, length);
}

gboolean
turn_connect_peer_user (int descriptor, guint *uid)
{
  /* The thread's own, as its network namespace may not be the process's. */
  static const char *const tables[] = { "/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6" };
  StunExtAddress peer, own;

  if (!ask_end (descriptor, getpeername, &peer) || !ask_end (descriptor, getsockname, &own))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (tables); i++) {
    g_autofree char *text = NULL;

    if (g_file_get_contents (tables[i], &text, NULL, NULL) &&
        turn_connect_peer_user_parse (text, &peer, &own, uid))
      return TRUE;
  }
  return FALSE;
}
