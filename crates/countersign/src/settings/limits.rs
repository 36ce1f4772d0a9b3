//! The `[limits]` section: bounds on everything that could grow or last.
//!
//! A key's name ends with its unit. Each has a default that suits a small deployment, and bounds
//! outside of which a value can only be a mistake.

use super::reader::{Problems, Section};

macro_rules! define_limits {
    ($($(#[doc = $doc:literal])* $name:ident = $default:literal, $low:literal ..= $high:literal;)*) => {
        /// Bounds on everything that could grow or last.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) struct Limits {
            $($(#[doc = $doc])* pub(crate) $name: u64,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Limits {
            /// Reads the section; what it does not name has its default.
            pub(super) fn read(mut section: Section<'_>, problems: &mut Problems) -> Self {
                let mut limits = Self::default();
                $(if let Some(field) = section.take(stringify!($name))
                    && let Some(value) = field.integer($low..=$high, problems)
                {
                    limits.$name = value;
                })*
                section.finish(problems);
                limits
            }
        }

        /// Name, default, lowest and highest value of each limit, for the documentation's test.
        #[cfg(test)]
        pub(super) const TABLE: &[(&str, u64, u64, u64)] =
            &[$((stringify!($name), $default, $low, $high),)*];
    };
}

define_limits! {
    /// Client connections at one time. The next one is told so and closed.
    clients_max = 512, 1..=100_000;
    /// Seconds from a client's connect to the end of its authentication.
    handshake_timeout_s = 10, 1..=300;
    /// Clients of one address that have not finished logging in, at one time.
    handshakes_per_address_max = 64, 1..=100_000;
    /// Seconds from the signal to stop until commands and transactions that still run are cut.
    drain_timeout_s = 10, 0..=3_600;
    /// Seconds that one command may run on the target; also set there as `statement_timeout`.
    command_timeout_s = 30, 1..=86_400;
    /// Seconds that a session may stay open with nothing happening on it.
    idle_timeout_s = 3_600, 1..=604_800;
    /// Seconds that a client may leave unread what it asked for.
    stalled_client_timeout_s = 60, 1..=3_600;
    /// Connections to one target that are kept for the next session of one identity. 0 keeps none.
    warm_connections_max = 2, 0..=64;
    /// Seconds that such a connection is kept.
    warm_idle_s = 60, 1..=3_600;
    /// Seconds for connecting to a target and logging in there.
    target_connect_timeout_s = 5, 1..=120;
    /// Seconds between two looks at a target's catalog for changed tables.
    catalog_poll_interval_s = 1, 1..=3_600;
    /// Bytes of one message of a client, and so of one statement with its parameters.
    client_message_bytes_max = 1_048_576, 8_192..=67_108_864;
    /// Prepared statements that one session may keep.
    statements_per_session_max = 1_024, 1..=65_536;
    /// Portals (open cursors of the protocol) that one session may keep.
    portals_per_session_max = 256, 1..=65_536;
}
