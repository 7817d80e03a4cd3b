//! Packs from outside: found, opened, refused, and run, without any data.

use std::fs;
use std::path::Path;

use doorward_core::frame::Plane;
use doorward_core::vision::Vision as _;
use doorward_models::engine::EngineKind;
use doorward_models::pack::{self, Pack, PackFault, Reach, find_in};
use doorward_models::vision::Models;

use crate::tiny;

fn open(folder: &Path) -> Result<Pack, PackFault> {
    Pack::open(&find_in(&[folder.to_owned()]).unwrap())
}

/// The pack after an edit of its manifest that must change something.
fn edited(from: &str, to: &str) -> Result<Pack, PackFault> {
    let folder = tempfile::tempdir().unwrap();
    tiny::write(folder.path(), |text| {
        assert!(text.contains(from), "the manifest has no {from}");
        text.replacen(from, to, 1)
    });
    open(folder.path())
}

/// A fault with all its causes.
fn chain(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

fn refusal(result: Result<Pack, PackFault>) -> String {
    chain(&result.err().expect("a refusal"))
}

#[test]
fn a_pack_loads_and_sees_embeds_and_judges() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write(folder.path(), |text| text);
    let pack = open(folder.path()).unwrap();
    assert_eq!((pack.title().as_str(), pack.calibration().comparisons()), ("tiny 1", 1_000_000));
    let mut models = Models::load(&pack, &EngineKind::Tract).unwrap();
    assert_eq!(models.digest(), pack.digest());
    assert_eq!(models.version().preprocessing, 3);
    assert_eq!(models.version().model, pack.manifest().embedding.entry.sha256);
    let picture = Plane::filled(64, 64, [10, 250, 20]).unwrap();
    let faces = models.detect(&picture).unwrap();
    let [face] = faces.as_slice() else { panic!("one face, not {faces:?}") };
    assert!((face.score - 0.9).abs() < 1e-6);
    // Cell 5 of a grid of four columns is column 1, row 1; its middle lies at 1.5 cells of 16 pixels.
    assert_eq!((face.region.centre().x, face.region.centre().y), (24.0, 24.0));
    let live = models.liveness(&picture, face).unwrap();
    assert!(live > 0.5 && live < 1.0, "green is alive: {live}");
    let embedding = models.embed(&picture, &face.landmarks).unwrap();
    assert_eq!(embedding.len(), 48);
    assert!((embedding[24] - 250.0 / 255.0).abs() < 0.1, "the middle of the green plane: {}", embedding[24]);
}

#[test]
fn h5_exchanged_weights_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write(folder.path(), |text| text);
    fs::write(folder.path().join("know.onnx"), tiny::liveness()).unwrap();
    let text = refusal(open(folder.path()));
    assert!(
        text.contains("embedding model") && text.contains("know.onnx") && text.contains("pins"),
        "{text}"
    );
}

#[test]
fn weights_come_from_any_folder_of_the_list_if_their_digest_is_right() {
    let [home, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    tiny::write(home.path(), |text| text);
    fs::rename(home.path().join("live.onnx"), elsewhere.path().join("live.onnx")).unwrap();
    fs::copy(home.path().join("see.onnx"), elsewhere.path().join("see.onnx")).unwrap();
    // A damaged copy comes first and is passed over.
    fs::write(home.path().join("see.onnx"), "damaged").unwrap();
    let folders = [home.path().to_owned(), elsewhere.path().to_owned()];
    assert!(Pack::open(&find_in(&folders).unwrap()).is_ok());
}

#[test]
fn absent_weights_are_named_with_every_folder_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write(folder.path(), |text| text);
    fs::remove_file(folder.path().join("live.onnx")).unwrap();
    let text = refusal(open(folder.path()));
    for part in ["liveness", "live.onnx", "SHA-256", "--models DIR", &folder.path().display().to_string()] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
}

#[test]
fn h5_hostile_manifests_are_refused_with_key_and_remedy() {
    let cases = [
        ("file = \"see.onnx\"", "file = \"../see.onnx\"", "detector.file"),
        ("file = \"see.onnx\"", "file = \"/etc/see.onnx\"", "detector.file"),
        ("file = \"see.onnx\"", "file = \".onnx\"", "detector.file"),
        ("file = \"see.onnx\"", "file = \"see.onnx\\u0000\"", "detector.file"),
        ("[1, 3, 32, 32]", "[1, 3, 999999999999, 32]", "detector.input.shape"),
        ("[1, 3, 32, 32]", "[1, 3, 0, 32]", "detector.input.shape"),
        ("[1, 3, 32, 32]", "[1, 3, 48, 48]", "detector.input.shape"),
        ("[1, 3, 32, 32]", "[1, 3]", "detector.input.shape"),
        ("[1, 16, 1]", "[1, 17, 1]", "detector.outputs"),
        ("[1, 48]", "[1, 100000]", "embedding"),
        ("score_min = 0.6", "score_min = nan", "detector.score_min"),
        ("overlap_max = 0.3", "", "detector.overlap_max is missing"),
        ("blend_min = 0.6", "blend_min = 0.2", "detector.blend_min"),
        ("samples_max = 2", "samples_max = 200", "embedding.samples_max"),
        ("preprocessing = 3", "preprocessing = 0", "embedding.preprocessing"),
        ("preprocessing = 3", "preprocessing = 3\ncrop_scale = 2.0", "embedding.crop_scale"),
        ("live_output = 1", "live_output = 3", "liveness[0].live_output"),
        ("live_output = 1", "live_output = 1\ncrop_aspect = 9.0", "liveness[0].crop_aspect"),
        (
            "[calibration]\n",
            "[liveness_calibration]\ndata = \"x\"\nbona_fide = 1\nattacks = 1\nslope = -1.0\noffset = 0.0\n[calibration]\n",
            "liveness_calibration.slope",
        ),
        ("deviation = [255.0", "deviation = [0.0", "detector.deviation"),
        ("[10.0, 12.0]", "[10.0, 1e9]", "embedding.template"),
        ("format = 1", "format = 2", "format is 2; allowed is 1"),
        ("licence = \"CC0\"", "licence = \"\"", "detector.licence"),
        ("fmr = 1e-3", "fmr = 1e-6", "calibration"),
        ("comparisons = 1000000", "comparisons = 10", "calibration"),
        // What the parser itself refuses, with line and key.
        ("licence = \"CC0\"\n", "", "missing field `licence`"),
        ("version = \"1\"", "version = \"1\"\nthreshold = 0.1", "unknown field `threshold`"),
        ("score_min = 0.6", "score_min = 0.6\nfloor = 1", "unknown field `floor`"),
        ("[embedding]", "[detector]\n[embedding]", "duplicate key"),
        ("comparisons = 1000000", "comparisons = -1", "comparisons"),
        ("preprocessing = 3", "preprocessing = 65536", "preprocessing"),
        ("colour = \"rgb\"", "colour = \"cmyk\"", "unknown variant `cmyk`, expected `rgb` or `bgr`"),
    ];
    for (from, to, part) in cases {
        let text = refusal(edited(from, to));
        assert!(text.contains(part), "{from} -> {to}: {text}");
        assert!(text.contains("pack.toml"), "{text}");
    }
}

#[test]
fn files_beyond_their_bound_are_refused_before_they_fill_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write(folder.path(), |text| text);
    fs::File::create(folder.path().join("live.onnx")).unwrap().set_len(pack::WEIGHTS_LEN_MAX + 1).unwrap();
    assert!(matches!(open(folder.path()), Err(PackFault::TooLong { .. })));
    tiny::write(folder.path(), |text| format!("{text}{}", "# \n".repeat(300_000)));
    assert!(matches!(open(folder.path()), Err(PackFault::TooLong { .. })));
}

#[test]
fn a_wrong_golden_value_stops_the_load() {
    let pack =
        |value| edited("deviation = [255.0", &format!("golden = [{value}]\ndeviation = [255.0")).unwrap();
    // The first output of the tiny detector is the class score of cell 0: zero.
    assert!(Models::load(&pack("0.0"), &EngineKind::Tract).is_ok());
    let text = chain(&Models::load(&pack("0.01"), &EngineKind::Tract).err().expect("a refusal"));
    assert!(text.contains("self-test") && text.contains("see.onnx") && text.contains("0.01"), "{text}");
}

#[test]
fn a_pack_without_a_distant_detector_says_so() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write(folder.path(), |text| text);
    let loaded = Models::load_for(&open(folder.path()).unwrap(), &EngineKind::Tract, Reach::Distant);
    assert!(matches!(loaded, Err(PackFault::NoDistant { name }) if name == "tiny"));
}

#[test]
fn weights_that_are_no_network_are_refused_by_name() {
    let digest: String =
        <sha2::Sha256 as sha2::Digest>::digest(b"garbage").iter().map(|b| format!("{b:02x}")).collect();
    let folder = tempfile::tempdir().unwrap();
    tiny::write(folder.path(), |text| {
        let start = text.find("know.onnx\"\nsha256 = \"").unwrap() + 21;
        format!("{}{digest}{}", &text[..start], &text[start + 64..])
    });
    fs::write(folder.path().join("know.onnx"), b"garbage").unwrap();
    let fault = Models::load(&open(folder.path()).unwrap(), &EngineKind::Tract).err().expect("a refusal");
    assert!(chain(&fault).contains("embedding know.onnx"), "{}", chain(&fault));
}
