//! Clients that have not finished logging in, by address: one address alone cannot take every place with
//! sockets that say nothing.
//!
//! Beyond so many of one address, the one that has been at it longest gives way to the next: who means to
//! log in does so in a moment, and gets in even beside a thousand silent sockets of its own machine.
//!
//! **Boundary:** it bounds nothing of clients that have logged in; `clients_max` does.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The bits of an IPv6 address that its network gives to one customer (RFC 6177).
const NETWORK: u128 = u128::MAX << 64;

/// Those of one address, oldest first: each is told here to give way.
type Queue = VecDeque<Arc<Notify>>;

/// Those of each address.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    by_address: Mutex<BTreeMap<IpAddr, Queue>>,
}

/// One of them; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Arrival {
    arrivals: Arc<Arrivals>,
    address: IpAddr,
    gives_way: Arc<Notify>,
}

impl Arrivals {
    /// Enters one. If there are more than `max` of its address by then, the oldest gives way.
    pub(crate) fn enter(self: &Arc<Self>, peer: IpAddr, max: usize) -> Arrival {
        let address = counted_as(peer);
        let gives_way = Arc::new(Notify::new());
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let arrived = by_address.entry(address).or_default();
        arrived.push_back(Arc::clone(&gives_way));
        if arrived.len() > max
            && let Some(oldest) = arrived.pop_front()
        {
            oldest.notify_one();
        }
        Arrival { arrivals: Arc::clone(self), address, gives_way }
    }
}

impl Arrival {
    /// Returns when it has to give way.
    pub(crate) async fn displaced(&self) {
        self.gives_way.notified().await;
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let mut by_address =
            self.arrivals.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(arrived) = by_address.get_mut(&self.address) else { return };
        arrived.retain(|other| !Arc::ptr_eq(other, &self.gives_way));
        if arrived.is_empty() {
            by_address.remove(&self.address);
        }
    }
}

/// Who holds one IPv6 address holds its whole network.
fn counted_as(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn is_displaced(arrival: &Arrival) -> bool {
        tokio::time::timeout(Duration::from_millis(1), arrival.displaced()).await.is_ok()
    }

    #[tokio::test]
    async fn beyond_the_limit_the_oldest_of_the_address_gives_way() {
        let arrivals = Arc::new(Arrivals::default());
        let enter = |peer: &str| arrivals.enter(peer.parse().unwrap(), 2);
        let first = enter("192.0.2.1");
        let second = enter("::ffff:192.0.2.1");
        let elsewhere = enter("192.0.2.2");
        assert!(!is_displaced(&first).await);
        let third = enter("192.0.2.1");
        assert!(is_displaced(&first).await && !is_displaced(&second).await);
        drop(second);
        let fourth = enter("192.0.2.1");
        assert!(!is_displaced(&third).await && !is_displaced(&elsewhere).await);
        drop((first, third, fourth, elsewhere));
        assert!(arrivals.by_address.lock().unwrap().is_empty(), "nothing stays behind");
    }

    #[tokio::test]
    async fn a_network_of_ipv6_counts_as_one_address() {
        let arrivals = Arc::new(Arrivals::default());
        let first = arrivals.enter("2001:db8:0:1::1".parse().unwrap(), 1);
        let _other = arrivals.enter("2001:db8:0:2::1".parse().unwrap(), 1);
        assert!(!is_displaced(&first).await);
        let _second = arrivals.enter("2001:db8:0:1:ffff::2".parse().unwrap(), 1);
        assert!(is_displaced(&first).await);
    }
}
