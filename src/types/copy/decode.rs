//! COPY FROM: bytes in any chunks become batches of the table's columns.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use super::binary_format::BinaryReader;
use super::columns::Columns;
use super::lines::{BadLine, Lines, Step};
use super::{CopyFormat, CopyOptions, Header, csv_format, header, text_format};
use crate::error::Result;
use crate::types::encoding::{Decoder, Encoding};
use crate::types::format::FormatSettings;
use crate::types::parse::utf8;

/// Decodes the data of one COPY FROM.
pub struct CopyDecoder {
    options: CopyOptions,
    columns: Columns,
    input: Input,
    /// For data in another character set than UTF-8.
    decoder: Option<Decoder>,
}

enum Input {
    Lines {
        lines: Box<Lines>,
        /// Until it was read.
        header: Header,
        ended: bool,
    },
    Binary(BinaryReader),
}

impl CopyDecoder {
    /// `schema` has the columns that the COPY names, in its order; `relation` is for the errors.
    pub fn new(options: &CopyOptions, schema: SchemaRef, relation: &str, settings: &FormatSettings) -> CopyDecoder {
        let input = match options.format {
            CopyFormat::Binary => Input::Binary(BinaryReader::new()),
            CopyFormat::Text | CopyFormat::Csv => Input::Lines {
                lines: Box::new(Lines::new(options)),
                header: options.header,
                ended: false,
            },
        };
        CopyDecoder {
            options: options.clone(),
            columns: Columns::new(schema, relation, settings, options.skips_faults),
            input,
            decoder: None,
        }
    }

    /// The data is in the client's character set unless the statement names another.
    pub fn of_client(&mut self, client: Option<&'static Encoding>) -> Result<()> {
        self.decoder = self.options.conversion(client)?.map(Decoder::new);
        Ok(())
    }

    /// Takes the next bytes. After an error the decoder is of no further use.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.decoder {
            Some(decoder) => {
                let text = decoder.decode(bytes)?;
                self.push_decoded(text.as_bytes())
            }
            None => self.push_decoded(bytes),
        }
    }

    fn push_decoded(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.input {
            Input::Binary(reader) => reader.push(&mut self.columns, bytes),
            Input::Lines { lines, .. } => {
                lines.push(bytes);
                self.decode_lines(false)
            }
        }
    }

    /// Nothing more will come: decodes what is left. The last batches are then in `next_batch`.
    pub fn finish(&mut self) -> Result<()> {
        if let Some(decoder) = &mut self.decoder {
            decoder.finish()?;
        }
        match &mut self.input {
            Input::Binary(reader) => reader.finish(&self.columns)?,
            Input::Lines { .. } => self.decode_lines(true)?,
        }
        self.columns.end_batch()
    }

    /// How many rows were left out so far.
    pub fn skipped(&self) -> u64 {
        self.columns.skipped()
    }

    /// A batch that is ready; its fields may be NULL whatever the schema says.
    pub fn next_batch(&mut self) -> Option<RecordBatch> {
        self.columns.next_batch()
    }

    fn decode_lines(&mut self, last: bool) -> Result<()> {
        let Input::Lines {
            lines,
            header: awaited,
            ended,
        } = &mut self.input
        else {
            return Ok(());
        };
        if *ended {
            return Ok(());
        }
        let columns = &mut self.columns;
        let decode_line = match self.options.format {
            CopyFormat::Csv => csv_format::decode_line,
            _ => text_format::decode_line,
        };
        loop {
            let (start, end) = match lines.step(last) {
                Ok(Step::Incomplete) if last && *awaited == Header::Match => {
                    return header::check(columns, &self.options, "", 1);
                }
                Ok(Step::Incomplete) => return Ok(()),
                Ok(Step::Line { start, end }) => (start, end),
                Ok(Step::EndOfData { start, end }) => {
                    *ended = true;
                    if start == end && *awaited != Header::Match {
                        return Ok(());
                    }
                    (start, end)
                }
                Err(BadLine { message, hint }) => {
                    let error = columns.bad_line(message, lines.number + 1, &String::from_utf8_lossy(lines.rest()));
                    return Err(match hint {
                        Some(hint) => error.with_hint(hint),
                        None => error,
                    });
                }
            };
            let is_header = std::mem::take(awaited);
            if is_header == Header::Line {
                if *ended {
                    return Ok(());
                }
                continue;
            }
            let line = utf8(lines.bytes(start, end)).map_err(|error| columns.at_line(error, lines.number))?;
            if is_header == Header::Match {
                header::check(columns, &self.options, line, lines.number)?;
                if *ended {
                    return Ok(());
                }
                continue;
            }
            decode_line(columns, &self.options, line, lines.number)?;
            columns.end_row(end - start)?;
            if *ended {
                return Ok(());
            }
        }
    }
}
