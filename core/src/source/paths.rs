//! Which files a job is to read: paths and patterns as the user gave them, looked up before anything starts.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::compression::Compression;
use super::{Split, SplitId};
use crate::error::{Error, Result};

/// The name that stands for the standard input.
pub(super) const STDIN: &str = "-";

/// What lies behind a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    /// Text.
    Plain,
    /// Text, compressed.
    Compressed(Compression),
    /// A named pipe or a device: what is read is gone.
    Pipe,
    /// The standard input.
    Stdin,
}

impl Medium {
    /// What lies behind `path`; by its name alone if there is nothing, which the opening of it will find out.
    pub fn of(path: &Path) -> Medium {
        if path == Path::new(STDIN) {
            Medium::Stdin
        } else if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
            Medium::Pipe
        } else if let Some(compression) = Compression::of(path) {
            Medium::Compressed(compression)
        } else {
            Medium::Plain
        }
    }
}

/// A split for every file that `paths` name: in the order given, those of a pattern sorted, no file twice.
pub(super) fn splits(paths: &[PathBuf]) -> Result<Vec<Split>> {
    if paths.is_empty() {
        return Err(
            Error::usage("there is no file to read").hint("name a file, or `-` for the standard input")
        );
    }
    let mut splits = Vec::new();
    let mut seen = HashSet::new();
    for path in paths {
        for file in expand(path)? {
            // One file by two names would be read twice. What can't be resolved will not open either, and say why.
            if seen.insert(fs::canonicalize(&file).unwrap_or_else(|_| file.clone())) {
                splits.push(split(&file)?);
            }
        }
    }
    Ok(splits)
}

/// The files that `path` stands for: itself, unless it is a pattern and no file is called that.
fn expand(path: &Path) -> Result<Vec<PathBuf>> {
    let pattern = match path.to_str() {
        Some(text) if text.contains(['*', '?', '[']) && !path.exists() => text,
        _ => return Ok(vec![path.to_path_buf()]),
    };
    // As in a shell, `*` leaves out what is hidden: unfinished parts of a sink, for one.
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let matches = glob::glob_with(pattern, options)
        .map_err(|error| Error::usage(format!("\"{pattern}\" is not a pattern")).caused_by(error))?;
    let mut files = Vec::new();
    for found in matches {
        let file = found.map_err(|error| {
            let folder = error.path().display();
            Error::failure(format!("can't look into \"{folder}\", for \"{pattern}\"")).caused_by(error)
        })?;
        if !file.is_dir() {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(Error::failure(format!("no file matches \"{pattern}\"")).hint(where_paths_begin(path)));
    }
    files.sort();
    Ok(files)
}

/// The split of `path`, which is tried: it must open.
fn split(path: &Path) -> Result<Split> {
    let Some(name) = path.to_str() else {
        return Err(Error::usage(format!("the name of \"{}\" is not UTF-8", path.display()))
            .hint("rename the file: snapshots record how far it has been read, by its name"));
    };
    let bytes = match Medium::of(path) {
        // To open a pipe and to close it again would break it.
        Medium::Stdin | Medium::Pipe => None,
        medium @ (Medium::Plain | Medium::Compressed(_)) => Some(probe(path, medium)?),
    };
    Ok(Split { id: SplitId(name.to_string()), bytes })
}

/// Opens a file to see whether it can be read, and says how long it is.
fn probe(path: &Path, medium: Medium) -> Result<u64> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| not_readable(path, error))?;
    let length = match file.metadata() {
        Ok(there) if there.is_dir() => {
            return Err(Error::failure(format!("can't read \"{shown}\": it is a directory"))
                .hint(format!("name the files in it: \"{}\"", path.join("*").display())));
        }
        Ok(there) => there.len(),
        Err(error) => return Err(not_readable(path, error)),
    };
    // Reading finds what opening does not, a broken disk or network.
    let mut head = Vec::new();
    file.take(4).read_to_end(&mut head).map_err(|error| not_readable(path, error))?;
    if let Medium::Compressed(compression) = medium
        && !compression.begins_with(&head)
    {
        let (tool, extension) = compression.names();
        return Err(Error::failure(format!("\"{shown}\" is not compressed by {tool}, as its name says"))
            .hint(format!("a plain text file must not be called {extension}")));
    }
    Ok(length)
}

/// What an open or a first read came to.
pub(super) fn not_readable(path: &Path, error: std::io::Error) -> Error {
    let shown = path.display();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            Error::failure(format!("can't read \"{shown}\": there is no such file"))
                .hint(where_paths_begin(path))
        }
        ErrorKind::PermissionDenied => Error::failure(format!("can't read \"{shown}\""))
            .caused_by(error)
            .hint("the user who runs the job must be allowed to read it and to enter its directory"),
        _ => Error::failure(format!("can't read \"{shown}\"")).caused_by(error),
    }
}

fn where_paths_begin(path: &Path) -> String {
    match std::env::current_dir() {
        Ok(here) if path.is_relative() => format!("check the path: it begins at {}", here.display()),
        _ => "check the path".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[PathBuf]) -> Vec<String> {
        splits(paths)
            .unwrap()
            .into_iter()
            .map(|split| split.id.0.rsplit('/').next().unwrap().to_string())
            .collect()
    }

    #[test]
    fn a_pattern_stands_for_its_files_sorted_and_no_file_is_read_twice() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.log", "a.log", "c.txt", ".hidden.log"] {
            fs::write(dir.path().join(name), "x\n").unwrap();
        }
        fs::create_dir(dir.path().join("old.log")).unwrap();
        let pattern = dir.path().join("*.log");
        assert_eq!(names(std::slice::from_ref(&pattern)), ["a.log", "b.log"]);
        let again = dir.path().join("./b.log");
        assert_eq!(names(&[again, dir.path().join("c.txt"), pattern]), ["b.log", "c.txt", "a.log"]);
    }

    #[test]
    fn a_file_may_be_called_what_looks_like_a_pattern() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("[1].log"), "x\n").unwrap();
        fs::write(dir.path().join("1.log"), "x\n").unwrap();
        assert_eq!(names(&[dir.path().join("[1].log")]), ["[1].log"]);
        assert_eq!(names(&[dir.path().join("[0-9].log")]), ["1.log"]);
    }

    #[test]
    fn what_can_not_be_read_is_named_before_anything_starts() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("plain.gz"), "plain text").unwrap();
        fs::write(dir.path().join("gzip.zst"), [0x1f, 0x8b, 8, 0]).unwrap();
        for (name, complaint, exit_code) in [
            ("missing.log", "there is no such file", 1),
            ("plain.gz/a.log", "there is no such file", 1),
            ("*.csv", "no file matches", 1),
            ("[.csv", "is not a pattern", 2),
            ("", "it is a directory", 1),
            ("plain.gz", "is not compressed by gzip", 1),
            ("gzip.zst", "is not compressed by zstd", 1),
        ] {
            let path = dir.path().join(name);
            let error = splits(&[path]).unwrap_err();
            assert!(error.to_string().contains(complaint), "{name}: {error}");
            assert!(error.to_string().contains(name), "{name}: {error}");
            assert_eq!(error.exit_code(), exit_code, "{name}: {error}");
        }
        assert_eq!(splits(&[]).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn a_split_knows_how_long_its_file_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        fs::write(&path, "12345").unwrap();
        assert_eq!(splits(&[path]).unwrap()[0].bytes, Some(5));
        assert_eq!(
            splits(&[STDIN.into(), STDIN.into()]).unwrap(),
            [Split { id: SplitId("-".to_string()), bytes: None }]
        );
    }

    #[test]
    fn what_is_neither_a_file_nor_a_directory_is_a_pipe() {
        assert_eq!(Medium::of(Path::new("/dev/null")), Medium::Pipe);
        assert_eq!(Medium::of(Path::new("a.log.gz")), Medium::Compressed(Compression::Gzip));
        assert_eq!(Medium::of(Path::new("./-")), Medium::Plain);
    }
}
