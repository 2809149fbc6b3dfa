//! What a process has one of, for all its tests.

use std::sync::OnceLock;

use tracing::Dispatch;

/// Keeps two subscribers alive in this process.
///
/// While tracing knows of one only, it asks the default subscriber of the current thread for its
/// interest in a callsite: another test's thread, which has none, would switch the callsite off.
pub fn keep_subscribers() {
    static KEPT: OnceLock<[Dispatch; 2]> = OnceLock::new();
    KEPT.get_or_init(|| [(); 2].map(|()| Dispatch::new(tracing_subscriber::registry())));
}

/// Makes room for a thousand open files, where the usual limit is 1,024 for the whole process.
pub fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{getrlimit, setrlimit, Resource};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit
            .maximum
            .map_or(Some(65_536), |maximum| Some(maximum.min(65_536)));
        setrlimit(Resource::Nofile, limit).unwrap();
    }
}

/// Takes from this process the right to start threads. A superuser keeps it.
#[cfg(unix)]
pub fn forbid_threads() {
    use rustix::process::{getrlimit, setrlimit, Resource};
    let mut limit = getrlimit(Resource::Nproc);
    limit.current = Some(0);
    setrlimit(Resource::Nproc, limit).unwrap();
    assert!(
        std::thread::Builder::new().spawn(|| ()).is_err(),
        "there are threads to be had"
    );
}
