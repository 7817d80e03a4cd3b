//! What a door reports for the record. Every alarm and every state that lasts is set once and cleared once; a terminal
//! that starts anew has cleared them all.

use super::Alarm;

/// One report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Opened after a grant, or by somebody who leaves.
    Opened,
    /// Closed.
    Closed,
    /// A grant was not used.
    NotUsed,
    /// Opened without a grant: alarm.
    Forced,
    /// That alarm ended.
    ForcedCleared,
    /// Open too long: alarm.
    HeldOpen,
    /// That alarm ended.
    HeldOpenCleared,
    /// The relay did not do as told.
    RelayFailed,
    /// Fire release began.
    Fire,
    /// Fire release ended.
    FireOver,
    /// Lockdown began.
    Lockdown,
    /// Lockdown ended.
    LockdownOver,
    /// The terminal's case was opened or torn off: alarm.
    Tampered,
    /// The case is closed again.
    TamperCleared,
    /// Mains failed; the terminal runs on its battery.
    PowerFailed,
    /// Mains is back.
    PowerRestored,
}

impl Event {
    /// The stable code in audit entries.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Event::Opened => "opened",
            Event::Closed => "closed",
            Event::NotUsed => "not_used",
            Event::Forced => "forced",
            Event::ForcedCleared => "forced_cleared",
            Event::HeldOpen => "held_open",
            Event::HeldOpenCleared => "held_open_cleared",
            Event::RelayFailed => "relay_failed",
            Event::Fire => "fire",
            Event::FireOver => "fire_over",
            Event::Lockdown => "lockdown",
            Event::LockdownOver => "lockdown_over",
            Event::Tampered => "tampered",
            Event::TamperCleared => "tamper_cleared",
            Event::PowerFailed => "power_failed",
            Event::PowerRestored => "power_restored",
        }
    }

    /// The report that an alarm ended.
    #[must_use]
    pub const fn cleared(alarm: Alarm) -> Self {
        match alarm {
            Alarm::Forced => Event::ForcedCleared,
            Alarm::HeldOpen => Event::HeldOpenCleared,
        }
    }
}
