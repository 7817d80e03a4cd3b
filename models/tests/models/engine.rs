//! The engine trait over networks of a few nodes.

use doorward_models::engine::{self, Engine, EngineFault, EngineKind, Port, Signature, Tensor};

use crate::tiny;

fn port(name: &str, shape: &[usize]) -> Port {
    Port { name: name.into(), shape: shape.to_vec() }
}

fn signature() -> Signature {
    Signature {
        model: "embedding root.onnx".into(),
        input: port("x", &[1, 4]),
        outputs: vec![port("y", &[1, 4])],
    }
}

fn load(bytes: &[u8], signature: Signature) -> Result<Box<dyn Engine>, EngineFault> {
    engine::load(&EngineKind::Tract, bytes, signature)
}

fn row(values: [f32; 4]) -> Tensor {
    Tensor { shape: vec![1, 4], values: values.to_vec() }
}

/// The message of a refusal.
fn refusal(result: Result<Box<dyn Engine>, EngineFault>) -> String {
    result.err().expect("a refusal").to_string()
}

#[test]
fn a_network_runs_again_and_again() {
    let mut engine = load(&tiny::root(), signature()).unwrap();
    assert_eq!(engine.name(), "tract");
    for _ in 0..3 {
        assert_eq!(engine.run(&row([1.0, 4.0, 9.0, 16.0])).unwrap(), [row([1.0, 2.0, 3.0, 4.0])]);
    }
}

#[test]
fn nan_and_infinity_are_faults_and_the_next_call_starts_afresh() {
    let mut engine = load(&tiny::root(), signature()).unwrap();
    for bad in [-1.0, f32::NAN, f32::INFINITY] {
        let fault = engine.run(&row([1.0, bad, 1.0, 1.0])).unwrap_err();
        assert!(matches!(fault, EngineFault::NotFinite { ref port, .. } if port == "y"), "{fault}");
    }
    assert!(engine.run(&row([4.0; 4])).is_ok());
}

#[test]
fn another_shape_is_refused_by_name() {
    let mut engine = load(&tiny::root(), signature()).unwrap();
    let short = Tensor { shape: vec![1, 3], values: vec![1.0; 3] };
    let lying = Tensor { shape: vec![1, 4], values: vec![1.0; 3] };
    for wrong in [short, lying] {
        let text = engine.run(&wrong).unwrap_err().to_string();
        assert!(text.contains("root.onnx") && text.contains("x has shape [1, 4]"), "{text}");
    }
}

#[test]
fn h5_a_file_with_other_ports_than_the_manifest_is_refused_by_name() {
    let wide = Signature { input: port("x", &[1, 5]), outputs: vec![port("y", &[1, 5])], ..signature() };
    let renamed = Signature { outputs: vec![port("z", &[1, 4])], ..signature() };
    let more = Signature { outputs: vec![port("y", &[1, 4]), port("y2", &[1, 4])], ..signature() };
    for wrong in [wide, renamed, more] {
        let text = refusal(load(&tiny::root(), wrong));
        assert!(text.contains("embedding root.onnx"), "{text}");
    }
}

#[test]
fn truncated_and_garbled_files_are_refused_without_a_panic() {
    let whole = tiny::embedding();
    let wanted = || Signature {
        model: "embedding know.onnx".into(),
        input: port("input", &[1, 3, 32, 32]),
        outputs: vec![port("embedding", &[1, 48])],
    };
    assert!(load(&whole, wanted()).is_ok());
    assert!(load(b"", wanted()).is_err());
    assert!(load(b"\xff\xff\xff\xff not a network", wanted()).is_err());
    for length in 1..whole.len() - 1 {
        // A cut may fall between two parts and leave a smaller sound file, but never the network that was asked for.
        if let Ok(engine) = load(&whole[..length], wanted()) {
            assert!(
                length > whole.len() - 24,
                "cut at {length} of {} loads in {}",
                whole.len(),
                engine.name()
            );
        }
    }
    for place in 0..whole.len() {
        let mut garbled = whole.clone();
        garbled[place] ^= 0x41;
        let _ = load(&garbled, wanted());
    }
}

#[cfg(not(feature = "ort"))]
#[test]
fn a_build_without_onnx_runtime_says_so() {
    let kind = EngineKind::OnnxRuntime { library: "/lib/libonnxruntime.so".into() };
    let text = refusal(engine::load(&kind, &tiny::root(), signature()));
    assert!(text.contains("feature `ort`"), "{text}");
}

#[cfg(feature = "ort")]
#[test]
fn h5_a_library_that_is_not_pinned_is_refused_before_it_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libonnxruntime.so");
    std::fs::write(&library, b"\x7fELF and a constructor that runs on loading").unwrap();
    let kind = EngineKind::OnnxRuntime { library };
    let text = refusal(engine::load(&kind, &tiny::root(), signature()));
    assert!(text.contains("not pinned") && text.contains("1.31.1"), "{text}");
    let absent = EngineKind::OnnxRuntime { library: folder.path().join("absent.so") };
    let text = refusal(engine::load(&absent, &tiny::root(), signature()));
    assert!(text.contains("absent.so"), "{text}");
}
