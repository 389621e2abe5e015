/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The report as one page that needs nothing but itself, to be sent to the firewall's owner: no
 * script, no font, no picture from elsewhere, and a policy under which none would be fetched. It
 * reads as XML too. Whatever it shows may be hostile and is escaped.
 */
#include "tools/tep-detect.h"

#include <string.h>

/* No "<" or "&" in it, so that it is the same text for HTML and XML. */
static const char style[] =
    ":root{color-scheme:light dark;--fg:#1a1c1e;--bg:#fff;--dim:#5c6166;--line:#d5d9dd;"
    "--card:#f4f6f8;--pass:#12793a;--stop:#b3261e;--nat:#2459a8}\n"
    "@media (prefers-color-scheme:dark){:root{--fg:#e6e8ea;--bg:#15181b;--dim:#a3abb2;"
    "--line:#3a4046;--card:#1f2428;--pass:#5fd08a;--stop:#ff8a80;--nat:#8ab4f8}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}\n"
    "main{max-width:46rem;margin:0 auto;padding:1rem}\n"
    "h1{font-size:1.6rem;line-height:1.2;margin:.2rem 0}\n"
    "h2{font-size:1.15rem;margin:1.8rem 0 .5rem}\n"
    "p{margin:.3rem 0}\n"
    ".dim{color:var(--dim);font-size:.9rem}\n"
    ".pass{color:var(--pass)}\n"
    ".stop{color:var(--stop)}\n"
    "figure{margin:1rem 0}\n"
    "svg{display:block;width:100%;max-width:30rem;margin:0 auto}\n"
    "svg text{fill:var(--fg);font-size:11px}\n"
    "svg text.title{font-weight:600;font-size:12.5px}\n"
    "svg text.small,svg text.label{fill:var(--dim)}\n"
    "svg .box{fill:var(--card);stroke:var(--line)}\n"
    "svg .box.wall{stroke:var(--stop);stroke-width:1.5}\n"
    "svg .box.nat{stroke:var(--nat);stroke-width:1.5}\n"
    "svg .box.open{stroke:var(--dim);stroke-dasharray:4 3}\n"
    "svg .lane{fill:none;stroke-width:2.5;stroke:var(--dim);stroke-linecap:round}\n"
    "svg .lane.pass{stroke:var(--pass)}\n"
    "svg .lane.stop{stroke:var(--stop)}\n"
    "svg .lane.open{stroke-dasharray:2 6}\n"
    "ol,ul{padding-left:1.4rem;margin:0}\n"
    "li{margin:.5rem 0}\n"
    "code,pre{font:.85rem/1.4 ui-monospace,monospace}\n"
    "pre{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.5rem;"
    "margin:.3rem 0;white-space:pre-wrap;overflow-wrap:anywhere}\n"
    "table{border-collapse:collapse;width:100%;font-size:.9rem}\n"
    "td,th{border-top:1px solid var(--line);padding:.3rem .5rem .3rem 0;text-align:left;"
    "vertical-align:top;overflow-wrap:anywhere}\n"
    "th{font-weight:600;white-space:nowrap}\n"
    "summary{cursor:pointer}\n";

void
tep_detect_html_append (GString *out, const char *text)
{
  g_autofree char *clean = tep_detect_clean (text);
  g_autofree char *escaped = g_markup_escape_text (clean, -1);

  g_string_append (out, escaped);
}

static void
append_element (GString *out, const char *name, const char *css, const char *text)
{
  g_string_append_printf (out, "<%s class=\"%s\">", name, css);
  tep_detect_html_append (out, text);
  g_string_append_printf (out, "</%s>\n", name);
}

static void
append_row (GString *out, const char *name, const char *text)
{
  g_string_append (out, "<tr><th>");
  tep_detect_html_append (out, name);
  g_string_append (out, "</th><td>");
  tep_detect_html_append (out, text);
  g_string_append (out, "</td></tr>\n");
}

/* The policy names the style by its hash: nothing else is let in, scripts least of all. */
static void
append_head (GString *out, const char *title)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  guint8 digest[32];
  gsize length = sizeof digest;
  g_autofree char *hash = NULL;

  g_checksum_update (checksum, (const guchar *)style, (gssize)strlen (style));
  g_checksum_get_digest (checksum, digest, &length);
  hash = g_base64_encode (digest, length);
  g_string_append_printf (
      out,
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'sha256-%s'; base-uri 'none'; form-action 'none'\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<meta name=\"referrer\" content=\"no-referrer\"/>\n<title>",
      hash);
  tep_detect_html_append (out, title);
  g_string_append_printf (out, "</title>\n<style>%s</style>\n</head>\n", style);
}

static void
append_verdict (GString *out,
                const TurnConnectObservations *observations,
                const TurnConnectVerdict *verdict)
{
  g_autofree char *line = tep_detect_describe_verdict (verdict);
  g_autofree char *calls = tep_detect_describe_calls (verdict);
  g_autofree char *run = tep_detect_describe_run (observations);

  g_string_append (out, "<h1>");
  tep_detect_html_append (out, line);
  g_string_append (out, "</h1>\n");
  append_element (out, "p",
                  verdict->works == TURN_CONNECT_TELL_YES  ? "pass"
                  : verdict->works == TURN_CONNECT_TELL_NO ? "stop"
                                                           : "dim",
                  calls);
  for (gint type = 1; type <= 9; type++) {
    if ((verdict->types & (1u << type)) && type != verdict->type) {
      g_autofree char *also =
          g_strdup_printf ("also type %d: %s", type, turn_connect_type_to_string (type));

      append_element (out, "p", "also", also);
    }
  }
  append_element (out, "p", "dim", run);
}

/* An option a line, and still one command for the shell. */
static void
append_command (GString *out, const char *command)
{
  g_auto (GStrv) parts = g_strsplit (command, " --", -1);

  g_string_append (out, "<pre>");
  for (gsize i = 0; parts[i] != NULL; i++) {
    if (i > 0)
      g_string_append (out, i > 1 ? " \\\n  --" : " --");
    tep_detect_html_append (out, parts[i]);
  }
  g_string_append (out, "</pre>\n");
}

static void
append_methods (GString *out,
                const TurnConnectObservations *observations,
                const TurnConnectVerdict *verdict)
{
  if (verdict->methods->len == 0)
    return;
  g_string_append (out, "<h2>What gets a call through, best first</h2>\n<ol>\n");
  for (guint i = 0; i < verdict->methods->len; i++) {
    const TurnConnectMethod *method = &g_array_index (verdict->methods, TurnConnectMethod, i);
    g_autofree char *line = tep_detect_describe_method (observations, method);
    static const char *const classes[] = { "dim", "stop", "pass" };

    g_string_append (out, "<li><strong>");
    tep_detect_html_append (out, method->name);
    g_string_append (out, "</strong>\n");
    append_element (out, "div", classes[method->works], line);
    if (method->config != NULL)
      append_command (out, method->config);
    g_string_append (out, "</li>\n");
  }
  g_string_append (out, "</ol>\n");
}

static void
append_family (GString *out, const TurnConnectFamilyVerdict *family)
{
  static const struct {
    const char *name;
    TurnConnectCarry carry; /* none: translation */
  } rows[] = {
    { "UDP", TURN_CONNECT_CARRY_UDP },
    { "TCP", TURN_CONNECT_CARRY_TCP },
    { "NAT", TURN_CONNECT_CARRY_NONE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows) && family->is_tried; i++) {
    g_autofree char *name = g_strdup_printf ("IPv%u %s", family->family, rows[i].name);
    g_autofree char *text = rows[i].carry == TURN_CONNECT_CARRY_NONE
                                ? tep_detect_describe_nat (family)
                                : tep_detect_describe_ports (family, rows[i].carry);

    append_row (out, name, text);
  }
}

static void
append_evidence (GString *out,
                 const TurnConnectObservations *observations,
                 const TurnConnectVerdict *verdict)
{
  const char *redacted = g_hash_table_lookup (observations->facts, "redacted");
  g_autofree char *proxy = tep_detect_describe_proxy (verdict);
  g_autofree char *content = tep_detect_describe_content (&verdict->inspection);
  g_autofree char *besides = tep_detect_describe_besides (verdict);
  g_autofree char *asked = tep_detect_describe_asked (observations);

  g_string_append (out, "<h2>Evidence</h2>\n<table>\n");
  for (guint i = 0; i < G_N_ELEMENTS (verdict->families); i++)
    append_family (out, &verdict->families[i]);
  for (guint i = 0; i < verdict->lifetimes->len; i++) {
    const TurnConnectLifetime *lifetime =
        &g_array_index (verdict->lifetimes, TurnConnectLifetime, i);
    g_autofree char *name = g_strdup_printf ("IPv%u idle", lifetime->family);
    g_autofree char *line = tep_detect_describe_lifetime (lifetime);

    append_row (out, name, line);
  }
  for (guint i = 0; i < verdict->sizes->len; i++) {
    const TurnConnectSizes *sizes = &g_array_index (verdict->sizes, TurnConnectSizes, i);
    g_autofree char *name = g_strdup_printf ("IPv%u sizes", sizes->family);
    g_autofree char *line = tep_detect_describe_sizes (sizes);

    append_row (out, name, line);
  }
  append_row (out, "Proxy", proxy);
  append_row (out, "Content", content);
  append_row (out, "Besides", besides);
  append_row (out, "Asked", asked);
  if (redacted != NULL)
    append_row (out, "Redacted", redacted);
  for (guint i = 0; i < verdict->reasons->len; i++)
    append_row (out, "Note", g_ptr_array_index (verdict->reasons, i));
  g_string_append (out, "</table>\n");
}

static void
append_probes (GString *out, const TurnConnectObservations *observations)
{
  g_string_append_printf (out, "<details>\n<summary>All %u probes</summary>\n<table>\n",
                          observations->probes->len);
  for (guint i = 0; i < observations->probes->len; i++) {
    g_autofree char *line = tep_detect_text_describe (g_ptr_array_index (observations->probes, i));
    g_autofree char *number = g_strdup_printf ("%u", i);

    append_row (out, number, line);
  }
  g_string_append (out, "</table>\n</details>\n");
}

static void
append_advice (GString *out, const TurnConnectVerdict *verdict)
{
  if (verdict->advice->len == 0)
    return;
  g_string_append (out, "<h2>Ask your firewall’s owner for</h2>\n<ul>\n");
  for (guint i = 0; i < verdict->advice->len; i++) {
    g_autofree char *line = tep_detect_describe_advice (g_ptr_array_index (verdict->advice, i));

    g_string_append (out, "<li>");
    tep_detect_html_append (out, line);
    g_string_append (out, "</li>\n");
  }
  g_string_append (out, "</ul>\n");
}

char *
tep_detect_html_make (const TurnConnectObservations *observations,
                      const TurnConnectVerdict *verdict)
{
  GString *out = g_string_new (NULL);
  g_autofree char *line = tep_detect_describe_verdict (verdict);

  append_head (out, line);
  g_string_append (out, "<body>\n<main>\n");
  append_verdict (out, observations, verdict);
  g_string_append (out, "<figure>\n");
  tep_detect_path_append (out, observations, verdict);
  g_string_append (out, "</figure>\n");
  append_methods (out, observations, verdict);
  append_evidence (out, observations, verdict);
  append_advice (out, verdict);
  append_probes (out, observations);
  g_string_append (out, "</main>\n</body>\n</html>\n");
  return g_string_free (out, FALSE);
}

gboolean
tep_detect_html_write (const char *path,
                       const TurnConnectObservations *observations,
                       const TurnConnectVerdict *verdict,
                       GError **error)
{
  g_autofree char *page = tep_detect_html_make (observations, verdict);

  return g_file_set_contents_full (path, page, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}
