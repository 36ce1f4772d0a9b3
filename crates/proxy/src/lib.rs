//! The data path: clients on one side, targets on the other, and in between one straight way.
//!
//! `client ─▶ identify ─▶ decide ─▶ record ─▶ forward ─▶ compare ─▶ record outcome ─▶ client`
//!
//! | step | file |
//! |---|---|
//! | accept, greet, admit | `listener`, `arrivals`, `greeting`, `admission` |
//! | the loop of a session | `session` |
//! | what a client asks: judge, record, forward | `requests`, `queries`, `planning`, `judge`, `prepared`, `portals`, `names`, `copying`, `forwarding` |
//! | what the target answers: compare, record, release | `answers`, `compare`, `outcomes`, `reply`, `reports`, `errors` |
//! | what was judged on definitions that have changed | `doubts`, `freshness` |
//! | what ends early | `authority`, `ending`, `phase` |
//! | what a target has | `watcher`, `target`, `footing`, `warm`, `lifeline` |
//! | roles that enforce the grants there | `fence` |
//!
//! **Invariant:** a command reaches a target only with a `journal::Permit`, which only a durable
//! intent makes, which only `policy::decide` allows.
//!
//! **Boundary:** no settings file, no environment, no admin call is read here.

mod admission;
mod answers;
mod arrivals;
mod asker;
mod authority;
mod binding;
mod cancel;
mod clock;
mod compare;
mod copy_data;
mod copying;
mod denial;
mod dial;
mod directory;
mod doubts;
mod ending;
mod errors;
mod fence;
mod footing;
mod forwarding;
mod free_text;
mod freshness;
mod gate;
mod gateway;
mod greeting;
mod identified;
mod judge;
mod lifeline;
mod listener;
mod names;
mod notifications;
mod outbox;
mod outcomes;
mod parameters;
mod parser;
mod phase;
mod planning;
mod portals;
mod prepared;
mod probe;
mod queries;
mod refusals;
mod reply;
mod reports;
mod requests;
mod session;
mod settings;
mod startup;
mod status;
mod stream;
mod target;
mod transaction;
mod usage;
mod warm;
mod watcher;
mod wire;

pub use directory::OpenSession;
pub use fence::{Finding, Reach, Weight};
pub use gateway::{Gateway, GatewayView, Preflight, RelationColumns, StartError};
pub use probe::{Probe, ProbeError, probe};
pub use settings::{
    ClientCertificates, ClientTls, Limits, ProvisionSettings, Secret, Settings, TargetAddress,
    TargetSettings, TargetTls, TlsNegotiation,
};
pub use usage::{UsageBook, UsageFold};

/// Reads the clock as the data path does: it never goes back while the program runs.
pub use clock::{now, resume as resume_clock};
