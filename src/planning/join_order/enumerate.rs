//! Finds the cheapest order: all of them for few relations, step by step the cheapest join for many. A join costs
//! the rows that are built, those that are probed, and those that come out.

use datafusion::common::{Column, JoinType, Result};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, Filter, LogicalPlan};

use super::super::cardinality::{Key, RESIDUAL, Side, anti_part, semi_part, values_among};
use super::graph::{self, Graph, Set};
use super::joined;

/// Relations of which every order is looked at.
const ALL_ORDERS: usize = 10;
/// What building a row costs, where probing one costs 1.
const BUILD: f64 = 3.0;
/// What a row costs that comes out.
const OUTPUT: f64 = 1.0;
/// Rows of a table that fits a core's caches, and what probing a larger one costs.
const CACHED_ROWS: f64 = 100_000.0;
const UNCACHED_PROBE: f64 = 2.0;

/// The best way known to join a set of relations.
#[derive(Debug, Clone)]
struct Candidate {
    set: Set,
    rows: f64,
    cost: f64,
    step: Step,
}

#[derive(Debug, Clone)]
enum Step {
    Relation,
    /// The built set, then the probed one.
    Join(Box<Candidate>, Box<Candidate>),
}

/// The cheapest plan of the graph; `None` when it is the chain that the graph was made of.
pub(super) fn best_plan(graph: Graph, chain: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    let search = Search::new(&graph);
    let found = match graph.relations.len() <= ALL_ORDERS {
        true => search.exhaustively().unwrap_or_else(|| search.step_by_step()),
        false => search.step_by_step(),
    };
    if graph.keeps_relations && found.is_chain(chain, &mut 0) {
        return Ok(None);
    }
    let mut plan = search.plan(&found)?;
    if let Some(predicate) = conjunction(graph.constants.iter().cloned()) {
        plan = LogicalPlan::Filter(Filter::try_new(predicate, plan.into())?);
    }
    Ok(Some(plan))
}

impl Candidate {
    /// Whether a chain joins its relations, of which `next` is the first one, in this way already, with nothing in between
    /// that a plan of the candidate would have elsewhere.
    fn is_chain(&self, chain: &LogicalPlan, next: &mut usize) -> bool {
        if !graph::is_chain(chain) {
            let relation = *next;
            *next += 1;
            return matches!(self.step, Step::Relation) && self.set == 1 << relation;
        }
        match (chain, &self.step) {
            (LogicalPlan::Projection(projection), _) => self.is_chain(&projection.input, next),
            (LogicalPlan::Join(join), Step::Join(built, probed)) => {
                built.is_chain(&join.left, next) && probed.is_chain(&join.right, next)
            }
            _ => false,
        }
    }
}

struct Search<'a> {
    graph: &'a Graph,
    /// Relations that an equality connects with each one.
    neighbours: Vec<Set>,
    reducers: Set,
    references: Vec<Reference>,
}

/// A relation that refers to another one by its primary key.
struct Reference {
    from: usize,
    to: usize,
    /// Rows of the other one that it refers to, at most.
    rows: f64,
}

impl Search<'_> {
    fn new(graph: &Graph) -> Search<'_> {
        let count = graph.relations.len();
        let mut neighbours = vec![0; count];
        let mut connect = |one: usize, other: usize| {
            neighbours[one] |= 1 << other;
            neighbours[other] |= 1 << one;
        };
        for class in &graph.classes {
            for (position, (one, _)) in class.iter().enumerate() {
                class[position + 1..]
                    .iter()
                    .for_each(|(other, _)| connect(*one, *other));
            }
        }
        for predicate in &graph.predicates {
            if let Some([(_, left), (_, right)]) = &predicate.sides
                && left.count_ones() == 1
                && right.count_ones() == 1
            {
                connect(left.trailing_zeros() as usize, right.trailing_zeros() as usize);
            }
        }
        let reducers = (0..count)
            .filter(|relation| graph.relations[*relation].reducer.is_some())
            .fold(0, |set, relation| set | 1 << relation);
        Search {
            graph,
            neighbours,
            reducers,
            references: references(graph),
        }
    }

    fn all(&self) -> Set {
        Set::MAX >> (Set::BITS as usize - self.graph.relations.len())
    }

    fn single(&self, relation: usize) -> Candidate {
        Candidate {
            set: 1 << relation,
            rows: self.graph.relations[relation].estimate.rows,
            cost: 0.0,
            step: Step::Relation,
        }
    }

    /// The one reducer that a set is, if it is one.
    fn reducer(&self, set: Set) -> Option<usize> {
        (set.count_ones() == 1 && set & self.reducers != 0).then(|| set.trailing_zeros() as usize)
    }

    fn are_connected(&self, left: Set, right: Set) -> bool {
        let fits = |reducer: usize, others: Set| {
            let requires = self.graph.relations[reducer]
                .reducer
                .as_ref()
                .map_or(0, |found| found.requires);
            requires & others == requires
        };
        match (self.reducer(left), self.reducer(right)) {
            (Some(_), Some(_)) => false,
            (Some(reducer), None) => fits(reducer, right),
            (None, Some(reducer)) => fits(reducer, left),
            (None, None) => members(left).any(|relation| self.neighbours[relation] & right != 0),
        }
    }

    fn exhaustively(&self) -> Option<Candidate> {
        let all = self.all();
        let mut best: Vec<Option<Candidate>> = vec![None; all as usize + 1];
        for relation in 0..self.graph.relations.len() {
            best[1 << relation] = Some(self.single(relation));
        }
        for set in 1..=all {
            if set.count_ones() < 2 {
                continue;
            }
            let mut cheapest: Option<Candidate> = None;
            // Each split once: the lowest relation is on the left.
            let lowest = set & set.wrapping_neg();
            let mut left = (set - 1) & set;
            while left != 0 {
                let right = set & !left;
                if left & lowest != 0
                    && let (Some(one), Some(other)) = (&best[left as usize], &best[right as usize])
                    && self.are_connected(left, right)
                {
                    let cost = self.cost(one, other);
                    if cheapest.as_ref().is_none_or(|known| cost < known.cost) {
                        cheapest = Some(self.join(one, other));
                    }
                }
                left = (left - 1) & set;
            }
            best[set as usize] = cheapest;
        }
        best.pop().flatten()
    }

    /// Joins the pair that costs least until one set is left; unconnected ones only when nothing else is left.
    fn step_by_step(&self) -> Candidate {
        let mut open: Vec<Candidate> = (0..self.graph.relations.len())
            .map(|relation| self.single(relation))
            .collect();
        while open.len() > 1 {
            let mut cheapest: Option<(bool, f64, usize, usize)> = None;
            for one in 0..open.len() {
                for other in one + 1..open.len() {
                    let (left, right) = (&open[one], &open[other]);
                    let is_apart = !self.are_connected(left.set, right.set);
                    if is_apart && (self.reducer(left.set).is_some() || self.reducer(right.set).is_some()) {
                        continue;
                    }
                    let cost = self.cost(left, right);
                    if cheapest.is_none_or(|(apart, known, ..)| (is_apart, cost) < (apart, known)) {
                        cheapest = Some((is_apart, cost, one, other));
                    }
                }
            }
            let Some((_, _, one, other)) = cheapest else {
                break;
            };
            let right = open.swap_remove(other);
            let left = open.swap_remove(one);
            open.push(self.join(&left, &right));
        }
        open.swap_remove(0)
    }

    fn cost(&self, left: &Candidate, right: &Candidate) -> f64 {
        let (built, probed) = if left.rows <= right.rows {
            (left, right)
        } else {
            (right, left)
        };
        let probe = if built.rows > CACHED_ROWS { UNCACHED_PROBE } else { 1.0 };
        let output = self.rows(left.set | right.set);
        left.cost + right.cost + built.rows * BUILD + probed.rows * probe + output * OUTPUT
    }

    fn join(&self, left: &Candidate, right: &Candidate) -> Candidate {
        let (built, probed) = if left.rows <= right.rows {
            (left, right)
        } else {
            (right, left)
        };
        Candidate {
            set: left.set | right.set,
            rows: self.rows(left.set | right.set),
            cost: self.cost(left, right),
            step: Step::Join(Box::new(built.clone()), Box::new(probed.clone())),
        }
    }

    /// Rows of the set, the same whatever the order: relations are added from the largest on, each to those that
    /// it is connected with.
    fn rows(&self, set: Set) -> f64 {
        let mut waiting: Vec<usize> = members(set & !self.reducers).collect();
        let rows_of = |relation: &usize| self.graph.relations[*relation].estimate.rows;
        waiting.sort_by(|one, other| rows_of(other).total_cmp(&rows_of(one)));
        let mut done: Set = 0;
        let mut rows = 1.0;
        while !waiting.is_empty() {
            let next = waiting
                .iter()
                .position(|relation| self.neighbours[*relation] & done != 0)
                .unwrap_or(0);
            let relation = waiting.remove(next);
            let own = self.graph.relations[relation].estimate.side(1.0);
            rows *= own.among(self.referred(relation, set)).rows * self.selectivity(relation, done, set);
            done |= 1 << relation;
        }
        for predicate in &self.graph.predicates {
            if predicate.sides.is_none() && predicate.relations & set == predicate.relations {
                rows *= RESIDUAL;
            }
        }
        for relation in members(set & self.reducers) {
            rows *= self.reduction(relation);
        }
        rows.max(1.0)
    }

    /// Rows of the relation that others of the set refer to: the rest goes, so that its other columns have fewer
    /// values too, as the weeks of a calendar that sales are in.
    fn referred(&self, relation: usize, set: Set) -> f64 {
        let references = self.references.iter();
        let here = references.filter(|reference| reference.to == relation && set & (1 << reference.from) != 0);
        here.map(|reference| reference.rows).fold(f64::INFINITY, f64::min)
    }

    /// The part of the pairs of rows of `relation` and of the relations `others` that equalities keep, in the result of
    /// the whole `set`.
    fn selectivity(&self, relation: usize, others: Set, set: Set) -> f64 {
        let graph = self.graph;
        let mut keys: Vec<(Expr, usize, Expr)> = vec![];
        for class in &graph.classes {
            let Some((_, own)) = class.iter().find(|(owner, _)| *owner == relation) else {
                continue;
            };
            if let Some((owner, other)) = class.iter().find(|(owner, _)| others & (1 << owner) != 0) {
                keys.push((Expr::Column(own.clone()), *owner, Expr::Column(other.clone())));
            }
        }
        for predicate in &graph.predicates {
            let Some(sides) = &predicate.sides else { continue };
            for [(own, own_set), (other, other_set)] in [[&sides[0], &sides[1]], [&sides[1], &sides[0]]] {
                if *own_set == 1 << relation && other_set & others == *other_set {
                    keys.push((own.clone(), other_set.trailing_zeros() as usize, other.clone()));
                }
            }
        }
        // Keys towards one relation are one key; those towards others are independent of each other.
        let mut owners: Vec<usize> = keys.iter().map(|(_, owner, _)| *owner).collect();
        owners.sort_unstable();
        owners.dedup();
        owners
            .into_iter()
            .map(|owner| {
                let (own, other): (Vec<&Expr>, Vec<&Expr>) = keys
                    .iter()
                    .filter(|(_, key_owner, _)| *key_owner == owner)
                    .map(|(own, _, other)| (own, other))
                    .unzip();
                let sides = [(relation, &own), (owner, &other)].map(|(number, keys)| {
                    let side = &graph.relations[number];
                    let domain = side.estimate.domain(side.plan.schema(), keys);
                    side.estimate.side(domain).among(self.referred(number, set))
                });
                Key::new(sides, own.len()).selectivity()
            })
            .product()
    }

    /// The part of the rows that a reducer keeps.
    fn reduction(&self, relation: usize) -> f64 {
        let found = &self.graph.relations[relation];
        let Some(reducer) = &found.reducer else { return 1.0 };
        let keys: Vec<&Expr> = reducer.on.iter().map(|(_, inner)| inner).collect();
        let inner = found.estimate.domain(found.plan.schema(), &keys);
        let outer: f64 = reducer
            .on
            .iter()
            .map(|(outer, _)| {
                members(reducer.requires)
                    .filter_map(|owner| {
                        let owner = &self.graph.relations[owner];
                        owner.estimate.column(owner.plan.schema(), outer)
                    })
                    .map(|column| column.values)
                    .fold(1.0, f64::max)
            })
            .product();
        let values = values_among(found.estimate.rows, inner, found.estimate.base_rows);
        let kept = semi_part(values, inner.max(outer.min(found.estimate.base_rows)));
        let kept = if reducer.filter.is_some() {
            kept * RESIDUAL
        } else {
            kept
        };
        if reducer.is_anti { anti_part(kept) } else { kept }
    }

    fn plan(&self, candidate: &Candidate) -> Result<LogicalPlan> {
        let Step::Join(built, probed) = &candidate.step else {
            return Ok(self.graph.relations[candidate.set.trailing_zeros() as usize]
                .plan
                .clone());
        };
        let (left, right) = (self.plan(built)?, self.plan(probed)?);
        let (reducer, is_left) = match (self.reducer(built.set), self.reducer(probed.set)) {
            (Some(reducer), _) => (Some(reducer), true),
            (None, reducer) => (reducer, false),
        };
        if let Some(reducer) = reducer.and_then(|relation| self.graph.relations[relation].reducer.as_ref()) {
            let (join_type, swapped) = match reducer.is_anti {
                false => (JoinType::LeftSemi, JoinType::RightSemi),
                true => (JoinType::LeftAnti, JoinType::RightAnti),
            };
            let (on, join_type) = match is_left {
                false => (reducer.on.clone(), join_type),
                true => {
                    let exchanged = reducer.on.iter().cloned().map(|(outer, inner)| (inner, outer));
                    (exchanged.collect(), swapped)
                }
            };
            return joined(left, right, on, reducer.filter.clone(), join_type);
        }
        let (on, filter) = self.condition(built.set, probed.set);
        joined(left, right, on, filter, JoinType::Inner)
    }

    /// What joins two sets: an equality of each class that has columns in both, and the predicates that speak
    /// of both.
    fn condition(&self, left: Set, right: Set) -> (Vec<(Expr, Expr)>, Option<Expr>) {
        let mut on = vec![];
        for class in &self.graph.classes {
            let member = |set: Set| class.iter().find(|(owner, _)| set & (1 << owner) != 0);
            if let (Some((_, one)), Some((_, other))) = (member(left), member(right)) {
                on.push((Expr::Column(one.clone()), Expr::Column(other.clone())));
            }
        }
        let mut filters = vec![];
        for predicate in &self.graph.predicates {
            let relations = predicate.relations;
            let is_due = relations & (left | right) == relations
                && relations & left != relations
                && relations & right != relations;
            if !is_due {
                continue;
            }
            let is_within = |part: Set, set: Set| part & set == part;
            match &predicate.sides {
                Some([(one, one_set), (other, other_set)])
                    if is_within(*one_set, left) && is_within(*other_set, right) =>
                {
                    on.push((one.clone(), other.clone()));
                }
                Some([(one, one_set), (other, other_set)])
                    if is_within(*one_set, right) && is_within(*other_set, left) =>
                {
                    on.push((other.clone(), one.clone()));
                }
                _ => filters.push(predicate.expression.clone()),
            }
        }
        (on, conjunction(filters))
    }
}

/// The references between relations that are joined by one column.
fn references(graph: &Graph) -> Vec<Reference> {
    let side = |relation: usize, column: &Column| {
        let found = &graph.relations[relation];
        let known = found
            .estimate
            .column(found.plan.schema(), &Expr::Column(column.clone()));
        known.map(|known| found.estimate.side(known.values))
    };
    let mut references = vec![];
    for class in &graph.classes {
        for (to, key) in class {
            let Some(referred) = side(*to, key).filter(Side::is_unique) else {
                continue;
            };
            for (from, column) in class.iter().filter(|(from, _)| from != to) {
                let values = side(*from, column).map_or(f64::INFINITY, |side| side.domain);
                if values < referred.base_rows {
                    references.push(Reference {
                        from: *from,
                        to: *to,
                        rows: values,
                    });
                }
            }
        }
    }
    references
}

/// The relations in a set.
fn members(set: Set) -> impl Iterator<Item = usize> {
    (0..Set::BITS as usize).filter(move |relation| set & (1 << relation) != 0)
}
