//! PostgreSQL 17's settings of what is not here: vacuum, WAL, replication, the planner's costs, logs. Clients set and
//! show them as they do there, and they change nothing. A line of the table is a setting: name, who changes it, type,
//! unit, minimum, maximum, choices, default, category. Defaults are PostgreSQL's unless they would say what is not true.

use super::definition::{ChangedBy, Definition, Kind};
use super::units::Unit;

const DESCRIPTION: &str = "Accepted for clients that set or show it; has no effect.";

pub(super) fn definitions() -> impl Iterator<Item = Definition> {
    include_str!("without_effect.tsv").lines().filter_map(definition)
}

fn definition(line: &'static str) -> Option<Definition> {
    let fields: Vec<&'static str> = line.split('\t').collect();
    let [
        name,
        changed_by,
        kind,
        unit,
        minimum,
        maximum,
        choices,
        default,
        category,
    ] = fields.try_into().ok()?;
    let unit = Unit::named(unit)?;
    let kind = match kind {
        "bool" => Kind::Bool,
        "integer" => Kind::Integer {
            minimum: minimum.parse().ok()?,
            maximum: maximum.parse().ok()?,
            unit,
        },
        "real" => Kind::Real {
            minimum: minimum.parse().ok()?,
            maximum: maximum.parse().ok()?,
            unit,
        },
        "enum" => Kind::Enum(Box::leak(choices.split(',').collect())),
        "string" => Kind::Text,
        _ => return None,
    };
    Some(Definition {
        name,
        kind,
        default,
        changed_by: ChangedBy::named(changed_by)?,
        category,
        description: DESCRIPTION,
        reported: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_setting() {
        let lines = include_str!("without_effect.tsv").lines().count();
        assert_eq!(definitions().count(), lines);
    }
}
