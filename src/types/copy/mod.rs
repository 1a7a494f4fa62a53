//! COPY's data formats, both ways: text, csv and binary as PostgreSQL reads and writes them.

mod binary_format;
mod columns;
mod csv_format;
mod decode;
mod encode;
mod lines;
mod text_format;

pub use decode::CopyDecoder;
pub use encode::{CopyEncoder, CopyRows};

/// The options that a COPY was given, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOptions {
    pub format: CopyFormat,
    pub delimiter: u8,
    pub null: String,
    pub header: bool,
    pub quote: u8,
    pub escape: u8,
    pub force_quote_all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyFormat {
    Text,
    Csv,
    Binary,
}

impl CopyOptions {
    /// A format with its defaults.
    pub fn new(format: CopyFormat) -> CopyOptions {
        let csv = format == CopyFormat::Csv;
        CopyOptions {
            format,
            delimiter: if csv { b',' } else { b'\t' },
            null: if csv { String::new() } else { "\\N".to_string() },
            header: false,
            quote: b'"',
            escape: b'"',
            force_quote_all: false,
        }
    }
}

#[cfg(test)]
mod tests;
