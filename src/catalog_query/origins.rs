//! Which column of a system relation each column of an analyzed query is, by the rules of `binding/origins`.

use super::from_clause::SYSTEM_COLUMNS;
use super::node::{ItemKind, Kind, Query, QueryBody};
use crate::binding::ColumnOrigin;

/// PostgreSQL's numbers of the columns that every relation has, in the order of `SYSTEM_COLUMNS`.
const SYSTEM_NUMBERS: [i16; SYSTEM_COLUMNS.len()] = [-6, -2, -4, -1, -3, -5];

/// The origin of the column at `index`.
pub(super) fn origin(query: &Query, index: usize) -> Option<ColumnOrigin> {
    let QueryBody::Select(select) = &query.body else {
        return None;
    };
    let Kind::Column { depth: 0, item, column } = select.targets.get(index)?.kind else {
        return None;
    };
    match &select.items.get(item)?.kind {
        ItemKind::Relation(relation) => {
            let number = match column.checked_sub(relation.columns.len()) {
                None => i16::try_from(column + 1).ok(),
                Some(system) => SYSTEM_NUMBERS.get(system).copied(),
            };
            let relation = relation.oid;
            number.map(|column| ColumnOrigin { relation, column })
        }
        ItemKind::Query(query) | ItemKind::Shared(query) => origin(query, column),
        ItemKind::Working(_) | ItemKind::Functions { .. } => None,
    }
}
