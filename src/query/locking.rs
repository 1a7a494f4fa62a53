//! SELECT … FOR UPDATE and FOR SHARE. There are no locks of rows: the transaction waits for its turn to change the
//! table's rows, as UPDATE does, and is held to the version that it reads, so that a change which somebody else commits
//! to the same files is met at its own commit.

use std::sync::Arc;
use std::time::Duration;

use datafusion::sql::sqlparser::ast::{self as sql, NonBlock};

use super::plans::get_or_plan;
use super::{Request, command_context};
use crate::error::Result;
use crate::execution::commands;
use crate::execution::outcome::{Notice, RowSet, Rows, stream_of_batches};
use crate::execution::transaction::Transaction;
use crate::statement::ast::{ObjectName, Statement};

/// Whether a query may go on to its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locked {
    Yes,
    /// Others hold what SKIP LOCKED leaves out.
    No,
}

/// The query of a statement that locks what it reads.
pub(super) fn locking_query(statement: &Statement) -> Option<&sql::Query> {
    let query = match statement {
        Statement::Query(query) => query,
        Statement::DeclareCursor(declare) => &declare.query,
        _ => return None,
    };
    (!query.locks.is_empty()).then_some(query)
}

/// Takes a turn at each table of the query's clauses.
pub(super) async fn take_locks(
    request: &Request<'_>,
    query: &sql::Query,
    transaction: &mut Transaction,
    notices: &mut Vec<Notice>,
) -> Result<Locked> {
    transaction.check_may_change()?;
    let mut command = command_context(request, transaction, notices);
    for lock in &query.locks {
        let Some(name) = &lock.of else { continue };
        let name = ObjectName(crate::binding::name_parts(name));
        let patience = lock.nonblock.map(|_| Duration::ZERO);
        let is_mine = commands::lock_rows::run(&mut command, &name, lock.lock_type, patience).await?;
        match lock.nonblock {
            _ if is_mine => {}
            Some(NonBlock::SkipLocked) => return Ok(Locked::No),
            _ => return Err(commands::lock_rows::not_available(&name)),
        }
    }
    Ok(Locked::Yes)
}

/// The answer of a query all of whose rows others hold.
pub(super) async fn no_rows(request: &Request<'_>, query: &sql::Query) -> Result<RowSet> {
    let cached = get_or_plan(request, query, &request.statement.text).await?;
    let schema = Arc::new(cached.plan.schema().as_arrow().clone());
    Ok(RowSet {
        columns: Arc::clone(&cached.columns),
        rows: Rows::Stream {
            stream: stream_of_batches(schema, vec![]),
            fill: None,
        },
        tag: "SELECT",
    })
}
