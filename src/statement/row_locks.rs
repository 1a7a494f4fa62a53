//! FOR UPDATE and FOR SHARE: which tables a query locks, and where PostgreSQL refuses to. The clauses of all its
//! subqueries go to the whole query, one for each table, so that nobody has to look for them again.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    GroupByExpr, Ident, LockClause, LockType, NonBlock, ObjectName, Query, Select, SetExpr, TableFactor,
    TableWithJoins, VisitMut, VisitorMut,
};

use crate::error::{Error, Result, SqlState};

/// Moves the clauses of a query and its subqueries to the query, with the tables' names in OF.
pub(super) fn gather(query: &mut Query) -> Result<()> {
    let mut gatherer = Gatherer::default();
    if let ControlFlow::Break(error) = VisitMut::visit(query, &mut gatherer) {
        return Err(error);
    }
    let is_table = |lock: &LockClause| match &lock.of {
        Some(name) => name.0.len() > 1 || !gatherer.with_names.contains(&name.to_string()),
        None => false,
    };
    query.locks = gatherer.locks.into_iter().filter(is_table).collect();
    Ok(())
}

#[derive(Default)]
struct Gatherer {
    locks: Vec<LockClause>,
    /// Names of WITH, which are no tables.
    with_names: HashSet<String>,
}

impl VisitorMut for Gatherer {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        self.with_names.extend(with.map(|table| table.alias.name.to_string()));
        for lock in std::mem::take(&mut query.locks) {
            match locked(&query.body, &lock) {
                Ok(locks) => self.locks.extend(locks),
                Err(error) => return ControlFlow::Break(error),
            }
        }
        ControlFlow::Continue(())
    }
}

/// A clause for each table that this one locks.
fn locked(body: &SetExpr, lock: &LockClause) -> Result<Vec<LockClause>> {
    let strength = match lock.lock_type {
        LockType::Update => "FOR UPDATE",
        LockType::Share => "FOR SHARE",
    };
    let select = lockable(body, strength)?;
    let mut tables = vec![];
    for table in &select.from {
        relations(table, strength, &mut tables)?;
    }
    if let Some(wanted) = &lock.of {
        tables.retain(|(alias, _)| alias.as_ref().is_some_and(|alias| alias.value == wanted.to_string()));
        if tables.is_empty() {
            let message = format!("relation \"{wanted}\" in {strength} clause not found in FROM clause");
            return Err(Error::new(SqlState::UndefinedTable, message));
        }
    }
    let clauses = tables.into_iter().map(|(_, name)| LockClause {
        lock_type: lock.lock_type,
        of: Some(name),
        nonblock: match lock.nonblock {
            Some(NonBlock::Nowait) => Some(NonBlock::Nowait),
            Some(NonBlock::SkipLocked) => Some(NonBlock::SkipLocked),
            None => None,
        },
    });
    Ok(clauses.collect())
}

/// The SELECT whose rows are rows of its tables.
fn lockable<'a>(body: &'a SetExpr, strength: &str) -> Result<&'a Select> {
    let refused = |what: &str| {
        let message = format!("{strength} is not allowed with {what}");
        Err(Error::new(SqlState::FeatureNotSupported, message))
    };
    match body {
        SetExpr::Select(select) if select.distinct.is_some() => refused("DISTINCT clause"),
        SetExpr::Select(select) if !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty()) => {
            refused("GROUP BY clause")
        }
        SetExpr::Select(select) if select.having.is_some() => refused("HAVING clause"),
        SetExpr::Select(select) => Ok(select),
        SetExpr::Query(query) => lockable(&query.body, strength),
        SetExpr::Values(_) => {
            let message = format!("{strength} cannot be applied to VALUES");
            Err(Error::new(SqlState::FeatureNotSupported, message))
        }
        _ => refused("UNION/INTERSECT/EXCEPT"),
    }
}

/// The tables of a FROM item, each with what the query calls it.
fn relations(table: &TableWithJoins, strength: &str, found: &mut Vec<(Option<Ident>, ObjectName)>) -> Result<()> {
    for factor in std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)) {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => {
                let last = name.0.last().and_then(|part| part.as_ident()).cloned();
                found.push((alias.as_ref().map(|alias| alias.name.clone()).or(last), name.clone()));
            }
            TableFactor::Derived { subquery, alias, .. } => {
                // A subquery without rows of tables has none to lock.
                let Ok(select) = lockable(&subquery.body, strength) else {
                    continue;
                };
                let mut inner = vec![];
                for table in &select.from {
                    relations(table, strength, &mut inner)?;
                }
                let alias = alias.as_ref().map(|alias| alias.name.clone());
                found.extend(inner.into_iter().map(|(_, name)| (alias.clone(), name)));
            }
            TableFactor::NestedJoin { table_with_joins, .. } => relations(table_with_joins, strength, found)?,
            _ => {}
        }
    }
    Ok(())
}
