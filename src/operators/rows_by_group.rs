//! The rows of a batch by their group, where the groups are few: a sum then runs over one group's rows in a register,
//! rather than through memory from row to row, and a count is a length.

/// With more groups lists do not pay.
const MOST_GROUPS: usize = 32;
/// Nor do they for fewer rows of a group.
const FEWEST_ROWS: usize = 32;

/// Lists of row numbers, ascending, one for each group.
#[derive(Debug, Default)]
pub struct RowsByGroup {
    rows: Vec<u32>,
    /// Places in `rows` for each group.
    width: usize,
    counts: Vec<usize>,
}

impl RowsByGroup {
    /// Whether so many rows of so many groups are worth a list.
    pub fn pays(rows: usize, groups: usize) -> bool {
        groups <= MOST_GROUPS && rows >= groups * FEWEST_ROWS
    }

    /// Sorts the rows of a batch by their groups, which are below `count`.
    pub fn sort(&mut self, groups: &[u32], count: usize) {
        self.width = groups.len();
        self.counts.clear();
        self.counts.resize(count, 0);
        if self.rows.len() < count * self.width {
            self.rows.resize(count * self.width, 0);
        }
        for (row, group) in groups.iter().enumerate() {
            let group = *group as usize;
            let place = self.counts[group];
            self.rows[group * self.width + place] = row as u32;
            self.counts[group] = place + 1;
        }
    }

    /// The rows of each group.
    pub fn lists(&self) -> impl Iterator<Item = &[u32]> {
        let counts = self.counts.iter().enumerate();
        counts.map(|(group, count)| &self.rows[group * self.width..][..*count])
    }
}
