# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs inside the lane's guest, see mkinitramfs.sh: KVM's own tests with the
# distribution's modules and with ours, our tests with ours under each setting of
# the module parameter.  scripts/suite/tap.py reads the @@ lines.  From the kernel's
# command line: a test may take LANE_LIMIT seconds, 300, one of KVM's own 90;
# LANE_ONLY is "stock" or "vmport" where there are but those modules.

# run WHERE PROGRAM [ARGUMENT...]
run() {
	where=$1 program=$2
	shift 2
	echo "@@BEGIN $where $program"
	timeout "${LANE_LIMIT:-300}" "/tests/bin/$program" "$@" 2>&1
	echo "@@END $where $program $?"
}

# What has little to do with the module parameter, and takes long, runs once.
run_all() {
	while read -r name; do
		case $1:$name in
		parameter=1:vmport_clients_test | parameter=1:vmport_fault_test | \
			parameter=1:vmport_limits_test | parameter=1:vmport_memory_test | \
			parameter=1:vmport_race_test | parameter=1:vmport_tool_test | \
			parameter=1:vmport_trace_test) ;;
		*) run "$1" "$name" </dev/null ;;
		esac
	done <"/tests/$2"
}

# Some of KVM's own wait for interrupts with an alarm clock running, which an
# emulated processor does not always meet, or never end there, with the stock
# modules too: what fails has two more attempts.
# Those of LANE_SKIP do not end on this machine's emulator.
run_kvm() {
	while read -r name; do
		case ",${LANE_SKIP:-}," in
		*",$name,"*)
			echo "@@BEGIN $1 $name"
			echo "@@END $1 $name 4"
			continue
			;;
		esac
		for attempt in 1 2 3; do
			echo "@@BEGIN $1 $name"
			timeout "${LANE_LIMIT:-90}" "/tests/bin/$name" </dev/null 2>&1
			status=$?
			case $attempt:$status in
			3:* | *:0 | *:4) break ;;
			esac
			echo "@@AGAIN $1 $name $status"
		done
		echo "@@END $1 $name $status"
	done </tests/kvm
}

if [ "${LANE_ONLY:-}" = vmport ]; then
	:
elif load_kvm stock; then
	run_kvm stock
	run stock-modules vmport_sample_stock_test </dev/null
	unload_kvm
else
	echo "@@FAIL the distribution's modules load"
fi

parameters="0 1"
[ "${LANE_ONLY:-}" != stock ] || parameters=
for parameter in $parameters; do
	if ! load_kvm vmport enable_vmware_backdoor="$parameter"; then
		echo "@@FAIL our modules load with enable_vmware_backdoor=$parameter"
		continue
	fi
	[ "$parameter" = 1 ] || run_kvm vmport
	run_all "parameter=$parameter" ours
	# Figures of no use here, but does it come to its end?
	[ "$parameter" = 1 ] || run benchmark vmport_bench costs </dev/null
	unload_kvm || echo "@@FAIL our modules unload after enable_vmware_backdoor=$parameter"
done

# Without nested paging KVM walks the guest's page tables for all that the guest does, and
# kvm-intel emulates guests in states that the processor does not take.
if [ "${LANE_ONLY:-}" != stock ]; then
	# shellcheck disable=SC2034 # of load_kvm
	KVM_AMD=npt=0 KVM_INTEL="${KVM_INTEL:-} ept=0"
	if load_kvm vmport; then
		run shadow-paging vmport_hostile_test </dev/null
		run shadow-paging vmport_ring3_test </dev/null
		run shadow-paging vmport_rpc_test </dev/null
		run shadow-paging vmport_steal_test </dev/null
		unload_kvm || echo "@@FAIL our modules unload after shadow paging"
	else
		echo "@@FAIL our modules load with shadow paging"
	fi
fi
echo "@@DONE"
