# init of a crash kernel, after report.sh: prints facts of this system, checks the dump with /dump, and switches the
# machine off
mount -t tmpfs tmpfs /tmp

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

say_kernel
say_cpus
say "apicid=$(sed -n '/^apicid[^0-9]*/{s///p;q}' /proc/cpuinfo)"
say_memory
say_digest digest sha256sum /payload.bin
say_dump
finish
