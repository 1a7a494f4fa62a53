//! PostgreSQL's names for SQLSTATEs (its appendix A): what PL/pgSQL calls conditions. Codes that somebody made up
//! himself are states too.

use std::collections::HashSet;
use std::sync::LazyLock;

use parking_lot::Mutex;

use super::SqlState;

/// `code<TAB>condition` a line.
static CONDITIONS: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
    let lines = include_str!("conditions.tsv").lines();
    lines.filter_map(|line| line.split_once('\t')).collect()
});

/// How many different codes of nobody's table one process remembers; they are never forgotten.
const MOST_OWN_CODES: usize = 4096;

/// The codes that a condition's name stands for: few names stand for two.
pub fn states_of_condition(name: &str) -> Vec<&'static str> {
    let named = CONDITIONS.iter().filter(|(_, condition)| *condition == name);
    named.map(|(code, _)| *code).collect()
}

impl SqlState {
    /// The state that RAISE gives an error: never one of ours, so that nothing here takes it for its own. `None` for what
    /// is no code, and for one code too many.
    pub fn raised(code: &str) -> Option<SqlState> {
        static OWN: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
        let is_code = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
        if code.len() != 5 || !code.bytes().all(is_code) {
            return None;
        }
        if let Some((known, _)) = CONDITIONS.iter().find(|(known, _)| *known == code) {
            return Some(SqlState::Raised(known));
        }
        let mut own = OWN.lock();
        if let Some(known) = own.get(code) {
            return Some(SqlState::Raised(known));
        }
        if own.len() >= MOST_OWN_CODES {
            return None;
        }
        let code: &'static str = Box::leak(code.into());
        own.insert(code);
        Some(SqlState::Raised(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_have_their_codes() {
        assert_eq!(states_of_condition("duplicate_object"), ["42710"]);
        assert_eq!(
            states_of_condition("modifying_sql_data_not_permitted"),
            ["2F002", "38002"]
        );
        assert!(states_of_condition("nonsense").is_empty());
        assert_eq!(SqlState::raised("AB123").map(SqlState::code), Some("AB123"));
        assert_eq!(SqlState::raised("23505").map(SqlState::code), Some("23505"));
        assert_ne!(SqlState::raised("23505"), Some(SqlState::UniqueViolation));
        assert_eq!(SqlState::raised("ab123"), None);
        assert_eq!(SqlState::raised("1234"), None);
    }
}
