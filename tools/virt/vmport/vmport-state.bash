# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Completion of vmport-state for bash.

# The first word that is no option, and how many there are before the last.
_vmport_state_words()
{
	local i
	command='' arguments=0
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--features | --limits | --snapshot | --at | --flags | --value-file | --output | -o)
			i=$((i + 1))
			;;
		-?*) ;;
		*)
			[[ $command ]] && arguments=$((arguments + 1))
			command=${command:-${COMP_WORDS[i]}}
			;;
		esac
	done
}

# The last of words between commas.
_vmport_state_list()
{
	mapfile -t COMPREPLY < <(compgen -P "${current%"${current##*,}"}" -W "$1" -- "${current##*,}")
}

# The keys of a file that ends, and soon: a stream can have gigabytes.
_vmport_state_keys()
{
	[[ -f $1 ]] || return
	timeout 2 vmport-state "$1" </dev/null 2>/dev/null |
		sed -n '/^guestinfo: /,/^[^ ]/s/^  "\([A-Za-z0-9._-]*\)": .*/\1/p'
}

_vmport_state()
{
	local commands='show verify diff get set delete extract build from-vm'
	local options='--cookies --values --json --features --limits --snapshot --at --raw
		--records --flags --value-file --output --quiet --progress --help --version'
	local features='ENABLE RPC HB RING3 HYPERCALL PMC EXIT_RPC NESTED STEALCLOCK'
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command arguments keys

	case $previous in
	--features)
		_vmport_state_list "$features"
		return
		;;
	--flags)
		_vmport_state_list 'none read-only privileged wipeable'
		return
		;;
	--limits)
		_vmport_state_list 'channels= keys= value= guestinfo='
		return
		;;
	--snapshot | --at)
		return
		;;
	--output | -o | --value-file)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	esac
	if [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
		return
	fi

	_vmport_state_words
	case $command:$arguments in
	:0)
		mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current"
			compgen -f -- "$current")
		;;
	get:1 | set:[1-9]* | delete:[1-9]*)
		keys=$(_vmport_state_keys "${COMP_WORDS[COMP_CWORD - arguments]}")
		mapfile -t COMPREPLY < <(compgen -W "$keys" -- "$current")
		;;
	*)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		;;
	esac
}

complete -o filenames -F _vmport_state vmport-state
