//! RAISE and ASSERT.

use super::Interpreter;
use crate::error::{Error, Result, SqlState, Subject, states_of_condition};
use crate::execution::outcome::{Notice, NoticeSeverity};
use crate::statement::plpgsql::{Level, Raise, RaiseOption, Sql};

/// What the notices of one statement may take.
const MOST_RAISED_BYTES: usize = 64 << 20;
/// What one takes beside its message.
const MESSAGE_BYTES: usize = 256;

impl Interpreter<'_> {
    pub(super) async fn raise(&mut self, raise: &Raise) -> Result<()> {
        if raise.again {
            let Some(caught) = self.caught.last() else {
                return Err(Error::new(
                    SqlState::StackedDiagnosticsWithoutHandler,
                    "RAISE without parameters cannot be used outside an exception handler",
                ));
            };
            // It goes on from where it arose.
            self.place = caught.place;
            return Err(caught.error.clone());
        }
        let mut state = raise.condition.as_ref().map(|(_, state)| state.clone());
        let mut message = match &raise.format {
            Some(format) => Some(self.formatted(format, &raise.values).await?),
            None => None,
        };
        let (mut detail, mut hint) = (None, None);
        let mut subject = Subject::default();
        let mut name = raise.condition.as_ref().map(|(name, _)| name.clone());
        for (option, value) in &raise.options {
            let value = self.evaluate(value).await?;
            let settings = self.session.format_settings();
            let value = value
                .shown(&settings)?
                .ok_or_else(|| Error::new(SqlState::NullValueNotAllowed, "RAISE statement option cannot be null"))?;
            let mut data_type = None;
            let taken = match option {
                RaiseOption::State => {
                    if state.is_some() {
                        return Err(repeated(*option));
                    }
                    state = Some(state_named(&value)?);
                    name = Some(value);
                    continue;
                }
                RaiseOption::Message => &mut message,
                RaiseOption::Detail => &mut detail,
                RaiseOption::Hint => &mut hint,
                RaiseOption::Column => &mut subject.column,
                RaiseOption::Constraint => &mut subject.constraint,
                RaiseOption::Table => &mut subject.table,
                RaiseOption::Schema => &mut subject.schema,
                RaiseOption::DataType => &mut data_type,
            };
            if taken.replace(value).is_some() {
                return Err(repeated(*option));
            }
        }
        let code = state.clone().unwrap_or_else(|| match raise.level {
            Level::Exception => "P0001".to_string(),
            Level::Warning => "01000".to_string(),
            _ => "00000".to_string(),
        });
        let raised = SqlState::raised(&code)
            .ok_or_else(|| Error::new(SqlState::ProgramLimitExceeded, "too many different SQLSTATE codes"))?;
        let message = message.or(name).unwrap_or(code);
        if raise.level == Level::Exception {
            let mut error = Error::new(raised, message).with_subject(subject);
            if let Some(detail) = detail {
                error = error.with_detail(detail);
            }
            return Err(match hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            });
        }
        let severity = match raise.level {
            Level::Debug => NoticeSeverity::Debug,
            Level::Log => NoticeSeverity::Log,
            Level::Info => NoticeSeverity::Info,
            Level::Warning => NoticeSeverity::Warning,
            Level::Notice | Level::Exception => NoticeSeverity::Notice,
        };
        let least = self.session.settings.current().client_min_messages;
        if severity.level().is_none_or(|level| level >= least) {
            let context = Some(self.context());
            // A client that reads slowly lets them wait.
            self.session.raised_bytes += message.len() + MESSAGE_BYTES;
            if self.session.raised_bytes > MOST_RAISED_BYTES {
                let message = "the notices of one statement exceed 64 MB";
                return Err(Error::new(SqlState::ProgramLimitExceeded, message));
            }
            self.session.notices.push(Notice {
                severity,
                state: raised,
                message,
                detail,
                hint,
                context,
            });
            // Whoever called this one still has to say so in the notice's context.
            if self.is_outermost {
                self.session.tell().await;
            }
        }
        Ok(())
    }

    /// The format with values in the place of `%`.
    async fn formatted(&mut self, format: &str, values: &[Sql]) -> Result<String> {
        let mut text = String::new();
        let mut values = values.iter();
        let mut characters = format.chars().peekable();
        while let Some(character) = characters.next() {
            if character != '%' {
                text.push(character);
            } else if characters.next_if_eq(&'%').is_some() {
                text.push('%');
            } else if let Some(value) = values.next() {
                let value = self.evaluate(value).await?;
                let shown = value.shown(&self.session.format_settings())?;
                text.push_str(shown.as_deref().unwrap_or("<NULL>"));
            }
        }
        Ok(text)
    }

    pub(super) async fn assert(&mut self, condition: &Sql, message: Option<&Sql>) -> Result<()> {
        if self.is_true(condition).await? {
            return Ok(());
        }
        let mut text = None;
        if let Some(message) = message {
            let settings = self.session.format_settings();
            text = self.evaluate(message).await?.shown(&settings)?;
        }
        let message = text.unwrap_or_else(|| "assertion failed".to_string());
        Err(Error::new(SqlState::AssertFailure, message))
    }
}

/// The SQLSTATE that ERRCODE names.
fn state_named(name: &str) -> Result<String> {
    if SqlState::raised(name).is_some() {
        return Ok(name.to_string());
    }
    let states = states_of_condition(name);
    let state = states.first().ok_or_else(|| {
        let message = format!("unrecognized exception condition \"{name}\"");
        Error::new(SqlState::UndefinedObject, message)
    })?;
    Ok((*state).to_string())
}

fn repeated(option: RaiseOption) -> Error {
    Error::syntax(format!("RAISE option already specified: {}", option.name()))
}
