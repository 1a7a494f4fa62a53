//! Walking nodes: their children, and which items of FROM they read.

use super::node::{ItemKind, Kind, Node, Query, QueryBody, SetCall, Source, SubqueryUse};

/// Calls `visit` for each direct part of an expression; not inside subqueries.
pub(super) fn for_each_child<'n>(node: &'n Node, visit: &mut dyn FnMut(&'n Node)) {
    match &node.kind {
        Kind::Constant(_) | Kind::Parameter(_) | Kind::Column { .. } | Kind::WholeRow { .. } => {}
        Kind::Call(_, nodes)
        | Kind::And(nodes)
        | Kind::Or(nodes)
        | Kind::Coalesce(nodes)
        | Kind::Array(nodes)
        | Kind::Row(nodes) => nodes.iter().for_each(visit),
        Kind::Extreme { arguments, .. } => arguments.iter().for_each(visit),
        Kind::Cast { argument, .. }
        | Kind::Not(argument)
        | Kind::IsNull { argument, .. }
        | Kind::IsTruth { argument, .. }
        | Kind::FieldOf { record: argument, .. } => visit(argument),
        Kind::IsDistinct { left, right, .. } | Kind::NullIf { left, right, .. } => {
            visit(left);
            visit(right);
        }
        Kind::Quantified { left, array, .. } => {
            visit(left);
            visit(array);
        }
        Kind::Case { branches, otherwise } => {
            for (test, result) in branches {
                visit(test);
                visit(result);
            }
            otherwise.iter().for_each(|node| visit(node));
        }
        Kind::Element { array, indexes } => {
            visit(array);
            indexes.iter().for_each(visit);
        }
        Kind::Slice { array, lower, upper } => {
            visit(array);
            lower.iter().chain(upper).for_each(|node| visit(node));
        }
        Kind::Subquery { how, .. } => {
            if let SubqueryUse::Quantified { left, .. } = how {
                left.iter().for_each(visit);
            }
        }
    }
}

/// The items of the innermost FROM that an expression reads, subqueries included, as bits.
pub(super) fn items_read(node: &Node) -> u128 {
    let mut reads = 0;
    collect(node, 0, &mut reads);
    reads
}

fn collect(node: &Node, level: usize, reads: &mut u128) {
    match &node.kind {
        Kind::Column { depth, item, .. } | Kind::WholeRow { depth, item, .. } if *depth == level => {
            *reads |= 1_u128.checked_shl(*item as u32).unwrap_or(0);
        }
        Kind::Subquery { query, .. } if query.is_correlated => query_reads(query, level + 1, reads),
        _ => {}
    }
    for_each_child(node, &mut |child| collect(child, level, reads));
}

/// The same for a whole query whose own level is `level` further in.
pub(super) fn query_reads(query: &Query, level: usize, reads: &mut u128) {
    for node in query.limit.iter().chain(&query.offset) {
        collect(node, level, reads);
    }
    match &query.body {
        QueryBody::Values(rows) => rows.iter().flatten().for_each(|node| collect(node, level, reads)),
        QueryBody::Set { left, right, .. } => {
            query_reads(left, level, reads);
            query_reads(right, level, reads);
        }
        QueryBody::Recursive { base, term, .. } => {
            query_reads(base, level, reads);
            query_reads(term, level, reads);
        }
        QueryBody::Select(select) => {
            let mut nodes: Vec<&Node> = select.targets.iter().collect();
            nodes.extend(select.filter.iter().map(|conjunct| &conjunct.node));
            if let Some(group) = &select.group {
                nodes.extend(&group.keys);
                nodes.extend(&group.having);
                for call in &group.aggregates {
                    nodes.extend(&call.arguments);
                    nodes.extend(&call.filter);
                    nodes.extend(call.order.iter().map(|(node, _, _)| node));
                }
            }
            for call in &select.windows {
                nodes.extend(&call.partition);
                nodes.extend(call.order.iter().map(|(node, _, _)| node));
            }
            for call in &select.sets {
                nodes.extend(set_nodes(call));
            }
            for item in &select.items {
                match &item.kind {
                    ItemKind::Query(query) if query.is_correlated => query_reads(query, level + 1, reads),
                    ItemKind::Functions { calls, .. } => nodes.extend(calls.iter().flat_map(set_nodes)),
                    _ => {}
                }
            }
            if let Some(source) = &select.source {
                conditions(source, &mut nodes);
            }
            nodes.into_iter().for_each(|node| collect(node, level, reads));
        }
    }
}

fn conditions<'n>(source: &'n Source, nodes: &mut Vec<&'n Node>) {
    if let Source::Join { left, right, on, .. } = source {
        nodes.extend(on.iter().map(|conjunct| &conjunct.node));
        conditions(left, nodes);
        conditions(right, nodes);
    }
}

/// The expressions of a set-returning call.
pub(super) fn set_nodes(call: &SetCall) -> impl Iterator<Item = &Node> {
    call.arguments.iter().chain(call.scalar.as_deref())
}
