//! Explains errors of the kernel, before and after a load.

use super::BackendError;
use crate::host::hypervisor::Hypervisor;
use crate::host::kexec_state::{KernelState, Lockdown};

/// Runs the kernel's own checks in advance: a failed load of a crash image
/// removes the previous one.
///
/// # Errors
///
/// The first check that fails.
pub fn preflight(state: &KernelState, crash: bool) -> Result<(), BackendError> {
    permitted(state, crash)?;
    if crash && state.crash_size == Some(0) {
        return Err(BackendError::NoCrashRegion);
    }
    Ok(())
}

/// [`preflight`] without the checks that matter only to a load.
///
/// # Errors
///
/// As [`preflight`].
pub fn permitted(state: &KernelState, crash: bool) -> Result<(), BackendError> {
    owns_machine(state.hypervisor)?;
    if !state.kexec {
        return Err(BackendError::NoKexec);
    }
    match denials(state, crash).into_iter().next() {
        Some(err) => Err(err),
        None => Ok(()),
    }
}

/// Checks that `kexec_load(2)` is for the machine, and not for a domain of Xen.
///
/// # Errors
///
/// What the domain is.
pub const fn owns_machine(hypervisor: Hypervisor) -> Result<(), BackendError> {
    match hypervisor.owns_machine() {
        true => Ok(()),
        false if hypervisor.is_on_arm() => Err(BackendError::XenOnArm { hypervisor }),
        false => Err(BackendError::XenGuest { hypervisor }),
    }
}

/// Returns the reasons for EPERM that apply, in the order of the kernel's
/// checks.
#[must_use]
pub fn denials(state: &KernelState, crash: bool) -> Vec<BackendError> {
    let (limit, sysctl) = if crash {
        (
            state.kexec_load_limit_panic,
            "kernel.kexec_load_limit_panic",
        )
    } else {
        (
            state.kexec_load_limit_reboot,
            "kernel.kexec_load_limit_reboot",
        )
    };
    let not_root = state.cap_sys_boot == Some(false);
    let disabled = state.kexec_load_disabled == Some(true);
    let locked = state.lockdown != Lockdown::None;
    let reasons = [
        not_root.then_some(BackendError::NotRoot),
        disabled.then_some(BackendError::LoadDisabled),
        (limit == Some(0)).then_some(BackendError::LimitUsedUp { sysctl }),
        locked.then_some(BackendError::Lockdown {
            mode: state.lockdown,
            secure_boot: state.secure_boot,
        }),
    ];
    reasons.into_iter().flatten().collect()
}

/// Explains an errno of kexec_load(2), given the state just before the call.
#[must_use]
pub fn explain(errno: i32, state: &KernelState, crash: bool) -> BackendError {
    match errno {
        libc::EPERM => {
            denials(state, crash)
                .into_iter()
                .next()
                .unwrap_or(BackendError::Forbidden {
                    lockdown_hidden: state.lockdown_hidden,
                })
        }
        libc::ENOSYS if state.loaded.is_some() => BackendError::NoSyscall,
        libc::ENOSYS => BackendError::NoKexec,
        libc::EBUSY => BackendError::Busy,
        libc::EINVAL => BackendError::Invalid,
        libc::EADDRNOTAVAIL => BackendError::Address { crash },
        libc::ENOMEM => BackendError::NoMemory { crash },
        libc::EFAULT => BackendError::Fault,
        libc::EOPNOTSUPP => BackendError::Unsupported,
        errno => BackendError::Other { errno },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::hypervisor::Hypervisor;

    /// A kernel that permits everything.
    fn willing() -> KernelState {
        KernelState {
            loaded: Some(false),
            crash_loaded: Some(false),
            crash_size: Some(256 << 20),
            kexec: true,
            cap_sys_boot: Some(true),
            kexec_load_disabled: Some(false),
            kexec_load_limit_reboot: Some(-1),
            kexec_load_limit_panic: Some(-1),
            ..KernelState::default()
        }
    }

    #[test]
    fn a_permissive_kernel_passes() {
        for crash in [false, true] {
            preflight(&willing(), crash).unwrap();
            // so does one with unknown state
            preflight(
                &KernelState {
                    kexec: true,
                    ..Default::default()
                },
                crash,
            )
            .unwrap();
        }
    }

    #[test]
    fn permission_is_split_into_its_reasons() {
        let same = |state: &KernelState, is: fn(&BackendError) -> bool| {
            let early = preflight(state, false).unwrap_err();
            let late = explain(libc::EPERM, state, false);
            assert!(is(&early) && is(&late), "{early}; {late}");
        };
        let root = KernelState {
            cap_sys_boot: Some(false),
            ..willing()
        };
        same(&root, |err| matches!(err, BackendError::NotRoot));
        let disabled = KernelState {
            kexec_load_disabled: Some(true),
            ..willing()
        };
        same(&disabled, |err| matches!(err, BackendError::LoadDisabled));
        let used = KernelState {
            kexec_load_limit_reboot: Some(0),
            ..willing()
        };
        same(&used, |err| {
            let sysctl = "kernel.kexec_load_limit_reboot";
            matches!(err, BackendError::LimitUsedUp { sysctl: found } if *found == sysctl)
        });
        let locked = KernelState {
            lockdown: Lockdown::Integrity,
            secure_boot: Some(true),
            ..willing()
        };
        same(&locked, |err| {
            let (mode, secure_boot) = (Lockdown::Integrity, Some(true));
            matches!(err, BackendError::Lockdown { mode: found, secure_boot: secure }
                if (*found, *secure) == (mode, secure_boot))
        });
        let hidden = |lockdown_hidden| KernelState {
            lockdown_hidden,
            ..willing()
        };
        for is in [false, true] {
            preflight(&hidden(is), false).unwrap();
            let err = explain(libc::EPERM, &hidden(is), false);
            assert!(
                matches!(err, BackendError::Forbidden { lockdown_hidden } if lockdown_hidden == is)
            );
        }
    }

    #[test]
    fn each_kind_of_image_has_its_own_limit() {
        let state = KernelState {
            kexec_load_limit_panic: Some(0),
            ..willing()
        };
        preflight(&state, false).unwrap();
        let err = preflight(&state, true).unwrap_err();
        let sysctl = "kernel.kexec_load_limit_panic";
        assert!(matches!(err, BackendError::LimitUsedUp { sysctl: found } if found == sysctl));
    }

    #[test]
    fn a_crash_image_needs_a_region_to_load_but_not_to_unload() {
        let state = KernelState {
            crash_size: Some(0),
            ..willing()
        };
        preflight(&state, false).unwrap();
        permitted(&state, true).unwrap();
        let err = preflight(&state, true).unwrap_err();
        assert!(matches!(err, BackendError::NoCrashRegion), "{err}");
    }

    #[test]
    fn kexec_load_is_refused_under_xen() {
        for hypervisor in [
            Hypervisor::XenPvDom0,
            Hypervisor::XenPvhDom0,
            Hypervisor::XenPvGuest,
            Hypervisor::XenGuest,
            Hypervisor::XenUnknown,
        ] {
            let state = KernelState {
                hypervisor,
                ..willing()
            };
            let err = preflight(&state, false).unwrap_err();
            assert!(
                matches!(err, BackendError::XenGuest { hypervisor: found } if found == hypervisor)
            );
        }
        for hypervisor in [Hypervisor::XenArmDom0, Hypervisor::XenArmGuest] {
            let state = KernelState {
                hypervisor,
                ..willing()
            };
            let err = preflight(&state, true).unwrap_err();
            assert!(matches!(err, BackendError::XenOnArm { .. }), "{err}");
        }
        let own = KernelState {
            hypervisor: Hypervisor::XenHvmGuest,
            ..willing()
        };
        preflight(&own, false).unwrap();
    }

    #[test]
    fn missing_kexec_differs_from_a_missing_system_call() {
        let none = KernelState {
            loaded: None,
            kexec: false,
            ..willing()
        };
        for err in [
            preflight(&none, false).unwrap_err(),
            explain(libc::ENOSYS, &none, false),
        ] {
            assert!(matches!(err, BackendError::NoKexec));
        }
        let err = explain(libc::ENOSYS, &willing(), false);
        assert!(matches!(err, BackendError::NoSyscall));
    }

    #[test]
    fn every_errno_has_its_variant() {
        type Is = fn(&BackendError) -> bool;
        let cases: [(i32, bool, Is); 9] = [
            (libc::EBUSY, false, |err| matches!(err, BackendError::Busy)),
            (libc::EINVAL, false, |err| {
                matches!(err, BackendError::Invalid)
            }),
            (libc::EADDRNOTAVAIL, false, |err| {
                matches!(err, BackendError::Address { crash: false })
            }),
            (libc::EADDRNOTAVAIL, true, |err| {
                matches!(err, BackendError::Address { crash: true })
            }),
            (libc::ENOMEM, false, |err| {
                matches!(err, BackendError::NoMemory { crash: false })
            }),
            (libc::ENOMEM, true, |err| {
                matches!(err, BackendError::NoMemory { crash: true })
            }),
            (libc::EFAULT, false, |err| {
                matches!(err, BackendError::Fault)
            }),
            (libc::EOPNOTSUPP, false, |err| {
                matches!(err, BackendError::Unsupported)
            }),
            (libc::EIO, false, |err| {
                matches!(err, BackendError::Other { errno: libc::EIO })
            }),
        ];
        for (errno, crash, is) in cases {
            let err = explain(errno, &willing(), crash);
            assert!(is(&err), "{errno}: {err}");
        }
    }
}
