//! UPDATE and DELETE: `SELECT values, returned FROM target, … WHERE …`.

use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::sql::sqlparser::ast::SelectItem;

use super::compose::{Choice, Clause, Located, compose};
use super::expressions::assigned;
use super::rows::{Rows, first_relation, items, retarget, shorten};
use super::{Action, BoundModification, Changed, column_set, declare_item, load_target, own_values, require_updatable};
use crate::binding::BindingServices;
use crate::binding::rewrite::refuse_sets;
use crate::context::QueryContext;
use crate::error::Result;
use crate::statement::ast::{Delete, Update};
use crate::types::SqlType;

/// Binds UPDATE.
pub async fn bind_update(
    services: &BindingServices,
    context: &QueryContext,
    changed: &Changed,
    update: &Update,
    declared: &[Option<SqlType>],
) -> Result<BoundModification> {
    let mut declared = declared.to_vec();
    let target = load_target(services, context, changed).await?;
    let table = &Arc::clone(target.shown_table());
    for (column, item) in update.columns.iter().zip(items(&update.rows)) {
        declare_item(&mut declared, item, &column_set(table, column)?.sql_type);
        require_updatable(&target, &column.name, "update")?;
    }
    for (index, item) in items(&update.rows).iter().enumerate() {
        let clause = if index < update.columns.len() {
            "UPDATE"
        } else {
            "RETURNING"
        };
        if let SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. } = item {
            refuse_sets(value, clause)?;
        }
    }
    let mut query = update.rows.as_ref().clone();
    let alias = retarget(first_relation(&mut query)?)?;
    shorten(&mut query, &update.table, &alias);
    let alias = TableReference::bare(alias.value);
    let rows = Rows::plan(services, context, target, alias, query, None, &declared).await?;
    let mut values = vec![];
    for (column, value) in update.columns.iter().zip(&rows.items) {
        let known = column_set(table, column)?;
        let value = match column.default {
            true => own_values::updated_default(services, context, &rows.target, known).await?,
            false => {
                own_values::check_updated(known)?;
                let schema = rows.input.schema();
                assigned(value.clone(), schema, &column.name, &known.sql_type, &services.format)?
            }
        };
        values.push((rows.target.position(&column.name)?, value));
    }
    let clause = Clause {
        action: Action::Update(values.iter().map(|(position, _)| *position).collect()),
        values,
    };
    let returned = update.returning.then_some(update.columns.len());
    compose(rows, vec![clause], Choice::Only, Located::Yes, returned, &declared)
}

/// Binds DELETE.
pub async fn bind_delete(
    services: &BindingServices,
    context: &QueryContext,
    changed: &Changed,
    delete: &Delete,
    declared: &[Option<SqlType>],
) -> Result<BoundModification> {
    let target = load_target(services, context, changed).await?;
    let mut query = delete.rows.as_ref().clone();
    let alias = retarget(first_relation(&mut query)?)?;
    shorten(&mut query, &delete.table, &alias);
    let alias = TableReference::bare(alias.value);
    let rows = Rows::plan(services, context, target, alias, query, None, declared).await?;
    let clause = Clause {
        action: Action::Delete,
        values: vec![],
    };
    let returned = delete.returning.then_some(0);
    compose(rows, vec![clause], Choice::Only, Located::Yes, returned, declared)
}
