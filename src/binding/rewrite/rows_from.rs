//! `ROWS FROM (f(…), g(…))`, which the dialect reads as one call. Functions whose columns are arrays wait for
//! `function_in_from`; others are relations with numbered rows, joined by the numbers. One function alone is a plain one.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, SetExpr, TableAlias,
    TableAliasColumnDef, TableFactor, Value, VisitMut, VisitorMut,
};

use super::super::relations::parse_query;
use super::function_in_from::columns_of;
use super::syntax::{folded, plain_arguments, system_name};
use crate::error::{Error, Result, SqlState};
use crate::statement::{DEFINED, ROWS_FROM, relation};

/// The column that numbers the rows of a function.
const NUMBER: &str = "\"(number)\"";

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    struct Relations;
    impl VisitorMut for Relations {
        type Break = Error;
        fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
            let rewritten = match &*factor {
                TableFactor::Table {
                    name,
                    args: Some(arguments),
                    alias,
                    with_ordinality,
                    ..
                } if is_rows_from(name) => spelled_out(&arguments.args, alias.as_ref(), *with_ordinality),
                TableFactor::Function {
                    name,
                    args,
                    alias,
                    with_ordinality,
                    ..
                } if is_rows_from(name) => spelled_out(args, alias.as_ref(), *with_ordinality),
                _ => return ControlFlow::Continue(()),
            };
            match rewritten {
                Ok(rewritten) => {
                    rewritten.into_iter().for_each(|rewritten| *factor = rewritten);
                    ControlFlow::Continue(())
                }
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    match VisitMut::visit(tree, &mut Relations) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn is_rows_from(name: &ObjectName) -> bool {
    system_name(name).is_some_and(|name| name == ROWS_FROM)
}

/// A function of ROWS FROM.
struct Side {
    name: ObjectName,
    arguments: Vec<FunctionArg>,
    definitions: Vec<TableAliasColumnDef>,
}

/// The names and arguments of functions none of which has its columns defined.
pub(super) fn functions(items: &[FunctionArg]) -> Result<Vec<(ObjectName, Vec<FunctionArg>)>> {
    let sides = items.iter().map(side);
    sides.map(|side| side.map(|side| (side.name, side.arguments))).collect()
}

fn side(item: &FunctionArg) -> Result<Side> {
    let not_a_call = || Error::syntax("ROWS FROM takes calls of functions");
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(function))) = item else {
        return Err(not_a_call());
    };
    let list = match &function.args {
        FunctionArguments::List(list) => list,
        // current_date and its kin.
        FunctionArguments::None => {
            return Ok(Side {
                name: function.name.clone(),
                arguments: vec![],
                definitions: vec![],
            });
        }
        FunctionArguments::Subquery(_) => return Err(not_a_call()),
    };
    if system_name(&function.name).is_none_or(|name| name != DEFINED) {
        return Ok(Side {
            name: function.name.clone(),
            arguments: list.args.clone(),
            definitions: vec![],
        });
    }
    let parts = plain_arguments(&list.args).and_then(|list| <[Expr; 2]>::try_from(list).ok());
    let Some([call, Expr::Value(text)]) = parts else {
        return Err(not_a_call());
    };
    let Value::SingleQuotedString(text) = text.value else {
        return Err(not_a_call());
    };
    Ok(Side {
        definitions: definitions(&text)?,
        ..side(&FunctionArg::Unnamed(FunctionArgExpr::Expr(call)))?
    })
}

/// `a int, b text` as the columns that it defines.
fn definitions(text: &str) -> Result<Vec<TableAliasColumnDef>> {
    let mut query = parse_query(&format!("SELECT 1 FROM f() AS f({text})"))?;
    let relation = match query.body.as_mut() {
        SetExpr::Select(select) => select.from.pop().map(|table| table.relation),
        _ => None,
    };
    match relation {
        Some(TableFactor::Table { alias: Some(alias), .. } | TableFactor::Function { alias: Some(alias), .. }) => {
            Ok(alias.columns)
        }
        _ => Err(Error::internal("a list of column definitions is none")),
    }
}

/// What stands for the functions; `None` where their columns are arrays.
fn spelled_out(
    items: &[FunctionArg],
    alias: Option<&TableAlias>,
    with_ordinality: bool,
) -> Result<Option<TableFactor>> {
    let mut sides = items.iter().map(side).collect::<Result<Vec<Side>>>()?;
    if let ([only], true) = (sides.as_slice(), sides.iter().all(|side| side.definitions.is_empty())) {
        let alone = relation::called(
            only.name.clone(),
            only.arguments.clone(),
            alias.cloned(),
            with_ordinality,
        );
        return Ok(Some(alone));
    }
    let mut are_arrays = true;
    for side in &sides {
        are_arrays &= side.definitions.is_empty() && columns_of(&side.name, &side.arguments)?.is_some();
    }
    if are_arrays {
        return Ok(None);
    }
    let own = sides.first().map(own_name).unwrap_or_default();
    if sides.iter().all(|side| !side.definitions.is_empty()) {
        let defined: usize = sides.iter().map(|side| side.definitions.len()).sum();
        check_width(alias, &own, defined + usize::from(with_ordinality))?;
    }
    let mut query = parse_query(&template(sides.len(), with_ordinality))?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        for table in &mut select.from {
            let joined = table.joins.iter_mut().map(|join| &mut join.relation);
            let numbered = std::iter::once(&mut table.relation).chain(joined);
            for (numbered, side) in numbered.zip(sides.drain(..)) {
                if let TableFactor::Derived { subquery, .. } = numbered {
                    put_in(subquery, side);
                }
            }
        }
    }
    let named = relation::alias(Ident::with_quote('"', own));
    Ok(Some(TableFactor::Derived {
        lateral: true,
        subquery: Box::new(query),
        alias: Some(alias.cloned().unwrap_or(named)),
        sample: None,
    }))
}

/// Refuses more names than columns.
pub(super) fn check_width(alias: Option<&TableAlias>, own: &str, width: usize) -> Result<()> {
    let given = alias.map_or(0, |alias| alias.columns.len());
    if given <= width {
        return Ok(());
    }
    let shown = alias.map_or(own.to_string(), |alias| folded(&alias.name));
    let message = format!("table \"{shown}\" has {width} columns available but {given} columns specified");
    Err(Error::new(SqlState::InvalidColumnReference, message))
}

/// Numbered relations joined by their numbers, each over a table that a function is put in place of.
fn template(count: usize, with_ordinality: bool) -> String {
    let name = |index: usize| format!("\"(function {index})\"");
    let side = |index: usize| format!("(SELECT *, row_number() OVER () AS {NUMBER} FROM f) AS {}", name(index));
    let number = |count: usize| {
        let numbers: Vec<String> = (1..=count).map(|index| format!("{}.{NUMBER}", name(index))).collect();
        match numbers.as_slice() {
            [only] => only.clone(),
            several => format!("coalesce({})", several.join(", ")),
        }
    };
    let mut items: Vec<String> = (1..=count)
        .map(|index| format!("{}.* EXCEPT ({NUMBER})", name(index)))
        .collect();
    if with_ordinality {
        items.push(format!("{} AS ordinality", number(count)));
    }
    let joins: String = (2..=count)
        .map(|index| {
            format!(
                " FULL JOIN {} ON {} = {}.{NUMBER}",
                side(index),
                number(index - 1),
                name(index)
            )
        })
        .collect();
    format!(
        "SELECT {} FROM {}{joins} ORDER BY {}",
        items.join(", "),
        side(1),
        number(count)
    )
}

/// Puts the function in the place of the table that the query reads.
fn put_in(query: &mut Query, side: Side) {
    let own = own_name(&side);
    let alias = (!side.definitions.is_empty()).then(|| TableAlias {
        explicit: true,
        name: Ident::with_quote('"', own),
        columns: side.definitions,
        at: None,
    });
    if let SetExpr::Select(select) = query.body.as_mut() {
        for table in &mut select.from {
            table.relation = relation::called(side.name.clone(), side.arguments.clone(), alias.clone(), false);
        }
    }
}

fn own_name(side: &Side) -> String {
    let last = side.name.0.last().and_then(|part| part.as_ident());
    last.map(folded).unwrap_or_default()
}
