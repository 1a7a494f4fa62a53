//! GROUP BY and HAVING. A group keeps its first tuple: whatever is not aggregated is the same in all of them.

use std::collections::HashMap;

use super::super::node::Group;
use super::{Executor, Frame, Row, Tuple, key};
use crate::error::Result;
use crate::functions::Datum;

impl Executor<'_> {
    /// One tuple a group, with the aggregates at `place`.
    pub(super) fn group(
        &self,
        group: &Group,
        tuples: Vec<Tuple>,
        base: &Tuple,
        place: usize,
        parent: Option<&Frame<'_>>,
    ) -> Result<Vec<Tuple>> {
        let mut groups: Vec<Vec<Tuple>> = vec![];
        let mut numbers = HashMap::new();
        for tuple in tuples {
            let frame = Frame { tuple: &tuple, parent };
            let keys = group
                .keys
                .iter()
                .map(|node| Ok(key(&self.evaluate(node, &frame)?)))
                .collect::<Result<Vec<_>>>()?;
            let number = *numbers.entry(keys).or_insert(groups.len());
            match groups.get_mut(number) {
                Some(members) => members.push(tuple),
                None => groups.push(vec![tuple]),
            }
        }
        // Without keys all rows are one group, even none.
        if group.keys.is_empty() && groups.is_empty() {
            groups.push(vec![]);
        }
        let mut grouped = Vec::with_capacity(groups.len());
        for members in groups {
            let mut values: Vec<Datum> = vec![];
            for call in &group.aggregates {
                values.push(self.aggregate(call, &members, parent)?);
            }
            let mut tuple = members.into_iter().next().unwrap_or_else(|| base.clone());
            tuple[place] = Some(Row::from(values));
            if let Some(having) = &group.having
                && !self.is_true(having, &Frame { tuple: &tuple, parent })?
            {
                continue;
            }
            grouped.push(tuple);
        }
        Ok(grouped)
    }
}
