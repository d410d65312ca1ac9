# init of a Linux with a device tree, after report.sh: prints facts of this system and of its device tree, checks a dump with
# /dump, and switches the machine off
mount -t tmpfs tmpfs /tmp

# prints $1=HEX of a property of /chosen, none without it
say_chosen() {
	if [ -e "/proc/device-tree/chosen/$1" ]; then
		say "$1=$(hexdump -v -e '/1 "%02x"' "/proc/device-tree/chosen/$1")"
	else
		say "$1=none"
	fi
}

say_kernel
if [ -d /sys/hypervisor/version ]; then
	cd /sys/hypervisor/version
	say "xen=$(cat major).$(cat minor)$(cat extra)"
	cd /
else
	say "xen=none"
fi
say_cpus
# the number of a hart, or the MPIDR of an ARM CPU
number=$(sed -n '/^hart[^0-9]*/{s///p;q}' /proc/cpuinfo)
arm='s/.*Booting Linux on physical CPU 0x0*([0-9a-f]+).*/\1/p'
say "boot-cpu=${number:-$(dmesg | sed -n -E "$arm")}"
say_memory
say "bootargs=$(tr -d '\0' </proc/device-tree/chosen/bootargs)"
for name in linux,initrd-start linux,initrd-end linux,elfcorehdr linux,usable-memory-range; do
	say_chosen "$name"
done
say "reserved=$(ls /proc/device-tree/reserved-memory 2>/dev/null | grep @ | tr '\n' ' ')"
say_digest digest sha256sum /payload.bin
say_digest tree sha256sum /sys/firmware/fdt
say_dump
# what a test added
if [ -e /more ]; then
	sh /more
fi
finish
