//! Where the reading of a log has ended, to be kept until it goes on.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use crate::sys::{is_kept_identity, Identity};

/// The first line of a cursor as text; the number changes with the form of the others.
const FIRST_LINE: &str = "fallback-log cursor 1";

/// The bytes at the start of a file, and before a position, by which the file is known again.
const CHECKED: u64 = 4 * 1024;

/// The maximum number of positions that are kept of files that are not found again.
const KEPT: usize = 100;

/// Where the reading of a log has ended: made by [`Follow::cursor`](crate::Follow::cursor), and used
/// by [`Follow::resume`](crate::Follow::resume), in another process as well.
///
/// As text ([`Display`](fmt::Display), [`FromStr`]) it is some lines, which are not for people. The
/// error of `FromStr` is [`InvalidData`](ErrorKind::InvalidData).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    log: String,
    positions: Vec<Position>,
    /// The archives that have been read to their ends, without `.gz`.
    archives: HashSet<String>,
}

/// How far a file has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) identity: Identity,
    pub(crate) offset: u64,
    /// Of the bytes at its start and before the offset. Another file may get the same identity, and
    /// this one another when it is compressed.
    content: Content,
}

/// Hashes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Content {
    head: u64,
    tail: u64,
}

impl Cursor {
    pub(crate) fn new(log: &Path) -> Self {
        Cursor {
            log: name(log),
            positions: Vec::new(),
            archives: HashSet::new(),
        }
    }

    /// Returns true if it is one of the log at that path, by its name.
    pub(crate) fn is_of(&self, log: &Path) -> bool {
        self.log == name(log)
    }

    /// Keeps the positions in files that have not been found again: they may be missing for a moment.
    pub(crate) fn keep(&mut self, other: &Cursor) {
        let surplus = other.positions.len().saturating_sub(KEPT);
        self.positions
            .extend_from_slice(&other.positions[surplus..]);
    }

    /// Adds a file that has been read up to `offset`. One that is shorter now is left out.
    pub(crate) fn add(&mut self, file: &File, identity: Identity, offset: u64) -> io::Result<()> {
        if offset == 0 {
            return Ok(());
        }
        match content(file, offset) {
            Ok(content) => self.positions.push(Position {
                identity,
                offset,
                content,
            }),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Adds an archive that has been read to its end, by its path without `.gz`.
    pub(crate) fn add_archive(&mut self, plain: &Path) {
        self.archives.insert(name(plain));
    }

    pub(crate) fn has_archive(&self, plain: &Path) -> bool {
        self.archives.contains(&name(plain))
    }

    /// Takes the position in a file that is not compressed; `None` if it has not been read, or other
    /// bytes were in it then.
    pub(crate) fn take(&mut self, file: &File, identity: Identity) -> io::Result<Option<u64>> {
        // An older one of the same identity may be kept, of a file that is gone or was cut off.
        let mut found: Option<usize> = None;
        for (at, position) in self.positions.iter().enumerate() {
            let is_further =
                found.is_none_or(|found| self.positions[found].offset < position.offset);
            if !is_kept_identity(identity, position.identity) || !is_further {
                continue;
            }
            match content(file, position.offset) {
                Ok(content) if content == position.content => found = Some(at),
                Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error),
                _ => {}
            }
        }
        Ok(found.map(|at| self.positions.swap_remove(at).offset))
    }

    /// Takes the position in a compressed file, and the bytes before it. Only positions are compared
    /// that no file has which is not compressed.
    pub(crate) fn take_compressed(
        &mut self,
        mut file: impl Read,
    ) -> io::Result<Option<(u64, Vec<u8>)>> {
        if self.positions.is_empty() {
            return Ok(None);
        }
        self.positions.sort_by_key(|position| position.offset);
        let mut read = 0;
        let mut head = Vec::new();
        (&mut file).take(CHECKED).read_to_end(&mut head)?;
        let mut tail = head.clone();
        let mut found = None;
        read += head.len() as u64;
        for (at, position) in self.positions.iter().enumerate() {
            let known = &head[..head.len().min(position.offset.min(CHECKED) as usize)];
            if hash(known) != position.content.head {
                continue;
            }
            if position.offset > read {
                // Only the bytes that are compared are kept.
                let far = (position.offset - read).saturating_sub(CHECKED);
                if far > 0 {
                    tail.clear();
                    read += io::copy(&mut (&mut file).take(far), &mut io::sink())?;
                }
                let near = position.offset.saturating_sub(read);
                read += (&mut file).take(near).read_to_end(&mut tail)? as u64;
                let surplus = tail.len().saturating_sub(CHECKED as usize);
                tail.drain(..surplus);
            }
            if position.offset > read {
                break;
            }
            let behind = (read - position.offset) as usize;
            let Some(end) = tail.len().checked_sub(behind) else {
                continue;
            };
            let length = position.offset.min(CHECKED) as usize;
            let Some(start) = end.checked_sub(length) else {
                continue;
            };
            if hash(&tail[start..end]) == position.content.tail {
                found = Some((at, tail[start..end].to_vec()));
            }
        }
        Ok(found.map(|(at, before)| (self.positions.swap_remove(at).offset, before)))
    }
}

fn content(mut file: &File, offset: u64) -> io::Result<Content> {
    let mut bytes = vec![0; offset.min(CHECKED) as usize];
    let mut hash_at = |from: u64| {
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut bytes)?;
        Ok::<_, io::Error>(hash(&bytes))
    };
    Ok(Content {
        head: hash_at(0)?,
        tail: hash_at(offset - offset.min(CHECKED))?,
    })
}

/// FNV-1a, which is the same in each version of the crate.
fn hash(bytes: &[u8]) -> u64 {
    const START: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
    bytes.iter().fold(START, mix)
}

/// The name of a file on a line.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.replace(char::is_control, "\u{fffd}")
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}\nlog {}", self.log)?;
        for position in &self.positions {
            let (device, file, made) = position.identity;
            write!(f, "file {device} {file} ")?;
            match made.map(|made| made.duration_since(UNIX_EPOCH).unwrap_or_default()) {
                Some(made) => write!(f, "{}.{:09}", made.as_secs(), made.subsec_nanos())?,
                None => write!(f, "-")?,
            }
            let Content { head, tail } = position.content;
            writeln!(f, " {} {head:016x} {tail:016x}", position.offset)?;
        }
        let mut archives: Vec<_> = self.archives.iter().collect();
        archives.sort_unstable();
        for archive in archives {
            writeln!(f, "archive {archive}")?;
        }
        // A text without this line is incomplete.
        writeln!(f, "end")
    }
}

impl FromStr for Cursor {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        let invalid = || io::Error::new(ErrorKind::InvalidData, "not a cursor of fallback-log");
        let body = text.strip_suffix("\nend\n").ok_or_else(invalid)?;
        let mut lines = body.lines();
        if lines.next() != Some(FIRST_LINE) {
            return Err(invalid());
        }
        let log = lines.next().and_then(|line| line.strip_prefix("log "));
        let mut cursor = Cursor {
            log: log.ok_or_else(invalid)?.to_owned(),
            positions: Vec::new(),
            archives: HashSet::new(),
        };
        for line in lines {
            match line.split_once(' ') {
                Some(("archive", name)) => drop(cursor.archives.insert(name.to_owned())),
                Some(("file", position)) => {
                    cursor.positions.push(parse(position).ok_or_else(invalid)?);
                }
                _ => return Err(invalid()),
            }
        }
        Ok(cursor)
    }
}

fn parse(text: &str) -> Option<Position> {
    let fields: Vec<&str> = text.split(' ').collect();
    let [device, file, made, offset, head, tail] = fields[..] else {
        return None;
    };
    let made = match made {
        "-" => None,
        made => {
            let (seconds, nanos) = made.split_once('.')?;
            let since = Duration::from_secs(seconds.parse().ok()?)
                .checked_add(Duration::from_nanos(nanos.parse().ok()?))?;
            Some(UNIX_EPOCH.checked_add(since)?)
        }
    };
    let hash = |text: &str| u64::from_str_radix(text, 16).ok();
    Some(Position {
        identity: (device.parse().ok()?, file.parse().ok()?, made),
        offset: offset.parse().ok().filter(|offset| *offset > 0)?,
        content: Content {
            head: hash(head)?,
            tail: hash(tail)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::SystemTime;

    use super::*;

    fn identity(number: u64) -> Identity {
        let made: SystemTime = UNIX_EPOCH + Duration::from_nanos(1_795_420_501_000_000_007);
        (1, number, (number % 2 == 0).then_some(made))
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn a_cursor_is_the_same_as_text() {
        let mut cursor = Cursor::new(Path::new("logs/app\n.log"));
        cursor.add(&file(b"abc"), identity(1), 3).unwrap();
        cursor.add(&file(&[7; 10_000]), identity(2), 9_000).unwrap();
        cursor.add(&file(b"abc"), identity(3), 0).unwrap();
        cursor.add(&file(b"abc"), identity(4), 9).unwrap();
        cursor.add_archive(Path::new("logs/a b.2026-11-23T07-55-01Z.log"));
        let text = cursor.to_string();
        assert_eq!(text.lines().count(), 6, "{text}");
        assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
        for end in 0..text.len() {
            if text.is_char_boundary(end) {
                let error = text[..end].parse::<Cursor>().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidData, "{end}");
            }
        }
        for (part, wrong) in [
            ("file 1", "file x"),
            ("\nend", "\nmore 1\nend"),
            ("r 1", "r 2"),
        ] {
            assert!(text.replacen(part, wrong, 1).parse::<Cursor>().is_err());
        }
    }

    #[test]
    fn a_file_is_known_after_its_device_has_got_another_number() {
        let bytes = b"2026-11-23T07:55:01Z INFO one\n";
        for n in [1, 2] {
            let (device, number, created) = identity(n);
            let mut cursor = Cursor::new(Path::new("app.log"));
            cursor.add(&file(bytes), identity(n), 9).unwrap();
            let found = cursor.take(&file(bytes), (device + 1, number, created));
            // Without a time of creation the file numbers of two devices can be the same.
            assert_eq!(found.unwrap(), created.map(|_| 9));
        }
    }

    #[test]
    fn a_file_is_known_by_its_content() {
        for offset in [1, 100, 4_095, 4_096, 4_097, 9_000, 20_000] {
            let bytes: Vec<u8> = (0..20_000_u32).map(|n| (n / 7 % 251) as u8).collect();
            let mut cursor = Cursor::new(Path::new("app.log"));
            for decoy in [50, 5_000, 19_000] {
                let other: Vec<u8> = bytes.iter().map(|byte| byte / 3).collect();
                cursor.add(&file(&other), identity(9), decoy).unwrap();
            }
            cursor.add(&file(&bytes), identity(1), offset).unwrap();
            let found = cursor.clone().take(&file(&bytes), identity(1)).unwrap();
            assert_eq!(found, Some(offset));
            assert_eq!(
                cursor.clone().take(&file(&bytes), identity(2)).unwrap(),
                None
            );
            let (found, before) = cursor.clone().take_compressed(&*bytes).unwrap().unwrap();
            assert_eq!(found, offset);
            let start = (offset - offset.min(CHECKED)) as usize;
            assert!(before == bytes[start..offset as usize]);
            for changed in [0, offset as usize - 1] {
                let mut other = bytes.clone();
                other[changed] ^= 1;
                assert_eq!(
                    cursor.clone().take(&file(&other), identity(1)).unwrap(),
                    None
                );
                assert_eq!(cursor.clone().take_compressed(&*other).unwrap(), None);
            }
            let short = &bytes[..offset as usize - 1];
            assert_eq!(
                cursor.clone().take(&file(short), identity(1)).unwrap(),
                None
            );
            assert_eq!(cursor.clone().take_compressed(short).unwrap(), None);
        }
    }
}
