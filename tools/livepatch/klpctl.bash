# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion of klpctl for bash.

# Complete with the names of livepatches in sysfs.
_klpctl_patches()
{
	local patch names=""

	for patch in /sys/kernel/livepatch/*/; do
		[ -d "$patch" ] || continue
		patch=${patch%/}
		names+=" ${patch##*/}"
	done
	mapfile -t COMPREPLY < <(compgen -W "$names" -- "$1")
}

# Complete with module files and directories.
_klpctl_files()
{
	mapfile -t COMPREPLY < <(compgen -f -X '!*.ko*' -- "$1"; compgen -d -- "$1")
	compopt -o filenames 2>/dev/null
}

# Complete with the names of installed livepatches.
_klpctl_installed()
{
	local file names=""

	for file in "/var/lib/livepatch/$(uname -r)"/*.ko*; do
		[ -f "$file" ] || continue
		file=${file##*/}
		names+=" ${file%%.ko*}"
	done
	mapfile -t COMPREPLY < <(compgen -W "$names" -- "$1")
}

# Set "options" to the options of a command.
_klpctl_options()
{
	local wait="--timeout --on-timeout=keep --on-timeout=reverse"

	case $1 in
	status|blockers) options="--json --verbose" ;;
	load|unload) options="$wait --no-wait --all --verbose" ;;
	enable|disable|reverse) options="$wait --no-wait" ;;
	force) options="$wait --no-wait --yes" ;;
	wait) options=$wait ;;
	watch) options="--json --verbose --timeout" ;;
	check|list-installed) options="--json" ;;
	metrics) options="--textfile" ;;
	"") options="--json --verbose --help --version" ;;
	*) options="" ;;
	esac
}

_klpctl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local commands="status load unload enable disable reverse force wait blockers watch check
		metrics install uninstall list-installed"
	local command="" options word

	COMPREPLY=()
	for word in "${COMP_WORDS[@]:1:COMP_CWORD - 1}"; do
		if [[ " ${commands//[$'\n\t']/ } " == *" $word "* ]]; then
			command=$word
			break
		fi
	done

	case $prev in
	--timeout) return ;;
	--textfile)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		compopt -o filenames 2>/dev/null
		return ;;
	esac
	if [[ $prev == --on-timeout || ($prev == "=" && ${COMP_WORDS[COMP_CWORD - 2]} == --on-timeout) ]]; then
		mapfile -t COMPREPLY < <(compgen -W "keep reverse" -- "$cur")
		return
	fi
	if [[ $cur == -* ]]; then
		_klpctl_options "$command"
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
		return
	fi

	case $command in
	"") mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
	load|check|install) _klpctl_files "$cur" ;;
	uninstall) _klpctl_installed "$cur" ;;
	status|unload|enable|disable|reverse|force|wait|blockers) _klpctl_patches "$cur" ;;
	esac
}

complete -F _klpctl klpctl
