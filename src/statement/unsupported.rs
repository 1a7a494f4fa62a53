//! What we know but do not do yet: 0A000 with the statement's name, and another way where there is one.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::dialect::is_word;
use crate::error::Error;

/// What of PostgreSQL's query language sqlparser does not read, for a query that it refused: the first of
/// those constructs, which then is the better explanation.
pub(super) fn in_query<'t>(tokens: impl Iterator<Item = &'t TokenWithSpan>) -> Option<Error> {
    let tokens: Vec<&TokenWithSpan> = tokens.collect();
    tokens.windows(3).find_map(|three| {
        let [first, second, third] = three else { return None };
        let name = if is_word(&first.token, "rows") && is_word(&second.token, "from") && third.token == Token::LParen {
            "ROWS FROM"
        } else {
            return None;
        };
        Some(Error::unsupported(name).at(second.span.start.column as usize))
    })
}

/// The answer to a statement by its first word; `None` for a word that begins no statement at all.
pub(super) fn statement(word: &str) -> Option<Error> {
    let (name, hint) = match word {
        "cluster" => ("CLUSTER", None),
        "checkpoint" => ("CHECKPOINT", None),
        "load" => ("LOAD", None),
        "reassign" => ("REASSIGN OWNED", Some("Use ALTER … OWNER TO for each object.")),
        "security" => ("SECURITY LABEL", None),
        "import" => ("IMPORT FOREIGN SCHEMA", None),
        "replace" => ("REPLACE", None),
        "undrop" => ("UNDROP", None),
        "msck" => ("MSCK REPAIR", None),
        "cache" | "uncache" => ("CACHE", Some("Results and files are cached by themselves.")),
        _ => return None,
    };
    let error = Error::unsupported(name);
    Some(match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}
