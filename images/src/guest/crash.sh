#!/bin/busybox sh
# init of a crash kernel: prints facts of this system as lines "MBTOOL-CRASH key=value", checks the dump with /dump, and
# switches the machine off
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
echo 1 >/proc/sys/kernel/printk
# ends an incomplete line of the kernel
echo

say() { echo "MBTOOL-CRASH $*"; }

# runs a command; prints its status, and its output if it failed
try() {
	what=$1
	shift
	if "$@" >/tmp/said 2>&1; then
		say "$what=ok"
	else
		say "$what=failed rc=$?"
		tr '\r' '\n' </tmp/said | tail -n 12 | sed 's/^/MBTOOL-CRASH | /'
	fi
	# makedumpfile's exit status is reported, not checked
	if grep -q 'kernel version is not supported' /tmp/said; then
		say "new-kernel=$what"
	fi
}

# as few processes as possible: in a paravirtualized dom0 under emulation each one takes a tenth of a second
read -r line </proc/sys/kernel/osrelease
say "linux=$line"
read -r line </proc/cmdline
say "cmdline=$line"
say "cpus=$(grep -c ^processor /proc/cpuinfo)"
say "apicid=$(sed -n '/^apicid[^0-9]*/{s///p;q}' /proc/cpuinfo)"
# the first line is MemTotal
read -r _ kib _ </proc/meminfo
say "mem=${kib}KiB"
tables=0
for table in /sys/firmware/acpi/tables/*; do
	[ -f "$table" ] && tables=$((tables + 1))
done
say "acpi-tables=$tables"
digest=$(sha256sum /payload.bin)
say "digest=${digest%% *}"
if [ -e /proc/vmcore ]; then
	say "vmcore=$(stat -c %s /proc/vmcore)"
	. /dump
else
	say "vmcore=none"
fi
say "END"
sleep 1
poweroff -f
