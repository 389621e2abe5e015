/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a user may say about TLS, checked as it is said. There is no switch that turns checking off;
 * the one way around an authority is a pinned key. Detection alone can look at who answers without
 * trusting him.
 */
#include "turn-connect/tls-options-private.h"

#include "turn-connect/error.h"
#include "turn-connect/host.h"

#include <string.h>

#define ALPN_LIST_MAX 1024 /* octets */

struct _TurnConnectTlsOptions {
  GObject parent_instance;
  TurnConnectTlsContext *context;
  char *server_name;
};

G_DEFINE_FINAL_TYPE (TurnConnectTlsOptions, turn_connect_tls_options, G_TYPE_OBJECT)

static void
turn_connect_tls_options_finalize (GObject *object)
{
  TurnConnectTlsOptions *self = TURN_CONNECT_TLS_OPTIONS (object);

  g_clear_pointer (&self->context, turn_connect_tls_context_free);
  g_clear_pointer (&self->server_name, g_free);
  G_OBJECT_CLASS (turn_connect_tls_options_parent_class)->finalize (object);
}

static void
turn_connect_tls_options_class_init (TurnConnectTlsOptionsClass *class)
{
  G_OBJECT_CLASS (class)->finalize = turn_connect_tls_options_finalize;
}

static void
turn_connect_tls_options_init (TurnConnectTlsOptions *self)
{
  self->context = turn_connect_tls_context_new ();
}

TurnConnectTlsOptions *
turn_connect_tls_options_new (void)
{
  return g_object_new (TURN_CONNECT_TYPE_TLS_OPTIONS, NULL);
}

TurnConnectTlsOptions *
turn_connect_tls_options_new_blind (void)
{
  TurnConnectTlsOptions *options = turn_connect_tls_options_new ();

  turn_connect_tls_context_set_blind (options->context);
  return options;
}

static gboolean
refuse (GError **error, const char *message)
{
  g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, message);
  return FALSE;
}

gboolean
turn_connect_tls_options_set_server_name (TurnConnectTlsOptions *options,
                                          const char *name,
                                          GError **error)
{
  char *normal = NULL;

  if (name != NULL && (normal = turn_connect_host_normalise (name, error)) == NULL)
    return FALSE;
  g_free (options->server_name);
  options->server_name = normal;
  return TRUE;
}

gboolean
turn_connect_tls_options_set_ca_file (TurnConnectTlsOptions *options,
                                      const char *path,
                                      GError **error)
{
  return turn_connect_tls_context_set_ca_file (options->context, path, error);
}

void
turn_connect_tls_options_trust_as (TurnConnectTlsOptions *options, TurnConnectTlsOptions *other)
{
  turn_connect_tls_context_trust_as (options->context, other->context);
}

gboolean
turn_connect_tls_options_set_certificate (TurnConnectTlsOptions *options,
                                          const char *certificate_path,
                                          const char *key_path,
                                          GError **error)
{
  return turn_connect_tls_context_set_certificate (options->context, certificate_path, key_path,
                                                   error);
}

gboolean
turn_connect_tls_options_set_alpn (TurnConnectTlsOptions *options,
                                   const char *const *protocols,
                                   GError **error)
{
  g_autoptr (GByteArray) wire = g_byte_array_new ();

  for (; *protocols != NULL; protocols++) {
    gsize length = strlen (*protocols);
    guint8 prefix = (guint8)length;

    if (length == 0 || length > G_MAXUINT8 || wire->len + length + 1 > ALPN_LIST_MAX)
      return refuse (error,
                     "a protocol name for ALPN must have 1 to 255 octets, all 1024 together");
    g_byte_array_append (wire, &prefix, 1);
    g_byte_array_append (wire, (const guint8 *)*protocols, (guint)length);
  }
  turn_connect_tls_context_set_alpn (options->context, wire->data, wire->len);
  return TRUE;
}

static gboolean
parse_hex_pin (const char *text, guint8 *pin)
{
  gsize n = 0;

  for (; *text != '\0'; text++) {
    int high, low;

    if (*text == ':')
      continue;
    high = g_ascii_xdigit_value (text[0]);
    low = high >= 0 ? g_ascii_xdigit_value (text[1]) : -1;
    if (low < 0 || n == TURN_CONNECT_SHA256_SIZE)
      return FALSE;
    pin[n++] = (guint8)(high * 16 + low);
    text++;
  }
  return n == TURN_CONNECT_SHA256_SIZE;
}

static gboolean
parse_base64_pin (const char *text, guint8 *pin)
{
  g_autofree guint8 *octets = NULL;
  gsize n;

  if (g_str_has_prefix (text, "sha256//"))
    text += strlen ("sha256//");
  if (strlen (text) != 44) /* what 32 octets make */
    return FALSE;
  octets = g_base64_decode (text, &n);
  if (n != TURN_CONNECT_SHA256_SIZE)
    return FALSE;
  memcpy (pin, octets, n);
  return TRUE;
}

gboolean
turn_connect_tls_options_add_pin (TurnConnectTlsOptions *options, const char *pin, GError **error)
{
  guint8 octets[TURN_CONNECT_SHA256_SIZE];

  if (!parse_hex_pin (pin, octets) && !parse_base64_pin (pin, octets))
    return refuse (error, "a pin is the SHA-256 of a public key: 64 hexadecimal digits, or base64");
  turn_connect_tls_context_add_pin (options->context, octets);
  return TRUE;
}

void
turn_connect_tls_options_set_pins_only (TurnConnectTlsOptions *options, gboolean pins_only)
{
  turn_connect_tls_context_set_pins_only (options->context, pins_only);
}

gboolean
turn_connect_tls_options_set_null_encryption (TurnConnectTlsOptions *options,
                                              const char *suite,
                                              GError **error)
{
  return turn_connect_tls_context_set_null_suite (options->context, suite, error);
}

TurnConnectTlsContext *
turn_connect_tls_options_get_context (TurnConnectTlsOptions *options)
{
  return options->context;
}

const char *
turn_connect_tls_options_get_name_for (TurnConnectTlsOptions *options, const char *host)
{
  return options->server_name != NULL ? options->server_name : host;
}
