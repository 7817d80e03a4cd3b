//! Figures for whoever watches the hub, in Prometheus' text form.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use doorward_protocol::ids::SiteId;

use super::{Desk, Refused};
use crate::clock;
use crate::kept::{self, Totals};
use crate::tally::Counted;

/// The route.
pub(super) fn routes() -> Router<Desk> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(desk): State<Desk>) -> Result<Response, Refused> {
    let counted = desk.tally().counts();
    let (names, heads, now_ms) = (desk.0.sites.clone(), counted.heads.clone(), clock::now_ms());
    let totals = desk.read(move |transaction| {
        let of = |site: SiteId| {
            let head = heads.get(&site).copied().unwrap_or_default();
            kept::totals(transaction, &site, head.seq, now_ms).map(|totals| (site, totals))
        };
        names.into_iter().map(of).collect::<Result<Vec<_>, _>>()
    });
    // What the hub counts itself is told also while the database is away: that is when it is looked at.
    let text = told(&counted, &totals.await.unwrap_or_default());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

fn told(counted: &Counted, totals: &[(SiteId, Totals)]) -> String {
    let mut text = String::new();
    let mut figure = |name: &str, kind: &str, help: &str, rows: &[(String, i64)]| {
        let _ = writeln!(text, "# HELP doorhub_{name} {help}\n# TYPE doorhub_{name} {kind}");
        for (labels, value) in rows {
            let _ = writeln!(text, "doorhub_{name}{labels} {value}");
        }
    };
    let one = |value: u64| [(String::new(), i64::try_from(value).unwrap_or(i64::MAX))];
    figure("broker_connected", "gauge", "Whether the broker is there.", &one(counted.connected.into()));
    figure("keeping", "gauge", "Whether the database keeps what it is told.", &one(counted.keeping.into()));
    figure("messages_total", "counter", "Messages of terminals that were taken.", &one(counted.taken));
    figure("records_total", "counter", "Audit records that were new.", &one(counted.records));
    figure("groups_total", "counter", "Transactions that kept messages.", &one(counted.groups));
    figure("unsaid_total", "counter", "Answers left out because the link was behind.", &one(counted.unsaid));
    let refused: Vec<_> = counted
        .refused
        .iter()
        .map(|(why, count)| {
            (format!("{{why=\"{}\"}}", why.word()), i64::try_from(*count).unwrap_or(i64::MAX))
        })
        .collect();
    figure("refused_total", "counter", "Messages that were not taken, by why.", &refused);
    let of_sites = |value: fn(&Totals) -> i64| -> Vec<(String, i64)> {
        totals.iter().map(|(site, totals)| (format!("{{site=\"{site}\"}}"), value(totals))).collect()
    };
    let help = "Terminals that ever said how they are.";
    figure("terminals", "gauge", help, &of_sites(|totals| totals.terminals));
    figure("terminals_online", "gauge", "Terminals that are online.", &of_sites(|totals| totals.online));
    let help = "Terminals that said they are online, and nothing since.";
    figure("terminals_silent", "gauge", help, &of_sites(|totals| totals.silent));
    let help = "Terminals that do not hold the newest roster.";
    figure("terminals_behind", "gauge", help, &of_sites(|totals| totals.behind));
    let help = "Terminals that take colour alone for proof of life: a good photograph may pass.";
    figure("terminals_convenience", "gauge", help, &of_sites(|totals| totals.convenience));
    figure("alarms_open", "gauge", "Alarms that are not over.", &of_sites(|totals| totals.alarms));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::{Tally, Why};

    #[test]
    fn figures_are_in_the_form_that_prometheus_reads() {
        let tally = Tally::default();
        tally.taken(3, 40);
        tally.refused(Why::Signature);
        let totals = Totals { terminals: 5, online: 3, silent: 1, behind: 2, convenience: 4, alarms: 1 };
        let text = told(&tally.counts(), &[("hq".parse().unwrap(), totals)]);
        assert!(text.contains("\ndoorhub_records_total 40\n"), "{text}");
        assert!(text.contains("\ndoorhub_refused_total{why=\"signature\"} 1\n"), "{text}");
        assert!(text.contains("\ndoorhub_terminals_silent{site=\"hq\"} 1\n"), "{text}");
        assert!(text.contains("\ndoorhub_terminals_convenience{site=\"hq\"} 4\n"), "{text}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (_, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
