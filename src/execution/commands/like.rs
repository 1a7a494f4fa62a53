//! CREATE TABLE … (LIKE …): the columns of a table, and of what was said about them what INCLUDING names. Its policies
//! and its rows stay where they are.

use datafusion::sql::sqlparser::ast::Ident;

use super::{CommandContext, constraint};
use crate::catalog::changes::{NewColumn, NewConstraint, NewRule, SequenceOptions};
use crate::catalog::model::{Column, ConstraintRule, NumberingKind, Object, Oid, Privilege, StoredExpression, Table};
use crate::error::{Error, Result};
use crate::statement::ast::{CreateTable, LikeTable};

/// A LIKE, with the table that it names.
pub(super) struct Source<'a> {
    pub like: &'a LikeTable,
    pub table: Table,
}

/// Whoever may read the rows may copy what they look like.
pub(super) fn sources<'a>(command: &CommandContext<'_>, create: &'a CreateTable) -> Result<Vec<Source<'a>>> {
    let mut sources = vec![];
    for like in &create.likes {
        let table = command.relation_with_rows(&like.table)?;
        let access = command.context.catalog.access(command.role());
        access.require(&Object::Table(table.clone()), Privilege::Select)?;
        sources.push(Source { like, table });
    }
    Ok(sources)
}

impl Source<'_> {
    /// The new table's column; `numbered` are all of its columns.
    pub(super) async fn column(
        &self,
        command: &CommandContext<'_>,
        column: &Column,
        numbered: &[(i16, String)],
    ) -> Result<NewColumn> {
        let including = self.like.including;
        let default = column.default.as_ref().filter(|default| match default.generated {
            true => including.generated,
            false => including.defaults,
        });
        let mut default = default.map(|default| renumbered(default, numbered)).transpose()?;
        let mut numbering = None;
        match &column.numbering {
            // The sequence stays the other table's.
            Some(own) if own.kind == NumberingKind::Serial && including.defaults => {
                default = Some(next_value(command, own.sequence, column).await?);
            }
            Some(own) if own.kind != NumberingKind::Serial && including.identity => {
                numbering = Some((own.kind, SequenceOptions::default()));
            }
            _ => {}
        }
        Ok(NewColumn {
            name: column.name.clone(),
            sql_type: column.sql_type.clone(),
            nullable: column.nullable,
            field_id: None,
            default,
            numbering,
            comment: column.comment.clone().filter(|_| including.comments),
        })
    }

    /// The table's rules and keys; foreign keys are never copied.
    pub(super) fn constraints(&self, numbered: &[(i16, String)]) -> Result<Vec<NewConstraint>> {
        let including = self.like.including;
        let mut copied = vec![];
        for constraint in &self.table.constraints {
            let (name, rule) = match &constraint.rule {
                ConstraintRule::Check { condition } if including.constraints => (
                    Some(constraint.name.clone()),
                    NewRule::Check(renumbered(condition, numbered)?),
                ),
                ConstraintRule::PrimaryKey { columns } if including.indexes => {
                    (None, NewRule::PrimaryKey(self.names(columns)))
                }
                ConstraintRule::Unique {
                    columns,
                    nulls_not_distinct,
                } if including.indexes => {
                    let rule = NewRule::Unique {
                        columns: self.names(columns),
                        nulls_not_distinct: *nulls_not_distinct,
                    };
                    (None, rule)
                }
                _ => continue,
            };
            copied.push(NewConstraint {
                name,
                rule,
                enforced: (!constraint.enforced).then_some(false),
                timing: constraint.timing,
            });
        }
        Ok(copied)
    }

    fn names(&self, ids: &[i16]) -> Vec<String> {
        let named = |id: &i16| self.table.columns.iter().find(|column| column.id == *id);
        ids.iter().filter_map(named).map(|column| column.name.clone()).collect()
    }
}

async fn next_value(command: &CommandContext<'_>, sequence: Oid, column: &Column) -> Result<StoredExpression> {
    let catalog = &command.context.catalog;
    let Some(Object::Sequence(sequence)) = catalog.object(sequence) else {
        return Err(Error::internal("a column's sequence is gone"));
    };
    let schema = catalog.schema(sequence.schema);
    let schema = schema.ok_or_else(|| Error::internal("a sequence without a schema"))?;
    let name = format!("{}.{}", quoted(&schema.name), quoted(&sequence.name)).replace('\'', "''");
    constraint::default(command, &format!("nextval('{name}')"), &column.name, &column.sql_type).await
}

fn quoted(name: &str) -> String {
    Ident::with_quote('"', name).to_string()
}

/// The same text over the new table's columns.
fn renumbered(expression: &StoredExpression, numbered: &[(i16, String)]) -> Result<StoredExpression> {
    let mut columns = vec![];
    for (_, name) in &expression.columns {
        let new = numbered.iter().find(|(_, new)| new == name);
        let (id, _) = new.ok_or_else(|| Error::internal("a copied expression names a column that is not copied"))?;
        columns.push((*id, name.clone()));
    }
    Ok(StoredExpression {
        columns,
        ..expression.clone()
    })
}
