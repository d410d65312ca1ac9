//! xz and LZMA-alone.

use super::sink::{Fault, Sink};
use lzma_rust2::{Action, LzmaReader, Status, XzStream};

/// Header magic of the .xz format, section 2.1.1.1.
pub(super) const XZ_MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
/// Maximum memory of a decoder for its dictionary, in KiB: enough for `xz -9`
/// (64 MiB) and for dictionaries of 1 GiB.
const MEMORY_KIB: u32 = (1 << 20) + 1024;
/// Size field of a .lzma header with an end marker.
const SIZE_UNKNOWN: u64 = u64::MAX;
/// First size that is not plausible in a .lzma header, in bytes (256 GiB).
const SIZE_INSANE: u64 = 1 << 38;
/// Length of the .lzma header: properties, dictionary size, size.
const HEADER_BYTES: usize = 13;

/// The fields of a .lzma header.
struct LzmaHeader {
    dictionary: u32,
    size: u64,
}

/// Parses a .lzma header. `None` when it is not plausible: there is no magic
/// number, so all values that compressors never write are refused. A file that
/// begins with zeros (a disk image) fails at the first byte.
fn lzma_header(bytes: &[u8]) -> Option<LzmaHeader> {
    let (props, rest) = bytes.split_first()?;
    let (dictionary, rest) = rest.split_first_chunk::<4>()?;
    let (size, rest) = rest.split_first_chunk::<8>()?;
    let dictionary = u32::from_le_bytes(*dictionary);
    let size = u64::from_le_bytes(*size);
    // lc=3 lp=0 pb=2, the default of every .lzma compressor
    let plausible = *props == 0x5d
        && dictionary >= 1 << 12
        && is_dictionary_size(dictionary)
        && (size == SIZE_UNKNOWN || size < SIZE_INSANE)
        // the range coder's first byte is always 0
        && rest.first() == Some(&0);
    plausible.then_some(LzmaHeader { dictionary, size })
}

/// True for 2^n and 2^n + 2^(n-1), the only sizes used by compressors.
const fn is_dictionary_size(size: u32) -> bool {
    let low = 1 << size.trailing_zeros();
    size.is_power_of_two() || size == low + (low << 1)
}

/// True when `bytes` begin with a plausible .lzma header.
pub(super) fn is_lzma_alone(bytes: &[u8]) -> bool {
    lzma_header(bytes).is_some()
}

/// Unpacks one xz stream. The decoder checks header, block, index and footer
/// checks.
pub(super) fn xz(input: &[u8], sink: &mut Sink) -> Result<usize, Fault> {
    let mut decoder = XzStream::new_mem_limit(false, MEMORY_KIB);
    let mut buffer = vec![0; 64 << 10];
    let mut used = 0;
    loop {
        let rest = input.get(used..).unwrap_or_default();
        let step = decoder.process(rest, &mut buffer, Action::Finish);
        let step = step.map_err(|error| memory(error, decoder.memory_usage()))?;
        used += step.bytes_consumed;
        sink.push(buffer.get(..step.bytes_produced).unwrap_or_default())?;
        if step.status == Status::StreamEnd {
            return Ok(used);
        }
        if step.bytes_consumed == 0 && step.bytes_produced == 0 {
            return Err(Fault::Truncated);
        }
    }
}

/// Unpacks one .lzma stream. The format has no checksum; the size or end
/// marker, and the final state of the range coder, are checked.
pub(super) fn lzma_alone(input: &[u8], sink: &mut Sink) -> Result<usize, Fault> {
    let header =
        lzma_header(input).ok_or_else(|| Fault::Corrupt("not a plausible header".into()))?;
    if header.size != SIZE_UNKNOWN {
        sink.room_for(header.size)?;
    }
    let need = header.dictionary / 1024;
    let mut decoder = LzmaReader::new_mem_limit(input, MEMORY_KIB, None)
        .map_err(|error| memory(error, Some(need)))?;
    decoder.set_relaxed_end_condition(false);
    sink.drain(&mut decoder)?;
    let (rest, unused) = decoder.into_parts();
    Ok((input.len() - rest.len() - unused.len()).max(HEADER_BYTES))
}

/// Reports the needed dictionary size instead of "out of memory".
fn memory(error: std::io::Error, need_kib: Option<u32>) -> Fault {
    match need_kib {
        Some(need) if error.kind() == std::io::ErrorKind::OutOfMemory => {
            Fault::Unsupported(format!(
                "its dictionary needs {need} KiB, more than the {MEMORY_KIB} KiB allowed \
                 (compress it again with a smaller one, such as `xz -9`)"
            ))
        }
        _ => error.into(),
    }
}
