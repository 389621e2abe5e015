/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kerberos and NTLM are not for us to write. GSSAPI has both: Kerberos in MIT's library, NTLM in
 * the mechanism that the package gss-ntlmssp brings. Its calls read files, ask name services and
 * wait for key distribution centres, so they run in a thread, on an object that outlives whoever
 * lost interest.
 */
#include "turn-connect/proxy/gss.h"

#include "turn-connect/error.h"
#include "turn-connect/proxy/url.h"

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <string.h>

static gss_OID_desc spnego = { 6, "\x2b\x06\x01\x05\x05\x02" }; /* 1.3.6.1.5.5.2 */
static gss_OID_desc ntlm = { 10, "\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a" };

struct _TurnConnectGss {
  gatomicrefcount refs;
  gboolean is_ntlm;
  char *service; /* "HTTP@proxy.example" */
  char *user;
  char *password;
  gss_cred_id_t credential;
  gss_name_t target;
  gss_ctx_id_t context;
  gboolean is_complete;
};

TurnConnectGss *
turn_connect_gss_new (TurnConnectProxySchemes scheme,
                      const char *host,
                      const char *user,
                      const char *password)
{
  TurnConnectGss *gss = g_new0 (TurnConnectGss, 1);

  g_atomic_ref_count_init (&gss->refs);
  gss->is_ntlm = scheme == TURN_CONNECT_PROXY_NTLM;
  gss->service = g_strconcat ("HTTP@", host, NULL);
  gss->user = g_strdup (user);
  gss->password = g_strdup (password);
  gss->credential = GSS_C_NO_CREDENTIAL;
  gss->target = GSS_C_NO_NAME;
  gss->context = GSS_C_NO_CONTEXT;
  return gss;
}

TurnConnectGss *
turn_connect_gss_ref (TurnConnectGss *gss)
{
  g_atomic_ref_count_inc (&gss->refs);
  return gss;
}

void
turn_connect_gss_unref (TurnConnectGss *gss)
{
  OM_uint32 minor;

  if (!g_atomic_ref_count_dec (&gss->refs))
    return;
  gss_delete_sec_context (&minor, &gss->context, GSS_C_NO_BUFFER);
  gss_release_name (&minor, &gss->target);
  gss_release_cred (&minor, &gss->credential);
  turn_connect_secret_free (gss->user);
  turn_connect_secret_free (gss->password);
  g_free (gss->service);
  g_free (gss);
}

static void
append_status (GString *text, OM_uint32 status, int kind, gss_OID mechanism)
{
  OM_uint32 minor, more = 0;

  do {
    gss_buffer_desc words = GSS_C_EMPTY_BUFFER;

    if (GSS_ERROR (gss_display_status (&minor, status, kind, mechanism, &more, &words)))
      return;
    if (words.length > 0)
      g_string_append_printf (text, "%s%.*s", text->len > 0 ? ": " : "", (int)words.length,
                              (const char *)words.value);
    gss_release_buffer (&minor, &words);
  } while (more != 0);
}

static gboolean
fail (GError **error, const char *what, OM_uint32 major, OM_uint32 minor, gss_OID mechanism)
{
  g_autoptr (GString) text = g_string_new (what);

  append_status (text, major, GSS_C_GSS_CODE, GSS_C_NO_OID);
  if (minor != 0)
    append_status (text, minor, GSS_C_MECH_CODE, mechanism);
  g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_PROXY_SCHEME, text->str);
  return FALSE;
}

static gss_name_t
import_name (const char *text, gss_OID kind)
{
  gss_buffer_desc buffer = { strlen (text), (char *)text };
  gss_name_t name = GSS_C_NO_NAME;
  OM_uint32 minor;

  gss_import_name (&minor, &buffer, kind, &name);
  return name;
}

static gboolean
has_mechanism (gss_OID wanted)
{
  gss_OID_set all = GSS_C_NO_OID_SET;
  OM_uint32 minor;
  int is_there = 0;

  if (GSS_ERROR (gss_indicate_mechs (&minor, &all)))
    return FALSE;
  gss_test_oid_set_member (&minor, wanted, all, &is_there);
  gss_release_oid_set (&minor, &all);
  return is_there != 0;
}

/* A credential for one mechanism: the password's owner's, or that of the ticket cache. */
static OM_uint32
acquire (TurnConnectGss *gss, gss_OID mechanism, gss_cred_id_t *credential, OM_uint32 *minor)
{
  gss_OID_set_desc mechanisms = { 1, mechanism };
  gss_buffer_desc password = { 0 };
  gss_name_t name;
  OM_uint32 major, ignored;

  if (gss->user == NULL)
    return gss_acquire_cred (minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechanisms, GSS_C_INITIATE,
                             credential, NULL, NULL);
  name = import_name (gss->user, GSS_C_NT_USER_NAME);
  password.value = gss->password;
  password.length = strlen (gss->password);
  major = gss_acquire_cred_with_password (minor, name, &password, GSS_C_INDEFINITE, &mechanisms,
                                          GSS_C_INITIATE, credential, NULL, NULL);
  gss_release_name (&ignored, &name);
  return major;
}

static gboolean
prepare_ntlm (TurnConnectGss *gss, GError **error)
{
  OM_uint32 major, minor = 0;

  if (!has_mechanism (&ntlm)) {
    g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_UNSUPPORTED,
                         "this machine's GSSAPI has no NTLM; install the package gss-ntlmssp");
    return FALSE;
  }
  major = acquire (gss, &ntlm, &gss->credential, &minor);
  if (GSS_ERROR (major))
    return fail (error, "the user and password cannot be used", major, minor, &ntlm);
  return TRUE;
}

/* Negotiate here is Kerberos: what else SPNEGO may choose has a scheme of its own. Kerberos is
 * asked first, since SPNEGO does not say why it has nothing to offer. */
static gboolean
prepare_kerberos (TurnConnectGss *gss, GError **error)
{
  gss_OID_set_desc kerberos = { 1, (gss_OID)gss_mech_krb5 };
  gss_cred_id_t probe = GSS_C_NO_CREDENTIAL;
  OM_uint32 major, minor = 0, ignored;

  major = acquire (gss, (gss_OID)gss_mech_krb5, &probe, &minor);
  gss_release_cred (&ignored, &probe);
  if (GSS_ERROR (major))
    return fail (error,
                 gss->user == NULL ? "there is no Kerberos ticket (kinit fetches one)"
                                   : "no Kerberos ticket can be had for the configured user",
                 major, minor, (gss_OID)gss_mech_krb5);
  major = acquire (gss, &spnego, &gss->credential, &minor);
  if (!GSS_ERROR (major))
    major = gss_set_neg_mechs (&minor, gss->credential, &kerberos);
  if (GSS_ERROR (major))
    return fail (error, "no credential for Negotiate", major, minor, &spnego);
  return TRUE;
}

static gboolean
prepare (TurnConnectGss *gss, GError **error)
{
  gss->target = import_name (gss->service, GSS_C_NT_HOSTBASED_SERVICE);
  if (gss->target == GSS_C_NO_NAME)
    return fail (error, "the proxy's name cannot be used", GSS_S_BAD_NAME, 0, GSS_C_NO_OID);
  return gss->is_ntlm ? prepare_ntlm (gss, error) : prepare_kerberos (gss, error);
}

/* MS-NLMP section 2.2.1.2. Old servers, and squid's ntlm_fake_auth, send a CHALLENGE_MESSAGE
 * without target information, which gss-ntlmssp 1.2 does not take. What is computed from is the
 * challenge and the flags, so those go into a message of the form that it does take, with target
 * information that is empty. Any other message is passed on as it is. */
static GBytes *
mend_challenge (GBytes *input)
{
  enum {
    FLAGS = 20,
    CHALLENGE = 24,
    INFO = 40,
    HEADER = 56,
    END = 60
  };
  static const guint8 beginning[12] = "NTLMSSP\0\2\0\0";
  gsize length;
  const guint8 *octets = g_bytes_get_data (input, &length);
  guint8 *mended;

  if (length < 32 || memcmp (octets, beginning, sizeof beginning) != 0 ||
      (octets[FLAGS + 2] & 0x80) != 0) /* NTLMSSP_NEGOTIATE_TARGET_INFO */
    return g_bytes_ref (input);
  mended = g_malloc0 (END); /* the last four octets are the list's end, MsvAvEOL */
  memcpy (mended, beginning, sizeof beginning);
  mended[16] = HEADER; /* where the target's name, of no octets, is */
  memcpy (mended + FLAGS, octets + FLAGS, 4);
  mended[FLAGS + 2] = (guint8)((octets[FLAGS + 2] | 0x80) & ~0x03); /* the name is of no kind */
  if ((mended[FLAGS] & 0x01) != 0)
    mended[FLAGS] &= (guint8)~0x02; /* of Unicode and OEM one is to be chosen */
  memcpy (mended + CHALLENGE, octets + CHALLENGE, 8);
  mended[INFO] = mended[INFO + 2] = END - HEADER;
  mended[INFO + 4] = HEADER;
  return g_bytes_new_take (mended, END);
}

static GBytes *
step (TurnConnectGss *gss, GBytes *input, GError **error)
{
  gss_buffer_desc from = GSS_C_EMPTY_BUFFER, to = GSS_C_EMPTY_BUFFER;
  gss_OID mechanism = gss->is_ntlm ? &ntlm : &spnego;
  OM_uint32 major, minor = 0, ignored;
  g_autoptr (GBytes) token = NULL;
  g_autoptr (GBytes) mended = NULL;

  if (gss->is_complete) {
    g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_PROXY_PROTOCOL,
                         "the proxy goes on after everything was said");
    return NULL;
  }
  if (gss->target == GSS_C_NO_NAME && !prepare (gss, error))
    return NULL;
  if (input != NULL) {
    mended = gss->is_ntlm ? mend_challenge (input) : g_bytes_ref (input);
    from.value = (gpointer)g_bytes_get_data (mended, &from.length);
  }
  major = gss_init_sec_context (&minor, gss->credential, &gss->context, gss->target, mechanism, 0,
                                GSS_C_INDEFINITE, GSS_C_NO_CHANNEL_BINDINGS, &from, NULL, &to, NULL,
                                NULL);
  if (to.length > 0)
    token = g_bytes_new (to.value, to.length);
  gss_release_buffer (&ignored, &to);
  if (GSS_ERROR (major)) {
    fail (error,
          gss->is_ntlm ? "what the proxy sent cannot be answered" : "no ticket for the proxy",
          major, minor, mechanism);
    return NULL;
  }
  gss->is_complete = major == GSS_S_COMPLETE;
  if (token == NULL)
    g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_PROXY_PROTOCOL,
                         "there is no answer to what the proxy sent");
  return g_steal_pointer (&token);
}

typedef struct {
  TurnConnectGss *gss;
  GBytes *input;
} Job;

static void
job_free (gpointer data)
{
  Job *job = data;

  g_clear_pointer (&job->gss, turn_connect_gss_unref);
  g_clear_pointer (&job->input, g_bytes_unref);
  g_free (job);
}

static void
free_token (gpointer token)
{
  g_bytes_unref (token);
}

static void
run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  GError *error = NULL;
  GBytes *token = step (job->gss, job->input, &error);

  /* Before anybody hears of the result and ends the process: its libraries tear their locks down. */
  g_clear_pointer (&job->gss, turn_connect_gss_unref);
  if (token == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, token, free_token);
}

void
turn_connect_gss_step_async (TurnConnectGss *gss,
                             GBytes *input,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Job *job = g_new0 (Job, 1);

  job->gss = turn_connect_gss_ref (gss);
  job->input = input != NULL ? g_bytes_ref (input) : NULL;
  g_task_set_source_tag (task, turn_connect_gss_step_async);
  g_task_set_task_data (task, job, job_free);
  g_task_set_return_on_cancel (task, TRUE);
  g_task_run_in_thread (task, run);
}

GBytes *
turn_connect_gss_step_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
