//! Calls of users' functions with their arguments in place: those given by name go where they belong, and those left
//! out are their defaults. The planner knows positions alone.

use datafusion::sql::sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, VisitMut};

use super::rewrite::{folded, replace_expressions, rewrite_expression};
use super::{expression, names};
use crate::catalog::model::Argument;
use crate::error::Result;

/// Completes the calls in a query; `candidates` are the parameters of the functions that a name may mean.
pub(super) fn complete(tree: &mut impl VisitMut, candidates: &dyn Fn(&[String]) -> Vec<Vec<Argument>>) -> Result<()> {
    replace_expressions(tree, |expression| {
        let Expr::Function(function) = expression else {
            return Ok(());
        };
        let FunctionArguments::List(list) = &mut function.args else {
            return Ok(());
        };
        let candidates = candidates(&names::parts(&function.name));
        for parameters in &candidates {
            if let Some(placed) = placed(&list.args, parameters)? {
                list.args = placed;
                break;
            }
        }
        Ok(())
    })
}

/// What stands in a parameter's place.
enum Place<'a> {
    Given(Box<Expr>),
    Default(&'a str),
}

impl Place<'_> {
    /// As a query would be written that has it.
    fn written(self) -> Result<Expr> {
        match self {
            Place::Given(value) => Ok(*value),
            Place::Default(text) => expression::parse(text),
        }
    }

    fn value(self) -> Result<Expr> {
        match self {
            Place::Given(value) => Ok(*value),
            Place::Default(text) => {
                let mut value = expression::parse(text)?;
                rewrite_expression(&mut value)?;
                Ok(value)
            }
        }
    }
}

/// The values in the places of parameters; `None` where the arguments do not fit them.
pub fn placed_values(arguments: &[FunctionArg], parameters: &[Argument]) -> Result<Option<Vec<Expr>>> {
    let Some(places) = places(arguments, parameters) else {
        return Ok(None);
    };
    places.into_iter().map(Place::written).collect::<Result<_>>().map(Some)
}

/// The arguments by their places; `None` where they do not fit these parameters.
pub(super) fn placed(arguments: &[FunctionArg], parameters: &[Argument]) -> Result<Option<Vec<FunctionArg>>> {
    let Some(places) = places(arguments, parameters) else {
        return Ok(None);
    };
    let values = places
        .into_iter()
        .map(|place| Ok(FunctionArg::Unnamed(FunctionArgExpr::Expr(place.value()?))));
    values.collect::<Result<_>>().map(Some)
}

fn places<'a>(arguments: &[FunctionArg], parameters: &'a [Argument]) -> Option<Vec<Place<'a>>> {
    let mut places: Vec<Option<Expr>> = vec![None; parameters.len()];
    for (index, argument) in arguments.iter().enumerate() {
        let (place, value) = match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => (index, value),
            FunctionArg::Named {
                name,
                arg: FunctionArgExpr::Expr(value),
                ..
            } => {
                let name = folded(name);
                (parameters.iter().position(|parameter| parameter.name == name)?, value)
            }
            _ => return None,
        };
        let place = places.get_mut(place).filter(|place| place.is_none())?;
        *place = Some(value.clone());
    }
    let places = places
        .into_iter()
        .zip(parameters)
        .map(|(given, parameter)| match given {
            Some(value) => Some(Place::Given(Box::new(value))),
            None => parameter.default.as_deref().map(Place::Default),
        });
    places.collect()
}
