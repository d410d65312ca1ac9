//! How far each boot in a log came.
//!
//! A boot begins at the handoff's jump, or at the first line of a kernel. [`Stage`]s are what Xen and
//! Linux print on the way to user space.

mod firmware;
mod replay;
mod stage;

pub use stage::Stage;

use super::dumps::quote;
use super::log_line::{LineLabel, LogLine};
use super::noise::{ByteCount, is_readable};
use super::text_set::{TextSet, starts_with};
use replay::{KernelLines, Repeated, SuspectedReplay};
use serde::Serialize;
use stage::{is_login, stage};
use std::sync::LazyLock;

/// Maximum number of boots; of more, the oldest are dropped.
const MAX_BOOTS: usize = 64;

/// A stage, and the line that shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReachedStage {
    /// The stage.
    pub stage: Stage,
    /// Number of the line.
    pub line: usize,
    /// Its text.
    pub text: String,
}

/// Result of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootOutcome {
    /// Nothing was printed.
    Silent,
    /// Something was printed, but nothing that Xen or Linux is known to print.
    Output,
    /// What follows is no text: the port has another speed.
    Noise,
    /// It came to a stage, and no further in this log.
    Stopped,
    /// A panic, or another message that ends a boot.
    Failed,
    /// Firmware or a boot loader prints next, and user space was not reached.
    Reset,
    /// It came to user space: programs print, also where the kernel itself is quiet.
    UserSpace,
}

/// What a line says about the end of a boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEffect {
    /// Nothing.
    #[default]
    None,
    /// It is part of a dump.
    Dump,
    /// The boot fails, unless a later stage shows that it went on.
    Fails,
    /// A program gives up, unless a login prompt shows that it went on.
    GivesUp,
    /// A panic.
    Ends,
}

/// True if firmware or a boot loader prints a line.
pub(super) fn is_firmware(line: &LogLine<'_>) -> bool {
    firmware::printer(line).is_some()
}

/// Firmware or a boot loader that prints after a boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoggedReset {
    /// Number of its first line.
    pub line: usize,
    /// Its name.
    pub by: &'static str,
    /// Its first line.
    pub text: String,
    /// False if a program can have printed it: the console of a guest. True before user space, and when Xen starts next.
    pub certain: bool,
}

/// Why no later stage shows that a boot went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum BootEnd {
    /// A program gave up; a login prompt shows that it went on.
    GivenUp,
    /// A panic.
    Panic,
}

/// A boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedBoot {
    /// Number of its first line: the jump, or the first line of a kernel.
    pub line: usize,
    /// Target of the handoff's jump, as printed.
    pub jump: Option<String>,
    /// Stages in the order of the log.
    pub stages: Vec<ReachedStage>,
    /// Lines that are not empty and not of the handoff.
    pub lines: usize,
    /// The first line that is not of a kernel, where no kernel printed before.
    pub output: Option<(usize, String)>,
    /// The last line.
    pub last: Option<(usize, String)>,
    /// Number of the line that ended it: a panic.
    pub failed: Option<usize>,
    /// The machine was reset, not as asked for, and without a panic.
    pub reset: Option<LoggedReset>,
    /// It ended as asked for: a reboot, a halt, another kexec.
    ended: bool,
    /// A panic, or a program that gave up, ended it.
    end: Option<BootEnd>,
    /// A login prompt was printed.
    login: bool,
    /// Characters of lines that no kernel printed.
    characters: ByteCount,
}

impl LoggedBoot {
    fn new(line: usize, jump: Option<String>) -> Self {
        Self {
            line,
            jump,
            stages: Vec::new(),
            lines: 0,
            output: None,
            last: None,
            failed: None,
            reset: None,
            ended: false,
            end: None,
            characters: ByteCount::default(),
            login: false,
        }
    }

    /// True if the stage was reached.
    #[must_use]
    pub fn reached(&self, stage: Stage) -> bool {
        self.stages.iter().any(|reached| reached.stage == stage)
    }

    /// The result.
    #[must_use]
    pub fn outcome(&self) -> BootOutcome {
        match self {
            _ if self.failed.is_some() => BootOutcome::Failed,
            _ if self.in_user_space() => BootOutcome::UserSpace,
            _ if self.reset.is_some() => BootOutcome::Reset,
            _ if self.lines == 0 => BootOutcome::Silent,
            _ if self.stages.is_empty() && self.characters.is_noise() => BootOutcome::Noise,
            _ if self.output.is_some() || self.stages.is_empty() => BootOutcome::Output,
            _ => BootOutcome::Stopped,
        }
    }

    /// True if programs print.
    #[must_use]
    pub fn in_user_space(&self) -> bool {
        self.reached(Stage::UserSpace) || self.is_quiet() && self.output.is_some()
    }

    /// True if a login prompt was printed: the programs of the initrd have ended.
    #[must_use]
    pub const fn has_login(&self) -> bool {
        self.login
    }

    /// True if a line without a label can be one of Xen.
    #[must_use]
    pub fn can_be_xen(&self) -> bool {
        let linux = self.reached(Stage::Linux) || self.jumped_to_linux();
        self.reached(Stage::Xen) || !linux
    }

    fn jumped_to_linux(&self) -> bool {
        let jump = self.jump.as_ref();
        // a handoff with a device tree that does not name its target: on riscv64 only Linux is loaded
        jump.is_some_and(|jump| {
            jump.contains("(linux") || jump.contains(", dtb ") && !jump.contains("(xen")
        })
    }

    /// True if a kernel was entered that has a user space, and prints nothing itself.
    fn is_quiet(&self) -> bool {
        self.jumped_to_linux() || self.reached(Stage::Dom0)
    }

    fn reach(&mut self, stage: Stage, line: &LogLine<'_>) {
        if !self.reached(stage) {
            if self.end.is_none() {
                self.failed = None;
            }
            self.stages.push(ReachedStage {
                stage,
                line: line.number,
                text: quote(line.body),
            });
        }
    }
}

/// Boots of a log.
#[derive(Debug, Default)]
pub struct BootLog {
    /// In the order of the log.
    pub boots: Vec<LoggedBoot>,
    /// Number of boots that were dropped.
    pub dropped: usize,
    /// The last boot is over: the handoff or firmware runs.
    between: bool,
    /// Lines of the kernel of the last boot.
    printed: KernelLines,
    /// The last boot may be a log that a program of the one before prints.
    suspect: Option<SuspectedReplay>,
}

impl BootLog {
    /// The boot that prints, if any.
    #[must_use]
    pub fn current(&self) -> Option<&LoggedBoot> {
        self.boots.last().filter(|_| !self.between)
    }

    /// Adds a line.
    pub fn line(&mut self, line: &LogLine<'_>, effect: LineEffect) {
        let text = line.body;
        if text.is_empty() || line.label == Some(LineLabel::Guest) {
            return;
        }
        if let Some(handoff) = text.strip_prefix("[handoff]") {
            let handoff = handoff.trim_start();
            if let Some(jump) = handoff.strip_prefix("jump to ") {
                self.begin(LoggedBoot::new(line.number, Some(quote(jump))));
                self.between = false;
            } else if BETWEEN.iter().any(|start| handoff.starts_with(start)) {
                (self.between, self.suspect) = (true, None);
            }
            return;
        }
        if let Some(by) = firmware::printer(line) {
            self.reset(line, by);
            return;
        }
        let stage = stage(line);
        if let Some(first @ (Stage::Xen | Stage::Linux)) = stage
            && self.is_another(first, line)
        {
            if self.between && first == Stage::Xen {
                self.confirm_reset();
            }
            let replay = self.can_be_replay(first);
            let printed = std::mem::take(&mut self.printed);
            self.begin(LoggedBoot::new(line.number, None));
            self.suspect = replay.then(|| SuspectedReplay::new(printed));
            self.between = false;
        }
        self.compare(line);
        let Some(boot) = self.boots.last_mut().filter(|_| !self.between) else {
            return;
        };
        let dumped = effect == LineEffect::Dump && !line.of_kernel() && stage.is_none();
        if dumped && boot.stages.is_empty() && boot.output.is_none() {
            return;
        }
        boot.lines += 1;
        boot.last = Some((line.number, quote(text)));
        if !line.of_kernel() && !dumped {
            boot.characters.add_line(text);
        }
        let end = match effect {
            LineEffect::Ends => Some(BootEnd::Panic),
            LineEffect::GivesUp => Some(BootEnd::GivenUp),
            LineEffect::None | LineEffect::Dump | LineEffect::Fails => None,
        };
        boot.end = boot.end.max(end);
        if end.is_some() || effect == LineEffect::Fails {
            boot.failed.get_or_insert(line.number);
        }
        if is_login(text) {
            boot.login = true;
            boot.end.take_if(|end| *end == BootEnd::GivenUp);
            if boot.end.is_none() {
                boot.failed = None;
            }
        }
        boot.ended |= END_LINES.may_be_in(text);
        if let Some(stage) = stage {
            boot.reach(stage, line);
        } else if !line.of_kernel() && !dumped && boot.failed.is_none() {
            boot.program(line);
        }
    }

    /// True if a program of the boot that prints can print a log with the first line of this kernel.
    fn can_be_replay(&self, first: Stage) -> bool {
        let boot = self.current();
        first == Stage::Linux
            && boot.is_some_and(|boot| boot.in_user_space() && boot.failed.is_none() && !boot.ended)
    }

    /// Compares a line with those of the boot before, if the last one may be a log that it prints.
    fn compare(&mut self, line: &LogLine<'_>) {
        let is_new = self.printed.add(line);
        let Some(suspect) = self.suspect.as_mut().filter(|_| is_new) else {
            return;
        };
        match suspect.line(line) {
            Repeated::Unknown => {}
            Repeated::No => self.suspect = None,
            Repeated::Yes => {
                self.printed = self
                    .suspect
                    .take()
                    .map_or_else(KernelLines::default, SuspectedReplay::into_earlier);
                let replay = self.boots.pop();
                if let (Some(boot), Some(replay)) = (self.boots.last_mut(), replay) {
                    boot.lines += replay.lines;
                    boot.last = replay.last.or(boot.last.take());
                }
            }
        }
    }

    /// Xen starts: firmware that printed before it was not that of a guest.
    fn confirm_reset(&mut self) {
        if let Some(reset) = self.boots.last_mut().and_then(|boot| boot.reset.as_mut()) {
            reset.certain = true;
        }
    }

    /// True if the first line of this kernel cannot belong to the boot before.
    fn is_another(&self, first: Stage, line: &LogLine<'_>) -> bool {
        let Some(boot) = self.current() else {
            return true;
        };
        let over = boot.failed.is_some() || boot.ended;
        if boot.in_user_space() && !line.of_kernel() && !over {
            // a program prints /proc/version
            return false;
        }
        let again = boot.reached(first) || first == Stage::Xen && boot.reached(Stage::Linux);
        over || again
    }

    /// A panic in an earlier line of the boot that prints.
    pub(super) fn panic(&mut self, line: usize) {
        if let Some(boot) = self.boots.last_mut().filter(|_| !self.between) {
            boot.failed.get_or_insert(line);
            boot.end = Some(BootEnd::Panic);
        }
    }

    /// Firmware prints: the boot before is over.
    fn reset(&mut self, line: &LogLine<'_>, by: &'static str) {
        if self.between {
            return;
        }
        (self.between, self.suspect) = (true, None);
        if let Some(boot) = self.boots.last_mut()
            && boot.failed.is_none()
            && !boot.ended
        {
            boot.reset = Some(LoggedReset {
                line: line.number,
                by,
                text: quote(line.body),
                certain: !boot.in_user_space(),
            });
        }
    }

    fn begin(&mut self, boot: LoggedBoot) {
        (self.printed, self.suspect) = (KernelLines::default(), None);
        if self.boots.len() == MAX_BOOTS {
            self.boots.remove(0);
            self.dropped += 1;
        }
        self.boots.push(boot);
    }
}

impl LoggedBoot {
    /// A line that no kernel printed.
    fn program(&mut self, line: &LogLine<'_>) {
        let is_early = EARLY.iter().any(|early| starts_with(line.body, early));
        if is_early || self.characters.is_noise() || !is_readable(line.body) {
            return;
        }
        if self.reached(Stage::LinuxReady) || self.reached(Stage::Init) {
            self.reach(Stage::UserSpace, line);
        } else if !self.reached(Stage::Linux)
            && (self.stages.is_empty() || self.reached(Stage::Dom0))
        {
            self.output
                .get_or_insert_with(|| (line.number, quote(line.body)));
        }
    }
}

/// Lines of the handoff after which no kernel prints: its first one, and its last ones behind a dump.
const BETWEEN: [&str; 3] = [
    "mbtool ",
    "resetting the machine (--on-fault",
    "halted (--on-fault",
];

/// Ends a boot as asked for.
const ENDS: [&str; 9] = [
    "reboot: Restarting system",
    "reboot: Power down",
    "reboot: System halted",
    "Restarting system.",
    "Starting new kernel",
    "jumping into the loaded image",
    "Hardware Dom0 shutdown",
    "Hardware Dom0 halted",
    "Executing kexec image",
];

static END_LINES: LazyLock<TextSet> = LazyLock::new(|| TextSet::new(ENDS));

/// Lines of start code, before the kernel's first one.
const EARLY: [&str; 22] = [
    "early console in",
    "Decompressing Linux",
    "Parsing ELF",
    "Performing relocations",
    "Booting the kernel",
    "No EFI environment",
    "KASLR",
    "Physical KASLR",
    "Virtual KASLR",
    "input_data:",
    "EFI stub:",
    "Wrong EFI loader",
    "Xen ",
    "trampoline_32bit:",
    // Xen on arm64
    "- UART enabled -",
    "- Boot CPU booting -",
    "- Current EL ",
    "- Initialize CPU -",
    "- Zero BSS -",
    "- Turning on paging -",
    "- Paging turned on -",
    "- Ready -",
];

#[cfg(test)]
mod tests;
