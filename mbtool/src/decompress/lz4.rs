//! LZ4: the frame format and the legacy one.

use super::sink::{Fault, Sink};
use lz4_flex::block;
use lz4_flex::frame::FrameDecoder;

/// Magic number of a frame, little endian.
pub(super) const FRAME_MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
/// Magic number of the legacy format, little endian.
pub(super) const LEGACY_MAGIC: [u8; 4] = 0x184c_2102_u32.to_le_bytes();
/// Maximum unpacked size of a legacy block, in bytes.
const LEGACY_BLOCK: usize = 8 << 20;
/// Maximum compressed size of a legacy block: incompressible data grows by one
/// byte in 255, and 16.
const LEGACY_PACKED: usize = LEGACY_BLOCK + LEGACY_BLOCK / 255 + 16;

/// Frame descriptor flags: dictionary id present.
const FLAG_DICTIONARY: u8 = 1;
/// Content checksum present.
const FLAG_CONTENT_CHECKSUM: u8 = 1 << 2;
/// Content size present.
const FLAG_CONTENT_SIZE: u8 = 1 << 3;
/// Each block is followed by a checksum.
const FLAG_BLOCK_CHECKSUM: u8 = 1 << 4;
/// Top bit of a block's size: stored, not compressed.
const BLOCK_STORED: u32 = 1 << 31;

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Fault> {
    let word = bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .ok_or(Fault::Truncated)?;
    Ok(u32::from_le_bytes(*word))
}

/// Parses a frame to its end: returns its total length, and its content size if
/// present. The decoder accepts a file that ends between two blocks as
/// complete, so the end is checked here.
fn frame_length(input: &[u8]) -> Result<(usize, Option<u64>), Fault> {
    let flags = *input.get(4).ok_or(Fault::Truncated)?;
    // magic, FLG, BD
    let mut at: usize = 6;
    let mut size = None;
    if flags & FLAG_CONTENT_SIZE != 0 {
        let bytes = input
            .get(at..)
            .and_then(<[u8]>::first_chunk)
            .ok_or(Fault::Truncated)?;
        size = Some(u64::from_le_bytes(*bytes));
        at += 8;
    }
    if flags & FLAG_DICTIONARY != 0 {
        return Err(Fault::Unsupported(
            "needs a dictionary (compress it again without one)".into(),
        ));
    }
    // header checksum
    at += 1;
    loop {
        let word = u32_at(input, at)?;
        at += 4;
        if word == 0 {
            break;
        }
        let len = usize::try_from(word & !BLOCK_STORED).unwrap_or(usize::MAX);
        at = at.checked_add(len).ok_or(Fault::Truncated)?;
        if flags & FLAG_BLOCK_CHECKSUM != 0 {
            at = at.checked_add(4).ok_or(Fault::Truncated)?;
        }
        if at > input.len() {
            return Err(Fault::Truncated);
        }
    }
    if flags & FLAG_CONTENT_CHECKSUM != 0 {
        at += 4;
    }
    if at > input.len() {
        Err(Fault::Truncated)
    } else {
        Ok((at, size))
    }
}

/// Unpacks one frame. The decoder checks header, block and content checksums
/// and the content size.
pub(super) fn frame(input: &[u8], sink: &mut Sink) -> Result<usize, Fault> {
    let (len, size) = frame_length(input)?;
    sink.room_for(size.unwrap_or(0))?;
    let mut decoder = FrameDecoder::new(input.get(..len).unwrap_or_default());
    // an end of input here is a block that is longer than its size field
    sink.drain(&mut decoder).map_err(|fault| match fault {
        Fault::Truncated => Fault::Corrupt("a block ends too early".into()),
        fault => fault,
    })?;
    if !decoder.get_ref().is_empty() {
        return Err(Fault::Corrupt("a block ends too early".into()));
    }
    Ok(len)
}

/// Unpacks a legacy stream: blocks up to the end of the input, or up to a word
/// that cannot be a block's size. A file truncated between two blocks cannot be
/// detected: the format has neither end mark nor checksum.
pub(super) fn legacy(input: &[u8], sink: &mut Sink) -> Result<usize, Fault> {
    let mut at = LEGACY_MAGIC.len();
    let mut buffer = vec![0; LEGACY_BLOCK];
    while let Some(rest) = input.get(at..)
        && !rest.is_empty()
    {
        if rest.starts_with(&LEGACY_MAGIC) {
            at += LEGACY_MAGIC.len();
            continue;
        }
        if rest.len() < 4 && rest.iter().any(|byte| *byte != 0) {
            return Err(Fault::Truncated);
        }
        let len = u32_at(input, at).unwrap_or(0);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len == 0 || len > LEGACY_PACKED {
            break;
        }
        let packed = rest
            .get(4..)
            .and_then(|rest| rest.get(..len))
            .ok_or(Fault::Truncated)?;
        let produced = block::decompress_into(packed, &mut buffer).map_err(|error| {
            Fault::Corrupt(format!(
                "the block of {len} bytes at byte {at} of it: {error}"
            ))
        })?;
        sink.push(buffer.get(..produced).unwrap_or_default())?;
        at += 4 + len;
    }
    Ok(at)
}
