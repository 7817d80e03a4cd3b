//! What benches of a whole terminal share.

use std::path::Path;
use std::time::{Duration, Instant};

use doorward_core::claim::Terms;
use doorward_core::policy::{Rules, UntrustedTime};
use doorward_core::schedule::Weekly;
use doorward_core::template::{TemplateVersion, UnitVector};
use doorward_core::time::Wall;
use doorward_core::transform::Transform;
use doorward_store::{MasterKey, PersonRecord, Store};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A door that is open to everybody who is enrolled.
pub(crate) fn rules() -> Rules {
    Rules {
        door: "front".parse().expect("an identifier"),
        open_for: Duration::from_secs(5),
        weekly: Weekly::parse("UTC", &["always"]).expect("a schedule"),
        max_fpir: 1e-2,
        margin_min: 0.05,
        untrusted_time: UntrustedTime::Believe,
        terms: Terms::default(),
    }
}

/// A store with the person of the photograph and strangers of random templates.
pub(crate) fn fill(
    path: &Path,
    key: &MasterKey,
    version: TemplateVersion,
    own: &UnitVector,
    templates: usize,
    wall: Wall,
) {
    let site = "bench".parse().expect("an identifier");
    let mut store =
        Store::create(path, key, &site, &"front".parse().expect("an identifier")).expect("a store");
    let transform = Transform::new(&store.transform_key(), own.dimension());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    store
        .together(|batch| {
            for number in 0..templates {
                let vector = if number == 0 { own.clone() } else { random(&mut rng, own.dimension()) };
                let id: doorward_protocol::ids::PersonId =
                    format!("p{number}").parse().expect("an identifier");
                let record = PersonRecord {
                    id: id.clone(),
                    name: String::new(),
                    valid_from_ms: None,
                    valid_until_ms: None,
                    suspended: false,
                };
                batch.put_person(&record, wall)?;
                let template = transform.protect(&vector).expect("of the right dimension");
                batch.put_template(&id, version, template.vector(), "photo_supervised", wall)?;
            }
            Ok(())
        })
        .expect("the store takes them");
    store.close().expect("the store closes");
}

/// A template of nobody.
pub(crate) fn random(rng: &mut ChaCha8Rng, dimension: usize) -> UnitVector {
    UnitVector::normalise((0..dimension).map(|_| rng.random_range(-1.0f32..1.0)).collect())
        .expect("a direction")
}

#[expect(clippy::disallowed_methods, reason = "a bench reads time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
