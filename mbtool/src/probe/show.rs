//! The report as text.

use super::ProbeReport;
use crate::arch::Architecture;
use crate::host::arm::KvmMode;
use std::fmt;

/// Text of a fact that is not known.
const UNKNOWN: &str = "not known";

impl fmt::Display for ProbeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // of a recording, perhaps
        let release = self.release.as_deref().unwrap_or("of unknown version");
        let release = release.escape_debug();
        row(f, "kernel", format_args!("Linux {release}, {}", self.arch))?;
        row(f, "system", self.hypervisor)?;
        self.arm(f)?;
        if let Some(sbi) = &self.sbi {
            match sbi.implementation {
                Some(implementation) => row(f, "SBI", implementation)?,
                None => row(f, "SBI", UNKNOWN)?,
            }
            row(f, "kexec trampoline", yes(sbi.trampoline))?;
        }
        self.x86(f)?;
        row(f, "an image is entered at", self.entry.normal)?;
        row(f, "a crash image at", self.entry.crash)?;
        if self.defects.is_empty() {
            return row(f, "known to fail", "nothing");
        }
        for defect in &self.defects {
            row(f, defect.kind.id(), defect)?;
            if !defect.remedy.is_empty() {
                writeln!(f, "{:24}try: {}", "", defect.remedy)?;
            }
        }
        Ok(())
    }
}

impl ProbeReport {
    fn arm(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(arm) = &self.arm else {
            return Ok(());
        };
        match arm.cpu.midr {
            Some(midr) => row(f, "CPU", format_args!("MIDR {midr:#x}"))?,
            None => row(f, "CPU", UNKNOWN)?,
        }
        match arm.facts.level {
            Some(level) => row(f, "started at", level)?,
            None => row(f, "started at", UNKNOWN)?,
        }
        let kvm = match arm.facts.kvm {
            Some(KvmMode::Vhe) => "VHE: the kernel runs at EL2",
            Some(KvmMode::Nvhe) => "nVHE: has the vectors of EL2, and gives them back",
            Some(KvmMode::Protected) => "protected: keeps EL2",
            None => "not running, or not known",
        };
        row(f, "KVM", kvm)?;
        row(f, "hyp-stub in the kernel", yes(arm.cpu.stub))?;
        match self.arch {
            Architecture::Arm => {
                row(f, "long descriptors", yes(arm.cpu.lpae))?;
                row(f, "TTBR0 PAN", yes(arm.cpu.ttbr0_pan))
            }
            _ => {
                row(f, "VHE", yes(arm.cpu.vhe))?;
                row(f, "LPA2", yes(arm.cpu.lpa2))
            }
        }
    }

    fn x86(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(x86) = &self.x86 else {
            return Ok(());
        };
        let flags = match x86.flags.is_empty() {
            true => "none".to_owned(),
            false => x86.flags.join(" "),
        };
        row(f, "virtualization flags", flags)?;
        let or_none = |text: &Option<String>| text.as_deref().unwrap_or("none").to_owned();
        row(f, "active encryption", or_none(&x86.encryption))?;
        row(f, "hypervisor in CPUID", or_none(&x86.signature))?;
        row(f, "KVM's module", or_none(&x86.kvm_module))
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, value: impl fmt::Display) -> fmt::Result {
    writeln!(f, "{name:24}{value}")
}

const fn yes(value: Option<bool>) -> &'static str {
    match value {
        Some(true) => "yes",
        Some(false) => "no",
        None => UNKNOWN,
    }
}
