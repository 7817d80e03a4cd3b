//! `doorctl order`: what operators tell terminals to do now, and what each terminal answers under its own signature.
//!
//! An order is for one life of one terminal and counts for seconds, so it is signed here for each of them. The hub
//! passes orders and receipts on; a receipt counts because its terminal signed it.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_protocol::audit::Hash;
use doorward_protocol::command::{
    Command, ORDER_LIFE_MAX_S, Order as Ordered, Outcome, Receipt, Session, order_hash,
};
use doorward_protocol::envelope::{Heading, Kind};
use doorward_protocol::hex::{hex, unhex, unhex_all};
use doorward_protocol::ids::{DoorId, PersonId, SiteId, TerminalId};
use doorward_protocol::message;
use doorward_protocol::picture::{Bound, Picture};
use doorward_protocol::sealing::OpeningKey;
use doorward_protocol::trust::{Reader, Trust};
use ed25519_dalek::SigningKey;
use serde::Deserialize;

use crate::answer::{Answer, Stop};
use crate::hub::{self, Hub, Known, Line};
use crate::keyfile::{self, AUTHORITY};
use crate::keys::Signing;
use crate::ledger::Ledger;
use crate::{folder, place, text};

/// How long receipts are waited for: an order that no terminal took in that time counts no more.
const PATIENCE: Duration = Duration::from_secs(ORDER_LIFE_MAX_S.unsigned_abs());
/// How often the hub is asked for them.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Orders to terminals, each answered by a signed receipt.
#[derive(Debug, Subcommand)]
#[command(after_help = "A whole site is locked down by one order and one line for each terminal:\n  \
    doorctl order lockdown --roster hq.roster --by op.key --hub http://127.0.0.1:8470 --token-file token\n  \
    doorctl order release --roster hq.roster --by op.key --hub http://127.0.0.1:8470 --token-file token")]
pub enum Order {
    /// Release a door once.
    #[command(
        after_help = "Example:\n  doorctl order unlock --roster hq.roster --by op.key --hub http://127.0.0.1:8470 \
        --token-file token --terminal lobby-1 --door front --for-s 5\n\n\
        Exit code: 0 done, 2 the terminal refused or did not answer, 1 fault."
    )]
    Unlock(Unlock),
    /// Lock a door now, whatever released it.
    #[command(
        after_help = "Example:\n  doorctl order lock --roster hq.roster --by op.key --hub http://127.0.0.1:8470 \
        --token-file token --terminal lobby-1 --door front\n\n\
        Exit code: 0 done, 2 the terminal refused or did not answer, 1 fault."
    )]
    Lock(Lock),
    /// Let nobody in until it is released; leaving stays free.
    #[command(after_help = "Without --terminal all terminals of the site are told.\n\n\
        Example:\n  doorctl order lockdown --roster hq.roster --by op.key --hub http://127.0.0.1:8470 --token-file token\n\n\
        Exit code: 0 every terminal did it, 2 one refused or did not answer, 1 fault.")]
    Lockdown(Several),
    /// Start a terminal's program anew.
    #[command(after_help = "Its door locks first, and it is away for some seconds; a lockdown holds.\n\n\
        Example:\n  doorctl order reboot --roster hq.roster --by op.key --hub http://127.0.0.1:8470 --token-file token \
        --terminal lobby-1\n\n\
        Exit code: 0 done, 2 the terminal refused or did not answer, 1 fault.")]
    Reboot(One),
    /// Have a terminal take everybody from the roster again, after its case was opened and it erased them.
    #[command(
        after_help = "Look at the terminal first: whoever opened it may have left something behind. It must be locked down, \
        because people come back entry by entry; release it when `doorctl terminal list` says that it holds what was signed.\n\n\
        Example:\n  doorctl order lockdown --roster hq.roster --by op.key --hub http://127.0.0.1:8470 --token-file token \
        --terminal lobby-1\n  doorctl order refill --roster hq.roster --by op.key --hub http://127.0.0.1:8470 --token-file token \
        --terminal lobby-1\n\n\
        Exit code: 0 done, 2 the terminal refused or did not answer, 1 fault."
    )]
    Refill(One),
    /// Fetch the picture of a person who agreed to pictures and was recognised within the last minute.
    #[command(
        after_help = "Without a consent in force (`doorctl consent put`) the terminal keeps no picture of anybody, and says so.         With one it keeps the last for a minute, in memory. The picture comes sealed to a key that is drawn for this one         order and forgotten after it, and after its record in the terminal's trail.\n\n\
        Example:\n  doorctl order capture --roster hq.roster --by op.key --hub http://127.0.0.1:8470 --token-file token \
        --terminal lobby-1 --person E-1042 --out e-1042.jpg\n\n\
        Exit code: 0 the picture is written, 2 the terminal refused or did not answer, 1 fault."
    )]
    Capture(Capture),
    /// Ask a terminal how it is.
    #[command(
        after_help = "Example:\n  doorctl order diagnose --roster hq.roster --by op.key --hub http://127.0.0.1:8470 \
        --token-file token --terminal lobby-1\n\n\
        Exit code: 0 answered, 2 the terminal refused or did not answer, 1 fault."
    )]
    Diagnose(One),
    /// Let attempts begin again that failed checks have locked out.
    #[command(
        after_help = "Failed liveness checks lock faces out, wrong PINs and foreign cards those: for half an hour, and \
        longer where it repeats. This ends it and is on record. Look first at what stood there: `doorctl audit tail` tells \
        the refusals. Without --terminal all terminals of the site are told.\n\n\
        Example:\n  doorctl order reset-lockout --roster hq.roster --by op.key --hub http://127.0.0.1:8470 --token-file token \
        --terminal lobby-1\n\n\
        Exit code: 0 every terminal did it, 2 one refused or did not answer, 1 fault."
    )]
    ResetLockout(Several),
    /// End a lockdown.
    #[command(after_help = "Without --terminal all terminals of the site are told.\n\n\
        Example:\n  doorctl order release --roster hq.roster --by op.key --hub http://127.0.0.1:8470 --token-file token\n\n\
        Exit code: 0 every terminal did it, 2 one refused or did not answer, 1 fault.")]
    Release(Several),
}

/// Who orders, and through which hub.
#[derive(Debug, Args)]
pub struct Giving {
    #[command(flatten)]
    signing: Signing,
    #[command(flatten)]
    hub: Hub,
}

/// Options of `unlock`.
#[derive(Debug, Args)]
pub struct Unlock {
    #[command(flatten)]
    giving: Giving,
    /// The terminal.
    #[arg(long)]
    terminal: TerminalId,
    /// Its door.
    #[arg(long)]
    door: DoorId,
    /// For how many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    for_s: u32,
}

/// Options of `lock`.
#[derive(Debug, Args)]
pub struct Lock {
    #[command(flatten)]
    giving: Giving,
    /// The terminal.
    #[arg(long)]
    terminal: TerminalId,
    /// Its door.
    #[arg(long)]
    door: DoorId,
}

/// Options of `reboot`, `refill` and `diagnose`.
#[derive(Debug, Args)]
pub struct One {
    #[command(flatten)]
    giving: Giving,
    /// The terminal.
    #[arg(long)]
    terminal: TerminalId,
}

/// Options of `lockdown`, `release` and `reset-lockout`.
#[derive(Debug, Args)]
pub struct Several {
    #[command(flatten)]
    giving: Giving,
    /// A terminal; several times for several.
    #[arg(long)]
    terminal: Vec<TerminalId>,
}

/// Options of `capture`.
#[derive(Debug, Args)]
pub struct Capture {
    #[command(flatten)]
    giving: Giving,
    /// The terminal.
    #[arg(long)]
    terminal: TerminalId,
    /// Whose picture.
    #[arg(long)]
    person: PersonId,
    /// Where it is written, a JPEG for its owner's eyes; never over anything.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs one of the commands.
///
/// # Errors
/// [`Stop::Refused`] where the key may not order, or a terminal did not do it.
pub fn run(command: &Order, out: &mut dyn Write) -> Answer {
    match command {
        Order::Unlock(Unlock { giving, terminal, door, for_s }) => {
            let unlock = Command::Unlock(door.clone(), for_s * 1000);
            give(giving, std::slice::from_ref(terminal), &unlock, out)
        }
        Order::Lock(Lock { giving, terminal, door }) => {
            give(giving, std::slice::from_ref(terminal), &Command::Lock(door.clone()), out)
        }
        Order::Reboot(One { giving, terminal }) => {
            give(giving, std::slice::from_ref(terminal), &Command::Reboot, out)
        }
        Order::Refill(One { giving, terminal }) => {
            give(giving, std::slice::from_ref(terminal), &Command::Refill, out)
        }
        Order::Capture(options) => capture(options, out),
        Order::Diagnose(One { giving, terminal }) => {
            give(giving, std::slice::from_ref(terminal), &Command::Diagnose, out)
        }
        Order::Lockdown(Several { giving, terminal }) => give(giving, terminal, &Command::Lockdown, out),
        Order::ResetLockout(Several { giving, terminal }) => {
            give(giving, terminal, &Command::ResetLockout, out)
        }
        Order::Release(Several { giving, terminal }) => give(giving, terminal, &Command::Release, out),
    }
}

#[derive(Deserialize)]
struct Kept {
    signed: String,
}

/// Gives an order to these terminals, to all where none is named, and says what came of each.
fn give(giving: &Giving, named: &[TerminalId], command: &Command, out: &mut dyn Write) -> Answer {
    give_and_hear(giving, named, command, out, &mut |_, _, receipt| Ok(told(receipt)))
}

/// Has a person's picture sent, opens it, and writes it into a new file.
fn capture(options: &Capture, out: &mut dyn Write) -> Answer {
    let Capture { giving, terminal, person, out: file } = options;
    // Before anything is ordered: what came once does not come again.
    if file.exists() {
        return Err(Stop::refused(format!("{} exists; a picture is written over nothing", file.display())));
    }
    let key = OpeningKey::draw(&mut keyfile::generator());
    let command = Command::Capture(person.clone(), key.sealing_key().to_bytes().into());
    give_and_hear(giving, std::slice::from_ref(terminal), &command, out, &mut |site, order, receipt| {
        let Outcome::Picture(sealed) = &receipt.outcome else { return Ok(told(receipt)) };
        let picture = Picture::open(&key, &Bound { site, terminal, person, order }, sealed);
        let picture = picture.map_err(|why| Stop::refused(format!("{terminal} sent a picture: {why}")))?;
        folder::create_or_refuse(file, 0o600, &picture.jpeg)?;
        let until = text::moment(picture.agreed_until_s.saturating_mul(1000));
        let words = format!(
            "{person}, taken {}, is in {}{}; {person} agrees to pictures until {until}",
            text::moment(picture.taken_ms),
            file.display(),
            on_record(&receipt),
        );
        Ok((true, words))
    })
}

/// What is made of a receipt of this site for an order: whether it was done, and in words.
type Hear<'a> = &'a mut dyn FnMut(&SiteId, &Hash, Receipt) -> Answer<(bool, String)>;

/// Gives an order to these terminals, to all where none is named, and says what is made of each receipt.
fn give_and_hear(
    giving: &Giving,
    named: &[TerminalId],
    command: &Command,
    out: &mut dyn Write,
    hear: Hear<'_>,
) -> Answer {
    let trust = Ledger::open(&giving.signing.roster, None)?.follower().trust().clone();
    let key = keyfile::private(&giving.signing.by, &AUTHORITY)?;
    let line = giving.hub.open()?;
    let chosen = choose(hub::terminals(&line, trust.site())?, named)?;
    let width = chosen.iter().map(|known| known.terminal.as_str().len()).max().unwrap_or(0);
    let mut waiting = Vec::new();
    for known in &chosen {
        let order = signed(known, command, &trust, &key)?;
        if giving.signing.dry_run {
            writeln!(out, "{:width$}  would be told; it is {}", known.terminal, known.presence)?;
            continue;
        }
        line.post::<serde_json::Value>(&format!("/api/v1/sites/{}/orders", trust.site()), &order)?;
        waiting.push((known, order_hash(&order)));
    }
    let (count, clock) = (waiting.len(), SystemClock::default());
    let until = clock.now().mono + PATIENCE;
    let mut done = 0;
    while !waiting.is_empty() && clock.now().mono < until {
        let mut left = Vec::new();
        for (known, order) in waiting {
            let Some(outcome) = receipt(&line, &trust, &known.terminal, &order)? else {
                left.push((known, order));
                continue;
            };
            let (did, words) = hear(trust.site(), &order, outcome)?;
            done += usize::from(did);
            writeln!(out, "{:width$}  {words}", known.terminal)?;
        }
        waiting = left;
        clock.sleep(ASK_EVERY);
    }
    for (known, _) in &waiting {
        let (terminal, presence) = (&known.terminal, &known.presence);
        writeln!(out, "{terminal:width$}  no receipt within {} s; it was {presence}", PATIENCE.as_secs())?;
    }
    match done == count {
        true => Ok(()),
        false => Err(Stop::refused(format!("{done} of {count} terminals did it"))),
    }
}

/// Those that are named, or all of them.
fn choose(known: Vec<Known>, named: &[TerminalId]) -> Answer<Vec<Known>> {
    if let Some(missing) = named.iter().find(|name| !known.iter().any(|known| known.terminal == **name)) {
        return Err(Stop::refused(format!("terminal {missing} never said to the hub how it is")));
    }
    let chosen: Vec<Known> =
        known.into_iter().filter(|known| named.is_empty() || named.contains(&known.terminal)).collect();
    match chosen.is_empty() {
        true => Err(Stop::refused("the hub knows no terminal of this site")),
        false => Ok(chosen),
    }
}

/// The order for one terminal, checked as that terminal will check it.
fn signed(known: &Known, command: &Command, trust: &Trust, key: &SigningKey) -> Answer<Vec<u8>> {
    let terminal = &known.terminal;
    let session: Session = unhex(&known.session)
        .ok_or_else(|| Stop::refused(format!("the hub's session of {terminal} is none")))?;
    let now = place::now().ms;
    let issued_s = now.div_euclid(1000);
    let heading = Heading {
        kind: Kind::Command,
        site: trust.site().clone(),
        terminal: Some(terminal.clone()),
        // Only has to grow, and no count has to be kept on this machine.
        seq: now.unsigned_abs(),
        issued_s,
        expires_s: Some(issued_s + ORDER_LIFE_MAX_S),
    };
    let order = Ordered { session: session.into(), command: command.clone() };
    let bytes = message::sign(&heading, &order, key).map_err(Stop::refused)?;
    let reader = Reader { terminal: Some(terminal), now_s: Some(issued_s) };
    trust.authorise::<Ordered>(&bytes, &reader).map_err(Stop::refused)?;
    Ok(bytes)
}

/// What a terminal answered; none yet where the hub has no receipt.
fn receipt(line: &Line, trust: &Trust, terminal: &TerminalId, order: &[u8; 32]) -> Answer<Option<Receipt>> {
    let path = format!("/api/v1/sites/{}/orders/{}", trust.site(), hex(order));
    let kept: Kept = match line.get(&path) {
        Ok(kept) => kept,
        Err(Stop::Refused(_)) => return Ok(None),
        Err(stop) => return Err(stop),
    };
    verified(&kept.signed, trust, terminal, order).map(Some)
}

/// The receipt, if its terminal signed it for this order.
fn verified(digits: &str, trust: &Trust, terminal: &TerminalId, order: &[u8; 32]) -> Answer<Receipt> {
    let refused = |why: String| Stop::refused(format!("the hub's receipt of {terminal}: {why}"));
    let bytes = unhex_all(digits).ok_or_else(|| refused("it is no digits".to_owned()))?;
    let receipt = trust.authorise::<Receipt>(&bytes, &Reader { terminal: Some(terminal), now_s: None });
    let receipt = receipt.map_err(|why| refused(why.to_string()))?;
    match *receipt.message().order == *order {
        true => Ok(receipt.message().clone()),
        false => Err(refused("it answers another order".to_owned())),
    }
}

fn on_record(receipt: &Receipt) -> String {
    receipt.audit_seq.map(|seq| format!(", on record as {seq}")).unwrap_or_default()
}

/// Whether it was done, and in words.
fn told(receipt: Receipt) -> (bool, String) {
    let on_record = on_record(&receipt);
    match receipt.outcome {
        Outcome::Done => (true, format!("done{on_record}")),
        Outcome::Refused(why) => (false, format!("refused{on_record}: {}", text::printable(&why))),
        Outcome::Report(report) => (true, text::printable(&report)),
        Outcome::Picture(_) => (false, format!("sent a picture that nobody ordered{on_record}")),
    }
}

#[cfg(test)]
mod tests {
    use doorward_protocol::keys::{PublicKey, Role};
    use doorward_protocol::trust::Delegation;

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    /// A site with an operator (2), an enroller (3), and the terminals `t4` and `t5`.
    fn trust() -> Trust {
        let mut trust = Trust::pinned("hq".parse().unwrap(), PublicKey::of(&key(1)));
        let holders = [(2, Role::Operator, None), (3, Role::Enroller, None)]
            .into_iter()
            .chain([4, 5].map(|seed| (seed, Role::Terminal, Some(format!("t{seed}").parse().unwrap()))));
        for (seed, role, terminal) in holders {
            let delegation = Delegation {
                key: PublicKey::of(&key(seed)),
                holder: format!("holder {seed}"),
                roles: vec![role],
                terminal,
                from_s: 0,
                until_s: i64::MAX,
                joined_with: None,
            };
            trust.delegate(&delegation).unwrap();
        }
        trust
    }

    fn known(name: &str) -> Known {
        Known {
            terminal: name.parse().unwrap(),
            session: "ab".repeat(16),
            level: None,
            presence: "online".into(),
            roster: None,
            holds_what_was_signed: None,
            signed: None,
        }
    }

    /// A receipt for `order` as `seed` signs it in the name of `terminal`.
    fn answered(seed: u8, terminal: &str, order: [u8; 32]) -> String {
        let heading = Heading {
            kind: Kind::Receipt,
            site: "hq".parse().unwrap(),
            terminal: Some(terminal.parse().unwrap()),
            seq: 1,
            issued_s: 10,
            expires_s: None,
        };
        let receipt = Receipt { order: order.into(), outcome: Outcome::Done, audit_seq: Some(7) };
        hex(&message::sign(&heading, &receipt, &key(seed)).unwrap())
    }

    #[test]
    fn m6_who_may_not_order_is_told_so_before_anything_leaves() {
        let trust = trust();
        assert!(signed(&known("t4"), &Command::Lockdown, &trust, &key(2)).is_ok());
        for seed in [1, 3, 4, 9] {
            let refused = signed(&known("t4"), &Command::Lockdown, &trust, &key(seed));
            assert!(matches!(refused, Err(Stop::Refused(_))), "key {seed}: {refused:?}");
        }
    }

    #[test]
    fn m4_a_receipt_counts_only_from_the_terminal_that_was_told_and_for_this_order() {
        let (trust, told, order) = (trust(), "t4".parse().unwrap(), [8; 32]);
        assert_eq!(verified(&answered(4, "t4", order), &trust, &told, &order).unwrap().audit_seq, Some(7));
        let wrong = [answered(5, "t4", order), answered(5, "t5", order), answered(4, "t4", [9; 32])];
        for digits in wrong.into_iter().chain(["".into(), "zz".into(), "00".into()]) {
            let refused = verified(&digits, &trust, &told, &order);
            assert!(matches!(refused, Err(Stop::Refused(_))), "{digits}: {refused:?}");
        }
    }

    #[test]
    fn a_name_that_the_hub_does_not_know_stops_the_order_before_it_is_given() {
        let all = || vec![known("t4"), known("t5")];
        assert_eq!(choose(all(), &[]).unwrap().len(), 2);
        assert_eq!(choose(all(), &["t5".parse().unwrap()]).unwrap()[0].terminal.as_str(), "t5");
        let named = ["t5".parse().unwrap(), "t6".parse().unwrap()];
        assert!(matches!(choose(all(), &named), Err(Stop::Refused(why)) if why.contains("t6")));
        assert!(matches!(choose(Vec::new(), &[]), Err(Stop::Refused(_))));
    }
}
