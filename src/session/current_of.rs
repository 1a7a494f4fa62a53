//! UPDATE and DELETE … WHERE CURRENT OF: the row that a cursor stands on. No row has an address that outlives a change of
//! its file, so it is found by the values of all its columns; a statement that finds two rows alike fails.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast as sql;

use super::Session;
use super::cursors::{Cursor, missing};
use super::prepared::PreparedStatement;
use crate::catalog::Scope;
use crate::catalog::model::{Object, Oid, Table};
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::{Outcome, OutputColumn};
use crate::query::Memory;
use crate::statement::ast::Statement;
use crate::statement::current_of;
use crate::types::SqlType;

/// The one table that a cursor reads row by row, and which of its columns each of the cursor's is.
pub(crate) struct ScannedTable {
    relation: Oid,
    columns: Vec<Option<i16>>,
}

/// What WHERE CURRENT OF made of the row that a cursor stands on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChangedRow {
    position: u64,
    deleted: bool,
}

/// A statement with its row in the place of the cursor's name.
pub(super) struct WithCurrentRow {
    pub statement: PreparedStatement,
    pub parameters: Vec<ScalarValue>,
    cursor: String,
    /// `None` for a row that is gone already.
    changes: Option<ChangedRow>,
}

/// The table of a cursor's query, where each row that it shows is one of the table's.
pub(super) fn scanned_table(query: &sql::Query, columns: &[OutputColumn]) -> Option<ScannedTable> {
    let sql::SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let is_plain = matches!(&select.group_by, sql::GroupByExpr::Expressions(keys, _) if keys.is_empty())
        && select.distinct.is_none()
        && select.having.is_none()
        && select.qualify.is_none()
        && query.with.is_none()
        // With an order, only a locked row is one of the table's for PostgreSQL.
        && (query.order_by.is_none() || !query.locks.is_empty());
    let [from] = select.from.as_slice() else { return None };
    let is_table = matches!(from.relation, sql::TableFactor::Table { args: None, .. }) && from.joins.is_empty();
    let relation = columns.iter().find_map(|column| column.source.origin)?.relation;
    let number = |column: &OutputColumn| {
        let origin = column.source.origin.filter(|origin| origin.relation == relation);
        origin.map(|origin| origin.column)
    };
    (is_plain && is_table).then(|| ScannedTable {
        relation,
        columns: columns.iter().map(number).collect(),
    })
}

/// The cursor that a statement names, and its rows.
fn positioned(statement: &Statement) -> Option<(&str, &crate::statement::ast::ObjectName, &sql::Query, bool)> {
    let (table, rows, returning) = match statement {
        Statement::Update(update) => (&update.table, &update.rows, update.returning),
        Statement::Delete(delete) => (&delete.table, &delete.rows, delete.returning),
        _ => return None,
    };
    Some((current_of(rows)?, table, rows, returning))
}

/// The same statement with another condition.
fn with_condition(statement: &Statement, condition: sql::Expr) -> Statement {
    let mut statement = statement.clone();
    let rows = match &mut statement {
        Statement::Update(update) => Some(&mut update.rows),
        Statement::Delete(delete) => Some(&mut delete.rows),
        _ => None,
    };
    if let Some(rows) = rows
        && let sql::SetExpr::Select(select) = rows.body.as_mut()
    {
        select.selection = Some(condition);
    }
    statement
}

fn nothing() -> sql::Expr {
    sql::Expr::Value(sql::Value::Boolean(false).into())
}

pub(super) fn names_cursor(statement: &Statement) -> bool {
    positioned(statement).is_some()
}

/// The statement as far as its types go, whatever row it is about; `None` without WHERE CURRENT OF.
pub(super) fn without_row(statement: &Statement) -> Option<Statement> {
    positioned(statement)?;
    Some(with_condition(statement, nothing()))
}

impl Session {
    /// The statement about the row that its cursor stands on; `None` without WHERE CURRENT OF.
    pub(super) async fn with_current_row(
        &mut self,
        statement: &PreparedStatement,
        parameters: &[ScalarValue],
    ) -> Result<Option<WithCurrentRow>> {
        let Some((name, table, rows, returning)) = positioned(&statement.parsed.statement) else {
            return Ok(None);
        };
        let context = self.statement_context(&statement.texts).await?;
        let names = Scope {
            database: context.database,
            search_path: &context.search_path,
        };
        let Object::Table(table) = context.catalog.resolve_relation(names, &table.0)? else {
            return Err(Error::unsupported("WHERE CURRENT OF on a view"));
        };
        if returning {
            return Err(Error::unsupported("RETURNING with WHERE CURRENT OF"));
        }
        let portal = self.portals.get(name).ok_or_else(|| missing(name))?;
        if portal.held {
            return Err(invalid(format!(
                "cursor \"{name}\" is held from a previous transaction"
            )));
        }
        let scanned = portal
            .cursor
            .as_ref()
            .and_then(|cursor| Some((cursor, cursor.scanned.as_ref()?)));
        let scanned = scanned.filter(|(_, scanned)| scanned.relation == table.id);
        let Some((cursor, scanned)) = scanned else {
            let message = format!(
                "cursor \"{name}\" is not a simply updatable scan of table \"{}\"",
                table.name
            );
            return Err(invalid(message));
        };
        let [from] = (match rows.body.as_ref() {
            sql::SetExpr::Select(select) => select.from.as_slice(),
            _ => &[],
        }) else {
            return Err(Error::unsupported("WHERE CURRENT OF beside other tables"));
        };
        let alias = match &from.relation {
            sql::TableFactor::Table { alias: Some(alias), .. } => alias.name.clone(),
            _ => return Err(Error::internal("a change has no table")),
        };
        let (condition, values, changes) = row_of(name, cursor, scanned, table, &alias, statement, parameters).await?;
        let mut parsed = statement.parsed.clone();
        parsed.statement = with_condition(&parsed.statement, condition);
        let mut declared = statement.declared.clone();
        let mut parameters = parameters.to_vec();
        let own = own_parameters(statement, &parameters);
        declared.resize(own, None);
        for (value, sql_type) in values {
            parameters.push(value);
            declared.push(Some(sql_type));
        }
        parsed.parameter_count = parsed.parameter_count.max(parameters.len());
        Ok(Some(WithCurrentRow {
            statement: PreparedStatement {
                texts: statement.texts.clone(),
                parsed,
                declared,
                description: statement.description.clone(),
                memory: Memory::default(),
            },
            parameters,
            cursor: name.to_string(),
            changes,
        }))
    }

    /// Remembers what became of the row. A statement that met none, or two that are alike, fails: its block undoes it.
    pub(super) fn settle_current_row(&mut self, current: &WithCurrentRow, outcome: &Outcome) -> Result<()> {
        let Some(changes) = current.changes else { return Ok(()) };
        let count = match outcome {
            Outcome::Done(tag) => tag.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok()),
            _ => None,
        };
        match count {
            Some(1) => {}
            Some(0) => {
                let message = "a row that was changed after the cursor fetched it";
                return Err(Error::unsupported(format!("WHERE CURRENT OF {message}")));
            }
            _ => {
                let message = "a row that another is equal to in all columns";
                return Err(
                    Error::unsupported(format!("WHERE CURRENT OF {message}")).with_hint("Name the row by a key.")
                );
            }
        }
        let portal = self.portals.get_mut(&current.cursor);
        if let Some(cursor) = portal.and_then(|portal| portal.cursor.as_mut()) {
            cursor.changed = Some(changes);
        }
        Ok(())
    }
}

fn own_parameters(statement: &PreparedStatement, parameters: &[ScalarValue]) -> usize {
    let declared = statement.declared.len().max(parameters.len());
    declared.max(statement.parsed.parameter_count)
}

type Values = Vec<(ScalarValue, SqlType)>;

/// The condition that holds for the cursor's row, with the values and types of its parameters.
async fn row_of(
    name: &str,
    cursor: &Cursor,
    scanned: &ScannedTable,
    table: &Table,
    alias: &sql::Ident,
    statement: &PreparedStatement,
    parameters: &[ScalarValue],
) -> Result<(sql::Expr, Values, Option<ChangedRow>)> {
    let rows = Arc::clone(&cursor.rows);
    let rows = rows.lock().await;
    let Some((batch, offset, position)) = rows.current() else {
        return Err(invalid(format!("cursor \"{name}\" is not positioned on a row")));
    };
    match cursor.changed.filter(|changed| changed.position == position) {
        Some(changed) if changed.deleted => return Ok((nothing(), vec![], None)),
        Some(_) => {
            return Err(Error::unsupported("changing a row by WHERE CURRENT OF twice").with_hint("Fetch the next row."));
        }
        None => {}
    }
    // Rows that a mask or a filter makes alike may be different ones.
    if table.is_governed() {
        return Err(Error::unsupported(
            "WHERE CURRENT OF on a table with row filters or column masks",
        ));
    }
    let own = own_parameters(statement, parameters);
    let (mut condition, mut values) = (None, vec![]);
    for column in &table.columns {
        let place = scanned.columns.iter().position(|number| *number == Some(column.id));
        let Some(place) = place else {
            let error = Error::unsupported("WHERE CURRENT OF a cursor that leaves out columns of its table");
            return Err(error.with_hint("Declare it with SELECT *."));
        };
        let own_type = column.sql_type.base().clone();
        let mut shown = sql::Expr::CompoundIdentifier(vec![alias.clone(), sql::Ident::with_quote('"', &column.name)]);
        let mut sql_type = own_type.clone();
        if own_type == SqlType::Json {
            sql_type = SqlType::Text;
            shown = sql::Expr::Cast {
                kind: sql::CastKind::DoubleColon,
                expr: Box::new(shown),
                data_type: sql::DataType::Text,
                array: false,
                format: None,
            };
        }
        let value = ScalarValue::try_from_array(batch.column(place), offset)?.cast_to(&sql_type.to_arrow())?;
        values.push((value, sql_type));
        let number = format!("${}", own + values.len());
        let same = sql::Expr::IsNotDistinctFrom(
            Box::new(shown),
            Box::new(sql::Expr::Value(sql::Value::Placeholder(number).into())),
        );
        condition = Some(match condition {
            None => same,
            Some(others) => sql::Expr::BinaryOp {
                left: Box::new(others),
                op: sql::BinaryOperator::And,
                right: Box::new(same),
            },
        });
    }
    let deleted = matches!(statement.parsed.statement, Statement::Delete(_));
    let condition = condition.unwrap_or_else(nothing);
    Ok((condition, values, Some(ChangedRow { position, deleted })))
}

/// 24000.
fn invalid(message: String) -> Error {
    Error::new(SqlState::InvalidCursorState, message)
}
