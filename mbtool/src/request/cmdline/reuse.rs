//! The command line of a running kernel, taken over.

use super::rules::{self, NotReused, Repeated};
use super::taken;
use crate::host::Host;
use crate::plan::cmdline_change::{CmdlineChange, LineOwner};
use crate::request::console::xen;
use crate::request::error::OptionError;
use xen_shim::cmdline::{Cmdline, Syntax, name, value};

/// Xen tells at most this many bytes of its command line (public/version.h, `xen_commandline_t`).
const XEN_TELLS: usize = 1023;
/// Why a parameter that is given again is removed.
const AGAIN: &str = "it is given again";
/// What a crash kernel should have.
const ADVISED: [&str; 2] = ["reset_devices", "irqpoll"];

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
    ) -> Self {
        let mut reused = Self::new(&host.cmdline, Syntax::Linux, owner, from);
        reused.remove(&rules::LINUX_START);
        if crash {
            reused.remove(&rules::LINUX_MEMORY);
            reused.advise();
        }
        reused.collapse();
        reused
    }

    /// The running Xen's.
    pub(super) fn from_xen(host: &Host, crash: bool) -> Result<Self, OptionError> {
        let xen = host.xen.as_ref().ok_or(OptionError::NoXenLine)?;
        let line = xen.command_line.as_deref();
        let line = line.ok_or(OptionError::XenLineUnknown)?;
        if line.len() >= XEN_TELLS {
            return Err(OptionError::XenLineCut { len: line.len() });
        }
        let mut reused = Self::new(line, Syntax::Xen, LineOwner::Xen, "Xen");
        reused.remove(&rules::XEN_START);
        if crash {
            reused.remove(&rules::XEN_MEMORY);
        }
        reused.collapse();
        Ok(reused)
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
        let like = self.line.clone();
        let stale = |parameter: &str| rule.names.iter().any(|name| like.is(parameter, name));
        for parameter in self.line.remove(stale) {
            let change = CmdlineChange::removed(self.owner, parameter, rule.why);
            self.changes.push(change);
        }
    }

    /// Removes earlier copies of parameters, which pile up from one kexec to the next.
    fn collapse(&mut self) {
        let old = std::mem::replace(&mut self.line, Cmdline::parse("", self.syntax));
        for parameter in old.own() {
            self.put(parameter);
        }
        if let Some(rest) = old.rest() {
            self.line.append_rest(rest);
        }
    }

    /// Adds the parameters of `given` before `--`, in place of those that they override, and what
    /// follows its `--` after it.
    pub(super) fn add(&mut self, given: &str) {
        let given = Cmdline::parse(given, self.syntax);
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
        if repeated != Repeated::InOrder {
            let like = self.line.clone();
            let overridden = |old: &str| {
                let same = like.is(old, name(parameter));
                same && (repeated == Repeated::Last || old == parameter)
            };
            for old in self.line.remove(overridden) {
                let change = if old == parameter {
                    CmdlineChange::removed(self.owner, old, AGAIN)
                } else {
                    CmdlineChange::replaced(self.owner, old, parameter.to_owned(), AGAIN)
                };
                self.changes.push(change);
            }
        }
        self.line.append(parameter);
    }

    /// Replaces what only a domain of the Xen below has: its console becomes the real UART.
    pub(super) fn leave_xen(&mut self, host: &Host) {
        let Some(xen) = &host.xen else {
            return;
        };
        self.remove(&rules::LINUX_ON_XEN);
        let line = Cmdline::xen(xen.command_line.as_deref().unwrap_or_default());
        let port = xen::port(&line, &host.serial.pci);
        let own: Vec<String> = self.line.own().map(str::to_owned).collect();
        for parameter in own {
            let of_xen = |text: &str| text.starts_with("hvc") || text == "xen" || text == "xenboot";
            let named = value(&parameter)
                .unwrap_or_default()
                .split(',')
                .next()
                .unwrap_or("");
            if !of_xen(named) {
                continue;
            }
            let console = self.line.is(&parameter, "console");
            if !console && !self.line.is(&parameter, "earlyprintk") {
                continue;
            }
            self.line.remove(|old| old == parameter);
            let change = match &port {
                Some(port) if console => {
                    let by = format!("console={}", port.linux());
                    self.put_console(&by);
                    let why = "Xen's console is this serial port";
                    CmdlineChange::replaced(self.owner, parameter, by, why)
                }
                _ => {
                    let why = "there is no console of Xen below the new kernel";
                    CmdlineChange::removed(self.owner, parameter, why)
                }
            };
            self.changes.push(change);
        }
    }

    /// Appends a console, in place of others on the same device.
    fn put_console(&mut self, parameter: &str) {
        let device = |parameter: &str| {
            let value = value(parameter).unwrap_or_default();
            value.split(',').next().unwrap_or_default().to_owned()
        };
        let own = device(parameter);
        if own.starts_with("tty") {
            self.line
                .remove(|old| name(old) == "console" && device(old) == own);
        }
        self.line.append(parameter);
    }

    fn advise(&mut self) {
        let missing: Vec<&str> = ADVISED
            .into_iter()
            .filter(|name| !self.line.has(name))
            .collect();
        if !missing.is_empty() {
            self.notes.push(format!(
                "advised for a crash kernel: {} on {} command line",
                missing.join(" "),
                self.owner
            ));
        }
    }
}
