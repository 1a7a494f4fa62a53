//! The values that a client sends for a statement's parameters, read as their types say. Names of relations, types
//! and functions among them mean what they mean to the one who sends them.

use bytes::Bytes;
use datafusion::common::ScalarValue;

use super::Session;
use super::prepared::PreparedStatement;
use crate::error::{Error, Result, SqlState};
use crate::functions::{Lookup, registered_oid};
use crate::types::SqlType;
use crate::types::format::Format;
use crate::types::parse::{decode_parameter, utf8};

impl Session {
    /// One value for each parameter; `formats` are none, one for all, or one each.
    pub(super) async fn read_parameters(
        &mut self,
        statement: &PreparedStatement,
        values: &[Option<Bytes>],
        formats: &[Format],
    ) -> Result<Vec<ScalarValue>> {
        let format_of = |index: usize| match formats {
            [] => Ok(Format::Text),
            [one] => Ok(*one),
            all => all.get(index).copied().ok_or_else(|| {
                Error::new(
                    SqlState::ProtocolViolation,
                    "bind message has too few parameter formats",
                )
            }),
        };
        let settings = self.settings.current().format.clone();
        let types = &statement.description.parameters;
        let mut parameters = Vec::with_capacity(values.len());
        for (index, (value, sql_type)) in values.iter().zip(types).enumerate() {
            let format = format_of(index)?;
            let parameter = match (value.as_deref(), format) {
                (Some(name), Format::Text)
                    if matches!(sql_type, SqlType::Regclass | SqlType::Regtype | SqlType::Regproc) =>
                {
                    let context = Box::pin(self.statement_context(&statement.texts)).await?;
                    ScalarValue::UInt32(registered_oid(&Lookup::new(&context), sql_type, utf8(name)?)?)
                }
                (value, format) => decode_parameter(sql_type, format, value, &settings)?,
            };
            parameters.push(parameter);
        }
        Ok(parameters)
    }
}
