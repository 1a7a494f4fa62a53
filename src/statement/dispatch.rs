//! The first words of a statement decide who reads the rest.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::Statement;
use super::reader::Reader;
use super::{
    alter, analyze, checkpoint, comment, copy, create, create_table, cursor, delete, describe, drop, explain, grant,
    index, inline, insert, lock, materialized_view, merge, notify, optimize, prepare, routine, set, show, transaction,
    unsupported, update, vacuum, with_changes,
};
use crate::error::Result;

/// Reads one statement; what follows it is the caller's to judge.
pub(super) fn statement(reader: &mut Reader) -> Result<Statement> {
    let word = match reader.peek_word() {
        Some(word) => word.to_string(),
        None if *reader.peek() == Token::LParen => return create_table::select(reader),
        None => return Err(reader.error_here()),
    };
    if word == "with"
        && let Some(statement) = with_changes::read(reader)?
    {
        return Ok(statement);
    }
    match word.as_str() {
        "with" if changes_rows(reader) => {
            let with = reader.with_clause()?;
            match reader.peek_word() {
                Some("update") => update::update(reader, Some(with)),
                Some("delete") => delete::delete(reader, Some(with)),
                Some("insert") => insert::insert(reader, Some(with)),
                Some("merge") => merge::merge(reader, Some(with)),
                _ => Err(reader.error_here()),
            }
        }
        "select" | "values" | "table" | "with" => create_table::select(reader),
        "insert" => insert::insert(reader, None),
        "update" => update::update(reader, None),
        "delete" => delete::delete(reader, None),
        "merge" => merge::merge(reader, None),
        "copy" => copy::copy(reader),
        "truncate" => drop::truncate(reader),
        "analyze" | "analyse" => analyze::analyze(reader),
        "vacuum" => vacuum::vacuum(reader),
        "optimize" => optimize::optimize(reader),
        "restore" => optimize::restore(reader),
        "do" => inline::inline(reader),
        "call" => routine::call(reader),
        "explain" => explain::explain(reader),
        "prepare" => prepare::prepare(reader),
        "execute" => prepare::execute(reader),
        "deallocate" => prepare::deallocate(reader),
        "begin" | "start" => transaction::begin(reader),
        "commit" | "end" => transaction::commit(reader),
        "rollback" | "abort" => transaction::rollback(reader),
        "savepoint" => transaction::savepoint(reader),
        "release" => transaction::release(reader),
        "declare" => cursor::declare(reader),
        "fetch" | "move" => cursor::fetch(reader),
        "close" => cursor::close(reader),
        "listen" => notify::listen(reader),
        "unlisten" => notify::unlisten(reader),
        "notify" => notify::notify(reader),
        "lock" => lock::lock(reader),
        "set" => set::set(reader),
        "use" => set::use_schema(reader),
        "reset" => set::reset(reader),
        "discard" => set::discard(reader),
        "show" => show::show(reader),
        "describe" | "desc" => describe::describe(reader),
        "create" => create::create(reader),
        "alter" => alter::alter(reader),
        "drop" => drop::drop(reader),
        "reassign" => drop::reassign(reader),
        "reindex" => index::reindex(reader),
        "refresh" => materialized_view::refresh(reader),
        "grant" => grant::grant(reader),
        "revoke" => grant::revoke(reader),
        "comment" => comment::comment(reader),
        "checkpoint" => checkpoint::checkpoint(reader),
        "load" => checkpoint::load(reader),
        other => Err(unsupported::statement(other).unwrap_or_else(|| reader.error_here())),
    }
}

/// Whether a statement that begins with WITH is none that only reads.
fn changes_rows(reader: &Reader) -> bool {
    let main = with_changes::main_word(reader);
    main.is_some_and(|word| matches!(word.as_str(), "insert" | "update" | "delete" | "merge"))
}
