//! `DISTINCT ON (1) *`: a position among the columns that `*` stands for. Without one `grouping_positions` has found it.

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, Ident, Select, SelectItem, SelectItemQualifiedWildcardKind, TableWithJoins, Value,
};

use super::super::names;
use super::aliases::kept;
use super::{Expander, Visible, merges_columns};
use crate::error::{Error, Result, SqlState};

impl Expander<'_> {
    /// Puts the columns of the select list in the places of their positions.
    pub(super) fn name_positions(&self, select: &mut Select) -> Result<()> {
        let Some(Distinct::On(keys)) = &select.distinct else {
            return Ok(());
        };
        let mut keys = keys.clone();
        let mut outputs = None;
        for key in &mut keys {
            let Some(text) = position(key) else { continue };
            let outputs = outputs.get_or_insert_with(|| self.outputs(select));
            let Some(outputs) = outputs else {
                return Err(Error::unsupported("a position in DISTINCT ON beside this select list"));
            };
            let place = text.parse::<usize>().ok().and_then(|place| place.checked_sub(1));
            let Some(output) = place.and_then(|place| outputs.get(place)) else {
                let message = format!("DISTINCT ON position {text} is not in select list");
                return Err(Error::new(SqlState::InvalidColumnReference, message));
            };
            *key = output.clone();
        }
        select.distinct = Some(Distinct::On(keys));
        Ok(())
    }

    /// The select list's columns; `None` where the text and its relations do not tell them.
    fn outputs(&self, select: &Select) -> Option<Vec<Expr>> {
        let mut outputs = vec![];
        for item in &select.projection {
            let (relations, options) = match item {
                SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. } => {
                    outputs.push(expression.clone());
                    continue;
                }
                SelectItem::Wildcard(options) => (self.all(&select.from)?, options),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    let wanted = names::parts(name).pop()?;
                    let mut found = self.relations(&select.from).into_iter();
                    (vec![found.find(|relation| relation.name == wanted)?], options)
                }
                _ => return None,
            };
            for Visible { name, columns, .. } in relations {
                let column = |column| Expr::CompoundIdentifier(vec![quoted(&name), quoted(column)]);
                outputs.extend(kept(columns, options).iter().map(column));
            }
        }
        Some(outputs)
    }

    /// The relations of FROM, where the columns of each are known and no two are shown as one.
    fn all(&self, from: &[TableWithJoins]) -> Option<Vec<Visible>> {
        let is_known = |table: &TableWithJoins| {
            let joined = table.joins.iter().map(|join| &join.relation);
            let mut factors = std::iter::once(&table.relation).chain(joined);
            !merges_columns(table) && factors.all(|factor| !self.factor(factor).is_empty())
        };
        from.iter().all(is_known).then(|| self.relations(from))
    }
}

fn quoted(name: &String) -> Ident {
    Ident::with_quote('"', name)
}

fn position(key: &Expr) -> Option<String> {
    match key {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}
