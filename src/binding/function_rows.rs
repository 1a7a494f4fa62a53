//! Calls of functions whose body is a query: in FROM they are relations with the function's columns, elsewhere values of
//! subqueries over such a relation. Calls of other functions in FROM that nobody knew yet are tables of one row. Routines
//! are called for rows where they give a value each.

use std::ops::ControlFlow;

use datafusion::logical_expr::Volatility;
use datafusion::sql::sqlparser::ast::{
    Expr, Function as Call, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    Query, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, Value, Visit, VisitMut, Visitor,
    VisitorMut,
};

use super::BindingServices;
use super::call_arguments::placed;
use super::names;
use super::query_function::{DeclaredColumn, columns, is_open_record};
use super::relations::{is_engines, parse_query};
use super::rewrite::{call, one_row};
use crate::catalog::model::Function;
use crate::error::{Error, Result, SqlState};
use crate::functions::{ROW_VALUE, chosen_function};
use crate::statement::relation;
use crate::types::SqlType;

/// Begins the name of a relation that is the rows of a function.
const CALLED: &str = "\u{0}rows\u{0}";
/// Stands before each column of its rows, where the call names them, and between the column's name and type.
const COLUMN: char = '\u{1}';
const TYPE: char = '\u{2}';

/// The functions that a name may mean.
type Candidates<'a> = &'a dyn Fn(&[String]) -> Result<Vec<Function>>;

/// Finds the calls in a query or an expression, which `calls_routines` for rows or must not.
pub(super) fn rewrite(tree: &mut impl VisitMut, calls_routines: bool, candidates: Candidates<'_>) -> Result<()> {
    let mut calls = Calls {
        candidates,
        calls_routines,
    };
    match VisitMut::visit(tree, &mut calls) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// The name of the function whose rows a relation is.
pub(super) fn function_called(relation: &[String]) -> Option<Vec<String>> {
    let [name] = relation else { return None };
    let name = name.strip_prefix(CALLED)?.split(COLUMN).next()?;
    Some(name.split('\u{0}').map(str::to_string).collect())
}

/// The columns that a call says the rows of a record have.
pub(super) fn declared_columns(relation: &str) -> Result<Option<Vec<DeclaredColumn>>> {
    let columns = relation.split(COLUMN).skip(1).map(|column| {
        let (name, sql_type) = column.split_once(TYPE).unwrap_or((column, "text"));
        Ok((name.to_string(), sql_type.parse()?))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok((!columns.is_empty()).then_some(columns))
}

struct Calls<'a> {
    candidates: Candidates<'a>,
    calls_routines: bool,
}

impl VisitorMut for Calls<'_> {
    type Break = Error;

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let replacement = match &*factor {
            TableFactor::Table {
                name,
                args: Some(arguments),
                alias,
                with_ordinality,
                ..
            } => self.in_from(name, &arguments.args, alias.as_ref(), *with_ordinality),
            TableFactor::Function {
                name,
                args,
                alias,
                with_ordinality,
                ..
            } => self.in_from(name, args, alias.as_ref(), *with_ordinality),
            _ => return ControlFlow::Continue(()),
        };
        match replacement {
            Ok(replacement) => {
                *factor = replacement;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        let Expr::Function(function) = &*expression else {
            return ControlFlow::Continue(());
        };
        match self.as_value(function) {
            Ok(value) => {
                value.into_iter().for_each(|value| *expression = value);
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Calls<'_> {
    /// The function whose body is a query that a call means, and its arguments by their places.
    fn called(
        &self,
        name: &ObjectName,
        arguments: &[FunctionArg],
        in_from: bool,
    ) -> Result<Option<(Function, Vec<FunctionArg>)>> {
        let mut fitting = vec![];
        for function in (self.candidates)(&names::parts(name))? {
            if let Some(arguments) = placed(arguments, &function.arguments)? {
                let gives_value = self.calls_routines && !in_from && gives_value(&function);
                if function.script.is_some() && !gives_value {
                    return Err(refused(&function));
                }
                fitting.push((function, arguments));
            }
        }
        let chosen = match fitting.as_slice() {
            [] => return Ok(None),
            [(first, _), others @ ..] if others.iter().all(|(other, _)| gives_alike(first, other)) => 0,
            // What the rows are has to be known before the arguments' types are.
            several => chosen_by_literals(&name.to_string(), several)?,
        };
        let (function, arguments) = fitting.swap_remove(chosen);
        Ok(gives_rows(&function).then_some((function, arguments)))
    }

    fn in_from(
        &self,
        name: &ObjectName,
        arguments: &[FunctionArg],
        alias: Option<&TableAlias>,
        with_ordinality: bool,
    ) -> Result<TableFactor> {
        let Some((function, placed)) = self.called(name, arguments, true)? else {
            let mut plain = call("", vec![]);
            if let Expr::Function(call) = &mut plain {
                call.name = name.clone();
                call.args = FunctionArguments::List(FunctionArgumentList {
                    duplicate_treatment: None,
                    args: arguments.to_vec(),
                    clauses: vec![],
                });
            }
            let own = names::parts(name).pop().unwrap_or_default();
            return Ok(one_row(&own, plain, alias, with_ordinality));
        };
        let declared = record_columns(&function, alias)?;
        let named = columns_of_call(&function, alias, with_ordinality)?;
        let columns = named.iter().map(|(name, _)| quoted(name)).collect();
        let own = alias.map_or_else(|| Ident::with_quote('"', &function.name), |alias| alias.name.clone());
        let template = match with_ordinality {
            true => "SELECT *, row_number() OVER () AS ordinality FROM f",
            false => "SELECT * FROM f",
        };
        Ok(TableFactor::Derived {
            lateral: true,
            subquery: Box::new(over_rows(template, rows(name, placed, &declared.unwrap_or_default()))?),
            alias: Some(TableAlias {
                explicit: true,
                name: own,
                columns,
                at: None,
            }),
            sample: None,
        })
    }

    /// A set in the place of a value repeats the row around it; other rows are one value.
    fn as_value(&self, function: &Call) -> Result<Option<Expr>> {
        let FunctionArguments::List(list) = &function.args else {
            return Ok(None);
        };
        let Some((definition, placed)) = self.called(&function.name, &list.args, false)? else {
            return Ok(None);
        };
        if is_open_record(&definition) {
            let message = format!("the record of function {} as a value", definition.name);
            let hint = "Call the function in FROM and say what its columns are: f() AS t(a int, b text).";
            return Err(Error::unsupported(message).with_hint(hint));
        }
        if definition.is_set() && is_row(&definition) {
            let message = format!("the rows of function {} as values", definition.name);
            return Err(Error::unsupported(message).with_hint("Call the function in FROM."));
        }
        let names: Vec<String> = columns(&definition).into_iter().map(|(name, _)| name).collect();
        let column = |name: &String| Expr::CompoundIdentifier(vec![Ident::new("f"), Ident::with_quote('"', name)]);
        let value = match (is_row(&definition), names.as_slice()) {
            (false, [only]) => column(only),
            _ => {
                let fields = names.iter().flat_map(|name| [text(name), column(name)]);
                call(
                    ROW_VALUE,
                    std::iter::once(Expr::value(Value::Boolean(true)))
                        .chain(fields)
                        .collect(),
                )
            }
        };
        let value = match definition.is_set() {
            true => call("array_agg", vec![value]),
            false => value,
        };
        let rows = TableFactor::Derived {
            lateral: false,
            subquery: Box::new(over_rows("SELECT * FROM f", rows(&function.name, placed, &[]))?),
            alias: Some(TableAlias {
                explicit: true,
                name: Ident::new("f"),
                columns: names.iter().map(|name| quoted(name)).collect(),
                at: None,
            }),
            sample: None,
        };
        let mut query = over_rows("SELECT 1 FROM f", rows)?;
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.projection = vec![SelectItem::UnnamedExpr(value)];
        }
        let value = Expr::Subquery(Box::new(query));
        Ok(Some(match definition.is_set() {
            true => call("unnest", vec![value]),
            false => value,
        }))
    }
}

/// Whether a call becomes a query of the function's rows.
fn gives_rows(function: &Function) -> bool {
    function.query.is_some() && function.script.is_none()
}

/// Whether a routine gives one value for each call.
fn gives_value(function: &Function) -> bool {
    !function.is_procedure() && !function.is_set() && !is_row(function)
}

/// Whether calls of the two are spelled out alike, so that the choice between them can wait.
fn gives_alike(first: &Function, second: &Function) -> bool {
    let names = |function: &Function| columns(function).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    gives_rows(first) == gives_rows(second)
        && (!gives_rows(first)
            || first.is_set() == second.is_set()
                && is_row(first) == is_row(second)
                && first.outputs().len() == second.outputs().len()
                && names(first) == names(second))
}

/// The overload that arguments mean which tell their types as they are written.
fn chosen_by_literals(name: &str, overloads: &[(Function, Vec<FunctionArg>)]) -> Result<usize> {
    let mut types = vec![];
    for (_, arguments) in overloads.iter().take(1) {
        for argument in arguments {
            types.push(written_type(argument).ok_or_else(|| {
                let message = format!("overloads of function {name} that give different rows, for such arguments");
                Error::unsupported(message).with_hint("Cast the arguments to the types that they have.")
            })?);
        }
    }
    let taken = |(function, _): &(Function, _)| -> Vec<SqlType> {
        let arguments = function.arguments.iter();
        arguments.map(|argument| argument.sql_type.clone()).collect()
    };
    let signatures: Vec<Vec<SqlType>> = overloads.iter().map(taken).collect();
    chosen_function(name, &signatures, &types)
}

/// The type of a literal or a cast: `None` for one that is not seen, `Some(None)` for a literal that nothing types.
fn written_type(argument: &FunctionArg) -> Option<Option<SqlType>> {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = argument else {
        return None;
    };
    match value {
        Expr::Cast { data_type, .. } => data_type.to_string().replace("pg_catalog.", "").parse().ok().map(Some),
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) if number.parse::<i32>().is_ok() => Some(Some(SqlType::Int4)),
            Value::Number(number, _) if number.parse::<i64>().is_ok() => Some(Some(SqlType::Int8)),
            Value::Number(..) => Some(Some(SqlType::Numeric(None))),
            Value::Boolean(_) => Some(Some(SqlType::Bool)),
            Value::SingleQuotedString(_) | Value::Null => Some(None),
            _ => None,
        },
        _ => None,
    }
}

/// Whether the function's rows are values of several columns.
fn is_row(function: &Function) -> bool {
    match function.outputs() {
        [] => matches!(function.returns.base(), SqlType::Composite(_) | SqlType::Record),
        outputs => outputs.len() > 1,
    }
}

/// The columns that a call in FROM has, by the names that its alias gives.
pub fn columns_of_call(
    function: &Function,
    alias: Option<&TableAlias>,
    with_ordinality: bool,
) -> Result<Vec<DeclaredColumn>> {
    let mut known = record_columns(function, alias)?.unwrap_or_else(|| columns(function));
    if let (Some(alias), false, [(only, _)]) = (alias, is_row(function), known.as_mut_slice())
        && function.outputs().iter().all(|output| output.name.is_empty())
    {
        *only = names::fold(&alias.name);
    }
    if with_ordinality {
        known.push(("ordinality".to_string(), SqlType::Int8));
    }
    let given = alias.map_or(&[][..], |alias| &alias.columns);
    if given.len() > known.len() {
        let shown = alias.map_or(function.name.clone(), |alias| names::fold(&alias.name));
        let message = format!(
            "table \"{shown}\" has {} columns available but {} columns specified",
            known.len(),
            given.len()
        );
        return Err(Error::new(SqlState::InvalidColumnReference, message));
    }
    for ((name, _), given) in known.iter_mut().zip(given) {
        *name = names::fold(&given.name);
    }
    Ok(known)
}

/// Whether a function gives rows of several columns.
pub fn gives_row(function: &Function) -> bool {
    is_row(function)
}

/// The names that a query calls functions by which are not the engine's own.
pub fn called_names(query: &Query, services: &BindingServices) -> Vec<Vec<String>> {
    struct Names<'a> {
        services: &'a BindingServices,
        found: Vec<Vec<String>>,
    }
    impl Names<'_> {
        fn note(&mut self, name: &ObjectName) {
            let parts = names::parts(name);
            let is_engines = matches!(parts.as_slice(), [plain] if is_engines(self.services, plain));
            if !is_engines && !self.found.contains(&parts) {
                self.found.push(parts);
            }
        }
    }
    impl Visitor for Names<'_> {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            if let TableFactor::Table {
                name, args: Some(_), ..
            }
            | TableFactor::Function { name, .. } = factor
            {
                self.note(name);
            }
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            if let Expr::Function(call) = expression {
                self.note(&call.name);
            }
            ControlFlow::Continue(())
        }
    }
    let mut visitor = Names {
        services,
        found: vec![],
    };
    let _ = Visit::visit(query, &mut visitor);
    visitor.found
}

/// Whether an expression calls something that gives another value each time.
pub fn calls_volatile(expression: &Expr, services: &BindingServices) -> bool {
    struct Volatile<'a>(&'a BindingServices);
    impl Visitor for Volatile<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            let Expr::Function(call) = expression else {
                return ControlFlow::Continue(());
            };
            let name = names::parts(&call.name).pop().unwrap_or_default();
            let function = self.0.base.scalar_functions().get(&name);
            match function.is_some_and(|function| function.signature().volatility == Volatility::Volatile) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    expression.visit(&mut Volatile(services)).is_break()
}

/// 0A000 for a call that the session makes neither before the query nor for its rows, 42809 for a procedure.
pub(super) fn refused(function: &Function) -> Error {
    if function.is_procedure() {
        let message = format!("{} is a procedure", function.signature());
        return Error::new(SqlState::WrongObjectType, message).with_hint("To call a procedure, use CALL.");
    }
    let message = format!("a call of function {} in such a place", function.signature());
    Error::unsupported(message).with_hint(
        "Functions that give rows, and those of policies, have to be of one query; others can be called with constant \
         arguments in FROM.",
    )
}

/// The columns that a call names with their types, which those of records have to and no others may.
fn record_columns(function: &Function, alias: Option<&TableAlias>) -> Result<Option<Vec<DeclaredColumn>>> {
    let given = alias.map_or(&[][..], |alias| &alias.columns);
    let is_typed = given.iter().any(|column| column.data_type.is_some());
    match (is_open_record(function), is_typed) {
        (false, false) => return Ok(None),
        (false, true) => {
            return Err(Error::syntax(match function.outputs() {
                [] => "a column definition list is only allowed for functions returning \"record\"",
                _ => "a column definition list is redundant for a function with OUT parameters",
            }));
        }
        (true, _) => {}
    }
    let columns = given.iter().map(|column| {
        let data_type = column.data_type.as_ref()?;
        Some((
            names::fold(&column.name),
            data_type.to_string().replace("pg_catalog.", ""),
        ))
    });
    let columns = columns
        .collect::<Option<Vec<_>>>()
        .filter(|columns| !columns.is_empty());
    let columns = columns
        .ok_or_else(|| Error::syntax("a column definition list is required for functions returning \"record\""))?;
    let columns = columns
        .into_iter()
        .map(|(name, sql_type)| Ok((name, sql_type.parse()?)));
    columns.collect::<Result<Vec<_>>>().map(Some)
}

fn text(value: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(value.to_string()))
}

fn quoted(name: &str) -> TableAliasColumnDef {
    TableAliasColumnDef {
        name: Ident::with_quote('"', name),
        data_type: None,
    }
}

/// The relation that the planner asks the scope for.
fn rows(name: &ObjectName, arguments: Vec<FunctionArg>, columns: &[DeclaredColumn]) -> TableFactor {
    let mut name = format!("{CALLED}{}", names::parts(name).join("\u{0}"));
    for (column, sql_type) in columns {
        name.push_str(&format!("{COLUMN}{column}{TYPE}{sql_type}"));
    }
    relation::called(ObjectName::from(vec![Ident::new(name)]), arguments, None, false)
}

/// A query of one relation, with this one in its place.
fn over_rows(template: &str, rows: TableFactor) -> Result<Query> {
    let mut query = parse_query(template)?;
    if let SetExpr::Select(select) = query.body.as_mut()
        && let [only] = select.from.as_mut_slice()
    {
        only.relation = rows;
    }
    Ok(query)
}
