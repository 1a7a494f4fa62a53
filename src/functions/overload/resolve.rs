//! PostgreSQL's choice among overloads: exact matches first, then those that implicit casts reach, then
//! preferred types; a literal of unknown type follows the others and prefers text.

use datafusion::arrow::datatypes::{DataType, Field};

use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::coercion::{Category, category, common_type, is_implicit, is_preferred, is_same, shown};
use crate::types::polymorphic::Meaning;

/// What a parameter takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parameter {
    Type(SqlType),
    /// Any value as it comes.
    Any,
    /// Any array as it comes.
    AnyArray,
    /// An element, or an array, of the type that all such arguments agree on.
    Compatible,
    CompatibleArray,
    /// What a function of a user takes: all such arguments decide what they are.
    Polymorphic(SqlType),
}

/// What stands in an argument's place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Given {
    /// A quoted literal or NULL.
    Unknown,
    Known(SqlType),
}

impl Given {
    pub fn sql_type(&self) -> SqlType {
        match self {
            Given::Unknown => SqlType::Unknown,
            Given::Known(sql_type) => sql_type.clone(),
        }
    }
}

/// The type of an argument. Texts of columns and casts are views; only literals are plain strings.
pub(crate) fn given(field: &Field) -> Given {
    match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Null if field.metadata().is_empty() => Given::Unknown,
        _ => Given::Known(SqlType::from_field(field)),
    }
}

/// 42883 with the types, as PostgreSQL words it.
pub(crate) fn undefined_function(name: &str, arguments: &[Given]) -> Error {
    let types: Vec<String> = arguments.iter().map(|argument| shown(&argument.sql_type())).collect();
    Error::new(
        SqlState::UndefinedFunction,
        format!("function {name}({}) does not exist", types.join(", ")),
    )
    .with_hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

/// 42883 for arguments of these layouts.
pub(crate) fn undefined_for<'a>(name: &str, layouts: impl IntoIterator<Item = &'a DataType>) -> Error {
    let known = |layout: &DataType| Given::Known(SqlType::from_arrow(layout));
    let arguments: Vec<Given> = layouts.into_iter().map(known).collect();
    undefined_function(name, &arguments)
}

/// The parameters of one overload, once for each argument.
pub(crate) fn spread(parameters: &[Parameter], variadic: bool, count: usize) -> Option<Vec<Parameter>> {
    let least = parameters.len();
    if count == least {
        return Some(parameters.to_vec());
    }
    let last = parameters.last().filter(|_| variadic)?;
    if count + 1 == least {
        return Some(parameters[..count].to_vec());
    }
    (count > least).then(|| {
        let more = std::iter::repeat_n(last.clone(), count - least);
        parameters.iter().cloned().chain(more).collect()
    })
}

/// The overload to call, with the type that each argument is cast to; `None` leaves it as it comes.
pub(crate) fn resolve(
    name: &str,
    overloads: &[(Vec<Parameter>, bool)],
    arguments: &[Given],
) -> Result<(usize, Vec<Option<SqlType>>)> {
    let mut candidates: Vec<(usize, Vec<Parameter>)> = vec![];
    for (index, (parameters, variadic)) in overloads.iter().enumerate() {
        if let Some(spread) = spread(parameters, *variadic, arguments.len())
            && targets(&spread, arguments).is_some()
        {
            candidates.push((index, spread));
        }
    }
    if candidates.len() > 1 {
        keep_best(
            &mut candidates,
            |parameter, argument| matches!((parameter, argument), (Parameter::Type(wanted), Given::Known(known)) if is_same(wanted, known)),
            arguments,
        );
    }
    if candidates.len() > 1 {
        keep_best(
            &mut candidates,
            |parameter, argument| match (parameter, argument) {
                (Parameter::Type(wanted), Given::Known(known)) => is_same(wanted, known) || is_preferred(wanted),
                _ => false,
            },
            arguments,
        );
    }
    if candidates.len() > 1 {
        follow_unknowns(&mut candidates, arguments);
    }
    match candidates.first() {
        Some((index, parameters)) => {
            let targets = targets(parameters, arguments).ok_or_else(|| undefined_function(name, arguments))?;
            Ok((*index, targets))
        }
        None => Err(undefined_function(name, arguments)),
    }
}

fn keep_best(
    candidates: &mut Vec<(usize, Vec<Parameter>)>,
    is_good: impl Fn(&Parameter, &Given) -> bool,
    arguments: &[Given],
) {
    let score = |parameters: &[Parameter]| {
        let pairs = parameters.iter().zip(arguments);
        pairs
            .filter(|(parameter, argument)| is_good(parameter, argument))
            .count()
    };
    let best = candidates
        .iter()
        .map(|(_, parameters)| score(parameters))
        .max()
        .unwrap_or_default();
    candidates.retain(|(_, parameters)| score(parameters) == best);
}

/// Literals of unknown type: text where some candidate takes text, else the candidates' one category.
fn follow_unknowns(candidates: &mut Vec<(usize, Vec<Parameter>)>, arguments: &[Given]) {
    for (position, argument) in arguments.iter().enumerate() {
        if *argument != Given::Unknown || candidates.len() < 2 {
            continue;
        }
        let category_of = |parameters: &[Parameter]| match &parameters[position] {
            Parameter::Type(wanted) => category(wanted),
            _ => Category::Unknown,
        };
        let is_text = |candidate: &(usize, Vec<Parameter>)| category_of(&candidate.1) == Category::Text;
        if candidates.iter().any(is_text) {
            candidates.retain(is_text);
            continue;
        }
        let prefers = |candidate: &(usize, Vec<Parameter>)| matches!(&candidate.1[position], Parameter::Type(wanted) if is_preferred(wanted));
        if candidates.iter().any(prefers) {
            candidates.retain(prefers);
        }
    }
}

/// What each argument is cast to; `None` when some cannot be.
fn targets(parameters: &[Parameter], arguments: &[Given]) -> Option<Vec<Option<SqlType>>> {
    let compatible = compatible_type(parameters, arguments)?;
    let array = || SqlType::Array(Box::new(compatible.clone()));
    let meaning = meaning(parameters, arguments)?;
    parameters
        .iter()
        .zip(arguments)
        .map(|(parameter, argument)| match (parameter, argument) {
            (Parameter::Any, Given::Known(_)) => Some(None),
            (Parameter::Any, Given::Unknown) => Some(Some(SqlType::Text)),
            (Parameter::AnyArray, Given::Known(SqlType::Array(_))) => Some(None),
            (Parameter::AnyArray, Given::Unknown) => Some(Some(SqlType::Array(Box::new(SqlType::Text)))),
            (Parameter::AnyArray, Given::Known(_)) => None,
            (Parameter::Type(wanted), Given::Unknown) => Some(Some(wanted.clone())),
            (Parameter::Type(wanted), Given::Known(known)) => {
                is_implicit(known, wanted).then(|| (!is_same(known, wanted)).then(|| wanted.clone()))
            }
            (Parameter::Compatible, Given::Known(known)) if is_same(known, &compatible) => Some(None),
            (Parameter::Compatible, _) => Some(Some(compatible.clone())),
            (Parameter::CompatibleArray, Given::Known(known)) if is_same(known, &array()) => Some(None),
            (Parameter::CompatibleArray, Given::Known(SqlType::Array(_)) | Given::Unknown) => Some(Some(array())),
            (Parameter::CompatibleArray, Given::Known(_)) => None,
            (Parameter::Polymorphic(declared), Given::Known(known)) => meaning.takes(declared, known).then_some(None),
            (Parameter::Polymorphic(_), Given::Unknown) => Some(None),
        })
        .collect()
}

/// What polymorphic parameters stand for; `None` where the arguments do not agree.
fn meaning(parameters: &[Parameter], arguments: &[Given]) -> Option<Meaning> {
    let pairs = parameters.iter().zip(arguments);
    let pairs = pairs.filter_map(|(parameter, argument)| match (parameter, argument) {
        (Parameter::Polymorphic(declared), Given::Known(known)) => Some((declared.clone(), Some(known.clone()))),
        (Parameter::Polymorphic(declared), Given::Unknown) => Some((declared.clone(), None)),
        _ => None,
    });
    let (declared, given): (Vec<_>, Vec<_>) = pairs.unzip();
    Meaning::of(&declared, &given)
}

/// The element type that the compatible arguments agree on; text where nothing tells.
fn compatible_type(parameters: &[Parameter], arguments: &[Given]) -> Option<SqlType> {
    let mut types = vec![];
    for (parameter, argument) in parameters.iter().zip(arguments) {
        match (parameter, argument) {
            (Parameter::CompatibleArray, Given::Known(SqlType::Array(element))) => types.push(element.as_ref().clone()),
            (Parameter::CompatibleArray, Given::Known(_)) => return None,
            (Parameter::Compatible, Given::Known(known)) => types.push(known.clone()),
            _ => {}
        }
    }
    common_type(&types).ok()
}
