//! Values that the appenders of one process share.

/// Defines a function that returns the one value of its type in this process, which in a test build
/// may be a virtual one.
macro_rules! shared_in_process {
    ($(#[$doc:meta])* fn $name:ident() -> $type:ty { $new:expr }) => {
        $(#[$doc])*
        #[cfg(not(all(test, unix)))]
        #[inline]
        fn $name() -> &'static $type {
            static SHARED: $type = $new;
            &SHARED
        }

        $(#[$doc])*
        #[cfg(all(test, unix))]
        fn $name() -> std::sync::Arc<$type> {
            static REAL: std::sync::OnceLock<std::sync::Arc<$type>> = std::sync::OnceLock::new();
            crate::sys::of_process(&REAL, || $new)
        }
    };
}

pub(super) use shared_in_process;
