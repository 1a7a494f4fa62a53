//! What we know but do not do yet: 0A000 with the statement's name, and another way where there is one.

use crate::error::Error;

/// The answer to a statement by its first word; `None` for a word that begins no statement at all.
pub(super) fn statement(word: &str) -> Option<Error> {
    let (name, hint) = match word {
        "cluster" => ("CLUSTER", None),
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
