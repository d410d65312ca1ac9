//! zstd frames (RFC 8878).

use super::sink::{Fault, Sink};
use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io;

/// Magic number of a frame, little endian (RFC 8878 3.1.1).
const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
/// Skippable frames have magic numbers 0x184d2a50 to 0x184d2a5f (3.1.2).
const SKIPPABLE: u32 = 0x184d_2a50;

/// Total length of the complete skippable frames at the start of `bytes`.
fn skippable(bytes: &[u8]) -> usize {
    let mut skipped = 0;
    while let Some((head, _)) = bytes
        .get(skipped..)
        .and_then(<[u8]>::split_first_chunk::<8>)
    {
        let [m0, m1, m2, m3, l0, l1, l2, l3] = *head;
        if u32::from_le_bytes([m0, m1, m2, m3]) & !0xf != SKIPPABLE {
            break;
        }
        let len = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        match skipped
            .checked_add(8)
            .and_then(|next| next.checked_add(len))
        {
            Some(next) if next <= bytes.len() => skipped = next,
            _ => break,
        }
    }
    skipped
}

/// True when `bytes` begin with a frame, or with skippable frames and then a
/// frame (as parallel compressors write).
pub(super) fn starts_with_frame(bytes: &[u8]) -> bool {
    bytes
        .get(skippable(bytes)..)
        .is_some_and(|rest| rest.starts_with(&MAGIC))
}

/// Unpacks all frames at the start of `input`, without skippable ones.
///
/// The decoder computes the content checksum but does not compare it, so it is
/// compared here; so is the content size.
pub(super) fn frames(input: &[u8], sink: &mut Sink) -> Result<usize, Fault> {
    let mut decoder = FrameDecoder::new();
    let mut rest = input;
    loop {
        rest = rest.get(skippable(rest)..).unwrap_or_default();
        if !rest.starts_with(&MAGIC) {
            return Ok(input.len() - rest.len());
        }
        frame(&mut decoder, &mut rest, sink)?;
    }
}

fn frame(decoder: &mut FrameDecoder, rest: &mut &[u8], sink: &mut Sink) -> Result<(), Fault> {
    decoder.reset(&mut *rest).map_err(|error| fault(&error))?;
    // 0 means "not present"
    let announced = decoder.content_size();
    sink.room_for(announced)?;
    let before = sink.len();
    while !decoder.is_finished() {
        decoder
            .decode_blocks(&mut *rest, BlockDecodingStrategy::UptoBlocks(1))
            .map_err(|error| fault(&error))?;
        sink.drain(decoder)?;
    }
    sink.drain(decoder)?;
    let len = u64::try_from(sink.len() - before).unwrap_or(u64::MAX);
    if announced != 0 && len != announced {
        return Err(Fault::Corrupt(format!(
            "a frame announces {announced} bytes and has {len}"
        )));
    }
    if let (Some(expected), Some(found)) = (
        decoder.get_checksum_from_data(),
        decoder.get_calculated_checksum(),
    ) && expected != found
    {
        return Err(Fault::Corrupt(format!(
            "content checksum {found:#010x} where {expected:#010x} is recorded"
        )));
    }
    Ok(())
}

fn fault(error: &FrameDecoderError) -> Fault {
    match error {
        FrameDecoderError::WindowSizeTooBig { requested, max } => Fault::Unsupported(format!(
            "a window of {requested} bytes, more than the {max} allowed (compress it again \
             without --long or --ultra)"
        )),
        FrameDecoderError::DictNotProvided { dict_id } => Fault::Unsupported(format!(
            "needs the dictionary {dict_id:#x} (compress it again without one)"
        )),
        error if ends_early(error) => Fault::Truncated,
        error => Fault::Corrupt(error.to_string()),
    }
}

/// True when some cause of `error` is an end of input.
fn ends_early(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::UnexpectedEof
        {
            return true;
        }
        cause = error.source();
    }
    false
}
