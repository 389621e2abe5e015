#!/usr/bin/python3
"""A name server for hosts that have IPv6 alone: it knows IPv4 addresses, and makes IPv6 ones of them under a prefix (RFC 6147, RFC 6052).

names64.py PORT PREFIX HOSTS: it is ready when the TCP port takes connections; HOSTS is a file like /etc/hosts."""
import ipaddress
import socket
import struct
import sys
import threading

A, AAAA, NAME_ERROR = 1, 28, 3
WELL_KNOWN = {"ipv4only.arpa": ["192.0.0.170", "192.0.0.171"]}  # RFC 7050 section 8


def known(path):
    """The IPv4 addresses of each name."""
    names = {name: [ipaddress.IPv4Address(each) for each in addresses] for name, addresses in WELL_KNOWN.items()}
    with open(path, encoding="ascii") as lines:
        for address, *aliases in map(str.split, lines):
            for name in aliases if "." in address else ():
                names.setdefault(name, []).append(ipaddress.IPv4Address(address))
    return names


def synthesized(prefix, address):
    """RFC 6052 section 2.2: right behind the prefix, but octet 8 is skipped and zero."""
    octets = bytearray(prefix.network_address.packed)
    place = prefix.prefixlen // 8
    for octet in address.packed:
        place += place == 8
        octets[place] = octet
        place += 1
    return bytes(octets)


def answer(query, names, prefix):
    if len(query) < 17 or query[2] & 0xf8 or query[4:6] != b"\0\1":
        return None
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("ascii", "replace").lower())
        at += 1 + query[at]
    question = query[12:at + 5]
    kind, _ = struct.unpack(">HH", question[-4:])
    addresses = names.get(".".join(labels))
    octets = {A: lambda each: each.packed, AAAA: lambda each: synthesized(prefix, each)}.get(kind)
    found = [octets(each) for each in addresses or ()] if octets else []
    head = query[:2] + struct.pack(">HHHHH", 0x8580 | (0 if addresses else NAME_ERROR), 1, len(found), 0, 0)
    return head + question + b"".join(struct.pack(">HHHIH", 0xc00c, kind, 1, 60, len(each)) + each for each in found)


def serve(names, prefix):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.bind(("::", 53))
        while True:
            query, source = s.recvfrom(2048)
            try:
                said = answer(query, names, prefix)
            except (IndexError, struct.error):
                continue
            if said is not None:
                s.sendto(said, source)


def main():
    port, prefix, hosts = sys.argv[1:]
    threading.Thread(target=serve, args=(known(hosts), ipaddress.IPv6Network(prefix)), daemon=True).start()
    listener = socket.create_server(("", int(port)))  # nobody reads here
    while True:
        listener.accept()[0].close()


main()
