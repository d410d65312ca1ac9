#!/bin/busybox sh
# init of a crash kernel: says what it sees, one "MBTOOL-CRASH key=value" line each, looks at the dump as /dump does,
# and switches the machine off
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
dmesg -n 1
# a line begun by the kernel ends here
echo

say() { echo "MBTOOL-CRASH $*"; }

# runs a command; says how it ended, and what it said if it failed
try() {
	what=$1
	shift
	if "$@" >/tmp/said 2>&1; then
		say "$what=ok"
	else
		say "$what=failed rc=$?"
		tr '\r' '\n' </tmp/said | tail -n 12 | sed 's/^/MBTOOL-CRASH | /'
	fi
	# makedumpfile's own word, whatever comes of it
	if grep -q 'kernel version is not supported' /tmp/said; then
		say "new-kernel=$what"
	fi
}

say "linux=$(uname -r)"
say "cmdline=$(cat /proc/cmdline)"
say "cpus=$(grep -c ^processor /proc/cpuinfo)"
say "apicid=$(sed -n 's/^apicid[^0-9]*//p' /proc/cpuinfo | head -n 1)"
say "mem=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)KiB"
say "acpi-tables=$(find /sys/firmware/acpi/tables -maxdepth 1 -type f | wc -l)"
say "digest=$(sha256sum /payload.bin | cut -d ' ' -f 1)"
if [ -e /proc/vmcore ]; then
	say "vmcore=$(stat -c %s /proc/vmcore)"
	. /dump
else
	say "vmcore=none"
fi
say "END"
sleep 1
poweroff -f
