//! A whole pack of tiny networks: a detector that always sees one face in the same place, an embedding that is the
//! picture itself in 48 numbers, and a liveness model that believes in the greenest.

use std::fs;
use std::path::Path;

use doorward_models::detector;
use sha2::{Digest as _, Sha256};

use crate::onnx::Graph;

/// Side of the networks' inputs.
pub(crate) const SIDE: usize = 32;

const CELLS: usize = (SIDE / 8) * (SIDE / 8);

/// A network that gives the square root of its input `x [1, 4]` as `y`.
pub(crate) fn root() -> Vec<u8> {
    Graph::default().node("Sqrt", &["x"], "y", &[]).input("x", &[1, 4]).output("y", &[1, 4]).file()
}

/// YuNet's outputs with a face of two cells' side in each of the cells given, with its score.
pub(crate) fn faces(cells: &[(usize, f32)]) -> Vec<u8> {
    let mut graph = Graph::default().input("input", &[1, 3, SIDE, SIDE]);
    for port in detector::outputs(SIDE, SIDE) {
        let (length, count) = (port.shape[2], port.shape[1]);
        let mut values = vec![0.0; count * length];
        for (cell, score) in cells.iter().filter(|_| count == CELLS) {
            let place: &[f32] = match length {
                1 => &[*score],
                4 => &[0.5, 0.5, 0.7, 0.7],
                _ => &[0.1, 0.2, 0.9, 0.2, 0.5, 0.5, 0.2, 0.9, 0.8, 0.9],
            };
            values[cell * length..][..length].copy_from_slice(place);
        }
        let constant = format!("{}_is", port.name);
        graph = graph
            .constant(&constant, &port.shape, &values)
            .node("Relu", &[&constant], &port.name, &[])
            .output(&port.name, &port.shape);
    }
    graph.file()
}

/// The aligned face shrunk to 4 x 4 in three channels.
pub(crate) fn embedding() -> Vec<u8> {
    let pool: [(&str, &[usize]); 2] = [("kernel_shape", &[8, 8]), ("strides", &[8, 8])];
    Graph::default()
        .input("input", &[1, 3, SIDE, SIDE])
        .node("AveragePool", &["input"], "small", &pool)
        .node("Flatten", &["small"], "embedding", &[])
        .output("embedding", &[1, 48])
        .file()
}

/// How green the crop is, against blue and red.
pub(crate) fn liveness() -> Vec<u8> {
    Graph::default()
        .input("input", &[1, 3, SIDE, SIDE])
        .node("GlobalAveragePool", &["input"], "mean", &[])
        .node("Flatten", &["mean"], "flat", &[])
        .node("Softmax", &["flat"], "prob", &[])
        .output("prob", &[1, 3])
        .file()
}

/// Writes manifest and weights; `edit` changes the manifest's text before.
pub(crate) fn write(folder: &Path, edit: impl FnOnce(String) -> String) {
    for (name, bytes) in files() {
        fs::write(folder.join(name), bytes).unwrap();
    }
    fs::write(folder.join("pack.toml"), edit(manifest())).unwrap();
}

fn files() -> [(&'static str, Vec<u8>); 3] {
    [("see.onnx", faces(&[(5, 0.9)])), ("know.onnx", embedding()), ("live.onnx", liveness())]
}

/// The manifest of the tiny pack.
pub(crate) fn manifest() -> String {
    let [see, know, live] = files().map(|(name, bytes)| {
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        format!(
            "file = \"{name}\"\nsha256 = \"{digest}\"\nlicence = \"CC0\"\nsource = \"this test\"\n\
             conversion = \"none\"\ndata_terms = \"none\"\ninput = {{ name = \"input\", shape = [1, 3, 32, 32] }}\n\
             colour = \"rgb\"\nmean = [0.0, 0.0, 0.0]\ndeviation = [255.0, 255.0, 255.0]\n"
        )
    });
    let outputs: String = detector::outputs(SIDE, SIDE)
        .iter()
        .map(|port| format!("  {{ name = \"{}\", shape = {:?} }},\n", port.name, port.shape))
        .collect();
    format!(
        "format = 1\nname = \"tiny\"\nversion = \"1\"\n\
         [detector]\n{see}outputs = [\n{outputs}]\nscore_min = 0.6\noverlap_max = 0.3\nblend_min = 0.6\n\
         [embedding]\n{know}outputs = [{{ name = \"embedding\", shape = [1, 48] }}]\npreprocessing = 3\nsamples_max = 2\n\
         template = [[10.0, 12.0], [22.0, 12.0], [16.0, 18.0], [11.0, 24.0], [21.0, 24.0]]\n\
         [[liveness]]\n{live}outputs = [{{ name = \"prob\", shape = [1, 3] }}]\ncrop_scale = 2.0\nlive_output = 1\n\
         [calibration]\ndata = \"made up\"\ncomparisons = 1000000\n\
         [[calibration.point]]\ncomparison_score = 0.4\nfmr = 1e-3\n\
         [[calibration.point]]\ncomparison_score = 0.6\nfmr = 1e-5\n"
    )
}
