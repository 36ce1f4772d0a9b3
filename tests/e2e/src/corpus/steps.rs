//! Runs an item that is a sequence of messages.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::corpus::item::{bytes, bytes_of_hex};
use crate::corpus::{Transcript, World};
use crate::wire::{self, Login, Stop, Wire};
use crate::wire_answer::Message;

/// How long a `wait` waits for a message that may never come.
const WAIT: Duration = Duration::from_secs(2);
/// How long a silence ends a `drain`.
const SILENCE: Duration = Duration::from_millis(250);

/// One run on one twin.
struct Run<'a> {
    world: &'a World,
    twin: usize,
    connections: BTreeMap<String, Wire>,
    transcript: Transcript,
}

/// Runs the steps on one twin.
pub fn run(world: &World, twin: usize, steps: &[Value]) -> Transcript {
    let (connections, transcript) = (BTreeMap::new(), Transcript::default());
    let mut run = Run { world, twin, connections, transcript };
    for step in steps {
        run.step(step);
    }
    run.finish()
}

impl Run<'_> {
    fn step(&mut self, step: &Value) {
        let connection = text(step, "conn").unwrap_or("c1").to_owned();
        match text(step, "op").unwrap() {
            "connect" => self.connect(&connection),
            "startup" => self.startup(&connection, step),
            "ssl" => self.negotiate(&connection, 80_877_103, step),
            "gssenc" => self.negotiate(&connection, 80_877_104, step),
            "wait" => self.wait(&connection, text(step, "for").unwrap_or("Z").as_bytes()),
            "drain" => self.drain(&connection, step["t"].as_f64()),
            "sleep" => thread::sleep(Duration::from_secs_f64(step["s"].as_f64().unwrap())),
            "admin" => self.admin(step),
            "cancel" => {
                let key = text(step, "key").map(bytes_of_hex);
                let target = self.connections.get(text(step, "target").unwrap());
                if let Some(target) = target {
                    target.cancel(key.as_deref());
                }
            }
            _ => {
                let bytes = self.bytes(step);
                if let Some(wire) = self.connections.get_mut(&connection) {
                    wire.send(&bytes);
                }
            }
        }
    }

    /// The bytes of a step that only sends.
    fn bytes(&self, step: &Value) -> Vec<u8> {
        let field = |key: &str| text(step, key).unwrap_or_default();
        let sql = field("sql").replace("w_a", self.world.twins[self.twin].name);
        let hex = || bytes_of_hex(field("hex"));
        match field("op") {
            "raw" => self.with_database(&hex()),
            "msg" => wire::message(field("type").as_bytes()[0], &hex()),
            "msglen" => {
                let length = i32::try_from(step["len"].as_i64().unwrap()).unwrap();
                [field("type").as_bytes(), &length.to_be_bytes()].concat()
            }
            "Q" => wire::message(b'Q', &wire::c_string(&sql)),
            "P" => wire::parse(field("name"), &sql),
            "B" => bind(step),
            "D" | "C" => {
                let kind = field("op").as_bytes()[0];
                wire::message(
                    kind,
                    &[field("kind").as_bytes(), &wire::c_string(field("name"))].concat(),
                )
            }
            "E" => wire::execute(
                field("portal"),
                i32::try_from(step["max"].as_i64().unwrap()).unwrap(),
            ),
            "F" => function_call(step),
            "d" => wire::message(b'd', &hex()),
            plain @ ("S" | "H" | "c" | "X") => wire::message(plain.as_bytes()[0], &[]),
            other => panic!("the corpus has an operation that the runner does not know: {other}"),
        }
    }

    /// Raw startup packets name the database as `{DB}`.
    fn with_database(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if let Some(at) = bytes.windows(4).position(|window| window == b"{DB}") {
            bytes[at..at + 4].copy_from_slice(self.world.twins[self.twin].name.as_bytes());
        }
        bytes
    }

    fn connect(&mut self, connection: &str) {
        let wire = Wire::connect(self.world.address()).expect("the gateway listens");
        self.connections.insert(connection.to_owned(), wire);
    }

    fn startup(&mut self, connection: &str, step: &Value) {
        if !self.connections.contains_key(connection) {
            self.connect(connection);
        }
        let user = text(step, "user").unwrap_or("svc");
        let token = self.world.token(user).to_owned();
        let mut login = Login::new(user, self.world.twins[self.twin].name, &token);
        if let Some(version) = step["version"].as_i64() {
            login.version = i32::try_from(version).unwrap();
        }
        if let Some(parameters) = step["params"].as_object() {
            let parameters = parameters
                .iter()
                .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()));
            login.parameters = parameters.collect();
        }
        let wire = self.connections.get_mut(connection).unwrap();
        wire.send(&login.packet());
        let outcome = wire.authenticate(&token);
        self.note_login(connection, outcome.err().map(|error| error.to_string()));
    }

    /// Nonces and keys of a login differ by design; what counts is whether it worked.
    fn note_login(&mut self, connection: &str, error: Option<String>) {
        let wire = self.connections.get_mut(connection).unwrap();
        self.transcript.bytes.append(&mut wire.received);
        if let Some(error) = error {
            let body = [b"C".as_slice(), error.as_bytes(), &[0, 0]].concat();
            self.transcript.messages.push(Message { kind: b'E', body });
        }
    }

    fn negotiate(&mut self, connection: &str, code: i32, step: &Value) {
        let more = text(step, "then_hex").map(bytes_of_hex).unwrap_or_default();
        let wire = self.connections.get_mut(connection).unwrap();
        wire.send(&[&8_i32.to_be_bytes()[..], &code.to_be_bytes(), &more].concat());
        match wire.read_byte(WAIT) {
            Ok(byte) => self.transcript.messages.push(Message { kind: b'-', body: vec![byte] }),
            Err(end) => self.transcript.closed |= end == Stop::Closed,
        }
    }

    fn wait(&mut self, connection: &str, kinds: &[u8]) {
        // An error ends the wait for anything but the end of the answer: it will not come.
        let mut kinds = kinds.to_vec();
        if !kinds.contains(&b'Z') {
            kinds.push(b'E');
        }
        kinds.push(b'R');
        let Some(wire) = self.connections.get_mut(connection) else { return };
        let (messages, stop) = wire.read_until(&kinds, WAIT);
        let is_login = messages.last().is_some_and(|message| message.kind == b'R');
        self.transcript.closed |= stop == Stop::Closed;
        if !is_login {
            self.transcript.messages.extend(messages);
            return;
        }
        // A raw startup packet was accepted: go on as `svc`, whose token is the best that is known.
        let token = self.world.token("svc").to_owned();
        let wire = self.connections.get_mut(connection).unwrap();
        let outcome = wire.continue_login(&messages[messages.len() - 1], &token);
        self.note_login(connection, outcome.err().map(|error| error.to_string()));
    }

    fn drain(&mut self, connection: &str, seconds: Option<f64>) {
        let silence = seconds.map_or(SILENCE, Duration::from_secs_f64);
        let Some(wire) = self.connections.get_mut(connection) else { return };
        loop {
            match wire.read(silence) {
                Ok(message) => self.transcript.messages.push(message),
                Err(stop) => {
                    self.transcript.closed |= stop == Stop::Closed;
                    return;
                }
            }
        }
    }

    fn admin(&mut self, step: &Value) {
        match text(step, "gw") {
            // What these do to a role of the database is, through the gateway, the end of the grant.
            Some("revoke" | "expire" | "drop") => self.world.revoke(self.twin),
            Some("kill") => self.world.terminate(self.twin),
            Some(other) => panic!(
                "the corpus has an administrator's deed that the runner does not know: {other}"
            ),
            None => {
                let database = &self.world.twins[self.twin].database;
                let mut superuser = database.cluster.superuser(&database.name);
                // Roles are the cluster's: what exists already through another twin is no error.
                drop(superuser.simple(text(step, "sql").unwrap()));
            }
        }
    }

    fn finish(mut self) -> Transcript {
        let names: Vec<String> = self.connections.keys().cloned().collect();
        for name in names {
            self.drain(&name, Some(0.05));
            let wire = self.connections.get_mut(&name).unwrap();
            self.transcript.bytes.append(&mut wire.received);
            wire.send_message(b'X', &[]);
        }
        self.transcript
    }
}

fn bind(step: &Value) -> Vec<u8> {
    let formats = |key: &str| {
        let codes: Vec<i16> = step[key].as_array().into_iter().flatten().map(small).collect();
        let count = i16::try_from(codes.len()).unwrap();
        [vec![count], codes].concat().into_iter().flat_map(i16::to_be_bytes).collect::<Vec<u8>>()
    };
    let values: Vec<Vec<u8>> = step["params"].as_array().into_iter().flatten().map(bytes).collect();
    let mut body = wire::c_string(text(step, "portal").unwrap());
    body.extend(wire::c_string(text(step, "stmt").unwrap()));
    body.extend(formats("pfmt"));
    body.extend(i16::try_from(values.len()).unwrap().to_be_bytes());
    for value in values {
        body.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
        body.extend(value);
    }
    body.extend(formats("rfmt"));
    wire::message(b'B', &body)
}

fn function_call(step: &Value) -> Vec<u8> {
    let oid = i32::try_from(step["oid"].as_i64().unwrap()).unwrap();
    let arguments = step["args"].as_array().unwrap();
    let mut body = oid.to_be_bytes().to_vec();
    body.extend([0, 0]);
    body.extend(i16::try_from(arguments.len()).unwrap().to_be_bytes());
    for argument in arguments.iter().map(bytes) {
        body.extend(i32::try_from(argument.len()).unwrap().to_be_bytes());
        body.extend(argument);
    }
    body.extend([0, 0]);
    wire::message(b'F', &body)
}

fn small(value: &Value) -> i16 {
    i16::try_from(value.as_i64().unwrap()).unwrap()
}

fn text<'a>(step: &'a Value, key: &str) -> Option<&'a str> {
    step[key].as_str()
}
