//! `SET j['a'][1] = x`: what is missing on the way to the member is made, arrays are filled up with null.

use super::scan::{self, Kind};
use crate::error::{Error, Result, SqlState};
use crate::types::json::{canonical, write_string};

/// One subscript: a number stands for an element where an array is, and makes an array where nothing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Number(i64),
    Name(String),
}

/// The most elements that an assignment makes.
const LARGEST: i64 = 1_000_000;

/// The value with the member at these steps replaced; `None` is an empty value.
pub(crate) fn with_member(value: Option<&str>, steps: &[Step], new: &str) -> Result<String> {
    canonical(&changed(value, steps, 1, new)?)
}

fn changed(value: Option<&str>, steps: &[Step], place: usize, new: &str) -> Result<String> {
    let Some((step, rest)) = steps.split_first() else {
        return Ok(new.to_string());
    };
    let kind = match (value.map(scan::kind), step) {
        (Some(kind @ (Kind::Object | Kind::Array)), _) => kind,
        // Null on the way is as good as nothing.
        (None, Step::Number(_)) => Kind::Array,
        (None, Step::Name(_)) => Kind::Object,
        _ => {
            let message = "cannot replace existing key";
            return Err(Error::new(SqlState::InvalidParameterValue, message)
                .with_detail("The path assumes key is a composite object, but it is a scalar value."));
        }
    };
    let value = value.unwrap_or_default();
    match kind {
        Kind::Array => element(value, step, rest, place, new),
        _ => member(value, step, rest, place, new),
    }
}

fn member(value: &str, step: &Step, rest: &[Step], place: usize, new: &str) -> Result<String> {
    let name = match step {
        Step::Number(number) => number.to_string(),
        Step::Name(name) => name.clone(),
    };
    let mut members: Vec<(String, String)> = match value {
        "" => vec![],
        value => scan::members(value)
            .into_iter()
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect(),
    };
    let found = members
        .iter()
        .position(|(key, _)| scan::unquoted(key).is_ok_and(|key| key == name));
    match found {
        Some(index) => members[index].1 = changed(Some(&members[index].1), rest, place + 1, new)?,
        None => {
            let mut key = String::new();
            write_string(&name, &mut key);
            members.push((key, changed(None, rest, place + 1, new)?));
        }
    }
    let shown: Vec<String> = members.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    Ok(format!("{{{}}}", shown.join(", ")))
}

fn element(value: &str, step: &Step, rest: &[Step], place: usize, new: &str) -> Result<String> {
    let number = match step {
        Step::Number(number) => Ok(*number),
        Step::Name(name) => name.trim().parse().map_err(|_| {
            let message = format!("path element at position {place} is not an integer: \"{name}\"");
            Error::new(SqlState::InvalidTextRepresentation, message)
        }),
    }?;
    let mut elements: Vec<String> = match value {
        "" => vec![],
        value => scan::elements(value).into_iter().map(str::to_string).collect(),
    };
    let length = elements.len() as i64;
    let index = if number < 0 { number + length } else { number };
    if index < 0 || index > length + LARGEST {
        let message = format!("path element at position {place} is out of range: {number}");
        return Err(Error::new(SqlState::InvalidParameterValue, message));
    }
    let index = index as usize;
    match elements.get(index) {
        Some(known) => elements[index] = changed(Some(known), rest, place + 1, new)?,
        None => {
            elements.resize(index, "null".to_string());
            elements.push(changed(None, rest, place + 1, new)?);
        }
    }
    Ok(format!("[{}]", elements.join(", ")))
}
