#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lint.sh: run the checkers of the kernel over all files that belong in a kernel tree, shellcheck
# over scripts, a list of words over all files, systemd's checker over the units of klpctl,
# yamllint, ansible-lint and the tests of its modules over the Ansible collection, and promtool over
# the alert rules, their tests and the queries of the dashboard. A checker that prints anything has
# found an error.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=vm/tree-files.sh
. "$VM/tree-files.sh"

OBJ=$BUILD/lint
bad=0

# check TITLE COMMAND...: run the command in the kernel tree, which must print nothing
check()
{
	local title=$1 out
	shift

	out=$("$@" 2>&1)
	if [ -z "$out" ]; then
		echo "lint: $title: clean"
		return
	fi
	echo "lint: $title:"
	echo "$out"
	bad=1
}

# checkpatch_files PATH...: run checkpatch on these files
checkpatch_files()
{
	local path form

	for path; do
		# Headers of trace events have another form in the whole kernel.
		case $path in
		# An iterator uses its cursor more than once.
		include/linux/livepatch.h)	form=--ignore=MACRO_ARG_REUSE ;;
		include/trace/*)	form=--ignore=PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE ;;
		# A macro builds text from its arguments.
		include/linux/livepatch_reloc.h)	form=--ignore=MACRO_ARG_REUSE ;;
		# Names of libelf.
		tools/livepatch/convert/*)	form=--ignore=CAMELCASE ;;
		# No header declares static symbols of another module. Annotations may be wrong.
		samples/livepatch/unexported/* | */livepatch/convert/*)
			form=--ignore=AVOID_EXTERNS ;;
		*/livepatch/convert_bad/*)	form=--ignore=AVOID_EXTERNS,SPACING ;;
		*)			form= ;;
		esac
		perl scripts/checkpatch.pl --strict --no-summary --quiet --show-types \
			${form:+"$form"} --max-line-length=100 -f "$path"
	done
}
export -f checkpatch_files

run_checkpatch()
{
	xargs -r -n 8 -P "$(nproc)" bash -c 'checkpatch_files "$@"' - <<<"$files"
}

run_kernel_doc()
{
	# shellcheck disable=SC2086 # a list of paths
	[ -z "$sources" ] || perl scripts/kernel-doc -none -Wall $sources
}

lint_make()
{
	make -s --no-print-directory -C "$LINUX" O="$OBJ" -j"$(nproc)" \
		CC="ccache gcc" HOSTCC="ccache gcc" LOCALVERSION= "$@"
}

# A separate build directory: otherwise each lint would cause a rebuild of the kernel.
prepare()
{
	cp "$KOBJ/.config" "$OBJ/.config"
	lint_make olddefconfig && lint_make modules_prepare
}
export -f lint_make prepare
export LINUX OBJ KOBJ

run_sparse()
{
	rm -rf "$OBJ"/{kernel,lib,samples}/livepatch
	# W=1 makes modpost check properties of a whole build, hence the objects.
	# shellcheck disable=SC2086 # a list of paths
	[ -z "$objects" ] || lint_make C=2 W=1 $objects
}

# Compile the sample that supports both kernels with the header of stock.
run_stock_header()
{
	local sample=livepatch-tcp-challenge dir=$OBJ/stock-header

	rm -rf "$dir"
	mkdir "$dir"
	cp "$TOP/samples/livepatch/$sample.c" "$dir"
	cat > "$dir/Kbuild" <<-END
		obj-m := $sample.o
		LINUXINCLUDE := -I$PRISTINE/include \$(LINUXINCLUDE)
	END
	lint_make W=1 M="$dir" "$sample.o"
	grep -q "${PRISTINE##*/}/include/linux/livepatch.h" "$dir/.$sample.o.cmd" ||
		echo "$sample was not compiled with the header of stock"
}

# The modules that are built outside of the kernel tree.
run_author_modules()
{
	local source dir

	for source in samples/livepatch/unexported \
		tools/testing/selftests/livepatch/convert{,_bad}; do
		dir=$OBJ/author-modules/${source##*/}
		rm -rf "$dir"
		mkdir -p "$dir"
		cp -t "$dir" "$TOP/$source"/*
		# shellcheck disable=SC2046 # a list of names
		lint_make C=2 W=1 M="$dir" $(cd "$dir" && echo *.c | sed 's/\.c\>/.o/g')
	done
}

# Directory that make install of klpctl writes to, for the checks of units and of the collection.
INSTALLED=$OBJ/klpctl-root

run_install()
{
	rm -rf "$INSTALLED"
	build_klpctl
	make -s --no-print-directory -C "$TOP/tools/livepatch" OUTPUT="$KHOME/klpctl" \
		DESTDIR="$INSTALLED" install
}

# Check the installed units, with the programs that they start.
run_units()
{
	local root=$INSTALLED

	# Units depend on these by default.
	cp /usr/lib/systemd/system/{sysinit,basic,timers,shutdown}.target \
		"$root/usr/lib/systemd/system"
	systemd-analyze verify --man=no --root="$root" \
		"$root"/usr/lib/systemd/system/{livepatch.service,klpctl-metrics.{service,timer}} ||
		echo "the units are refused"
}

# Check the collection where Ansible looks for it: the checker resolves the names of modules.
run_collection()
{
	local home=$INSTALLED/usr/share/ansible/collections
	local source=$TOP/tools/livepatch/ansible

	yamllint -s -f parsable -c "$source/.yamllint" "$source"
	cd "$home/ansible_collections/linux/livepatch" || return
	export ANSIBLE_COLLECTIONS_PATH=$home ANSIBLE_LOCALHOST_WARNING=False
	ansible-lint -q --nocolor -p -c "$source/.ansible-lint" playbooks/*.yml \
		playbooks/tasks/*.yml roles/livepatch galaxy.yml meta/runtime.yml
	ansible-doc -t module linux.livepatch.livepatch{,_info,_report} >/dev/null
	# The interpreter for which Debian's Ansible is installed.
	/usr/bin/python3 "$source/tests/test_modules.py" >"$LOG/lint-modules.log" 2>&1 ||
		cat "$LOG/lint-modules.log"
}

# Print the queries of the dashboard as rules, which promtool can check.
dashboard_rules()
{
	/usr/bin/python3 - "$1" <<-'END'
		import json, sys
		panels = json.load(open(sys.argv[1], encoding="utf-8"))["panels"]
		queries = [t["expr"].replace("$job", ".*") for p in panels for t in p["targets"]]
		rules = [{"record": "q:%d" % n, "expr": q} for n, q in enumerate(queries)]
		print(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
	END
}

# Check rules, tests and queries. promtool prints also what is right.
run_rules()
{
	local rules=$TOP/tools/livepatch/prometheus out

	yamllint -s -f parsable -c "$TOP/tools/livepatch/ansible/.yamllint" "$rules"
	dashboard_rules "$rules/grafana-livepatch.json" >"$OBJ/dashboard.yml"
	PATH=$DAEMONS/usr/bin:$PATH
	out=$(promtool check rules "$rules/livepatch.rules.yml" "$OBJ/dashboard.yml" 2>&1) ||
		echo "$out"
	out=$(promtool test rules "$rules/livepatch.test.yml" 2>&1) || echo "$out"
}

run_shellcheck()
{
	(cd "$TOP" && xargs -r -n 8 -P "$(nproc)" shellcheck -x -P vm <<<"$scripts")
}

# The format of Documentation/ABI has no comments. A patch has the licence of the files it changes.
run_spdx()
{
	cd "$TOP" && git ls-files -co --exclude-standard |
		grep -v -e '^COPYING$' -e '^Documentation/ABI/' -e '^patches/.*\.patch$' |
		while read -r path; do
			[ -e "$path" ] || continue
			head -n 4 "$path" | grep -q 'SPDX-License-Identifier: GPL-2.0' ||
				echo "$path has no SPDX line"
		done
}

# Words that are never right in this tree: they hide the subject of a sentence, or are figures of
# speech.
UNCLEAR='who(so)?ever|somebody|nobody|anybody|lest|mend(s|ed|ing)?|turn(s|ed)? round|comes? and goe?s?'
UNCLEAR+='|for want of|any more|of its own accord|out of bed|has it that|to blame|come to stand'

run_words()
{
	cd "$TOP" && git grep -inwE --untracked "$UNCLEAR" -- ':!COPYING' ':!vm/lint.sh' ':!*.svg'
}

lock_build
files=$(our_files)
sources=$(grep '\.[ch]$' <<<"$files")
# The samples of stock are in the same directory, and are not checked. The kernel does not build the
# modules in samples/livepatch/unexported.
objects=$(sed -n '/\/unexported\//d; s/^\(\(kernel\|lib\|samples\)\/.*\)\.c$/\1.o/p' <<<"$files")
scripts=$(cd "$TOP" && {
	grep -lE '^(#!/bin/(ba)?sh|# shellcheck shell=)' vm/* .ci/* 2>/dev/null
	our_files tools | grep '\.sh$'
})

mkdir -p "$OBJ"
cd "$LINUX" || exit
check shellcheck run_shellcheck
check licences run_spdx
check words run_words
check checkpatch run_checkpatch
check kernel-doc run_kernel_doc
if [ ! -e "$OBJ/.config" ] || ! cmp -s "$BUILD/kernel.stamp" "$OBJ/.stamp"; then
	run_step lint "preparing sparse and W=1" bash -ec prepare
	cp "$BUILD/kernel.stamp" "$OBJ/.stamp"
fi
check "sparse and W=1" run_sparse
check "modules of livepatch.mk" run_author_modules
check "installation of klpctl" run_install
check "units of klpctl" run_units
check "Ansible collection" run_collection
check "Prometheus rules" run_rules
check "header of stock" run_stock_header

[ $bad -eq 0 ] || die "not clean"
echo "lint: clean, $(wc -w <<<"$files $scripts") files"
