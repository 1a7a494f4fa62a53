//! Window functions without a frame of their own: over the partition, or up to the current row's peers.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::super::node::{WindowCall, WindowFunction};
use super::query::ordered;
use super::{Executor, Frame, Row, Tuple, key};
use crate::error::Result;
use crate::functions::Datum;

impl Executor<'_> {
    /// Puts the value of each window function at `place` of every tuple.
    pub(super) fn windows(
        &self,
        calls: &[WindowCall],
        tuples: &mut [Tuple],
        place: usize,
        parent: Option<&Frame<'_>>,
    ) -> Result<()> {
        let mut values = vec![vec![Datum::Null; calls.len()]; tuples.len()];
        for (column, call) in calls.iter().enumerate() {
            let mut partitions: Vec<Vec<usize>> = vec![];
            let mut numbers = HashMap::new();
            let mut keys: Vec<Vec<Datum>> = vec![];
            for (position, tuple) in tuples.iter().enumerate() {
                let frame = Frame { tuple, parent };
                let partition = call.partition.iter().map(|node| Ok(key(&self.evaluate(node, &frame)?)));
                let partition = partition.collect::<Result<Vec<_>>>()?;
                let order = call.order.iter().map(|(node, _, _)| self.evaluate(node, &frame));
                keys.push(order.collect::<Result<_>>()?);
                let number = *numbers.entry(partition).or_insert(partitions.len());
                match partitions.get_mut(number) {
                    Some(members) => members.push(position),
                    None => partitions.push(vec![position]),
                }
            }
            let by_order = |left: &usize, right: &usize| -> Ordering {
                let pairs = call.order.iter().zip(keys[*left].iter().zip(&keys[*right]));
                let mut orders = pairs.map(|((_, descending, nulls_first), (left, right))| {
                    ordered(left, right, *descending, *nulls_first)
                });
                orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            };
            for mut members in partitions {
                members.sort_by(by_order);
                let (mut rank, mut dense) = (0_i64, 0_i64);
                for index in 0..members.len() {
                    let position = members[index];
                    let is_peer = index > 0 && by_order(&members[index - 1], &position).is_eq();
                    if !is_peer {
                        rank = index as i64 + 1;
                        dense += 1;
                    }
                    values[position][column] = match &call.function {
                        WindowFunction::RowNumber => (index as i64 + 1).into(),
                        WindowFunction::Rank => rank.into(),
                        WindowFunction::DenseRank => dense.into(),
                        WindowFunction::Aggregate(aggregate) => {
                            let seen: Vec<Tuple> = members
                                .iter()
                                .filter(|other| call.order.is_empty() || by_order(other, &position).is_le())
                                .map(|other| tuples[*other].clone())
                                .collect();
                            self.aggregate(aggregate, &seen, parent)?
                        }
                    };
                }
            }
        }
        for (tuple, values) in tuples.iter_mut().zip(values) {
            tuple[place] = Some(Row::from(values));
        }
        Ok(())
    }
}
