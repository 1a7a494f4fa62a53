//! The binary format: a signature, then each row's field count and fields with their lengths.

use super::columns::Columns;
use crate::error::{Error, Result, SqlState};
use crate::types::binary::append_binary;

pub(super) const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Where the input stands.
enum Stage {
    Header,
    Rows,
    Ended,
}

/// Decodes rows as their bytes arrive.
pub(super) struct BinaryReader {
    buffer: Vec<u8>,
    stage: Stage,
    row: u64,
}

impl BinaryReader {
    pub fn new() -> BinaryReader {
        BinaryReader {
            buffer: Vec::new(),
            stage: Stage::Header,
            row: 0,
        }
    }

    pub fn push(&mut self, columns: &mut Columns, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        let mut position = 0;
        loop {
            let rest = &self.buffer[position..];
            let taken = match self.stage {
                Stage::Header => read_header(columns, rest)?.inspect(|_| self.stage = Stage::Rows),
                Stage::Rows => {
                    let number = self.row + 1;
                    match read_row(columns, rest, number)? {
                        Some(Row::Fields(length)) => {
                            self.row = number;
                            columns.end_row(length)?;
                            Some(length)
                        }
                        Some(Row::Trailer) => {
                            self.stage = Stage::Ended;
                            Some(2)
                        }
                        None => None,
                    }
                }
                Stage::Ended if rest.is_empty() => None,
                Stage::Ended => {
                    return Err(columns.bad_file("received copy data after EOF marker", self.row + 1));
                }
            };
            match taken {
                Some(length) => position += length,
                None => break,
            }
        }
        self.buffer.drain(..position);
        Ok(())
    }

    /// Nothing more will come. A missing trailer is allowed, a part of a row is not.
    pub fn finish(&mut self, columns: &Columns) -> Result<()> {
        match self.stage {
            Stage::Header => Err(columns.bad_file("COPY file signature not recognized", 1)),
            _ if !self.buffer.is_empty() => Err(columns.bad_file("unexpected EOF in COPY data", self.row + 1)),
            _ => Ok(()),
        }
    }
}

/// Signature, flags and an extension that is skipped; `None` until all of it is there.
fn read_header(columns: &Columns, bytes: &[u8]) -> Result<Option<usize>> {
    const CRITICAL_FLAGS: u32 = 0xffff_0000;
    let compared = bytes.len().min(SIGNATURE.len());
    if bytes[..compared] != SIGNATURE[..compared] {
        return Err(columns.bad_file("COPY file signature not recognized", 1));
    }
    let Some([f0, f1, f2, f3, e0, e1, e2, e3]) = bytes.get(SIGNATURE.len()..SIGNATURE.len() + 8) else {
        return Ok(None);
    };
    let flags = u32::from_be_bytes([*f0, *f1, *f2, *f3]);
    if flags & CRITICAL_FLAGS != 0 {
        return Err(columns.bad_file("unrecognized critical flags in COPY file header", 1));
    }
    let extension = usize::try_from(i32::from_be_bytes([*e0, *e1, *e2, *e3]))
        .map_err(|_| columns.bad_file("invalid COPY file header (missing length)", 1))?;
    let length = SIGNATURE.len() + 8 + extension;
    Ok((bytes.len() >= length).then_some(length))
}

enum Row {
    /// The row's length in the input.
    Fields(usize),
    Trailer,
}

/// Decodes a row once all of it is there.
fn read_row(columns: &mut Columns, bytes: &[u8], number: u64) -> Result<Option<Row>> {
    let Some([high, low]) = bytes.get(..2) else {
        return Ok(None);
    };
    let count = i16::from_be_bytes([*high, *low]);
    if count == -1 {
        return Ok(Some(Row::Trailer));
    }
    if usize::try_from(count) != Ok(columns.len()) {
        let message = format!("row field count is {count}, expected {}", columns.len());
        return Err(columns.bad_file(message, number));
    }
    // Only a whole row may reach the builders.
    let mut fields = Vec::with_capacity(columns.len());
    let mut position = 2;
    for column in 0..columns.len() {
        let Some([a, b, c, d]) = bytes.get(position..position + 4) else {
            return Ok(None);
        };
        position += 4;
        match i32::from_be_bytes([*a, *b, *c, *d]) {
            -1 => fields.push(None),
            length => {
                let length = usize::try_from(length).map_err(|_| {
                    let error = Error::new(SqlState::BadCopyFileFormat, "invalid field size");
                    columns.at_column(error, number, column, None)
                })?;
                let Some(field) = bytes.get(position..position + length) else {
                    return Ok(None);
                };
                fields.push(Some(field));
                position += length;
            }
        }
    }
    for (column, field) in fields.into_iter().enumerate() {
        match field {
            None => columns.builder(column).append_null(),
            Some(field) => {
                let appended = append_binary(columns.builder(column), field);
                appended.map_err(|error| columns.at_column(error, number, column, None))?;
            }
        }
    }
    Ok(Some(Row::Fields(position)))
}
