//! pg_catalog, a file per table or per family of tables. Which have rows is listed here; all others exist
//! with PostgreSQL's columns and are empty.

mod constants;
mod pg_attrdef;
mod pg_attribute;
mod pg_auth_members;
mod pg_class;
mod pg_constraint;
mod pg_cursors;
mod pg_database;
mod pg_default_acl;
mod pg_depend;
mod pg_enum;
mod pg_index;
mod pg_init_privs;
mod pg_description;
mod pg_locks;
mod pg_namespace;
pub(super) mod pg_policy;
pub(super) mod pg_sequence;
mod pg_proc;
mod pg_rewrite;
mod pg_roles;
mod pg_settings;
mod pg_stat;
mod pg_stat_activity;
mod pg_stats;
mod pg_tables;
mod pg_timezone;
mod pg_type;
mod shipped;

use super::Generator;
pub(super) use pg_stat::counter;

/// What fills a table; `None` for one that is always empty here.
pub(super) fn generator(name: &str) -> Option<Generator> {
    Some(match name {
        "pg_attrdef" => pg_attrdef::generate,
        "pg_attribute" => pg_attribute::generate,
        "pg_auth_members" => pg_auth_members::generate,
        "pg_authid" => pg_roles::authid,
        "pg_cast" => constants::casts,
        "pg_constraint" => pg_constraint::generate,
        "pg_index" => pg_index::generate,
        "pg_class" => pg_class::generate,
        "pg_collation" => constants::collations,
        "pg_cursors" => pg_cursors::cursors,
        "pg_database" => pg_database::generate,
        "pg_db_role_setting" => pg_roles::role_settings,
        "pg_default_acl" => pg_default_acl::generate,
        "pg_depend" => pg_depend::generate,
        "pg_enum" => pg_enum::generate,
        "pg_description" => pg_description::local,
        "pg_available_extension_versions" => constants::available_versions,
        "pg_available_extensions" => constants::available_extensions,
        "pg_extension" => constants::extensions,
        "pg_group" => pg_roles::groups,
        "pg_indexes" => pg_tables::indexes,
        "pg_init_privs" => pg_init_privs::generate,
        "pg_language" => constants::languages,
        "pg_locks" => pg_locks::generate,
        "pg_namespace" => pg_namespace::generate,
        "pg_operator" => constants::operators,
        "pg_policies" => pg_policy::policies,
        "pg_policy" => pg_policy::policy,
        "pg_prepared_statements" => pg_cursors::prepared_statements,
        "pg_proc" => pg_proc::generate,
        "pg_range" => constants::ranges,
        "pg_rewrite" => pg_rewrite::generate,
        "pg_roles" => pg_roles::roles,
        "pg_sequence" => pg_sequence::generate,
        "pg_sequences" => pg_sequence::view,
        "pg_settings" => pg_settings::generate,
        "pg_shdescription" => pg_description::shared,
        "pg_stat_all_tables" | "pg_statio_all_tables" | "pg_stat_xact_all_tables" => pg_stat::of_all_tables,
        "pg_stat_sys_tables" | "pg_statio_sys_tables" | "pg_stat_xact_sys_tables" => pg_stat::of_system_tables,
        "pg_stat_user_tables" | "pg_statio_user_tables" | "pg_stat_xact_user_tables" => pg_stat::of_user_tables,
        "pg_statio_all_sequences" | "pg_statio_user_sequences" => pg_stat::of_sequences,
        "pg_stat_all_indexes" | "pg_stat_user_indexes" | "pg_statio_all_indexes" | "pg_statio_user_indexes" => {
            pg_stat::of_indexes
        }
        "pg_stats" => pg_stats::stats,
        "pg_stat_database" => pg_stat::of_databases,
        "pg_stat_activity" => pg_stat_activity::generate,
        "pg_tables" => pg_tables::tables,
        "pg_tablespace" => constants::tablespaces,
        "pg_timezone_abbrevs" => pg_timezone::abbreviations,
        "pg_timezone_names" => pg_timezone::names,
        "pg_type" => pg_type::generate,
        "pg_user" => pg_roles::users,
        "pg_views" => pg_tables::views,
        "pg_matviews" => pg_tables::materialized_views,
        other => return shipped::generator(other),
    })
}
