//! Statements whose WITH changes rows. All parts read the versions that the statement began with; what a part returns
//! is a relation to those after it.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;
use futures::StreamExt;

use super::{Description, Request, command_context, describe, modification, run as run_statement};
use crate::binding::WithRelation;
use crate::error::{Error, Result};
use crate::execution::commands::modify;
use crate::execution::outcome::{Notice, Outcome, OutputColumn, RowSet, Rows};
use crate::execution::transaction::Transaction;
use crate::statement::ast::{ParsedStatement, Statement, WithChange, WithChanges};
use crate::types::format::Format;

/// Types of all parts' parameters, and the main statement's columns.
pub(super) async fn describe_all(request: &Request<'_>, changes: &WithChanges) -> Result<Description> {
    let mut relations = vec![];
    let mut parameters = vec![];
    for change in &changes.changes {
        let (_, bound) = modification::bound(&part(request, &change.statement, &relations)).await?;
        parameters.extend(bound.parameter_types.iter().skip(parameters.len()).cloned());
        let returned = match bound.returning {
            true => Some((
                modify::returned_columns(&bound)?.into(),
                modify::returned_schema(&bound),
            )),
            false => None,
        };
        relations.push(relation(change, returned, vec![])?);
    }
    let main = Box::pin(describe(&part(request, &changes.main, &relations))).await?;
    parameters.extend(main.parameters.iter().skip(parameters.len()).cloned());
    Ok(Description {
        parameters,
        columns: main.columns,
    })
}

/// Makes the changes in their order, then runs the main statement; then foreign keys are looked at.
pub(super) async fn run(
    request: &Request<'_>,
    changes: &WithChanges,
    parameters: &[ScalarValue],
    formats: &[Format],
    transaction: &mut Transaction,
    notices: &mut Vec<Notice>,
) -> Result<Outcome> {
    let holds = transaction.hold_events();
    let outcome = run_parts(request, changes, parameters, formats, transaction, notices).await;
    if holds {
        let events = transaction.release_events();
        if outcome.is_ok() {
            modify::settle(&mut command_context(request, transaction, notices), events).await?;
        }
    }
    outcome
}

async fn run_parts(
    request: &Request<'_>,
    changes: &WithChanges,
    parameters: &[ScalarValue],
    formats: &[Format],
    transaction: &mut Transaction,
    notices: &mut Vec<Notice>,
) -> Result<Outcome> {
    // The versions that all parts see, before any of them writes.
    let mut touched: Vec<(crate::catalog::model::Oid, bool)> = vec![];
    let mut relations = vec![];
    for change in &changes.changes {
        let request = part(request, &change.statement, &relations);
        check_separate(&request, &mut touched)?;
        let outcome = Box::pin(modification::run(&request, parameters, transaction, notices)).await?;
        let (returned, batches) = match outcome {
            Outcome::Rows(rows) => collected(rows).await?,
            _ => (None, vec![]),
        };
        relations.push(relation(change, returned, batches)?);
    }
    let main = part(request, &changes.main, &relations);
    if modification::is_modification(&changes.main.statement) {
        check_separate(&main, &mut touched)?;
    }
    Box::pin(run_statement(&main, parameters, formats, transaction, notices)).await
}

fn part<'a>(request: &Request<'a>, statement: &'a ParsedStatement, relations: &'a [WithRelation]) -> Request<'a> {
    Request {
        statement,
        relations,
        keeps_rows: true,
        ..*request
    }
}

/// Rows that two parts change would have two successors: only one part of a statement changes rows of a table, others
/// may add some.
fn check_separate(request: &Request<'_>, touched: &mut Vec<(crate::catalog::model::Oid, bool)>) -> Result<()> {
    let table = modification::table(request)?;
    let changes = match &request.statement.statement {
        Statement::Insert(insert) => insert.overwrite || insert.on_conflict.is_some(),
        _ => true,
    };
    if changes && touched.iter().any(|(other, changed)| *other == table.id && *changed) {
        return Err(Error::unsupported(format!(
            "changing rows of table \"{}\" in two parts of one statement",
            table.name
        )));
    }
    touched.push((table.id, changes));
    Ok(())
}

/// The columns that a part returned, as clients see them and as they are laid out.
type Returned = (Arc<[OutputColumn]>, SchemaRef);

async fn collected(rows: RowSet) -> Result<(Option<Returned>, Vec<RecordBatch>)> {
    let Rows::Stream { mut stream, .. } = rows.rows else {
        return Err(Error::internal("a part of WITH gave no rows"));
    };
    let schema = stream.schema();
    let mut batches = vec![];
    while let Some(batch) = stream.next().await {
        batches.push(batch?);
    }
    Ok((Some((rows.columns, schema)), batches))
}

/// What a part returned, under the names that WITH gives.
fn relation(change: &WithChange, returned: Option<Returned>, batches: Vec<RecordBatch>) -> Result<WithRelation> {
    let Some((columns, schema)) = returned else {
        return Ok(WithRelation {
            name: change.name.clone(),
            rows: None,
        });
    };
    let names = columns.iter().map(|column| &column.name).enumerate();
    let names = names.map(|(index, name)| change.columns.get(index).unwrap_or(name));
    let fields = schema.fields().iter().zip(names);
    let fields = fields.map(|(field, name)| field.as_ref().clone().with_nullable(true).with_name(name));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let batches = batches
        .into_iter()
        .map(|batch| Ok(RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec())?));
    let rows = MemTable::try_new(Arc::clone(&schema), vec![batches.collect::<Result<Vec<_>>>()?])?;
    Ok(WithRelation {
        name: change.name.clone(),
        rows: Some(Arc::new(rows) as Arc<dyn TableProvider>),
    })
}
