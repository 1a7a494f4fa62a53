//! Names of their own for the relations of a function's body. Its arguments come from the query around the call, and a
//! column of `emp` out there must not be taken for one of the body's `emp`: every range variable of the body is called
//! otherwise, all of them in the same way, so that among themselves they mean what they meant.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, TableAlias, TableFactor, VisitMut, VisitorMut,
};

use super::{function_rows, names};
use crate::statement::relation;

/// Renames the range variables of a body whose relations are known. `mark` tells this body from those that may stand
/// around or inside of it; `is_column` knows what names columns and arguments have.
pub(super) fn rename(body: &mut impl VisitMut, mark: &str, is_column: &dyn Fn(&str) -> bool) {
    let mut known = Known::default();
    // Neither breaks.
    let _ = VisitMut::visit(body, &mut known);
    let _ = VisitMut::visit(body, &mut Renamer { mark, is_column, known });
}

/// Whether a range variable of the body has this name.
pub(super) fn has_relation(body: &mut impl VisitMut, name: &str) -> bool {
    let mut known = Known::default();
    // Never breaks.
    let _ = VisitMut::visit(body, &mut known);
    known.relations.contains(name)
}

/// What names a body has.
#[derive(Default)]
struct Known {
    /// Of range variables.
    relations: HashSet<String>,
    /// That it gives to columns itself.
    columns: HashSet<String>,
}

impl VisitorMut for Known {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let Some(alias) = alias_of(factor) {
            self.relations.insert(names::fold(&alias.name));
            let columns = alias.columns.iter().map(|column| names::fold(&column.name));
            self.columns.extend(columns);
        } else if let Some(name) = own_name(factor) {
            self.relations.insert(name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let parts = query.with.iter().flat_map(|with| &with.cte_tables);
        let columns = parts.flat_map(|part| &part.alias.columns);
        self.columns.extend(columns.map(|column| names::fold(&column.name)));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.columns.insert(names::fold(alias));
            }
        }
        ControlFlow::Continue(())
    }
}

struct Renamer<'a> {
    mark: &'a str,
    is_column: &'a dyn Fn(&str) -> bool,
    known: Known,
}

impl Renamer<'_> {
    fn fresh(&self, name: &str) -> Ident {
        Ident::with_quote('"', format!("{} {name}", self.mark))
    }

    /// `relation.column`, also behind a schema.
    fn column(&self, parts: &mut Vec<Ident>) {
        let Some(place) = parts.len().checked_sub(2) else {
            return;
        };
        if let Some(name) = parts.get(place).map(names::fold).filter(|name| self.is_relation(name)) {
            parts.drain(..place);
            if let Some(relation) = parts.first_mut() {
                *relation = self.fresh(&name);
            }
        }
    }

    /// `relation` before `.*`.
    fn relation(&self, name: &mut ObjectName) {
        if let Some(last) = names::parts(name).pop().filter(|name| self.is_relation(name)) {
            *name = ObjectName::from(vec![self.fresh(&last)]);
        }
    }

    fn is_relation(&self, name: &str) -> bool {
        self.known.relations.contains(name)
    }

    /// Whether a name alone is a relation's, as the row that it stands for.
    fn is_row(&self, name: &str) -> bool {
        self.is_relation(name) && !self.known.columns.contains(name) && !(self.is_column)(name)
    }

    fn arguments(&self, call: &mut Function) {
        let FunctionArguments::List(list) = &mut call.args else {
            return;
        };
        for argument in &mut list.args {
            let (FunctionArg::Unnamed(value)
            | FunctionArg::Named { arg: value, .. }
            | FunctionArg::ExprNamed { arg: value, .. }) = argument;
            if let FunctionArgExpr::QualifiedWildcard(name) = value {
                self.relation(name);
            }
        }
    }
}

impl VisitorMut for Renamer<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let Some(alias) = alias_of(factor) {
            alias.name = self.fresh(&names::fold(&alias.name));
        } else if let Some(name) = own_name(factor)
            && let TableFactor::Table { alias, .. } = factor
        {
            *alias = Some(relation::alias(self.fresh(&name)));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item {
                self.relation(name);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        match expression {
            Expr::CompoundIdentifier(parts) => self.column(parts),
            Expr::Identifier(name) if self.is_row(&names::fold(name)) => *name = self.fresh(&names::fold(name)),
            Expr::QualifiedWildcard(name, _) => self.relation(name),
            Expr::Function(call) => self.arguments(call),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn alias_of(factor: &mut TableFactor) -> Option<&mut TableAlias> {
    match factor {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => alias.as_mut(),
        _ => None,
    }
}

/// What a relation without an alias is called; the rows of a function are called by nobody.
fn own_name(factor: &TableFactor) -> Option<String> {
    let TableFactor::Table { name, .. } = factor else {
        return None;
    };
    let parts = names::parts(name);
    match function_rows::function_called(&parts) {
        Some(_) => None,
        None => parts.into_iter().next_back(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::relations::parse_query;

    #[test]
    fn relations_get_names_of_their_own() {
        let cases = [
            (
                "SELECT emp.id, public.emp.dept FROM emp",
                "SELECT \"(f) emp\".id, \"(f) emp\".dept FROM emp AS \"(f) emp\"",
            ),
            (
                "SELECT e.*, e FROM emp AS e WHERE EXISTS (SELECT 1 FROM public.dept WHERE dept.id = e.dept)",
                "SELECT \"(f) e\".*, \"(f) e\" FROM emp AS \"(f) e\" WHERE EXISTS \
                 (SELECT 1 FROM public.dept AS \"(f) dept\" WHERE \"(f) dept\".id = \"(f) e\".dept)",
            ),
            (
                "WITH c AS (SELECT 1 AS x) SELECT c.x, id FROM c",
                "WITH c AS (SELECT 1 AS x) SELECT \"(f) c\".x, id FROM c AS \"(f) c\"",
            ),
            // What may be a column's name is one.
            ("SELECT id FROM id", "SELECT id FROM id AS \"(f) id\""),
        ];
        for (text, expected) in cases {
            let mut query = parse_query(text).unwrap();
            rename(&mut query, "(f)", &|name| name == "id");
            assert_eq!(query.to_string(), expected, "{text}");
        }
    }
}
