//! Owners, permissions, links and a full disk.

use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};

use super::*;
use common::{as_nobody, SmallDisk};

#[test]
fn nobody_else_gets_to_read_it() {
    let scratch = scratch();
    let [archive, ..] = archives(&scratch);
    fs::set_permissions(&archive, fs::Permissions::from_mode(0o640)).unwrap();
    let owner = |file: &Path| {
        let found = file.metadata().unwrap();
        (found.mode() & 0o7777, found.uid(), found.gid())
    };
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&archive, Some(65_534), Some(65_534)).unwrap();
    }
    let before = owner(&archive);
    let _appender = compressing(&scratch.log);
    wait_until(|| !archive.exists());
    assert_eq!(owner(&compressed(&archive)), before);
}

/// What the mode calls the group's is the most that anybody on the list gets.
#[cfg(target_os = "linux")]
#[test]
fn an_archive_with_an_access_control_list_stays() {
    use rustix::fs::{setxattr, XattrFlags};

    let scratch = scratch();
    let [listed, free, _] = archives(&scratch);
    let any = u32::MAX;
    // The owner, user 1, the group, the mask, others.
    let entries = [
        (1_u16, 6_u16, any),
        (2, 4, 1),
        (4, 0, any),
        (0x10, 4, any),
        (0x20, 0, any),
    ];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    let name = "system.posix_acl_access";
    if setxattr(&listed, name, &list, XattrFlags::empty()).is_err() {
        eprintln!("SKIPPED an_archive_with_an_access_control_list_stays: no such lists here");
        return;
    }
    let _appender = compressing(&scratch.log);
    wait_until(|| !free.exists());
    assert_eq!(lines(&listed), ["old"]);
    assert!(!compressed(&listed).exists() && !unfinished(&listed).exists());
}

#[test]
fn the_file_that_a_link_leads_to_stays_whatever_its_name() {
    let scratch = scratch();
    let [written_to, archive, _] = archives(&scratch);
    symlink(&written_to, &scratch.log).unwrap();
    let _appender = compressing(&scratch.log);
    wait_until(|| !archive.exists());
    assert_eq!(lines(&written_to), ["old"]);
}

#[test]
fn a_link_and_another_user_s_archive_stay() {
    let scratch = scratch();
    let [link, theirs, ours] = ARCHIVES.map(|name| scratch.path(name));
    let newest = scratch.path("app.2020-01-04T00-00-00Z.log");
    for file in [&theirs, &ours, &newest, &scratch.path("elsewhere.log")] {
        left(file, HOUR);
    }
    symlink(scratch.path("elsewhere.log"), &link).unwrap();
    let mut command = as_nobody(
        "gzip::compresses",
        &[scratch.log.to_str().unwrap()],
        &scratch,
    );
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        std::os::unix::fs::chown(&theirs, Some(0), Some(0)).unwrap();
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o666)).unwrap();
    }
    let mut child = Child::from_command(&mut command);
    child.expect("started");
    wait_until(|| !ours.exists());
    child.end();
    assert!(link.is_symlink());
    assert_eq!(lines(&link), ["old"]);
    assert_eq!(theirs.exists(), is_root);
    assert!(!unfinished(&theirs).exists());
}

#[test]
fn on_a_full_disk_the_archive_stays_whole() {
    let test = "on_a_full_disk_the_archive_stays_whole";
    let Some(disk) = SmallDisk::mount(test, 4 << 10) else {
        return;
    };
    let [large, small, _] = archives(&disk.0);
    let expected = &many_lines()[..3 << 20];
    fs::write(&large, expected).unwrap();
    let _appender = compressing(&disk.0.log);
    wait_until(|| !small.exists());
    assert!(contents(&large) == expected);
    assert!(!unfinished(&large).exists() && !compressed(&large).exists());
}

/// SIGXFSZ would end it.
#[test]
fn an_archive_that_is_larger_compressed_than_a_file_may_be_stays_and_ends_no_process() {
    let scratch = scratch();
    let [first, second, newest] = archives(&scratch);
    let mut state = 1u64;
    let random: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
    .take(100_000)
    .collect();
    fs::write(&first, &random).unwrap();
    set_modified(&first, SystemTime::now() - HOUR);
    let name = "gzip::unix::compresses_under_a_limit";
    let compressed = compressed(&second);
    let arguments = [&scratch.log, &compressed].map(|path| path.to_str().unwrap());
    Child::start(name, &arguments).end();
    assert_eq!(fs::read(&first).unwrap(), random);
    assert_eq!(lines(&compressed), ["old"]);
    assert!(newest.exists() && !unfinished(&first).exists());
}

#[test]
#[ignore = "a child of another one"]
fn compresses_under_a_limit() {
    use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
    let Some(arguments) = arguments() else { return };
    let limit = Rlimit {
        current: Some(10_000),
        ..getrlimit(Resource::Fsize)
    };
    setrlimit(Resource::Fsize, limit).unwrap();
    let _appender = compressing(Path::new(&arguments[0]));
    // It comes after the one that is too large.
    wait_until(|| Path::new(&arguments[1]).exists());
}
