//! PostgreSQL's regular expressions (advanced ones) and SIMILAR TO patterns, rewritten for the engine of the
//! `regex` crate. What it cannot do, references back and looking around, is left to `backtracking`.

use regex::{Regex, RegexBuilder};

use super::backtracking::{Groups, Program};

use crate::error::{Error, Result, SqlState};

/// Options that stand in a flags argument.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub global: bool,
    ignore_case: bool,
    /// `.` and brackets stop at newlines; `^` and `$` match at them.
    partial_newline: bool,
    newline_anchors: bool,
    extended: bool,
    literal: bool,
}

impl Flags {
    pub fn parse(text: &str, takes_global: bool) -> Result<Flags> {
        let mut flags = Flags::default();
        for flag in text.chars() {
            match flag {
                'g' if takes_global => flags.global = true,
                'i' => flags.ignore_case = true,
                'c' => flags.ignore_case = false,
                'n' | 'm' => (flags.partial_newline, flags.newline_anchors) = (true, true),
                'p' => flags.partial_newline = true,
                'w' => flags.newline_anchors = true,
                's' => (flags.partial_newline, flags.newline_anchors) = (false, false),
                'x' => flags.extended = true,
                't' => flags.extended = false,
                'q' => flags.literal = true,
                'b' | 'e' => {}
                'g' => {
                    return Err(Error::new(
                        SqlState::InvalidParameterValue,
                        "regexp_match() does not support the \"global\" option",
                    )
                    .with_hint("Use the regexp_matches function instead."));
                }
                other => {
                    return Err(Error::new(
                        SqlState::InvalidParameterValue,
                        format!("invalid regular expression option: \"{other}\""),
                    ));
                }
            }
        }
        Ok(flags)
    }

    pub fn ignores_case(self) -> bool {
        self.ignore_case
    }

    pub fn skips_blanks(self) -> bool {
        self.extended
    }

    pub fn stops_at_lines(self) -> bool {
        self.newline_anchors
    }

    pub fn dot_stops_at_lines(self) -> bool {
        self.partial_newline
    }

    pub fn searching_once(mut self) -> Flags {
        self.global = false;
        self
    }

    pub fn ignoring_case(mut self) -> Flags {
        self.ignore_case = true;
        self
    }
}

/// A pattern that is compiled.
#[derive(Debug)]
pub(super) enum Pattern {
    Engine(Regex),
    Backtracking(Program),
    /// The crate finds where a match begins, the program how far it goes.
    Longest(Regex, Program),
}

/// A match and its groups.
#[derive(Debug)]
pub(super) struct Captures<'t> {
    text: &'t str,
    groups: Groups,
}

/// A part of the text that matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'t> {
    text: &'t str,
    pub start: usize,
    pub end: usize,
}

impl<'t> Part<'t> {
    pub fn as_str(&self) -> &'t str {
        &self.text[self.start..self.end]
    }

    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

impl<'t> Captures<'t> {
    /// A group; the whole match is the first.
    pub fn get(&self, group: usize) -> Option<Part<'t>> {
        let (start, end) = self.groups.get(group).copied().flatten()?;
        let text = self.text;
        Some(Part { text, start, end })
    }

    /// How many groups there are, with the whole match.
    pub fn len(&self) -> usize {
        self.groups.len()
    }
}

impl Pattern {
    pub fn is_match(&self, text: &str) -> Result<bool> {
        match self {
            Pattern::Engine(regex) | Pattern::Longest(regex, _) => Ok(regex.is_match(text)),
            Pattern::Backtracking(program) => Ok(program.find(text, 0)?.is_some()),
        }
    }

    /// The first match.
    pub fn captures<'t>(&self, text: &'t str) -> Result<Option<Captures<'t>>> {
        self.captures_at(text, 0)
    }

    fn captures_at<'t>(&self, text: &'t str, start: usize) -> Result<Option<Captures<'t>>> {
        let engine = |regex: &Regex| -> Option<Groups> {
            let found = regex.captures_at(text, start)?;
            let groups = found.iter();
            Some(
                groups
                    .map(|group| group.map(|group| (group.start(), group.end())))
                    .collect(),
            )
        };
        let groups = match self {
            Pattern::Engine(regex) => engine(regex),
            Pattern::Longest(regex, program) => regex
                .find_at(text, start)
                .and_then(|found| program.longest_at(text, found.start()).or_else(|| engine(regex))),
            Pattern::Backtracking(program) => program.find(text, start)?,
        };
        Ok(groups.map(|groups| Captures { text, groups }))
    }

    /// All matches that do not overlap, up to so many; an empty one may follow another directly.
    pub fn all<'t>(&self, text: &'t str, limit: usize) -> Result<Vec<Captures<'t>>> {
        let (mut found, mut start) = (vec![], 0);
        while found.len() < limit
            && start <= text.len()
            && let Some(captures) = self.captures_at(text, start)?
        {
            let Some(whole) = captures.get(0) else { break };
            start = whole.end;
            if whole.is_empty() {
                start += text[whole.end..].chars().next().map_or(1, char::len_utf8);
            }
            found.push(captures);
        }
        Ok(found)
    }
}

pub(super) fn invalid(reason: &str) -> Error {
    Error::new(
        SqlState::InvalidRegularExpression,
        format!("invalid regular expression: {reason}"),
    )
}

/// Compiles a pattern.
pub(super) fn compile(pattern: &str, mut flags: Flags) -> Result<Pattern> {
    let mut pattern = pattern;
    if let Some(rest) = pattern.strip_prefix("***=") {
        (pattern, flags.literal) = (rest, true);
    } else if let Some(rest) = pattern.strip_prefix("***:") {
        pattern = rest;
    }
    let translated = match flags.literal {
        true => (regex::escape(pattern), false),
        false => translated(pattern, &mut flags)?,
    };
    let (translated, needs_backtracking) = translated;
    if needs_backtracking {
        return Program::compile(&translated, flags).map(Pattern::Backtracking);
    }
    let built = RegexBuilder::new(&translated)
        .case_insensitive(flags.ignore_case)
        .dot_matches_new_line(!flags.partial_newline)
        .multi_line(flags.newline_anchors)
        .ignore_whitespace(flags.extended)
        .build();
    let ambiguous = match translated.contains('|') && !flags.literal {
        true => Program::compile(&translated, flags).ok().filter(Program::is_ambiguous),
        false => None,
    };
    let pattern = built.map(|regex| match ambiguous {
        Some(program) => Pattern::Longest(regex, program),
        None => Pattern::Engine(regex),
    });
    pattern.map_err(|error| {
        let text = error.to_string();
        let said = |words: &str| text.contains(words);
        if said("unclosed group") || said("unopened group") {
            invalid("parentheses () not balanced")
        } else if said("repetition operator missing expression") || said("repetition quantifier expects") {
            invalid("quantifier operand invalid")
        } else if said("unclosed character class") {
            invalid("brackets [] not balanced")
        } else if said("unclosed counted repetition") {
            invalid("braces {} not balanced")
        } else if said("repetition") || said("decimal") {
            invalid("invalid repetition count(s)")
        } else if said("class range") {
            invalid("invalid character range")
        } else {
            invalid("invalid escape \\ sequence")
        }
    })
}

/// The same pattern in the crate's syntax, and whether it is more than the crate can do. Embedded options change the
/// flags.
fn translated(pattern: &str, flags: &mut Flags) -> Result<(String, bool)> {
    let mut needs_backtracking = false;
    let mut rest = pattern;
    if let Some(options) = rest.strip_prefix("(?")
        && let Some((letters, after)) = options.split_once(')')
        && !letters.is_empty()
        && letters.chars().all(|letter| letter.is_ascii_alphabetic())
    {
        let embedded = Flags::parse(letters, false)?;
        *flags = Flags {
            global: flags.global,
            ..embedded
        };
        rest = after;
    }
    let mut out = String::with_capacity(rest.len() + 8);
    let mut characters = rest.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                None => return Err(invalid("invalid escape \\ sequence")),
                Some('m') => out.push_str("\\b{start}"),
                Some('M') => out.push_str("\\b{end}"),
                Some('y') => out.push_str("\\b"),
                Some('Y') => out.push_str("\\B"),
                Some('A') => out.push_str("\\A"),
                Some('Z') => out.push_str("\\z"),
                Some('e') => out.push_str("\\x1B"),
                Some('a') => out.push_str("\\x07"),
                Some('b') => out.push_str("\\x08"),
                Some('u') => {
                    let digits: String = characters.by_ref().take(4).collect();
                    out.push_str(&format!("\\u{{{digits}}}"));
                }
                Some(digit @ '1'..='9') => {
                    needs_backtracking = true;
                    out.push('\\');
                    out.push(digit);
                }
                // Escaped letters that mean themselves have no meaning in the crate's syntax.
                Some(other) if other.is_alphanumeric() && !"dDwWsSntrfvx0".contains(other) => {
                    return Err(invalid("invalid escape \\ sequence"));
                }
                Some(other) => {
                    out.push('\\');
                    out.push(other);
                }
            },
            '[' => bracket(&mut characters, &mut out)?,
            '(' => {
                out.push('(');
                if characters.peek() == Some(&'?') {
                    let mut ahead = characters.clone();
                    ahead.next();
                    if matches!(ahead.peek(), Some('=' | '!' | '<')) {
                        needs_backtracking = true;
                    }
                }
            }
            // A brace that begins no bound means itself.
            '{' if !characters.peek().is_some_and(char::is_ascii_digit) => out.push_str("\\{"),
            '}' if !is_bound_end(&out) => out.push_str("\\}"),
            other => out.push(other),
        }
    }
    Ok((out, needs_backtracking))
}

fn is_bound_end(out: &str) -> bool {
    out.rfind('{').is_some_and(|start| {
        out[start + 1..]
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b',')
    })
}

/// A bracket expression: inside it the crate gives meaning to more characters than PostgreSQL does.
fn bracket(characters: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) -> Result<()> {
    let rest: String = characters.clone().collect();
    for (word, boundary) in [("[:<:]]", "\\b{start}"), ("[:>:]]", "\\b{end}")] {
        if rest.starts_with(word) {
            for _ in 0..word.len() {
                characters.next();
            }
            out.push_str(boundary);
            return Ok(());
        }
    }
    out.push('[');
    if characters.peek() == Some(&'^') {
        characters.next();
        out.push('^');
    }
    let mut is_first = true;
    while let Some(character) = characters.next() {
        match character {
            ']' if !is_first => {
                out.push(']');
                return Ok(());
            }
            ']' => out.push_str("\\]"),
            '[' => match characters.peek() {
                Some(':') => {
                    out.push('[');
                    for inner in characters.by_ref() {
                        out.push(inner);
                        if inner == ']' {
                            break;
                        }
                    }
                }
                Some('.' | '=') => return Err(Error::unsupported("a collating element in a regular expression")),
                _ => out.push_str("\\["),
            },
            '\\' => match characters.next() {
                Some(other) => {
                    out.push('\\');
                    out.push(other);
                }
                None => return Err(invalid("invalid escape \\ sequence")),
            },
            '&' | '~' | '#' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
        is_first = false;
    }
    Err(invalid("brackets [] not balanced"))
}

/// A SIMILAR TO pattern as a regular expression that matches whole texts. Parts around two escaped quotes are what
/// substring() takes: the second part is in a group.
pub(super) fn similar(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut out = String::from("^(?:");
    let mut characters = pattern.chars();
    let mut quotes = 0;
    let mut in_bracket = false;
    while let Some(character) = characters.next() {
        if Some(character) == escape {
            match characters.next() {
                Some('"') => {
                    quotes += 1;
                    match quotes {
                        // What stands before the marked part matches as little as it can.
                        1 => {
                            let before = std::mem::take(&mut out);
                            out = format!("{before})(");
                            out = out.replacen("^(?:", "^(?U:", 1);
                        }
                        2 => out.push_str(")(?:"),
                        _ => {
                            return Err(Error::new(
                                SqlState::InvalidRegularExpression,
                                "SQL regular expression may not contain more than two escape-double-quote separators",
                            ));
                        }
                    }
                }
                Some(other) => out.push_str(&regex::escape(&other.to_string())),
                None => {}
            }
            continue;
        }
        match character {
            ']' if in_bracket => {
                in_bracket = false;
                out.push(']');
            }
            character if in_bracket => {
                if character == '\\' {
                    out.push('\\');
                }
                out.push(character);
            }
            '[' => {
                in_bracket = true;
                out.push('[');
            }
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '(' => out.push_str("(?:"),
            '.' | '^' | '$' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out.push_str(")$");
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_keep_their_meaning() {
        let matches = |pattern: &str, text: &str| compile(pattern, Flags::default()).unwrap().is_match(text).unwrap();
        assert!(matches(r"\mfoo\M", "a foo b"));
        assert!(!matches(r"\mfoo\M", "afoob"));
        assert!(matches("[[:<:]]b", "a b"));
        assert!(matches("a.b", "a\nb"));
        assert!(matches("x{2}", "xx"));
        assert!(matches("[a&&b]", "&"));
        assert!(matches("(?i)ABC", "abc"));
        for (pattern, reason) in [
            ("(", "parentheses () not balanced"),
            ("*a", "quantifier operand invalid"),
            ("[a", "brackets [] not balanced"),
        ] {
            let error = compile(pattern, Flags::default()).unwrap_err();
            assert_eq!(error.message(), format!("invalid regular expression: {reason}"));
        }
    }

    #[test]
    fn similar_patterns_match_whole_texts() {
        let matches = |pattern: &str, text: &str| {
            compile(&similar(pattern, Some('\\')).unwrap(), Flags::default())
                .unwrap()
                .is_match(text)
                .unwrap()
        };
        assert!(matches("a(b|c)+", "abc"));
        assert!(!matches("a", "abc"));
        assert!(matches("%b%", "abc"));
        assert!(!matches("a.c", "abc"));
    }
}
