"""Servers that behave badly in one way each, on a host of the lab, each in a thread."""
import contextlib
import select
import socket
import ssl
import threading
import time


def _listen(lab, host, address, port):
    listener = lab.socket(host, socket.AF_INET6 if ":" in address else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(16)
    return listener


@contextlib.contextmanager
def serving(lab, host, address, port, behave):
    """Calls behave (connection) in a thread of its own for each connection."""
    listener = _listen(lab, host, address, port)
    is_over = threading.Event()
    connections = []

    def one(connection):
        with contextlib.suppress(OSError, ssl.SSLError):
            behave(connection)

    def accept():
        while not is_over.is_set():
            if not select.select([listener], [], [], 0.05)[0]:
                continue
            connection, _ = listener.accept()
            connections.append(connection)
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        listener.close()
        for connection in connections:
            connection.close()


def tls(trusted, then):
    """A TLS server that shows the certificate, then calls then (connection)."""
    def behave(connection):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(trusted, trusted.with_name("key.pem"))
        then(context.wrap_socket(connection, server_side=True))
    return behave


def silent(connection):
    """Reads for ever and says nothing."""
    while connection.recv(4096):
        pass


def hangs_up(connection):
    """Ends the connection as soon as something comes."""
    connection.recv(1)
    connection.close()


def resets(connection):
    """The same, without order."""
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def slow_proxy(lab, host, delay_s):
    """A proxy that takes its time before it answers CONNECT, and then serves anybody."""
    def behave(connection):
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        name, _, port = head.split()[1].decode().rpartition(":")
        time.sleep(delay_s)
        with lab.socket(host) as far:
            far.connect((lab["CORE_ADDR"] if name == "core.lab" else name, int(port)))
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            ends = {connection: far, far: connection}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    octets = end.recv(65536)
                    if not octets:
                        return
                    ends[end].sendall(octets)
    return behave
