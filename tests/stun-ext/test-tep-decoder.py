#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Has the decoder that was written from the document alone read what the C code writes. TAP."""

import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tep_decoder  # noqa: E402

VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "tep-1.json")
results = []


def check(name, is_right, note=""):
    results.append(is_right)
    print(f"{'ok' if is_right else 'not ok'} {len(results)} {name}")
    for line in note.splitlines() if not is_right else []:
        print("# " + line)


def read_conversation(conversation):
    about = conversation["about"]
    credential = conversation["credential"]
    tunnel = tep_decoder.Tunnel(
        credential["username"], credential.get("realm"), credential["password"])
    for frame in conversation["frames"]:
        octets = bytes.fromhex(frame["octets"])
        bodies = list(tep_decoder.cut(octets))
        found, signer = tunnel.decode(bodies[0])
        expected = dict(frame["expect"])
        rebuilt = expected.pop("rebuilt", None)
        is_right = len(bodies) == 1 and found == expected
        if found["frame"] == "message":
            is_right = is_right and signer == frame["key"]
        if rebuilt is not None:
            is_right = is_right and tunnel.packet_to_device(found).hex() == rebuilt
        check(f"{about}: {frame['name']}", is_right,
              f"expected {expected}, signed with {frame['key']}\nfound {found}, signed with {signer}")
    keys = {name: key.hex() for name, key in tunnel.keys.items()}
    check(f"{about}: keys", keys == conversation["keys"], f"{keys}")
    return tunnel


def check_streams(conversation):
    """The frames of each direction behind one another are the same frames."""
    for end in ("client", "server"):
        frames = [bytes.fromhex(f["octets"]) for f in conversation["frames"] if f["from"] == end]
        bodies = list(tep_decoder.cut(b"".join(frames)))
        check(f"{conversation['about']}: stream of the {end}", bodies == [f[2:] for f in frames])


def check_signatures(conversation, tunnel):
    """No octet of a signed message can change without its signature failing."""
    key = {name: bytes.fromhex(octets) for name, octets in conversation["keys"].items()}
    broken = 0
    for frame in conversation["frames"]:
        if frame["key"] == "none" or frame["expect"]["frame"] != "message":
            continue
        body = bytes.fromhex(frame["octets"])[2:]
        for i in range(len(body)):
            changed = body[:i] + bytes([body[i] ^ 1]) + body[i + 1:]
            try:
                if tep_decoder.Message(changed).is_signed_with(key[frame["key"]]):
                    broken += 1
            except (tep_decoder.Invalid, UnicodeDecodeError, KeyError):
                pass
    check(f"{conversation['about']}: every changed octet shows", broken == 0)


def main():
    text = subprocess.run([sys.argv[1]], check=True, stdout=subprocess.PIPE).stdout.decode()
    with open(VECTORS, encoding="utf-8") as file:
        check("what is written is what tests/vectors/tep-1.json has", file.read() == text,
              f"run: {sys.argv[1]} > {VECTORS}   if the wire was changed on purpose")
    vectors = json.loads(text)
    for conversation in vectors["conversations"]:
        tunnel = read_conversation(conversation)
        check_streams(conversation)
        check_signatures(conversation, tunnel)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
