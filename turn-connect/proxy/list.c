/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What somebody else says about proxies, read without good will: the wrong reading of a word here
 * is a connection that goes where it must not. Going directly has to be said.
 */
#include "turn-connect/proxy/list.h"

#include "turn-connect/error-private.h"
#include "turn-connect/proxy/exempt.h"

#include <string.h>

#define WAYS_MAX 16 /* more would outlast every timeout */
#define QUOTED_MAX 80

static void
free_way (gpointer proxy)
{
  if (proxy != NULL)
    turn_connect_proxy_unref (proxy);
}

GPtrArray *
turn_connect_proxy_list_new (void)
{
  return g_ptr_array_new_with_free_func (free_way);
}

static gboolean
fail (GError **error, TurnConnectError code, const char *what, const char *text)
{
  /* What stands before an @ may be a password. */
  g_autofree char *quoted = strchr (text, '@') != NULL
                                ? g_strdup ("...@...")
                                : turn_connect_error_quote (text, strlen (text), QUOTED_MAX);

  g_set_error (error, TURN_CONNECT_ERROR, (gint)code, "%s: \"%s\"", what, quoted);
  return FALSE;
}

static gboolean
add_proxy (GPtrArray *ways, const char *url, const char *entry, GError **error)
{
  TurnConnectProxy *proxy = turn_connect_proxy_new (url, NULL);

  if (proxy == NULL)
    return fail (error, TURN_CONNECT_ERROR_INVALID, "no proxy that can be used", entry);
  if (ways->len >= WAYS_MAX)
    turn_connect_proxy_unref (proxy);
  else
    g_ptr_array_add (ways, proxy);
  return TRUE;
}

/* Directly, and NULL stands for it. Behind a proxy that cannot be asked it is not known whether it is
 * wanted: the list means it for the case that those before it fail. */
static void
add_direct (GPtrArray *ways, const char *passed_over)
{
  if (passed_over == NULL && ways->len < WAYS_MAX)
    g_ptr_array_add (ways, NULL);
}

/* What was passed over is told if nothing is left. */
static GPtrArray *
finish (GPtrArray *made, const char *passed_over, const char *text, GError **error)
{
  g_autoptr (GPtrArray) ways = made;

  if (ways->len > 0)
    return g_steal_pointer (&ways);
  if (passed_over != NULL)
    fail (error, TURN_CONNECT_ERROR_UNSUPPORTED,
          "SOCKS is not spoken here, and there is no other proxy; nothing goes directly instead",
          text);
  else
    fail (error, TURN_CONNECT_ERROR_INVALID, "it names no way at all", text);
  return NULL;
}

static gboolean
is_word (const char *text, gsize length, const char *word)
{
  return strlen (word) == length && g_ascii_strncasecmp (text, word, length) == 0;
}

static gboolean
add_pac_entry (GPtrArray *ways, const char *entry, const char **passed_over, GError **error)
{
  gsize word = strcspn (entry, " \t");
  const char *place = entry + word + strspn (entry + word, " \t");
  g_autofree char *url = NULL;

  if (is_word (entry, word, "DIRECT") && *place == '\0') {
    add_direct (ways, *passed_over);
    return TRUE;
  }
  if (is_word (entry, word, "SOCKS") || is_word (entry, word, "SOCKS4") ||
      is_word (entry, word, "SOCKS5")) {
    *passed_over = entry;
    return TRUE;
  }
  if ((!is_word (entry, word, "PROXY") && !is_word (entry, word, "HTTP") &&
       !is_word (entry, word, "HTTPS")) ||
      *place == '\0' || strpbrk (place, "@/ \t") != NULL)
    return fail (error, TURN_CONNECT_ERROR_INVALID, "a way that is not understood", entry);
  url = g_strconcat (is_word (entry, word, "HTTPS") ? "https://" : "http://", place, NULL);
  return add_proxy (ways, url, entry, error);
}

GPtrArray *
turn_connect_proxy_list_parse_pac (const char *result, GError **error)
{
  g_autoptr (GPtrArray) ways = turn_connect_proxy_list_new ();
  g_auto (GStrv) entries = g_strsplit (result, ";", -1);
  const char *passed_over = NULL;

  for (char **entry = entries; *entry != NULL; entry++) {
    if (*g_strstrip (*entry) != '\0' && !add_pac_entry (ways, *entry, &passed_over, error))
      return NULL;
  }
  return finish (g_steal_pointer (&ways), passed_over, result, error);
}

GPtrArray *
turn_connect_proxy_list_parse_urls (const char *urls, GError **error)
{
  g_autoptr (GPtrArray) ways = turn_connect_proxy_list_new ();
  g_auto (GStrv) entries = g_strsplit_set (urls, " \t\r\n", -1);
  const char *passed_over = NULL;

  for (char **entry = entries; *entry != NULL; entry++) {
    if (**entry == '\0')
      continue;
    if (strcmp (*entry, "direct://") == 0) {
      add_direct (ways, passed_over);
    } else if (g_str_has_prefix (*entry, "socks")) {
      passed_over = "socks://...";
    } else if (strstr (*entry, "://") == NULL) {
      fail (error, TURN_CONNECT_ERROR_INVALID, "a way that is not understood", *entry);
      return NULL;
    } else if (!add_proxy (ways, *entry, *entry, error)) {
      return NULL;
    }
  }
  return finish (g_steal_pointer (&ways), passed_over, passed_over != NULL ? passed_over : "",
                 error);
}

GPtrArray *
turn_connect_proxy_list_from_environment (
    TurnConnectGetenv get, const char *host, guint16 port, gboolean *is_set, GError **error)
{
  /* HTTP_PROXY is left out: CGI programs get it from a request's header "Proxy". */
  static const char *const names[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                       "http_proxy" };
  g_autoptr (GPtrArray) ways = turn_connect_proxy_list_new ();
  const char *exempt = get ("no_proxy");
  TurnConnectProxy *proxy;

  *is_set = FALSE;
  if (exempt == NULL || *exempt == '\0')
    exempt = get ("NO_PROXY");
  for (gsize i = 0; i < G_N_ELEMENTS (names) && !*is_set; i++) {
    const char *value = get (names[i]);

    if (value == NULL || *value == '\0')
      continue;
    *is_set = TRUE;
    if (exempt != NULL && turn_connect_proxy_is_exempt (exempt, host, port))
      break;
    proxy = turn_connect_proxy_new (value, error);
    if (proxy == NULL) {
      g_prefix_error (error, "the environment's %s: ", names[i]);
      return NULL;
    }
    g_ptr_array_add (ways, proxy);
  }
  if (ways->len == 0)
    g_ptr_array_add (ways, NULL);
  return g_steal_pointer (&ways);
}
