//! The columns of an answer, as the client is told of them. A plan that is kept has its own once for all that run it.

use datafusion::common::DFSchema;

use super::{ColumnSource, output_name};
use crate::types::SqlType;

/// One column of a result, as RowDescription tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    pub name: String,
    pub sql_type: SqlType,
    pub source: ColumnSource,
}

impl OutputColumn {
    pub fn new(name: impl Into<String>, sql_type: SqlType) -> OutputColumn {
        OutputColumn {
            name: name.into(),
            sql_type,
            source: ColumnSource::default(),
        }
    }

    /// The columns of a plan's output, with what is known of them.
    pub fn of_schema(schema: &DFSchema, sources: &[ColumnSource]) -> Vec<OutputColumn> {
        let columns = schema.fields().iter().enumerate();
        columns
            .map(|(index, field)| OutputColumn {
                source: sources.get(index).copied().unwrap_or_default(),
                ..OutputColumn::new(output_name(field.name()), SqlType::from_field(field))
            })
            .collect()
    }

    /// Its type as the query gives it: without the modifier of the layout that a value was computed in.
    pub fn declared_type(&self) -> SqlType {
        match self.source.is_computed {
            true => self.sql_type.without_modifier(),
            false => self.sql_type.clone(),
        }
    }
}
