//! A terminal's end of the link, in miniature: says what it must and asks again until it is acknowledged.

use std::collections::VecDeque;
use std::time::Duration;

use doorward_hub::tls;
use doorward_protocol::delivery::Acknowledgement;
use doorward_protocol::trust::Reader;
use rumqttc::mqttbytes::QoS;
use rumqttc::{
    Client, Connection, Event, Incoming, IncomingPacketSizeLimit, MqttOptions, PublishOptions,
    TlsConfiguration, Transport,
};

use crate::broker::Broker;
use crate::cluster::wait;
use crate::site::{Author, Terminal};

/// How long an acknowledgement is waited for before a batch is sent again.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How often it is sent again before the test gives up.
const TRIES: usize = 60;

pub(crate) struct Door {
    client: Client,
    connection: Connection,
    heard: VecDeque<(String, Vec<u8>)>,
}

impl Door {
    /// How a terminal of that name reaches the broker.
    pub(crate) fn way(broker: &Broker, name: &str) -> MqttOptions {
        let config = tls::client(&broker.files(name)).unwrap();
        let mut options = MqttOptions::new(name, ("localhost", broker.port));
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(config)))
            .set_clean_start(true)
            .set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(300_000))
            .set_keep_alive(5);
        options
    }

    pub(crate) fn connect(options: MqttOptions) -> Self {
        let (client, connection) = Client::builder(options).capacity(100).build();
        let mut door = Self { client, connection, heard: VecDeque::new() };
        door.listen(Duration::from_millis(300));
        door
    }

    pub(crate) fn subscribe(&mut self, filter: &str) {
        self.client.subscribe(filter, QoS::AtLeastOnce).unwrap();
        self.listen(Duration::from_millis(100));
    }

    pub(crate) fn say(&mut self, topic: &str, payload: Vec<u8>) {
        self.client.publish(topic, payload, PublishOptions::at_least_once()).unwrap();
        self.listen(Duration::from_millis(50));
    }

    /// Waits for a message on a topic.
    pub(crate) fn wait_for(&mut self, topic: &str) -> Vec<u8> {
        for _ in 0..TRIES {
            while let Some((came, payload)) = self.heard.pop_front() {
                if came == topic {
                    return payload;
                }
            }
            self.listen(PATIENCE);
        }
        panic!("nothing came on {topic}");
    }

    /// The topics of what comes within a time.
    pub(crate) fn heard_for(&mut self, time: Duration) -> Vec<String> {
        for _ in 0..5 {
            self.listen(time / 5);
        }
        self.heard.drain(..).map(|(topic, _)| topic).collect()
    }

    /// Delivers everything that a terminal recorded, `at_once` records a batch, twice where nobody asked for it; returns how
    /// often a batch had to be sent again.
    pub(crate) fn deliver(&mut self, terminal: &Terminal, at_once: u64) -> usize {
        let mut author = Author::new(3);
        let (total, mut acknowledged, mut again, mut tries) = (terminal.head().seq, 0, 0, 0);
        let ack = format!("doorward/hq/{}/audit/ack", terminal.name);
        self.subscribe(&ack);
        while acknowledged < total {
            let batch = terminal.sent(acknowledged + 1, total.min(acknowledged + at_once));
            let later = terminal.sent((acknowledged + 2).min(total), total.min(acknowledged + at_once + 5));
            // Out of order and too often: the way there is allowed all of it.
            for message in [&later, &batch, &batch] {
                let publish = PublishOptions::at_least_once();
                let _ = self.client.try_publish(message.topic.clone(), message.payload.clone(), publish);
            }
            self.listen(PATIENCE);
            let before = acknowledged;
            while let Some((topic, payload)) = self.heard.pop_front() {
                let reader = Reader { terminal: Some(&terminal.name), now_s: None };
                let trust = author.follower().trust();
                if topic == ack
                    && let Ok(kept) = trust.authorise::<Acknowledgement>(&payload, &reader)
                {
                    acknowledged = acknowledged.max(kept.message().seq);
                }
            }
            if acknowledged == before {
                (again, tries) = (again + 1, tries + 1);
                assert!(tries < TRIES, "{} was not acknowledged beyond {acknowledged}", terminal.name);
                let _ = self.client.try_subscribe(ack.clone(), QoS::AtLeastOnce);
            } else {
                tries = 0;
            }
        }
        again
    }

    /// Lets the connection work until something was heard, or the time is over.
    fn listen(&mut self, time: Duration) {
        let before = self.heard.len();
        for _ in 0..1000 {
            match self.connection.recv_timeout(time) {
                Ok(Ok(Event::Incoming(Incoming::Publish(publish)))) => {
                    let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                    self.heard.push_back((topic, publish.payload.to_vec()));
                }
                Ok(Ok(_)) if self.heard.len() == before => {}
                Ok(Ok(_)) | Err(_) => return,
                // The broker is away: it is tried again.
                Ok(Err(_)) => wait(Duration::from_millis(100)),
            }
        }
    }
}
