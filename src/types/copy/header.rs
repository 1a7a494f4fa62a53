//! The line of names before the rows: left out, or compared with the names of the columns.

use super::columns::Columns;
use super::{CopyFormat, CopyOptions, csv_format, text_format};
use crate::error::Result;

/// 22P04 where the line names other columns than the COPY has, or in another order.
pub(super) fn check(columns: &Columns, options: &CopyOptions, line: &str, number: u64) -> Result<()> {
    let names = match options.format {
        CopyFormat::Csv => csv_format::values(options, line),
        _ => text_format::values(options, line),
    };
    let Some(names) = names else {
        return Err(columns.bad_line("unterminated CSV quoted field", number, line));
    };
    if names.len() != columns.len() {
        let (got, expected) = (names.len(), columns.len());
        let message = format!("wrong number of fields in header line: got {got}, expected {expected}");
        return Err(columns.bad_line(message, number, line));
    }
    for (column, name) in names.iter().enumerate() {
        let expected = columns.name(column);
        let got = match name {
            Some(name) if name == expected => continue,
            Some(name) => format!("got \"{name}\""),
            None => format!("got null value (\"{}\")", options.null),
        };
        let field = column + 1;
        let message = format!("column name mismatch in header line field {field}: {got}, expected \"{expected}\"");
        return Err(columns.bad_line(message, number, line));
    }
    Ok(())
}
