//! Times as the RFCs and the usual time libraries write them.

use super::calendar::{civil, decimal};
use super::timestamp::{Timestamp, Zone};

/// The nanoseconds that digits behind a point are, and what follows these.
pub(crate) fn fraction(text: &[u8]) -> (u32, &[u8]) {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let kept = &text[..length.min(9)];
    let nanos = decimal(kept) * 10_i64.pow(9 - kept.len() as u32);
    (nanos as u32, &text[length..])
}

/// The time that `text` begins with, and what follows it: RFC 3339, and what chrono, `time` and jiff
/// make of it.
pub(crate) fn rfc_3339<'a>(text: &'a [u8], zone: &Zone) -> Option<(Timestamp, &'a [u8])> {
    const DATE: &[u8; 10] = b"0000-00-00";
    const TIME: &[u8; 8] = b"00:00:00";
    let fits = |text: &[u8], form: &[u8]| {
        text.len() >= form.len()
            && text.iter().zip(form).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                form => byte == form,
            })
    };
    let separator = *text.get(DATE.len())?;
    if !fits(text, DATE) || !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let clock = &text[DATE.len() + 1..];
    // `time` writes no zero before the hour, behind a space.
    let short = separator == b' ' && !fits(clock, TIME);
    let form = if short { &TIME[1..] } else { TIME };
    if !fits(clock, form) {
        return None;
    }
    let (year, month, day) = (
        decimal(&text[0..4]),
        decimal(&text[5..7]),
        decimal(&text[8..10]),
    );
    let (clock, mut rest) = clock.split_at(form.len());
    let colon = clock.len() - 6;
    let (hour, minute, second) = (
        decimal(&clock[..colon]),
        decimal(&clock[colon + 1..colon + 3]),
        decimal(&clock[colon + 4..]),
    );
    let mut nanos = 0;
    if let [b'.' | b',', after @ ..] = rest {
        if after.first().is_some_and(u8::is_ascii_digit) {
            (nanos, rest) = fraction(after);
        } else if rest[0] == b'.' {
            return None;
        }
    }
    let civil = civil(year, month, day, hour, minute, second)?;
    let offset = match utc_offset(rest)? {
        (Some(offset), after) => {
            rest = after;
            offset
        }
        (None, _) => zone.offset(civil),
    };
    if let [b'[', name @ ..] = rest {
        // jiff's name of the zone.
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"/_+-:".contains(byte);
        let length = name.iter().take_while(|byte| is_name(byte)).count();
        if length > 0 && name.get(length) == Some(&b']') {
            rest = &name[length + 1..];
        }
    }
    let seconds = civil - offset;
    Some((Timestamp::new(seconds, nanos), rest))
}

/// The offset from UTC that `text` begins with, and what follows it. `None` if it begins with half an
/// offset; without any there is no offset.
fn utc_offset(text: &[u8]) -> Option<(Option<i64>, &[u8])> {
    // Behind a space it is chrono's or `time`'s, and no RFC 3339.
    let (spaced, rest) = match text {
        [b' ', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let ends = |rest: &[u8]| !rest.first().is_some_and(u8::is_ascii_alphanumeric);
    match rest {
        [b'Z' | b'z', after @ ..] if !spaced && ends(after) => return Some((Some(0), after)),
        [b'U', b'T', b'C', after @ ..] | [b'G', b'M', b'T', after @ ..] if ends(after) => {
            return Some((Some(0), after));
        }
        _ => {}
    }
    let (sign, digits) = match rest {
        [sign @ (b'+' | b'-'), digits @ ..] => (*sign, digits),
        [b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z', ..] if !spaced => return None,
        _ => return Some((None, text)),
    };
    let number = |at: usize| {
        let digits = digits.get(at..at + 2)?;
        let all = digits.iter().all(u8::is_ascii_digit);
        all.then(|| decimal(digits))
    };
    let colon = |at: usize| digits.get(at) == Some(&b':');
    let parts = match (number(0), colon(2)) {
        (Some(hours), true) => number(3).map(|minutes| match number(6).filter(|_| colon(5)) {
            Some(seconds) => (hours, minutes, seconds, 8),
            None => (hours, minutes, 0, 5),
        }),
        (Some(hours), false) => number(2).map(|minutes| (hours, minutes, 0, 4)),
        (None, _) => None,
    };
    match parts {
        Some((hours, minutes, seconds, length))
            if hours <= 23 && minutes <= 59 && seconds <= 59 =>
        {
            let offset = hours * 3_600 + minutes * 60 + seconds;
            let offset = if sign == b'-' { -offset } else { offset };
            Some((Some(offset), &digits[length..]))
        }
        // Behind a space it may be the first word of the record.
        _ if spaced => Some((None, text)),
        _ => None,
    }
}

/// `Mon, 23 Nov 2026 07:55:01 +0000`
pub(crate) fn rfc_2822(text: &[u8]) -> Option<(Timestamp, &[u8])> {
    const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
    const MONTHS: [&[u8]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let (name, rest) = split(text, 3)?;
    let rest = rest.strip_prefix(b", ")?;
    let days = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !DAYS.contains(&name) || !(1..=2).contains(&days) {
        return None;
    }
    let day = decimal(&rest[..days]);
    let (month, rest) = split(rest[days..].strip_prefix(b" ")?, 3)?;
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let (clock, rest) = split(rest.strip_prefix(b" ")?, 13)?;
    let fits = clock
        .iter()
        .zip(b"0000 00:00:00")
        .all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            form => byte == form,
        });
    if !fits {
        return None;
    }
    let number = |from: usize, to: usize| decimal(&clock[from..to]);
    let civil = civil(
        number(0, 4),
        month,
        day,
        number(5, 7),
        number(8, 10),
        number(11, 13),
    )?;
    match utc_offset(rest)? {
        (Some(offset), rest) => {
            let seconds = civil - offset;
            Some((Timestamp::new(seconds, 0), rest))
        }
        (None, _) => None,
    }
}

fn split(text: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    (at <= text.len()).then(|| text.split_at(at))
}
