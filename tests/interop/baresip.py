"""baresip, an ordinary SIP user agent, without a sound card: it says a recording and writes down what it hears."""
import array
import pathlib
import re
import subprocess
import wave

from ends import joined
from process import Process

SIP_PORT = 5060
PATIENCE_S = 20
RATE = 8000         # samples a second
STEP = 2            # of the 16-bit sample: how far mu-law there and back may move it
# Silence around the speech. Each of the two talks as soon as it is ready, which may be before the other listens; who
# comes to the end of its recording is silent for a while and hangs up, and what is then on its way is not heard.
LEAD_S, TAIL_S = 0.5, 0.5
STARTING = 800      # samples, 100 ms of silence, in which the receiver finds its pace and may write anything


class Baresip(Process):
    """A user agent in a host. stun: (address, port) of its STUN server, or none; dial: whom it calls at once.

    registrar: (user, domain, URI of the place to register at), or none.
    """

    def __init__(self, lab, host, address, directory, speech, stun=None, dial=None, registrar=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        if registrar:
            user, domain, outbound = registrar
            account = (f'<sip:{user}@{domain};transport=tcp>;outbound="{outbound}";regint=600;auth_pass=none'
                       ";answermode=auto;audio_codecs=PCMU")
        else:
            account = f"<sip:{host}@{placed(address)}>;regint=0;answermode=auto;audio_codecs=PCMU"
        if stun:
            account += f";medianat=stun;stunserver=stun:{joined(*stun)}"
        self._write("accounts", account)
        self._write("contacts", "")
        self._write("config", f"sip_listen {joined(address, SIP_PORT)}", f"audio_source aufile,{speech}",
                    "audio_player aubridge,none", "audio_alert aubridge,none", "audio_buffer 20-160",
                    f"snd_path {self.directory}", "module_path /usr/lib/baresip/modules", "module g711.so",
                    "module aufile.so", "module aubridge.so", "module sndfile.so", "module stun.so",
                    "module_tmp uuid.so", "module_tmp account.so", "module_app menu.so")
        arguments = ["baresip", "-6" if ":" in address else "-4", "-s", "-f", self.directory]
        if dial:
            arguments += ["-e", f"/dial {dial}"]
        super().__init__(arguments, lab, host, name=f"baresip-{self.directory.name}")
        self.wait_for("baresip is ready", PATIENCE_S)

    def _write(self, name, *lines):
        (self.directory / name).write_text("".join(f"{line}\n" for line in lines), encoding="ascii")

    def wait_for_end(self, timeout_s):
        """The call was answered, and has ended; at the end of its recording each of them hangs up."""
        self.wait_for("Call established", PATIENCE_S)
        self.wait_for(r"terminated \(duration|session closed", timeout_s)

    def messages(self, first_line):
        """The SIP messages whose first line matches, with the line that says between whom."""
        pattern = rf"^UDP (\S+) -> (\S+)\n({first_line}[\s\S]*?)\x1b"
        return re.findall(pattern, self.output.replace("\r", ""), re.MULTILINE)

    def heard(self):
        """The samples that it heard; once it has ended, for then the file is whole."""
        assert self.status is not None
        files = list(self.directory.glob("dump-*-dec.wav"))
        assert len(files) == 1, files
        return samples(files[0])


def placed(address):
    """An address as it stands in a SIP URI."""
    return f"[{address}]" if ":" in address else address


def speech(mu_law, path, tail_s=TAIL_S):
    """The wave file that baresip says, of a mu-law file: the quantised samples, with silence around them."""
    subprocess.run(["sox", "-t", "ul", "-r", str(RATE), "-c", "1", mu_law, "-e", "signed", "-b", "16", path,
                    "pad", str(LEAD_S), str(tail_s)], check=True, capture_output=True)
    return path


def samples(path):
    with wave.open(str(path)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, RATE)
        return array.array("h", sound.readframes(sound.getnframes()))


def is_close(said, heard):
    return abs(said - heard) <= STEP


def delay(said, heard):
    """By how many samples what was heard stands later in its file than in what was said, or None: a stretch of 100 ms
    of what was said, the loudest, is looked for."""
    begin = max(range(0, len(said) - STARTING, STARTING), key=lambda at: max(said[at:at + STARTING]))
    probe = said[begin:begin + STARTING]
    assert max(probe) - min(probe) > 1000, "silence cannot be compared"
    for at in range(len(heard) - STARTING + 1):
        if is_close(probe[0], heard[at]) and all(map(is_close, probe, heard[at:at + STARTING])):
            return at - begin
    return None


def wrong_samples(said, heard, length_s):
    """How many samples of the speech, which is so long, were not heard, or not at their place, or more than two steps
    off; and how many were heard around it that are no silence.

    All of the speech counts, its first sample and its last. What is left out is silence: as much of the lead and of
    the tail as was not heard, and whatever was written in the first 100 ms where that is not speech.
    """
    later = delay(said, heard)
    if later is None:
        return len(said)
    begin, end = int(LEAD_S * RATE), int((LEAD_S + length_s) * RATE)
    wrong = 0
    for at in range(min(begin, -later), max(end, len(heard) - later)):
        is_speech, is_heard = begin <= at < end, 0 <= at + later < len(heard)
        if is_speech or is_heard and at + later >= STARTING:
            wrong += not is_heard or not is_close(said[at] if is_speech else 0, heard[at + later])
    return wrong
