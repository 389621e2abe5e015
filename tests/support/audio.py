"""Real speech as mu-law, and the comparison of what was said with what was heard."""
import dataclasses
import pathlib
import subprocess

RECORDINGS = pathlib.Path("/usr/share/asterisk/sounds/en_US_f_Allison")  # asterisk-core-sounds-en-wav
FRAME = 160  # octets of 20 ms
NEGATIVE_ZERO, POSITIVE_ZERO = b"\x7f", b"\xff"


def mu_law(directory, recording="demo-congrats", start_s=0, length_s=8):
    """Writes a stretch of a recording as raw mu-law, 8000 octets a second, and returns its path.

    Mu-law has two zeros, and encoders choose one; the file has that one only, so that it survives being decoded
    and encoded again octet by octet.
    """
    path = pathlib.Path(directory, f"{recording}.ul")
    result = subprocess.run(["sox", "-D", RECORDINGS / f"{recording}.wav", "-t", "ul", "-", "trim",
                             str(start_s), f"{length_s * 8000}s"], check=True, capture_output=True)
    path.write_bytes(result.stdout.replace(NEGATIVE_ZERO, POSITIVE_ZERO))
    assert path.stat().st_size == length_s * 8000, f"{recording} is too short"
    return path


@dataclasses.dataclass
class Comparison:
    """What became of the frames that were said."""
    said: int
    heard: int
    lost: int       # frames said and not heard
    strange: int    # frames heard and not said, or not at their place

    @property
    def is_identical(self):
        return self.lost == 0 and self.strange == 0 and self.said == self.heard


def compare(said, heard):
    """Compares two mu-law files in frames of 20 ms. Of an identical pair every octet is the same."""
    said_octets, heard_octets = pathlib.Path(said).read_bytes(), pathlib.Path(heard).read_bytes()
    frames = [[octets[i:i + FRAME] for i in range(0, len(octets), FRAME)]
              for octets in (said_octets, heard_octets)]
    at = matched = 0
    for frame in frames[1]:
        try:
            at = frames[0].index(frame, at) + 1
            matched += 1
        except ValueError:
            pass
    result = Comparison(len(frames[0]), len(frames[1]), len(frames[0]) - matched, len(frames[1]) - matched)
    assert result.is_identical == (said_octets == heard_octets)
    return result
