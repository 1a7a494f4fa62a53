//! `t.*` where FROM names `t` with its schema: the planner finds the columns under the whole name only.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ObjectName, Select, SelectItem, SelectItemQualifiedWildcardKind, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

use super::syntax::folded;

pub(super) fn rewrite(tree: &mut impl VisitMut) {
    struct Selects;
    impl VisitorMut for Selects {
        type Break = ();
        fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            let Select { projection, from, .. } = select;
            for item in projection {
                if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
                    && let Some(whole) = from.iter().find_map(|table| of_table(table, name))
                {
                    *name = whole;
                }
            }
            ControlFlow::Continue(())
        }
    }
    // Never breaks.
    let _ = VisitMut::visit(tree, &mut Selects);
}

fn of_table(table: &TableWithJoins, wildcard: &ObjectName) -> Option<ObjectName> {
    let joined = table.joins.iter().map(|join| &join.relation);
    std::iter::once(&table.relation)
        .chain(joined)
        .find_map(|factor| match factor {
            TableFactor::Table { name, alias: None, .. } => ends_with(name, wildcard).then(|| name.clone()),
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => of_table(table_with_joins, wildcard),
            _ => None,
        })
}

/// Whether the shorter name is the end of the whole one.
fn ends_with(whole: &ObjectName, end: &ObjectName) -> bool {
    let (whole, end) = (parts(whole), parts(end));
    whole.len() > end.len() && whole.ends_with(&end)
}

fn parts(name: &ObjectName) -> Vec<Option<String>> {
    let identifiers = name.0.iter().map(|part| part.as_ident());
    identifiers.map(|identifier| identifier.map(folded)).collect()
}
