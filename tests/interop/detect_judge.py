"""What tep-detect says of a network of the lab beside what the catalogue expects of it: every sentence that can be checked."""
import collections

import ends  # noqa: F401  it knows where the next ones are
import lab  # noqa: F401
from catalogue import EVERY
from contents import ALTERED, CLOSED, DROP, FORGED, LATE, RESET, SURENESS

# What the far end's record has of what is held back.
ARRIVES = {DROP: ("nothing", "connection"), RESET: ("nothing", "connection"), FORGED: ("nothing", "connection"), CLOSED: ("nothing", "connection"), LATE: ("all",), ALTERED: ("other",)}
NOT_ENOUGH = "that takes more runs"
CONFIRMED_RUNS = 5
TELLING_DELAY_MS = 20  # one way: of the link, beside what a machine with much to do adds


class Findings:
    """Sentences on what is not so, and on what is left out."""

    def __init__(self, network, result, options):
        self.network, self.verdict, self.result, self.options = network, network.verdict, result, options
        self.missing, self.wrong = [], []

    def compare(self, what, expected, said):
        if said != expected:
            (self.missing if said is None else self.wrong).append(f"{what}: {said}, not {expected}")

    def probe(self, index):
        return self.result["probes"][index] if index is not None else {}

    def is_held(self, content):
        """Whether that is held back, so that what is asked with it stays open."""
        return self.verdict.content is not None and content in self.verdict.content.blocked

    # What passes

    def types(self):
        verdict, types = self.verdict, self.result.get("types")
        self.compare("type", verdict.type, self.result.get("type"))
        if types is not None and not self.missing:
            self.compare("types", sorted(verdict.types), sorted(set(types) - set(verdict.also)))
        elif types is not None and set(types) - set(verdict.types) - set(verdict.also):
            self.wrong.append(f"types: {types}, not {verdict.types}")

    def nat(self):
        verdict, nat = self.verdict, self.result.get("nat") or {}
        if not verdict.filtering:  # UDP does not pass
            return
        self.compare("mapping", verdict.mapping or "none", nat.get("mapping"))
        self.compare("filtering", verdict.filtering, nat.get("filtering"))
        if verdict.pool is not None and bool(nat.get("pool")) != verdict.pool:
            (self.missing if verdict.pool else self.wrong).append(f"pool: {nat.get('pool')}, not {verdict.pool}")

    def ports(self):
        """Each port that was asked is open, or it is not."""
        for what, ports, expected in (("TCP", self.result.get("tcp_ports", ()), self.verdict.tcp),
                                      ("UDP", self.result.get("udp", {}).get("ports", ()), self.verdict.udp)):
            for each in ports if expected is not None else ():
                is_open = each["port"] in expected
                if each["reach"] == ("blocked" if is_open else "open"):
                    self.wrong.append(f"{what} port {each['port']}: {each['reach']}")
                elif is_open and each["reach"] not in ("open", "connected" if self.is_held("stun") else "open"):
                    self.missing.append(f"{what} port {each['port']}: {each['reach']}, not open")
        works = self.result.get("udp", {}).get("works")
        is_told = works is not None or self.verdict.udp or (self.verdict.type is not None and not self.is_held("stun"))
        if self.verdict.udp is not None and is_told:
            self.compare("UDP works", bool(self.verdict.udp), works)

    def proxy(self):
        proxy, expected = self.result.get("proxy", {}), self.network.proxy
        if 8 in self.verdict.types and 9 not in self.verdict.types:
            state = proxy.get("state")
            self.compare("proxy", "works", None if state == "not-determined" else state)
        if 8 in self.verdict.types:
            self.compare("proxy opens TLS", expected.opens_tls, proxy.get("opens_tls"))
            if expected.scheme and expected.scheme not in (proxy.get("authentication") or ""):
                self.wrong.append(f"proxy wants {proxy.get('authentication')}, not {expected.scheme}")
        is_transparent = "transparent proxy" in self.network.boxes
        if is_transparent or proxy.get("transparent"):
            self.compare("transparent proxy", is_transparent, proxy.get("transparent"))

    def facts(self):
        for key, expected in (("portal", self.verdict.portal), ("tls_opened", self.verdict.tls_opened)):
            said = self.result.get("inspection", {}).get(key) if key == "tls_opened" else self.result.get(key)
            if expected or said:
                self.compare(key, expected, said)
        # Without a router that tells its address, an IPv4 one, nobody can tell; but it must not be told otherwise.
        carrier = self.result.get("carrier_nat")
        if "gateway" in self.network.boxes:
            self.gateway(carrier)
        if carrier is not None and carrier != bool(self.network.outer):
            self.wrong.append(f"carrier_nat: {carrier}")
        for key, expected in (("nat64", bool(self.network.nat64)), ("nat64_prefix", self.network.nat64 or None)):
            if expected or self.result.get(key):
                self.compare(key, expected, self.result.get(key))

    def gateway(self, carrier):
        """It answers to all that asks it, and is heard."""
        if self.result.get("family") == 4:
            self.compare("carrier_nat", bool(self.network.outer), carrier)
        said = {probe["variant"]: probe["outcome"] for probe in self.result.get("probes", ()) if probe["kind"] == "gateway"}
        if said and set(said.values()) != {"answer"}:
            self.missing.append(f"the router's answers: {said}")

    def methods(self):
        """Methods that lead through a proxy need not be tried where there is none."""
        verdict, methods = self.verdict, {method["name"]: method for method in self.result.get("methods", ())}
        said = {name: method["works"] for name, method in methods.items()}
        for names, expected in ((verdict.works, True), (verdict.fails, False)):
            for name in sorted(names):
                if said.get(name) is not None and said[name] != expected:
                    probe = self.probe(methods[name]["probe"])
                    self.wrong.append(f"method {name}: {'works' if said[name] else 'fails'}, and is not to; {probe['outcome']}: {probe.get('detail')}")
                elif said.get(name) is None and (expected or not name.endswith("-proxy") or self.network.proxy):
                    self.missing.append(f"method {name}: not tried")
        if verdict.type is not None and verdict.works:
            said = self.result.get("exit")
            self.compare("exit", 0 if verdict.type == 0 else 1, None if said == 3 else said)  # 3: not determined
        elif self.result.get("exit") == 0:
            self.wrong.append("exit 0, where nothing works")

    # What it says

    def content(self):
        """How content is held back, which, and which passes."""
        said, content = self.result.get("inspection", {}), self.verdict.content
        blocked, passing = set(said.get("blocked", ())), set(said.get("passing", ()))
        if content is None:
            self.compare("content that is held back", [], sorted(blocked))
            if self.verdict.tls_opened:
                self.compare("mechanism", ALTERED, said.get("mechanism"))
            elif said.get("seen"):
                self.wrong.append("inspection: seen where there is none")
            elif said.get("seen") is None and self.verdict.tcp:
                self.missing.append("inspection: whether there is any")
            return
        how = content.how
        if said.get("probe") is not None and self.probe(said["probe"])["carry"] == "udp":
            how = tuple(DROP if each in (RESET, CLOSED) else each for each in how)  # there is nothing to reset
        if said.get("mechanism") not in how:
            (self.wrong if said.get("mechanism") else self.missing).append(f"mechanism: {said.get('mechanism')}, not {' or '.join(how)}")
        for which, what in ((blocked & content.never_blocked, "held back"), (passing & content.never_passing, "passing")):
            if which:
                self.wrong.append(f"{what}, as it says: {', '.join(sorted(which))}")
        for which, what in ((content.blocked - blocked, "held back"), (content.passing - passing, "passing")):
            if which and not self.options.loss:
                self.missing.append(f"{what}, but not said to be: {', '.join(sorted(which))}; {NOT_ENOUGH}")
        self.evidence_of_content(said, content)

    def nearness(self):
        """A reset is made on this side of the link; that can be told where the link takes longer than what is before it."""
        said, content = self.result.get("inspection", {}).get("near"), self.verdict.content
        is_near = content is not None and RESET in content.how
        if said is not None and said != is_near:
            self.wrong.append(f"inspection: near {said}")
        elif said is None and is_near and self.options.delay >= TELLING_DELAY_MS:
            self.missing.append("inspection: whether it is near")

    def place(self):
        """The inspector is the first router, and routers count hops before they look: it acts on what may go two."""
        hop = self.result.get("inspection", {}).get("hop")
        if hop not in (None, 2):
            self.wrong.append(f"inspection: at hop {hop}")

    def evidence_of_content(self, said, content):
        if said.get("probe") is None:
            return  # nothing is said, and that is missing already
        probe = self.probe(said["probe"])
        target = probe.get("target", "")
        if probe.get("outcome", "proof") == "proof":
            self.wrong.append(f"inspection: shown by a probe that passed, {said.get('probe')}")
        if content.ports and target and int(target.rpartition(":")[2]) not in content.ports:
            self.wrong.append(f"inspection: shown at {target}")
        if SURENESS.index(said.get("confidence", SURENESS[0])) < SURENESS.index(content.sure) and not self.options.loss:
            self.missing.append(f"inspection: {said.get('confidence')}, not {content.sure}; {NOT_ENOUGH}")

    def repetitions(self):
        """By each carrier in question one port is asked often enough to be sure."""
        runs = collections.Counter()
        for probe in self.result.get("probes", ()):
            if probe["kind"] == "payload" and probe["outcome"] in ("silence", "reset", "closed", "altered", "wrong-answer", "connected") and not probe.get("via"):
                runs[probe["carry"] == "udp", probe.get("target"), probe["variant"]] += 1
        for is_udp in (False, True):
            most = max((n for (carrier, _, _), n in runs.items() if carrier == is_udp), default=0)
            if 1 < most < CONFIRMED_RUNS and not self.options.loss:
                self.missing.append(f"{'UDP' if is_udp else 'TCP'}: what fails was repeated {most} times, not {CONFIRMED_RUNS}; {NOT_ENOUGH}")

    def two_ends(self):
        """What left here and what arrived there: of what passed, of what was held back, of what was changed on the way."""
        content = self.verdict.content
        if self.options.loss:
            return
        seen = {True: set(), False: set()}
        for probe in self.result.get("probes", ()):
            if probe["kind"] != "payload" or probe.get("far_saw") is None or probe.get("via"):
                continue
            passed, arrived = probe["outcome"] == "proof", probe["far_saw"]
            is_held = content is not None and not content.ports and not passed and probe["variant"] in content.blocked
            if (passed and arrived != "all") or (is_held and arrived not in ARRIVES[content.how[0]]):
                self.wrong.append(f"{probe['variant']} to {probe.get('target')}: {probe['outcome']} here, {arrived} there")
            if passed or is_held:
                seen[passed].add(arrived)
        if content is not None and not content.ports and content.how[0] in ARRIVES and self.evidence_is_direct(content):
            for passed, what in ((True, "passed"), (False, "did not pass")):
                if not seen[passed]:
                    self.missing.append(f"what arrived of what {what}; {NOT_ENOUGH}")

    def evidence_is_direct(self, content):
        """The far end's record names neither what came by a proxy nor, in these classes, what came by UDP."""
        return 8 not in self.verdict.types and any(not each.startswith("udp-") for each in content.blocked) and not content.is_elsewhere

    def sureness(self):
        """Lost packets cost certainty, as they should."""
        said = self.result.get("confidence")
        if self.verdict.type is None and SURENESS.index(said or SURENESS[0]) > SURENESS.index("suspected"):
            self.wrong.append(f"confidence {said} where nothing can be known")
        if self.verdict.type is not None and not self.options.loss and SURENESS.index(said or SURENESS[0]) < SURENESS.index(self.verdict.sure):
            self.missing.append(f"confidence {said}, not {self.verdict.sure}; {NOT_ENOUGH}")

    def advice(self):
        """Whatever is to be asked for is backed by a probe to that port that did not do."""
        for each in self.result.get("advice", ()):
            probe = self.probe(each.get("probe"))
            if not probe or (probe["outcome"] == "proof" and probe["kind"] not in ("mapping", "filtering")):
                self.wrong.append(f"advice that no failed probe backs: {each['text']}")
            elif each["protocol"] == ("TCP" if probe.get("carry") == "udp" else "UDP"):
                self.wrong.append(f"advice speaks of {each['protocol']}, its probe of {probe['carry']}: {each['text']}")

    def told(self):
        for check in (self.types, self.nat, self.ports, self.proxy, self.facts, self.methods, self.content, self.nearness, self.place, self.repetitions, self.two_ends, self.sureness, self.advice):
            check()
        return self.wrong, self.missing


def limit_s(network):
    """How long a run should take: where all ports are open, where some are dead, where inspection is to be confirmed."""
    verdict = network.verdict
    return 10 if 9 in verdict.types or verdict.tls_opened else 3 if verdict.udp == verdict.tcp == EVERY else 5


def judge(network, result, options):
    """(what is wrong, what is missing)"""
    return Findings(network, result, options).told()
