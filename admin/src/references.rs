//! Everybody enrolled, in memory: what a probe or a new template is compared with.

use anyhow::Context as _;
use doorward_core::gallery::Gallery;
use doorward_core::template::TemplateVersion;
use doorward_core::transform::{Protected, Transform};
use doorward_store::Store;

/// The references of one model version.
pub struct References {
    /// Their templates.
    pub gallery: Gallery,
    /// What takes a vector into their space.
    pub transform: Transform,
    /// Templates of other versions, which this model cannot be compared with.
    pub others: u64,
}

impl References {
    /// Reads them from the store.
    ///
    /// # Errors
    /// When the store cannot be read or a template does not fit the model.
    pub fn load(store: &mut Store, version: TemplateVersion, dimension: usize) -> anyhow::Result<Self> {
        let transform = Transform::new(&store.transform_key(), dimension);
        let mut gallery = Gallery::new(version, dimension);
        let mut refused = None;
        let read = store.templates(&version, |person, vector| {
            let inserted = gallery.insert(&person, version, &Protected::restore(vector));
            if let Err(error) = inserted {
                refused.get_or_insert((person, error));
            }
        });
        let read = read.context("read the templates")?;
        if let Some((person, error)) = refused {
            return Err(anyhow::Error::new(error).context(format!("take in the templates of {person}")));
        }
        let others = store.counts().context("count the templates")?.templates.saturating_sub(read);
        Ok(Self { gallery, transform, others })
    }
}
