//! doorctl: the administrator's tool of a door terminal.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use doorward_admin::answer::Stop;
use doorward_admin::cli::{self, Cli};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            // Help and version come this way too. Wrong usage is a fault of the call; 2 stays what a refusal is.
            let code = if told.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
            return if told.print().is_ok() { code } else { ExitCode::FAILURE };
        }
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let answer = cli::run(&cli, &mut out);
    // What was said before a refusal belongs to the answer.
    match answer.and(out.flush().map_err(Stop::from)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Refused(why)) => {
            let _ = out.flush();
            eprintln!("doorctl: refused: {why}");
            ExitCode::from(Stop::REFUSED)
        }
        // The reader of the output has seen enough, as `doorctl … | head` does.
        Err(Stop::Unheard) => ExitCode::SUCCESS,
        Err(Stop::Fault(fault)) => {
            let _ = out.flush();
            eprintln!("doorctl: {fault:#}");
            ExitCode::FAILURE
        }
    }
}
