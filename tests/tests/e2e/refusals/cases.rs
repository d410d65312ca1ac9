//! Commands that are refused, and the reasons.

/// A command that must be refused, and texts in its message.
pub struct Case {
    /// Unique name, for the log.
    pub name: &'static str,
    /// Shell command.
    pub command: &'static str,
    /// Texts in standard error.
    pub prints: &'static [&'static str],
}

/// Creates a case.
pub const fn case(
    name: &'static str,
    command: &'static str,
    prints: &'static [&'static str],
) -> Case {
    Case {
        name,
        command,
        prints,
    }
}

/// Refused with exit code 1, with an image loaded.
pub const REFUSED: &[Case] = &[
    case(
        "bzimage",
        "mbtool load --type multiboot2 vmlinuz",
        &["vmlinuz: not a Multiboot2 image", "it is a Linux bzImage"],
    ),
    case(
        "linux_module",
        "mbtool load vmlinuz -m text",
        &[
            "--module text",
            "vmlinuz is Linux, which takes no modules",
            "--initrd",
        ],
    ),
    case(
        "linux_cut",
        "mbtool load cut-linux",
        &["cut-linux: has 0x", "the file is cut short"],
    ),
    case(
        "linux_long",
        "mbtool load vmlinuz --cmdline \"$(printf %02048d 0)\"",
        &["the command line has 2048 bytes, this kernel accepts 2047"],
    ),
    case(
        "linux_drill",
        "mbtool load vmlinuz --console com1 --drill fault-protected",
        &["--drill fault-protected", "in long mode", "fault-long"],
    ),
    case(
        "linux_real_mode",
        "mbtool load vmlinuz --real-mode",
        &["--real-mode: vmlinuz is not Xen"],
    ),
    case(
        "xen_reuse",
        "mbtool load xen.gz --reuse-cmdline -m vmlinuz",
        &["no Xen runs here", "--cmdline"],
    ),
    case(
        "too_little_memory",
        "sh -c 'truncate -s 3G sparse; mbtool load fixed --module-raw sparse --module-raw sparse'",
        &["the load takes 6", "are available (MemAvailable"],
    ),
    case(
        "not_linux",
        "mbtool load --type linux text",
        &[
            "text: not a Linux image: it is a text file",
            "give a kernel",
        ],
    ),
    case("empty", "mbtool load empty", &["empty: is empty"]),
    case(
        "text",
        "mbtool load text",
        &[
            "text: cannot be started: it is a text file",
            "give a kernel",
        ],
    ),
    case(
        "truncated",
        "mbtool load cut.gz",
        &["cut.gz: truncated gzip data", "ends after 400000 bytes"],
    ),
    case("absent", "mbtool load absent", &["absent: no such file"]),
    case("directory", "mbtool load .", &["is a directory"]),
    case(
        "unknown_tag",
        "mbtool load unknown-tag",
        &["unknown-tag: header tag 30583 at offset 0x", "is required"],
    ),
    case(
        "efi_map",
        "mbtool load wants-efi-map",
        &["information tag 17", "EFI"],
    ),
    case(
        "many_segments",
        "mbtool load 17-segments",
        &[
            "the kernel accepts at most 16",
            "mbi",
            "handoff",
            "17-segments",
        ],
    ),
    case(
        "not_ram",
        "mbtool load in-rom",
        &["in-rom must be at 0xf0000-0xf1000", "RAM is 0x"],
    ),
    case(
        "no_free_range",
        "mbtool load --mem-min 64M --mem-max 65M -m big fixed",
        &[
            "no memory for module 0: big: 0x200000 bytes",
            "within 0x4000000-0x4100000",
            "the largest free range there is",
            "RAM is 0x",
            "lower --mem-min",
        ],
    ),
    case(
        "above_4_gib",
        "mbtool load --mem-min 4G -m big fixed",
        &[
            "module 0: big: it can only be within 0x0-",
            "but --mem-min 0x100000000 excludes that",
            "give a --mem-min of at most 0x",
        ],
    ),
    case(
        "no_module",
        "mbtool load -m absent fixed",
        &["module", "absent: no such file"],
    ),
    case(
        "empty_module",
        "mbtool load -m empty fixed",
        &["module", "empty: is empty"],
    ),
    case(
        "xen_alone",
        "mbtool load xen.gz",
        &["xen needs a dom0 kernel as first module"],
    ),
    case(
        "xen_no_kernel",
        "mbtool load xen.gz -m text",
        &["module 0 (text) is not a dom0 kernel"],
    ),
    case(
        "no_segment",
        "mbtool load --drill corrupt=nobody fixed",
        &["no loaded segment has that name; there are: handoff, mbi, fixed"],
    ),
    case(
        "silent_drill",
        "mbtool load --drill fault-long --console none fixed",
        &["--console"],
    ),
    case(
        "unseen_drill",
        "mbtool load --drill corrupt=mbi --verify none fixed",
        &["--verify crc32"],
    ),
    case(
        "crash",
        "mbtool load -p fixed",
        &[
            "no memory is reserved for a crash image; add crashkernel=",
            "M (or more) to the kernel's command line and reboot",
        ],
    ),
    case(
        "orderly",
        "mbtool exec",
        &["no orderly shutdown is possible", "--force"],
    ),
    case(
        "not_root",
        "su nobody -s /bin/sh -c 'mbtool load /files/fixed'",
        &["CAP_SYS_BOOT", "run mbtool as root"],
    ),
    case(
        "not_root_exec",
        "su nobody -s /bin/sh -c 'mbtool exec -f'",
        &["run mbtool as root"],
    ),
    case(
        "not_root_unload",
        "su nobody -s /bin/sh -c 'mbtool unload'",
        &["run mbtool as root"],
    ),
];

/// Wrong usage: exit code 2.
pub const USAGE: &[Case] = &[
    case("nothing", "mbtool", &["Usage: mbtool"]),
    case(
        "no_verb",
        "mbtool frobnicate",
        &["unrecognized subcommand 'frobnicate'"],
    ),
    case("no_image", "mbtool load", &["<IMAGE>"]),
    case(
        "bad_console",
        "mbtool load --console com9 fixed",
        &["com9", "pio:PORT"],
    ),
    case("bad_address", "mbtool load --mem-min 12q fixed", &["12q"]),
    case(
        "bad_drill",
        "mbtool load --drill all fixed",
        &["fault-long", "corrupt=SEGMENT"],
    ),
    case(
        "bad_module",
        "mbtool load -m '' fixed",
        &["a module needs a file name"],
    ),
    case(
        "bad_backend",
        "mbtool load --backend grub fixed",
        &["auto, linux, xen or dir:PATH"],
    ),
];

/// Refused with exit code 1 when loading is disabled.
pub const DISABLED: &[Case] = &[
    case(
        "disabled_load",
        "mbtool load fixed",
        &["kernel.kexec_load_disabled is 1", "reboot"],
    ),
    case(
        "disabled_unload",
        "mbtool unload",
        &["kernel.kexec_load_disabled is 1"],
    ),
];
