//! Do we answer what the reference server answered? Replays `exchanges/` against a real `gateward up`.
//!
//! One test per recorded scenario. The deliberate differences are marked in the recordings themselves
//! (`exchanges/README.md`).

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends"
)]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the kinds of JSON few matter at each place"
)]

mod compare;
mod expression;
mod replay;
mod scenario;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};

use scenario::Scenario;
use support::process::{Gateward, Settings};

/// The registration key of the private servers we start.
const PRIVATE_TOKEN: &str = "conformance-private-token";

/// The two servers that all scenarios share, each started when the first scenario asks for it.
#[derive(Default)]
struct Servers {
    private: OnceLock<Gateward>,
    public: OnceLock<Gateward>,
}

impl Servers {
    fn of_mode(&self, mode: &str) -> &Gateward {
        let (server, environment) = match mode {
            "public" => (&self.public, ("GATEWAY__MODE", "public")),
            _ => (&self.private, ("GATEWAY__PRIVATE_TOKEN", PRIVATE_TOKEN)),
        };
        server.get_or_init(|| Settings::new().with(environment.0, environment.1).up())
    }
}

fn main() {
    let arguments = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/exchanges");
    let servers = Arc::new(Servers::default());
    let scenarios = scenario::load_all(&folder);
    let trials = scenarios
        .into_iter()
        .map(|scenario| trial(scenario, &servers))
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // `exit` drops nothing, and the servers end only when they are dropped.
    drop(servers);
    conclusion.exit();
}

fn trial(scenario: Scenario, servers: &Arc<Servers>) -> Trial {
    let servers = Arc::clone(servers);
    let name = scenario.name.clone();
    // A sidecar without tokens does not exist: what the reference does without a secret is not ours to answer.
    let is_without_tokens = scenario.needs.get("jwt").is_some_and(|jwt| jwt == "off");
    Trial::test(name, move || {
        let mode = scenario.needs.get("mode").map_or("private", String::as_str);
        let server = servers.of_mode(mode);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let played = runtime.block_on(replay::play(&scenario, server.public, PRIVATE_TOKEN));
        played.map_err(Failed::from)
    })
    .with_ignored_flag(is_without_tokens)
}
