//! tract: ONNX in pure Rust, one thread. The only file that names the crate.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tract_onnx::prelude::{
    DatumType, Framework, InferenceFact, InferenceModel, InferenceModelExt, IntoRunnable, OutletId, TValue,
    Tensor as TractTensor, TractError, TractResult, TypedRunnableModel, onnx, tvec,
};

use crate::{Engine, EngineFault, Port, Signature, Tensor, volume};

const NAME: &str = "tract";

/// A network optimised for this processor.
pub(super) struct Tract {
    plan: Arc<TypedRunnableModel>,
    signature: Signature,
}

impl Tract {
    pub(super) fn load(bytes: &[u8], signature: Signature) -> Result<Self, EngineFault> {
        // tract asserts on some malformed graphs; a bad file must end as a fault that names it.
        let loaded = catch_unwind(AssertUnwindSafe(|| read(bytes, &signature)));
        let (inputs, outputs, plan) = loaded
            .unwrap_or_else(|_| Err(TractError::msg("the reader panicked over a malformed graph")))
            .map_err(|e| EngineFault::Load {
                model: signature.model.clone(),
                engine: NAME,
                source: e.into(),
            })?;
        signature.verify(&inputs, &outputs)?;
        Ok(Self { plan, signature })
    }
}

impl Engine for Tract {
    fn run(&mut self, input: &Tensor) -> Result<Vec<Tensor>, EngineFault> {
        self.signature.check_input(input)?;
        let outputs = run(&self.plan, input).map_err(|e| EngineFault::Run {
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

type Loaded = (Vec<Port>, Vec<Port>, Arc<TypedRunnableModel>);

/// Parses and optimises. Ports that the file leaves open (a symbolic batch) take the manifest's shape.
fn read(mut bytes: &[u8], signature: &Signature) -> TractResult<Loaded> {
    let mut model = onnx().model_for_read(&mut bytes)?;
    let inputs = declared(&model, signature)?;
    let names: Vec<String> = model.output_outlets()?.iter().map(|outlet| label(&model, *outlet)).collect();
    if let [input] = inputs.as_slice() {
        model.set_input_fact(0, InferenceFact::dt_shape(DatumType::F32, input.shape.as_slice()))?;
    }
    let model = model.into_optimized()?;
    let outputs = names.into_iter().enumerate().map(|(i, name)| {
        let fact = model.output_fact(i)?;
        let shape = fact.shape.as_concrete().map(<[usize]>::to_vec).unwrap_or_default();
        Ok(Port { name, shape })
    });
    let outputs = outputs.collect::<TractResult<Vec<_>>>()?;
    Ok((inputs, outputs, model.into_runnable()?))
}

fn declared(model: &InferenceModel, signature: &Signature) -> TractResult<Vec<Port>> {
    let outlets = model.input_outlets()?;
    let port = |(i, outlet): (usize, &OutletId)| {
        let fixed = model.input_fact(i)?.shape.as_concrete_finite()?;
        let shape = fixed.map_or_else(|| signature.input.shape.clone(), |shape| shape.to_vec());
        Ok(Port { name: label(model, *outlet), shape })
    };
    outlets.iter().enumerate().map(port).collect()
}

fn label(model: &InferenceModel, outlet: OutletId) -> String {
    model.outlet_label(outlet).unwrap_or(&model.node(outlet.node).name).to_owned()
}

fn run(plan: &Arc<TypedRunnableModel>, input: &Tensor) -> TractResult<Vec<Tensor>> {
    let input = TractTensor::from_shape(&input.shape, &input.values)?;
    let outputs = plan.run(tvec!(TValue::from(input)))?;
    outputs.iter().map(|output| plain(output)).collect()
}

fn plain(output: &TractTensor) -> TractResult<Tensor> {
    let view = output.to_plain_array_view::<f32>()?;
    let mut values = Vec::with_capacity(volume(output.shape()).unwrap_or(0));
    values.extend(view.iter());
    Ok(Tensor { shape: output.shape().to_vec(), values })
}
