"""A certificate for the lab's core, made for one test run."""
import pathlib
import subprocess

NAMES = "DNS:core.lab,DNS:peer.lab,IP:192.0.2.10,IP:192.0.2.11,IP:2001:db8:c::10,IP:127.0.0.1,IP:::1"


def make(directory, names=NAMES, days=1):
    """Writes a self-signed certificate, which is its own authority, and its key; returns both paths."""
    certificate, key = pathlib.Path(directory, "certificate.pem"), pathlib.Path(directory, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", str(days), "-subj", "/CN=core.lab",
                    "-addext", f"subjectAltName={names}"], check=True, capture_output=True)
    return certificate, key
