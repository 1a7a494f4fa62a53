//! Every section and key, declared once: the typed struct, its layer with optional keys, and the names
//! that environment variables and `--set` may use. What a key means is said in config/default.toml.

use std::collections::BTreeMap;

use super::value::{Addresses, ByteSize, FromText, Interval, LogFormat, MemoryLimit, Secret};

macro_rules! sections {
    ($($(#[$doc:meta])* $section:ident: $Section:ident { $($key:ident: $value:ty),* $(,)? })*) => {
        /// The whole configuration.
        #[derive(Debug, Clone)]
        pub struct Config {
            $(pub $section: $Section,)*
            /// The first superuser's password, from the environment.
            pub admin_password: Option<Secret>,
        }

        $(
            $(#[$doc])*
            #[derive(Debug, Clone)]
            pub struct $Section { $(pub $key: $value),* }
        )*

        /// What one layer says; a key that it does not mention is `None`.
        #[derive(Debug, Default, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct Layer { $($section: Option<layers::$Section>),* }

        mod layers {
            use super::*;
            $(
                #[derive(Debug, Default, serde::Deserialize)]
                #[serde(default, deny_unknown_fields)]
                pub(super) struct $Section { $(pub(super) $key: Option<$value>),* }
            )*
        }

        impl Layer {
            /// Lets a later layer win, key by key.
            pub(super) fn overlay(&mut self, later: Layer) {
                $(if let Some(later) = later.$section {
                    let section = self.$section.get_or_insert_default();
                    $(if later.$key.is_some() {
                        section.$key = later.$key;
                    })*
                })*
            }

            /// Sets one key from text; `None` if there is no such key.
            pub(super) fn set(&mut self, section: &str, key: &str, text: &str) -> Option<Result<(), String>> {
                match (section, key) {
                    $($((stringify!($section), stringify!($key)) => Some(FromText::from_text(text).map(|value| {
                        self.$section.get_or_insert_default().$key = Some(value);
                    })),)*)*
                    _ => None,
                }
            }

            /// The configuration, or the first key that no layer gave.
            pub(super) fn complete(self) -> Result<Config, String> {
                $(
                    let section = self.$section.unwrap_or_default();
                    let $section = $Section {
                        $($key: section.$key.ok_or_else(|| concat!(stringify!($section), ".", stringify!($key)).to_string())?),*
                    };
                )*
                Ok(Config { $($section,)* admin_password: None })
            }
        }

        /// Section and key of everything that can be configured.
        pub(super) const KEYS: &[(&str, &str)] = &[$($((stringify!($section), stringify!($key))),*),*];
    };
}

sections! {
    /// Who may connect, and how.
    server: Server {
        listen: Addresses,
        max_connections: usize,
        shutdown_grace: Interval,
        authentication_timeout: Interval,
        message_limit: ByteSize,
        trust_loopback: bool,
    }
    /// The server's certificate.
    tls: Tls {
        certificate: String,
        key: String,
        required: bool,
    }
    /// Where the warehouse lies.
    warehouse: Warehouse {
        url: String,
        options: BTreeMap<String, String>,
    }
    /// What queries may use.
    memory: Memory {
        limit: MemoryLimit,
        spill_dir: String,
        spill_limit: ByteSize,
    }
    /// Bytes of each cache.
    caches: Caches {
        snapshot: ByteSize,
        footer: ByteSize,
        deletion_vector: ByteSize,
        hot_columns: MemoryLimit,
        disk: ByteSize,
        disk_folder: String,
        plan: ByteSize,
        result: ByteSize,
    }
    /// How stale the catalog may be.
    catalog: Catalog {
        freshness: Interval,
    }
    /// How stale tables may be, and how long their store may take.
    storage: Storage {
        freshness: Interval,
        commit_deadline: Interval,
        vacuum_interval: Interval,
        retention: Interval,
        compact_after: usize,
        file_size: ByteSize,
        row_group_rows: usize,
        compression: String,
    }
    /// How much runs at once.
    execution: Execution {
        target_partitions: usize,
        max_concurrent: usize,
    }
    /// The listener for metrics and health.
    metrics: Metrics {
        listen: String,
    }
    /// What is logged, and how.
    log: Log {
        format: LogFormat,
        level: String,
    }
}
