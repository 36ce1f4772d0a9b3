//! Clients that have not finished logging in, counted by address: one address alone cannot take every
//! place with sockets that say nothing.
//!
//! **Boundary:** it bounds nothing of clients that have logged in; `clients_max` does.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The bits of an IPv6 address that its network gives to one customer (RFC 6177).
const NETWORK: u128 = u128::MAX << 64;

/// How many there are of each address.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    by_address: Mutex<BTreeMap<IpAddr, usize>>,
}

/// One of them; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Arrival {
    arrivals: Arc<Arrivals>,
    address: IpAddr,
}

impl Arrivals {
    /// Counts one, unless there are `max` of its address already.
    pub(crate) fn enter(self: &Arc<Self>, peer: IpAddr, max: usize) -> Option<Arrival> {
        let address = counted_as(peer);
        let mut counts = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        if *count >= max {
            return None;
        }
        *count = count.saturating_add(1);
        Some(Arrival { arrivals: Arc::clone(self), address })
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let mut counts = self.arrivals.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let left = counts.get_mut(&self.address).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == Some(0) {
            counts.remove(&self.address);
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
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let arrivals = Arc::new(Arrivals::default());
        let enter = |peer: &str| arrivals.enter(peer.parse().unwrap(), 2);
        let first = enter("192.0.2.1");
        let second = enter("::ffff:192.0.2.1");
        assert!(first.is_some() && second.is_some());
        assert!(enter("192.0.2.1").is_none());
        assert!(enter("192.0.2.2").is_some());
        drop(first);
        assert!(enter("192.0.2.1").is_some());
        drop(second);
        assert!(arrivals.by_address.lock().unwrap().is_empty(), "nothing stays behind");
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let arrivals = Arc::new(Arrivals::default());
        let _first = arrivals.enter("2001:db8:0:1::1".parse().unwrap(), 1).unwrap();
        assert!(arrivals.enter("2001:db8:0:1:ffff::2".parse().unwrap(), 1).is_none());
        assert!(arrivals.enter("2001:db8:0:2::1".parse().unwrap(), 1).is_some());
    }
}
