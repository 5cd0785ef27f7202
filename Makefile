# SPDX-License-Identifier: GPL-2.0
#
# Targets for users. Each target is a script in vm/. This file lists the targets, checks the
# dependencies and passes the variables of the user.

BUILD ?= build
# Relative paths are relative to this directory, also in scripts that change to another one.
override BUILD := $(abspath $(BUILD))
ifneq ($(KSRC),)
override KSRC := $(abspath $(KSRC))
endif
ifneq ($(OUT),)
override OUT := $(abspath $(OUT))
endif
export BUILD KSRC OUT ACCEL SMP MEM TIMEOUT FORCE TESTS EXCEPT KERNEL_ARGS BESIDE QUICK ROUNDS ONLY \
	VARIANT N T SEED KINDS ARCH WITH MIRROR

# Targets that a guest of another architecture has.
ARCH_TARGETS := help deps kernel demo test test-all stock-test stress vm print-image print-kdir
ifneq ($(filter-out x86_64,$(ARCH)),)
ifneq ($(filter-out $(ARCH_TARGETS),$(MAKECMDGOALS)),)
$(error make $(filter-out $(ARCH_TARGETS),$(MAKECMDGOALS)) has no ARCH=$(ARCH))
endif
endif

# Scripts start the make of the kernel, which must not inherit the variables of this one.
MAKEOVERRIDES :=
.NOTPARALLEL:

# The help consists of the lines "TARGET: ... ## TEXT" below.
.PHONY: help
help: ## this list
	@echo "A livepatch core for Linux 6.12.  make demo shows it, make test proves it."
	@echo
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/  \1\t\2/p' Makefile | expand -t 16
	@echo
	@echo "Variables: ARCH=s390x KSRC=DIR BUILD=DIR SMP=2 MEM=1G TIMEOUT=SECONDS; vm/README.md has more."

.PHONY: deps
deps: ## install the Debian packages that are needed
	@vm/deps.sh

.PHONY: have-deps
have-deps:
	@vm/deps.sh --check || vm/deps.sh

.PHONY: kernel
kernel: have-deps ## unpack stock, lay our tree over it, build the kernel
	@vm/kernel.sh

.PHONY: demo
demo: kernel ## the story of one livepatch, told by a guest
	@vm/demo.sh

.PHONY: test
test: kernel ## our tests in the guest, then the stock suite; TESTS='klp-x.sh' runs some
	@vm/test.sh

.PHONY: test-all
test-all: kernel ## the same in all preemption models, with 4 CPUs, beside a tracer and a kprobe
	@vm/test-all.sh

.PHONY: build-matrix
build-matrix: ## compile our code for each architecture, compiler and option that changes it
	@vm/deps.sh --matrix --check || vm/deps.sh --matrix
	@vm/build-matrix.sh

.PHONY: test-debug
test-debug: have-deps ## what make test runs, on a kernel with KASAN, lockdep and the like
	@VARIANT=debug vm/kernel.sh
	@VARIANT=debug vm/test.sh

.PHONY: test-kcsan
test-kcsan: have-deps ## the same on a kernel that looks for data races
	@VARIANT=kcsan vm/kernel.sh
	@VARIANT=kcsan vm/test.sh

.PHONY: test-coexist
test-coexist: have-deps ## livepatches beside BPF, fprobe, fail_function and other users of ftrace
	@VARIANT=coexist vm/kernel.sh
	@VARIANT=coexist TESTS="$${TESTS:-klp-coexist.sh klp-ftrace.sh}" vm/test.sh own

.PHONY: fuzz
fuzz: kernel ## hostile descriptions, modules and writes to sysfs, N=1000 of each, T=60 seconds
	@vm/fuzz.sh

.PHONY: stock-test
stock-test: kernel ## the livepatch selftests of stock, unmodified
	@vm/test.sh stock

.PHONY: stock-klpctl
stock-klpctl: kernel ## klpctl on the kernel of stock, which is built first
	@vm/kernel.sh --stock
	@vm/klpctl-stock.sh

.PHONY: coverage
coverage: have-deps ## which lines of kernel/livepatch/ all these tests run, on a kernel that counts
	@vm/coverage.sh

.PHONY: bench
bench: kernel ## times beside those of the stock kernel, over an hour; QUICK=1 takes 10 minutes
	@vm/kernel.sh --stock
	@vm/bench.sh

.PHONY: fleet
fleet: kernel ## roll out livepatches over N=6 guests by Ansible, watched by Prometheus
	@vm/kernel.sh --stock
	@vm/fleet.sh

.PHONY: stress
stress: kernel ## everything at random and at once, T=600 seconds, SEED=N to repeat
	@vm/stress.sh

.PHONY: faults
faults: have-deps ## fail every allocation and every fallible call of the core, one at a time
	@VARIANT=faults vm/kernel.sh
	@vm/faults.sh

.PHONY: lint
lint: kernel ## checkpatch, sparse, W=1, kernel-doc, shellcheck, ansible-lint over our files
	@vm/lint.sh

.PHONY: model
model: have-deps ## search a model of the consistency protocol, and of each break of it
	@vm/model.sh

.PHONY: docs
docs: have-deps ## Documentation/livepatch as HTML; fails on any warning
	@vm/docs.sh

.PHONY: tools
tools: have-deps ## klpctl for operators and klp-convert for authors, in build/klpctl
	@$(MAKE) -s -C tools/livepatch OUTPUT=$(BUILD)/klpctl
	@printf '%s\n' "$(BUILD)/klpctl/klpctl" "$(BUILD)/klpctl/klp-convert"

.PHONY: menuconfig
menuconfig: kernel ## change the options of the guest kernel, and build it
	@vm/menuconfig.sh

.PHONY: vm
vm: kernel ## a root shell in the guest; RUN='command' runs one command
	@vm/shell.sh '$(subst ','\'',$(value RUN))'

.PHONY: integrate
integrate: ## lay our tree into your own 6.12.y tree, KSRC=DIR
	@vm/integrate.sh

.PHONY: series
series: have-deps ## the same as patches for git am, KSRC=DIR OUT=DIR
	@vm/series.sh

.PHONY: print-image
print-image: ## the path of the image
	@bash -c '. vm/common.sh; echo "$$KIMAGE"'

.PHONY: print-kdir
print-kdir: ## the folder to compile modules against
	@bash -c '. vm/common.sh; echo "$$KOBJ"'

.PHONY: clean
clean: ## remove what was built, keep the unpacked source
	@rm -rf $(addprefix $(BUILD)/,matrix kernel kernel.stamp root lint stock stock-tests docs bench fuzz \
		klpctl model stress fleet tools log $(notdir $(wildcard vm/config/*)))

.PHONY: distclean
distclean: ## remove the whole build folder
	@rm -rf $(BUILD)
