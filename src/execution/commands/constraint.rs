//! Constraints and defaults: what a statement writes becomes what the catalog keeps.

use super::CommandContext;
use crate::binding;
use crate::catalog::changes::{self, NewColumn, NewConstraint, NewRule};
use crate::catalog::model::{StoredExpression, Table};
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::{ColumnDefinition, ConstraintDefinition, TableConstraint};
use crate::types::SqlType;

/// A column of CREATE TABLE or ADD COLUMN.
pub(super) async fn new_column(command: &CommandContext<'_>, column: &ColumnDefinition) -> Result<NewColumn> {
    if column.numbering.is_some() && column.default.is_some() {
        let message = format!("both default and identity specified for column \"{}\"", column.name);
        return Err(Error::new(SqlState::SyntaxError, message));
    }
    let is_integer = matches!(column.sql_type, SqlType::Int2 | SqlType::Int4 | SqlType::Int8);
    if column.numbering.is_some() && !is_integer {
        let message = "identity column type must be smallint, integer, or bigint";
        return Err(Error::new(SqlState::InvalidParameterValue, message));
    }
    let default = match &column.default {
        Some(text) => Some(default(command, text, &column.name, &column.sql_type).await?),
        None => None,
    };
    Ok(NewColumn {
        name: column.name.clone(),
        sql_type: column.sql_type.clone(),
        nullable: !column.not_null,
        field_id: None,
        default,
        numbering: column.numbering.clone(),
        comment: column.comment.clone(),
    })
}

async fn default(
    command: &CommandContext<'_>,
    text: &str,
    column: &str,
    sql_type: &SqlType,
) -> Result<StoredExpression> {
    binding::check_default(&command.binding, command.context, text, column, sql_type).await
}

/// Declared constraints over these columns: id, name and type.
pub(super) async fn new_constraints(
    command: &CommandContext<'_>,
    constraints: &[TableConstraint],
    own_name: &str,
    columns: &[(i16, String, SqlType)],
) -> Result<Vec<NewConstraint>> {
    let mut all = vec![];
    for constraint in constraints {
        let rule = match &constraint.rule {
            ConstraintDefinition::PrimaryKey(names) => NewRule::PrimaryKey(names.clone()),
            ConstraintDefinition::Unique(names) => NewRule::Unique(names.clone()),
            ConstraintDefinition::ForeignKey {
                columns,
                table,
                referenced,
            } => NewRule::ForeignKey {
                columns: columns.clone(),
                table: match table.0.as_slice() {
                    [name] if name == own_name => None,
                    _ => Some(command.table(table)?.id),
                },
                referenced: referenced.clone(),
            },
            ConstraintDefinition::Check(text) => {
                NewRule::Check(binding::check_condition(&command.binding, command.context, text, columns).await?)
            }
        };
        all.push(NewConstraint {
            name: constraint.name.clone(),
            rule,
        });
    }
    Ok(all)
}

/// ALTER TABLE … ADD CONSTRAINT. Rows that exist are not looked at: a CHECK needs NOT VALID, or an empty table.
pub(super) async fn add(
    command: &mut CommandContext<'_>,
    table: &Table,
    constraint: &TableConstraint,
    not_valid: bool,
) -> Result<()> {
    let is_check = matches!(constraint.rule, ConstraintDefinition::Check(_));
    if is_check && !not_valid {
        let (_, base) = super::insert::open(command, table).await?;
        if base.row_count() != Some(0) {
            return Err(Error::unsupported("a CHECK on a table that has rows")
                .with_hint("Add NOT VALID: then it holds for the rows to come."));
        }
    }
    let columns: Vec<(i16, String, SqlType)> = table
        .columns
        .iter()
        .map(|column| (column.id, column.name.clone(), column.sql_type.clone()))
        .collect();
    let new = new_constraints(command, std::slice::from_ref(constraint), &table.name, &columns).await?;
    for new in new {
        command
            .stage(|staged, role, _| changes::add_constraint(staged, role, table.id, new))
            .await?;
    }
    Ok(())
}

/// ALTER TABLE … ALTER COLUMN … SET or DROP DEFAULT.
pub(super) async fn set_default(
    command: &mut CommandContext<'_>,
    table: &Table,
    column: &str,
    text: Option<&str>,
) -> Result<()> {
    let default = match (text, table.column_named(column)) {
        (Some(text), Some(known)) => Some(default(command, text, column, &known.sql_type).await?),
        _ => None,
    };
    command
        .stage(|staged, role, _| changes::set_default(staged, role, table.id, column, default))
        .await
}
