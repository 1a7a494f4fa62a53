//! The function call message: like a simple query of one call, whose answer is one value and no row.

use std::pin::pin;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{Error, Result, SqlState};
use crate::types::format::Format;
use crate::wire::backend::{Arguments, Backend, Callable};
use crate::wire::client::Client;
use crate::wire::extended_query::formats;
use crate::wire::interruption::{Hearing, Stop, attend, attend_hearing};
use crate::wire::message::FunctionCall;
use crate::wire::reply;
use crate::wire::translation::{self, Lacking};

/// A DataRow's tag, length and number of values, which stand before its only one.
const AHEAD_OF_VALUE: usize = 7;

impl<S, B> Client<S, B>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    B: Backend,
{
    pub(super) async fn function_call(&mut self, call: FunctionCall) -> Result<(), Stop> {
        let find = self.session.find_function(call.function);
        let function = attend(&mut self.socket, &self.interrupt, pin!(find)).await?;
        let mut arguments = arguments(&function, call)?;
        let encoding = self.session.client_encoding();
        if let Some(encoding) = encoding {
            for (index, value) in arguments.values.iter_mut().enumerate() {
                let format = match &arguments.formats[..] {
                    [format] => *format,
                    formats => formats.get(index).copied().unwrap_or_default(),
                };
                if let (Some(bytes), Some(sql_type)) = (value, function.arguments.get(index)) {
                    *bytes = translation::decoded_value(bytes, sql_type, format, encoding)?;
                }
            }
        }
        let format = arguments.result_format;
        let hearing = self.outlet.as_deref().map(|outlet| Hearing { outlet, encoding });
        let called = {
            let call = pin!(self.session.call_function(function, arguments));
            attend_hearing(&mut self.socket, &self.interrupt, call, hearing).await?
        };
        let row = match self.session.client_encoding() {
            Some(encoding) => {
                let mut row = BytesMut::new();
                translation::encode(
                    &called.row,
                    &[(called.sql_type, format)],
                    encoding,
                    Lacking::Refused,
                    &mut row,
                )?;
                row.freeze()
            }
            None => called.row,
        };
        let value = row
            .get(AHEAD_OF_VALUE..)
            .ok_or_else(|| Error::internal("a function's value is no row"))?;
        // The client must not see the value before its transaction is committed.
        attend(&mut self.socket, &self.interrupt, pin!(self.session.sync())).await?;
        self.put_notices();
        self.socket.put(|out| reply::function_call_response(out, value));
        self.ready().await
    }
}

/// The message's arguments, as many as the function has.
fn arguments(function: &Callable, call: FunctionCall) -> Result<Arguments> {
    let violation = |message: String| Err(Error::new(SqlState::ProtocolViolation, message));
    let (given, wanted) = (call.arguments.len(), function.arguments.len());
    if given != wanted {
        return violation(format!(
            "function call message contains {given} arguments but function requires {wanted}"
        ));
    }
    let codes = call.argument_formats.len();
    if codes > 1 && codes != given {
        return violation(format!(
            "function call message contains {codes} argument formats but {given} arguments"
        ));
    }
    Ok(Arguments {
        values: call.arguments,
        formats: formats(&call.argument_formats)?,
        result_format: formats(&[call.result_format])?.pop().unwrap_or(Format::Text),
    })
}
