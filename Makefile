# SPDX-License-Identifier: GPL-2.0-only
#
# The front door.  "make help" lists what there is.

help:
	@echo 'make demo     set up, build, boot, migrate a real guest; last line demo: PASS'
	@echo 'make test     every test that belongs to a normal change; TAP'
	@echo 'make unit     the engine in user space and the scripts in Python alone, in seconds'
	@echo 'make build    the series and the kernel modules alone'
	@echo 'make lane     the kselftests on the distribution kernel alone'
	@echo 'make guests   the real guests alone: open-vm-tools, cloud-init, Linux, one in a guest'
	@echo 'make test-qemu  QEMU: its options, refused migrations, snapshots; part of guests'
	@echo 'make test-migration  two hosts, a guest under load goes there and back; MIGRATIONS, 20'
	@echo 'make test-tools  QEMU and open-vm-tools: reports, power, snapshots; not part of make test'
	@echo 'make test-rpc  QEMU and a program that answers RPCs of the guest; not part of make test'
	@echo 'make test-libvirt  two hosts with libvirt: start, save, snapshot, migrate; not part of make test'
	@echo 'make test-intel  the kselftests on kvm-intel, under Bochs; not part of make test'
	@echo 'make test-mainline  builds and tests in the newest kernel source; not part of make test'
	@echo 'make test-sanitizers  the kselftests on kernels with KASAN, KCSAN, PREEMPT_RT'
	@echo 'make fuzz     fuzzes the engine and vmport-state; FUZZ_SECONDS for each target, 60'
	@echo 'make fuzz-states  fuzzes the kernel with random machine states; FUZZ_SECONDS, 600'
	@echo 'make bench    what calls, messages and migration cost; build/bench.json'
	@echo 'make bench-intel  the part of it that Bochs can run, on kvm-intel'
	@echo 'make profile WHAT=ring0  which functions a call spends its instructions in'
	@echo 'make series   the patches for the newest kernel, in build/series/; make series-check builds each'
	@echo 'make package  the Debian packages: DKMS, tools, header; build/package/'
	@echo 'make test-package [DEBIAN=12]  installs, updates, boots, removes it in a Debian; not part of make test'
	@echo 'make test-host [ON=host]  the package on real hardware, in a VM unless said; a report to send'
	@echo 'make package-qemu  the Debian package of QEMU; make test-package-qemu tests it'
	@echo 'make test-qemu-series  builds QEMU with each of its patches; QEMU_SERIES=10.2 for a newer QEMU'
	@echo 'make test-libvirt-series  the patches for libvirt: its source, builds, its own tests'
	@echo 'make test-fresh TARGET="unit ..." [DEBIAN=12]  targets in a new Debian each; FRESH_CACHE=1 is quick'
	@echo 'make lint     checkpatch, sparse, W=1, shellcheck, names of files'
	@echo 'make clean    remove build/'
	@echo 'make distclean  remove the downloads and built kernels too'

demo:
	@scripts/suite/demo.sh

test:
	@scripts/suite/test.sh

unit build lane guests:
	@scripts/suite/test.sh $@

test-qemu:
	@scripts/suite/qemu.sh

test-migration:
	@scripts/suite/test-migration.sh

test-tools:
	@scripts/suite/tools.sh

test-rpc:
	@scripts/suite/rpc.sh

test-libvirt:
	@scripts/suite/test-libvirt.sh

test-intel:
	@scripts/suite/test-intel.sh

test-mainline:
	@scripts/suite/test-mainline.sh

test-sanitizers:
	@scripts/suite/test-sanitizers.sh

fuzz:
	@scripts/suite/fuzz.sh

fuzz-states:
	@scripts/suite/fuzz-states.sh

bench:
	@scripts/suite/bench.sh

bench-intel:
	@scripts/suite/bench-intel.sh

# WHAT: ring0, ring3, get, set or hb
profile:
	@scripts/suite/profile.sh $(WHAT)

series:
	@scripts/release/make-series.sh

series-check:
	@scripts/release/check-series-builds.sh

package:
	@scripts/release/make-package.sh

# DEBIAN: 12 or 13
test-package:
	@scripts/suite/test-package.sh $(or $(DEBIAN),13)

# ON: vm or host
test-host:
	@scripts/suite/test-host.sh $(or $(ON),vm)

package-qemu:
	@scripts/release/make-package-qemu.sh

test-package-qemu:
	@scripts/suite/test-package-qemu.sh

test-qemu-series:
	@scripts/suite/test-qemu-series.sh

test-libvirt-series:
	@scripts/suite/test-libvirt-series.sh

# DEBIAN: 12 or 13; TARGET may have variables after it
test-fresh:
	@scripts/suite/test-fresh.sh $(or $(DEBIAN),13) $(TARGET)

lint:
	@scripts/suite/lint.sh

clean:
	rm -rf build

distclean: clean
	rm -rf "$${KVM_VMPORT_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/kvm-vmport}"

.PHONY: help demo test unit build lane guests test-qemu test-tools test-migration test-intel test-mainline test-sanitizers fuzz fuzz-states bench bench-intel profile package package-qemu test-package test-package-qemu test-fresh test-qemu-series test-libvirt-series test-host test-rpc test-libvirt series series-check lint clean distclean
