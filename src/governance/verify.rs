//! The last look before execution: in the physical plan, every scan of files lies below the barrier that
//! governance put there, or belongs to a table that hides nothing. Whatever a rule of some version moved,
//! a plan that fails here does not run. Passing seals the barriers.

use std::sync::Arc;

use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;

use super::barrier_exec::PolicyBarrierExec;
use super::fingerprint::PolicyFingerprint;
use super::governed_plan::{Coverage, GovernedPlan};
use super::subject::Place;
use crate::error::{Error, Result};

/// Leaves that hold no table's data: constants, the working table of a recursive query, generators and
/// virtual tables, which answer for the principal themselves.
const HARMLESS_LEAVES: [&str; 5] = [
    "EmptyExec",
    "PlaceholderRowExec",
    "WorkTableExec",
    "LazyMemoryExec",
    "StreamingTableExec",
];

/// Refuses a physical plan with XX000 unless it reads governed tables behind their barriers only; seals it.
pub fn verify(governed: &GovernedPlan, physical: &Arc<dyn ExecutionPlan>) -> Result<()> {
    Verifier {
        coverage: governed.coverage(),
        reads_only: &reads_only,
    }
    .walk(physical, None)
}

/// Whether this leaf reads nothing but the tables at these places.
type ReadsOnly<'a> = &'a dyn Fn(&dyn ExecutionPlan, &[&Place]) -> bool;

struct Verifier<'a> {
    coverage: &'a Coverage,
    reads_only: ReadsOnly<'a>,
}

impl Verifier<'_> {
    fn walk(&self, node: &Arc<dyn ExecutionPlan>, behind: Option<PolicyFingerprint>) -> Result<()> {
        if let Some(barrier) = node.downcast_ref::<PolicyBarrierExec>() {
            let identity = barrier.identity();
            if behind.is_some() || !self.coverage.has_barrier(identity) {
                return Err(ungoverned(node));
            }
            self.walk(barrier.inside(), Some(identity.fingerprint))?;
            barrier.seal();
            return Ok(());
        }
        let children = node.children();
        if children.is_empty() {
            return self.check_leaf(node, behind);
        }
        children.into_iter().try_for_each(|child| self.walk(child, behind))
    }

    fn check_leaf(&self, leaf: &Arc<dyn ExecutionPlan>, behind: Option<PolicyFingerprint>) -> Result<()> {
        let allowed: Vec<&Place> = match behind {
            None => self.coverage.open.values().collect(),
            Some(fingerprint) => self
                .coverage
                .inside
                .get(&fingerprint)
                .into_iter()
                .flat_map(|tables| tables.values())
                .collect(),
        };
        if (self.reads_only)(leaf.as_ref(), &allowed) {
            Ok(())
        } else {
            Err(ungoverned(leaf))
        }
    }
}

fn ungoverned(node: &Arc<dyn ExecutionPlan>) -> Error {
    Error::internal("the plan reads a table outside its policy barrier")
        .with_detail(format!("The plan's node is {}; nothing was read.", node.name()))
}

fn reads_only(leaf: &dyn ExecutionPlan, allowed: &[&Place]) -> bool {
    let Some(source) = leaf.downcast_ref::<DataSourceExec>() else {
        return HARMLESS_LEAVES.contains(&leaf.name());
    };
    let source = source.data_source();
    if source.is::<MemorySourceConfig>() {
        return true;
    }
    let Some(files) = source.downcast_ref::<FileScanConfig>() else {
        return false;
    };
    let store = files.object_store_url.as_str();
    // All files of a group come from one table's scan: the first one tells.
    files
        .file_groups
        .iter()
        .filter_map(|group| group.files().first())
        .all(|file| {
            let path = file.object_meta.location.as_ref();
            allowed.iter().any(|place| place.holds(store, path))
        })
}
