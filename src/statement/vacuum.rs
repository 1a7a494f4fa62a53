//! VACUUM: PostgreSQL's spelling, its options read and without effect, and Databricks' RETAIN.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::analyze::{options, tables};
use super::ast::{Statement, Vacuum};
use super::reader::Reader;
use crate::error::{Error, Result, SqlState};

/// The hours of RETAIN; fractions are cut off.
fn retained(reader: &mut Reader) -> Result<u64> {
    let position = reader.position();
    let hours = reader.integer()?;
    u64::try_from(hours).map_err(|_| Error::syntax("RETAIN needs a positive number of hours").at(position))
}

pub(super) fn vacuum(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["vacuum"])?;
    let mut vacuum = Vacuum::default();
    if reader.peek() == &Token::LParen {
        for (option, on) in options(reader)? {
            match option.as_str() {
                "verbose" => vacuum.verbose = on,
                "analyze" | "analyse" => vacuum.analyze = on,
                "full"
                | "freeze"
                | "disable_page_skipping"
                | "skip_locked"
                | "index_cleanup"
                | "process_main"
                | "process_toast"
                | "truncate"
                | "parallel"
                | "skip_database_stats"
                | "only_database_stats"
                | "buffer_usage_limit" => {}
                other => return Err(Error::syntax(format!("unrecognized VACUUM option \"{other}\""))),
            }
        }
    } else {
        reader.accept(&["full"]);
        reader.accept(&["freeze"]);
        vacuum.verbose = reader.accept(&["verbose"]);
        vacuum.analyze = reader.accept(&["analyze"]) || reader.accept(&["analyse"]);
    }
    if !reader.at_end() && reader.peek_word() != Some("retain") {
        vacuum.tables = tables(reader)?;
    }
    if !vacuum.analyze && vacuum.tables.iter().any(|(_, columns)| !columns.is_empty()) {
        let message = "ANALYZE option must be specified when a column list is provided";
        return Err(Error::new(SqlState::FeatureNotSupported, message));
    }
    if reader.accept(&["retain"]) {
        vacuum.retain_hours = Some(retained(reader)?);
        reader.expect(&["hours"])?;
    }
    Ok(Statement::Vacuum(vacuum))
}
