//! Function calls: chosen in pg_proc by the arguments' types. Aggregates, window functions and set-returning functions
//! leave a place in the row that the executor fills.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast as sql;

use super::analyzer::{Analyzer, not_covered};
use super::bodies;
use super::candidates::{Choice, choose};
use super::coercion::Place;
use super::node::{Callable, Kind, Node, SubqueryUse};
use super::polymorphic::Resolution;
use super::value_type::Type;
use crate::binding::folded;
use crate::error::{Error, Result, SqlState};
use crate::functions::Datum;
use crate::functions::builtin::{BuiltinFunction, builtin_functions_named, builtin_type};

/// A function as pg_proc has it, for as many arguments as a call gives.
pub(super) struct Candidate {
    pub builtin: &'static BuiltinFunction,
    pub declared: Vec<u32>,
}

impl Analyzer<'_> {
    pub fn function(&mut self, function: &sql::Function) -> Result<Node> {
        let name = function_name(&function.name)?;
        let list = match &function.args {
            sql::FunctionArguments::Subquery(query) if name == "array" => return self.array_of_rows(query),
            sql::FunctionArguments::Subquery(_) => return Err(not_covered("a subquery as arguments")),
            sql::FunctionArguments::List(list) => Some(list),
            sql::FunctionArguments::None => None,
        };
        if !function.within_group.is_empty() || function.null_treatment.is_some() {
            return Err(not_covered("WITHIN GROUP"));
        }
        let is_star = list.is_some_and(|list| {
            matches!(
                list.args.as_slice(),
                [sql::FunctionArg::Unnamed(sql::FunctionArgExpr::Wildcard)]
            )
        });
        if let Some(window) = &function.over {
            return self.window(&name, list, window);
        }
        if super::aggregates::is_aggregate(&name) {
            let filter = function.filter.as_deref();
            return self.aggregate_column(&name, list, is_star, filter);
        }
        if list.is_some_and(|list| list.duplicate_treatment.is_some() || !list.clauses.is_empty()) {
            return Err(not_covered("clauses in a function call"));
        }
        let arguments = self.argument_nodes(list)?;
        self.call_named(&name, arguments)
    }

    /// `ARRAY(SELECT …)`.
    pub fn array_of_rows(&mut self, query: &sql::Query) -> Result<Node> {
        let query = self.subquery(query)?;
        let element = match query.columns.as_slice() {
            [only] => only.ty.clone(),
            _ => return Err(Error::syntax("subquery must return only one column")),
        };
        let array = element
            .array()
            .ok_or_else(|| not_covered(format!("an array of {}", element.name())))?;
        Ok(Node::new(
            array,
            Kind::Subquery {
                query,
                how: SubqueryUse::Array,
            },
        ))
    }

    pub fn argument_nodes(&mut self, list: Option<&sql::FunctionArgumentList>) -> Result<Vec<Node>> {
        list.map_or(&[][..], |list| &list.args)
            .iter()
            .map(|argument| match argument {
                sql::FunctionArg::Unnamed(sql::FunctionArgExpr::Expr(expression)) => self.expression(expression),
                _ => Err(not_covered("named arguments")),
            })
            .collect()
    }

    /// A call of a plain or set-returning function in an expression.
    pub fn call_named(&mut self, name: &str, arguments: Vec<Node>) -> Result<Node> {
        match name {
            "coalesce" => {
                let (nodes, ty) = self.unify(arguments, "COALESCE")?;
                return Ok(Node::new(ty, Kind::Coalesce(nodes)));
            }
            "greatest" | "least" => {
                let (arguments, ty) = self.unify(arguments, &name.to_uppercase())?;
                let greatest = name == "greatest";
                return Ok(Node::new(ty, Kind::Extreme { arguments, greatest }));
            }
            "nullif" => {
                let [left, right]: [Node; 2] = arguments
                    .try_into()
                    .map_err(|_| Error::syntax("NULLIF takes two arguments"))?;
                let (equal, left, right) = self.equality(left, right)?;
                let ty = left.ty.clone();
                let (left, right) = (Box::new(left), Box::new(right));
                return Ok(Node::new(ty, Kind::NullIf { equal, left, right }));
            }
            "row" => {
                let arguments = arguments
                    .into_iter()
                    .map(|node| self.settled(node))
                    .collect::<Result<Vec<_>>>()?;
                return Ok(super::expressions::row_node(arguments));
            }
            _ => {}
        }
        if super::sets::is_set_returning(name) {
            return self.set_column(name, arguments);
        }
        self.scalar_call(name, arguments)
    }

    /// A set-returning function in a select list: a place in the row.
    fn set_column(&mut self, name: &str, arguments: Vec<Node>) -> Result<Node> {
        let call = self.set_call(name, arguments)?;
        let ty = call.result.clone();
        let level = self.level()?;
        if level.no_aggregates.is_some() {
            let message = "set-returning functions are not allowed here";
            return Err(Error::new(SqlState::FeatureNotSupported, message));
        }
        level.sets.push(call);
        let (item, column) = (level.item_count + 2, level.sets.len() - 1);
        Ok(Node::new(ty, Kind::Column { depth: 0, item, column }))
    }

    pub fn scalar_call(&mut self, name: &str, arguments: Vec<Node>) -> Result<Node> {
        let name = match name {
            "current_catalog" => "current_database",
            "current_role" | "user" => "current_user",
            "current_timestamp" => "now",
            other => other,
        };
        let given: Vec<Type> = arguments.iter().map(|node| node.ty.clone()).collect();
        if let Some(range) = given.iter().find(|ty| ty.category() == 'R') {
            return Err(not_covered(format!("a call with {}", range.name())));
        }
        let candidates: Vec<Candidate> = candidates(name, given.len())
            .into_iter()
            .filter(|candidate| candidate.builtin.kind == "f" && !candidate.builtin.returns_set)
            .collect();
        if candidates.is_empty() {
            // A function of the user's, or one that only the other path has.
            return Err(not_covered(format!("the function {name}")));
        }
        let declared: Vec<Vec<u32>> = candidates.iter().map(|candidate| candidate.declared.clone()).collect();
        let index = match choose(&given, &declared) {
            Choice::One(index) => index,
            Choice::None if let ([from], Some(target)) = (given.as_slice(), builtin_type_cast(name)) => {
                // `text(x)` and its like are casts.
                let _ = from;
                let [node]: [Node; 1] = arguments.try_into().map_err(|_| Error::internal("one argument"))?;
                return self.coerce(node, &target, Place::Explicit);
            }
            Choice::None => return Err(not_covered(missing(name, &given))),
            Choice::Ambiguous => {
                let message = format!("function {} is not unique", signature(name, &given));
                return Err(Error::new(SqlState::AmbiguousFunction, message).with_hint(
                    "Could not choose a best candidate function. You might need to add explicit type casts.",
                ));
            }
        };
        let candidate = &candidates[index];
        let builtin = candidate.builtin;
        let resolution = Resolution::of(&candidate.declared, &given)?;
        let body = bodies::function(name).ok_or_else(|| not_covered(format!("the function {name}")))?;
        let mut coerced = vec![];
        for (node, declared) in arguments.into_iter().zip(&candidate.declared) {
            let target = resolution.argument(*declared, &node.ty);
            let node = match target.is_unknown() {
                true if matches!(node.kind, Kind::Constant(_)) => node,
                true => self.settled(node)?,
                false => self.coerce(node, &target, Place::Implicit)?,
            };
            coerced.push(node);
        }
        let callable = Arc::new(Callable {
            name: name.to_string(),
            arguments: coerced.iter().map(|node| node.ty.clone()).collect(),
            result: resolution.result(builtin.returns),
            is_strict: builtin.is_strict,
            body,
        });
        if builtin.volatility == "v" {
            return Ok(Node::new(callable.result.clone(), Kind::Call(callable, coerced)));
        }
        self.call_node(callable, coerced)
    }

    /// A call that depends on its arguments and the statement only: of constants, it is one.
    pub fn call_node(&mut self, callable: Arc<Callable>, arguments: Vec<Node>) -> Result<Node> {
        let constants: Option<Vec<Datum>> = arguments
            .iter()
            .map(|node| match &node.kind {
                Kind::Constant(value) => Some(value.clone()),
                _ => None,
            })
            .collect();
        // What fails now may never be reached when the query runs.
        if let Some(values) = constants
            && let Ok(value) = self.executor.call(&callable, &values)
        {
            return Ok(Node::constant(callable.result.clone(), value));
        }
        Ok(Node::new(callable.result.clone(), Kind::Call(callable, arguments)))
    }

    /// A condition on the rows of an aggregate or a WHERE.
    pub fn condition(&mut self, expression: &sql::Expr, place: &'static str) -> Result<Node> {
        let before = self.level()?.no_aggregates.replace(place);
        let node = self.expression(expression);
        self.level()?.no_aggregates = before;
        let node = node?;
        self.boolean(node, place)
    }
}

/// The functions of this name that take so many arguments.
pub(super) fn candidates(name: &str, count: usize) -> Vec<Candidate> {
    let mut found = vec![];
    for builtin in builtin_functions_named(name) {
        let declared = &builtin.arguments;
        let required = declared.len().saturating_sub(builtin.default_count.max(0) as usize);
        if builtin.variadic != 0 {
            let fixed = declared.len() - 1;
            let element = builtin.variadic;
            if count > fixed {
                let mut expanded = declared[..fixed].to_vec();
                expanded.resize(count, element);
                found.push(Candidate {
                    builtin,
                    declared: expanded,
                });
            }
        } else if count <= declared.len() && count >= required {
            found.push(Candidate {
                builtin,
                declared: declared[..count].to_vec(),
            });
        }
    }
    found
}

fn builtin_type_cast(name: &str) -> Option<Type> {
    let builtin = crate::functions::builtin::builtin_type_named(name)?;
    builtin_type(builtin.oid).map(|builtin| Type::of(builtin.oid))
}

/// The last part of a function's name; only the system's schemas may qualify it.
pub(super) fn function_name(name: &sql::ObjectName) -> Result<String> {
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(folded).collect();
    match parts.as_slice() {
        [name] => Ok(name.clone()),
        [schema, name] if schema == "pg_catalog" || schema == "information_schema" => Ok(name.clone()),
        _ => Err(not_covered(format!("the function {name}"))),
    }
}

fn signature(name: &str, given: &[Type]) -> String {
    let types: Vec<String> = given.iter().map(Type::name).collect();
    format!("{name}({})", types.join(", "))
}

fn missing(name: &str, given: &[Type]) -> String {
    format!("function {}", signature(name, given))
}
