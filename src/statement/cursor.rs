//! DECLARE … CURSOR, FETCH, MOVE and CLOSE.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{DeclareCursor, Fetch, FetchDirection, Statement};
use super::reader::Reader;
use crate::error::{Error, Result, SqlState};

pub(super) fn declare(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["declare"])?;
    let name = reader.name()?;
    let (mut binary, mut scroll) = (false, None);
    let (mut insensitive, mut asensitive) = (false, false);
    loop {
        if reader.accept(&["binary"]) {
            binary = true;
        } else if reader.accept(&["insensitive"]) {
            insensitive = true;
        } else if reader.accept(&["asensitive"]) {
            asensitive = true;
        } else if reader.accept(&["no", "scroll"]) {
            contradiction(scroll == Some(true), "SCROLL", "NO SCROLL")?;
            scroll = Some(false);
        } else if reader.accept(&["scroll"]) {
            contradiction(scroll == Some(false), "SCROLL", "NO SCROLL")?;
            scroll = Some(true);
        } else {
            break;
        }
    }
    contradiction(insensitive && asensitive, "INSENSITIVE", "ASENSITIVE")?;
    reader.expect(&["cursor"])?;
    let hold = if reader.accept(&["with", "hold"]) {
        true
    } else {
        reader.accept(&["without", "hold"]);
        false
    };
    reader.expect(&["for"])?;
    let is_query = matches!(reader.peek_word(), Some("select" | "with" | "values" | "table"));
    if !is_query && *reader.peek() != Token::LParen {
        return Err(reader.error_here());
    }
    Ok(Statement::DeclareCursor(DeclareCursor {
        name,
        binary,
        scroll,
        hold,
        query: reader.query()?,
    }))
}

fn contradiction(contradicts: bool, one: &str, other: &str) -> Result<()> {
    match contradicts {
        true => Err(Error::new(
            SqlState::InvalidCursorDefinition,
            format!("cannot specify both {one} and {other}"),
        )),
        false => Ok(()),
    }
}

/// FETCH and MOVE: `[direction] [FROM | IN] cursor`.
pub(super) fn fetch(reader: &mut Reader) -> Result<Statement> {
    let is_move = reader.accept(&["move"]);
    if !is_move {
        reader.expect(&["fetch"])?;
    }
    let direction = direction(reader)?;
    reader.accept_any(&["from", "in"]);
    Ok(Statement::Fetch(Fetch {
        cursor: reader.name()?,
        direction,
        is_move,
    }))
}

fn direction(reader: &mut Reader) -> Result<FetchDirection> {
    use FetchDirection::*;
    // A cursor may be called next or first: it is a direction if a name follows.
    let named_next = matches!(reader.peek_nth(1), Token::EOF);
    let word = reader.peek_word().filter(|_| !named_next).map(str::to_string);
    let simple = match word.as_deref() {
        Some("next") => Some(Forward(Some(1))),
        Some("prior") => Some(Backward(Some(1))),
        Some("first") => Some(Absolute(1)),
        Some("last") => Some(Absolute(-1)),
        Some("all") => Some(Forward(None)),
        _ => None,
    };
    if let Some(direction) = simple {
        reader.advance();
        return Ok(direction);
    }
    match word.as_deref() {
        Some("absolute") => {
            reader.advance();
            Ok(Absolute(reader.integer()?))
        }
        Some("relative") => {
            reader.advance();
            Ok(Relative(reader.integer()?))
        }
        Some("forward") => {
            reader.advance();
            Ok(Forward(count(reader)?))
        }
        Some("backward") => {
            reader.advance();
            Ok(Backward(count(reader)?))
        }
        _ if starts_number(reader) => Ok(Forward(Some(reader.integer()?))),
        _ => Ok(Forward(Some(1))),
    }
}

/// The count after FORWARD and BACKWARD; `None` is ALL.
fn count(reader: &mut Reader) -> Result<Option<i64>> {
    if reader.accept(&["all"]) {
        return Ok(None);
    }
    match starts_number(reader) {
        true => reader.integer().map(Some),
        false => Ok(Some(1)),
    }
}

fn starts_number(reader: &Reader) -> bool {
    matches!(reader.peek(), Token::Number(..) | Token::Minus | Token::Plus)
}

pub(super) fn close(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["close"])?;
    let name = match reader.accept(&["all"]) {
        true => None,
        false => Some(reader.name()?),
    };
    Ok(Statement::CloseCursor { name })
}
