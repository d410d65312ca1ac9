//! Ranges of machine memory, by their names in public/kexec.h.

/// A range of machine memory that Xen reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KexecRange {
    /// The crash area: `crashkernel=` of Xen's command line.
    Crash,
    /// Xen's image.
    Xen,
    /// ELF notes of a physical CPU, by its number. Written by a crash.
    Cpu(u32),
    /// The ELF note VMCOREINFO_XEN. Empty until an image has been loaded.
    Vmcoreinfo,
}

impl KexecRange {
    /// Xen's numbers: of the range, and of the CPU.
    #[must_use]
    pub const fn numbers(self) -> (u32, u32) {
        match self {
            Self::Crash => (0, 0),
            Self::Xen => (1, 0),
            Self::Cpu(cpu) => (2, cpu),
            Self::Vmcoreinfo => (6, 0),
        }
    }
}
