//! CREATE INDEX and REINDEX: what clients declare is recorded and shown. No index is kept; a unique one is a key.

use super::create::when_taken;
use super::{CommandContext, constraint};
use crate::binding::{self, RowExpression};
use crate::catalog::changes::{self, Created, NewIndex, NewIndexKey, NewIndexedValue};
use crate::catalog::model::{Object, ObjectKind, Table};
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::Notice;
use crate::statement::ast::{CreateIndex, IndexKeyDefinition, IndexedDefinition, ObjectName, Reindex};

/// PostgreSQL's ways to keep an index.
const METHODS: [&str; 6] = ["btree", "hash", "gin", "gist", "spgist", "brin"];

pub(super) async fn create(command: &mut CommandContext<'_>, create: &CreateIndex) -> Result<&'static str> {
    if create.concurrently && command.transaction.explicit {
        let message = "CREATE INDEX CONCURRENTLY cannot run inside a transaction block";
        return Err(Error::new(SqlState::ActiveSqlTransaction, message));
    }
    let method = create.method.as_deref().unwrap_or("btree");
    if !METHODS.contains(&method) {
        let message = format!("access method \"{method}\" does not exist");
        return Err(Error::new(SqlState::UndefinedObject, message));
    }
    if create.unique && method != "btree" {
        let message = format!("access method \"{method}\" does not support unique indexes");
        return Err(Error::new(SqlState::FeatureNotSupported, message));
    }
    let table = command.relation_with_rows(&create.table)?;
    let mut keys = vec![];
    for definition in &create.keys {
        keys.push(key(command, &table, definition).await?);
    }
    let condition = match &create.condition {
        Some(text) => {
            let (columns, place) = (constraint::columns_of(&table), RowExpression::IndexCondition);
            Some(binding::check_condition(&command.binding, command.context, text, &columns, place).await?)
        }
        None => None,
    };
    let new = NewIndex {
        table: table.id,
        name: create.name.clone(),
        method: method.to_string(),
        unique: create.unique,
        nulls_not_distinct: create.nulls_not_distinct,
        keys,
        included: create.included.clone(),
        condition,
    };
    let when = when_taken(create.if_not_exists, false);
    let created = command
        .stage(|staged, role, _| changes::create_index(staged, role, new, when))
        .await?;
    if let Created::New(_) = created {
        if create.unique && table.holds_writers() {
            constraint::verify_new_keys(command, &table).await?;
        }
        command
            .notices
            .push(Notice::notice(match create.unique && !table.holds_writers() {
                true => "the unique index is a declared key: that no rows share it is not checked".to_string(),
                false => "the index is recorded and not kept: files are skipped by their statistics".to_string(),
            }));
    }
    Ok("CREATE INDEX")
}

async fn key(command: &CommandContext<'_>, table: &Table, key: &IndexKeyDefinition) -> Result<NewIndexKey> {
    let of = match &key.of {
        IndexedDefinition::Column(name) => NewIndexedValue::Column(name.clone()),
        IndexedDefinition::Expression { text, name } => {
            let (columns, place) = (constraint::columns_of(table), RowExpression::Index);
            let (expression, sql_type) =
                binding::check_row_expression(&command.binding, command.context, text, &columns, place).await?;
            NewIndexedValue::Expression {
                expression,
                sql_type,
                name: name.clone(),
            }
        }
    };
    Ok(NewIndexKey {
        of,
        operator_class: key.operator_class.clone(),
        descending: key.descending,
        nulls_first: key.nulls_first.unwrap_or(key.descending),
    })
}

/// Only looks whether what it names is there, and the role's.
pub(super) fn reindex(command: &CommandContext<'_>, reindex: &Reindex) -> Result<&'static str> {
    let catalog = &command.context.catalog;
    let owned = |object: &Object| catalog.access(command.role()).require_owner(object);
    match reindex {
        Reindex::Index(name) => owned(indexed(command, name)?)?,
        Reindex::Table(name) => owned(&command.relation_with_rows(name)?.into())?,
        Reindex::Schema(name) => {
            let schema = catalog.resolve_schema(command.context.database, std::slice::from_ref(name))?;
            owned(&schema.clone().into())?;
        }
        Reindex::Database(name) => {
            if name
                .as_ref()
                .is_some_and(|name| **name != *command.context.database_name)
            {
                return Err(Error::unsupported("REINDEX of another database than the connected one"));
            }
        }
    }
    Ok("REINDEX")
}

/// The index of that name, or the table whose key it stands for.
fn indexed<'a>(command: &'a CommandContext<'_>, name: &'a ObjectName) -> Result<&'a Object> {
    let (catalog, names) = (&command.context.catalog, command.names());
    match catalog.resolve_object(ObjectKind::Index, names, &name.0) {
        Err(error) if error.state() == SqlState::UndefinedObject => {
            let key = catalog.find_key(names, &name.0)?;
            key.and_then(|(table, _)| catalog.object(table.id)).ok_or(error)
        }
        found => found,
    }
}
