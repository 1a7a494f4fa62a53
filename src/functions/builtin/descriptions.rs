//! What PostgreSQL says about its own objects: pg_description as it is shipped.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{number, rows};

/// Class, object and text of each description.
pub fn builtin_descriptions() -> impl Iterator<Item = (u32, u32, &'static str)> {
    rows(include_str!("descriptions.tsv")).filter_map(|row| match row[..] {
        [class, object, text] => Some((number(class), number(object), text)),
        _ => None,
    })
}

/// The description of an object of a class.
pub fn builtin_description(class: u32, object: u32) -> Option<&'static str> {
    static BY_OBJECT: LazyLock<HashMap<(u32, u32), &'static str>> = LazyLock::new(|| {
        builtin_descriptions()
            .map(|(class, object, text)| ((class, object), text))
            .collect()
    });
    BY_OBJECT.get(&(class, object)).copied()
}
