//! The hint of an undefined column: the columns of the query's relations whose names are nearest, as PostgreSQL measures it.

use datafusion::common::Column;

/// Changes of letters beyond which no name is near.
const FARTHEST: usize = 3;

/// What a name that no column has was perhaps meant to be; one column, or two that are equally near.
pub(super) fn hint(missing: &Column, known: &[Column]) -> Option<String> {
    let wanted = missing.relation.as_ref().map(|relation| relation.table());
    let mut nearest: Vec<String> = vec![];
    let mut limit = FARTHEST;
    for column in known {
        let Some(relation) = &column.relation else { continue };
        // Columns that only the planner knows have such names.
        if column.name.contains(char::is_control) {
            continue;
        }
        let of_relation = wanted.map_or(0, |wanted| distance(wanted, relation.table()));
        let of_column = distance(&missing.name, &column.name);
        let whole = of_relation + of_column;
        if of_column > missing.name.len() / 2 || whole > limit {
            continue;
        }
        let shown = format!("\"{}.{}\"", relation.table(), column.name);
        match (whole < limit, nearest.as_slice()) {
            (true, _) => nearest = vec![shown],
            (false, [_, _, ..]) => {
                // Too many at this distance: only nearer ones would say something.
                nearest.clear();
                match limit.checked_sub(1) {
                    Some(nearer) => limit = nearer,
                    None => return None,
                }
                continue;
            }
            (false, _) => nearest.push(shown),
        }
        limit = whole;
    }
    match nearest.as_slice() {
        [one] => Some(format!("Perhaps you meant to reference the column {one}.")),
        [one, other] => Some(format!(
            "Perhaps you meant to reference the column {one} or the column {other}."
        )),
        _ => None,
    }
}

/// How many letters have to be added, taken away or changed.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (place, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = place + 1;
        for column in 0..to.len() {
            let changed = diagonal + usize::from(letter != to[column]);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(relation: &str, name: &str) -> Column {
        match relation {
            "" => Column::new_unqualified(name),
            relation => Column::new(Some(relation), name),
        }
    }

    /// Checked against PostgreSQL 15.
    #[test]
    fn near_names_are_offered() {
        let known = [
            column("c", "name"),
            column("c", "id"),
            column("o", "id"),
            column("o", "at"),
        ];
        for (missing, expected) in [
            (
                column("", "nam"),
                Some("Perhaps you meant to reference the column \"c.name\"."),
            ),
            (
                column("c", "nmae"),
                Some("Perhaps you meant to reference the column \"c.name\"."),
            ),
            (
                column("", "ids"),
                Some("Perhaps you meant to reference the column \"c.id\" or the column \"o.id\"."),
            ),
            (column("", "total"), None),
        ] {
            assert_eq!(hint(&missing, &known).as_deref(), expected, "{missing}");
        }
    }

    #[test]
    fn letters_are_counted() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "ab"), 2);
        assert_eq!(distance("ä", "a"), 1);
    }
}
