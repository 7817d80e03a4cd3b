//! What programs beside the door ask of the terminal: sessions, and questions about faces. Answered between two steps of
//! the door, from what it knows anyway; nothing here reaches the door or the relay. What somebody is told about a face is on
//! record first ([`doorward_core::questions`]).

use std::time::Duration;

use doorward_core::attempt::{State, Verdict};
use doorward_core::decision::Reject;
use doorward_core::inquiry::{self, Likeness};
use doorward_core::questions::{Answered, Question};
use doorward_core::session::{Caller, Finding, SessionFault, SessionId};
use doorward_core::template::UnitVector;
use doorward_core::time::Now;
use doorward_core::transform::Protected;
use doorward_protocol::audit::{Asked, What};
use doorward_protocol::ids::PersonId;

use super::{Observation, Terminal, chain};

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
    Compare(Caller, Probe, Probe),
    /// Whether a face is that of this person.
    Verify(Caller, PersonId, Probe),
    /// Whose face it is.
    Search(Caller, Probe),
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
    /// No answer without a record.
    #[error("the answer could not be recorded; the terminal's disk is full or failing")]
    Unrecorded,
    /// A reference of another model or site.
    #[error("this reference was not made by the models that this terminal runs now")]
    Reference,
}

/// Takes the answer, at once, and never waits.
pub type Reply = Box<dyn FnOnce(Told) + Send + Sync>;

/// Who asks about faces, what, and whom the face is said to be.
fn asked(question: &Ask) -> (Caller, Question, Option<PersonId>) {
    match question {
        Ask::Compare(by, ..) => (*by, Question::Compare, None),
        Ask::Verify(by, person, _) => (*by, Question::Verify, Some(person.clone())),
        Ask::Search(by, _) => (*by, Question::Search, None),
        Ask::Make(_, by, _) | Ask::Stream(_, by) | Ask::End(_, by) | Ask::Take(_, by) => {
            (*by, Question::Session, None)
        }
    }
}

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
                Ok(finding) => {
                    let answered = Answered {
                        by: caller,
                        question: Question::Session,
                        answer: finding.reject.map_or("live", Reject::code),
                        person: None,
                        attempt: Some(finding.attempt),
                    };
                    return self.told(answered, Told::Finding(Box::new(finding)), now);
                }
                Err(fault) => Err(fault.into()),
            },
            question @ (Ask::Compare(..) | Ask::Verify(..) | Ask::Search(..)) => {
                let (by, kind, claimed) = asked(&question);
                let answered =
                    |answer, person| Answered { by, question: kind, answer, person, attempt: None };
                let told = match self.allowance.take(now.mono) {
                    Ok(()) => self.judge(question),
                    Err(wait) => Err(Refused::TooMany(wait)),
                };
                return match told {
                    Ok(Told::Likeness(likeness)) => {
                        let person = claimed.filter(|_| likeness != Likeness::None);
                        self.told(answered(likeness.code(), person), Told::Likeness(likeness), now)
                    }
                    Ok(Told::Person(found)) => {
                        let (person, likeness) = found.clone().unzip();
                        let code = likeness.unwrap_or(Likeness::None).code();
                        self.told(answered(code, person), Told::Person(found), now)
                    }
                    Err(refused @ Refused::TooMany(_)) => {
                        self.told(answered("too_many", None), Told::Refused(refused), now)
                    }
                    Ok(told) => told,
                    Err(refused) => Told::Refused(refused),
                };
            }
        };
        done.map_or_else(Told::Refused, |()| Told::Done)
    }

    /// Lets this be told once it is on record.
    fn told(&mut self, answered: Answered, told: Told, now: Now) -> Told {
        if let Some(record) = self.questions.tell(&answered) {
            if let Err(fault) = self.disk.append(&What::Asked(record), now.wall) {
                tracing::error!("an answer is not told, for it could not be recorded: {}", chain(&fault));
                return Told::Refused(Refused::Unrecorded);
            }
            self.questions.recorded(answered, now.mono);
            (self.observer)(Observation::Recorded);
        }
        told
    }

    /// Records how often the same was told since.
    pub(super) fn count_questions(&mut self, asked: Vec<Asked>, now: Now) {
        asked.into_iter().for_each(|asked| self.note(&What::Asked(asked), now));
    }

    fn judge(&self, question: Ask) -> Result<Told, Refused> {
        let (gallery, calibration, rules) = (&self.people.gallery, &self.calibration, &self.rules);
        let max_fmr = rules.terms.max_fmr;
        Ok(match question {
            Ask::Compare(_, a, b) => {
                let (a, b) = (self.protected(a)?, self.protected(b)?);
                Told::Likeness(inquiry::compare(&a, &b, calibration, max_fmr))
            }
            Ask::Verify(_, person, probe) => {
                let probe = self.protected(probe)?;
                Told::Likeness(inquiry::verify(&person, &probe, gallery, calibration, max_fmr))
            }
            Ask::Search(_, probe) => {
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
