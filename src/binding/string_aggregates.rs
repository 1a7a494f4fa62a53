//! What `string_agg` joins: texts without their padding, and where a row has the delimiter or they are binary strings, pairs.

use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, Result as PlanResult};
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::comparisons::trimmed;
use crate::error::Error;
use crate::functions::read_literal;
use crate::types::SqlType;
use crate::types::format::FormatSettings;

/// The values of `string_agg`, and what orders them: it gathers texts.
pub(super) fn gather_texts<'a>(
    values: impl Iterator<Item = &'a mut Expr>,
    schema: &DFSchema,
    settings: &FormatSettings,
) -> PlanResult<()> {
    for value in values {
        if !matches!(value, Expr::Literal(..)) && !value.get_type(schema)?.is_binary() {
            *value = trimmed(value.clone(), schema, settings);
        }
    }
    Ok(())
}

/// Whether `string_agg` joins binary strings, or texts by delimiters that rows have. Literals beside bytea are read.
pub(super) fn joins_values(arguments: &mut [Expr], schema: &DFSchema) -> PlanResult<bool> {
    let [value, delimiter] = arguments else {
        return Ok(false);
    };
    let is_binary = |part: &Expr| Ok::<_, Error>(part.get_type(schema)?.is_binary());
    if is_binary(value)? || is_binary(delimiter)? {
        for part in [value, delimiter] {
            *part = read_literal(std::mem::take(part), &SqlType::Bytea)?;
        }
        return Ok(true);
    }
    delimiter.exists(|part| {
        let is_other = matches!(
            part,
            Expr::Column(_) | Expr::OuterReferenceColumn(..) | Expr::ScalarSubquery(_)
        );
        Ok(is_other || part.is_volatile_node())
    })
}
