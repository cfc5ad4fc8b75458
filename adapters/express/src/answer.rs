//! Answers: what a call gives.
//!
//! Owns: the one number that a call returns to JavaScript, so that a write costs no object: its value when that is known, and
//! otherwise the ticket under which the mailbox will tell it, as a negative number.

use std::collections::HashMap;

/// What is known when a call returns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reply {
    /// All that there is to know: a count, or 1 and 0 for yes and no.
    Now(f64),
    /// The mailbox will tell.
    Later(u32),
}

impl From<Reply> for f64 {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Now(number) => number,
            Reply::Later(ticket) => -Self::from(ticket),
        }
    }
}

/// What the mailbox tells when all went well.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// That it is done.
    Nothing,
    /// A count, or 1 and 0 for yes and no.
    Number(f64),
    /// Numbers with their names.
    Report(HashMap<String, f64>),
}

/// Numbers with their names.
pub fn report<const N: usize>(numbers: [(&str, u64); N]) -> Answer {
    Answer::Report(numbers.into_iter().map(|(name, number)| (name.to_owned(), count(number))).collect())
}

pub fn yes_or_no(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

/// Exact up to 2^53, which no count here reaches.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub fn count(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_negative_and_a_value_is_not() {
        assert_eq!(f64::from(Reply::Later(7)), -7.0);
        assert_eq!(f64::from(Reply::Now(yes_or_no(true))), 1.0);
        assert_eq!(f64::from(Reply::Now(yes_or_no(false))), 0.0);
    }
}
