//! The names that a query text uses, in the order of their first use: what has to be loaded before it can be planned.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self as sql, Visit, Visitor};

use super::types::users_name;
use super::{function_rows, names};

#[derive(PartialEq, Eq, Hash)]
enum Kind {
    Relation,
    Function,
    Type,
}

/// Names in the order of their first use.
#[derive(Default)]
pub(super) struct UsedNames {
    pub relations: Vec<Vec<String>>,
    pub functions: Vec<Vec<String>>,
    pub types: Vec<Vec<String>>,
    seen: HashSet<(Kind, Vec<String>)>,
    /// Of the queries around a name, what WITH RECURSIVE calls by it: no relation of the catalog, least of all the view
    /// whose text this is.
    recursive: Vec<Vec<String>>,
}

impl Visitor for UsedNames {
    type Break = ();

    fn pre_visit_query(&mut self, query: &sql::Query) -> ControlFlow<()> {
        let with = query.with.iter().filter(|with| with.recursive);
        let parts = with.flat_map(|with| &with.cte_tables);
        self.recursive
            .push(parts.map(|part| names::fold(&part.alias.name)).collect());
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &sql::Query) -> ControlFlow<()> {
        self.recursive.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &sql::ObjectName) -> ControlFlow<()> {
        let parts = names::parts(relation);
        if let [only] = parts.as_slice()
            && self.recursive.iter().flatten().any(|name| name == only)
        {
            return ControlFlow::Continue(());
        }
        if let Some(function) = function_rows::function_called(&parts) {
            if self.seen.insert((Kind::Function, function.clone())) {
                self.functions.push(function);
            }
            return ControlFlow::Continue(());
        }
        if self.seen.insert((Kind::Relation, parts.clone())) {
            self.relations.push(parts);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &sql::Expr) -> ControlFlow<()> {
        if let sql::Expr::Function(function) = expression {
            let parts = names::parts(&function.name);
            if self.seen.insert((Kind::Function, parts.clone())) {
                self.functions.push(parts);
            }
        }
        let named = match expression {
            sql::Expr::Cast { data_type, .. } => users_name(data_type),
            sql::Expr::TypedString(typed) => users_name(&typed.data_type),
            _ => None,
        };
        if let Some(name) = named.filter(|name| self.seen.insert((Kind::Type, name.clone()))) {
            self.types.push(name);
        }
        ControlFlow::Continue(())
    }
}

/// The names in a text.
pub(super) fn used_names<T: Visit>(tree: &T) -> UsedNames {
    let mut used = UsedNames::default();
    // Breaks never: the visitor only collects.
    let _ = tree.visit(&mut used);
    used
}
