//! OPTIMIZE: writes a table's small files anew as larger ones, in one commit of its own. For the table's owner, like
//! VACUUM: numbers of files tell of rows that a policy may hide.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;

use super::CommandContext;
use super::insert::open;
use crate::binding;
use crate::catalog::model::Object;
use crate::error::{Error, Result};
use crate::execution::outcome::{Notice, NoticeSeverity, OutputColumn, RowSet, columns_of_shape, shaped_rows};
use crate::statement::ast::Optimize;
use crate::storage::{Operation, Optimization, Rearranged, TableSnapshot};
use crate::types::SqlType;

fn shape() -> [(&'static str, SqlType); 6] {
    [
        ("path", SqlType::Text),
        ("version", SqlType::Int8),
        ("numFilesAdded", SqlType::Int8),
        ("numFilesRemoved", SqlType::Int8),
        ("bytesAdded", SqlType::Int8),
        ("bytesRemoved", SqlType::Int8),
    ]
}

pub(super) fn columns() -> Vec<OutputColumn> {
    columns_of_shape(&shape())
}

pub(super) async fn run(command: &mut CommandContext<'_>, optimize: &Optimize) -> Result<RowSet> {
    let table = command.relation_with_rows(&optimize.table)?;
    command
        .context
        .catalog
        .access(command.role())
        .require_owner(&Object::Table(table.clone()))?;
    let (delta, _) = open(command, &table).await?;
    // Others of this process that change rows go first: half of the work would be in vain.
    command.transaction.take_turn(table.id, &delta, None).await;
    let (delta, base) = open(command, &table).await?;
    let wanted = Optimization {
        filter: condition(command, optimize, &base).await?,
        near: optimize.near.clone(),
        least_files: 0,
    };
    let mut operation = Operation::new("OPTIMIZE").with_user(&*command.context.principal.role_name);
    let predicate = optimize.condition.iter().map(ToString::to_string).collect::<Vec<_>>();
    operation = operation
        .with_parameter("predicate", predicate)
        .with_parameter("zOrderBy", optimize.near.clone())
        .with_parameter("auto", false);
    let before = (base.file_count() as u64, base.size_bytes());
    let done = delta.optimize(&base, &wanted, &command.session, operation).await?;
    command.notices.push(Notice {
        severity: NoticeSeverity::Info,
        ..Notice::notice(summary(&table.name, before, &done))
    });
    let number = |value: u64| -> ArrayRef { Arc::new(Int64Array::from(vec![value as i64])) };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![base.url()])),
        Arc::new(Int64Array::from(vec![done.version.map(|version| version as i64)])),
        number(done.added.files),
        number(done.removed.files),
        number(done.added.bytes),
        number(done.removed.bytes),
    ];
    shaped_rows(&shape(), columns, "OPTIMIZE")
}

fn summary(table: &str, (files, bytes): (u64, u64), done: &Rearranged) -> String {
    let after = |before: u64, removed: u64, added: u64| before.saturating_sub(removed) + added;
    format!(
        "optimized \"{table}\": {files} files with {bytes} bytes before, {} files with {} bytes after",
        after(files, done.removed.files, done.added.files),
        after(bytes, done.removed.bytes, done.added.bytes)
    )
}

async fn condition(command: &CommandContext<'_>, optimize: &Optimize, base: &TableSnapshot) -> Result<Option<Expr>> {
    let Some(condition) = &optimize.condition else {
        return Ok(None);
    };
    let schema = DFSchema::try_from(base.schema())?;
    let bound = binding::bind_expression_over(&command.binding, command.context, condition.clone(), &schema).await?;
    match bound.is_volatile() {
        true => Err(Error::unsupported("a volatile function in the condition of OPTIMIZE")),
        false => Ok(Some(bound)),
    }
}
