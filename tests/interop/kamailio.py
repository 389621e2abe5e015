"""Kamailio, a SIP registrar and proxy: TLS on port 443 and TCP on port 5060, for users without passwords."""
import pathlib
import re

from ends import joined
from process import Process, wait_for_tcp

MODULES = ("tls", "tm", "sl", "rr", "pv", "maxfwd", "usrloc", "registrar", "textops", "siputils", "nathelper")

# A client behind a translation is answered, and called, over the connection that it opened.
_CONFIGURATION = """\
#!KAMAILIO
debug=2
log_stderror=yes
children=1
tcp_children=2
auto_aliases=no
alias="core.lab"
{listen}
enable_tls=yes
tcp_connection_lifetime=3600
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
{load}
modparam("tls", "certificate", "{certificate}")
modparam("tls", "private_key", "{key}")
modparam("tls", "tls_method", "TLSv1.2+")
modparam("nathelper|registrar", "received_avp", "$avp(RECEIVED)")
request_route {{
  xlog("L_WARN", "SEEN $rm from $si over $proto as $fU\\n");
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  force_rport();
  if (is_method("REGISTER")) {{ fix_nated_register(); save("location"); exit; }}
  if (is_method("INVITE|SUBSCRIBE")) {{ add_contact_alias(); record_route(); }}
  if (has_totag()) {{
    if (!loose_route()) {{ sl_send_reply("404", "Not Here"); exit; }}
    if ($du == "") {{ handle_ruri_alias(); }}
  }} else {{
    if (!lookup("location")) {{ sl_send_reply("404", "Not Found"); exit; }}
  }}
  t_on_reply("ANSWERED");
  t_relay();
}}
onreply_route[ANSWERED] {{ add_contact_alias(); }}
"""


class Kamailio(Process):
    """In the lab's core, at both addresses: squid goes to the last that its hosts file has for a name."""

    def __init__(self, lab, directory, certificate, key, ports=("tls:443", "tcp:5060")):
        places = [(address, *port.split(":")) for address in (lab["CORE_ADDR"], lab["CORE_ADDR6"]) for port in ports]
        place = pathlib.Path(directory, "kamailio")
        place.mkdir()
        listen = "".join(f"listen={kind}:{joined(address, port)}\n" for address, kind, port in places)
        configuration = place / "kamailio.cfg"
        configuration.write_text(_CONFIGURATION.format(
            listen=listen, certificate=certificate, key=key,
            load="loadmodule \"xlog.so\"\n" + "".join(f'loadmodule "{name}.so"\n' for name in MODULES)), encoding="ascii")
        super().__init__(["kamailio", "-f", configuration, "-DD", "-E", "-w", place, "-Y", place, "-P", place / "pid",
                          "-m", "32", "-M", "4"], lab, "core", name="kamailio")
        for address, _, port in places:
            wait_for_tcp(lab, "core", address, int(port), 10)

    def seen(self, method):
        """(address, transport, user) of each request of the method so far."""
        return re.findall(rf"SEEN {method} from (\S+) over (\S+) as (\S+)", self.errors)
