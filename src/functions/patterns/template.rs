//! Splits a date pattern into fields and plain text.

/// One piece of a date pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Field {
        name: &'static str,
        /// As the pattern spells it: its case decides the case of names.
        spelled: String,
        /// FM: no padding.
        fill: bool,
        /// TH or th after a number.
        ordinal: Option<bool>,
    },
    Text(String),
    /// Text in double quotes, whose blanks and signs separate nothing.
    Quoted(String),
    /// FX: from here on the text has exactly the pattern's form.
    Fixed,
}

/// Fields, longer ones first where one is another's beginning.
const FIELDS: [&str; 53] = [
    "Y,YYY", "YYYY", "YYY", "YY", "Y", "IYYY", "IYY", "IY", "IDDD", "ID", "IW", "I", "MONTH", "MON", "MM", "MI", "MS",
    "DDD", "DD", "DAY", "DY", "D", "HH24", "HH12", "HH", "SSSSS", "SSSS", "SS", "US", "FF1", "FF2", "FF3", "FF4",
    "FF5", "FF6", "A.M.", "P.M.", "AM", "PM", "B.C.", "A.D.", "BC", "AD", "TZH", "TZM", "TZ", "OF", "WW", "W", "Q",
    "J", "CC", "RM",
];

/// Reads a pattern. Text in double quotes and unknown characters stand for themselves.
pub(super) fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = vec![];
    let mut rest = pattern;
    let mut fill = true;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = strip_keyword(rest, "FM") {
            fill = false;
            rest = after;
            continue;
        }
        if let Some(after) = strip_keyword(rest, "TM") {
            rest = after;
            continue;
        }
        if let Some(after) = strip_keyword(rest, "FX") {
            pieces.push(Piece::Fixed);
            rest = after;
            continue;
        }
        if let Some(name) = FIELDS.into_iter().find(|name| strip_keyword(rest, name).is_some()) {
            let (spelled, after) = rest.split_at(name.len());
            rest = after;
            let ordinal = match rest.get(..2) {
                Some("TH") => Some(true),
                Some("th") => Some(false),
                _ => None,
            };
            if ordinal.is_some() {
                rest = &rest[2..];
            }
            pieces.push(Piece::Field {
                name,
                spelled: spelled.to_string(),
                fill,
                ordinal,
            });
            fill = true;
            continue;
        }
        if first == '"' {
            let (text, after) = quoted(&rest[1..]);
            pieces.push(Piece::Quoted(text));
            rest = after;
            continue;
        }
        let (text, after) = match first {
            '\\' if rest[1..].starts_with('"') => ("\"".to_string(), &rest[2..]),
            other => (other.to_string(), &rest[other.len_utf8()..]),
        };
        rest = after;
        match pieces.last_mut() {
            Some(Piece::Text(before)) => before.push_str(&text),
            _ => pieces.push(Piece::Text(text)),
        }
    }
    pieces
}

/// What stands before the closing quote, and what follows it.
pub(super) fn quoted(rest: &str) -> (String, &str) {
    let mut text = String::new();
    let mut characters = rest.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (text, &rest[index + 1..]),
            '\\' => text.extend(characters.next().map(|(_, escaped)| escaped)),
            other => text.push(other),
        }
    }
    (text, "")
}

fn strip_keyword<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let head = text.get(..keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then(|| &text[keyword.len()..])
}
