//! Messages and SHOW's texts are PostgreSQL's.

use super::*;

fn set(settings: &mut SessionSettings, name: &str, value: &str) -> String {
    match settings.set(name, &[value.to_string()], false, false) {
        Ok(()) => settings.show(name).unwrap(),
        Err(error) => {
            let extra = error
                .detail()
                .or(error.hint())
                .map(|text| format!(" | {text}"))
                .unwrap_or_default();
            format!("{} {}{extra}", error.state().code(), error.message())
        }
    }
}

#[test]
fn values_are_checked_and_shown() {
    for (name, value, expected) in [
        ("statement_timeout", "5s", "5s"),
        ("STATEMENT_TIMEOUT", "1.5min", "90s"),
        (
            "statement_timeout",
            "abc",
            "22023 invalid value for parameter \"statement_timeout\": \"abc\"",
        ),
        (
            "statement_timeout",
            "-5",
            "22023 -5 ms is outside the valid range for parameter \"statement_timeout\" (0 .. 2147483647)",
        ),
        (
            "statement_timeout",
            "5 xx",
            "22023 invalid value for parameter \"statement_timeout\": \"5 xx\" | Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".",
        ),
        ("work_mem", "64MB", "64MB"),
        (
            "enable_sort",
            "maybe",
            "22023 parameter \"enable_sort\" requires a Boolean value",
        ),
        ("enable_sort", "0", "off"),
        (
            "client_min_messages",
            "foo",
            "22023 invalid value for parameter \"client_min_messages\": \"foo\" | Available values: debug5, debug4, debug3, debug2, debug1, log, notice, warning, error.",
        ),
        ("DateStyle", "dmy", "ISO, DMY"),
        (
            "datestyle",
            "foo",
            "22023 invalid value for parameter \"DateStyle\": \"foo\" | Unrecognized key word: \"foo\".",
        ),
        (
            "datestyle",
            "iso,sql",
            "22023 invalid value for parameter \"DateStyle\": \"iso,sql\" | Conflicting \"datestyle\" specifications.",
        ),
        (
            "server_version",
            "9",
            "55P02 parameter \"server_version\" cannot be changed",
        ),
        (
            "max_connections",
            "3",
            "55P02 parameter \"max_connections\" cannot be changed without restarting the server",
        ),
        ("nosuch", "1", "42704 unrecognized configuration parameter \"nosuch\""),
        ("a.b", "1", "1"),
        (
            "boathouse.nosuch",
            "1",
            "42602 invalid configuration parameter name \"boathouse.nosuch\" | \"boathouse\" is a reserved prefix.",
        ),
        ("client_encoding", "utf-8", "UTF8"),
        (
            "client_encoding",
            "nope",
            "22023 invalid value for parameter \"client_encoding\": \"nope\"",
        ),
        ("search_path", "", "\"\""),
        (
            "extra_float_digits",
            "99",
            "22023 99 is outside the valid range for parameter \"extra_float_digits\" (-15 .. 3)",
        ),
        (
            "random_page_cost",
            "-1",
            "22023 -1 is outside the valid range for parameter \"random_page_cost\" (0 .. 1.79769e+308)",
        ),
        ("timezone", "x", "22023 invalid value for parameter \"TimeZone\": \"x\""),
        ("timezone", "europe/berlin", "Europe/Berlin"),
        ("timezone", "+02", "<+02>-02"),
        (
            "log_statement",
            "all",
            "42501 permission denied to set parameter \"log_statement\"",
        ),
    ] {
        assert_eq!(
            set(&mut SessionSettings::default(), name, value),
            expected,
            "{name} {value}"
        );
    }
}

#[test]
fn lists_of_names() {
    let mut settings = SessionSettings::default();
    let names = ["a", "B c", "x\"y", "$user"].map(String::from);
    settings.set("search_path", &names, false, false).unwrap();
    assert_eq!(
        settings.show("search_path").unwrap(),
        "a, \"B c\", \"x\"\"y\", \"$user\""
    );
    assert_eq!(settings.current().search_path, names);
    settings.set_text("search_path", "Foo, \"Bar\"", false, false).unwrap();
    assert_eq!(settings.current().search_path, ["foo", "Bar"]);
    let error = settings
        .set("work_mem", &["1".into(), "2".into()], false, false)
        .unwrap_err();
    assert_eq!(error.message(), "SET work_mem takes only one argument");
    assert_eq!(
        settings
            .set_text("search_path", "a b", false, false)
            .unwrap_err()
            .state()
            .code(),
        "22023"
    );
}

#[test]
fn a_transaction_keeps_or_undoes_its_settings() {
    let show = |settings: &SessionSettings| settings.show("application_name").unwrap();
    let change = |settings: &mut SessionSettings, value: &str, local| {
        settings
            .set("application_name", &[value.to_string()], local, false)
            .unwrap();
    };
    let mut settings = SessionSettings::default();
    settings.set_startup("application_name", "start", false).unwrap();
    change(&mut settings, "ignored", true);
    assert_eq!(show(&settings), "start");

    settings.begin();
    change(&mut settings, "lasting", false);
    change(&mut settings, "local", true);
    assert_eq!(show(&settings), "local");
    settings.commit();
    assert_eq!(show(&settings), "lasting");

    settings.begin();
    change(&mut settings, "local", true);
    change(&mut settings, "lost", false);
    settings.rollback();
    assert_eq!(show(&settings), "lasting");

    settings.reset("application_name", false, false).unwrap();
    assert_eq!(show(&settings), "start");
}

#[test]
fn a_transaction_starts_with_the_sessions_defaults() {
    let mut settings = SessionSettings::default();
    settings
        .set(
            "default_transaction_isolation",
            &["repeatable read".into()],
            false,
            false,
        )
        .unwrap();
    assert_eq!(settings.current().transaction_isolation, IsolationLevel::ReadCommitted);
    settings.begin();
    assert_eq!(settings.current().transaction_isolation, IsolationLevel::RepeatableRead);
    settings
        .set("transaction_read_only", &["on".into()], false, false)
        .unwrap();
    assert!(settings.current().transaction_read_only);
    settings.commit();
    assert!(!settings.current().transaction_read_only);
}

#[test]
fn reset_all_keeps_what_the_server_decides() {
    let mut settings = SessionSettings::default();
    settings.set_internal("session_authorization", "alice", false);
    settings.set("my.own", &["x".into()], false, false).unwrap();
    settings.set("statement_timeout", &["1s".into()], false, false).unwrap();
    settings.reset_all();
    assert_eq!(settings.current().statement_timeout, None);
    assert_eq!(settings.show("session_authorization").unwrap(), "alice");
    assert_eq!(settings.show("my.own").unwrap(), "");
}

#[test]
fn clients_hear_of_reported_changes_once() {
    let mut settings = SessionSettings::default();
    let names: Vec<String> = settings.report_all().into_iter().map(|(name, _)| name).collect();
    for name in [
        "client_encoding",
        "DateStyle",
        "TimeZone",
        "server_version",
        "scram_iterations",
    ] {
        assert!(names.iter().any(|reported| reported == name), "{name}");
    }
    settings.set("work_mem", &["1MB".into()], false, false).unwrap();
    assert_eq!(settings.take_changes(), []);
    settings.set("datestyle", &["sql".into()], false, false).unwrap();
    assert_eq!(
        settings.take_changes(),
        [("DateStyle".to_string(), "SQL, MDY".to_string())]
    );
    assert_eq!(settings.take_changes(), []);
    assert!(
        settings
            .current()
            .show_all()
            .iter()
            .any(|(name, value, _)| name == "server_version" && value.starts_with("17"))
    );
}

#[test]
fn modes_of_a_transaction_are_declared_as_what_they_start_from() {
    for (name, default) in super::session::MODES {
        assert_eq!(
            definition(name).unwrap().default,
            definition(default).unwrap().default,
            "{name}"
        );
    }
}
