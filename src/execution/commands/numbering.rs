//! Numbers for the rows that exist when ALTER TABLE gives their table a column with a sequence of its own. Nobody else
//! knows the sequence before the transaction commits, so they are counted here.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array};
use parking_lot::Mutex;

use super::CommandContext;
use crate::catalog::CatalogSnapshot;
use crate::catalog::model::{Column, Object, Sequence};
use crate::error::{Error, Result};

/// The numbers of one new column.
pub(super) struct Numbers {
    sequence: Sequence,
    /// The catalog that has the sequence.
    snapshot: Arc<CatalogSnapshot>,
    /// `None` past the last one.
    next: Mutex<Option<i64>>,
}

impl Numbers {
    /// Those of a column that the transaction has just added.
    pub(super) async fn of(command: &mut CommandContext<'_>, column: &Column) -> Result<Arc<Numbers>> {
        let snapshot = command.transaction.staged(command.services).await?.snapshot();
        let id = column.numbering.map(|numbering| numbering.sequence);
        match id.and_then(|id| snapshot.object(id)) {
            Some(Object::Sequence(sequence)) => Ok(Arc::new(Numbers {
                next: Mutex::new(sequence.next),
                sequence: sequence.clone(),
                snapshot,
            })),
            _ => Err(Error::internal("a new column has no sequence")),
        }
    }

    /// One number for each of so many rows.
    pub(super) fn take(&self, count: usize) -> Result<ArrayRef> {
        let mut next = self.next.lock();
        let numbers = (0..count).map(|_| {
            let number = next.ok_or_else(|| self.sequence.exhausted())?;
            *next = self.sequence.after(number);
            Ok(number)
        });
        let numbers = numbers.collect::<Result<Vec<i64>>>()?;
        Ok(Arc::new(Int64Array::from(numbers)))
    }

    /// Lets the sequence go on behind the numbers that were taken.
    pub(super) async fn settle(&self, command: &CommandContext<'_>) -> Result<()> {
        let next = *self.next.lock();
        let catalog = &command.services.catalog;
        catalog.set_value(self.sequence.id, next, &self.snapshot).await
    }
}
