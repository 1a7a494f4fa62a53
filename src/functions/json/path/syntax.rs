//! The text of a jsonpath as a tree: accessors, arithmetic, predicates.

use super::super::super::regular::is_match_with;
use super::super::scan;
use super::conversions::{Argument, Conversion};
use crate::error::{Error, Result, SqlState};

/// A whole path.
#[derive(Debug, Clone)]
pub(super) struct Path {
    pub is_strict: bool,
    pub root: Node,
    /// The variables that it names.
    pub variables: Vec<String>,
}

/// What gives values.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Root,
    Current,
    Variable(String),
    /// A scalar, as jsonb writes it.
    Literal(String),
    /// The last position of the array whose element is asked for.
    Last,
    Accessed(Box<Node>, Vec<Accessor>),
    Signed(char, Box<Node>),
    Computed(char, Box<Node>, Box<Node>),
    Condition(Box<Predicate>),
}

/// One step from a value to others.
#[derive(Debug, Clone)]
pub(super) enum Accessor {
    Member(String),
    AnyMember,
    /// `.**{first to last}`: values so many levels below.
    Descendants(usize, usize),
    AnyElement,
    Elements(Vec<(Node, Option<Node>)>),
    Filter(Predicate),
    Method(Method),
    Conversion(Conversion),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Type,
    Size,
    Double,
    Abs,
    Floor,
    Ceiling,
    KeyValue,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::Type => "type",
            Method::Size => "size",
            Method::Double => "double",
            Method::Abs => "abs",
            Method::Floor => "floor",
            Method::Ceiling => "ceiling",
            Method::KeyValue => "keyvalue",
        }
    }

    fn named(name: &str) -> Option<Method> {
        use Method::*;
        [Type, Size, Double, Abs, Floor, Ceiling, KeyValue]
            .into_iter()
            .find(|method| method.name() == name)
    }
}

/// What holds, does not hold, or is unknown.
#[derive(Debug, Clone)]
pub(super) enum Predicate {
    Compare(&'static str, Node, Node),
    And(Box<Predicate>, Box<Predicate>),
    Or(Box<Predicate>, Box<Predicate>),
    Not(Box<Predicate>),
    Exists(Node),
    IsUnknown(Box<Predicate>),
    StartsWith(Node, Node),
    /// A regular expression and its options.
    LikeRegex(Node, String, String),
}

const COMPARISONS: [(&str, &str); 7] = [
    ("==", "=="),
    ("!=", "!="),
    ("<>", "!="),
    ("<=", "<="),
    (">=", ">="),
    ("<", "<"),
    (">", ">"),
];

impl Path {
    pub fn parse(text: &str) -> Result<Path> {
        let mut reader = Reader {
            text,
            rest: text,
            in_filter: false,
            in_subscript: false,
            variables: vec![],
        };
        let is_strict = reader.word("strict");
        if !is_strict {
            reader.word("lax");
        }
        let start = reader.rest;
        let root = match reader.sum() {
            Ok(node) if reader.rest.trim().is_empty() => node,
            _ => {
                reader.rest = start;
                Node::Condition(Box::new(reader.disjunction()?))
            }
        };
        match reader.rest.trim() {
            "" => Ok(Path {
                is_strict,
                root,
                variables: reader.variables,
            }),
            _ => Err(reader.invalid()),
        }
    }
}

/// Reads a path from its text.
struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    in_filter: bool,
    in_subscript: bool,
    variables: Vec<String>,
}

impl<'a> Reader<'a> {
    fn invalid(&self) -> Error {
        let near: String = self
            .rest
            .trim_start()
            .chars()
            .take_while(|letter| !letter.is_whitespace())
            .collect();
        let message = match near.as_str() {
            "" if self.text.trim().is_empty() => {
                return Error::new(
                    SqlState::InvalidTextRepresentation,
                    "invalid input syntax for type jsonpath: \"\"",
                );
            }
            "" => "syntax error at end of jsonpath input".to_string(),
            near => format!("syntax error at or near \"{near}\" of jsonpath input"),
        };
        Error::new(SqlState::SyntaxError, message)
    }

    fn accept(&mut self, sign: &str) -> bool {
        match self.rest.trim_start().strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A word, and not the beginning of a longer one.
    fn word(&mut self, word: &str) -> bool {
        let rest = self.rest.trim_start();
        let is_whole = |after: &str| !after.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        match rest.strip_prefix(word).filter(|after| is_whole(after)) {
            Some(after) => {
                self.rest = after;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, sign: &str) -> Result<()> {
        match self.accept(sign) {
            true => Ok(()),
            false => Err(self.invalid()),
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.trim_start().chars().next()
    }

    fn disjunction(&mut self) -> Result<Predicate> {
        let mut left = self.conjunction()?;
        while self.accept("||") {
            left = Predicate::Or(Box::new(left), Box::new(self.conjunction()?));
        }
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Predicate> {
        let mut left = self.condition()?;
        while self.accept("&&") {
            left = Predicate::And(Box::new(left), Box::new(self.condition()?));
        }
        Ok(left)
    }

    fn condition(&mut self) -> Result<Predicate> {
        let start = self.rest;
        if self.peek() == Some('!') && !self.rest.trim_start().starts_with("!=") {
            self.expect("!")?;
            return Ok(Predicate::Not(Box::new(self.delimited()?)));
        }
        if self.word("exists") {
            self.expect("(")?;
            let node = self.sum()?;
            self.expect(")")?;
            return Ok(Predicate::Exists(node));
        }
        if self.peek() == Some('(') {
            if let Ok(inner) = self.delimited() {
                if self.word("is") {
                    return match self.word("unknown") {
                        true => Ok(Predicate::IsUnknown(Box::new(inner))),
                        false => Err(self.invalid()),
                    };
                }
                let goes_on = |sign: &str| self.rest.trim_start().starts_with(sign);
                let is_operand = COMPARISONS.iter().any(|(sign, _)| goes_on(sign))
                    || ["+", "-", "*", "/", "%", ".", "["].into_iter().any(goes_on);
                if !is_operand {
                    return Ok(inner);
                }
            }
            self.rest = start;
        }
        let left = self.sum()?;
        for (sign, operator) in COMPARISONS {
            if self.accept(sign) {
                return Ok(Predicate::Compare(operator, left, self.sum()?));
            }
        }
        if self.word("starts") {
            if !self.word("with") {
                return Err(self.invalid());
            }
            return Ok(Predicate::StartsWith(left, self.primary()?));
        }
        if self.word("like_regex") {
            let pattern = self.string()?;
            let flags = match self.word("flag") {
                true => self.string()?,
                false => String::new(),
            };
            let options = options(&flags)?;
            // A pattern that cannot be read is an error of the path.
            is_match_with("", &pattern, &options)?;
            return Ok(Predicate::LikeRegex(left, pattern, options));
        }
        Err(self.invalid())
    }

    fn delimited(&mut self) -> Result<Predicate> {
        if self.word("exists") {
            self.expect("(")?;
            let node = self.sum()?;
            self.expect(")")?;
            return Ok(Predicate::Exists(node));
        }
        self.expect("(")?;
        let inner = self.disjunction()?;
        self.expect(")")?;
        Ok(inner)
    }

    fn sum(&mut self) -> Result<Node> {
        let mut left = self.product()?;
        while let Some(sign @ ('+' | '-')) = self.peek() {
            self.accept(&sign.to_string());
            left = Node::Computed(sign, Box::new(left), Box::new(self.product()?));
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Node> {
        let mut left = self.signed()?;
        while let Some(sign @ ('*' | '/' | '%')) = self.peek() {
            self.accept(&sign.to_string());
            left = Node::Computed(sign, Box::new(left), Box::new(self.signed()?));
        }
        Ok(left)
    }

    fn signed(&mut self) -> Result<Node> {
        match self.peek() {
            Some(sign @ ('+' | '-')) => {
                self.accept(&sign.to_string());
                Ok(Node::Signed(sign, Box::new(self.signed()?)))
            }
            _ => self.accessed(),
        }
    }

    fn accessed(&mut self) -> Result<Node> {
        let node = self.primary()?;
        let mut accessors = vec![];
        while let Some(accessor) = self.accessor()? {
            accessors.push(accessor);
        }
        Ok(match accessors.is_empty() {
            true => node,
            false => Node::Accessed(Box::new(node), accessors),
        })
    }

    fn primary(&mut self) -> Result<Node> {
        match self.peek() {
            Some('$') => {
                self.expect("$")?;
                match self
                    .rest
                    .starts_with(|letter: char| letter.is_alphanumeric() || letter == '_' || letter == '"')
                {
                    true => {
                        let name = self.name()?;
                        self.variables.push(name.clone());
                        Ok(Node::Variable(name))
                    }
                    false => Ok(Node::Root),
                }
            }
            Some('@') if self.in_filter => {
                self.expect("@")?;
                Ok(Node::Current)
            }
            Some('@') => Err(Error::new(
                SqlState::SyntaxError,
                "@ is not allowed in root expressions",
            )),
            Some('(') => {
                self.expect("(")?;
                let start = self.rest;
                let inner = match self.sum() {
                    Ok(inner) if self.peek() == Some(')') => inner,
                    _ => {
                        self.rest = start;
                        Node::Condition(Box::new(self.disjunction()?))
                    }
                };
                self.expect(")")?;
                Ok(inner)
            }
            Some('"') => Ok(Node::Literal(quoted(&self.string()?))),
            Some(letter) if letter.is_ascii_digit() || letter == '.' => self.number(),
            _ if self.word("last") => match self.in_subscript {
                true => Ok(Node::Last),
                false => Err(Error::new(
                    SqlState::SyntaxError,
                    "LAST is allowed only in array subscripts",
                )),
            },
            _ => {
                for literal in ["null", "true", "false"] {
                    if self.word(literal) {
                        return Ok(Node::Literal(literal.to_string()));
                    }
                }
                Err(self.invalid())
            }
        }
    }

    fn number(&mut self) -> Result<Node> {
        let rest = self.rest.trim_start();
        let mut end = 0;
        let bytes = rest.as_bytes();
        while let Some(byte) = bytes.get(end) {
            let is_exponent = matches!(byte, b'e' | b'E');
            let is_sign = matches!(byte, b'+' | b'-') && end > 0 && matches!(bytes[end - 1], b'e' | b'E');
            if !(byte.is_ascii_digit() || *byte == b'.' || is_exponent || is_sign) {
                break;
            }
            end += 1;
        }
        let (text, after) = rest.split_at(end);
        if after.starts_with(|letter: char| letter.is_alphabetic() || letter == '_') {
            let message = format!("trailing junk after numeric literal at or near \"{rest}\" of jsonpath input");
            return Err(Error::new(SqlState::SyntaxError, message));
        }
        let text = match text.strip_prefix('.') {
            Some(fraction) => format!("0.{fraction}"),
            None => text.trim_end_matches('.').to_string(),
        };
        let literal = crate::types::json::canonical(&text).map_err(|_| self.invalid())?;
        self.rest = after;
        Ok(Node::Literal(literal))
    }

    fn accessor(&mut self) -> Result<Option<Accessor>> {
        if self.accept(".**") {
            return self.descendants().map(Some);
        }
        if self.accept(".*") {
            return Ok(Some(Accessor::AnyMember));
        }
        if self.accept(".") {
            let name = self.name()?;
            if !self.accept("(") {
                return Ok(Some(Accessor::Member(name)));
            }
            let arguments = self.arguments()?;
            if let (Some(method), []) = (Method::named(&name), arguments.as_slice()) {
                return Ok(Some(Accessor::Method(method)));
            }
            let conversion = Conversion::named(&name, &arguments).ok_or_else(|| self.invalid())?;
            return Ok(Some(Accessor::Conversion(conversion)));
        }
        if self.accept("[") {
            if self.accept("*") {
                self.expect("]")?;
                return Ok(Some(Accessor::AnyElement));
            }
            let outer = std::mem::replace(&mut self.in_subscript, true);
            let mut ranges = vec![];
            loop {
                let from = self.sum()?;
                let to = if self.word("to") { Some(self.sum()?) } else { None };
                ranges.push((from, to));
                if !self.accept(",") {
                    break;
                }
            }
            self.in_subscript = outer;
            self.expect("]")?;
            return Ok(Some(Accessor::Elements(ranges)));
        }
        if self.accept("?") {
            let outer = std::mem::replace(&mut self.in_filter, true);
            self.expect("(")?;
            let predicate = self.disjunction()?;
            self.expect(")")?;
            self.in_filter = outer;
            return Ok(Some(Accessor::Filter(predicate)));
        }
        Ok(None)
    }

    /// The arguments of a method, and the parenthesis behind them.
    fn arguments(&mut self) -> Result<Vec<Argument>> {
        let mut arguments = vec![];
        while !self.accept(")") {
            if !arguments.is_empty() {
                self.expect(",")?;
            }
            arguments.push(match self.peek() {
                Some('"') => Argument::Text(self.string()?),
                _ => {
                    let is_negative = self.accept("-");
                    let Node::Literal(number) = self.number()? else {
                        return Err(self.invalid());
                    };
                    let number: i64 = number.parse().map_err(|_| self.invalid())?;
                    Argument::Number(if is_negative { -number } else { number })
                }
            });
        }
        Ok(arguments)
    }

    fn descendants(&mut self) -> Result<Accessor> {
        if !self.accept("{") {
            return Ok(Accessor::Descendants(0, usize::MAX));
        }
        let first = self.level()?;
        let last = if self.word("to") { self.level()? } else { first };
        self.expect("}")?;
        Ok(Accessor::Descendants(first, last))
    }

    fn level(&mut self) -> Result<usize> {
        if self.word("last") {
            return Ok(usize::MAX);
        }
        let rest = self.rest.trim_start();
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let level = rest[..end].parse().map_err(|_| self.invalid())?;
        self.rest = &rest[end..];
        Ok(level)
    }

    fn name(&mut self) -> Result<String> {
        let rest = self.rest.trim_start();
        if rest.starts_with('"') {
            return self.string();
        }
        let end = rest
            .find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '$'))
            .unwrap_or(rest.len());
        if end == 0 || rest.starts_with(|letter: char| letter.is_ascii_digit()) {
            return Err(self.invalid());
        }
        self.rest = &rest[end..];
        Ok(rest[..end].to_string())
    }

    fn string(&mut self) -> Result<String> {
        let rest = self.rest.trim_start();
        if !rest.starts_with('"') {
            return Err(self.invalid());
        }
        let mut escaped = false;
        let closing = rest.char_indices().skip(1).find(|(_, letter)| {
            let is_end = *letter == '"' && !escaped;
            escaped = *letter == '\\' && !escaped;
            is_end
        });
        let (end, _) = closing.ok_or_else(|| self.invalid())?;
        self.rest = &rest[end + 1..];
        scan::unquoted(&rest[..=end])
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    crate::types::json::write_string(text, &mut out);
    out
}

/// XQuery's flags as those of PostgreSQL's regular expressions.
fn options(flags: &str) -> Result<String> {
    let mut options = String::new();
    for flag in flags.chars() {
        match flag {
            'i' | 'q' => options.push(flag),
            's' => {}
            'm' => options.push('w'),
            'x' => {
                return Err(Error::unsupported("XQuery \"x\" flag (expanded regular expressions)"));
            }
            other => {
                let message = "invalid input syntax for type jsonpath";
                let detail = format!("Unrecognized flag character \"{other}\" in LIKE_REGEX predicate.");
                return Err(Error::new(SqlState::SyntaxError, message).with_detail(detail));
            }
        }
    }
    if !flags.contains('s') {
        options.push('p');
    }
    Ok(options)
}
