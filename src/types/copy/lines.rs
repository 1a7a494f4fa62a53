//! Cuts arriving chunks into lines. A line may end with LF, CR LF or CR, but all alike; in csv a quoted
//! field may hold line ends, in text a backslash protects one.

use super::{CopyFormat, CopyOptions};

/// How the lines of this input end, known after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    Unknown,
    Newline,
    CarriageReturn,
    Both,
}

/// What the buffer holds next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A line: its bytes without the end. The line number is `Lines::number`.
    Line { start: usize, end: usize },
    /// `\.`: nothing after it counts. A line may precede it.
    EndOfData { start: usize, end: usize },
    /// The rest of a line has yet to come.
    Incomplete,
}

enum Marker {
    Found(Step),
    /// The bytes that decide have yet to come.
    Undecided,
    /// Not a marker; only csv has these.
    Data,
}

/// An error that the caller words with the line's text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    pub message: &'static str,
    pub hint: Option<&'static str>,
}

/// The input that is not decoded yet, and how far it has been looked at.
pub(super) struct Lines {
    csv: bool,
    quote: u8,
    /// `None` when the quote escapes itself.
    escape: Option<u8>,
    /// By byte, whether it decides anything, wherever it stands in a line.
    decides: [bool; 256],
    buffer: Vec<u8>,
    line_start: usize,
    position: usize,
    in_quote: bool,
    after_escape: bool,
    end: LineEnd,
    /// The number of the current line, from one.
    pub number: u64,
    /// Lines that the current record has run over.
    embedded: u64,
}

impl Lines {
    pub fn new(options: &CopyOptions) -> Lines {
        let csv = options.format == CopyFormat::Csv;
        let mut decides = [false; 256];
        let deciding = match csv {
            true => [b'\r', b'\n', options.quote, options.escape],
            false => [b'\r', b'\n', b'\\', b'\\'],
        };
        deciding.iter().for_each(|byte| decides[usize::from(*byte)] = true);
        Lines {
            csv,
            quote: options.quote,
            escape: (options.escape != options.quote).then_some(options.escape),
            decides,
            buffer: Vec::new(),
            line_start: 0,
            position: 0,
            in_quote: false,
            after_escape: false,
            end: LineEnd::Unknown,
            number: 0,
            embedded: 0,
        }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        // Keeps the unfinished line only; what was decoded is dropped once per chunk.
        self.buffer.drain(..self.line_start);
        self.position -= self.line_start;
        self.line_start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    pub fn bytes(&self, start: usize, end: usize) -> &[u8] {
        &self.buffer[start..end]
    }

    /// The bytes that no line end has closed.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.line_start..]
    }

    /// Finds the end of the current line; `last` says that nothing more will come.
    pub fn step(&mut self, last: bool) -> Result<Step, BadLine> {
        while let Some(byte) = self.buffer.get(self.position).copied() {
            if self.csv {
                self.follow_quotes(byte);
            }
            match byte {
                b'\r' if !self.in_quote => {
                    let next = self.buffer.get(self.position + 1).copied();
                    if next.is_none() && !last && matches!(self.end, LineEnd::Unknown | LineEnd::Both) {
                        return Ok(Step::Incomplete);
                    }
                    match (self.end, next) {
                        (LineEnd::Unknown | LineEnd::Both, Some(b'\n')) => {
                            self.end = LineEnd::Both;
                            return Ok(self.line(2));
                        }
                        (LineEnd::Unknown | LineEnd::CarriageReturn, _) => {
                            self.end = LineEnd::CarriageReturn;
                            return Ok(self.line(1));
                        }
                        _ => return Err(self.literal_carriage_return()),
                    }
                }
                b'\n' if !self.in_quote => {
                    if matches!(self.end, LineEnd::CarriageReturn | LineEnd::Both) {
                        return Err(self.literal_newline());
                    }
                    self.end = LineEnd::Newline;
                    return Ok(self.line(1));
                }
                b'\n' | b'\r' => {
                    let counted = if self.end == LineEnd::CarriageReturn {
                        b'\r'
                    } else {
                        b'\n'
                    };
                    self.embedded += u64::from(byte == counted);
                }
                b'\\' if !self.csv || (self.position == self.line_start && !self.in_quote) => {
                    match self.buffer.get(self.position + 1) {
                        None if !last => return Ok(Step::Incomplete),
                        Some(b'.') => match self.end_marker(last)? {
                            Marker::Found(step) => return Ok(step),
                            Marker::Undecided => return Ok(Step::Incomplete),
                            Marker::Data => {}
                        },
                        // What follows a backslash is data, a line end too.
                        Some(_) if !self.csv => self.position += 1,
                        _ => {}
                    }
                }
                _ => {}
            }
            self.position += 1;
            self.pass_over_data();
        }
        if last && self.in_quote {
            return Err(BadLine {
                message: "unterminated CSV quoted field",
                hint: None,
            });
        }
        if last && self.line_start < self.buffer.len() {
            self.position = self.buffer.len();
            return Ok(self.line(0));
        }
        Ok(Step::Incomplete)
    }

    /// To the next byte that decides something. The first of a line is looked at in any case: a marker may begin with it.
    fn pass_over_data(&mut self) {
        let ahead = &self.buffer[self.position..];
        let passed = ahead
            .iter()
            .take_while(|byte| !self.decides[usize::from(**byte)])
            .count();
        self.after_escape &= passed == 0;
        self.position += passed;
    }

    fn follow_quotes(&mut self, byte: u8) {
        if self.in_quote && Some(byte) == self.escape {
            self.after_escape = !self.after_escape;
        }
        if byte == self.quote && !self.after_escape {
            self.in_quote = !self.in_quote;
        }
        if Some(byte) != self.escape {
            self.after_escape = false;
        }
    }

    fn line(&mut self, end_length: usize) -> Step {
        let (start, end) = (self.line_start, self.position);
        self.position += end_length;
        self.line_start = self.position;
        self.number += 1 + std::mem::take(&mut self.embedded);
        self.in_quote = false;
        self.after_escape = false;
        Step::Line { start, end }
    }

    /// Judges a `\.` at the position.
    fn end_marker(&mut self, last: bool) -> Result<Marker, BadLine> {
        let corrupt = BadLine {
            message: "end-of-copy marker corrupt",
            hint: None,
        };
        let style = BadLine {
            message: "end-of-copy marker does not match previous newline style",
            hint: None,
        };
        let after = &self.buffer[self.position + 2..];
        let found = match (after.first(), after.get(1)) {
            (None, _) if last => self.end,
            (None, _) => return Ok(Marker::Undecided),
            (Some(b'\r'), Some(b'\n')) => LineEnd::Both,
            (Some(b'\r'), None) if !last && self.end != LineEnd::CarriageReturn => return Ok(Marker::Undecided),
            (Some(b'\r'), _) => LineEnd::CarriageReturn,
            (Some(b'\n'), _) => LineEnd::Newline,
            _ if self.csv => return Ok(Marker::Data),
            _ => return Err(corrupt),
        };
        if self.end != LineEnd::Unknown && found != self.end {
            return Err(style);
        }
        let (start, end) = (self.line_start, self.position);
        self.number += u64::from(end > start);
        self.position = self.buffer.len();
        self.line_start = self.position;
        Ok(Marker::Found(Step::EndOfData { start, end }))
    }

    fn literal_newline(&self) -> BadLine {
        match self.csv {
            true => BadLine {
                message: "unquoted newline found in data",
                hint: Some("Use quoted CSV field to represent newline."),
            },
            false => BadLine {
                message: "literal newline found in data",
                hint: Some("Use \"\\n\" to represent newline."),
            },
        }
    }

    fn literal_carriage_return(&self) -> BadLine {
        match self.csv {
            true => BadLine {
                message: "unquoted carriage return found in data",
                hint: Some("Use quoted CSV field to represent carriage return."),
            },
            false => BadLine {
                message: "literal carriage return found in data",
                hint: Some("Use \"\\r\" to represent carriage return."),
            },
        }
    }
}
