"""coturn in the lab: TURN by verified TLS on port 443 and by nothing else, since it takes plain text on its TLS port."""
import contextlib
import pathlib
import tempfile

import certificate
from process import Process, wait_for_tcp

USER, PASSWORD, REALM = "bob", "tower bridge", "core.lab"


@contextlib.contextmanager
def coturn(lab, *options, addresses=None, port=443, names=certificate.NAMES, days=1, certificates=None, relays_tcp=False, plain=False):
    """Starts it on the core; yields (process, path of the certificate to trust). certificates: another's, to show the same; plain: by UDP and TCP
    on port 3478 too."""
    addresses = addresses or [lab["CORE_ADDR"], lab["CORE_ADDR6"]]
    with tempfile.TemporaryDirectory(prefix="tepkit-coturn-") as keep:
        trusted, key = (certificates, certificates.with_name("key.pem")) if certificates else certificate.make(keep, names, days)
        arguments = ["turnserver", "-n", "--no-cli", "--no-dtls", *([] if plain else ["--no-tcp", "--no-udp"]), *([] if relays_tcp else ["--no-tcp-relay"]),
                     f"--tls-listening-port={port}", *(f"--{kind}-ip={address}" for address in addresses
                                                       for kind in ("listening", "relay")),
                     f"--cert={trusted}", f"--pkey={key}", "--lt-cred-mech", f"--user={USER}:{PASSWORD}",
                     f"--realm={REALM}", "--allow-loopback-peers", "--log-file=stdout", "--verbose",
                     f"--pidfile={keep}/pid", f"--userdb={keep}/db", *options]
        with Process(arguments, lab, "core", name="turnserver") as process:
            for address in addresses:
                wait_for_tcp(lab, "core", address, port)
            yield process, pathlib.Path(trusted)
