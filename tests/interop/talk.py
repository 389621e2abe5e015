"""A call that goes on for as long as a test needs it, through both programs, and what became of it."""
import threading
import time

from ends import Agent, LOCAL_PORT, PEER_PORT, PHONE_PORT, parted
from phone import PACKET_S, Phone, RTP, quality
from process import wait_until
from tap import Late

FRAME = 160


class Talker(Phone):
    """A phone that says numbered packets, 50 a second, until it is hushed."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self._is_talking = threading.Event()
        self._speech = None

    def talk_on(self):
        self._is_talking.set()
        self._speech = threading.Thread(target=self._speak, daemon=True)
        self._speech.start()

    def _speak(self):
        begin, number = time.monotonic(), 0
        while self._is_talking.is_set():
            time.sleep(max(0, begin + number * PACKET_S - time.monotonic()))
            self.said[number] = time.time()
            try:
                self._line.sendto(RTP.pack(0x80, 0, number, number * FRAME, 1) + bytes([number % 251]) * FRAME, self.remote)
            except OSError:
                pass  # an error of an earlier packet; a loss
            number += 1

    def hush(self):
        self._is_talking.clear()
        if self._speech:
            self._speech.join()

    def hang_up(self, failure=None):
        self.hush()
        super().hang_up(failure)


class Call:
    """Both talk from the start to the end of the context; a new lease is told to the far side, as signalling would."""

    def __init__(self, lab, scratch, agent=None, **options):
        self.lab, self.scratch, self.options = lab, scratch, options
        self.agent = agent
        self._moved = 0

    def __enter__(self):
        lab = self.lab
        self.agent = self.agent or Agent(lab, self.scratch, **self.options)
        try:
            self.left = Talker(lab, "device", ("127.0.0.1", PHONE_PORT), ("127.0.0.1", LOCAL_PORT))
            self.right = Talker(lab, "peer", (lab["PEER_ADDR"], PEER_PORT), self.agent.leased())
            self.left.announce(self.right)
            for phone in (self.left, self.right):
                phone.talk_on()
            self.wait_until_both_hear()
        except BaseException as failure:
            self.__exit__(type(failure))
            raise
        return self

    def follow(self):
        """Tells the far side a lease that is new."""
        flows = self.agent.events("flow") + self.agent.events("moved")
        if flows:
            newest = max(flows, key=lambda event: event["time"])["leased"]
            self.right.remote = parted(newest)

    def wait_until_both_hear(self, timeout_s=10):
        """Returns how long it took until each heard something that the other said from now on."""
        begin, wall = time.monotonic(), time.time()

        def hears(listener, speaker):
            return any(speaker.said.get(number, 0) > wall for _, number, _, _ in listener.heard[-50:])

        def both():
            self.follow()
            return hears(self.left, self.right) and hears(self.right, self.left)
        wait_until(both, timeout_s, "both hearing each other")
        return time.monotonic() - begin

    def replace_agent(self):
        """A new tep-c in the place of one that is gone."""
        self.agent = Agent(self.lab, self.scratch, name=f"tep-c-{time.monotonic_ns()}", **self.options)

    def results(self):
        """Ends the talk and returns the quality of both directions."""
        for phone in (self.left, self.right):
            phone.hush()
        for listener, speaker in ((self.right, self.left), (self.left, self.right)):
            listener.wait_until_heard(len(speaker.said), 1)
        return quality(self.left, self.right), quality(self.right, self.left)

    def assert_undisturbed(self, late_allowed=0.02):
        for result in self.results():
            print(result)
            assert result.lost == 0 and result.duplicated == 0, result
        for result in self.results():
            if result.late > late_allowed * result.sent:
                raise Late(result)

    def __exit__(self, kind, *_):
        for phone in ("left", "right"):
            if hasattr(self, phone):
                getattr(self, phone).hang_up(kind)
        self.agent.__exit__(kind, None, None)
