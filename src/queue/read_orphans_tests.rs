#![cfg(feature = "read")]

use super::super::super::orphans;
use super::*;

#[test]
fn a_record_is_read_in_the_queue_or_in_the_file_and_nothing_is_changed() {
    for (there, queued) in [
        ("", ALL),
        ("f", ALL),
        ("first\n", "second\nthird\n"),
        // The whole lines of a piece that a recovery cuts off are still there.
        ("first\nsec", "second\nthird\n"),
        ("first\nsecond\nthird", "third\n"),
        ("first\nsec\nother\n", "second\nthird\n"),
        ("other\n", ALL),
        (ALL, ""),
    ] {
        let (scratch, owned) = in_a_write("old\n", there);
        let opened = || orphans(&scratch.log, None).unwrap().next();
        assert!(opened().is_none(), "its owner has it");
        let path = owned.kill();
        let bytes = fs::read(&path).unwrap();
        for _ in 0..2 {
            let (found, queue) = opened().unwrap();
            let mut queue = queue.unwrap();
            let mut lines = Vec::new();
            queue.copy_lines(&mut lines).unwrap();
            assert_eq!(String::from_utf8(lines).unwrap(), queued, "{there:?}");
            #[cfg(feature = "cli")]
            assert_eq!(queue.records(), queued.lines().count() as u64);
            assert_eq!(found, path);
        }
        let found = fs::read_to_string(&scratch.log).unwrap();
        assert_eq!(found, format!("old\n{there}"));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}
