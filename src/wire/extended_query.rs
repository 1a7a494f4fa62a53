//! The extended protocol, one message a function.

use std::pin::pin;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::encoding::Encoding;
use crate::types::format::Format;
use crate::wire::backend::{Backend, Binding, Source};
use crate::wire::client::Client;
use crate::wire::interruption::{Stop, attend};
use crate::wire::message::{Bind, Target};
use crate::wire::reply;
use crate::wire::rows::Outcome;
use crate::wire::translation;

impl<S, B> Client<S, B>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    B: Backend,
{
    pub(super) async fn parse(&mut self, name: &str, sql: String, parameter_oids: &[u32]) -> Result<(), Stop> {
        let parse = self.session.parse(name, Source::Text(sql), parameter_oids);
        attend(&mut self.socket, &self.interrupt, pin!(parse)).await?;
        self.socket.put(reply::parse_complete);
        Ok(())
    }

    pub(super) async fn bind(&mut self, bind: Bind) -> Result<(), Stop> {
        let mut binding = binding(bind)?;
        if let Some(encoding) = self.session.client_encoding() {
            self.decode_parameters(&mut binding, encoding).await?;
        }
        attend(&mut self.socket, &self.interrupt, pin!(self.session.bind(binding))).await?;
        self.socket.put(reply::bind_complete);
        Ok(())
    }

    /// Brings the parameters' texts to UTF-8. What a value in the binary format is depends on its type.
    async fn decode_parameters(&mut self, binding: &mut Binding, encoding: &'static Encoding) -> Result<(), Stop> {
        let types = match binding.parameter_formats.contains(&Format::Binary) {
            true => {
                let describe = self.session.describe_statement(&binding.statement);
                attend(&mut self.socket, &self.interrupt, pin!(describe))
                    .await?
                    .parameters
            }
            false => Default::default(),
        };
        for (index, value) in binding.parameters.iter_mut().enumerate() {
            let format = match &binding.parameter_formats[..] {
                [format] => *format,
                formats => formats.get(index).copied().unwrap_or_default(),
            };
            if let Some(bytes) = value {
                let sql_type = types.get(index).unwrap_or(&SqlType::Unknown);
                *bytes = translation::decoded_value(bytes, sql_type, format, encoding)?;
            }
        }
        Ok(())
    }

    pub(super) async fn describe(&mut self, target: Target, name: &str) -> Result<(), Stop> {
        match target {
            Target::Statement => {
                let describe = self.session.describe_statement(name);
                let shape = attend(&mut self.socket, &self.interrupt, pin!(describe)).await?;
                self.put_text(|out| {
                    reply::parameter_description(out, &shape.parameters);
                    match &shape.columns {
                        Some(columns) => reply::row_description(out, columns, &[]),
                        None => reply::no_data(out),
                    }
                })?;
            }
            Target::Portal => {
                let describe = self.session.describe_portal(name);
                let shape = attend(&mut self.socket, &self.interrupt, pin!(describe)).await?;
                self.put_text(|out| match &shape {
                    Some(shape) => reply::row_description(out, &shape.columns, &shape.formats),
                    None => reply::no_data(out),
                })?;
            }
        }
        Ok(())
    }

    pub(super) async fn execute(&mut self, portal: &str, max_rows: u32) -> Result<(), Stop> {
        let outcome = self.run_portal(portal, u64::from(max_rows), None).await?;
        self.put_notices();
        self.socket.put(|out| match &outcome {
            Outcome::Complete(tag) => reply::command_complete(out, tag),
            Outcome::Suspended => reply::portal_suspended(out),
            Outcome::Empty => reply::empty_query(out),
        });
        Ok(())
    }

    pub(super) fn close(&mut self, target: Target, name: &str) -> Result<(), Stop> {
        match target {
            Target::Statement => self.session.close_statement(name)?,
            Target::Portal => self.session.close_portal(name)?,
        }
        self.socket.put(reply::close_complete);
        Ok(())
    }
}

fn binding(bind: Bind) -> Result<Binding> {
    let Bind {
        portal,
        statement,
        parameter_formats,
        parameters,
        result_formats,
    } = bind;
    if parameter_formats.len() > 1 && parameter_formats.len() != parameters.len() {
        let message = format!(
            "bind message has {} parameter formats but {} parameters",
            parameter_formats.len(),
            parameters.len()
        );
        return Err(Error::new(SqlState::ProtocolViolation, message));
    }
    Ok(Binding {
        portal,
        statement,
        parameters,
        parameter_formats: formats(&parameter_formats)?,
        result_formats: formats(&result_formats)?,
    })
}

pub(super) fn formats(codes: &[i16]) -> Result<Vec<Format>> {
    let unsupported = |code: &i16| {
        Error::new(
            SqlState::InvalidParameterValue,
            format!("unsupported format code: {code}"),
        )
    };
    codes
        .iter()
        .map(|code| Format::from_code(*code).ok_or_else(|| unsupported(code)))
        .collect()
}
