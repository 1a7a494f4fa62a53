//! Drops COLLATE where the collation is the one that text is compared by anyway, by its bytes, and refuses others.

use datafusion::sql::sqlparser::ast::{Expr, VisitMut};

use super::syntax::{replace_expressions, system_name};
use crate::binding::names;
use crate::error::{Error, Result, SqlState};

/// Collations that order as UTF-8 bytes do.
const BYTEWISE: [&str; 7] = ["default", "C", "c", "POSIX", "posix", "ucs_basic", "pg_c_utf8"];

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    replace_expressions(tree, |expression| {
        if let Expr::Collate { expr, collation } = expression {
            if !system_name(collation).is_some_and(|name| BYTEWISE.contains(&name.as_str())) {
                let name = names::parts(collation).join(".");
                return Err(Error::new(
                    SqlState::UndefinedObject,
                    format!("collation \"{name}\" for encoding \"UTF8\" does not exist"),
                ));
            }
            *expression = expr.as_ref().clone();
        }
        Ok(())
    })
}
