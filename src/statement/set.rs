//! SET in all its spellings, RESET and DISCARD.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{DiscardKind, RoleSetting, SetValue, Statement};
use super::reader::Reader;
use super::transaction::modes;
use crate::error::{Error, Result};

/// Databricks' USE [SCHEMA | DATABASE] name: the schema is looked in first.
pub(super) fn use_schema(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["use"])?;
    if reader.peek_words(&["catalog"]) && matches!(reader.peek_nth(1), Token::Word(_)) {
        return Err(Error::unsupported("USE CATALOG").with_hint("Connect to the other database."));
    }
    if matches!(reader.peek_nth(1), Token::Word(_)) {
        reader.accept_any(&["schema", "database"]);
    }
    Ok(Statement::Set {
        name: "search_path".into(),
        value: SetValue::Values(vec![reader.name()?]),
        local: false,
    })
}

pub(super) fn set(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["set"])?;
    if reader.accept(&["session", "characteristics"]) {
        reader.expect(&["as", "transaction"])?;
        return transaction(reader, true);
    }
    if reader.accept(&["transaction"]) {
        return transaction(reader, false);
    }
    if reader.accept(&["constraints"]) {
        return constraints(reader);
    }
    // SESSION may also begin SESSION AUTHORIZATION.
    let scoped = reader.peek_words(&["local"])
        || reader.peek_words(&["session"]) && !reader.peek_words(&["session", "authorization"]);
    let local = reader.peek_words(&["local"]);
    if scoped {
        reader.advance();
    }
    if reader.accept(&["session", "authorization"]) {
        let role = if reader.accept(&["default"]) {
            None
        } else {
            Some(name_or_string(reader)?)
        };
        return Ok(Statement::SetSessionAuthorization { role, local });
    }
    if reader.peek_words(&["role"])
        && !matches!(reader.peek_nth(1), Token::Eq | Token::Period)
        && !is_to(reader.peek_nth(1))
    {
        reader.advance();
        let role = if reader.accept(&["none"]) {
            None
        } else {
            Some(name_or_string(reader)?)
        };
        return Ok(Statement::SetRole { role, local });
    }
    let (name, value) = assignment(reader)?;
    Ok(match (name.as_str(), value) {
        // `SET role = x` is the setting's spelling of SET ROLE.
        ("role", SetValue::Values(values)) if values.len() == 1 => Statement::SetRole {
            role: values.into_iter().next().filter(|role| role != "none"),
            local,
        },
        ("session_authorization", SetValue::Values(values)) if values.len() == 1 => {
            Statement::SetSessionAuthorization {
                role: values.into_iter().next(),
                local,
            }
        }
        (_, value) => Statement::Set { name, value, local },
    })
}

/// SET CONSTRAINTS { ALL | name, … } { DEFERRED | IMMEDIATE }.
fn constraints(reader: &mut Reader) -> Result<Statement> {
    let names = match reader.accept(&["all"]) {
        true => vec![],
        false => reader.list(|reader| reader.object_name())?,
    };
    let deferred = reader.accept(&["deferred"]);
    if !deferred {
        reader.expect(&["immediate"])?;
    }
    Ok(Statement::SetConstraints {
        names,
        deferred: Some(deferred),
    })
}

/// What follows SET: a setting and its value, in SQL's own spelling for some.
fn assignment(reader: &mut Reader) -> Result<(String, SetValue)> {
    if reader.accept(&["time", "zone"]) {
        return Ok(("timezone".into(), time_zone(reader)?));
    }
    if reader.accept(&["names"]) {
        let value = match reader.peek() {
            Token::SingleQuotedString(_) => SetValue::Values(vec![reader.string()?]),
            _ => {
                reader.accept(&["default"]);
                SetValue::Default
            }
        };
        return Ok(("client_encoding".into(), value));
    }
    if reader.accept(&["schema"]) {
        return Ok(("search_path".into(), SetValue::Values(vec![reader.string()?])));
    }
    let name = setting_name(reader)?;
    if !reader.accept_token(&Token::Eq) {
        reader.expect(&["to"])?;
    }
    let value = match reader.accept(&["default"]) {
        true => SetValue::Default,
        false => SetValue::Values(reader.list(value)?),
    };
    Ok((name, value))
}

/// SET and RESET after ALTER ROLE name.
pub(super) fn role_setting(reader: &mut Reader) -> Result<RoleSetting> {
    if reader.accept(&["set"]) {
        let behind_name = match reader.peek_nth(1) {
            Token::Period => 3,
            _ => 1,
        };
        if matches!(reader.peek_nth(behind_name), Token::Word(word) if word.value.eq_ignore_ascii_case("from")) {
            let name = setting_name(reader)?;
            reader.expect(&["from", "current"])?;
            return Ok(RoleSetting::SetFromCurrent(name));
        }
        return Ok(match assignment(reader)? {
            (name, SetValue::Values(values)) => RoleSetting::Set { name, values },
            (name, SetValue::Default) => RoleSetting::Reset(name),
        });
    }
    Ok(match reset(reader)? {
        Statement::Reset { name: Some(name) } => RoleSetting::Reset(name),
        _ => RoleSetting::ResetAll,
    })
}

pub(super) fn reset(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["reset"])?;
    if reader.accept(&["all"]) {
        return Ok(Statement::Reset { name: None });
    }
    if reader.accept(&["time", "zone"]) {
        return Ok(Statement::Reset {
            name: Some("timezone".into()),
        });
    }
    if reader.accept(&["transaction", "isolation", "level"]) {
        return Ok(Statement::Reset {
            name: Some("transaction_isolation".into()),
        });
    }
    if reader.accept(&["session", "authorization"]) {
        return Ok(Statement::Reset {
            name: Some("session_authorization".into()),
        });
    }
    Ok(Statement::Reset {
        name: Some(setting_name(reader)?),
    })
}

pub(super) fn discard(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["discard"])?;
    let kind = match reader.accept_any(&["all", "plans", "sequences", "temp", "temporary"]) {
        Some("all") => DiscardKind::All,
        Some("plans") => DiscardKind::Plans,
        Some("sequences") => DiscardKind::Sequences,
        Some(_) => DiscardKind::Temp,
        None => return Err(reader.error_here()),
    };
    Ok(Statement::Discard(kind))
}

fn transaction(reader: &mut Reader, session: bool) -> Result<Statement> {
    if reader.peek_words(&["snapshot"]) {
        return Err(Error::unsupported("SET TRANSACTION SNAPSHOT"));
    }
    Ok(Statement::SetTransaction {
        modes: modes(reader)?,
        session,
    })
}

/// `name` or `prefix.name`, in lower case: settings do not distinguish case.
pub(super) fn setting_name(reader: &mut Reader) -> Result<String> {
    let mut name = reader.name()?.to_lowercase();
    while reader.accept_token(&Token::Period) {
        name = format!("{name}.{}", reader.label()?.to_lowercase());
    }
    Ok(name)
}

fn name_or_string(reader: &mut Reader) -> Result<String> {
    match reader.peek() {
        Token::SingleQuotedString(_) => reader.string(),
        _ => reader.name(),
    }
}

/// A string, a signed number or a word.
fn value(reader: &mut Reader) -> Result<String> {
    let sign = match reader.peek() {
        Token::Minus => "-",
        Token::Plus => "+",
        _ => "",
    };
    if !sign.is_empty() {
        reader.advance();
    }
    let text = match reader.peek() {
        Token::Number(digits, _) => digits.clone(),
        Token::SingleQuotedString(text) if sign.is_empty() => text.clone(),
        Token::Word(word) if sign.is_empty() => word.value.clone(),
        _ => return Err(reader.error_here()),
    };
    reader.advance();
    Ok(if sign == "-" { format!("-{text}") } else { text })
}

fn time_zone(reader: &mut Reader) -> Result<SetValue> {
    if reader.accept_any(&["local", "default"]).is_some() {
        return Ok(SetValue::Default);
    }
    if reader.accept(&["interval"]) {
        let offset = reader.string()?;
        if reader.accept(&["hour"]) && reader.accept(&["to"]) {
            reader.expect(&["minute"])?;
        }
        return Ok(SetValue::Values(vec![hours_east(&offset).unwrap_or(offset)]));
    }
    Ok(SetValue::Values(vec![value(reader)?]))
}

/// The hours of `-08:30`. As an interval it counts to the east; the same text as a zone's name counts to the west, as in
/// POSIX.
fn hours_east(offset: &str) -> Option<String> {
    let (hours, minutes) = offset.split_once(':')?;
    let minutes: f64 = minutes.parse().ok()?;
    let whole: f64 = hours.parse().ok()?;
    let east = whole.abs() + minutes / 60.0;
    Some(if hours.starts_with('-') { -east } else { east }.to_string())
}

fn is_to(token: &Token) -> bool {
    super::dialect::is_word(token, "to")
}
