//! Constraints of a table: PRIMARY KEY, UNIQUE, FOREIGN KEY, CHECK, by themselves or beside a column.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{ConstraintDefinition, TableConstraint};
use super::reader::Reader;
use crate::catalog::model::{ForeignKeyTerms, ReferentialAction, Timing};
use crate::error::{Error, Result, SqlState};

/// Whether a constraint of the table follows.
pub(super) fn starts(reader: &Reader) -> bool {
    matches!(
        reader.peek_word(),
        Some("constraint" | "primary" | "unique" | "check" | "foreign" | "exclude")
    )
}

/// [CONSTRAINT name] rule (columns) ….
pub(super) fn of_table(reader: &mut Reader) -> Result<TableConstraint> {
    let name = name(reader)?;
    let rule = if reader.accept(&["primary", "key"]) {
        ConstraintDefinition::PrimaryKey(reader.parenthesized(|reader| reader.name())?)
    } else if reader.accept(&["unique"]) {
        let nulls_not_distinct = nulls_not_distinct(reader)?;
        ConstraintDefinition::Unique {
            columns: reader.parenthesized(|reader| reader.name())?,
            nulls_not_distinct,
        }
    } else if reader.accept(&["foreign", "key"]) {
        let columns = reader.parenthesized(|reader| reader.name())?;
        references(reader, columns)?
    } else if reader.accept(&["check"]) {
        check(reader)?
    } else if reader.peek_words(&["exclude"]) {
        return Err(Error::unsupported("EXCLUDE").at(reader.position()));
    } else {
        return Err(reader.error_here());
    };
    let begin = reader.position();
    let constraint = with_attributes(reader, name, rule)?;
    match (&constraint.rule, constraint.timing) {
        (ConstraintDefinition::Check(_), Timing::Deferrable | Timing::Deferred) => {
            let message = "CHECK constraints cannot be marked DEFERRABLE";
            Err(Error::new(SqlState::FeatureNotSupported, message).at(begin))
        }
        _ => Ok(constraint),
    }
}

/// [CONSTRAINT name] rule …, beside the column of this name; `None` when none follows.
pub(super) fn of_column(reader: &mut Reader, column: &str) -> Result<Option<TableConstraint>> {
    let begins =
        |word: Option<&str>| matches!(word, Some("constraint" | "primary" | "unique" | "check" | "references"));
    if !begins(reader.peek_word()) {
        return Ok(None);
    }
    let name = name(reader)?;
    let columns = vec![column.to_string()];
    let rule = if reader.accept(&["primary", "key"]) {
        ConstraintDefinition::PrimaryKey(columns)
    } else if reader.accept(&["unique"]) {
        let nulls_not_distinct = nulls_not_distinct(reader)?;
        ConstraintDefinition::Unique {
            columns,
            nulls_not_distinct,
        }
    } else if reader.accept(&["check"]) {
        check(reader)?
    } else if reader.peek_words(&["references"]) {
        references(reader, columns)?
    } else if name.is_some() && (reader.peek_words(&["not", "null"]) || reader.peek_words(&["null"])) {
        // A named NOT NULL: the name is of no use.
        return Ok(None);
    } else {
        return Err(reader.error_here());
    };
    let begin = reader.position();
    let constraint = with_attributes(reader, name, rule)?;
    match (&constraint.rule, constraint.timing) {
        (ConstraintDefinition::Check(_), Timing::Deferrable | Timing::Deferred) => {
            Err(Error::syntax("misplaced DEFERRABLE clause").at(begin))
        }
        _ => Ok(Some(constraint)),
    }
}

fn name(reader: &mut Reader) -> Result<Option<String>> {
    match reader.accept(&["constraint"]) {
        true => reader.name().map(Some),
        false => Ok(None),
    }
}

fn nulls_not_distinct(reader: &mut Reader) -> Result<bool> {
    if reader.accept(&["nulls", "not", "distinct"]) {
        return Ok(true);
    }
    if reader.accept(&["nulls"]) {
        reader.expect(&["distinct"])?;
    }
    Ok(false)
}

fn check(reader: &mut Reader) -> Result<ConstraintDefinition> {
    reader.expect_token(&Token::LParen)?;
    let text = reader.expression_text()?;
    reader.expect_token(&Token::RParen)?;
    reader.accept(&["no", "inherit"]);
    Ok(ConstraintDefinition::Check(text))
}

fn references(reader: &mut Reader, columns: Vec<String>) -> Result<ConstraintDefinition> {
    reader.expect(&["references"])?;
    let table = reader.object_name()?;
    let referenced = match reader.peek() {
        Token::LParen => reader.parenthesized(|reader| reader.name())?,
        _ => vec![],
    };
    let mut terms = ForeignKeyTerms::default();
    let mut set_columns = vec![];
    loop {
        let begin = reader.position();
        if reader.accept(&["match"]) {
            terms.match_full = match reader.accept_any(&["full", "simple", "partial"]) {
                Some("partial") => return Err(Error::unsupported("MATCH PARTIAL").at(reader.position())),
                Some(kind) => kind == "full",
                None => return Err(reader.error_here()),
            };
        } else if reader.accept(&["on"]) {
            match reader.accept_any(&["delete", "update"]) {
                Some("delete") => (terms.on_delete, set_columns) = action(reader)?,
                Some(_) => {
                    let (action, named) = action(reader)?;
                    if !named.is_empty() {
                        let message = "a column list with SET NULL is only supported for ON DELETE actions";
                        let message = message.replace("SET NULL", action.words());
                        return Err(Error::new(SqlState::FeatureNotSupported, message).at(begin));
                    }
                    terms.on_update = action;
                }
                None => return Err(reader.error_here()),
            }
        } else {
            break;
        }
    }
    Ok(ConstraintDefinition::ForeignKey {
        columns,
        table,
        referenced,
        terms,
        set_columns,
    })
}

/// What is to happen to the rows that refer to one that goes or changes, and the columns that it names.
fn action(reader: &mut Reader) -> Result<(ReferentialAction, Vec<String>)> {
    let actions = [
        ReferentialAction::NoAction,
        ReferentialAction::Restrict,
        ReferentialAction::Cascade,
        ReferentialAction::SetNull,
        ReferentialAction::SetDefault,
    ];
    for action in actions {
        let words = action.words().to_lowercase();
        let words: Vec<&str> = words.split(' ').collect();
        if reader.accept(&words) {
            let sets = matches!(action, ReferentialAction::SetNull | ReferentialAction::SetDefault);
            return match reader.peek() {
                Token::LParen if sets => Ok((action, reader.parenthesized(|reader| reader.name())?)),
                _ => Ok((action, vec![])),
            };
        }
    }
    Err(reader.error_here())
}

/// The constraint with what says when and whether it is tested.
fn with_attributes(reader: &mut Reader, name: Option<String>, rule: ConstraintDefinition) -> Result<TableConstraint> {
    let (mut enforced, mut deferrable, mut deferred) = (None, None, None);
    let mut is_told = false;
    let begin = reader.position();
    loop {
        if reader.accept(&["not", "deferrable"]) {
            deferrable = Some(false);
        } else if reader.accept(&["deferrable"]) {
            deferrable = Some(true);
        } else if reader.accept(&["initially"]) {
            deferred = match reader.accept_any(&["deferred", "immediate"]) {
                Some(when) => Some(when == "deferred"),
                None => return Err(reader.error_here()),
            };
        } else if reader.accept(&["not", "enforced"]) {
            enforced = Some(false);
        } else if reader.accept(&["enforced"]) {
            enforced = Some(true);
        } else if reader.accept(&["rely"]) || reader.accept(&["norely"]) {
            // Databricks says so of keys that nothing is held to.
            is_told = true;
        } else {
            break;
        }
    }
    let timing = match (deferrable, deferred) {
        (Some(false), Some(true)) => {
            let message = "constraint declared INITIALLY DEFERRED must be DEFERRABLE";
            return Err(Error::new(SqlState::SyntaxError, message).at(begin));
        }
        (_, Some(true)) => Timing::Deferred,
        (Some(true), _) => Timing::Deferrable,
        _ => Timing::Immediate,
    };
    if is_told && matches!(rule, ConstraintDefinition::ForeignKey { .. }) {
        enforced = enforced.or(Some(false));
    }
    Ok(TableConstraint {
        name,
        rule,
        enforced,
        timing,
    })
}
