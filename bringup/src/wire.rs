//! Frames as bytes: `COBS(postcard(frame) ++ CRC-32)`, then a zero byte.

use crate::frame::Frame;
use postcard::ser_flavors::crc::CrcModifier;
use postcard::ser_flavors::{Cobs, Slice};

/// The largest encoded frame, its zero byte included.
pub const MAX_FRAME: usize = 4096;

/// CRC-32/ISO-HDLC, the CRC of Ethernet and zip; little-endian behind the postcard bytes.
pub const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// Why some bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// No COBS stream, too long, or the CRC does not fit.
    Broken,
    /// The CRC fits, but this version knows no such frame.
    Unknown,
}

/// Encodes one frame, its zero byte included, into the front of `buffer`.
///
/// Fails only where the buffer is too small.
pub fn encode<'b>(frame: &Frame<'_>, buffer: &'b mut [u8]) -> postcard::Result<&'b mut [u8]> {
    let cobs = Cobs::try_new(Slice::new(buffer))?;
    postcard::serialize_with_flavor(frame, CrcModifier::new(cobs, CRC.digest()))
}

/// Decodes one frame; `bytes` ends with its zero byte and holds no other, `scratch` is at least
/// as long and takes the unstuffed bytes, which the frame's texts borrow.
pub fn decode<'s>(bytes: &[u8], scratch: &'s mut [u8]) -> Result<Frame<'s>, WireError> {
    let length = cobs::decode(bytes, scratch).map_err(|_| WireError::Broken)?;
    let (body, sum) = scratch[..length].split_last_chunk().ok_or(WireError::Broken)?;
    if CRC.checksum(body) != u32::from_le_bytes(*sum) {
        return Err(WireError::Broken);
    }
    match postcard::take_from_bytes(body) {
        Ok((frame, [])) => Ok(frame),
        _ => Err(WireError::Unknown),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::CpuIndex;
    use crate::frame::{Body, Log};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_decode_to_what_was_encoded(number: u32, cpu: u16, text in "\\PC{0,120}") {
            let body = Body::Log(Log { cpu: CpuIndex(cpu), text: &text });
            let frame = Frame { number, body };
            let (mut buffer, mut scratch) = ([0; MAX_FRAME], [0; MAX_FRAME]);
            let bytes = encode(&frame, &mut buffer).unwrap();
            prop_assert_eq!(bytes.iter().position(|byte| *byte == 0), Some(bytes.len() - 1));
            prop_assert_eq!(decode(bytes, &mut scratch), Ok(frame));
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(mut bytes in proptest::collection::vec(1u8.., 0..300)) {
            bytes.push(0);
            prop_assert!(decode(&bytes, &mut [0; 400]).is_err());
        }
    }
}
