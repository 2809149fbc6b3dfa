//! What holds for any input: names, bytes, times, ways of cutting them up.

mod merging;
mod records;
mod timestamps;

// These tests need a part of them, and none of it is an interface.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../tests/common"]
mod common {
    pub mod files;
    pub mod locks;
    pub mod records;
}
