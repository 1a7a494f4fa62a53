//! A client's text → statements, by the session's rule of what a backslash is in a string.

use super::{Notice, Session};
use crate::error::{Result, SqlState};
use crate::statement::ast::ParsedStatement;

impl Session {
    /// The statements of a client's text, by the session's rule of strings.
    pub(super) fn read(&mut self, text: &str) -> Result<Vec<ParsedStatement>> {
        let settings = self.settings.current();
        if settings.standard_conforming_strings {
            return crate::statement::parse(text);
        }
        let (spelled, escaping) = crate::statement::with_escape_strings(text);
        if settings.shown("escape_string_warning").as_deref() == Some("on") {
            let hint = "Use the escape string syntax for escapes, e.g., E'\\r\\n'.";
            let warning = Notice::warning(
                SqlState::NonstandardUseOfEscapeCharacter,
                "nonstandard use of escape in a string literal",
            );
            let warning = Notice {
                hint: Some(hint.to_string()),
                ..warning
            };
            self.notices.extend(std::iter::repeat_n(warning, escaping));
        }
        crate::statement::parse(&spelled)
    }
}
