#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""libvirt.py BUILD [distribution|series]

Boot two hosts, which are in BUILD (see test-libvirt.sh), join them by a network, and do
with virsh what people do with their guests.  The guest is that of
packaging/examples/cloud-init.xml.  With "series" the hosts have the libvirt of
build-libvirt.sh, and it is tested what its patches add.  Prints tests as TAP; each command
and what it said is in BUILD/libvirt-transcript.log, and the tests are in BUILD/libvirt.json.
"""
import copy
import json
import shlex
import sys
import time
import xml.etree.ElementTree as ET

import machine
from machine import BOOT, TOP, Failed

EXAMPLES = f"{TOP}/packaging/examples/"
EXAMPLE = EXAMPLES + "cloud-init.xml"
MOVING = f"{TOP}/packaging/moving-a-guest.md"
SECOND_DISK = "/var/lib/libvirt/images/second.qcow2"
QEMU_NS = "http://libvirt.org/schemas/domain/qemu/1.0"
PLACE = "/run/kvm-vmport/"
IMAGE = "/var/lib/libvirt/images/web1.qcow2"
BASE = "/var/lib/libvirt/images/base.raw"
VM = "web1"
UUID = "00112233-4455-6677-8899-aabbccddeeff"
GUESTINFO = f"/var/lib/libvirt/guestinfo/libvirt-{UUID}/"
# Where nothing but libvirt lets a guest's QEMU in.
OWN = "/srv/guests/web1/"
MAC = "02:00:00:00:00:01"
CONSOLE = "console=ttyS0 quiet panic=-1 random.trust_cpu=on mitigations=off"
STRANGER = "00112233-4455-6677-8899-000000000000"
DENIED = f"{GUESTINFO}metadata”: Permission denied"
METADATA = "instance-id: vmport-libvirt\nlocal-hostname: from-libvirt\n"
USERDATA = "#cloud-config\nwrite_files:\n- path: /root/written\n  content: |\n   by cloud-init\n"
HALF = "the second half of this came after that"
CLOUD_INIT = ("init --local", "init", "modules --mode config", "modules --mode final")


class Suite(machine.Suite):
    def __init__(self, build, libvirt):
        super().__init__(build, "libvirt")
        self.steps = {"distribution": self.with_distribution, "series": self.with_patches}[libvirt]
        self.here = self.there = None
        self.sees = self.daemon = ""
        self.transcript = open(f"{build}/libvirt-transcript.log", "w", encoding="utf-8")

    def boot(self):
        for number in (1, 2):
            self.hosts.append(machine.Host(
                self.build, "libvirt", f"host-{number}", number,
                f"{self.build}/libvirt-host.cpio.gz",
                ["-drive", f"file={self.build}/libvirt-root.ext4,format=raw,if=virtio,snapshot=on"],
                {"QEMU_MEMORY": "2G",
                 "APPEND": f"systemd.show_status=0 systemd.hostname=host-{number} mitigations=off"}))
        self.here, self.there = self.hosts
        for host in self.hosts:
            host.answer(BOOT)
            self.say(host.name + " is up")

    # --- hosts and guests ----------------------------------------------------

    def run(self, host, command):
        """[STATUS, OUTPUT]; both are in the transcript."""
        status, output = host.call("shell", command)
        self.transcript.write(f"{host.name}# {command}\n{output}")
        if status:
            self.transcript.write(f"(status {status})\n")
        self.transcript.flush()
        return status, output.strip()

    def does(self, command, host=None):
        """What a command says that must not fail, on the host that has the guest."""
        status, output = self.run(host or self.here, command)
        if status:
            raise Failed(f"{command}: {output}")
        return output

    def virsh(self, command, host=None):
        return self.does("virsh -q " + command, host)

    def fails(self, what, wanted, command):
        """virsh ends with an error that says what is wanted."""
        status, said = self.run(self.here, "virsh -q " + command)
        self.test(what, [1, wanted], [status, wanted if wanted in said else said])

    def monitor(self, command, arguments=None, vm=VM):
        """QEMU's answer, through libvirt."""
        request = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        answer = json.loads(self.virsh(
            f"qemu-monitor-command {vm} {shlex.quote(json.dumps(request))}"))
        if "error" in answer:
            raise Failed(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def state(self, host=None):
        return self.virsh(f"domstate {VM}", host)

    def guest(self, line, vm=VM):
        """What a command says in the guest."""
        status, output = self.here.call("guest", vm, line)
        self.transcript.write(f"{vm}# {line}\n{output}\n")
        return output.strip() if status == "0" else f"{output.strip()} (status {status})"

    def rpc(self, request):
        return self.guest(f"vmware-rpctool {shlex.quote(request)}")

    def until(self, expected, seconds, function, *arguments):
        """What a function returns, when it is what was expected or the time is up."""
        deadline = time.monotonic() + seconds
        seen = function(*arguments)
        while seen != expected and time.monotonic() < deadline:
            time.sleep(3)
            seen = function(*arguments)
        return seen

    def example(self, change=None, path=EXAMPLE, initramfs="guest", more=""):
        """One of the examples, with a kernel and a line to talk to the guest, which has
        neither boot loader nor network."""
        ET.register_namespace("qemu", QEMU_NS)
        domain = ET.parse(path).getroot()
        system = domain.find("os")
        for tag, text in (("kernel", "/var/lib/libvirt/boot/vmlinuz"),
                          ("initrd", f"/var/lib/libvirt/boot/{initramfs}.cpio.gz"),
                          ("cmdline", CONSOLE + more)):
            ET.SubElement(system, tag).text = text
        line = ET.SubElement(domain.find("devices"), "serial", type="unix")
        ET.SubElement(line, "source", mode="bind", path=f"{PLACE}{domain.find('name').text}.line")
        ET.SubElement(line, "target", port="1")
        if change:
            change(domain)
        return ET.tostring(domain, encoding="unicode")

    def boots(self, what):
        self.here.call("connect", VM)
        self.test(what, "ready", self.here.call("booted", VM, BOOT))

    # --- before the guest -----------------------------------------------------

    def prepare(self):
        with open(EXAMPLE, encoding="utf-8") as file:
            example = file.read()
        for host in self.hosts:
            host.call("write", "/root/metadata", METADATA)
            host.call("write", "/root/userdata", USERDATA)
            self.does(f"install -d -m 750 -g libvirt-qemu /var/lib/libvirt/guestinfo {GUESTINFO}; "
                      f"install -m 640 -g libvirt-qemu /root/metadata /root/userdata {GUESTINFO}",
                      host)
            host.call("write", "/root/example.xml", example)
            host.call("write", "/root/web1.xml", self.example())
            self.does(f"qemu-img create -q -f qcow2 -b {BASE} -F raw {IMAGE}", host)
            self.say(host.name + " has " + self.virsh(
                "version", host).replace("\n", "; ") + "; " + self.does("uname -r", host))
            self.test(f"{host.name}: the kvm that is loaded is ours", "O", self.does(
                "tr -dc O </sys/module/kvm/taint", host))
            self.test(f"{host.name}: AppArmor enforces libvirt's profiles", "libvirtd (enforce)",
                      self.does("cat /proc/$(pidof libvirtd)/attr/current", host))

    def define(self):
        self.test("the example is valid", f"Domain '{VM}' defined from /root/example.xml",
                  self.does("virsh define --validate /root/example.xml").strip())
        self.virsh(f"undefine {VM}")
        self.virsh("define --validate /root/web1.xml")
        self.test("it is defined", "shut off", self.state())

    def stranger(self):
        """A machine that names the files of another."""
        def other(domain):
            domain.find("name").text = "stranger"
            domain.find("uuid").text = STRANGER
            domain.find("devices").remove(domain.find("devices/disk"))

        self.here.call("write", "/root/stranger.xml", self.example(other))
        self.virsh("define --validate /root/stranger.xml")
        self.fails("a machine cannot read another's files: it does not start", DENIED,
                   "start stranger")
        self.virsh("undefine stranger")

    def confinement(self):
        pid = f"$(cat /run/libvirt/qemu/{VM}.pid)"
        self.test("QEMU's user is libvirt's", "libvirt-qemu",
                  self.does(f"stat -c %U /proc/{pid}"))
        self.test("AppArmor's profile of this machine is enforced", f"libvirt-{UUID} (enforce)",
                  self.does(f"cat /proc/{pid}/attr/current"))
        self.test("seccomp's filter is on", "Seccomp:\t2",
                  self.does(f"grep ^Seccomp: /proc/{pid}/status"))

    # --- the guest and its host -------------------------------------------------

    def configured(self):
        """By guestinfo, as cloud-init and by hand."""
        self.test("vmware-checkvm finds VMware", "VMware software version 6 (good)",
                  self.guest("vmware-checkvm"))
        self.test("the guest has the UUID of the XML", UUID,
                  self.guest("cat /sys/class/dmi/id/product_uuid"))
        self.test("it reads guestinfo from the XML", "web server",
                  self.rpc("info-get guestinfo.role"))
        self.guest("ip link set lo up; mkdir -p /run/systemd /run/cloud-init; systemd-sysusers; "
                   "/usr/lib/cloud-init/ds-identify --force")
        for stage in CLOUD_INIT:
            self.guest(f"cloud-init {stage}")
        self.test("cloud-init names the guest as its metadata say", "from-libvirt",
                  self.guest("hostname"))
        self.test("cloud-init writes the file of its userdata", "by cloud-init",
                  self.guest("cat /root/written"))

    def monitors(self):
        """Commands of QEMU's monitor, and its events, through virsh."""
        self.does(f"virsh qemu-monitor-event {VM} --loop --regex --event VMWARE >/tmp/events "
                  "2>&1 </dev/null &")
        time.sleep(2)
        self.monitor("vmware-guestinfo-set", {"changes": [
            {"key": "guestinfo.news", "value": "from virsh"}]})
        self.test("the guest reads what virsh has set", "from virsh",
                  self.rpc("info-get guestinfo.news"))
        self.rpc("info-set guestinfo.answer from the guest")
        entries = {entry["key"]: entry for entry in self.monitor(
            "query-vmware-guestinfo", {"prefix": "guestinfo."})["entries"]}
        self.test("virsh shows what the guest has set", "from the guest",
                  entries["guestinfo.answer"].get("value"))
        self.test("virsh shows that the tools run", "running", self.begin_tools())
        self.test("virsh shows the guest's name, which its tools report", "from-libvirt",
                  self.until("from-libvirt", 120,
                             lambda: self.monitor("query-vmware-tools").get("host-name")))
        self.monitor("vmware-tclo-request", {"request": "ping"})
        for event in ("VMWARE_GUESTINFO_CHANGED", "VMWARE_TOOLS_STATE", "VMWARE_TOOLS_CHANGED",
                      "VMWARE_TCLO_RESULT"):
            self.test(f"virsh qemu-monitor-event shows {event}", True, self.until(
                True, 60, lambda: f"event {event} " in self.does("cat /tmp/events")))
        self.does("cut -c 1-200 /tmp/events | head -n 20")

    def other_agent(self):
        """What libvirt has only for QEMU's own agent."""
        for command in ("shutdown --mode agent", "domfsfreeze", "guestinfo --hostname"):
            self.fails(f"virsh {command} wants QEMU's agent",
                       "QEMU guest agent is not configured", f"{command} --domain {VM}")

        self.say("libvirt says: " + self.run(
            self.here, f"virsh dominfo {VM} | grep -A1 tainted")[1].replace("\n", "; "))

    def tools_state(self, expected, seconds=120):
        return self.until(expected, seconds, lambda: self.monitor("query-vmware-tools")["state"])

    def begin_tools(self):
        self.guest("vmtoolsd --background=/run/vmtoolsd.pid")
        return self.tools_state("running")

    def restart_libvirt(self):
        self.does("systemctl restart libvirtd")
        self.test("libvirt is started again, and finds its guest", ["running", "running"],
                  [self.state(), self.monitor("query-vmware-tools")["state"]])

    # --- messages that are stopped half way --------------------------------------

    def half_send(self):
        self.guest("rm -f /tmp/go /tmp/out; mkfifo /tmp/go")
        seen = self.guest(f"rpc-half send /tmp/go 'info-set guestinfo.half {HALF}' >/tmp/out 2>&1 "
                          "& until [ -s /tmp/out ]; do sleep 0.1; done; cat /tmp/out")
        self.say("a program of the guest has " + seen)

    def half_sent(self, what):
        seen = self.guest("pidof rpc-half >/dev/null && echo >/tmp/go; "
                          "while pidof rpc-half; do sleep 0.1; done >/dev/null; tail -n 1 /tmp/out")
        self.test(f"a message that was half sent before {what} is finished and answered",
                  ["reply [1 ]", HALF], [seen, self.rpc("info-get guestinfo.half")])

    def save(self):
        self.half_send()
        self.virsh(f"save {VM} /var/lib/libvirt/web1.save")
        self.test("virsh save", "shut off", self.state())
        self.virsh("restore /var/lib/libvirt/web1.save")
        self.here.call("connect", VM)
        self.test("virsh restore", "running", self.state())
        self.half_sent("virsh save")
        self.does("rm /var/lib/libvirt/web1.save")

    def snapshot(self):
        self.half_send()
        self.rpc("info-set guestinfo.answer before")
        self.virsh(f"snapshot-create-as {VM} one")
        self.half_sent("virsh snapshot-create")
        self.rpc("info-set guestinfo.answer after")
        self.virsh(f"snapshot-revert {VM} one")
        self.here.call("connect", VM)
        self.test("virsh snapshot-revert brings guestinfo back", ["running", "before"],
                  [self.state(), self.rpc("info-get guestinfo.answer")])
        self.half_sent("virsh snapshot-revert")
        self.virsh(f"snapshot-delete {VM} one")

    # --- migration -----------------------------------------------------------------

    def begin_load(self):
        self.sees = self.guest("vmware-checkvm; rates")
        self.daemon = self.guest("pidof vmtoolsd")
        self.guest("mkdir /tmp/load; rpc-load /tmp/load >/tmp/load/log 2>&1 &")

    def migrate(self, options):
        """Its status and what it said."""
        return self.run(self.here, f"virsh -q migrate --live {options} {VM} "
                                   f"qemu+tcp://{self.there.name}/system")

    def moves(self, options):
        begun = time.monotonic()
        status, said = self.migrate(options)
        if not status:
            self.here, self.there = self.there, self.here
            self.here.call("connect", VM)
        self.test(f"virsh migrate --live {options}: to {self.here.name}", [0, "running"],
                  [status, self.state() if not status else said])
        took = self.run(self.here, f"virsh -q domjobinfo --completed {VM} | "
                                   "grep -e downtime -e Postcopy")[1]
        self.say(f"it took {time.monotonic() - begun:.0f} s; {' '.join(took.split())}")

    def goes_on(self):
        return [self.state(), self.guest("vmware-checkvm")]

    def refused(self, what, wanted, options):
        status, said = self.migrate(options)
        self.test(f"a destination with {what} refuses the guest, which goes on",
                  [1, wanted, "running", "VMware software version 6 (good)"],
                  [status, wanted if wanted in said else said] + self.goes_on())

    def refusals(self):
        def without(domain):
            line = domain.find(f"{{{QEMU_NS}}}commandline")
            domain.remove(line)

        def less(domain):
            for argument in domain.iter(f"{{{QEMU_NS}}}arg"):
                if argument.get("value") == "vmware.state=on":
                    argument.set("value", "vmware.state=on,vmware.hb=off")

        for name, change in (("without", without), ("less", less)):
            self.here.call("write", f"/root/{name}.xml", self.example(change))
        self.refused("no interface", "use -machine vmware.state=on",
                     "--unsafe --xml /root/without.xml")
        self.refused("a part less", "start QEMU here with -machine vmware.hb=on",
                     "--unsafe --xml /root/less.xml")
        self.does("systemctl stop libvirtd libvirtd.socket libvirtd-ro.socket "
                  "libvirtd-admin.socket libvirtd-tcp.socket; modprobe -r kvm_amd kvm && "
                  "insmod /lib/modules/$(uname -r)/kernel/arch/x86/kvm/kvm.ko* && "
                  "insmod /lib/modules/$(uname -r)/kernel/arch/x86/kvm/kvm-amd.ko*; "
                  "systemctl start libvirtd.socket libvirtd-tcp.socket libvirtd", self.there)
        self.refused("the distribution's KVM", "vmware", "--unsafe")
        self.does("modprobe -r kvm_amd kvm && modprobe kvm_amd", self.there)

    def migrations(self):
        self.begin_load()
        self.half_send()
        self.moves("--copy-storage-inc")
        self.half_sent("a migration")
        self.refusals()
        self.half_send()
        self.moves("--p2p --persistent --undefinesource --unsafe")
        self.half_sent("a migration of --p2p")
        self.does(f"(sleep 5; date +%s; virsh -q qemu-monitor-command {VM} "
                  "'{ \"execute\": \"query-vmware-tools\" }'; date +%s) >/tmp/during 2>&1 </dev/null &")
        self.moves("--p2p --tunnelled --unsafe")
        self.say("the monitor in the middle of it: " + self.does(
            "cut -c 1-200 /tmp/during", self.there).replace("\n", "; "))
        self.postcopy()
        self.count()

    def postcopy(self):
        source = self.here
        self.does(f"virsh event --domain {VM} --event lifecycle --loop >/tmp/lifecycle 2>&1 "
                  "</dev/null &")
        # What the guest writes meanwhile must not fit into the time that it may stand still:
        # it would go without the rest of its memory having to follow.
        self.virsh(f"migrate-setmaxdowntime {VM} 1")
        self.moves("--postcopy --postcopy-after-precopy --bandwidth 16 --unsafe")
        self.test("the guest went before the rest of its memory", True,
                  "Post-copy" in self.does("cat /tmp/lifecycle", source))

    def count(self):
        """Nothing that the guest has sent is lost or came twice."""
        self.test("the guest sees what it saw", self.sees, self.guest("vmware-checkvm; rates"))
        self.test("the daemon is the same process", self.daemon, self.guest("pidof vmtoolsd"))
        counted = self.guest(
            "touch /tmp/load/stop; cd /tmp/load; for i in $(seq 300); do "
            "[ $(cat keys send read block 2>/dev/null | wc -l) = 4 ] && break; sleep 0.1; done; "
            "cat keys send read block")
        entries = {entry["key"]: entry["value"] for entry in self.monitor(
            "query-vmware-guestinfo", {"prefix": "guestinfo.load."})["entries"]}
        for line in counted.split("\n"):
            self.say("of the guest's: " + line)
            name = line.split()[0]
            self.test(f"no message of the guest's is lost or doubled: {name}",
                      f"{name} {entries['guestinfo.load.' + name].lstrip('0')} good, 0 bad", line)

    # --- its end ---------------------------------------------------------------------

    def gone(self, what, vm=VM, seconds=120):
        self.test(what, "shut off (shutdown)", self.until(
            "shut off (shutdown)", seconds, lambda: self.virsh(f"domstate --reason {vm}")))

    def listen(self):
        """To the guest's button."""
        self.guest("mkdir -p /etc/acpi/PWRF; cd /etc/acpi/PWRF; echo '#!/bin/sh' >00000080; "
                   "echo poweroff -f >>00000080; chmod 755 00000080; busybox acpid")

    def shutdowns(self):
        self.test("the tools shut the guest down", {}, self.monitor(
            "vmware-tools-power", {"operation": "shutdown", "timeout": 120}))
        self.gone("libvirt knows that it has gone")

    def backed(self, what, *elements):
        """A guest with its memory from elsewhere, and without QEMU's own vmport.  AppArmor's
        rules for libvirt do not allow memfd and huge pages at once."""
        def change(domain):
            backing = ET.Element("memoryBacking")
            for tag, attributes in elements:
                ET.SubElement(backing, tag, attributes)
            domain.insert(3, backing)
            ET.SubElement(domain.find("features"), "vmport", state="off")

        self.here.call("write", "/root/backed.xml", self.example(change))
        self.virsh("define --validate /root/backed.xml")
        self.virsh(f"start {VM}")
        self.boots(f"the guest boots in memory of {what}")
        self.test("vmware-checkvm finds VMware there", "VMware software version 6 (good)",
                  self.guest("vmware-checkvm"))

    def other_starts(self):
        self.does("echo 200 >/proc/sys/vm/nr_hugepages")
        self.backed("huge pages", ("hugepages", {}))
        self.virsh(f"destroy {VM}")
        self.does("echo 0 >/proc/sys/vm/nr_hugepages")
        self.backed("a memfd, shared", ("source", {"type": "memfd"}), ("access", {"mode": "shared"}))
        self.virsh(f"reset {VM}")
        self.test("it boots again after virsh reset", "ready", self.here.call("booted", VM, BOOT))
        self.test("guestinfo is there", "web server", self.rpc("info-get guestinfo.role"))
        self.listen()
        self.virsh(f"shutdown --mode acpi {VM}")
        self.gone("virsh shutdown by ACPI, where the guest listens", seconds=60)
        self.virsh(f"undefine {VM}")

    # --- a guest of VMware's ------------------------------------------------------------

    def commands(self):
        """Those of the page, for root, section by section."""
        sections = {}
        with open(MOVING, encoding="utf-8") as file:
            for line in file:
                if line.startswith("## "):
                    section = sections.setdefault(line[3:].strip(), [])
                elif line.startswith("    # "):
                    section.append(line[6:].strip())
        return sections

    def page(self, section):
        """Does what a section of the page says."""
        for command in self.commands()[section]:
            status, said = self.run(self.here, "cd /root/move && " + command)
            self.test(f"moving a guest: {command[:60]}", 0, status if not status else said)

    def move(self):
        vm = "moved"

        def change(domain):
            """A second disk, and no bridge: these hosts have none."""
            devices = domain.find("devices")
            disk = copy.deepcopy(devices.find("disk"))
            disk.find("source").set("file", SECOND_DISK)
            disk.find("target").set("dev", "sdb")
            disk.find("address").set("target", "1")
            devices.append(disk)
            interface = devices.find("interface")
            interface.set("type", "ethernet")
            interface.remove(interface.find("source"))

        self.does(f"qemu-img create -q -f qcow2 {SECOND_DISK} 3M")
        self.here.call("write", "/root/move/moved.xml", self.example(
            change, EXAMPLES + "moved.xml", "moved", " disk=/dev/sda"))
        self.page("The disk")
        self.page("The description")
        self.here.call("connect", vm)
        self.test("it boots from its PVSCSI disk", "ready", self.here.call("booted", vm, BOOT))
        for what, expected, command in (
                ("vmware-checkvm finds VMware", "VMware software version 6 (good)", "vmware-checkvm"),
                ("it has its UUID", "564d1234-5678-9abc-def0-112233445566",
                 "cat /sys/class/dmi/id/product_uuid"),
                ("its disk is PVSCSI's", "vmw_pvscsi",
                 "basename $(readlink /sys/block/sda/device/../../../driver)"),
                ("its second disk is there", "6144", "cat /sys/block/sdb/size"),
                ("its VMXNET3 has its address", "00:50:56:00:00:01",
                 "cat /sys/bus/pci/drivers/vmxnet3/0*/net/*/address"),
                ("it reads its guestinfo", "second floor",
                 "vmware-rpctool 'info-get guestinfo.site'"),
                ("it reads its OVF environment", 'oe:key="hostname" oe:value="moved1"',
                 "vmware-rpctool 'info-get guestinfo.ovfEnv' | grep -o 'oe:key=\"hostname\".*\"moved1\"'"),
                ("and a property with a comma", 'oe:value="192.0.2.1,192.0.2.2"',
                 "vmware-rpctool 'info-get guestinfo.ovfEnv' | grep -o 'oe:value=\"192[^ /]*'")):
            self.test("moved: " + what, expected, self.guest(command, vm))
        self.guest("hostname moved1; vmtoolsd --background=/run/vmtoolsd.pid", vm)
        self.test("moved: its tools report", ["running", "moved1"], self.until(
            ["running", "moved1"], 120, lambda: [
                self.monitor("query-vmware-tools", vm=vm).get(key) for key in
                ("state", "host-name")]))
        self.page("After")
        self.gone("moved: it has shut down", vm)
        self.virsh(f"undefine {vm}")

    # --- libvirt with the patches ----------------------------------------------------------

    def with_feature(self, domain):
        """What the example says, in the elements of the patches."""
        domain.remove(domain.find(f"{{{QEMU_NS}}}commandline"))
        feature = ET.SubElement(domain.find("features"), "vmware", state="on")
        ET.SubElement(feature, "hypercall", state="off")
        store = ET.Element("sysinfo", type="vmware")
        for key, value, attributes in (
                ("role", "web server", {}),
                ("metadata", None, {"encoding": "base64", "file": OWN + "metadata"}),
                ("userdata", None, {"encoding": "gzip+base64", "file": OWN + "userdata"})):
            ET.SubElement(store, "entry", name="guestinfo." + key, **attributes).text = value
        domain.insert(3, store)
        net = ET.SubElement(domain.find("devices"), "interface", type="ethernet")
        ET.SubElement(net, "mac", address=MAC)
        ET.SubElement(net, "model", type="e1000")

    def with_patches(self):
        for host in self.hosts:
            host.call("write", OWN + "metadata", METADATA)
            host.call("write", OWN + "userdata", USERDATA)
            self.does(f"chmod 600 {OWN}*", host)
            host.call("write", "/root/feature.xml", self.example(self.with_feature))
        self.virsh("define --validate /root/feature.xml")
        domain = ET.fromstring(self.virsh(f"dumpxml {VM}"))
        self.test("virsh shows the elements again", ["on", "off", "gzip+base64"],
                  [domain.find("features/vmware").get("state"),
                   domain.find("features/vmware/hypercall").get("state"),
                   domain.find("sysinfo/entry[@name='guestinfo.userdata']").get("encoding")])
        self.virsh(f"start {VM}")
        self.confinement()
        self.boots("a guest with <vmware/> boots")
        self.configured()
        parts = self.monitor("qom-get", {"path": "/machine", "property": "vmware"})
        self.test("a part that the XML switches off is off", [True, False],
                  [parts["state"], parts.get("hypercall")])
        for command in ("shutdown", "reboot"):
            self.fails(f"virsh {command} --mode paravirt: the tools do not run",
                       "VMware tools do not run", f"{command} --mode paravirt {VM}")
        for command in ("domhostname --source agent", "domifaddr --source agent"):
            self.fails(f"virsh {command}: the tools do not run",
                       "neither a guest agent nor VMware's tools respond", f"{command} --domain {VM}")
        self.with_tools()
        self.feature_migrates()
        self.with_button()

    def network(self):
        """What virsh shows of the guest's interface, beside its own IPv6 address."""
        said = self.run(self.here, f"virsh -q domifaddr --source agent --domain {VM}")[1]
        return [line.split()[1:] for line in said.splitlines()
                if f" {MAC} " in line and " ipv4 " in line]

    def with_tools(self):
        self.guest(f"ip link add net0 type dummy; ip link set net0 address {MAC}; "
                   "ip address add 192.0.2.10/24 dev net0; ip link set net0 up")
        self.test("the tools run", "running", self.begin_tools())
        self.test("virsh domhostname --source agent, by the tools", "from-libvirt", self.until(
            "from-libvirt", 120, lambda: self.run(
                self.here, f"virsh -q domhostname --source agent {VM}")[1]))
        address = [[MAC, "ipv4", "192.0.2.10/24"]]
        self.test("virsh domifaddr --source agent, by the tools", address,
                  self.until(address, 120, self.network))
        self.guest("kill -STOP $(pidof vmtoolsd)")
        self.test("the tools hang, and QEMU says so", "not-responding",
                  self.tools_state("not-responding", 180))
        self.fails("virsh shutdown --mode paravirt: the tools hang", "do not respond",
                   f"shutdown --mode paravirt {VM}")
        self.guest("kill -CONT $(pidof vmtoolsd)")
        self.test("the tools respond", "running", self.tools_state("running"))
        self.virsh(f"reboot --mode paravirt {VM}")
        self.test("virsh reboot --mode paravirt: the tools reboot the guest", "ready",
                  self.here.call("booted", VM, BOOT))

    def feature_migrates(self):
        def without(domain):
            self.with_feature(domain)
            domain.find("features").remove(domain.find("features/vmware"))
            domain.remove(domain.find("sysinfo"))

        def less(domain):
            self.with_feature(domain)
            domain.find("features/vmware/hypercall").set("state", "on")

        for name, change, wanted in (
                ("no feature", without, "State of feature 'vmware' differs"),
                ("another part", less, "State of VMware feature 'hypercall' differs")):
            self.here.call("write", "/root/other.xml", self.example(change))
            self.refused(name, wanted, "--copy-storage-inc --xml /root/other.xml")
        self.test("the tools run again", "running", self.begin_tools())
        self.half_send()
        self.moves("--copy-storage-inc --persistent --undefinesource")
        self.half_sent("a migration")
        self.virsh(f"shutdown --mode paravirt {VM}")
        self.gone("virsh shutdown --mode paravirt: the tools shut the guest down")

    def with_button(self):
        """Several ways: the tools first, and without them the button."""
        self.virsh(f"start {VM}")
        self.boots("it starts again")
        self.listen()
        self.virsh(f"shutdown --mode paravirt,acpi {VM}")
        self.gone("virsh shutdown --mode paravirt,acpi without tools")
        self.here.call("write", "/root/plain.xml", self.example(
            lambda domain: domain.remove(domain.find(f"{{{QEMU_NS}}}commandline"))))
        self.virsh("define --validate /root/plain.xml")
        self.virsh(f"start {VM}")
        self.fails("virsh shutdown --mode paravirt: without the feature",
                   "the domain does not have the vmware feature", f"shutdown --mode paravirt {VM}")
        self.virsh(f"destroy {VM}")
        self.virsh(f"undefine {VM}")

    # --- all of it ---------------------------------------------------------------------------

    def all(self):
        self.boot()
        self.prepare()
        self.steps()
        for host in self.hosts:
            self.test(f"AppArmor has refused nothing on {host.name}", "", self.run(
                host, f"dmesg | grep 'apparmor=\"DENIED\"' | grep -v {STRANGER}")[1])
            self.test(f"the kernel of {host.name} has not complained", True, host.leave())

    def with_distribution(self):
        self.define()
        self.stranger()
        self.virsh(f"start {VM}")
        self.test("virsh start", "running", self.state())
        self.confinement()
        self.boots("the guest boots")
        self.configured()
        self.monitors()
        self.other_agent()
        self.restart_libvirt()
        self.save()
        self.snapshot()
        self.migrations()
        self.shutdowns()
        self.other_starts()
        self.move()

    def report(self):
        with open(f"{self.build}/libvirt.json", "w", encoding="utf-8") as file:
            json.dump({"tests": self.tests}, file, indent=1)
            file.write("\n")
        self.say(f"the end; the commands are in {self.transcript.name}")
        self.transcript.close()


def main(build, libvirt="distribution"):
    suite = Suite(build, libvirt)
    suite.run_to_end(suite.all)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
