/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Conditions for scripts. Each is a fact of the verdict by its name; "no-" before it demands the
 * contrary. What is not determined is neither, so that no script takes "unknown" for an answer.
 */
#include "tools/tep-detect.h"

#include <string.h>

#define NUMBER_MAX 5 /* digits */

typedef TurnConnectTell (*TellFunc) (const TurnConnectVerdict *verdict, guint number);

static TurnConnectTell
tell (gboolean is_so)
{
  return is_so ? TURN_CONNECT_TELL_YES : TURN_CONNECT_TELL_NO;
}

static TurnConnectTell
tell_udp (const TurnConnectVerdict *verdict, guint number)
{
  return turn_connect_verdict_get_family (verdict)->udp;
}

static TurnConnectTell
tell_tcp (const TurnConnectVerdict *verdict, guint number)
{
  return turn_connect_verdict_get_family (verdict)->tcp;
}

static TurnConnectTell
tell_nat (const TurnConnectVerdict *verdict, guint number)
{
  return turn_connect_verdict_get_family (verdict)->translated;
}

static TurnConnectTell
tell_works (const TurnConnectVerdict *verdict, guint number)
{
  return verdict->works;
}

static TurnConnectTell
tell_proxy (const TurnConnectVerdict *verdict, guint number)
{
  if (verdict->proxy == TURN_CONNECT_WAY_UNKNOWN)
    return TURN_CONNECT_TELL_UNKNOWN;
  return tell (verdict->proxy == TURN_CONNECT_WAY_WORKS);
}

static TurnConnectTell
tell_portal (const TurnConnectVerdict *verdict, guint number)
{
  return verdict->portal;
}

static TurnConnectTell
tell_inspection (const TurnConnectVerdict *verdict, guint number)
{
  return verdict->inspection.is_seen;
}

static TurnConnectTell
tell_tls_opened (const TurnConnectVerdict *verdict, guint number)
{
  return verdict->inspection.tls_opened;
}

static TurnConnectTell
tell_determined (const TurnConnectVerdict *verdict, guint number)
{
  return tell (verdict->type != TURN_CONNECT_TYPE_UNKNOWN);
}

static TurnConnectTell
tell_type (const TurnConnectVerdict *verdict, guint number)
{
  if (verdict->type == TURN_CONNECT_TYPE_UNKNOWN)
    return TURN_CONNECT_TELL_UNKNOWN;
  return tell (verdict->type == (gint)number);
}

static TurnConnectTell
tell_types (const TurnConnectVerdict *verdict, guint number)
{
  if (verdict->type == TURN_CONNECT_TYPE_UNKNOWN)
    return TURN_CONNECT_TELL_UNKNOWN;
  return tell ((verdict->types & (1u << number)) != 0);
}

static TurnConnectTell
tell_port (const TurnConnectVerdict *verdict, TurnConnectCarry carry, guint number)
{
  const TurnConnectFamilyVerdict *family = turn_connect_verdict_get_family (verdict);

  for (guint i = 0; i < family->ports->len; i++) {
    const TurnConnectPort *port = &g_array_index (family->ports, TurnConnectPort, i);

    if (port->carry != carry || port->port != number)
      continue;
    return port->reach == TURN_CONNECT_REACH_OPEN      ? TURN_CONNECT_TELL_YES
           : port->reach == TURN_CONNECT_REACH_BLOCKED ? TURN_CONNECT_TELL_NO
                                                       : TURN_CONNECT_TELL_UNKNOWN;
  }
  return TURN_CONNECT_TELL_UNKNOWN;
}

static TurnConnectTell
tell_udp_port (const TurnConnectVerdict *verdict, guint number)
{
  return tell_port (verdict, TURN_CONNECT_CARRY_UDP, number);
}

static TurnConnectTell
tell_tcp_port (const TurnConnectVerdict *verdict, guint number)
{
  return tell_port (verdict, TURN_CONNECT_CARRY_TCP, number);
}

static const struct {
  const char *name; /* with "=" at the end: a number follows */
  guint max;        /* of that number */
  TellFunc tell;    /* NULL: a method */
} conditions[] = {
  { "works", 0, tell_works },
  { "udp", 0, tell_udp },
  { "tcp", 0, tell_tcp },
  { "udp=", G_MAXUINT16, tell_udp_port },
  { "tcp=", G_MAXUINT16, tell_tcp_port },
  { "nat", 0, tell_nat },
  { "proxy", 0, tell_proxy },
  { "portal", 0, tell_portal },
  { "inspection", 0, tell_inspection },
  { "tls-opened", 0, tell_tls_opened },
  { "determined", 0, tell_determined },
  { "type=", 9, tell_type },
  { "types=", 9, tell_types },
  { "direct-udp", 0, NULL },
  { "turn-udp", 0, NULL },
  { "turn-tcp", 0, NULL },
  { "turn-tls", 0, NULL },
  { "turn-tls-proxy", 0, NULL },
  { "tep-80", 0, NULL },
  { "tep-443", 0, NULL },
  { "tep-tls", 0, NULL },
  { "tep-443-proxy", 0, NULL },
  { "tep-tls-proxy", 0, NULL },
  { "sip-tls", 0, NULL },
  { "sip-tls-proxy", 0, NULL },
};

static TurnConnectTell
tell_method (const TurnConnectVerdict *verdict, const char *name)
{
  for (guint i = 0; i < verdict->methods->len; i++) {
    const TurnConnectMethod *method = &g_array_index (verdict->methods, TurnConnectMethod, i);

    if (strcmp (method->name, name) == 0)
      return method->works;
  }
  return TURN_CONNECT_TELL_UNKNOWN;
}

/* Which condition a name is; FALSE if none. */
static gboolean
find (const char *name, gsize *index, guint *number)
{
  for (gsize i = 0; i < G_N_ELEMENTS (conditions); i++) {
    gsize length = strlen (conditions[i].name);
    const char *digits = name + length;
    guint64 value;

    if (conditions[i].max == 0 ? strcmp (name, conditions[i].name) != 0
                               : !g_str_has_prefix (name, conditions[i].name))
      continue;
    *index = i;
    *number = 0;
    if (conditions[i].max == 0)
      return TRUE;
    if (*digits == '\0' || strlen (digits) > NUMBER_MAX ||
        digits[strspn (digits, "0123456789")] != '\0')
      return FALSE;
    value = g_ascii_strtoull (digits, NULL, 10);
    *number = (guint)value;
    return value <= conditions[i].max;
  }
  return FALSE;
}

/* The name without "no-" before it. */
static const char *
strip (const char *name, gboolean *is_denied)
{
  *is_denied = g_str_has_prefix (name, "no-");
  return *is_denied ? name + strlen ("no-") : name;
}

char *
tep_detect_assert_list (void)
{
  GString *list = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (conditions); i++)
    g_string_append_printf (list, "%s%s%s", i > 0 ? ", " : "", conditions[i].name,
                            conditions[i].max > 0 ? "N" : "");
  return g_string_free (list, FALSE);
}

gboolean
tep_detect_assert_check (const char *names, char **unknown)
{
  g_auto (GStrv) words = g_strsplit (names, ",", -1);

  for (gsize i = 0; words[i] != NULL || i == 0; i++) {
    gboolean is_denied;
    gsize index;
    guint number;

    if (words[i] != NULL && find (strip (words[i], &is_denied), &index, &number))
      continue;
    *unknown = g_strdup (words[i] != NULL ? words[i] : "");
    return FALSE;
  }
  return TRUE;
}

char *
tep_detect_assert (const TurnConnectVerdict *verdict, const char *names)
{
  static const char *const states[] = { "is not determined", "does not hold", "holds" };
  g_auto (GStrv) words = g_strsplit (names, ",", -1);
  GString *broken = g_string_new (NULL);

  for (gsize i = 0; words[i] != NULL; i++) {
    gboolean is_denied;
    const char *name = strip (words[i], &is_denied);
    TurnConnectTell told = TURN_CONNECT_TELL_UNKNOWN;
    gsize index;
    guint number;

    if (find (name, &index, &number))
      told = conditions[index].tell != NULL ? conditions[index].tell (verdict, number)
                                            : tell_method (verdict, name);
    if (told != (is_denied ? TURN_CONNECT_TELL_NO : TURN_CONNECT_TELL_YES))
      g_string_append_printf (broken, "%s%s %s", broken->len > 0 ? "; " : "", name, states[told]);
  }
  if (broken->len > 0)
    return g_string_free (broken, FALSE);
  g_string_free (broken, TRUE);
  return NULL;
}
