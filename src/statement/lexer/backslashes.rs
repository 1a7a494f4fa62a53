//! `standard_conforming_strings = off`: a backslash escapes in `'…'` as it does in `E'…'`. Such literals are spelled `E'…'`
//! before a text is read, so that whatever is stored of it means the same when the setting is on.

use std::borrow::Cow;

use super::Lexer;

/// The text with an `E` before each plain string that has a backslash, and how many there are.
pub fn with_escape_strings(text: &str) -> (Cow<'_, str>, usize) {
    if !text.contains('\\') {
        return (Cow::Borrowed(text), 0);
    }
    let mut lexer = Lexer::new(text);
    let mut quotes = vec![];
    // Where nothing can be read, the parser says so.
    while let Ok(true) = lexer.skip_blank() {
        let start = lexer.at;
        let is_national = matches!(lexer.peek(), Some(b'n' | b'N')) && lexer.peek_at(1) == Some(b'\'');
        lexer.at += usize::from(is_national);
        let has_backslash = match lexer.peek() {
            Some(b'\'') => lexer.skip_escaping_string(),
            _ => lexer.token().ok().map(|_| false),
        };
        match has_backslash {
            Some(true) => quotes.push((start, start + usize::from(is_national))),
            Some(false) => {}
            None => break,
        }
    }
    if quotes.is_empty() {
        return (Cow::Borrowed(text), 0);
    }
    let mut spelled = String::with_capacity(text.len() + quotes.len());
    let mut copied = 0;
    for (start, quote) in &quotes {
        spelled.push_str(&text[copied..*start]);
        spelled.push('E');
        copied = *quote;
    }
    spelled.push_str(&text[copied..]);
    (Cow::Owned(spelled), quotes.len())
}

impl Lexer<'_> {
    /// Passes a string in which backslashes escape. Whether it has any; `None` where it does not end.
    fn skip_escaping_string(&mut self) -> Option<bool> {
        let mut has_backslash = false;
        loop {
            self.at += 1;
            loop {
                match self.peek()? {
                    b'\\' => {
                        has_backslash = true;
                        self.at += 2;
                    }
                    b'\'' if self.peek_at(1) == Some(b'\'') => self.at += 2,
                    b'\'' => break,
                    _ => self.at += 1,
                }
            }
            self.at += 1;
            if !self.continues_on_next_line().ok()? {
                return Some(has_backslash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_strings_become_escape_strings_where_they_have_backslashes() {
        for (text, spelled, count) in [
            ("select 'a', E'\\n', \"\\\"", "select 'a', E'\\n', \"\\\"", 0),
            ("select 'a\\'b', 'c'", "select E'a\\'b', 'c'", 1),
            (
                "select n'\\t' -- '\\'\n, $$'\\'$$",
                "select E'\\t' -- '\\'\n, $$'\\'$$",
                1,
            ),
            ("select 'a'\n'\\\\', b'01'", "select E'a'\n'\\\\', b'01'", 1),
            ("select 'ä\\'''ö', '\\x'", "select E'ä\\'''ö', E'\\x'", 2),
            ("select 'never ends\\'", "select 'never ends\\'", 0),
        ] {
            assert_eq!(with_escape_strings(text), (Cow::from(spelled), count), "{text}");
        }
    }
}
