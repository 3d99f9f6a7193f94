# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs inside the lane's guest, see mkinitramfs.sh: KVM's own tests with the
# distribution's modules and with ours, our tests with ours under each setting of
# the module parameter.  scripts/tap.py reads the @@ lines.

run() {
	echo "@@BEGIN $1 $2"
	timeout 300 "/tests/bin/$2" 2>&1
	echo "@@END $1 $2 $?"
}

run_all() {
	while read -r name; do
		run "$1" "$name" </dev/null
	done <"/tests/$2"
}

if load_kvm stock; then
	run_all stock kvm
	unload_kvm
else
	echo "@@FAIL the distribution's modules load"
fi

for parameter in 0 1; do
	if ! load_kvm vmport enable_vmware_backdoor=$parameter; then
		echo "@@FAIL our modules load with enable_vmware_backdoor=$parameter"
		continue
	fi
	[ $parameter = 1 ] || run_all vmport kvm
	run_all "parameter=$parameter" ours
	unload_kvm || echo "@@FAIL our modules unload after enable_vmware_backdoor=$parameter"
done
echo "@@DONE"
