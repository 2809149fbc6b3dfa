//! The format of a queue file, except its lines. No function here uses the file system.
//!
//! Numbers are little-endian. What has to change at one instant is one byte: the state of a slot or
//! of a segment, the last byte of an entry.

use std::time::{Duration, SystemTime};

use super::lines::{check_lines, in_order, skip, Bytes, Cursor, Invalid, ENTRY, SEGMENT_HEADER};
use crate::sys::Identity;

pub(super) const MAGIC: [u8; 8] = *b"tffqueue";
pub(super) const VERSION: u64 = 1;

/// The length of the file's header; the two segments follow.
pub(super) const HEADER: usize = 4096;
const VERSION_AT: usize = 8;
const LENGTH_AT: usize = 16;
const SLOTS_AT: [usize; 2] = [64, 256];
pub(super) const SLOT: usize = 128;

const SEQUENCE_AT: usize = 8;

pub(super) const MIN_SEGMENT: usize = 4096;
/// An entry has 30 bits.
pub(super) const MAX_SEGMENT: usize = 1 << 30;

/// Writes the part of a header that does not change, except the magic.
pub(super) fn write_header(header: &mut [u8], segment: usize) {
    header[VERSION_AT..][..8].copy_from_slice(&VERSION.to_le_bytes());
    header[LENGTH_AT..][..8].copy_from_slice(&(segment as u64).to_le_bytes());
}

/// Makes the file a queue.
pub(super) fn write_magic(header: &mut [u8]) {
    in_order();
    header[..MAGIC.len()].copy_from_slice(&MAGIC);
}

/// Returns true if the file was not completed, so that the queue is empty. `header` may be shorter
/// than a header.
pub(super) fn is_unfinished(header: &[u8]) -> bool {
    let slots = header.get(SLOTS_AT[0]..).unwrap_or_default();
    let is_magic_s = |(byte, magic): (&u8, &u8)| *byte == 0 || byte == magic;
    !header.starts_with(&MAGIC)
        && header.iter().zip(&MAGIC).all(is_magic_s)
        && slots.iter().all(|byte| *byte == 0)
}

/// The length of the segments of a file of `length` bytes with this header.
pub(super) fn segment_length(header: &[u8], length: u64) -> Option<usize> {
    let segment = u64_at(header, LENGTH_AT)?;
    let is_valid = header.get(..MAGIC.len())? == MAGIC
        && u64_at(header, VERSION_AT)? == VERSION
        && (MIN_SEGMENT as u64..=MAX_SEGMENT as u64).contains(&segment)
        && segment % MIN_SEGMENT as u64 == 0
        && length == HEADER as u64 + 2 * segment;
    is_valid.then_some(segment as usize)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

/// A part of a segment: of the one with that sequence number, the bytes from `start` to `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) sequence: u64,
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Span {
    pub(super) fn between(sequence: u64, from: Cursor, to: Cursor) -> Self {
        Span {
            sequence,
            start: from.at as u64,
            end: to.at as u64,
        }
    }

    /// The empty span at `place`, up to which all lines are in the log.
    pub(super) fn up_to(sequence: u64, place: Cursor) -> Self {
        Span::between(sequence, place, place)
    }
}

/// Where a span is about to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    /// The number of the file in its family.
    pub(super) number: u16,
    pub(super) identity: Identity,
    pub(super) offset: u64,
    /// There is a newline before the span.
    pub(super) newline: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// The span may be in a log, wholly or in part.
    Noted(Span, Destination),
    /// All up to the end of the span is in a log.
    Done(Span),
}

/// The state of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotState {
    /// It is being written.
    Empty = 0,
    Noted = 1,
    Done = 2,
}

/// Where slot number `n` lies, in which its state is the first byte.
pub(super) fn slot_at(n: u64) -> usize {
    SLOTS_AT[(n % 2) as usize]
}

/// Encodes a slot, except its state.
pub(super) fn encode_slot(n: u64, span: Span, to: Option<Destination>) -> [u8; SLOT] {
    let (number, identity, offset, newline) = match to {
        Some(to) => (to.number, to.identity, to.offset, to.newline),
        None => (0, (0, 0, None), 0, false),
    };
    let created = identity
        .2
        .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    // A time must always be encoded in the same way, because it is compared.
    let created = created.map_or(0, |since| since.as_nanos() as u64);
    let fields = [
        n,
        span.sequence,
        span.start,
        span.end,
        number.into(),
        identity.0,
        identity.1,
        created,
        offset,
        newline.into(),
    ];
    let mut slot = [0; SLOT];
    for (place, field) in slot[8..].chunks_exact_mut(8).zip(fields) {
        place.copy_from_slice(&field.to_le_bytes());
    }
    slot
}

/// Returns the number and content of a slot; `None` if it is being written, an error if it is
/// invalid.
fn decode_slot(header: &[u8], at: usize) -> Result<Option<(u64, Slot)>, Invalid> {
    let state = *header.get(at).ok_or(Invalid)?;
    if state == SlotState::Empty as u8 {
        return Ok(None);
    }
    let mut fields = [0; 10];
    for (n, field) in fields.iter_mut().enumerate() {
        *field = u64_at(header, at + 8 + n * 8).ok_or(Invalid)?;
    }
    let [n, sequence, start, end, number, device, index, created, offset, newline] = fields;
    let span = Span {
        sequence,
        start,
        end,
    };
    if state == SlotState::Done as u8 {
        return Ok(Some((n, Slot::Done(span))));
    }
    let number = u16::try_from(number).map_err(|_| Invalid)?;
    if state != SlotState::Noted as u8 || number > crate::names::MAX_VARIANTS || newline > 1 {
        return Err(Invalid);
    }
    let created = match created {
        0 => None,
        nanos => SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(nanos)),
    };
    let to = Destination {
        number,
        identity: (device, index, created),
        offset,
        newline: newline == 1,
    };
    Ok(Some((n, Slot::Noted(span, to))))
}

/// Takes a segment without lines into use, with this sequence number.
pub(super) fn open_segment(segment: &mut [u8], sequence: u64) {
    segment[SEQUENCE_AT..][..8].copy_from_slice(&sequence.to_le_bytes());
    in_order();
    segment[0] = 1;
    in_order();
}

/// Takes a segment with `entries` lines, all of which are in a log, out of use.
pub(super) fn close_segment(segment: &mut [u8], entries: usize) {
    segment[0] = 0;
    in_order();
    let table = segment.len() - entries * ENTRY;
    segment[table..].fill(0);
    in_order();
}

/// The contents of a queue file: the lines that may not be in a log yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// The number of the last slot; 0 if there is none.
    pub(super) last: u64,
    /// The write that had been noted and not done.
    pub(super) noted: Option<(Span, Destination)>,
    /// In order.
    pub(super) pending: Vec<Pending>,
}

/// The lines of a segment that no log has, as far as the slots say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    /// Which segment of the file it is.
    pub(super) index: usize,
    pub(super) sequence: u64,
    pub(super) from: Cursor,
    pub(super) records: u64,
}

/// Reads a queue file, and checks each of its numbers.
pub(super) fn parse<S: Bytes>(header: &[u8], mut segments: [S; 2]) -> Result<Contents, S::Error> {
    let slots = [
        decode_slot(header, SLOTS_AT[0])?,
        decode_slot(header, SLOTS_AT[1])?,
    ];
    if matches!(slots, [Some((a, _)), Some((b, _))] if a.abs_diff(b) != 1) {
        return Err(Invalid.into());
    }
    let last = slots.into_iter().flatten().max_by_key(|(n, _)| *n);
    let (last, noted, done) = match last {
        None => (0, None, None),
        Some((n, Slot::Done(span))) => (n, None, Some((span.sequence, span.end))),
        Some((n, Slot::Noted(span, to))) => {
            (n, Some((span, to)), Some((span.sequence, span.start)))
        }
    };
    let mut pending = Vec::new();
    for (index, segment) in segments.iter_mut().enumerate() {
        match segment.byte(0)? {
            0 => continue,
            1 => {}
            _ => return Err(Invalid.into()),
        }
        let mut sequence = [0; 8];
        for (n, byte) in sequence.iter_mut().enumerate() {
            *byte = segment.byte(SEQUENCE_AT + n)?;
        }
        let sequence = u64::from_le_bytes(sequence);
        let from = match done {
            Some((done, _)) if sequence < done => continue,
            Some((done, end)) if sequence == done => usize::try_from(end).map_err(|_| Invalid)?,
            _ => SEGMENT_HEADER,
        };
        let from = check_lines(segment, from)?;
        let (_, records) = skip(segment, from, usize::MAX)?;
        pending.push(Pending {
            index,
            sequence,
            from,
            records,
        });
    }
    pending.sort_by_key(|pending| pending.sequence);
    if matches!(&*pending, [a, b] if a.sequence == b.sequence) {
        return Err(Invalid.into());
    }
    if let Some((span, _)) = noted {
        let of = pending
            .iter()
            .find(|pending| pending.sequence == span.sequence);
        let of = of.ok_or(Invalid)?;
        let end = usize::try_from(span.end).map_err(|_| Invalid)?;
        if end <= of.from.at || check_lines(&mut segments[of.index], end)?.at != end {
            return Err(Invalid.into());
        }
    }
    Ok(Contents {
        last,
        noted,
        pending,
    })
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
