//! Classifies what calls returned.

use super::calls::{NOT_SUPPORTED, OLD_STUB_ERRORS, STUB_ERROR};
use super::era::HypArch;

/// An exception that a call raised at the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HypException {
    /// `ESR_EL1`; on arm the number of the vector (1 is undefined instruction).
    pub syndrome: u64,
    /// Where: `ELR_EL1`; on arm the link register.
    pub pc: u64,
}

/// What is left of a call that returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HypReply {
    /// Registers 0 to 3 after it.
    pub registers: [u64; 4],
    /// It raised an exception; the registers are then those before it.
    pub exception: Option<HypException>,
}

/// The meaning of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypAnswer {
    /// 0.
    Success,
    /// [`STUB_ERROR`]: a stub since 4.12, or KVM.
    StubError,
    /// [`NOT_SUPPORTED`]: SMCCC, never a stub.
    NotSupported,
    /// One of [`OLD_STUB_ERRORS`].
    OldStubError,
    /// Register 0 is as sent: the call was ignored, or the stub is of the first version, and its
    /// vectors are lost now.
    Unchanged,
    /// Undefined instruction.
    Undefined,
    /// Another exception.
    Exception(HypException),
    /// Another value.
    Other(u64),
}

/// What three replies show of the occupant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypVerdict {
    /// A stub since 4.12: a restart arrives.
    Stub,
    /// arm64's stub of 4.7 to 4.11: a restart has the number 2.
    OldStub,
    /// KVM without VHE, since 5.10: a restart arrives.
    Kvm,
    /// Another hypervisor, protected KVM, or QEMU's PSCI: a restart does not arrive.
    Conduit,
    /// No hypervisor mode to call.
    Absent,
    /// Calls are ignored.
    Ignores,
    /// It answers in no known way.
    Foreign,
}

/// Exception class of an undefined instruction in `ESR_EL1` (Arm ARM, D19.2.37).
const CLASS_UNKNOWN: u64 = 0;
/// Bits of a class.
const CLASS_SHIFT: u32 = 26;
const CLASS_MASK: u64 = 0x3f;
/// The vector of undefined instructions on arm.
const VECTOR_UNDEFINED: u64 = 1;

impl HypException {
    /// Returns true for an undefined instruction.
    #[must_use]
    pub const fn is_undefined(self, arch: HypArch) -> bool {
        match arch {
            HypArch::Arm32 => self.syndrome == VECTOR_UNDEFINED,
            HypArch::Arm64 => self.syndrome >> CLASS_SHIFT & CLASS_MASK == CLASS_UNKNOWN,
        }
    }
}

impl HypAnswer {
    /// Classifies the reply to a call that was made with `sent` in register 0.
    #[must_use]
    pub fn of(arch: HypArch, sent: u64, reply: &HypReply) -> Self {
        if let Some(exception) = reply.exception {
            return match exception.is_undefined(arch) {
                true => Self::Undefined,
                false => Self::Exception(exception),
            };
        }
        let value = reply.registers[0];
        let not_supported = match arch {
            HypArch::Arm32 => value == u64::from(NOT_SUPPORTED as u32),
            // a 32-bit function may leave the upper half undefined
            HypArch::Arm64 => value == NOT_SUPPORTED as u64 || value == u64::from(u32::MAX),
        };
        match value {
            _ if not_supported => Self::NotSupported,
            STUB_ERROR => Self::StubError,
            _ if value == sent => Self::Unchanged,
            0 => Self::Success,
            _ if OLD_STUB_ERRORS.contains(&value) => Self::OldStubError,
            _ => Self::Other(value),
        }
    }
}

impl HypVerdict {
    /// Judges the answers to [`super::calls::UNKNOWN_SMALL`], [`super::calls::UNKNOWN_LARGE`], and,
    /// where both were [`HypAnswer::NotSupported`], to the number 0 with a vector table of ours: of the
    /// occupants that answer the first two so, only KVM knows that number.
    #[must_use]
    pub fn of(small: HypAnswer, large: HypAnswer, zero: Option<HypAnswer>) -> Self {
        use HypAnswer::{NotSupported, OldStubError, StubError, Unchanged, Undefined};
        match (small, large) {
            (StubError, StubError) => Self::Stub,
            (OldStubError, OldStubError) => Self::OldStub,
            (NotSupported, NotSupported) => match zero {
                Some(StubError) => Self::Kvm,
                Some(NotSupported) | None => Self::Conduit,
                Some(_) => Self::Foreign,
            },
            (Undefined, Undefined) => Self::Absent,
            (Unchanged, Unchanged) => Self::Ignores,
            _ => Self::Foreign,
        }
    }

    /// Returns true if the call 1 can be expected to arrive.
    #[must_use]
    pub const fn restarts(self) -> bool {
        matches!(self, Self::Stub | Self::Kvm)
    }
}
