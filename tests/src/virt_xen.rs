//! Xen on arm64, started by mbtool from a Linux without Xen, up to the user space of its dom0.

use anyhow::{Context, Result, ensure};
use images::assets::{Asset, XEN_4_20_ARM64};
use images::cpio::Archive;
use images::guest::{self, LINUX};
use serde_json::Value;

use crate::attempt;
use crate::guest_binary::cross_mbtool_bin;
use crate::machine::{ARM64, Machine};
use crate::outcome::Outcome;
use crate::virt_guest::{VIRT_DEADLINE, VirtReport, document, virt_stage1};

/// Memory of the machine and of dom0 in MiB.
const MEMORY: u32 = 1024;
const DOM0_MEMORY: u32 = 512;

/// A load of Xen.
#[derive(Clone, Debug)]
pub struct VirtXen {
    /// Xen, and the start of its version.
    pub xen: (&'static Asset, &'static str),
    /// Model of the CPUs.
    pub cpu: &'static str,
    /// CPUs, of Xen and of dom0.
    pub cpus: u32,
    /// The first Linux, and dom0's.
    pub linux: &'static Asset,
    /// Commands that dom0 runs at its end.
    pub dom0_script: &'static str,
}

impl Default for VirtXen {
    fn default() -> Self {
        Self {
            xen: (&XEN_4_20_ARM64, "4.20."),
            cpu: ARM64.cpu,
            cpus: 2,
            linux: ARM64.linux,
            dom0_script: "",
        }
    }
}

impl VirtXen {
    fn xen_line() -> String {
        format!("console=dtuart dom0_mem={DOM0_MEMORY}M bootscrub=0")
    }

    fn dom0_line() -> &'static str {
        "console=hvc0 quiet panic=-1 cryptomgr.notests a=b"
    }

    /// Runs it as `name`, and checks Xen's and dom0's reports.
    pub fn check(&self, name: &str) -> Result<VirtReport> {
        let report = self.run(name)?;
        self.verify(&report)
            .with_context(|| format!("see {}", report.outcome.log.display()))?;
        Ok(report)
    }

    fn run(&self, name: &str) -> Result<VirtReport> {
        let mbtool = cross_mbtool_bin(ARM64.target)?;
        let (mut initrd, digest) = guest::dt_linux_initrd(ARM64.busybox, None)?;
        let mut more = Archive::new();
        if !self.dom0_script.is_empty() {
            more.file("more", 0o755, self.dom0_script.as_bytes())?;
            more.file("bin/mbtool", 0o755, &std::fs::read(&mbtool)?)?;
            for (path, script) in attempt::programs() {
                more.file(path, 0o755, script.as_bytes())?;
            }
        }
        initrd.extend(more.finish()?);
        let load = format!(
            "/xen --cmdline '{}' --module '/image {}' --initrd /initrd",
            Self::xen_line(),
            Self::dom0_line()
        );
        let script = format!(
            "attempt host mbtool status --json\n\
             attempt plan mbtool plan --json {load}\n\
             mbtool load {load}\n\
             mbtool exec -f\n"
        );
        let stage = virt_stage1(&ARM64, &script)?
            .file("image", self.linux.path()?)?
            .file("xen", self.xen.0.path()?)?
            .bytes("initrd", &initrd)?;
        let end = format!("{LINUX}END");
        let outcome = Machine::virt(&ARM64, stage.finish()?)?
            .linux(self.linux)?
            .cpu(self.cpu)
            .cpus(self.cpus)
            .memory_mib(MEMORY)
            .run(name, VIRT_DEADLINE, &[&end])?
            .ended_with(&end)?;
        let plan = document(&outcome, "plan", 0)?;
        let mut report = VirtReport::of(outcome, plan);
        let mut add = |key: &str, value: String| report.values.insert(key.to_owned(), value);
        add("expected-digest", digest.to_string());
        add("initrd-bytes", initrd.len().to_string());
        Ok(report)
    }

    fn verify(&self, report: &VirtReport) -> Result<()> {
        let log: &Outcome = &report.outcome;
        report.is("digest", report.get("expected-digest")?)?;
        report.is("cmdline", Self::dom0_line())?;
        report.is("cpus", &self.cpus.to_string())?;
        let version = report.get("xen")?;
        ensure!(
            version.starts_with(self.xen.1),
            "dom0 runs under Xen {version}"
        );
        for text in [
            "[handoff] jump to ".to_owned(),
            format!("Brought up {} CPUs", self.cpus),
            // by its command line
            format!("Allocating 1:1 mappings totalling {DOM0_MEMORY}MB for dom0"),
        ] {
            ensure!(log.contains(&text), "the log has no {text:?}");
        }
        // dom0's memory is what was asked for, less the kernel's own
        let kib: u32 = report.get("mem")?.trim_end_matches("KiB").parse()?;
        ensure!(
            (DOM0_MEMORY - 128..DOM0_MEMORY).contains(&(kib >> 10)),
            "dom0 has {kib} KiB"
        );
        let plan = &report.plan;
        ensure!(
            plan["image"]["type"] == "xen" && plan["exit"]["mode"] == "xen-arm64",
            "{:#}",
            plan["image"]
        );
        let modules = plan["chosen"]["modules"].as_array();
        let modules: Vec<&Value> = modules.into_iter().flatten().collect();
        let names: Vec<_> = modules
            .iter()
            .filter_map(|module| module["compatible"].as_str())
            .collect();
        ensure!(
            names == ["multiboot,kernel", "multiboot,ramdisk"],
            "{names:?}"
        );
        // Xen has found them where they were planned
        for (module, what) in modules.iter().zip(["d0 kernel", "ramdisk"]) {
            let start = module["range"]["start"].as_str().context("no start")?;
            let start = start.trim_start_matches("0x");
            let line = format!("Loading {what} from boot module @ {start:0>16}");
            ensure!(log.contains(&line), "the log has no {line:?}");
        }
        Ok(())
    }
}
