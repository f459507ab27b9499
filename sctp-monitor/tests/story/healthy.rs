//! Associations that nothing is wrong with, and captures of them that lack this or that: no alarm is raised.

use std::{path::Path, time::Duration};

use sctp_monitor_testkit::{
    capture_file::Dialect,
    choices::{Choices as _, Random},
    exchange::{Ending, Exchange, Form, Lack, Plan},
};
use serde_json::Value as Json;

use crate::case::{ailments, all, list, report};

#[test]
fn nothing_is_wrong_with_healthy_associations() {
    let variants = std::env::var("SCTP_MONITOR_VARIANTS");
    let variants: Vec<_> = match &variants {
        Ok(range) => seeds(range).collect(),
        Err(_) => (0..VARIANTS).chain(FALSE_ONCE).collect(),
    };
    let ailing: Vec<String> = variants
        .into_iter()
        .flat_map(|seed| Variant::from_seed(seed).ailments())
        .collect();
    assert!(ailing.is_empty(), "\n{}", ailing.join("\n"));
}

/// `FROM-TO`: other seeds than those of each run, to look for more.
fn seeds(range: &str) -> std::ops::Range<u64> {
    let (from, to) = range.split_once('-').unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

/// An association, and how it is captured.
#[derive(Debug)]
struct Variant {
    seed: u64,
    plan: Plan,
    /// What follows on the same ports, and how long behind it.
    next: Option<(Plan, Duration)>,
    lack: Lack,
    form: Form,
    /// Bytes of each frame that are captured.
    snapshot: usize,
}

impl Variant {
    fn from_seed(seed: u64) -> Self {
        let mut random = Random::from_seed(seed ^ 0x7661_7279);
        let mut plan = Plan::healthy(seed);
        let next = random.one_in(4).then(|| {
            let next = Plan {
                // Of the same endpoints.
                v6: plan.v6,
                ports: plan.ports,
                paths: plan.paths,
                ..Plan::healthy(seed + 1_000_000)
            };
            (next, Duration::from_millis(random.pick(&[1, 100, 10_000])))
        });
        if next.is_some() && plan.ending == Ending::Open {
            // It crashes and restarts. What it had sent is answered before: else that is missing.
            plan.loss_per_mille = 0;
        }
        let form = Form::from_seed(seed);
        Self {
            seed,
            lack: if random.one_in(2) {
                Lack::from_seed(seed, plan.lasts)
            } else {
                Lack::Nothing
            },
            form: if random.one_in(5) {
                form.copied(30_000)
            } else {
                form
            },
            // Link header, IP, common header, and some of the first chunk; or all.
            snapshot: if random.one_in(8) { 96 } else { usize::MAX },
            plan,
            next,
        }
    }

    /// What is said to be wrong, a line each. Such a capture is kept, to be looked at.
    fn ailments(&self) -> Vec<String> {
        let mut exchange = Exchange::of(&self.plan);
        if let Some((next, after)) = &self.next {
            exchange = exchange.then(&Exchange::of(next), *after);
        }
        let exchange = exchange.lacking(self.lack, self.seed);
        let dialect = Dialect {
            link: self.form.link(),
            snapshot: self.snapshot,
            ..Dialect::default()
        };
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("healthy-{}.pcap", self.seed));
        std::fs::write(&file, dialect.file(&exchange.records(self.form))).unwrap();
        let told = report(std::slice::from_ref(&file), &[]);
        let is_wrong = |event: &&Json| !(self.misses_answers() && event["to"] == "potentially_failed");
        let mut wrong: Vec<String> = ailments(&all(&told["events"]))
            .filter(is_wrong)
            .map(|event| format!("{} {}: {}", event["time"], event["event"], event["reason"]))
            .collect();
        let associations = list(&told["associations"]).len();
        let lived = 1 + usize::from(self.next.is_some());
        if associations > lived {
            wrong.push(format!("{associations} associations instead of {lived}"));
        }
        if wrong.is_empty() {
            std::fs::remove_file(file).unwrap();
            return wrong;
        }
        wrong.insert(0, format!("{}: {self:?}", file.display()));
        wrong
    }

    /// Some answers are really missing: that is a doubt, and no more.
    fn misses_answers(&self) -> bool {
        let next_loss = self.next.as_ref().map_or(0, |(next, _)| next.loss_per_mille);
        self.plan.loss_per_mille + next_loss > 0 || matches!(self.lack, Lack::SomePackets(_))
    }
}

const VARIANTS: u64 = 200;
/// Of which a doubt was said once: the recorder stood still when an answer was due.
const FALSE_ONCE: [u64; 1] = [1_037];
