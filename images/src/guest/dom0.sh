# init of dom0, or of a Linux without Xen, after report.sh: prints facts of this system, and switches the machine off
say_kernel
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
say_cpus
say_memory
# `read` reads byte by byte, and a number in /proc/sys ends after the first read
say "loader=$(cat /proc/sys/kernel/bootloader_type)"
types=
for type in /sys/kernel/boot_params/setup_data/*/type; do
	[ -e "$type" ] && read -r line <"$type" && types="$types$line "
done
say "setup-data=$types"
if [ -d /sys/firmware/efi ]; then
	say "efi-regions=$(find /sys/firmware/efi/runtime-map -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)"
	module=/lib/modules/$(uname -r)/efivarfs.ko
	if [ -f "$module" ] && insmod "$module" && mount -t efivarfs efivarfs /sys/firmware/efi/efivars; then
		# each name is read from the firmware
		say "efi-variables=$(find /sys/firmware/efi/efivars -type f | wc -l)"
	fi
else
	say "efi-regions=none"
fi
say_digest digest sha256sum /payload.bin
# files that a first stage added
if [ -e /big ]; then
	say_digest big md5sum /big
	line=$(dmesg | grep 'RAMDISK: \[mem ')
	say "ramdisk=${line##*RAMDISK: }"
fi
finish
