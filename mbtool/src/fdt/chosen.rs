//! The tree that a Linux gets: `/chosen` rewritten, and what only the running kernel needed dropped (Linux,
//! Documentation/devicetree/usage-model.rst and drivers/of/fdt.c; dt-schema, chosen.yaml).

use super::cells::Cells;
use super::error::{DtValueError, DtValueProblem};
use super::names::shown;
use super::tree::DeviceTree;
use handoff::addr::{PAGE_SIZE, PhysRange};

const INITRD_START: &str = "linux,initrd-start";
const INITRD_END: &str = "linux,initrd-end";
const ELFCOREHDR: &str = "linux,elfcorehdr";
const USABLE: &str = "linux,usable-memory-range";
const IMA_BUFFER: &str = "linux,ima-kexec-buffer";
const KASLR_SEED: &str = "kaslr-seed";
const RNG_SEED: &str = "rng-seed";

/// Properties about the running kernel: its initrd, the dump that it saved, data that the kernel before it left, and
/// random bytes, which the next kernel must not get too. Those about EFI remain: its tables do.
const OF_RUNNING: [&str; 9] = [
    INITRD_START,
    INITRD_END,
    ELFCOREHDR,
    USABLE,
    IMA_BUFFER,
    "linux,kho-fdt",
    "linux,kho-scratch",
    KASLR_SEED,
    RNG_SEED,
];

/// What a Linux gets by `/chosen`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinuxChosen<'a> {
    /// Command line.
    pub bootargs: &'a str,
    /// The initrd; its end is not rounded.
    pub initrd: Option<PhysRange>,
    /// For a crash kernel: the ELF core header.
    pub elfcorehdr: Option<PhysRange>,
    /// For a crash kernel: the memory that it may use; empty for all.
    pub usable: &'a [PhysRange],
    /// Random bytes; `None` for none.
    pub seeds: Option<Seeds>,
    /// Memory of the running kernel whose reservations are dropped, such as its device tree, if that is known.
    pub stale: &'a [PhysRange],
}

/// Random bytes for a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    /// For the choice of its virtual address.
    pub kaslr: u64,
    /// For its random number generator.
    pub rng: [u8; 64],
}

/// What was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChosenChanges {
    /// Properties of `/chosen` that are dropped and not set anew.
    pub properties: Vec<&'static str>,
    /// Nodes of `/chosen` that are dropped.
    pub nodes: Vec<String>,
    /// Reservations of the header that are dropped.
    pub reservations: Vec<PhysRange>,
}

impl Seeds {
    /// Their properties of `/chosen`.
    pub(super) fn properties(&self) -> [(&'static str, Vec<u8>); 2] {
        [
            (KASLR_SEED, self.kaslr.to_be_bytes().into()),
            (RNG_SEED, self.rng.into()),
        ]
    }
}

/// The value of a property of `/chosen` that is a command line.
pub(super) fn text_value(property: &str, text: &str) -> Result<Vec<u8>, DtValueError> {
    if text.contains('\0') {
        return Err(DtValueError {
            node: "/chosen".to_owned(),
            property: property.to_owned(),
            problem: DtValueProblem::NoText {
                value: format!("\"{}\"", shown(text.as_bytes())),
            },
        });
    }
    Ok([text.as_bytes(), &[0]].concat())
}

impl DeviceTree {
    /// Rewrites `/chosen`, and drops the reservations of the running kernel's initrd, core header and `stale` memory. All
    /// other reservations remain, and the rest of the tree.
    ///
    /// # Errors
    ///
    /// When a value cannot be written as the root's cells are, or `bootargs` has a NUL. The tree is unchanged then.
    pub fn for_linux(&mut self, boot: &LinuxChosen<'_>) -> Result<ChosenChanges, DtValueError> {
        let set = self.chosen_values(boot)?;
        let mut changes = self.drop_of_running(boot.stale);
        changes
            .properties
            .retain(|name| set.iter().all(|(other, _)| other != name));
        let chosen = self.root.child_or_new("chosen");
        for (name, value) in set {
            chosen.set(name, value);
        }
        Ok(changes)
    }

    /// Drops the properties about the running kernel, and reservations of its data and of `stale` memory.
    pub(super) fn drop_of_running(&mut self, stale: &[PhysRange]) -> ChosenChanges {
        let own = self.ranges_of_running();
        let stale: Vec<PhysRange> = own.into_iter().chain(stale.iter().copied()).collect();
        let mut changes = ChosenChanges::default();
        self.reservations.retain(|range| {
            let gone = stale.iter().any(|stale| is_reservation_of(range, stale));
            changes.reservations.extend(gone.then_some(*range));
            !gone
        });
        let chosen = self.root.child_or_new("chosen");
        for name in OF_RUNNING {
            changes
                .properties
                .extend(chosen.remove(name).then_some(name));
        }
        changes
    }

    /// The properties of `/chosen` that `boot` has.
    fn chosen_values(
        &self,
        boot: &LinuxChosen<'_>,
    ) -> Result<Vec<(&'static str, Vec<u8>)>, DtValueError> {
        let root = self.top();
        let mut set = vec![("bootargs", text_value("bootargs", boot.bootargs)?)];
        if let Some(initrd) = boot.initrd {
            set.push((INITRD_START, initrd.start.to_be_bytes().into()));
            set.push((INITRD_END, initrd.end.to_be_bytes().into()));
        }
        let lists = [
            (ELFCOREHDR, boot.elfcorehdr.as_slice()),
            (USABLE, boot.usable),
        ];
        for (name, ranges) in lists {
            if ranges.is_empty() {
                continue;
            }
            let cells = Cells::of_root(&root)?;
            let mut value = Vec::new();
            for range in ranges {
                cells.encode(&root, name, *range, &mut value)?;
            }
            set.push((name, value));
        }
        set.extend(boot.seeds.iter().flat_map(Seeds::properties));
        // as Linux marks it for a kernel that it starts (kexec_file_load)
        set.push(("linux,booted-from-kexec", Vec::new()));
        Ok(set)
    }

    /// Memory that `/chosen` says the running kernel uses: initrd, core header, IMA's list. A property that is wrong has
    /// none: it is dropped in any case.
    fn ranges_of_running(&self) -> Vec<PhysRange> {
        let root = self.top();
        let Some(chosen) = root.child("chosen") else {
            return Vec::new();
        };
        let number = |name| chosen.number(name).ok().flatten();
        let initrd = number(INITRD_START).zip(number(INITRD_END));
        let mut all: Vec<PhysRange> = initrd
            .and_then(|(start, end)| PhysRange::new(start, end))
            .into_iter()
            .collect();
        for name in [ELFCOREHDR, IMA_BUFFER] {
            all.extend(chosen.physical(name).unwrap_or_default());
        }
        all
    }
}

/// True when `reserved` is the reservation of `used`: exactly it, or its whole pages.
fn is_reservation_of(reserved: &PhysRange, used: &PhysRange) -> bool {
    let pages = used.align_outward(PAGE_SIZE).unwrap_or(*used);
    let starts = [used.start, pages.start];
    let ends = [used.end, pages.end];
    !used.is_empty() && starts.contains(&reserved.start) && ends.contains(&reserved.end)
}
