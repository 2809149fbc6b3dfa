//! Small disks, which fill up.

use std::process::Command;

use super::files::{scratch, Scratch};

/// A file system of its own in memory, unmounted when it goes.
pub struct SmallDisk(pub Scratch);

impl SmallDisk {
    /// Mounts one of `size` KiB; `None`, said, where that is not allowed.
    pub fn mount(test: &str, size: u32) -> Option<SmallDisk> {
        SmallDisk::mount_with(test, &format!("size={size}k"))
    }

    pub fn mount_with(test: &str, options: &str) -> Option<SmallDisk> {
        let scratch = scratch();
        let mounted = cfg!(target_os = "linux")
            && Command::new("mount")
                .args(["-t", "tmpfs", "-o", options, "tmpfs"])
                .arg(scratch.dir.path())
                .output()
                .is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("SKIPPED {test}: mounting a file system is not allowed here");
            return None;
        }
        Some(SmallDisk(scratch))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.0.dir.path())
            .status();
    }
}
