//! What a prepared statement remembers of its last run, so that Describe and Execute, and each Execute after the first,
//! need not look for the same plan. The plan is the plan cache's; here is where it was found, and for which key. It is used
//! only while all that the key names is as it was.

use std::sync::{Arc, OnceLock, Weak};

use datafusion::common::ScalarValue;
use parking_lot::Mutex;

use crate::planning::{CachedPlan, PlanKey, PlanKeyView};
use crate::result_cache::HashedKey;

/// The memory of one prepared statement.
#[derive(Debug)]
pub struct Memory<Plan = CachedPlan> {
    run: Mutex<Option<Remembered<Plan>>>,
    /// The names by which the statement calls functions that are not the engine's own, which depend on its text alone.
    called: OnceLock<Vec<Vec<String>>>,
}

#[derive(Debug)]
struct Remembered<Plan> {
    key: PlanKey,
    /// How often the plan cache had been cleared.
    clears: u64,
    /// Weak: a statement that is prepared and forgotten must not keep table snapshots alive.
    plan: Weak<Plan>,
    literals: Option<Arc<[ScalarValue]>>,
    /// What the plan's last answer was looked for with.
    answer: Option<Arc<HashedKey>>,
}

/// What is remembered of the last run.
#[derive(Debug)]
pub(super) struct Recalled<Plan> {
    pub plan: Arc<Plan>,
    /// The values of the statement's literals, where the plan is that of its shape.
    pub literals: Option<Arc<[ScalarValue]>>,
    pub answer: Option<Arc<HashedKey>>,
}

impl<Plan> Default for Memory<Plan> {
    fn default() -> Memory<Plan> {
        Memory {
            run: Mutex::new(None),
            called: OnceLock::new(),
        }
    }
}

impl<Plan> Memory<Plan> {
    /// The names by which the statement calls functions that are not the engine's own; `find` is asked once.
    pub fn called(&self, find: impl FnOnce() -> Vec<Vec<String>>) -> &[Vec<String>] {
        self.called.get_or_init(find)
    }

    /// The plan that the statement had last, if it had it for this key.
    pub(super) fn recall(&self, key: &PlanKeyView<'_>, clears: u64) -> Option<Recalled<Plan>> {
        let memory = self.run.lock();
        let remembered = memory.as_ref()?;
        if remembered.clears != clears || remembered.key.view() != *key {
            return None;
        }
        Some(Recalled {
            plan: remembered.plan.upgrade()?,
            literals: remembered.literals.clone(),
            answer: remembered.answer.clone(),
        })
    }

    /// Remembers a plan that the cache holds.
    pub(super) fn keep(&self, key: PlanKey, clears: u64, plan: &Arc<Plan>, literals: Option<Arc<[ScalarValue]>>) {
        *self.run.lock() = Some(Remembered {
            key,
            clears,
            plan: Arc::downgrade(plan),
            literals,
            answer: None,
        });
    }

    /// Remembers what an answer of this plan is looked for with, if the plan is the one that is remembered.
    pub(super) fn keep_answer(&self, plan: &Arc<Plan>, answer: &Arc<HashedKey>) {
        if let Some(remembered) = self.run.lock().as_mut()
            && std::ptr::eq(remembered.plan.as_ptr(), Arc::as_ptr(plan))
        {
            remembered.answer = Some(Arc::clone(answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str, catalog_version: u64) -> PlanKey {
        PlanKey {
            text: text.into(),
            is_shape: false,
            declared: vec![],
            login: 10,
            role: 10,
            database: 5,
            search_path: vec![2200],
            settings: 0,
            catalog_version,
        }
    }

    #[test]
    fn nothing_is_recalled_for_another_key_or_after_the_plan_went() {
        let memory = Memory::<u8>::default();
        let plan = Arc::new(1);
        let recalled = |key: PlanKey, clears| memory.recall(&key.view(), clears).map(|recalled| *recalled.plan);
        assert_eq!(recalled(key("a", 1), 0), None);
        memory.keep(key("a", 1), 0, &plan, None);
        assert_eq!(recalled(key("a", 1), 0), Some(1));
        let others = [
            key("b", 1),
            key("a", 2),
            PlanKey {
                role: 11,
                ..key("a", 1)
            },
            PlanKey {
                login: 11,
                ..key("a", 1)
            },
            PlanKey {
                database: 6,
                ..key("a", 1)
            },
            PlanKey {
                settings: 1,
                ..key("a", 1)
            },
            PlanKey {
                is_shape: true,
                ..key("a", 1)
            },
            PlanKey {
                search_path: vec![],
                ..key("a", 1)
            },
            PlanKey {
                declared: vec![None],
                ..key("a", 1)
            },
        ];
        for other in others {
            assert_eq!(recalled(other, 0), None);
        }
        assert_eq!(recalled(key("a", 1), 1), None);
        drop(plan);
        assert_eq!(recalled(key("a", 1), 0), None);
    }
}
