#!/bin/busybox sh
# init of dom0, or of a Linux without Xen: prints facts of this system as lines "MBTOOL-DOM0 key=value", and switches
# the machine off. Uses as few processes as possible: in a paravirtualized dom0 under emulation each one takes a
# tenth of a second.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
echo 1 >/proc/sys/kernel/printk
# ends an incomplete line of the kernel
echo

say() { echo "MBTOOL-DOM0 $*"; }

# prints $1 and the first line of file $2
say_file() {
	read -r line <"$2"
	say "$1$line"
}

say_file cmdline= /proc/cmdline
say_file linux= /proc/sys/kernel/osrelease
release=$line
if [ -d /sys/hypervisor/version ]; then
	cd /sys/hypervisor/version
	read -r major <major
	read -r minor <minor
	read -r extra <extra
	say "xen=$major.$minor$extra"
	cd /
else
	say "xen=none"
fi
say "cpus=$(grep -c ^processor /proc/cpuinfo)"
# the first line is MemTotal
read -r _ kib _ </proc/meminfo
say "mem=${kib}KiB"
tables=0
for table in /sys/firmware/acpi/tables/*; do
	[ -f "$table" ] && tables=$((tables + 1))
done
say "acpi-tables=$tables"
# `read` reads byte by byte, and a number in /proc/sys ends after the first read
say "loader=$(cat /proc/sys/kernel/bootloader_type)"
types=
for type in /sys/kernel/boot_params/setup_data/*/type; do
	[ -e "$type" ] && read -r line <"$type" && types="$types$line "
done
say "setup-data=$types"
if [ -d /sys/firmware/efi ]; then
	say "efi-regions=$(find /sys/firmware/efi/runtime-map -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)"
	module=/lib/modules/$release/efivarfs.ko
	if [ -f "$module" ] && insmod "$module" && mount -t efivarfs efivarfs /sys/firmware/efi/efivars; then
		# each name is read from the firmware
		say "efi-variables=$(find /sys/firmware/efi/efivars -type f | wc -l)"
	fi
else
	say "efi-regions=none"
fi
digest=$(sha256sum /payload.bin)
say "digest=${digest%% *}"
# files that a first stage added
[ -e /big ] && digest=$(md5sum /big) && say "big=${digest%% *}"
say "END"
sleep 1
poweroff -f
