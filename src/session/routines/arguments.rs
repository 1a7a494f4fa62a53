//! The arguments of calls, which are evaluated by a query of their own, with the parameters of the statement around it.

use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast as sql;

use super::{Resolved, placeholder};
use crate::binding;
use crate::catalog::model::{Argument, Function};
use crate::error::{Error, Result};
use crate::execution::outcome::Outcome;
use crate::query::{Description, Memory};
use crate::session::Session;
use crate::session::plpgsql::{RunningQuery, Typed, cast_value};
use crate::session::prepared::{PreparedStatement, Texts};
use crate::statement::ast::{ParsedStatement, Statement};
use crate::types::SqlType;
use crate::types::polymorphic::is_polymorphic;

/// Behind the text of the query, which no client can send.
const MARK: &str = "\u{0}arguments";

/// The statement around a call.
pub(super) struct Given<'a> {
    pub parsed: &'a ParsedStatement,
    /// The types of its parameters, as far as they are known.
    pub declared: &'a [Option<SqlType>],
}

impl Session {
    /// The types of arguments, by which the routine is chosen; `None` of a literal that nothing has typed.
    pub(super) async fn argument_types(
        &mut self,
        arguments: &[sql::Expr],
        function: &Function,
        given: &Given<'_>,
    ) -> Result<Vec<Option<SqlType>>> {
        let Some(described) = self.describe_arguments(arguments, &function.arguments, given).await? else {
            return Ok(vec![]);
        };
        let columns = described.columns.unwrap_or_default();
        let types = arguments.iter().zip(columns.iter()).map(|(argument, column)| {
            let is_open =
                placeholder(argument).is_some_and(|place| given.declared.get(place).cloned().flatten().is_none());
            match is_open || is_literal(argument) {
                true => None,
                false => Some(column.declared_type()),
            }
        });
        Ok(types.collect())
    }

    /// The types of arguments that no routine takes, as messages show them.
    pub(super) async fn shown_types(&mut self, arguments: &[sql::FunctionArg], given: &Given<'_>) -> String {
        let plain = arguments.iter().filter_map(|argument| match argument {
            sql::FunctionArg::Unnamed(sql::FunctionArgExpr::Expr(value))
            | sql::FunctionArg::Named {
                arg: sql::FunctionArgExpr::Expr(value),
                ..
            } => Some(value.clone()),
            _ => None,
        });
        let plain: Vec<sql::Expr> = plain.collect();
        let described = match select_of(&plain, given.parsed) {
            Ok(parsed) if !plain.is_empty() => {
                let texts = Texts::of(&parsed);
                Box::pin(self.describe(&parsed, &texts, given.declared, &Memory::default()))
                    .await
                    .ok()
            }
            _ => None,
        };
        self.context = None;
        let columns = described.and_then(|described| described.columns).unwrap_or_default();
        let shown = plain
            .iter()
            .zip(columns.iter())
            .map(|(argument, column)| match is_literal(argument) {
                true => SqlType::Unknown.to_string(),
                false => column.declared_type().to_string(),
            });
        shown.collect::<Vec<_>>().join(", ")
    }

    /// The types of the statement's parameters, those among them that arguments are by what the routine takes.
    pub(super) async fn parameter_types(&mut self, call: &Resolved, given: &Given<'_>) -> Result<Vec<Option<SqlType>>> {
        let described = self
            .describe_arguments(&call.arguments, &call.function.arguments, given)
            .await?;
        let inferred = described.map(|described| described.parameters).unwrap_or_default();
        let mut types = given.declared.to_vec();
        types.resize(types.len().max(given.parsed.parameter_count), None);
        let mut used = vec![];
        for argument in &call.arguments {
            collect_placeholders(argument, &mut used);
        }
        for place in used {
            if let (Some(slot @ None), Some(sql_type)) = (types.get_mut(place), inferred.get(place)) {
                *slot = Some(sql_type.clone());
            }
        }
        Ok(types)
    }

    /// What the query of arguments takes and gives; `taken` says what types they are given for.
    pub(super) async fn describe_arguments(
        &mut self,
        arguments: &[sql::Expr],
        taken: &[Argument],
        given: &Given<'_>,
    ) -> Result<Option<Description>> {
        if arguments.is_empty() {
            return Ok(None);
        }
        let parsed = select_of(arguments, given.parsed)?;
        let declared = declared_for(arguments, taken, given.declared);
        let texts = Texts::of(&parsed);
        let described = Box::pin(self.describe(&parsed, &texts, &declared, &Memory::default())).await;
        self.context = None;
        described.map(Some)
    }

    /// The values of the arguments, as the routine takes them.
    pub(super) async fn argument_values(
        &mut self,
        call: &Resolved,
        given: &Given<'_>,
        parameters: &[ScalarValue],
    ) -> Result<Vec<ScalarValue>> {
        let taken = &call.function.arguments;
        let values = self.values_of(&call.arguments, taken, given, parameters).await?;
        let settings = self.format_settings();
        let values = values.into_iter().zip(&call.arguments).zip(&call.function.arguments);
        let values = values.map(|((value, written), argument)| {
            let value = match is_literal(written) {
                // A literal is read as what the argument is.
                true => Typed {
                    sql_type: SqlType::Text,
                    ..value
                },
                false => value,
            };
            cast_value(value, &argument.sql_type, &settings)
        });
        values.collect()
    }

    /// The values of expressions by themselves.
    pub(super) async fn values_of(
        &mut self,
        arguments: &[sql::Expr],
        taken: &[Argument],
        given: &Given<'_>,
        parameters: &[ScalarValue],
    ) -> Result<Vec<Typed>> {
        if arguments.is_empty() {
            return Ok(vec![]);
        }
        let parsed = select_of(arguments, given.parsed)?;
        let declared = declared_for(arguments, taken, given.declared);
        let statement = PreparedStatement::undescribed(parsed, declared);
        self.only_row(&statement, parameters).await
    }

    /// The row of a query that has one.
    async fn only_row(&mut self, statement: &PreparedStatement, parameters: &[ScalarValue]) -> Result<Vec<Typed>> {
        self.nesting += 1;
        let outcome = Box::pin(self.run_embedded(statement, parameters)).await;
        self.nesting -= 1;
        let context = self.context.take();
        let row = match outcome {
            Ok(Outcome::Rows(rows)) => first_row(RunningQuery::new(rows, None)).await,
            Ok(_) => Err(Error::internal("arguments are no rows")),
            Err(error) => Err(error),
        };
        if let Some(context) = context {
            self.settle(&context).await?;
            self.engine.finish_record(&context.record, row.as_ref().err());
        }
        row
    }
}

async fn first_row(rows: Result<RunningQuery>) -> Result<Vec<Typed>> {
    let mut rows = rows?;
    let row = rows.next().await?.unwrap_or_default();
    let typed = rows.columns.iter().zip(row).map(|(column, value)| Typed {
        sql_type: column.declared_type(),
        value,
    });
    let typed = typed.collect();
    rows.skip().await?;
    Ok(typed)
}

/// `SELECT argument, …`.
fn select_of(arguments: &[sql::Expr], around: &ParsedStatement) -> Result<ParsedStatement> {
    let mut query = binding::query_of("SELECT 1")?;
    if let sql::SetExpr::Select(select) = query.body.as_mut() {
        select.projection = arguments
            .iter()
            .map(|argument| sql::SelectItem::UnnamedExpr(argument.clone()))
            .collect();
    }
    Ok(ParsedStatement {
        text: format!("{query}{MARK}"),
        statement: Statement::Query(Box::new(query)),
        parameter_count: around.parameter_count,
    })
}

/// The types of the statement's parameters, where an argument that is one of them is of the type that the routine takes.
fn declared_for(arguments: &[sql::Expr], taken: &[Argument], declared: &[Option<SqlType>]) -> Vec<Option<SqlType>> {
    let mut types = declared.to_vec();
    for (argument, taken) in arguments.iter().zip(taken) {
        if let Some(place) = placeholder(argument) {
            types.resize(types.len().max(place + 1), None);
            if let Some(slot @ None) = types.get_mut(place)
                && !is_polymorphic(&taken.sql_type)
            {
                *slot = Some(taken.sql_type.clone());
            }
        }
    }
    types
}

fn collect_placeholders(argument: &sql::Expr, found: &mut Vec<usize>) {
    struct Collector<'a>(&'a mut Vec<usize>);
    impl sql::Visitor for Collector<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expression: &sql::Expr) -> std::ops::ControlFlow<()> {
            self.0.extend(placeholder(expression));
            std::ops::ControlFlow::Continue(())
        }
    }
    let _ = sql::Visit::visit(argument, &mut Collector(found));
}

/// Whether nothing but its place types a value.
fn is_literal(argument: &sql::Expr) -> bool {
    match argument {
        sql::Expr::Value(value) => matches!(value.value, sql::Value::SingleQuotedString(_) | sql::Value::Null),
        sql::Expr::Nested(inner) => is_literal(inner),
        _ => false,
    }
}
