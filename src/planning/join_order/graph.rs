//! A chain of joins taken apart: relations, the predicates between them, and columns that equal each other.

use std::collections::HashMap;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, ExprSchema, JoinType, NullEquality, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, Join, LogicalPlan};

use super::super::cardinality::{Estimate, estimate};

/// Relations as bits.
pub(super) type Set = u32;

/// A relation of the chain.
pub(super) struct Relation {
    pub plan: LogicalPlan,
    pub estimate: Estimate,
    /// How the relation keeps or drops rows of the others; `None` when it is joined.
    pub reducer: Option<Reducer>,
}

/// A semi or anti join: its relation has no columns in the result.
pub(super) struct Reducer {
    pub is_anti: bool,
    /// (of the others, of this relation).
    pub on: Vec<(Expr, Expr)>,
    pub filter: Option<Expr>,
    /// The relations that the condition speaks of.
    pub requires: Set,
}

/// A condition on more than one relation.
pub(super) struct Predicate {
    pub relations: Set,
    pub expression: Expr,
    /// The sides of an equality where each is of other relations.
    pub sides: Option<[(Expr, Set); 2]>,
}

/// Columns, one of a relation, that are all equal in the result.
pub(super) type EqualColumns = Vec<(usize, Column)>;

#[derive(Default)]
pub(super) struct Graph {
    pub relations: Vec<Relation>,
    pub predicates: Vec<Predicate>,
    pub classes: Vec<EqualColumns>,
    /// Conditions without columns.
    pub constants: Vec<Expr>,
    /// Whether the relations are what they were in the chain.
    pub keeps_relations: bool,
}

/// Whether the plan begins with joins that may be reordered.
pub(super) fn is_chain(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Join(join) => is_reorderable(join),
        LogicalPlan::Projection(projection) => {
            projection
                .expr
                .iter()
                .all(|expression| matches!(expression, Expr::Column(_)))
                && is_chain(&projection.input)
        }
        LogicalPlan::Filter(filter) => is_movable(&filter.predicate) && is_chain(&filter.input),
        _ => false,
    }
}

fn is_reorderable(join: &Join) -> bool {
    let has_type = match join.join_type {
        JoinType::Inner => true,
        JoinType::LeftSemi | JoinType::LeftAnti => !join.on.is_empty(),
        _ => false,
    };
    has_type
        && !join.null_aware
        && join.null_equality == NullEquality::NullEqualsNothing
        && join
            .on
            .iter()
            .all(|(left, right)| is_movable(left) && is_movable(right))
        && join.filter.as_ref().is_none_or(is_movable)
}

/// What may be computed elsewhere and another number of times.
fn is_movable(expression: &Expr) -> bool {
    !expression.is_volatile() && !contains_subquery(expression)
}

fn contains_subquery(expression: &Expr) -> bool {
    expression
        .exists(|part| {
            Ok(matches!(
                part,
                Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_)
            ))
        })
        .unwrap_or(true)
}

/// What `flatten` finds.
#[derive(Default)]
struct Pieces {
    plans: Vec<LogicalPlan>,
    reducers: Vec<(Join, usize)>,
    equalities: Vec<(Expr, Expr)>,
    conditions: Vec<Expr>,
}

impl Pieces {
    fn flatten(&mut self, plan: &LogicalPlan) {
        if !is_chain(plan) {
            return self.plans.push(plan.clone());
        }
        match plan {
            LogicalPlan::Projection(projection) => self.flatten(&projection.input),
            LogicalPlan::Filter(filter) => {
                self.conditions
                    .extend(split_conjunction_owned(filter.predicate.clone()));
                self.flatten(&filter.input);
            }
            LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
                self.equalities.extend(join.on.iter().cloned());
                self.conditions
                    .extend(join.filter.clone().into_iter().flat_map(split_conjunction_owned));
                self.flatten(&join.left);
                self.flatten(&join.right);
            }
            LogicalPlan::Join(join) => {
                self.flatten(&join.left);
                self.reducers.push((join.clone(), self.plans.len()));
                self.plans.push(join.right.as_ref().clone());
            }
            other => self.plans.push(other.clone()),
        }
    }
}

/// Which relation each column is of.
struct Owners(HashMap<Column, usize>);

impl Owners {
    /// The relations that the expression speaks of; `None` when a column is of none of them.
    fn of(&self, expression: &Expr) -> Option<Set> {
        expression
            .column_refs()
            .into_iter()
            .map(|column| self.0.get(column).map(|owner| 1 << owner))
            .try_fold(0, |set, owner| Some(set | owner?))
    }
}

impl Graph {
    /// The chain's graph; `None` where columns cannot be told apart. Inputs are ordered on the way.
    pub fn of(plan: &LogicalPlan) -> Result<Option<Graph>> {
        let mut pieces = Pieces::default();
        pieces.flatten(plan);
        if pieces.plans.len() > Set::BITS as usize {
            return Ok(None);
        }
        let mut owners = Owners(HashMap::new());
        for (number, plan) in pieces.plans.iter().enumerate() {
            if pieces.reducers.iter().any(|(_, reducer)| *reducer == number) {
                continue;
            }
            for column in plan.schema().columns() {
                if owners.0.insert(column, number).is_some() {
                    return Ok(None);
                }
            }
        }
        let Some(mut reducers) = reducers(&pieces, &owners) else {
            return Ok(None);
        };
        let mut graph = Graph::default();
        if !graph.add_predicates(&pieces, &owners) {
            return Ok(None);
        }
        let mut own = graph.own_conditions();
        graph.keeps_relations = own.is_empty();
        for (number, plan) in pieces.plans.into_iter().enumerate() {
            let ordered = super::ordered(plan)?;
            graph.keeps_relations &= !ordered.transformed;
            let mut plan = ordered.data;
            if let Some(predicate) = conjunction(own.remove(&number).unwrap_or_default()) {
                plan = LogicalPlan::Filter(Filter::try_new(predicate, plan.into())?);
            }
            graph.relations.push(Relation {
                estimate: estimate(&plan),
                plan,
                reducer: reducers.remove(&number),
            });
        }
        Ok(Some(graph))
    }

    fn add_predicates(&mut self, pieces: &Pieces, owners: &Owners) -> bool {
        let type_of = |owner: usize, column: &Column| {
            let schema = pieces.plans[owner].schema();
            schema.data_type(column).ok().cloned()
        };
        for (left, right) in &pieces.equalities {
            let (Some(left_set), Some(right_set)) = (owners.of(left), owners.of(right)) else {
                return false;
            };
            if let (Expr::Column(one), Expr::Column(other)) = (left, right) {
                let (one, other) = ((owners.0[one], one), (owners.0[other], other));
                let data_type = type_of(one.0, one.1);
                if data_type == type_of(other.0, other.1) && data_type.is_some_and(|found| is_transitive(&found)) {
                    self.equate((one.0, one.1.clone()), (other.0, other.1.clone()));
                    continue;
                }
            }
            let are_apart = left_set & right_set == 0 && left_set != 0 && right_set != 0;
            self.predicates.push(Predicate {
                relations: left_set | right_set,
                expression: left.clone().eq(right.clone()),
                sides: are_apart.then(|| [(left.clone(), left_set), (right.clone(), right_set)]),
            });
        }
        for condition in &pieces.conditions {
            let Some(relations) = owners.of(condition) else {
                return false;
            };
            self.predicates.push(Predicate {
                relations,
                expression: condition.clone(),
                sides: None,
            });
        }
        true
    }

    fn equate(&mut self, one: (usize, Column), other: (usize, Column)) {
        let mut class = vec![];
        for member in [one, other] {
            match self.classes.iter().position(|class| class.contains(&member)) {
                Some(found) => class.extend(self.classes.swap_remove(found)),
                None if !class.contains(&member) => class.push(member),
                None => {}
            }
        }
        self.classes.push(class);
    }

    /// Takes the conditions on one relation alone out: they hold where it is read. Two columns of one relation
    /// that equal a third equal each other.
    fn own_conditions(&mut self) -> HashMap<usize, Vec<Expr>> {
        let mut own: HashMap<usize, Vec<Expr>> = HashMap::new();
        for class in &mut self.classes {
            let mut kept: EqualColumns = vec![];
            for (owner, column) in class.drain(..) {
                match kept.iter().find(|(known, _)| *known == owner) {
                    Some((_, same)) => {
                        let equal = Expr::Column(same.clone()).eq(Expr::Column(column));
                        own.entry(owner).or_default().push(equal);
                    }
                    None => kept.push((owner, column)),
                }
            }
            *class = kept;
        }
        self.classes.retain(|class| class.len() > 1);
        for predicate in std::mem::take(&mut self.predicates) {
            match predicate.relations.count_ones() {
                0 => self.constants.push(predicate.expression),
                1 => {
                    let owner = predicate.relations.trailing_zeros() as usize;
                    own.entry(owner).or_default().push(predicate.expression);
                }
                _ => self.predicates.push(predicate),
            }
        }
        own
    }
}

/// The reducers by their relation; `None` where a condition speaks of none of the other relations, or of columns
/// that cannot be told apart.
fn reducers(pieces: &Pieces, owners: &Owners) -> Option<HashMap<usize, Reducer>> {
    let mut found = HashMap::new();
    for (join, number) in &pieces.reducers {
        let inside = join.right.schema().columns();
        if inside.iter().any(|column| owners.0.contains_key(column)) {
            return None;
        }
        let mut requires = 0;
        for (outer, _) in &join.on {
            requires |= owners.of(outer)?;
        }
        for column in join.filter.iter().flat_map(|filter| filter.column_refs()) {
            match owners.0.get(column) {
                Some(owner) => requires |= 1 << owner,
                None if inside.contains(column) => {}
                None => return None,
            }
        }
        if requires == 0 {
            return None;
        }
        let reducer = Reducer {
            is_anti: join.join_type == JoinType::LeftAnti,
            on: join.on.clone(),
            filter: join.filter.clone(),
            requires,
        };
        found.insert(*number, reducer);
    }
    Some(found)
}

/// Types where a = b and b = c mean a = c to the join's comparison: not floats.
fn is_transitive(data_type: &DataType) -> bool {
    data_type.is_integer()
        || data_type.is_decimal()
        || data_type.is_string()
        || matches!(data_type, DataType::Date32 | DataType::Boolean)
}
