"""The proxies of the lab, with Debian's settings in what they allow: CONNECT to port 443 and no other, if not said otherwise."""
import contextlib
import hashlib
import os
import pathlib
import shutil
import socket
import subprocess
import time

import authority
import hosts
import networks

START_LIMIT_S = 20     # a processor that has other work

_TINYPROXY = """\
User tinyproxy
Group tinyproxy
Port {port}
Timeout 600
LogLevel Info
MaxClients 100
Allow 0.0.0.0/0
Allow ::/0
{more}
ViaProxyName "proxy.lab"
"""
_TINYPROXY_PORTS = "ConnectPort 443\nConnectPort 563\n"

# Several squids at once share memory segments by service name, which therefore is unique. They resolve
# names from the lab's hosts file alone. ncsa_auth reads a file of user:crypt(password).
_SQUID = """\
visible_hostname proxy.lab
hosts_file {directory}/hosts
dns_nameservers 127.0.0.1
acl SSL_ports port 443
acl Safe_ports port 80 443 1025-65535
http_access deny !Safe_ports
http_access deny CONNECT !SSL_ports
{more}
http_access deny all
cache deny all
cache_mem 1 MB
max_filedescriptors 4096
pinger_enable off
netdb_filename none
shutdown_lifetime 0 seconds
cache_effective_user proxy
pid_filename {place}/pid
coredump_dir {place}
cache_log {place}/cache.log
access_log stdio:{place}/access.log
"""
_KNOWN = "acl known proxy_auth REQUIRED\nhttp_access allow known\n"
_SQUID_SCHEMES = {
    "": "http_access allow all\n",
    "basic": """\
auth_param basic program /usr/lib/squid/basic_ncsa_auth {place}/passwords
auth_param basic realm lab
auth_param basic children 2 startup=1 idle=1
""" + _KNOWN,
    "digest": """\
auth_param digest program /usr/lib/squid/digest_file_auth -c {place}/digest
auth_param digest realm lab
auth_param digest children 2 startup=1 idle=1
""" + _KNOWN,
    "ntlm": """\
auth_param ntlm program /usr/lib/squid/ntlm_fake_auth
auth_param ntlm children 2 startup=1 idle=1
""" + _KNOWN,
    "negotiate": """\
auth_param negotiate program /usr/bin/env KRB5_CONFIG={directory}/krb5.conf KRB5RCACHEDIR={place} /usr/lib/squid/negotiate_kerberos_auth -k {place}/keytab -s HTTP/proxy.lab@{realm}
auth_param negotiate children 2 startup=1 idle=1
""" + _KNOWN,
}

# TLS ends here: certificates are made on the spot, what the server shows is not judged, and what is inside is
# taken for HTTP.
_OPENING = """\
sslcrtd_program /usr/lib/squid/security_file_certgen -s {place}/certificates -M 4MB
sslcrtd_children 2 startup=1 idle=1
tls_outgoing_options flags=DONT_VERIFY_PEER
sslproxy_cert_error allow all
ssl_bump bump all
"""
_OPENING_PORT = "ssl-bump generate-host-certificates=on dynamic_cert_mem_cache_size=1MB tls-cert={directory}/authority-with-key.pem"


def squid_name(lab_id):
    """Squid's service name; it takes letters and digits, 32 at most."""
    return "tepkit" + hashlib.sha256(lab_id.encode()).hexdigest()[:26]


def squid(lab_id, directory, service, settings, scheme="", opens_tls=False):
    """Writes the configuration of a squid; returns the command that runs it. settings: its ports, and more."""
    place = directory / service
    place.mkdir()
    values = {"directory": directory, "place": place, "realm": networks.REALM}
    more = settings + _SQUID_SCHEMES[scheme] + (_OPENING if opens_tls else "")
    if scheme == "basic":
        hashed = hosts.command(["openssl", "passwd", "-apr1", "-stdin"], networks.PROXY_PASSWORD + "\n")
        (place / "passwords").write_text(f"{networks.PROXY_USER}:{hashed}", encoding="ascii")
    if scheme == "digest":
        secret = hashlib.md5(f"{networks.PROXY_USER}:lab:{networks.PROXY_PASSWORD}".encode()).hexdigest()
        (place / "digest").write_text(f"{networks.PROXY_USER}:lab:{secret}\n", encoding="ascii")
    if scheme == "negotiate":
        shutil.move(directory / "keytab", place / "keytab")
    if opens_tls:
        authority.make(directory)
        hosts.command(["/usr/lib/squid/security_file_certgen", "-c", "-s", place / "certificates", "-M", "4MB"])
        more = more.replace("OPENING", _OPENING_PORT)
    configuration = directory / f"{service}.conf"
    configuration.write_text(_SQUID.format(more=more.format(**values), **values), encoding="ascii")
    for path in (place, *place.rglob("*")):
        shutil.chown(path, "proxy", "proxy")
    return ["squid", "-n", squid_name(lab_id), "-N", "-f", str(configuration)]


def _squid_command(proxy, lab_id, directory, _namespace):
    port = f"http_port {proxy.port}{' OPENING' if proxy.opens_tls else ''}\n"
    return squid(lab_id, directory, "squid", port, proxy.scheme, proxy.opens_tls)


def _tinyproxy_command(proxy, _lab_id, directory, _namespace):
    more = "" if proxy.any_port else _TINYPROXY_PORTS
    if proxy.scheme:
        more += f"BasicAuth {networks.PROXY_USER} {proxy.password}\n"
    configuration = directory / "tinyproxy.conf"
    configuration.write_text(_TINYPROXY.format(port=proxy.port, more=more), encoding="ascii")
    return ["tinyproxy", "-d", "-c", str(configuration)]


def _mitmproxy_command(proxy, _lab_id, directory, _namespace):
    """mitmproxy takes every protocol inside for raw octets, where it would look for HTTP."""
    authority.make(directory)
    place = directory / "mitmproxy"
    place.mkdir()
    shutil.copy(directory / "authority-with-key.pem", place / "mitmproxy-ca.pem")
    return ["env", f"HOME={place}", "mitmdump", "-q", "--listen-port", str(proxy.port), "--ssl-insecure",
            "--set", f"confdir={place}", "--set", "tcp_hosts=.*"]


_COMMANDS = {"squid": _squid_command, "tinyproxy": _tinyproxy_command, "mitmproxy": _mitmproxy_command}


def start(network, lab_id, directory, namespace):
    """Starts the network's proxy and returns when it accepts connections."""
    proxy = network.proxy
    if proxy.scheme == "negotiate":
        realm(directory, namespace)
    run(_COMMANDS[proxy.program](proxy, lab_id, directory, namespace), directory, namespace, proxy.program, proxy.port)


def run(command, directory, namespace, name, port):
    """Starts a program that listens on a port of its host, and returns when it does."""
    arguments = hosts.command_in(namespace, directory, command)
    log = directory / f"{name}.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True)
    deadline = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), hosts.inside(namespace), socket.socket() as probe:
            probe.connect(("127.0.0.1", port))
            return
        time.sleep(0.01)
    said = log.read_text(encoding="utf-8", errors="replace")[-1000:]
    raise hosts.LabError(f"{name} does not start: {said.strip() or 'it says nothing'}")


_KRB5 = """\
[libdefaults]
 default_realm = {realm}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 rdns = false
 dns_canonicalize_hostname = false
[realms]
 {realm} = {{
  kdc = 127.0.0.1:{port}
 }}
"""
_KDC = """\
[kdcdefaults]
 kdc_listen = 127.0.0.1:{port}
 kdc_tcp_listen = 127.0.0.1:{port}
[realms]
 {realm} = {{
  database_name = {place}/db
  key_stash_file = {place}/stash
  acl_file = {place}/acl
 }}
"""
_KDC_PORT = 88


def realm(directory, namespace):
    """A Kerberos realm in the proxy's host, and tickets for the device: one that may fetch others, and one for the proxy,
    because the device does not reach the realm. The environment of the lab names krb5.conf and the tickets."""
    place = directory / "realm"
    place.mkdir()
    values = {"realm": networks.REALM, "port": _KDC_PORT, "place": place}
    (directory / "krb5.conf").write_text(_KRB5.format(**values), encoding="ascii")
    (place / "kdc.conf").write_text(_KDC.format(**values), encoding="ascii")
    settings = {**os.environ, "KRB5_CONFIG": str(directory / "krb5.conf"), "KRB5_KDC_PROFILE": str(place / "kdc.conf"),
                "KRB5CCNAME": f"FILE:{directory}/tickets", "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}

    def tool(*arguments, stdin=None):
        done = subprocess.run(hosts.command_in(namespace, directory, map(str, arguments)), env=settings, input=stdin, text=True,
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise hosts.LabError(f"{arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")

    tool("kdb5_util", "create", "-s", "-r", networks.REALM, "-P", os.urandom(8).hex())
    tool("kadmin.local", "-r", networks.REALM, stdin=f"""addprinc -pw "{networks.PROXY_PASSWORD}" {networks.PROXY_USER}
addprinc -randkey HTTP/proxy.lab
ktadd -k {directory}/keytab HTTP/proxy.lab
""")
    run(["env", *(f"{k}={settings[k]}" for k in ("KRB5_CONFIG", "KRB5_KDC_PROFILE")), "/usr/sbin/krb5kdc", "-n", "-r", networks.REALM],
        directory, namespace, "krb5kdc", _KDC_PORT)
    tool("kinit", networks.PROXY_USER, stdin=networks.PROXY_PASSWORD + "\n")
    tool("kvno", "HTTP/proxy.lab")


def forget(lab_id):
    """Removes what a squid that was killed left in shared memory."""
    for path in pathlib.Path("/dev/shm").glob(squid_name(lab_id) + "-*"):
        path.unlink(missing_ok=True)
