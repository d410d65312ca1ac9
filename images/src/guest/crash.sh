# init of a crash kernel, after report.sh: prints facts of this system, checks the dump with /dump, and switches the
# machine off
mount -t tmpfs tmpfs /tmp

say_kernel
say_cpus
say "apicid=$(sed -n '/^apicid[^0-9]*/{s///p;q}' /proc/cpuinfo)"
say_memory
say_digest digest sha256sum /payload.bin
say_dump
finish
