//! Rows as arguments: `count(t.*)`, `f(t.*)` and `ROW(t.*, 1)`.

use datafusion::sql::sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::{Expander, record};
use crate::binding::names;

impl Expander<'_> {
    /// `count(t.*)` and `f(t.*)` take the row. Counting rows that are always there needs no column.
    pub(super) fn arguments(&mut self, function: &mut Function) {
        let is_count = names::parts(&function.name) == ["count"];
        let is_row = names::parts(&function.name) == ["row"];
        let FunctionArguments::List(list) = &mut function.args else {
            return;
        };
        if is_row {
            self.spread_arguments(&mut list.args);
            return;
        }
        let is_plain = list.duplicate_treatment.is_none();
        for argument in &mut list.args {
            let FunctionArg::Unnamed(value) = argument else {
                continue;
            };
            let name = match value {
                FunctionArgExpr::QualifiedWildcard(name) => match name.0.as_slice() {
                    [only] => only.as_ident().cloned(),
                    _ => None,
                },
                FunctionArgExpr::Expr(Expr::Identifier(name)) if is_count => Some(name.clone()),
                _ => None,
            };
            let Some(name) = name else { continue };
            let is_written_out = matches!(value, FunctionArgExpr::QualifiedWildcard(_));
            let row = match is_written_out {
                true => self.relation(&name),
                false => self.row_of(&Expr::Identifier(name)),
            };
            let Some((there, columns)) = row else { continue };
            *value = match (is_count && is_plain, there) {
                (true, None) => FunctionArgExpr::Wildcard,
                (true, Some(there)) => FunctionArgExpr::Expr(there),
                (false, there) => FunctionArgExpr::Expr(record(there, columns)),
            };
        }
    }

    /// `ROW(t.*, 1)` has the columns of `t` in the place of `t.*`.
    fn spread_arguments(&mut self, arguments: &mut Vec<FunctionArg>) {
        let spread = std::mem::take(arguments).into_iter().flat_map(|argument| {
            let row = match &argument {
                FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) => match name.0.as_slice() {
                    [only] => only.as_ident().cloned().and_then(|name| self.relation(&name)),
                    _ => None,
                },
                _ => None,
            };
            let Some((_, columns)) = row else {
                return vec![argument];
            };
            self.found = true;
            let columns = columns.into_iter().map(|(_, column)| column);
            let arguments = columns.map(|column| FunctionArg::Unnamed(FunctionArgExpr::Expr(column)));
            arguments.collect()
        });
        *arguments = spread.collect();
    }
}
