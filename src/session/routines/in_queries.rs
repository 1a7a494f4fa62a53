//! Calls of routines in a query, which are made once before the query is planned: those of its select list where it has
//! one row, and those of its FROM, as long as nothing in the query decides whether or how often they are made. Values
//! stand in the query as parameters behind its own, rows as relations. All others are refused where the query is bound.

use std::collections::{HashMap, HashSet};

use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    Expr, Function as CallOf, FunctionArg, FunctionArguments, Ident, Query, Select, SelectItem, SetExpr, TableFactor,
    TableWithJoins, Values,
};

use super::arguments::Given;
use super::calls::{Calls, Found, WithCalls, parameter, put_rows, row_of};
use super::once::{are_constant, factors, has_one_row, reads_others};
use super::{Resolved, require_execute};
use crate::binding;
use crate::catalog::Scope;
use crate::catalog::model::{Function, Volatility};
use crate::error::{Error, Result, SqlState};
use crate::query::Memory;
use crate::session::Session;
use crate::session::plpgsql::{RoutineCall, Typed};
use crate::statement::ast::{ParsedStatement, Statement};
use crate::statement::change_own_expressions;
use crate::types::SqlType;

/// Behind the text of the statement, which no client can send: plans are found by their texts.
const MARK: &str = "\u{0}calls";

impl Session {
    /// The names by which the statement's query calls functions that are not the engine's own.
    pub(in crate::session) fn called_names<'a>(
        &self,
        parsed: &ParsedStatement,
        memory: &'a Memory,
    ) -> &'a [Vec<String>] {
        let Some(query) = calling_query(&parsed.statement) else {
            return &[];
        };
        memory.called(|| binding::called_names(query, &self.engine.binding_services(self.settings.current())))
    }

    /// The statement with what its calls gave, or with their types alone where there are no `parameters`; `None` where
    /// none of the `names` that it calls has to be called before.
    pub(in crate::session) async fn with_calls(
        &mut self,
        parsed: &ParsedStatement,
        names: &[Vec<String>],
        declared: &[Option<SqlType>],
        parameters: Option<&[ScalarValue]>,
    ) -> Result<Option<WithCalls>> {
        let Some(query) = calling_query(&parsed.statement) else {
            return Ok(None);
        };
        let (routines, volatile) = self.routines_of(names).await?;
        if query.with.is_some() || routines.is_empty() && volatile.is_empty() {
            return Ok(None);
        }
        let mut query = query.clone();
        let given = parameters.map_or(0, <[_]>::len);
        let own_parameters = parsed.parameter_count.max(declared.len()).max(given);
        let mut calls = Calls {
            around: parsed,
            routines,
            volatile,
            made: WithCalls {
                parsed: parsed.clone(),
                declared: declared.to_vec(),
                parameters: parameters.unwrap_or_default().to_vec(),
                relations: vec![],
                own_parameters,
            },
            is_run: parameters.is_some(),
        };
        calls.made.declared.resize(own_parameters, None);
        let taken = self.transaction.changes_taken();
        let is_limited = query.limit_clause.is_some() || query.fetch.is_some();
        match query.body.as_mut() {
            SetExpr::Select(select) => self.make_in_select(select, is_limited, &mut calls).await?,
            SetExpr::Values(values) => self.make_in_values(values, &mut calls).await?,
            _ => return Ok(None),
        }
        let mut made = calls.made;
        if made.declared.len() == own_parameters && made.relations.is_empty() {
            return Ok(None);
        }
        if self.transaction.changes_taken() != taken && reads_others(&query, &made.relations) {
            let message = "a function that changes rows in a query that reads others";
            return Err(Error::unsupported(message).with_hint("Call it in a statement of its own."));
        }
        made.parsed.text.push_str(MARK);
        made.parsed.parameter_count = made.declared.len();
        put_query(&mut made.parsed.statement, query);
        Ok(Some(made))
    }

    async fn make_in_select(&mut self, select: &mut Select, is_limited: bool, calls: &mut Calls<'_>) -> Result<()> {
        let has_one_row = !is_limited && has_one_row(select);
        self.give_volatile_arguments(select, has_one_row, calls).await?;
        for factor in select.from.iter_mut().flat_map(factors) {
            self.make_in_from(factor, calls).await?;
        }
        if !has_one_row || !self.make_set(select, calls).await? {
            self.make_in_list(select, has_one_row, calls).await?;
        }
        Ok(())
    }

    /// Those of the names that routines alone have, and those of functions whose body is a query.
    async fn routines_of(&mut self, names: &[Vec<String>]) -> Result<(HashSet<Vec<String>>, HashSet<Vec<String>>)> {
        let (mut routines, mut volatile) = (HashSet::new(), HashSet::new());
        let catalog = self.catalog().await?;
        let path = catalog.search_path(
            self.database,
            &self.settings.current().search_path,
            self.identity.current().role,
        );
        let scope = Scope {
            database: self.database,
            search_path: &path,
        };
        for name in names {
            let found = catalog.find_functions(scope, name)?;
            if found.is_empty() {
                continue;
            }
            if found.iter().all(|function| function.script.is_some()) {
                routines.insert(name.clone());
            } else if found
                .iter()
                .all(|function| function.script.is_none() && function.query.is_some())
            {
                volatile.insert(name.clone());
            }
        }
        Ok((routines, volatile))
    }

    /// A query that a call takes in may name an argument several times: one that is volatile is evaluated before.
    async fn give_volatile_arguments(
        &mut self,
        select: &mut Select,
        has_one_row: bool,
        calls: &mut Calls<'_>,
    ) -> Result<()> {
        let services = self.engine.binding_services(self.settings.current());
        let mut found = vec![];
        for factor in select.from.iter_mut().flat_map(factors) {
            let (name, arguments) = match factor {
                TableFactor::Table {
                    name,
                    args: Some(arguments),
                    ..
                } => (name, &mut arguments.args),
                TableFactor::Function { name, args, .. } => (name, args),
                _ => continue,
            };
            if calls.volatile.contains(&binding::name_parts(name)) {
                calls.take_volatile(arguments, &services, &mut found);
            }
        }
        if has_one_row {
            for item in &mut select.projection {
                if let SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. } = item {
                    change_own_expressions(value, |part| {
                        if let Expr::Function(CallOf {
                            name,
                            args: FunctionArguments::List(list),
                            ..
                        }) = part
                            && calls.volatile.contains(&binding::name_parts(name))
                        {
                            calls.take_volatile(&mut list.args, &services, &mut found);
                        }
                    });
                }
            }
        }
        let (numbers, arguments): (Vec<usize>, Vec<Expr>) = found.into_iter().unzip();
        let own = calls.made.own_parameters;
        let given = Given {
            parsed: calls.around,
            declared: &calls.made.declared[..own],
        };
        let described = self.describe_arguments(&arguments, &[], &given).await?;
        let columns = described.and_then(|described| described.columns).unwrap_or_default();
        let mut values: Vec<Typed> = columns
            .iter()
            .map(|column| Typed {
                sql_type: column.declared_type(),
                value: ScalarValue::Null,
            })
            .collect();
        if calls.is_run {
            let parameters = calls.made.parameters[..own.min(calls.made.parameters.len())].to_vec();
            values = self.values_of(&arguments, &[], &given, &parameters).await?;
        }
        for (number, value) in numbers.into_iter().zip(values) {
            calls.set(number, value.sql_type, value.value);
        }
        Ok(())
    }

    /// A call in FROM becomes the relation of its rows.
    async fn make_in_from(&mut self, factor: &mut TableFactor, calls: &mut Calls<'_>) -> Result<()> {
        let (name, arguments, alias, with_ordinality) = match &*factor {
            TableFactor::Table {
                name,
                args: Some(arguments),
                alias,
                with_ordinality,
                ..
            } => (name, &arguments.args, alias, *with_ordinality),
            TableFactor::Function {
                name,
                args,
                alias,
                with_ordinality,
                ..
            } => (name, args, alias, *with_ordinality),
            _ => return Ok(()),
        };
        let name = binding::name_parts(name);
        if !calls.routines.contains(&name) || !are_constant(arguments) {
            return Ok(());
        }
        let alias = alias.clone();
        let mut resolved = self.resolve_in_query(&name, arguments, calls).await?;
        let columns = binding::columns_of_call(&resolved.function, alias.as_ref(), with_ordinality)?;
        resolved.columns = columns[..columns.len() - usize::from(with_ordinality)].to_vec();
        let shown = alias.map_or_else(|| Ident::with_quote('"', &resolved.function.name), |alias| alias.name);
        let rows = self.made(resolved, calls).await?;
        *factor = calls.relation(&columns, rows, with_ordinality, shown)?;
        Ok(())
    }

    /// `SELECT f(1)` of a function that gives a set: its rows. Whether it was one.
    async fn make_set(&mut self, select: &mut Select, calls: &mut Calls<'_>) -> Result<bool> {
        let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] =
            select.projection.as_slice()
        else {
            return Ok(false);
        };
        let Some((name, arguments)) = calls.call(item) else {
            return Ok(false);
        };
        let resolved = self.resolve_in_query(&name, &arguments, calls).await?;
        if !resolved.function.is_set() {
            return Ok(false);
        }
        let [(_, sql_type)] = resolved.columns.as_slice() else {
            return Err(rows_as_values(&resolved.function));
        };
        let column = resolved.function.name.clone();
        let columns = vec![(column.clone(), sql_type.clone())];
        let rows = self.made(resolved, calls).await?;
        let shown = Ident::with_quote('"', &column);
        let relation = calls.relation(&columns, rows, false, shown.clone())?;
        select.from = vec![TableWithJoins {
            relation,
            joins: vec![],
        }];
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. } = item {
                *item = Expr::Identifier(shown.clone());
            }
        }
        Ok(true)
    }

    /// Calls in the select list become parameters.
    async fn make_in_list(&mut self, select: &mut Select, has_one_row: bool, calls: &mut Calls<'_>) -> Result<()> {
        let mut found = vec![];
        for item in &mut select.projection {
            match item {
                SelectItem::UnnamedExpr(value) => {
                    let name = binding::output_column_name(value);
                    if calls.take(value, &mut found) {
                        *item = SelectItem::ExprWithAlias {
                            expr: value.clone(),
                            alias: Ident::with_quote('"', name),
                        };
                    }
                }
                SelectItem::ExprWithAlias { expr: value, .. } => {
                    calls.take(value, &mut found);
                }
                _ => {}
            }
        }
        let rows = self.make_found(found, has_one_row, calls).await?;
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. } = item {
                put_rows(value, &rows);
            }
        }
        Ok(())
    }

    /// Calls in VALUES do, too.
    async fn make_in_values(&mut self, values: &mut Values, calls: &mut Calls<'_>) -> Result<()> {
        let mut found = vec![];
        for value in values.rows.iter_mut().flat_map(|row| row.content.iter_mut()) {
            calls.take(value, &mut found);
        }
        let rows = self.make_found(found, true, calls).await?;
        for value in values.rows.iter_mut().flat_map(|row| row.content.iter_mut()) {
            put_rows(value, &rows);
        }
        Ok(())
    }

    /// Makes calls, whose values become parameters; answers those that are rows, by the parameters in their places.
    async fn make_found(
        &mut self,
        found: Vec<Found>,
        is_once: bool,
        calls: &mut Calls<'_>,
    ) -> Result<HashMap<String, Expr>> {
        let mut rows = HashMap::new();
        for call in found {
            let resolved = self.resolve_in_query(&call.name, &call.arguments, calls).await?;
            let function = &resolved.function;
            if function.is_set() {
                return Err(rows_as_values(function));
            }
            let volatility = function
                .script
                .as_ref()
                .map_or(Volatility::Volatile, |script| script.volatility);
            // Each row has its own, where the query is bound.
            if !is_once && volatility == Volatility::Volatile {
                calls.set(call.number, SqlType::Bool, ScalarValue::Boolean(Some(true)));
                rows.insert(parameter(call.number).to_string(), call.written);
                continue;
            }
            let is_row = binding::gives_row(function);
            let columns = resolved.columns.clone();
            if matches!(columns.as_slice(), [(_, SqlType::Record)]) {
                let message = format!("the record of function {} as a value", function.name);
                let hint = "Call the function in FROM and say what its columns are: f() AS t(a int, b text).";
                return Err(Error::unsupported(message).with_hint(hint));
            }
            let mut values = self.made(resolved, calls).await?.into_iter().next().unwrap_or_default();
            values.resize(columns.len(), ScalarValue::Null);
            let numbers: Vec<usize> = match is_row {
                false => {
                    let value = values.into_iter().next().unwrap_or(ScalarValue::Null);
                    let sql_type = columns.first().map_or(SqlType::Text, |(_, sql_type)| sql_type.clone());
                    calls.set(call.number, sql_type, value);
                    continue;
                }
                true => columns
                    .iter()
                    .zip(values)
                    .map(|((_, sql_type), value)| {
                        let number = calls.open();
                        calls.set(number, sql_type.clone(), value);
                        number
                    })
                    .collect(),
            };
            calls.set(call.number, SqlType::Bool, ScalarValue::Boolean(Some(true)));
            rows.insert(parameter(call.number).to_string(), row_of(&columns, &numbers));
        }
        Ok(rows)
    }

    async fn resolve_in_query(
        &mut self,
        name: &[String],
        arguments: &[FunctionArg],
        calls: &Calls<'_>,
    ) -> Result<Resolved> {
        let context = self.lookup_context().await?;
        let candidates = super::routines_named(&context, name)?;
        let given = Given {
            parsed: calls.around,
            declared: &calls.made.declared[..calls.made.own_parameters],
        };
        let shown = name.join(".");
        let (procedures, functions): (Vec<_>, Vec<_>) = candidates.into_iter().partition(Function::is_procedure);
        if let Some(resolved) = self.resolve(functions, &shown, arguments, &given).await? {
            require_execute(&context, &resolved.function)?;
            return Ok(resolved);
        }
        if let Some(procedure) = procedures.first() {
            let message = format!("{} is a procedure", procedure.signature());
            let error = Error::new(SqlState::WrongObjectType, message);
            return Err(error.with_hint("To call a procedure, use CALL."));
        }
        let types = self.shown_types(arguments, &given).await;
        let message = format!("function {shown}({types}) does not exist");
        Err(Error::new(SqlState::UndefinedFunction, message).with_hint(
            "No function matches the given name and argument types. You might need to add explicit type casts.",
        ))
    }

    /// The rows of a call; none where the statement is not run but described.
    async fn made(&mut self, resolved: Resolved, calls: &mut Calls<'_>) -> Result<Vec<Vec<ScalarValue>>> {
        let own = calls.made.own_parameters;
        let given = Given {
            parsed: calls.around,
            declared: &calls.made.declared[..own],
        };
        if !calls.is_run {
            let types = self.parameter_types(&resolved, &given).await?;
            for (slot, known) in calls.made.declared[..own].iter_mut().zip(types) {
                *slot = slot.take().or(known);
            }
            return Ok(vec![]);
        }
        let parameters = calls.made.parameters[..own.min(calls.made.parameters.len())].to_vec();
        let arguments = self.argument_values(&resolved, &given, &parameters).await?;
        let call = RoutineCall {
            function: &resolved.function,
            arguments,
            columns: resolved.columns.clone(),
            ends_transactions: false,
        };
        Ok(self.run_routine(call).await?.rows)
    }
}

/// The query of a statement whose calls are made before it.
fn calling_query(statement: &Statement) -> Option<&Query> {
    match statement {
        Statement::Query(query) => Some(query),
        Statement::Insert(insert) => insert.source.as_deref(),
        Statement::CreateTable(create) => create.query.as_deref(),
        _ => None,
    }
}

fn put_query(statement: &mut Statement, query: Query) {
    match statement {
        Statement::Query(place) => **place = query,
        Statement::Insert(insert) => insert.source = Some(Box::new(query)),
        Statement::CreateTable(create) => create.query = Some(Box::new(query)),
        _ => {}
    }
}

fn rows_as_values(function: &Function) -> Error {
    let message = format!("the rows of function {} as values", function.name);
    Error::unsupported(message).with_hint("Call the function in FROM.")
}
