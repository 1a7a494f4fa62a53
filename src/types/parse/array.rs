//! Array literals: `{1,2}`, `{{a,"b c"},{NULL,d}}`, `[0:1]={1,2}`.

use crate::error::{Error, Result, SqlState};

/// An element of an array literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArrayItem {
    Null,
    Text(String),
    /// A further dimension.
    Array(Vec<ArrayItem>),
}

/// Reads an array literal; elements are still text.
pub fn parse_array(text: &str) -> Result<Vec<ArrayItem>> {
    let malformed = |detail: &str| {
        Error::new(
            SqlState::InvalidTextRepresentation,
            format!("malformed array literal: \"{text}\""),
        )
        .with_detail(detail)
    };
    let mut reader = Reader {
        rest: text.trim_matches(is_space),
        malformed: &malformed,
    };
    if reader.rest.starts_with('[') {
        let (_, literal) = reader
            .rest
            .split_once('=')
            .ok_or_else(|| malformed("Missing \"=\" after array dimensions."))?;
        reader.rest = literal.trim_start_matches(is_space);
    }
    if !reader.rest.starts_with('{') {
        return Err(malformed("Array value must start with \"{\" or dimension information."));
    }
    let items = reader.items(0)?;
    match reader.rest {
        "" => check_dimensions(&items, &malformed).map(|_| items),
        _ => Err(malformed("Junk after closing right brace.")),
    }
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t'..='\r')
}

struct Reader<'a> {
    rest: &'a str,
    malformed: &'a dyn Fn(&str) -> Error,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches(is_space);
    }

    fn take(&mut self) -> Result<char> {
        let character = self
            .rest
            .chars()
            .next()
            .ok_or_else(|| (self.malformed)("Unexpected end of input."))?;
        self.rest = &self.rest[character.len_utf8()..];
        Ok(character)
    }

    /// From an opening brace to its closing one.
    fn items(&mut self, depth: usize) -> Result<Vec<ArrayItem>> {
        const MAX_DIMENSIONS: usize = 6;
        if depth >= MAX_DIMENSIONS {
            return Err(Error::new(
                SqlState::ProgramLimitExceeded,
                "number of array dimensions exceeds the maximum allowed (6)",
            ));
        }
        self.take()?;
        self.skip_space();
        let mut items = Vec::new();
        if self.rest.starts_with('}') {
            self.take()?;
            self.skip_space();
            return Ok(items);
        }
        loop {
            self.skip_space();
            items.push(match self.rest.chars().next() {
                Some('{') => ArrayItem::Array(self.items(depth + 1)?),
                Some('"') => self.quoted()?,
                Some(',' | '}') => return Err((self.malformed)("Unexpected \",\" or \"}\" character.")),
                _ => self.plain()?,
            });
            self.skip_space();
            match self.take()? {
                ',' => {}
                '}' => {
                    self.skip_space();
                    return Ok(items);
                }
                _ => return Err((self.malformed)("Unexpected array element.")),
            }
        }
    }

    fn quoted(&mut self) -> Result<ArrayItem> {
        self.take()?;
        let mut text = String::new();
        loop {
            match self.take()? {
                '"' => return Ok(ArrayItem::Text(text)),
                '\\' => text.push(self.take()?),
                character => text.push(character),
            }
        }
    }

    fn plain(&mut self) -> Result<ArrayItem> {
        let mut text = String::new();
        let (mut escaped, mut end) = (false, 0);
        loop {
            match self.rest.chars().next() {
                None => return Err((self.malformed)("Unexpected end of input.")),
                Some(',' | '}') => break,
                Some(character @ ('{' | '"')) => {
                    return Err((self.malformed)(&format!("Unexpected \"{character}\" character.")));
                }
                Some('\\') => {
                    self.take()?;
                    text.push(self.take()?);
                    escaped = true;
                    end = text.len();
                }
                Some(character) => {
                    self.take()?;
                    text.push(character);
                    if !is_space(character) {
                        end = text.len();
                    }
                }
            }
        }
        text.truncate(end);
        match !escaped && text.eq_ignore_ascii_case("null") {
            true => Ok(ArrayItem::Null),
            false => Ok(ArrayItem::Text(text)),
        }
    }
}

/// Every sub-array of a dimension has the same length; answers the lengths.
fn check_dimensions(items: &[ArrayItem], malformed: &dyn Fn(&str) -> Error) -> Result<Vec<usize>> {
    const UNEVEN: &str = "Multidimensional arrays must have sub-arrays with matching dimensions.";
    let mut inner: Option<Vec<usize>> = None;
    for (index, item) in items.iter().enumerate() {
        match item {
            ArrayItem::Array(nested) => {
                let lengths = check_dimensions(nested, malformed)?;
                if inner.as_ref().is_some_and(|known| *known != lengths) || (inner.is_none() && index > 0) {
                    return Err(malformed(UNEVEN));
                }
                inner = Some(lengths);
            }
            _ if inner.is_some() => return Err(malformed(UNEVEN)),
            _ => {}
        }
    }
    let mut lengths = vec![items.len()];
    lengths.extend(inner.unwrap_or_default());
    Ok(lengths)
}
