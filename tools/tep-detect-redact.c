/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A result to be shown to strangers. Addresses, names and what a network said of itself are replaced,
 * each by the same thing wherever it stands, so that what is left means the same: it is judged again
 * to the same verdict. An address becomes one of the same range, a name one under .invalid.
 *
 * What is not known to be harmless is replaced: texts of the network whole, facts unless they are a
 * word, in local error messages whatever looks like an address or a name.
 */
#include "tools/tep-detect.h"

#include "turn-connect/detect/record.h"

#include <string.h>

#define PLACEHOLDER_DOMAIN ".invalid" /* RFC 6761 section 6.4 */
#define HEX_MIN 12                    /* digits: a network card's address has twelve */
#define PUBLIC_IPV4 "203.0.113.0/24"  /* for ordinary addresses: documentation, RFC 5737 */
#define PUBLIC_IPV6 "3fff::/20"       /* likewise, RFC 9637 */
#define PUBLIC_MORE "240.0.0.0/4"     /* where that is used up: reserved, RFC 1112 section 4 */
#define PREFIX_MAX 24                 /* bits; a smaller range is a well-known address */
#define PREFIX6_MAX 96
#define WORD_MAX 24
#define LEGEND_MAX 800 /* octets; a record takes no text of more than 1024 */

typedef struct {
  gboolean is_collecting; /* first what there is, so that no placeholder is somebody's address */
  const char *const *words;
  GHashTable *taken;     /* addresses that stand in the original */
  GHashTable *addresses; /* of it, text, to their placeholders */
  GHashTable *names;     /* likewise */
  GHashTable *counts;    /* of each kind of placeholder */
  GString *legend;
} Redaction;

/* Facts whose values are ours, whatever they look like, and those that the network fills in. */
static const char *const harmless[] = { "tls", "options", "local", NULL };
static const char *const foreign[] = { "realm",        "user",     "name",    "title",  "issuer",
                                       "subject",      "page",     "host",    "server", "via-seen",
                                       "contact-seen", "sdp-seen", "schemes", "added",  NULL };

/* Lists that the network fills in, of which everybody's words may stay: kinds of authentication, and
 * headers that proxies add. Others are named after who made or owns them. */
static const struct {
  const char *key;
  const char *words[24];
} lists[] = {
  { "schemes",
    { "Basic", "Digest", "NTLM", "Negotiate", "Kerberos", "Bearer", "HOBA", "Mutual", "SCRAM-SHA-1",
      "SCRAM-SHA-256", "none", NULL } },
  { "added",
    { "Via",
      "Forwarded",
      "X-Forwarded-For",
      "X-Forwarded-Proto",
      "X-Forwarded-Host",
      "X-Forwarded-Port",
      "X-Forwarded-Server",
      "X-Real-IP",
      "X-Client-IP",
      "Client-IP",
      "Max-Forwards",
      "Cache-Control",
      "Pragma",
      "Connection",
      "Proxy-Connection",
      "Keep-Alive",
      "Accept",
      "Accept-Encoding",
      "User-Agent",
      "Host",
      "Content-Length",
      "X-Cache",
      NULL } },
};

static guint
count (Redaction *self, const char *kind)
{
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (self->counts, kind)) + 1;

  g_hash_table_insert (self->counts, g_strdup (kind), GUINT_TO_POINTER (n));
  return n;
}

/* Addresses */

/* The range's first address with a number added to it; FALSE where the range has no more. */
static gboolean
count_up (const StunExtPrefix *prefix, guint number, StunExtAddress *address)
{
  gsize length = prefix->family == 4 ? 4 : 16;
  guint bits = (guint)(length * 8) - prefix->length;

  if (bits < 32 && number >= (1u << bits) - 1)
    return FALSE;
  stun_ext_address_init (address, prefix->family, prefix->octets, 0);
  for (gsize i = 0; i < 4; i++)
    address->octets[length - 1 - i] |= (guint8)(number >> (8 * i));
  return TRUE;
}

static gboolean
find_free (Redaction *self, const char *range, StunExtAddress *address)
{
  StunExtPrefix prefix;
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  if (!stun_ext_prefix_parse (range, &prefix, NULL))
    return FALSE;
  do {
    if (!count_up (&prefix, count (self, range), address))
      return FALSE;
  } while (g_hash_table_contains (self->taken, stun_ext_address_print_host (address, text)));
  return TRUE;
}

static void
explain (Redaction *self, const char *range, const char *meaning)
{
  if (!g_hash_table_contains (self->counts, range) && self->legend->len < LEGEND_MAX)
    g_string_append_printf (self->legend, "; %s: %s", range, meaning);
}

/* The range whose addresses stand for this one; NULL if it may stand for itself. */
static char *
choose_range (Redaction *self, const StunExtAddress *address)
{
  const char *special = stun_ext_address_special_purpose (address);
  g_auto (GStrv) words = special != NULL ? g_strsplit (special, " ", 2) : NULL;
  const char *range = address->family == 4 ? PUBLIC_IPV4 : PUBLIC_IPV6;
  StunExtPrefix prefix;

  if (words != NULL && words[0] != NULL && words[1] != NULL &&
      stun_ext_prefix_parse (words[0], &prefix, NULL) && prefix.family == address->family) {
    if (prefix.length > (prefix.family == 4 ? PREFIX_MAX : PREFIX6_MAX))
      return NULL;
    explain (self, words[0], words[1]);
    return g_strdup (words[0]);
  }
  explain (self, range, "in place of public addresses");
  return g_strdup (range);
}

static void
map_address (Redaction *self, StunExtAddress *address)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  StunExtAddress *found, fresh;
  g_autofree char *range = NULL;

  if (address->family == 0)
    return;
  stun_ext_address_print_host (address, text);
  if (self->is_collecting) {
    g_hash_table_add (self->taken, g_strdup (text));
    return;
  }
  found = g_hash_table_lookup (self->addresses, text);
  if (found == NULL) {
    range = choose_range (self, address);
    if (range == NULL)
      fresh = *address;
    else if (!find_free (self, range, &fresh) && !find_free (self, PUBLIC_MORE, &fresh))
      fresh = (StunExtAddress){ .family = address->family };
    found = g_memdup2 (&fresh, sizeof fresh);
    g_hash_table_insert (self->addresses, g_strdup (text), found);
  }
  fresh = *found;
  fresh.port = address->port;
  *address = fresh;
}

static void
map_addresses (Redaction *self, GArray *addresses)
{
  for (guint i = 0; i < addresses->len; i++)
    map_address (self, &g_array_index (addresses, StunExtAddress, i));
}

/* Names */

/* The placeholder of a name; kinds are counted apart. */
static const char *
map_name (Redaction *self, const char *kind, const char *name, const char *domain)
{
  g_autofree char *key = g_ascii_strdown (name, -1);
  char *found = g_hash_table_lookup (self->names, key);

  if (found == NULL) {
    found = g_strdup_printf ("%s-%u%s", kind, count (self, kind), domain);
    g_hash_table_insert (self->names, g_steal_pointer (&key), found);
  }
  return found;
}

static gboolean
is_known_name (Redaction *self, const char *name)
{
  g_autofree char *key = g_ascii_strdown (name, -1);

  return g_hash_table_contains (self->names, key);
}

/* A name of the domain name system: dots, and letters behind the last. */
static gboolean
looks_like_name (const char *word)
{
  const char *dot = strrchr (word, '.');

  if (dot == NULL || dot == word || (dot[1] > 0 && !g_ascii_isalpha (dot[1])))
    return FALSE;
  for (const char *p = word; *p != '\0'; p++) {
    if (*p > 0 && !g_ascii_isalnum (*p) && strchr ("-_.", *p) == NULL)
      return FALSE;
  }
  return TRUE;
}

static gboolean
looks_like_hex (const char *word)
{
  guint n = 0;

  for (const char *p = word; *p != '\0'; p++) {
    if (g_ascii_isxdigit (*p))
      n++;
    else if (*p != ':' && *p != '-')
      return FALSE;
  }
  return n >= HEX_MIN;
}

static gboolean
is_known_word (Redaction *self, const char *word)
{
  for (gsize i = 0; self->words != NULL && self->words[i] != NULL; i++) {
    if (g_ascii_strcasecmp (self->words[i], word) == 0)
      return TRUE;
  }
  return FALSE;
}

static char *
print_address (const StunExtAddress *address, gboolean has_port, gboolean has_brackets)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  if (has_port)
    return g_strdup (stun_ext_address_print (address, text));
  stun_ext_address_print_host (address, text);
  return g_strdup_printf (has_brackets ? "[%s]" : "%s", text);
}

/* A host as it may stand anywhere, without a port: an address, or a name. NULL: neither. */
static char *
map_host (Redaction *self, const char *word)
{
  StunExtAddress address;

  g_autofree char *bare = g_strndup (word, strcspn (word, "%")); /* without the interface */

  if (stun_ext_address_parse (bare, &address)) {
    map_address (self, &address);
    return print_address (&address, address.port != 0, *word == '[');
  }
  if (g_ascii_strcasecmp (word, "ipv4only.arpa") == 0) /* RFC 7050: everybody's */
    return g_strdup (word);
  if (is_known_name (self, word) || looks_like_name (word))
    return g_strdup (map_name (self, "name", word, PLACEHOLDER_DOMAIN));
  return NULL;
}

static char *map_word (Redaction *self, const char *word);

/* scheme://user@host:port/path: of the path only that there is one is kept. */
static char *
map_url (Redaction *self, const char *word)
{
  const char *rest = strstr (word, "://") + strlen ("://");
  g_autofree char *scheme = g_strndup (word, (gsize)(rest - word));
  gsize length = strcspn (rest, "/?#");
  g_autofree char *authority = g_strndup (rest, length);
  const char *at = strrchr (authority, '@');
  const char *host = at != NULL ? at + 1 : authority;
  g_autofree char *mapped = map_word (self, host);

  if (strcmp (mapped, host) == 0 && *host != '\0' && !self->is_collecting) {
    const char *colon = strrchr (host, ':');
    g_autofree char *bare = g_strndup (host, colon != NULL ? (gsize)(colon - host) : strlen (host));

    g_free (mapped);
    mapped = g_strconcat (map_name (self, "name", bare, PLACEHOLDER_DOMAIN),
                          colon != NULL ? colon : "", NULL);
  }
  return g_strconcat (scheme, at != NULL ? "user@" : "", mapped, rest[length] != '\0' ? "/..." : "",
                      NULL);
}

/* host:port, or prefix/length; NULL: neither. */
static char *
map_pair (Redaction *self, const char *word)
{
  const char *mark = strrchr (word, '/') != NULL ? strrchr (word, '/') : strrchr (word, ':');
  g_autofree char *start = mark != NULL ? g_strndup (word, (gsize)(mark - word)) : NULL;
  g_autofree char *mapped = mark != NULL ? map_host (self, start) : NULL;

  return mapped != NULL ? g_strconcat (mapped, mark, NULL) : NULL;
}

/* What stands for a word: itself, where it looks like nothing. */
static char *
map_word (Redaction *self, const char *word)
{
  char *mapped;

  if (strstr (word, "://") != NULL)
    return map_url (self, word);
  if ((mapped = map_host (self, word)) != NULL || (mapped = map_pair (self, word)) != NULL)
    return mapped;
  if (is_known_word (self, word) || strchr (word, '@') != NULL)
    return g_strdup (map_name (self, "user", word, ""));
  if (looks_like_hex (word))
    return g_strdup (map_name (self, "hex", word, ""));
  return g_strdup (word);
}

/* Texts */

#define BETWEEN " \t\r\n,;()<>{}|\"'=" /* ends a word, as ASCII goes */

static void
append_word (Redaction *self, GString *out, const char *start, gsize length)
{
  g_autofree char *whole = g_strndup (start, length), *word = NULL, *mapped = NULL;
  StunExtAddress address;
  gsize kept = length;

  while (!stun_ext_address_parse (whole, &address) && kept > 0 &&
         strchr (".:!?", start[kept - 1]) != NULL) /* the sentence's, not the name's */
    kept--;
  word = g_strndup (start, kept);
  mapped = map_word (self, word);
  g_string_append (out, mapped);
  g_string_append_len (out, start + kept, (gssize)(length - kept));
}

/* A text of ours, in which names and addresses stand. */
static void
scrub (Redaction *self, char **text)
{
  GString *out = g_string_new (NULL);
  const char *at = *text;

  if (at == NULL) {
    g_string_free (out, TRUE);
    return;
  }
  while (*at != '\0') {
    gsize length = strcspn (at, BETWEEN "\xe2"); /* quotation marks begin so */

    if (length > 0)
      append_word (self, out, at, length);
    at += length;
    if (*at != '\0')
      g_string_append_c (out, *at++);
    while ((*at & 0xc0) == 0x80)
      g_string_append_c (out, *at++);
  }
  if (!self->is_collecting) {
    g_free (*text);
    *text = g_string_free (out, FALSE);
  } else
    g_string_free (out, TRUE);
}

/* A text of somebody else's. */
static void
replace (Redaction *self, const char *kind, char **text)
{
  char *mapped;

  if (*text == NULL || self->is_collecting)
    return;
  mapped = g_strdup (map_name (self, kind, *text, ""));
  g_free (*text);
  *text = mapped;
}

/* A word such as the classifier reads, "answered"; or a number. */
static gboolean
is_harmless (const char *key, const char *value)
{
  return g_strv_contains (harmless, key) ||
         (!g_strv_contains (foreign, key) && strlen (value) <= WORD_MAX &&
          value[strspn (value, G_CSET_a_2_z "-")] == '\0') ||
         value[strspn (value, G_CSET_DIGITS)] == '\0';
}

/* The list without what is not everybody's; NULL if this is none. */
static char *
keep_common (const char *key, const char *value)
{
  g_auto (GStrv) parts = g_strsplit (value, ", ", -1);
  GString *kept = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (lists); i++) {
    if (strcmp (lists[i].key, key) != 0)
      continue;
    kept = g_string_new (NULL);
    for (gsize j = 0; parts[j] != NULL; j++) {
      const char *word = "other";

      for (gsize k = 0; lists[i].words[k] != NULL; k++)
        if (g_ascii_strcasecmp (lists[i].words[k], parts[j]) == 0)
          word = lists[i].words[k];
      g_string_append_printf (kept, "%s%s", j > 0 ? ", " : "", word);
    }
  }
  return kept != NULL ? g_string_free (kept, FALSE) : NULL;
}

static void
scrub_facts (Redaction *self, GHashTable *facts)
{
  g_autoptr (GList) keys = facts != NULL ? g_hash_table_get_keys (facts) : NULL;

  /* In an order, so that the same result is always redacted alike. */
  keys = g_list_sort (keys, (GCompareFunc)strcmp);
  for (const GList *l = keys; l != NULL; l = l->next) {
    const char *value = g_hash_table_lookup (facts, l->data);
    char *common = keep_common (l->data, value);
    char *mapped = common != NULL ? common : g_strdup (value);

    if (common == NULL && !is_harmless (l->data, value)) {
      scrub (self, &mapped);
      if (strcmp (mapped, value) == 0 || strchr (value, ' ') != NULL)
        replace (self, "text", &mapped);
    }
    g_hash_table_insert (facts, g_strdup (l->data), mapped);
  }
}

/* Messages of this machine; all others may quote what the network said. */
static gboolean
is_ours (const TurnConnectProbe *probe)
{
  if (probe->code != 0) /* that of an answer, whose words may stand behind it */
    return FALSE;
  switch (probe->outcome) {
  case TURN_CONNECT_OUTCOME_SILENCE:
  case TURN_CONNECT_OUTCOME_REFUSED:
  case TURN_CONNECT_OUTCOME_UNREACHABLE:
  case TURN_CONNECT_OUTCOME_RESET:
  case TURN_CONNECT_OUTCOME_SKIPPED:
  case TURN_CONNECT_OUTCOME_CANCELLED:
    return TRUE;
  default:
    return FALSE;
  }
}

static void
redact_probe (Redaction *self, TurnConnectProbe *probe)
{
  map_address (self, &probe->target);
  map_address (self, &probe->local);
  map_address (self, &probe->mapped);
  map_address (self, &probe->source);
  map_address (self, &probe->origin);
  map_address (self, &probe->other);
  scrub (self, &probe->via);
  if (is_ours (probe))
    scrub (self, &probe->detail);
  else
    replace (self, "text", &probe->detail);
  scrub_facts (self, probe->facts);
}

static void
redact_all (Redaction *self, TurnConnectObservations *observations)
{
  if (observations->host != NULL) {
    g_autofree char *mapped = map_host (self, observations->host);

    if (mapped == NULL)
      mapped = g_strdup (map_name (self, "name", observations->host, PLACEHOLDER_DOMAIN));
    if (!self->is_collecting) {
      g_free (observations->host);
      observations->host = g_steal_pointer (&mapped);
    }
  }
  map_addresses (self, observations->locals);
  map_addresses (self, observations->servers);
  replace (self, "interface", &observations->interface);
  scrub (self, &observations->software);
  scrub (self, &observations->resolve_error);
  scrub_facts (self, observations->facts);
  for (guint i = 0; i < observations->probes->len; i++)
    redact_probe (self, g_ptr_array_index (observations->probes, i));
}

TurnConnectObservations *
tep_detect_redact (const TurnConnectObservations *observations,
                   const char *const *words,
                   GError **error)
{
  g_autofree char *text = turn_connect_record_write (observations, NULL, FALSE);
  TurnConnectObservations *copy = turn_connect_record_read (text, strlen (text), error);
  Redaction self = { .is_collecting = TRUE, .words = words };

  if (copy == NULL)
    return NULL;
  self.taken = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self.addresses = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self.names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self.counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self.legend = g_string_new ("names and addresses are not the true ones, but of the same kind");
  g_hash_table_remove (copy->facts, "redacted");
  redact_all (&self, copy);
  self.is_collecting = FALSE;
  g_hash_table_remove_all (self.names);
  g_hash_table_remove_all (self.counts);
  redact_all (&self, copy);
  memset (copy->run_id, 0, sizeof copy->run_id);
  g_hash_table_insert (copy->facts, g_strdup ("redacted"), g_string_free (self.legend, FALSE));
  g_hash_table_unref (self.taken);
  g_hash_table_unref (self.addresses);
  g_hash_table_unref (self.names);
  g_hash_table_unref (self.counts);
  return copy;
}
