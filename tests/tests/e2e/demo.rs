//! The real `doord demo` as a child process.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use doorward_models::pack::PackPath;

/// A running demo; ended when dropped.
pub(crate) struct Demo {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub(crate) address: String,
}

impl Demo {
    /// Starts it with its own people and a pack that is there.
    pub(crate) fn start(pack: &PackPath) -> Self {
        let folder = pack.manifest.parent().expect("a manifest lies in a folder");
        Self::start_with(&["--models", &folder.to_string_lossy()])
    }

    /// Starts it with further options, and waits for the address it prints.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_doord"))
            .args(["demo", "--port", "0"])
            .args(options)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .stdout(Stdio::piped())
            .spawn()
            .expect("doord starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let address = lines.map_while(Result::ok).find_map(|line| {
            line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned)
        });
        let Some(address) = address else {
            let _ = child.kill();
            panic!("doord demo ended without printing an address");
        };
        Self { child, address }
    }

    /// Posts a body and returns the status.
    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> u16 {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut request = agent.post(format!("{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send(body).expect("the demo answers").status().as_u16()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Asked to end, it removes its store; killed, it could not.
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .is_ok_and(|status| status.success());
        if !asked {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
