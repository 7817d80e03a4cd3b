//! What was found out about each file, kept while the work goes on, so that a run that broke off goes on where it stood.
//!
//! One line of JSON for each file, under a line that says what made it: results of another command, pack or engine are not
//! taken. A file that changed in length or time since is done again; a last line that broke off is dropped. A journal of
//! faces holds templates: it can be read by its owner alone, and is to be deleted like the pictures it was made of.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, ErrorKind, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, bail, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The largest journal: a hundred thousand templates of 512 values.
const JOURNAL_LEN_MAX: u64 = 2 << 30;

/// What made a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// What is asked of each file: `faces` or `liveness`.
    pub of: String,
    /// Digest of the pack.
    pub pack: String,
    /// The engine.
    pub engine: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    file: String,
    bytes: u64,
    modified_ms: u64,
    result: Value,
}

/// Results that are kept in a file.
pub struct Journal {
    known: HashMap<String, Line>,
    file: Mutex<File>,
}

impl Journal {
    /// Opens a journal, or begins one.
    ///
    /// # Errors
    /// A file that cannot be read or written, is no journal, or was made by something else.
    pub fn open(path: &Path, made: &Made) -> anyhow::Result<Self> {
        let doing = || format!("open the journal {}", path.display());
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .with_context(doing)?;
        let length = file.metadata().with_context(doing)?.len();
        ensure!(length <= JOURNAL_LEN_MAX, "{} is longer than a journal may be", path.display());
        let mut known = HashMap::new();
        let mut whole = 0u64;
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).with_context(doing)?;
            // The last line of a run that broke off ends in the middle.
            if read == 0 || line.last() != Some(&b'\n') {
                break;
            }
            if whole == 0 {
                let found: Made = serde_json::from_slice(&line)
                    .with_context(|| format!("{} is no journal of doorctl evaluate", path.display()))?;
                if found != *made {
                    bail!(
                        "{} was made for {} with pack {} in {}, and this run asks for {} with pack {} in {}: name another file",
                        path.display(),
                        found.of,
                        found.pack,
                        found.engine,
                        made.of,
                        made.pack,
                        made.engine
                    );
                }
            } else {
                let Ok(line) = serde_json::from_slice::<Line>(&line) else {
                    bail!("{} is damaged after {whole} bytes: delete it and begin anew", path.display());
                };
                known.insert(line.file.clone(), line);
            }
            whole += read as u64;
        }
        file.set_len(whole).with_context(doing)?;
        file.seek(SeekFrom::End(0)).with_context(doing)?;
        if whole == 0 {
            let head = serde_json::to_string(made).expect("texts become JSON");
            writeln!(file, "{head}").with_context(doing)?;
        }
        Ok(Self { known, file: Mutex::new(file) })
    }

    /// What is known of a file, if it is still the same.
    #[must_use]
    pub fn known<R: DeserializeOwned>(&self, file: &Path) -> Option<R> {
        let line = self.known.get(file.to_str()?)?;
        let (bytes, modified_ms) = state(file).ok()?;
        let same = line.bytes == bytes && line.modified_ms == modified_ms;
        same.then(|| serde_json::from_value(line.result.clone()).ok()).flatten()
    }

    /// Keeps what was found out about a file; one whose name is no text is not kept.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn keep(&self, file: &Path, result: &impl Serialize) -> anyhow::Result<()> {
        let (Some(name), Ok((bytes, modified_ms))) = (file.to_str(), state(file)) else { return Ok(()) };
        let result = serde_json::to_value(result).context("keep a result in the journal")?;
        let line = Line { file: name.to_owned(), bytes, modified_ms, result };
        let mut text = serde_json::to_string(&line).context("keep a result in the journal")?;
        text.push('\n');
        // One write a line, so that a run that is killed leaves at most its last one unfinished.
        let mut file = self.file.lock().expect("no thread panics while it writes");
        file.write_all(text.as_bytes()).context("write the journal")
    }
}

/// Length and time of a file, or of what lies in a folder: by these a changed one is told.
fn state(path: &Path) -> std::io::Result<(u64, u64)> {
    let metadata = std::fs::metadata(path)?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let modified_ms =
        u64::try_from(modified.as_millis()).map_err(|_| std::io::Error::from(ErrorKind::InvalidData))?;
    Ok((metadata.len(), modified_ms))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn made() -> Made {
        Made { of: "faces".into(), pack: "00".into(), engine: "tract".into() }
    }

    #[test]
    fn a_run_that_broke_off_goes_on_and_a_changed_file_is_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a", "b", "c"] {
            std::fs::write(path(name), name).unwrap();
        }
        let journal = path("journal");
        let open = Journal::open(&journal, &made()).unwrap();
        assert_eq!(open.known::<f32>(&path("a")), None);
        open.keep(&path("a"), &0.1f32).unwrap();
        open.keep(&path("b"), &Some(0.2f32)).unwrap();
        drop(open);
        let mode = std::fs::metadata(&journal).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "a journal of faces is for its owner alone");

        // The machine went down in the middle of a line.
        let mut text = std::fs::read_to_string(&journal).unwrap();
        text += "{\"file\":\"c\",\"by";
        std::fs::write(&journal, text).unwrap();
        std::fs::write(path("b"), "longer").unwrap();
        let again = Journal::open(&journal, &made()).unwrap();
        assert_eq!(again.known::<f32>(&path("a")), Some(0.1));
        assert_eq!(again.known::<Option<f32>>(&path("b")), None, "it changed");
        again.keep(&path("c"), &0.3f32).unwrap();
        drop(again);
        assert_eq!(Journal::open(&journal, &made()).unwrap().known::<f32>(&path("c")), Some(0.3));
    }

    #[test]
    fn results_of_another_pack_are_not_taken_and_what_is_no_journal_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        drop(Journal::open(&path, &made()).unwrap());
        let other = Made { pack: "11".into(), ..made() };
        let fault = Journal::open(&path, &other).err().unwrap().to_string();
        assert!(fault.contains("pack 00") && fault.contains("another file"), "{fault}");
        std::fs::write(&path, "dear diary\n").unwrap();
        let fault = format!("{:#}", Journal::open(&path, &made()).err().unwrap());
        assert!(fault.contains("no journal"), "{fault}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "dear diary\n");
    }
}
