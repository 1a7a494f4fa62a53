//! JOIN … USING merges each named column into one, which comes first in `*`: the left side's value, the
//! right's for RIGHT, whichever is there for FULL. The planner merges no FULL join, keeps the tables' order in
//! `*`, finds the merged column's bare name ambiguous in WHERE and CASE, and inside a subquery takes it for a column of the
//! query around; so it is written out here where the text tells which relation the column belongs to.

mod alias;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, ExceptSelectItem, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, OrderByKind, Query,
    Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};

use self::alias::JoinName;
pub(super) use self::alias::write_columns;
use super::syntax::{call, folded};
use crate::error::{Error, Result};
use crate::statement::join_alias;

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    match VisitMut::visit(tree, &mut Merger) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Merger;

impl VisitorMut for Merger {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        write_keys(query);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        match merge_columns(select) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// In an expression that orders rows, the merged column of a FULL join is meant, whatever an output is called. A name alone is an
/// output's first.
fn write_keys(query: &mut Query) {
    let Query { body, order_by, .. } = query;
    let SetExpr::Select(select) = body.as_ref() else { return };
    let joins = || select.from.iter().flat_map(|table| &table.joins);
    let is_full = joins().any(|join| matches!(join.join_operator, JoinOperator::FullOuter(JoinConstraint::Using(_))));
    let Some(OrderByKind::Expressions(keys)) = order_by.as_mut().map(|order| &mut order.kind) else {
        return;
    };
    if !is_full || joins().any(is_waiting) {
        return;
    }
    let Some(merged) = Merged::of_all(&select.from) else {
        return;
    };
    for key in keys.iter_mut().filter(|key| !matches!(key.expr, Expr::Identifier(_))) {
        let mut names = Names {
            merged: &merged,
            refuses_subqueries: false,
            depth: 0,
        };
        // Never breaks.
        let _ = VisitMut::visit(&mut key.expr, &mut names);
    }
}

/// Whether the join merges columns that the text does not name, and not as the planner does: it waits until the columns of
/// its sides are known.
pub(in super::super) fn is_waiting(join: &Join) -> bool {
    use JoinOperator::{FullOuter, Right, RightOuter};
    matches!(
        join.join_operator,
        Right(JoinConstraint::Natural) | RightOuter(JoinConstraint::Natural) | FullOuter(JoinConstraint::Natural)
    )
}

/// Merges the columns of the joins of one SELECT.
pub(in super::super) fn merge_columns(select: &mut Select) -> Result<()> {
    let joins = || select.from.iter().flat_map(|table| &table.joins);
    if joins().any(is_waiting) {
        return Ok(());
    }
    let is_full = joins().any(|join| matches!(&join.join_operator, JoinOperator::FullOuter(on) if merges(on)));
    if !is_full && !joins().any(|join| using(join).is_some()) {
        return Ok(());
    }
    let has_wildcard = select
        .projection
        .iter()
        .any(|item| matches!(item, SelectItem::Wildcard(_)));
    let merged = Merged::of_all(&select.from).filter(|merged| merged.tells_all || !has_wildcard);
    let Some(merged) = merged else {
        return match is_full {
            true => Err(refused()),
            false => Ok(()),
        };
    };
    merged.write_wildcards(select, is_full)?;
    merged.write_conditions(select);
    let is_full = is_full || !merged.conditions.is_empty();
    merged.write_names(select, is_full)
}

fn refused() -> Error {
    Error::unsupported("FULL JOIN USING with unnamed relations or subqueries")
}

fn merges(constraint: &JoinConstraint) -> bool {
    matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural)
}

/// The columns that a join merges, and whose value it keeps.
fn using(join: &Join) -> Option<(Vec<Ident>, Kept)> {
    let kept = match &join.join_operator {
        JoinOperator::Join(_) | JoinOperator::Inner(_) => Kept::Equal,
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => Kept::Right,
        JoinOperator::FullOuter(_) => Kept::Either,
        _ => Kept::Left,
    };
    match join_constraint(join)? {
        JoinConstraint::Using(columns) => {
            let columns = columns.iter().filter(|column| join_alias(column).is_none());
            Some((columns.filter_map(column_name).collect(), kept))
        }
        _ => None,
    }
}

/// The name that a join gives its merged columns.
fn name_of(join: &Join) -> Option<&Ident> {
    match join_constraint(join)? {
        JoinConstraint::Using(columns) => columns.iter().find_map(join_alias),
        _ => None,
    }
}

#[derive(Clone, Copy)]
enum Kept {
    /// Both are the same.
    Equal,
    Left,
    Right,
    Either,
}

fn relation_name(factor: &TableFactor) -> Option<Ident> {
    match factor {
        TableFactor::Table { name, alias, .. } => match alias {
            Some(alias) => Some(alias.name.clone()),
            None => name.0.last()?.as_ident().cloned(),
        },
        TableFactor::Derived { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::UNNEST { alias, .. } => alias.as_ref().map(|alias| alias.name.clone()),
        _ => None,
    }
}

fn column_name(name: &ObjectName) -> Option<Ident> {
    name.0.last()?.as_ident().cloned()
}

/// What `*` stands for, in order.
enum Output {
    /// A merged column.
    Column { name: Ident, value: Box<Expr> },
    /// A relation's columns but for the merged ones.
    Rest { relation: Ident, merged: Vec<Ident> },
}

impl Output {
    fn item(&self) -> SelectItem {
        match self {
            Output::Column { name, value } => SelectItem::ExprWithAlias {
                expr: value.as_ref().clone(),
                alias: name.clone(),
            },
            Output::Rest { relation, merged } => SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![relation.clone()])),
                WildcardAdditionalOptions {
                    opt_except: merged.split_first().map(|(first, others)| ExceptSelectItem {
                        first_element: first.clone(),
                        additional_elements: others.to_vec(),
                    }),
                    ..WildcardAdditionalOptions::default()
                },
            ),
        }
    }
}

struct Merged {
    outputs: Vec<Output>,
    /// Of joins, by the places of their table and of their own, whose left side is no column that the planner would find.
    conditions: Vec<((usize, usize), Expr)>,
    /// Of joins whose merged columns have one.
    names: Vec<JoinName>,
    /// Whether each relation's merged columns are known.
    tells_all: bool,
}

impl Merged {
    /// `None` where the text does not tell a merged column's relation.
    fn of_all(tables: &[TableWithJoins]) -> Option<Merged> {
        let mut all = Merged {
            outputs: vec![],
            conditions: vec![],
            names: vec![],
            tells_all: true,
        };
        for (index, table) in tables.iter().enumerate() {
            let merged = Merged::of(table)?;
            all.outputs.extend(merged.outputs);
            all.names.extend(merged.names);
            let conditions = merged.conditions.into_iter();
            all.conditions
                .extend(conditions.map(|((_, place), condition)| ((index, place), condition)));
            all.tells_all &= merged.tells_all;
        }
        Some(all)
    }

    fn of(table: &TableWithJoins) -> Option<Merged> {
        let mut merged = Merged {
            outputs: vec![Output::Rest {
                relation: relation_name(&table.relation)?,
                merged: vec![],
            }],
            conditions: vec![],
            names: vec![],
            tells_all: true,
        };
        for (place, join) in table.joins.iter().enumerate() {
            let relation = relation_name(&join.relation)?;
            let (columns, kept) = match using(join) {
                Some(using) => using,
                None if matches!(&join.join_operator, JoinOperator::CrossJoin(_)) => (vec![], Kept::Equal),
                None => match join_constraint(join)? {
                    JoinConstraint::On(_) => (vec![], Kept::Equal),
                    _ => return None,
                },
            };
            let mut firsts = vec![];
            let mut condition: Option<Expr> = None;
            let mut is_found = true;
            let mut is_known = true;
            for name in &columns {
                // The planner takes the first relation's column; the merged one may be another's, or of several.
                is_found &= !merged.is_merged_elsewhere(name);
                let right = Expr::CompoundIdentifier(vec![relation.clone(), name.clone()]);
                let Some(left) = merged.take(name) else {
                    // The planner looks for the left one.
                    if !matches!(kept, Kept::Equal | Kept::Right) {
                        return None;
                    }
                    is_known = false;
                    let (name, value) = (name.clone(), Box::new(right));
                    firsts.push(Output::Column { name, value });
                    continue;
                };
                let equal = binary(left.clone(), BinaryOperator::Eq, right.clone());
                condition = Some(match condition.take() {
                    Some(others) => binary(others, BinaryOperator::And, equal),
                    None => equal,
                });
                let value = match kept {
                    Kept::Equal | Kept::Left => left,
                    Kept::Right => right,
                    Kept::Either => call("coalesce", vec![left, right]),
                };
                firsts.push(Output::Column {
                    name: name.clone(),
                    value: Box::new(value),
                });
            }
            if !is_found && !is_known {
                return None;
            }
            merged.tells_all &= is_known;
            merged
                .conditions
                .extend(condition.filter(|_| !is_found).map(|condition| ((0, place), condition)));
            if let Some(name) = name_of(join) {
                let columns = firsts.iter().filter_map(|output| match output {
                    Output::Column { name, value } => Some((name.clone(), value.as_ref().clone())),
                    Output::Rest { .. } => None,
                });
                merged.names.push(JoinName {
                    name: name.clone(),
                    columns: columns.collect(),
                });
            }
            firsts.append(&mut merged.outputs);
            firsts.push(Output::Rest {
                relation,
                merged: columns,
            });
            merged.outputs = firsts;
        }
        Some(merged)
    }

    /// Whether earlier joins made a column of something else than the first relation's.
    fn is_merged_elsewhere(&self, column: &Ident) -> bool {
        match self.value(column) {
            Some(Expr::CompoundIdentifier(parts)) => {
                let first = self.outputs.iter().find_map(|output| match output {
                    Output::Rest { relation, .. } => Some(folded(relation)),
                    Output::Column { .. } => None,
                });
                parts.first().map(folded) != first
            }
            Some(_) => true,
            None => false,
        }
    }

    fn write_conditions(&self, select: &mut Select) {
        for ((table, place), condition) in &self.conditions {
            let join = select
                .from
                .get_mut(*table)
                .and_then(|table| table.joins.get_mut(*place));
            if let Some(constraint) = join.and_then(constraint_of) {
                *constraint = JoinConstraint::On(condition.clone());
            }
        }
    }

    /// The left side's value of a column that a join merges now.
    fn take(&mut self, column: &Ident) -> Option<Expr> {
        let earlier = self
            .outputs
            .iter()
            .position(|output| matches!(output, Output::Column { name, .. } if folded(name) == folded(column)));
        if let Some(position) = earlier {
            return match self.outputs.remove(position) {
                Output::Column { value, .. } => Some(*value),
                Output::Rest { .. } => None,
            };
        }
        let mut rests = self.outputs.iter_mut().filter_map(|output| match output {
            Output::Rest { relation, merged } => Some((relation, merged)),
            Output::Column { .. } => None,
        });
        let (relation, merged) = rests.next()?;
        // Of several relations the text does not say which one has the column.
        if rests.next().is_some() {
            return None;
        }
        merged.push(column.clone());
        Some(Expr::CompoundIdentifier(vec![relation.clone(), column.clone()]))
    }

    /// What a bare name stands for; nothing where that is ambiguous.
    fn value(&self, column: &Ident) -> Option<&Expr> {
        let mut values = self.outputs.iter().filter_map(|output| match output {
            Output::Column { name, value } if folded(name) == folded(column) => Some(value.as_ref()),
            _ => None,
        });
        values.next().filter(|_| values.next().is_none())
    }

    fn write_wildcards(&self, select: &mut Select, is_full: bool) -> Result<()> {
        let mut projection = vec![];
        for item in std::mem::take(&mut select.projection) {
            match item {
                SelectItem::Wildcard(options) if options == WildcardAdditionalOptions::default() => {
                    projection.extend(self.outputs.iter().map(Output::item));
                }
                SelectItem::Wildcard(_) if is_full => return Err(refused()),
                other => projection.push(other),
            }
        }
        select.projection = projection;
        Ok(())
    }

    fn write_names(&self, select: &mut Select, is_full: bool) -> Result<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(Expr::Identifier(name)) = item
                && let Some(value) = self.value(name)
            {
                *item = SelectItem::ExprWithAlias {
                    expr: value.clone(),
                    alias: name.clone(),
                };
            }
        }
        let mut names = Names {
            merged: self,
            refuses_subqueries: is_full,
            depth: 0,
        };
        let mut outcomes = vec![
            VisitMut::visit(&mut select.projection, &mut names),
            VisitMut::visit(&mut select.selection, &mut names),
            VisitMut::visit(&mut select.group_by, &mut names),
            VisitMut::visit(&mut select.having, &mut names),
            VisitMut::visit(&mut select.qualify, &mut names),
        ];
        for join in select.from.iter_mut().flat_map(|table| &mut table.joins) {
            outcomes.push(VisitMut::visit(&mut join.join_operator, &mut names));
        }
        match outcomes.iter().any(ControlFlow::is_break) {
            true => Err(refused()),
            false => Ok(()),
        }
    }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}

pub(in super::super) fn constraint_of(join: &mut Join) -> Option<&mut JoinConstraint> {
    match &mut join.join_operator {
        JoinOperator::Join(on)
        | JoinOperator::Inner(on)
        | JoinOperator::Left(on)
        | JoinOperator::LeftOuter(on)
        | JoinOperator::Right(on)
        | JoinOperator::RightOuter(on)
        | JoinOperator::FullOuter(on) => Some(on),
        _ => None,
    }
}

fn join_constraint(join: &Join) -> Option<&JoinConstraint> {
    match &join.join_operator {
        JoinOperator::Join(on)
        | JoinOperator::Inner(on)
        | JoinOperator::Left(on)
        | JoinOperator::LeftOuter(on)
        | JoinOperator::Right(on)
        | JoinOperator::RightOuter(on)
        | JoinOperator::FullOuter(on) => Some(on),
        _ => None,
    }
}

/// Replaces the merged columns' bare names; a subquery might mean other columns by them.
struct Names<'a> {
    merged: &'a Merged,
    refuses_subqueries: bool,
    /// Queries between the SELECT and the expression.
    depth: usize,
}

impl VisitorMut for Names<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = &*expression
            && let Some(value) = self.merged.value(name)
        {
            match self.depth {
                0 => *expression = value.clone(),
                _ if self.refuses_subqueries => return ControlFlow::Break(()),
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}
