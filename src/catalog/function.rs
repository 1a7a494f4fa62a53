//! Functions: what their declarations say that they take and give.

use serde::{Deserialize, Serialize};

use super::model::Function;
use crate::types::SqlType;

/// What a function gives whose body is a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryResult {
    /// All rows of the query, and not its first alone.
    pub is_set: bool,
    /// A NULL among the arguments gives no rows.
    #[serde(default)]
    pub is_strict: bool,
    /// The columns of its rows, if the function names them; else its type tells what they are.
    #[serde(default)]
    pub outputs: Vec<OutputArgument>,
}

/// A column that a function's declaration names, as an argument or in TABLE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputArgument {
    pub name: String,
    #[serde(rename = "type")]
    pub sql_type: SqlType,
    pub mode: OutputMode,
    /// How many arguments are given before it; of INOUT it is the next one.
    pub inputs_before: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputMode {
    Out,
    InOut,
    Table,
}

/// An argument or a column of a function's rows.
#[derive(Debug, Clone, Copy)]
pub struct Parameter<'a> {
    pub name: &'a str,
    pub sql_type: &'a SqlType,
    /// `None`: it is only taken.
    pub mode: Option<OutputMode>,
    pub default: Option<&'a str>,
}

impl Function {
    /// `f(integer, text)`.
    pub fn signature(&self) -> String {
        let types: Vec<String> = self
            .arguments
            .iter()
            .map(|argument| unmodified(&argument.sql_type))
            .collect();
        format!("{}({})", self.name, types.join(", "))
    }

    /// Whether it gives any number of rows.
    pub fn is_set(&self) -> bool {
        self.query.as_ref().is_some_and(|query| query.is_set)
    }

    /// The columns that its declaration names.
    pub fn outputs(&self) -> &[OutputArgument] {
        self.query.as_ref().map_or(&[], |query| &query.outputs)
    }

    /// All that its declaration names, in order: arguments, with how they are given back if they are, and columns.
    pub fn parameters(&self) -> Vec<Parameter<'_>> {
        let mut outputs = self.outputs().iter().peekable();
        let mut parameters = vec![];
        for number in 0..=self.arguments.len() {
            let mut given_back = None;
            while let Some(output) = outputs.next_if(|output| output.inputs_before == number) {
                match output.mode {
                    OutputMode::InOut => given_back = Some(OutputMode::InOut),
                    mode => parameters.push(Parameter {
                        name: &output.name,
                        sql_type: &output.sql_type,
                        mode: Some(mode),
                        default: None,
                    }),
                }
            }
            if let Some(argument) = self.arguments.get(number) {
                parameters.push(Parameter {
                    name: &argument.name,
                    sql_type: &argument.sql_type,
                    mode: given_back,
                    default: argument.default.as_deref(),
                });
            }
        }
        parameters
    }

    /// The OIDs of the argument types: what tells overloads apart.
    pub fn argument_oids(&self) -> Vec<u32> {
        self.arguments.iter().map(|argument| argument.sql_type.oid()).collect()
    }
}

fn unmodified(sql_type: &SqlType) -> String {
    SqlType::from_oid(sql_type.oid())
        .unwrap_or_else(|| sql_type.clone())
        .to_string()
}
