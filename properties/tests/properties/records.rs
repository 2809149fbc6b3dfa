//! What holds for any name, any bytes, any way of cutting them up.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;

use proptest::prelude::*;
use tracing_fallback_file::FileAppender;
use tracing_subscriber::fmt::MakeWriter;

use crate::common::files::{family, family_lines, scratch};
use crate::common::locks::hold;
use crate::common::records::write;

/// Names that a file can have, strange ones among them.
fn name() -> impl Strategy<Value = String> {
    "[a-z0-9. äß$~-]{1,12}".prop_filter("no file name", |name| {
        // Windows cuts dots and spaces off the end.
        let cut = cfg!(windows) && name.ends_with(['.', ' ']);
        name != "." && name != ".." && !cut
    })
}

/// Bytes of a record, its newline not among them.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("a newline", |byte| *byte != b'\n');
    prop::collection::vec(byte, 1..300)
}

/// Writes the bytes in pieces that end at these places.
fn write_in_pieces(writer: &mut impl Write, bytes: &[u8], cuts: &[prop::sample::Index]) {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut start = 0;
    for end in ends {
        assert_eq!(writer.write(&bytes[start..end]).unwrap(), end - start);
        start = end;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    /// Whatever the name: the variant is in the family, and the family is the two.
    #[test]
    fn any_name_has_its_variants(name in name(), strangers in prop::collection::vec(name(), 0..4)) {
        let scratch = scratch();
        let log = scratch.path(&name);
        let appender = FileAppender::new(&log).unwrap();
        write(&appender, "one");
        let held = hold(&log);
        write(&appender, "two");
        drop(held);
        let variant = appender.current_path();
        for stranger in strangers {
            let path = scratch.path(&stranger);
            if !path.exists() {
                // Windows has no such file for some of the names.
                let _ = fs::write(path, "");
            }
        }
        let found = family(&log).unwrap();
        prop_assert_eq!(&found[..2], [log.clone(), variant]);
        // A stranger may happen to have the name of a variant.
        prop_assert!(found.iter().all(|path| path.file_name().unwrap().len() >= name.len()));
    }

    /// However a record is cut into `write` calls, it is one record.
    #[test]
    fn any_pieces_are_one_record(
        records in prop::collection::vec((payload(), prop::collection::vec(any::<prop::sample::Index>(), 0..5), any::<bool>()), 1..12),
    ) {
        let scratch = scratch();
        let appender = FileAppender::new(&scratch.log).unwrap();
        let mut batch = appender.batch_writer();
        let mut expected = Vec::new();
        for (payload, cuts, newline) in &records {
            let mut bytes = payload.clone();
            if *newline {
                bytes.push(b'\n');
            }
            write_in_pieces(&mut appender.make_writer(), &bytes, cuts);
            expected.extend_from_slice(payload);
            expected.push(b'\n');
        }
        prop_assert_eq!(appender.stats().commits, records.len() as u64);
        prop_assert_eq!(&fs::read(&scratch.log).unwrap(), &expected);

        // Through a batch, the same again, in one commit.
        for (payload, cuts, _) in &records {
            let mut bytes = payload.clone();
            bytes.push(b'\n');
            write_in_pieces(&mut batch, &bytes, cuts);
        }
        batch.flush().unwrap();
        prop_assert_eq!(appender.stats().commits, records.len() as u64 + 1);
        prop_assert_eq!(appender.stats().written, 2 * records.len() as u64);
        prop_assert_eq!(fs::read(&scratch.log).unwrap(), [expected.clone(), expected].concat());
    }

    /// Whatever threads share it, with whatever in the way: every record once, each thread's in
    /// order.
    #[test]
    fn any_threads_and_any_lock_in_the_way_give_the_same_records(
        threads in prop::collection::vec(prop::collection::vec("[a-z]{1,40}", 1..20), 1..5),
        locked in any::<[bool; 3]>(),
        limit in prop::sample::select(vec![0u16, 1, 2]),
    ) {
        let scratch = scratch();
        let appender = FileAppender::builder()
            .lock_wait(std::time::Duration::ZERO)
            .max_variants(limit)
            .build(&scratch.log)
            .unwrap();
        let files = [scratch.log.clone(), scratch.variant(1), scratch.variant(2)];
        let held: Vec<_> =
            files.iter().zip(locked).filter(|(_, locked)| *locked).map(|(file, _)| hold(file)).collect();
        std::thread::scope(|scope| {
            for (thread, records) in threads.iter().enumerate() {
                let appender = &appender;
                scope.spawn(move || {
                    for (n, record) in records.iter().enumerate() {
                        write(appender, &format!("{thread} {n} {record}"));
                    }
                });
            }
        });
        drop(held);
        appender.flush(std::time::Duration::from_secs(10)).unwrap();
        let mut found: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for line in family_lines(&scratch.log) {
            let mut parts = line.splitn(3, ' ');
            let thread = parts.next().unwrap().parse().unwrap();
            let records = found.entry(thread).or_default();
            prop_assert_eq!(parts.next().unwrap(), records.len().to_string());
            records.push(parts.next().unwrap().to_owned());
        }
        prop_assert_eq!(found.into_values().collect::<Vec<_>>(), threads);
    }
}
