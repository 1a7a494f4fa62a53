//! A session without an engine: each statement's text says what it does.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{ArrayRef, Int32Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use parking_lot::Mutex;

use crate::catalog::scram::{Key, Verifier};
use crate::context::interrupt::{Interrupt, InterruptReason};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::copy::{CopyEncoder, CopyFormat, CopyOptions, Header};
use crate::types::format::{Format, FormatSettings};
use crate::wire::backend::*;

pub type Log = Arc<Mutex<Vec<String>>>;

pub struct ScriptedService {
    pub log: Log,
}

impl Service for ScriptedService {
    type Session = ScriptedSession;

    async fn find_role(&self, name: &str) -> Result<Option<LoginRole>> {
        let verifier = |password: &str| Some(Verifier::with_salt(password, b"0123456789abcdef", 4096).to_string());
        let role = LoginRole {
            id: 20,
            superuser: false,
            login: true,
            verifier: verifier("pencil"),
            valid_until: None,
            connection_limit: -1,
        };
        Ok(match name {
            "alice" => Some(role),
            "expired" => Some(LoginRole {
                valid_until: Some(1),
                ..role
            }),
            "group" => Some(LoginRole { login: false, ..role }),
            "passwordless" => Some(LoginRole { verifier: None, ..role }),
            "single" => Some(LoginRole {
                id: 21,
                connection_limit: 1,
                ..role
            }),
            _ => None,
        })
    }

    async fn has_database(&self, name: &str) -> Result<bool> {
        Ok(name == "boathouse")
    }

    fn mock_secret(&self) -> Key {
        [3; 32]
    }

    async fn open(&self, login: Login) -> Result<ScriptedSession> {
        if login.parameters.iter().any(|(name, _)| name == "nonsense") {
            let message = "unrecognized configuration parameter \"nonsense\"";
            return Err(Error::new(SqlState::UndefinedObject, message));
        }
        Ok(ScriptedSession {
            interrupt: login.interrupt,
            log: Arc::clone(&self.log),
            statements: HashMap::new(),
            portals: HashMap::new(),
            status: b'I',
            changes: vec![],
            notices: vec![],
            answered: None,
        })
    }
}

pub struct ScriptedSession {
    interrupt: Arc<Interrupt>,
    log: Log,
    statements: HashMap<String, String>,
    portals: HashMap<String, Portal>,
    status: u8,
    changes: Vec<(String, String)>,
    notices: Vec<Notice>,
    answered: Option<()>,
}

#[derive(Clone)]
struct Portal {
    sql: String,
    formats: Vec<Format>,
    sent: i32,
    sent_now: i32,
}

impl ScriptedSession {
    fn note(&self, event: impl Into<String>) {
        self.log.lock().push(event.into());
    }

    fn portal(&self, name: &str) -> Result<Portal> {
        let missing = || Error::new(SqlState::InvalidCursorName, format!("portal \"{name}\" does not exist"));
        self.portals.get(name).cloned().ok_or_else(missing)
    }
}

fn columns() -> Vec<OutputColumn> {
    vec![OutputColumn {
        name: "n".into(),
        sql_type: SqlType::Int4,
        source: Default::default(),
    }]
}

fn batch(from: i32, to: i32) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("n", DataType::Int32, true)]);
    let values: ArrayRef = Arc::new(Int32Array::from_iter_values(from + 1..=to));
    RecordBatch::try_new(Arc::new(schema), vec![values]).unwrap()
}

fn copy_out(word: &str) -> CopyOut {
    let format = if word == "copyout" {
        CopyFormat::Csv
    } else {
        CopyFormat::Binary
    };
    let options = CopyOptions {
        header: match format {
            CopyFormat::Csv => Header::Line,
            _ => Header::None,
        },
        ..CopyOptions::new(format)
    };
    let columns = [("n".to_string(), SqlType::Int4)];
    CopyOut {
        format: if word == "copyout" {
            Format::Text
        } else {
            Format::Binary
        },
        encoder: CopyEncoder::new(&options, &columns, &FormatSettings::default(), None).unwrap(),
        columns: 1,
    }
}

/// Marks in the log that work was dropped before its end.
struct Dropped(Log);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.lock().push("dropped".into());
    }
}

impl Backend for ScriptedSession {
    type Statement = String;
    type Answered = ();

    fn parameter_statuses(&mut self) -> Vec<(String, String)> {
        vec![("server_version".into(), "17.0".into())]
    }

    fn take_parameter_changes(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.changes)
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    fn transaction_status(&self) -> u8 {
        self.status
    }

    fn format_settings(&self) -> FormatSettings {
        FormatSettings::default()
    }

    fn idle_limit(&self) -> Option<(std::time::Duration, Error)> {
        let error = Error::new(SqlState::ConnectionFailure, "idle for too long");
        (self.status == b'T').then_some((std::time::Duration::from_millis(100), error))
    }

    fn split(&mut self, sql: &str) -> Result<Vec<String>> {
        if sql.contains("syntax") {
            return Err(Error::syntax("syntax error at or near \"syntax\"").at(1));
        }
        Ok(sql
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(String::from)
            .collect())
    }

    async fn parse(&mut self, name: &str, source: Source<String>, _parameter_oids: &[u32]) -> Result<()> {
        let (Source::Text(sql) | Source::Parsed(sql)) = source;
        self.note(format!("parse {sql}"));
        if sql == "fail" {
            return Err(Error::new(SqlState::UndefinedTable, "relation \"t\" does not exist").at(15));
        }
        self.statements.insert(name.into(), sql);
        Ok(())
    }

    async fn describe_statement(&mut self, name: &str) -> Result<StatementShape> {
        let sql = self.statements.get(name).cloned().unwrap_or_default();
        let parameters = if sql.contains('$') { vec![SqlType::Int4] } else { vec![] };
        Ok(StatementShape {
            parameters,
            columns: sql.starts_with("rows").then(|| columns().into()),
        })
    }

    async fn find_function(&mut self, oid: u32) -> Result<Callable> {
        let unknown = || {
            Error::new(
                SqlState::UndefinedFunction,
                format!("function with OID {oid} does not exist"),
            )
        };
        match oid {
            1 => Ok(Callable {
                statement: "one".into(),
                arguments: vec![SqlType::Int4],
            }),
            _ => Err(unknown()),
        }
    }

    async fn call_function(&mut self, function: Callable, arguments: Arguments) -> Result<Called> {
        self.note(format!("call {} {:?}", function.statement, arguments.values));
        let row = match arguments.values[0] {
            Some(_) => &b"D\0\0\0\x0b\0\x01\0\0\0\x017"[..],
            None => b"D\0\0\0\x0a\0\x01\xff\xff\xff\xff",
        };
        Ok(Called {
            row: Bytes::from_static(row),
            sql_type: SqlType::Int4,
        })
    }

    async fn bind(&mut self, binding: Binding) -> Result<()> {
        let missing = || Error::new(SqlState::InvalidSqlStatementName, "prepared statement does not exist");
        let sql = self.statements.get(&binding.statement).cloned().ok_or_else(missing)?;
        let formats = vec![binding.result_formats.first().copied().unwrap_or_default()];
        self.portals.insert(
            binding.portal,
            Portal {
                sql,
                formats,
                sent: 0,
                sent_now: 0,
            },
        );
        Ok(())
    }

    async fn describe_portal(&mut self, name: &str) -> Result<Option<RowShape>> {
        let portal = self.portal(name)?;
        let shape = RowShape {
            columns: columns().into(),
            formats: portal.formats.into(),
        };
        Ok((portal.sql.starts_with("rows") || portal.sql == "encoded").then_some(shape))
    }

    async fn fetch(&mut self, name: &str, max_rows: u64) -> Result<Fetched> {
        let mut portal = self.portal(name)?;
        let words: Vec<&str> = portal.sql.split(' ').collect();
        let fetched = match words.as_slice() {
            ["rows", count, ..] => {
                let count: i32 = count.parse().unwrap();
                let limit = if max_rows == 0 {
                    i32::MAX
                } else {
                    max_rows as i32 - portal.sent_now
                };
                if limit == 0 {
                    portal.sent_now = 0;
                    Fetched::Suspended
                } else if portal.sent == count {
                    Fetched::Complete(format!("SELECT {}", portal.sent_now))
                } else {
                    let end = count.min(portal.sent + limit.min(1000));
                    let rows = batch(portal.sent, end);
                    portal.sent_now += end - portal.sent;
                    portal.sent = end;
                    Fetched::Rows(RowChunk::Batch(rows))
                }
            }
            ["encoded"] if portal.sent == 0 => {
                portal.sent = 1;
                let bytes = Bytes::from_static(b"D\0\0\0\x0b\0\x01\0\0\0\x01x");
                Fetched::Rows(RowChunk::Encoded { bytes, rows: 1 })
            }
            ["encoded"] => {
                self.answered = Some(());
                Fetched::Complete("SELECT 1".into())
            }
            ["sleep"] => {
                let _dropped = Dropped(Arc::clone(&self.log));
                self.note("sleeping");
                self.interrupt.token().cancelled().await;
                return Err(InterruptReason::UserRequest.error());
            }
            ["deaf"] => {
                let _dropped = Dropped(Arc::clone(&self.log));
                self.note("sleeping");
                std::future::pending().await
            }
            ["limited", script] => {
                let _limit = self
                    .interrupt
                    .limit(std::time::Duration::from_millis(50), InterruptReason::StatementTimeout);
                match *script {
                    "sleep" => std::future::pending().await,
                    _ => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
                }
                Fetched::Complete("SELECT 0".into())
            }
            ["committing"] => {
                let _hold = self.interrupt.hold();
                self.note("sleeping");
                tokio::time::sleep(std::time::Duration::from_millis(600)).await;
                self.note("committed");
                Fetched::Complete("COMMIT".into())
            }
            ["panic"] => panic!("secret of the implementation"),
            ["notice"] => {
                self.notices.push(Notice {
                    severity: NoticeSeverity::Warning,
                    state: SqlState::NoActiveSqlTransaction,
                    message: "there is no transaction in progress".into(),
                    detail: None,
                    hint: None,
                    context: None,
                });
                Fetched::Complete("ROLLBACK".into())
            }
            ["set", value] => {
                self.changes.push(("application_name".into(), (*value).into()));
                Fetched::Complete("SET".into())
            }
            ["begin"] => {
                self.status = b'T';
                Fetched::Complete("BEGIN".into())
            }
            ["refused"] => return Err(Error::denied("table", "t")),
            ["nothing"] => Fetched::Empty,
            ["copyin"] => Fetched::CopyIn {
                format: Format::Text,
                columns: 2,
            },
            ["copyout" | "copybinary", ..] if portal.sent == 0 => {
                portal.sent = 1;
                Fetched::CopyOut(copy_out(words[0]))
            }
            ["copyout" | "copybinary", count] if portal.sent == 1 && *count != "0" => {
                portal.sent = 2;
                Fetched::Rows(RowChunk::Batch(batch(0, count.parse().unwrap())))
            }
            ["copyout" | "copybinary", count] => Fetched::Complete(format!("COPY {count}")),
            ["conflict"] => Fetched::Complete("INSERT 0 1".into()),
            other => panic!("no script for {other:?}"),
        };
        self.portals.insert(name.into(), portal);
        Ok(fetched)
    }

    async fn copy_data(&mut self, data: Bytes) -> Result<()> {
        if &data[..] == b"bad\n" {
            return Err(Error::new(SqlState::BadCopyFileFormat, "missing data for column \"b\""));
        }
        self.note(format!("data {}", String::from_utf8_lossy(&data).trim()));
        Ok(())
    }

    async fn copy_done(&mut self) -> Result<String> {
        Ok("COPY 1".into())
    }

    async fn copy_fail(&mut self, message: &str) {
        self.note(format!("gave up: {message}"));
    }

    fn close_statement(&mut self, name: &str) -> Result<()> {
        self.statements.remove(name);
        Ok(())
    }

    fn close_portal(&mut self, name: &str) -> Result<()> {
        self.portals.remove(name);
        Ok(())
    }

    async fn sync(&mut self) -> Result<()> {
        self.note("sync");
        if self.portals.values().any(|portal| portal.sql == "conflict")
            || self.statements.get("").is_some_and(|sql| sql == "conflict")
        {
            self.statements.clear();
            return Err(Error::new(SqlState::SerializationFailure, "could not serialize access"));
        }
        Ok(())
    }

    fn take_answered(&mut self) -> Option<()> {
        self.answered.take()
    }

    /// Twice.
    async fn answers_again(&mut self, (): &()) -> Result<bool> {
        self.note("again");
        let times = self.log.lock().iter().filter(|event| *event == "again").count();
        Ok(times <= 2)
    }

    async fn failed(&mut self, error: &Error) {
        self.note(format!("failed {}", error.state().code()));
        if self.status == b'T' {
            self.status = b'E';
        }
    }
}
