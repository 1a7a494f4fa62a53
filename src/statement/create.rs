//! CREATE: the word after it decides. Databases, views and external locations are read here.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{ObjectName, Statement};
use super::reader::Reader;
use super::{
    create_function, create_table, domain, index, materialized_view, role_options, schema, sequence, user_type,
};
use crate::catalog::model::{CheckOption, ViewOptions};
use crate::error::{Error, Result, SqlState};

pub(super) fn create(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["create"])?;
    let or_replace = reader.accept(&["or", "replace"]);
    let temporary = temporary(reader)?;
    if temporary && !matches!(reader.peek_word(), Some("table" | "view" | "sequence" | "recursive")) {
        return Err(match reader.peek_word() {
            Some("function") => Error::unsupported("CREATE TEMPORARY FUNCTION"),
            _ => reader.error_here(),
        });
    }
    let unlogged = reader.accept(&["unlogged"]);
    if reader.accept(&["table"]) {
        return create_table::create_table(reader, or_replace, temporary, unlogged);
    }
    if unlogged {
        return Err(reader.error_here());
    }
    if reader.accept(&["view"]) {
        return create_view(reader, or_replace, temporary);
    }
    if reader.accept(&["recursive", "view"]) {
        return create_recursive_view(reader, or_replace, temporary);
    }
    if !or_replace && !temporary && reader.accept(&["materialized", "view"]) {
        return materialized_view::create(reader);
    }
    let unique = !or_replace && !temporary && reader.accept(&["unique"]);
    if !or_replace && !temporary && reader.accept(&["index"]) {
        return index::create(reader, unique);
    }
    if unique {
        return Err(reader.error_here());
    }
    if let Some(kind) = reader.accept_any(&["function", "procedure"]) {
        return create_function::create_function(reader, or_replace, kind == "procedure");
    }
    if !or_replace && reader.accept(&["sequence"]) {
        return sequence::create_sequence(reader, temporary);
    }
    if !or_replace && !temporary && reader.accept(&["type"]) {
        return user_type::create(reader);
    }
    if !or_replace && !temporary && reader.accept(&["domain"]) {
        return domain::create(reader);
    }
    if !or_replace && !temporary && reader.accept(&["extension"]) {
        return create_extension(reader);
    }
    if let Some(error) = unsupported_object(reader) {
        return Err(error);
    }
    if or_replace {
        return Err(reader.error_here());
    }
    match reader.accept_any(&["database", "catalog", "schema", "role", "user", "group", "external"]) {
        Some("database" | "catalog") => create_database(reader),
        Some("schema") => schema::create(reader),
        Some("external") => create_external_location(reader),
        Some(kind) => role_options::create_role(reader, kind),
        None => Err(reader.error_here()),
    }
}

/// `CREATE EXTENSION [IF NOT EXISTS] name [[WITH] [SCHEMA s] [VERSION v] [CASCADE]]`.
fn create_extension(reader: &mut Reader) -> Result<Statement> {
    let if_not_exists = reader.if_not_exists();
    let name = reader.name()?;
    reader.accept(&["with"]);
    loop {
        match reader.accept_any(&["schema", "version", "cascade"]) {
            Some("schema") => drop(reader.name()?),
            Some("version") => match reader.peek() {
                Token::SingleQuotedString(_) => drop(reader.string()?),
                _ => drop(reader.name()?),
            },
            Some(_) => {}
            None => return Ok(Statement::CreateExtension { name, if_not_exists }),
        }
    }
}

/// What PostgreSQL and Databricks can create and Boathouse cannot yet.
fn unsupported_object(reader: &Reader) -> Option<Error> {
    let mut words = 0;
    // TRUSTED LANGUAGE and the like: the noun comes second.
    if reader
        .peek_word()
        .is_some_and(|word| matches!(word, "trusted" | "procedural" | "constraint"))
    {
        words = 1;
    }
    let Token::Word(word) = reader.peek_nth(words) else {
        return None;
    };
    let (name, hint) = match word.value.as_str() {
        "trigger" | "event" => ("CREATE TRIGGER", None),
        "rule" => ("CREATE RULE", None),
        "policy" => (
            "CREATE POLICY",
            Some("Use ALTER TABLE t SET ROW FILTER function ON (columns)."),
        ),
        "aggregate" => ("CREATE AGGREGATE", None),
        "operator" => ("CREATE OPERATOR", None),
        "cast" => ("CREATE CAST", None),
        "collation" => ("CREATE COLLATION", None),
        "conversion" => ("CREATE CONVERSION", None),
        "language" => ("CREATE LANGUAGE", None),
        "server" => ("CREATE SERVER", None),
        "foreign" => (
            "CREATE FOREIGN TABLE",
            Some("Use CREATE TABLE … USING DELTA LOCATION 'url'."),
        ),
        "publication" => ("CREATE PUBLICATION", None),
        "subscription" => ("CREATE SUBSCRIPTION", None),
        "statistics" => ("CREATE STATISTICS", Some("Statistics are gathered with each write.")),
        "tablespace" => ("CREATE TABLESPACE", Some("Use CREATE EXTERNAL LOCATION.")),
        "text" => ("CREATE TEXT SEARCH", None),
        "access" => ("CREATE ACCESS METHOD", None),
        "transform" => ("CREATE TRANSFORM", None),
        "share" | "recipient" | "provider" | "volume" | "connection" => ("this kind of CREATE", None),
        _ => return None,
    };
    let error = Error::unsupported(name);
    Some(match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}

/// [LOCAL | GLOBAL] TEMP[ORARY], if it is next.
fn temporary(reader: &mut Reader) -> Result<bool> {
    match reader.accept_any(&["temp", "temporary", "global", "local"]) {
        None => Ok(false),
        Some("global" | "local") if reader.accept_any(&["temp", "temporary"]).is_none() => Err(reader.error_here()),
        Some(_) => Ok(true),
    }
}

/// Whether the name puts a relation among the temporary ones.
pub(super) fn names_temporary(name: &ObjectName) -> bool {
    matches!(name.0.as_slice(), [schema, _] if schema == "pg_temp")
}

/// `CREATE RECURSIVE VIEW name (columns) AS query`: a view of WITH RECURSIVE, whose query may read the name.
fn create_recursive_view(reader: &mut Reader, or_replace: bool, temporary: bool) -> Result<Statement> {
    let name = reader.object_name()?;
    let columns = reader.parenthesized(|reader| reader.name())?;
    reader.expect(&["as"])?;
    let start = reader.position();
    reader.query()?;
    if reader.peek_words(&["with"]) {
        return Err(Error::unsupported("WITH CHECK OPTION of a recursive view"));
    }
    let quoted = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
    let listed: Vec<String> = columns.iter().map(quoted).collect();
    let (own, listed) = (quoted(&name.last().to_string()), listed.join(", "));
    let query = reader.text_since(start);
    let query_text = format!("WITH RECURSIVE {own} ({listed}) AS ({query}) SELECT {listed} FROM {own}");
    let Some(Statement::Query(query)) = super::parse(&query_text)?.pop().map(|parsed| parsed.statement) else {
        return Err(Error::internal("the query of a recursive view is none"));
    };
    Ok(Statement::CreateView {
        temporary: temporary || names_temporary(&name),
        name,
        or_replace,
        if_not_exists: false,
        columns,
        query,
        query_text,
        options: ViewOptions::default(),
    })
}

fn create_view(reader: &mut Reader, or_replace: bool, temporary: bool) -> Result<Statement> {
    let if_not_exists = reader.if_not_exists();
    let name = reader.object_name()?;
    let columns = if *reader.peek() == Token::LParen {
        reader.parenthesized(|reader| reader.name())?
    } else {
        vec![]
    };
    let mut options = ViewOptions::default();
    if reader.accept(&["with"]) {
        for (option, value) in properties(reader)? {
            match (option.as_str(), value.to_lowercase().as_str()) {
                // What every view has here: policies lie below it.
                ("security_barrier", _) => {}
                ("check_option", "local") => options.check_option = Some(CheckOption::Local),
                ("check_option", "cascaded") => options.check_option = Some(CheckOption::Cascaded),
                ("check_option", _) => {
                    let message = format!("invalid value for enum option \"check_option\": {value}");
                    return Err(Error::new(SqlState::InvalidParameterValue, message)
                        .with_detail("Valid values are \"local\" and \"cascaded\"."));
                }
                ("security_invoker", "true" | "on" | "yes" | "1") => options.security_invoker = true,
                ("security_invoker", "false" | "off" | "no" | "0") => options.security_invoker = false,
                _ => return Err(Error::unsupported(format!("the view option {option}"))),
            }
        }
    }
    reader.expect(&["as"])?;
    let start = reader.position();
    let query = reader.query()?;
    let query_text = reader.text_since(start).to_string();
    if reader.accept(&["with"]) {
        options.check_option = Some(match reader.accept_any(&["local", "cascaded"]) {
            Some("local") => CheckOption::Local,
            _ => CheckOption::Cascaded,
        });
        reader.expect(&["check", "option"])?;
    }
    Ok(Statement::CreateView {
        temporary: temporary || names_temporary(&name),
        name,
        or_replace,
        if_not_exists,
        columns,
        query,
        query_text,
        options,
    })
}

fn create_database(reader: &mut Reader) -> Result<Statement> {
    let if_not_exists = reader.if_not_exists();
    let name = reader.name()?;
    reader.accept(&["with"]);
    let mut owner = None;
    while !reader.at_end() {
        let position = reader.position();
        let option = reader.label()?;
        if option == "connection" {
            return Err(Error::unsupported("CREATE DATABASE … CONNECTION LIMIT").at(position));
        }
        reader.accept_token(&Token::Eq);
        match option.as_str() {
            "owner" => owner = Some(reader.role_name()?),
            "encoding" => {
                let encoding = option_value(reader)?;
                if !matches!(
                    encoding.to_lowercase().replace(['-', '_'], "").as_str(),
                    "utf8" | "unicode" | "default" | "6"
                ) {
                    return Err(Error::unsupported(format!("the encoding {encoding}"))
                        .with_hint("Use UTF8.")
                        .at(position));
                }
            }
            // One order (by bytes) and one template: named or not, the outcome is the same.
            "template" | "lc_collate" | "lc_ctype" | "locale" | "locale_provider" | "icu_locale" | "strategy"
            | "collation_version" | "builtin_locale" | "tablespace" | "allow_connections" | "is_template" | "oid" => {
                option_value(reader)?;
            }
            _ => return Err(Error::syntax(format!("database option \"{option}\" not recognized")).at(position)),
        }
    }
    Ok(Statement::CreateDatabase {
        name,
        if_not_exists,
        owner,
    })
}

fn option_value(reader: &mut Reader) -> Result<String> {
    let value = match reader.peek() {
        Token::SingleQuotedString(value) | Token::Number(value, _) => value.clone(),
        Token::Word(word) => word.value.clone(),
        _ => return Err(reader.error_here()),
    };
    reader.advance();
    Ok(value)
}

/// CREATE EXTERNAL LOCATION name URL '…' [WITH (key = 'value', …)].
fn create_external_location(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["location"])?;
    let if_not_exists = reader.if_not_exists();
    let name = reader.name()?;
    reader.expect(&["url"])?;
    let url = reader.string()?;
    let mut options = vec![];
    if reader.accept(&["with"]) {
        if reader.peek_nth(1) == &Token::make_word("storage", None) {
            return Err(Error::unsupported("a storage credential")
                .with_hint("Give the store's options: WITH (region = '…', endpoint = '…')."));
        }
        options = properties(reader)?;
    }
    Ok(Statement::CreateExternalLocation {
        name,
        if_not_exists,
        url,
        options,
    })
}

/// `(key = value, 'key' = 'value', a.b 'value', flag)`: TBLPROPERTIES and WITH lists.
pub(super) fn properties(reader: &mut Reader) -> Result<Vec<(String, String)>> {
    reader.parenthesized(|reader| {
        let mut key = match reader.peek() {
            Token::SingleQuotedString(_) => reader.string()?,
            _ => reader.label()?,
        };
        while reader.accept_token(&Token::Period) {
            key = format!("{key}.{}", reader.label()?);
        }
        reader.accept_token(&Token::Eq);
        if matches!(reader.peek(), Token::Comma | Token::RParen) {
            return Ok((key, "true".to_string()));
        }
        let negative = reader.accept_token(&Token::Minus);
        let value = option_value(reader)?;
        Ok((key, if negative { format!("-{value}") } else { value }))
    })
}
