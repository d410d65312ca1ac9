# first part of the init of a guest that reports its state: mounts, and functions that print lines "PREFIX key=value".
# Uses as few processes as possible: in a paravirtualized dom0 under emulation each one takes a tenth of a second.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
echo 1 >/proc/sys/kernel/printk
# ends an incomplete line of the kernel
echo

say() { echo "$PREFIX $*"; }

# prints $1 and the first line of file $2
say_file() {
	read -r line <"$2"
	say "$1$line"
}

say_kernel() {
	say_file linux= /proc/sys/kernel/osrelease
	say_file cmdline= /proc/cmdline
}

say_cpus() { say "cpus=$(grep -c ^processor /proc/cpuinfo)"; }

# memory, and the number of ACPI tables
say_memory() {
	# the first line is MemTotal
	read -r _ kib _ </proc/meminfo
	say "mem=${kib}KiB"
	tables=0
	for table in /sys/firmware/acpi/tables/*; do
		[ -f "$table" ] && tables=$((tables + 1))
	done
	say "acpi-tables=$tables"
}

# prints $1=DIGEST for the output of the command that follows
say_digest() {
	key=$1
	shift
	digest=$("$@")
	say "$key=${digest%% *}"
}

# runs a command; prints its status, and its output if it failed
try() {
	what=$1
	shift
	if "$@" >/tmp/said 2>&1; then
		say "$what=ok"
	else
		say "$what=failed rc=$?"
		tr '\r' '\n' </tmp/said | tail -n 12 | sed "s/^/$PREFIX | /"
	fi
	# makedumpfile's exit status is reported, not checked
	if grep -q 'kernel version is not supported' /tmp/said; then
		say "new-kernel=$what"
	fi
}

# reads the dump with makedumpfile: the log of the crashed kernel, and its memory without free pages. That is counted, not
# kept: its size is not the same in each run, and may exceed the free space
filtered() (
	set -o pipefail
	makedumpfile -F -d 31 -l /proc/vmcore | wc -c >/tmp/dump-size
)
say_makedumpfile() {
	try dmesg makedumpfile --dump-dmesg /proc/vmcore /tmp/dmesg
	say "panic=$(grep -m 1 -o 'Kernel panic - not syncing.*' /tmp/dmesg)"
	try dump filtered
	say "dump-size=$(cat /tmp/dump-size)"
}

# reads the log of the crashed kernel in the dump with vmcore-dmesg
say_vmcore_dmesg() {
	if vmcore-dmesg /proc/vmcore >/tmp/dmesg 2>/tmp/said; then
		say "dmesg=ok"
	else
		say "dmesg=failed rc=$? $(tail -n 1 /tmp/said)"
	fi
	say "panic=$(grep -m 1 -o 'Kernel panic - not syncing.*' /tmp/dmesg)"
}

# checks a dump with /dump, if there is one
say_dump() {
	if [ -e /proc/vmcore ]; then
		say "vmcore=$(stat -c %s /proc/vmcore)"
		. /dump
	else
		say "vmcore=none"
	fi
}

# ends the report, and switches the machine off
finish() {
	say "END"
	sleep 1
	poweroff -f
}
