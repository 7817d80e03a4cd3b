//! One vendor crate lives in one module, `unsafe` in one file or two, and the crate that decides touches nothing of
//! the world: so that each can be replaced, and audited, in one place.

use crate::arrows::Import;
use crate::source::{Finding, Source, line_at, words};

/// A vendor crate, the member that may import it, how it looks in code, and where it may stand. One that two members
/// need has a row for each.
struct Vendor {
    package: &'static str,
    owner: &'static str,
    word: &'static str,
    home: &'static str,
}

static VENDORS: [Vendor; 36] = [
    Vendor { package: "rusqlite", owner: "doorward-store", word: "rusqlite", home: "daemon/store/" },
    Vendor {
        package: "rusqlite_migration",
        owner: "doorward-store",
        word: "rusqlite_migration",
        home: "daemon/store/",
    },
    Vendor {
        package: "tract-onnx",
        owner: "doorward-engine",
        word: "tract_onnx",
        home: "models/engine/src/tract.rs",
    },
    Vendor {
        package: "ort",
        owner: "doorward-engine",
        word: "ort::",
        home: "models/engine/src/onnxruntime.rs",
    },
    Vendor { package: "v4l", owner: "doorward-hal", word: "v4l::", home: "hal/src/camera/v4l2" },
    Vendor { package: "gpiocdev", owner: "doorward-hal", word: "gpiocdev", home: "hal/src/gpio/" },
    Vendor {
        package: "linux-embedded-hal",
        owner: "doorward-hal",
        word: "linux_embedded_hal::",
        home: "hal/src/gpio/cdev_v1.rs",
    },
    Vendor { package: "rppal", owner: "doorward-hal", word: "rppal::", home: "hal/src/gpio/registers.rs" },
    Vendor {
        package: "rustls",
        owner: "doorward-admin",
        word: "rustls::",
        home: "admin/src/pack/transfer.rs",
    },
    // The copy that the MQTT client brings: the line's certificates are made with its types.
    Vendor {
        package: "rustls",
        owner: "doorward-daemon",
        word: "rustls::",
        home: "daemon/src/centre/line.rs",
    },
    Vendor { package: "coset", owner: "doorward-protocol", word: "coset", home: "protocol/src/envelope.rs" },
    Vendor { package: "hpke", owner: "doorward-protocol", word: "hpke::", home: "protocol/src/sealing.rs" },
    Vendor { package: "console", owner: "doorward-admin", word: "console::", home: "admin/src/unseen.rs" },
    Vendor { package: "argon2", owner: "doorward-admin", word: "argon2::", home: "admin/src/locked.rs" },
    Vendor { package: "rqrr", owner: "doorward-hal", word: "rqrr::", home: "hal/src/qr.rs" },
    Vendor { package: "qrcodegen", owner: "doorward-hal", word: "qrcodegen::", home: "hal/src/qr.rs" },
    Vendor {
        package: "tracing-journald",
        owner: "doorward-daemon",
        word: "tracing_journald",
        home: "daemon/src/logging.rs",
    },
    Vendor {
        package: "rumqttc-v5-next",
        owner: "doorward-daemon",
        word: "rumqttc",
        home: "daemon/src/centre/line.rs",
    },
    Vendor {
        package: "rumqttc-v5-next",
        owner: "doorward-admin",
        word: "rumqttc",
        home: "admin/src/simulate/line.rs",
    },
    Vendor { package: "hyper", owner: "doorward-daemon", word: "hyper::", home: "daemon/src/api/server.rs" },
    Vendor {
        package: "hyper-util",
        owner: "doorward-daemon",
        word: "hyper_util::",
        home: "daemon/src/api/server.rs",
    },
    Vendor {
        package: "http-body-util",
        owner: "doorward-daemon",
        word: "http_body_util::",
        home: "daemon/src/api/server.rs",
    },
    Vendor { package: "axum", owner: "doorward-daemon", word: "axum", home: "daemon/src/demo/" },
    Vendor { package: "axum", owner: "doorward-hub", word: "axum", home: "admin/hub/src/http/" },
    Vendor { package: "maud", owner: "doorward-hub", word: "maud::", home: "admin/hub/src/http/" },
    Vendor {
        package: "rusqlite",
        owner: "doorward-hub",
        word: "rusqlite",
        home: "admin/hub/src/database/sqlite.rs",
    },
    Vendor {
        package: "postgres",
        owner: "doorward-hub",
        word: "postgres::",
        home: "admin/hub/src/database/",
    },
    Vendor {
        package: "rumqttc-v5-next",
        owner: "doorward-hub",
        word: "rumqttc",
        home: "admin/hub/src/link.rs",
    },
    Vendor {
        package: "rumqttc-v5-next",
        owner: "doorward-hub",
        word: "rumqttc",
        home: "admin/hub/tests/hub/door.rs",
    },
    Vendor {
        package: "rustls",
        owner: "doorward-admin",
        word: "rustls::",
        home: "admin/src/broker/trust.rs",
    },
    Vendor { package: "rustls", owner: "doorward-hub", word: "rustls::", home: "admin/hub/src/tls.rs" },
    Vendor {
        package: "rustls",
        owner: "doorward-hub",
        word: "rustls::",
        home: "admin/hub/tests/hub/broker.rs",
    },
    Vendor { package: "parquet", owner: "doorward-admin", word: "parquet::", home: "admin/src/columns.rs" },
    Vendor { package: "rcgen", owner: "doorward-tests", word: "rcgen", home: "tests/tests/centre/" },
    Vendor { package: "rcgen", owner: "doorward-hub", word: "rcgen", home: "admin/hub/tests/hub/broker.rs" },
    Vendor {
        package: "rcgen",
        owner: "doorward-admin",
        word: "rcgen",
        home: "admin/src/broker/certificates.rs",
    },
];

/// Files that may hold `unsafe`, by the beginning of their path: the camera's shared memory, and the vector kernels
/// of the gallery.
const UNSAFE_HOMES: [&str; 2] = ["hal/src/camera/v4l2", "daemon/core/src/gallery/kernel"];

/// Modules of the standard library that reach out of the process. Core is handed what they yield.
const EFFECTS: [&str; 6] = ["std::env", "std::fs", "std::io", "std::net", "std::process", "std::thread"];

/// Vendor crates named outside their module.
pub(crate) fn strays(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|s| s.is_rust()) {
        let at_home =
            |v: &Vendor| VENDORS.iter().any(|w| w.word == v.word && source.path.starts_with(w.home));
        let first =
            |v: &Vendor| VENDORS.iter().find(|w| w.word == v.word).is_some_and(|w| std::ptr::eq(w, v));
        for vendor in VENDORS.iter().filter(|v| first(v) && !at_home(v)) {
            found.extend(words(&source.code, vendor.word).map(|at| {
                let what = format!("`{}` outside {}", vendor.package, vendor.home);
                source.finding(line_at(&source.code, at), what, "go through the module that wraps it")
            }));
        }
    }
    found
}

/// Vendor crates in the manifest of another member than their owner.
pub(crate) fn stray_imports(imports: &[Import]) -> Vec<Finding> {
    let wrong = |import: &&Import| {
        let mut owners = VENDORS.iter().filter(|v| v.package == import.to).peekable();
        owners.peek().is_some() && owners.all(|v| v.owner != import.from)
    };
    let finding = |import: &Import| Finding {
        path: import.manifest.clone(),
        line: 1,
        what: format!("{} imports `{}`", import.from, import.to),
        remedy: "go through the crate that wraps it",
    };
    imports.iter().filter(wrong).map(finding).collect()
}

/// `unsafe` outside the files that need it.
pub(crate) fn stray_unsafe(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    let safe = |s: &&Source| s.is_rust() && !UNSAFE_HOMES.iter().any(|home| s.path.starts_with(home));
    for source in sources.iter().filter(safe) {
        found.extend(words(&source.code, "unsafe").map(|at| {
            let remedy = "find a safe way; files that must hold it are listed in the tidy table";
            source.finding(line_at(&source.code, at), "`unsafe`", remedy)
        }));
    }
    found
}

/// Effects in the crate that decides.
pub(crate) fn effects_in_core(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|s| s.is_rust() && s.path.starts_with("daemon/core/src/")) {
        for effect in EFFECTS {
            found.extend(words(&source.code, effect).map(|at| {
                let what = format!("`{effect}` in the crate that decides");
                source.finding(line_at(&source.code, at), what, "do it outside and pass the result in")
            }));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendor_outside_its_module_is_named_with_its_line() {
        let sources = [
            Source::new("daemon/src/main.rs", "//! x\nuse rusqlite::Connection;\nuse gpiocdev as gpio;\n"),
            Source::new(
                "models/engine/src/lib.rs",
                "use ort::session::Session;\nuse report::x;\nmod tract;\n",
            ),
            Source::new("models/engine/src/onnxruntime.rs", "use ort::session::Session;\n"),
            Source::new("daemon/store/src/schema.rs", "use rusqlite::Connection;\n// axum:: is elsewhere\n"),
        ];
        let lines: Vec<_> = strays(&sources).iter().map(|f| (f.path.clone(), f.line)).collect();
        let expected =
            [("daemon/src/main.rs", 2), ("daemon/src/main.rs", 3), ("models/engine/src/lib.rs", 1)];
        assert_eq!(lines, expected.map(|(path, line)| (path.to_owned(), line)));
    }

    #[test]
    fn a_vendor_in_a_foreign_manifest_is_named() {
        let import = |from: &str| Import {
            from: from.into(),
            manifest: "Cargo.toml".into(),
            to: "rusqlite".into(),
            inside: false,
            normal: false,
        };
        assert_eq!(stray_imports(&[import("doorward-daemon"), import("doorward-store")]).len(), 1);
    }

    #[test]
    fn unsafe_code_is_named_and_the_lint_of_that_name_is_not() {
        let text = "#![expect(unsafe_code, reason = \"x\")]\nfn f() { unsafe { g() } }\n";
        assert_eq!(stray_unsafe(&[Source::new("hal/src/relay.rs", text)])[0].line, 2);
        assert_eq!(stray_unsafe(&[Source::new("hal/src/camera/v4l2.rs", text)]), []);
        assert_eq!(stray_unsafe(&[Source::new("hal/src/relay.rs", "// unsafe\n")]), []);
    }

    #[test]
    fn a_file_read_in_core_is_named() {
        let read = "fn f() { let _ = std::fs::read(\"x\"); }";
        assert_eq!(effects_in_core(&[Source::new("daemon/core/src/door.rs", read)]).len(), 1);
        assert_eq!(effects_in_core(&[Source::new("daemon/store/src/lib.rs", read)]), []);
    }
}
