//! Messages of Linux, and of the programs in its initrd.

use super::{KnownLine, fatal, hint};

const NO_ROOT: &str = "no root file system: root= is missing or names nothing that is there, there is no initrd, or the driver \
     of the disk is neither in the kernel nor in the initrd";
const GIVE_ROOT: &str = "give root= and the initrd as the running kernel has them: `mbtool load IMAGE --reuse-cmdline --initrd \
     FILE`; the initrd must be of this kernel's version";
const NO_MEMORY: &str = "the memory is too small for this kernel and its initrd";
const MORE_MEMORY: &str = "as crash kernel: reserve what `mbtool crash size IMAGE --initrd FILE` computes; a smaller initrd and \
     nr_cpus=1 need less";
const HARDWARE: &str = "the hardware reported an error";
const EVENT_LOG: &str = "see the machine's event log (BMC) for the part to replace";
const GAVE_UP: &str = "the initrd could not go on, and started a shell";
const GAVE_UP_ADVICE: &str =
    "see the lines before; root= and the drivers in the initrd are the usual causes";

/// Specific ones first.
pub(super) const LINES: &[KnownLine] = &[
    fatal(
        "linux-e820-conflict",
        &["Xen hypervisor allocated ", "conflicts with E820 map"],
        "Xen put dom0's kernel, page tables or initrd to addresses that the machine's memory map reserves, and this dom0 \
         kernel cannot move them",
        "take a newer dom0 kernel (6.13 and later move more of it), a smaller initrd, or another memory map: `mbtool plan` \
         shows it; as crash kernel: load with mbtool, which copies what is in the way",
    ),
    fatal(
        "linux-no-root",
        &["VFS: Unable to mount root fs"],
        NO_ROOT,
        GIVE_ROOT,
    ),
    hint(
        "linux-no-root",
        &["VFS: Cannot open root device"],
        NO_ROOT,
        GIVE_ROOT,
    ),
    fatal(
        "linux-no-root",
        &["Gave up waiting for root"],
        NO_ROOT,
        GIVE_ROOT,
    )
    .of_program(),
    fatal(
        "linux-no-root",
        &["ALERT!", "does not exist"],
        NO_ROOT,
        GIVE_ROOT,
    )
    .of_program(),
    hint(
        "linux-no-root",
        &["dracut-initqueue timeout"],
        NO_ROOT,
        GIVE_ROOT,
    )
    .of_program(),
    fatal(
        "linux-no-root",
        &["dracut", "Could not boot"],
        NO_ROOT,
        GIVE_ROOT,
    )
    .of_program(),
    fatal(
        "linux-no-init",
        &["No working init found"],
        "the root file system is there, but has no program that Linux can run as init",
        "see init= and root=; an initrd of another architecture, or one without /init, has the same effect",
    ),
    fatal(
        "linux-no-init",
        &["No init found"],
        "the root file system is there, but has no program that Linux can run as init",
        "see init= and root=",
    )
    .of_program(),
    fatal(
        "linux-no-init",
        &["Requested init ", "failed (error"],
        "the program of init= cannot be run",
        "see init= on the command line: -2 is a file that is not there, -8 one that is no program, -13 one that is not \
         executable",
    ),
    hint(
        "linux-no-init",
        &["Failed to execute /", "(error"],
        "init cannot be run: -2 is a file (or its interpreter or library loader) that is not there, -8 one that is no \
         program",
        "see the initrd: `mbtool inspect FILE` names it; rdinit= names another program",
    ),
    fatal(
        "linux-init-died",
        &["Attempted to kill init!"],
        "init ended. exitcode has a signal in its low 7 bits (0x0b: SIGSEGV, 0x04: SIGILL), or the status in the byte above \
         (0x00000100: status 1)",
        "see what init printed before; a script of the initrd that ends has the same effect",
    ),
    hint(
        "linux-initrd",
        &["Initramfs unpacking failed"],
        "the initrd is damaged, cut, or of a compression that this kernel does not have",
        "`mbtool inspect FILE` shows its format; the handoff's line `verify initrd` tells whether it was intact at the jump",
    ),
    hint(
        "linux-initrd",
        &["rootfs image is not initramfs"],
        "the initrd is no cpio archive that this kernel can unpack; Linux takes it as an image of a disk",
        "`mbtool inspect FILE` shows its format",
    ),
    fatal(
        "linux-memory",
        &["System is deadlocked on memory"],
        NO_MEMORY,
        MORE_MEMORY,
    ),
    fatal(
        "linux-memory",
        &["Out of memory and no killable processes"],
        NO_MEMORY,
        MORE_MEMORY,
    ),
    fatal(
        "linux-memory",
        &["compulsory panic_on_oom"],
        NO_MEMORY,
        MORE_MEMORY,
    ),
    hint(
        "linux-memory",
        &["Out of memory: Kill"],
        NO_MEMORY,
        MORE_MEMORY,
    ),
    fatal(
        "linux-memory",
        &["Failed to allocate ", "bytes align="],
        NO_MEMORY,
        MORE_MEMORY,
    ),
    fatal(
        "linux-memory",
        &["Out of memory while allocating output buffer"],
        NO_MEMORY,
        MORE_MEMORY,
    ),
    fatal(
        "linux-swiotlb",
        &["Can not allocate SWIOTLB buffer"],
        "no memory below 4 GiB for the buffer that devices with 32-bit addresses need",
        "as crash kernel: a region below 4 GiB (crashkernel=SIZE, or also crashkernel=SIZE,low); swiotlb=noforce if no \
         device needs it",
    ),
    hint(
        "linux-swiotlb",
        &["software IO TLB: ", "annot allocate buffer"],
        "no memory below 4 GiB for the buffer that devices with 32-bit addresses need",
        "as crash kernel: a region below 4 GiB (crashkernel=SIZE, or also crashkernel=SIZE,low)",
    ),
    hint(
        "linux-swiotlb",
        &["swiotlb buffer is full"],
        "the buffer that devices with 32-bit addresses need is too small",
        "a larger swiotlb=, or a region below 4 GiB (crashkernel=SIZE,low)",
    ),
    fatal(
        "linux-io-apic-timer",
        &["IO-APIC + timer doesn't work"],
        "no timer interrupt arrives through the I/O APIC: the previous kernel left the timer or the interrupt controllers in \
         another state, ACPI's tables were not found, or an emulated machine is too busy",
        "see whether Linux prints `ACPI: RSDP`; apic=debug shows the attempts; in QEMU without KVM: no_timer_check",
    ),
    fatal(
        "linux-sysrq",
        &["sysrq triggered crash"],
        "this panic was asked for: `c` in /proc/sysrq-trigger, or the key",
        "nothing is wrong; with a crash image loaded (`mbtool status`) the handoff's lines follow",
    ),
    fatal(
        "linux-exception",
        &["not syncing: Fatal exception"],
        "an exception in the kernel; panic_on_oops is set, or it was in an interrupt",
        "see the dump: vector, registers and calls",
    ),
    fatal(
        "linux-exception",
        &["PANIC: early exception"],
        "an exception before Linux had its own handlers",
        "see the dump; compare the memory map that Linux prints with that of `mbtool plan`",
    ),
    fatal(
        "linux-idle-died",
        &["Attempted to kill the idle task"],
        "an exception in the kernel, in the task that boots it",
        "see the dump: vector, registers and calls",
    ),
    fatal(
        "linux-stack",
        &["stack-protector: Kernel stack is corrupted"],
        "a function wrote behind its local variables",
        "see the function that is named; a device of the previous kernel that still writes into memory (DMA) has the same \
         effect",
    ),
    fatal(
        "linux-stack",
        &["corrupted stack end detected"],
        "a kernel stack overflowed",
        "see the calls of the dump",
    ),
    fatal(
        "linux-nmi",
        &["not syncing: NMI"],
        "a non-maskable interrupt, and the kernel is set to stop at it",
        "see the machine's event log (BMC), and whether a watchdog of the previous kernel still runs",
    ),
    hint(
        "linux-unknown-nmi",
        &["NMI received for unknown reason"],
        "a non-maskable interrupt that no device claims: a watchdog, a button, an `nmi` command of a BMC or of QEMU",
        "see the machine's event log (BMC), and whether a watchdog of the previous kernel still runs",
    ),
    fatal(
        "linux-machine-check",
        &["Fatal machine check"],
        HARDWARE,
        EVENT_LOG,
    ),
    fatal(
        "linux-machine-check",
        &["Fatal local machine check"],
        HARDWARE,
        EVENT_LOG,
    ),
    fatal(
        "linux-machine-check",
        &["Machine check from unknown source"],
        HARDWARE,
        EVENT_LOG,
    ),
    fatal(
        "linux-machine-check",
        &["Timeout: Not all CPUs entered broadcast exception handler"],
        HARDWARE,
        EVENT_LOG,
    ),
    fatal(
        "linux-lockup",
        &["not syncing: softlockup"],
        "a CPU did not schedule for 20 seconds and more",
        "see the calls of the dump; in an emulated or overcommitted machine that can be lack of CPU time",
    ),
    fatal(
        "linux-lockup",
        &["not syncing: Hard LOCKUP"],
        "a CPU handled no interrupt for 10 seconds and more",
        "see the calls of the dump: what does it wait for with interrupts off?",
    ),
    hint(
        "linux-lockup",
        &["BUG: soft lockup"],
        "a CPU did not schedule for 20 seconds and more",
        "see the calls of the dump; in an emulated or overcommitted machine that can be lack of CPU time",
    ),
    hint(
        "linux-lockup",
        &["self-detected stall on CPU"],
        "a CPU did not come to rest for a long time",
        "see the calls of the dump; in an emulated or overcommitted machine that can be lack of CPU time",
    ),
    hint(
        "linux-hung-task",
        &["INFO: task ", "blocked for more than"],
        "a process waits for a device or a lock for a long time",
        "see its calls: a driver that waits for a device which the previous kernel left active needs a reset of it",
    ),
    fatal(
        "linux-hung-task",
        &["hung_task: blocked tasks"],
        "a process waited for a device or a lock for too long",
        "see its calls",
    ),
    fatal(
        "linux-unpack",
        &["-- System halted"],
        "Linux's start code could not unpack the kernel; the reason is in the line before",
        "the handoff's line `verify` tells whether the image was intact at the jump; is the memory behind it RAM in `mbtool \
         plan`?",
    ),
    fatal(
        "linux-cpu",
        &["This kernel requires", "CPU"],
        "the kernel needs a CPU, or a feature of it, that is not there",
        "take another kernel, or another CPU model in an emulated machine",
    ),
    fatal(
        "linux-emergency",
        &["ou are in emergency mode"],
        "systemd could not mount what /etc/fstab or the command line names, and started a shell",
        "`journalctl -xb` there shows the unit that failed; see root= and the drivers in the initrd",
    )
    .of_program(),
    fatal(
        "linux-emergency",
        &["ntering emergency mode"],
        GAVE_UP,
        GAVE_UP_ADVICE,
    )
    .of_program(),
    fatal(
        "linux-emergency",
        &["ropping to ", "shell"],
        GAVE_UP,
        GAVE_UP_ADVICE,
    )
    .of_program(),
    fatal(
        "linux-emergency",
        &["dropped into an emergency shell"],
        GAVE_UP,
        GAVE_UP_ADVICE,
    )
    .of_program(),
    fatal(
        "linux-emergency",
        &["emergency recovery shell launched"],
        GAVE_UP,
        GAVE_UP_ADVICE,
    )
    .of_program(),
    fatal(
        "linux-emergency",
        &["dracut: FATAL: "],
        GAVE_UP,
        GAVE_UP_ADVICE,
    )
    .of_program(),
    fatal(
        "linux-emergency",
        &["(initramfs)"],
        GAVE_UP,
        GAVE_UP_ADVICE,
    )
    .prompt(),
    hint(
        "linux-dma",
        &["DMAR: DRHD: handling fault status"],
        "a device reads or writes memory that it must not: it still works for the previous kernel",
        "unload its driver before the jump, or reset_devices on the command line",
    ),
    hint(
        "linux-irq",
        &["nobody cared (try booting with the"],
        "a device raises interrupts that no driver takes: it still works for the previous kernel",
        "irqpoll and reset_devices on the command line; or unload its driver before the jump",
    ),
    hint(
        "linux-console",
        &["Warning: unable to open an initial console"],
        "the initrd or the root file system has no /dev/console: what init prints is lost",
        "an initrd needs the device file /dev/console, or a kernel that mounts devtmpfs",
    ),
    hint(
        "linux-no-acpi",
        &["A valid RSDP was not found"],
        "Linux found no ACPI tables",
        "on a UEFI machine they are found through the boot parameters: load with mbtool, or give acpi_rsdp=ADDR",
    ),
    hint(
        "linux-no-crash-region",
        &["crashkernel reservation failed"],
        "the kernel could not reserve the crash region, so no crash image can be loaded",
        "`mbtool crash size` prints a value that fits",
    ),
    hint(
        "linux-no-vmcore",
        &["Kdump: vmcore not initialized"],
        "the crash kernel got no valid ELF core header: there is no /proc/vmcore",
        "see elfcorehdr= on its command line, and the handoff's line `verify elfcorehdr`",
    ),
];
