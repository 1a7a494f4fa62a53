//! UPDATE and DELETE: `SELECT values, returned FROM target, … WHERE …`, with the values laid over the target's columns
//! before RETURNING looks at them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection, lit};
use datafusion::sql::sqlparser::ast::{self as sql, VisitMut, VisitorMut};

use super::expressions::{assigned, columns_read, is_internal, locators, null};
use super::{Action, BoundModification, TARGET, declare, finish, load_target, rights, undefined_column};
use crate::binding::{BindingServices, BoundTable, relations, rewrite};
use crate::catalog::model::Table;
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::{Delete, ObjectName, Update};
use crate::types::SqlType;

/// Binds UPDATE.
pub async fn bind_update(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    update: &Update,
    declared: &[Option<SqlType>],
) -> Result<BoundModification> {
    let mut declared = declared.to_vec();
    for (column, item) in update.columns.iter().zip(items(&update.rows)) {
        let known = table.column_named(&column.name);
        let known = known.ok_or_else(|| undefined_column(table, &column.name))?;
        if let sql::SelectItem::ExprWithAlias { expr, .. } = item {
            declare(&mut declared, expr, &known.sql_type);
        }
    }
    let rows = Rows::bind(services, context, table, &update.table, &update.rows, &declared).await?;
    let names: Vec<&str> = update.columns.iter().map(|column| column.name.as_str()).collect();
    let mut values = vec![];
    for (column, value) in update.columns.iter().zip(&rows.items) {
        let known = table.column_named(&column.name);
        let known = known.ok_or_else(|| undefined_column(table, &column.name))?;
        values.push(match column.default {
            true => null(&known.sql_type)?,
            false => assigned(
                value.clone(),
                rows.input.schema(),
                &column.name,
                &known.sql_type,
                &services.format,
            )?,
        });
    }
    rows.change(&names, values, update.returning, &declared)
}

/// Binds DELETE.
pub async fn bind_delete(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    delete: &Delete,
    declared: &[Option<SqlType>],
) -> Result<BoundModification> {
    let rows = Rows::bind(services, context, table, &delete.table, &delete.rows, declared).await?;
    rows.change(&[], vec![], delete.returning, declared)
}

fn items(query: &sql::Query) -> &[sql::SelectItem] {
    match query.body.as_ref() {
        sql::SetExpr::Select(select) => &select.projection,
        _ => &[],
    }
}

/// The rows of a modification before anything changes: the relations with their condition, and the items.
struct Rows {
    target: Arc<BoundTable>,
    alias: TableReference,
    input: Arc<LogicalPlan>,
    items: Vec<Expr>,
}

impl Rows {
    async fn bind(
        services: &BindingServices,
        context: &QueryContext,
        table: &Table,
        name: &ObjectName,
        query: &sql::Query,
        declared: &[Option<SqlType>],
    ) -> Result<Rows> {
        let target = load_target(services, context, table).await?;
        let mut query = query.clone();
        let alias = retarget(&mut query, name)?;
        rewrite::rewrite(&mut query)?;
        let mut scope = relations::load(services, context, &mut query, rights(context), 0).await?;
        let source = provider_as_source(Arc::clone(&target) as Arc<dyn TableProvider>);
        scope.add_source(vec![TARGET.to_string()], source, None);
        let LogicalPlan::Projection(Projection { expr, input, .. }) = scope.plan_statement(query, declared)? else {
            return Err(Error::internal("the rows of a modification are no projection"));
        };
        if matches!(input.as_ref(), LogicalPlan::Aggregate(_)) {
            let message = "aggregate functions are not allowed in UPDATE or RETURNING";
            return Err(Error::new(SqlState::GroupingError, message));
        }
        if matches!(input.as_ref(), LogicalPlan::Window(_)) {
            let message = "window functions are not allowed in UPDATE or RETURNING";
            return Err(Error::new(SqlState::WindowingError, message));
        }
        Ok(Rows {
            target,
            alias,
            input,
            items: expr,
        })
    }

    /// The plan that gives the columns `names` these values; the items after the values are RETURNING's.
    fn change(
        self,
        names: &[&str],
        values: Vec<Expr>,
        returning: bool,
        declared: &[Option<SqlType>],
    ) -> Result<BoundModification> {
        let schema = self.target.schema();
        let mut positions = vec![];
        let mut sources = BTreeSet::new();
        for (name, value) in names.iter().zip(&values) {
            positions.push(schema.index_of(name)?);
            columns_read(value, &self.alias, &self.target, &mut sources)?;
        }
        let of_target = |name: &str| Expr::Column(Column::new(Some(self.alias.clone()), name));
        let changed = self.input.schema().columns().into_iter().map(|column| {
            let assigned = names
                .iter()
                .position(|name| *name == column.name && column.relation.as_ref() == Some(&self.alias));
            match assigned {
                Some(position) => values[position]
                    .clone()
                    .alias_qualified(column.relation.clone(), column.name.clone()),
                None => Expr::Column(column),
            }
        });
        let changed: Vec<Expr> = changed.collect();
        let mut shown = vec![lit(0_i32).alias("\u{0}action")];
        let [file, place] = locators(&self.alias);
        shown.extend([file.alias("\u{0}file"), place.alias("\u{0}place")]);
        for (number, name) in names.iter().enumerate() {
            shown.push(of_target(name).alias(format!("\u{0}new {number}")));
        }
        let mut returned = BTreeSet::new();
        let items = self
            .items
            .into_iter()
            .skip(names.len())
            .filter(|item| returning && !is_internal(item));
        for (number, item) in items.enumerate() {
            columns_read(&item, &self.alias, &self.target, &mut returned)?;
            let name = match &item {
                Expr::Column(column) => column.name.clone(),
                other => other.qualified_name().1,
            };
            shown.push(item.unalias().alias(rewrite::numbered_name(&name, number)));
        }
        let input = match names.is_empty() {
            true => LogicalPlanBuilder::from(self.input),
            false => LogicalPlanBuilder::from(self.input).project(changed)?,
        };
        let (plan, parameter_types) = finish(input.project(shown)?.build()?, declared)?;
        Ok(BoundModification {
            plan,
            parameter_types,
            target: self.target,
            actions: vec![match names.is_empty() {
                true => Action::Delete,
                false => Action::Update(positions.clone()),
            }],
            values: positions,
            sources,
            returned,
            returning,
        })
    }
}

/// Names the first relation of FROM, the statement's table, as the target. Answers its alias. Columns that are
/// qualified by the table's whole name get the alias.
fn retarget(query: &mut sql::Query, name: &ObjectName) -> Result<TableReference> {
    let sql::SetExpr::Select(select) = query.body.as_mut() else {
        return Err(Error::internal("the rows of a modification are no SELECT"));
    };
    let Some(sql::TableFactor::Table {
        name: relation,
        alias: Some(alias),
        ..
    }) = select.from.first_mut().map(|table| &mut table.relation)
    else {
        return Err(Error::internal("a modification has no target"));
    };
    *relation = sql::ObjectName(vec![sql::ObjectNamePart::Identifier(sql::Ident::with_quote(
        '"', TARGET,
    ))]);
    let alias = alias.name.clone();
    if name.0.len() > 1 {
        let mut shortener = Shortener {
            name: &name.0,
            alias: alias.clone(),
        };
        let _ = VisitMut::visit(query, &mut shortener);
    }
    Ok(TableReference::bare(alias.value))
}

struct Shortener<'a> {
    name: &'a [String],
    alias: sql::Ident,
}

impl VisitorMut for Shortener<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &mut sql::Expr) -> ControlFlow<()> {
        if let sql::Expr::CompoundIdentifier(parts) = expression
            && parts.len() == self.name.len() + 1
            && parts
                .iter()
                .zip(self.name)
                .all(|(part, name)| crate::binding::names::fold(part) == *name)
        {
            parts.splice(..self.name.len(), [self.alias.clone()]);
        }
        ControlFlow::Continue(())
    }
}
