//! What a grouped query may name: its keys, aggregates, and columns that its keys determine.

use super::node::{Item, ItemKind, Kind, Node};
use super::reads::for_each_child;
use crate::error::{Error, Result, SqlState};

/// Whether two nodes are the same expression.
pub(super) fn same(left: &Node, right: &Node) -> bool {
    left.ty == right.ty && format!("{:?}", left.kind) == format!("{:?}", right.kind)
}

/// 42803 for a column that is neither grouped nor aggregated.
pub(super) fn check(node: &Node, keys: &[Node], items: &[Item]) -> Result<()> {
    if keys.iter().any(|key| same(key, node)) {
        return Ok(());
    }
    if let Kind::Column { depth: 0, item, column } = &node.kind
        && let Some(read) = items.get(*item)
    {
        if is_determined(*item, read, keys) {
            return Ok(());
        }
        let name = match &read.kind {
            ItemKind::Relation(relation) => relation
                .columns
                .get(*column)
                .map_or("?", |column| column.name)
                .to_string(),
            ItemKind::Query(query) | ItemKind::Shared(query) => query
                .columns
                .get(*column)
                .map_or("?".to_string(), |column| column.name.clone()),
            _ => "?".to_string(),
        };
        let message =
            format!("column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function");
        return Err(Error::new(SqlState::GroupingError, message));
    }
    let mut result = Ok(());
    for_each_child(node, &mut |child| {
        if result.is_ok() {
            result = check(child, keys, items);
        }
    });
    result
}

/// The primary key of a catalog is its OID.
fn is_determined(item: usize, read: &Item, keys: &[Node]) -> bool {
    let ItemKind::Relation(relation) = &read.kind else {
        return false;
    };
    let Some(key) = relation.columns.iter().position(|column| column.name == "oid") else {
        return false;
    };
    keys.iter()
        .any(|node| matches!(&node.kind, Kind::Column { depth: 0, item: of, column } if *of == item && *column == key))
}
