//! Polymorphic types of functions, and what they stand for in one call: `anyelement` and its kin are one type, which the
//! arguments have already; `anycompatible` and its kin are the type that the arguments have in common.

use super::SqlType;
use super::coercion::{common_type, is_implicit, is_same};
use crate::error::{Error, Result, SqlState};

/// Whether a declared type takes a value of the type itself or an array of such, and what the type may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Any,
    Array,
    NoArray,
    Enum,
}

/// The polymorphic types, by OID; the last says whether the arguments have only to agree on a common type.
const POLYMORPHIC: [(u32, &str, Form, bool); 7] = [
    (2283, "anyelement", Form::Any, false),
    (2277, "anyarray", Form::Array, false),
    (2776, "anynonarray", Form::NoArray, false),
    (3500, "anyenum", Form::Enum, false),
    (5077, "anycompatible", Form::Any, true),
    (5078, "anycompatiblearray", Form::Array, true),
    (5079, "anycompatiblenonarray", Form::NoArray, true),
];

fn form(declared: &SqlType) -> Option<(Form, bool)> {
    let SqlType::System(oid) = declared else { return None };
    let found = POLYMORPHIC.iter().find(|row| row.0 == *oid);
    found.map(|(_, _, form, is_compatible)| (*form, *is_compatible))
}

/// The polymorphic type of this name.
pub fn named(name: &str) -> Option<SqlType> {
    let found = POLYMORPHIC.iter().find(|row| row.1 == name);
    found.map(|row| SqlType::System(row.0))
}

pub fn is_polymorphic(declared: &SqlType) -> bool {
    form(declared).is_some()
}

/// What the polymorphic types of one function stand for in a call; `None` where nothing of the family has a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    element: Option<SqlType>,
    compatible: Option<SqlType>,
}

impl Meaning {
    /// What arguments of these types make of the declared ones; `None` where they do not agree. An argument without a type
    /// is a literal.
    pub fn of(declared: &[SqlType], given: &[Option<SqlType>]) -> Option<Meaning> {
        let mut elements: [Vec<SqlType>; 2] = [vec![], vec![]];
        let pairs = || {
            declared
                .iter()
                .zip(given)
                .filter_map(|(declared, given)| Some((form(declared)?, given)))
        };
        for ((form, is_compatible), given) in pairs() {
            let Some(given) = given else { continue };
            let element = match (form, given.base()) {
                (Form::Array, SqlType::Array(element)) => element.base(),
                (Form::Array, _) => return None,
                (_, other) => other,
            };
            elements[usize::from(is_compatible)].push(element.without_modifier());
        }
        let [same, compatible] = elements;
        if same.windows(2).any(|pair| !is_same(&pair[0], &pair[1])) {
            return None;
        }
        let is_literal = |family: bool| pairs().any(|((_, is_compatible), _)| is_compatible == family);
        let compatible = match compatible.is_empty() {
            // Literals alone are texts.
            true => is_literal(true).then_some(SqlType::Text),
            false => Some(common_type(&compatible).ok()?.without_modifier()),
        };
        let meaning = Meaning {
            element: same.into_iter().next(),
            compatible,
        };
        let is_fitting = |(form, is_compatible): (Form, bool)| match (form, meaning.family(is_compatible)) {
            (_, None) | (Form::Any, _) => true,
            (Form::Array | Form::NoArray, Some(element)) => !matches!(element, SqlType::Array(_)),
            (Form::Enum, Some(element)) => matches!(element, SqlType::Enum(_)),
        };
        pairs().all(|(declared, _)| is_fitting(declared)).then_some(meaning)
    }

    fn family(&self, is_compatible: bool) -> Option<&SqlType> {
        match is_compatible {
            true => self.compatible.as_ref(),
            false => self.element.as_ref(),
        }
    }

    /// What a declared type is in the call; 42804 where the arguments do not tell.
    pub fn type_of(&self, declared: &SqlType) -> Result<SqlType> {
        let Some((form, is_compatible)) = form(declared) else {
            return Ok(declared.clone());
        };
        let element = self.family(is_compatible).ok_or_else(undetermined)?;
        Ok(match (form, element) {
            (Form::Array, SqlType::Array(_)) => {
                let message = format!("could not find array type for data type {element}");
                return Err(Error::new(SqlState::UndefinedObject, message));
            }
            (Form::Array, _) => SqlType::Array(Box::new(element.clone())),
            (Form::Any | Form::NoArray | Form::Enum, _) => element.clone(),
        })
    }

    /// Whether a value of this type, which had its part in the meaning, is taken as the declared type.
    pub fn takes(&self, declared: &SqlType, given: &SqlType) -> bool {
        match self.type_of(declared) {
            Ok(wanted) => is_same(given.base(), &wanted) || is_implicit(given, &wanted),
            Err(_) => false,
        }
    }
}

/// 42804 for a call whose arguments are literals that nothing has typed.
pub fn undetermined() -> Error {
    let message = "could not determine polymorphic type because input has type unknown";
    Error::new(SqlState::DatatypeMismatch, message)
}

/// 42P13 for a result that no argument decides about.
pub fn check_result<'a>(arguments: impl Iterator<Item = &'a SqlType>, result: &SqlType) -> Result<()> {
    let Some((_, is_compatible)) = form(result) else {
        return Ok(());
    };
    let mut families = arguments.filter_map(form).map(|(_, family)| family);
    if families.any(|family| family == is_compatible) {
        return Ok(());
    }
    let kin = match is_compatible {
        true => {
            "anycompatible, anycompatiblearray, anycompatiblenonarray, anycompatiblerange, or anycompatiblemultirange"
        }
        false => "anyelement, anyarray, anynonarray, anyenum, anyrange, or anymultirange",
    };
    let detail = format!("A result of type {result} requires at least one input of type {kin}.");
    let error = Error::new(SqlState::InvalidFunctionDefinition, "cannot determine result data type");
    Err(error.with_detail(detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(names: &[&str]) -> Vec<SqlType> {
        let named = |name: &&str| named(name).unwrap_or_else(|| name.parse().unwrap());
        names.iter().map(named).collect()
    }

    fn meant(declared: &[&str], given: &[Option<&str>], result: &str) -> Option<String> {
        let given: Vec<_> = given
            .iter()
            .map(|name| name.map(|name| name.parse().unwrap()))
            .collect();
        let meaning = Meaning::of(&types(declared), &given)?;
        Some(match meaning.type_of(&types(&[result])[0]) {
            Ok(sql_type) => sql_type.to_string(),
            Err(error) => error.state().code().to_string(),
        })
    }

    #[test]
    fn arguments_decide_what_a_type_stands_for() {
        let check = |declared: &[&str], given: &[Option<&str>], result: &str, expected: Option<&str>| {
            assert_eq!(
                meant(declared, given, result).as_deref(),
                expected,
                "{declared:?} {given:?} {result}"
            );
        };
        check(&["anyelement"], &[Some("integer")], "anyelement", Some("integer"));
        check(
            &["anyelement"],
            &[Some("varchar(3)")],
            "anyarray",
            Some("character varying[]"),
        );
        check(&["anyarray"], &[Some("text[]")], "anyelement", Some("text"));
        check(&["anyarray"], &[Some("text")], "anyelement", None);
        check(&["anyelement"], &[None], "anyelement", Some("42804"));
        check(
            &["anyelement", "anyelement"],
            &[Some("bigint"), None],
            "anyelement",
            Some("bigint"),
        );
        check(
            &["anyelement", "anyelement"],
            &[Some("bigint"), Some("integer")],
            "anyelement",
            None,
        );
        check(
            &["anyarray", "anyelement"],
            &[Some("int[]"), Some("int")],
            "anyarray",
            Some("integer[]"),
        );
        check(&["anynonarray"], &[Some("int[]")], "int", None);
        check(&["anyelement"], &[Some("int[]")], "anyelement", Some("integer[]"));
        check(&["anyelement"], &[Some("int[]")], "anyarray", Some("42704"));
        check(&["anyenum"], &[Some("int")], "int", None);
        let both = ["anycompatible", "anycompatible"];
        check(
            &both,
            &[Some("bigint"), Some("integer")],
            "anycompatible",
            Some("bigint"),
        );
        check(
            &both,
            &[Some("int"), Some("numeric(4,2)")],
            "anycompatiblearray",
            Some("numeric[]"),
        );
        check(&both, &[Some("int"), Some("text")], "anycompatible", None);
        check(&both, &[None, None], "anycompatible", Some("text"));
        check(
            &["anyelement", "anycompatible"],
            &[Some("int"), Some("date")],
            "anycompatible",
            Some("date"),
        );
    }

    #[test]
    fn a_result_needs_an_argument_of_its_family() {
        let check = |arguments: &[&str], result: &str| {
            let declared = types(arguments);
            check_result(declared.iter(), &types(&[result])[0]).map_err(|error| error.state().code())
        };
        assert_eq!(check(&["anyarray"], "anyelement"), Ok(()));
        assert_eq!(check(&["integer"], "integer"), Ok(()));
        assert_eq!(check(&["integer"], "anyelement"), Err("42P13"));
        assert_eq!(check(&["anyelement"], "anycompatible"), Err("42P13"));
    }
}
