//! The symbolic link to the current file.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::rename::{exchange, rename_to_new};
use crate::sys::{self, symlink};

/// Points the symbolic link `link` at `file`, and replaces nothing but a symbolic link.
///
/// Linux and Apple systems exchange two names in one step, so there is a link at any time. Other
/// systems, and file systems that can't exchange names (NFS), move the old link away first: for a
/// moment there is none.
///
/// # Errors
///
/// `AlreadyExists` if there is something at `link` that is no symbolic link.
pub(crate) fn point_link(link: &Path, file: &Path) -> io::Result<()> {
    point_link_with(link, file, exchange)
}

fn point_link_with(
    link: &Path,
    file: &Path,
    exchange: fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    // Other processes may make and remove the link at the same time.
    const MAX_ATTEMPTS: u32 = 100;
    let directory = link.parent().unwrap_or(link);
    // A relative link stays right when the directory is renamed.
    let target = match file.file_name() {
        Some(name) if file.parent() == Some(directory) => Path::new(name),
        _ => file,
    };
    for _ in 0..MAX_ATTEMPTS {
        let done = match sys::read_link(link) {
            Ok(found) if found == target => return Ok(()),
            Ok(_) => replace_link(link, target, directory, exchange),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                sys::create_dir_all(directory)?;
                symlink(target, link)
            }
            Err(_) => return Err(io::Error::new(ErrorKind::AlreadyExists, "it is no link")),
        };
        match done.as_ref().map_err(io::Error::kind) {
            Err(ErrorKind::NotFound | ErrorKind::AlreadyExists) => {}
            _ => return done,
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// Replaces what is at `link` by a link to `target`, or puts it back if it is no symbolic link.
fn replace_link(
    link: &Path,
    target: &Path,
    directory: &Path,
    exchange: fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let aside = tempfile::Builder::new()
        .prefix(".latest")
        .make_in(directory, |path| symlink(target, path))?
        .into_temp_path();
    let exchanged = match exchange(&aside, link) {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            sys::rename(link, &aside)?;
            false
        }
        done => done.map(|()| true)?,
    };
    if sys::is_symlink(&aside) {
        return match exchanged {
            true => Ok(()),
            false => symlink(target, link),
        };
    }
    let put_back = match exchanged {
        true => exchange(&aside, link),
        false => Err(ErrorKind::Unsupported.into()),
    };
    let _ = put_back.or_else(|_| rename_to_new(&aside, link));
    if !sys::is_symlink(&aside) {
        // A second file has taken the link's place meanwhile. This one keeps the temporary name.
        let _ = aside.keep();
    }
    Err(ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    /// One thread moves the link all the time. Another one removes it and puts a file in its place,
    /// and finds that file there until it removes it itself.
    fn a_file_put_in_the_link_s_place_stays(point: fn(&Path, &Path) -> io::Result<()>) {
        const ROUNDS: u32 = 500;
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("latest");
        let files = ["app.log", "app.001.log"].map(|name| dir.path().join(name));
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for file in files.iter().cycle() {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let _ = point(&link, file);
                }
            });
            let mut found = Vec::new();
            for round in 0..ROUNDS {
                let text = round.to_string();
                while OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .open(&link)
                    .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))
                    .is_err()
                {
                    let _ = fs::remove_file(&link);
                }
                // It may be away for a moment, and keeps another name if a second file comes.
                found.push((0..1_000).any(|_| {
                    thread::yield_now();
                    fs::read_dir(dir.path()).unwrap().any(|entry| {
                        let path = entry.unwrap().path();
                        !path.is_symlink()
                            && fs::read_to_string(path).is_ok_and(|read| read == text)
                    })
                }));
                let _ = fs::remove_file(&link);
            }
            over.store(true, Ordering::Relaxed);
            let lost = found.iter().filter(|found| !**found).count();
            assert_eq!(lost, 0, "of {ROUNDS}");
        });
        let _ = fs::remove_file(&link);
        let links = fs::read_dir(dir.path()).unwrap();
        let links = links.filter(|entry| entry.as_ref().unwrap().path().is_symlink());
        assert_eq!(links.count(), 0, "left behind");
    }

    #[test]
    fn a_link_never_replaces_a_file() {
        a_file_put_in_the_link_s_place_stays(point_link);
    }

    #[test]
    fn nor_does_it_where_names_can_t_be_exchanged() {
        fn cannot(_: &Path, _: &Path) -> io::Result<()> {
            Err(ErrorKind::Unsupported.into())
        }
        a_file_put_in_the_link_s_place_stays(|link, file| point_link_with(link, file, cannot));
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("latest");
        for file in ["app.log", "app.001.log"].map(|name| dir.path().join(name)) {
            point_link_with(&link, &file, cannot).unwrap();
            assert_eq!(
                Some(link.read_link().unwrap().as_os_str()),
                file.file_name()
            );
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
