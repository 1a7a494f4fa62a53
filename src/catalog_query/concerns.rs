//! Which queries are the evaluator's: those that name relations of the system's schemas and no other, and those that name
//! none but call functions or casts about the catalog.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self as sql, Expr, Visit, Visitor};

use crate::binding::folded;
use crate::catalog::model::Object;
use crate::context::QueryContext;
use crate::functions::{Lookup, Relation};

/// Whether a query asks about the catalog and nothing else.
pub fn concerns_catalog(query: &sql::Query, context: &QueryContext) -> bool {
    let mut names = Names::default();
    let _ = query.visit(&mut names);
    let lookup = Lookup::new(context);
    let mut reads_catalog = false;
    for relation in &names.relations {
        if let [only] = relation.as_slice()
            && (names.shared.contains(only) || super::sets::is_set_returning(only))
        {
            continue;
        }
        match lookup.relation_named(relation) {
            Ok(Some(Relation::Builtin(builtin))) => reads_catalog |= builtin.schema != "system",
            Ok(Some(Relation::Object(Object::Sequence(_)))) => reads_catalog = true,
            _ => return false,
        }
    }
    reads_catalog || names.asks_catalog
}

/// What a query names, in any depth.
#[derive(Default)]
struct Names {
    relations: Vec<Vec<String>>,
    /// Names of WITH queries; where one hides a relation, the analysis finds out.
    shared: HashSet<String>,
    asks_catalog: bool,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &sql::Query) -> ControlFlow<()> {
        if let Some(with) = &query.with {
            self.shared
                .extend(with.cte_tables.iter().map(|cte| folded(&cte.alias.name)));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &sql::TableFactor) -> ControlFlow<()> {
        match factor {
            sql::TableFactor::Table { name, args: None, .. } => {
                let parts = name.0.iter().filter_map(|part| part.as_ident()).map(folded);
                self.relations.push(parts.collect());
            }
            sql::TableFactor::Table { name, .. } | sql::TableFactor::Function { name, .. } => {
                self.asks_catalog |= last_part(name).is_some_and(|name| is_about_catalog(&name));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        match expression {
            Expr::Function(function) => {
                self.asks_catalog |= last_part(&function.name).is_some_and(|name| is_about_catalog(&name));
            }
            Expr::Cast { data_type, .. } | Expr::TypedString(sql::TypedString { data_type, .. }) => {
                let name = data_type.to_string().to_lowercase();
                let plain = name.strip_prefix("pg_catalog.").unwrap_or(&name);
                self.asks_catalog |= plain.starts_with("reg")
                    || matches!(plain, "oidvector" | "int2vector" | "aclitem" | "aclitem[]" | "xid");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn last_part(name: &sql::ObjectName) -> Option<String> {
    name.0.last()?.as_ident().map(folded)
}

fn is_about_catalog(name: &str) -> bool {
    const NAMES: [&str; 16] = [
        "_pg_expandarray",
        "acldefault",
        "aclexplode",
        "array_lower",
        "array_upper",
        "col_description",
        "current_catalog",
        "current_database",
        "current_schema",
        "current_schemas",
        "format_type",
        "generate_subscripts",
        "obj_description",
        "quote_ident",
        "shobj_description",
        "version",
    ];
    // Sleeping and signalling are statements of their own.
    let acts = matches!(
        name,
        "pg_sleep" | "pg_cancel_backend" | "pg_terminate_backend" | "pg_notify" | "pg_reload_conf"
    ) || name.starts_with("pg_advisory")
        || name.starts_with("pg_try_advisory");
    (name.starts_with("pg_") && !acts)
        || name.starts_with("has_")
        || name.starts_with("to_reg")
        || NAMES.contains(&name)
}
