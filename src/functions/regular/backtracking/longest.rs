//! Of the matches that begin at one place PostgreSQL takes the longest, whichever alternative it goes through; engines
//! of Perl's kind, the `regex` crate's too, take that of the first alternative.

use std::cmp::Reverse;

use super::{Groups, Node, Program, Search};

impl Program {
    /// Whether the order of alternatives could decide how much a match takes.
    pub fn is_ambiguous(&self) -> bool {
        !is_lazy(&self.root) && has_ambiguous_choice(&self.root)
    }

    /// The longest match that begins at a place; `None` where finding it would take too long.
    pub fn longest_at(&self, text: &str, begin: usize) -> Option<Groups> {
        let mut search = Search::of(text, self.groups);
        let mut longest = None;
        self.run(&self.root, begin, &mut search, &mut |_, end| {
            longest = longest.max(Some(end));
            end == text.len()
        });
        let longest = longest.filter(|_| !search.exhausted)?;
        let mut search = Search {
            longest_first: true,
            ..Search::of(text, self.groups)
        };
        let found = self.run(&self.root, begin, &mut search, &mut |_, end| end == longest);
        if !found || search.exhausted {
            return None;
        }
        search.groups[0] = Some((begin, longest));
        Some(search.groups)
    }

    /// The alternatives, those first that can take more.
    pub(super) fn in_order<'n>(&self, choices: &'n [Node], at: usize, search: &mut Search<'_>) -> Vec<&'n Node> {
        let mut measured = vec![];
        for choice in choices {
            let groups = search.groups.clone();
            let mut longest = None;
            self.run(choice, at, search, &mut |_, end| {
                longest = longest.max(Some(end));
                false
            });
            search.groups = groups;
            measured.push((Reverse(longest), choice));
        }
        measured.sort_by_key(|(longest, _)| *longest);
        measured.into_iter().map(|(_, choice)| choice).collect()
    }
}

/// A pattern of one branch is as greedy as its first quantifier.
fn is_lazy(node: &Node) -> bool {
    match node {
        Node::Repeat { lazy, .. } => *lazy,
        Node::Group(inner, _) => is_lazy(inner),
        Node::Sequence(nodes) => nodes
            .iter()
            .find(|node| matches!(node, Node::Repeat { .. } | Node::Group(..)))
            .is_some_and(is_lazy),
        _ => false,
    }
}

fn has_ambiguous_choice(node: &Node) -> bool {
    match node {
        Node::Choice(choices) => is_ambiguous(choices) || choices.iter().any(has_ambiguous_choice),
        Node::Group(inner, _) | Node::Repeat { node: inner, .. } => has_ambiguous_choice(inner),
        Node::Sequence(nodes) => nodes.iter().any(has_ambiguous_choice),
        _ => false,
    }
}

/// Whether two alternatives can match at one place and take more or less.
fn is_ambiguous(choices: &[Node]) -> bool {
    let mut lengths = choices.iter().map(length);
    let first = lengths.next().flatten();
    if first.is_some() && lengths.all(|length| length == first) {
        return false;
    }
    let mut beginnings = vec![];
    for choice in choices {
        match beginning(choice) {
            Some(character) if !beginnings.contains(&character) => beginnings.push(character),
            _ => return true,
        }
    }
    false
}

/// How many characters it takes, where that is always the same.
fn length(node: &Node) -> Option<usize> {
    match node {
        Node::Character(_) => Some(1),
        Node::Assertion(_) | Node::Look { .. } => Some(0),
        Node::Group(inner, _) => length(inner),
        Node::Sequence(nodes) => nodes.iter().map(length).sum(),
        Node::Repeat { node, least, most, .. } if least == most => Some(length(node)? * least),
        _ => None,
    }
}

/// The one character that it can begin with.
fn beginning(node: &Node) -> Option<String> {
    match node {
        Node::Character(regex) => {
            let atom = regex.as_str().strip_prefix("^(?:")?.strip_suffix(")$")?;
            let mut characters = atom.chars();
            let literal = match (characters.next()?, characters.next()) {
                (letter, None) if letter != '.' => letter,
                ('\\', Some(escaped)) if !escaped.is_alphanumeric() => escaped,
                _ => return None,
            };
            Some(literal.to_lowercase().to_string())
        }
        Node::Group(inner, _) => beginning(inner),
        Node::Sequence(nodes) => nodes
            .iter()
            .find(|node| !matches!(node, Node::Assertion(_)))
            .and_then(beginning),
        Node::Repeat { node, least: 1.., .. } => beginning(node),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::pattern::{Flags, compile};

    /// Answers of PostgreSQL 15.
    #[test]
    fn the_longest_alternative_wins() {
        for (pattern, text, wanted) in [
            (".|...", "xyz", vec![Some("xyz")]),
            (
                "(a|ab)(c|bcd)(d*)",
                "abcd",
                vec![Some("abcd"), Some("ab"), Some("c"), Some("d")],
            ),
            ("ba.|barbeque", "foobarbequebaz", vec![Some("barbeque")]),
            ("o|oo", "foobar", vec![Some("oo")]),
            ("cat|dog", "hotdog", vec![Some("dog")]),
            ("^x|xy$", "xy", vec![Some("xy")]),
        ] {
            let found = compile(pattern, Flags::default())
                .unwrap()
                .captures(text)
                .unwrap()
                .unwrap();
            let groups = (0..found.len()).map(|group| found.get(group).map(|part| part.as_str()));
            assert_eq!(groups.collect::<Vec<_>>(), wanted, "{pattern} in {text}");
        }
    }
}
