/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Numbers of STUN and its extensions, as registered with IANA; the comment names where each is
 * defined. */

#define STUN_EXT_MAGIC_COOKIE 0x2112a442u       /* RFC 8489 section 5 */
#define STUN_EXT_HEADER_LENGTH 20               /* octets, RFC 8489 section 5 */
#define STUN_EXT_TRANSACTION_ID_LENGTH 12       /* octets, RFC 8489 section 5 */
#define STUN_EXT_FINGERPRINT_XOR 0x5354554eu    /* RFC 8489 section 14.7 */
#define STUN_EXT_INTEGRITY_LENGTH 20            /* octets, RFC 8489 section 14.5 */
#define STUN_EXT_INTEGRITY_SHA256_LENGTH 32     /* octets, RFC 8489 section 14.6 */
#define STUN_EXT_INTEGRITY_SHA256_MIN_LENGTH 16 /* octets when truncated, RFC 8489 section 14.6 */
#define STUN_EXT_USERHASH_LENGTH 32             /* octets, RFC 8489 section 14.4 */

/* What is too long to be accepted; RFC 8489 unless another is named. Octets. */
#define STUN_EXT_USERNAME_MAX_LENGTH 513 /* RFC 5389 section 15.3, from which clients remain */
#define STUN_EXT_REALM_MAX_LENGTH 763    /* section 14.9 */
#define STUN_EXT_NONCE_MAX_LENGTH 763    /* section 14.10 */
#define STUN_EXT_SOFTWARE_MAX_LENGTH 763 /* section 14.14 */
#define STUN_EXT_REASON_MAX_LENGTH 763   /* section 14.8 */
#define STUN_EXT_DOMAIN_MAX_LENGTH 255   /* section 14.16 */
#define STUN_EXT_ATTRIBUTES_MAX 64       /* arbitrary; the longest real message has about 20 */
#define STUN_EXT_UNKNOWN_MAX 16          /* arbitrary; what a 420 answer lists at most */
#define STUN_EXT_PEERS_MAX 8             /* arbitrary; addresses in one CreatePermission */

/* Time, in milliseconds or seconds as the name says. */
#define STUN_EXT_RTO_MS 500                /* RFC 8489 section 6.2.1 */
#define STUN_EXT_RETRANSMISSIONS 7         /* Rc, RFC 8489 section 6.2.1 */
#define STUN_EXT_RELIABLE_TIMEOUT_MS 39500 /* Ti, RFC 8489 section 6.2.2 */
#define STUN_EXT_ALLOCATION_LIFETIME_S 600 /* RFC 8656 section 3.2 */
#define STUN_EXT_PERMISSION_LIFETIME_S 300 /* RFC 8656 section 9 */
#define STUN_EXT_CHANNEL_LIFETIME_S 600    /* RFC 8656 section 12 */

#define STUN_EXT_CHANNEL_MIN 0x4000 /* RFC 8656 section 12 */
#define STUN_EXT_CHANNEL_MAX 0x4fff /* RFC 8656 section 12 */

/**
 * StunExtClass:
 * @STUN_EXT_CLASS_REQUEST: wants an answer
 * @STUN_EXT_CLASS_INDICATION: wants none
 * @STUN_EXT_CLASS_SUCCESS: the answer yes
 * @STUN_EXT_CLASS_ERROR: the answer no, with ERROR-CODE
 *
 * The two class bits (RFC 8489 section 5).
 */
typedef enum {
  STUN_EXT_CLASS_REQUEST = 0,
  STUN_EXT_CLASS_INDICATION = 1,
  STUN_EXT_CLASS_SUCCESS = 2,
  STUN_EXT_CLASS_ERROR = 3,
} StunExtClass;

/**
 * StunExtMethod:
 *
 * What a message is about. Comments name the classes where not all are used.
 */
typedef enum {
  STUN_EXT_METHOD_BINDING = 0x001,            /* RFC 8489 section 3 */
  STUN_EXT_METHOD_ALLOCATE = 0x003,           /* RFC 8656 section 7; request */
  STUN_EXT_METHOD_REFRESH = 0x004,            /* RFC 8656 section 8; request */
  STUN_EXT_METHOD_SEND = 0x006,               /* RFC 8656 section 11; indication */
  STUN_EXT_METHOD_DATA = 0x007,               /* RFC 8656 section 11; indication */
  STUN_EXT_METHOD_CREATE_PERMISSION = 0x008,  /* RFC 8656 section 10; request */
  STUN_EXT_METHOD_CHANNEL_BIND = 0x009,       /* RFC 8656 section 12; request */
  STUN_EXT_METHOD_CONNECT = 0x00a,            /* RFC 6062 section 4.3; request */
  STUN_EXT_METHOD_CONNECTION_BIND = 0x00b,    /* RFC 6062 section 4.3; request */
  STUN_EXT_METHOD_CONNECTION_ATTEMPT = 0x00c, /* RFC 6062 section 4.4; indication */
} StunExtMethod;

/**
 * StunExtAttributeType:
 *
 * Types of attributes. Below 0x8000 a receiver must understand them, from there on it may ignore
 * them.
 */
typedef enum {
  STUN_EXT_ATTRIBUTE_MAPPED_ADDRESS = 0x0001,           /* RFC 8489 section 14.1 */
  STUN_EXT_ATTRIBUTE_CHANGE_REQUEST = 0x0003,           /* RFC 5780 section 7.2 */
  STUN_EXT_ATTRIBUTE_USERNAME = 0x0006,                 /* RFC 8489 section 14.3 */
  STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY = 0x0008,        /* RFC 8489 section 14.5 */
  STUN_EXT_ATTRIBUTE_ERROR_CODE = 0x0009,               /* RFC 8489 section 14.8 */
  STUN_EXT_ATTRIBUTE_UNKNOWN_ATTRIBUTES = 0x000a,       /* RFC 8489 section 14.13 */
  STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER = 0x000c,           /* RFC 8656 section 18.1 */
  STUN_EXT_ATTRIBUTE_LIFETIME = 0x000d,                 /* RFC 8656 section 18.2 */
  STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS = 0x0012,         /* RFC 8656 section 18.3 */
  STUN_EXT_ATTRIBUTE_DATA = 0x0013,                     /* RFC 8656 section 18.4 */
  STUN_EXT_ATTRIBUTE_REALM = 0x0014,                    /* RFC 8489 section 14.9 */
  STUN_EXT_ATTRIBUTE_NONCE = 0x0015,                    /* RFC 8489 section 14.10 */
  STUN_EXT_ATTRIBUTE_XOR_RELAYED_ADDRESS = 0x0016,      /* RFC 8656 section 18.5 */
  STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY = 0x0017, /* RFC 8656 section 18.6 */
  STUN_EXT_ATTRIBUTE_EVEN_PORT = 0x0018,                /* RFC 8656 section 18.7 */
  STUN_EXT_ATTRIBUTE_REQUESTED_TRANSPORT = 0x0019,      /* RFC 8656 section 18.8 */
  STUN_EXT_ATTRIBUTE_DONT_FRAGMENT = 0x001a,            /* RFC 8656 section 18.9 */
  STUN_EXT_ATTRIBUTE_ACCESS_TOKEN = 0x001b,             /* RFC 7635 section 6.2 */
  STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256 = 0x001c, /* RFC 8489 section 14.6 */
  STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHM = 0x001d,       /* RFC 8489 section 14.12 */
  STUN_EXT_ATTRIBUTE_USERHASH = 0x001e,                 /* RFC 8489 section 14.4 */
  STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS = 0x0020,       /* RFC 8489 section 14.2 */
  STUN_EXT_ATTRIBUTE_RESERVATION_TOKEN = 0x0022,        /* RFC 8656 section 18.10 */
  STUN_EXT_ATTRIBUTE_PRIORITY = 0x0024,                 /* RFC 8445 section 7.1.1 */
  STUN_EXT_ATTRIBUTE_USE_CANDIDATE = 0x0025,            /* RFC 8445 section 7.1.2 */
  STUN_EXT_ATTRIBUTE_PADDING = 0x0026,                  /* RFC 5780 section 7.6 */
  STUN_EXT_ATTRIBUTE_RESPONSE_PORT = 0x0027,            /* RFC 5780 section 7.5 */
  STUN_EXT_ATTRIBUTE_CONNECTION_ID = 0x002a,            /* RFC 6062 section 6.2.1 */

  STUN_EXT_ATTRIBUTE_ADDITIONAL_ADDRESS_FAMILY = 0x8000, /* RFC 8656 section 18.11 */
  STUN_EXT_ATTRIBUTE_ADDRESS_ERROR_CODE = 0x8001,        /* RFC 8656 section 18.12 */
  STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHMS = 0x8002,       /* RFC 8489 section 14.11 */
  STUN_EXT_ATTRIBUTE_ALTERNATE_DOMAIN = 0x8003,          /* RFC 8489 section 14.16 */
  STUN_EXT_ATTRIBUTE_ICMP = 0x8004,                      /* RFC 8656 section 18.13 */
  STUN_EXT_ATTRIBUTE_SOFTWARE = 0x8022,                  /* RFC 8489 section 14.14 */
  STUN_EXT_ATTRIBUTE_ALTERNATE_SERVER = 0x8023,          /* RFC 8489 section 14.15 */
  STUN_EXT_ATTRIBUTE_CACHE_TIMEOUT = 0x8027,             /* RFC 5780 section 9 */
  STUN_EXT_ATTRIBUTE_FINGERPRINT = 0x8028,               /* RFC 8489 section 14.7 */
  STUN_EXT_ATTRIBUTE_ICE_CONTROLLED = 0x8029,            /* RFC 8445 section 7.1.3 */
  STUN_EXT_ATTRIBUTE_ICE_CONTROLLING = 0x802a,           /* RFC 8445 section 7.1.3 */
  STUN_EXT_ATTRIBUTE_RESPONSE_ORIGIN = 0x802b,           /* RFC 5780 section 7.3 */
  STUN_EXT_ATTRIBUTE_OTHER_ADDRESS = 0x802c,             /* RFC 5780 section 7.4 */
  STUN_EXT_ATTRIBUTE_THIRD_PARTY_AUTHORIZATION = 0x802e, /* RFC 7635 section 6.1 */
  STUN_EXT_ATTRIBUTE_MOBILITY_TICKET = 0x8030,           /* RFC 8016 section 3 */

  /* What coturn, seen with 4.6.1, reads in place of ADDITIONAL-ADDRESS-FAMILY: a number from before
   * RFC 8656, registered for nothing else. */
  STUN_EXT_ATTRIBUTE_ADDITIONAL_ADDRESS_FAMILY_EARLY = 0x8032,
} StunExtAttributeType;

/* Attributes from here on may be ignored by who does not know them (RFC 8489 section 14). */
#define STUN_EXT_ATTRIBUTE_COMPREHENSION_OPTIONAL 0x8000

/**
 * StunExtErrorCode:
 *
 * Codes in ERROR-CODE.
 */
typedef enum {
  STUN_EXT_CODE_TRY_ALTERNATE = 300,                /* RFC 8489 section 14.8 */
  STUN_EXT_CODE_BAD_REQUEST = 400,                  /* RFC 8489 section 14.8 */
  STUN_EXT_CODE_UNAUTHENTICATED = 401,              /* RFC 8489 section 14.8 */
  STUN_EXT_CODE_FORBIDDEN = 403,                    /* RFC 8656 section 19 */
  STUN_EXT_CODE_MOBILITY_FORBIDDEN = 405,           /* RFC 8016 section 3 */
  STUN_EXT_CODE_UNKNOWN_ATTRIBUTE = 420,            /* RFC 8489 section 14.8 */
  STUN_EXT_CODE_ALLOCATION_MISMATCH = 437,          /* RFC 8656 section 19 */
  STUN_EXT_CODE_STALE_NONCE = 438,                  /* RFC 8489 section 14.8 */
  STUN_EXT_CODE_ADDRESS_FAMILY_NOT_SUPPORTED = 440, /* RFC 8656 section 19 */
  STUN_EXT_CODE_WRONG_CREDENTIALS = 441,            /* RFC 8656 section 19 */
  STUN_EXT_CODE_UNSUPPORTED_TRANSPORT = 442,        /* RFC 8656 section 19 */
  STUN_EXT_CODE_PEER_FAMILY_MISMATCH = 443,         /* RFC 8656 section 19 */
  STUN_EXT_CODE_CONNECTION_EXISTS = 446,            /* RFC 6062 section 6.3 */
  STUN_EXT_CODE_CONNECTION_FAILURE = 447,           /* RFC 6062 section 6.3 */
  STUN_EXT_CODE_QUOTA_REACHED = 486,                /* RFC 8656 section 19 */
  STUN_EXT_CODE_ROLE_CONFLICT = 487,                /* RFC 8445 section 7.3.1.1 */
  STUN_EXT_CODE_SERVER_ERROR = 500,                 /* RFC 8489 section 14.8 */
  STUN_EXT_CODE_INSUFFICIENT_CAPACITY = 508,        /* RFC 8656 section 19 */
} StunExtErrorCode;

/**
 * StunExtPasswordAlgorithm:
 * @STUN_EXT_PASSWORD_ALGORITHM_NONE: none was named
 * @STUN_EXT_PASSWORD_ALGORITHM_MD5: RFC 8489 section 18.5.1.1
 * @STUN_EXT_PASSWORD_ALGORITHM_SHA256: RFC 8489 section 18.5.1.2
 *
 * How a key is made of a user name, a realm and a password.
 */
typedef enum {
  STUN_EXT_PASSWORD_ALGORITHM_NONE = 0x0000,
  STUN_EXT_PASSWORD_ALGORITHM_MD5 = 0x0001,
  STUN_EXT_PASSWORD_ALGORITHM_SHA256 = 0x0002,
} StunExtPasswordAlgorithm;

/* IP protocol numbers in REQUESTED-TRANSPORT (RFC 8656 section 18.8, RFC 6062 section 4.1). */
#define STUN_EXT_TRANSPORT_TCP 6
#define STUN_EXT_TRANSPORT_UDP 17

/* Flags of CHANGE-REQUEST (RFC 5780 section 7.2). */
#define STUN_EXT_CHANGE_IP 0x00000004u
#define STUN_EXT_CHANGE_PORT 0x00000002u

/* ---------------------------------------------------------------------------------------------------------------------
 * TEP: provisional numbers of stun-ext/PROTOCOL.md; methods 0x080-0x0ff, attributes 0xc000-0xffff,
 * codes as listed there.
 * ------------------------------------------------------------------------------------------------------------------
 */

/**
 * StunExtTepMethod:
 *
 * What the tunnel's own messages are about; it uses Binding and Refresh besides. Provisional.
 */
typedef enum {
  STUN_EXT_TEP_METHOD_LEASE = 0x080,      /* PROTOCOL.md section 8.1; request */
  STUN_EXT_TEP_METHOD_OPEN_FLOW = 0x081,  /* section 8.3; request */
  STUN_EXT_TEP_METHOD_CLOSE_FLOW = 0x082, /* section 8.3; request */
  STUN_EXT_TEP_METHOD_JOIN = 0x083,       /* section 7.2; request */
  STUN_EXT_TEP_METHOD_RESUME = 0x084,     /* section 7.3; request */
  STUN_EXT_TEP_METHOD_CLOSE = 0x085,      /* section 7.4; request, indication */
} StunExtTepMethod;

/**
 * StunExtTepAttributeType:
 *
 * Attributes of the tunnel (PROTOCOL.md section 5). Provisional.
 */
typedef enum {
  STUN_EXT_TEP_ATTRIBUTE_VERSION = 0xc7e0,
  STUN_EXT_TEP_ATTRIBUTE_CLIENT_RANDOM = 0xc7e1,
  STUN_EXT_TEP_ATTRIBUTE_SERVER_RANDOM = 0xc7e2,
  STUN_EXT_TEP_ATTRIBUTE_SERVER_NAME = 0xc7e3,
  STUN_EXT_TEP_ATTRIBUTE_TIMESTAMP = 0xc7e4,
  STUN_EXT_TEP_ATTRIBUTE_TUNNEL_ID = 0xc7e5,
  STUN_EXT_TEP_ATTRIBUTE_ORDINAL = 0xc7e6,
  STUN_EXT_TEP_ATTRIBUTE_CONNECTION_NUMBER = 0xc7e7,
  STUN_EXT_TEP_ATTRIBUTE_BINDING_ID = 0xc7e8,
  STUN_EXT_TEP_ATTRIBUTE_LEASED_ADDRESS = 0xc7e9,
  STUN_EXT_TEP_ATTRIBUTE_FLOW_ID = 0xc7ea,
  STUN_EXT_TEP_ATTRIBUTE_FLOW_KIND = 0xc7eb,
  STUN_EXT_TEP_ATTRIBUTE_WANTED_PORT = 0xc7ec,
  STUN_EXT_TEP_ATTRIBUTE_LARGEST_PACKET = 0xc7ed,
  STUN_EXT_TEP_ATTRIBUTE_BANDWIDTH = 0xc7ee,
  STUN_EXT_TEP_ATTRIBUTE_DSCP = 0xc7ef,
  STUN_EXT_TEP_ATTRIBUTE_KEEPALIVE = 0xc7f0,
  STUN_EXT_TEP_ATTRIBUTE_CHANNEL_BINDING = 0xc7f1,
  STUN_EXT_TEP_ATTRIBUTE_DETECT = 0xc7f8,        /* section 15.2 */
  STUN_EXT_TEP_ATTRIBUTE_DETECT_FILL = 0xc7f9,   /* section 15.2 */
  STUN_EXT_TEP_ATTRIBUTE_DETECT_COOKIE = 0xc7fa, /* section 15.2 */
} StunExtTepAttributeType;

#define STUN_EXT_TEP_VERSION 1                  /* of PROTOCOL.md */
#define STUN_EXT_TEP_FLAG_KEEP 0x80             /* in TEP-VERSION */
#define STUN_EXT_TEP_RANDOM_LENGTH 32           /* octets of CLIENT-RANDOM and SERVER-RANDOM */
#define STUN_EXT_TEP_CHANNEL_BINDING_LENGTH 32  /* octets, RFC 9266 */
#define STUN_EXT_TEP_SERVER_NAME_MAX_LENGTH 255 /* octets */
#define STUN_EXT_TEP_TUNNEL_ID_MIN_LENGTH 16    /* octets */
#define STUN_EXT_TEP_TUNNEL_ID_MAX_LENGTH 32    /* octets */
#define STUN_EXT_TEP_CONNECTIONS_MAX 16         /* connections of a tunnel */
#define STUN_EXT_TEP_PACKET_MIN 576             /* least value of LARGEST-PACKET, octets */
#define STUN_EXT_TEP_MESSAGE_MAX 2048           /* octets of a message, header included */

G_END_DECLS
