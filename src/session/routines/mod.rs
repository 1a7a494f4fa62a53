//! Functions and procedures whose statements the session runs: which one a call means, what its arguments are, and what
//! becomes of the rows that it gives. CALL stands by itself; a query's calls are made before the query is planned.

mod arguments;
mod call;
mod calls;
mod in_queries;
mod once;
mod rows;

use datafusion::sql::sqlparser::ast as sql;

use super::Session;
use super::plpgsql::DeclaredColumn;
use crate::binding;
use crate::catalog::Scope;
use crate::catalog::model::{Argument, Function, Object, OutputMode, Privilege};
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::functions::chosen_function;
use crate::types::SqlType;
use arguments::Given;

/// A routine that a call means.
struct Resolved {
    function: Function,
    /// What stands in the places of the arguments that it takes.
    arguments: Vec<sql::Expr>,
    /// For each column that it gives back, the parameter of the statement that its argument is.
    targets: Vec<Option<usize>>,
    columns: Vec<DeclaredColumn>,
}

/// The routines of a name that a role may look up.
fn routines_named(context: &QueryContext, name: &[String]) -> Result<Vec<Function>> {
    let scope = Scope {
        database: context.database,
        search_path: &context.search_path,
    };
    let found = context.catalog.find_functions(scope, name)?;
    let access = context.catalog.access(context.principal.role);
    if let Some(hidden) = found.iter().find(|function| !access.uses_schema(function.schema)) {
        let schema = context.catalog.schema(hidden.schema);
        let name = schema.map_or("", |schema| schema.name.as_str());
        return Err(Error::denied("schema", name));
    }
    Ok(found.into_iter().cloned().collect())
}

/// 42501 for whoever may not execute the routine.
fn require_execute(context: &QueryContext, function: &Function) -> Result<()> {
    let access = context.catalog.access(context.principal.role);
    match access.has(&Object::Function(function.clone()), Privilege::Execute) {
        true => Ok(()),
        false => Err(Error::denied(function.word(), &function.name)),
    }
}

impl Session {
    /// The one of these routines that a call means, by the types of its arguments. A procedure is given something for
    /// what it gives back, too; `None` where no arguments fit.
    async fn resolve(
        &mut self,
        candidates: Vec<Function>,
        name: &str,
        arguments: &[sql::FunctionArg],
        given: &Given<'_>,
    ) -> Result<Option<Resolved>> {
        let mut fitting = vec![];
        for function in candidates {
            let parameters = call_parameters(&function);
            if let Some(placed) = binding::placed_arguments(arguments, &parameters)? {
                fitting.push(resolved(function, placed));
            }
        }
        let mut types = vec![];
        for candidate in &fitting {
            types.push(
                self.argument_types(&candidate.arguments, &candidate.function, given)
                    .await?,
            );
        }
        let signatures: Vec<Vec<SqlType>> = fitting
            .iter()
            .map(|candidate| {
                let arguments = candidate.function.arguments.iter();
                arguments.map(|argument| argument.sql_type.clone()).collect()
            })
            .collect();
        let Some(first) = types.first() else {
            return Ok(None);
        };
        let chosen = chosen_function(name, &signatures, first)?;
        let given = types.swap_remove(chosen);
        fitting.swap_remove(chosen).for_arguments(&given).map(Some)
    }
}

/// What a call has to name: of a procedure all parameters, of a function what it takes.
fn call_parameters(function: &Function) -> Vec<Argument> {
    if !function.is_procedure() {
        return function.arguments.clone();
    }
    let parameters = function.parameters().into_iter();
    let named = parameters.map(|parameter| Argument {
        name: parameter.name.to_string(),
        sql_type: parameter.sql_type.clone(),
        default: parameter.default.map(str::to_string),
    });
    named.collect()
}

impl Resolved {
    /// The routine as arguments of these types mean it.
    fn for_arguments(mut self, given: &[Option<SqlType>]) -> Result<Resolved> {
        if self.function.is_polymorphic() {
            self.function = self.function.for_arguments(given)?;
            self.columns = given_columns(&self.function);
        }
        Ok(self)
    }
}

/// The columns that a call gives.
fn given_columns(function: &Function) -> Vec<DeclaredColumn> {
    match function.is_procedure() && function.outputs().is_empty() {
        true => vec![],
        false => binding::function_columns(function),
    }
}

fn resolved(function: Function, placed: Vec<sql::Expr>) -> Resolved {
    let columns = given_columns(&function);
    if !function.is_procedure() {
        return Resolved {
            columns,
            arguments: placed,
            targets: vec![],
            function,
        };
    }
    let (mut arguments, mut targets) = (vec![], vec![]);
    for (parameter, value) in function.parameters().iter().zip(placed) {
        if parameter.mode.is_some() {
            targets.push(placeholder(&value));
        }
        if parameter.mode != Some(OutputMode::Out) {
            arguments.push(value);
        }
    }
    Resolved {
        columns,
        arguments,
        targets,
        function,
    }
}

/// The parameter, counted from zero, that an expression is.
fn placeholder(value: &sql::Expr) -> Option<usize> {
    let sql::Expr::Value(value) = value else { return None };
    let sql::Value::Placeholder(name) = &value.value else {
        return None;
    };
    name.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)
}

/// 42883 for a procedure, with the types that it was called with.
fn undefined_procedure(error: Error) -> Error {
    if error.state() != SqlState::UndefinedFunction {
        return error;
    }
    let message = error.message().replacen("function ", "procedure ", 1);
    Error::new(SqlState::UndefinedFunction, message)
        .with_hint("No procedure matches the given name and argument types. You might need to add explicit type casts.")
}
