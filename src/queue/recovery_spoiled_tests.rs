use super::*;

/// What is done to the file of a queue, so that it is not recovered.
type Spoil = fn(&Path);

#[test]
fn what_is_no_queue_stays_as_it_is() {
    fn change(path: &Path, at: u64, bytes: &[u8]) {
        let file = sys::open_owned(path).unwrap();
        sys::write_at(&file, bytes, at).unwrap();
    }
    fn set_length(path: &Path, length: u64) {
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(length).unwrap();
    }
    let spoilers: &[(&str, Spoil)] = &[
        ("cut short", |path| set_length(path, 8_000)),
        ("longer", |path| set_length(path, 100_000)),
        ("another version", |path| change(path, 8, &[2])),
        ("a line out of bounds", |path| change(path, 8_191, &[0xbf])),
        ("a slot out of bounds", |path| {
            change(path, 256, &[1, 0, 0, 0, 0, 0, 0, 0, 1])
        }),
        #[cfg(unix)]
        ("with holes", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, "").unwrap();
            let file = sys::open_owned(path).unwrap();
            file.set_len(bytes.len() as u64).unwrap();
            sys::write_at(&file, &bytes[..4096], 0).unwrap();
            sys::write_at(&file, &bytes[8_000..8_192], 8_000).unwrap();
        }),
        #[cfg(unix)]
        ("with two names", |path| {
            fs::hard_link(path, path.with_extension("other")).unwrap()
        }),
        #[cfg(unix)]
        ("a link", |path| {
            fs::rename(path, path.with_extension("other")).unwrap();
            std::os::unix::fs::symlink(path.with_extension("other"), path).unwrap();
        }),
        #[cfg(unix)]
        ("a FIFO", |path| {
            fs::remove_file(path).unwrap();
            let made = std::process::Command::new("mkfifo")
                .arg(path)
                .status()
                .unwrap();
            assert!(made.success());
        }),
        ("a directory", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        #[cfg(unix)]
        ("of another user", |path| {
            if rustix::process::geteuid().is_root() {
                std::os::unix::fs::chown(path, Some(65_534), None).unwrap();
            } else {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            }
        }),
    ];
    for (what, spoil) in spoilers {
        let scratch = scratch();
        fs::write(&scratch.log, "old\n").unwrap();
        let path = Owned::new(&scratch.log).kill();
        spoil(&path);
        // Another one is recovered all the same.
        Owned::new(&scratch.log).kill();
        FileAppender::new(&scratch.log).unwrap();
        assert_eq!(scratch.queues(), [path], "{what}");
        assert_eq!(
            fs::read_to_string(&scratch.log).unwrap(),
            format!("old\n{ALL}"),
            "{what}"
        );
    }
}

/// Killed while it made its queue, a process has queued nothing.
#[test]
fn a_queue_that_was_never_made_goes() {
    let scratch = scratch();
    fs::write(scratch.dir.path().join(".app.log.1-a.queue"), "").unwrap();
    fs::write(scratch.dir.path().join(".app.log.1-b.queue"), [0; 9_000]).unwrap();
    fs::write(scratch.dir.path().join(".app.log.1-c.queue"), "of somebody").unwrap();
    FileAppender::new(&scratch.log).unwrap();
    assert_eq!(
        scratch.queues(),
        [scratch.dir.path().join(".app.log.1-c.queue")]
    );
}
