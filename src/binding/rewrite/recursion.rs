//! Where a query of WITH RECURSIVE may read itself, by PostgreSQL's rules: once, in the second part of its UNION, and
//! where each row found leads to others by itself. Queries that others of their WITH need are put before these.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, Cte, DataType, Expr, Ident, Join, JoinOperator, LimitClause, ObjectName, Query, Select, SelectItem,
    SetExpr, SetOperator, SetQuantifier, TableFactor, TableWithJoins, Value, Visit, VisitMut, Visitor, VisitorMut,
    With,
};

use super::super::relations::parse_query;
use super::aggregates::is_aggregate;
use super::syntax::{folded, system_name, take};
use crate::error::{Error, Result, SqlState};
use crate::statement::change_own_expressions;

pub(super) fn check(tree: &mut impl VisitMut) -> Result<()> {
    struct Queries;
    impl VisitorMut for Queries {
        type Break = Error;
        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
            let checked = match &mut query.with {
                Some(with) if with.recursive => in_order(with).and_then(|()| check_with(with)),
                _ => Ok(()),
            };
            match checked {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    match VisitMut::visit(tree, &mut Queries) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Puts `OFFSET 0` over the second term of each query that reads itself. The planner casts its columns to the types of the
/// first term's; above this mark its casts are told from those that somebody wrote.
pub(super) fn mark(tree: &mut impl VisitMut) -> Result<()> {
    struct Queries;
    impl VisitorMut for Queries {
        type Break = Error;
        fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
            let Some(with) = query.with.as_mut().filter(|with| with.recursive) else {
                return ControlFlow::Continue(());
            };
            for part in &mut with.cte_tables {
                if let Err(error) = mark_second_term(part) {
                    return ControlFlow::Break(error);
                }
            }
            ControlFlow::Continue(())
        }
    }
    match VisitMut::visit(tree, &mut Queries) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn mark_second_term(part: &mut Cte) -> Result<()> {
    let name = folded(&part.alias.name);
    if let SetExpr::SetOperation {
        op: SetOperator::Union,
        left,
        right,
        ..
    } = part.query.body.as_mut()
        && reads(right.as_ref(), &name)
    {
        type_nulls(left);
        let mut marked = parse_query("SELECT 1 OFFSET 0")?;
        std::mem::swap(&mut marked.body, right);
        **right = SetExpr::Query(Box::new(marked));
    }
    Ok(())
}

/// A NULL of the first term is a text: nothing else gives it a type.
fn type_nulls(first_term: &mut SetExpr) {
    let SetExpr::Select(select) = first_term else { return };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. } = item
            && matches!(expression, Expr::Value(value) if value.value == Value::Null)
        {
            *expression = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(take(expression)),
                data_type: DataType::Text,
                array: false,
                format: None,
            };
        }
    }
}

/// Whether a part of a query reads the relation of WITH, and not another one of its name.
pub(super) fn reads(part: &impl Visit, name: &str) -> bool {
    let mut reads = Reads {
        name,
        hidden: 0,
        found: false,
    };
    // Never breaks.
    let _ = part.visit(&mut reads);
    reads.found
}

struct Reads<'a> {
    name: &'a str,
    /// Queries around the part whose WITH has the name, too.
    hidden: usize,
    found: bool,
}

impl Visitor for Reads<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.hidden += usize::from(defines(query, self.name));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.hidden -= usize::from(defines(query, self.name));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        self.found |= self.hidden == 0 && reference(factor, self.name).is_some();
        ControlFlow::Continue(())
    }
}

fn defines(query: &Query, name: &str) -> bool {
    let parts = query.with.iter().flat_map(|with| &with.cte_tables);
    parts.into_iter().any(|part| folded(&part.alias.name) == name)
}

/// The name by which an item of FROM reads the relation.
fn reference<'a>(factor: &'a TableFactor, name: &str) -> Option<&'a Ident> {
    let TableFactor::Table {
        name: ObjectName(parts),
        args: None,
        ..
    } = factor
    else {
        return None;
    };
    match parts.as_slice() {
        [only] => only.as_ident().filter(|only| folded(only) == name),
        _ => None,
    }
}

/// Puts each query behind those that it reads.
fn in_order(with: &mut With) -> Result<()> {
    let parts = with.cte_tables.drain(..);
    let mut waiting: Vec<(String, Cte)> = parts.map(|part| (folded(&part.alias.name), part)).collect();
    while !waiting.is_empty() {
        let is_ready = |(name, part): &(String, Cte)| {
            let mut others = waiting.iter().filter(|(other, _)| other != name);
            !others.any(|(other, _)| reads(part.query.as_ref(), other))
        };
        let Some(ready) = waiting.iter().position(is_ready) else {
            let message = "mutual recursion between WITH items is not implemented";
            let error = Error::new(SqlState::FeatureNotSupported, message);
            return Err(at(error, &waiting[0].1.alias.name));
        };
        with.cte_tables.push(waiting.remove(ready).1);
    }
    Ok(())
}

fn check_with(with: &With) -> Result<()> {
    let mut recursive = with.cte_tables.iter().filter(|part| {
        let name = folded(&part.alias.name);
        !defines(&part.query, &name) && reads(part.query.as_ref(), &name)
    });
    recursive.try_for_each(check_query)
}

/// A query that reads itself.
fn check_query(part: &Cte) -> Result<()> {
    let name = folded(&part.alias.name);
    let query = part.query.as_ref();
    let SetExpr::SetOperation {
        op: SetOperator::Union,
        left,
        right,
        ..
    } = query.body.as_ref()
    else {
        let message =
            format!("recursive query \"{name}\" does not have the form non-recursive-term UNION [ALL] recursive-term");
        return Err(at(Error::new(SqlState::InvalidRecursion, message), &part.alias.name));
    };
    let mut walk = Walk { name: &name, found: 0 };
    walk.body(left, Place::FirstTerm)?;
    walk.body(right, Place::Allowed)?;
    for inner in query.with.iter().flat_map(|with| &with.cte_tables) {
        walk.query(&inner.query, Place::Subquery)?;
    }
    let refused = if query.order_by.is_some() {
        "ORDER BY"
    } else if has_offset(query) {
        "OFFSET"
    } else if query.limit_clause.is_some() || query.fetch.is_some() {
        "LIMIT"
    } else if !query.locks.is_empty() {
        "FOR UPDATE/SHARE"
    } else {
        return Ok(());
    };
    let message = format!("{refused} in a recursive query is not implemented");
    Err(Error::new(SqlState::FeatureNotSupported, message))
}

fn has_offset(query: &Query) -> bool {
    matches!(
        &query.limit_clause,
        Some(LimitClause::LimitOffset { offset: Some(_), .. })
    )
}

fn at(error: Error, name: &Ident) -> Error {
    match name.span.start.column {
        // Not of the client's text.
        0 => error,
        position => error.at(position as usize),
    }
}

/// Where a part of the query stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Allowed,
    FirstTerm,
    Subquery,
    OuterJoin,
    Intersect,
    Except,
}

impl Place {
    fn described(self) -> &'static str {
        match self {
            Place::Allowed => "more than once",
            Place::FirstTerm => "within its non-recursive term",
            Place::Subquery => "within a subquery",
            Place::OuterJoin => "within an outer join",
            Place::Intersect => "within INTERSECT",
            Place::Except => "within EXCEPT",
        }
    }

    /// The place of what stands below another one.
    fn within(self, inner: Place) -> Place {
        match self {
            Place::Allowed => inner,
            outer => outer,
        }
    }
}

/// Looks for the places where a query reads itself.
struct Walk<'a> {
    name: &'a str,
    found: usize,
}

impl Walk<'_> {
    fn query(&mut self, query: &Query, place: Place) -> Result<()> {
        for part in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.query(&part.query, place)?;
        }
        if defines(query, self.name) {
            return Ok(());
        }
        self.body(&query.body, place)?;
        self.expressions(&query.order_by, place)?;
        self.expressions(&query.limit_clause, place)
    }

    fn body(&mut self, body: &SetExpr, place: Place) -> Result<()> {
        match body {
            SetExpr::Select(select) => self.select(select, place),
            SetExpr::Query(query) => self.query(query, place),
            SetExpr::SetOperation {
                op,
                left,
                right,
                set_quantifier,
            } => {
                let all = *set_quantifier == SetQuantifier::All;
                let (first, second) = match op {
                    SetOperator::Intersect if all => (Place::Intersect, Place::Intersect),
                    SetOperator::Except if all => (Place::Except, Place::Except),
                    SetOperator::Except => (Place::Allowed, Place::Except),
                    _ => (Place::Allowed, Place::Allowed),
                };
                self.body(left, place.within(first))?;
                self.body(right, place.within(second))
            }
            other => self.expressions(other, place),
        }
    }

    fn select(&mut self, select: &Select, place: Place) -> Result<()> {
        for table in &select.from {
            self.table(table, place)?;
        }
        if select.from.iter().any(|table| self.is_read_by(table)) {
            self.refuse_aggregates(select)?;
        }
        let mut rest = select.clone();
        rest.from.clear();
        self.expressions(&rest, place)
    }

    fn table(&mut self, table: &TableWithJoins, place: Place) -> Result<()> {
        // A join makes up rows of all that stands before it.
        let after = |joins: &[Join]| {
            joins.iter().any(|join| {
                matches!(
                    join.join_operator,
                    JoinOperator::Right(_) | JoinOperator::RightOuter(_) | JoinOperator::FullOuter(_)
                )
            })
        };
        let preserved = |is_preserved: bool| match is_preserved {
            true => place,
            false => place.within(Place::OuterJoin),
        };
        self.factor(&table.relation, preserved(!after(&table.joins)))?;
        for (index, join) in table.joins.iter().enumerate() {
            let made_up = matches!(
                join.join_operator,
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) | JoinOperator::FullOuter(_)
            );
            self.factor(&join.relation, preserved(!made_up && !after(&table.joins[index + 1..])))?;
            self.expressions(&join.join_operator, place)?;
        }
        Ok(())
    }

    fn factor(&mut self, factor: &TableFactor, place: Place) -> Result<()> {
        match factor {
            TableFactor::Derived { subquery, .. } => self.query(subquery, place),
            TableFactor::NestedJoin { table_with_joins, .. } => self.table(table_with_joins, place),
            TableFactor::Table { args: None, .. } => match reference(factor, self.name) {
                None => Ok(()),
                Some(name) => {
                    self.found += 1;
                    match place == Place::Allowed && self.found == 1 {
                        true => Ok(()),
                        false => Err(self.refused(place, name)),
                    }
                }
            },
            other => self.expressions(other, place),
        }
    }

    /// Parts whose queries are subqueries.
    fn expressions(&self, part: &impl Visit, place: Place) -> Result<()> {
        match reads(part, self.name) {
            false => Ok(()),
            true => Err(self.refused(place.within(Place::Subquery), &Ident::new(self.name))),
        }
    }

    fn refused(&self, place: Place, name: &Ident) -> Error {
        let message = format!(
            "recursive reference to query \"{}\" must not appear {}",
            self.name,
            place.described()
        );
        at(Error::new(SqlState::InvalidRecursion, message), name)
    }

    fn is_read_by(&self, table: &TableWithJoins) -> bool {
        let joined = table.joins.iter().map(|join| &join.relation);
        std::iter::once(&table.relation)
            .chain(joined)
            .any(|factor| match factor {
                TableFactor::NestedJoin { table_with_joins, .. } => self.is_read_by(table_with_joins),
                factor => reference(factor, self.name).is_some(),
            })
    }

    /// Rows come a few at a time, so none of these can be known.
    fn refuse_aggregates(&self, select: &Select) -> Result<()> {
        let mut found = None;
        let mut own = select.clone();
        own.from.clear();
        change_own_expressions(&mut own, |expression| {
            if let Expr::Function(function) = expression
                && function.over.is_none()
                && system_name(&function.name).is_some_and(|name| is_aggregate(&name))
            {
                found = found.take().or_else(|| function.name.0.first()?.as_ident().cloned());
            }
        });
        let Some(name) = found else { return Ok(()) };
        let message = "aggregate functions are not allowed in a recursive query's recursive term";
        Err(at(Error::new(SqlState::InvalidRecursion, message), &name))
    }
}
