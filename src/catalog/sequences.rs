//! Numbers of sequences. Each process takes blocks by commits of its own, outside any transaction, so that no number is
//! handed out twice whoever rolls back; what is left of a block when the process ends is never used. A sequence that
//! is not committed yet, or temporary, is nobody else's: its numbers are counted here.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::commit::Committer;
use super::entry::Author;
use super::log::Catalog;
use super::model::{Object, Oid, OwnNumbers, PUBLIC_ROLE, Sequence};
use super::snapshot::CatalogSnapshot;
use super::staged::Staged;
use crate::error::{Error, Result, SqlState};

/// Numbers in the first block of a process; each further one is twice as large.
const FIRST_BLOCK: u64 = 32;
const LARGEST_BLOCK: u64 = 1 << 16;
/// Losses to other processes after which a statement gives up.
const MOST_ATTEMPTS: usize = 20;

/// What this process holds of each sequence.
#[derive(Debug, Default)]
pub(super) struct SequenceBlocks {
    blocks: Mutex<HashMap<Oid, Block>>,
}

#[derive(Debug, Clone)]
struct Block {
    /// As it was when the block was taken; `next` is the next number to hand out.
    sequence: Sequence,
    left: u64,
    size: u64,
    /// Of a transaction that has not committed, or temporary: unlimited.
    is_own: bool,
}

impl Sequence {
    /// The number after `value`; `None` past the last one.
    pub fn after(&self, value: i64) -> Option<i64> {
        let next = value
            .checked_add(self.increment)
            .filter(|next| (self.minimum..=self.maximum).contains(next));
        let first = if self.increment > 0 { self.minimum } else { self.maximum };
        next.or(self.cycle.then_some(first))
    }

    /// The last number that a server took, as far as the catalog knows; `None` before the first one.
    pub fn last(&self) -> Option<i64> {
        match self.next {
            Some(next) => next
                .checked_sub(self.increment)
                .filter(|last| next != self.start && (self.minimum..=self.maximum).contains(last)),
            None => Some(if self.increment > 0 { self.maximum } else { self.minimum }),
        }
    }

    /// What nextval() says past the last number.
    pub fn exhausted(&self) -> Error {
        let (word, bound) = match self.increment > 0 {
            true => ("maximum", self.maximum),
            false => ("minimum", self.minimum),
        };
        let message = format!("nextval: reached {word} value of sequence \"{}\" ({bound})", self.name);
        Error::new(SqlState::SequenceGeneratorLimitExceeded, message)
    }
}

impl SequenceBlocks {
    /// A number of what is held; `None` when nothing is left.
    fn take(&self, id: Oid) -> Option<Result<i64>> {
        let mut blocks = self.blocks.lock();
        let block = blocks.get_mut(&id)?;
        if block.left == 0 && !block.is_own {
            return None;
        }
        let Some(value) = block.sequence.next else {
            return block.is_own.then(|| Err(block.sequence.exhausted()));
        };
        block.sequence.next = block.sequence.after(value);
        block.left = block.left.saturating_sub(1);
        Some(Ok(value))
    }
}

impl Catalog {
    /// The next number of a sequence, which `seen` has: the statement's snapshot.
    pub async fn next_value(self: &Arc<Self>, id: Oid, seen: &CatalogSnapshot) -> Result<i64> {
        if let Some(Object::Sequence(sequence)) = seen.object(id)
            && let Some(value) = sequence.restarted.take(|value| sequence.after(value))
        {
            return value.ok_or_else(|| sequence.exhausted());
        }
        for _ in 0..MOST_ATTEMPTS {
            if let Some(value) = self.sequences.take(id) {
                return value;
            }
            self.take_block(id, seen).await?;
        }
        Err(Error::new(
            SqlState::SerializationFailure,
            "other servers kept taking the numbers of the sequence",
        ))
    }

    /// setval(): what is handed out next.
    pub async fn set_value(self: &Arc<Self>, id: Oid, next: Option<i64>, seen: &CatalogSnapshot) -> Result<()> {
        if matches!(seen.object(id), Some(Object::Sequence(sequence)) if sequence.restarted.set(next)) {
            return Ok(());
        }
        if self.current().object(id).is_none() {
            let mut sequence = sequence_of(seen, id)?;
            sequence.next = next;
            self.sequences.blocks.lock().insert(id, own(sequence));
            return Ok(());
        }
        self.change_sequence(id, |sequence| sequence.next = next).await?;
        self.sequences.blocks.lock().remove(&id);
        Ok(())
    }

    async fn take_block(self: &Arc<Self>, id: Oid, seen: &CatalogSnapshot) -> Result<()> {
        if self.current().object(id).is_none() {
            self.sequences.blocks.lock().insert(id, own(sequence_of(seen, id)?));
            return Ok(());
        }
        let known = self.sequences.blocks.lock().get(&id).map(|block| block.size);
        let size = known.map_or(FIRST_BLOCK, |size| (size * 2).min(LARGEST_BLOCK));
        let mut taken = 0;
        let sequence = self
            .change_sequence(id, |sequence| {
                taken = 0;
                while taken < size
                    && let Some(next) = sequence.next
                {
                    sequence.next = sequence.after(next);
                    taken += 1;
                    // A block does not run over the end: the next one begins there.
                    if sequence.cycle
                        && sequence
                            .next
                            .is_some_and(|after| (after > next) != (sequence.increment > 0))
                    {
                        break;
                    }
                }
            })
            .await?;
        if taken == 0 {
            return Err(sequence.exhausted());
        }
        let block = Block {
            sequence,
            left: taken,
            size,
            is_own: false,
        };
        self.sequences.blocks.lock().insert(id, block);
        Ok(())
    }

    /// Commits a change of the sequence's state; answers the sequence as it was before.
    async fn change_sequence(self: &Arc<Self>, id: Oid, mut change: impl FnMut(&mut Sequence)) -> Result<Sequence> {
        for _ in 0..MOST_ATTEMPTS {
            let mut staged = self.begin().await?;
            let before = sequence_of(&staged.snapshot(), id)?;
            let mut sequence = before.clone();
            change(&mut sequence);
            staged.add_statement("NEXTVAL");
            staged.put(sequence)?;
            let author = Author {
                id: PUBLIC_ROLE,
                name: "boathouse".into(),
            };
            let committer = Committer {
                login: author,
                acting_as: None,
            };
            match self.commit(staged, committer).await {
                Ok(_) => return Ok(before),
                Err(error) if error.state() == SqlState::SerializationFailure => self.advance().await?,
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(
            SqlState::SerializationFailure,
            "other servers kept changing the sequence",
        ))
    }

    /// Before a transaction commits: its own sequences go on where it left them.
    pub fn settle_sequences(&self, staged: &mut Staged) -> Result<()> {
        let changed: Vec<Oid> = staged.changed().collect();
        for id in changed {
            let snapshot = staged.snapshot();
            if !snapshot.object(id).is_some_and(|object| snapshot.is_temporary(object)) {
                self.settle_sequence(staged, id)?;
            }
        }
        Ok(())
    }

    /// Gives a sequence that is counted here or by its transaction alone the state that it came to, and counts it no more.
    pub fn settle_sequence(&self, staged: &mut Staged, id: Oid) -> Result<()> {
        let known = staged.snapshot().object(id).cloned();
        if let Some(Object::Sequence(sequence)) = known
            && let Some(next) = sequence.restarted.next()
        {
            let restarted = OwnNumbers::default();
            return staged.put(Sequence {
                next,
                restarted,
                ..sequence
            });
        }
        let next = {
            let mut blocks = self.sequences.blocks.lock();
            if !blocks.get(&id).is_some_and(|block| block.is_own) {
                return Ok(());
            }
            blocks.remove(&id).and_then(|block| block.sequence.next)
        };
        let Some(Object::Sequence(sequence)) = staged.snapshot().object(id).cloned() else {
            return Ok(());
        };
        staged.put(Sequence { next, ..sequence })
    }

    /// After a commit: what is held of changed sequences is held no more.
    pub fn forget_sequences(&self, changed: &[Oid]) {
        let mut blocks = self.sequences.blocks.lock();
        for id in changed {
            if blocks.get(id).is_some_and(|block| !block.is_own) {
                blocks.remove(id);
            }
        }
    }
}

fn own(sequence: Sequence) -> Block {
    Block {
        sequence,
        left: 0,
        size: FIRST_BLOCK,
        is_own: true,
    }
}

fn sequence_of(snapshot: &CatalogSnapshot, id: Oid) -> Result<Sequence> {
    match snapshot.object(id) {
        Some(Object::Sequence(sequence)) => Ok(sequence.clone()),
        Some(other) => Err(Error::new(
            SqlState::WrongObjectType,
            format!("\"{}\" is not a sequence", other.name()),
        )),
        None => Err(Error::new(
            SqlState::UndefinedTable,
            format!("could not open relation with OID {id}"),
        )),
    }
}
