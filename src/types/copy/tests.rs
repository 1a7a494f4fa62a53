//! Data, messages and places as PostgreSQL has them.

use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};

use super::*;
use crate::error::Result;
use crate::types::format::{Format, FormatSettings};
use crate::types::{ColumnEncoder, SqlType};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        SqlType::Int4.to_field("a", true),
        SqlType::Text.to_field("b", true),
    ]))
}

fn decode(options: &CopyOptions, data: &[u8], chunk: usize) -> Result<Vec<RecordBatch>> {
    let mut decoder = CopyDecoder::new(options, schema(), "t", &FormatSettings::default());
    for bytes in data.chunks(chunk) {
        decoder.push(bytes)?;
    }
    decoder.finish()?;
    Ok(std::iter::from_fn(|| decoder.next_batch()).collect())
}

/// The rows as `a=b`, or state, message and place of the error; the same for every size of chunk.
fn read(options: &CopyOptions, data: &[u8]) -> String {
    let show = |chunk: usize| match decode(options, data, chunk) {
        Err(error) => {
            format!(
                "{} {} | {}",
                error.state().code(),
                error.message(),
                error.context().unwrap_or_default()
            )
        }
        Ok(batches) => {
            let mut rows = Vec::new();
            for batch in &batches {
                for row in 0..batch.num_rows() {
                    let cell = |column: usize, sql_type: SqlType| {
                        let mut out = BytesMut::new();
                        let encoder = ColumnEncoder::new(&sql_type, Format::Text, &FormatSettings::default());
                        match encoder.encode(batch.column(column), row, &mut out).unwrap() {
                            true => String::from_utf8(out.to_vec()).unwrap(),
                            false => "NULL".to_string(),
                        }
                    };
                    rows.push(format!("{}={}", cell(0, SqlType::Int4), cell(1, SqlType::Text)));
                }
            }
            rows.join(";")
        }
    };
    let whole = show(data.len().max(1));
    for chunk in [1, 2, 3, 7] {
        assert_eq!(
            show(chunk),
            whole,
            "chunks of {chunk}: {:?}",
            String::from_utf8_lossy(data)
        );
    }
    whole
}

#[test]
fn text() {
    let options = CopyOptions::new(CopyFormat::Text);
    for (data, expected) in [
        ("1\tx\n2\ty\n", "1=x;2=y"),
        ("1\tx\r\n2\ty\r\n", "1=x;2=y"),
        ("1\tx\r2\ty", "1=x;2=y"),
        ("1\t\\N\n\\N\t\n", "1=NULL;NULL="),
        ("1\ta\\tb\\\\c\\x41\\101\\q\n", "1=a\tb\\cAAq"),
        ("1\ta\\\nb\n", "1=a\nb"),
        ("1\t\\\\N\n", "1=\\N"),
        ("1\tx\n\\.\nignored", "1=x"),
        ("1\tx\n\\.", "1=x"),
        ("1\tx\\.\n2\ty\n", "1=x"),
        ("", ""),
        ("1\n", "22P04 missing data for column \"b\" | COPY t, line 1: \"1\""),
        (
            "1\tx\n1\tx\ty\n",
            "22P04 extra data after last expected column | COPY t, line 2: \"1\tx\ty\"",
        ),
        (
            "q\tx\n",
            "22P02 invalid input syntax for type integer: \"q\" | COPY t, line 1, column a: \"q\"",
        ),
        (
            "1\tx\\.y\n",
            "22P04 end-of-copy marker corrupt | COPY t, line 1: \"1\tx\\.y\n\"",
        ),
        (
            "1\tx\n1\ty\r\n",
            "22P04 literal carriage return found in data | COPY t, line 2: \"1\ty\r\n\"",
        ),
        (
            "1\tx\r\n1\ty\n",
            "22P04 literal newline found in data | COPY t, line 2: \"1\ty\n\"",
        ),
    ] {
        // Where a line is broken off, what is shown of it depends on what had come.
        if expected.contains("corrupt") || expected.contains("literal") {
            let shown = decode(&options, data.as_bytes(), data.len()).unwrap_err();
            assert_eq!(
                format!(
                    "{} {} | {}",
                    shown.state().code(),
                    shown.message(),
                    shown.context().unwrap_or_default()
                ),
                expected
            );
        } else {
            assert_eq!(read(&options, data.as_bytes()), expected, "{data:?}");
        }
    }
    for (data, wrong) in [
        (&b"1\t\xffab\n"[..], "0xff"),
        (b"1\t\xe4ab\n", "0xe4 0x61 0x62"),
        (b"1\t\\xc3\n", "0xc3"),
    ] {
        let error = decode(&options, data, 100).unwrap_err();
        let expected = format!("invalid byte sequence for encoding \"UTF8\": {wrong}");
        assert_eq!(
            (error.state().code(), error.message(), error.context().as_deref()),
            ("22021", expected.as_str(), Some("COPY t, line 1"))
        );
    }
    let header = CopyOptions {
        header: Header::Line,
        delimiter: b'|',
        null: "-".into(),
        ..options
    };
    assert_eq!(read(&header, b"a|b\n1|-\n"), "1=NULL");
}

/// Messages as PostgreSQL 15 has them.
#[test]
fn names_of_a_header_are_compared() {
    let csv = CopyOptions {
        header: Header::Match,
        ..CopyOptions::new(CopyFormat::Csv)
    };
    for (data, expected) in [
        ("a,\"b\"\n1,x\n", "1=x"),
        ("a,b", ""),
        (
            "a,c\n1,x\n",
            "22P04 column name mismatch in header line field 2: got \"c\", expected \"b\" | COPY t, line 1: \"a,c\"",
        ),
        (
            ",b\n1,x\n",
            "22P04 column name mismatch in header line field 1: got null value (\"\"), expected \"a\" | COPY t, line 1: \",b\"",
        ),
        (
            "a\n1\n",
            "22P04 wrong number of fields in header line: got 1, expected 2 | COPY t, line 1: \"a\"",
        ),
        (
            "",
            "22P04 wrong number of fields in header line: got 1, expected 2 | COPY t, line 1: \"\"",
        ),
    ] {
        assert_eq!(read(&csv, data.as_bytes()), expected, "{data:?}");
    }
    let text = CopyOptions {
        header: Header::Match,
        ..CopyOptions::new(CopyFormat::Text)
    };
    assert_eq!(read(&text, b"a\tb\n1\tx\n"), "1=x");
    let missing = "22P04 wrong number of fields in header line: got 1, expected 2 | COPY t, line 1: \"1,x\"";
    assert_eq!(read(&text, b"1,x\n"), missing);
}

#[test]
fn csv() {
    let options = CopyOptions::new(CopyFormat::Csv);
    for (data, expected) in [
        ("1,x\n2,\"y,\"\"z\"\n", "1=x;2=y,\"z"),
        ("1,\n2,\"\"\n", "1=NULL;2="),
        ("1,\"a\nb\"\r\n2,c\r\n", "1=a\nb;2=c"),
        ("1,a\"b,c\"d\n", "1=ab,cd"),
        ("1,ä\"ö,\"\"ü\"\"\"é\"\r\"\n", "1=äö,\"ü\"é\r"),
        ("1,x\n\\.\nrest", "1=x"),
        ("1,\\.\n", "1=\\."),
        ("1,\\N", "1=\\N"),
        (
            "1,x,y\n",
            "22P04 extra data after last expected column | COPY t, line 1: \"1,x,y\"",
        ),
        (
            "1,\"a\nb\"\nq,x\n",
            "22P02 invalid input syntax for type integer: \"q\" | COPY t, line 3, column a: \"q\"",
        ),
        (
            "1,\"x\n",
            "22P04 unterminated CSV quoted field | COPY t, line 1: \"1,\"x\n\"",
        ),
    ] {
        assert_eq!(read(&options, data.as_bytes()), expected, "{data:?}");
    }
    let other = CopyOptions {
        header: Header::Line,
        quote: b'\'',
        escape: b'\\',
        delimiter: b';',
        null: "nil".into(),
        ..options
    };
    assert_eq!(
        read(&other, b"a;b\n1;'it\\'s'\n2;nil\n3;'nil'\n"),
        "1=it's;2=NULL;3=nil"
    );
}

#[test]
fn binary() {
    let options = CopyOptions::new(CopyFormat::Binary);
    let header = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\x02zz";
    let row = b"\0\x02\0\0\0\x04\0\0\0\x07\0\0\0\x01x";
    let null = b"\0\x02\xff\xff\xff\xff\xff\xff\xff\xff";
    let trailer = b"\xff\xff";
    let data = |parts: &[&[u8]]| parts.concat();
    for (data, expected) in [
        (data(&[header, row, null, trailer]), "7=x;NULL=NULL"),
        (data(&[header, row]), "7=x"),
        (
            data(&[header, &row[..9]]),
            "22P04 unexpected EOF in COPY data | COPY t, line 1",
        ),
        (
            b"1\tx\n".to_vec(),
            "22P04 COPY file signature not recognized | COPY t, line 1",
        ),
        (
            data(&[header, b"\0\x03"]),
            "22P04 row field count is 3, expected 2 | COPY t, line 1",
        ),
        (
            data(&[header, trailer, b"x"]),
            "22P04 received copy data after EOF marker | COPY t, line 1",
        ),
        (
            data(&[header, b"\0\x02\0\0\0\x01\x07\xff\xff\xff\xff"]),
            "08P01 insufficient data left in message | COPY t, line 1, column a",
        ),
    ] {
        assert_eq!(read(&options, &data), expected);
    }
}

fn encode(options: &CopyOptions, batches: &[RecordBatch]) -> Vec<u8> {
    let columns = [("a".to_string(), SqlType::Int4), ("b".to_string(), SqlType::Text)];
    let encoder = CopyEncoder::new(options, &columns, &FormatSettings::default(), None).unwrap();
    let mut out = BytesMut::new();
    encoder.begin(&mut out).unwrap();
    for batch in batches {
        let rows = encoder.bind(batch).unwrap();
        (0..batch.num_rows()).for_each(|row| rows.write(row, &mut out).unwrap());
    }
    encoder.end(&mut out);
    out.to_vec()
}

#[test]
fn what_is_copied_out_copies_in() {
    let text = CopyOptions::new(CopyFormat::Text);
    let data = "1\ta\\tb\\\\\\n\n2\t\\N\n3\t\n4\tä,\"x\n";
    let rows = decode(&text, data.as_bytes(), 100).unwrap();
    assert_eq!(String::from_utf8(encode(&text, &rows)).unwrap(), data);

    let csv = CopyOptions {
        header: Header::Line,
        ..CopyOptions::new(CopyFormat::Csv)
    };
    let expected = "a,b\n1,\"a\tb\\\n\"\n2,\n3,\"\"\n4,\"ä,\"\"x\"\n";
    assert_eq!(String::from_utf8(encode(&csv, &rows)).unwrap(), expected);
    let forced = CopyOptions {
        force_quote: Forced::All,
        ..csv.clone()
    };
    assert!(encode(&forced, &rows).starts_with(b"a,b\n\"1\",\"a"));

    for options in [text, csv, CopyOptions::new(CopyFormat::Binary)] {
        let encoded = encode(&options, &rows);
        assert_eq!(decode(&options, &encoded, 3).unwrap(), rows, "{options:?}");
    }
}
