//! `JOIN … USING (…) AS j`: the name stands for a relation of the merged columns alone. They are written as what they merge.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, OrderBy, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

use super::super::syntax::folded;
use super::{Merged, constraint_of, join_constraint, relation_name};
use crate::error::{Error, Result, SqlState};
use crate::statement::join_alias;

/// The merged columns that a join's name stands for.
pub(super) struct JoinName {
    pub name: Ident,
    pub columns: Vec<(Ident, Expr)>,
}

/// Writes out the columns of joins that have a name.
pub(in super::super) fn write_columns(tree: &mut impl VisitMut) -> Result<()> {
    struct Selects;
    impl VisitorMut for Selects {
        type Break = Error;

        /// ORDER BY sees the joins of the one SELECT below it.
        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
            let Query { body, order_by, .. } = query;
            match body.as_mut() {
                SetExpr::Select(select) => flow(write_select(select, order_by.as_mut())),
                _ => ControlFlow::Continue(()),
            }
        }

        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
            flow(write_select(select, None))
        }
    }
    match VisitMut::visit(tree, &mut Selects) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn flow(outcome: Result<()>) -> ControlFlow<Error> {
    match outcome {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

fn write_select(select: &mut Select, order_by: Option<&mut OrderBy>) -> Result<()> {
    if !select.from.iter().any(has_name) {
        return Ok(());
    }
    let names = match Merged::of_all(&select.from) {
        Some(merged) => merged.names,
        None => return Err(refused()),
    };
    check_once(&names, &select.from)?;
    for join in select.from.iter_mut().flat_map(|table| &mut table.joins) {
        if let Some(JoinConstraint::Using(columns)) = constraint_of(join) {
            columns.retain(|column| join_alias(column).is_none());
        }
    }
    write_outputs(select, &names)?;
    let mut columns = Columns {
        names: &names,
        queries: vec![],
    };
    if let ControlFlow::Break(error) = VisitMut::visit(select, &mut columns) {
        return Err(error);
    }
    columns.queries.push(vec![]);
    match order_by.map(|order_by| VisitMut::visit(order_by, &mut columns)) {
        Some(ControlFlow::Break(error)) => Err(error),
        _ => Ok(()),
    }
}

fn refused() -> Error {
    Error::unsupported("JOIN … USING … AS where the query does not tell which relations have the columns")
}

fn has_name(table: &TableWithJoins) -> bool {
    let joined = table.joins.iter().map(|join| &join.relation);
    let is_nested = std::iter::once(&table.relation)
        .chain(joined)
        .any(|factor| match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => has_name(table_with_joins),
            _ => false,
        });
    is_nested
        || table.joins.iter().any(|join| {
            matches!(join_constraint(join), Some(JoinConstraint::Using(columns))
                if columns.iter().any(|column| join_alias(column).is_some()))
        })
}

/// 42712 where two relations would have one name.
fn check_once(names: &[JoinName], from: &[TableWithJoins]) -> Result<()> {
    let mut known = relation_names(from);
    for name in names {
        let name = folded(&name.name);
        if known.contains(&name) {
            let message = format!("table name \"{name}\" specified more than once");
            return Err(Error::new(SqlState::DuplicateAlias, message));
        }
        known.push(name);
    }
    Ok(())
}

fn relation_names(from: &[TableWithJoins]) -> Vec<String> {
    let factors = from
        .iter()
        .flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)));
    factors.filter_map(relation_name).map(|name| folded(&name)).collect()
}

/// `j.*`, and the names of outputs that will not be columns any more.
fn write_outputs(select: &mut Select, names: &[JoinName]) -> Result<()> {
    let mut projection = vec![];
    for item in std::mem::take(&mut select.projection) {
        match item {
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(relation), options) => {
                let own = match relation.0.as_slice() {
                    [only] => only.as_ident().and_then(|relation| named(names, relation)),
                    _ => None,
                };
                match own {
                    Some(own) => projection.extend(own.columns.iter().map(|(name, value)| SelectItem::ExprWithAlias {
                        expr: value.clone(),
                        alias: name.clone(),
                    })),
                    None => projection.push(SelectItem::QualifiedWildcard(
                        SelectItemQualifiedWildcardKind::ObjectName(relation),
                        options,
                    )),
                }
            }
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                projection.push(match (parts.as_slice(), column(names, &parts)?) {
                    ([_, alias], Some(expr)) => SelectItem::ExprWithAlias {
                        expr,
                        alias: alias.clone(),
                    },
                    _ => SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)),
                });
            }
            other => projection.push(other),
        }
    }
    select.projection = projection;
    Ok(())
}

fn named<'a>(names: &'a [JoinName], relation: &Ident) -> Option<&'a JoinName> {
    let relation = folded(relation);
    names.iter().find(|known| folded(&known.name) == relation)
}

/// What `j.x` stands for; `None` where `j` is no join's name, 42703 where it has no such column.
fn column(names: &[JoinName], parts: &[Ident]) -> Result<Option<Expr>> {
    let [relation, name] = parts else { return Ok(None) };
    let Some(known) = named(names, relation) else {
        return Ok(None);
    };
    let wanted = folded(name);
    match known.columns.iter().find(|(name, _)| folded(name) == wanted) {
        Some((_, value)) => Ok(Some(value.clone())),
        None => {
            let message = format!("column {}.{wanted} does not exist", folded(relation));
            Err(Error::new(SqlState::UndefinedColumn, message))
        }
    }
}

/// Replaces the columns of joins' names, in subqueries too as long as their own relations have other names.
struct Columns<'a> {
    names: &'a [JoinName],
    /// The relations of the SELECTs around the expression; the outermost is the joins' own.
    queries: Vec<Vec<String>>,
}

impl VisitorMut for Columns<'_> {
    type Break = Error;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        self.queries.push(relation_names(&select.from));
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<Error> {
        self.queries.pop();
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        let Expr::CompoundIdentifier(parts) = &*expression else {
            return ControlFlow::Continue(());
        };
        let inner = || self.queries.iter().skip(1).flatten();
        if parts
            .first()
            .is_some_and(|relation| inner().any(|name| *name == folded(relation)))
        {
            return ControlFlow::Continue(());
        }
        match column(self.names, parts) {
            // Its relations' names mean others there.
            Ok(Some(value))
                if relations_of(&value)
                    .iter()
                    .any(|relation| inner().any(|name| name == relation)) =>
            {
                ControlFlow::Break(refused())
            }
            Ok(Some(value)) => {
                *expression = value;
                ControlFlow::Continue(())
            }
            Ok(None) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// The relations whose columns a merged column is made of.
fn relations_of(value: &Expr) -> Vec<String> {
    struct Relations(Vec<String>);
    impl VisitorMut for Relations {
        type Break = ();
        fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
            if let Expr::CompoundIdentifier(parts) = expression {
                self.0.extend(parts.first().map(folded));
            }
            ControlFlow::Continue(())
        }
    }
    let mut relations = Relations(vec![]);
    // Never breaks.
    let _ = VisitMut::visit(&mut value.clone(), &mut relations);
    relations.0
}
