//! A TCP relay between a gateway and its target, which can swallow what some connections say.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A relay. It lives until the test program ends.
#[derive(Debug)]
pub struct Middleman {
    /// Where it listens.
    pub address: SocketAddr,
    swallowed: Arc<Mutex<Option<String>>>,
    swapped: Swapped,
    target: Arc<Mutex<SocketAddr>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

/// A mark, and the statement that the target gets in the place of each Query that bears it.
type Swap = Option<(String, Vec<u8>)>;
type Swapped = Arc<Mutex<Swap>>;

impl Middleman {
    /// Relays to a target.
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let swallowed = Arc::new(Mutex::new(None));
        let swapped = Swapped::default();
        let (target, open) =
            (Arc::new(Mutex::new(target)), Arc::<Mutex<Vec<TcpStream>>>::default());
        let shared = (Arc::clone(&swallowed), Arc::clone(&swapped));
        let shared_too = (Arc::clone(&target), Arc::clone(&open));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (swallowed, swapped) = shared.clone();
                let target = *shared_too.0.lock().unwrap();
                shared_too.1.lock().unwrap().push(client.try_clone().unwrap());
                thread::spawn(move || relay(client, target, &swallowed, &swapped));
            }
        });
        Self { address, swallowed, swapped, target, open }
    }

    /// Relays new connections to another target.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.target.lock().unwrap() = target;
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        for client in self.open.lock().unwrap().drain(..) {
            drop(client.shutdown(Shutdown::Both));
        }
    }

    /// From now on the target runs `sql` in the place of every Query that bears the mark.
    pub fn swap(&self, mark: &str, sql: &[u8]) {
        *self.swapped.lock().unwrap() = Some((mark.to_owned(), sql.to_vec()));
    }

    /// From now on nothing gets to the target from connections whose first bytes hold this text.
    pub fn swallow(&self, text: &str) {
        *self.swallowed.lock().unwrap() = Some(text.to_owned());
    }

    /// Ends that. What was swallowed stays so.
    pub fn pass_all(&self) {
        *self.swallowed.lock().unwrap() = None;
    }
}

fn relay(
    mut client: TcpStream,
    target: SocketAddr,
    swallowed: &Mutex<Option<String>>,
    swapped: &Mutex<Swap>,
) {
    let Ok(mut server) = TcpStream::connect(target) else { return };
    let (mut from_server, mut to_client) =
        (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || {
        drop(std::io::copy(&mut from_server, &mut to_client));
        drop(to_client.shutdown(Shutdown::Both));
    });
    let mut first = None;
    let mut bytes = [0; 16_384];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        let opening =
            first.get_or_insert_with(|| String::from_utf8_lossy(&bytes[..count]).into_owned());
        let swallow = swallowed.lock().unwrap().as_ref().is_some_and(|text| opening.contains(text));
        let sent = match swapped.lock().unwrap().as_ref() {
            Some((mark, sql)) => swap(&bytes[..count], mark, sql),
            None => bytes[..count].to_vec(),
        };
        if !swallow && server.write_all(&sent).is_err() {
            break;
        }
    }
    drop(server.shutdown(Shutdown::Both));
}

/// A gateway writes a Query in one piece, as nothing else stands behind it before its answer.
fn swap(bytes: &[u8], mark: &str, sql: &[u8]) -> Vec<u8> {
    let bears_it = bytes.windows(mark.len()).any(|window| window == mark.as_bytes());
    if bytes.first() == Some(&b'Q') && bears_it {
        crate::wire::message(b'Q', &[sql, &[0]].concat())
    } else {
        bytes.to_vec()
    }
}
