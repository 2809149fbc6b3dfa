//! System calls that fail, or do less than they are asked for.

use std::path::Path;
use std::process::Command;

use super::{row, run_under};
use crate::common::scratch;
use crate::writer::{Plan, PLAN};

/// Runs three writers, each with some of its system calls on log files failing as `inject` says.
fn injected(what: &str, inject: &[&str], sees: &str) {
    let plan = Plan {
        records: 600,
        largest: 2_000,
        ..PLAN
    };
    injected_into(&plan, what, inject, sees);
}

fn injected_into(plan: &Plan, what: &str, inject: &[&str], sees: &str) {
    let scratch = scratch();
    let log = scratch.log.to_str().unwrap().to_owned();
    let variants: Vec<String> = (1..=3)
        .map(|n| scratch.variant(n).to_str().unwrap().to_owned())
        .collect();
    let mut strace = vec!["strace", "-f", "-qq", "-o", "/dev/null", "-P", &log];
    variants
        .iter()
        .for_each(|variant| strace.extend(["-P", variant]));
    let calls = "trace=openat,flock,write,close,statx,rename,fdatasync";
    strace.extend(["-e", calls]);
    inject
        .iter()
        .for_each(|inject| strace.extend(["-e", inject]));
    let outcomes = run_under(&strace, &scratch, plan);
    let mut row = row(what, &scratch, &outcomes);
    row.sees = [row.sees.as_str(), sees]
        .join("; ")
        .trim_end_matches("; ")
        .to_owned();
    row.prove();
}

#[test]
#[ignore = "a storm"]
fn system_calls_that_fail() {
    if !Command::new("strace")
        .arg("-V")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        eprintln!("SKIPPED system calls that fail: there is no strace here");
        return;
    }
    injected(
        "file system without locks (`flock`: ENOLCK)",
        &["inject=flock:error=ENOLCK"],
        "one warning each",
    );
    injected(
        "lock refused by a security module (`flock`: EACCES)",
        &["inject=flock:error=EACCES"],
        "one warning each",
    );
    injected(
        "`EINTR` from open, lock, write and close",
        &["inject=openat,flock,write,close:error=EINTR:when=2+3"],
        "",
    );
    injected(
        "`EIO` from open, lock, write and close",
        &["inject=openat,flock,write,close:error=EIO:when=3+7"],
        "",
    );
    let plan = Plan {
        records: 600,
        largest: 2_000,
        max_size: 20_000,
        sync: true,
        ..PLAN
    };
    injected_into(
        &plan,
        "`EIO` from rename and sync, rotation at 20 kB, `SyncPolicy::EveryCommit`",
        &["inject=rename,fdatasync:error=EIO:when=3+7"],
        "",
    );
    injected(
        "`ENOLCK` now and then",
        &["inject=flock:error=ENOLCK:when=2+3"],
        "one warning each",
    );
}

/// Runs three writers with a library loaded before the system's.
fn interposed(what: &str, variable: &str) {
    let scratch = scratch();
    let library = scratch.path("not-a-log");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storm/interpose.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED {what}: there is no C compiler here");
        return;
    }
    let preload = format!("LD_PRELOAD={}", library.display());
    let wrapper = ["env", &preload, &format!("{variable}=1")];
    let plan = Plan {
        records: 2_000,
        largest: 2_000,
        ..PLAN
    };
    let outcomes = run_under(&wrapper, &scratch, &plan);
    row(what, &scratch, &outcomes).prove();
}

#[test]
#[ignore = "a storm"]
fn short_writes_and_a_clock_set_back() {
    interposed("every write takes half of what it is given", "SHORT_WRITES");
    interposed(
        "the clock jumps back an hour at every look (only time stamps look)",
        "CLOCK_BACK",
    );
}
