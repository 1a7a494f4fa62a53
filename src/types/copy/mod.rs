//! COPY's data formats, both ways: text, csv and binary as PostgreSQL reads and writes them.

mod binary_format;
mod columns;
mod csv_format;
mod decode;
mod encode;
mod header;
mod lines;
mod text_format;

pub use decode::CopyDecoder;
pub use encode::{CopyEncoder, CopyRows};

use crate::error::{Error, Result, SqlState};
use crate::types::encoding::{Encoding, Named};

/// The options that a COPY was given, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOptions {
    pub format: CopyFormat,
    pub delimiter: u8,
    pub null: String,
    pub header: Header,
    pub quote: u8,
    pub escape: u8,
    pub force_quote: Forced,
    pub force_not_null: Forced,
    pub force_null: Forced,
    /// What the data is converted with; `None` for the client's character set.
    pub encoding: Option<Named>,
    /// ON_ERROR ignore: rows with values that their types do not read are left out.
    pub skips_faults: bool,
}

/// Whether a line of names comes before the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Header {
    #[default]
    None,
    /// It says nothing.
    Line,
    /// Its names must be those of the columns.
    Match,
}

/// The columns that an option of csv is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Forced {
    #[default]
    None,
    All,
    Named(Vec<String>),
}

impl Forced {
    pub fn has(&self, column: &str) -> bool {
        match self {
            Forced::None => false,
            Forced::All => true,
            Forced::Named(names) => names.iter().any(|name| name == column),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyFormat {
    Text,
    Csv,
    Binary,
}

impl CopyOptions {
    /// What the data must be converted with, for a client of this character set.
    pub(super) fn conversion(&self, client: Option<&'static Encoding>) -> Result<Option<&'static Encoding>> {
        let conversion = match self.encoding {
            Some(named) => named.conversion()?,
            None => client,
        };
        match (self.format, conversion) {
            (CopyFormat::Binary, Some(encoding)) => {
                let what = format!("binary COPY in the encoding {}", encoding.name());
                Err(Error::unsupported(what).with_hint("Set client_encoding to UTF8."))
            }
            _ => Ok(conversion),
        }
    }

    /// A format with its defaults.
    pub fn new(format: CopyFormat) -> CopyOptions {
        let csv = format == CopyFormat::Csv;
        CopyOptions {
            format,
            delimiter: if csv { b',' } else { b'\t' },
            null: if csv { String::new() } else { "\\N".to_string() },
            header: Header::None,
            quote: b'"',
            escape: b'"',
            force_quote: Forced::None,
            force_not_null: Forced::None,
            force_null: Forced::None,
            encoding: None,
            skips_faults: false,
        }
    }

    /// Refuses options for columns that are not copied.
    pub fn check_columns(&self, copied: &[String]) -> Result<()> {
        let options = [
            ("FORCE_QUOTE", &self.force_quote),
            ("FORCE_NOT_NULL", &self.force_not_null),
            ("FORCE_NULL", &self.force_null),
        ];
        for (option, forced) in options {
            let Forced::Named(names) = forced else { continue };
            if let Some(name) = names.iter().find(|name| !copied.contains(name)) {
                let message = format!("{option} column \"{name}\" not referenced by COPY");
                return Err(Error::new(SqlState::InvalidColumnReference, message));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
