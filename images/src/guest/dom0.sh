#!/bin/busybox sh
# init of dom0, or of a Linux without Xen: says what this kernel sees, one "MBTOOL-DOM0 key=value" line each, and switches the machine off
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
say "loader=$(cat /proc/sys/kernel/bootloader_type)"
say "setup-data=$(cat /sys/kernel/boot_params/setup_data/*/type 2>/dev/null | tr '\n' ' ')"
if [ -d /sys/firmware/efi ]; then
	say "efi-regions=$(find /sys/firmware/efi/runtime-map -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)"
	module=/lib/modules/$(uname -r)/efivarfs.ko
	if [ -f "$module" ] && insmod "$module" && mount -t efivarfs efivarfs /sys/firmware/efi/efivars; then
		# each name is an answer of the firmware
		say "efi-variables=$(find /sys/firmware/efi/efivars -type f | wc -l)"
	fi
else
	say "efi-regions=none"
fi
say "digest=$(sha256sum /payload.bin | cut -d ' ' -f 1)"
# what a first stage added
[ -e /big ] && say "big=$(md5sum /big | cut -d ' ' -f 1)"
say "END"
sleep 1
poweroff -f
