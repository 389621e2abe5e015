#!/usr/bin/python3
"""python3-aioice gathers its candidates with a given STUN server and prints those the server told it of."""
import asyncio
import sys

import aioice


async def gather(server, port):
    connection = aioice.Connection(ice_controlling=True, stun_server=(server, port), use_ipv6=False)
    await connection.gather_candidates()
    for candidate in connection.local_candidates:
        if candidate.type == "srflx":
            print(candidate.type, candidate.host, candidate.port)
    await connection.close()

asyncio.run(gather(sys.argv[1], int(sys.argv[2])))
