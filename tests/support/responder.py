"""A host that answers: every TCP connection and UDP datagram that carries something is told whence it came.

TCP ports speak TLS to those who begin with TLS, and plain text to the others.
"""
import selectors
import socket
import ssl
import threading

ANSWER_LIMIT_S = 5


def answer_to(address):
    """What the one at the socket address is told."""
    return f"you are {address[0].removeprefix('::ffff:')} {address[1]}\n".encode()


class Responder:
    """Listens in a host of a lab on both families until close (); a context."""

    def __init__(self, lab, host, tcp=(), udp=(), certificate=None, answers_tls=True):
        self._certificate, self._answers_tls = certificate, answers_tls
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = socket.socketpair()
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        for kind, ports in ((socket.SOCK_STREAM, tcp), (socket.SOCK_DGRAM, udp)):
            for port in ports:
                self._listen(lab.socket(host, socket.AF_INET6, kind), port)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _listen(self, listener, port):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("::", port))
        if listener.type == socket.SOCK_STREAM:
            listener.listen(64)
        self._selector.register(listener, selectors.EVENT_READ, listener)

    def _serve(self):
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                if key.data.type == socket.SOCK_DGRAM:
                    _, address = key.data.recvfrom(2048)
                    key.data.sendto(answer_to(address), address)
                else:
                    connection, address = key.data.accept()
                    threading.Thread(target=self._answer, args=(connection, address), daemon=True).start()

    def _answer(self, connection, address):
        try:
            with connection:
                connection.settimeout(ANSWER_LIMIT_S)
                first = connection.recv(1, socket.MSG_PEEK)
                if first == b"\x16" and self._answers_tls:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(*self._certificate)
                    with context.wrap_socket(connection, server_side=True) as stream:
                        stream.recv(2048)
                        stream.sendall(answer_to(address))
                elif first:
                    connection.recv(2048)
                    connection.sendall(answer_to(address))
        except OSError:
            pass  # It went away, or was cut off: what the tests are about.

    def close(self):
        self._waker.send(b"x")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._waker.close()
        self._selector.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
