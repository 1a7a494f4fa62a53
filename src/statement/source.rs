//! A client's text with its characters counted: tokens carry one-based characters, slices need bytes.

/// The whole text of one message.
#[derive(Debug)]
pub(super) struct Source<'a> {
    text: &'a str,
    /// Byte of each character, and the length at the end; empty for ASCII, where the two are equal.
    bytes_of_characters: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Source<'a> {
        let bytes_of_characters = if text.is_ascii() {
            vec![]
        } else {
            text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect()
        };
        Source {
            text,
            bytes_of_characters,
        }
    }

    /// The text between two one-based characters, the end exclusive.
    pub(super) fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(self.byte(start)..self.byte(end)).unwrap_or_default()
    }

    /// The one-based character after the last.
    pub(super) fn end(&self) -> usize {
        if self.bytes_of_characters.is_empty() {
            self.text.len() + 1
        } else {
            self.bytes_of_characters.len()
        }
    }

    fn byte(&self, position: usize) -> usize {
        let index = position.saturating_sub(1);
        if self.bytes_of_characters.is_empty() {
            index.min(self.text.len())
        } else {
            self.bytes_of_characters.get(index).copied().unwrap_or(self.text.len())
        }
    }
}
