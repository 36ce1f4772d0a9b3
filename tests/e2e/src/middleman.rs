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
}

impl Middleman {
    /// Relays to a target.
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let swallowed = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&swallowed);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                thread::spawn(move || relay(client, target, &shared));
            }
        });
        Self { address, swallowed }
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

fn relay(mut client: TcpStream, target: SocketAddr, swallowed: &Mutex<Option<String>>) {
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
        if !swallow && server.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    drop(server.shutdown(Shutdown::Both));
}
