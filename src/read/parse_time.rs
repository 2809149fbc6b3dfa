//! Parses the time that a record states.

use std::time::Duration;

use super::colours::colour_length;
use super::rfc_time::{fraction, rfc_2822, rfc_3339};
use super::timestamp::{Timestamp, Zone};

/// Parses the time at the start of a record's first line; returns what follows it as well.
pub(crate) fn at_start<'a>(line: &'a [u8], zone: &Zone) -> Option<(Timestamp, &'a [u8])> {
    let text = without_prefix(line);
    let (time, rest) = match text.first()? {
        b'0'..=b'9' => rfc_3339(text, zone).or_else(|| epoch(text))?,
        b'A'..=b'Z' => rfc_2822(text)?,
        _ => return None,
    };
    // The start of a longer word is not a time.
    let ends = !rest.first().is_some_and(u8::is_ascii_alphanumeric);
    ends.then_some((time, rest))
}

/// Parses a whole string as a time.
pub(crate) fn whole(text: &[u8], zone: &Zone) -> Option<Timestamp> {
    let found = rfc_3339(text, zone).or_else(|| rfc_2822(text));
    match found.or_else(|| epoch(text))? {
        (time, []) => Some(time),
        _ => None,
    }
}

/// The minute of the time that was read last, which most records share with the one before them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Minute {
    /// `2026-11-23T07:55:`; zeros before the first time.
    text: [u8; MINUTE],
    seconds: i64,
}

const MINUTE: usize = 17;

impl Default for Minute {
    fn default() -> Self {
        Minute {
            text: [0; MINUTE],
            seconds: 0,
        }
    }
}

impl Minute {
    /// The time that `text` begins with, in the form that tracing-subscriber writes, and what follows
    /// it. `None` if it has another form, or is the first of its minute.
    pub(crate) fn read<'a>(&self, text: &'a [u8]) -> Option<(Timestamp, &'a [u8])> {
        let (minute, rest) = text.split_first_chunk::<MINUTE>()?;
        let ([tens, units], rest) = rest.split_first_chunk::<2>()?;
        if *minute != self.text || !matches!((tens, units), (b'0'..=b'5', b'0'..=b'9')) {
            return None;
        }
        let second = i64::from(tens - b'0') * 10 + i64::from(units - b'0');
        let (nanos, rest) = match rest {
            [b'.', digits @ ..] => {
                let mut nanos = 0;
                let mut unit = 1_000_000_000;
                let mut rest = digits;
                while let [digit @ b'0'..=b'9', after @ ..] = rest {
                    if unit == 1 {
                        return None;
                    }
                    unit /= 10;
                    nanos += u32::from(digit - b'0') * unit;
                    rest = after;
                }
                if rest.len() == digits.len() {
                    return None;
                }
                (nanos, rest)
            }
            rest => (0, rest),
        };
        let rest = rest.strip_prefix(b"Z")?;
        // A name of a zone may follow, or the text may go on as a longer word.
        let ends = !rest
            .first()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'[');
        ends.then(|| (Timestamp::new(self.seconds + second, nanos), rest))
    }

    /// Remembers the minute of a time that `text` begins with, if that is in UTC.
    pub(crate) fn remember(&mut self, text: &[u8]) {
        let Some(minute) = text.first_chunk::<MINUTE>() else {
            return;
        };
        let mut first = [0; MINUTE + 3];
        first[..MINUTE].copy_from_slice(minute);
        first[MINUTE..].copy_from_slice(b"00Z");
        if let Some((time, [])) = rfc_3339(&first, &Zone::default()) {
            self.text = *minute;
            self.seconds = time.seconds();
        }
    }
}

/// Without the colours, the two spaces of tracing-subscriber's pretty format, or the bracket that
/// may stand before a time.
fn without_prefix(line: &[u8]) -> &[u8] {
    let mut rest = line;
    let mut spaces = 0;
    loop {
        rest = match rest {
            [b' ', after @ ..] if spaces < 2 => {
                spaces += 1;
                after
            }
            [0x1b, ..] => match colour_length(rest) {
                Some(length) => &rest[length..],
                None => return rest,
            },
            [b'[', after @ ..] => return after,
            _ => return rest,
        };
    }
}

/// A number of seconds, milliseconds, microseconds or nanoseconds since 1970, known by its length;
/// of seconds there may be a fraction.
fn epoch(text: &[u8]) -> Option<(Timestamp, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !matches!(length, 10 | 13 | 16 | 19) {
        return None;
    }
    let (digits, rest) = text.split_at(length);
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        number.checked_mul(10)?.checked_add((digit - b'0').into())
    })?;
    let time = Timestamp::of_integer(number)?;
    match (length, rest) {
        (10, [b'.', b'0'..=b'9', ..]) => {
            let (nanos, rest) = fraction(&rest[1..]);
            Some((time.plus(Duration::from_nanos(nanos.into())), rest))
        }
        _ => Some((time, rest)),
    }
}

#[cfg(test)]
#[path = "parse_time_tests.rs"]
mod tests;
