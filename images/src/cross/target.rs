//! Architectures that mbtool is built for.

use std::str::FromStr;

use anyhow::{Error, bail};

use crate::assets::{Asset, LIBC_ARM64, LIBC_ARMHF, LIBC_RISCV64};

/// An architecture, by Debian's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrossTarget {
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit ARM.
    Arm64,
    /// 32-bit ARM with hardware floating point.
    Armhf,
}

impl CrossTarget {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Riscv64, Self::Arm64, Self::Armhf];

    /// Debian's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Riscv64 => "riscv64",
            Self::Arm64 => "arm64",
            Self::Armhf => "armhf",
        }
    }

    /// rustc's name.
    #[must_use]
    pub const fn rust_target(self) -> &'static str {
        match self {
            Self::Riscv64 => "riscv64gc-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::Armhf => "armv7-unknown-linux-gnueabihf",
        }
    }

    /// Name of its directories in Debian.
    pub(super) const fn multiarch(self) -> &'static str {
        match self {
            Self::Riscv64 => "riscv64-linux-gnu",
            Self::Arm64 => "aarch64-linux-gnu",
            Self::Armhf => "arm-linux-gnueabihf",
        }
    }

    /// Its C library.
    pub(super) fn libc(self) -> &'static Asset {
        match self {
            Self::Riscv64 => &LIBC_RISCV64,
            Self::Arm64 => &LIBC_ARM64,
            Self::Armhf => &LIBC_ARMHF,
        }
    }
}

impl FromStr for CrossTarget {
    type Err = Error;

    /// Reads Debian's name, or rustc's.
    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL
            .into_iter()
            .find(|target| text == target.name() || text == target.rust_target());
        let Some(target) = found else {
            bail!(
                "mbtool cannot be built for {text:?}: one of {} is expected",
                Self::ALL.map(Self::name).join(", ")
            );
        };
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_are_read() {
        for target in CrossTarget::ALL {
            assert_eq!(target.name().parse::<CrossTarget>().unwrap(), target);
            assert_eq!(target.rust_target().parse::<CrossTarget>().unwrap(), target);
        }
        assert!("x86_64".parse::<CrossTarget>().is_err());
    }
}
