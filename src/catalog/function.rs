//! Functions and procedures: what their declarations say that they take and give, and which one a statement means.

use serde::{Deserialize, Serialize};

use super::model::Function;
use super::resolve::Scope;
use super::snapshot::CatalogSnapshot;
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::polymorphic::{self, Meaning};

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

/// How a body is run that no query takes in: its statements one after the other, by the session that calls it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    pub language: Language,
    /// It is called by CALL, and by nothing else.
    #[serde(default)]
    pub is_procedure: bool,
    pub volatility: Volatility,
    /// It runs as its owner.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub security_definer: bool,
    /// Settings by name that hold while it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<(String, String)>,
}

impl Script {
    /// Whether it runs with something else than its caller does: no plan takes in the body of such a routine.
    pub fn has_surroundings(&self) -> bool {
        self.security_definer || !self.settings.is_empty()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    Sql,
    PlPgSql,
}

impl Language {
    pub fn name(self) -> &'static str {
        match self {
            Language::Sql => "sql",
            Language::PlPgSql => "plpgsql",
        }
    }
}

/// What a declaration promises of a function's results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Volatility {
    Immutable,
    Stable,
    #[default]
    Volatile,
}

/// What a statement calls the routines that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoutineKind {
    Function,
    Procedure,
    /// Either.
    Routine,
}

impl RoutineKind {
    /// As messages call it.
    pub fn word(self) -> &'static str {
        match self {
            RoutineKind::Function | RoutineKind::Routine => "function",
            RoutineKind::Procedure => "procedure",
        }
    }

    /// The command tag of a statement that begins with this verb.
    pub fn command(self, verb: &str) -> &'static str {
        match (self, verb) {
            (RoutineKind::Function, "ALTER") => "ALTER FUNCTION",
            (RoutineKind::Procedure, "ALTER") => "ALTER PROCEDURE",
            (RoutineKind::Routine, "ALTER") => "ALTER ROUTINE",
            (RoutineKind::Function, _) => "DROP FUNCTION",
            (RoutineKind::Procedure, _) => "DROP PROCEDURE",
            (RoutineKind::Routine, _) => "DROP ROUTINE",
        }
    }

    fn takes(self, function: &Function) -> bool {
        match self {
            RoutineKind::Function => !function.is_procedure(),
            RoutineKind::Procedure => function.is_procedure(),
            RoutineKind::Routine => true,
        }
    }
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

    pub fn is_procedure(&self) -> bool {
        self.script.as_ref().is_some_and(|script| script.is_procedure)
    }

    /// `function` or `procedure`.
    pub fn word(&self) -> &'static str {
        match self.is_procedure() {
            true => "procedure",
            false => "function",
        }
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

    /// Whether what it takes and gives is for each call to say.
    pub fn is_polymorphic(&self) -> bool {
        self.arguments
            .iter()
            .any(|argument| polymorphic::is_polymorphic(&argument.sql_type))
    }

    /// The function as a call with arguments of these types means it, each `None` that of a literal; 42804 where they do
    /// not tell what its types are.
    pub fn for_arguments(&self, given: &[Option<SqlType>]) -> Result<Function> {
        let mut function = self.clone();
        if !self.is_polymorphic() {
            return Ok(function);
        }
        let declared: Vec<SqlType> = self
            .arguments
            .iter()
            .map(|argument| argument.sql_type.clone())
            .collect();
        let meaning = Meaning::of(&declared, given).ok_or_else(polymorphic::undetermined)?;
        let outputs = function.query.iter_mut().flat_map(|query| &mut query.outputs);
        let types = function.arguments.iter_mut().map(|argument| &mut argument.sql_type);
        let types = types.chain(outputs.map(|output| &mut output.sql_type));
        for sql_type in types.chain([&mut function.returns]) {
            *sql_type = meaning.type_of(sql_type)?;
        }
        Ok(function)
    }

    /// The OIDs of the argument types: what tells overloads apart.
    pub fn argument_oids(&self) -> Vec<u32> {
        self.arguments.iter().map(|argument| argument.sql_type.oid()).collect()
    }
}

impl CatalogSnapshot {
    /// The routine that a statement names, by its arguments' types where it gives a list of them.
    pub fn resolve_routine<'a>(
        &'a self,
        scope: Scope<'_>,
        kind: RoutineKind,
        name: &'a [String],
        arguments: Option<&[(Option<OutputMode>, SqlType)]>,
    ) -> Result<&'a Function> {
        let found = self.find_functions(scope, name)?;
        let shown = name.join(".");
        let Some(arguments) = arguments else {
            let found: Vec<&Function> = found.into_iter().filter(|function| kind.takes(function)).collect();
            return match found.as_slice() {
                [only] => Ok(only),
                [] => {
                    let message = format!("could not find a {} named \"{shown}\"", kind.word());
                    Err(Error::new(SqlState::UndefinedFunction, message))
                }
                _ => {
                    let word = kind.word();
                    let message = format!("{word} name \"{shown}\" is not unique");
                    let hint = format!("Specify the argument list to select the {word} unambiguously.");
                    Err(Error::new(SqlState::AmbiguousFunction, message).with_hint(hint))
                }
            };
        };
        let oids = |is_taken: fn(Option<OutputMode>) -> bool| -> Vec<u32> {
            let taken = arguments.iter().filter(|(mode, _)| is_taken(*mode));
            taken.map(|(_, sql_type)| sql_type.oid()).collect()
        };
        let (taken, all) = (
            oids(|mode| !matches!(mode, Some(OutputMode::Out | OutputMode::Table))),
            oids(|_| true),
        );
        // Of a procedure all arguments may be listed.
        let is_meant = |function: &&&Function| {
            function.argument_oids() == taken
                || function.is_procedure()
                    && function
                        .parameters()
                        .iter()
                        .map(|parameter| parameter.sql_type.oid())
                        .eq(all.iter().copied())
        };
        match found.iter().find(is_meant) {
            Some(function) if kind.takes(function) => Ok(function),
            Some(function) => {
                let message = format!("{} is not a {}", function.signature(), kind.word());
                Err(Error::new(SqlState::WrongObjectType, message))
            }
            None => {
                let types: Vec<String> = arguments.iter().map(|(_, sql_type)| unmodified(sql_type)).collect();
                let message = format!("{} {shown}({}) does not exist", kind.word(), types.join(", "));
                Err(Error::new(SqlState::UndefinedFunction, message))
            }
        }
    }
}

fn unmodified(sql_type: &SqlType) -> String {
    SqlType::from_oid(sql_type.oid())
        .unwrap_or_else(|| sql_type.clone())
        .to_string()
}
