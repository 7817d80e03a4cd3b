//! Where messages travel: `doorward/{site}/{terminal}/…`. Topics carry no personal data, and nothing is believed for the
//! topic that it came by: the envelope says whose and whom for.

use std::fmt;
use std::str::FromStr;

use crate::ids::{SiteId, TerminalId};

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The site.
    pub site: SiteId,
    /// What travels there.
    pub channel: Channel,
}

/// What travels on a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// The newest roster entry; retained.
    RosterHead,
    /// Who is refused at once; retained.
    Denial,
    /// Something of one terminal.
    Terminal(TerminalId, Matter),
}

/// What travels between the centre and one terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matter {
    /// Batches of its audit trail.
    Audit,
    /// How far they are kept.
    AuditAcknowledged,
    /// How it is and what it holds; retained, also its last will.
    State,
    /// Figures about its health.
    Health,
    /// Orders to it.
    Command,
    /// Its receipts.
    Reply,
    /// Roster entries that it asks for.
    RosterWanted,
    /// Roster entries that it asked for, unchanged, one a message.
    RosterFeed,
}

const MATTERS: [(Matter, &str); 8] = [
    (Matter::Audit, "audit"),
    (Matter::AuditAcknowledged, "audit/ack"),
    (Matter::State, "state"),
    (Matter::Health, "health"),
    (Matter::Command, "cmd"),
    (Matter::Reply, "cmd/reply"),
    (Matter::RosterWanted, "roster/want"),
    (Matter::RosterFeed, "roster/feed"),
];

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let site = &self.site;
        match &self.channel {
            Channel::RosterHead => write!(f, "doorward/{site}/roster/head"),
            Channel::Denial => write!(f, "doorward/{site}/deny"),
            Channel::Terminal(terminal, matter) => {
                let name = MATTERS.iter().find(|(one, _)| one == matter).map_or("", |(_, name)| name);
                write!(f, "doorward/{site}/{terminal}/{name}")
            }
        }
    }
}

/// A topic that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no topic of Doorward")]
pub struct NoTopic(String);

impl FromStr for Topic {
    type Err = NoTopic;

    fn from_str(text: &str) -> Result<Self, NoTopic> {
        let read = || {
            let (site, rest) = text.strip_prefix("doorward/")?.split_once('/')?;
            let channel = match rest {
                "roster/head" => Channel::RosterHead,
                "deny" => Channel::Denial,
                _ => {
                    let (terminal, name) = rest.split_once('/')?;
                    let (matter, _) = MATTERS.iter().find(|(_, one)| *one == name)?;
                    Channel::Terminal(terminal.parse().ok()?, *matter)
                }
            };
            Some(Self { site: site.parse().ok()?, channel })
        };
        // `roster` is no terminal: its head would be taken for one's.
        read().filter(|topic| topic.to_string() == text).ok_or_else(|| NoTopic(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_read_as_it_is_written() {
        let site: SiteId = "hq".parse().unwrap();
        let terminal: TerminalId = "front-1".parse().unwrap();
        let mut channels = vec![Channel::RosterHead, Channel::Denial];
        channels.extend(MATTERS.iter().map(|(matter, _)| Channel::Terminal(terminal.clone(), *matter)));
        for channel in channels {
            let topic = Topic { site: site.clone(), channel };
            assert_eq!(topic.to_string().parse(), Ok(topic));
        }
    }

    #[test]
    fn m4_foreign_topics_are_none() {
        for text in [
            "",
            "doorward",
            "doorward/hq",
            "doorward/hq/",
            "doorward/hq/x",
            "other/hq/deny",
            "doorward/a b/deny",
            "doorward/hq/front/cmd/",
            "doorward/hq/../cmd",
            "doorward/hq/#",
            "doorward//deny",
            "doorward/hq/front/+",
        ] {
            assert!(text.parse::<Topic>().is_err(), "{text}");
        }
    }
}
