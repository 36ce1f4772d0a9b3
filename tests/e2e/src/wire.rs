//! A PostgreSQL client that does exactly as told: each message, each byte, in any order.
//!
//! Written apart from `pgwire`, so that a mistake there is not repeated here. Follows the
//! PostgreSQL manual, "Frontend/Backend Protocol". It never answers on its own but in
//! [`Wire::authenticate`].

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};

use crate::wire_answer::{Answer, Message, SqlError};

/// How long a well-behaved server may take for an answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Protocol 3.0.
pub const PROTOCOL_3_0: i32 = 196_608;

/// What a client says to log in.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The database.
    pub database: String,
    /// The password.
    pub password: String,
    /// Further startup parameters. A `user` or `database` here replaces the one above.
    pub parameters: Vec<(String, String)>,
    /// The protocol version.
    pub version: i32,
}

/// Why reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The awaited message came. It is the last one.
    Found,
    /// The server closed the connection.
    Closed,
    /// Nothing more came in time.
    TimedOut,
}

/// A client's connection.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    inbox: Vec<u8>,
    /// Every byte that the server sent, in order. A test may clear it.
    pub received: Vec<u8>,
    /// Process id and secret key for cancel requests, once logged in.
    pub cancel_key: Option<(u32, Vec<u8>)>,
    /// Status of the last `ReadyForQuery`: `I`, `T` or `E`.
    pub status: u8,
}

impl Login {
    /// A login without further parameters.
    pub fn new(user: &str, database: &str, password: &str) -> Self {
        Self {
            user: user.into(),
            database: database.into(),
            password: password.into(),
            parameters: Vec::new(),
            version: PROTOCOL_3_0,
        }
    }

    /// The startup packet.
    pub fn packet(&self) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        let given = |key: &str| self.parameters.iter().any(|(name, _)| name == key);
        let own = [("user", &self.user), ("database", &self.database)];
        let own = own.into_iter().filter(|(key, _)| !given(key));
        let more = self.parameters.iter().map(|(key, value)| (key.as_str(), value));
        for (key, value) in own.chain(more) {
            body.extend_from_slice(key.as_bytes());
            body.push(0);
            body.extend_from_slice(value.as_bytes());
            body.push(0);
        }
        body.push(0);
        [&length(body.len() + 4)[..], &body].concat()
    }
}

impl Wire {
    /// Opens a connection, and sends nothing.
    ///
    /// # Errors
    ///
    /// If nobody listens there.
    pub fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let (inbox, received) = (Vec::new(), Vec::new());
        Ok(Self { stream, inbox, received, cancel_key: None, status: 0 })
    }

    /// Connects and logs in.
    ///
    /// # Errors
    ///
    /// What the server said instead of `ReadyForQuery`; SQLSTATE `08006` if it said nothing.
    pub fn login(address: SocketAddr, login: &Login) -> Result<Self, SqlError> {
        let mut wire =
            Self::connect(address).map_err(|error| SqlError::lost(&error.to_string()))?;
        wire.send(&login.packet());
        wire.authenticate(&login.password)?;
        wire.received.clear();
        Ok(wire)
    }

    /// Answers the server's authentication requests, until `ReadyForQuery`.
    ///
    /// # Errors
    ///
    /// The server's error, or SQLSTATE `08006` if it closed the connection.
    pub fn authenticate(&mut self, password: &str) -> Result<(), SqlError> {
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        self.authentication_loop(password, &mut scram)
    }

    /// The same, when the first authentication request was read already.
    ///
    /// # Errors
    ///
    /// As for [`Self::authenticate`].
    pub fn continue_login(&mut self, request: &Message, password: &str) -> Result<(), SqlError> {
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        self.authentication_step(&request.body, password, &mut scram)?;
        self.authentication_loop(password, &mut scram)
    }

    fn authentication_loop(
        &mut self,
        password: &str,
        scram: &mut ScramSha256,
    ) -> Result<(), SqlError> {
        loop {
            let message = match self.read(ANSWER_TIMEOUT) {
                Ok(message) => message,
                Err(Stop::Closed) => return Err(SqlError::lost("closed during the login")),
                Err(stop) => return Err(SqlError::lost(&format!("{stop:?} during the login"))),
            };
            match message.kind {
                b'R' => self.authentication_step(&message.body, password, scram)?,
                b'E' => return Err(SqlError::parse(&message.body)),
                b'Z' => return Ok(()),
                _ => {}
            }
        }
    }

    /// Sends bytes as they are. A server that has closed already is no error here.
    pub fn send(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes));
    }

    /// Sends one message with a true length.
    pub fn send_message(&mut self, kind: u8, body: &[u8]) {
        self.send(&message(kind, body));
    }

    /// Reads the next message.
    ///
    /// # Errors
    ///
    /// [`Stop::Closed`] or [`Stop::TimedOut`]; bytes of a part of a message stay for the next call.
    pub fn read(&mut self, timeout: Duration) -> Result<Message, Stop> {
        let end = Instant::now() + timeout;
        loop {
            if let Some(message) = Message::take(&mut self.inbox) {
                self.note(&message);
                return Ok(message);
            }
            self.receive(end)?;
        }
    }

    /// Reads bytes that are not a message, such as the answer to an `SSLRequest`.
    ///
    /// # Errors
    ///
    /// [`Stop::Closed`] or [`Stop::TimedOut`].
    pub fn read_byte(&mut self, timeout: Duration) -> Result<u8, Stop> {
        let end = Instant::now() + timeout;
        while self.inbox.is_empty() {
            self.receive(end)?;
        }
        Ok(self.inbox.remove(0))
    }

    /// Reads until a message of one of these kinds.
    pub fn read_until(&mut self, kinds: &[u8], timeout: Duration) -> (Vec<Message>, Stop) {
        let end = Instant::now() + timeout;
        let mut messages = Vec::new();
        loop {
            match self.read(end.saturating_duration_since(Instant::now())) {
                Ok(message) => {
                    let found = kinds.contains(&message.kind);
                    messages.push(message);
                    if found {
                        return (messages, Stop::Found);
                    }
                }
                Err(stop) => return (messages, stop),
            }
        }
    }

    /// Reads the answer up to `ReadyForQuery`.
    pub fn answer(&mut self, timeout: Duration) -> Answer {
        let (messages, stop) = self.read_until(b"Z", timeout);
        Answer { messages, stop }
    }

    /// Runs one Query message.
    pub fn simple(&mut self, sql: &str) -> Answer {
        self.send_message(b'Q', &c_string(sql));
        self.answer(ANSWER_TIMEOUT)
    }

    /// Runs one statement by Parse, Bind, Describe, Execute, Sync with the unnamed names.
    pub fn extended(
        &mut self,
        sql: &str,
        parameters: &[Option<&[u8]>],
        result_format: i16,
    ) -> Answer {
        let batch = [
            parse("", sql),
            bind("", "", parameters, result_format),
            message(b'D', b"P\0"),
            execute("", 0),
            message(b'S', b""),
        ];
        self.send(&batch.concat());
        self.answer(ANSWER_TIMEOUT)
    }

    /// Asks, on a connection of its own, to cancel what this one runs.
    pub fn cancel(&self, key: Option<&[u8]>) {
        let Some((pid, own)) = &self.cancel_key else { return };
        let key = key.unwrap_or(own);
        let body = [&80_877_102_i32.to_be_bytes()[..], &pid.to_be_bytes(), key].concat();
        if let Ok(mut other) = Self::connect(self.stream.peer_addr().unwrap()) {
            other.send(&[&length(body.len() + 4)[..], &body].concat());
            drop(other.read(Duration::from_secs(2)));
        }
    }

    /// The socket itself.
    pub fn stream(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    /// Closes the sending half: the server sees the end of the stream.
    pub fn half_close(&self) {
        drop(self.stream.shutdown(std::net::Shutdown::Write));
    }

    fn authentication_step(
        &mut self,
        body: &[u8],
        password: &str,
        scram: &mut ScramSha256,
    ) -> Result<(), SqlError> {
        let failed = |error: std::io::Error| SqlError::lost(&format!("SCRAM: {error}"));
        let code = i32::from_be_bytes(body[..4].try_into().unwrap());
        match code {
            0 => {}
            3 => self.send_message(b'p', &c_string(password)),
            10 => {
                let first = scram.message();
                let body = [&c_string(SCRAM_SHA_256)[..], &length(first.len()), first].concat();
                self.send_message(b'p', &body);
            }
            11 => {
                scram.update(&body[4..]).map_err(failed)?;
                let last = scram.message().to_vec();
                self.send_message(b'p', &last);
            }
            12 => scram.finish(&body[4..]).map_err(failed)?,
            other => return Err(SqlError::lost(&format!("authentication request {other}"))),
        }
        Ok(())
    }

    fn note(&mut self, message: &Message) {
        match message.kind {
            b'Z' => self.status = message.body[0],
            b'K' => {
                let pid = u32::from_be_bytes(message.body[..4].try_into().unwrap());
                self.cancel_key = Some((pid, message.body[4..].to_vec()));
            }
            _ => {}
        }
    }

    fn receive(&mut self, end: Instant) -> Result<(), Stop> {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Stop::TimedOut);
        }
        self.stream.set_read_timeout(Some(left)).unwrap();
        let mut bytes = [0; 16_384];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(Stop::Closed),
            Ok(count) => {
                self.inbox.extend_from_slice(&bytes[..count]);
                self.received.extend_from_slice(&bytes[..count]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(Stop::TimedOut)
            }
            Err(_) => Err(Stop::Closed),
        }
    }
}

/// A message with its length.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &length(body.len() + 4), body].concat()
}

/// A Parse message that leaves the parameters' types to the server.
pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(b'P', &[&c_string(name)[..], &c_string(sql), &[0, 0]].concat())
}

/// A Bind message with parameters in text format, and one format for all result columns.
pub fn bind(
    portal: &str,
    statement: &str,
    values: &[Option<&[u8]>],
    result_format: i16,
) -> Vec<u8> {
    let mut body = [c_string(portal), c_string(statement), vec![0, 0]].concat();
    body.extend_from_slice(&i16::try_from(values.len()).unwrap().to_be_bytes());
    for value in values {
        match value {
            None => body.extend_from_slice(&(-1_i32).to_be_bytes()),
            Some(value) => {
                body.extend_from_slice(&length(value.len()));
                body.extend_from_slice(value);
            }
        }
    }
    body.extend_from_slice(&[0, 1]);
    body.extend_from_slice(&result_format.to_be_bytes());
    message(b'B', &body)
}

/// An Execute message; no row limit if `rows_max` is zero.
pub fn execute(portal: &str, rows_max: i32) -> Vec<u8> {
    message(b'E', &[&c_string(portal)[..], &rows_max.to_be_bytes()].concat())
}

/// A text with PostgreSQL's terminator.
pub fn c_string(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

fn length(bytes: usize) -> [u8; 4] {
    i32::try_from(bytes).unwrap().to_be_bytes()
}
