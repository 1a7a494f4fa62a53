//! Time zone abbreviations that timestamps may end with, after PostgreSQL's `Default` set.

/// Seconds east of Greenwich of an abbreviation in lower case.
pub fn abbreviation_offset(abbreviation: &str) -> Option<i32> {
    const QUARTER_HOUR: i32 = 900;
    let found = ABBREVIATIONS
        .binary_search_by(|(name, _)| name.cmp(&abbreviation))
        .ok()?;
    Some(ABBREVIATIONS[found].1 * QUARTER_HOUR)
}

/// Sorted; offsets in quarters of an hour.
const ABBREVIATIONS: [(&str, i32); 100] = [
    ("acdt", 42),
    ("acst", 38),
    ("adt", -12),
    ("aedt", 44),
    ("aest", 40),
    ("akdt", -32),
    ("akst", -36),
    ("almt", 24),
    ("art", -12),
    ("ast", -16),
    ("awst", 32),
    ("azot", -4),
    ("bdst", 8),
    ("bnt", 32),
    ("bot", -16),
    ("bra", -12),
    ("brst", -8),
    ("brt", -12),
    ("bst", 4),
    ("btt", 24),
    ("cadt", 42),
    ("cast", 38),
    ("cct", 32),
    ("cdt", -20),
    ("cest", 8),
    ("cet", 4),
    ("cetdst", 8),
    ("chadt", 55),
    ("chast", 51),
    ("chut", 40),
    ("ckt", -40),
    ("clst", -12),
    ("clt", -16),
    ("cot", -20),
    ("cst", -24),
    ("easst", -20),
    ("edt", -16),
    ("eest", 12),
    ("eet", 8),
    ("eetdst", 12),
    ("egst", 0),
    ("egt", -4),
    ("est", -20),
    ("fet", 12),
    ("fjt", 48),
    ("fnt", -8),
    ("galt", -24),
    ("gamt", -36),
    ("get", 16),
    ("gft", -12),
    ("gilt", 48),
    ("gmt", 0),
    ("hkt", 32),
    ("hst", -40),
    ("ict", 28),
    ("idt", 12),
    ("iot", 24),
    ("irkt", 32),
    ("ist", 8),
    ("jst", 36),
    ("kst", 36),
    ("lhst", 42),
    ("ligt", 40),
    ("mart", -38),
    ("mawt", 20),
    ("mdt", -24),
    ("mest", 8),
    ("met", 4),
    ("mht", 48),
    ("mmt", 26),
    ("msd", 16),
    ("msk", 12),
    ("mst", -28),
    ("mut", 16),
    ("mvt", 20),
    ("ndt", -10),
    ("nft", -14),
    ("npt", 23),
    ("nst", -14),
    ("nt", -14),
    ("nzdt", 52),
    ("nzst", 48),
    ("nzt", 48),
    ("pdt", -28),
    ("pet", -20),
    ("pgt", 40),
    ("phot", 52),
    ("pht", 32),
    ("pkt", 20),
    ("pst", -32),
    ("sgt", 32),
    ("uct", 0),
    ("ut", 0),
    ("utc", 0),
    ("uyt", -12),
    ("wat", 4),
    ("west", 4),
    ("wet", 0),
    ("z", 0),
    ("zulu", 0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_are_sorted_and_found() {
        assert!(ABBREVIATIONS.is_sorted_by(|left, right| left.0 < right.0));
        assert_eq!(abbreviation_offset("pst"), Some(-28800));
        assert_eq!(abbreviation_offset("npt"), Some(20700));
        assert_eq!(abbreviation_offset("xyz"), None);
    }
}
