//! Calls of functions whose body is a query: in FROM they are relations with the function's columns, elsewhere values of
//! subqueries over such a relation. Calls of other functions in FROM that nobody knew yet are tables of one row.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function as Call, FunctionArg, FunctionArgumentList, FunctionArguments, Ident, ObjectName, Query, SelectItem,
    SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableFunctionArgs, Value, VisitMut, VisitorMut,
};

use super::call_arguments::placed;
use super::names;
use super::query_function::columns;
use super::relations::parse_query;
use super::rewrite::{call, one_row};
use crate::catalog::model::Function;
use crate::error::{Error, Result, SqlState};
use crate::functions::ROW_VALUE;
use crate::types::SqlType;

/// Begins the name of a relation that is the rows of a function.
const CALLED: &str = "\u{0}rows\u{0}";

/// The functions that a name may mean.
type Candidates<'a> = &'a dyn Fn(&[String]) -> Result<Vec<Function>>;

/// Finds the calls in a query or an expression.
pub(super) fn rewrite(tree: &mut impl VisitMut, candidates: Candidates<'_>) -> Result<()> {
    match VisitMut::visit(tree, &mut Calls { candidates }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// The name of the function whose rows a relation is.
pub(super) fn function_called(relation: &[String]) -> Option<Vec<String>> {
    let [name] = relation else { return None };
    let name = name.strip_prefix(CALLED)?;
    Some(name.split('\u{0}').map(str::to_string).collect())
}

struct Calls<'a> {
    candidates: Candidates<'a>,
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
    fn called(&self, name: &ObjectName, arguments: &[FunctionArg]) -> Result<Option<(Function, Vec<FunctionArg>)>> {
        for function in (self.candidates)(&names::parts(name))? {
            if let Some(arguments) = placed(arguments, &function.arguments)? {
                return Ok(function.query.is_some().then_some((function, arguments)));
            }
        }
        Ok(None)
    }

    fn in_from(
        &self,
        name: &ObjectName,
        arguments: &[FunctionArg],
        alias: Option<&TableAlias>,
        with_ordinality: bool,
    ) -> Result<TableFactor> {
        let Some((function, placed)) = self.called(name, arguments)? else {
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
        let mut names: Vec<String> = columns(&function).into_iter().map(|(name, _)| name).collect();
        if let (Some(alias), false, [only]) = (alias, is_row(&function), names.as_mut_slice())
            && function.outputs().iter().all(|output| output.name.is_empty())
        {
            *only = names::fold(&alias.name);
        }
        if with_ordinality {
            names.push("ordinality".to_string());
        }
        let mut columns: Vec<TableAliasColumnDef> = names.iter().map(|name| quoted(name)).collect();
        let given = alias.map_or(&[][..], |alias| &alias.columns);
        if given.len() > columns.len() {
            let shown = alias.map_or(function.name.clone(), |alias| names::fold(&alias.name));
            let message = format!(
                "table \"{shown}\" has {} columns available but {} columns specified",
                columns.len(),
                given.len()
            );
            return Err(Error::new(SqlState::InvalidColumnReference, message));
        }
        for (column, given) in columns.iter_mut().zip(given) {
            column.name = given.name.clone();
        }
        let own = alias.map_or_else(|| Ident::with_quote('"', &function.name), |alias| alias.name.clone());
        let template = match with_ordinality {
            true => "SELECT *, row_number() OVER () AS ordinality FROM f",
            false => "SELECT * FROM f",
        };
        Ok(TableFactor::Derived {
            lateral: true,
            subquery: Box::new(over_rows(template, rows(name, placed))?),
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
        let Some((definition, placed)) = self.called(&function.name, &list.args)? else {
            return Ok(None);
        };
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
            subquery: Box::new(over_rows("SELECT * FROM f", rows(&function.name, placed))?),
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

/// Whether the function's rows are values of several columns.
fn is_row(function: &Function) -> bool {
    match function.outputs() {
        [] => matches!(function.returns.base(), SqlType::Composite(_)),
        outputs => outputs.len() > 1,
    }
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
fn rows(name: &ObjectName, arguments: Vec<FunctionArg>) -> TableFactor {
    let name = format!("{CALLED}{}", names::parts(name).join("\u{0}"));
    TableFactor::Table {
        name: ObjectName::from(vec![Ident::new(name)]),
        alias: None,
        args: Some(TableFunctionArgs {
            args: arguments,
            settings: None,
        }),
        with_hints: vec![],
        version: None,
        with_ordinality: false,
        partitions: vec![],
        json_path: None,
        sample: None,
        index_hints: vec![],
    }
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
