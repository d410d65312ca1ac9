//! Messages of Xen.

use super::{KnownLine, fatal, hint};

/// Specific ones first.
pub(super) const LINES: &[KnownLine] = &[
    fatal(
        "xen-no-dom0",
        &["dom0 kernel not specified"],
        "Xen got no module; its first module is dom0's kernel",
        "load it with `--module 'VMLINUZ console=hvc0 root=...'`, and dom0's initrd as the second module",
    ),
    fatal(
        "xen-no-dom0",
        &["Missing kernel boot module"],
        "Xen got no module that is a kernel; its first module is dom0's kernel",
        "load it with `--module 'VMLINUZ console=hvc0 root=...'`, and dom0's initrd as the second module",
    ),
    fatal(
        "xen-dom0-memory",
        &["Domain 0 allocation is too small for kernel image"],
        "the memory of dom0 (dom0_mem=) does not hold its kernel and its initrd",
        "raise dom0_mem= or leave it out; as crash kernel: reserve what `mbtool crash size` computes for this image",
    ),
    fatal(
        "xen-dom0-memory",
        &["Not enough RAM for "],
        "Xen has no free memory for dom0's kernel, its initrd or its memory map",
        "a smaller initrd or a smaller dom0_mem=; as crash kernel: the region was sized for another image, reserve what \
         `mbtool crash size` computes for this one",
    ),
    fatal(
        "xen-dom0-memory",
        &["Dom0 allocation too small"],
        "the memory of dom0 (dom0_mem=) does not hold its memory map",
        "raise dom0_mem= or leave it out",
    ),
    fatal(
        "xen-memory",
        &["Not enough memory to relocate "],
        "no free RAM range below 4 GiB holds Xen or dom0's kernel",
        "compare the memory map that Xen prints with that of `mbtool plan`; as crash kernel: reserve what `mbtool crash size` \
         computes",
    ),
    fatal(
        "xen-no-memory-map",
        &["Bootloader provided no memory information"],
        "the boot information has no memory map",
        "load with mbtool, which always sends one; with another loader, see its own memory map",
    ),
    fatal(
        "xen-module-alignment",
        &["Bootloader didn't honor module alignment request"],
        "a module does not start at a page",
        "load with mbtool, which aligns modules as the image's header requests",
    ),
    fatal(
        "xen-dom0-no-elf",
        &["not an ELF binary"],
        "Xen's first module is no kernel that it can read: an initrd, a Linux image with a compression that this Xen cannot \
         unpack, or no bzImage at all",
        "give dom0's kernel as the first --module and its initrd as the second; `mbtool inspect FILE` shows what a file is",
    ),
    fatal(
        "xen-dom0-no-xen",
        &["Not a Xen-ELF image"],
        "dom0's kernel was built without support for Xen",
        "take a kernel with CONFIG_XEN_PV and CONFIG_XEN_DOM0; `mbtool inspect FILE` shows whether it can be a dom0",
    ),
    fatal(
        "xen-dom0-no-xen",
        &["Kernel does not support Dom0 operation"],
        "the kernel can be a guest of Xen, but not its dom0",
        "take a kernel with CONFIG_XEN_DOM0; `mbtool inspect FILE` shows whether it can be a dom0",
    ),
    fatal(
        "xen-dom0-no-xen",
        &["will only load images built for"],
        "dom0's kernel was built for another version of Xen's interface",
        "take a kernel with CONFIG_XEN_PV and CONFIG_XEN_DOM0",
    ),
    fatal(
        "xen-dom0-kind",
        &["Cannot construct Dom0. No guest interface available"],
        "dom0's kernel has no entry of the kind that was asked for (dom0=pv or dom0=pvh)",
        "leave dom0= out, or take a kernel with that entry: `mbtool inspect FILE` shows them",
    ),
    fatal(
        "xen-dom0-built",
        &["Could not construct d"],
        "Xen could not build dom0; the reason is in the lines before",
        "see the lines of Xen before this one; loglvl=all on Xen's command line prints more of them",
    ),
    fatal(
        "xen-dom0-built",
        &["Could not set up DOM0 guest OS"],
        "Xen could not build dom0; the reason is in the lines before",
        "see the lines of Xen before this one; loglvl=all on Xen's command line prints more of them",
    ),
    fatal(
        "xen-io-apic-timer",
        &["IO-APIC + timer doesn't work"],
        "no timer interrupt arrives through the I/O APIC: the previous kernel left the timer or the interrupt controllers in \
         another state, ACPI's tables are wrong, or an emulated machine is too busy",
        "apic_verbosity=debug shows the attempts; try clocksource=pit or hpet=no-legacy; in QEMU without KVM: more CPU time",
    ),
    fatal(
        "xen-iommu",
        &["IOMMU requests xAPIC mode, but x2APIC already enabled"],
        "the previous kernel left the APICs in x2APIC mode, and this Xen's IOMMU wants the older mode",
        "boot the previous kernel with nox2apic, or Xen with iommu=intremap",
    ),
    fatal(
        "xen-iommu",
        &["Couldn't enable ", "iommu=required/force"],
        "the IOMMU is required on Xen's command line and could not be enabled",
        "leave iommu=required or iommu=force out, and see the lines of the IOMMU (VT-d, AMD-Vi) before this one",
    ),
    fatal(
        "xen-iommu",
        &["IOMMU setup failed"],
        "Xen could not set up the IOMMU",
        "try iommu=off on Xen's command line; the previous kernel may have left it enabled (intel_iommu=off there)",
    ),
    fatal(
        "xen-iommu",
        &["DMAR hardware malfunction"],
        "an IOMMU does not answer",
        "try iommu=off on Xen's command line; the previous kernel may have left it enabled (intel_iommu=off there)",
    ),
    fatal(
        "xen-bug",
        &["Xen BUG at "],
        "an internal check of Xen failed at this line of its source",
        "see the dump, and the source at that line; with --symbols its functions and lines are named",
    ),
    fatal(
        "xen-assertion",
        &["Assertion '", "failed at "],
        "an assertion in Xen's source failed",
        "see the dump, and the source at that line; with --symbols its functions and lines are named",
    ),
    fatal(
        "xen-trap",
        &["FATAL TRAP: "],
        "Xen met an exception that it does not handle, and stopped",
        "see the dump: vector, registers and calls",
    ),
    fatal(
        "xen-trap",
        &["FATAL PAGE FAULT"],
        "Xen used an address that is not mapped, and stopped",
        "see the dump: the address (cr2), registers and calls",
    ),
    fatal(
        "xen-trap",
        &["GENERAL PROTECTION FAULT"],
        "Xen met a general protection fault, and stopped",
        "see the dump: vector, registers and calls",
    ),
    fatal(
        "xen-trap",
        &["DOUBLE FAULT -- system shutdown"],
        "a second exception while Xen handled the first one, mostly a stack that overflowed",
        "see the dump: rsp, and the calls",
    ),
    fatal(
        "xen-trap",
        &["CONTROL-FLOW PROTECTION FAULT"],
        "a return or an indirect jump in Xen broke the rules of CET",
        "see the dump; cet=0 on Xen's command line switches it off",
    ),
    fatal(
        "xen-trap",
        &["Early fatal page fault"],
        "Xen used an address that is not mapped before it had all of its page tables",
        "see the dump: the address (cr2) and rip; compare the memory map that Xen prints with that of `mbtool plan`",
    ),
    fatal(
        "xen-watchdog",
        &["Watchdog timer detects that CPU", "is stuck"],
        "a CPU did not run Xen's timer for the time of its watchdog",
        "see the dump of that CPU: the calls show what it waits for",
    ),
    fatal(
        "xen-machine-check",
        &["FATAL MACHINE CHECK"],
        "the hardware reported an error",
        "see the machine's event log (BMC) for the part to replace",
    ),
    fatal(
        "xen-machine-check",
        &["Fatal machine check"],
        "the hardware reported an error",
        "see the machine's event log (BMC) for the part to replace",
    ),
    fatal(
        "xen-nmi",
        &["NMI - MEMORY ERROR"],
        "the hardware reports a memory error by NMI",
        "see the machine's event log (BMC) for the part to replace",
    ),
    fatal(
        "xen-nmi",
        &["NMI - I/O ERROR"],
        "a device reports an error on its bus by NMI",
        "see the machine's event log (BMC); a device that the previous kernel used may still be active",
    ),
    fatal(
        "xen-timer",
        &["Unable to find usable platform timer"],
        "Xen found none of HPET, ACPI's timer and PIT",
        "was ACPI found? Xen prints `ACPI: RSDP`; on a UEFI machine it is found through the boot information of mbtool only",
    ),
    fatal(
        "xen-clock",
        &["No usable wallclock found"],
        "Xen found no clock with the date: no CMOS clock, and EFI's runtime services are not there after a kexec",
        "try cmos-rtc-probe on Xen's command line",
    ),
    fatal(
        "xen-cpu",
        &["stuck while starting up"],
        "a CPU did not come out of its start code",
        "nosmp on Xen's command line boots with one CPU; another CPU may still run the previous kernel's code",
    ),
    fatal(
        "xen-cpu",
        &["AP trampoline ", "not suitably positioned"],
        "the memory below 1 MiB has no place for the start code of the other CPUs",
        "let mbtool prepare low memory (`mbtool plan` shows `xen_low_memory`); do not pass --drill no-low-memory-fix",
    ),
    hint(
        "xen-cpu-failed",
        &["Failed to bring up CPU"],
        "a CPU did not start; Xen goes on without it",
        "see the lines before; another CPU may still run the previous kernel's code",
    ),
    fatal(
        "xen-cpu-security",
        &["Xen will not boot on this CPU for security reasons"],
        "this CPU has a known defect that Xen does not work around",
        "allow_unsafe on Xen's command line boots it nevertheless",
    ),
    fatal(
        "xen-no-acpi",
        &["A valid RSDP was not found"],
        "Xen found no ACPI tables: it looks for them below 1 MiB, in the EBDA and the BIOS area, and a UEFI machine has none \
         there, or the EBDA's address (word 0x40e) is wrong",
        "let mbtool make them (`mbtool plan` shows `xen_low_memory` and `fixups`); do not pass --drill no-low-memory-fix",
    ),
    fatal(
        "xen-boot-error",
        &["ERR: Not a Multiboot bootloader"],
        "Xen's start code did not get Multiboot's magic number",
        "start it as Multiboot or Multiboot2 image; a loader that enters it as ELF or Linux image does not work",
    ),
    fatal(
        "xen-boot-error",
        &["ERR: Bootloader shutdown EFI x64 boot services"],
        "Xen was entered by its EFI entry after EFI's boot services had ended",
        "enter it as Multiboot2 image in 32-bit mode, as mbtool does",
    ),
    fatal(
        "xen-boot-error",
        &["ERR: Xen must be loaded at a 2Mb boundary"],
        "Xen's address is no multiple of 2 MiB",
        "load it with mbtool, which places it as Xen needs it",
    ),
    fatal(
        "xen-boot-error",
        &["ERR: Not a 64-bit CPU"],
        "this CPU or emulated CPU model has no 64-bit mode",
        "take another CPU model",
    ),
    fatal(
        "xen-boot-error",
        &["ERR: Not an NX-capable CPU"],
        "this CPU has no NX, or the firmware disabled it",
        "enable it in the firmware's setup (execute disable)",
    ),
    fatal(
        "dom0-crashed",
        &["Hardware Dom", " crashed"],
        "dom0's kernel panicked, or Xen stopped it",
        "see the lines of dom0 before this one; console=hvc0 on dom0's command line (with earlyprintk=xen for the first \
         lines) shows them",
    ),
    fatal(
        "dom0-crashed",
        &["Domain 0 crashed"],
        "dom0's kernel panicked, or Xen stopped it",
        "see the lines of dom0 before this one; console=hvc0 on dom0's command line (with earlyprintk=xen for the first \
         lines) shows them",
    ),
    hint(
        "xen-domain-crash",
        &["domain_crash called from"],
        "Xen stopped a guest because of something that it must not do; the dump behind it is the guest's",
        "see the dump; without a symbol file for the guest only addresses are shown",
    ),
    hint(
        "xen-unknown-nmi",
        &["NMI received for unknown reason"],
        "a non-maskable interrupt that no device claims: a watchdog, a button, an `nmi` command of a BMC or of QEMU",
        "see the machine's event log (BMC), and whether a watchdog of the previous kernel still runs; Xen's nmi= tells whether \
         it stops",
    ),
    hint(
        "xen-no-crash-region",
        &["Kdump: DISABLED"],
        "Xen could not reserve the crash region, so no crash image can be loaded",
        "see the address and the size in crashkernel= and the memory map; `mbtool crash size` prints a value that fits",
    ),
];
