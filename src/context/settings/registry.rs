//! Every setting, declared once: SHOW ALL, pg_settings, the checks of SET and the reports to clients
//! come from this list.

use super::definition::{ChangedBy, Definition, Kind};
use super::units::Unit;

const PRESET: &str = "Preset Options";
const LOCALE: &str = "Client Connection Defaults / Locale and Formatting";
const BEHAVIOR: &str = "Client Connection Defaults / Statement Behavior";
const CONNECTION: &str = "Connections and Authentication / Connection Settings";
const AUTHENTICATION: &str = "Connections and Authentication / Authentication";
const MEMORY: &str = "Resource Usage / Memory";
const PARALLEL: &str = "Resource Usage / Asynchronous Behavior";
const PLANNER: &str = "Query Tuning / Planner Method Configuration";
const COST: &str = "Query Tuning / Planner Cost Constants";
const PLANNER_OTHER: &str = "Query Tuning / Other Planner Options";
const LOGGING: &str = "Reporting and Logging / What to Log";
const COMPATIBILITY: &str = "Version and Platform Compatibility / Previous PostgreSQL Versions";
const ENGINE: &str = "Boathouse";

const NO_EFFECT: &str = "Accepted for clients that set it; has no effect.";

const ISOLATION_LEVELS: &[&str] = &["serializable", "repeatable read", "read committed", "read uncommitted"];
const MESSAGE_LEVELS: &[&str] = &[
    "debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error",
];

/// The largest timeout, in milliseconds.
const MAX_INTEGER: i64 = i32::MAX as i64;

const fn user(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    category: &'static str,
    description: &'static str,
) -> Definition {
    Definition {
        name,
        kind,
        default,
        changed_by: ChangedBy::User,
        category,
        description,
        reported: false,
    }
}

const fn preset(name: &'static str, kind: Kind, default: &'static str, description: &'static str) -> Definition {
    Definition {
        name,
        kind,
        default,
        changed_by: ChangedBy::Internal,
        category: PRESET,
        description,
        reported: false,
    }
}

const fn server(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    category: &'static str,
    description: &'static str,
) -> Definition {
    Definition {
        name,
        kind,
        default,
        changed_by: ChangedBy::Postmaster,
        category,
        description,
        reported: false,
    }
}

const fn superuser(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    category: &'static str,
    description: &'static str,
) -> Definition {
    Definition {
        name,
        kind,
        default,
        changed_by: ChangedBy::Superuser,
        category,
        description,
        reported: false,
    }
}

const fn reported(definition: Definition) -> Definition {
    Definition {
        reported: true,
        ..definition
    }
}

const fn integer(minimum: i64, maximum: i64) -> Kind {
    Kind::Integer {
        minimum,
        maximum,
        unit: Unit::None,
    }
}

const fn milliseconds() -> Kind {
    Kind::Integer {
        minimum: 0,
        maximum: MAX_INTEGER,
        unit: Unit::Milliseconds,
    }
}

const fn seconds() -> Kind {
    Kind::Integer {
        minimum: 0,
        maximum: MAX_INTEGER,
        unit: Unit::Seconds,
    }
}

const fn kilobytes(minimum: i64) -> Kind {
    Kind::Integer {
        minimum,
        maximum: MAX_INTEGER,
        unit: Unit::Kilobytes,
    }
}

const fn blocks() -> Kind {
    Kind::Integer {
        minimum: 0,
        maximum: MAX_INTEGER,
        unit: Unit::Blocks,
    }
}

const fn cost() -> Kind {
    Kind::Real {
        minimum: 0.0,
        maximum: f64::MAX,
    }
}

const fn planner(name: &'static str, default: &'static str) -> Definition {
    user(name, Kind::Bool, default, PLANNER, NO_EFFECT)
}

/// The settings, by name without regard to case.
pub static DEFINITIONS: &[Definition] = &[
    reported(user(
        "application_name",
        Kind::Text,
        "",
        LOGGING,
        "Names the client's application in logs and statistics.",
    )),
    user(
        "backslash_quote",
        Kind::Enum(&["safe_encoding", "on", "off"]),
        "safe_encoding",
        COMPATIBILITY,
        NO_EFFECT,
    ),
    preset(
        "block_size",
        integer(8192, 8192),
        "8192",
        "Size of a page, as clients expect it.",
    ),
    user(
        "boathouse.footer_cache",
        Kind::Bool,
        "on",
        ENGINE,
        "Keeps decoded Parquet footers between statements.",
    ),
    user(
        "boathouse.plan_cache",
        Kind::Bool,
        "on",
        ENGINE,
        "Keeps optimized plans between statements.",
    ),
    user(
        "boathouse.read_freshness",
        Kind::Enum(&["bounded", "strict"]),
        "bounded",
        ENGINE,
        "Whether each statement asks storage for newer table versions, or sees them within a bound.",
    ),
    user(
        "boathouse.result_cache",
        Kind::Bool,
        "on",
        ENGINE,
        "Answers repeated statements from kept results.",
    ),
    user(
        "boathouse.target_partitions",
        integer(0, 1024),
        "0",
        ENGINE,
        "Partitions that a statement runs in; 0 chooses by its size and the load.",
    ),
    user(
        "bytea_output",
        Kind::Enum(&["escape", "hex"]),
        "hex",
        BEHAVIOR,
        "How bytea values are printed.",
    ),
    user("check_function_bodies", Kind::Bool, "on", BEHAVIOR, NO_EFFECT),
    user(
        "client_connection_check_interval",
        milliseconds(),
        "0",
        CONNECTION,
        NO_EFFECT,
    ),
    reported(user(
        "client_encoding",
        Kind::Encoding,
        "UTF8",
        LOCALE,
        "The client's character set.",
    )),
    user(
        "client_min_messages",
        Kind::Enum(MESSAGE_LEVELS),
        "notice",
        BEHAVIOR,
        "The least message level that is sent to the client.",
    ),
    user("cpu_index_tuple_cost", cost(), "0.005", COST, NO_EFFECT),
    user("cpu_operator_cost", cost(), "0.0025", COST, NO_EFFECT),
    user("cpu_tuple_cost", cost(), "0.01", COST, NO_EFFECT),
    user(
        "cursor_tuple_fraction",
        Kind::Real {
            minimum: 0.0,
            maximum: 1.0,
        },
        "0.1",
        PLANNER_OTHER,
        NO_EFFECT,
    ),
    preset(
        "data_checksums",
        Kind::Bool,
        "off",
        "Whether pages carry checksums; data lies in Parquet files, which do.",
    ),
    reported(user(
        "DateStyle",
        Kind::DateStyle,
        "ISO, MDY",
        LOCALE,
        "How dates are printed, and which part of 1/2/3 comes first.",
    )),
    user(
        "default_statistics_target",
        integer(1, 10000),
        "100",
        PLANNER_OTHER,
        NO_EFFECT,
    ),
    user("default_table_access_method", Kind::Text, "delta", BEHAVIOR, NO_EFFECT),
    user("default_tablespace", Kind::Text, "", BEHAVIOR, NO_EFFECT),
    user(
        "default_text_search_config",
        Kind::Text,
        "pg_catalog.simple",
        LOCALE,
        NO_EFFECT,
    ),
    user(
        "default_toast_compression",
        Kind::Enum(&["pglz", "lz4"]),
        "pglz",
        BEHAVIOR,
        NO_EFFECT,
    ),
    user("default_transaction_deferrable", Kind::Bool, "off", BEHAVIOR, NO_EFFECT),
    user(
        "default_transaction_isolation",
        Kind::Enum(ISOLATION_LEVELS),
        "read committed",
        BEHAVIOR,
        "The isolation level that transactions start with.",
    ),
    reported(user(
        "default_transaction_read_only",
        Kind::Bool,
        "off",
        BEHAVIOR,
        "Whether transactions start read-only.",
    )),
    user("effective_cache_size", blocks(), "524288", COST, NO_EFFECT),
    planner("enable_async_append", "on"),
    planner("enable_bitmapscan", "on"),
    planner("enable_gathermerge", "on"),
    planner("enable_hashagg", "on"),
    planner("enable_hashjoin", "on"),
    planner("enable_incremental_sort", "on"),
    planner("enable_indexonlyscan", "on"),
    planner("enable_indexscan", "on"),
    planner("enable_material", "on"),
    planner("enable_memoize", "on"),
    planner("enable_mergejoin", "on"),
    planner("enable_nestloop", "on"),
    planner("enable_parallel_append", "on"),
    planner("enable_parallel_hash", "on"),
    planner("enable_partition_pruning", "on"),
    planner("enable_partitionwise_aggregate", "off"),
    planner("enable_partitionwise_join", "off"),
    planner("enable_presorted_aggregate", "on"),
    planner("enable_seqscan", "on"),
    planner("enable_sort", "on"),
    planner("enable_tidscan", "on"),
    user("escape_string_warning", Kind::Bool, "on", COMPATIBILITY, NO_EFFECT),
    user(
        "extra_float_digits",
        integer(-15, 3),
        "1",
        LOCALE,
        "Above zero, floats are printed so that they read back exactly; else digits are dropped.",
    ),
    user(
        "from_collapse_limit",
        integer(1, MAX_INTEGER),
        "8",
        PLANNER_OTHER,
        NO_EFFECT,
    ),
    planner("geqo", "on"),
    user(
        "gin_fuzzy_search_limit",
        integer(0, MAX_INTEGER),
        "0",
        BEHAVIOR,
        NO_EFFECT,
    ),
    user(
        "idle_in_transaction_session_timeout",
        milliseconds(),
        "0",
        BEHAVIOR,
        "Ends a session that idles in a transaction for longer; 0 never.",
    ),
    user(
        "idle_session_timeout",
        milliseconds(),
        "0",
        BEHAVIOR,
        "Ends a session that idles for longer; 0 never.",
    ),
    reported(preset(
        "in_hot_standby",
        Kind::Bool,
        "off",
        "Whether the server is a standby; never.",
    )),
    reported(preset(
        "integer_datetimes",
        Kind::Bool,
        "on",
        "Timestamps are integers on the wire.",
    )),
    reported(user(
        "IntervalStyle",
        Kind::Enum(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"]),
        "postgres",
        LOCALE,
        "How intervals are printed.",
    )),
    reported(preset(
        "is_superuser",
        Kind::Bool,
        "off",
        "Whether the current role is a superuser.",
    )),
    user("jit", Kind::Bool, "off", PLANNER_OTHER, NO_EFFECT),
    user(
        "join_collapse_limit",
        integer(1, MAX_INTEGER),
        "8",
        PLANNER_OTHER,
        NO_EFFECT,
    ),
    preset("lc_collate", Kind::Text, "C", "The collation of text: by bytes."),
    preset("lc_ctype", Kind::Text, "C.UTF-8", "The classification of characters."),
    superuser("lc_messages", Kind::Text, "C", LOCALE, NO_EFFECT),
    user("lc_monetary", Kind::Text, "C", LOCALE, NO_EFFECT),
    user("lc_numeric", Kind::Text, "C", LOCALE, NO_EFFECT),
    user("lc_time", Kind::Text, "C", LOCALE, NO_EFFECT),
    server(
        "listen_addresses",
        Kind::Text,
        "localhost",
        CONNECTION,
        "Where the server listens; part of its configuration.",
    ),
    user(
        "lock_timeout",
        milliseconds(),
        "0",
        BEHAVIOR,
        "Gives up waiting for a table's writers after this time; 0 never.",
    ),
    superuser(
        "log_min_duration_statement",
        Kind::Integer {
            minimum: -1,
            maximum: MAX_INTEGER,
            unit: Unit::Milliseconds,
        },
        "-1",
        LOGGING,
        NO_EFFECT,
    ),
    superuser(
        "log_statement",
        Kind::Enum(&["none", "ddl", "mod", "all"]),
        "none",
        LOGGING,
        NO_EFFECT,
    ),
    user("maintenance_work_mem", kilobytes(64), "65536", MEMORY, NO_EFFECT),
    server(
        "max_connections",
        integer(1, 262_143),
        "100",
        CONNECTION,
        "How many clients may be connected.",
    ),
    preset(
        "max_function_args",
        integer(100, 100),
        "100",
        "The most arguments of a function.",
    ),
    preset(
        "max_identifier_length",
        integer(63, 63),
        "63",
        "The most bytes of a name.",
    ),
    preset(
        "max_index_keys",
        integer(32, 32),
        "32",
        "The most keys of an index, as clients expect it.",
    ),
    user(
        "max_parallel_maintenance_workers",
        integer(0, 1024),
        "2",
        PARALLEL,
        NO_EFFECT,
    ),
    user("max_parallel_workers", integer(0, 1024), "8", PARALLEL, NO_EFFECT),
    user(
        "max_parallel_workers_per_gather",
        integer(0, 1024),
        "2",
        PARALLEL,
        NO_EFFECT,
    ),
    server(
        "max_prepared_transactions",
        integer(0, 262_143),
        "0",
        MEMORY,
        "Two-phase commit is not offered.",
    ),
    user("min_parallel_index_scan_size", blocks(), "64", COST, NO_EFFECT),
    user("min_parallel_table_scan_size", blocks(), "1024", COST, NO_EFFECT),
    user(
        "password_encryption",
        Kind::Enum(&["md5", "scram-sha-256"]),
        "scram-sha-256",
        AUTHENTICATION,
        "How passwords are kept; only SCRAM is.",
    ),
    user(
        "plan_cache_mode",
        Kind::Enum(&["auto", "force_generic_plan", "force_custom_plan"]),
        "auto",
        PLANNER_OTHER,
        NO_EFFECT,
    ),
    server(
        "port",
        integer(1, 65535),
        "5432",
        CONNECTION,
        "The port that the server listens on.",
    ),
    user("quote_all_identifiers", Kind::Bool, "off", COMPATIBILITY, NO_EFFECT),
    user("random_page_cost", cost(), "4", COST, NO_EFFECT),
    preset("role", Kind::Text, "none", "The role that SET ROLE chose."),
    user(
        "row_security",
        Kind::Bool,
        "on",
        BEHAVIOR,
        "Off: a statement whose rows a policy would filter fails instead.",
    ),
    reported(user(
        "scram_iterations",
        integer(1, MAX_INTEGER),
        "4096",
        AUTHENTICATION,
        "Rounds of the key derivation of new passwords.",
    )),
    reported(user(
        "search_path",
        Kind::Names,
        "\"$user\", public",
        BEHAVIOR,
        "Schemas that unqualified names are looked up in.",
    )),
    user("seq_page_cost", cost(), "1", COST, NO_EFFECT),
    reported(preset(
        "server_encoding",
        Kind::Text,
        "UTF8",
        "The character set of the data.",
    )),
    reported(preset(
        "server_version",
        Kind::Text,
        SERVER_VERSION,
        "The PostgreSQL version whose behaviour clients can expect.",
    )),
    preset(
        "server_version_num",
        integer(SERVER_VERSION_NUMBER, SERVER_VERSION_NUMBER),
        "170006",
        "The same version as a number.",
    ),
    reported(preset(
        "session_authorization",
        Kind::Text,
        "",
        "The role of the session.",
    )),
    superuser(
        "session_replication_role",
        Kind::Enum(&["origin", "replica", "local"]),
        "origin",
        BEHAVIOR,
        NO_EFFECT,
    ),
    server("shared_buffers", blocks(), "16384", MEMORY, NO_EFFECT),
    server(
        "shared_preload_libraries",
        Kind::Text,
        "",
        BEHAVIOR,
        "Extensions are not loaded.",
    ),
    server(
        "ssl",
        Kind::Bool,
        "off",
        AUTHENTICATION,
        "Whether connections may use TLS.",
    ),
    reported(user(
        "standard_conforming_strings",
        Kind::AlwaysOn,
        "on",
        COMPATIBILITY,
        "A backslash in '...' is a plain character; always.",
    )),
    user(
        "statement_timeout",
        milliseconds(),
        "0",
        BEHAVIOR,
        "Cancels a statement that runs for longer; 0 never.",
    ),
    user("synchronize_seqscans", Kind::Bool, "on", COMPATIBILITY, NO_EFFECT),
    user(
        "synchronous_commit",
        Kind::Enum(&["local", "remote_write", "remote_apply", "on", "off"]),
        "on",
        BEHAVIOR,
        "Every commit is durable; has no effect.",
    ),
    user(
        "tcp_keepalives_count",
        integer(0, MAX_INTEGER),
        "0",
        CONNECTION,
        NO_EFFECT,
    ),
    user("tcp_keepalives_idle", seconds(), "0", CONNECTION, NO_EFFECT),
    user("tcp_keepalives_interval", seconds(), "0", CONNECTION, NO_EFFECT),
    user("tcp_user_timeout", milliseconds(), "0", CONNECTION, NO_EFFECT),
    user(
        "temp_buffers",
        Kind::Integer {
            minimum: 100,
            maximum: MAX_INTEGER / 2,
            unit: Unit::Blocks,
        },
        "1024",
        MEMORY,
        NO_EFFECT,
    ),
    user("temp_tablespaces", Kind::Text, "", BEHAVIOR, NO_EFFECT),
    reported(user(
        "TimeZone",
        Kind::TimeZone,
        "UTC",
        LOCALE,
        "The time zone of timestamps in text.",
    )),
    user("timezone_abbreviations", Kind::Text, "Default", LOCALE, NO_EFFECT),
    user("transaction_deferrable", Kind::Bool, "off", BEHAVIOR, NO_EFFECT),
    user(
        "transaction_isolation",
        Kind::Enum(ISOLATION_LEVELS),
        "read committed",
        BEHAVIOR,
        "The current transaction's isolation level.",
    ),
    user(
        "transaction_read_only",
        Kind::Bool,
        "off",
        BEHAVIOR,
        "Whether the current transaction is read-only.",
    ),
    user(
        "transaction_timeout",
        milliseconds(),
        "0",
        BEHAVIOR,
        "Ends a session whose transaction takes longer; 0 never.",
    ),
    user("transform_null_equals", Kind::Bool, "off", COMPATIBILITY, NO_EFFECT),
    user("work_mem", kilobytes(64), "4096", MEMORY, NO_EFFECT),
    user(
        "xmlbinary",
        Kind::Enum(&["base64", "hex"]),
        "base64",
        BEHAVIOR,
        NO_EFFECT,
    ),
    user(
        "xmloption",
        Kind::Enum(&["content", "document"]),
        "content",
        BEHAVIOR,
        NO_EFFECT,
    ),
];

/// Drivers read the number at its start.
pub const SERVER_VERSION: &str = "17.6 (Boathouse)";
pub const SERVER_VERSION_NUMBER: i64 = 170_006;

/// Finds a setting by its name in any case.
pub fn definition(name: &str) -> Option<&'static Definition> {
    DEFINITIONS
        .iter()
        .find(|definition| definition.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_names_are_sorted_and_unique() {
        for definition in DEFINITIONS {
            let canonical = definition.canonical(definition.default, definition.default).unwrap();
            assert_eq!(canonical, definition.default, "{}", definition.name);
        }
        let names: Vec<String> = DEFINITIONS
            .iter()
            .map(|definition| definition.name.to_lowercase())
            .collect();
        assert!(names.is_sorted_by(|left, right| left < right), "{names:?}");
    }
}
