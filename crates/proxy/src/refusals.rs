//! Failed log-ins on record, without letting a stranger fill the ledger's disk.
//!
//! The first ones of an address in each window are recorded one by one; what comes beyond is counted
//! and recorded as one number. Nothing is left out: the numbers add up.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::Timestamp;

/// How long a window lasts.
const WINDOW: Duration = Duration::from_secs(10);
/// Failed log-ins of one address that are recorded singly in a window.
const SINGLE_RECORDS_MAX: u32 = 20;
/// Addresses that are counted apart. More share one count.
const ADDRESSES_MAX: usize = 1_024;
/// Stands for the addresses that share one count.
const OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Counts failed log-ins by address.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    by_address: Mutex<BTreeMap<IpAddr, Count>>,
}

#[derive(Debug)]
struct Count {
    since: Timestamp,
    single: u32,
    summed: u64,
}

impl Refusals {
    /// Counts one. True if it is to be recorded singly, else it is in the sum.
    pub(crate) fn count(&self, address: IpAddr, now: Timestamp) -> bool {
        let mut counts = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= ADDRESSES_MAX && !counts.contains_key(&address) {
            counts
                .retain(|_, count| count.summed > 0 || now.saturating_since(count.since) < WINDOW);
        }
        let has_room = counts.len() < ADDRESSES_MAX || counts.contains_key(&address);
        let address = if has_room { address } else { OTHERS };
        let count = counts.entry(address).or_insert(Count { since: now, single: 0, summed: 0 });
        if now.saturating_since(count.since) >= WINDOW {
            count.since = now;
            count.single = 0;
        }
        let is_single = count.single < SINGLE_RECORDS_MAX;
        if is_single {
            count.single = count.single.saturating_add(1);
        } else {
            count.summed = count.summed.saturating_add(1);
        }
        is_single
    }

    /// Takes the sums that are not on record yet.
    pub(crate) fn take_sums(&self) -> Vec<(IpAddr, u64)> {
        let mut counts = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter_mut()
            .filter(|(_, count)| count.summed > 0)
            .map(|(address, count)| (*address, std::mem::take(&mut count.summed)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_becomes_one_number_and_the_numbers_add_up() {
        let refusals = Refusals::default();
        let peer = IpAddr::from([192, 0, 2, 1]);
        let single = (0..1_000).filter(|_| refusals.count(peer, Timestamp::EPOCH)).count();
        assert_eq!(single, 20);
        assert!(refusals.count(IpAddr::from([192, 0, 2, 2]), Timestamp::EPOCH));
        assert_eq!(refusals.take_sums(), [(peer, 980)]);
        assert_eq!(refusals.take_sums(), []);
        assert!(refusals.count(peer, Timestamp::EPOCH.saturating_add(WINDOW)));
    }

    #[test]
    fn addresses_beyond_the_limit_share_one_count() {
        let refusals = Refusals::default();
        for number in 0..2_000_u32 {
            refusals.count(IpAddr::from(number.to_be_bytes()), Timestamp::EPOCH);
        }
        assert!(refusals.by_address.lock().unwrap().len() <= ADDRESSES_MAX + 1);
        assert_eq!(refusals.take_sums(), [(OTHERS, 2_000 - 1_024 - 20)]);
    }
}
