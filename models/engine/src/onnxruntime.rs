//! ONNX Runtime through its C interface, one thread. The only file that names the crate `ort`.
//!
//! Loading a shared library runs its code, so the path comes from the configuration alone and the file must carry a
//! digest from [`PINNED`].

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::Mutex;

use ort::environment::Environment;
use ort::session::Session;
use ort::value::{Outlet, TensorRef, ValueType};
use sha2::{Digest as _, Sha256};

use crate::{Engine, EngineFault, Port, Signature, Tensor};

const NAME: &str = "onnxruntime";

/// Largest shared library that is read for its digest: the pinned ones have under 32 MiB.
const LIBRARY_LEN_MAX: u64 = 256 << 20;

/// The libraries that were tested, as (where from, SHA-256): `capi/libonnxruntime.so.*` inside the wheels that PyPI
/// serves as `onnxruntime`.
pub const PINNED: [(&str, &str); 2] = [
    (
        "onnxruntime 1.31.1 from PyPI, manylinux_2_28_x86_64",
        "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
    ),
    (
        "onnxruntime 1.31.1 from PyPI, manylinux_2_28_aarch64",
        "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
    ),
];

/// The one environment of the process. A process loads one library; later calls must ask for one that is pinned too,
/// and get the first.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// A session of ONNX Runtime.
pub(super) struct OnnxRuntime {
    session: Session,
    signature: Signature,
}

impl OnnxRuntime {
    pub(super) fn load(library: &Path, bytes: &[u8], signature: Signature) -> Result<Self, EngineFault> {
        let environment = environment(library)?;
        let session = open(&environment, bytes).map_err(|e| EngineFault::Load {
            model: signature.model.clone(),
            engine: NAME,
            source: e.into(),
        })?;
        let inputs = ports(session.inputs(), std::slice::from_ref(&signature.input));
        signature.verify(&inputs, &ports(session.outputs(), &signature.outputs))?;
        Ok(Self { session, signature })
    }
}

impl Engine for OnnxRuntime {
    fn run(&mut self, input: &Tensor) -> Result<Vec<Tensor>, EngineFault> {
        self.signature.check_input(input)?;
        let outputs = run(&mut self.session, input).map_err(|e| EngineFault::Run {
            model: self.signature.model.clone(),
            engine: NAME,
            source: e.into(),
        })?;
        self.signature.check_outputs(&outputs)?;
        Ok(outputs)
    }

    fn name(&self) -> &'static str {
        NAME
    }
}

fn environment(library: &Path) -> Result<Environment, EngineFault> {
    let mut slot = ENVIRONMENT.lock().expect("nothing panics while holding the environment");
    let fault = |source| EngineFault::Library { path: library.to_owned(), source };
    let file = pinned(library)?;
    if let Some(environment) = &*slot {
        return Ok(environment.clone());
    }
    // Through the descriptor: what was read is what is loaded, even if the path is exchanged in between.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let builder = ort::init_from(path).map_err(|e| fault(e.into()))?;
    let environment =
        builder.with_name("doorward").with_telemetry(false).build().map_err(|e| fault(e.into()))?;
    Ok(slot.insert(environment).clone())
}

/// Opens the library and holds its digest against the list.
fn pinned(library: &Path) -> Result<File, EngineFault> {
    let fault = |e: std::io::Error| EngineFault::Library { path: library.to_owned(), source: e.into() };
    let mut file = File::open(library).map_err(fault)?;
    let mut bytes = Vec::new();
    file.by_ref().take(LIBRARY_LEN_MAX).read_to_end(&mut bytes).map_err(fault)?;
    let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if PINNED.iter().any(|(_, pinned)| *pinned == found) {
        return Ok(file);
    }
    Err(EngineFault::Unpinned {
        path: library.to_owned(),
        found,
        pinned: PINNED.map(|(name, _)| name).join(" or "),
    })
}

fn open(environment: &Environment, bytes: &[u8]) -> ort::Result<Session> {
    let builder = Session::builder(environment)?;
    // One thread: the terminal's cores belong to capture and to the door as well, and one frame's stages are the
    // unit that is spread over them.
    builder.with_intra_threads(1)?.with_inter_threads(1)?.commit_from_memory(bytes)
}

/// The ports of a session; a dimension that the file leaves open takes the manifest's length.
fn ports(outlets: &[Outlet], manifest: &[Port]) -> Vec<Port> {
    let port = |(i, outlet): (usize, &Outlet)| {
        let dimensions = match outlet.dtype() {
            ValueType::Tensor { shape, .. } => shape.iter().copied().collect(),
            ValueType::Sequence(_) | ValueType::Map { .. } | ValueType::Optional(_) => Vec::new(),
        };
        let wanted = manifest.get(i).map_or(&[][..], |port| port.shape.as_slice());
        let side = |(axis, length): (usize, i64)| {
            usize::try_from(length).unwrap_or_else(|_| wanted.get(axis).copied().unwrap_or(0))
        };
        Port { name: outlet.name().to_owned(), shape: dimensions.into_iter().enumerate().map(side).collect() }
    };
    outlets.iter().enumerate().map(port).collect()
}

fn run(session: &mut Session, input: &Tensor) -> ort::Result<Vec<Tensor>> {
    let input = TensorRef::from_array_view((input.shape.as_slice(), input.values.as_slice()))?;
    let outputs = session.run(ort::inputs![input])?;
    let plain = |value: &ort::value::DynValue| {
        let (shape, values) = value.try_extract_tensor::<f32>()?;
        let shape = shape.iter().map(|side| usize::try_from(*side).unwrap_or(0)).collect();
        Ok(Tensor { shape, values: values.to_vec() })
    };
    outputs.values().map(|value| plain(&value)).collect()
}
