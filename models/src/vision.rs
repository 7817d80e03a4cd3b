//! The models of a pack as the core sees them: [`doorward_core::vision::Vision`].

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::Landmarks;
use doorward_core::template::TemplateVersion;
use doorward_core::vision::{Detection, Vision, VisionFault};

use crate::detector::Detector;
use crate::embedding::Embedder;
use crate::engine::{self, Engine, EngineKind};
use crate::fusion::{self, Confidence};
use crate::golden;
use crate::liveness::Liveness;
use crate::pack::{ModelEntry, Pack, PackFault, Reach};
use crate::refiner::Refiner;

/// Loaded models, ready for pictures. One thread; a second one needs its own.
pub struct Models {
    detector: Detector,
    refiner: Option<Refiner>,
    embedder: Embedder,
    liveness: Vec<Liveness>,
    confidence: Confidence,
    version: TemplateVersion,
    digest: [u8; 32],
}

impl Models {
    /// Loads the models of a pack for people near the door, and tests each against its golden vector.
    ///
    /// # Errors
    /// [`PackFault`].
    pub fn load(pack: &Pack, kind: &EngineKind) -> Result<Self, PackFault> {
        Self::load_for(pack, kind, Reach::Near)
    }

    /// Loads the models of a pack for people at `reach`.
    ///
    /// # Errors
    /// [`PackFault`].
    pub fn load_for(pack: &Pack, kind: &EngineKind, reach: Reach) -> Result<Self, PackFault> {
        let manifest = pack.manifest();
        let finder = match (reach, &manifest.detector_distant) {
            (Reach::Near, _) => &manifest.detector,
            (Reach::Distant, Some(distant)) => distant,
            (Reach::Distant, None) => return Err(PackFault::NoDistant { name: manifest.name.clone() }),
        };
        let load = |entry: &ModelEntry| load(pack, kind, entry);
        let entry = &finder.entry;
        let shape = &entry.signature.input.shape;
        let detector = Detector::new(load(entry)?, shape, entry.normalisation, finder.limits);
        let refiner = match &manifest.refiner {
            None => None,
            Some(model) => {
                let (entry, shape) = (&model.entry, &model.entry.signature.input.shape);
                let engine = load(entry)?;
                Some(Refiner::new(engine, shape, entry.normalisation, model.alignment, model.score_min))
            }
        };
        let (embedding, entry) = (&manifest.embedding, &manifest.embedding.entry);
        let shape = &entry.signature.input.shape;
        let embedder = Embedder::new(load(entry)?, shape, entry.normalisation, embedding.alignment);
        let liveness = manifest.liveness.iter().map(|model| {
            let (entry, shape) = (&model.entry, &model.entry.signature.input.shape);
            Ok(Liveness::new(load(entry)?, shape, entry.normalisation, model.crop, model.live_output))
        });
        Ok(Self {
            detector,
            refiner,
            embedder,
            liveness: liveness.collect::<Result<_, PackFault>>()?,
            confidence: manifest.confidence(),
            version: TemplateVersion { model: entry.sha256, preprocessing: embedding.preprocessing },
            digest: pack.digest(),
        })
    }

    /// Digest of the pack.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// What the pack's liveness networks say about a face together, in log-odds of life, before the pack's calibration:
    /// what a calibration is made of.
    ///
    /// # Errors
    /// [`VisionFault`] when the engine fails.
    pub fn liveness_odds(&mut self, picture: &Plane<Rgb>, face: &Detection) -> Result<f32, VisionFault> {
        let answers: Vec<f32> = self
            .liveness
            .iter_mut()
            .map(|model| model.probability(picture, face.region).map_err(fault("liveness")))
            .collect::<Result<_, _>>()?;
        Ok(fusion::fused(answers).expect("a manifest without liveness models is refused"))
    }

    /// Those of the proposed faces that are some at a second look; all of them, where the pack takes none.
    ///
    /// # Errors
    /// [`VisionFault`] when the engine fails.
    pub fn refined(
        &mut self,
        picture: &Plane<Rgb>,
        proposals: Vec<Detection>,
    ) -> Result<Vec<Detection>, VisionFault> {
        match &mut self.refiner {
            Some(refiner) => refiner.refine(picture, proposals).map_err(fault("refiner")),
            None => Ok(proposals),
        }
    }

    /// Confidence, 0 to 1, that a face with these log-odds is alive.
    #[must_use]
    pub fn confidence(&self) -> Confidence {
        self.confidence
    }
}

impl Vision for Models {
    fn version(&self) -> TemplateVersion {
        self.version
    }

    fn detect(&mut self, picture: &Plane<Rgb>) -> Result<Vec<Detection>, VisionFault> {
        let proposals = self.detector.detect(picture).map_err(fault("detector"))?;
        self.refined(picture, proposals)
    }

    fn liveness(&mut self, picture: &Plane<Rgb>, face: &Detection) -> Result<f32, VisionFault> {
        let odds = self.liveness_odds(picture, face)?;
        Ok(self.confidence.of(odds))
    }

    fn embed(&mut self, picture: &Plane<Rgb>, landmarks: &Landmarks) -> Result<Vec<f32>, VisionFault> {
        self.embedder.embed(picture, landmarks).map_err(fault("embedding"))
    }
}

fn load(pack: &Pack, kind: &EngineKind, entry: &ModelEntry) -> Result<Box<dyn Engine>, PackFault> {
    let mut engine = engine::load(kind, pack.weights(entry), entry.signature.clone())?;
    golden::verify(engine.as_mut(), entry)?;
    Ok(engine)
}

fn fault<E: std::error::Error + Send + Sync + 'static>(model: &'static str) -> impl FnOnce(E) -> VisionFault {
    move |source| VisionFault { model, source: Box::new(source) }
}
