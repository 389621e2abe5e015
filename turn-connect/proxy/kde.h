/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What KDE's kioslaverc files say about proxies; all zeros at the start. No I/O. */
typedef struct {
  int type; /* 0 none, 1 by hand, 2 a configuration file, 3 WPAD, 4 the environment */
  char *script;
  gboolean is_type_locked;
  gboolean is_script_locked;
} TurnConnectKde;

/* Takes one file's text, beginning with the file that has the least to say: what comes later wins
 * unless an earlier file locked it ("[$i]"). */
void turn_connect_kde_take (TurnConnectKde *kde, const char *text);
void turn_connect_kde_clear (TurnConnectKde *kde);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TurnConnectKde, turn_connect_kde_clear)
