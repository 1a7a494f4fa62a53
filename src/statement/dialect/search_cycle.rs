//! `SEARCH … SET …` and `CYCLE … SET … USING …` behind a query of WITH, which sqlparser does not read: they become a name
//! behind FROM, where another dialect has one, and are read from it again when the query is bound.

use datafusion::sql::sqlparser::ast::Cte;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::is_word;

/// Between the parts of the name; none stands in what a client writes.
const PART: char = '\u{0}';
/// Between the names of a list.
const ITEM: char = '\u{2}';

/// `SEARCH DEPTH|BREADTH FIRST BY columns SET sequence`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    pub depth_first: bool,
    pub columns: Vec<String>,
    pub sequence: String,
    /// The character where the clause begins.
    pub position: usize,
}

/// `CYCLE columns SET mark TO value DEFAULT default USING path`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    pub columns: Vec<String>,
    pub mark: String,
    /// What the mark is in a row that closes a cycle and in others, as text.
    pub values: Option<(String, String)>,
    pub path: String,
    /// The character where the clause begins.
    pub position: usize,
}

/// What stands behind a query of WITH.
pub fn search_and_cycle(query: &Cte) -> (Option<Search>, Option<Cycle>) {
    let Some(encoded) = query.from.as_ref().and_then(|name| name.value.strip_prefix(PART)) else {
        return (None, None);
    };
    let parts: Vec<&str> = encoded.split(PART).collect();
    let names = |list: &str| list.split(ITEM).map(str::to_string).collect();
    let [
        order,
        searched,
        sequence,
        searched_at,
        cycled,
        mark,
        value,
        default,
        path,
        cycled_at,
    ] = parts.as_slice()
    else {
        return (None, None);
    };
    let search = (!order.is_empty()).then(|| Search {
        depth_first: *order == "depth",
        columns: names(searched),
        sequence: sequence.to_string(),
        position: searched_at.parse().unwrap_or(0),
    });
    let cycle = (!mark.is_empty()).then(|| Cycle {
        columns: names(cycled),
        mark: mark.to_string(),
        values: (!value.is_empty()).then(|| (value.to_string(), default.to_string())),
        path: path.to_string(),
        position: cycled_at.parse().unwrap_or(0),
    });
    (search, cycle)
}

pub(super) fn write_names(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 1;
    while index < tokens.len() {
        if tokens[index - 1].token == Token::RParen {
            let mut rest = Clauses { tokens, next: index };
            let search = rest.search();
            let cycle = rest.cycle();
            let end = rest.next;
            if search.is_some() || cycle.is_some() {
                let span = tokens[index].span;
                let name = Token::Word(Word {
                    value: encoded(search, cycle),
                    quote_style: Some('"'),
                    keyword: Keyword::NoKeyword,
                });
                let words = [Token::make_word("from", None), name];
                tokens.splice(index..end, words.map(|token| TokenWithSpan { token, span }));
            }
        }
        index += 1;
    }
}

fn encoded(search: Option<Search>, cycle: Option<Cycle>) -> String {
    let list = |names: &[String]| names.join(&ITEM.to_string());
    let mut parts = match search {
        None => vec![String::new(); 4],
        Some(search) => vec![
            if search.depth_first { "depth" } else { "breadth" }.to_string(),
            list(&search.columns),
            search.sequence,
            search.position.to_string(),
        ],
    };
    parts.extend(match cycle {
        None => vec![String::new(); 6],
        Some(cycle) => {
            let (value, default) = cycle.values.unwrap_or_default();
            vec![
                list(&cycle.columns),
                cycle.mark,
                value,
                default,
                cycle.path,
                cycle.position.to_string(),
            ]
        }
    });
    parts.iter().map(|part| format!("{PART}{part}")).collect()
}

/// Reads the clauses; what is none is left to the parser.
struct Clauses<'a> {
    tokens: &'a [TokenWithSpan],
    next: usize,
}

impl Clauses<'_> {
    fn search(&mut self) -> Option<Search> {
        let start = self.next;
        let found = self.search_clause();
        if found.is_none() {
            self.next = start;
        }
        found
    }

    fn search_clause(&mut self) -> Option<Search> {
        let position = self.position();
        self.word("search")?;
        let depth_first = self.word("depth").is_some();
        if !depth_first {
            self.word("breadth")?;
        }
        self.word("first")?;
        self.word("by")?;
        let columns = self.names()?;
        self.word("set")?;
        Some(Search {
            depth_first,
            columns,
            sequence: self.name()?,
            position,
        })
    }

    fn cycle(&mut self) -> Option<Cycle> {
        let start = self.next;
        let found = self.cycle_clause();
        if found.is_none() {
            self.next = start;
        }
        found
    }

    fn cycle_clause(&mut self) -> Option<Cycle> {
        let position = self.position();
        self.word("cycle")?;
        let columns = self.names()?;
        self.word("set")?;
        let mark = self.name()?;
        let values = match self.word("to") {
            None => None,
            Some(()) => {
                let value = self.text_until("default")?;
                Some((value, self.text_until("using")?))
            }
        };
        if values.is_none() {
            self.word("using")?;
        }
        Some(Cycle {
            columns,
            mark,
            values,
            path: self.name()?,
            position,
        })
    }

    fn position(&self) -> usize {
        self.tokens
            .get(self.next)
            .map_or(0, |token| token.span.start.column as usize)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let found = is_word(&self.tokens.get(self.next)?.token, word);
        self.next += usize::from(found);
        found.then_some(())
    }

    fn name(&mut self) -> Option<String> {
        let Token::Word(word) = &self.tokens.get(self.next)?.token else {
            return None;
        };
        self.next += 1;
        Some(word.value.clone())
    }

    fn names(&mut self) -> Option<Vec<String>> {
        let mut names = vec![self.name()?];
        while self.tokens.get(self.next)?.token == Token::Comma {
            self.next += 1;
            names.push(self.name()?);
        }
        Some(names)
    }

    /// The constant before a word, which is taken as well.
    fn text_until(&mut self, word: &str) -> Option<String> {
        let rest = self.tokens.get(self.next..)?;
        let length = rest.iter().position(|token| is_word(&token.token, word))?;
        let text: Vec<String> = rest[..length].iter().map(|token| token.token.to_string()).collect();
        self.next += length + 1;
        (length > 0).then(|| text.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn clauses_become_a_name() {
        let text =
            fixed("as (select 1) search depth first by a, \"B\" set s cycle a set m to 'Y' default 'N' using p select");
        assert_eq!(
            text,
            "as ( select 1 ) from \"\u{0}depth\u{0}a\u{2}B\u{0}s\u{0}15\u{0}a\u{0}m\u{0}'Y'\u{0}'N'\u{0}p\u{0}50\" select"
        );
        let text = fixed("as (select 1) cycle a set m using p");
        assert_eq!(
            text,
            "as ( select 1 ) from \"\u{0}\u{0}\u{0}\u{0}\u{0}a\u{0}m\u{0}\u{0}\u{0}p\u{0}15\""
        );
    }

    #[test]
    fn a_relation_called_cycle_stays() {
        let text = "from ( select 1 ) cycle , ( select 2 ) search";
        assert_eq!(fixed(text), text);
    }
}
