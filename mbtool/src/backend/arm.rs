//! Whether an ARM kernel can leave KVM for a kexec.

use super::BackendError;
use crate::host::arm::{ArmFacts, KvmMode};
use xen_shim::fix::Fix;

/// Checks, before anything is loaded; returns a warning. `arm` is `None` on other architectures. Protected KVM does not
/// prevent a crash image: Linux loads it, and starts it at EL1.
///
/// # Errors
///
/// [`BackendError::ProtectedKvm`], unless `force` is set.
pub fn check(
    arm: Option<&ArmFacts>,
    crash: bool,
    force: bool,
) -> Result<Option<String>, BackendError> {
    let protected = arm.is_some_and(|arm| arm.kvm == Some(KvmMode::Protected));
    match (protected && !crash, force) {
        (false, _) => Ok(None),
        (true, true) => Ok(Some(BackendError::ProtectedKvm.statement())),
        (true, false) => Err(BackendError::ProtectedKvm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_normal_image_is_refused_under_protected_kvm() {
        let facts = |kvm| ArmFacts {
            kvm,
            ..ArmFacts::default()
        };
        let protected = facts(Some(KvmMode::Protected));
        let refused = check(Some(&protected), false, false);
        assert!(
            matches!(refused, Err(BackendError::ProtectedKvm)),
            "{refused:?}"
        );
        let warned = check(Some(&protected), false, true).unwrap();
        assert_eq!(warned, Some(BackendError::ProtectedKvm.statement()));
        assert_eq!(check(Some(&protected), true, false).unwrap(), None);
        for kvm in [None, Some(KvmMode::Vhe), Some(KvmMode::Nvhe)] {
            assert_eq!(check(Some(&facts(kvm)), false, false).unwrap(), None);
        }
        assert_eq!(check(None, false, false).unwrap(), None);
    }
}
