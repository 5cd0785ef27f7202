# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # used by scripts that source this file
#
# Sourced by common.sh: the properties of the architecture KLP_ARCH, one section for each.
#
#	SRCARCH		its directory in arch/ and in patches/, and ARCH of the kernel's make
#	CROSS		prefix of the tools that compile for it, empty for those of the host
#	IMAGE_TARGET	target of the kernel's make that builds the image
#	IMAGE		path of the image in the object directory
#	MACHINE		the program and the options of QEMU
#	CONSOLE		device of the console in the guest
#	TRANSPORT	bus of the virtio devices: pci or ccw
#	BOOT_ARGS	command line of the kernel
#	DEBIAN		name that Debian has for it, empty if the guest uses the root of the host
#	COMPILER	Debian packages of its compiler, and PACKAGES those of its guest

ARCHES=(x86_64 s390x ppc64le arm64)
CROSS='' TRANSPORT=pci BOOT_ARGS='' DEBIAN='' COMPILER=() PACKAGES=()

case "$KLP_ARCH" in
x86_64)
	SRCARCH=x86
	IMAGE_TARGET=bzImage
	IMAGE=arch/x86/boot/bzImage
	MACHINE=(qemu-system-x86_64 -cpu max)
	CONSOLE=ttyS0
	# The emulated time stamp counters are synchronized, which Linux does not detect. On a busy
	# machine the emulated timer may be too late for the check of its interrupt.
	BOOT_ARGS='tsc=reliable no_timer_check'
	;;
s390x)
	SRCARCH=s390
	CROSS=s390x-linux-gnu-
	IMAGE_TARGET=bzImage
	IMAGE=arch/s390/boot/bzImage
	MACHINE=(qemu-system-s390x -M s390-ccw-virtio -cpu max)
	CONSOLE=ttysclp0
	TRANSPORT=ccw
	DEBIAN=s390x
	COMPILER=(gcc-s390x-linux-gnu libc6-dev-s390x-cross)
	PACKAGES=(qemu-system-misc mmdebstrap)
	;;
ppc64le)
	SRCARCH=powerpc
	CROSS=powerpc64le-linux-gnu-
	IMAGE_TARGET=vmlinux
	IMAGE=vmlinux
	# QEMU does not emulate the mitigations that it claims by default.
	# shellcheck disable=SC2054 # the commas belong to an argument of QEMU
	MACHINE=(
		qemu-system-ppc64 -cpu power9
		-M pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off
	)
	CONSOLE=hvc0
	DEBIAN=ppc64el
	COMPILER=(gcc-powerpc64le-linux-gnu libc6-dev-ppc64el-cross)
	PACKAGES=(qemu-system-ppc mmdebstrap)
	;;
arm64)
	SRCARCH=arm64
	CROSS=aarch64-linux-gnu-
	IMAGE_TARGET=Image
	IMAGE=arch/arm64/boot/Image
	MACHINE=(qemu-system-aarch64 -M "virt,gic-version=3" -cpu max)
	CONSOLE=ttyAMA0
	DEBIAN=arm64
	COMPILER=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
	PACKAGES=(qemu-system-arm mmdebstrap)
	;;
*)
	echo "there is no ARCH $KLP_ARCH: ${ARCHES[*]}" >&2
	exit 1
	;;
esac

# Debian packages of the root of a guest that does not use that of the host.
GUEST_PACKAGES=(
	base-files bash binutils coreutils dash diffutils ethtool findutils grep gzip hostname
	iproute2 kmod libc-bin libelf-dev libjson-c-dev libkmod-dev libtraceevent-dev libtracefs-dev login
	mawk mount procps psmisc python3-jsonschema sed tar util-linux
)

# Debian packages that `make build-matrix` needs besides the compilers.
MATRIX_PACKAGES=(clang-14 lld-14 llvm-14 clang-19 lld-19 llvm-19)
