//! Decisions about rows: the first entry that names a transaction counts, whoever puts it.

use std::sync::Arc;

use uuid::Uuid;

use super::log_tests::{admin, create_schema, warehouse};
use super::store::memory::Fault;
use super::*;
use crate::error::SqlState;
use crate::storage::{Arbiter, TableLock, Verdict};

fn lock(catalog: &Catalog, transaction: Uuid) -> TableLock {
    let lock = serde_json::json!({
        "transaction": transaction, "after": catalog.current().version(), "table": 7,
        "protocol": {"minReaderVersion": 1, "minWriterVersion": 2},
    });
    serde_json::from_value(lock).unwrap()
}

fn decision(catalog: &Arc<Catalog>, transaction: Uuid) -> Staged {
    let mut staged = catalog.begin_without_ids();
    let actions = "{}\n".to_string();
    staged.decide(transaction, vec![TableActions { table: 7, actions }]);
    staged
}

#[tokio::test]
async fn what_was_decided_cannot_be_given_up() {
    let (_, first, second) = warehouse().await;
    let transaction = Uuid::new_v4();
    let lock = lock(&second, transaction);
    create_schema(&second, "between").await.unwrap();
    assert!(matches!(
        second.verdict(&lock, false).await.unwrap(),
        Verdict::Undecided
    ));
    let staged = decision(&first, transaction);
    let decided = first.commit(staged, admin()).await.unwrap().version();
    for _ in 0..2 {
        match second.verdict(&lock, true).await.unwrap() {
            Verdict::Committed { version, actions } => assert_eq!((version, actions.as_str()), (decided, "{}\n")),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_was_given_up_cannot_be_decided() {
    for fault in [None, Some(Fault::LoseResponse), Some(Fault::LoseRequest)] {
        let (store, first, second) = warehouse().await;
        let transaction = Uuid::new_v4();
        let lock = lock(&second, transaction);
        let staged = decision(&first, transaction);
        *store.fault.lock() = fault;
        assert!(matches!(second.verdict(&lock, true).await.unwrap(), Verdict::GivenUp));
        let refused = first.commit(staged, admin()).await.unwrap_err();
        assert_eq!(refused.state(), SqlState::SerializationFailure);
        assert!(matches!(first.verdict(&lock, false).await.unwrap(), Verdict::GivenUp));
    }
}

#[tokio::test]
async fn entries_without_definitions_keep_plans() {
    let (_, first, _) = warehouse().await;
    let before = first.current();
    let staged = decision(&first, Uuid::new_v4());
    let after = first.commit(staged, admin()).await.unwrap();
    assert!(after.version() > before.version());
    assert_eq!(after.definitions_changed_at(), before.definitions_changed_at());
    create_schema(&first, "s").await.unwrap();
    assert!(first.current().definitions_changed_at() > before.definitions_changed_at());
}
