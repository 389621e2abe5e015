/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What firewalls are known to look for, and what differs from it in nothing but that: the same octets
 * inverted, or with one word misspelt.
 */
#include "turn-connect/detect/payload-class.h"

#include "stun-ext/front-door.h"

#define OTHER_NAME "www.example.com"

const TurnConnectPayloadClass turn_connect_payload_classes[TURN_CONNECT_N_PAYLOAD_CLASSES] = {
  { STUN_EXT_DETECT_PAYLOAD_SILENCE, STUN_EXT_DETECT_TWIN_NONE, NULL, NULL }, /* takes longest */
  { STUN_EXT_DETECT_PAYLOAD_PRINTABLE, STUN_EXT_DETECT_TWIN_NONE, NULL, NULL },
  { STUN_EXT_DETECT_PAYLOAD_TLS, STUN_EXT_DETECT_TWIN_NONE, NULL, "http/1.1" },
  { STUN_EXT_DETECT_PAYLOAD_HTTP, STUN_EXT_DETECT_TWIN_NONE, NULL, NULL },
  { STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER, STUN_EXT_DETECT_TWIN_INVERTED, NULL, NULL },
  { STUN_EXT_DETECT_PAYLOAD_SIP_INVITE, STUN_EXT_DETECT_TWIN_INVERTED, NULL, NULL },
  { STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER, STUN_EXT_DETECT_TWIN_MISSPELT, NULL, NULL },
  { STUN_EXT_DETECT_PAYLOAD_SIP_INVITE, STUN_EXT_DETECT_TWIN_MISSPELT, NULL, NULL },
  { STUN_EXT_DETECT_PAYLOAD_RANDOM, STUN_EXT_DETECT_TWIN_NONE, NULL, NULL },
  { STUN_EXT_DETECT_PAYLOAD_RTP, STUN_EXT_DETECT_TWIN_NONE, NULL, NULL },
  { STUN_EXT_DETECT_PAYLOAD_DTLS, STUN_EXT_DETECT_TWIN_NONE, NULL, NULL },
  { STUN_EXT_DETECT_PAYLOAD_TLS_OTHER_NAME, STUN_EXT_DETECT_TWIN_NONE, OTHER_NAME, "http/1.1" },
  { STUN_EXT_DETECT_PAYLOAD_TLS_STUN, STUN_EXT_DETECT_TWIN_NONE, NULL, "stun.turn" },
  { STUN_EXT_DETECT_PAYLOAD_STUN, STUN_EXT_DETECT_TWIN_NONE, NULL, NULL },
  { STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER, STUN_EXT_DETECT_TWIN_NONE, NULL, NULL },
  { STUN_EXT_DETECT_PAYLOAD_SIP_INVITE, STUN_EXT_DETECT_TWIN_NONE, NULL, NULL },
};

gboolean
turn_connect_payload_class_is_fetched (const TurnConnectPayloadClass *class)
{
  return class->alpn != NULL || class->payload == STUN_EXT_DETECT_PAYLOAD_HTTP;
}

gboolean
turn_connect_payload_class_is_for (const TurnConnectPayloadClass *class,
                                   gboolean is_udp,
                                   gboolean is_web)
{
  if (class->payload == STUN_EXT_DETECT_PAYLOAD_SILENCE)
    return !is_udp && !is_web;
  return is_udp ? !turn_connect_payload_class_is_fetched (class)
                : !stun_ext_detect_payload_is_datagram (class->payload);
}

TurnConnectTell
turn_connect_payload_is_silence_answered (const TurnConnectObservations *observations, guint16 port)
{
  for (guint i = 0; i < observations->listeners->len; i++) {
    const TurnConnectListener *listener =
        &g_array_index (observations->listeners, TurnConnectListener, i);

    if (listener->carry == TURN_CONNECT_CARRY_TCP && listener->port == port)
      return listener->is_front_door ? TURN_CONNECT_TELL_NO : TURN_CONNECT_TELL_YES;
  }
  return TURN_CONNECT_TELL_UNKNOWN;
}

gboolean
turn_connect_payload_is_noise (const guint8 *octets, gsize length)
{
  return stun_ext_front_door_classify (0, octets, length, NULL) == STUN_EXT_FRONT_DOOR_CLOSE;
}
