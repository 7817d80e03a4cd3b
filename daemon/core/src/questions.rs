//! What the trail is told of programs beside the door: who was told what about a face. The first answer of its kind is on
//! record before it is told; the same again within a minute is counted and told in one record, so that nobody fills a trail by
//! asking.

use std::collections::BTreeMap;
use std::time::Duration;

use doorward_protocol::audit::{Asked, LivenessLevel};
use doorward_protocol::hex::hex;
use doorward_protocol::ids::{AttemptId, PersonId};

use crate::session::Caller;
use crate::template::TemplateVersion;
use crate::time::Mono;

/// How long answers of one kind are counted before they are told.
const COUNTED_FOR: Duration = Duration::from_secs(60);
/// Kinds of answers that are counted at a time. The allowance for questions gives forty a minute; beyond this each has a record.
const COUNTED_MAX: usize = 128;

/// What was asked, as records name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Whether two faces are one person's.
    Compare,
    /// Whether a face is that of a person.
    Verify,
    /// Whose face it is.
    Search,
    /// Whether a live person stands there.
    Session,
}

impl Question {
    /// Its name in records.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Question::Compare => "compare",
            Question::Verify => "verify",
            Question::Search => "search",
            Question::Session => "session",
        }
    }
}

/// An answer that is about to be told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answered {
    /// Who asked.
    pub by: Caller,
    /// What.
    pub question: Question,
    /// The answer's code.
    pub answer: &'static str,
    /// Whom it names or bears out.
    pub person: Option<PersonId>,
    /// The attempt of a session.
    pub attempt: Option<AttemptId>,
}

/// Answers that were told lately.
#[derive(Debug)]
pub struct Questions {
    model: String,
    level: LivenessLevel,
    counted: BTreeMap<Answered, Counted>,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    since: Mono,
    again: u32,
}

impl Questions {
    /// Of a terminal that compares templates of this model, and asks so much of a live person.
    #[must_use]
    pub fn new(version: TemplateVersion, level: LivenessLevel) -> Self {
        Self { model: hex(&version.model), level, counted: BTreeMap::new() }
    }

    /// The record that has to be durable before this is told; none where it is counted beside one that is.
    pub fn tell(&mut self, answered: &Answered) -> Option<Asked> {
        match self.counted.get_mut(answered) {
            Some(counted) => {
                counted.again = counted.again.saturating_add(1);
                None
            }
            None => Some(self.record(answered, 1)),
        }
    }

    /// That record is durable: the same is counted from now on.
    pub fn recorded(&mut self, answered: Answered, now: Mono) {
        if self.counted.len() < COUNTED_MAX {
            self.counted.insert(answered, Counted { since: now, again: 0 });
        }
    }

    /// What was counted long enough, where it came again.
    pub fn due(&mut self, now: Mono) -> Vec<Asked> {
        self.end(|counted| now.since(counted.since) >= COUNTED_FOR)
    }

    /// Everything that was counted: the terminal stops.
    pub fn rest(&mut self) -> Vec<Asked> {
        self.end(|_| true)
    }

    /// When the next count is over.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.counted.values().map(|counted| counted.since + COUNTED_FOR).min()
    }

    fn end(&mut self, over: impl Fn(&Counted) -> bool) -> Vec<Asked> {
        let ended: Vec<_> = self.counted.extract_if(.., |_, counted| over(counted)).collect();
        let again = ended.into_iter().filter(|(_, counted)| counted.again > 0);
        again.map(|(answered, counted)| self.record(&answered, counted.again)).collect()
    }

    fn record(&self, answered: &Answered, count: u32) -> Asked {
        let Answered { by, question, answer, person, attempt } = answered;
        Asked {
            by: match by {
                Caller::User(user) => format!("user {user}"),
                Caller::Token => "token".to_owned(),
            },
            question: question.code().to_owned(),
            answer: (*answer).to_owned(),
            person: person.clone(),
            count,
            model: self.model.clone(),
            attempt: *attempt,
            level: (*question == Question::Session).then_some(self.level),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn questions() -> Questions {
        let version = TemplateVersion { model: [0xab; 32], preprocessing: 1 };
        Questions::new(version, LivenessLevel::Convenience)
    }

    fn search(answer: &'static str, person: Option<&str>) -> Answered {
        let person = person.map(|name| name.parse().unwrap());
        Answered { by: Caller::User(1000), question: Question::Search, answer, person, attempt: None }
    }

    /// Tells it; how many records that took.
    fn tell(questions: &mut Questions, answered: &Answered, at: Mono) -> usize {
        let asked = questions.tell(answered);
        if asked.is_some() {
            questions.recorded(answered.clone(), at);
        }
        usize::from(asked.is_some())
    }

    #[test]
    fn h8_a_program_that_asks_a_thousand_times_fills_no_trail_and_is_counted() {
        let mut questions = questions();
        let nobody = search("none", None);
        let (mut records, mut counted) = (0, 0);
        for second in 0..1000 {
            let now = Mono::from_millis(1000 * second);
            let due = questions.due(now);
            records += due.len();
            counted += due.iter().map(|asked| asked.count).sum::<u32>();
            let first = tell(&mut questions, &nobody, now);
            (records, counted) = (records + first, counted + u32::try_from(first).unwrap());
        }
        counted += questions.rest().iter().map(|asked| asked.count).sum::<u32>();
        assert_eq!(counted, 1000, "none is forgotten");
        assert!(records <= 34, "{records} records in 1000 seconds");
        assert_eq!((questions.deadline(), questions.rest()), (None, vec![]));
    }

    #[test]
    fn each_person_asker_and_answer_has_a_record_before_it_is_told() {
        let mut questions = questions();
        let kinds = [
            search("strong", Some("ada")),
            search("match", Some("ada")),
            search("strong", Some("bob")),
            search("none", None),
            Answered { by: Caller::Token, ..search("none", None) },
            Answered { question: Question::Compare, ..search("none", None) },
        ];
        for kind in &kinds {
            assert_eq!(tell(&mut questions, kind, Mono(0)), 1, "{kind:?}");
            assert_eq!(tell(&mut questions, kind, Mono(1)), 0, "{kind:?}");
        }
        let record = questions.tell(&search("strong", Some("eve"))).unwrap();
        assert_eq!((record.by.as_str(), record.model.len(), record.level), ("user 1000", 64, None));
        assert!(questions.tell(&search("strong", Some("eve"))).is_some(), "until one is durable");
    }

    #[test]
    fn p9_the_record_of_a_session_says_what_its_life_was_worth() {
        let mut questions = questions();
        let attempt = Some(AttemptId(7));
        let taken = Answered { question: Question::Session, answer: "live", attempt, ..search("", None) };
        let record = questions.tell(&taken).unwrap();
        assert_eq!((record.level, record.attempt), (Some(LivenessLevel::Convenience), attempt));
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let mut questions = questions();
        for user in 0..1000 {
            let by = Caller::User(user);
            assert_eq!(tell(&mut questions, &Answered { by, ..search("none", None) }, Mono(0)), 1);
        }
        assert_eq!(questions.counted.len(), COUNTED_MAX);
    }
}
