//! The command line of a running kernel, taken over.

use super::rules::{self, NotReused, Repeated};
use super::{ImageKind, taken};
use crate::host::Host;
use crate::plan::cmdline_change::{CmdlineChange, CmdlineEdit, LineOwner};
use crate::plan::crash::cmdline::{keeps_to_one_cpu, starts_more_cpus};
use crate::request::console::xen;
use crate::request::embedded::EmbeddedLine;
use crate::request::error::OptionError;
use xen_shim::cmdline::{Cmdline, Syntax, name, value};

/// Xen tells at most this many bytes of its command line (public/version.h, `xen_commandline_t`).
const XEN_TELLS: usize = 1023;
/// Linux keeps at most this many bytes (x86, `COMMAND_LINE_SIZE`, without the NUL).
const LINUX_KEEPS: usize = 2047;
/// Why a parameter that is given again is removed.
const AGAIN: &str = "it is given again";
/// Why a number of CPUs is removed.
const MORE_CPUS: &str = "it is for the running kernel, and a crash kernel should start one CPU";

/// A command line that was taken over.
pub(super) struct Reused {
    pub(super) line: Cmdline,
    pub(super) changes: Vec<CmdlineChange>,
    pub(super) notes: Vec<String>,
    owner: LineOwner,
    syntax: Syntax,
}

impl Reused {
    /// The running Linux's, for the line of `owner`.
    pub(super) fn from_linux(
        host: &Host,
        owner: LineOwner,
        from: &'static str,
        crash: bool,
    ) -> Result<Self, OptionError> {
        complete(from, &host.cmdline, LINUX_KEEPS)?;
        let mut reused = Self::new(&host.cmdline, Syntax::Linux, owner, from);
        reused.remove(&rules::LINUX_START);
        if crash {
            reused.spare_memory();
        }
        reused.collapse();
        Ok(reused)
    }

    /// The running Xen's.
    pub(super) fn from_xen(host: &Host, crash: bool) -> Result<Self, OptionError> {
        let xen = host.xen.as_ref().ok_or(OptionError::NoXenLine)?;
        let line = xen.command_line.as_deref();
        let line = line.ok_or(OptionError::XenLineUnknown)?;
        complete("Xen", line, XEN_TELLS)?;
        let mut reused = Self::new(line, Syntax::Xen, LineOwner::Xen, "Xen");
        reused.remove(&rules::XEN_START);
        if crash {
            reused.remove(&rules::XEN_MEMORY);
        }
        reused.collapse();
        Ok(reused)
    }

    /// The line in a unified image. It is meant for a normal boot: as a crash image, what uses memory is removed.
    pub(super) fn embedded(
        embedded: &EmbeddedLine,
        kind: ImageKind,
        owner: LineOwner,
        crash: bool,
    ) -> Self {
        let mut line = Self::given(&embedded.line, kind, owner);
        let edit = CmdlineEdit::Embedded {
            from: embedded.from,
            parameters: line.line.to_string(),
        };
        line.changes.push(CmdlineChange { line: owner, edit });
        match kind {
            ImageKind::Xen if crash => line.remove(&rules::XEN_MEMORY),
            _ if crash => line.spare_memory(),
            _ => {}
        }
        line
    }

    /// A line of the options.
    pub(super) fn given(line: &str, kind: ImageKind, owner: LineOwner) -> Self {
        let syntax = match kind {
            ImageKind::Xen => Syntax::Xen,
            ImageKind::Linux | ImageKind::Other => Syntax::Linux,
        };
        Self {
            line: Cmdline::parse(line, syntax),
            changes: Vec::new(),
            notes: Vec::new(),
            owner,
            syntax,
        }
    }

    /// Removes what uses memory that a crash kernel does not have.
    fn spare_memory(&mut self) {
        let rule = &rules::LINUX_MEMORY;
        let uses = |parameter: &str| {
            rule.concerns(parameter, Syntax::Linux) && !rules::saves_memory(parameter)
        };
        self.remove_if(rule.why, uses);
        // dom0's are CPUs of Xen
        if self.owner == LineOwner::CrashKernel {
            self.remove_if(MORE_CPUS, starts_more_cpus);
        }
    }

    fn new(line: &str, syntax: Syntax, owner: LineOwner, from: &'static str) -> Self {
        let line = Cmdline::parse(line, syntax);
        Self {
            changes: vec![taken(&line, owner, from)],
            notes: Vec::new(),
            line,
            owner,
            syntax,
        }
    }

    fn repeated(&self, parameter: &str) -> Repeated {
        match self.syntax {
            Syntax::Linux => rules::linux(name(parameter)),
            Syntax::Xen => rules::xen(name(parameter)),
        }
    }

    fn remove(&mut self, rule: &NotReused) {
        let syntax = self.syntax;
        self.remove_if(rule.why, |parameter| rule.concerns(parameter, syntax));
    }

    fn remove_if(&mut self, why: &'static str, stale: impl Fn(&str) -> bool) {
        for parameter in self.line.remove(stale) {
            let change = CmdlineChange::removed(self.owner, parameter, why);
            self.changes.push(change);
        }
    }

    /// Removes earlier copies of parameters, which pile up from one kexec to the next.
    fn collapse(&mut self) {
        let old = std::mem::replace(&mut self.line, Cmdline::parse("", self.syntax));
        for parameter in old.own() {
            if self.repeated(parameter) != Repeated::InOrder {
                self.remove_if(AGAIN, |old| old == parameter);
            }
            self.line.append(parameter);
        }
        if let Some(rest) = old.rest() {
            self.line.append_rest(rest);
        }
    }

    /// Adds the parameters of `given` before `--`, in place of those that they override, and what
    /// follows its `--` after it.
    pub(super) fn add(&mut self, given: &str) {
        let given = Cmdline::parse(given, self.syntax);
        let grouped = |parameter: &str| self.repeated(parameter) == Repeated::InOrder;
        if given.own().any(grouped) {
            let stale = |parameter: &str| rules::linux(name(parameter)) == Repeated::InOrder;
            self.remove_if(AGAIN, stale);
        }
        for parameter in given.own() {
            self.put(parameter);
        }
        if let Some(rest) = given.rest() {
            self.line.append_rest(rest);
        }
    }

    /// Appends a parameter. Replaces those that it overrides.
    fn put(&mut self, parameter: &str) {
        let repeated = self.repeated(parameter);
        let syntax = self.syntax;
        let overridden = |old: &str| {
            if repeated == Repeated::InOrder || !syntax.is(old, name(parameter)) {
                return false;
            }
            repeated == Repeated::Last
                || old == parameter
                || (syntax == Syntax::Linux && same_console(old, parameter))
        };
        for old in self.line.remove(overridden) {
            let change = if old == parameter {
                CmdlineChange::removed(self.owner, old, AGAIN)
            } else {
                CmdlineChange::replaced(self.owner, old, parameter.to_owned(), AGAIN)
            };
            self.changes.push(change);
        }
        self.line.append(parameter);
    }

    /// Removes what forbids BIOS calls.
    pub(super) fn allow_bios_calls(&mut self) {
        self.remove_if("--real-mode is given", |old| name(old) == "no-real-mode");
    }

    /// Replaces what only a domain of the Xen below has: its console becomes the real UART.
    pub(super) fn leave_xen(&mut self, host: &Host) {
        if host.xen.is_none() {
            return;
        }
        self.remove(&rules::LINUX_ON_XEN);
        let console = xen::running_port(host).map(|port| port.linux());
        let last = self.line.own().rfind(|old| of_xen(old, "console"));
        if let (Some(by), Some(old)) = (&console, last.map(str::to_owned)) {
            let why = "it is the serial port of the running Xen";
            // Linux keeps the options of the first that names a device
            self.line.remove(|other| same_console(other, by));
            self.line
                .replace(|other| (other == old).then(|| by.clone()));
            let change = CmdlineChange::replaced(self.owner, old, by.clone(), why);
            self.changes.push(change);
        }
        self.remove_if("there is no console of Xen below the new kernel", |old| {
            ["console", "earlyprintk", "earlycon"]
                .iter()
                .any(|name| of_xen(old, name))
        });
    }
}

/// Returns advice on a crash kernel's finished command line.
pub(super) fn advice(line: &str, owner: LineOwner) -> Option<String> {
    let line = Cmdline::linux(line);
    let mut missing = Vec::new();
    if !line.has("reset_devices") {
        missing.push("reset_devices");
        // for drivers that do not know it
        if !line.has("irqpoll") {
            missing.push("irqpoll");
        }
    }
    if owner == LineOwner::CrashKernel && !keeps_to_one_cpu(&line) {
        missing.push("nr_cpus=1");
    }
    let missing = missing.join(" ");
    (!missing.is_empty())
        .then(|| format!("advised for a crash kernel: {missing} on {owner} command line"))
}

/// Refuses a line of at least `limit` bytes, which may have been cut off.
fn complete(from: &'static str, line: &str, limit: usize) -> Result<(), OptionError> {
    match line.len() {
        len if len >= limit => Err(OptionError::LineCut { from, len }),
        _ => Ok(()),
    }
}

/// Returns the device that a parameter names: "ttyS0" of `console=ttyS0,115200`.
fn device(parameter: &str) -> &str {
    let value = value(parameter).unwrap_or_default();
    value.split(',').next().unwrap_or_default()
}

/// True for two `console=` of one terminal.
fn same_console(one: &str, other: &str) -> bool {
    let console = |parameter| name(parameter) == "console";
    let terminal = device(one).starts_with("tty") || device(one).starts_with("hvc");
    console(one) && console(other) && terminal && device(one) == device(other)
}

/// True for the parameter `wanted` with a console of Xen.
fn of_xen(parameter: &str, wanted: &str) -> bool {
    let device = device(parameter);
    name(parameter) == wanted
        && (device.starts_with("hvc") || device == "xen" || device == "xenboot")
}
