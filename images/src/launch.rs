//! A guest without an operating system: QEMU's `-kernel` starts the launcher,
//! which copies segments to their destinations and jumps, in less than a
//! second.
//!
//! ```text
//! qemu-system-x86_64 -kernel FILE(kernel(base)) -initrd FILE(pack(..)) ...
//! ```
//!
//! QEMU places the plan right after the launcher; no segment may overlap
//! either.

use crate::payloads::LAUNCHER;

#[path = "../payload/launcher/plan.rs"]
pub mod plan;
pub mod series;

/// A segment: destination, bytes of memory, contents.
pub type LaunchSegment<'a> = (u64, u64, &'a [u8]);

/// Default base: 512 MiB, away from addresses that a loader uses at the low end
/// or, with 1 GiB of memory, at the top.
pub const DEFAULT_BASE: u32 = 0x2000_0000;

/// The launcher as an ELF32 file to be loaded at `base`, a multiple of 4096.
///
/// # Panics
///
/// When `base` is not a multiple of 4096.
#[must_use]
pub fn kernel(base: u32) -> Vec<u8> {
    assert!(
        base.is_multiple_of(4096),
        "launcher base {base:#x} is not page aligned"
    );
    let mut file = LAUNCHER.to_vec();
    let delta = base.wrapping_sub(field(&file, P_VADDR));
    for at in [E_ENTRY, P_VADDR, P_PADDR] {
        let moved = field(&file, at).wrapping_add(delta);
        file[at..at + 4].copy_from_slice(&moved.to_le_bytes());
    }
    file
}

/// Offsets in an ELF32 file whose program headers follow its header.
const E_ENTRY: usize = 24;
const P_VADDR: usize = 52 + 8;
const P_PADDR: usize = 52 + 12;
const P_MEMSZ: usize = 52 + 20;

fn field(file: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| file[at + i]))
}

/// A plan that copies `segments` to their destinations, then jumps to `entry`
/// in long mode as Linux's kexec does (up to 6.12): identity map of RAM only,
/// CR4 = 0x20 (SSE off), GDT and IDT limit 0, CS 0x10, other segments 0x18, RSP
/// at the end of a page less 8 with a zero there, all other registers zero.
#[must_use]
pub fn pack(segments: &[LaunchSegment<'_>], entry: u64) -> Vec<u8> {
    write(plan::LONG, segments, entry, [4, 0])
}

/// Like [`pack`] with five levels of paging (CR4 = 0x1020), as on a CPU that
/// has them: QEMU's `-cpu max`.
#[must_use]
pub fn pack_la57(segments: &[LaunchSegment<'_>], entry: u64) -> Vec<u8> {
    write(plan::LONG, segments, entry, [5, 0])
}

/// A plan that copies `segments` to their destinations, then jumps to `eip` in
/// 32-bit protected mode without paging, with EAX and EBX as given, ECX =
/// `eip`, and every other register holding an address where there is no memory.
#[must_use]
pub fn pack_direct(segments: &[LaunchSegment<'_>], eip: u32, eax: u32, ebx: u32) -> Vec<u8> {
    write(plan::DIRECT, segments, eip.into(), [eax, ebx])
}

/// A plan that copies `segments` to their destinations, then calls `entry` in
/// long mode `rounds` times, from the state [`plan::STATE_RICH`] or
/// [`plan::STATE_LINUX`]. The launcher compares every register, and 16 MiB of
/// memory without the segment that `entry` is in, before and after each call.
/// It prints each difference as `MBTOOL-LAUNCHER differs ...`, then
/// `MBTOOL-LAUNCHER returned N times, rax 0x..., digest 0x...`, and ends QEMU
/// with
/// [`LAUNCHER_RETURNED_STATUS`](crate::payloads::LAUNCHER_RETURNED_STATUS).
#[must_use]
pub fn pack_call(segments: &[LaunchSegment<'_>], entry: u64, rounds: u32, state: u32) -> Vec<u8> {
    write(plan::CALL, segments, entry, [rounds, state])
}

/// A plan that copies `segments` to their destinations, which may be above 4
/// GiB, then jumps to `entry` in long mode as Xen's kexec does with an image
/// for x86-64, up to Xen 4.20: only the segments' pages and a control page
/// mapped, in pages of 4 KiB; CS 0xe008, TR 0xe040, other selectors 0, GDT and
/// IDT where nothing is mapped; 120 bytes of stack in the control page; RBP =
/// `entry`, every other register an address where nothing is mapped; PIC
/// masked, PAT as in Xen. `cpu` is [`plan::BOOT_CPU`] or, with QEMU's `-smp 2`,
/// [`plan::APPLICATION_CPU`].
#[must_use]
pub fn pack_xen(segments: &[LaunchSegment<'_>], entry: u64, cpu: u32) -> Vec<u8> {
    write(plan::XEN, segments, entry, [cpu, 0])
}

fn write(mode: u32, segments: &[LaunchSegment<'_>], entry: u64, registers: [u32; 2]) -> Vec<u8> {
    let mut offset = plan::HEADER_LEN + segments.len() * plan::SEGMENT_LEN;
    let mut file = head(mode, segments, entry, registers, |bytes| {
        let at = offset;
        offset += bytes.len();
        at
    });
    for (.., bytes) in segments {
        file.extend(*bytes);
    }
    file
}

/// Returns a plan without contents; `place` returns an offset for them.
fn head<'a>(
    mode: u32,
    segments: &[LaunchSegment<'a>],
    entry: u64,
    registers: [u32; 2],
    mut place: impl FnMut(&'a [u8]) -> usize,
) -> Vec<u8> {
    let mut file = plan::MAGIC.to_vec();
    file.extend(mode.to_le_bytes());
    file.extend((segments.len() as u32).to_le_bytes());
    file.extend(entry.to_le_bytes());
    file.extend(registers.iter().flat_map(|register| register.to_le_bytes()));
    debug_assert_eq!(file.len(), plan::HEADER_LEN);
    for (destination, memsz, bytes) in segments {
        let fields = [
            *destination,
            *memsz,
            place(bytes) as u64,
            bytes.len() as u64,
        ];
        file.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
    }
    file
}
