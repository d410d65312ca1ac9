#!/bin/busybox sh
# init of dom0: says what this kernel sees, one "MBTOOL-DOM0 key=value" line each, and switches the machine off
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
dmesg -n 1
# a line begun by the kernel ends here
echo

say() { echo "MBTOOL-DOM0 $*"; }

say "cmdline=$(cat /proc/cmdline)"
say "linux=$(uname -r)"
if [ -d /sys/hypervisor/version ]; then
	cd /sys/hypervisor/version
	say "xen=$(cat major).$(cat minor)$(cat extra)"
	cd /
else
	say "xen=none"
fi
say "cpus=$(grep -c ^processor /proc/cpuinfo)"
say "mem=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)KiB"
say "acpi-tables=$(find /sys/firmware/acpi/tables -maxdepth 1 -type f | wc -l)"
say "digest=$(sha256sum /payload.bin | cut -d ' ' -f 1)"
say "END"
sleep 1
poweroff -f
