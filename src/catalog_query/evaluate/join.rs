//! Joins: inner ones in an order that equalities suggest, outer ones as they are written. Where a condition says that a
//! column equals something known, an index finds the rows.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::node::{Conjunct, Item, JoinKind, Kind, Node, Source};
use super::super::reads::items_read;
use super::compare::{Key, joined_key};
use super::{Executor, Frame, Index, Row, Tuple};
use crate::error::Result;

/// The tuples of one FROM, with the frame of the queries around it.
pub(super) struct Joining<'q, 'f> {
    pub items: &'q [Item],
    pub parent: Option<&'f Frame<'f>>,
}

/// One side of a join, ready to be matched with tuples of the other.
struct Prepared<'q> {
    rows: Rows<'q>,
    /// Conditions that are left to check on each match.
    rest: Vec<&'q Conjunct>,
}

enum Rows<'q> {
    /// Rows of an item, found by the values of `probes`.
    Indexed {
        item: usize,
        rows: Arc<Vec<Row>>,
        index: Arc<Index>,
        probes: Vec<&'q Node>,
    },
    /// Rows of an item that its own conditions let pass.
    Filtered {
        item: usize,
        rows: Vec<Row>,
    },
    /// Tuples of a join, found by the values of `probes`.
    Hashed {
        tuples: Vec<Tuple>,
        index: HashMap<Key, Vec<usize>>,
        probes: Vec<&'q Node>,
    },
    Tuples(Vec<Tuple>),
    /// Made anew for each tuple of the other side, which it reads.
    Dependent {
        source: &'q Source,
        conditions: Vec<&'q Conjunct>,
    },
}

fn bit(item: usize) -> u128 {
    1_u128.checked_shl(item as u32).unwrap_or(0)
}

fn mask(source: &Source) -> u128 {
    match source {
        Source::Item(item) => bit(*item),
        Source::Join { left, right, .. } => mask(left) | mask(right),
    }
}

impl Executor<'_> {
    /// The tuples of a source that meet all conditions, joined to `base`.
    pub(super) fn source<'q>(
        &self,
        joining: &Joining<'q, '_>,
        source: &'q Source,
        conditions: Vec<&'q Conjunct>,
        base: &Tuple,
    ) -> Result<Vec<Tuple>> {
        match source {
            Source::Join {
                left,
                right,
                kind: kind @ (JoinKind::Left | JoinKind::Right | JoinKind::Full),
                on,
            } => self.outer_join(joining, (left, right), *kind, on, conditions, base),
            _ => {
                let mut units = vec![];
                let mut all = conditions;
                flatten(source, &mut units, &mut all);
                self.inner_join(joining, units, all, base)
            }
        }
    }

    fn inner_join<'q>(
        &self,
        joining: &Joining<'q, '_>,
        mut units: Vec<&'q Source>,
        mut pending: Vec<&'q Conjunct>,
        base: &Tuple,
    ) -> Result<Vec<Tuple>> {
        let all = units.iter().fold(0, |all, unit| all | mask(unit));
        // Whatever stands outside these units is there already.
        let mut done: u128 = !all;
        let mut tuples = vec![base.clone()];
        while !units.is_empty() {
            let unit = units.remove(self.next_unit(joining, &units, &pending, done));
            let reach = done | mask(unit);
            let (now, later): (Vec<_>, Vec<_>) = pending
                .into_iter()
                .partition(|conjunct| conjunct.reads & !reach & all == 0);
            pending = later;
            let prepared = self.prepare(joining, unit, now, base)?;
            let mut joined = vec![];
            for tuple in &tuples {
                self.matches(joining, &prepared, tuple, &mut joined)?;
            }
            tuples = joined;
            done = reach;
            if tuples.is_empty() {
                return Ok(tuples);
            }
        }
        Ok(tuples)
    }

    /// The unit to join next: one that an equality finds, else the first that reads nothing still to come.
    fn next_unit(&self, joining: &Joining<'_, '_>, units: &[&Source], pending: &[&Conjunct], done: u128) -> usize {
        let all = units.iter().fold(0, |all, unit| all | mask(unit));
        let is_ready = |unit: &Source| reads_of(joining, unit) & all & !mask(unit) == 0;
        let is_found = |unit: &Source| {
            let Source::Item(item) = unit else {
                return pending.iter().any(|conjunct| {
                    conjunct.reads & mask(unit) != 0
                        && conjunct.reads & done & !mask(unit) != 0
                        && conjunct.reads & all & !mask(unit) == 0
                });
            };
            pending
                .iter()
                .any(|conjunct| probe_of(conjunct, *item).is_some_and(|(_, probe)| items_read(probe) & all == 0))
        };
        let found = units.iter().position(|unit| is_ready(unit) && is_found(unit));
        found
            .or_else(|| units.iter().position(|unit| is_ready(unit)))
            .unwrap_or(0)
    }

    fn prepare<'q>(
        &self,
        joining: &Joining<'q, '_>,
        unit: &'q Source,
        conditions: Vec<&'q Conjunct>,
        base: &Tuple,
    ) -> Result<Prepared<'q>> {
        let own = mask(unit);
        if reads_of(joining, unit) & !own != 0 {
            let (inside, rest) = conditions.into_iter().partition(|conjunct| conjunct.reads & !own == 0);
            let conditions = inside;
            return Ok(Prepared {
                rows: Rows::Dependent {
                    source: unit,
                    conditions,
                },
                rest,
            });
        }
        let frame = Frame {
            tuple: base,
            parent: joining.parent,
        };
        if let Source::Item(number) = unit
            && let Some(item) = joining.items.get(*number)
        {
            let rows = self.item_rows(item, &frame)?;
            let (found, conditions) = split(conditions, |conjunct| probe_of(conjunct, *number));
            if !found.is_empty() {
                let (columns, probes) = found.into_iter().unzip();
                let index = self.index(item, columns, &rows);
                return Ok(Prepared {
                    rows: Rows::Indexed {
                        item: *number,
                        rows,
                        index,
                        probes,
                    },
                    rest: conditions,
                });
            }
            let (inside, rest): (Vec<_>, Vec<_>) =
                conditions.into_iter().partition(|conjunct| conjunct.reads & !own == 0);
            let mut kept = vec![];
            let mut tuple = base.clone();
            for row in rows.iter() {
                tuple[*number] = Some(Arc::clone(row));
                if self.all_hold(&inside, &tuple, joining)? {
                    kept.push(Arc::clone(row));
                }
            }
            return Ok(Prepared {
                rows: Rows::Filtered {
                    item: *number,
                    rows: kept,
                },
                rest,
            });
        }
        let (inside, rest): (Vec<_>, Vec<_>) = conditions.into_iter().partition(|conjunct| conjunct.reads & !own == 0);
        let tuples = self.source(joining, unit, inside, base)?;
        let (sides, rest) = split(rest, |conjunct| sides_of(conjunct, own));
        if sides.is_empty() {
            return Ok(Prepared {
                rows: Rows::Tuples(tuples),
                rest,
            });
        }
        let (inner, probes): (Vec<&Node>, Vec<&Node>) = sides.into_iter().unzip();
        let mut index: HashMap<Key, Vec<usize>> = HashMap::with_capacity(tuples.len());
        for (number, tuple) in tuples.iter().enumerate() {
            let frame = Frame {
                tuple,
                parent: joining.parent,
            };
            if let Some(key) = self.key_of(&inner, &frame)? {
                index.entry(key).or_default().push(number);
            }
        }
        Ok(Prepared {
            rows: Rows::Hashed { tuples, index, probes },
            rest,
        })
    }

    /// Adds every combination of `tuple` with a row of the other side that meets the conditions.
    fn matches<'q>(
        &self,
        joining: &Joining<'q, '_>,
        prepared: &Prepared<'q>,
        tuple: &Tuple,
        joined: &mut Vec<Tuple>,
    ) -> Result<()> {
        let frame = Frame {
            tuple,
            parent: joining.parent,
        };
        let mut add = |candidate: Tuple| -> Result<()> {
            self.count_row(joined.len())?;
            if self.all_hold(&prepared.rest, &candidate, joining)? {
                joined.push(candidate);
            }
            Ok(())
        };
        let with_row = |item: usize, row: &Row| {
            let mut candidate = tuple.clone();
            candidate[item] = Some(Arc::clone(row));
            candidate
        };
        match &prepared.rows {
            Rows::Indexed {
                item,
                rows,
                index,
                probes,
            } => {
                let key = self.key_of(probes, &frame)?;
                for number in key.and_then(|key| index.get(&key)).into_iter().flatten() {
                    add(with_row(*item, &rows[*number]))?;
                }
            }
            Rows::Filtered { item, rows } => {
                for row in rows {
                    add(with_row(*item, row))?;
                }
            }
            Rows::Hashed { tuples, index, probes } => {
                let key = self.key_of(probes, &frame)?;
                for number in key.and_then(|key| index.get(&key)).into_iter().flatten() {
                    add(merged(tuple, &tuples[*number]))?;
                }
            }
            Rows::Tuples(tuples) => {
                for other in tuples {
                    add(merged(tuple, other))?;
                }
            }
            Rows::Dependent {
                source: Source::Item(number),
                conditions,
            } => {
                if let Some(item) = joining.items.get(*number) {
                    for row in self.item_rows(item, &frame)?.iter() {
                        let candidate = with_row(*number, row);
                        if self.all_hold(conditions, &candidate, joining)? {
                            add(candidate)?;
                        }
                    }
                }
            }
            Rows::Dependent { source, conditions } => {
                for other in self.source(joining, source, conditions.clone(), tuple)? {
                    add(other)?;
                }
            }
        }
        Ok(())
    }

    /// What rows are looked up by; `None` finds none.
    fn key_of(&self, nodes: &[&Node], frame: &Frame<'_>) -> Result<Option<Key>> {
        let values = nodes.iter().map(|node| self.evaluate(node, frame));
        Ok(joined_key(values.collect::<Result<Vec<_>>>()?.iter()))
    }

    fn all_hold(&self, conditions: &[&Conjunct], tuple: &Tuple, joining: &Joining<'_, '_>) -> Result<bool> {
        let frame = Frame {
            tuple,
            parent: joining.parent,
        };
        for conjunct in conditions {
            if !self.is_true(&conjunct.node, &frame)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn outer_join<'q>(
        &self,
        joining: &Joining<'q, '_>,
        (left, right): (&'q Source, &'q Source),
        kind: JoinKind,
        on: &'q [Conjunct],
        conditions: Vec<&'q Conjunct>,
        base: &Tuple,
    ) -> Result<Vec<Tuple>> {
        let (left, right) = match kind {
            JoinKind::Right => (right, left),
            _ => (left, right),
        };
        // What reads only the side that keeps all its rows may be checked before.
        let preserved = mask(left);
        let (before, after): (Vec<_>, Vec<_>) = conditions
            .into_iter()
            .partition(|conjunct| kind != JoinKind::Full && conjunct.reads & !preserved == 0);
        let lefts = self.source(joining, left, before, base)?;
        let mut joined = vec![];
        if kind == JoinKind::Full {
            self.full_join(joining, &lefts, right, on, base, &mut joined)?;
        } else {
            let prepared = self.prepare(joining, right, on.iter().collect(), base)?;
            for tuple in lefts {
                let before = joined.len();
                self.matches(joining, &prepared, &tuple, &mut joined)?;
                if joined.len() == before {
                    joined.push(tuple);
                }
            }
        }
        let mut kept = vec![];
        for tuple in joined {
            if self.all_hold(&after, &tuple, joining)? {
                kept.push(tuple);
            }
        }
        Ok(kept)
    }

    fn full_join<'q>(
        &self,
        joining: &Joining<'q, '_>,
        lefts: &[Tuple],
        right: &'q Source,
        on: &'q [Conjunct],
        base: &Tuple,
        joined: &mut Vec<Tuple>,
    ) -> Result<()> {
        let rights = self.source(joining, right, vec![], base)?;
        let conditions: Vec<&Conjunct> = on.iter().collect();
        let mut matched = vec![false; rights.len()];
        for tuple in lefts {
            let before = joined.len();
            for (other, matched) in rights.iter().zip(&mut matched) {
                self.count_row(joined.len())?;
                let candidate = merged(tuple, other);
                if self.all_hold(&conditions, &candidate, joining)? {
                    *matched = true;
                    joined.push(candidate);
                }
            }
            if joined.len() == before {
                joined.push(tuple.clone());
            }
        }
        let alone = rights.into_iter().zip(matched).filter(|(_, matched)| !matched);
        joined.extend(alone.map(|(tuple, _)| tuple));
        Ok(())
    }
}

/// What `found` makes of the conditions that it takes, and the others.
fn split<'q, T>(
    conditions: Vec<&'q Conjunct>,
    found: impl Fn(&'q Conjunct) -> Option<T>,
) -> (Vec<T>, Vec<&'q Conjunct>) {
    let (mut taken, mut rest) = (vec![], vec![]);
    for conjunct in conditions {
        match found(conjunct) {
            Some(part) => taken.push(part),
            None => rest.push(conjunct),
        }
    }
    (taken, rest)
}

fn merged(left: &Tuple, right: &Tuple) -> Tuple {
    left.iter()
        .zip(right)
        .map(|(left, right)| right.clone().or_else(|| left.clone()))
        .collect()
}

fn flatten<'q>(source: &'q Source, units: &mut Vec<&'q Source>, conditions: &mut Vec<&'q Conjunct>) {
    match source {
        Source::Join {
            left,
            right,
            kind: JoinKind::Inner,
            on,
        } => {
            flatten(left, units, conditions);
            flatten(right, units, conditions);
            conditions.extend(on);
        }
        other => units.push(other),
    }
}

/// What the items of a source read of the same FROM, its conditions included.
fn reads_of(joining: &Joining<'_, '_>, source: &Source) -> u128 {
    match source {
        Source::Item(item) => joining.items.get(*item).map_or(0, |item| item.reads),
        Source::Join { left, right, on, .. } => {
            let own = on.iter().fold(0, |reads, conjunct| reads | conjunct.reads);
            reads_of(joining, left) | reads_of(joining, right) | own
        }
    }
}

/// The column of an item that a condition sets equal to something else, and that.
fn probe_of(conjunct: &Conjunct, item: usize) -> Option<(usize, &Node)> {
    let (left, right) = equality(&conjunct.node)?;
    let column = |node: &Node| match node.kind {
        Kind::Column {
            depth: 0,
            item: of,
            column,
        } if of == item => Some(column),
        _ => None,
    };
    let other = |node: &Node| items_read(node) & bit(item) == 0;
    match (column(left), column(right)) {
        (Some(column), _) if other(right) => Some((column, right)),
        (_, Some(column)) if other(left) => Some((column, left)),
        _ => None,
    }
}

/// The sides of an equality that a join's own items and the others are on.
fn sides_of(conjunct: &Conjunct, own: u128) -> Option<(&Node, &Node)> {
    let (left, right) = equality(&conjunct.node)?;
    match (items_read(left) & !own == 0, items_read(right) & own == 0) {
        (true, true) if items_read(left) != 0 => return Some((left, right)),
        _ => {}
    }
    match (items_read(right) & !own == 0, items_read(left) & own == 0) {
        (true, true) if items_read(right) != 0 => Some((right, left)),
        _ => None,
    }
}

/// Both sides of an equality whose values have the same keys when they are equal.
fn equality(node: &Node) -> Option<(&Node, &Node)> {
    match &node.kind {
        Kind::Call(callable, arguments) if callable.name == "=" && callable.compares_keys() => {
            match arguments.as_slice() {
                [left, right] => Some((left, right)),
                _ => None,
            }
        }
        _ => None,
    }
}
