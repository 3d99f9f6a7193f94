#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""migration.py BUILD DISK MIGRATIONS

Boot two hosts, which are in BUILD (see test-migration.sh), join them by a network,
and migrate a guest with its root on DISK there and back.  The guest sends messages all
the time (rpc-load.c), and this side requests to its tools and changes of guestinfo; at
the end all are counted.  Prints tests as TAP, a table of downtimes, and leaves both in
BUILD/migration.json.
"""
import collections
import json
import statistics
import sys
import time

import machine
from machine import BOOT, Failed

PORT = 4444
MIGRATION = 300
UUID = "00112233-4455-6677-8899-aabbccddeeff"
COMMON = ["-m", "320", "-smp", "1", "-cpu", "EPYC", "-uuid", UUID, "-accel", "kvm",
          "-drive", "file=/dev/vda,format=raw,if=virtio,readonly=on"]
WITH = COMMON + ["-machine", "pc,vmware.state=on"]
WITHOUT = COMMON + ["-machine", "pc"]
METADATA = "instance-id: vmport-migration\nlocal-hostname: migrates\n"
SLOW, FAST = 4 << 20, 1 << 30   # bytes a second: to be in the middle, and not to wait

# Destinations that must refuse: why, what their QEMU has other, what it says.
REFUSALS = (
    ("a part less", ["-machine", "vmware.hb=off"], "start QEMU here with -machine vmware.hb=on"),
    ("no interface", ["-machine", "vmware.state=off"], "use -machine vmware.state=on"),
    ("a lower limit", ["-global", "vmware-interface.max-keys=100"],
     "start QEMU here with -global vmware-interface.max-keys=4096"),
    ("another signature", ["-machine", "vmware.signature=off"],
     "start QEMU here with -machine vmware.signature=on"),
)


class Host(machine.Host):
    def command(self, command, arguments=None):
        return self.call("command", "guest", command, arguments)

    def guest(self, line):
        """What a command says in the guest."""
        return self.call("guest", "guest", line)[1].strip()


class Traffic:
    """What this side sends the guest, and what came of it."""

    def __init__(self):
        self.answers = collections.Counter()
        self.posted, self.wrong = [], []
        self.changes = self.refused = 0

    def go_on(self, host):
        """A request and a change; neither where the guest has just gone."""
        self.collect(host)
        try:
            if len(self.posted) - len(self.answers) < 8:
                answer = host.command("vmware-tclo-request", {"request": "ping"})
                self.posted.append(answer["id"])
            number = self.changes + 1
            host.command("vmware-guestinfo-set", {"changes": [
                {"key": f"guestinfo.host.{number % 16}", "value": str(number)}]})
            self.changes = number
        except Failed as error:
            if "ask its destination" not in str(error):
                raise
            self.refused += 1

    def collect(self, host):
        for event in host.call("events", "guest"):
            if event["event"] == "VMWARE_TCLO_RESULT":
                data = event["data"]
                self.answers[data["id"]] += 1
                if not data["answered"] or data["result"] != "OK ":
                    self.wrong.append(data)

    def settle(self, host):
        deadline = time.monotonic() + 120
        while len(self.answers) < len(self.posted) and time.monotonic() < deadline:
            time.sleep(0.5)
            self.collect(host)

    def expected(self):
        """The last changes, as the guest reads them."""
        last = range(max(1, self.changes - 15), self.changes + 1)
        return {f"guestinfo.host.{n % 16}": str(n) for n in last}


class Suite(machine.Suite):
    def __init__(self, build, disk, migrations):
        super().__init__(build, "migration")
        self.disk, self.migrations = disk, migrations
        self.here = self.there = None
        self.traffic = None
        self.downtimes = collections.OrderedDict()

    def boot(self):
        newest = f"{self.build}/linux-newest-guests/bzImage"
        for number, name, kernel in ((1, "distribution", {}), (2, "newest", {"KERNEL": newest})):
            self.hosts.append(Host(
                self.build, "migration", name, number, f"{self.build}/migration-{name}.cpio.gz",
                ["-drive", f"file={self.disk},format=raw,if=virtio,readonly=on"],
                dict(kernel, QEMU_MEMORY="1536M")))
        self.here, self.there = self.hosts
        for host in self.hosts:
            host.answer(BOOT)
            host.release = host.call("shell", "uname -r")[1].strip()
            self.say(f"host {host.name} runs {host.release}")

    def start(self, options):
        self.here.call("start", "guest", options)
        self.test("the guest boots on " + self.here.name, "ready",
                  self.here.call("booted", "guest", BOOT))

    # --- one migration ------------------------------------------------------

    def receive(self, options, uri=None):
        self.there.call("start", "guest", options + ["-incoming", uri or f"tcp:0.0.0.0:{PORT}"])

    def send(self, uri=None, speed=FAST):
        self.here.command("migrate-set-parameters", {"max-bandwidth": speed})
        self.here.command("migrate", {"uri": uri or f"tcp:{self.there.address}:{PORT}"})

    def until(self, done):
        """What query-migrate says when done(it); the traffic goes on."""
        deadline = time.monotonic() + MIGRATION
        while True:
            answer = self.here.command("query-migrate")
            status = answer.get("status")
            if done(answer) or status in ("completed", "failed", "cancelled"):
                return answer
            if time.monotonic() > deadline:
                raise Failed(f"the migration does not end: {json.dumps(answer)}")
            if self.traffic and status in ("setup", "active"):
                self.traffic.go_on(self.here)
            time.sleep(0.1)

    def arrive(self):
        """The guest has gone to the other host."""
        if self.traffic:
            self.traffic.collect(self.here)
        self.there.call("wait", "guest", "RESUME", 60)
        self.here.call("end", "guest")
        self.here, self.there = self.there, self.here

    def migrate(self, label, options):
        begun = time.monotonic()
        self.receive(options)
        self.send()
        answer = self.until(lambda _: False)
        if answer["status"] != "completed":
            raise Failed(f"{self.here.name} to {self.there.name}: {json.dumps(answer)}; "
                         + self.there.call("end", "guest"))
        self.arrive()
        self.downtimes.setdefault(label, []).append(answer["downtime"])
        self.say(f"{label}: {self.there.name} to {self.here.name}: down {answer['downtime']} ms "
                 f"of {answer['total-time']}, {answer['ram']['transferred'] >> 20} MiB, "
                 f"{time.monotonic() - begun:.0f} s in all")

    # --- the guest and what it sees -----------------------------------------

    def prepare(self):
        """cloud-init has finished, and open-vm-tools' daemon runs."""
        self.here.guest("ip link set lo up; mkdir -p /run/systemd /run/cloud-init; "
                        "systemd-sysusers; /usr/lib/cloud-init/ds-identify --force")
        for stage in ("init --local", "init", "modules --mode config", "modules --mode final"):
            self.here.guest(f"cloud-init {stage}")
        self.test("cloud-init finishes with the host's metadata", "migrates",
                  self.here.guest("hostname"))
        self.test("open-vm-tools' daemon runs", "vmtoolsd", self.here.guest(
            "vmtoolsd --background=/run/vmtoolsd.pid; sleep 2; "
            "cat /proc/$(cat /run/vmtoolsd.pid)/comm"))
        self.traffic = Traffic()
        self.traffic.go_on(self.here)
        self.traffic.settle(self.here)
        self.test("it answers a request", 1, sum(self.traffic.answers.values()))

    def begin_load(self):
        self.daemon = self.here.guest("pidof vmtoolsd")
        self.sees = self.here.guest("vmware-checkvm; rates")
        self.say("the guest sees: " + self.sees.replace("\n", "; "))
        self.here.guest("mkdir /tmp/load; rpc-load /tmp/load >/tmp/load/log 2>&1 &")

    def serves(self):
        """After a refusal: the guest runs here, and answers."""
        self.traffic.go_on(self.here)
        self.traffic.settle(self.here)
        return [self.here.command("query-status")["status"],
                len(self.traffic.posted) - len(self.traffic.answers)]

    def count(self):
        """Nothing that either side has sent is lost or came twice."""
        self.traffic.settle(self.here)
        self.test("the guest sees what it saw", self.sees, self.here.guest("vmware-checkvm; rates"))
        self.test("the daemon is the same process", self.daemon, self.here.guest("pidof vmtoolsd"))
        traffic = self.traffic
        self.say(f"{len(traffic.posted)} requests, {traffic.changes} changes of the host's, "
                 f"{traffic.refused} refused because the guest had just gone")
        self.test("every request was answered once", collections.Counter(traffic.posted),
                  traffic.answers)
        self.test("every answer was a good one", [], traffic.wrong)
        expected = traffic.expected()
        seen = {key: self.here.guest(f"vmware-rpctool 'info-get {key}'") for key in expected}
        self.test("the guest reads the host's last changes", expected, seen)
        counted = self.here.guest(
            "touch /tmp/load/stop; cd /tmp/load; for i in $(seq 300); do "
            "[ $(cat keys send read block 2>/dev/null | wc -l) = 4 ] && break; sleep 0.1; done; "
            "cat keys send read block")
        entries = {entry["key"]: entry["value"] for entry in self.here.command(
            "query-vmware-guestinfo", {"prefix": "guestinfo.load."})["entries"]}
        for line in counted.split("\n"):
            self.say("of the guest's: " + line)
            name, number = line.split()[:2]
            self.test(f"no message of the guest's is lost or doubled: {name}",
                      f"{name} {entries['guestinfo.load.' + name].lstrip('0')} good, 0 bad", line)
            if int(number) < self.migrations:
                self.test(f"there was a message in each migration: {name}", "yes", "no")

    # --- migrations that do not come to their end ----------------------------

    def refusals(self):
        for what, options, wanted in REFUSALS:
            self.receive(WITH + options)
            self.send()
            status = self.until(lambda _: False)["status"]
            said = self.there.call("end", "guest", "wait")
            self.test(f"{self.there.name} with {what} refuses the guest of {self.here.name}, "
                      "which goes on",
                      ["failed", wanted, "running", 0],
                      [status, wanted if wanted in said else said] + self.serves())

    def in_the_middle(self):
        def half(answer):
            return answer.get("ram", {}).get("transferred", 0) > 8 << 20

        self.receive(WITH)
        self.send(speed=SLOW)
        self.until(half)
        self.here.command("migrate_cancel")
        status = self.until(lambda _: False)["status"]
        self.there.call("end", "guest")
        self.test("a migration is cancelled in the middle, the guest goes on",
                  ["cancelled", "running", 0], [status] + self.serves())
        self.receive(WITH)
        self.send(speed=SLOW)
        self.until(half)
        self.there.call("end", "guest", "kill")
        status = self.until(lambda _: False)["status"]
        self.test("the destination dies in the middle, the guest goes on",
                  ["failed", "running", 0], [status] + self.serves())

    # --- other ways ----------------------------------------------------------

    def turn(self, hosts, capabilities, state):
        for host in hosts:
            host.command("migrate-set-capabilities", {"capabilities": [
                {"capability": name, "state": state} for name in capabilities]})

    def can(self, label, hosts, capabilities):
        """Turns them on; where QEMU or a host's kernel cannot, the test is skipped."""
        try:
            self.turn(hosts, capabilities, True)
        except Failed as error:
            self.turn(hosts, capabilities, False)
            print(f"ok - migration: {label} # SKIP {error}", flush=True)
            return False
        return True

    def another_way(self, label, *capabilities, at="completed", then=lambda: None):
        """A migration with capabilities; then() is called where its status is AT or, if
        that is "active", in the middle."""
        def there_now(answer):
            return (answer.get("status") == at and
                    (at != "active" or answer.get("ram", {}).get("transferred", 0) > 8 << 20))

        self.receive(WITH, "defer")
        if not self.can(label, self.hosts, capabilities):
            self.there.call("end", "guest")
            return
        self.there.command("migrate-incoming", {"uri": f"tcp:0.0.0.0:{PORT}"})
        self.send(speed=SLOW if at == "active" else FAST)
        self.until(there_now)
        then()
        status = self.until(lambda _: False)["status"]
        self.arrive()
        self.turn([self.here], capabilities, False)
        self.test(label, ["completed", "running", 0], [status] + self.serves())

    def other_ways(self):
        def postcopy():
            self.here.command("migrate-set-parameters", {"max-postcopy-bandwidth": FAST})
            self.here.command("migrate-start-postcopy")

        def switch_over():
            self.here.command("migrate-continue", {"state": "pre-switchover"})

        self.another_way("postcopy, begun in the middle", "postcopy-ram", at="active", then=postcopy)
        self.another_way("postcopy with a connection for pages that are waited for", "postcopy-ram",
                         "postcopy-preempt", at="active", then=postcopy)
        self.another_way("several connections", "multifd")
        self.another_way("pages as differences, and a slower guest", "xbzrle", "auto-converge")
        self.another_way("a pause before the guest goes", "pause-before-switchover",
                         at="pre-switchover", then=switch_over)

    def through_a_file(self, label, write, read, *capabilities):
        """Out of QEMU and back into another one, on one host: no return path."""
        if not self.can(label, [self.here], capabilities):
            return
        self.send(write)
        status = self.until(lambda _: False)["status"]
        self.traffic.collect(self.here)
        self.here.call("end", "guest")
        self.here.call("start", "guest", WITH + ["-incoming", "defer"])
        self.turn([self.here], capabilities, True)
        self.here.command("migrate-incoming", {"uri": read})
        self.here.call("wait", "guest", "RESUME", 120)
        self.turn([self.here], capabilities, False)
        self.here.call("shell", "rm /tmp/state")
        self.test(label, ["completed", "running", 0], [status] + self.serves())

    def files(self):
        self.through_a_file("through a file", "exec:cat >/tmp/state", "exec:cat /tmp/state")
        self.through_a_file("through a file that has a place for each page", "file:/tmp/state",
                            "file:/tmp/state", "mapped-ram", "multifd")

    def background_snapshot(self):
        """The guest runs on while its state is written away."""
        if not self.can("background snapshot", [self.here], ["background-snapshot"]):
            return
        self.send("exec:cat >/dev/null")
        status = self.until(lambda _: False)["status"]
        self.turn([self.here], ["background-snapshot"], False)
        self.test("background snapshot", ["completed", "running", 0], [status] + self.serves())

    def handed_over(self):
        """A source that has given its guest away takes nothing for it any more."""
        self.receive(WITH)
        self.send()
        self.until(lambda _: False)
        seen = []
        for command, arguments in (
                ("vmware-tclo-request", {"request": "ping"}),
                ("vmware-guestinfo-set", {"changes": [{"key": "guestinfo.late", "value": "x"}]})):
            try:
                self.here.command(command, arguments)
                seen.append("taken")
            except Failed:
                seen.append("refused")
        self.arrive()
        self.test("a source whose guest has gone takes neither requests nor changes",
                  ["refused", "refused"], seen)

    # --- a guest whose file systems the tools hold still ----------------------

    def begin_writing(self):
        """A program writes to a file system in the guest's memory, which goes along."""
        self.here.guest("ln -sf /proc/self/mounts /etc/mtab; busybox mke2fs /dev/ram0 16384 "
                        "&& mkdir /data && mount -t ext4 /dev/ram0 /data")
        self.here.guest("(n=0; until [ -e /tmp/stop ]; do n=$((n + 1)); echo $n >/data/new; "
                        "mv /data/new /data/number; echo $n >/tmp/count; done) >/tmp/writer 2>&1 &")

    def writes(self, seconds):
        """Whether it does so within so many seconds."""
        count = self.here.guest("cat /tmp/count")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(1)
            if self.here.guest("cat /tmp/count") != count:
                return True
        return False

    def snapshot(self, state):
        """The error that came with it, when it is that."""
        return self.here.call("wait", "guest", "VMWARE_SNAPSHOT_STATE", 120,
                              {"state": state}).get("error", "")

    def is_held(self):
        return self.here.command("query-vmware-tools")["snapshot"]

    def daemon_gets(self, signal):
        self.here.guest(f"kill -{signal} $(pidof vmtoolsd)")

    def frozen(self):
        """Frozen, or on the way there, it goes; the other host ends what this one began."""
        self.begin_writing()
        self.test("a program in the guest writes to a file system", True, self.writes(60))

        self.here.command("vmware-snapshot-freeze", {"timeout": 300})
        self.test("the guest freezes", "", self.snapshot("frozen"))
        self.migrate("frozen", WITH)
        self.test("it is frozen on the other host", ["frozen", False],
                  [self.is_held(), self.writes(3)])
        self.here.command("vmware-snapshot-thaw")
        self.test("which thaws it", ["", True], [self.snapshot("idle"), self.writes(60)])

        self.here.command("vmware-snapshot-freeze", {"timeout": 60})
        self.snapshot("frozen")
        self.migrate("frozen", WITH)
        self.test("frozen once more, and nobody thaws it: the other host does in time",
                  ["the guest was not thawed in time", True],
                  [self.snapshot("idle"), self.writes(60)])

        self.daemon_gets("STOP")
        self.here.command("vmware-snapshot-freeze", {"timeout": 300})
        self.migrate("while it freezes", WITH)
        before = self.is_held()
        self.daemon_gets("CONT")
        self.test("a freeze that is asked for on one host ends on the other",
                  ["freezing", "", False], [before, self.snapshot("frozen"), self.writes(3)])
        self.daemon_gets("STOP")
        self.here.command("vmware-snapshot-thaw")
        self.migrate("while it thaws", WITH)
        before = self.is_held()
        self.daemon_gets("CONT")
        self.test("and so does a thaw", ["thawing", "", True],
                  [before, self.snapshot("idle"), self.writes(60)])
        self.here.guest("touch /tmp/stop")

    # --- all of it -----------------------------------------------------------

    def idle(self, label, options, times):
        for _ in range(times):
            self.migrate(label, options)

    def run(self):
        few = max(2, self.migrations // 10 * 2)
        self.boot()
        self.start(WITHOUT)
        self.idle("without the interface, idle", WITHOUT, few)
        self.here.call("end", "guest")
        self.here, self.there = self.hosts
        self.start(WITH + ["-object", "vmware-guestinfo,id=metadata,key=guestinfo.metadata,"
                                      f"value={METADATA}"])
        self.prepare()
        self.idle("with the interface, idle", WITH, few)
        self.begin_load()
        for number in range(self.migrations):
            self.migrate("with the interface, under load", WITH)
            if number in (0, self.migrations // 2):
                self.refusals()
        self.test(f"{self.migrations} migrations there and back", self.migrations,
                  len(self.downtimes["with the interface, under load"]))
        self.in_the_middle()
        self.background_snapshot()
        self.files()
        self.handed_over()
        self.other_ways()
        self.frozen()
        self.count()
        self.here.call("end", "guest")
        for host in self.hosts:
            self.test(f"the kernel of {host.name} has not complained", True, host.leave())

    def report(self):
        print(f"# {'downtime, ms':32} {'n':>3} {'min':>6} {'median':>6} {'max':>6}")
        for label, values in self.downtimes.items():
            print(f"# {label:32} {len(values):3} {min(values):6} "
                  f"{statistics.median(values):6.0f} {max(values):6}")
        with open(f"{self.build}/migration.json", "w", encoding="utf-8") as file:
            json.dump({"hosts": {host.name: getattr(host, "release", "") for host in self.hosts},
                       "downtime_ms": self.downtimes, "tests": self.tests}, file, indent=1)
            file.write("\n")
        self.say(f"the end; figures in {self.build}/migration.json")


def main(build, disk, migrations):
    suite = Suite(build, disk, int(migrations))
    suite.run_to_end(suite.run)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
