//! Operators: chosen in pg_operator by the operands' types, and what they do.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::analyzer::{Analyzer, not_covered};
use super::bodies;
use super::candidates::{Choice, choose};
use super::coercion::Place;
use super::evaluate::KnownValues;
use super::node::{Callable, Kind, Node};
use super::polymorphic::Resolution;
use super::value_type::{Type, UNKNOWN};
use crate::error::{Error, Result, SqlState};
use crate::functions::Datum;
use crate::functions::builtin::builtin_operators;

/// A row of pg_operator.
pub(super) struct Operator {
    left: u32,
    right: u32,
    result: u32,
}

/// pg_operator by name.
static OPERATORS: LazyLock<HashMap<&'static str, Vec<Operator>>> = LazyLock::new(|| {
    let mut operators: HashMap<&'static str, Vec<Operator>> = HashMap::new();
    for row in builtin_operators() {
        if let [_, name, _, _, _, left, right, result, ..] = row[..]
            && let (Ok(left), Ok(right), Ok(result)) = (left.parse(), right.parse(), result.parse())
        {
            operators
                .entry(name)
                .or_default()
                .push(Operator { left, right, result });
        }
    }
    operators
});

impl Analyzer<'_> {
    /// `left op right`.
    pub fn binary(&mut self, name: &str, left: Node, right: Node) -> Result<Node> {
        let (callable, left_type, right_type) = self.binary_callable(name, &left.ty, &right.ty)?;
        let left = self.coerce(left, &left_type, Place::Implicit)?;
        let right = self.coerce(right, &right_type, Place::Implicit)?;
        self.call_node(Arc::new(callable), vec![left, right])
    }

    /// A prefix operator.
    pub fn prefix(&mut self, name: &str, operand: Node) -> Result<Node> {
        let candidates: Vec<&Operator> = OPERATORS
            .get(name)
            .into_iter()
            .flatten()
            .filter(|operator| operator.left == 0)
            .collect();
        let declared: Vec<Vec<u32>> = candidates.iter().map(|operator| vec![operator.right]).collect();
        let Choice::One(index) = choose(std::slice::from_ref(&operand.ty), &declared) else {
            let message = format!("operator does not exist: {name} {}", operand.ty.name());
            return Err(missing(message));
        };
        let operator = candidates[index];
        let operand = self.coerce(operand, &Type::of(operator.right), Place::Implicit)?;
        let body = bodies::prefix_operator(name).ok_or_else(|| not_covered(format!("the prefix operator {name}")))?;
        let callable = Callable {
            name: name.to_string(),
            arguments: vec![operand.ty.clone()],
            result: Type::of(operator.result),
            is_strict: true,
            body,
        };
        self.call_node(Arc::new(callable), vec![operand])
    }

    /// The operator for two types, with the types that its operands must become.
    pub fn binary_callable(&self, name: &str, left: &Type, right: &Type) -> Result<(Callable, Type, Type)> {
        let name = if name == "!=" { "<>" } else { name };
        if let (Some(_), Some(_), true) = (&left.fields, &right.fields, is_comparison(name)) {
            return comparison_of_rows(name, left, right);
        }
        let operator = self.operator_for(name, left, right)?;
        let given = [left.clone(), right.clone()];
        if let Some(range) = given.iter().find(|ty| ty.category() == 'R') {
            return Err(not_covered(format!("an operator of {}", range.name())));
        }
        let resolution = Resolution::of(&[operator.left, operator.right], &given)?;
        let left_type = resolution.argument(operator.left, left);
        let right_type = resolution.argument(operator.right, right);
        let result = resolution.result(operator.result);
        let body = bodies::binary_operator(name, &left_type, &right_type)
            .ok_or_else(|| not_covered(format!("{} {name} {}", left_type.name(), right_type.name())))?;
        let callable = Callable {
            name: name.to_string(),
            arguments: vec![left_type.clone(), right_type.clone()],
            result,
            is_strict: name != "||" || !(left_type.is_array() || right_type.is_array()),
            body,
        };
        Ok((callable, left_type, right_type))
    }

    /// The operator that fits two types best; looked for once a statement.
    fn operator_for(&self, name: &str, left: &Type, right: &Type) -> Result<&'static Operator> {
        let asked = (name.to_string(), left.oid, right.oid);
        if let Some(known) = self.operators.borrow().get(&asked) {
            return Ok(*known);
        }
        let candidates: Vec<&'static Operator> = OPERATORS
            .get(name)
            .into_iter()
            .flatten()
            .filter(|operator| operator.left != 0)
            .collect();
        let declared: Vec<Vec<u32>> = candidates
            .iter()
            .map(|operator| vec![operator.left, operator.right])
            .collect();
        // An unknown operand is first tried as the other one's type.
        let assumed = match (left.is_unknown(), right.is_unknown()) {
            (true, false) => [right.clone(), right.clone()],
            (false, true) => [left.clone(), left.clone()],
            _ => [left.clone(), right.clone()],
        };
        let exact = declared
            .iter()
            .position(|types| types[0] == assumed[0].oid && types[1] == assumed[1].oid);
        let choice = match exact {
            Some(index) => Choice::One(index),
            None => choose(&[left.clone(), right.clone()], &declared),
        };
        let index = match choice {
            Choice::One(index) => index,
            Choice::None => {
                return Err(missing(format!(
                    "operator does not exist: {} {name} {}",
                    left.name(),
                    right.name()
                )));
            }
            Choice::Ambiguous => {
                let message = format!("operator is not unique: {} {name} {}", left.name(), right.name());
                return Err(Error::new(SqlState::AmbiguousFunction, message).with_hint(
                    "Could not choose a best candidate operator. You might need to add explicit type casts.",
                ));
            }
        };
        self.operators.borrow_mut().insert(asked, candidates[index]);
        Ok(candidates[index])
    }

    /// `left op ANY (array)` or ALL.
    pub fn quantified(&mut self, name: &str, left: Node, array: Node, all: bool) -> Result<Node> {
        let element = match array.ty.oid {
            UNKNOWN => Type::of(UNKNOWN),
            _ => array.ty.element().ok_or_else(|| {
                Error::new(
                    SqlState::WrongObjectType,
                    "op ANY/ALL (array) requires array on right side",
                )
            })?,
        };
        let (operator, left_type, right_type) = self.binary_callable(name, &left.ty, &element)?;
        if operator.result.oid != super::value_type::BOOL {
            let message = "op ANY/ALL (array) requires operator to yield boolean";
            return Err(Error::new(SqlState::WrongObjectType, message));
        }
        let left = self.coerce(left, &left_type, Place::Implicit)?;
        let array_type = match right_type.oid == element.oid {
            true => array.ty.clone(),
            false => right_type
                .array()
                .ok_or_else(|| not_covered(format!("arrays of {}", right_type.name())))?,
        };
        let array = self.coerce(array, &array_type, Place::Implicit)?;
        let decides = if all { "<>" } else { "=" };
        let known = match &array.kind {
            Kind::Constant(Datum::List(values)) if operator.name == decides && operator.compares_keys() => {
                Some(Arc::new(KnownValues::of(values)))
            }
            _ => None,
        };
        Ok(Node::new(
            super::value_type::BOOL,
            Kind::Quantified {
                operator: Arc::new(operator),
                left: Box::new(left),
                array: Box::new(array),
                known,
                all,
            },
        ))
    }

    /// The equality of two types, for IN, CASE, NULLIF and IS DISTINCT FROM.
    pub fn equality(&mut self, left: Node, right: Node) -> Result<(Arc<Callable>, Node, Node)> {
        let (callable, left_type, right_type) = self.binary_callable("=", &left.ty, &right.ty)?;
        let left = self.coerce(left, &left_type, Place::Implicit)?;
        let right = self.coerce(right, &right_type, Place::Implicit)?;
        Ok((Arc::new(callable), left, right))
    }
}

fn is_comparison(name: &str) -> bool {
    matches!(name, "=" | "<>" | "<" | "<=" | ">" | ">=")
}

fn comparison_of_rows(name: &str, left: &Type, right: &Type) -> Result<(Callable, Type, Type)> {
    let body = bodies::binary_operator(name, left, right).ok_or_else(|| not_covered("a comparison of rows"))?;
    let callable = Callable {
        name: name.to_string(),
        arguments: vec![left.clone(), right.clone()],
        result: Type::of(super::value_type::BOOL),
        is_strict: true,
        body,
    };
    Ok((callable, left.clone(), right.clone()))
}

fn missing(message: String) -> Error {
    Error::new(SqlState::UndefinedFunction, message)
        .with_hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
}
