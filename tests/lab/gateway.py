#!/usr/bin/python3
"""A router that tells which address it has outside: by NAT-PMP (RFC 6886), PCP (RFC 6887) and the answer of UPnP to a search."""
import fcntl
import socket
import struct
import sys
import threading
import time

SIOCGIFADDR = 0x8915
SERVER = b"Lab/1.0 UPnP/1.1 router/1.0"


def address_of(interface):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        return fcntl.ioctl(s.fileno(), SIOCGIFADDR, struct.pack("256s", interface.encode()))[20:24]


def pmp_or_pcp(request):
    epoch = int(time.monotonic())
    if request == b"\0\0":
        return struct.pack(">BBHI", 0, 128, 0, epoch) + address_of("wan")
    if len(request) >= 24 and request[:2] == b"\2\0":
        return struct.pack(">BBBBII12x", 2, 128, 0, 0, 0, epoch)
    if request[:1] not in (b"\0", b"\2"):
        return struct.pack(">BBHI", 0, 128, 1, epoch)  # not this version
    return None


def search(request):
    if not request.startswith(b"M-SEARCH * HTTP/1.1\r\n"):
        return None
    here = socket.inet_ntoa(address_of("lan")).encode()
    return (b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
            b"USN: uuid:lab\r\nEXT:\r\nSERVER: %s\r\nLOCATION: http://%s:%s/root.xml\r\n\r\n" % (SERVER, here, sys.argv[1].encode()))


def answer(port, reply):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("", port))
        while True:
            request, source = s.recvfrom(2048)
            said = reply(request)
            if said is not None:
                s.sendto(said, source)


def main():
    for port, reply in ((5351, pmp_or_pcp), (1900, search)):
        threading.Thread(target=answer, args=(port, reply), daemon=True).start()
    listener = socket.create_server(("", int(sys.argv[1])))  # of the description, which nobody reads here
    while True:
        listener.accept()[0].close()


main()
