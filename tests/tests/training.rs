//! The training of the house models tests its own data pipeline, in Python. Needs a Python with PyTorch, NumPy, OpenCV
//! and ONNX (Debian: python3-torch, python3-opencv, python3-onnx); says so and skips where there is none.

use std::path::Path;
use std::process::Command;

/// The first on the path may be one without Debian's packages.
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];

fn knows_the_packages(python: &str) -> bool {
    let asked = Command::new(python).args(["-c", "import cv2, numpy, onnx, torch"]).output();
    asked.is_ok_and(|said| said.status.success())
}

#[test]
fn the_data_pipeline_passes_its_own_tests() {
    let Some(python) = PYTHONS.into_iter().find(|python| knows_the_packages(python)) else {
        eprintln!("skipped: no Python with PyTorch, NumPy, OpenCV and ONNX for models/training/tests");
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/training");
    let run = Command::new(python)
        .args(["-B", "-m", "unittest", "discover", "--start-directory", "tests"])
        .current_dir(folder)
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    assert!(said.contains("\nRan ") && !said.contains("\nRan 0 tests"), "no test ran: {said}");
}
