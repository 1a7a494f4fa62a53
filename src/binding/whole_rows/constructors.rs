//! `ROW(a, t.*)`: a record of the value and of the relation's columns, not of its row.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Value,
};

use super::Expander;
use crate::binding::names;
use crate::binding::rewrite::call;
use crate::functions::ROW_VALUE;

impl Expander<'_> {
    /// The record that a row constructor with a star in it makes; `None` for any other call.
    pub(super) fn constructed(&self, function: &Function) -> Option<Expr> {
        let FunctionArguments::List(list) = &function.args else {
            return None;
        };
        let is_star =
            |argument: &FunctionArg| matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(_)));
        if names::parts(&function.name) != ["row"] || !list.args.iter().any(is_star) {
            return None;
        }
        let mut values = vec![];
        for argument in &list.args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => values.push(value.clone()),
                FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) => values.extend(self.columns_of(name)?),
                _ => return None,
            }
        }
        let fields = values.into_iter().zip(1..);
        let fields =
            fields.flat_map(|(value, number)| [Expr::value(Value::SingleQuotedString(format!("f{number}"))), value]);
        let there = Expr::value(Value::Boolean(true));
        Some(call(ROW_VALUE, std::iter::once(there).chain(fields).collect()))
    }

    /// The columns of the nearest relation of this name.
    fn columns_of(&self, name: &ObjectName) -> Option<Vec<Expr>> {
        let [only] = name.0.as_slice() else { return None };
        let name = only.as_ident()?;
        let folded = names::fold(name);
        let relation = self
            .frames
            .iter()
            .rev()
            .find_map(|frame| frame.iter().find(|relation| relation.name == folded))?;
        let column = |column: &String| Expr::CompoundIdentifier(vec![name.clone(), Ident::with_quote('"', column)]);
        Some(relation.columns.iter().map(column).collect())
    }
}
