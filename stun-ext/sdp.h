/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/address.h"
#include "stun-ext/version.h"

G_BEGIN_DECLS

#define STUN_EXT_SDP_MAX_LENGTH 65535 /* octets of a description; it came in one SIP message */
#define STUN_EXT_SDP_MAX_MEDIA 32     /* m-lines */
#define STUN_EXT_SDP_MAX_TEP 16       /* a=tep-s lines that count, per session or section */
#define STUN_EXT_SDP_MAX_NAME 255     /* octets of a host or server name */

/* In place of the index of a section: what stands before the first m-line. */
#define STUN_EXT_SDP_SESSION G_MAXUINT

/**
 * StunExtSdpDirection:
 * @STUN_EXT_SDP_SENDRECV: both ways, also if nothing is said
 * @STUN_EXT_SDP_SENDONLY: from the describer only
 * @STUN_EXT_SDP_RECVONLY: to the describer only
 * @STUN_EXT_SDP_INACTIVE: no media
 */
typedef enum {
  STUN_EXT_SDP_SENDRECV,
  STUN_EXT_SDP_SENDONLY,
  STUN_EXT_SDP_RECVONLY,
  STUN_EXT_SDP_INACTIVE,
} StunExtSdpDirection;

/**
 * StunExtSdpTep:
 * @is_tls: %TRUE for TLS, %FALSE for plain TCP
 * @port: port of TEP-S, 1-65535
 * @host: address literal or host name of TEP-S, lower case
 * @server_name: name that TLS and SERVER-NAME name, lower case
 *
 * One `a=tep-s` line (PROTOCOL.md section 11). A claim of the far side: use it only if the user's
 * configuration trusts
 * @server_name.
 */
typedef struct {
  gboolean is_tls;
  guint16 port;
  char host[STUN_EXT_SDP_MAX_NAME + 1];
  char server_name[STUN_EXT_SDP_MAX_NAME + 1];
} StunExtSdpTep;

/**
 * StunExtSdpMedia:
 * @kind: "audio", "video" and so on; longer kinds are cut
 * @address: the default address: port of the m-line, address of the c-line. "No address" if the
 * c-line names a host or is missing; port 0 if the section is rejected or bundled
 * @rtcp: where RTCP goes: `a=rtcp`, otherwise @address and its port + 1; "no address" where there
 * is none
 * @direction: which way media goes, of the section or the session
 * @is_rtcp_mux: `a=rtcp-mux` is there
 * @has_ice: both `a=ice-ufrag` and `a=ice-pwd` are there, in the section or the session
 * @has_tep_option: `a=ice-options` contains "tep", in the section or the session
 * @n_candidates: `a=candidate` lines
 * @n_tep: `a=tep-s` lines that were understood and apply: those of the section, otherwise those of
 * the session
 * @begin: offset of the section's first octet
 * @end: offset behind its last
 */
typedef struct {
  char kind[16];
  StunExtAddress address;
  StunExtAddress rtcp;
  StunExtSdpDirection direction;
  gboolean is_rtcp_mux;
  gboolean has_ice;
  gboolean has_tep_option;
  guint n_candidates;
  guint n_tep;
  gsize begin;
  gsize end;
} StunExtSdpMedia;

/**
 * StunExtSdp:
 * @text: the description, borrowed
 * @length: its octets
 * @is_ice_lite: `a=ice-lite` is there
 * @n_media: number of m-lines
 * @media: what each of them says
 *
 * What a TEP end needs to know of a session description. It lives as long as @text.
 */
typedef struct {
  const char *text;
  gsize length;
  gboolean is_ice_lite;
  guint n_media;
  StunExtSdpMedia media[STUN_EXT_SDP_MAX_MEDIA];

  /*< private >*/
  gsize session_end;
} StunExtSdp;

/**
 * StunExtSdpEdit:
 * @address: (nullable): new default address: its port goes into the m-line, its address into a
 * c-line of the section
 * @rtcp: (nullable): new `a=rtcp` line
 * @with_tep_option: %TRUE to have "tep" among the `a=ice-options`
 * @remove: (nullable) (array zero-terminated=1): beginnings of attribute lines to leave out, such
 * as "a=candidate:"
 * @append: (nullable) (array zero-terminated=1): attribute lines to put at the end, such as
 * "a=tep-s:...", without line end
 *
 * Changes to one section. At session level @address and @rtcp must be %NULL.
 */
typedef struct {
  const StunExtAddress *address;
  const StunExtAddress *rtcp;
  gboolean with_tep_option;
  const char *const *remove;
  const char *const *append;
} StunExtSdpEdit;

/**
 * stun_ext_sdp_parse:
 * @sdp: (out caller-allocates): what was found; undefined on failure
 * @text: (array length=length): the description, lines ending in CR LF or LF; need not be
 * terminated. Must outlive @sdp
 * @length: octets
 * @error: return location
 *
 * Reads what is needed here and passes over everything else, also over attributes that are
 * malformed. Any thread.
 *
 * RFC 8866, RFC 3605, RFC 8839, PROTOCOL.md section 11.
 *
 * Returns: %FALSE with %STUN_EXT_ERROR_SYNTAX if that is no session description or a bound is
 * exceeded; the message names the line by its number
 */
STUN_EXT_API gboolean stun_ext_sdp_parse (StunExtSdp *sdp,
                                          const char *text,
                                          gsize length,
                                          GError **error);

/**
 * stun_ext_sdp_get_tep:
 * @sdp: a description
 * @media: index of a section
 * @nth: which of its @n_tep lines, from 0, in order of preference
 * @tep: (out caller-allocates): what it says; undefined on failure
 *
 * Returns: %FALSE if there is none
 */
STUN_EXT_API gboolean stun_ext_sdp_get_tep (const StunExtSdp *sdp,
                                            guint media,
                                            guint nth,
                                            StunExtSdpTep *tep);

/**
 * stun_ext_sdp_tep_parse:
 * @tep: (out caller-allocates): what the line says; undefined on failure
 * @line: (array length=length): the line from "a=tep-s:" on, without line end
 * @length: octets
 *
 * Returns: %FALSE if it is not such a line, of another version, or malformed
 */
STUN_EXT_API gboolean stun_ext_sdp_tep_parse (StunExtSdpTep *tep, const char *line, gsize length);

/**
 * stun_ext_sdp_tep_print:
 * @tep: what to say
 *
 * Returns: (transfer full) (nullable): the line without line end; %NULL if a name or the port
 * cannot be written
 */
STUN_EXT_API char *stun_ext_sdp_tep_print (const StunExtSdpTep *tep) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_sdp_edit:
 * @sdp: a description
 * @media: index of the section to change, or %STUN_EXT_SDP_SESSION
 * @edit: the changes
 * @length: (out) (optional): octets of the result
 * @error: return location
 *
 * Writes the description anew with one section changed. Everything else stays octet by octet; new
 * lines end as the first line ends.
 *
 * Returns: (transfer full) (nullable): the new description, terminated; %NULL with
 * %STUN_EXT_ERROR_SYNTAX if @media does not exist or a line to append is no single attribute line
 */
STUN_EXT_API char *stun_ext_sdp_edit (const StunExtSdp *sdp,
                                      guint media,
                                      const StunExtSdpEdit *edit,
                                      gsize *length,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
