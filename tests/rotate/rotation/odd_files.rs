//! Files and disks that are not as usual: no name, no room, a link, a rename that replaces.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;

use super::*;
use common::SmallDisk;

/// As of a redirection whose file somebody has removed.
#[test]
fn a_file_without_a_name_is_written_all_the_same() {
    let scratch = scratch();
    let file = File::create(scratch.path("gone")).unwrap();
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let appender = rotating(1_000).build(&path).unwrap();
    fs::remove_file(scratch.path("gone")).unwrap();
    for n in 0..3 {
        write(&appender, &format!("record {n}"));
    }
    let stats = appender.stats();
    assert_eq!((stats.written, stats.pending, stats.switches), (3, 0, 0));
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
}

/// As `/dev/stdout` is where it is redirected to a file.
#[test]
fn a_name_that_follows_its_file_is_not_rotated() {
    let scratch = scratch();
    let file = File::create(scratch.path("out.log")).unwrap();
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let appender = rotating(10).build(&path).unwrap();
    for n in 0..10 {
        write(&appender, &format!("record {n}"));
    }
    assert_eq!(appender.stats().rotations, 0);
    assert_eq!(lines(&scratch.path("out.log")).len(), 10);
    assert_eq!(fs::read_dir(scratch.dir.path()).unwrap().count(), 1);
}

#[test]
fn where_no_new_file_can_be_made_the_old_one_is_written_on() {
    let test = "where_no_new_file_can_be_made_the_old_one_is_written_on";
    let Some(disk) = SmallDisk::mount_with(test, "size=1m,nr_inodes=20") else {
        return;
    };
    let appender = rotating(1_000).build(&disk.0.log).unwrap();
    write(&appender, "first");
    let mut fillers = 0;
    while File::create(disk.0.path(&format!("filler {fillers}"))).is_ok() {
        fillers += 1;
    }
    for n in 0..50 {
        write(&appender, &format!("{n:0>99}"));
    }
    let stats = appender.stats();
    assert_eq!((stats.written, stats.pending, stats.switches), (51, 0, 0));
    assert_eq!(lines(&disk.0.log).len(), 51, "in one file, under its name");
}

#[test]
fn room_is_needed_where_a_link_leads_to() {
    let test = "room_is_needed_where_a_link_leads_to";
    let Some(disk) = SmallDisk::mount(test, 64) else {
        return;
    };
    let scratch = scratch();
    let real = scratch.path("real.log");
    symlink(&real, &disk.0.log).unwrap();
    let appender = rotating(1_000).build(&disk.0.log).unwrap();
    let full = fs::write(disk.0.path("filler"), vec![0; 1 << 20]);
    assert!(full.is_err());
    for n in 0..30 {
        write(&appender, &format!("{n:0>99}"));
    }
    assert_eq!(appender.stats().pending, 0);
    assert_eq!(all_lines(&real).len(), 30);
    assert_eq!(Family::of(&real).unwrap().archives.len(), 2);
}

/// As NFS: a plain rename would replace a file of that name.
#[test]
fn where_a_rename_can_t_spare_a_file_of_that_name_a_link_does() {
    let scratch = scratch();
    let trace = scratch.path("trace");
    let calls = "trace=rename,renameat,renameat2,link,linkat";
    let options = ["-e", calls, "-e", "inject=renameat2:error=EINVAL"];
    let log = scratch.log.to_str().unwrap();
    let name = "rotation::odd_files::rotates_twice";
    let Some(child) = common::trace::start(name, &[log], &trace, &options) else {
        return;
    };
    child.end();
    assert_eq!(all_lines(&scratch.log), ["one", "two", "three"]);
    assert_eq!(Family::of(&scratch.log).unwrap().archives.len(), 2);
    let calls = fs::read_to_string(&trace).unwrap();
    let replacing = |call: &&str| call.contains(" rename(") || call.contains(" renameat(");
    assert_eq!(calls.lines().filter(replacing).count(), 0, "{calls}");
}

#[test]
#[ignore = "a child of another one"]
fn rotates_twice() {
    let Some(arguments) = arguments() else { return };
    let appender = rotating(5).build(&arguments[0]).unwrap();
    for record in ["one", "two", "three"] {
        write(&appender, record);
    }
    assert_eq!(appender.stats().rotations, 2);
}
/// The primary can't be rotated, as its link leads to a directory that takes no file.
#[test]
fn a_variant_rotates_although_the_primary_could_not() {
    use std::os::unix::fs::PermissionsExt;

    let scratch = scratch();
    fs::create_dir(scratch.path("closed")).unwrap();
    fs::write(scratch.path("closed/real.log"), "").unwrap();
    symlink("closed/real.log", &scratch.log).unwrap();
    let log = scratch.log.to_str().unwrap();
    let name = "rotation::odd_files::rotates_the_variant_only";
    let mut command = common::as_nobody(name, &[log], &scratch);
    let closed = |mode| {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(scratch.path("closed"), mode).unwrap();
    };
    closed(0o555);
    Child::from_command(&mut command).end();
    closed(0o755);
    assert_eq!(lines(&scratch.path("closed/real.log")).len(), 4);
    let family = Family::of(&scratch.log).unwrap();
    assert_eq!(family.archives.len(), 4);
    assert_eq!(lines(&scratch.variant(1)), ["4"]);
}

#[test]
#[ignore = "a child of another one"]
fn rotates_the_variant_only() {
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    let appender = rotating(3).build(log).unwrap();
    (0..4).for_each(|n| write(&appender, &n.to_string()));
    let _held = hold(log);
    (0..5).for_each(|n| write(&appender, &n.to_string()));
}
