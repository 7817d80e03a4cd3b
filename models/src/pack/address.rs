//! Addresses from which weights may be fetched.
//!
//! The digest in the manifest is what makes a file the right one, whoever served it. HTTPS is asked for all the same:
//! on the way nobody shall see which models a door uses, or hold back what he does not like. Plain HTTP is for this
//! machine alone, where a mirror or a test listens.

/// What [`allowed`] asks for, in words.
pub const ALLOWED: &str = "https://HOST/PATH of at most 1000 printable ASCII characters without a password; \
    http:// for localhost, 127.0.0.1 and [::1] alone";

const LEN_MAX: usize = 1000;

/// Whether a manifest may hold this address.
#[must_use]
pub fn allowed(url: &str) -> bool {
    let plain = url.len() <= LEN_MAX && url.chars().all(|c| c.is_ascii_graphic());
    let host = |rest: &str| host_of(rest).is_some();
    match url.strip_prefix("https://") {
        Some(rest) => plain && host(rest),
        None => plain && here(url),
    }
}

/// Whether this is plain HTTP to this machine.
#[must_use]
pub fn here(url: &str) -> bool {
    let host = url.strip_prefix("http://").and_then(host_of);
    host.is_some_and(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&host))
}

/// The host of `HOST[:PORT]/PATH`; nothing where there is none, or a name and password before it.
fn host_of(rest: &str) -> Option<&str> {
    let (authority, _) = rest.split_once('/')?;
    if authority.contains(['@', '?', '#', '\\']) {
        return None;
    }
    let host = match authority.rsplit_once(':') {
        // The colons of an address of version 6 stand inside its brackets.
        Some((host, port)) if !port.ends_with(']') => {
            port.parse::<u16>().ok()?;
            host
        }
        Some(_) | None => authority,
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h5_only_https_leads_off_this_machine() {
        let good = [
            "https://example.org/a.onnx",
            "https://example.org:8443/a/b.onnx?x=1",
            "http://localhost/a",
            "http://127.0.0.1:8080/a.onnx",
            "http://[::1]:8080/a.onnx",
        ];
        for url in good {
            assert!(allowed(url), "{url}");
        }
        let bad = [
            "http://example.org/a.onnx",
            "http://127.0.0.1.example.org/a.onnx",
            "http://localhost@example.org/a.onnx",
            "http://localhost\\@example.org/a.onnx",
            "http://localhost:80@example.org/a.onnx",
            "https://example.org",
            "https:///a.onnx",
            "https://user:word@example.org/a.onnx",
            "https://example.org:99999/a.onnx",
            "https://example.org/a b.onnx",
            "https://example.org/\u{1b}[2J",
            "file:///etc/passwd",
            "ftp://example.org/a",
            "",
        ];
        for url in bad {
            assert!(!allowed(url), "{url}");
        }
        assert!(!allowed(&format!("https://example.org/{}", "a".repeat(LEN_MAX))));
    }
}
