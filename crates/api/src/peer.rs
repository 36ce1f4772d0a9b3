//! Who may use the admin socket, by what the kernel says of the caller's process.
//!
//! Source: unix(7), `SO_PEERCRED`. The socket file's mode is a first wall; this is the second.

use std::collections::BTreeSet;

/// The user ids whose processes may use the admin socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admins(BTreeSet<u32>);

impl Admins {
    /// Lets in root, the gateway's own user, and those configured.
    pub fn new(configured: impl IntoIterator<Item = u32>) -> Self {
        Self::of(nix::unistd::geteuid().as_raw(), configured)
    }

    fn of(own: u32, configured: impl IntoIterator<Item = u32>) -> Self {
        const ROOT: u32 = 0;
        Self(configured.into_iter().chain([ROOT, own]).collect())
    }

    /// True if a process of that user may use the socket.
    pub fn may_use(&self, uid: u32) -> bool {
        self.0.contains(&uid)
    }
}

/// The caller of one request, as the kernel knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) uid: u32,
}

impl Caller {
    /// How records name the caller.
    pub(crate) fn name(self) -> String {
        format!("uid:{}", self.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_the_gateway_itself_and_those_configured_may_use_the_socket() {
        let admins = Admins::of(990, [1000, 1001]);
        #[rustfmt::skip]
        let cases = [
            (0,         true),
            (990,       true),
            (1000,      true),
            (1001,      true),
            (1,         false),
            (989,       false),
            (1002,      false),
            (65_534,    false),
            (u32::MAX,  false),
        ];
        for (uid, expected) in cases {
            assert_eq!(admins.may_use(uid), expected, "uid {uid}");
        }
        assert!(!Admins::of(990, []).may_use(1000));
    }
}
