//! Clients of another character set than UTF-8: the texts in their messages are decoded before these are read, and those
//! in ours encoded as they are written. For everybody else none of this runs. COPY's data is converted with its rows.

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::{Error, Result};
use crate::types::SqlType;
use crate::types::encoding::Encoding;
use crate::types::format::Format;
use crate::wire::message::Frame;
use crate::wire::reply;

/// A client's message with its names and statements in UTF-8. The values of a Bind have types and come later; what is
/// no whole message is left for the reader to say.
pub fn decoded(frame: Frame, encoding: &'static Encoding) -> Result<Frame> {
    let (ahead, texts) = match frame.tag {
        b'Q' | b'E' | b'f' => (0, 1),
        b'P' | b'B' => (0, 2),
        b'D' | b'C' => (1, 1),
        _ => return Ok(frame),
    };
    if frame.body.len() < ahead {
        return Ok(frame);
    }
    let (kind, mut rest) = frame.body.split_at(ahead);
    let mut body = BytesMut::from(kind);
    for _ in 0..texts {
        let Some(length) = rest.iter().position(|byte| *byte == 0) else {
            return Ok(frame);
        };
        body.extend_from_slice(encoding.decode(&rest[..length])?.as_bytes());
        body.put_u8(0);
        rest = &rest[length + 1..];
    }
    body.extend_from_slice(rest);
    Ok(Frame {
        tag: frame.tag,
        body: body.freeze(),
    })
}

/// A parameter's value with its texts in UTF-8.
pub fn decoded_value(value: &Bytes, sql_type: &SqlType, format: Format, encoding: &'static Encoding) -> Result<Bytes> {
    let mut out = vec![];
    let mut convert = |text: &[u8], out: &mut Vec<u8>| {
        out.extend_from_slice(encoding.decode(text)?.as_bytes());
        Ok(())
    };
    convert_value(value, sql_type, format, &mut convert, &mut out)?;
    Ok(out.into())
}

/// What becomes of characters that the client's set lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacking {
    Refused,
    /// In what must reach the client, such as the very error.
    QuestionMark,
}

/// Appends messages of ours as the client reads them; `columns` are those of their rows.
pub fn encode(
    mut messages: &[u8],
    columns: &[(SqlType, Format)],
    encoding: &'static Encoding,
    lacking: Lacking,
    out: &mut BytesMut,
) -> Result<()> {
    let mut convert = |text: &[u8], out: &mut Vec<u8>| match std::str::from_utf8(text) {
        Ok(text) if lacking == Lacking::QuestionMark => {
            encoding.encode_lossily(text, out);
            Ok(())
        }
        Ok(text) => encoding.encode(text, out),
        Err(_) => Err(Error::internal("text on its way to the client is not UTF-8")),
    };
    while let Some((tag, body, rest)) = split_message(messages) {
        let mut converted = vec![];
        match tag {
            b'E' | b'N' | b'S' | b'C' => convert(body, &mut converted)?,
            b'A' => {
                let (process, texts) = body.split_at(body.len().min(4));
                converted.extend_from_slice(process);
                convert(texts, &mut converted)?;
            }
            b'T' => convert_description(body, &mut convert, &mut converted)?,
            b'D' if !body.is_ascii() => convert_row(body, columns, &mut convert, &mut converted)?,
            _ => converted.extend_from_slice(body),
        }
        reply::message(out, tag, |out| out.extend_from_slice(&converted));
        messages = rest;
    }
    Ok(())
}

type Convert<'a> = dyn FnMut(&[u8], &mut Vec<u8>) -> Result<()> + 'a;

fn split_message(messages: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = messages.split_first()?;
    let length = read_length(rest)?;
    Some((*tag, rest.get(4..length)?, rest.get(length..)?))
}

fn read_length(bytes: &[u8]) -> Option<usize> {
    let length = i32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
    usize::try_from(length).ok()
}

/// RowDescription: names, each with eighteen bytes behind.
fn convert_description(body: &[u8], convert: &mut Convert<'_>, out: &mut Vec<u8>) -> Result<()> {
    let (count, mut rest) = body.split_at(body.len().min(2));
    out.extend_from_slice(count);
    while let Some(length) = rest.iter().position(|byte| *byte == 0) {
        convert(&rest[..=length], out)?;
        let end = rest.len().min(length + 19);
        out.extend_from_slice(&rest[length + 1..end]);
        rest = &rest[end..];
    }
    Ok(())
}

fn convert_row(body: &[u8], columns: &[(SqlType, Format)], convert: &mut Convert<'_>, out: &mut Vec<u8>) -> Result<()> {
    let (count, rest) = body.split_at(body.len().min(2));
    out.extend_from_slice(count);
    let mut columns = columns.iter();
    convert_parts(rest, out, |value, out| match (columns.next(), value) {
        (Some((sql_type, format)), Some(value)) => convert_value(value, sql_type, *format, convert, out),
        (Some(_), None) => Ok(()),
        (None, _) => Err(Error::internal("a row has more values than columns were described")),
    })
}

fn convert_value(
    value: &[u8],
    sql_type: &SqlType,
    format: Format,
    convert: &mut Convert<'_>,
    out: &mut Vec<u8>,
) -> Result<()> {
    if value.is_ascii() {
        out.extend_from_slice(value);
        return Ok(());
    }
    match format {
        Format::Text => convert(value, out),
        Format::Binary => convert_binary(value, sql_type, convert, out),
    }
}

fn convert_binary(value: &[u8], sql_type: &SqlType, convert: &mut Convert<'_>, out: &mut Vec<u8>) -> Result<()> {
    match sql_type {
        SqlType::Text
        | SqlType::Varchar(_)
        | SqlType::Bpchar(_)
        | SqlType::Name
        | SqlType::Json
        | SqlType::Unknown
        | SqlType::Enum(_) => convert(value, out),
        SqlType::Jsonb => {
            let (version, text) = value.split_at(value.len().min(1));
            out.extend_from_slice(version);
            convert(text, out)
        }
        SqlType::Array(element) => {
            // Dimensions, flags and the elements' type, then a length and a lower bound for each dimension.
            let head = read_length(value).map_or(0, |dimensions| dimensions.saturating_mul(8).saturating_add(12));
            let (head, elements) = value.split_at(value.len().min(head));
            out.extend_from_slice(head);
            convert_parts(elements, out, |value, out| match value {
                Some(value) => convert_binary(value, element, convert, out),
                None => Ok(()),
            })
        }
        SqlType::Composite(_) | SqlType::Record => {
            let (count, fields) = value.split_at(value.len().min(4));
            out.extend_from_slice(count);
            convert_typed_parts(fields, convert, out)
        }
        _ => {
            out.extend_from_slice(value);
            Ok(())
        }
    }
}

/// Values with their lengths in front, which of a NULL is -1; what is torn stays as it is.
fn convert_parts(
    mut parts: &[u8],
    out: &mut Vec<u8>,
    mut convert: impl FnMut(Option<&[u8]>, &mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    while parts.len() >= 4 {
        let (length, rest) = parts.split_at(4);
        let start = out.len();
        out.extend_from_slice(length);
        let value = read_length(length).and_then(|length| rest.get(..length));
        convert(value, out)?;
        if value.is_some() {
            let length = (out.len() - start - 4) as u32;
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        }
        parts = &rest[value.map_or(0, <[u8]>::len)..];
    }
    out.extend_from_slice(parts);
    Ok(())
}

/// The fields of a record, which carry the OIDs of their types.
fn convert_typed_parts(mut fields: &[u8], convert: &mut Convert<'_>, out: &mut Vec<u8>) -> Result<()> {
    while fields.len() >= 8 {
        let (oid, rest) = fields.split_at(4);
        out.extend_from_slice(oid);
        let length = read_length(rest).unwrap_or(0).saturating_add(4).min(rest.len());
        let (field, behind) = rest.split_at(length);
        let sql_type = read_length(oid)
            .and_then(|oid| SqlType::from_oid(oid as u32))
            .unwrap_or(SqlType::Bytea);
        convert_parts(field, out, |value, out| match value {
            Some(value) => convert_binary(value, &sql_type, convert, out),
            None => Ok(()),
        })?;
        fields = behind;
    }
    out.extend_from_slice(fields);
    Ok(())
}
