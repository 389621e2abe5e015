#!/usr/bin/python3
"""A proxy for all of TCP that nobody asked for: it takes each connection in the far end's place, and begins another once the client has spoken.

Who waits for the other end to speak first is not waited for."""
import asyncio
import contextlib
import socket
import struct
import sys

PATIENCE_S = 0.5       # a client on a machine with much to do speaks sooner, and our far end, asked by silence, later
ORIGINAL_DESTINATION = 80  # SO_ORIGINAL_DST, of both families


def destination(connection):
    """Where a connection that was redirected was to go."""
    if connection.family == socket.AF_INET:
        port, address = struct.unpack("!2xH4s8x", connection.getsockopt(socket.SOL_IP, ORIGINAL_DESTINATION, 16))
    else:
        port, address = struct.unpack("!2xH4x16s4x", connection.getsockopt(socket.IPPROTO_IPV6, ORIGINAL_DESTINATION, 28))
    return socket.inet_ntop(connection.family, address), port


async def pass_on(reader, writer, octets=b""):
    """Until one of the two goes away."""
    with contextlib.suppress(OSError):
        while True:
            writer.write(octets)
            await writer.drain()
            octets = await reader.read(65536)
            if not octets:
                writer.write_eof()
                return
    writer.transport.abort()


async def split(reader, writer):
    with contextlib.suppress(OSError):
        try:
            octets = await asyncio.wait_for(reader.read(65536), PATIENCE_S)
        except asyncio.TimeoutError:
            octets = b""
        if octets:
            far_reader, far_writer = await asyncio.open_connection(*destination(writer.get_extra_info("socket")))
            await asyncio.gather(pass_on(reader, far_writer, octets), pass_on(far_reader, writer))
            far_writer.close()
    writer.close()


async def main():
    # One listener of each family.
    async with await asyncio.start_server(split, ("0.0.0.0", "::"), int(sys.argv[1]), backlog=256) as server:
        await server.serve_forever()


asyncio.run(main())
