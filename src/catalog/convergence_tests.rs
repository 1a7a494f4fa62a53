//! Several nodes change one catalog at random while answers get lost. Whatever happens, all nodes end with
//! the same catalog, every acknowledged change is in it, and no name or id is given twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::changes::{self, NewColumn, NewTable, WhenTaken};
use super::model::*;
use super::store::memory::{Fault, MemoryStore};
use super::*;
use crate::error::Result;
use crate::types::SqlType;

/// A small generator with a seed: a failure can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn admin() -> Committer {
    Committer {
        login: Author {
            id: BOOTSTRAP_ROLE,
            name: "admin".into(),
        },
        acting_as: None,
    }
}

/// One random transaction, staged on what the node knows, which may be old.
fn stage(staged: &mut Staged, dice: &mut Dice) -> Result<Option<(Oid, Option<String>)>> {
    let snapshot = staged.snapshot();
    let name = format!("n{}", dice.roll(6));
    let mut schemas: Vec<Oid> = snapshot.schemas(DEFAULT_DATABASE).map(|schema| schema.id).collect();
    schemas.sort_unstable();
    let schema = schemas[dice.roll(schemas.len() as u64) as usize];
    let mut tables: Vec<Oid> = snapshot.tables().map(|table| table.id).collect();
    tables.sort_unstable();
    let table = (!tables.is_empty()).then(|| tables[dice.roll(tables.len() as u64) as usize]);
    let role = BOOTSTRAP_ROLE;
    match (dice.roll(6), table) {
        (0, _) => {
            let made = changes::create_schema(staged, role, DEFAULT_DATABASE, &name, None, WhenTaken::Refuse)?;
            Ok(Some((made.id(), Some(name))))
        }
        (1, _) if schema != PUBLIC_SCHEMA => {
            changes::drop_objects(staged, role, &[schema], dice.roll(2) == 0)?;
            Ok(Some((schema, None)))
        }
        (2, Some(table)) => {
            changes::rename(staged, role, table, &name)?;
            Ok(Some((table, Some(name))))
        }
        (3, Some(table)) => {
            changes::set_schema(staged, role, table, schema)?;
            let kept = snapshot.table(table).map(|table| table.name.clone());
            Ok(Some((table, kept)))
        }
        (4, Some(table)) => {
            changes::drop_objects(staged, role, &[table], false)?;
            Ok(Some((table, None)))
        }
        _ => {
            let column = NewColumn {
                name: "a".into(),
                sql_type: SqlType::Int4,
                nullable: true,
                field_id: None,
                default: None,
                numbering: None,
                comment: None,
            };
            let (columns, partition_by, location, comment) = (vec![column], vec![], None, None);
            let new = NewTable {
                unlogged: false,
                temporary: None,
                schema,
                name: name.clone(),
                columns,
                partition_by,
                location,
                constraints: vec![],
                comment,
            };
            let made = changes::create_table(staged, role, new, WhenTaken::Refuse)?;
            Ok(Some((made.id(), Some(name))))
        }
    }
}

async fn run(seed: u64) {
    let store = MemoryStore::default();
    let options = CatalogOptions {
        commit_deadline: Duration::from_secs(5),
        checkpoint_interval: 7,
        ..Default::default()
    };
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let node = Catalog::open(Arc::new(store.clone()), options.clone()).await.unwrap();
        node.bootstrap(None).await.unwrap();
        nodes.push(node);
    }
    let mut dice = Dice(seed);
    let (mut committed, mut refused) = (0, 0);
    let mut created: BTreeMap<Oid, usize> = BTreeMap::new();
    for _ in 0..60 {
        // Two nodes stage at once on what they know; then both commit.
        let mut pending = vec![];
        for _ in 0..2 {
            let node = nodes[dice.roll(3) as usize].clone();
            if dice.roll(3) == 0 {
                node.refresh(Duration::ZERO).await.unwrap();
            }
            let mut staged = node.begin().await.unwrap();
            let known: BTreeSet<Oid> = node.current().objects().map(Object::id).collect();
            if let Ok(Some((id, name))) = stage(&mut staged, &mut dice) {
                pending.push((node, staged, id, name, known.contains(&id)));
            }
        }
        for (node, staged, id, name, existed) in pending {
            *store.fault.lock() = match dice.roll(6) {
                0 => Some(Fault::LoseResponse),
                1 => Some(Fault::LoseRequest),
                _ => None,
            };
            match node.commit(staged, admin()).await {
                Ok(snapshot) => {
                    committed += 1;
                    assert_eq!(
                        snapshot.object(id).map(|object| object.name().to_string()),
                        name,
                        "seed {seed}"
                    );
                    if !existed {
                        *created.entry(id).or_default() += 1;
                    }
                }
                Err(error) => {
                    refused += 1;
                    assert_eq!(error.state().code(), "40001", "seed {seed}: {error}");
                }
            }
        }
    }
    assert!(
        committed > 20 && refused > 0,
        "seed {seed}: {committed} committed, {refused} refused"
    );
    assert!(
        created.values().all(|times| *times == 1),
        "seed {seed}: an id was given twice"
    );
    *store.fault.lock() = None;
    let mut endings = BTreeSet::new();
    nodes.push(Catalog::open(Arc::new(store.clone()), options.clone()).await.unwrap());
    store.files.lock().retain(|path, _| !path.contains("checkpoint"));
    nodes.push(Catalog::open(Arc::new(store.clone()), options).await.unwrap());
    for node in &nodes {
        node.refresh(Duration::ZERO).await.unwrap();
        endings.insert(checkpoint::encode(&node.current()).unwrap());
    }
    assert_eq!(endings.len(), 1, "seed {seed}: the nodes differ");
}

#[tokio::test]
async fn nodes_converge_whatever_gets_lost() {
    for seed in 1..=8 {
        run(seed).await;
    }
}
