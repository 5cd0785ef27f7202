# SPDX-License-Identifier: GPL-2.0
#
# Build livepatches that use symbols by KLP_RELOC_SYMBOL() of linux/livepatch_reloc.h. The Makefile
# of such a module, outside of the kernel tree, consists of `obj-m := fix.o` and an include of this
# file, as in samples/livepatch/unexported/Makefile. The command is `make -C KDIR M=$PWD`, as for
# each module. klp-convert runs after the final link, of which the generation of BTF is a part,
# because ld does not keep livepatch symbols. modules_install strips and signs modules later.
# Variables of the caller:
#
#	KLP_SYSTEM_MAP	symbols of the kernel: System.map, or /proc/kallsyms for the running kernel
#	KLP_MODULES	files of modules, and directories with modules, that are searched first
#	KLP_CONVERT	the program, by default compiled from convert/ next to this file

klp-dir := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))

# kbuild reads the Makefile of a module in several steps. This is modpost, which precedes the final
# link.
ifneq ($(filter %scripts/Makefile.modpost,$(MAKEFILE_LIST)),)
ifneq ($(KBUILD_EXTMOD),)

klp-sources := $(wildcard $(klp-dir)/convert/*.c)

ifeq ($(KLP_CONVERT),)
ifneq ($(klp-sources),)
KLP_CONVERT := $(KBUILD_EXTMOD)/.klp-convert
klp-built := $(KLP_CONVERT)
else
# livepatch.mk is installed, and so is the program.
KLP_CONVERT := klp-convert
endif
endif

ifeq ($(KLP_SYSTEM_MAP),)
KLP_SYSTEM_MAP := $(firstword $(wildcard System.map \
	$(addsuffix $(KERNELRELEASE),/usr/lib/debug/boot/System.map- /boot/System.map-)))
endif

klp-places := $(KLP_MODULES) $(KBUILD_EXTMOD) . /lib/modules/$(KERNELRELEASE)

# Define the symbol that tells modpost and the kernel that klp-convert has not run.
klp-symvers := $(KBUILD_EXTMOD)/.klp-convert.symvers
override KBUILD_EXTRA_SYMBOLS += $(klp-symvers)

$(klp-symvers):
	@printf '0x00000000\tklp_reloc_needs_livepatch_mk\tvmlinux\tEXPORT_SYMBOL_GPL\t\n' > $@

$(KBUILD_EXTMOD)/Module.symvers: $(klp-symvers)

quiet_cmd_klp_build = HOSTCC  $@
      cmd_klp_build = $(HOSTCC) -O2 -std=gnu2x -o $@ $(klp-sources) -lelf

$(KBUILD_EXTMOD)/.klp-convert: $(klp-sources) $(wildcard $(klp-dir)/convert/*.h)
	$(call cmd,klp_build)

quiet_cmd_klp_convert = CONVERT $(KBUILD_EXTMOD)
      cmd_klp_convert = sed 's/\.o$$/.ko/' $(MODORDER) | \
	xargs -r $(KLP_CONVERT) $(if $(KLP_SYSTEM_MAP),-s $(KLP_SYSTEM_MAP)) \
	$(addprefix -m ,$(klp-places))

# The final link runs here instead of after this step. The later one finds that the modules are up
# to date, if it has the same commands. So it gets the environment of this make: the Makefile of the
# module may have changed exported variables of kbuild.
PHONY += klp-convert
klp-convert: $(KBUILD_EXTMOD)/Module.symvers $(klp-built)
	+$(Q)xargs -0 -x -a /proc/$$PPID/environ sh -c \
		'exec env -i "$$@" "$$0" -f $(srctree)/scripts/Makefile.modfinal' $(MAKE)
	$(call cmd,klp_convert)

__modpost: klp-convert

endif
endif

clean-files += .klp-convert .klp-convert.symvers
