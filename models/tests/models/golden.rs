//! The engines against reference outputs of ONNX Runtime for one exact input per network.

use std::path::{Path, PathBuf};

use doorward_models::engine::{self, EngineKind, Port, Signature, Tensor};
use doorward_models::pack::{Pack, find};
use doorward_models::vision::Models;

use crate::npy;

/// A folder beside the checkout, or nothing, said loudly.
pub(crate) fn beside(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(name);
    if !path.is_dir() {
        eprintln!("skipped: {} is absent, this test compares nothing", path.display());
        return None;
    }
    Some(path)
}

/// Every engine that this build and this machine have.
pub(crate) fn kinds() -> Vec<EngineKind> {
    let mut kinds = vec![EngineKind::Tract];
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/onnxruntime/libonnxruntime.so");
    if cfg!(feature = "ort") && library.is_file() {
        kinds.push(EngineKind::OnnxRuntime { library });
    } else {
        eprintln!("skipped: ONNX Runtime, which needs the feature `ort` and {}", library.display());
    }
    kinds
}

/// Input, expected outputs and actual outputs of one network.
fn compare(models: &Path, name: &str, ports: &[(&str, &[usize])]) -> Vec<(Vec<Tensor>, Vec<Tensor>)> {
    let reference = models.join("reference");
    let bytes = std::fs::read(models.join(format!("{name}.onnx"))).unwrap();
    let input = npy::read(&reference.join(format!("{name}.in.npy")));
    let expected: Vec<Tensor> =
        (0..ports.len()).map(|i| npy::read(&reference.join(format!("{name}.out{i}.npy")))).collect();
    let port = |(name, shape): &(&str, &[usize])| Port { name: (*name).into(), shape: shape.to_vec() };
    let signature = Signature {
        model: name.into(),
        input: Port { name: "input".into(), shape: input.shape.clone() },
        outputs: ports.iter().map(port).collect(),
    };
    let run = |kind: &EngineKind| engine::load(kind, &bytes, signature.clone()).unwrap().run(&input).unwrap();
    kinds().iter().map(|kind| (expected.clone(), run(kind))).collect()
}

fn largest_difference(a: &[Tensor], b: &[Tensor]) -> f32 {
    let values = |tensors: &[Tensor]| tensors.iter().flat_map(|t| t.values.clone()).collect::<Vec<_>>();
    let (a, b) = (values(a), values(b));
    assert_eq!(a.len(), b.len());
    a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn the_embedding_is_that_of_the_reference() {
    let Some(models) = beside("models") else { return };
    for (expected, found) in compare(&models, "mobilefacenet_foamliu_112", &[("embedding", &[1, 128])]) {
        let (a, b) = (&expected[0].values, &found[0].values);
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
        let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        assert!(cosine >= 0.9999, "cosine {cosine}");
    }
}

#[test]
fn liveness_is_that_of_the_reference() {
    let Some(models) = beside("models") else { return };
    for name in ["minifasnet_v2_2.7", "minifasnet_v1se_4.0"] {
        for (expected, found) in compare(&models, name, &[("prob", &[1, 3])]) {
            let off = largest_difference(&expected, &found);
            assert!(off <= 1e-4, "{name}: {off}");
        }
    }
}

#[test]
fn the_detector_is_that_of_the_reference() {
    let Some(models) = beside("models") else { return };
    let outputs = doorward_models::detector::outputs(320, 320);
    let ports: Vec<(&str, &[usize])> =
        outputs.iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
    for (expected, found) in compare(&models, "yunet_n_320_320", &ports) {
        let off = largest_difference(&expected, &found);
        assert!(off <= 1e-4, "{off}");
    }
}

#[test]
fn the_recommended_pack_loads_and_passes_its_self_test() {
    if beside("models").is_none() {
        return;
    }
    let pack = Pack::open(&find(None).unwrap()).unwrap();
    for kind in kinds() {
        Models::load(&pack, &kind).unwrap();
    }
}
