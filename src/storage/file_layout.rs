//! How large the files are that we write, and how they are compressed: measured once (docs/operations.md), configured
//! for a warehouse, and for single tables by their properties.

use std::str::FromStr;

use datafusion::parquet::basic::{Compression, ZstdLevel};

use super::action::Metadata;
use crate::error::{Error, Result, SqlState};

/// The shape of new files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLayout {
    /// A file is closed once it holds this much.
    pub file_bytes: u64,
    pub row_group_rows: usize,
    pub compression: Compression,
}

impl Default for FileLayout {
    fn default() -> Self {
        FileLayout {
            file_bytes: 128 << 20,
            row_group_rows: 1 << 20,
            compression: Compression::ZSTD(ZstdLevel::default()),
        }
    }
}

/// Delta's property for the size of files.
pub(super) const TARGET_FILE_SIZE: &str = "delta.targetFileSize";

impl FileLayout {
    /// The compression of that name: `snappy`, `lz4`, `zstd` or `zstd(3)`, `none`.
    pub fn compression(name: &str) -> Result<Compression> {
        let spelled = match name.trim().to_ascii_lowercase().as_str() {
            "none" => "uncompressed".to_string(),
            "lz4" => "lz4_raw".to_string(),
            "zstd" => "zstd(1)".to_string(),
            other => other.to_string(),
        };
        let known = ["uncompressed", "snappy", "lz4_raw", "zstd"];
        let is_known = known.iter().any(|known| spelled.split('(').next() == Some(known));
        let parsed = is_known.then(|| Compression::from_str(&spelled).ok()).flatten();
        parsed.ok_or_else(|| {
            let message = format!("unknown compression \"{name}\"");
            Error::new(SqlState::InvalidParameterValue, message)
                .with_hint("Use none, snappy, lz4, zstd or zstd(LEVEL).")
        })
    }

    /// The warehouse's layout with what the table's properties say.
    pub(super) fn of_table(mut self, metadata: &Metadata) -> FileLayout {
        let wanted = metadata.configuration.get(TARGET_FILE_SIZE);
        if let Some(bytes) = wanted.and_then(|text| parse_bytes(text)) {
            self.file_bytes = bytes;
        }
        self
    }

    /// As names of files spell the compression.
    pub(super) fn codec_name(&self) -> &'static str {
        match self.compression {
            Compression::UNCOMPRESSED => "plain",
            Compression::ZSTD(_) => "zstd",
            Compression::LZ4 | Compression::LZ4_RAW => "lz4",
            _ => "snappy",
        }
    }
}

/// `104857600` or `100mb`, as Delta's properties have sizes.
fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].trim_end_matches('b') {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return None,
    };
    let bytes = digits.trim().parse::<u64>().ok()?.checked_mul(unit)?;
    (bytes > 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_compressions_are_read_as_they_are_written() {
        for (text, bytes) in [
            ("100", Some(100)),
            ("2kb", Some(2048)),
            ("128 MB", Some(128 << 20)),
            ("1g", Some(1 << 30)),
            ("0", None),
            ("-1", None),
            ("many", None),
        ] {
            assert_eq!(parse_bytes(text), bytes, "{text}");
        }
        assert_eq!(FileLayout::compression("Snappy").unwrap(), Compression::SNAPPY);
        assert_eq!(FileLayout::compression("lz4").unwrap(), Compression::LZ4_RAW);
        assert!(matches!(
            FileLayout::compression("zstd(3)").unwrap(),
            Compression::ZSTD(_)
        ));
        assert!(FileLayout::compression("gzip(6)").is_err());
        assert!(FileLayout::compression("fast").is_err());
    }
}
