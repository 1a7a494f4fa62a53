//! Writes what the server sends, straight into the outgoing buffer. Each function appends whole
//! messages; none fails.

use bytes::{BufMut, BytesMut};

use crate::error::{Error, SqlState, Subject};
use crate::types::SqlType;
use crate::types::encoding::invalid_sequence;
use crate::types::format::Format;
use crate::wire::backend::{Notice, Notification, OutputColumn};
use crate::wire::message::Malformed;

/// Whether an error ends the statement or the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Fatal,
}

/// Appends one message: its tag, its length, and what `body` writes.
pub fn message(out: &mut BytesMut, tag: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(tag);
    let start = out.len();
    out.put_u32(0);
    body(out);
    set_length(out, start);
}

/// Fills in the length field at `start`, which counts itself.
pub fn set_length(out: &mut BytesMut, start: usize) {
    let length = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn text(out: &mut BytesMut, text: &str) {
    // A zero byte would end the string early and break the client's parser.
    let end = text.find('\0').unwrap_or(text.len());
    out.put_slice(&text.as_bytes()[..end]);
    out.put_u8(0);
}

pub fn authentication_ok(out: &mut BytesMut) {
    message(out, b'R', |out| out.put_u32(0));
}

pub fn authentication_sasl(out: &mut BytesMut, mechanisms: &[&str]) {
    message(out, b'R', |out| {
        out.put_u32(10);
        mechanisms.iter().for_each(|mechanism| text(out, mechanism));
        out.put_u8(0);
    });
}

pub fn authentication_sasl_continue(out: &mut BytesMut, data: &str) {
    message(out, b'R', |out| {
        out.put_u32(11);
        out.put_slice(data.as_bytes());
    });
}

pub fn authentication_sasl_final(out: &mut BytesMut, data: &str) {
    message(out, b'R', |out| {
        out.put_u32(12);
        out.put_slice(data.as_bytes());
    });
}

/// The newest version that the server speaks, and the protocol options that it does not know.
pub fn negotiate_protocol_version(out: &mut BytesMut, version: u32, unknown: &[&str]) {
    message(out, b'v', |out| {
        out.put_u32(version);
        out.put_u32(unknown.len() as u32);
        unknown.iter().for_each(|option| text(out, option));
    });
}

pub fn backend_key_data(out: &mut BytesMut, process_id: i32, key: &[u8]) {
    message(out, b'K', |out| {
        out.put_i32(process_id);
        out.put_slice(key);
    });
}

pub fn parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    message(out, b'S', |out| {
        text(out, name);
        text(out, value);
    });
}

pub fn ready_for_query(out: &mut BytesMut, transaction_status: u8) {
    message(out, b'Z', |out| out.put_u8(transaction_status));
}

pub fn parse_complete(out: &mut BytesMut) {
    message(out, b'1', |_| {});
}

pub fn bind_complete(out: &mut BytesMut) {
    message(out, b'2', |_| {});
}

pub fn close_complete(out: &mut BytesMut) {
    message(out, b'3', |_| {});
}

pub fn no_data(out: &mut BytesMut) {
    message(out, b'n', |_| {});
}

pub fn portal_suspended(out: &mut BytesMut) {
    message(out, b's', |_| {});
}

pub fn empty_query(out: &mut BytesMut) {
    message(out, b'I', |_| {});
}

pub fn copy_done(out: &mut BytesMut) {
    message(out, b'c', |_| {});
}

pub fn command_complete(out: &mut BytesMut, tag: &str) {
    message(out, b'C', |out| text(out, tag));
}

/// FunctionCallResponse. `value` has its length in front of it, which of NULL is -1.
pub fn function_call_response(out: &mut BytesMut, value: &[u8]) {
    message(out, b'V', |out| out.put_slice(value));
}

pub fn parameter_description(out: &mut BytesMut, parameters: &[SqlType]) {
    message(out, b't', |out| {
        out.put_u16(parameters.len() as u16);
        parameters.iter().for_each(|parameter| out.put_u32(parameter.oid()));
    });
}

/// Describes rows; `formats` has one entry a column, or is empty while no format is chosen yet.
pub fn row_description(out: &mut BytesMut, columns: &[OutputColumn], formats: &[Format]) {
    message(out, b'T', |out| {
        out.put_u16(columns.len() as u16);
        for (index, column) in columns.iter().enumerate() {
            text(out, &column.name);
            out.put_u32(column.source.origin.map_or(0, |origin| origin.relation));
            out.put_i16(column.source.origin.map_or(0, |origin| origin.column));
            out.put_u32(column.sql_type.oid());
            out.put_i16(column.sql_type.length());
            out.put_i32(column.declared_type().typmod());
            out.put_i16(formats.get(index).copied().unwrap_or_default().code());
        }
    });
}

/// CopyInResponse: the server waits for this many columns.
pub fn copy_in(out: &mut BytesMut, format: Format, columns: usize) {
    copy_response(out, b'G', format, columns);
}

/// CopyOutResponse: this many columns follow.
pub fn copy_out(out: &mut BytesMut, format: Format, columns: usize) {
    copy_response(out, b'H', format, columns);
}

fn copy_response(out: &mut BytesMut, tag: u8, format: Format, columns: usize) {
    message(out, tag, |out| {
        out.put_u8(format.code() as u8);
        out.put_u16(columns as u16);
        (0..columns).for_each(|_| out.put_i16(format.code()));
    });
}

pub fn error(out: &mut BytesMut, severity: Severity, error: &Error) {
    let severity = match severity {
        Severity::Error => "ERROR",
        Severity::Fatal => "FATAL",
    };
    message(out, b'E', |out| {
        report(
            out,
            severity,
            error.state(),
            error.message(),
            error.detail(),
            error.hint(),
        );
        if let Some(position) = error.position() {
            let code = if error.inner_statement().is_some() { b'p' } else { b'P' };
            field(out, code, &position.to_string());
        }
        if let (Some(_), Some(statement)) = (error.position(), error.inner_statement()) {
            field(out, b'q', statement);
        }
        if let Some(context) = error.context() {
            field(out, b'W', &context);
        }
        let Subject {
            schema,
            table,
            column,
            constraint,
        } = error.subject();
        for (code, name) in [(b's', schema), (b't', table), (b'c', column), (b'n', constraint)] {
            if let Some(name) = name {
                field(out, code, name);
            }
        }
        if let Some(routine) = error.routine() {
            field(out, b'R', routine);
        }
        out.put_u8(0);
    });
}

pub fn notice(out: &mut BytesMut, notice: &Notice) {
    message(out, b'N', |out| {
        let Notice {
            severity,
            state,
            message,
            detail,
            hint,
            context,
        } = notice;
        report(
            out,
            severity.name(),
            *state,
            message,
            detail.as_deref(),
            hint.as_deref(),
        );
        if let Some(context) = context {
            field(out, b'W', context);
        }
        out.put_u8(0);
    });
}

/// NotificationResponse.
pub fn notification(out: &mut BytesMut, notification: &Notification) {
    message(out, b'A', |out| {
        out.put_i32(notification.process_id);
        for text in [&notification.channel, &notification.payload] {
            out.extend_from_slice(text.as_bytes());
            out.put_u8(0);
        }
    });
}

fn report(
    out: &mut BytesMut,
    severity: &str,
    state: SqlState,
    message: &str,
    detail: Option<&str>,
    hint: Option<&str>,
) {
    field(out, b'S', severity);
    field(out, b'V', severity);
    field(out, b'C', state.code());
    field(out, b'M', message);
    if let Some(detail) = detail {
        field(out, b'D', detail);
    }
    if let Some(hint) = hint {
        field(out, b'H', hint);
    }
}

fn field(out: &mut BytesMut, code: u8, value: &str) {
    out.put_u8(code);
    text(out, value);
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Error {
        let violation = |message: String| Error::new(SqlState::ProtocolViolation, message);
        match malformed {
            Malformed::StartupLength => violation("invalid length of startup packet".into()),
            Malformed::StartupLayout => {
                violation("invalid startup packet layout: expected terminator as last byte".into())
            }
            Malformed::Tag(tag) => violation(format!("invalid frontend message type {tag}")),
            Malformed::Length => violation("invalid message length".into()),
            Malformed::Content(message) => violation(message.into()),
            Malformed::Encoding(bytes) => invalid_sequence(&bytes, "UTF8"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_carry_their_fields() {
        let mut out = BytesMut::new();
        let shown = Error::new(SqlState::UndefinedTable, "relation \"t\" does not exist")
            .with_hint("Look.")
            .at(15);
        error(&mut out, Severity::Error, &shown);
        let body = b"SERROR\0VERROR\0C42P01\0Mrelation \"t\" does not exist\0HLook.\0P15\0\0";
        assert_eq!(&out[5..], body);
        assert_eq!(&out[..5], [b'E', 0, 0, 0, body.len() as u8 + 4]);
    }

    #[test]
    fn a_zero_byte_cannot_break_a_message() {
        let mut out = BytesMut::new();
        parameter_status(&mut out, "application_name", "a\0b");
        assert_eq!(&out[..], b"S\0\0\0\x17application_name\0a\0");
    }
}
