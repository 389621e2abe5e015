/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What makes programs use a method that works, to be copied into a shell. Words in capitals are
 * for the reader to fill in. A record may be anybody's, so what comes from it is quoted.
 */
#include "turn-connect/detect/classify-private.h"

#include <string.h>

#define TURN_CONNECT (1u << 0)
#define TEP_C (1u << 1)
#define PROXIED (1u << 2) /* it speaks of the proxy */

/* %s: the server with its port. A TURN client reaches the first two by itself. */
static const struct {
  const char *name; /* without "-proxy" */
  guint program;    /* 0: none, it is a URI */
  const char *text;
} uses[] = {
  { "turn-udp", 0, "turn:%s?transport=udp" },
  { "turn-tcp", 0, "turn:%s?transport=tcp" },
  { "turn-tls", TURN_CONNECT,
    "turn-connect helper --listen 127.0.0.1:3478 --server turns:%s?transport=tcp "
    "--turn-credentials FILE" },
  { "tep-80", TEP_C, "tep-c --server %s --credentials FILE --flow 40000=ADDRESS:PORT" },
  { "tep-443", TEP_C, "tep-c --server %s --credentials FILE --flow 40000=ADDRESS:PORT" },
  { "tep-tls", TEP_C, "tep-c --server %s --tls --credentials FILE --flow 40000=ADDRESS:PORT" },
  { "sip-tls", TURN_CONNECT, "turn-connect forward --listen 127.0.0.1:5060 --to %s" },
};

/* What the fact "options" may name; without these the server may not be reached. */
static const struct {
  const char *option;
  const char *value; /* NULL: none */
  guint programs;
} options[] = {
  { "--ca", "FILE", TURN_CONNECT | TEP_C },
  { "--pin", "HASH", TURN_CONNECT },
  { "--pin-only", NULL, TURN_CONNECT },
  { "--cert", "FILE", TURN_CONNECT },
  { "--key", "FILE", TURN_CONNECT },
  { "--null-encryption", "SUITE", TURN_CONNECT },
  { "--proxy-credentials", "FILE", TURN_CONNECT | TEP_C | PROXIED },
  { "--proxy-ca", "FILE", TURN_CONNECT | PROXIED },
  { "--header", "LINE", TURN_CONNECT | TEP_C | PROXIED },
};

static gboolean
is_printable (const char *text)
{
  for (const char *p = text; *p != '\0'; p++) {
    if (g_ascii_iscntrl (*p))
      return FALSE;
  }
  return g_utf8_validate (text, -1, NULL);
}

static void
append_word (GString *line, const char *word)
{
  g_autofree char *quoted = NULL;

  if (line->len > 0)
    g_string_append_c (line, ' ');
  if (word[strspn (word, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "@%_-+=:,./")] == '\0') {
    g_string_append (line, word);
    return;
  }
  quoted = g_shell_quote (word);
  g_string_append (line, quoted);
}

static gboolean
names_option (const char *fact, const char *option)
{
  g_auto (GStrv) words = g_strsplit (fact, " ", G_N_ELEMENTS (options) * 2);

  return g_strv_contains ((const char *const *)words, option);
}

static void
append_options (GString *line, const char *fact, guint program, gboolean is_proxied)
{
  for (gsize i = 0; fact != NULL && i < G_N_ELEMENTS (options); i++) {
    if (!(options[i].programs & program) || ((options[i].programs & PROXIED) && !is_proxied) ||
        !names_option (fact, options[i].option))
      continue;
    append_word (line, options[i].option);
    if (options[i].value != NULL)
      append_word (line, options[i].value);
  }
}

/* The server stands in one word of the text. */
static GString *
make_line (const char *text, const char *server)
{
  GString *line = g_string_new (NULL);
  g_auto (GStrv) words = g_strsplit (text, " ", -1);

  for (gsize i = 0; words[i] != NULL; i++) {
    g_autoptr (GString) word = g_string_new (words[i]);

    g_string_replace (word, "%s", server, 1);
    append_word (line, word->str);
  }
  return line;
}

char *
turn_connect_classify_make_config (const TurnConnectObservations *observations,
                                   const TurnConnectProbe *probe)
{
  const char *server = turn_connect_probe_get_fact (probe, "server");
  const char *fact = g_hash_table_lookup (observations->facts, "options");
  g_autofree char *name = g_strdup (probe->variant);
  GString *line;

  if (g_str_has_suffix (name, "-proxy"))
    name[strlen (name) - strlen ("-proxy")] = '\0';
  if (server == NULL || !is_printable (server) ||
      (probe->via != NULL && !is_printable (probe->via)))
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (uses); i++) {
    if (strcmp (uses[i].name, name) != 0)
      continue;
    if (uses[i].program == 0) {
      line = g_string_new (uses[i].text);
      g_string_replace (line, "%s", server, 1);
      return g_string_free (line, FALSE);
    }
    line = make_line (uses[i].text, server);
    if (probe->via != NULL) {
      append_word (line, "--proxy");
      append_word (line, probe->via);
    }
    append_options (line, fact, uses[i].program, probe->via != NULL);
    return g_string_free (line, FALSE);
  }
  return NULL;
}
