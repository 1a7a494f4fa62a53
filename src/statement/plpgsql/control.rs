//! IF, CASE, the loops, EXIT and CONTINUE, RETURN.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::parser::Parser;
use super::tree::{Action, DeclaredType, Dynamic, Returns, Rows, Sql, Step, Target};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

impl Parser<'_> {
    pub(super) fn if_statement(&mut self) -> Result<Action> {
        let mut branches = vec![];
        let mut otherwise = vec![];
        self.reader.expect(&["if"])?;
        loop {
            let condition = self.expression_until(&["then"])?;
            self.reader.expect(&["then"])?;
            branches.push((condition, self.steps(&["elsif", "elseif", "else", "end"])?));
            if self.reader.accept_any(&["elsif", "elseif"]).is_none() {
                break;
            }
        }
        if self.reader.accept(&["else"]) {
            otherwise = self.steps(&["end"])?;
        }
        self.reader.expect(&["end", "if"])?;
        Ok(Action::If { branches, otherwise })
    }

    pub(super) fn case_statement(&mut self) -> Result<Action> {
        self.reader.expect(&["case"])?;
        let outer = self.place;
        let subject = match self.reader.peek_words(&["when"]) {
            true => None,
            false => {
                let value = self.expression_until(&["when"])?;
                let name = format!("__case_variable_{}__", value.number);
                Some((self.declare(&name, DeclaredType::OfValue), name, value))
            }
        };
        let mut branches = vec![];
        while self.reader.accept(&["when"]) {
            let start = self.reader.position();
            let end = self.skip_until(&["then"])?;
            let condition = match &subject {
                None => self.expression_between(start, end)?,
                Some((_, name, _)) => {
                    let shown = self.slice(start, end);
                    let prefix = format!("SELECT \"{name}\" IN (");
                    let text = format!("{prefix}{shown})");
                    self.sql(text, shown, |position| {
                        (position + start).saturating_sub(prefix.len() + 1)
                    })?
                }
            };
            self.reader.expect(&["then"])?;
            branches.push((condition, self.steps(&["when", "else", "end"])?));
        }
        if branches.is_empty() {
            return Err(self.reader.error_here());
        }
        let otherwise = match self.reader.accept(&["else"]) {
            true => Some(self.steps(&["end"])?),
            false => None,
        };
        self.reader.expect(&["end", "case"])?;
        self.place = outer;
        Ok(Action::Case {
            subject: subject.map(|(variable, _, value)| (variable, value)),
            branches,
            otherwise,
        })
    }

    pub(super) fn endless_loop(&mut self, label: Option<String>) -> Result<Action> {
        let steps = self.loop_body(&label)?;
        Ok(Action::Loop {
            label,
            condition: None,
            steps,
        })
    }

    pub(super) fn while_loop(&mut self, label: Option<String>) -> Result<Action> {
        self.reader.expect(&["while"])?;
        let condition = Some(self.expression_until(&["loop"])?);
        let steps = self.loop_body(&label)?;
        Ok(Action::Loop {
            label,
            condition,
            steps,
        })
    }

    /// LOOP … END LOOP [label].
    fn loop_body(&mut self, label: &Option<String>) -> Result<Vec<Step>> {
        self.reader.expect(&["loop"])?;
        self.labels.push((label.clone(), true));
        let steps = self.steps(&["end"])?;
        self.labels.pop();
        self.reader.expect(&["end", "loop"])?;
        self.end_label(label.as_deref())?;
        Ok(steps)
    }

    pub(super) fn for_loop(&mut self, label: Option<String>) -> Result<Action> {
        self.reader.expect(&["for"])?;
        let target_position = self.reader.position();
        if let Some(range) = self.range() {
            return self.number_loop(label, range);
        }
        let outer = self.begin_scope(label.as_deref());
        let names_nothing = match self.reader.peek() {
            Token::Word(word) => {
                self.known(&word.value).is_none() && matches!(self.reader.peek_nth(1), Token::Word(_) | Token::Comma)
            }
            _ => false,
        };
        let refused = || {
            let message = "loop variable of loop over rows must be a record variable or list of scalar variables";
            Error::syntax(message).at(target_position)
        };
        if names_nothing {
            return Err(refused());
        }
        let targets = self.targets()?;
        self.reader.expect(&["in"])?;
        let rows = self.rows(&["loop"])?;
        let steps = self.loop_body(&label)?;
        self.place = outer;
        Ok(Action::ForRows {
            label,
            targets,
            rows,
            steps,
        })
    }

    /// EXECUTE text [USING …], or a query.
    pub(super) fn rows(&mut self, ends: &[&str]) -> Result<Rows> {
        if self.reader.accept(&["execute"]) {
            let ends: Vec<&str> = ends.iter().copied().chain(["using"]).collect();
            let text = self.expression_until(&ends)?;
            let using = self.using(&ends)?;
            return Ok(Rows::Execute(Dynamic { text, using }));
        }
        let start = self.reader.position();
        let end = self.skip_until(ends)?;
        let shown = self.slice(start, end);
        if shown.is_empty() {
            return Err(self.reader.error_here());
        }
        let sql = self.sql(shown.to_string(), shown, |position| position + start - 1)?;
        Ok(Rows::Query(sql))
    }

    /// USING value, ….
    pub(super) fn using(&mut self, ends: &[&str]) -> Result<Vec<Sql>> {
        let mut using = vec![];
        if self.reader.accept(&["using"]) {
            let ends: Vec<&str> = ends.iter().copied().chain([",", "into"]).collect();
            using.push(self.expression_until(&ends)?);
            while self.reader.accept_token(&Token::Comma) {
                using.push(self.expression_until(&ends)?);
            }
        }
        Ok(using)
    }

    /// Where the two periods are of `FOR variable IN from .. to`, if they are.
    fn range(&self) -> Option<usize> {
        let mut depth = 0_usize;
        let mut before = 0;
        for token in self.reader.rest() {
            let position = token.span.start.column as usize;
            match &token.token {
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
                Token::SemiColon => return None,
                Token::Word(word) if depth == 0 && word.value == "loop" && word.quote_style.is_none() => return None,
                Token::Period if depth == 0 && before + 1 == position => return Some(before),
                Token::Number(digits, _) if depth == 0 && before + 1 == position && digits.starts_with('.') => {
                    return Some(before);
                }
                Token::Period => {
                    before = position;
                    continue;
                }
                _ => {}
            }
            before = usize::MAX - 1;
        }
        None
    }

    fn number_loop(&mut self, label: Option<String>, range: usize) -> Result<Action> {
        let name = self.reader.label()?;
        self.reader.expect(&["in"])?;
        let reverse = self.reader.accept(&["reverse"]);
        let start = self.reader.position();
        let from = self.expression_between(start, range)?;
        while self.reader.position() < range + 2 && !self.reader.at_end() {
            self.reader.advance();
        }
        let end = self.skip_until(&["loop", "by"])?;
        let to = self.expression_between(range + 2, end)?;
        let by = match self.reader.accept(&["by"]) {
            true => Some(self.expression_until(&["loop"])?),
            false => None,
        };
        let outer = self.begin_scope(label.as_deref());
        let variable = self.declare(&name, DeclaredType::Type(SqlType::Int4));
        let steps = self.loop_body(&label)?;
        self.place = outer;
        Ok(Action::ForNumbers {
            label,
            variable,
            reverse,
            from,
            to,
            by,
            steps,
        })
    }

    pub(super) fn foreach_loop(&mut self, label: Option<String>) -> Result<Action> {
        self.reader.expect(&["foreach"])?;
        let target = self.target()?;
        if self.reader.peek_words(&["slice"]) {
            return Err(Error::unsupported("FOREACH … SLICE").at(self.reader.position()));
        }
        self.reader.expect(&["in", "array"])?;
        let array = self.expression_until(&["loop"])?;
        let steps = self.loop_body(&label)?;
        Ok(Action::ForElements {
            label,
            target,
            array,
            steps,
        })
    }

    pub(super) fn leave(&mut self) -> Result<Action> {
        let start = self.reader.position();
        let continues = self.reader.accept_any(&["exit", "continue"]) == Some("continue");
        let mut label = None;
        let position = self.reader.position();
        if !self.reader.peek_words(&["when"]) && matches!(self.reader.peek(), Token::Word(_)) {
            label = Some(self.reader.label()?);
        }
        let condition = match self.reader.accept(&["when"]) {
            true => Some(self.expression_until(&[])?),
            false => None,
        };
        match &label {
            None if !self.labels.iter().any(|(_, is_loop)| *is_loop) => {
                let message = match continues {
                    true => "CONTINUE cannot be used outside a loop",
                    false => "EXIT cannot be used outside a loop, unless it has a label",
                };
                return Err(Error::syntax(message).at(start));
            }
            Some(label) => {
                let found = self
                    .labels
                    .iter()
                    .rev()
                    .find(|(found, _)| found.as_ref() == Some(label));
                let message = match found {
                    None => {
                        format!("there is no label \"{label}\" attached to any block or loop enclosing this statement")
                    }
                    Some((_, false)) if continues => format!("block label \"{label}\" cannot be used in CONTINUE"),
                    Some(_) => String::new(),
                };
                if !message.is_empty() {
                    return Err(Error::syntax(message).at(position));
                }
            }
            None => {}
        }
        Ok(Action::Leave {
            continues,
            label,
            condition,
        })
    }

    /// RETURN, RETURN NEXT and RETURN QUERY, as far as the routine's declaration lets them.
    pub(super) fn return_statement(&mut self) -> Result<Action> {
        let start = self.reader.position();
        self.reader.expect(&["return"])?;
        let position = self.reader.position();
        let refused = |message: &str| Error::new(SqlState::DatatypeMismatch, message).at(position);
        let is_set = matches!(self.returns, Returns::Set { .. });
        if self.reader.peek_words(&["next"]) {
            if !is_set {
                return Err(refused("cannot use RETURN NEXT in a non-SETOF function").at(start));
            }
            self.reader.advance();
            let is_bare = *self.reader.peek() == Token::SemiColon;
            return match (self.returns, is_bare) {
                (Returns::Set { has_outputs: true }, true) => Ok(Action::ReturnNext(None)),
                (Returns::Set { has_outputs: true }, false) => Err(refused(
                    "RETURN NEXT cannot have a parameter in function with OUT parameters",
                )),
                _ => Ok(Action::ReturnNext(Some(self.expression_until(&[])?))),
            };
        }
        if self.reader.peek_words(&["query"]) {
            if !is_set {
                return Err(refused("cannot use RETURN QUERY in a non-SETOF function").at(start));
            }
            self.reader.advance();
            return Ok(Action::ReturnQuery(self.rows(&[])?));
        }
        let is_bare = *self.reader.peek() == Token::SemiColon;
        match self.returns {
            Returns::Value => Ok(Action::Return(Some(self.expression_until(&[])?))),
            _ if is_bare => Ok(Action::Return(None)),
            Returns::Set { .. } => {
                let error = refused("RETURN cannot have a parameter in function returning set");
                Err(error.with_hint("Use RETURN NEXT or RETURN QUERY."))
            }
            Returns::Outputs => Err(refused(
                "RETURN cannot have a parameter in function with OUT parameters",
            )),
            Returns::Procedure => Err(Error::syntax("RETURN cannot have a parameter in a procedure").at(position)),
            Returns::Void => Err(refused("RETURN cannot have a parameter in function returning void")),
        }
    }

    /// Targets with commas between.
    pub(super) fn targets(&mut self) -> Result<Vec<Target>> {
        let mut targets = vec![self.target()?];
        while self.reader.accept_token(&Token::Comma) {
            targets.push(self.target()?);
        }
        Ok(targets)
    }
}
