//! `doord run`: a terminal from real devices. Lock first, then everything else.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context as _;
use doorward_core::claim::Mode;
use doorward_core::frame::Rgb;
use doorward_core::wiegand::reader::Settings as Reading;
use doorward_hal::camera::Camera;
use doorward_hal::camera::capture::{CameraConfig, V4l2Camera};
use doorward_hal::camera::pixels::Pixel;
use doorward_hal::clock::{Clock, SystemClock};
use doorward_hal::emitter::Emitter as _;
use doorward_hal::gpio::emitter::GpioEmitter;
use doorward_hal::gpio::inputs::GpioInputs;
use doorward_hal::gpio::panel::PinPanel;
use doorward_hal::gpio::relay;
use doorward_hal::gpio::wiegand::GpioWiegand;
use doorward_hal::wiegand::WiegandReader;
use doorward_models::pack::{self, Pack};
use doorward_models::vision::Models;
use doorward_store::{KeySource, MasterKey, Store, opening_keys};

use crate::api::ApiConfig;
use crate::assembly::{self, Eyes, Mind, Onlookers, Parts, Settings, Way};
use crate::capture::OpenCamera;
use crate::config::reader::ReaderConfig;
use crate::config::{self, Config, wiring};
use crate::emitter::Modulated;
use crate::readers::{OpenReader, Readers};
use crate::terminal::{Devices, Observation};

/// Runs the terminal of a configuration until a signal or the end of a thread.
///
/// # Errors
/// With the cause by name; systemd starts the program anew.
pub fn run(file: &Path) -> anyhow::Result<()> {
    let config = Config::read(file)?;
    let devices = Devices {
        relay: relay::open(&config.relay).context("open the relay")?,
        panel: Box::new(PinPanel::open(&config.panel).context("open the panel")?),
    };
    let inputs = GpioInputs::open(&config.inputs).context("open the door's inputs")?;
    let (_steady, modulated) = emitter(&config)?;

    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("listen to signals")?;
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let key = KeySource::named(&config.master_key).and_then(|source| MasterKey::load(&source));
    let key = key.context("load the master key")?;
    let store = Store::open(&config.store, &key).context("open the store")?;
    let parts = Parts {
        clock,
        devices,
        inputs: Box::new(inputs),
        store,
        eyes: eyes(&config),
        emitter: modulated,
        readers: readers(&config),
        mind: mind(&config)?,
        way: way(&config)?,
        settings: settings(&config),
        onlookers: Onlookers { watcher: Box::new(|_, _| {}), observer: Box::new(log) },
    };
    let (threads, terminal) = assembly::start(parts)?;
    // Outside systemd there is nobody to tell.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let end = threads.wait(&stop, || drop(sd_notify::notify(&[sd_notify::NotifyState::Watchdog])));
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    drop(terminal);
    threads.stop();
    match end {
        None => Ok(()),
        Some(end) => {
            anyhow::bail!(
                "the thread {} ended: {}",
                end.thread,
                end.fault.as_deref().unwrap_or("without a fault")
            )
        }
    }
}

/// Checks a configuration and says what it means.
///
/// # Errors
/// Naming file, key and what is allowed.
pub fn check(file: &Path) -> anyhow::Result<()> {
    let config = Config::read(file)?;
    println!("{} is a valid configuration", file.display());
    println!("  terminal     {} of site {}", config.terminal, config.site);
    println!("  door         {}, released for {} s", config.rules.door, config.rules.open_for.as_secs_f64());
    for (at, says) in config::liveness::meaning(&config).iter().enumerate() {
        println!("  {:<12} {says}", if at == 0 { "liveness" } else { "" });
    }
    println!("  identity     at most {:e} of strangers are taken for somebody (FPIR)", config.rules.max_fpir);
    println!("  asks for     {}", asked(&config));
    println!("  store        {}, key {}", config.store.display(), config.master_key.display());
    match &config.centre {
        Some(centre) => {
            println!("  centre       by the broker {}:{}", centre.broker.host, centre.broker.port)
        }
        None => println!("  centre       none; it works alone"),
    }
    println!("  programs     {}", may_ask(config.api.as_ref()));
    for (name, says) in wiring::meaning(&config) {
        println!("  {name:<12} {says}");
    }
    Ok(())
}

/// What a person has to show, in words.
fn asked(config: &Config) -> String {
    let terms = &config.rules.terms;
    let mode = match terms.mode {
        Mode::Face => "a face",
        Mode::CardAndFace => "a card or code, and the face of its holder",
        Mode::PinAndFace => "a PIN, and the face of its holder",
        Mode::FaceOrCardAndFace => "a face; or a card or code, and the face of its holder",
    };
    let alone = if terms.without_face { "; credentials that may open without a face do" } else { "" };
    format!("{mode}{alone}")
}

/// The infrared light: one that shines until it is dropped, whichever way that comes, or one that follows a pattern.
fn emitter(config: &Config) -> anyhow::Result<(Option<GpioEmitter>, Option<Modulated>)> {
    let Some(line) = &config.emitter else { return Ok((None, None)) };
    let mut emitter = GpioEmitter::open(line)?;
    match config.cameras.infrared.as_ref().filter(|_| config.liveness.emitter) {
        Some(camera) => {
            let exposure = Duration::from_secs(1) / camera.rate;
            Ok((None, Some(Modulated { emitter: Box::new(emitter), exposure })))
        }
        None => {
            emitter.set(true)?;
            Ok((Some(emitter), None))
        }
    }
}

/// What programs on this machine may ask, in words.
fn may_ask(api: Option<&ApiConfig>) -> String {
    let Some(ApiConfig { socket, listen, allowed, .. }) = api else {
        return "may ask nothing".to_owned();
    };
    let at = [socket.as_ref().map(|path| path.display().to_string()), listen.map(|at| at.to_string())];
    format!(
        "may ask for {} at {}",
        allowed.words().join(", "),
        at.into_iter().flatten().collect::<Vec<_>>().join(" and ")
    )
}

fn eyes(config: &Config) -> Eyes {
    Eyes {
        rgb: opener::<Rgb>(&config.cameras.rgb),
        infrared: config.cameras.infrared.as_ref().map(opener::<u8>),
        depth: config.cameras.depth.as_ref().map(opener::<u16>),
    }
}

fn opener<P: Pixel + Send + Sync + 'static>(config: &CameraConfig) -> OpenCamera<P> {
    let config = config.clone();
    Box::new(move || V4l2Camera::<P>::open(&config).map(|camera| Box::new(camera) as Box<dyn Camera<P>>))
}

fn readers(config: &Config) -> Readers {
    let Some(ReaderConfig { wires, qr }) = config.reader.clone() else { return Readers::default() };
    let wires = wires.map(|(wires, settings)| -> (OpenReader, Reading) {
        let open = move || GpioWiegand::open(&wires).map(|reader| Box::new(reader) as Box<dyn WiegandReader>);
        (Box::new(open), settings)
    });
    Readers { wires, qr }
}

/// Without the opening key nothing starts: every person of the roster would be left out, and for good.
fn way(config: &Config) -> anyhow::Result<Option<Way>> {
    let Some(centre) = config.centre.clone() else { return Ok(None) };
    let keys = KeySource::named(&centre.opening_key).and_then(|source| opening_keys(&source));
    let keys = keys.context("load the key that opens what the centre sends (centre.opening_key)")?;
    Ok(Some(Way::Broker(Box::new(centre), keys)))
}

fn mind(config: &Config) -> anyhow::Result<Mind> {
    let pack = Pack::open(&pack::find(config.models.as_deref())?).context("open the model pack")?;
    let models = Models::load(&pack, &config.engine).context("load the models")?;
    Ok(Mind {
        dimension: pack.dimension(),
        vision: Box::new(models),
        calibration: pack.calibration().clone(),
        digest: pack::hex(&pack.digest()),
    })
}

fn settings(config: &Config) -> Settings {
    Settings {
        rules: config.rules.clone(),
        door: config.door,
        quality: config.quality,
        liveness: config.liveness,
        attempt: config.attempt,
        api: config.api.clone(),
        digest: config.digest.clone(),
    }
}

/// One line a decision; the audit trail is another thing.
fn log(observation: Observation) {
    match observation {
        Observation::Decided(recorded, frame_at, took) => {
            let decision = recorded.subject();
            let granted = recorded.grant().is_some();
            let (attempt, rule, seq) = (decision.attempt(), decision.rule(), recorded.seq());
            // The frame's time is the kernel's, like that of the relay's edge in a trace.
            let (frame_us, took_ms) = (frame_at.0, took.as_millis());
            let word = if granted { "granted" } else { "refused" };
            tracing::info!(%attempt, granted, rule, seq, frame_us, took_ms, "{word}, see record {seq}");
        }
        Observation::Unrecorded(decision, fault) => {
            tracing::error!(attempt = %decision.attempt(), "a decision could not be recorded and was refused: {fault}");
        }
        Observation::Stands(standing) => tracing::debug!(?standing, "state"),
        Observation::Relay(released) => tracing::debug!(released, "relay"),
        Observation::SessionEnded(session) => tracing::info!(?session, "a session has its result"),
        Observation::Shown(_) | Observation::Recorded => {}
    }
}
