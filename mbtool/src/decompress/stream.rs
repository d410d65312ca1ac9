//! gzip and bzip2: formats whose decoders check end and checksum themselves.

use super::sink::{Fault, Sink};
use bzip2::{Decompress, Status};
use flate2::bufread::GzDecoder;

/// ID1, ID2 and CM = deflate, the only defined method (RFC 1952 2.3.1).
pub(super) const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// First block of a bzip2 stream (pi).
const BZIP2_BLOCK: [u8; 6] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
/// End of a bzip2 stream (square root of pi), the first block of an empty one.
const BZIP2_END: [u8; 6] = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];

/// True for "BZh", a level, and one of the two possible block starts (as far as
/// present).
pub(super) fn is_bzip2(bytes: &[u8]) -> bool {
    let Some((head, rest)) = bytes.split_first_chunk::<4>() else {
        return false;
    };
    let block = rest.get(..6).unwrap_or(rest);
    head.starts_with(b"BZh")
        && matches!(head, [.., b'1'..=b'9'])
        && (BZIP2_BLOCK.starts_with(block) || BZIP2_END.starts_with(block))
}

/// Unpacks one gzip member. The decoder checks CRC-32 and ISIZE.
pub(super) fn gzip(input: &[u8], sink: &mut Sink) -> Result<usize, Fault> {
    let mut decoder = GzDecoder::new(input);
    sink.drain(&mut decoder)?;
    Ok(input.len() - decoder.into_inner().len())
}

/// Unpacks one bzip2 stream. The decoder checks the block and stream CRCs.
pub(super) fn bzip2(input: &[u8], sink: &mut Sink) -> Result<usize, Fault> {
    let mut decoder = Decompress::new(false);
    let mut buffer = vec![0; 64 << 10];
    let mut used = 0;
    loop {
        let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
        let rest = input.get(used..).unwrap_or_default();
        let status = decoder
            .decompress(rest, &mut buffer)
            .map_err(|error| Fault::Corrupt(error.to_string()))?;
        let consumed = usize::try_from(decoder.total_in() - before_in).unwrap_or(rest.len());
        let produced = usize::try_from(decoder.total_out() - before_out).unwrap_or(buffer.len());
        used += consumed;
        sink.push(buffer.get(..produced).unwrap_or_default())?;
        if status == Status::StreamEnd {
            return Ok(used);
        }
        if consumed == 0 && produced == 0 {
            return Err(Fault::Truncated);
        }
    }
}
