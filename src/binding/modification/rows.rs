//! The query of a modification's rows, planned: its relations with their condition, and its items apart.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, TableSource};
use datafusion::sql::sqlparser::ast::{self as sql, VisitMut, VisitorMut};

use super::TARGET;
use crate::binding::scope::LoadedRelation;
use crate::binding::system_columns::{self, Relation};
use crate::binding::{BindingServices, BoundTable, ColumnSource, Rights, relations, rewrite, stored_expression};
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::ObjectName;
use crate::types::SqlType;

/// The rows of a modification before anything changes.
pub(super) struct Rows {
    pub target: Arc<BoundTable>,
    /// What the statement calls the target.
    pub alias: TableReference,
    pub input: LogicalPlan,
    /// The select list.
    pub items: Vec<Expr>,
    /// Of each item.
    pub sources: Vec<ColumnSource>,
    /// The target's generated columns, computed from its row.
    pub generated: Vec<(usize, Expr)>,
}

/// A relation that is not the catalog's.
pub(super) type OwnSource = (&'static str, Arc<dyn TableSource>);

impl Rows {
    /// Plans `query`, in which the target is already called TARGET under `alias`.
    pub async fn plan(
        services: &BindingServices,
        context: &QueryContext,
        target: Arc<BoundTable>,
        alias: TableReference,
        mut query: sql::Query,
        source: Option<OwnSource>,
        declared: &[Option<SqlType>],
    ) -> Result<Rows> {
        // The session knows its cursors; only of a statement by itself it has said which row is meant.
        if crate::statement::current_of(&query).is_some() {
            return Err(Error::unsupported("WHERE CURRENT OF inside of another statement"));
        }
        rewrite::rewrite(&mut query)?;
        let own_relations = own_relations(&target, source.as_ref());
        let rights = Rights::of_statement(context);
        let mut scope = relations::load_beside(services, context, &mut query, rights, 0, &own_relations).await?;
        let named = system_columns::marked(&query, TARGET);
        let target = match named.as_deref().and_then(|name| system_columns::split(name).1) {
            Some(system) => Arc::new(Arc::unwrap_or_clone(target).with_system_columns(&system)),
            None => target,
        };
        let relation = match &target.view {
            Some(view) => Arc::clone(&view.source),
            None => provider_as_source(Arc::clone(&target) as Arc<dyn TableProvider>),
        };
        let own = |source| match target.view {
            Some(_) => LoadedRelation::computed(source),
            None => LoadedRelation::new(source, None, target.table.id, target.column_numbers()),
        };
        scope.add_relation(named.unwrap_or_else(|| vec![TARGET.to_string()]), own(relation));
        if let Some((name, source)) = source {
            scope.add_relation(vec![name.to_string()], own(source));
        }
        let (plan, sources) = scope.plan_statement(query, declared, false)?;
        let LogicalPlan::Projection(Projection { expr, input, .. }) = plan else {
            return Err(Error::internal("the rows of a modification are no projection"));
        };
        match input.as_ref() {
            LogicalPlan::Aggregate(_) => {
                let message = "aggregate functions are not allowed here";
                return Err(Error::new(SqlState::GroupingError, message));
            }
            LogicalPlan::Window(_) => {
                let message = "window functions are not allowed here";
                return Err(Error::new(SqlState::WindowingError, message));
            }
            _ => {}
        }
        let (table, row) = (target.shown_table(), target.shown_schema());
        let generated = stored_expression::bind_generated(services, context, table, &row, Some(&alias)).await?;
        Ok(Rows {
            generated,
            target,
            alias,
            input: Arc::unwrap_or_clone(input),
            items: expr,
            sources,
        })
    }
}

/// What the statement's own relations are for who looks for names in its text.
fn own_relations(target: &BoundTable, source: Option<&OwnSource>) -> Vec<(&'static str, Relation)> {
    let names = |schema: SchemaRef| schema.fields().iter().map(|field| field.name().clone()).collect();
    let columns = names(target.shown_schema());
    let target = match target.view {
        Some(_) => Relation::Other(columns),
        None => Relation::Table(columns),
    };
    let source = source.map(|(name, source)| (*name, Relation::Other(names(source.schema()))));
    std::iter::once((TARGET, target)).chain(source).collect()
}

/// The first relation of FROM, which is an UPDATE's or DELETE's table.
pub(super) fn first_relation(query: &mut sql::Query) -> Result<&mut sql::TableFactor> {
    let first = match query.body.as_mut() {
        sql::SetExpr::Select(select) => select.from.first_mut(),
        _ => None,
    };
    first
        .map(|table| &mut table.relation)
        .ok_or_else(|| Error::internal("a modification has no relation"))
}

/// The relation that is joined to the first one, which is a MERGE's table.
pub(super) fn joined_relation(query: &mut sql::Query) -> Result<&mut sql::TableFactor> {
    let first = match query.body.as_mut() {
        sql::SetExpr::Select(select) => select.from.first_mut(),
        _ => None,
    };
    first
        .and_then(|table| table.joins.first_mut())
        .map(|join| &mut join.relation)
        .ok_or_else(|| Error::internal("a modification has no target"))
}

/// Names a relation as the target. Answers its alias.
pub(super) fn retarget(relation: &mut sql::TableFactor) -> Result<sql::Ident> {
    let sql::TableFactor::Table {
        name,
        alias: Some(alias),
        ..
    } = relation
    else {
        return Err(Error::internal("a modification's target is no table"));
    };
    *name = sql::ObjectName(vec![sql::ObjectNamePart::Identifier(sql::Ident::with_quote(
        '"', TARGET,
    ))]);
    Ok(alias.name.clone())
}

/// Gives columns that are qualified by the table's whole name the alias.
pub(super) fn shorten(query: &mut sql::Query, name: &ObjectName, alias: &sql::Ident) {
    if name.0.len() > 1 {
        let mut shortener = Shortener {
            name: &name.0,
            alias: alias.clone(),
        };
        let _ = VisitMut::visit(query, &mut shortener);
    }
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

/// The select list of a query.
pub(super) fn items(query: &sql::Query) -> &[sql::SelectItem] {
    match query.body.as_ref() {
        sql::SetExpr::Select(select) => &select.projection,
        _ => &[],
    }
}
