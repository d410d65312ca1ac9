//! Time statistics of a run of all cases.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use images::guest::{CRASH, DEBIAN, DOM0, LINUX, STAGE1};

/// Number of cases in the table.
const SHOWN: usize = 12;

/// First output of the handoff, at each entry.
const ENTERED: &str = "[handoff] mbtool ";

/// First output of a system's user space.
const UP: [&str; 6] = [STAGE1, DEBIAN, DOM0, LINUX, CRASH, "MBTOOL-CHAIN "];

/// Start of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartKind {
    /// Booted from power-on.
    Booted,
    /// Booted from power-on, although its case is `restored`.
    BootedInstead,
    /// Restored from a template.
    Restored,
    /// Booted to be a template.
    Template,
}

/// Parts of a machine's time, by its output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeParts {
    /// Until the first user space runs.
    pub booting: Duration,
    /// From the handoff's first line to the user space of its target, each time; up to the end if
    /// there is none.
    pub handing_over: Duration,
    /// The rest.
    pub working: Duration,
}

/// Phases of a running machine.
#[derive(Debug, Default)]
pub struct Phases {
    parts: TimeParts,
    at: Duration,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Boot,
    HandOver,
    Work,
}

impl Phases {
    /// Adds a line of the serial log with its time.
    pub fn line(&mut self, at: Duration, line: &str) {
        let next = if line.contains(ENTERED) {
            Phase::HandOver
        } else if UP.iter().any(|up| line.starts_with(up)) {
            Phase::Work
        } else {
            return;
        };
        self.pass(at);
        self.phase = next;
    }

    /// The machine has ended.
    pub fn end(mut self, at: Duration) -> TimeParts {
        self.pass(at);
        self.parts
    }

    fn pass(&mut self, at: Duration) {
        let part = match self.phase {
            Phase::Boot => &mut self.parts.booting,
            Phase::HandOver => &mut self.parts.handing_over,
            Phase::Work => &mut self.parts.working,
        };
        *part += at.saturating_sub(self.at);
        self.at = at;
    }
}

/// A machine that has run.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    /// Start of the machine.
    pub kind: StartKind,
    /// Parts of its time.
    pub parts: TimeParts,
    /// Time that it waited for a CPU of the host.
    pub starved: Duration,
    /// CPU time of all its threads.
    pub cpu: Duration,
}

#[derive(Debug)]
struct Timed {
    name: String,
    wall: Duration,
    machines: Vec<Ran>,
}

#[derive(Debug, Default)]
struct All {
    cases: Vec<Timed>,
    building: Duration,
    again: u32,
    unknown: Vec<String>,
}

static ALL: Mutex<All> = Mutex::new(All {
    cases: Vec::new(),
    building: Duration::ZERO,
    again: 0,
    unknown: Vec::new(),
});

thread_local! {
    static MACHINES: RefCell<Vec<Ran>> = const { RefCell::new(Vec::new()) };
}

/// A case begins in this thread.
pub fn begin() {
    MACHINES.take();
}

/// A machine of this thread has run.
pub fn ran(machine: Ran) {
    MACHINES.with_borrow_mut(|machines| machines.push(machine));
}

/// The case of this thread has ended.
pub fn end(name: &str, wall: Duration) {
    let timed = Timed {
        name: name.to_owned(),
        wall,
        machines: MACHINES.take(),
    };
    if let Ok(mut all) = ALL.lock() {
        all.cases.push(timed);
    }
}

/// Programs for the guests have been built.
pub fn built(time: Duration) {
    if let Ok(mut all) = ALL.lock() {
        all.building += time;
    }
}

/// Counts a machine that was run again because of a fault of QEMU.
pub fn again() {
    if let Ok(mut all) = ALL.lock() {
        all.again += 1;
    }
}

/// A case failed with a version of a kernel that is new to it.
pub fn unknown(name: &str, version: &str) {
    if let Ok(mut all) = ALL.lock() {
        all.unknown.push(format!("{name} ({version})"));
    }
}

/// Returns the tables for the end of a run that took `wall` with `threads` machines in parallel:
/// the slowest cases, and all.
pub fn tables(wall: Duration, threads: usize) -> [String; 2] {
    let Ok(mut all) = ALL.lock() else {
        return [String::new(), String::new()];
    };
    all.cases.sort_by_key(|case| std::cmp::Reverse(case.wall));
    [SHOWN, all.cases.len()].map(|shown| render(&all, shown, wall, threads))
}

fn render(all: &All, shown: usize, wall: Duration, threads: usize) -> String {
    let mut text = String::new();
    let machines = || all.cases.iter().flat_map(|case| &case.machines);
    if machines().next().is_none() {
        return text;
    }
    let seconds = |time: Duration| format!("{:.1}", time.as_secs_f32());
    let mut row = |name: &str, of: &mut dyn Iterator<Item = &Ran>, wall: Duration| {
        let mut sum = TimeParts::default();
        let (mut cpu, mut starved) = (Duration::ZERO, Duration::ZERO);
        for ran in of {
            sum.booting += ran.parts.booting;
            sum.handing_over += ran.parts.handing_over;
            sum.working += ran.parts.working;
            cpu += ran.cpu;
            starved += ran.starved;
        }
        let columns = [
            wall,
            sum.booting,
            sum.handing_over,
            sum.working,
            cpu,
            starved,
        ];
        let columns = columns.map(|time| format!("{:>9}", seconds(time)));
        let _ = writeln!(text, "{name:<62}{}", columns.concat());
    };
    let slow = all.cases.iter().take(shown);
    for case in slow {
        row(&case.name, &mut case.machines.iter(), case.wall);
    }
    row(
        "all",
        &mut machines(),
        all.cases.iter().map(|case| case.wall).sum(),
    );
    let head = format!(
        "{:<62}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}\n",
        "slowest cases (seconds)", "wall", "booting", "handover", "working", "CPU", "starved"
    );
    let count = |kind: StartKind| machines().filter(|ran| ran.kind == kind).count();
    let mut end = format!(
        "{} cases in {} s, {threads} machines at a time: {} booted, {} restored from templates, of which {} were made",
        all.cases.len(),
        seconds(wall),
        count(StartKind::Booted) + count(StartKind::BootedInstead),
        count(StartKind::Restored),
        count(StartKind::Template),
    );
    let instead = count(StartKind::BootedInstead);
    if instead > 0 {
        let _ = write!(end, "; {instead} booted instead of being restored");
    }
    let _ = write!(
        end,
        "; building for the guests {} s; run again for a fault of QEMU's: {}",
        seconds(all.building),
        all.again
    );
    if !all.unknown.is_empty() {
        let _ = write!(
            end,
            "\nFAILED, NOT COUNTED, with a kernel that is newer than any that was tried: {}",
            all.unknown.join(", ")
        );
    }
    format!("\n{head}{text}{end}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn phases_are_detected_by_lines() {
        let mut phases = Phases::default();
        for (at, line) in [
            (1, "(XEN) Xen version"),
            (5, "MBTOOL-STAGE1 START linux=6.1"),
            (6, "MBTOOL-STAGE1 + mbtool exec -f"),
            (8, "[handoff] mbtool 0.1.0 at 0x100000, entered by linux"),
            (9, "[handoff] jump to 0x7fa00000"),
            (14, "MBTOOL-DOM0 linux=6.1"),
        ] {
            phases.line(s(at), line);
        }
        let parts = phases.end(s(15));
        let expected = TimeParts {
            booting: s(5),
            handing_over: s(6),
            working: s(4),
        };
        assert_eq!(parts, expected);
    }

    #[test]
    fn the_table_has_sums() {
        let ran = |kind, booting| Ran {
            kind,
            parts: TimeParts {
                booting: s(booting),
                handing_over: s(4),
                working: s(1),
            },
            starved: s(0),
            cpu: s(7),
        };
        let timed = |name: &str, machines| Timed {
            name: name.to_owned(),
            wall: s(12),
            machines,
        };
        let all = All {
            cases: vec![
                timed("a::b", vec![ran(StartKind::Booted, 6)]),
                timed(
                    "a::c",
                    vec![ran(StartKind::Template, 5), ran(StartKind::Restored, 0)],
                ),
            ],
            building: s(3),
            again: 0,
            unknown: vec!["a::d (7.9)".to_owned()],
        };
        let text = render(&all, 1, s(13), 2);
        assert!(text.contains("a::b") && !text.contains("a::c"));
        let all = text.lines().find(|line| line.starts_with("all ")).unwrap();
        let numbers: Vec<&str> = all.split_whitespace().skip(1).collect();
        assert_eq!(numbers, ["24.0", "11.0", "12.0", "3.0", "21.0", "0.0"]);
        assert!(text.contains("1 booted, 1 restored from templates, of which 1 were made"));
        assert!(!text.contains("instead"), "{text}");
        assert!(text.contains("NOT COUNTED") && text.contains("a::d (7.9)"));
        assert_eq!(render(&All::default(), 1, s(1), 2), "");
    }
}
