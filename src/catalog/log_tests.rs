//! The log under races, lost answers and damage: two handles on one store are two nodes.

use std::sync::Arc;
use std::time::Duration;

use super::checkpoint;
use super::entry::{Author, Entry};
use super::model::*;
use super::store::EntryStore;
use super::store::memory::{Fault, MemoryStore};
use super::*;
use crate::error::Result;
use crate::storage::{Storage, StorageLimits};

const ALWAYS: Duration = Duration::ZERO;

fn options() -> CatalogOptions {
    CatalogOptions {
        commit_deadline: Duration::from_millis(80),
        request_timeout: Duration::from_secs(5),
        checkpoint_interval: 5,
    }
}

async fn node(store: &MemoryStore) -> Arc<Catalog> {
    Catalog::open(Arc::new(store.clone()), options()).await.unwrap()
}

#[tokio::test]
async fn two_nodes_share_a_folder_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().to_str().unwrap();
    let mut nodes = Vec::new();
    for number in 0..2 {
        let storage = Storage::open(url, &[], &StorageLimits::default()).unwrap();
        let node = Catalog::open(Arc::new(storage.log_store()), options()).await.unwrap();
        assert_eq!(node.bootstrap(None).await.unwrap(), number == 0);
        nodes.push(node);
    }
    let create = |node: usize| {
        let node = nodes[node % 2].clone();
        tokio::spawn(async move { create_schema(&node, "contested").await.is_ok() })
    };
    let tasks: Vec<_> = (0..6).map(create).collect();
    let mut wins = 0;
    for task in tasks {
        wins += usize::from(task.await.unwrap());
    }
    assert_eq!(wins, 1);
    for number in 0..8 {
        create_schema(&nodes[number % 2], &format!("s{number}")).await.unwrap();
    }
    nodes[0].refresh(ALWAYS).await.unwrap();
    let storage = Storage::open(url, &[], &StorageLimits::default()).unwrap();
    let third = Catalog::open(Arc::new(storage.log_store()), options()).await.unwrap();
    assert_eq!(third.current().version(), nodes[0].current().version());
    assert_eq!(third.current().schemas(DEFAULT_DATABASE).count(), 10);
}

pub(super) async fn warehouse() -> (MemoryStore, Arc<Catalog>, Arc<Catalog>) {
    let store = MemoryStore::default();
    let first = node(&store).await;
    assert!(first.bootstrap(None).await.unwrap());
    let second = node(&store).await;
    (store, first, second)
}

pub(super) fn admin() -> Committer {
    Committer {
        login: Author {
            id: BOOTSTRAP_ROLE,
            name: "admin".into(),
        },
        acting_as: None,
    }
}

fn schema(staged: &Staged, name: &str) -> Schema {
    let id = staged.new_oid().unwrap();
    Schema {
        id,
        database: DEFAULT_DATABASE,
        name: name.into(),
        owner: BOOTSTRAP_ROLE,
        grants: vec![],
        comment: None,
    }
}

fn view(staged: &Staged, schema: Oid, name: &str) -> View {
    View {
        id: staged.new_oid().unwrap(),
        schema,
        name: name.into(),
        owner: BOOTSTRAP_ROLE,
        query: "select 1".into(),
        search_path: vec![],
        columns: vec![],
        references: vec![],
        options: Default::default(),
        grants: vec![],
        comment: None,
    }
}

pub(super) async fn create_schema(catalog: &Arc<Catalog>, name: &str) -> Result<Oid> {
    let mut staged = catalog.begin().await?;
    let schema = schema(&staged, name);
    let id = schema.id;
    staged.put(schema)?;
    catalog.commit(staged, admin()).await?;
    Ok(id)
}

fn named(catalog: &Arc<Catalog>, name: &str) -> Option<Oid> {
    catalog
        .current()
        .schema_named(DEFAULT_DATABASE, name)
        .map(|schema| schema.id)
}

#[tokio::test]
async fn an_empty_warehouse_is_bootstrapped_once() {
    let (store, first, second) = warehouse().await;
    assert!(!second.bootstrap(None).await.unwrap());
    let third = Catalog::open(Arc::new(store), options()).await.unwrap();
    assert_eq!(third.current().version(), first.current().version());
    assert!(third.current().role_named("admin").unwrap().superuser);
    assert_eq!(named(&third, "public"), Some(PUBLIC_SCHEMA));
}

#[tokio::test]
async fn two_nodes_bootstrap_at_once() {
    let store = MemoryStore::default();
    let (first, second) = (node(&store).await, node(&store).await);
    let (one, other) = tokio::join!(first.bootstrap(None), second.bootstrap(None));
    assert!(one.unwrap() ^ other.unwrap());
    assert_eq!(second.current().version(), 1);
}

#[tokio::test]
async fn own_changes_are_visible_at_once_and_others_after_a_probe() {
    let (_store, first, second) = warehouse().await;
    let id = create_schema(&first, "s").await.unwrap();
    assert_eq!(named(&first, "s"), Some(id));
    assert_eq!(named(&second, "s"), None);
    second.refresh(Duration::from_secs(3600)).await.unwrap();
    assert_eq!(named(&second, "s"), None, "within the bound nobody asks");
    second.refresh(ALWAYS).await.unwrap();
    assert_eq!(named(&second, "s"), Some(id));
}

#[tokio::test]
async fn a_transaction_sees_itself_and_nobody_else_does() {
    let (_store, first, _second) = warehouse().await;
    let mut staged = first.begin().await.unwrap();
    let new = schema(&staged, "s");
    staged.put(new.clone()).unwrap();
    assert!(staged.snapshot().schema_named(DEFAULT_DATABASE, "s").is_some() && staged.snapshot().is_staged());
    assert_eq!(named(&first, "s"), None);
    drop(staged);
    assert_eq!(named(&first, "s"), None);
}

#[tokio::test]
async fn one_name_is_created_once() {
    let (_store, first, second) = warehouse().await;
    let (one, other) = tokio::join!(create_schema(&first, "s"), create_schema(&second, "s"));
    let failures: Vec<_> = [one, other].into_iter().filter_map(Result::err).collect();
    assert_eq!(failures.len(), 1);
    assert!(["40001", "42P06"].contains(&failures[0].state().code()));
}

#[tokio::test]
async fn unrelated_changes_follow_each_other() {
    let (_store, first, second) = warehouse().await;
    let mut staged = first.begin().await.unwrap();
    let new = schema(&staged, "a");
    staged.put(new).unwrap();
    for number in 0..7 {
        create_schema(&second, &format!("b{number}")).await.unwrap();
    }
    first.commit(staged, admin()).await.unwrap();
    assert!(named(&first, "a").is_some() && named(&first, "b6").is_some());
}

#[tokio::test]
async fn creating_in_a_schema_races_dropping_it() {
    let (_store, first, second) = warehouse().await;
    let id = create_schema(&first, "s").await.unwrap();
    second.refresh(ALWAYS).await.unwrap();
    for drop_wins in [true, false] {
        let mut create = first.begin().await.unwrap();
        let new = view(&create, id, "v");
        create.put(new).unwrap();
        let mut drop = second.begin().await.unwrap();
        drop.rely_on_dependents(id);
        drop.drop_object(id).unwrap();
        if drop_wins {
            let copy = node(&_store).await;
            let mut elsewhere = copy.begin().await.unwrap();
            let new = view(&elsewhere, id, "v");
            elsewhere.put(new).unwrap();
            copy.commit(elsewhere, admin()).await.unwrap();
            let error = second.commit(drop, admin()).await.unwrap_err();
            assert_eq!(error.state().code(), "40001", "a dropper must notice the new content");
        } else {
            let mut drop_all = second.begin().await.unwrap();
            let content: Vec<Oid> = second.current().relations(id).map(Object::id).collect();
            for id in content.into_iter().chain([id]) {
                drop_all.drop_object(id).unwrap();
            }
            second.commit(drop_all, admin()).await.unwrap();
            let mut late = create;
            late.add_statement("create view s.w as select 1");
            let error = first.commit(late, admin()).await.unwrap_err();
            assert_eq!(
                error.state().code(),
                "40001",
                "a creator must notice that the schema went"
            );
        }
    }
}

#[tokio::test]
async fn granting_to_a_role_races_dropping_it() {
    let (_store, first, second) = warehouse().await;
    let mut staged = first.begin().await.unwrap();
    let id = staged.new_oid().unwrap();
    let mut role = first.current().role(BOOTSTRAP_ROLE).unwrap().clone();
    (role.id, role.name, role.superuser) = (id, "r".into(), false);
    staged.put(role).unwrap();
    first.commit(staged, admin()).await.unwrap();
    second.refresh(ALWAYS).await.unwrap();

    let mut drop = second.begin().await.unwrap();
    drop.rely_on_role_uses(id);
    drop.drop_object(id).unwrap();
    let mut grant = first.begin().await.unwrap();
    let mut public = first.current().schema(PUBLIC_SCHEMA).unwrap().clone();
    let privileges = vec![Privilege::Create];
    public.grants.push(Grant {
        grantee: id,
        grantor: BOOTSTRAP_ROLE,
        privileges,
        grantable: vec![],
    });
    grant.put(public).unwrap();
    first.commit(grant, admin()).await.unwrap();
    assert_eq!(second.commit(drop, admin()).await.unwrap_err().state().code(), "40001");
}

#[tokio::test]
async fn a_revoked_right_stops_a_commit_that_used_it() {
    let (_store, first, second) = warehouse().await;
    let mut staged = first.begin().await.unwrap();
    let id = staged.new_oid().unwrap();
    let mut role = first.current().role(BOOTSTRAP_ROLE).unwrap().clone();
    (role.id, role.name, role.superuser) = (id, "r".into(), false);
    staged.put(role).unwrap();
    let mut public = first.current().schema(PUBLIC_SCHEMA).unwrap().clone();
    let before = public.clone();
    let privileges = vec![Privilege::Create];
    public.grants.push(Grant {
        grantee: id,
        grantor: BOOTSTRAP_ROLE,
        privileges,
        grantable: vec![],
    });
    staged.put(public).unwrap();
    first.commit(staged, admin()).await.unwrap();
    second.refresh(ALWAYS).await.unwrap();

    let mut create = second.begin().await.unwrap();
    create
        .require(Permission::Has {
            role: id,
            object: PUBLIC_SCHEMA,
            privilege: Privilege::Create,
        })
        .unwrap();
    let mut new = view(&create, PUBLIC_SCHEMA, "v");
    new.owner = id;
    create.put(new).unwrap();
    let mut revoke = first.begin().await.unwrap();
    revoke.put(before).unwrap();
    first.commit(revoke, admin()).await.unwrap();
    let error = second.commit(create, admin()).await.unwrap_err();
    assert_eq!(error.state().code(), "40001");
    assert!(error.detail().unwrap().contains("revoked"));
}

#[tokio::test]
async fn a_lost_answer_is_resolved_and_never_repeated() {
    for fault in [Fault::LoseResponse, Fault::LoseRequest] {
        let (store, first, _second) = warehouse().await;
        let mut staged = first.begin().await.unwrap();
        let new = schema(&staged, "s");
        staged.put(new).unwrap();
        let before = first.current().version();
        *store.fault.lock() = Some(fault);
        first.commit(staged, admin()).await.unwrap();
        assert_eq!(first.current().version(), before + 1, "{fault:?}");
        assert!(named(&node(&store).await, "s").is_some(), "{fault:?}");
    }
}

#[tokio::test]
async fn an_outage_leaves_the_outcome_unknown_and_statements_stale() {
    let (store, first, _second) = warehouse().await;
    let mut staged = first.begin().await.unwrap();
    let new = schema(&staged, "s");
    staged.put(new).unwrap();
    *store.fault.lock() = Some(Fault::Down);
    assert_eq!(first.commit(staged, admin()).await.unwrap_err().state().code(), "40003");
    assert_eq!(first.refresh(ALWAYS).await.unwrap_err().state().code(), "57P03");
    first.refresh(Duration::from_secs(3600)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(!first.is_fresh(Duration::from_millis(20)));
    assert_eq!(
        first
            .refresh(Duration::from_millis(20))
            .await
            .unwrap_err()
            .state()
            .code(),
        "57P03"
    );
    *store.fault.lock() = None;
    first.refresh(ALWAYS).await.unwrap();
    assert_eq!(named(&first, "s"), None, "an entry that was never written is nothing");
}

#[tokio::test]
async fn ids_are_never_handed_out_twice() {
    let (store, first, second) = warehouse().await;
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(create_schema(&first, &format!("a{number}")).await.unwrap());
        ids.push(create_schema(&second, &format!("b{number}")).await.unwrap());
    }
    let mut dropped = first.begin().await.unwrap();
    first.refresh(ALWAYS).await.unwrap();
    dropped.drop_object(ids[0]).unwrap();
    first.commit(dropped, admin()).await.unwrap();
    ids.push(create_schema(&node(&store).await, "a0").await.unwrap());
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len());
    assert!(ids.iter().all(|id| *id >= FIRST_USER_OID));
}

#[tokio::test]
async fn a_checkpoint_says_what_the_entries_say() {
    let (store, first, _second) = warehouse().await;
    for number in 0..12 {
        create_schema(&first, &format!("s{number}")).await.unwrap();
    }
    let checkpoints = store
        .files
        .lock()
        .keys()
        .filter(|path| path.contains(".checkpoint."))
        .count();
    assert!(checkpoints >= 2);
    let restored = node(&store).await.current();
    assert_eq!(
        checkpoint::encode(&restored).unwrap(),
        checkpoint::encode(&first.current()).unwrap()
    );
    store.files.lock().retain(|path, _| !path.contains("checkpoint"));
    let replayed = node(&store).await.current();
    assert_eq!(
        checkpoint::encode(&replayed).unwrap(),
        checkpoint::encode(&first.current()).unwrap()
    );
    for version in [1, 5, 9, 12] {
        assert_eq!(first.snapshot_at(version).await.unwrap().version(), version);
    }
    assert_eq!(first.snapshot_at(1).await.unwrap().schemas(DEFAULT_DATABASE).count(), 1);
    assert_eq!(first.snapshot_at(10_000).await.unwrap_err().state().code(), "22023");
}

#[tokio::test]
async fn a_damaged_checkpoint_is_passed_over() {
    let (store, first, _second) = warehouse().await;
    for number in 0..6 {
        create_schema(&first, &format!("s{number}")).await.unwrap();
    }
    for (path, bytes) in store.files.lock().iter_mut() {
        if path.contains(".checkpoint.") {
            *bytes = bytes.slice(..bytes.len() / 2);
        }
    }
    assert_eq!(node(&store).await.current().version(), first.current().version());
}

async fn refusal_after(change: impl Fn(&str) -> String) -> crate::error::Error {
    let (store, first, _second) = warehouse().await;
    create_schema(&first, "s").await.unwrap();
    let path = Entry::path(first.current().version());
    let text = String::from_utf8(store.get(&path).await.unwrap().unwrap().to_vec()).unwrap();
    let changed = change(&text);
    assert_ne!(text, changed);
    store.put(&path, changed.into_bytes().into()).await.unwrap();
    Catalog::open(Arc::new(store), options()).await.unwrap_err()
}

#[tokio::test]
async fn entries_that_are_not_understood_are_refused() {
    let error =
        refusal_after(|text| text.replace("\"min_reader\":2", "\"min_reader\":9999,\"restrictive\":true")).await;
    assert_eq!(error.state().code(), "0A000");
    assert!(error.message().contains("newer version"));

    let error =
        refusal_after(|text| text.replace("\"kind\":\"schema\"", "\"kind\":\"schema\",\"restrictive\":true")).await;
    assert_eq!(error.state().code(), "XX001");
    assert!(error.detail().unwrap().contains("restrictive"), "{error:?}");

    let error = refusal_after(|text| text[..text.len() / 2].to_string()).await;
    assert_eq!(error.state().code(), "XX001");
    assert!(
        error.message().contains("_boathouse/catalog/0000000000000000000"),
        "{error}"
    );

    let error = refusal_after(|text| text.replace("\"name\":\"s\"", "\"name\":\"public\"")).await;
    assert_eq!(error.state().code(), "XX001");
}

#[tokio::test]
async fn a_missing_first_entry_is_not_an_empty_warehouse() {
    let (store, first, _second) = warehouse().await;
    create_schema(&first, "s").await.unwrap();
    store.files.lock().remove(&Entry::path(1));
    assert_eq!(
        Catalog::open(Arc::new(store), options())
            .await
            .unwrap_err()
            .state()
            .code(),
        "XX001"
    );
}

#[tokio::test]
async fn a_newer_writer_makes_the_catalog_read_only() {
    let (store, first, _second) = warehouse().await;
    create_schema(&first, "s").await.unwrap();
    let path = Entry::path(first.current().version());
    let text = String::from_utf8(store.get(&path).await.unwrap().unwrap().to_vec()).unwrap();
    store
        .put(
            &path,
            text.replace("\"min_writer\":2", "\"min_writer\":9999")
                .into_bytes()
                .into(),
        )
        .await
        .unwrap();
    let old = node(&store).await;
    assert!(named(&old, "s").is_some());
    assert_eq!(create_schema(&old, "t").await.unwrap_err().state().code(), "0A000");
}

#[tokio::test]
async fn the_log_is_an_audit_trail_without_passwords() {
    let (_store, first, _second) = warehouse().await;
    let mut staged = first.begin().await.unwrap();
    let new = schema(&staged, "s");
    staged.put(new).unwrap();
    staged.add_statement("create role x password 'geheim'");
    let acting_as = Some(Author {
        id: 17000,
        name: "steward".into(),
    });
    first.commit(staged, Committer { acting_as, ..admin() }).await.unwrap();
    let newest = first.history(1).await.unwrap().remove(0);
    assert_eq!(newest.statement, "create role x password '***'");
    assert_eq!(
        (newest.by.name.as_str(), newest.acting_as.unwrap().name.as_str()),
        ("admin", "steward")
    );
    assert_eq!(newest.changes.len(), 1);
}

#[tokio::test]
async fn names_may_change_hands_within_one_commit() {
    let (store, first, _second) = warehouse().await;
    let (a, b) = (
        create_schema(&first, "a").await.unwrap(),
        create_schema(&first, "b").await.unwrap(),
    );
    let mut staged = first.begin().await.unwrap();
    for (id, name) in [(a, "tmp"), (b, "a"), (a, "b")] {
        let mut schema = staged.snapshot().schema(id).unwrap().clone();
        schema.name = name.into();
        staged.put(schema).unwrap();
    }
    first.commit(staged, admin()).await.unwrap();
    let other = node(&store).await;
    assert_eq!((named(&other, "a"), named(&other, "b")), (Some(b), Some(a)));
}

#[tokio::test]
async fn an_entry_asks_for_the_oldest_reader_that_knows_its_objects() {
    let (store, first, second) = warehouse().await;
    let text = async |version: u64| {
        let bytes = store.get(&Entry::path(version)).await.unwrap().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    create_schema(&first, "s").await.unwrap();
    let version = first.current().version();
    assert!(text(version).await.contains("\"min_reader\":2"));
    let mut staged = first.begin().await.unwrap();
    let id = staged.new_oid().unwrap();
    staged
        .put(Index {
            id,
            schema: PUBLIC_SCHEMA,
            name: "i".into(),
            owner: BOOTSTRAP_ROLE,
            table: PUBLIC_SCHEMA,
            method: "btree".into(),
            unique: false,
            enforced: false,
            nulls_not_distinct: false,
            keys: vec![],
            included: vec![],
            condition: None,
            comment: None,
        })
        .unwrap();
    first.commit(staged, admin()).await.unwrap();
    let newer = text(version + 1).await;
    assert!(newer.contains("\"min_reader\":3"), "{newer}");
    second.refresh(ALWAYS).await.unwrap();
    assert!(second.current().object(id).is_some());
}
