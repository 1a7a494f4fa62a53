//! The proof that a plan went through governance. Only this module makes one, and every rewrite of the plan
//! inside is checked: a table with policies stays behind the barrier that it got.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::common::DFSchemaRef;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{LogicalPlan, TableScan};

use super::authorize::for_each_scan;
use super::barrier::PolicyBarrier;
use super::barrier_exec::BarrierIdentity;
use super::fingerprint::{FingerprintBuilder, PolicyFingerprint};
use super::subject::{Place, Recognise, Subject};
use crate::binding::RelationVersion;
use crate::catalog::model::Oid;
use crate::error::{Error, Result};

/// A plan under the policies of one principal: what planning and execution accept.
#[derive(Debug, Clone)]
pub struct GovernedPlan {
    plan: LogicalPlan,
    fingerprint: PolicyFingerprint,
    relations: Vec<RelationVersion>,
    repeatable: bool,
    coverage: Arc<Coverage>,
    recognise: Recognise,
}

/// Which tables a plan may read, and where.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coverage {
    relations: Vec<RelationVersion>,
    /// Tables that hide nothing from this principal.
    pub open: BTreeMap<Oid, Place>,
    /// Tables that may be read behind a barrier with one of these fingerprints only: one for each schema
    /// that the table has among the versions read.
    barriers: BTreeMap<Oid, BTreeSet<PolicyFingerprint>>,
    /// What lies behind a barrier: the table itself and those that its policies look into.
    pub inside: BTreeMap<PolicyFingerprint, BTreeMap<Oid, Place>>,
}

impl Coverage {
    pub fn relation(&mut self, subject: &Subject) {
        if !self.relations.contains(&subject.version) {
            self.relations.push(subject.version.clone());
        }
    }

    pub fn open(&mut self, subject: &Subject) {
        self.open.insert(subject.table.id, subject.place.clone());
    }

    pub fn barrier(&mut self, subject: &Subject, fingerprint: PolicyFingerprint) {
        self.barriers.entry(subject.table.id).or_default().insert(fingerprint);
        self.inside(fingerprint, subject);
    }

    pub fn inside(&mut self, fingerprint: PolicyFingerprint, subject: &Subject) {
        let tables = self.inside.entry(fingerprint).or_default();
        tables.insert(subject.table.id, subject.place.clone());
    }
}

impl GovernedPlan {
    pub(crate) fn new(
        plan: LogicalPlan,
        coverage: Coverage,
        repeatable: bool,
        recognise: Recognise,
    ) -> Result<GovernedPlan> {
        let mut fingerprint = FingerprintBuilder::default();
        for (table, policies) in &coverage.barriers {
            fingerprint.bytes(&table.to_le_bytes());
            policies
                .iter()
                .for_each(|policies| fingerprint.bytes(policies.as_bytes()));
        }
        for table in coverage.open.keys() {
            fingerprint.bytes(&table.to_le_bytes());
        }
        let relations = coverage.relations.clone();
        let fingerprint = fingerprint.finish();
        let coverage = Arc::new(coverage);
        let governed = GovernedPlan {
            plan,
            fingerprint,
            relations,
            repeatable,
            coverage,
            recognise,
        };
        governed.check(&governed.plan)?;
        Ok(governed)
    }

    /// The plan, for reading; what is to run goes through `rewrite`.
    pub fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// The columns of its answer.
    pub fn schema(&self) -> &DFSchemaRef {
        self.plan.schema()
    }

    /// The policies of all tables of the plan as they apply to this principal: part of every cache key.
    pub fn fingerprint(&self) -> PolicyFingerprint {
        self.fingerprint
    }

    /// All relations that the plan reads, those inside policies too, with their versions.
    pub fn relations(&self) -> &[RelationVersion] {
        &self.relations
    }

    /// Whether the same versions give the same answer: no volatile or unfolded time function, no system table.
    pub fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    /// Whether some table of the plan hides something from this principal.
    pub fn has_barriers(&self) -> bool {
        !self.coverage.barriers.is_empty()
    }

    /// Optimizes the plan, fills in parameters and the like. XX000 if a scan lost its barrier on the way.
    pub fn rewrite(&self, rewrite: impl FnOnce(LogicalPlan) -> Result<LogicalPlan>) -> Result<GovernedPlan> {
        let plan = rewrite(self.plan.clone())?;
        self.check(&plan)?;
        Ok(GovernedPlan {
            plan,
            fingerprint: self.fingerprint,
            relations: self.relations.clone(),
            repeatable: self.repeatable,
            coverage: Arc::clone(&self.coverage),
            recognise: self.recognise,
        })
    }

    pub(crate) fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    fn check(&self, plan: &LogicalPlan) -> Result<()> {
        for_each_scan(plan, &mut |scan| self.coverage.check_scan(scan, self.recognise))
    }
}

impl Coverage {
    /// Whether governance put this barrier into the plan.
    pub fn has_barrier(&self, identity: &BarrierIdentity) -> bool {
        self.barriers
            .get(&identity.table)
            .is_some_and(|known| known.contains(&identity.fingerprint))
    }

    fn check_scan(&self, scan: &TableScan, recognise: Recognise) -> Result<()> {
        let lost = || {
            Error::internal(format!(
                "the scan of {} is not governed as it should be",
                scan.table_name
            ))
        };
        let provider = source_as_provider(&scan.source).map_err(|_| lost())?;
        if let Some(barrier) = provider.downcast_ref::<PolicyBarrier>() {
            return if self.has_barrier(barrier.identity()) {
                Ok(())
            } else {
                Err(lost())
            };
        }
        match recognise(&scan.source) {
            Some(subject) if !self.open.contains_key(&subject.table.id) => Err(lost()),
            _ => Ok(()),
        }
    }
}
