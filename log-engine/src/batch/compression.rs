use std::io::{self, Read};

use bytes::{Bytes, BytesMut};

use super::BatchError;

/// How a batch's records are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// gzip, RFC 1952.
    Gzip,
    /// Snappy, raw or in the blocks of the Java client's `SnappyOutputStream`.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard, RFC 8878.
    Zstd,
}

/// What the Java client's Snappy stream starts with; version and lowest compatible version follow, 4 bytes each.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER: usize = 16;
/// The Java client's block size.
const XERIAL_BLOCK: usize = 32 << 10;

impl Codec {
    /// The codec that a batch's attributes name.
    pub(super) fn from_attributes(attributes: i16) -> Result<Codec, BatchError> {
        match attributes & 7 {
            0 => Ok(Codec::None),
            1 => Ok(Codec::Gzip),
            2 => Ok(Codec::Snappy),
            3 => Ok(Codec::Lz4),
            4 => Ok(Codec::Zstd),
            other => Err(BatchError::Codec(other)),
        }
    }

    pub(super) fn attributes(self) -> i16 {
        match self {
            Codec::None => 0,
            Codec::Gzip => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd => 4,
        }
    }

    /// The name that Kafka's `compression.type` has for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// Opens compressed records, growing to at most `max` bytes.
    pub(super) fn decompress(self, content: &[u8], max: usize) -> Result<Bytes, BatchError> {
        let broken = |_| BatchError::Decompress(self.as_str());
        match self {
            Codec::None => Ok(Bytes::copy_from_slice(content)),
            Codec::Gzip => self.drain(flate2::read::MultiGzDecoder::new(content), content.len(), max),
            Codec::Lz4 => self.drain(lz4_flex::frame::FrameDecoder::new(content), content.len(), max),
            Codec::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(content).map_err(broken)?;
                // The window is memory too. Writers choose it without regard to the content: RFC 8878 wants 8 MiB
                // to be accepted whatever the limit.
                let window = usize::BITS - max.leading_zeros();
                decoder.window_log_max(window.clamp(23, 27)).map_err(broken)?;
                self.drain(decoder, content.len(), max)
            }
            Codec::Snappy => unsnap(content, max),
        }
    }

    fn drain(self, from: impl Read, compressed: usize, max: usize) -> Result<Bytes, BatchError> {
        let mut out = Vec::with_capacity(compressed.saturating_mul(4).min(max));
        let read = from.take(max as u64 + 1).read_to_end(&mut out);
        if out.len() > max {
            return Err(BatchError::TooLarge(max));
        }
        read.map_err(|_| BatchError::Decompress(self.as_str()))?;
        Ok(Bytes::from(out))
    }
}

/// A codec and how hard it tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    codec: Codec,
    /// What the codec's library takes; none is its usual level.
    level: Option<i32>,
}

impl Compression {
    /// A codec at a level of its own scale, which gzip, lz4 and zstd have.
    #[must_use]
    pub fn new(codec: Codec, level: i32) -> Compression {
        Compression { codec, level: Some(level) }
    }

    /// A codec as it usually works.
    #[must_use]
    pub fn usual(codec: Codec) -> Compression {
        Compression { codec, level: None }
    }

    /// The codec.
    #[must_use]
    pub fn codec(self) -> Codec {
        self.codec
    }

    /// Compresses records, behind what `out` holds already.
    pub(super) fn compress(self, content: &[u8], out: &mut BytesMut) -> io::Result<()> {
        match self.codec {
            Codec::None => out.extend_from_slice(content),
            Codec::Gzip => {
                let level = self.level.and_then(|level| u32::try_from(level).ok());
                let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
                let mut encoder = flate2::bufread::GzEncoder::new(content, level);
                let mut packed = Vec::new();
                encoder.read_to_end(&mut packed)?;
                out.extend_from_slice(&packed);
            }
            Codec::Snappy => {
                out.extend_from_slice(XERIAL_MAGIC);
                out.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
                let mut encoder = snap::raw::Encoder::new();
                for block in content.chunks(XERIAL_BLOCK) {
                    let packed = encoder.compress_vec(block).map_err(io::Error::other)?;
                    out.extend_from_slice(&(packed.len() as u32).to_be_bytes());
                    out.extend_from_slice(&packed);
                }
            }
            Codec::Lz4 => match self.level.and_then(|level| u32::try_from(level).ok()) {
                Some(level) => out.extend_from_slice(&lz4_thoroughly(content, level)?),
                None => {
                    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                    io::Write::write_all(&mut encoder, content)?;
                    out.extend_from_slice(&encoder.finish().map_err(io::Error::other)?);
                }
            },
            // 0 is the library's usual level.
            Codec::Zstd => {
                out.extend_from_slice(&zstd::stream::encode_all(content, self.level.unwrap_or(0))?);
            }
        }
        Ok(())
    }
}

/// A frame as Kafka's clients read it, with blocks that stand alone, by the compressor that looks longer for matches.
fn lz4_thoroughly(content: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let mut encoder = lz4::EncoderBuilder::new()
        .level(level)
        .block_mode(lz4::BlockMode::Independent)
        .block_size(lz4::BlockSize::Max64KB)
        .checksum(lz4::ContentChecksum::NoChecksum)
        .build(Vec::with_capacity(content.len() / 2))?;
    io::Write::write_all(&mut encoder, content)?;
    let (packed, ended) = encoder.finish();
    ended.map(|()| packed)
}

fn unsnap(content: &[u8], max: usize) -> Result<Bytes, BatchError> {
    let mut out = Vec::new();
    if !content.starts_with(XERIAL_MAGIC) {
        unsnap_block(content, &mut out, max)?;
        return Ok(Bytes::from(out));
    }
    let broken = BatchError::Decompress("snappy");
    let mut rest = content.get(XERIAL_HEADER..).ok_or_else(|| broken.clone())?;
    while !rest.is_empty() {
        let (len, after) = rest.split_first_chunk::<4>().ok_or_else(|| broken.clone())?;
        let (block, after) =
            after.split_at_checked(u32::from_be_bytes(*len) as usize).ok_or_else(|| broken.clone())?;
        unsnap_block(block, &mut out, max)?;
        rest = after;
    }
    Ok(Bytes::from(out))
}

fn unsnap_block(block: &[u8], out: &mut Vec<u8>, max: usize) -> Result<(), BatchError> {
    let broken = |_| BatchError::Decompress("snappy");
    let len = snap::raw::decompress_len(block).map_err(broken)?;
    let start = out.len();
    if len > max.saturating_sub(start) {
        return Err(BatchError::TooLarge(max));
    }
    out.resize(start + len, 0);
    let room = out.get_mut(start..).unwrap_or_default();
    let written = snap::raw::Decoder::new().decompress(block, room).map_err(broken)?;
    out.truncate(start + written);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    #[test]
    fn opens_what_it_packed_up_to_the_limit() {
        let content: Vec<u8> = (0..200_000u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        for codec in ALL {
            let mut packed = BytesMut::new();
            Compression::usual(codec).compress(&content, &mut packed).unwrap();
            assert_eq!(Codec::from_attributes(codec.attributes()), Ok(codec));
            assert_eq!(codec.decompress(&packed, content.len()).unwrap(), content, "{codec:?}");
            if codec != Codec::None {
                let short = codec.decompress(&packed, content.len() - 1);
                assert_eq!(short, Err(BatchError::TooLarge(content.len() - 1)), "{codec:?}");
            }
        }
    }

    #[test]
    fn every_level_of_lz4_is_read_and_a_higher_one_tries_harder() {
        let words = ["offset", "segment", "journal", "partition", "record"];
        let mut state = 7u32;
        let mut content = Vec::new();
        while content.len() < 300_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            content.extend_from_slice(words[(state >> 16) as usize % words.len()].as_bytes());
            content.push((state >> 24) as u8);
        }
        let packed = |level: i32| {
            let mut packed = BytesMut::new();
            Compression::new(Codec::Lz4, level).compress(&content, &mut packed).unwrap();
            assert_eq!(Codec::Lz4.decompress(&packed, content.len()).unwrap(), content, "level {level}");
            packed.len()
        };
        let sizes: Vec<usize> = (1..=17).map(packed).collect();
        assert!(sizes[11] < sizes[0], "{sizes:?}");
        let mut usual = BytesMut::new();
        Compression::usual(Codec::Lz4).compress(&content, &mut usual).unwrap();
        assert!(sizes[11] < usual.len());
    }

    #[test]
    fn opens_raw_snappy() {
        let packed = snap::raw::Encoder::new().compress_vec(b"hello hello hello hello").unwrap();
        assert_eq!(Codec::Snappy.decompress(&packed, 100).unwrap(), "hello hello hello hello");
    }

    #[test]
    fn refuses_broken_content_and_unknown_codecs() {
        for codec in &ALL[1..] {
            let mut packed = BytesMut::new();
            Compression::usual(*codec).compress(&[7; 5000], &mut packed).unwrap();
            packed.truncate(packed.len() / 2);
            assert_eq!(codec.decompress(&packed, 1 << 20), Err(BatchError::Decompress(codec.as_str())));
        }
        assert_eq!(Codec::from_attributes(5), Err(BatchError::Codec(5)));
    }
}
