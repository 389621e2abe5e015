"""The certificate authority of a box that opens TLS, as a company's devices would trust it."""
import hosts


def make(directory):
    """Writes authority.pem, and it with its key for the box alone."""
    certificate, both = directory / "authority.pem", directory / "authority-with-key.pem"
    key = hosts.command(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
    both.touch(mode=0o600)
    both.write_text(key, encoding="ascii")
    hosts.command(["openssl", "req", "-x509", "-key", both, "-out", certificate, "-days", "2", "-subj", "/O=Lab/CN=Lab inspection",
                   "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"])
    both.write_text(key + certificate.read_text(encoding="ascii"), encoding="ascii")
