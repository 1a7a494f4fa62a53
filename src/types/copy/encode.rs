//! COPY TO: batches become rows of text, csv or binary. The bytes are payload; the wire frames them, one
//! CopyData message a row, because clients read rows by messages.

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::RecordBatch;

use super::binary_format::SIGNATURE;
use super::{CopyFormat, CopyOptions, Header, csv_format, text_format};
use crate::error::{Error, Result};
use crate::types::SqlType;
use crate::types::encoding::Encoding;
use crate::types::format::{Format, FormatSettings};
use crate::types::row::{BoundColumn, RowEncoder};

/// Encodes the rows of one COPY TO.
#[derive(Debug, Clone)]
pub struct CopyEncoder {
    options: CopyOptions,
    names: Vec<String>,
    /// For each column, whether its values are quoted in any case.
    forced: Vec<bool>,
    rows: RowEncoder,
    encoding: Option<&'static Encoding>,
}

/// A batch on its way out.
pub struct CopyRows<'a> {
    options: &'a CopyOptions,
    forced: &'a [bool],
    columns: Vec<BoundColumn<'a>>,
    encoding: Option<&'static Encoding>,
}

impl CopyEncoder {
    /// Name and type of each output column, and the client's character set if it is not UTF-8.
    pub fn new(
        options: &CopyOptions,
        columns: &[(String, SqlType)],
        settings: &FormatSettings,
        client: Option<&'static Encoding>,
    ) -> Result<CopyEncoder> {
        let format = match options.format {
            CopyFormat::Binary => Format::Binary,
            CopyFormat::Text | CopyFormat::Csv => Format::Text,
        };
        let described: Vec<_> = columns.iter().map(|(_, sql_type)| (sql_type.clone(), format)).collect();
        Ok(CopyEncoder {
            encoding: options.conversion(client)?,
            options: options.clone(),
            forced: columns.iter().map(|(name, _)| options.force_quote.has(name)).collect(),
            names: columns.iter().map(|(name, _)| name.clone()).collect(),
            rows: RowEncoder::new(&described, settings),
        })
    }

    /// The format that CopyOutResponse announces.
    pub fn format(&self) -> Format {
        match self.options.format {
            CopyFormat::Binary => Format::Binary,
            CopyFormat::Text | CopyFormat::Csv => Format::Text,
        }
    }

    /// What precedes the rows: the signature, or a line of names.
    pub fn begin(&self, out: &mut BytesMut) -> Result<()> {
        if self.options.format == CopyFormat::Binary {
            out.extend_from_slice(SIGNATURE);
            out.put_u32(0);
            out.put_u32(0);
            return Ok(());
        }
        if self.options.header == Header::None {
            return Ok(());
        }
        let begin = out.len();
        for (position, name) in self.names.iter().enumerate() {
            if position > 0 {
                out.put_u8(self.options.delimiter);
            }
            let start = out.len();
            out.extend_from_slice(name.as_bytes());
            match self.options.format {
                // A header's names are quoted where they need it only.
                CopyFormat::Csv => csv_format::quote_from(start, &self.options, false, self.names.len() == 1, out),
                _ => text_format::escape_from(start, self.options.delimiter, out),
            }
        }
        out.put_u8(b'\n');
        encode_from(begin, self.encoding, out)
    }

    /// Prepares a batch.
    pub fn bind<'a>(&'a self, batch: &RecordBatch) -> Result<CopyRows<'a>> {
        Ok(CopyRows {
            options: &self.options,
            forced: &self.forced,
            columns: self.rows.bind(batch)?,
            encoding: self.encoding,
        })
    }

    /// What follows the rows: the trailer of the binary format.
    pub fn end(&self, out: &mut BytesMut) {
        if self.options.format == CopyFormat::Binary {
            out.put_i16(-1);
        }
    }
}

impl CopyRows<'_> {
    /// Appends one row.
    pub fn write(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        if self.options.format == CopyFormat::Binary {
            out.put_u16(self.columns.len() as u16);
            return self
                .columns
                .iter()
                .try_for_each(|column| column.write_with_length(row, out));
        }
        let begin = out.len();
        for (position, column) in self.columns.iter().enumerate() {
            if position > 0 {
                out.put_u8(self.options.delimiter);
            }
            if column.is_null(row) {
                out.extend_from_slice(self.options.null.as_bytes());
                continue;
            }
            let start = out.len();
            column.write(row, out)?;
            match self.options.format {
                CopyFormat::Csv => {
                    let forced = self.forced[position];
                    csv_format::quote_from(start, self.options, forced, self.columns.len() == 1, out);
                }
                _ => text_format::escape_from(start, self.options.delimiter, out),
            }
        }
        out.put_u8(b'\n');
        encode_from(begin, self.encoding, out)
    }
}

/// Brings what was written from there on to the character set of who reads it.
fn encode_from(start: usize, encoding: Option<&'static Encoding>, out: &mut BytesMut) -> Result<()> {
    if let Some(encoding) = encoding
        && !out[start..].is_ascii()
    {
        let written = out.split_off(start);
        let text = std::str::from_utf8(&written).map_err(|_| Error::internal("text of a COPY is not UTF-8"))?;
        let mut encoded = vec![];
        encoding.encode(text, &mut encoded)?;
        out.extend_from_slice(&encoded);
    }
    Ok(())
}
