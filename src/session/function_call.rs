//! The function call message: one function by its OID. It is the SELECT of the call, so privileges, policies and
//! transactions are those of any statement; a function that the role may not know of is not there.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::Session;
use super::prepared::{PreparedStatement, Texts};
use super::statements::one_statement;
use super::transactions::refuse_in_failed_transaction;
use crate::catalog::model::Object;
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::{Outcome, Rows};
use crate::functions::builtin::{builtin_function, builtin_type};
use crate::functions::{Lookup, quote_identifier};
use crate::query::Memory;
use crate::types::SqlType;
use crate::types::format::Format;
use crate::types::row::RowEncoder;

/// A function that the message names.
#[derive(Debug, Clone)]
pub struct Callable {
    /// The call, with a parameter for each argument.
    pub statement: String,
    pub arguments: Vec<SqlType>,
}

/// What it is called with.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// `None` is NULL.
    pub values: Vec<Option<Bytes>>,
    /// None, one for all, or one each.
    pub formats: Vec<Format>,
    pub result_format: Format,
}

/// What it gave.
#[derive(Debug, Clone)]
pub struct Called {
    /// A DataRow message of one value.
    pub row: Bytes,
    pub sql_type: SqlType,
}

impl Session {
    /// The function of this OID, as far as the role may know of it.
    pub async fn find_function(&mut self, oid: u32) -> Result<Callable> {
        if self.transaction.failed {
            return Err(refuse_in_failed_transaction());
        }
        self.show_running("<FASTPATH> function call");
        let texts = Texts {
            kind: "SELECT",
            shown: "<FASTPATH> function call".into(),
            fingerprint: 0,
        };
        let context = Box::pin(self.statement_context(&texts)).await?;
        if let Some(builtin) = builtin_function(oid) {
            let name = quote_identifier(builtin.name);
            if builtin.kind != "f" || builtin.returns_set {
                return Err(not_callable(builtin.name));
            }
            if builtin.variadic != 0 {
                return Err(Error::unsupported("a variadic function in a function call message"));
            }
            return callable(&format!("pg_catalog.{name}"), &builtin.arguments);
        }
        let lookup = Lookup::new(&context);
        let known = lookup.catalog.object(oid).filter(|object| lookup.sees(object));
        let Some(Object::Function(function)) = known else {
            return Err(unknown(oid));
        };
        let schema = lookup.catalog.schema(function.schema);
        let Some(schema) = schema.filter(|schema| schema.database == self.database) else {
            return Err(unknown(oid));
        };
        if function.is_procedure() || function.is_set() {
            return Err(not_callable(&function.name));
        }
        let name = format!(
            "{}.{}",
            quote_identifier(&schema.name),
            quote_identifier(&function.name)
        );
        callable(&name, &function.argument_oids())
    }

    /// Calls it with as many arguments as it has.
    pub async fn call_function(&mut self, function: Callable, arguments: Arguments) -> Result<Called> {
        let parsed = one_statement(crate::statement::parse(&function.statement)?)?;
        let declared: Vec<Option<SqlType>> = function.arguments.into_iter().map(Some).collect();
        let texts = Texts::of(&parsed);
        let memory = Memory::default();
        let description = self.describe(&parsed, &texts, &declared, &memory).await?;
        let statement = PreparedStatement {
            parsed,
            texts,
            declared,
            description,
            memory,
        };
        let parameters = Box::pin(self.read_parameters(&statement, &arguments.values, &arguments.formats)).await?;
        let Outcome::Rows(rows) = Box::pin(self.run_embedded(&statement, &parameters)).await? else {
            return Err(Error::internal("a function call gave no rows"));
        };
        let (Rows::Stream { mut stream, .. }, [column]) = (rows.rows, &*rows.columns) else {
            return Err(Error::internal("a function call gave something else than one column"));
        };
        let sql_type = column.sql_type.clone();
        let encoder = RowEncoder::new(
            &[(sql_type.clone(), arguments.result_format)],
            &self.settings.current().format,
        );
        let mut row = BytesMut::new();
        while let Some(batch) = stream.next().await.transpose()? {
            if row.is_empty() && batch.num_rows() > 0 {
                encoder.encode(&batch.slice(0, 1), &mut row)?;
            }
        }
        drop(stream);
        if row.is_empty() {
            return Err(Error::internal("a function call gave no value"));
        }
        if let Some(context) = &self.context {
            context.record.add_rows(1);
            context.record.add_bytes(row.len() as u64);
        }
        self.end_statement().await?;
        self.time_limit = None;
        Ok(Called {
            row: row.freeze(),
            sql_type,
        })
    }
}

/// The call of a function whose arguments have values that a client can send.
fn callable(name: &str, oids: &[u32]) -> Result<Callable> {
    let mut types = oids.iter().filter_map(|oid| builtin_type(*oid));
    if let Some(pseudo) = types.find(|known| known.kind == "p") {
        let message = format!("cannot accept a value of type {}", pseudo.name);
        return Err(Error::new(SqlState::FeatureNotSupported, message));
    }
    let places: Vec<String> = (1..=oids.len()).map(|number| format!("${number}")).collect();
    let types = oids
        .iter()
        .map(|oid| SqlType::from_oid(*oid).unwrap_or(SqlType::Stored(*oid)));
    Ok(Callable {
        statement: format!("SELECT {name}({})", places.join(", ")),
        arguments: types.collect(),
    })
}

fn unknown(oid: u32) -> Error {
    let message = format!("function with OID {oid} does not exist");
    Error::new(SqlState::UndefinedFunction, message)
}

fn not_callable(name: &str) -> Error {
    let message = format!("cannot call function \"{name}\" via fastpath interface");
    Error::new(SqlState::FeatureNotSupported, message)
}
