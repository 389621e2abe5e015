"""baresip, an ordinary SIP user agent, without a sound card: it says a recording and writes down what it hears."""
import array
import pathlib
import re
import subprocess
import wave

from process import Process

SIP_PORT = 5060
PATIENCE_S = 15
STEP = 2            # of the 16-bit sample: how far mu-law there and back may move it
STARTING = 800      # samples, 100 ms, in which the receiver finds its pace


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
            account = f"<sip:{host}@{address}>;regint=0;answermode=auto;audio_codecs=PCMU"
        if stun:
            account += f";medianat=stun;stunserver=stun:{stun[0]}:{stun[1]}"
        self._write("accounts", account)
        self._write("contacts", "")
        self._write("config", f"sip_listen {address}:{SIP_PORT}", f"audio_source aufile,{speech}",
                    "audio_player aubridge,none", "audio_alert aubridge,none", "audio_buffer 20-160",
                    f"snd_path {self.directory}", "module_path /usr/lib/baresip/modules", "module g711.so",
                    "module aufile.so", "module aubridge.so", "module sndfile.so", "module stun.so",
                    "module_tmp uuid.so", "module_tmp account.so", "module_app menu.so")
        arguments = ["baresip", "-4", "-s", "-f", self.directory]
        if dial:
            arguments += ["-e", f"/dial {dial}"]
        super().__init__(arguments, lab, host, name=f"baresip-{host}")
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
        """The samples that it heard."""
        files = list(self.directory.glob("dump-*-dec.wav"))
        assert len(files) == 1, files
        return samples(files[0])


def speech(mu_law, path):
    """The wave file that baresip says, of a mu-law file."""
    subprocess.run(["sox", "-t", "ul", "-r", "8000", "-c", "1", mu_law, "-e", "signed", "-b", "16", path],
                   check=True, capture_output=True)
    return path


def samples(path):
    with wave.open(str(path)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 8000)
        return array.array("h", sound.readframes(sound.getnframes()))


def far_off(said, heard):
    """Samples of what was heard that are more than two steps from what was said, the start left out.

    What was heard begins some frames later than what was said, or earlier by a frame of silence.
    """
    begin = max(range(STARTING, len(heard) - STARTING, STARTING), key=lambda at: max(heard[at:at + STARTING]))
    probe = heard[begin:begin + STARTING]
    assert max(probe) - min(probe) > 1000, "silence cannot be compared"
    for shift in range(-8 * 160, 8 * 160 + 1):
        there = said[begin + shift:begin + shift + STARTING]
        if begin + shift >= 0 and len(there) == len(probe) and all(abs(a - b) <= STEP for a, b in zip(there, probe)):
            break
    else:
        return len(heard)
    return sum(1 for at in range(STARTING, len(heard))
               if 0 <= at + shift < len(said) and abs(heard[at] - said[at + shift]) > STEP)
