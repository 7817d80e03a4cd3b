//! doorctl as people run it: the real program, real files, real models on real photographs.
//!
//! Models and photographs lie beside the checkout; tests that need them say so and are skipped where they are absent.
#![expect(clippy::unwrap_used, reason = "a test says what it expects by panicking")]

mod authority;
mod brokers;
mod cameras;
mod centre;
mod credentials;
mod enrolment;
mod evaluation;
mod fetching;
mod fleets;
mod help;
mod installing;
mod joining;
mod looking;
mod nobody;
mod packs;
mod rotating;
mod sealed;
mod serving;
mod tools;
mod trail;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The checkout: doorctl finds the committed manifest and the weights beside it from here.
fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the checkout").to_owned()
}

/// A photograph of the test set, or a whole folder of it.
fn media(name: &str) -> PathBuf {
    checkout().join("../shared/media").join(name)
}

fn photo(name: &str) -> String {
    media("photos").join(name).display().to_string()
}

/// Whether models and photographs are there; says so where they are not.
fn equipped(test: &str) -> bool {
    let there = checkout().join("../shared/models").is_dir() && media("photos").is_dir();
    if !there {
        eprintln!("skipped: {test} needs the model weights and photographs in ../shared");
    }
    there
}

/// What a run of doorctl said.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    #[track_caller]
    fn with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// The standard output, which must be one JSON value and nothing else.
    #[track_caller]
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out, self.err))
    }

    /// Refused, in words that hold all of these.
    #[track_caller]
    fn refused(self, words: &[&str]) {
        let said = self.with(2);
        for word in words {
            assert!(said.err.contains(word), "{word:?} is not in: {}", said.err);
        }
    }
}

fn doorctl(arguments: &[&str]) -> Said {
    doorctl_typing(arguments, "")
}

/// The same with lines on its standard input.
fn doorctl_typing(arguments: &[&str], lines: &str) -> Said {
    let mut run = Command::new(env!("CARGO_BIN_EXE_doorctl"))
        .args(arguments)
        .current_dir(checkout())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("doorctl starts");
    // A program that ends before it reads has closed its end.
    let _ = run.stdin.take().expect("it was piped").write_all(lines.as_bytes());
    let output = run.wait_with_output().expect("doorctl ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("doorctl says UTF-8");
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// The files of a terminal in a folder of their own.
struct Terminal {
    folder: TempDir,
}

impl Terminal {
    /// A terminal whose key and store were just made.
    fn new() -> Self {
        let terminal = Self { folder: tempfile::tempdir().expect("a folder for the test") };
        terminal.run(&["init", "--site", "hq", "--terminal", "lobby-1"]).with(0);
        terminal
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let (store, key) =
            (self.path("doord.db").display().to_string(), self.path("key").display().to_string());
        doorctl(&[arguments, &["--store", &store, "--key", &key]].concat())
    }

    /// Enrols from supervised photographs.
    fn enroll(&self, person: &str, photos: &[&str]) -> Said {
        let photos: Vec<String> = photos.iter().map(|name| photo(name)).collect();
        let photos: Vec<&str> = photos.iter().map(String::as_str).collect();
        let usual = ["enroll", "--person", person, "--name", "A Person", "--supervised", "--photo"];
        self.run(&[&usual[..], &photos].concat())
    }

    /// The ids of everybody enrolled.
    fn persons(&self) -> Vec<String> {
        let list = self.run(&["person", "list", "--json"]).with(0).json();
        let id = |person: &serde_json::Value| person["id"].as_str().expect("an id").to_owned();
        list.as_array().expect("a list").iter().map(id).collect()
    }
}
