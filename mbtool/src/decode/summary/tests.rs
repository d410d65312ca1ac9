use super::*;
use crate::decode::log_line::LogLine;

fn text(lines: &[&str], dumps: &[usize]) -> String {
    let mut survey = Survey::default();
    for (index, line) in lines.iter().enumerate() {
        survey.line(&LogLine::new(index + 1, line), false);
    }
    survey.finish();
    LogSummary::new(&survey, ByteCount::default())
        .shown(dumps)
        .to_string()
}

const LINUX: &str = "[    0.000000] Linux version 6.1.0";
const JUMP: &str = "[handoff] jump to 0x7c000200 (linux, 64-bit), boot_params 0x155000";

#[test]
fn the_text_has_what_a_reader_needs() {
    let got = text(
        &[
            LINUX,
            JUMP,
            LINUX,
            "[    9.0] Kernel panic - not syncing: System is deadlocked on memory",
        ],
        &[],
    );
    assert_eq!(
        got,
        "\
line 2: the handoff jumped to 0x7c000200 (linux, 64-bit), boot_params 0x155000
  line 3      Linux prints                   Linux version 6.1.0
  It failed at line 4 (2 lines follow).

Linux, line 4: System is deadlocked on memory
  The memory is too small for this kernel and its initrd.
  try: as crash kernel: reserve what `mbtool crash size IMAGE --initrd FILE` computes; a smaller
       initrd and nr_cpus=1 need less.
"
    );
}

#[test]
fn a_boot_that_a_dump_describes_is_left_out() {
    assert_eq!(text(&[JUMP], &[2]), "");
    assert!(text(&[JUMP], &[1]).is_empty());
    assert!(text(&[JUMP, LINUX], &[3]).contains("Linux prints"));
    // without a jump: the last boot
    let two = text(
        &[LINUX, "[    9.000000] reboot: Restarting system", LINUX],
        &[],
    );
    assert!(
        two.starts_with("line 3: a kernel starts, not by mbtool's handoff"),
        "{two}"
    );
}

#[test]
fn many_boots_are_cut() {
    let got = text(&[JUMP; 20], &[]);
    assert!(
        got.starts_with("12 earlier boots (--json shows them)\n\nline 13:"),
        "{got}"
    );
}
