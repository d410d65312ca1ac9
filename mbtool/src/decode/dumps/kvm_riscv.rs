//! The host's Linux on riscv64, when its KVM cannot run a guest:
//!
//! ```text
//! kvm [93]: VCPU exit error -95
//! kvm [93]: SEPC=0x802000d8 SSTATUS=0x200004520 HSTATUS=0x200200180
//! kvm [93]: SCAUSE=0x14 STVAL=0x0 HTVAL=0x3 HTINST=0x0
//! ```

use super::open::{self, OpenDump, Taken};
use super::{DumpReader, ReadDump, after, hex};
use crate::decode::found::{DumpSource, HypervisorState};
use crate::decode::log_line::LogLine;
use crate::decode::text_set::starts_with;
use handoff::arch::riscv64::dump::read::RiscvDump;

const HEAD: &str = "VCPU exit error ";
/// Lines of other programs between the three.
const MAX_GAP: usize = 8;

/// Reads what KVM prints.
#[derive(Debug, Default)]
pub(super) struct KvmHostReader {
    open: Option<Box<Open>>,
}

#[derive(Debug)]
struct Open {
    found: ReadDump<RiscvDump>,
    noise: usize,
}

impl DumpReader for KvmHostReader {
    fn line(&mut self, line: &LogLine<'_>) -> Vec<ReadDump> {
        if !starts_with(line.body, "kvm") {
            return open::add(&mut self.open, line);
        }
        if let Some(error) = after(line.body, HEAD) {
            let ended = self.finish();
            let mut found = ReadDump::<RiscvDump>::new(DumpSource::KvmHost, line.number);
            found.say(line.body);
            if error.split_ascii_whitespace().next() == Some("-95") {
                found.note("KVM_RUN fails with EOPNOTSUPP (-95)");
            }
            self.open = Some(Box::new(Open { found, noise: 0 }));
            return ended;
        }
        open::add(&mut self.open, line)
    }

    fn finish(&mut self) -> Vec<ReadDump> {
        open::end(&mut self.open)
    }

    fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

impl OpenDump for Open {
    fn take(&mut self, line: &LogLine<'_>) -> Taken {
        let text = line.body;
        let field = |name| {
            after(text, name)
                .filter(|rest| rest.starts_with("0x"))
                .and_then(hex)
        };
        let dump = &mut self.found.dump;
        if let Some(sepc) = field("SEPC=") {
            dump.sepc = Some(sepc);
            dump.sstatus = field("SSTATUS=");
            let state = self.found.details.hypervisor.get_or_insert_default();
            state.hstatus = field("HSTATUS=").unwrap_or(0);
            return Taken::Yes;
        }
        if let Some(scause) = field("SCAUSE=") {
            dump.scause = Some(scause);
            dump.stval = field("STVAL=");
            let state = self.found.details.hypervisor.get_or_insert_default();
            let hstatus = state.hstatus;
            *state = HypervisorState {
                hstatus,
                htval: field("HTVAL=").unwrap_or(0),
                htinst: field("HTINST=").unwrap_or(0),
            };
            return Taken::Last;
        }
        if self.noise < MAX_GAP {
            Taken::No
        } else {
            Taken::Last
        }
    }

    fn noise(&mut self) -> &mut usize {
        &mut self.noise
    }

    fn end(self) -> Option<ReadDump> {
        let dump = &self.found.dump;
        let any = dump.sepc.is_some() || dump.scause.is_some();
        let whole = dump.sepc.is_some() && dump.stval.is_some();
        let mut found = self.found;
        if whole {
            found.dump.integrity = handoff::dump::read::Integrity::Whole;
        }
        any.then(|| found.read())
    }
}
