//! Liveness sessions: a program beside the door asks whether a live person stands before the terminal.
//!
//! `made → streaming → ended → taken`; whatever is not taken within [`TTL`] is gone. A session looks on at the door's own
//! attempts and has no part in them: the same examination, the same attempts, the same lockout decide, the door answers as
//! it would have, and nothing that a session does can move anything. While one streams, the next attempt that begins is
//! its own: one attempt speaks for one session, and a session for one attempt.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use doorward_protocol::hex::{hex, unhex};
use doorward_protocol::ids::AttemptId;

use crate::attempt::Verdict;
use crate::decision::Reject;
use crate::disclosure;
use crate::template::UnitVector;
use crate::time::Mono;
use crate::transform::Protected;

/// How long a session lasts, from being made to being taken.
pub const TTL: Duration = Duration::from_secs(180);
/// Sessions at a time: there is one place before a terminal, and a few programs may wait for it.
pub const SESSIONS_MAX: usize = 8;

/// Names a session. Drawn at random by whoever makes it: who does not know it cannot ask for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// It is worth a result to whoever reads it, so logs have its beginning only.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}…)", hex(&self.0[..2]))
    }
}

impl FromStr for SessionId {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        unhex(text).map(Self).ok_or("a session is named by 32 hexadecimal digits")
    }
}

/// Who asks. A session answers whoever made it, and nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// A user of this machine, as the kernel says.
    User(u32),
    /// Whoever showed the token.
    Token,
}

/// What a session found out.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The attempt, as the audit trail numbers it.
    pub attempt: AttemptId,
    /// Why there was no live person; none where there was.
    pub reject: Option<Reject>,
    /// Confidence, 0 to 100, in the steps of [`disclosure::confidence`].
    pub confidence: u8,
    /// Frames that agreed.
    pub frames: u32,
    /// The person's template in the site's space, where it was asked for.
    pub reference: Option<Protected>,
}

/// Why a session is not made, streamed or taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionFault {
    /// There are [`SESSIONS_MAX`].
    #[error("{SESSIONS_MAX} sessions are open; end one, or wait until one is over")]
    Full,
    /// Another one streams.
    #[error("another session is at it; one person stands before a terminal at a time")]
    Busy,
    /// Not there, over, taken already, or somebody else's: nobody is told which.
    #[error("there is no such session; it may be over, a session lasts {} s", TTL.as_secs())]
    Unknown,
    /// It was streamed before.
    #[error("this session was streamed already; make another one")]
    Used,
    /// It has no result yet.
    #[error("this session has no result yet; open its stream, and wait for the end of it")]
    Pending,
}

#[derive(Debug, Clone)]
enum Stage {
    Made,
    /// `own`: whether the attempt that is under way, or the next one, is this session's.
    Streaming {
        own: bool,
    },
    Ended(Box<Finding>),
}

#[derive(Debug, Clone)]
struct Session {
    caller: Caller,
    reference: bool,
    made: Mono,
    stage: Stage,
}

/// All sessions of a terminal.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    all: BTreeMap<SessionId, Session>,
}

impl Sessions {
    /// Makes a session. `reference`: its result is to carry the person's template.
    ///
    /// # Errors
    /// [`SessionFault::Full`]; a name that is in use is refused as well, and nobody draws one twice.
    pub fn make(
        &mut self,
        id: SessionId,
        caller: Caller,
        reference: bool,
        now: Mono,
    ) -> Result<(), SessionFault> {
        self.tick(now);
        if self.all.len() >= SESSIONS_MAX || self.all.contains_key(&id) {
            return Err(SessionFault::Full);
        }
        self.all.insert(id, Session { caller, reference, made: now, stage: Stage::Made });
        Ok(())
    }

    /// Begins to look on. `watching`: an attempt is under way, which began before this session and is not its own.
    ///
    /// # Errors
    /// [`SessionFault`].
    pub fn stream(
        &mut self,
        id: SessionId,
        caller: Caller,
        watching: bool,
        now: Mono,
    ) -> Result<(), SessionFault> {
        self.tick(now);
        let busy = self.streams();
        let session = self.of(id, caller)?;
        match session.stage {
            Stage::Made if busy => Err(SessionFault::Busy),
            Stage::Made => {
                session.stage = Stage::Streaming { own: !watching };
                Ok(())
            }
            Stage::Streaming { .. } | Stage::Ended(_) => Err(SessionFault::Used),
        }
    }

    /// Ends a session, whatever it has come to.
    ///
    /// # Errors
    /// [`SessionFault::Unknown`].
    pub fn end(&mut self, id: SessionId, caller: Caller) -> Result<(), SessionFault> {
        self.of(id, caller)?;
        self.all.remove(&id);
        Ok(())
    }

    /// Takes the result; the session is over.
    ///
    /// # Errors
    /// [`SessionFault`].
    pub fn take(&mut self, id: SessionId, caller: Caller, now: Mono) -> Result<Finding, SessionFault> {
        self.tick(now);
        match &self.of(id, caller)?.stage {
            Stage::Made | Stage::Streaming { .. } => Err(SessionFault::Pending),
            Stage::Ended(finding) => {
                let finding = Finding::clone(finding);
                self.all.remove(&id);
                Ok(finding)
            }
        }
    }

    /// Whether one looks on.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.all.values().any(|session| matches!(session.stage, Stage::Streaming { .. }))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Hears that no attempt is under way: the next one is that of whoever looks on.
    pub fn rest(&mut self) {
        for session in self.all.values_mut() {
            if let Stage::Streaming { own } = &mut session.stage {
                *own = true;
            }
        }
    }

    /// Hears how an attempt ended. Returns the session that has its result by it. `protect` takes a probe into the site's
    /// space.
    pub fn conclude(
        &mut self,
        verdict: &Verdict,
        protect: impl FnOnce(&UnitVector) -> Option<Protected>,
    ) -> Option<SessionId> {
        let streaming = self.all.iter_mut().find(|(_, s)| matches!(s.stage, Stage::Streaming { .. }));
        let (id, session) = streaming?;
        if let Stage::Streaming { own: own @ false } = &mut session.stage {
            // The attempt that was under way when the stream was opened. The next one counts.
            *own = true;
            return None;
        }
        let finding = match verdict {
            Verdict::Case(case) => Finding {
                attempt: case.attempt(),
                reject: None,
                confidence: disclosure::confidence(case.confidence(), true),
                frames: case.frames(),
                reference: session.reference.then(|| protect(case.probe())).flatten(),
            },
            Verdict::Refused(refusal) => Finding {
                attempt: refusal.attempt(),
                reject: Some(refusal.reject()),
                confidence: 0,
                frames: 0,
                reference: None,
            },
        };
        session.stage = Stage::Ended(Box::new(finding));
        Some(*id)
    }

    /// Forgets what is over.
    pub fn tick(&mut self, now: Mono) {
        self.all.retain(|_, session| now.since(session.made) < TTL);
    }

    /// When the next one is over.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.all.values().map(|session| session.made + TTL).min()
    }

    fn of(&mut self, id: SessionId, caller: Caller) -> Result<&mut Session, SessionFault> {
        self.all.get_mut(&id).filter(|session| session.caller == caller).ok_or(SessionFault::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::{Attempts, Evidence, Limits};
    use crate::liveness::Policy;

    const US: Caller = Caller::User(1000);

    fn id(byte: u8) -> SessionId {
        SessionId([byte; 16])
    }

    fn at(s: u64) -> Mono {
        Mono::from_millis(1000 * s)
    }

    /// How an attempt ends that a photograph makes.
    fn refused() -> Verdict {
        let mut attempts = Attempts::new(Limits::default(), Policy::default(), AttemptId(7), [0; 32]);
        for frame in 0..10 {
            let evidence = Evidence::Rejected(Reject::NotLive);
            let (next, verdict) = attempts.observe(evidence.into(), false, Mono::from_millis(100 * frame));
            if let Some(verdict) = verdict {
                return verdict;
            }
            attempts = next;
        }
        unreachable!("a photograph is refused after a few frames")
    }

    fn streaming(watching: bool) -> Sessions {
        let mut sessions = Sessions::default();
        sessions.make(id(1), US, false, at(0)).unwrap();
        sessions.stream(id(1), US, watching, at(1)).unwrap();
        sessions
    }

    #[test]
    fn a_session_goes_its_way_once() {
        let mut sessions = Sessions::default();
        sessions.make(id(1), US, false, at(0)).unwrap();
        assert_eq!(sessions.take(id(1), US, at(1)), Err(SessionFault::Pending));
        assert!(sessions.conclude(&refused(), |_| None).is_none(), "nobody looks on yet");
        sessions.stream(id(1), US, false, at(1)).unwrap();
        assert_eq!(sessions.stream(id(1), US, false, at(1)), Err(SessionFault::Used));
        assert_eq!(sessions.take(id(1), US, at(1)), Err(SessionFault::Pending));
        assert_eq!(sessions.conclude(&refused(), |_| None), Some(id(1)));
        assert!(sessions.conclude(&refused(), |_| None).is_none(), "one attempt");
        assert_eq!(sessions.stream(id(1), US, false, at(2)), Err(SessionFault::Used));
        let finding = sessions.take(id(1), US, at(3)).unwrap();
        assert_eq!((finding.reject, finding.attempt), (Some(Reject::NotLive), AttemptId(7)));
        assert_eq!((finding.confidence, finding.frames), (0, 0), "h9");
        assert_eq!(sessions.take(id(1), US, at(3)), Err(SessionFault::Unknown), "taken once");
    }

    #[test]
    fn an_attempt_that_began_before_the_stream_is_not_its_own() {
        let mut sessions = streaming(true);
        assert!(sessions.conclude(&refused(), |_| None).is_none());
        assert_eq!(sessions.conclude(&refused(), |_| None), Some(id(1)));
        let mut sessions = streaming(true);
        sessions.rest();
        assert_eq!(sessions.conclude(&refused(), |_| None), Some(id(1)), "somebody left meanwhile");
    }

    #[test]
    fn one_attempt_speaks_for_one_session() {
        let mut sessions = streaming(false);
        sessions.make(id(2), Caller::Token, false, at(1)).unwrap();
        assert_eq!(sessions.stream(id(2), Caller::Token, false, at(2)), Err(SessionFault::Busy));
        sessions.conclude(&refused(), |_| None);
        sessions.stream(id(2), Caller::Token, false, at(3)).unwrap();
        assert_eq!(sessions.take(id(2), Caller::Token, at(3)), Err(SessionFault::Pending));
    }

    #[test]
    fn h8_a_session_answers_whoever_made_it_and_nobody_else() {
        let mut sessions = streaming(false);
        for other in [Caller::User(1001), Caller::User(0), Caller::Token] {
            assert_eq!(sessions.take(id(1), other, at(2)), Err(SessionFault::Unknown));
            assert_eq!(sessions.stream(id(1), other, false, at(2)), Err(SessionFault::Unknown));
            assert_eq!(sessions.end(id(1), other), Err(SessionFault::Unknown));
        }
        assert!(sessions.end(id(1), US).is_ok() && sessions.is_empty());
    }

    #[test]
    fn sessions_are_few_and_over_after_three_minutes() {
        let mut sessions = Sessions::default();
        (0..8).for_each(|n| sessions.make(id(n), US, false, at(u64::from(n))).unwrap());
        assert_eq!(sessions.make(id(8), US, false, at(8)), Err(SessionFault::Full));
        assert_eq!(sessions.make(id(7), US, false, at(8)), Err(SessionFault::Full), "a name in use");
        assert_eq!(sessions.deadline(), Some(at(180)));
        sessions.stream(id(0), US, false, at(9)).unwrap();
        sessions.make(id(8), US, false, at(180)).unwrap();
        assert!(!sessions.streams(), "streaming does not make it last longer");
        assert_eq!(sessions.take(id(0), US, at(180)), Err(SessionFault::Unknown));
        sessions.tick(at(1000));
        assert_eq!((sessions.len(), sessions.deadline()), (0, None));
    }

    #[test]
    fn h8_names_of_sessions_are_digits_and_logs_do_not_have_them() {
        assert_eq!(id(0xab).to_string().parse(), Ok(id(0xab)));
        for wrong in ["", "../../etc/passwd", "AB", &"ab".repeat(17), &"Ab".repeat(16), &"é".repeat(16)] {
            assert!(wrong.parse::<SessionId>().is_err(), "{wrong}");
        }
        assert!(!format!("{:?}", id(0xab)).contains(&id(0xab).to_string()));
    }
}
