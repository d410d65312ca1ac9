//! Whether the VCPU of a guest on riscv64 goes on after a kexec (docs/riscv64.md).

use super::BackendError;
use crate::host::sbi::{KexecDoubt, KexecOutlook, SbiFacts};
use xen_shim::fix::Fix;

/// Checks, before anything is loaded; returns a warning. `sbi` is `None` on other architectures.
///
/// # Errors
///
/// [`BackendError::VcpuEnds`], unless `force` is set.
pub fn check(sbi: Option<&SbiFacts>, force: bool) -> Result<Option<String>, BackendError> {
    match sbi.map_or(KexecOutlook::Survives, SbiFacts::outlook) {
        KexecOutlook::Survives => Ok(None),
        KexecOutlook::EndsVcpu if force => Ok(Some(BackendError::VcpuEnds.statement())),
        KexecOutlook::EndsVcpu => Err(BackendError::VcpuEnds),
        KexecOutlook::Unknown(doubt) => Ok(Some(unknown(doubt))),
    }
}

/// Why it cannot be told, and what may happen.
fn unknown(doubt: KexecDoubt) -> String {
    let what = match doubt {
        KexecDoubt::Symbols => {
            "this Linux is a guest of KVM, and /proc/kallsyms does not show whether its kernel has a \
             kexec trampoline"
        }
        KexecDoubt::Hypervisor => {
            "a hypervisor is below this Linux, whose kernel has no kexec trampoline"
        }
        KexecDoubt::Virtual => {
            "this machine is virtual, its kernel has no kexec trampoline, and the kernel's log does not \
             show whether KVM is below"
        }
    };
    format!("{what}: kexec may end this VCPU (docs/riscv64.md)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::sbi::{SbiImplementation, SbiSign};

    fn kvm(trampoline: Option<bool>) -> SbiFacts {
        SbiFacts {
            implementation: Some(SbiImplementation {
                id: 3,
                version: 0x60c75,
            }),
            sign: Some(SbiSign::Virtual),
            trampoline,
        }
    }

    #[test]
    fn a_guest_of_kvm_is_refused_except_by_force() {
        let facts = kvm(Some(false));
        let refused = check(Some(&facts), false);
        assert!(
            matches!(refused, Err(BackendError::VcpuEnds)),
            "{refused:?}"
        );
        let warned = check(Some(&facts), true).unwrap();
        assert_eq!(warned, Some(BackendError::VcpuEnds.statement()));
    }

    #[test]
    fn others_are_warned_or_not_affected() {
        for force in [false, true] {
            assert_eq!(check(None, force).unwrap(), None);
            assert_eq!(check(Some(&kvm(Some(true))), force).unwrap(), None);
            assert_eq!(check(Some(&SbiFacts::default()), force).unwrap(), None);
            let hidden = check(Some(&kvm(None)), force).unwrap();
            assert_eq!(hidden, Some(unknown(KexecDoubt::Symbols)));
            let lost = SbiFacts {
                implementation: None,
                ..kvm(Some(false))
            };
            let lost = check(Some(&lost), force).unwrap();
            assert_eq!(lost, Some(unknown(KexecDoubt::Virtual)));
        }
    }
}
