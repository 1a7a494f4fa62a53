//! What the declared types of variables mean: names of types, columns and relations are looked up as a statement's.

use super::Interpreter;
use super::evaluate::one_statement;
use super::values::Kind;
use crate::catalog::Scope;
use crate::error::{Error, Result, SqlState};
use crate::query::Memory;
use crate::session::prepared::Texts;
use crate::statement::ast::ObjectName;
use crate::statement::plpgsql::DeclaredType;
use crate::types::{CompositeType, SqlType, quote_identifier};

impl Interpreter<'_> {
    /// What a variable of a declared type may hold.
    pub(super) async fn kind_of(&mut self, declared: &DeclaredType) -> Result<Kind> {
        match declared {
            DeclaredType::Record => Ok(Kind::Record),
            DeclaredType::OfValue => Ok(Kind::Open),
            DeclaredType::OfVariable(variable) => Ok(self.kinds.get(*variable).cloned().unwrap_or(Kind::Open)),
            DeclaredType::Type(sql_type) => self.kind_of_type(sql_type).await,
            DeclaredType::RowOf(name) => Ok(Kind::Row(self.columns_of("*", name).await?)),
            DeclaredType::OfColumn(ObjectName(parts)) => {
                let Some((column, table)) = parts.split_last().filter(|(_, table)| !table.is_empty()) else {
                    let message = format!("column \"{}\" does not exist", parts.join("."));
                    return Err(Error::new(SqlState::UndefinedColumn, message));
                };
                let columns = self
                    .columns_of(&quote_identifier(column), &ObjectName(table.to_vec()))
                    .await?;
                let first = columns.into_iter().next();
                match first.map_or(SqlType::Text, |(_, sql_type)| sql_type) {
                    SqlType::Domain(_) => Err(Error::unsupported("a variable of a domain")),
                    sql_type => Ok(Kind::Scalar(sql_type)),
                }
            }
        }
    }

    async fn kind_of_type(&mut self, sql_type: &SqlType) -> Result<Kind> {
        let element = match sql_type {
            SqlType::Array(element) => element.as_ref(),
            other => other,
        };
        let SqlType::Named(name) = element else {
            return Ok(match sql_type {
                SqlType::Record => Kind::Record,
                SqlType::Composite(composite) => row_of(composite),
                other => Kind::Scalar(other.clone()),
            });
        };
        let texts = Texts::of(&one_statement("SELECT 1")?);
        let context = self.session.statement_context(&texts).await?;
        self.session.context = None;
        let scope = Scope {
            database: context.database,
            search_path: &context.search_path,
        };
        match context.catalog.usable_type(scope, context.principal.role, sql_type) {
            Ok(sql_type) if context.catalog.has_domain_fields(&sql_type) => {
                Err(Error::unsupported("a variable of a type with fields of a domain"))
            }
            Ok(SqlType::Composite(composite)) => Ok(row_of(&composite)),
            Ok(SqlType::Domain(_)) => Err(Error::unsupported("a variable of a domain")),
            Ok(sql_type) => Ok(Kind::Scalar(sql_type)),
            // The rows of a table are a type of its name.
            Err(error) if error.state() == SqlState::UndefinedObject && element == sql_type => {
                let columns = self.columns_of("*", &ObjectName(name.to_vec())).await;
                columns.map(Kind::Row).map_err(|_| error)
            }
            Err(error) => Err(error),
        }
    }

    /// Names and types of a relation's columns.
    async fn columns_of(&mut self, columns: &str, ObjectName(table): &ObjectName) -> Result<Vec<(String, SqlType)>> {
        let table: Vec<String> = table.iter().map(|part| quote_identifier(part)).collect();
        let parsed = one_statement(&format!("SELECT {columns} FROM {}", table.join(".")))?;
        let texts = Texts::of(&parsed);
        let described = Box::pin(self.session.describe(&parsed, &texts, &[], &Memory::default())).await;
        self.session.context = None;
        let columns = described.map_err(Error::without_position)?.columns.unwrap_or_default();
        Ok(columns
            .iter()
            .map(|column| (column.name.clone(), column.sql_type.clone()))
            .collect())
    }
}

fn row_of(composite: &CompositeType) -> Kind {
    let fields = composite.fields.iter();
    Kind::Row(
        fields
            .map(|field| (field.name.clone(), field.sql_type.clone()))
            .collect(),
    )
}
