//! `system`: what Boathouse tells about itself beyond what PostgreSQL's catalogs can.

mod policies;
mod server;

use super::Generator;

/// What fills a table of the schema.
pub(super) fn generator(name: &str) -> Option<Generator> {
    Some(match name {
        "caches" => server::caches,
        "column_masks" => policies::column_masks,
        "queries" => server::queries,
        "row_filters" => policies::row_filters,
        "sessions" => server::sessions,
        "settings" => server::settings,
        _ => return None,
    })
}
