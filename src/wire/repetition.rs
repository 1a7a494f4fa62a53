//! The last thing that a client asked, and what it heard: a client that asks the same again at once hears the same messages,
//! if its session says that the answer is still that one. Neither are the messages read then nor those of the answer
//! written, which costs a short statement more than all else. One question alone is remembered, so nothing can have happened
//! in the session between it and the next.

use bytes::Bytes;

use crate::wire::message::Frame;

/// A longer question is not remembered.
const LONGEST_QUESTION: usize = 4 * 1024;
/// Nor is a longer answer.
const LONGEST_ANSWER: usize = 16 * 1024;

/// `A` is what the session knows an answer by.
#[derive(Debug)]
pub(super) struct Repetition<A> {
    /// All bytes of the last question; none if it is of no kind that is remembered.
    question: Vec<u8>,
    /// It was asked twice at least.
    asked_again: bool,
    pub answer: Option<Answer<A>>,
    /// How many bytes had been sent when the question came.
    sent_before: u64,
}

#[derive(Debug)]
pub(super) struct Answer<A> {
    pub known_by: A,
    /// Whole messages, the last of which is ReadyForQuery.
    pub messages: Bytes,
}

impl<A> Repetition<A> {
    pub fn new() -> Repetition<A> {
        Repetition {
            question: vec![],
            asked_again: false,
            answer: None,
            sent_before: 0,
        }
    }

    /// A client that was waited for has sent `first`, and with it `rest`. What it heard the last time stays the answer if it
    /// asks the same.
    pub fn ask(&mut self, first: &Frame, rest: &[u8], sent_before: u64) {
        self.sent_before = sent_before;
        let length = first.body.len() + 5;
        let known = self.question.split_at_checked(length);
        self.asked_again = known.is_some_and(|(known_first, known_rest)| {
            known_first[0] == first.tag && known_first[5..] == first.body[..] && known_rest == rest
        });
        if self.asked_again {
            return;
        }
        self.answer = None;
        self.question.clear();
        if length + rest.len() <= LONGEST_QUESTION && is_one_statement(first.tag, rest) {
            self.question.push(first.tag);
            self.question
                .extend_from_slice(&(first.body.len() as u32 + 4).to_be_bytes());
            self.question.extend_from_slice(&first.body);
            self.question.extend_from_slice(rest);
        }
    }

    /// Whether the messages are to be remembered that leave now as the answer.
    pub fn wants_answer(&self, sent: u64) -> bool {
        self.asked_again && self.answer.is_none() && self.sent_before == sent
    }

    /// The answer, if it is rows alone and nothing else that the session had to tell.
    pub fn remember(&mut self, known_by: A, messages: &[u8]) {
        if messages.len() <= LONGEST_ANSWER && is_rows_alone(messages) {
            self.answer = Some(Answer {
                known_by,
                messages: Bytes::copy_from_slice(messages),
            });
        }
    }
}

/// Whether messages are a simple query, or a statement's Parse if it is not prepared, Bind, Describe, Execute and Sync.
fn is_one_statement(first: u8, rest: &[u8]) -> bool {
    let mut tags = tags(rest).peekable();
    match first {
        b'Q' => return rest.is_empty(),
        b'P' if tags.next() == Some(b'B') => {}
        b'B' => {}
        _ => return false,
    }
    tags.next_if_eq(&b'D');
    tags.eq(*b"ES")
}

fn is_rows_alone(messages: &[u8]) -> bool {
    let tags = tags(messages).skip_while(|tag| matches!(tag, b'1' | b'2' | b'T' | b'D'));
    tags.eq(*b"CZ")
}

/// The tags of whole messages; 0 stands for what is none.
fn tags(mut messages: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let tag = *messages.first()?;
        let length = messages
            .get(1..5)
            .and_then(|length| length.try_into().ok())
            .map(u32::from_be_bytes);
        let after = length
            .filter(|length| *length >= 4)
            .and_then(|length| messages.get(1 + length as usize..));
        messages = after.unwrap_or_default();
        Some(if after.is_some() { tag } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32 + 4).to_be_bytes();
        [&[tag], &length[..], body].concat()
    }

    fn frame(tag: u8, body: &'static [u8]) -> Frame {
        Frame {
            tag,
            body: Bytes::from_static(body),
        }
    }

    fn rest(tags: &[u8]) -> Vec<u8> {
        tags.iter().flat_map(|tag| message(*tag, b"")).collect()
    }

    #[test]
    fn only_one_statement_is_a_question() {
        assert!(is_one_statement(b'Q', b""));
        assert!(is_one_statement(b'B', &rest(b"ES")));
        assert!(is_one_statement(b'B', &rest(b"DES")));
        for other in [&b"E"[..], b"S", b"EES", b"ESS", b"DDES", b"CES", b"EH", b"ESB", b""] {
            assert!(!is_one_statement(b'B', &rest(other)), "{other:?}");
        }
        assert!(!is_one_statement(b'Q', &rest(b"Q")));
        assert!(is_one_statement(b'P', &rest(b"BDES")));
        assert!(!is_one_statement(b'P', &rest(b"DES")));
        assert!(!is_one_statement(b'P', &rest(b"PBES")));
        assert!(!is_one_statement(b'S', b""));
        let torn = rest(b"ES");
        (0..torn.len()).for_each(|length| assert!(!is_one_statement(b'B', &torn[..length])));
    }

    #[test]
    fn an_answer_has_rows_alone() {
        assert!(is_rows_alone(&rest(b"2TDDCZ")));
        assert!(is_rows_alone(&rest(b"TCZ")));
        assert!(is_rows_alone(&rest(b"12TDCZ")));
        for other in [
            &b"2TDsZ"[..],
            b"2NTDCZ",
            b"2TDCZA",
            b"2TDCZZ",
            b"2EZ",
            b"2TDCCZ",
            b"Z",
            b"TDC",
            b"SZ",
            b"",
        ] {
            assert!(!is_rows_alone(&rest(other)), "{other:?}");
        }
    }

    #[test]
    fn a_question_between_makes_the_answer_forgotten() {
        let mut repetition = Repetition::new();
        let rows = rest(b"TDCZ");
        repetition.ask(&frame(b'Q', b"a\0"), b"", 0);
        assert!(!repetition.wants_answer(0));
        repetition.ask(&frame(b'Q', b"a\0"), b"", 5);
        // Something was sent before the end.
        assert!(!repetition.wants_answer(6));
        assert!(repetition.wants_answer(5));
        repetition.remember("a", &rows);
        assert!(!repetition.wants_answer(5));
        repetition.ask(&frame(b'Q', b"a\0"), b"", 9);
        assert_eq!(repetition.answer.as_ref().map(|answer| answer.known_by), Some("a"));
        for (first, rest) in [
            (frame(b'Q', b"b\0"), vec![]),
            (frame(b'Q', b"a\0"), rest(b"S")),
            (frame(b'P', b"a\0"), vec![]),
            (frame(b'Q', b"a\0"), rest(b"Q")),
        ] {
            repetition.ask(&first, &rest, 9);
            assert!(repetition.answer.is_none());
            repetition.ask(&frame(b'Q', b"a\0"), b"", 9);
            assert!(!repetition.wants_answer(9), "asked once since");
            repetition.ask(&frame(b'Q', b"a\0"), b"", 9);
            repetition.remember("a", &rows);
        }
        repetition.ask(&frame(b'B', b"\0"), &self::rest(b"ES"), 9);
        repetition.ask(&frame(b'B', b"\0"), &self::rest(b"ES"), 9);
        repetition.remember("b", &self::rest(b"2NDCZ"));
        assert!(repetition.answer.is_none(), "a notice is told once");
    }
}
