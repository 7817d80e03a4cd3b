//! Whether the hub kept what the terminals recorded: every record once, in order, under its terminal's signature.

use std::collections::BTreeMap;

use doorward_protocol::hex::hex;
use doorward_protocol::ids::TerminalId;
use doorward_protocol::trust::Trust;

use super::terminal::Standing;
use crate::answer::Answer;
use crate::hub::Line;
use crate::witness;

/// What the hub has of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reckoning {
    /// Trails of this run.
    pub(super) trails: u64,
    /// Records in them, each proved by its terminal's signature.
    pub(super) kept: u64,
    /// Records that happened and are not there.
    pub(super) lost: u64,
    /// Records that are there and never happened.
    pub(super) doubled: u64,
    /// Records that the hub said it keeps, and does not.
    pub(super) broken_word: u64,
}

/// Follows every trail that the hub keeps of the run, signature and all.
///
/// # Errors
/// [`crate::answer::Stop::Refused`] for a trail that is not what its terminal signed.
pub(super) fn reckon(
    line: &Line,
    trust: &Trust,
    terminals: &[Standing],
    mut seen: impl FnMut(u64),
) -> Answer<Reckoning> {
    let mut waiting: BTreeMap<(TerminalId, String), &Standing> =
        terminals.iter().map(|one| ((one.own.terminal.clone(), hex(&one.own.genesis)), one)).collect();
    let mut reckoning = Reckoning::default();
    witness::each_trail(line, trust.site(), &mut |trail| {
        let place = (trail.terminal.clone(), trail.genesis.clone());
        let Some(standing) = waiting.remove(&place) else { return Ok(()) };
        witness::prove(line, trust, trail)?;
        reckoning.add(standing, trail.seq);
        seen(trail.seq);
        Ok(())
    })?;
    waiting.values().for_each(|standing| reckoning.add_absent(standing));
    Ok(reckoning)
}

impl Reckoning {
    fn add(&mut self, standing: &Standing, kept: u64) {
        self.trails += 1;
        self.kept += kept;
        self.lost += standing.happened.saturating_sub(kept);
        self.doubled += kept.saturating_sub(standing.happened);
        self.broken_word += standing.kept.seq.saturating_sub(kept);
    }

    fn add_absent(&mut self, standing: &Standing) {
        self.lost += standing.happened;
        self.broken_word += standing.kept.seq;
    }
}
