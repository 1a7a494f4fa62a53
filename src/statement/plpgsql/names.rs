//! Which variable a name means at a place of a body: the innermost block's first, as PostgreSQL looks them up.

/// A chain of names from the innermost to the outermost; `None` is the end of it.
pub type Place = Option<usize>;

/// All names of a body.
#[derive(Debug, Default)]
pub struct Names {
    names: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    outer: Place,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Where a block or loop begins, with its label.
    Label(Option<String>),
    Variable(String, usize),
}

impl Names {
    /// Begins a block or loop.
    pub(super) fn label(&mut self, place: Place, label: Option<&str>) -> Place {
        self.push(place, Kind::Label(label.map(str::to_string)))
    }

    pub(super) fn variable(&mut self, place: Place, name: &str, variable: usize) -> Place {
        self.push(place, Kind::Variable(name.to_string(), variable))
    }

    fn push(&mut self, outer: Place, kind: Kind) -> Place {
        self.names.push(Entry { outer, kind });
        Some(self.names.len() - 1)
    }

    fn from(&self, place: Place) -> impl Iterator<Item = &Kind> {
        let first = place.and_then(|place| self.names.get(place));
        let outer = |entry: &&Entry| entry.outer.and_then(|outer| self.names.get(outer));
        std::iter::successors(first, outer).map(|entry| &entry.kind)
    }

    /// The variable of this name.
    pub fn find(&self, place: Place, name: &str) -> Option<usize> {
        self.from(place).find_map(|kind| match kind {
            Kind::Variable(found, variable) if found == name => Some(*variable),
            _ => None,
        })
    }

    /// The variable of the block with this label.
    pub fn find_in(&self, place: Place, label: &str, name: &str) -> Option<usize> {
        let mut seen = None;
        for kind in self.from(place) {
            match kind {
                Kind::Variable(found, variable) if found == name => seen = seen.or(Some(*variable)),
                Kind::Variable(..) => {}
                Kind::Label(Some(found)) if found == label => return seen,
                Kind::Label(_) => seen = None,
            }
        }
        None
    }

    /// Whether the innermost block has a variable of this name.
    pub(super) fn declares(&self, place: Place, name: &str) -> bool {
        let here = self.from(place).take_while(|kind| matches!(kind, Kind::Variable(..)));
        here.into_iter()
            .any(|kind| matches!(kind, Kind::Variable(found, _) if found == name))
    }
}
