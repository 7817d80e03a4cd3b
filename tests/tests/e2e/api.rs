//! The local API at the real demo: what docs/api.md shows is played as it stands there, and what should be refused is.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_models::pack;

use crate::demo::Demo;

const GUIDE: &str = include_str!("../../../docs/api.md");
/// Far longer than anything here takes, so that a busy machine fails no test.
const LONG: Duration = Duration::from_secs(120);

/// A demo with its API, and where that is.
fn start() -> (Demo, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("doord.sock");
    let packs = pack::all_present();
    let pack = packs.first().expect("the house pack is in the repository");
    let models = pack.manifest.parent().expect("a manifest lies in a folder");
    let demo = Demo::start_with(&["--models", &models.to_string_lossy(), "--api", &socket.to_string_lossy()]);
    let clock = SystemClock::default();
    let until = clock.now().mono + LONG;
    while !socket.exists() {
        assert!(clock.now().mono < until, "the socket never came");
        clock.sleep(Duration::from_millis(50));
    }
    (demo, socket, folder)
}

/// Runs a shell over the examples of a section of the guide.
fn play(section: &str, socket: &Path) -> String {
    let text = GUIDE.split(&format!("\n## {section}\n")).nth(1).expect("the guide has this section");
    let text = text.split("\n## ").next().expect("a section has an end");
    let blocks = text.split("```sh\n").skip(1).map(|block| block.split("```").next().expect("a block ends"));
    let script: String = blocks.collect();
    let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/people");
    let out = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .env("SOCKET", socket)
        .env("PEOPLE", photo)
        .output()
        .expect("a shell runs");
    let told = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{section}: {told}\n{}", String::from_utf8_lossy(&out.stderr));
    told
}

fn scene(demo: &Demo, id: &str) {
    let headers = [("origin", demo.address.as_str()), ("content-type", "application/json")];
    assert_eq!(demo.post("/scene", &headers, format!("{{\"id\":\"{id}\"}}").as_bytes()), 204, "{id}");
}

#[test]
fn the_guide_is_right_about_sessions_and_pictures() {
    let (demo, socket, _folder) = start();
    scene(&demo, "enrolled");
    let told = play("A session", &socket);
    assert!(told.contains("event: ended") && told.contains("\"live\":true"), "{told}");
    assert!(told.contains("\"values\":\""), "the reference that was asked for: {told}");
    scene(&demo, "print");
    let told = play("A session", &socket);
    assert!(told.contains("\"live\":false") && told.contains("\"confidence\":0"), "{told}");
    assert!(told.contains("not_live"), "{told}");
    scene(&demo, "nobody");
    let told = play("Pictures", &socket);
    assert!(told.contains("\"usable\":true"), "detect: {told}");
    assert!(told.contains("\"match\":true") && told.contains("\"match\":false"), "compare: {told}");
    assert!(told.contains("\"person\":\""), "search: {told}");
}

/// Sends bytes as they are, and returns what came back, from its first line on.
fn knock(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).expect("the socket is there");
    stream.set_read_timeout(Some(LONG)).expect("a socket has one");
    // Whoever is refused early may hang up before all is sent.
    let _ = stream.write_all(bytes);
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told);
    String::from_utf8_lossy(&told).into_owned()
}

#[test]
fn h8_the_api_refuses_foreign_paths_long_fields_large_bodies_and_garbage_and_goes_on() {
    let (_demo, socket, _folder) = start();
    let mode = std::fs::metadata(&socket).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o660, "its owner and its group");
    let post = |path: &str, length: usize, body: &[u8]| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: doord\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        [head.as_bytes(), body].concat()
    };
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: doord\r\n\r\n").into_bytes();
    let long = "a".repeat(70_000);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (get("/v1"), "200"),
        (get("/v1/../../etc/passwd"), "404"),
        (get("/v1/sessions/../../../etc/passwd/stream"), "404"),
        (get(&format!("/v1/{}", &long[..400])), "414"),
        (get(&format!("/v1/{long}")), "4"),
        (post("/v1/sessions", 10_000_000, b""), "413"),
        (post("/v1/compare", 4_000_000_000, b""), "413"),
        (post("/v1/sessions", 8, b"not json"), "400"),
        (post("/v1/sessions", 14, b"{\"door\": true}"), "400"),
        (post("/v1/search", 2, b"{}"), "415"),
        (post("/v1/compare", 2, b"{}"), "400"),
        (post(&format!("/v1/sessions/{}/result", "0".repeat(32)), 0, b""), "404"),
        (b"\0\xff\xfe garbage\r\n\r\n".to_vec(), ""),
        (get("/v1"), "200"),
    ];
    for (bytes, status) in cases {
        let told = knock(&socket, &bytes);
        let asked = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        let expected = if status.is_empty() { String::new() } else { format!("HTTP/1.1 {status}") };
        assert!(told.starts_with(&expected), "{asked}: {told}");
    }
}

#[test]
fn h8_whoever_dribbles_is_cut_off_and_keeps_nobody_out() {
    let (_demo, socket, _folder) = start();
    // As many as are let in at a time, and more.
    let slow: Vec<UnixStream> = (0..24)
        .map(|_| {
            let mut stream = UnixStream::connect(&socket).expect("the socket is there");
            stream.write_all(b"GET /v1 HTT").expect("sent");
            stream
        })
        .collect();
    let told = knock(&socket, b"GET /v1 HTTP/1.1\r\nhost: doord\r\n\r\n");
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    drop(slow);
}
