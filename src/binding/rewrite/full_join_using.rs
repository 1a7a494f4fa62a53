//! FULL JOIN … USING merges each named column: the left side's value, or the right's where that is
//! missing. The planner would show the left side's alone, so it is refused where it is not written out
//! here: anything but one join of two named relations.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ExceptSelectItem, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, TableFactor, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::syntax::{call, folded};
use crate::error::{Error, Result};

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    match VisitMut::visit(tree, &mut Merger) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Merger;

impl VisitorMut for Merger {
    type Break = Error;

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        match merge(select) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn is_merging(join: &Join) -> bool {
    matches!(
        join.join_operator,
        JoinOperator::FullOuter(JoinConstraint::Using(_) | JoinConstraint::Natural)
    )
}

fn merge(select: &mut Select) -> Result<()> {
    let refused = || Error::unsupported("FULL JOIN USING with other joins, unnamed relations or subqueries");
    let mut tables = select.from.iter();
    if !tables.any(|table| table.joins.iter().any(is_merging)) {
        return Ok(());
    }
    let [table] = select.from.as_slice() else {
        return Err(refused());
    };
    let [join] = table.joins.as_slice() else {
        return Err(refused());
    };
    let JoinOperator::FullOuter(JoinConstraint::Using(columns)) = &join.join_operator else {
        return Err(refused());
    };
    let left = relation_name(&table.relation).ok_or_else(refused)?;
    let right = relation_name(&join.relation).ok_or_else(refused)?;
    let merged = Merged {
        columns: columns.iter().filter_map(column_name).collect(),
        left,
        right,
    };
    let mut projection = vec![];
    for item in std::mem::take(&mut select.projection) {
        match item {
            SelectItem::Wildcard(options) if options == WildcardAdditionalOptions::default() => {
                projection.extend(merged.columns.iter().map(|column| merged.named(column)));
                projection.push(merged.rest_of(&merged.left));
                projection.push(merged.rest_of(&merged.right));
            }
            SelectItem::Wildcard(_) => return Err(refused()),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) if merged.has(&name) => {
                projection.push(merged.named(&name));
            }
            other => projection.push(other),
        }
    }
    select.projection = projection;
    let mut replace = Replace(&merged);
    let outcome = [
        VisitMut::visit(&mut select.projection, &mut replace),
        VisitMut::visit(&mut select.selection, &mut replace),
        VisitMut::visit(&mut select.group_by, &mut replace),
        VisitMut::visit(&mut select.having, &mut replace),
    ];
    match outcome.iter().any(ControlFlow::is_break) {
        true => Err(refused()),
        false => Ok(()),
    }
}

fn relation_name(factor: &TableFactor) -> Option<Ident> {
    match factor {
        TableFactor::Table { name, alias, .. } => match alias {
            Some(alias) => Some(alias.name.clone()),
            None => name.0.last()?.as_ident().cloned(),
        },
        TableFactor::Derived { alias, .. } => alias.as_ref().map(|alias| alias.name.clone()),
        _ => None,
    }
}

fn column_name(name: &ObjectName) -> Option<Ident> {
    name.0.last()?.as_ident().cloned()
}

struct Merged {
    columns: Vec<Ident>,
    left: Ident,
    right: Ident,
}

impl Merged {
    fn has(&self, name: &Ident) -> bool {
        self.columns.iter().any(|column| folded(column) == folded(name))
    }

    fn value(&self, column: &Ident) -> Expr {
        let of = |relation: &Ident| Expr::CompoundIdentifier(vec![relation.clone(), column.clone()]);
        call("coalesce", vec![of(&self.left), of(&self.right)])
    }

    fn named(&self, column: &Ident) -> SelectItem {
        SelectItem::ExprWithAlias {
            expr: self.value(column),
            alias: column.clone(),
        }
    }

    /// The relation's other columns.
    fn rest_of(&self, relation: &Ident) -> SelectItem {
        let (first, others) = match self.columns.split_first() {
            Some((first, others)) => (first.clone(), others.to_vec()),
            None => (relation.clone(), vec![]),
        };
        SelectItem::QualifiedWildcard(
            SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![relation.clone()])),
            WildcardAdditionalOptions {
                opt_except: Some(ExceptSelectItem {
                    first_element: first,
                    additional_elements: others,
                }),
                ..WildcardAdditionalOptions::default()
            },
        )
    }
}

/// Replaces the merged columns' bare names; a subquery might mean other columns by them.
struct Replace<'a>(&'a Merged);

impl VisitorMut for Replace<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        ControlFlow::Break(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = &*expression
            && self.0.has(name)
        {
            *expression = self.0.value(name);
        }
        ControlFlow::Continue(())
    }
}
