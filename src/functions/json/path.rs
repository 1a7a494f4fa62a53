//! SQL/JSON paths, as far as queries over stored documents use them: members, elements, wildcards, filters with
//! comparisons, and, or, not, exists.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::super::datum::Datum;
use super::super::overload::{OverloadedFunction, rows};
use super::scan::{self, Kind};
use crate::error::{Error, Result, SqlState};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    vec![
        immutable(
            "jsonb_path_rows",
            vec![rows("(jsonb, text) jsonb[]", |_, row| {
                Ok(Datum::List(query(row)?.into_iter().map(Datum::from).collect()))
            })],
        ),
        immutable(
            "jsonb_path_query_array",
            vec![rows("(jsonb, text) jsonb", |_, row| {
                Ok(format!("[{}]", query(row)?.join(", ")).into())
            })],
        ),
        immutable(
            "jsonb_path_query_first",
            vec![rows("(jsonb, text) jsonb", |_, row| {
                Ok(query(row)?.first().copied().into())
            })],
        ),
        immutable(
            "jsonb_path_exists",
            vec![rows(
                "(jsonb, text) bool",
                |_, row| Ok((!query(row)?.is_empty()).into()),
            )],
        ),
        immutable(
            "jsonb_path_match",
            vec![rows("(jsonb, text) bool", |_, row| {
                let (value, text) = (text(row, 0), text(row, 1));
                let path = Path::parse(text)?;
                Ok(match path.predicate {
                    Some(predicate) => predicate.holds(value, value)?.into(),
                    None => match path.steps_over(value, value)?.as_slice() {
                        ["true"] => true.into(),
                        ["false"] => false.into(),
                        _ => Datum::Null,
                    },
                })
            })],
        ),
    ]
}

fn text(row: &[Datum], index: usize) -> &str {
    row.get(index).and_then(Datum::as_text).unwrap_or_default()
}

fn query(row: &[Datum]) -> Result<Vec<&str>> {
    let value = text(row, 0);
    let path = Path::parse(text(row, 1))?;
    if let Some(predicate) = &path.predicate {
        return Ok(vec![if predicate.holds(value, value)? {
            "true"
        } else {
            "false"
        }]);
    }
    path.steps_over(value, value)
}

/// One step of a path.
#[derive(Debug, Clone)]
enum Step {
    Member(String),
    AnyMember,
    Element(i64),
    AnyElement,
    Filter(Predicate),
}

/// A path from the root or from the current item.
#[derive(Debug, Clone, Default)]
struct Path {
    from_current: bool,
    steps: Vec<Step>,
    /// A path may be a condition as a whole.
    predicate: Option<Box<Predicate>>,
}

#[derive(Debug, Clone)]
enum Predicate {
    Compare(Operand, &'static str, Operand),
    Exists(Path),
    And(Box<Predicate>, Box<Predicate>),
    Or(Box<Predicate>, Box<Predicate>),
    Not(Box<Predicate>),
}

#[derive(Debug, Clone)]
enum Operand {
    Path(Path),
    Literal(String),
}

impl Path {
    fn parse(text: &str) -> Result<Path> {
        let rest = text.trim();
        let rest = rest
            .strip_prefix("strict ")
            .or_else(|| rest.strip_prefix("lax "))
            .unwrap_or(rest);
        let mut reader = Reader { text, rest };
        let start = reader.rest;
        if let Ok(path) = reader.path()
            && reader.rest.trim().is_empty()
        {
            return Ok(path);
        }
        reader.rest = start;
        let predicate = reader.disjunction()?;
        match reader.rest.trim() {
            "" => Ok(Path {
                predicate: Some(Box::new(predicate)),
                ..Path::default()
            }),
            _ => Err(reader.invalid()),
        }
    }

    fn steps_over<'a>(&self, root: &'a str, current: &'a str) -> Result<Vec<&'a str>> {
        let mut items = vec![if self.from_current { current } else { root }];
        for step in &self.steps {
            let mut next = vec![];
            for item in items {
                step.apply(root, item, &mut next)?;
            }
            items = next;
        }
        Ok(items)
    }
}

impl Step {
    fn apply<'a>(&self, root: &'a str, item: &'a str, out: &mut Vec<&'a str>) -> Result<()> {
        let is_array = scan::kind(item) == Kind::Array;
        match self {
            // A lax path opens arrays where it looks for members, and takes one value for an array of it.
            Step::Member(_) | Step::AnyMember | Step::Filter(_) if is_array => {
                for element in scan::elements(item) {
                    self.apply_to_one(root, element, out)?;
                }
                Ok(())
            }
            Step::Element(position) if is_array => {
                out.extend(scan::element(item, *position));
                Ok(())
            }
            Step::AnyElement if is_array => {
                out.extend(scan::elements(item));
                Ok(())
            }
            Step::Element(0) | Step::AnyElement => {
                out.push(item);
                Ok(())
            }
            _ => self.apply_to_one(root, item, out),
        }
    }

    fn apply_to_one<'a>(&self, root: &'a str, item: &'a str, out: &mut Vec<&'a str>) -> Result<()> {
        match self {
            Step::Member(name) => out.extend(scan::member(item, name)),
            Step::AnyMember => out.extend(scan::members(item).into_iter().map(|(_, value)| value)),
            Step::Filter(predicate) => {
                if predicate.holds(root, item)? {
                    out.push(item);
                }
            }
            Step::Element(_) | Step::AnyElement => {}
        }
        Ok(())
    }
}

impl Predicate {
    fn holds(&self, root: &str, current: &str) -> Result<bool> {
        Ok(match self {
            Predicate::And(left, right) => left.holds(root, current)? && right.holds(root, current)?,
            Predicate::Or(left, right) => left.holds(root, current)? || right.holds(root, current)?,
            Predicate::Not(inner) => !inner.holds(root, current)?,
            Predicate::Exists(path) => !path.steps_over(root, current)?.is_empty(),
            Predicate::Compare(left, operator, right) => {
                let (left, right) = (left.values(root, current)?, right.values(root, current)?);
                left.iter()
                    .any(|left| right.iter().any(|right| compares(left, operator, right)))
            }
        })
    }
}

impl Operand {
    fn values<'a>(&'a self, root: &'a str, current: &'a str) -> Result<Vec<&'a str>> {
        match self {
            Operand::Literal(text) => Ok(vec![text.as_str()]),
            Operand::Path(path) => path.steps_over(root, current),
        }
    }
}

/// Scalars of one kind compare; others do not.
fn compares(left: &str, operator: &str, right: &str) -> bool {
    let order = match (scan::kind(left), scan::kind(right)) {
        (Kind::Number, Kind::Number) => match (left.parse::<f64>(), right.parse::<f64>()) {
            (Ok(left), Ok(right)) => left.partial_cmp(&right),
            _ => None,
        },
        (Kind::String, Kind::String) => match (scan::unquoted(left), scan::unquoted(right)) {
            (Ok(left), Ok(right)) => Some(left.cmp(&right)),
            _ => None,
        },
        (left_kind, right_kind) if left_kind == right_kind && left == right => Some(Ordering::Equal),
        (Kind::Boolean, Kind::Boolean) => Some(left.cmp(right)),
        (Kind::Null, _) | (_, Kind::Null) if operator == "!=" => return true,
        _ => None,
    };
    match (order, operator) {
        (Some(order), "==") => order.is_eq(),
        (Some(order), "!=") => order.is_ne(),
        (Some(order), "<") => order.is_lt(),
        (Some(order), "<=") => order.is_le(),
        (Some(order), ">") => order.is_gt(),
        (Some(order), ">=") => order.is_ge(),
        _ => false,
    }
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Reader<'_> {
    fn invalid(&self) -> Error {
        Error::new(
            SqlState::SyntaxError,
            format!("syntax error in jsonpath \"{}\"", self.text),
        )
    }

    fn accept(&mut self, word: &str) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(word) {
            Some(after) => {
                self.rest = after;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        match self.accept(word) {
            true => Ok(()),
            false => Err(self.invalid()),
        }
    }

    fn path(&mut self) -> Result<Path> {
        let from_current = self.accept("@");
        if !from_current {
            self.expect("$")?;
        }
        let mut steps = vec![];
        loop {
            if self.accept("[*]") {
                steps.push(Step::AnyElement);
            } else if self.accept("[") {
                let end = self.rest.find(']').ok_or_else(|| self.invalid())?;
                let index = self.rest[..end]
                    .trim()
                    .parse()
                    .map_err(|_| Error::unsupported("this subscript of a jsonpath"))?;
                self.rest = &self.rest[end + 1..];
                steps.push(Step::Element(index));
            } else if self.accept(".*") {
                steps.push(Step::AnyMember);
            } else if self.accept(".") {
                let name = self.name()?;
                if self.rest.starts_with('(') {
                    return Err(Error::unsupported(format!("the jsonpath method {name}()")));
                }
                steps.push(Step::Member(name));
            } else if self.accept("?") {
                self.expect("(")?;
                let predicate = self.disjunction()?;
                self.expect(")")?;
                steps.push(Step::Filter(predicate));
            } else {
                return Ok(Path {
                    from_current,
                    steps,
                    predicate: None,
                });
            }
        }
    }

    fn name(&mut self) -> Result<String> {
        let rest = self.rest.trim_start();
        if rest.starts_with('"') {
            let literal = self.literal()?;
            return scan::unquoted(&literal);
        }
        let end = rest
            .find(|character: char| !(character.is_alphanumeric() || character == '_'))
            .unwrap_or(rest.len());
        if end == 0 {
            return Err(self.invalid());
        }
        self.rest = &rest[end..];
        Ok(rest[..end].to_string())
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
        if self.accept("!") {
            self.expect("(")?;
            let inner = self.disjunction()?;
            self.expect(")")?;
            return Ok(Predicate::Not(Box::new(inner)));
        }
        if self.accept("exists") {
            self.expect("(")?;
            let path = self.path()?;
            self.expect(")")?;
            return Ok(Predicate::Exists(path));
        }
        if self.accept("(") {
            let inner = self.disjunction()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let left = self.operand()?;
        for (sign, operator) in [
            ("==", "=="),
            ("!=", "!="),
            ("<>", "!="),
            ("<=", "<="),
            (">=", ">="),
            ("<", "<"),
            (">", ">"),
        ] {
            if self.accept(sign) {
                return Ok(Predicate::Compare(left, operator, self.operand()?));
            }
        }
        Err(self.invalid())
    }

    fn operand(&mut self) -> Result<Operand> {
        match self.rest.trim_start().starts_with(['$', '@']) {
            true => self.path().map(Operand::Path),
            false => self.literal().map(Operand::Literal),
        }
    }

    fn literal(&mut self) -> Result<String> {
        let rest = self.rest.trim_start();
        let end = match rest.as_bytes().first() {
            Some(b'"') => {
                let mut escaped = false;
                let closing = rest.char_indices().skip(1).find(|(_, character)| {
                    let is_end = *character == '"' && !escaped;
                    escaped = *character == '\\' && !escaped;
                    is_end
                });
                closing.map(|(position, _)| position + 1)
            }
            _ => {
                let end = rest.find(|character: char| !(character.is_alphanumeric() || "+-._".contains(character)));
                Some(end.unwrap_or(rest.len())).filter(|end| *end > 0)
            }
        };
        let end = end.ok_or_else(|| self.invalid())?;
        self.rest = &rest[end..];
        Ok(rest[..end].to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_values() {
        let value = r#"{"a": [1, 2, {"b": "x"}], "c": {"d": true}}"#;
        let found = |path: &str| {
            let row = [Datum::text(value), Datum::text(path)];
            query(&row).unwrap().into_iter().map(str::to_string).collect::<Vec<_>>()
        };
        assert_eq!(found("$.a[*]"), ["1", "2", r#"{"b": "x"}"#]);
        assert_eq!(found("$.a[*] ? (@ > 1)"), ["2"]);
        assert_eq!(found("$.a.b"), ["\"x\""]);
        assert_eq!(found("$.c.d"), ["true"]);
        assert_eq!(found("$.a[0] == 1"), ["true"]);
        assert!(Path::parse("a b").is_err());
    }
}
