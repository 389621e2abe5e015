#!/usr/bin/python3
"""A captive portal: every web page that is asked of it is the way to its login."""
import socket
import sys
import threading

PAGE = b"<html><body>Welcome. Please log in.</body></html>\r\n"
ANSWER = (b"HTTP/1.1 302 Found\r\nLocation: http://firewall.lab/login\r\nContent-Type: text/html\r\n"
          b"Cache-Control: no-store\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(PAGE), PAGE))
PATIENCE_S = 5


def answer(connection):
    with connection:
        connection.settimeout(PATIENCE_S)
        head = b""
        try:
            while b"\r\n\r\n" not in head and len(head) < 65536:
                octets = connection.recv(4096)
                if not octets:
                    return
                head += octets
            connection.sendall(ANSWER)
        except OSError:
            pass  # It went away, or never asked for a page.


def main():
    listener = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


main()
