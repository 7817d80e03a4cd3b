//! The connections of simulated terminals: MQTT 5 over TLS 1.3, one for each, with a certificate of its own.
//!
//! A connection is doord's line in small: it begins with a clean session and a signed last will, ends with its first fault,
//! and nothing of it is taken over into the next.

use std::sync::Arc;
use std::time::Duration;

use doorward_core::centre::{Saying, topic_of};
use doorward_core::reconnect::Reconnect;
use doorward_core::time::{Mono, Now};
use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_protocol::envelope::MESSAGE_LEN_MAX;
use doorward_protocol::topic::Matter;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use rumqttc::{
    AsyncClient, Event, EventLoop, IncomingPacketSizeLimit, LastWill, MqttOptions, NetworkOptions, Packet,
    PublishOptions, QoS, TlsConfiguration, Transport,
};
use tokio::sync::{Semaphore, watch};

use super::meter::{Count, Meter};
use super::terminal::{STATE_EVERY, Standing, Step, Terminal};
use crate::broker::Told;

/// Connections that come about at the same time: each costs broker and fleet a signature or two.
const SHAKING_MAX: usize = 64;
/// How long one may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// As doord has them.
const KEEP_ALIVE_S: u16 = 30;
const UNDER_WAY_MAX: u16 = 16;
/// Messages of the yardstick under way on one connection, as many as a broker of ours takes.
const BARE_UNDER_WAY_MAX: u16 = 256;
/// No terminal sleeps for longer.
const NAP_MAX: Duration = Duration::from_secs(3600);
/// How long an orderly end may take.
const END_MAX: Duration = Duration::from_secs(2);

/// What the terminals of a fleet are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Orders {
    /// Events a second at each of them.
    pub(super) rate: f64,
    /// Events that happened at each while nobody listened, in the whole run.
    pub(super) backlog: u64,
    /// The run is over.
    pub(super) ending: bool,
}

/// What all connections have in common.
pub(super) struct Common {
    host: String,
    port: u16,
    gate: Semaphore,
    /// What is counted.
    pub(super) meter: Meter,
    /// What is told.
    pub(super) orders: watch::Sender<Orders>,
}

impl Common {
    pub(super) fn new(host: &str, port: u16) -> Self {
        let orders = Orders { rate: 0.0, backlog: 0, ending: false };
        Self {
            host: host.to_owned(),
            port,
            gate: Semaphore::new(SHAKING_MAX),
            meter: Meter::default(),
            orders: watch::Sender::new(orders),
        }
    }
}

/// Lives a terminal's life until the run is over, and says how it stands then.
pub(super) async fn live(terminal: Terminal, tls: Told, common: Arc<Common>, seed: u64) -> Standing {
    let orders = common.orders.subscribe();
    let clock = SystemClock::default();
    let pace = Pace { rng: ChaCha8Rng::seed_from_u64(seed), rate: 0.0, due: NEVER };
    let mut life = Life { terminal, tls, common, orders, clock, pace, given: 0 };
    let mut reconnect = Reconnect::new(seed);
    while !life.orders.borrow().ending {
        let lasted = life.converse().await;
        if !life.orders.borrow().ending {
            tokio::time::sleep(reconnect.pause(lasted)).await;
        }
    }
    life.terminal.standing()
}

/// A moment that does not come.
const NEVER: Mono = Mono(u64::MAX);

/// When the next event happens: independently of all before, as people come.
struct Pace {
    rng: ChaCha8Rng,
    rate: f64,
    due: Mono,
}

impl Pace {
    fn set(&mut self, rate: f64, now: Mono) {
        if self.rate.to_bits() != rate.to_bits() {
            self.rate = rate;
            self.due = self.after(now);
        }
    }

    fn after(&mut self, before: Mono) -> Mono {
        if self.rate <= 0.0 {
            return NEVER;
        }
        // 53 bits, the most that a float takes without rounding; never zero.
        let drawn = ((self.rng.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        before + Duration::from_secs_f64((-drawn.ln() / self.rate).min(NAP_MAX.as_secs_f64()))
    }
}

struct Life {
    terminal: Terminal,
    tls: Told,
    common: Arc<Common>,
    orders: watch::Receiver<Orders>,
    clock: SystemClock,
    pace: Pace,
    /// What of the backlog was given to it.
    given: u64,
}

impl Life {
    /// One connection, from its beginning to its end; how long it stood.
    async fn converse(&mut self) -> Duration {
        let connected = {
            let common = Arc::clone(&self.common);
            let _permit = common.gate.acquire().await;
            tokio::time::timeout(CONNECT_WITHIN, self.connect()).await
        };
        let Ok(Some((client, mut events))) = connected else { return Duration::ZERO };
        self.common.meter.add(Count::Begun, 1);
        let began = self.clock.now().mono;
        let step = self.terminal.linked(self.clock.now());
        self.carry_out(step, &client);
        let mut state_due = began + STATE_EVERY;
        self.follow_orders(&client);
        loop {
            let now = self.clock.now();
            let due = self.pace.due.min(self.terminal.deadline().unwrap_or(NEVER)).min(state_due);
            tokio::select! {
                event = events.poll() => match event {
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let length = publish.topic.len() + publish.payload.len();
                        self.hear(&publish.payload, length, &client);
                    }
                    Ok(Event::Incoming(Packet::Disconnect(_))) | Err(_) => {
                        self.common.meter.add(Count::Lost, 1);
                        let now = self.clock.now();
                        self.terminal.lost(now);
                        return now.mono.since(began);
                    }
                    Ok(Event::Incoming(_) | Event::Outgoing(_) | Event::Auth(_)) => {}
                },
                () = tokio::time::sleep(due.since(now.mono).min(NAP_MAX)) => self.wake(&mut state_due, &client),
                _ = self.orders.changed() => {
                    if self.orders.borrow().ending {
                        end(&client, &mut events).await;
                        return self.clock.now().mono.since(began);
                    }
                    self.follow_orders(&client);
                }
            }
        }
    }

    /// A connection that stands and hears what the hub says; none where none came about.
    async fn connect(&mut self) -> Option<(AsyncClient, EventLoop)> {
        let will = self.terminal.last_will(self.clock.now());
        let name = self.terminal.own().terminal.to_string();
        let mut options = options(&self.common, name, &self.tls, UNDER_WAY_MAX);
        let topic = topic_of(self.terminal.own(), will.matter);
        options.set_last_will(LastWill::new(topic, will.bytes, QoS::AtLeastOnce, true, None));
        let (client, mut events) = AsyncClient::builder(options).capacity(usize::from(UNDER_WAY_MAX)).build();
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    let topic = topic_of(self.terminal.own(), Matter::AuditAcknowledged);
                    client.try_subscribe(topic, QoS::AtLeastOnce).ok()?;
                }
                Ok(Event::Incoming(Packet::SubAck(_))) => return Some((client, events)),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    fn follow_orders(&mut self, client: &AsyncClient) {
        let orders = *self.orders.borrow_and_update();
        let now = self.clock.now();
        self.pace.set(orders.rate, now.mono);
        let more = orders.backlog - self.given;
        if more > 0 {
            self.given = orders.backlog;
            self.common.meter.add(Count::Happened, more);
            let step = self.terminal.behind(more, now);
            self.carry_out(step, client);
        }
    }

    /// Does what is due.
    fn wake(&mut self, state_due: &mut Mono, client: &AsyncClient) {
        let now = self.clock.now();
        while self.pace.due <= now.mono {
            // It happened when it was due, however late this is noticed.
            let step = self.terminal.record(Now { mono: self.pace.due, ..now });
            self.common.meter.add(Count::Happened, 1);
            self.carry_out(step, client);
            self.pace.due = self.pace.after(self.pace.due);
        }
        if self.terminal.deadline().is_some_and(|deadline| deadline <= now.mono) {
            let step = self.terminal.tick(now);
            self.carry_out(step, client);
        }
        if *state_due <= now.mono {
            *state_due = now.mono + STATE_EVERY;
            let state = self.terminal.state(now, true);
            self.carry_out(Step { say: vec![state], ..Step::default() }, client);
        }
    }

    fn hear(&mut self, payload: &[u8], length: usize, client: &AsyncClient) {
        self.common.meter.add(Count::Down, length as u64);
        match self.terminal.acknowledged(payload, self.clock.now()) {
            Ok(step) => self.carry_out(step, client),
            Err(_) => self.common.meter.add(Count::Refused, 1),
        }
    }

    /// Says what is to be said. What the line does not take at the moment comes again, because nobody acknowledges it.
    fn carry_out(&mut self, step: Step, client: &AsyncClient) {
        let meter = &self.common.meter;
        meter.add(Count::Kept, step.kept);
        meter.add(Count::Sent, step.sent);
        step.waited.into_iter().for_each(|delay| meter.waited(delay));
        for Saying { matter, bytes } in step.say {
            let topic = topic_of(self.terminal.own(), matter);
            if matter == Matter::Audit {
                meter.add(Count::Batches, 1);
                meter.add(Count::Up, (topic.len() + bytes.len()) as u64);
            }
            let options = PublishOptions::at_least_once().retain(matter == Matter::State);
            let _ = client.try_publish(topic, bytes, options);
        }
    }
}

/// Ends a connection so that the broker does not say its last will.
async fn end(client: &AsyncClient, events: &mut EventLoop) {
    let _ = client.try_disconnect();
    let ended = async { while events.poll().await.is_ok() {} };
    // A broker that does not notice has its own patience.
    let _ = tokio::time::timeout(END_MAX, ended).await;
}

/// The yardstick: publishes `count` messages of so many bytes on one connection, nothing signed and nobody listening, and
/// waits for the broker's word for each. None where the connection ends before.
pub(super) async fn publish_bare(
    common: Arc<Common>,
    tls: Told,
    name: String,
    length: usize,
    count: usize,
) -> Option<()> {
    let topic = format!("yardstick/{name}");
    let options = options(&common, name, &tls, BARE_UNDER_WAY_MAX);
    let (client, mut events) =
        AsyncClient::builder(options).capacity(usize::from(BARE_UNDER_WAY_MAX)).build();
    let publishing = tokio::spawn(async move {
        for _ in 0..count {
            client.publish(topic.clone(), vec![0; length], PublishOptions::at_least_once()).await.ok()?;
        }
        Some(client)
    });
    let mut heard = 0;
    while heard < count {
        heard += usize::from(matches!(events.poll().await.ok()?, Event::Incoming(Packet::PubAck(_))));
    }
    let client = publishing.await.ok()??;
    end(&client, &mut events).await;
    Some(())
}

fn options(common: &Common, name: String, tls: &Told, under_way: u16) -> MqttOptions {
    let longest = u32::try_from(MESSAGE_LEN_MAX + 4096).unwrap_or(u32::MAX);
    let mut options = MqttOptions::new(name, (common.host.clone(), common.port));
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options
        .set_network_options(network)
        .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::clone(tls))))
        .set_keep_alive(KEEP_ALIVE_S)
        .set_clean_start(true)
        .set_receive_maximum(Some(under_way))
        .set_outgoing_inflight_upper_limit(under_way)
        .set_max_packet_size(Some(longest))
        .set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(longest));
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_at_their_rate_and_independently() {
        let mut pace = Pace { rng: ChaCha8Rng::seed_from_u64(7), rate: 0.0, due: NEVER };
        pace.set(4.0, Mono(0));
        let (mut at, mut close) = (pace.due, 0);
        for _ in 0..10_000 {
            let next = pace.after(at);
            close += usize::from(next.since(at) < Duration::from_millis(125));
            at = next;
        }
        let seconds = at.since(Mono(0)).as_secs_f64();
        assert!((2400.0..2600.0).contains(&seconds), "{seconds}");
        assert!((3600..4300).contains(&close), "half the mean apart are 39 %: {close}");
        pace.set(0.0, at);
        assert_eq!(pace.due, NEVER);
    }
}
