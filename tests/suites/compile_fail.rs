//! Every mistake that the compiler must catch, with the words it must find: one mistake, one error.
//!
//! The words around ours are rustc's, and change with its version: other versions than [`RUSTC`] skip the test and say so.
//!
//! `TRYBUILD=overwrite cargo test -p tidegate-tests --test compile_fail` writes the messages anew; read them in the diff.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The compiler that the messages were written by.
const RUSTC: &str = "rustc 1.95.";

#[test]
fn every_mistake_is_told_in_one_error_that_teaches() {
    let rustc = Command::new("rustc").arg("--version").output().expect("whoever runs this has a rustc");
    let version = String::from_utf8_lossy(&rustc.stdout);
    if !version.starts_with(RUSTC) {
        println!("skipped: the messages are those of {RUSTC}x, and this is {version}");
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("compile_fail/*.rs");
    // It compiles the cases when it is dropped; what they print stands in the files from then on.
    drop(cases);

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compile_fail");
    let mut messages = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "stderr") {
            let text = fs::read_to_string(&path).unwrap();
            let errors = text.lines().filter(|line| line.starts_with("error")).count();
            assert_eq!(errors, 1, "one mistake gives one error in {}", path.display());
            messages += 1;
        }
    }
    assert!(messages >= 70, "the cases are where they were: {messages}");
}
