/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/error.h"
#include "stun-ext/sdp.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\n"
#define TIME "t=0 0\r\n"

static const char offer[] = HEAD "c=IN IP4 192.0.2.1\r\n" TIME "a=ice-options:trickle tep\r\n"
                                 "a=tep-s:1 tls tep.example 443 tep.example\r\n"
                                 "m=audio 49170 RTP/AVP 0 8\r\n"
                                 "i=voice\r\n"
                                 "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
                                 "a=candidate:1 1 UDP 2130706431 192.0.2.1 49170 typ host\r\n"
                                 "a=candidate:1 2 UDP 2130706430 192.0.2.1 49171 typ host\r\n"
                                 "a=rtcp:53020 IN IP6 2001:db8::5\r\n"
                                 "a=inactive\r\n"
                                 "m=video 0 RTP/AVP 31\r\n"
                                 "m=audio 4000/2 RTP/SAVP 0\r\n"
                                 "c=IN IP6 2001:db8::7\r\n"
                                 "b=AS:64\r\n"
                                 "a=rtcp-mux\r\n"
                                 "a=tep-s:1 tcp 192.0.2.7 80 Core.Example\r\n"
                                 "a=tep-s:2 quic whatever\r\n"
                                 "a=tep-s:1 tls 2001:DB8::9 443 2001:db8::9\r\n";

static void
assert_address (const StunExtAddress *address, const char *expected)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  g_assert_cmpstr (stun_ext_address_print (address, text), ==, expected);
}

static void
test_offer_is_understood (void)
{
  g_autoptr (GError) error = NULL;
  StunExtSdp sdp;

  g_assert_true (stun_ext_sdp_parse (&sdp, offer, strlen (offer), &error));
  g_assert_no_error (error);
  g_assert_false (sdp.is_ice_lite);
  g_assert_cmpuint (sdp.n_media, ==, 3);

  g_assert_cmpstr (sdp.media[0].kind, ==, "audio");
  assert_address (&sdp.media[0].address, "192.0.2.1:49170");
  assert_address (&sdp.media[0].rtcp, "[2001:db8::5]:53020");
  g_assert_cmpint (sdp.media[0].direction, ==, STUN_EXT_SDP_INACTIVE);
  g_assert_true (sdp.media[0].has_ice);
  g_assert_true (sdp.media[0].has_tep_option);
  g_assert_cmpuint (sdp.media[0].n_candidates, ==, 2);
  g_assert_cmpuint (sdp.media[0].n_tep, ==, 1);

  assert_address (&sdp.media[1].address, "192.0.2.1:0");
  assert_address (&sdp.media[1].rtcp, "none");
  g_assert_false (sdp.media[1].has_ice);
  g_assert_cmpint (sdp.media[1].direction, ==, STUN_EXT_SDP_SENDRECV);

  assert_address (&sdp.media[2].address, "[2001:db8::7]:4000");
  assert_address (&sdp.media[2].rtcp, "[2001:db8::7]:4001");
  g_assert_true (sdp.media[2].is_rtcp_mux);
  g_assert_cmpuint (sdp.media[2].n_tep, ==, 2);
}

static void
test_tep_lines_of_a_section_replace_those_of_the_session (void)
{
  StunExtSdp sdp;
  StunExtSdpTep tep;

  g_assert_true (stun_ext_sdp_parse (&sdp, offer, strlen (offer), NULL));
  g_assert_true (stun_ext_sdp_get_tep (&sdp, 0, 0, &tep));
  g_assert_true (tep.is_tls);
  g_assert_cmpstr (tep.host, ==, "tep.example");
  g_assert_cmpuint (tep.port, ==, 443);
  g_assert_false (stun_ext_sdp_get_tep (&sdp, 0, 1, &tep));

  g_assert_true (stun_ext_sdp_get_tep (&sdp, 2, 0, &tep));
  g_assert_false (tep.is_tls);
  g_assert_cmpstr (tep.host, ==, "192.0.2.7");
  g_assert_cmpstr (tep.server_name, ==, "core.example");
  g_assert_true (stun_ext_sdp_get_tep (&sdp, 2, 1, &tep));
  g_assert_cmpstr (tep.host, ==, "2001:db8::9");
  g_assert_false (stun_ext_sdp_get_tep (&sdp, 2, 2, &tep));
  g_assert_false (stun_ext_sdp_get_tep (&sdp, 3, 0, &tep));
}

static void
test_tep_lines_are_exact_or_none (void)
{
  g_autofree char *name255 = g_strnfill (255, 'n');
  g_autofree char *longest = g_strconcat ("a=tep-s:1 tcp a 1 ", name255, NULL);
  g_autofree char *too_long = g_strconcat (longest, "n", NULL);
  const struct {
    const char *line;
    gboolean is_good;
  } rows[] = {
    { "a=tep-s:1 tcp 192.0.2.1 80 a", TRUE },
    { "a=tep-s:1 tls a-b.example 65535 A", TRUE },
    { "a=tep-s:1 tls ::1 1 ::1", TRUE },
    { longest, TRUE },
    { too_long, FALSE },
    { "", FALSE },
    { "a=tep-s:", FALSE },
    { "a=tep-s:2 tcp 192.0.2.1 80 a", FALSE },
    { "a=tep-s:01 tcp 192.0.2.1 80 a", FALSE },
    { "a=tep-s:1", FALSE },
    { "a=tep-s:1 udp 192.0.2.1 80 a", FALSE },
    { "a=tep-s:1 TCP 192.0.2.1 80 a", FALSE },
    { "a=tep-s:1 tcp 192.0.2.1 80", FALSE },
    { "a=tep-s:1 tcp 192.0.2.1 80 ", FALSE },
    { "a=tep-s:1 tcp 192.0.2.1 80 a ", FALSE },
    { "a=tep-s:1 tcp 192.0.2.1 80 a b", FALSE },
    { "a=tep-s:1  tcp 192.0.2.1 80 a", FALSE },
    { "a=tep-s:1 tcp 192.0.2.1 0 a", FALSE },
    { "a=tep-s:1 tcp 192.0.2.1 65536 a", FALSE },
    { "a=tep-s:1 tcp 192.0.2.1 080 a", FALSE },
    { "a=tep-s:1 tcp 192.0.2.1 +80 a", FALSE },
    { "a=tep-s:1 tcp [::1] 80 a", FALSE },
    { "a=tep-s:1 tcp 1.2.3.4:5 80 a", FALSE },
    { "a=tep-s:1 tcp fe80::1%1 80 a", FALSE },
    { "a=tep-s:1 tcp a\tb 80 a", FALSE },
    { "a=tep-s:1 tcp a 80 a\xc3\xa4", FALSE },
    { "a=tep-s:1 tcp a/ 80 a", FALSE },
    { "A=tep-s:1 tcp 192.0.2.1 80 a", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *exact = g_memdup2 (rows[i].line, strlen (rows[i].line));
    StunExtSdpTep tep;

    g_test_message ("%s", rows[i].line);
    g_assert_cmpint (stun_ext_sdp_tep_parse (&tep, exact, strlen (rows[i].line)), ==,
                     rows[i].is_good);
  }
}

static void
test_tep_lines_print_as_they_parse (void)
{
  StunExtSdpTep tep = { .is_tls = TRUE, .port = 443, .host = "192.0.2.1", .server_name = "core" };
  StunExtSdpTep back;
  g_autofree char *line = stun_ext_sdp_tep_print (&tep);

  g_assert_cmpstr (line, ==, "a=tep-s:1 tls 192.0.2.1 443 core");
  g_assert_true (stun_ext_sdp_tep_parse (&back, line, strlen (line)));
  g_assert_cmpmem (&back, sizeof back, &tep, sizeof tep);

  tep.port = 0;
  g_assert_null (stun_ext_sdp_tep_print (&tep));
  tep.port = 1;
  strcpy (tep.server_name, "a\r\na=x");
  g_assert_null (stun_ext_sdp_tep_print (&tep));
  strcpy (tep.server_name, "Upper");
  g_assert_null (stun_ext_sdp_tep_print (&tep));
}

static void
test_single_lines_say_what_they_mean (void)
{
  const struct {
    const char *session;
    const char *section;
    const char *address;
    const char *rtcp;
    StunExtSdpDirection direction;
    gboolean has_ice;
    gboolean has_tep_option;
  } rows[] = {
    { "", "", "none", "none", STUN_EXT_SDP_SENDRECV, FALSE, FALSE },
    { "c=IN IP4 1.2.3.4\n", "", "1.2.3.4:9", "1.2.3.4:10", STUN_EXT_SDP_SENDRECV, FALSE, FALSE },
    { "c=IN IP4 1.2.3.4\n", "c=IN IP4 host.example\n", "none", "none", 0, FALSE, FALSE },
    { "", "c=IN IP4 224.2.1.1/127\n", "224.2.1.1:9", "224.2.1.1:10", 0, FALSE, FALSE },
    { "", "c=IN IP4 1.2.3.4\nc=IN IP4 5.6.7.8\n", "1.2.3.4:9", "1.2.3.4:10", 0, FALSE, FALSE },
    { "", "c=IN IP6 1.2.3.4\n", "none", "none", 0, FALSE, FALSE },
    { "", "c=IN IP4 ::1\n", "none", "none", 0, FALSE, FALSE },
    { "", "c=IN IP6 [::1]\n", "none", "none", 0, FALSE, FALSE },
    { "", "c=IN IP4 1.2.3.4:5\n", "none", "none", 0, FALSE, FALSE },
    { "", "c=IN IP4 1.2.3.4:0\n", "none", "none", 0, FALSE, FALSE },
    { "", "c=IN IP4 1.2.3.4 x\n", "none", "none", 0, FALSE, FALSE },
    { "", "c=\n", "none", "none", 0, FALSE, FALSE },
    { "c=IN IP4 1.2.3.4\n", "a=rtcp:77\n", "1.2.3.4:9", "1.2.3.4:77", 0, FALSE, FALSE },
    { "c=IN IP4 1.2.3.4\n", "a=rtcp:0\n", "1.2.3.4:9", "1.2.3.4:10", 0, FALSE, FALSE },
    { "c=IN IP4 1.2.3.4\n", "a=rtcp:7 IN\n", "1.2.3.4:9", "1.2.3.4:10", 0, FALSE, FALSE },
    { "", "a=rtcp:7 IN IP4 9.9.9.9\n", "none", "9.9.9.9:7", 0, FALSE, FALSE },
    { "a=sendonly\n", "", "none", "none", STUN_EXT_SDP_SENDONLY, FALSE, FALSE },
    { "a=sendonly\n", "a=recvonly\n", "none", "none", STUN_EXT_SDP_RECVONLY, FALSE, FALSE },
    { "a=inactive\n", "a=sendrecv\n", "none", "none", STUN_EXT_SDP_SENDRECV, FALSE, FALSE },
    { "", "a=inactivex\n", "none", "none", STUN_EXT_SDP_SENDRECV, FALSE, FALSE },
    { "a=ice-ufrag:a\n", "a=ice-pwd:b\n", "none", "none", 0, TRUE, FALSE },
    { "", "a=ice-ufrag:\na=ice-pwd:b\n", "none", "none", 0, FALSE, FALSE },
    { "", "a=ice-options:tep\n", "none", "none", 0, FALSE, TRUE },
    { "", "a=ice-options:tepid ice2\n", "none", "none", 0, FALSE, FALSE },
    { "", "a=ice-options:ice2 tep\na=ice-options:x\n", "none", "none", 0, FALSE, TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *text =
        g_strconcat ("v=0\n", rows[i].session, "m=audio 9 RTP/AVP 0\n", rows[i].section, NULL);
    StunExtSdp sdp;

    g_test_message ("%s", text);
    g_assert_true (stun_ext_sdp_parse (&sdp, text, strlen (text), NULL));
    assert_address (&sdp.media[0].address, rows[i].address);
    assert_address (&sdp.media[0].rtcp, rows[i].rtcp);
    g_assert_cmpint (sdp.media[0].direction, ==, rows[i].direction);
    g_assert_cmpint (sdp.media[0].has_ice, ==, rows[i].has_ice);
    g_assert_cmpint (sdp.media[0].has_tep_option, ==, rows[i].has_tep_option);
  }
}

static void
test_texts_that_are_no_description_are_refused (void)
{
  g_autoptr (GString) many = g_string_new ("v=0\n");
  g_autofree char *huge = g_strnfill (STUN_EXT_SDP_MAX_LENGTH + 1, 'a');
  const struct {
    const char *text;
    gsize length;
  } rows[] = {
    { "", 0 },
    { "\n", 1 },
    { "v", 1 },
    { "v0\n", 3 },
    { "v=0\n\nm=audio 9 RTP/AVP 0\n", 25 },
    { "V=0\n", 4 },
    { "v=0\ra=b\n", 8 },
    { "v=0\r", 4 },
    { "v=\0\n", 4 },
    { "m=\n", 3 },
    { "m=audio\n", 8 },
    { "m=audio 9\n", 10 },
    { "m=audio x RTP/AVP 0\n", 20 },
    { "m=audio 65536 RTP/AVP 0\n", 24 },
    { "m=audio -1 RTP/AVP 0\n", 21 },
    { "m= 9 RTP/AVP 0\n", 15 },
    { huge, STUN_EXT_SDP_MAX_LENGTH + 1 },
  };
  StunExtSdp sdp;

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_false (stun_ext_sdp_parse (&sdp, rows[i].text, rows[i].length, &error));
    g_assert_error (error, STUN_EXT_ERROR, STUN_EXT_ERROR_SYNTAX);
  }
  for (guint i = 0; i < STUN_EXT_SDP_MAX_MEDIA; i++)
    g_string_append (many, "m=audio 9 RTP/AVP 0\n");
  g_assert_true (stun_ext_sdp_parse (&sdp, many->str, many->len, NULL));
  g_string_append (many, "m=audio 9 RTP/AVP 0\n");
  g_assert_false (stun_ext_sdp_parse (&sdp, many->str, many->len, NULL));
}

static void
test_every_truncation_stays_inside (void)
{
  for (gsize length = 0; length <= strlen (offer); length++) {
    g_autofree char *exact = g_memdup2 (offer, length);
    StunExtAddress address = { 0 };
    StunExtSdpTep tep;
    StunExtSdp sdp;

    if (!stun_ext_sdp_parse (&sdp, exact, length, NULL))
      continue;
    g_assert_true (stun_ext_address_parse ("198.51.100.1:7", &address));
    for (guint media = 0; media < sdp.n_media; media++) {
      const StunExtSdpEdit edit = { .address = &address,
                                    .rtcp = &address,
                                    .with_tep_option = TRUE };
      g_autofree char *edited = stun_ext_sdp_edit (&sdp, media, &edit, NULL, NULL);
      StunExtSdp again;

      g_assert_nonnull (edited);
      g_assert_true (stun_ext_sdp_parse (&again, edited, strlen (edited), NULL));
      assert_address (&again.media[media].address, "198.51.100.1:7");
      for (guint nth = 0; nth < sdp.media[media].n_tep; nth++)
        g_assert_true (stun_ext_sdp_get_tep (&sdp, media, nth, &tep));
    }
  }
}

static void
test_many_tep_lines_count_up_to_a_bound (void)
{
  g_autoptr (GString) text = g_string_new ("v=0\nm=audio 9 RTP/AVP 0\n");
  StunExtSdpTep tep;
  StunExtSdp sdp;

  for (guint i = 1; i <= STUN_EXT_SDP_MAX_TEP + 5; i++)
    g_string_append_printf (text, "a=tep-s:1 tcp a %u a\n", i);
  g_assert_true (stun_ext_sdp_parse (&sdp, text->str, text->len, NULL));
  g_assert_cmpuint (sdp.media[0].n_tep, ==, STUN_EXT_SDP_MAX_TEP);
  g_assert_true (stun_ext_sdp_get_tep (&sdp, 0, STUN_EXT_SDP_MAX_TEP - 1, &tep));
  g_assert_cmpuint (tep.port, ==, STUN_EXT_SDP_MAX_TEP);
}

static void
test_lease_is_put_into_one_section (void)
{
  const char *const remove[] = { "a=candidate:", NULL };
  const char *const append[] = { "a=tep-s:1 tcp a 80 a", "a=x", NULL };
  const char *expected = HEAD "c=IN IP4 192.0.2.1\r\n" TIME "a=ice-options:trickle tep\r\n"
                              "a=tep-s:1 tls tep.example 443 tep.example\r\n"
                              "m=audio 5004 RTP/AVP 0 8\r\n"
                              "i=voice\r\n"
                              "c=IN IP4 203.0.113.5\r\n"
                              "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
                              "a=inactive\r\n"
                              "a=rtcp:5005 IN IP4 203.0.113.5\r\n"
                              "a=ice-options:tep\r\n"
                              "a=tep-s:1 tcp a 80 a\r\n"
                              "a=x\r\n"
                              "m=video 0 RTP/AVP 31\r\n";
  StunExtAddress address = { 0 };
  StunExtAddress rtcp;
  StunExtSdpEdit edit = { &address, &rtcp, TRUE, remove, append };
  g_autofree char *text = NULL;
  StunExtSdp sdp;
  gsize length;

  g_assert_true (stun_ext_address_parse ("203.0.113.5:5004", &address));
  rtcp = address;
  rtcp.port = 5005;
  g_assert_true (stun_ext_sdp_parse (&sdp, offer, strlen (offer), NULL));
  text = stun_ext_sdp_edit (&sdp, 0, &edit, &length, NULL);
  g_assert_cmpuint (length, ==, strlen (text));
  g_assert_cmpmem (text, MIN (length, strlen (expected)), expected, strlen (expected));
  g_assert_true (g_str_has_suffix (text, strstr (offer, "m=video")));
}

static void
test_edits_keep_what_they_do_not_name (void)
{
  const StunExtSdpEdit nothing = { 0 };
  StunExtSdp sdp;

  g_assert_true (stun_ext_sdp_parse (&sdp, offer, strlen (offer), NULL));
  for (guint media = 0; media < sdp.n_media; media++) {
    g_autofree char *text = stun_ext_sdp_edit (&sdp, media, &nothing, NULL, NULL);

    g_assert_cmpstr (text, ==, offer);
  }
}

static void
test_edits_follow_the_text_they_find (void)
{
  const char *const append[] = { "a=x", NULL };
  StunExtAddress address = { 0 };
  const StunExtSdpEdit to_ipv6 = { .address = &address };
  const StunExtSdpEdit option = { .with_tep_option = TRUE };
  const StunExtSdpEdit line = { .append = append };
  const struct {
    const char *before;
    guint media;
    const StunExtSdpEdit *edit;
    const char *after;
  } rows[] = {
    { "v=0\nm=audio 9/2 RTP/AVP 0", 0, &to_ipv6,
      "v=0\nm=audio 7 RTP/AVP 0\nc=IN IP6 2001:db8::1\n" },
    { "v=0\nm=audio 9 X 0\nc=IN IP4 1.1.1.1\nc=IN IP4 2.2.2.2\na=y\n", 0, &to_ipv6,
      "v=0\nm=audio 7 X 0\nc=IN IP6 2001:db8::1\na=y\n" },
    { "v=0\nm=audio 9 X 0\na=ice-options:ice2\n", 0, &option,
      "v=0\nm=audio 9 X 0\na=ice-options:ice2 tep\n" },
    { "v=0\nm=audio 9 X 0\na=ice-options:tep\n", 0, &option,
      "v=0\nm=audio 9 X 0\na=ice-options:tep\n" },
    { "v=0\nm=audio 9 X 0\n", 0, &option, "v=0\nm=audio 9 X 0\na=ice-options:tep\n" },
    { "v=0\nm=audio 9 X 0\n", STUN_EXT_SDP_SESSION, &option,
      "v=0\na=ice-options:tep\nm=audio 9 X 0\n" },
    { "v=0\nm=audio 9 X 0\n", STUN_EXT_SDP_SESSION, &line, "v=0\na=x\nm=audio 9 X 0\n" },
    { "v=0", STUN_EXT_SDP_SESSION, &line, "v=0\r\na=x\r\n" },
  };

  g_assert_true (stun_ext_address_parse ("[2001:db8::1]:7", &address));
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtSdp sdp;
    g_autofree char *text = NULL;

    g_assert_true (stun_ext_sdp_parse (&sdp, rows[i].before, strlen (rows[i].before), NULL));
    text = stun_ext_sdp_edit (&sdp, rows[i].media, rows[i].edit, NULL, NULL);
    g_assert_cmpstr (text, ==, rows[i].after);
  }
}

static void
test_edits_that_would_break_the_text_are_refused (void)
{
  const char *const injected[] = { "a=x\r\nm=audio 1 X 0", NULL };
  const char *const no_attribute[] = { "m=audio 1 X 0", NULL };
  const StunExtAddress none = { 0 };
  const struct {
    guint media;
    StunExtSdpEdit edit;
  } rows[] = {
    { 3, { 0 } },
    { 0, { .append = injected } },
    { 0, { .append = no_attribute } },
    { 0, { .address = &none } },
    { 0, { .rtcp = &none } },
    { STUN_EXT_SDP_SESSION, { .address = &none } },
  };
  StunExtSdp sdp;

  g_assert_true (stun_ext_sdp_parse (&sdp, offer, strlen (offer), NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (stun_ext_sdp_edit (&sdp, rows[i].media, &rows[i].edit, NULL, &error));
    g_assert_error (error, STUN_EXT_ERROR, STUN_EXT_ERROR_SYNTAX);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add_func ("/stun-ext/sdp/" path, function)
  ADD ("offer-is-understood", test_offer_is_understood);
  ADD ("tep-lines-of-a-section-replace-those-of-the-session",
       test_tep_lines_of_a_section_replace_those_of_the_session);
  ADD ("tep-lines-are-exact-or-none", test_tep_lines_are_exact_or_none);
  ADD ("tep-lines-print-as-they-parse", test_tep_lines_print_as_they_parse);
  ADD ("single-lines-say-what-they-mean", test_single_lines_say_what_they_mean);
  ADD ("texts-that-are-no-description-are-refused", test_texts_that_are_no_description_are_refused);
  ADD ("every-truncation-stays-inside", test_every_truncation_stays_inside);
  ADD ("many-tep-lines-count-up-to-a-bound", test_many_tep_lines_count_up_to_a_bound);
  ADD ("lease-is-put-into-one-section", test_lease_is_put_into_one_section);
  ADD ("edits-keep-what-they-do-not-name", test_edits_keep_what_they_do_not_name);
  ADD ("edits-follow-the-text-they-find", test_edits_follow_the_text_they_find);
  ADD ("edits-that-would-break-the-text-are-refused",
       test_edits_that_would_break_the_text_are_refused);
  return g_test_run ();
}
