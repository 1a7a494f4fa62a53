//! Optimized logical plans by statement. A key names everything that the plan depends on: the text, who
//! asks, where names resolve, the settings that change meaning, and the catalog's version, which holds
//! grants and policies too; so a hit is authorized by construction. Table versions are not in the key:
//! a hit is pinned to the current ones before it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::common::tree_node::TreeNodeRecursion;
use moka::sync::Cache;

use super::PlanningSession;
use crate::binding::{ColumnSource, OutputColumn};
use crate::catalog::model::Oid;
use crate::error::Result;
use crate::governance::GovernedPlan;
use crate::types::SqlType;

/// All that a plan depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlanKey {
    pub text: String,
    /// Whether the text's parameters are literals of the statements that it stands for.
    pub is_shape: bool,
    pub declared: Vec<Option<SqlType>>,
    pub login: Oid,
    pub role: Oid,
    pub database: Oid,
    pub search_path: Vec<Oid>,
    /// A hash of the settings that change what a text means.
    pub settings: u64,
    pub catalog_version: u64,
}

/// A key that borrows what it names: looking at one statement again allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanKeyView<'a> {
    pub text: &'a str,
    pub is_shape: bool,
    pub declared: &'a [Option<SqlType>],
    pub login: Oid,
    pub role: Oid,
    pub database: Oid,
    pub search_path: &'a [Oid],
    pub settings: u64,
    pub catalog_version: u64,
}

impl PlanKey {
    pub fn view(&self) -> PlanKeyView<'_> {
        // Named one by one: what is added to the key is added here.
        let PlanKey {
            text,
            is_shape,
            declared,
            login,
            role,
            database,
            search_path,
            settings,
            catalog_version,
        } = self;
        PlanKeyView {
            text,
            is_shape: *is_shape,
            declared,
            login: *login,
            role: *role,
            database: *database,
            search_path,
            settings: *settings,
            catalog_version: *catalog_version,
        }
    }
}

impl PlanKeyView<'_> {
    pub fn to_key(self) -> PlanKey {
        PlanKey {
            text: self.text.to_string(),
            is_shape: self.is_shape,
            declared: self.declared.to_vec(),
            login: self.login,
            role: self.role,
            database: self.database,
            search_path: self.search_path.to_vec(),
            settings: self.settings,
            catalog_version: self.catalog_version,
        }
    }
}

/// What is kept for a key.
#[derive(Debug, Clone)]
pub enum Kept {
    Plan(Arc<CachedPlan>),
    /// A shape of which one statement was planned.
    Seen,
    /// A shape whose literals say more than parameters would.
    Literal,
}

/// A plan that may run many times.
#[derive(Debug)]
pub struct CachedPlan {
    /// Optimized; parameters are open.
    pub plan: GovernedPlan,
    /// The same with its joins in order. Values of parameters have a say in that too, but most leave what they find.
    pub ordered: GovernedPlan,
    pub parameter_types: Vec<SqlType>,
    pub columns: Arc<[OutputColumn]>,
    /// Whether the plan means the same whenever it runs on the same versions.
    pub repeatable: bool,
}

impl CachedPlan {
    /// Orders the joins of an optimized plan.
    pub fn new(
        plan: GovernedPlan,
        parameter_types: Vec<SqlType>,
        sources: &[ColumnSource],
        session: &PlanningSession,
    ) -> Result<CachedPlan> {
        let ordered = super::order_joins(&plan, session)?;
        let ordered = match parameter_types.is_empty() || super::can_be_ordered_again(&ordered)? {
            true => ordered,
            false => plan.clone(),
        };
        Ok(CachedPlan {
            repeatable: plan.is_repeatable(),
            columns: OutputColumn::of_schema(plan.schema(), sources).into(),
            plan,
            ordered,
            parameter_types,
        })
    }
}

/// Bounded by an estimate of the plans' bytes.
#[derive(Debug)]
pub struct PlanCache {
    plans: Cache<PlanKey, Kept>,
    clears: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// A plan node with its schema and expressions, by measurement of TPC-H's plans.
const BYTES_PER_NODE: u32 = 4096;

impl PlanCache {
    pub fn new(max_bytes: u64) -> PlanCache {
        let plans = Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|key: &PlanKey, kept: &Kept| {
                let nodes = match kept {
                    Kept::Plan(plan) => node_count(plan),
                    Kept::Seen | Kept::Literal => 0,
                };
                key.text.len() as u32 + nodes * BYTES_PER_NODE
            })
            .build();
        PlanCache {
            plans,
            clears: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    pub fn get(&self, key: &PlanKey) -> Option<Kept> {
        self.plans.get(key)
    }

    pub fn insert(&self, key: PlanKey, kept: Kept) {
        self.plans.insert(key, kept);
    }

    /// Counts a statement for which a plan was looked for.
    pub fn count(&self, found: bool) {
        let counter = if found { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was cleared: plans that somebody found before are none of its plans any more.
    pub fn clears(&self) -> u64 {
        self.clears.load(Ordering::Acquire)
    }

    pub fn clear(&self) {
        self.clears.fetch_add(1, Ordering::AcqRel);
        self.plans.invalidate_all();
    }

    /// (entries, bytes, hits, misses)
    pub fn counters(&self) -> (u64, u64, u64, u64) {
        self.plans.run_pending_tasks();
        (
            self.plans.entry_count(),
            self.plans.weighted_size(),
            self.hits.load(Ordering::Relaxed),
            self.misses.load(Ordering::Relaxed),
        )
    }
}

/// Nodes of the plans, subqueries included.
fn node_count(cached: &CachedPlan) -> u32 {
    let mut count = 0;
    for plan in [&cached.plan, &cached.ordered] {
        // The count stops where the plan cannot be walked.
        let _ = plan.plan().apply_with_subqueries(|_| {
            count += 1;
            Ok(TreeNodeRecursion::Continue)
        });
    }
    count.max(1)
}
