//! CREATE TABLE: columns or a query, and Databricks' clauses (USING DELTA, LOCATION, PARTITIONED BY,
//! TBLPROPERTIES, COMMENT, MASK, WITH ROW FILTER).

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{
    ColumnDefinition, ConstraintDefinition, CreateTable, LikeOptions, LikeTable, ObjectName, OnCommit, PolicyFunction,
    Statement,
};
use super::constraint;
use super::create::{names_temporary, properties};
use super::prepare;
use super::reader::Reader;
use super::sequence;
use crate::catalog::changes::SequenceOptions;
use crate::catalog::model::NumberingKind;
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

/// A query; SELECT … INTO is CREATE TABLE AS in another spelling.
pub(super) fn select(reader: &mut Reader) -> Result<Statement> {
    let (query, into) = reader.query_into()?;
    let Some(into) = into else {
        return Ok(Statement::Query(query));
    };
    let parts = into.name.0.iter().filter_map(|part| part.as_ident());
    let name = ObjectName(parts.map(|part| part.value.clone()).collect());
    let temporary = into.temporary || names_temporary(&name);
    Ok(Statement::CreateTable(CreateTable {
        temporary: temporary.then_some(OnCommit::PreserveRows),
        query: Some(query),
        unlogged: into.unlogged,
        ..named(name)
    }))
}

/// A table without columns yet.
fn named(name: ObjectName) -> CreateTable {
    CreateTable {
        name,
        if_not_exists: false,
        or_replace: false,
        temporary: None,
        columns: vec![],
        likes: vec![],
        query: None,
        execute: None,
        with_no_data: false,
        unlogged: false,
        column_names: vec![],
        location: None,
        partition_by: vec![],
        properties: vec![],
        comment: None,
        row_filter: None,
        constraints: vec![],
    }
}

pub(super) fn create_table(
    reader: &mut Reader,
    or_replace: bool,
    temporary: bool,
    unlogged: bool,
) -> Result<Statement> {
    let if_not_exists = reader.if_not_exists();
    let mut table = CreateTable {
        unlogged,
        if_not_exists,
        or_replace,
        ..named(reader.object_name()?)
    };
    table.temporary = (temporary || names_temporary(&table.name)).then_some(OnCommit::PreserveRows);
    // Databricks' spelling, which takes all that describes a column.
    if reader.accept(&["like"]) {
        let mut like = like(reader, 0)?;
        like.including = LikeOptions {
            comments: true,
            defaults: true,
            generated: true,
            ..like.including
        };
        table.likes.push(like);
    }
    if let Some(word @ ("of" | "partition" | "clone" | "shallow" | "deep")) = reader.peek_word() {
        return Err(Error::unsupported(format!("CREATE TABLE … {}", word.to_uppercase())));
    }
    if *reader.peek() == Token::LParen && table.likes.is_empty() {
        if names_only(reader) {
            table.column_names = reader.parenthesized(|reader| reader.name())?;
        } else {
            reader.advance();
            if !reader.accept_token(&Token::RParen) {
                elements(reader, &mut table)?;
                reader.expect_token(&Token::RParen)?;
            }
        }
    }
    while clause(reader, &mut table)? {}
    if reader.peek_words(&["as"]) {
        if !table.columns.is_empty() || !table.likes.is_empty() {
            return Err(reader.error_here());
        }
        reader.advance();
        match reader.peek_words(&["execute"]) {
            true => table.execute = Some(prepare::executed(reader)?),
            false => table.query = Some(reader.query()?),
        }
        table.with_no_data = with_no_data(reader)?;
    } else if !table.column_names.is_empty() {
        return Err(reader.error_here());
    }
    Ok(Statement::CreateTable(table))
}

/// `[WITH [NO] DATA]`.
pub(super) fn with_no_data(reader: &mut Reader) -> Result<bool> {
    if !reader.accept(&["with"]) {
        return Ok(false);
    }
    let none = reader.accept(&["no"]);
    reader.expect(&["data"])?;
    Ok(none)
}

/// Whether the parentheses hold names without types: the columns of a CREATE TABLE AS.
fn names_only(reader: &Reader) -> bool {
    let mut distance = 1;
    loop {
        match (reader.peek_nth(distance), reader.peek_nth(distance + 1)) {
            (Token::Word(_), Token::Comma) => distance += 2,
            (Token::Word(_), Token::RParen) => return true,
            _ => return false,
        }
    }
}

/// Columns and constraints.
fn elements(reader: &mut Reader, table: &mut CreateTable) -> Result<()> {
    loop {
        if reader.accept(&["like"]) {
            let place = table.columns.len();
            table.likes.push(like(reader, place)?);
        } else if constraint::starts(reader) {
            table.constraints.push(constraint::of_table(reader)?);
        } else {
            let mut column = column_definition(reader)?;
            table.constraints.append(&mut column.constraints);
            table.columns.push(column);
        }
        if !reader.accept_token(&Token::Comma) {
            break;
        }
    }
    // A primary key's columns are never null.
    for constraint in &table.constraints {
        if let ConstraintDefinition::PrimaryKey(names) = &constraint.rule {
            table
                .columns
                .iter_mut()
                .filter(|column| names.contains(&column.name))
                .for_each(|column| column.not_null = true);
        }
    }
    Ok(())
}

/// `table {INCLUDING | EXCLUDING} what …`, after LIKE.
fn like(reader: &mut Reader, place: usize) -> Result<LikeTable> {
    let table = reader.object_name()?;
    let mut including = LikeOptions::default();
    while let Some(word @ ("including" | "excluding")) = reader.accept_any(&["including", "excluding"]) {
        let takes = word == "including";
        let what = reader.accept_any(&[
            "all",
            "comments",
            "compression",
            "constraints",
            "defaults",
            "generated",
            "identity",
            "indexes",
            "statistics",
            "storage",
        ]);
        let option = match what {
            Some("all") => {
                including = LikeOptions {
                    comments: takes,
                    constraints: takes,
                    defaults: takes,
                    generated: takes,
                    identity: takes,
                    indexes: takes,
                };
                continue;
            }
            Some("comments") => &mut including.comments,
            Some("constraints") => &mut including.constraints,
            Some("defaults") => &mut including.defaults,
            Some("generated") => &mut including.generated,
            Some("identity") => &mut including.identity,
            Some("indexes") => &mut including.indexes,
            // How PostgreSQL's heap keeps values.
            Some(_) => continue,
            None => return Err(reader.error_here()),
        };
        *option = takes;
    }
    Ok(LikeTable {
        place,
        table,
        including,
    })
}

/// `name type [NOT NULL] [COMMENT 'text'] [MASK f [USING COLUMNS (…)]]`.
pub(super) fn column_definition(reader: &mut Reader) -> Result<ColumnDefinition> {
    let name = reader.name()?;
    let serial = match reader.peek_word() {
        Some("serial" | "serial4") => Some(SqlType::Int4),
        Some("bigserial" | "serial8") => Some(SqlType::Int8),
        Some("smallserial" | "serial2") => Some(SqlType::Int2),
        _ => None,
    };
    let numbering = serial
        .as_ref()
        .map(|_| (NumberingKind::Serial, SequenceOptions::default()));
    let sql_type = match serial {
        Some(sql_type) => {
            reader.advance();
            sql_type
        }
        None => reader.data_type()?,
    };
    let mut column = ColumnDefinition {
        name,
        sql_type,
        not_null: numbering.is_some(),
        numbering,
        default: None,
        generated: None,
        constraints: vec![],
        comment: None,
        mask: None,
    };
    loop {
        if reader.accept(&["not"]) {
            reader.expect(&["null"])?;
            column.not_null = true;
        } else if reader.accept(&["null"]) {
            column.not_null = false;
        } else if reader.accept(&["comment"]) {
            column.comment = Some(reader.string()?);
        } else if reader.accept(&["mask"]) {
            column.mask = Some(column_mask(reader)?);
        } else if reader.peek_words(&["collate"]) {
            return Err(Error::unsupported("a column's COLLATE").at(reader.position()));
        } else if reader.accept(&["default"]) {
            let start = reader.position();
            let expression = reader.expression()?;
            let text = reader.text_since(start);
            // The expression's grammar takes the column's NOT NULL for its own.
            let default = match expression {
                Expr::IsNotNull(_) => without_not_null(text),
                _ => None,
            };
            column.not_null |= default.is_some();
            column.default = Some(default.unwrap_or(text).to_string());
        } else if is_computed(reader) {
            column.generated = Some(computed(reader)?);
        } else if reader.peek_words(&["generated"]) {
            column.numbering = Some(identity(reader)?);
            column.not_null = true;
        } else if let Some(constraint) = constraint::of_column(reader, &column.name)? {
            column.constraints.push(constraint);
        } else if reader.peek_words(&["not", "null"]) || reader.peek_words(&["null"]) {
        } else {
            return Ok(column);
        }
    }
}

/// What stands before a NOT NULL at the end that is no IS NOT NULL.
pub(super) fn without_not_null(text: &str) -> Option<&str> {
    let strip = |text: &'_ str, word: &str| {
        let end = text.len().checked_sub(word.len())?;
        let matches = text.get(end..)?.eq_ignore_ascii_case(word);
        matches.then(|| text[..end].trim_end().len())
    };
    let end = strip(text, "null")?;
    let end = strip(&text[..end], "not")?;
    match strip(&text[..end], "is") {
        Some(_) => None,
        None => Some(&text[..end]),
    }
}

/// GENERATED ALWAYS | BY DEFAULT.
pub(super) fn generated(reader: &mut Reader) -> Result<NumberingKind> {
    reader.expect(&["generated"])?;
    if reader.accept(&["always"]) {
        return Ok(NumberingKind::Always);
    }
    reader.expect(&["by", "default"])?;
    Ok(NumberingKind::ByDefault)
}

fn is_computed(reader: &Reader) -> bool {
    reader.peek_words(&["generated", "always", "as"]) && *reader.peek_nth(3) == Token::LParen
}

/// GENERATED ALWAYS AS (expression) STORED.
fn computed(reader: &mut Reader) -> Result<String> {
    reader.expect(&["generated", "always", "as"])?;
    reader.expect_token(&Token::LParen)?;
    let text = reader.expression_text()?;
    reader.expect_token(&Token::RParen)?;
    let position = reader.position();
    match reader.accept(&["stored"]) {
        true => Ok(text),
        false => Err(Error::unsupported("a generated column that is not STORED").at(position)),
    }
}

/// GENERATED ALWAYS | BY DEFAULT AS IDENTITY [(options)].
pub(super) fn identity(reader: &mut Reader) -> Result<(NumberingKind, SequenceOptions)> {
    let position = reader.position();
    let kind = generated(reader)?;
    reader.expect(&["as"])?;
    if *reader.peek() == Token::LParen {
        return Err(Error::unsupported("a generated column").at(position));
    }
    reader.expect(&["identity"])?;
    let mut options = SequenceOptions::default();
    if reader.accept_token(&Token::LParen) {
        options = sequence::options(reader)?.0;
        reader.expect_token(&Token::RParen)?;
    }
    Ok((kind, options))
}

/// `function [USING COLUMNS (…)]`, after MASK.
pub(super) fn column_mask(reader: &mut Reader) -> Result<PolicyFunction> {
    let function = reader.object_name()?;
    let columns = if reader.accept(&["using"]) {
        reader.expect(&["columns"])?;
        reader.parenthesized(|reader| reader.name())?
    } else {
        vec![]
    };
    Ok(PolicyFunction { function, columns })
}

/// `function ON (…)`, after ROW FILTER.
pub(super) fn row_filter(reader: &mut Reader) -> Result<PolicyFunction> {
    let function = reader.object_name()?;
    reader.expect(&["on"])?;
    reader.expect_token(&Token::LParen)?;
    let columns = if *reader.peek() == Token::RParen {
        vec![]
    } else {
        reader.list(|reader| reader.name())?
    };
    reader.expect_token(&Token::RParen)?;
    Ok(PolicyFunction { function, columns })
}

/// One clause between the columns and AS; false when there is none.
fn clause(reader: &mut Reader, table: &mut CreateTable) -> Result<bool> {
    let position = reader.position();
    if reader.accept(&["using"]) {
        let format = reader.label()?;
        if !format.eq_ignore_ascii_case("delta") {
            return Err(Error::unsupported(format!("the table format {format}"))
                .with_hint("Tables are Delta tables: write USING DELTA, or leave it out.")
                .at(position));
        }
    } else if reader.accept(&["location"]) {
        table.location = Some(reader.string()?);
    } else if reader.accept(&["partitioned", "by"]) {
        table.partition_by = reader.parenthesized(|reader| partition_column(reader, table))?;
    } else if reader.accept(&["partition", "by"]) {
        return Err(Error::unsupported("PARTITION BY of a table")
            .with_hint("Use PARTITIONED BY (columns): one table, partitioned by the columns' values.")
            .at(position));
    } else if reader.accept(&["tblproperties"]) {
        table.properties = properties(reader)?;
    } else if reader.accept(&["comment"]) {
        reader.accept_token(&Token::Eq);
        table.comment = Some(reader.string()?);
    } else if reader.accept(&["with", "row", "filter"]) {
        table.row_filter = Some(row_filter(reader)?);
    } else if reader.peek_words(&["with"]) && *reader.peek_nth(1) == Token::LParen {
        reader.advance();
        storage_parameters(reader, position)?;
    } else if reader.accept(&["on", "commit"]) {
        let action = on_commit(reader)?;
        if table.temporary.is_none() {
            let message = "ON COMMIT can only be used on temporary tables";
            return Err(Error::new(SqlState::InvalidTableDefinition, message));
        }
        table.temporary = Some(action);
    } else if reader.accept(&["without", "oids"]) {
    } else if reader.accept(&["tablespace"]) {
        return Err(Error::unsupported("TABLESPACE")
            .with_hint("Use LOCATION 'url'.")
            .at(position));
    } else if let Some(word @ ("cluster" | "clustered" | "inherits" | "on")) = reader.peek_word() {
        return Err(Error::unsupported(format!("CREATE TABLE … {}", word.to_uppercase())).at(position));
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn on_commit(reader: &mut Reader) -> Result<OnCommit> {
    if reader.accept(&["drop"]) {
        return Ok(OnCommit::Drop);
    }
    let action = match reader.accept_any(&["preserve", "delete"]) {
        Some("preserve") => OnCommit::PreserveRows,
        Some(_) => OnCommit::DeleteRows,
        None => return Err(reader.error_here()),
    };
    reader.expect(&["rows"])?;
    Ok(action)
}

/// A partition column is named; with a type it is a column of its own, at the end (Databricks).
fn partition_column(reader: &mut Reader, table: &mut CreateTable) -> Result<String> {
    if matches!(reader.peek_nth(1), Token::Word(_)) {
        let column = column_definition(reader)?;
        let name = column.name.clone();
        table.columns.push(column);
        return Ok(name);
    }
    reader.name()
}

/// PostgreSQL's storage parameters tune a heap that is not there; unknown ones are still mistakes.
fn storage_parameters(reader: &mut Reader, position: usize) -> Result<()> {
    for (name, _) in properties(reader)? {
        let known = name.starts_with("autovacuum_")
            || name.starts_with("toast")
            || matches!(name.as_str(), "fillfactor" | "parallel_workers" | "oids");
        if !known {
            return Err(Error::new(
                SqlState::InvalidParameterValue,
                format!("unrecognized parameter \"{name}\""),
            )
            .with_hint("Delta table properties are written TBLPROPERTIES (…).")
            .at(position));
        }
    }
    Ok(())
}
