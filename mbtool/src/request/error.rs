//! Options that cannot be used together, or not with this image.

use xen_shim::fix::{Fix, Remedy, tail};

/// Error of an option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// `--reuse-cmdline` for Xen on a machine without Xen.
    #[error(
        "--reuse-cmdline: no Xen runs here, and Linux's command line is not for Xen{}",
        tail(self.fix())
    )]
    NoXenLine,
    /// Xen does not tell its command line.
    #[error("--reuse-cmdline: the running Xen does not tell its command line{}", tail(self.fix()))]
    XenLineUnknown,
    /// Only the start of a command line is known.
    #[error(
        "--reuse-cmdline: the command line of the running {from} has {len} bytes, and may be cut off there{}",
        tail(self.fix())
    )]
    LineCut {
        /// The running kernel: "Linux", "Xen", "dom0".
        from: &'static str,
        /// Length of what is known, in bytes.
        len: usize,
    },
    /// `--real-mode` for an image that is not Xen.
    #[error("--real-mode: {image} is not Xen, the only image that has a choice{}", tail(self.fix()))]
    RealMode {
        /// Name of the image.
        image: String,
    },
}

impl Fix for OptionError {
    fn fix(&self) -> Remedy {
        Some(match self {
            Self::NoXenLine => {
                "give Xen's parameters with --cmdline, and dom0's with --module 'VMLINUZ ARGS'"
                    .into()
            }
            Self::XenLineUnknown | Self::LineCut { .. } => "give it with --cmdline instead".into(),
            Self::RealMode { .. } => "leave it out".into(),
        })
    }
}
