/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ordinary ICE agent of a call, libnice's. One stream, one or two components (RTP, RTCP). The
 * tunnel appears in it as one more remote candidate, on this device, so that checks and consent of a
 * far side that does ICE pass the tunnel like media. Internal to the library; all calls and
 * callbacks in the context given at construction. */
#pragma once

#include "stun-ext/address.h"

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _TepClientIce TepClientIce;

/**
 * TepClientIceEvents:
 * @gathered: local candidates are known
 * @nominated: a pair was selected for @component; @is_tunnel says whether it runs through the
 * tunnel
 * @failed: no pair works (any more) for @component
 * @packet: media came on a direct pair; borrowed
 * @tunnel_check: a check of ours wants to go through the tunnel to the far side
 */
typedef struct {
  void (*gathered) (gpointer user);
  void (*nominated) (gpointer user, guint component, gboolean is_tunnel);
  void (*failed) (gpointer user, guint component);
  void (*packet) (gpointer user, guint component, const guint8 *data, gsize length);
  void (*tunnel_check) (gpointer user, guint component, const guint8 *data, gsize length);
} TepClientIceEvents;

/* stun_server: may be NULL. is_controlling: whether this side sent the offer, or the far side is
 * ICE-lite (RFC 8445 section 6.1.1); libnice does not change it once candidates were gathered. */
TepClientIce *tep_client_ice_new (GMainContext *context,
                                  const StunExtAddress *stun_server,
                                  gboolean is_controlling,
                                  guint n_components,
                                  const TepClientIceEvents *events,
                                  gpointer user,
                                  GError **error);
void tep_client_ice_free (TepClientIce *ice);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepClientIce, tep_client_ice_free)

gboolean tep_client_ice_gather (TepClientIce *ice, GError **error);

/* The lines a=ice-ufrag, a=ice-pwd and a=candidate for the SDP, each ended by CRLF. leases: for each component the leased address, which becomes a server-reflexive
 * candidate; or NULL. */
char *tep_client_ice_describe (TepClientIce *ice, const StunExtAddress *leases);

/* The first local host candidate of a component, IPv4 before IPv6: the default address where there is
 * no lease. */
gboolean
tep_client_ice_default_address (TepClientIce *ice, guint component, StunExtAddress *address);

/* sdp: the far side's media section, after what it says for all of them. Takes its credentials and
 * candidates; returns the number of candidates, -1 if there are no credentials. */
int tep_client_ice_set_remote (TepClientIce *ice, const char *sdp);

/* Whether sdp has another a=ice-ufrag than the one taken last: the far side restarted ICE, which
 * changes both credentials, or is another one (RFC 8839 section 4.4.1.1.1). */
gboolean tep_client_ice_is_new_remote (TepClientIce *ice, const char *sdp);

/* For a far side without ICE: from now on packets of the component go to and come from this
 * address, unchecked, at the local candidate that was named as default. */
void tep_client_ice_force (TepClientIce *ice, guint component, const StunExtAddress *address);

/* From now on checks also go through the tunnel, if it reaches the far side. */
void tep_client_ice_add_tunnel (TepClientIce *ice, guint component);

/* A STUN message that came out of the tunnel. */
void tep_client_ice_tunnel_received (TepClientIce *ice,
                                     guint component,
                                     const guint8 *data,
                                     gsize length);

/* A new run of checks, with new credentials of ours or for another far side that got the old ones;
 * set_remote() follows, add_tunnel() likewise. */
void tep_client_ice_restart (TepClientIce *ice, gboolean keeps_credentials);

/* Whether a payload is a STUN message by its first octets. */
gboolean tep_client_ice_is_check (const guint8 *data, gsize length);

gboolean tep_client_ice_send (TepClientIce *ice, guint component, const guint8 *data, gsize length);

G_END_DECLS
