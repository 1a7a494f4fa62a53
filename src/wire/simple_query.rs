//! The simple protocol: a text of statements, each run as the unnamed statement and portal through the
//! very calls that the extended protocol makes.

use std::pin::pin;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::wire::backend::{Backend, Binding, Source};
use crate::wire::client::Client;
use crate::wire::interruption::{Stop, attend};
use crate::wire::reply;
use crate::wire::rows::Outcome;

impl<S, B> Client<S, B>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    B: Backend,
{
    pub(super) async fn simple_query(&mut self, sql: &str) -> Result<(), Stop> {
        let statements = self.session.split(sql)?;
        let count = statements.len();
        if count == 0 {
            self.socket.put(reply::empty_query);
        }
        for (index, statement) in statements.into_iter().enumerate() {
            self.simple_statement(statement, index + 1 == count).await?;
        }
        self.ready().await
    }

    async fn simple_statement(&mut self, statement: B::Statement, is_last: bool) -> Result<(), Stop> {
        let parse = self.session.parse("", Source::Parsed(statement), &[]);
        attend(&mut self.socket, &self.interrupt, pin!(parse)).await?;
        attend(
            &mut self.socket,
            &self.interrupt,
            pin!(self.session.bind(Binding::unnamed())),
        )
        .await?;
        let shape = attend(
            &mut self.socket,
            &self.interrupt,
            pin!(self.session.describe_portal("")),
        )
        .await?;
        if let Some(shape) = &shape {
            self.put_text(|out| reply::row_description(out, &shape.columns, &shape.formats))?;
        }
        let outcome = self.run_portal("", 0, shape).await;
        // What the portal holds goes before anybody hears how it ended.
        let closed = self.session.close_portal("");
        let outcome = outcome?;
        closed?;
        if is_last {
            // The client must not see the command complete before its transaction is committed.
            attend(&mut self.socket, &self.interrupt, pin!(self.session.sync())).await?;
        }
        self.put_notices();
        self.socket.put(|out| match &outcome {
            Outcome::Complete(tag) => reply::command_complete(out, tag),
            Outcome::Suspended => reply::portal_suspended(out),
            Outcome::Empty => reply::empty_query(out),
        });
        Ok(())
    }
}
