//! What a jsonpath finds in a value. A lax path opens arrays where it looks for members and takes one value for an
//! array of it; a strict path answers errors there. A predicate of values that do not compare is unknown; one that would
//! need the session's zone is an error, unless the path is one of those that use it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Ordering;

use datafusion::arrow::datatypes::i256;

use super::super::scan::{self, Kind};
use super::moments::Moment;
use super::syntax::{Accessor, Method, Node, Path, Predicate};
use crate::error::{Error, Result, SqlState};
use crate::types::TimeZone;
use crate::types::json::canonical;
use crate::types::numeric::Number;
use crate::types::parse::parse_float8;

/// A value: the piece of text that it is.
pub(super) type Item<'a> = Cow<'a, str>;

/// What the values of a path depend on.
#[derive(Clone, Copy)]
struct Context<'a> {
    is_strict: bool,
    root: &'a str,
    variables: &'a str,
    current: &'a str,
    /// The last position of the innermost array that is subscripted.
    last: Option<i64>,
    /// The session's, for paths that use it.
    zone: Option<&'a TimeZone>,
    /// What no predicate makes unknown.
    fault: &'a RefCell<Option<Error>>,
}

impl Path {
    /// The values that the path finds; dates and times compare across zones where there is one.
    pub fn items(&self, root: &str, variables: &str, zone: Option<&TimeZone>) -> Result<Vec<String>> {
        if scan::kind(variables) != Kind::Object {
            return Err(
                Error::new(SqlState::InvalidParameterValue, "\"vars\" argument is not an object")
                    .with_detail("Jsonpath parameters should be encoded as key-value pairs of \"vars\" object."),
            );
        }
        // Not left to the evaluation: what goes wrong inside a predicate is unknown.
        for name in &self.variables {
            if scan::member(variables, name).is_none() {
                let message = format!("could not find jsonpath variable \"{name}\"");
                return Err(Error::new(SqlState::UndefinedObject, message));
            }
        }
        let fault = RefCell::new(None);
        let context = Context {
            is_strict: self.is_strict,
            root,
            variables,
            current: root,
            last: None,
            zone,
            fault: &fault,
        };
        let found = self.root.items(context);
        if let Some(fault) = fault.take() {
            return Err(fault);
        }
        let shown = |item: Item<'_>| match Moment::of_item(&item) {
            Some(moment) => format!("\"{}\"", moment.text()),
            None => item.into_owned(),
        };
        Ok(found?.into_iter().map(shown).collect())
    }
}

impl Node {
    fn items<'a>(&'a self, context: Context<'a>) -> Result<Vec<Item<'a>>> {
        Ok(match self {
            Node::Root => vec![context.root.into()],
            Node::Current => vec![context.current.into()],
            Node::Literal(text) => vec![text.as_str().into()],
            Node::Variable(name) => scan::member(context.variables, name)
                .into_iter()
                .map(Cow::Borrowed)
                .collect(),
            Node::Last => vec![context.last.unwrap_or_default().to_string().into()],
            Node::Accessed(base, accessors) => {
                let mut items = base.items(context)?;
                let mut lenient = !context.is_strict;
                for accessor in accessors {
                    let mut found = vec![];
                    for item in items {
                        accessor.apply(&item, context, lenient, &mut found)?;
                    }
                    // Below any level there is no structure to insist on.
                    lenient |= matches!(accessor, Accessor::Descendants(..));
                    items = found;
                }
                items
            }
            Node::Signed(sign, inner) => {
                let items = inner.unwrapped(context)?.into_iter().map(|item| {
                    let number = number(&item).ok_or_else(|| {
                        let message = format!("operand of unary jsonpath operator {sign} is not a numeric value");
                        Error::new(SqlState::SqlJsonNumberNotFound, message)
                    })?;
                    Ok(match sign {
                        '-' => negated(number).to_string().into(),
                        _ => item,
                    })
                });
                items.collect::<Result<_>>()?
            }
            Node::Computed(sign, left, right) => {
                let (left, right) = (
                    left.single_number(context, *sign, "left")?,
                    right.single_number(context, *sign, "right")?,
                );
                let result = match sign {
                    '+' => left.plus(right),
                    '-' => left.plus(negated(right)),
                    '*' => left.multiply(right),
                    '/' => left.divide(right),
                    _ => left.remainder(right),
                };
                vec![result?.to_string().into()]
            }
            Node::Condition(predicate) => vec![match predicate.holds(context) {
                Some(true) => "true".into(),
                Some(false) => "false".into(),
                None => "null".into(),
            }],
        })
    }

    /// The values, in a lax path those of arrays in their places.
    fn unwrapped<'a>(&'a self, context: Context<'a>) -> Result<Vec<Item<'a>>> {
        let items = self.items(context)?;
        if context.is_strict {
            return Ok(items);
        }
        let opened = items.into_iter().flat_map(|item| match scan::kind(&item) {
            Kind::Array => elements(&item),
            _ => vec![item],
        });
        Ok(opened.collect())
    }

    fn single_number(&self, context: Context<'_>, sign: char, side: &str) -> Result<Number> {
        let items = self.unwrapped(context)?;
        let single = match items.as_slice() {
            [only] => number(only),
            _ => None,
        };
        single.ok_or_else(|| {
            let message = format!("{side} operand of jsonpath operator {sign} is not a single numeric value");
            Error::new(SqlState::SingletonSqlJsonItemRequired, message)
        })
    }
}

impl Accessor {
    fn apply<'a>(
        &'a self,
        item: &Item<'a>,
        context: Context<'a>,
        lenient: bool,
        out: &mut Vec<Item<'a>>,
    ) -> Result<()> {
        let kind = scan::kind(item);
        let opens = match self {
            Accessor::Member(_) | Accessor::AnyMember | Accessor::Filter(_) => true,
            Accessor::Method(method) => !matches!(method, Method::Type | Method::Size),
            Accessor::Conversion(_) => true,
            _ => false,
        };
        if opens && kind == Kind::Array && !context.is_strict {
            for element in elements(item) {
                self.apply_to_one(&element, context, lenient, out)?;
            }
            return Ok(());
        }
        self.apply_to_one(item, context, lenient, out)
    }

    fn apply_to_one<'a>(
        &'a self,
        item: &Item<'a>,
        context: Context<'a>,
        lenient: bool,
        out: &mut Vec<Item<'a>>,
    ) -> Result<()> {
        let kind = scan::kind(item);
        let structural = |state: SqlState, message: String| match lenient {
            true => Ok(()),
            false => Err(Error::new(state, message)),
        };
        match self {
            Accessor::Member(name) if kind == Kind::Object => match part(item, |text| scan::member(text, name)) {
                Some(value) => out.push(value),
                None => {
                    let message = format!("JSON object does not contain key \"{name}\"");
                    return structural(SqlState::SqlJsonMemberNotFound, message);
                }
            },
            Accessor::Member(_) => {
                let message = "jsonpath member accessor can only be applied to an object";
                return structural(SqlState::SqlJsonMemberNotFound, message.to_string());
            }
            Accessor::AnyMember if kind == Kind::Object => {
                out.extend(parts(item, |text| {
                    scan::members(text).into_iter().map(|(_, value)| value).collect()
                }));
            }
            Accessor::AnyMember => {
                let message = "jsonpath wildcard member accessor can only be applied to an object";
                return structural(SqlState::SqlJsonObjectNotFound, message.to_string());
            }
            Accessor::AnyElement if kind == Kind::Array => out.extend(elements(item)),
            Accessor::AnyElement if !context.is_strict => out.push(item.clone()),
            Accessor::AnyElement => {
                let message = "jsonpath wildcard array accessor can only be applied to an array";
                return structural(SqlState::SqlJsonArrayNotFound, message.to_string());
            }
            Accessor::Elements(ranges) => {
                let elements = match kind {
                    Kind::Array => elements(item),
                    _ if !context.is_strict => vec![item.clone()],
                    _ => {
                        let message = "jsonpath array accessor can only be applied to an array";
                        return structural(SqlState::SqlJsonArrayNotFound, message.to_string());
                    }
                };
                let count = elements.len() as i64;
                let inside = Context {
                    last: Some(count - 1),
                    ..context
                };
                for (from, to) in ranges {
                    let from = subscript(from, inside)?;
                    let to = to.as_ref().map_or(Ok(from), |to| subscript(to, inside))?;
                    if !lenient && (from < 0 || from > to || to >= count) {
                        let message = "jsonpath array subscript is out of bounds";
                        return Err(Error::new(SqlState::InvalidSqlJsonSubscript, message));
                    }
                    for position in from.max(0)..=to.min(count - 1) {
                        out.push(elements[position as usize].clone());
                    }
                }
            }
            Accessor::Descendants(first, last) => descend(item, 0, (*first, *last), out),
            Accessor::Filter(predicate) => {
                let inside = Context {
                    current: item,
                    ..context
                };
                if predicate.holds(inside) == Some(true) {
                    out.push(item.clone());
                }
            }
            Accessor::Method(method) => out.extend(method.apply(item, lenient)?),
            Accessor::Conversion(conversion) => out.push(conversion.apply(item, context.zone)?.into()),
        }
        Ok(())
    }
}

fn descend<'a>(item: &Item<'a>, level: usize, (first, last): (usize, usize), out: &mut Vec<Item<'a>>) {
    let inner: Vec<Item<'a>> = match scan::kind(item) {
        Kind::Array => elements(item),
        Kind::Object => parts(item, |text| {
            scan::members(text).into_iter().map(|(_, value)| value).collect()
        }),
        _ => vec![],
    };
    // The deepest alone where only they are wanted.
    let is_wanted = match (first, last) {
        (usize::MAX, usize::MAX) => inner.is_empty(),
        _ => (first..=last).contains(&level),
    };
    if is_wanted {
        out.push(item.clone());
    }
    if level < last {
        for item in inner {
            descend(&item, level + 1, (first, last), out);
        }
    }
}

impl Method {
    fn apply<'a>(self, item: &Item<'a>, lenient: bool) -> Result<Vec<Item<'a>>> {
        let kind = scan::kind(item);
        let refused = |state: SqlState, what: &str| {
            let message = format!("jsonpath item method .{}() can only be applied to {what}", self.name());
            Err(Error::new(state, message))
        };
        let whole = |scale: fn(Number) -> Result<Number>| match number(item) {
            Some(number) => Ok(vec![scale(number)?.to_string().into()]),
            None => refused(SqlState::NonNumericSqlJsonItem, "a numeric value"),
        };
        match self {
            Method::Type => {
                let name = Moment::of_item(item).map_or(kind.name(), |moment| moment.kind.name());
                Ok(vec![format!("\"{name}\"").into()])
            }
            Method::Size if kind == Kind::Array => Ok(vec![elements(item).len().to_string().into()]),
            Method::Size if lenient => Ok(vec!["1".into()]),
            Method::Size => refused(SqlState::SqlJsonArrayNotFound, "an array"),
            Method::Double if kind == Kind::Number => Ok(vec![item.clone()]),
            Method::Double if kind == Kind::String => {
                let value = parse_float8(&scan::unquoted(item)?);
                match value.ok().filter(|value| value.is_finite()) {
                    Some(value) => Ok(vec![canonical(&format!("{value}"))?.into()]),
                    None => {
                        let message = "string argument of jsonpath item method .double() is not a valid \
                                       representation of a double precision number";
                        Err(Error::new(SqlState::NonNumericSqlJsonItem, message))
                    }
                }
            }
            Method::Double => refused(SqlState::NonNumericSqlJsonItem, "a string or numeric value"),
            Method::Abs => whole(|number| {
                Ok(Number {
                    value: number.value.wrapping_abs(),
                    ..number
                })
            }),
            Method::Floor => whole(|number| stepped(number, Ordering::Less)),
            Method::Ceiling => whole(|number| stepped(number, Ordering::Greater)),
            Method::KeyValue if kind == Kind::Object => {
                let pairs = scan::members(item).into_iter();
                Ok(pairs
                    .map(|(key, value)| format!("{{\"id\": 0, \"key\": {key}, \"value\": {value}}}").into())
                    .collect())
            }
            Method::KeyValue => refused(SqlState::SqlJsonObjectNotFound, "an object"),
        }
    }
}

/// The whole number at or beyond it on one side.
fn stepped(number: Number, side: Ordering) -> Result<Number> {
    let whole = number.truncated(0)?;
    match number.compare(whole) == side {
        true => whole.plus(Number::new(side as i128, 0)),
        false => Ok(whole),
    }
}

impl Predicate {
    /// `None` is unknown; so is what cannot be computed.
    fn holds(&self, context: Context<'_>) -> Option<bool> {
        match self {
            Predicate::And(left, right) => match left.holds(context) {
                Some(false) => Some(false),
                left => match right.holds(context) {
                    Some(true) => left,
                    right => right,
                },
            },
            Predicate::Or(left, right) => match left.holds(context) {
                Some(true) => Some(true),
                left => match right.holds(context) {
                    Some(false) => left,
                    right => right,
                },
            },
            Predicate::Not(inner) => inner.holds(context).map(|holds| !holds),
            Predicate::IsUnknown(inner) => Some(inner.holds(context).is_none()),
            Predicate::Exists(node) => node.items(context).ok().map(|items| !items.is_empty()),
            Predicate::Compare(operator, left, right) => {
                let rights = right.unwrapped(context).ok()?;
                any_pair(left, &rights, context, |left, right| {
                    compares(left, operator, right, context)
                })
            }
            Predicate::StartsWith(left, right) => {
                let rights = right.items(context).ok()?;
                any_pair(left, &rights, context, |left, right| {
                    let (whole, beginning) = (string(left)?, string(right)?);
                    Some(whole.starts_with(&beginning))
                })
            }
            Predicate::LikeRegex(left, pattern, options) => any_pair(left, &["".into()], context, |left, _| {
                super::super::super::regular::is_match_with(&string(left)?, pattern, options).ok()
            }),
        }
    }
}

/// Whether it holds of any pair; a lax path stops at the first that it holds of.
fn any_pair(
    left: &Node,
    rights: &[Item<'_>],
    context: Context<'_>,
    holds: impl Fn(&str, &str) -> Option<bool>,
) -> Option<bool> {
    let (mut found, mut unknown) = (false, false);
    for left in left.unwrapped(context).ok()? {
        for right in rights {
            match holds(&left, right) {
                Some(true) if !context.is_strict => return Some(true),
                Some(true) => found = true,
                None if context.is_strict => return None,
                None => unknown = true,
                Some(false) => {}
            }
        }
    }
    match (found, unknown) {
        (true, _) => Some(true),
        (false, true) => None,
        (false, false) => Some(false),
    }
}

fn compares(left: &str, operator: &str, right: &str, context: Context<'_>) -> Option<bool> {
    let kinds = (scan::kind(left), scan::kind(right));
    let order = match kinds {
        _ if let (Some(left), Some(right)) = (Moment::of_item(left), Moment::of_item(right)) => {
            match left.compare(right, context.zone) {
                Ok(order) => order?,
                Err(error) => {
                    context.fault.borrow_mut().get_or_insert(error);
                    return None;
                }
            }
        }
        (Kind::Null, Kind::Null) => Ordering::Equal,
        (Kind::Null, _) | (_, Kind::Null) => return Some(operator == "!="),
        (Kind::Boolean, Kind::Boolean) => (left == "true").cmp(&(right == "true")),
        (Kind::Number, Kind::Number) => number(left)?.compare(number(right)?),
        (Kind::String, Kind::String) => string(left)?.cmp(&string(right)?),
        _ => return None,
    };
    Some(match operator {
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    })
}

fn subscript(node: &Node, context: Context<'_>) -> Result<i64> {
    let items = node.items(context)?;
    let single = match items.as_slice() {
        [only] => number(only),
        _ => None,
    };
    let position = single.and_then(|number| number.truncated(0).ok()?.to_i128());
    position
        .and_then(|position| i64::try_from(position).ok())
        .ok_or_else(|| {
            let message = "jsonpath array subscript is not a single numeric value";
            Error::new(SqlState::InvalidSqlJsonSubscript, message)
        })
}

fn string(item: &str) -> Option<String> {
    (scan::kind(item) == Kind::String)
        .then(|| scan::unquoted(item).ok())
        .flatten()
}

/// A number as jsonb writes it, digits with at most a point; `None` for one beyond what numerics hold.
fn number(item: &str) -> Option<Number> {
    if scan::kind(item) != Kind::Number {
        return None;
    }
    let (whole, fraction) = item.trim().split_once('.').unwrap_or((item.trim(), ""));
    let value = i256::from_string(&format!("{whole}{fraction}"))?;
    Some(Number {
        value,
        scale: i32::try_from(fraction.len()).ok()?,
    })
}

fn negated(number: Number) -> Number {
    Number {
        value: number.value.wrapping_neg(),
        ..number
    }
}

/// A part of an item that lives as long as the item's text does.
fn part<'a>(item: &Item<'a>, find: impl for<'t> Fn(&'t str) -> Option<&'t str>) -> Option<Item<'a>> {
    match item {
        Cow::Borrowed(text) => find(text).map(Cow::Borrowed),
        Cow::Owned(text) => find(text).map(|found| Cow::Owned(found.to_string())),
    }
}

fn parts<'a>(item: &Item<'a>, find: impl for<'t> Fn(&'t str) -> Vec<&'t str>) -> Vec<Item<'a>> {
    match item {
        Cow::Borrowed(text) => find(text).into_iter().map(Cow::Borrowed).collect(),
        Cow::Owned(text) => find(text)
            .into_iter()
            .map(|found| Cow::Owned(found.to_string()))
            .collect(),
    }
}

fn elements<'a>(item: &Item<'a>) -> Vec<Item<'a>> {
    parts(item, scan::elements)
}
