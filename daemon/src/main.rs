//! doord: the daemon of a door terminal.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The daemon of a door terminal: cameras, liveness, match, rules, relay.
#[derive(Parser)]
#[command(name = "doord", version)]
#[cfg_attr(feature = "demo", command(after_help = "Start with `doord demo` to see a door decide."))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the terminal until it is told to stop.
    Run {
        /// The configuration.
        #[arg(long, default_value = "/etc/doorward/doord.toml")]
        config: PathBuf,
    },
    /// Read and check a configuration, and say what it means.
    CheckConfig {
        /// The configuration.
        #[arg(long, default_value = "/etc/doorward/doord.toml")]
        config: PathBuf,
    },
    /// Drive the relay to the level that locks, touch nothing else, and end.
    Lock {
        /// The configuration; only its [relay] is read.
        #[arg(long, default_value = "/etc/doorward/doord.toml")]
        config: PathBuf,
    },
    /// Show a door deciding: rendered scenes, real models, a page in the browser. Needs no hardware.
    #[cfg(feature = "demo")]
    Demo {
        /// Port of the page on the loopback address; 0 picks a free one.
        #[arg(long, default_value_t = 8642)]
        port: u16,
        /// Folder with a model pack; without it the usual places are searched.
        #[arg(long)]
        models: Option<PathBuf>,
        /// Folder with portraits of at least two people, to play instead of those who do not exist.
        #[arg(long)]
        photos: Option<PathBuf>,
        /// Serve the local API at this socket, everything allowed: docs/api.md.
        #[arg(long, value_name = "SOCKET")]
        api: Option<PathBuf>,
        /// Ask for the most: the infrared light follows a pattern, and everybody is asked to smile and to turn. The people
        /// of the demo do, as far as they can: masks turn.
        #[arg(long)]
        high: bool,
    },
}

fn main() -> ExitCode {
    doorward_daemon::logging::begin();
    let outcome = match Cli::parse().command {
        Command::Run { config } => doorward_daemon::run::run(&config),
        Command::CheckConfig { config } => doorward_daemon::run::check(&config),
        Command::Lock { config } => doorward_daemon::lock::lock(&config),
        #[cfg(feature = "demo")]
        Command::Demo { port, models, photos, api, high } => {
            let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
            doorward_daemon::demo::run(&doorward_daemon::demo::Options { address, models, photos, api, high })
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("doord: {fault:#}");
            ExitCode::FAILURE
        }
    }
}
