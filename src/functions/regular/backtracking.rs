//! A matcher that tries one way after the other, for what the engine of the `regex` crate cannot do: references back
//! and looking around. It reads the crate's syntax, which `pattern` has made; single characters are the crate's still.
//! Its effort is bounded: a pattern that needs more is an error and no endless loop.

mod longest;

use regex::{Regex, RegexBuilder};

use super::pattern::Flags;
use crate::error::{Error, Result, SqlState};

/// Steps of one search.
const MOST_STEPS: usize = 5_000_000;
/// Repetitions of groups inside each other, each of which takes stack.
const MOST_DEPTH: usize = 1_000;

#[derive(Debug)]
enum Node {
    /// One character.
    Character(Regex),
    Assertion(Assertion),
    Group(Box<Node>, Option<usize>),
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    Repeat {
        node: Box<Node>,
        least: usize,
        most: usize,
        lazy: bool,
    },
    /// What a group matched.
    Back(usize),
    Look {
        node: Box<Node>,
        behind: bool,
        negated: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Assertion {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    WordStart,
    WordEnd,
    Boundary,
    NoBoundary,
}

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Program {
    root: Node,
    groups: usize,
    ignore_case: bool,
}

/// Where each group matched; the whole is the first.
pub(super) type Groups = Vec<Option<(usize, usize)>>;

struct Search<'t> {
    text: &'t str,
    groups: Groups,
    steps: usize,
    depth: usize,
    exhausted: bool,
    /// Alternatives are tried by how much they can take.
    longest_first: bool,
}

impl<'t> Search<'t> {
    fn of(text: &'t str, groups: usize) -> Search<'t> {
        Search {
            text,
            groups: vec![None; groups + 1],
            steps: 0,
            depth: 0,
            exhausted: false,
            longest_first: false,
        }
    }
}

type Next<'n, 't> = &'n mut dyn FnMut(&mut Search<'t>, usize) -> bool;

impl Program {
    pub fn compile(pattern: &str, flags: Flags) -> Result<Program> {
        let mut parser = Parser {
            rest: pattern,
            flags,
            groups: 0,
            looking: false,
        };
        let root = parser.choice()?;
        match parser.rest.is_empty() {
            true => Ok(Program {
                root,
                groups: parser.groups,
                ignore_case: flags.ignores_case(),
            }),
            false => Err(super::pattern::invalid("parentheses () not balanced")),
        }
    }

    /// The first match from `start` on.
    pub fn find(&self, text: &str, start: usize) -> Result<Option<Groups>> {
        let mut search = Search::of(text, self.groups);
        let mut begin = start;
        loop {
            search.groups = vec![None; self.groups + 1];
            let mut end = None;
            let found = self.run(&self.root, begin, &mut search, &mut |_, at| {
                end = Some(at);
                true
            });
            if search.exhausted {
                let message = "regular expression is too complex";
                return Err(Error::new(SqlState::ProgramLimitExceeded, message));
            }
            if let (true, Some(end)) = (found, end) {
                search.groups[0] = Some((begin, end));
                return Ok(Some(search.groups));
            }
            match text[begin..].chars().next() {
                Some(character) => begin += character.len_utf8(),
                None => return Ok(None),
            }
        }
    }

    /// Whether `node` matches at a place and what follows does after it.
    fn run<'t>(&self, node: &Node, at: usize, search: &mut Search<'t>, next: Next<'_, 't>) -> bool {
        search.steps += 1;
        search.exhausted |= search.steps > MOST_STEPS || search.depth > MOST_DEPTH;
        if search.exhausted {
            return false;
        }
        match node {
            Node::Character(regex) => match character_at(regex, search.text, at) {
                Some(end) => next(search, end),
                None => false,
            },
            Node::Assertion(assertion) => assertion.holds(search.text, at) && next(search, at),
            Node::Group(inner, None) => self.run(inner, at, search, next),
            Node::Group(inner, Some(number)) => {
                let before = search.groups[*number];
                let found = self.run(inner, at, search, &mut |search, end| {
                    let earlier = search.groups[*number].replace((at, end));
                    let found = next(search, end);
                    if !found {
                        search.groups[*number] = earlier;
                    }
                    found
                });
                if !found {
                    search.groups[*number] = before;
                }
                found
            }
            Node::Sequence(nodes) => self.sequence(nodes, at, search, next),
            Node::Choice(choices) if search.longest_first => {
                let choices = self.in_order(choices, at, search);
                choices.into_iter().any(|choice| self.run(choice, at, search, next))
            }
            Node::Choice(choices) => choices.iter().any(|choice| self.run(choice, at, search, next)),
            Node::Repeat {
                node,
                least,
                most,
                lazy,
            } => match node.as_ref() {
                Node::Character(regex) => characters(regex, (*least, *most, *lazy), at, search, next),
                node => self.repeat(node, (*least, *most, *lazy), 0, at, search, next),
            },
            Node::Back(number) => {
                let Some((from, to)) = search.groups.get(*number).copied().flatten() else {
                    return false;
                };
                let (known, here) = (&search.text[from..to], &search.text[at..]);
                let length = match self.ignore_case {
                    false => here.starts_with(known).then_some(known.len()),
                    true => {
                        let mut taken = here.char_indices();
                        let same = known.chars().all(|wanted| {
                            let found = taken.next().map(|(_, found)| found);
                            found.is_some_and(|found| found.to_lowercase().eq(wanted.to_lowercase()))
                        });
                        same.then(|| taken.next().map_or(here.len(), |(end, _)| end))
                    }
                };
                length.is_some_and(|length| next(search, at + length))
            }
            Node::Look { node, behind, negated } => {
                let groups = search.groups.clone();
                let found = match behind {
                    false => self.run(node, at, search, &mut |_, _| true),
                    true => {
                        let starts = (0..=at).rev().filter(|start| search.text.is_char_boundary(*start));
                        let starts: Vec<usize> = starts.collect();
                        starts
                            .into_iter()
                            .any(|start| self.run(node, start, search, &mut |_, end| end == at))
                    }
                };
                search.groups = groups;
                found != *negated && !search.exhausted && next(search, at)
            }
        }
    }

    fn sequence<'t>(&self, nodes: &[Node], at: usize, search: &mut Search<'t>, next: Next<'_, 't>) -> bool {
        match nodes.split_first() {
            None => next(search, at),
            Some((first, rest)) => self.run(first, at, search, &mut |search, end| {
                self.sequence(rest, end, search, next)
            }),
        }
    }

    fn repeat<'t>(
        &self,
        node: &Node,
        bounds: (usize, usize, bool),
        count: usize,
        at: usize,
        search: &mut Search<'t>,
        next: Next<'_, 't>,
    ) -> bool {
        let (least, most, lazy) = bounds;
        if lazy && count >= least && next(search, at) {
            return true;
        }
        if count < most {
            search.depth += 1;
            let found = self.run(node, at, search, &mut |search, end| {
                // Nothing, repeated, stays nothing.
                (end > at || count < least) && self.repeat(node, bounds, count + 1, end, search, next)
            });
            search.depth -= 1;
            if found {
                return true;
            }
        }
        !lazy && count >= least && next(search, at)
    }
}

fn character_at(regex: &Regex, text: &str, at: usize) -> Option<usize> {
    let length = text[at..].chars().next()?.len_utf8();
    regex.is_match(&text[at..at + length]).then_some(at + length)
}

/// Repeated single characters need no stack.
fn characters<'t>(
    regex: &Regex,
    (least, most, lazy): (usize, usize, bool),
    at: usize,
    search: &mut Search<'t>,
    next: Next<'_, 't>,
) -> bool {
    let mut ends = vec![at];
    let mut end = at;
    if lazy {
        for count in 0.. {
            if count >= least && next(search, end) {
                return true;
            }
            match character_at(regex, search.text, end) {
                Some(after) if count < most => end = after,
                _ => return false,
            }
        }
    }
    while ends.len() <= most
        && let Some(after) = character_at(regex, search.text, end)
    {
        search.steps += 1;
        ends.push(after);
        end = after;
    }
    ends.into_iter().skip(least).rev().any(|end| next(search, end))
}

impl Assertion {
    fn holds(self, text: &str, at: usize) -> bool {
        let is_word = |character: char| character.is_alphanumeric() || character == '_';
        let before = text[..at].chars().next_back();
        let after = text[at..].chars().next();
        let (left, right) = (before.is_some_and(is_word), after.is_some_and(is_word));
        match self {
            Assertion::TextStart => before.is_none(),
            Assertion::TextEnd => after.is_none(),
            Assertion::LineStart => before.is_none_or(|character| character == '\n'),
            Assertion::LineEnd => after.is_none_or(|character| character == '\n'),
            Assertion::WordStart => !left && right,
            Assertion::WordEnd => left && !right,
            Assertion::Boundary => left != right,
            Assertion::NoBoundary => left == right,
        }
    }
}

struct Parser<'p> {
    rest: &'p str,
    flags: Flags,
    groups: usize,
    /// Inside a constraint, where parentheses capture nothing.
    looking: bool,
}

impl Parser<'_> {
    fn accept(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn choice(&mut self) -> Result<Node> {
        let mut choices = vec![self.sequence()?];
        while self.accept("|") {
            choices.push(self.sequence()?);
        }
        Ok(match choices.len() {
            1 => choices.remove(0),
            _ => Node::Choice(choices),
        })
    }

    fn sequence(&mut self) -> Result<Node> {
        let mut nodes = vec![];
        while let Some(first) = self.rest.chars().next() {
            if matches!(first, '|' | ')') {
                break;
            }
            if self.flags.skips_blanks() && first.is_whitespace() {
                self.rest = self.rest.trim_start();
                continue;
            }
            if self.flags.skips_blanks() && first == '#' {
                self.rest = self.rest.split_once('\n').map_or("", |(_, after)| after);
                continue;
            }
            let node = self.atom(first)?;
            nodes.push(self.quantified(node)?);
        }
        Ok(Node::Sequence(nodes))
    }

    fn quantified(&mut self, node: Node) -> Result<Node> {
        let (least, most) = if self.accept("*") {
            (0, usize::MAX)
        } else if self.accept("+") {
            (1, usize::MAX)
        } else if self.accept("?") {
            (0, 1)
        } else if let Some((bounds, rest)) = self.rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            self.rest = rest;
            let number = |text: &str| {
                text.parse()
                    .map_err(|_| super::pattern::invalid("invalid repetition count(s)"))
            };
            match bounds.split_once(',') {
                None => (number(bounds)?, number(bounds)?),
                Some((least, "")) => (number(least)?, usize::MAX),
                Some((least, most)) => (number(least)?, number(most)?),
            }
        } else {
            return Ok(node);
        };
        if least > most {
            return Err(super::pattern::invalid("invalid repetition count(s)"));
        }
        Ok(Node::Repeat {
            node: Box::new(node),
            least,
            most,
            lazy: self.accept("?"),
        })
    }

    fn atom(&mut self, first: char) -> Result<Node> {
        match first {
            '(' => self.group(),
            '[' => {
                let length = bracket_length(self.rest);
                self.character(length)
            }
            '\\' => self.escape(),
            '^' | '$' => {
                self.rest = &self.rest[1..];
                Ok(Node::Assertion(match (first, self.flags.stops_at_lines()) {
                    ('^', false) => Assertion::TextStart,
                    ('^', true) => Assertion::LineStart,
                    (_, false) => Assertion::TextEnd,
                    (_, true) => Assertion::LineEnd,
                }))
            }
            '*' | '+' | '?' => Err(super::pattern::invalid("quantifier operand invalid")),
            other => self.character(other.len_utf8()),
        }
    }

    /// What the next bytes mean is one character to the crate.
    fn character(&mut self, length: usize) -> Result<Node> {
        let (atom, rest) = self.rest.split_at(length);
        self.rest = rest;
        let regex = RegexBuilder::new(&format!("^(?:{atom})$"))
            .case_insensitive(self.flags.ignores_case())
            .dot_matches_new_line(!self.flags.dot_stops_at_lines())
            .build();
        regex
            .map(Node::Character)
            .map_err(|_| super::pattern::invalid("invalid escape \\ sequence"))
    }

    fn escape(&mut self) -> Result<Node> {
        const ASSERTIONS: [(&str, Assertion); 6] = [
            ("\\b{start}", Assertion::WordStart),
            ("\\b{end}", Assertion::WordEnd),
            ("\\b", Assertion::Boundary),
            ("\\B", Assertion::NoBoundary),
            ("\\A", Assertion::TextStart),
            ("\\z", Assertion::TextEnd),
        ];
        for (text, assertion) in ASSERTIONS {
            if self.accept(text) {
                return Ok(Node::Assertion(assertion));
            }
        }
        let mut characters = self.rest.char_indices().skip(1);
        let Some((_, escaped)) = characters.next() else {
            return Err(super::pattern::invalid("invalid escape \\ sequence"));
        };
        if let Some(number @ 1..) = escaped.to_digit(10) {
            self.rest = &self.rest[2..];
            let number = number as usize;
            return match number <= self.groups && !self.looking {
                true => Ok(Node::Back(number)),
                false => Err(super::pattern::invalid("invalid backreference number")),
            };
        }
        let length = match escaped {
            'x' | 'u' if self.rest[2..].starts_with('{') => self.rest.find('}').map_or(2, |end| end + 1),
            'x' => self.rest.len().min(4),
            other => 1 + other.len_utf8(),
        };
        self.character(length)
    }

    fn group(&mut self) -> Result<Node> {
        let looks = [
            ("(?=", false, false),
            ("(?!", false, true),
            ("(?<=", true, false),
            ("(?<!", true, true),
        ];
        let look = looks.into_iter().find(|(prefix, _, _)| self.accept(prefix));
        if let Some((_, behind, negated)) = look {
            let outer = std::mem::replace(&mut self.looking, true);
            let node = Box::new(self.choice()?);
            self.looking = outer;
            self.close()?;
            return Ok(Node::Look { node, behind, negated });
        }
        let number = match self.accept("(?:") {
            true => None,
            false => {
                self.rest = &self.rest[1..];
                if self.rest.starts_with('?') {
                    return Err(super::pattern::invalid("quantifier operand invalid"));
                }
                (!self.looking).then(|| {
                    self.groups += 1;
                    self.groups
                })
            }
        };
        let node = Box::new(self.choice()?);
        self.close()?;
        Ok(Node::Group(node, number))
    }

    fn close(&mut self) -> Result<()> {
        match self.accept(")") {
            true => Ok(()),
            false => Err(super::pattern::invalid("parentheses () not balanced")),
        }
    }
}

/// The bytes of a bracket expression, in which `pattern` has escaped what is not its end.
fn bracket_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            '[' => depth += 1,
            ']' if depth == 1 => return index + 1,
            ']' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::super::pattern::{Flags, compile};

    fn first(pattern: &str, text: &str) -> Option<String> {
        let found = compile(pattern, Flags::default()).unwrap().captures(text).unwrap();
        found.map(|found| found.get(0).unwrap().as_str().to_string())
    }

    #[test]
    fn looks_around_and_back() {
        for (pattern, text, wanted) in [
            (r"(o)\1", "foo", Some("oo")),
            (r"^(\w+) \1$", "ab ab", Some("ab ab")),
            (r"^(\w+) \1$", "ab ac", None),
            (r"a(?=b)", "acab", Some("a")),
            (r"a(?!b).", "abac", Some("ac")),
            (r"(?<=\$)\d+", "x1 $23", Some("23")),
            (r"(?<!a)b", "abcb", Some("b")),
            (r"(?<=a*)b", "aab", Some("b")),
            (r"([ab])*\1", "abb", Some("abb")),
            (r"(?=.*\d)[a-z\d]{3,}?", "ab1cd", Some("ab1")),
            (r"x(?=(y))z|xy", "xy", Some("xy")),
        ] {
            assert_eq!(first(pattern, text).as_deref(), wanted, "{pattern} in {text}");
        }
        assert!(compile(r"\1(a)", Flags::default()).is_err());
    }

    #[test]
    fn effort_is_bounded() {
        let text = "a".repeat(40);
        let found = compile(r"^((a*)*)*b(?=c)", Flags::default()).unwrap().captures(&text);
        assert!(found.is_err());
    }
}
