/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Three protocols by which a router says which address it has outside. Only questions that change
 * nothing in it are asked.
 */
#include "turn-connect/detect/gateway-wire.h"

#include "stun-ext/reader.h"
#include "stun-ext/writer.h"
#include "turn-connect/error-private.h"

#include <string.h>

#define PCP_VERSION 2      /* RFC 6887 section 7.1 */
#define PCP_RESPONSE 0x80  /* with opcode 0, ANNOUNCE */
#define PMP_VERSION 0      /* RFC 6886 section 3.1 */
#define PMP_PUBLIC 0x80    /* answer to opcode 0 */
#define NOT_THIS_VERSION 1 /* both: a router that speaks the other one alone */
#define TEXT_MAX 128       /* octets of a header that are kept */

static const char *const words[] = { "pcp", "nat-pmp", "ssdp" };
static const char search[] = "M-SEARCH * HTTP/1.1\r\n"
                             "HOST: 239.255.255.250:1900\r\n"
                             "MAN: \"ssdp:discover\"\r\n"
                             "MX: 1\r\n"
                             "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n";

G_STATIC_ASSERT (G_N_ELEMENTS (words) == TURN_CONNECT_N_GATEWAY_PROTOCOLS);
G_STATIC_ASSERT (sizeof search <= TURN_CONNECT_GATEWAY_REQUEST_MAX);

const char *
turn_connect_gateway_protocol_to_string (TurnConnectGatewayProtocol protocol)
{
  return words[protocol];
}

guint16
turn_connect_gateway_get_port (TurnConnectGatewayProtocol protocol)
{
  return protocol == TURN_CONNECT_GATEWAY_SSDP ? 1900 : 5351;
}

static gsize
write_pcp (const StunExtAddress *local, guint8 *buffer)
{
  StunExtWriter writer;

  stun_ext_writer_init (&writer, buffer, TURN_CONNECT_GATEWAY_REQUEST_MAX);
  stun_ext_writer_u8 (&writer, PCP_VERSION);
  stun_ext_writer_u8 (&writer, 0); /* ANNOUNCE */
  stun_ext_writer_u16 (&writer, 0);
  stun_ext_writer_u32 (&writer, 0); /* lifetime */
  /* The client's address, IPv4 in its mapped form. */
  stun_ext_writer_u64 (&writer, 0);
  stun_ext_writer_u16 (&writer, 0);
  stun_ext_writer_u16 (&writer, 0xffff);
  stun_ext_writer_bytes (&writer, local->octets, 4);
  return 24;
}

gsize
turn_connect_gateway_write (TurnConnectGatewayProtocol protocol,
                            const StunExtAddress *local,
                            guint8 buffer[TURN_CONNECT_GATEWAY_REQUEST_MAX])
{
  switch (protocol) {
  case TURN_CONNECT_GATEWAY_PCP:
    return write_pcp (local, buffer);
  case TURN_CONNECT_GATEWAY_NAT_PMP:
    memset (buffer, 0, 2);
    return 2;
  default:
    memcpy (buffer, search, sizeof search - 1);
    return sizeof search - 1;
  }
}

/* RFC 6887 section 7.2. The result of a router that speaks NAT-PMP alone has that protocol's form. */
static TurnConnectOutcome
read_pcp (TurnConnectProbe *probe, StunExtReader *reader)
{
  guint8 version = stun_ext_reader_u8 (reader), opcode = stun_ext_reader_u8 (reader);
  guint8 result;

  stun_ext_reader_u8 (reader);
  result = stun_ext_reader_u8 (reader);
  if (reader->failed || opcode != PCP_RESPONSE)
    return TURN_CONNECT_OUTCOME_PENDING;
  probe->code = result;
  if (version != PCP_VERSION || result == NOT_THIS_VERSION)
    return TURN_CONNECT_OUTCOME_UNSUPPORTED;
  return result == 0 ? TURN_CONNECT_OUTCOME_ANSWER : TURN_CONNECT_OUTCOME_DENIED;
}

/* RFC 6886 section 3.2. */
static TurnConnectOutcome
read_nat_pmp (TurnConnectProbe *probe, StunExtReader *reader)
{
  guint8 version = stun_ext_reader_u8 (reader), opcode = stun_ext_reader_u8 (reader);
  guint16 result = stun_ext_reader_u16 (reader);
  const guint8 *octets;

  if (reader->failed || opcode != PMP_PUBLIC)
    return TURN_CONNECT_OUTCOME_PENDING;
  probe->code = result;
  if (version != PMP_VERSION || result == NOT_THIS_VERSION)
    return TURN_CONNECT_OUTCOME_UNSUPPORTED;
  if (result != 0)
    return TURN_CONNECT_OUTCOME_DENIED;
  stun_ext_reader_u32 (reader); /* how long it runs */
  octets = stun_ext_reader_bytes (reader, 4);
  if (reader->failed)
    return TURN_CONNECT_OUTCOME_WRONG_ANSWER;
  stun_ext_address_init (&probe->mapped, 4, octets, 0);
  return TURN_CONNECT_OUTCOME_ANSWER;
}

static void
note_header (TurnConnectProbe *probe, const char *line, const char *name, const char *fact)
{
  g_autofree char *value = NULL;
  gsize n = strlen (name);

  if (g_ascii_strncasecmp (line, name, n) != 0 || line[n] != ':')
    return;
  line += n + 1;
  while (*line == ' ' || *line == '\t')
    line++;
  value = turn_connect_error_quote (line, strlen (line), TEXT_MAX);
  turn_connect_probe_set_fact (probe, fact, value);
}

static TurnConnectOutcome
read_ssdp (TurnConnectProbe *probe, const guint8 *data, gsize length)
{
  g_autofree char *text = g_strndup ((const char *)data, length);
  g_auto (GStrv) lines = NULL;

  if (!g_str_has_prefix (text, "HTTP/1.1 200"))
    return TURN_CONNECT_OUTCOME_PENDING;
  lines = g_strsplit (text, "\r\n", 64);
  for (guint i = 1; lines[i] != NULL; i++) {
    note_header (probe, lines[i], "LOCATION", "location");
    note_header (probe, lines[i], "SERVER", "server");
  }
  return TURN_CONNECT_OUTCOME_ANSWER;
}

TurnConnectOutcome
turn_connect_gateway_read (TurnConnectGatewayProtocol protocol,
                           TurnConnectProbe *probe,
                           const guint8 *data,
                           gsize length)
{
  StunExtReader reader;

  stun_ext_reader_init (&reader, data, length);
  switch (protocol) {
  case TURN_CONNECT_GATEWAY_PCP:
    return read_pcp (probe, &reader);
  case TURN_CONNECT_GATEWAY_NAT_PMP:
    return read_nat_pmp (probe, &reader);
  default:
    return read_ssdp (probe, data, length);
  }
}

gboolean
turn_connect_gateway_find (const char *place, StunExtAddress *gateway)
{
  const char *via = strstr (place, " via ");
  g_autofree char *text = NULL;
  StunExtAddress found;

  if (via == NULL)
    return FALSE;
  via += strlen (" via ");
  text = g_strndup (via, strcspn (via, " ;"));
  if (!stun_ext_address_parse (text, &found) || found.family != 4 || strcmp (text, "0.0.0.0") == 0)
    return FALSE; /* the last: nobody stands at the other end of the link, and it leads to this machine */
  *gateway = found;
  return TRUE;
}
