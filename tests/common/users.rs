//! A user whom permissions stop.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::children::child_command;
use super::files::Scratch;

/// The command that runs a child as a user whom permissions stop: nobody if this is root, else
/// this user.
///
/// Everything in `scratch` goes to that user, and a copy of the binary where it can be reached:
/// the build directory may not be open to everybody.
pub fn as_nobody(name: &str, arguments: &[&str], scratch: &Scratch) -> Command {
    use std::os::unix::fs::{lchown as chown, PermissionsExt};
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65_534;
    let mut child = child_command(name, arguments);
    if !rustix::process::geteuid().is_root() {
        return child;
    }
    let binary = scratch.path("binary");
    if !binary.exists() {
        fs::copy(child.get_program(), &binary).unwrap();
    }
    fs::set_permissions(scratch.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&binary);
    command.args(child.get_args());
    for (key, value) in child.get_envs() {
        if let Some(value) = value {
            command.env(key, value);
        }
    }
    command.current_dir("/").uid(NOBODY).gid(NOBODY);
    child = command;
    child.stdin(Stdio::piped()).stdout(Stdio::piped());
    fn give(path: &Path) {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        if path.is_dir() && !path.is_symlink() {
            fs::read_dir(path)
                .unwrap()
                .for_each(|entry| give(&entry.unwrap().path()));
        }
    }
    give(scratch.dir.path());
    child
}
