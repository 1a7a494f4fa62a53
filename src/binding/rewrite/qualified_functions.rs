//! `pg_catalog.f(x)` becomes `f(x)`: functions of the system have no other place.

use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName, VisitMut};

use super::syntax::{replace_expressions, system_name};
use crate::error::Result;

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    replace_expressions(tree, |expression| {
        if let Expr::Function(function) = expression
            && function.name.0.len() > 1
            && let Some(name) = system_name(&function.name)
        {
            function.name = ObjectName::from(vec![Ident::new(name)]);
        }
        Ok(())
    })
}
