//! The program `doorhub`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use doorward_hub::{config, run};
use tracing_subscriber::EnvFilter;

/// Keeps what terminals record and what admins sign, and serves both.
#[derive(Debug, Parser)]
#[command(
    name = "doorhub",
    version,
    after_help = "A first hub: docs/centre.md.\n\nExit codes: 0 ended as told, 1 a fault or wrong usage."
)]
struct Cli {
    /// The configuration.
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/doorhub/doorhub.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until told to stop.
    Run,
    /// Say what is wrong with the configuration and the files it names, and end.
    CheckConfig,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // PostgreSQL's notices say what was to be expected.
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .with_env_var("DOORHUB_LOG")
        .from_env_lossy()
        .add_directive("postgres=warn".parse().expect("a valid directive"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let outcome = config::read(&cli.config).and_then(|config| match cli.command {
        Command::Run => run::run(config),
        Command::CheckConfig => run::check(&config),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("doorhub: {fault:#}");
            ExitCode::FAILURE
        }
    }
}
