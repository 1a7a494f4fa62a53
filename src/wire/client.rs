//! An authenticated client: takes its messages in order and hands each to the simple or the extended
//! protocol. After an error in the extended one, everything up to Sync is skipped.

use std::pin::pin;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::context::interrupt::{Interrupt, InterruptReason};
use crate::error::Error;
use crate::telemetry::Metrics;
use crate::wire::backend::{Backend, NoticeOutlet};
use crate::wire::client_stream::Doorstep;
use crate::wire::expectation::Expectation;
use crate::wire::interruption::{Stop, attend, flush, put_report};
use crate::wire::message::{self, Frame, Malformed, Message};
use crate::wire::placement;
use crate::wire::repetition::Repetition;
use crate::wire::reply::{self, Severity};
use crate::wire::socket::{ReadError, Socket};
use crate::wire::translation::{self, Lacking};

pub struct Client<S, B: Backend> {
    pub(super) socket: Socket<S>,
    pub(super) session: B,
    pub(super) interrupt: Arc<Interrupt>,
    metrics: Arc<Metrics>,
    closing: CancellationToken,
    message_limit: usize,
    /// Between an error in the extended protocol and its Sync.
    skipping: bool,
    /// Since ReadyForQuery nothing arrived.
    idle: bool,
    expectation: Expectation,
    repetition: Repetition<B::Answered>,
    /// Where its messages are waited for in person, if nothing lies between the stream and the protocol.
    doorstep: Option<Doorstep>,
    /// What the session tells while a statement runs.
    pub(super) outlet: Option<Arc<NoticeOutlet>>,
}

impl<S, B> Client<S, B>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    B: Backend,
{
    pub fn new(
        socket: Socket<S>,
        doorstep: Option<Doorstep>,
        session: B,
        interrupt: Arc<Interrupt>,
        metrics: Arc<Metrics>,
        closing: CancellationToken,
        message_limit: usize,
    ) -> Self {
        Client {
            socket,
            outlet: session.notice_outlet(),
            session,
            interrupt,
            metrics,
            closing,
            message_limit,
            skipping: false,
            idle: true,
            expectation: Expectation::new(),
            repetition: Repetition::new(),
            doorstep,
        }
    }

    /// Ends the session and leaves its socket.
    pub fn into_socket(self) -> Socket<S> {
        self.socket
    }

    /// Serves the client until it leaves (`Ok`) or must.
    pub async fn serve(&mut self) -> Result<(), Stop> {
        self.ready().await?;
        loop {
            let frame = self.next_frame().await?;
            // A pipeline is one piece of work: a cancel request that arrives between its messages counts.
            let begins = std::mem::replace(&mut self.idle, false);
            if begins {
                self.interrupt.begin();
            }
            self.metrics.bytes_received.inc_by(self.socket.take_received());
            if begins && self.answers_again(&frame).await? {
                continue;
            }
            if frame.tag == b'X' {
                return Ok(());
            }
            if self.skipping && frame.tag != b'S' {
                continue;
            }
            self.handle(frame).await?;
        }
    }

    /// Answers a question that comes again as it was answered the last time, if that still holds.
    async fn answers_again(&mut self, first: &Frame) -> Result<bool, Stop> {
        let sent = self.socket.sent();
        let rest = self.socket.unread();
        self.repetition.ask(first, rest, sent);
        let rest = rest.len();
        let Some(answer) = self.repetition.answer.take() else {
            return Ok(false);
        };
        let asked = self.session.answers_again(&answer.known_by);
        match attend(&mut self.socket, &self.interrupt, pin!(asked)).await {
            Ok(true) => {}
            // What is wrong, the statement itself will say.
            Ok(false) | Err(Stop::Statement(_)) => return Ok(false),
            Err(stop) => return Err(stop),
        }
        // More may have come meanwhile.
        self.socket.discard(rest);
        self.put_notices();
        self.session.rest();
        self.put_notifications();
        self.socket.put_encoded(answer.messages.clone());
        self.repetition.answer = Some(answer);
        self.wait_for_client().await?;
        Ok(true)
    }

    async fn handle(&mut self, frame: Frame) -> Result<(), Stop> {
        let tag = frame.tag;
        let frame = match self.session.client_encoding() {
            Some(encoding) => translation::decoded(frame, encoding),
            None => Ok(frame),
        };
        let result = match frame.map(message::decode) {
            Ok(Ok(message)) => self.dispatch(message).await,
            Ok(Err(malformed @ Malformed::Tag(_))) => Err(Stop::Fatal(malformed.into())),
            Ok(Err(malformed)) => Err(Stop::Statement(malformed.into())),
            Err(error) => Err(Stop::Statement(error)),
        };
        match result {
            Err(Stop::Statement(error)) => {
                self.report(&error).await;
                if matches!(tag, b'Q' | b'F' | b'S') {
                    self.conclude().await
                } else {
                    self.skipping = true;
                    // A client that asked with Flush waits for the answer, and its Flush is skipped.
                    flush(&mut self.socket, &self.interrupt).await
                }
            }
            other => other,
        }
    }

    async fn dispatch(&mut self, message: Message) -> Result<(), Stop> {
        match message {
            // On the heap, so that an idle connection is small, and messages that take less move none of it.
            Message::Query(sql) => Box::pin(self.simple_query(&sql)).await,
            Message::Parse {
                name,
                sql,
                parameter_oids,
            } => Box::pin(self.parse(&name, sql, &parameter_oids)).await,
            Message::Bind(bind) => self.bind(bind).await,
            Message::Describe { target, name } => self.describe(target, &name).await,
            Message::Execute { portal, max_rows } => self.execute(&portal, max_rows).await,
            Message::Close { target, name } => self.close(target, &name),
            Message::Flush => flush(&mut self.socket, &self.interrupt).await,
            Message::Sync => {
                self.skipping = false;
                self.conclude().await
            }
            Message::FunctionCall(call) => Box::pin(self.function_call(call)).await,
            // A client may still be sending these after a COPY that failed.
            Message::CopyData(_) | Message::CopyDone | Message::CopyFail(_) => Ok(()),
            Message::Authentication(_) => Err(Stop::Fatal(Malformed::Tag(b'p').into())),
            Message::Terminate => Ok(()),
        }
    }

    /// Ends a simple query or a pipeline, successful or not: commits or rolls back, then ReadyForQuery.
    async fn conclude(&mut self) -> Result<(), Stop> {
        let ended = attend(&mut self.socket, &self.interrupt, pin!(self.session.sync())).await;
        match ended {
            Ok(()) => {}
            Err(Stop::Statement(error)) => self.report(&error).await,
            Err(stop) => return Err(stop),
        }
        self.ready().await
    }

    /// Tells the client of a failed statement.
    async fn report(&mut self, error: &Error) {
        // The cancel request that led here must not reach what cleans up.
        self.interrupt.begin();
        self.session.failed(error).await;
        self.put_notices();
        self.put_report(|out| reply::error(out, Severity::Error, error));
    }

    pub(super) fn put_notices(&mut self) {
        for notice in self.session.take_notices() {
            self.put_report(|out| reply::notice(out, &notice));
        }
    }

    /// Appends messages whose text must be in the client's character set.
    pub(super) fn put_text(&mut self, write: impl FnOnce(&mut BytesMut)) -> Result<(), Error> {
        let Some(encoding) = self.session.client_encoding() else {
            self.socket.put(write);
            return Ok(());
        };
        let mut messages = BytesMut::new();
        write(&mut messages);
        self.socket
            .try_put(|out| translation::encode(&messages, &[], encoding, Lacking::Refused, out))
    }

    /// The same for messages that must reach the client, whatever its character set lacks.
    fn put_report(&mut self, write: impl FnOnce(&mut BytesMut)) {
        put_report(&mut self.socket, self.session.client_encoding(), write);
    }

    fn put_notifications(&mut self) {
        for notification in self.session.take_notifications() {
            self.put_report(|out| reply::notification(out, &notification));
        }
    }

    pub(super) async fn ready(&mut self) -> Result<(), Stop> {
        self.put_notices();
        self.session.rest();
        self.put_notifications();
        let changes = self.session.take_parameter_changes();
        let status = self.session.transaction_status();
        self.put_report(|out| {
            changes
                .iter()
                .for_each(|(name, value)| reply::parameter_status(out, name, value));
            reply::ready_for_query(out, status);
        });
        if self.repetition.wants_answer(self.socket.sent())
            && let (Some(messages), Some(answered)) = (self.socket.unsent(), self.session.take_answered())
        {
            self.repetition.remember(answered, messages);
        }
        self.wait_for_client().await
    }

    /// Sends what there is to hear; then it is the client's turn.
    async fn wait_for_client(&mut self) -> Result<(), Stop> {
        self.idle = true;
        self.interrupt.end();
        flush(&mut self.socket, &self.interrupt).await
    }

    /// Waits for the client, for the server's end, and for the end of its patience, and meanwhile passes on
    /// what other sessions say.
    async fn next_frame(&mut self) -> Result<Frame, Stop> {
        // The rest of a pipeline is mostly here already.
        if !self.idle
            && let Some(frame) = self.socket.waiting_frame(self.message_limit)?
        {
            return Ok(frame);
        }
        let bell = self.session.notification_bell();
        let idle_limit = self.session.idle_limit();
        let expired = async {
            match idle_limit {
                Some((limit, error)) => {
                    tokio::time::sleep(limit).await;
                    error
                }
                None => std::future::pending().await,
            }
        };
        tokio::pin!(expired);
        loop {
            let token = self.interrupt.token();
            let rung = async {
                match &bell {
                    Some(bell) => bell.notified().await,
                    None => std::future::pending().await,
                }
            };
            let next = async {
                match self.idle {
                    true => {
                        let (socket, limit) = (&mut self.socket, self.message_limit);
                        self.expectation.next_frame(socket, limit, self.doorstep.as_ref()).await
                    }
                    false => self.socket.frame(self.message_limit).await,
                }
            };
            tokio::select! {
                biased;
                // First, so that a cancel request stops the message of the pipeline that is already here.
                frame = placement::leaving_to_wait(next) => return frame.map_err(Stop::from),
                () = token.cancelled() => match self.interrupt.reason() {
                    // There is nothing to stop while the client is to speak.
                    Some(reason) if !reason.ends_connection() => drop(self.interrupt.begin()),
                    reason => return Err(reason.unwrap_or(InterruptReason::Termination).into()),
                },
                () = self.closing.cancelled(), if self.idle => return Err(InterruptReason::Shutdown.into()),
                () = rung, if self.idle => {
                    self.put_notifications();
                    flush(&mut self.socket, &self.interrupt).await?;
                }
                error = &mut expired => return Err(Stop::Fatal(error)),
            }
        }
    }

    /// The next frame while a statement waits for the client's data.
    pub(super) async fn next_copy_frame(&mut self) -> Result<Frame, Stop> {
        let token = self.interrupt.token();
        tokio::select! {
            biased;
            () = token.cancelled() => {
                Err(self.interrupt.reason().unwrap_or(InterruptReason::UserRequest).into())
            }
            frame = placement::leaving_to_wait(self.socket.frame(self.message_limit)) => frame.map_err(Stop::from),
        }
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Stop {
        match error {
            ReadError::Gone => Stop::Gone,
            ReadError::Malformed(malformed) => Stop::Fatal(malformed.into()),
        }
    }
}
