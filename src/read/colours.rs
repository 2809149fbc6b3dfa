//! Escape sequences that set colours.

use std::borrow::Cow;

use memchr::memchr;

/// Returns a text without the sequences that set colours.
pub(crate) fn without_colours(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(mut escape) = memchr(0x1b, text) else {
        return text.into();
    };
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        let (before, sequence) = rest.split_at(escape);
        plain.extend_from_slice(before);
        rest = match colour_length(sequence) {
            Some(length) => &sequence[length..],
            None => {
                plain.push(0x1b);
                &sequence[1..]
            }
        };
        match memchr(0x1b, rest) {
            Some(next) => escape = next,
            None => break,
        }
    }
    plain.extend_from_slice(rest);
    plain.into()
}

/// The length of the sequence that `text` begins with, if it sets a colour.
pub(crate) fn colour_length(text: &[u8]) -> Option<usize> {
    let parameters = text.strip_prefix(b"\x1b[")?;
    let is_parameter = |byte: &u8| byte.is_ascii_digit() || *byte == b';';
    let end = parameters.iter().position(|byte| !is_parameter(byte))?;
    (parameters[end] == b'm').then_some(end + 3)
}
