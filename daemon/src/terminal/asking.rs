//! What programs beside the door ask of the terminal: sessions, and questions about faces. Answered between two steps of
//! the door, from what it knows anyway; nothing here reaches the door, the record or the relay.

use std::time::Duration;

use doorward_core::attempt::{State, Verdict};
use doorward_core::inquiry::{self, Likeness};
use doorward_core::session::{Caller, Finding, SessionFault, SessionId};
use doorward_core::template::UnitVector;
use doorward_core::time::Now;
use doorward_core::transform::Protected;
use doorward_protocol::ids::PersonId;

use super::{Observation, Terminal};

/// What is asked.
#[derive(Debug)]
pub enum Ask {
    /// A session of this name; whether its result is to carry the person's template.
    Make(SessionId, Caller, bool),
    /// That it looks on.
    Stream(SessionId, Caller),
    /// That it ends.
    End(SessionId, Caller),
    /// Its result.
    Take(SessionId, Caller),
    /// Whether two faces are one person's.
    Compare(Probe, Probe),
    /// Whether a face is that of this person.
    Verify(PersonId, Probe),
    /// Whose face it is.
    Search(Probe),
}

/// A face to be compared.
#[derive(Debug)]
pub enum Probe {
    /// As the model made it.
    Fresh(UnitVector),
    /// As a session's result had it.
    Reference(Protected),
}

/// The answer.
#[derive(Debug)]
pub enum Told {
    /// Done.
    Done,
    /// The result of a session.
    Finding(Box<Finding>),
    /// How alike two faces are.
    Likeness(Likeness),
    /// Whose face it is; none for nobody's.
    Person(Option<(PersonId, Likeness)>),
    /// Why not.
    Refused(Refused),
}

/// Why something that was asked is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The session says no.
    #[error(transparent)]
    Session(#[from] SessionFault),
    /// Failed checks have locked the door's attempts out.
    #[error("attempts at this terminal are locked out after failed liveness checks")]
    LockedOut(Duration),
    /// Too many questions.
    #[error("too many questions; ask more slowly")]
    TooMany(Duration),
    /// A reference of another model or site.
    #[error("this reference was not made by the models that this terminal runs now")]
    Reference,
}

/// Takes the answer, at once, and never waits.
pub type Reply = Box<dyn FnOnce(Told) + Send + Sync>;

impl Terminal {
    /// Answers.
    pub(super) fn answer(&mut self, ask: Ask, now: Now) -> Told {
        let done = match ask {
            Ask::Make(id, caller, reference) => self
                .open_to_sessions(now)
                .and_then(|()| self.sessions.make(id, caller, reference, now.mono).map_err(Refused::Session)),
            Ask::Stream(id, caller) => self.open_to_sessions(now).and_then(|()| {
                let watching = matches!(self.attempts.state(), State::Watching(_));
                self.sessions.stream(id, caller, watching, now.mono).map_err(Refused::Session)
            }),
            Ask::End(id, caller) => self.sessions.end(id, caller).map_err(Refused::Session),
            Ask::Take(id, caller) => match self.sessions.take(id, caller, now.mono) {
                Ok(finding) => return Told::Finding(Box::new(finding)),
                Err(fault) => Err(fault.into()),
            },
            question @ (Ask::Compare(..) | Ask::Verify(..) | Ask::Search(_)) => {
                match self.allowance.take(now.mono) {
                    Ok(()) => return self.judge(question).unwrap_or_else(Told::Refused),
                    Err(wait) => Err(Refused::TooMany(wait)),
                }
            }
        };
        done.map_or_else(Told::Refused, |()| Told::Done)
    }

    fn judge(&self, question: Ask) -> Result<Told, Refused> {
        let (gallery, calibration, rules) = (&self.people.gallery, &self.calibration, &self.rules);
        let max_fmr = rules.terms.max_fmr;
        Ok(match question {
            Ask::Compare(a, b) => {
                let (a, b) = (self.protected(a)?, self.protected(b)?);
                Told::Likeness(inquiry::compare(&a, &b, calibration, max_fmr))
            }
            Ask::Verify(person, probe) => {
                let probe = self.protected(probe)?;
                Told::Likeness(inquiry::verify(&person, &probe, gallery, calibration, max_fmr))
            }
            Ask::Search(probe) => {
                let probe = self.protected(probe)?;
                let (max_fpir, margin_min) = (rules.max_fpir, rules.margin_min);
                Told::Person(inquiry::search(&probe, gallery, calibration, max_fpir, margin_min))
            }
            Ask::Make(..) | Ask::Stream(..) | Ask::End(..) | Ask::Take(..) => Told::Done,
        })
    }

    fn protected(&self, probe: Probe) -> Result<Protected, Refused> {
        let dimension = self.people.transform.dimension();
        match probe {
            Probe::Fresh(vector) => self.people.transform.protect(&vector).map_err(|_| Refused::Reference),
            Probe::Reference(known) if known.vector().dimension() == dimension => Ok(known),
            Probe::Reference(_) => Err(Refused::Reference),
        }
    }

    /// Whoever is locked out at the door is so here: a session is no second place to try a mask at.
    fn open_to_sessions(&self, now: Now) -> Result<(), Refused> {
        let until = self.lockout.until_ms().filter(|_| self.lockout.locked(now.wall.ms));
        let left = until.map(|until| until.saturating_sub(now.wall.ms).max(1000).unsigned_abs());
        left.map_or(Ok(()), |ms| Err(Refused::LockedOut(Duration::from_millis(ms))))
    }

    /// Lets whoever looks on know how an attempt ended.
    pub(super) fn tell_sessions(&mut self, verdict: Option<&Verdict>) {
        match verdict {
            Some(verdict) => {
                let transform = &self.people.transform;
                let ended = self.sessions.conclude(verdict, |probe| transform.protect(probe).ok());
                if let Some(id) = ended {
                    (self.observer)(Observation::SessionEnded(id));
                }
            }
            None if !matches!(self.attempts.state(), State::Watching(_)) => self.sessions.rest(),
            None => {}
        }
    }
}
