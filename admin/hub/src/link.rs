//! The link to the broker: MQTT 5 over TLS 1.3.
//!
//! MQTT's own acknowledgement says that the hub has heard, not that it has kept; a terminal lets go of a record for the
//! signed acknowledgement alone. So nothing that the broker or this link loses is lost: it comes again. The session is
//! begun anew at each connection, and what is retained is told anew.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use doorward_protocol::envelope::MESSAGE_LEN_MAX;
use doorward_protocol::ids::SiteId;
use rumqttc::mqttbytes::QoS;
use rumqttc::{
    AsyncClient, Event, Incoming as Packet, IncomingPacketSizeLimit, MqttOptions, NetworkOptions,
    PublishOptions, PublishProperties, SubscribeFilterInput, TlsConfiguration, Transport,
};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::centre::{Incoming, Outgoing};
use crate::keeper::Work;
use crate::tally::{Tally, Why};
use crate::tls::ClientConfig;

/// Messages that wait to be sent.
pub const OUTGOING_MAX: usize = 4096;
/// What a topic and the packet's own fields add to a message.
const PACKET_ROOM: usize = 4096;
/// Messages that the broker may send before the ones before are acknowledged.
const RECEIVE_MAX: u16 = 256;
/// Messages that are sent before the ones before are acknowledged.
const SEND_MAX: u16 = 256;
/// How often the broker is asked for a sign of life, seconds.
const KEEP_ALIVE_S: u16 = 15;
/// The shortest and the longest wait before another try.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// How long the broker is kept waiting while the queue is full: bursts pass, and the broker still hears of us in time.
const HOLD_MAX: Duration = Duration::from_secs(4);
/// How often is looked whether there is room in it again.
const HOLD_LOOK: Duration = Duration::from_millis(2);
/// How long after something was not heard terminals' states are asked for again.
const STATES_AGAIN: Duration = Duration::from_secs(30);
/// Filters of one subscription.
const FILTERS_MAX: usize = 64;
/// The group under which several hubs share the work.
const SHARE: &str = "doorhub";

/// Where the broker is and as whom it is told.
pub struct Way {
    /// Its name, which its certificate must have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Our name, which is our certificate's too.
    pub name: String,
    /// How TLS is spoken.
    pub tls: Arc<ClientConfig>,
}

/// Keeps the link until `stop` says otherwise.
pub async fn run(
    way: Way,
    sites: Vec<SiteId>,
    work: SyncSender<Work>,
    mut outgoing: Receiver<Outgoing>,
    tally: Tally,
    mut stop: watch::Receiver<bool>,
) {
    let (client, mut events) = AsyncClient::builder(options(way)).capacity(usize::from(SEND_MAX)).build();
    let sender = client.clone();
    let sending = tokio::spawn(async move {
        while let Some(message) = outgoing.recv().await {
            if let Err(fault) = send(&sender, message).await {
                tracing::debug!("say to the broker: {fault}");
            }
        }
    });
    let mut pending = Pending::default();
    let mut queue = Queue { work: work.clone(), hold: HOLD_MAX, patient: true };
    let mut wait = RETRY.0;
    loop {
        pending.settle(&client, &sites, &work);
        let event = tokio::select! {
            event = events.poll() => event,
            _ = stop.changed() => break,
        };
        match event {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                wait = RETRY.0;
                tally.set_connected(true);
                tracing::info!("the broker is there");
                pending = Pending { greeting: true, shared: true, missed: Some(Instant::now()) };
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                match queue.put(Incoming { topic, payload: publish.payload.to_vec() }).await {
                    Put::Kept => {}
                    Put::Left => {
                        tally.refused(Why::Queue);
                        pending.missed.get_or_insert(Instant::now() + STATES_AGAIN);
                    }
                    Put::Nobody => break,
                }
            }
            Ok(Event::Incoming(_) | Event::Outgoing(_) | Event::Auth(_)) => {}
            Err(fault) => {
                tally.set_connected(false);
                tracing::warn!("no link to the broker, trying again in {} ms: {fault}", wait.as_millis());
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    _ = stop.changed() => break,
                }
                wait = (wait * 2).min(RETRY.1);
            }
        }
    }
    tally.set_connected(false);
    sending.abort();
}

/// The way to the keeper.
struct Queue {
    work: SyncSender<Work>,
    /// How long it is waited for.
    hold: Duration,
    /// A full queue is waited for, once: a keeper that does not go on (its database is away) is not waited for again
    /// before it did, so that the broker is not kept from hearing of us.
    patient: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Put {
    Kept,
    Left,
    Nobody,
}

impl Queue {
    /// Puts a message there. Nothing else is heard while it waits: the broker holds the next ones back, where leaving this
    /// one out would cost its terminal the ten seconds after which it asks again.
    async fn put(&mut self, message: Incoming) -> Put {
        let mut message = Work::Message(message);
        let until = Instant::now() + self.hold;
        loop {
            match self.work.try_send(message) {
                Ok(()) => {
                    self.patient = true;
                    return Put::Kept;
                }
                Err(TrySendError::Disconnected(_)) => return Put::Nobody,
                Err(TrySendError::Full(_)) if !self.patient => return Put::Left,
                Err(TrySendError::Full(held)) => message = held,
            }
            self.patient = Instant::now() < until;
            tokio::time::sleep(HOLD_LOOK).await;
        }
    }
}

/// What is to be done as soon as there is room for it.
#[derive(Default)]
struct Pending {
    /// Tell the broker anew what it retains: it may have lost it.
    greeting: bool,
    /// Ask for what hubs share.
    shared: bool,
    /// From when on to ask again how terminals are: it was not all heard.
    missed: Option<Instant>,
}

impl Pending {
    fn settle(&mut self, client: &AsyncClient, sites: &[SiteId], work: &SyncSender<Work>) {
        if self.greeting {
            self.greeting = work.try_send(Work::Connected).is_err();
        }
        if std::mem::take(&mut self.shared) {
            let matters = ["audit", "health", "cmd/reply", "roster/want"];
            let of = |site| matters.map(|matter| format!("$share/{SHARE}/doorward/{site}/+/{matter}"));
            subscribe(client, sites.iter().flat_map(of).collect());
        }
        // A broker gives what it retains only to those that do not share: every hub is told how terminals are.
        if self.missed.is_some_and(|from| from <= Instant::now()) {
            self.missed = None;
            subscribe(client, sites.iter().map(|site| format!("doorward/{site}/+/state")).collect());
        }
    }
}

/// Subscribes beside the loop that polls: waiting there for room would be waiting for itself.
fn subscribe(client: &AsyncClient, filters: Vec<String>) {
    let client = client.clone();
    tokio::spawn(async move {
        for filters in filters.chunks(FILTERS_MAX) {
            let filters = filters.iter().map(|filter| SubscribeFilterInput::new(filter, QoS::AtLeastOnce));
            if let Err(fault) = client.subscribe_many(filters.collect::<Vec<_>>()).await {
                tracing::warn!("subscribe at the broker: {fault}");
            }
        }
    });
}

fn options(way: Way) -> MqttOptions {
    let longest = u32::try_from(MESSAGE_LEN_MAX + PACKET_ROOM).unwrap_or(u32::MAX);
    let mut options = MqttOptions::new(way.name, (way.host, way.port));
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options
        .set_network_options(network)
        .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(way.tls)))
        .set_keep_alive(KEEP_ALIVE_S)
        .set_clean_start(true)
        .set_receive_maximum(Some(RECEIVE_MAX))
        .set_max_packet_size(Some(longest))
        // The client's own limit is 10 KiB; a longer message would end the connection, for ever again.
        .set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(longest))
        .set_outgoing_inflight_upper_limit(SEND_MAX);
    options
}

async fn send(client: &AsyncClient, message: Outgoing) -> Result<(), rumqttc::ClientError> {
    let properties =
        PublishProperties { message_expiry_interval: message.expires_s, ..PublishProperties::default() };
    let options = PublishOptions::at_least_once().retain(message.retain).properties(properties);
    client.publish(message.topic.to_string(), message.payload, options).await
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;

    /// A queue that takes one message, and what it is emptied by.
    fn queue(hold: Duration) -> (Queue, Receiver<Work>) {
        let (work, keeper) = sync_channel(1);
        (Queue { work, hold, patient: true }, keeper)
    }

    fn message() -> Incoming {
        Incoming { topic: "doorward/hq/front-1/audit".to_owned(), payload: Vec::new() }
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn m12_a_message_that_finds_the_queue_full_waits_for_the_keeper() {
        let (mut queue, keeper) = queue(Duration::from_secs(60));
        run(async {
            assert_eq!(queue.put(message()).await, Put::Kept);
            let emptying = std::thread::spawn(move || keeper.iter().take(2).count());
            assert_eq!(queue.put(message()).await, Put::Kept);
            assert_eq!(emptying.join().unwrap(), 2);
            assert_eq!(queue.put(message()).await, Put::Nobody);
        });
    }

    #[test]
    fn m12_a_keeper_that_does_not_go_on_is_waited_for_once() {
        let (mut queue, keeper) = queue(Duration::from_millis(20));
        run(async {
            assert_eq!(queue.put(message()).await, Put::Kept);
            assert_eq!(queue.put(message()).await, Put::Left);
            // Waiting again would be for an hour.
            queue.hold = Duration::from_secs(3600);
            assert_eq!(queue.put(message()).await, Put::Left);
            keeper.recv().unwrap();
            assert_eq!(queue.put(message()).await, Put::Kept);
            assert!(queue.patient, "it went on");
        });
    }
}
