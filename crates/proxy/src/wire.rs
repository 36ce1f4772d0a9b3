//! Messages that the gateway itself writes, as bytes ready to be queued.

use bytes::{Bytes, BytesMut};
use pgwire::write::{self, ErrorFields};
use pgwire::{Named, TransactionStatus, WriteError};

/// An error for a client.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) sqlstate: &'static str,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// Where in the client's text, in characters from 1.
    pub(crate) place: Option<u32>,
    /// The routine of PostgreSQL's that would say so, where drivers go by it.
    pub(crate) routine: Option<&'static str>,
}

impl Refused {
    pub(crate) fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { sqlstate, message: message.into(), hint: None, place: None, routine: None }
    }

    /// As an error after which the session goes on.
    pub(crate) fn error(&self) -> Bytes {
        let fields = ErrorFields::error(self.sqlstate, &self.message);
        let (hint, routine) = (self.hint.as_deref(), self.routine);
        error(&ErrorFields { hint, position: self.place, routine, ..fields })
    }

    /// As an error that ends the session.
    pub(crate) fn fatal(&self) -> Bytes {
        let fields = ErrorFields::fatal(self.sqlstate, &self.message);
        error(&ErrorFields { hint: self.hint.as_deref(), ..fields })
    }
}

pub(crate) fn error(fields: &ErrorFields<'_>) -> Bytes {
    let mut out = BytesMut::new();
    write::error_response(&mut out, fields);
    out.freeze()
}

pub(crate) fn ready_for_query(status: TransactionStatus) -> Bytes {
    let mut out = BytesMut::with_capacity(6);
    write::ready_for_query(&mut out, status);
    out.freeze()
}

pub(crate) fn query(sql: &str) -> Result<Bytes, WriteError> {
    let mut out = BytesMut::with_capacity(sql.len().saturating_add(6));
    write::query(&mut out, sql)?;
    Ok(out.freeze())
}

pub(crate) fn parse(name: &str, sql: &str, types: &[u32]) -> Result<Bytes, WriteError> {
    let mut out = BytesMut::new();
    write::parse(&mut out, name, sql, types)?;
    Ok(out.freeze())
}

pub(crate) fn describe(named: Named, name: &str) -> Result<Bytes, WriteError> {
    let mut out = BytesMut::new();
    write::describe(&mut out, named, name)?;
    Ok(out.freeze())
}

/// `Flush`: the target is to answer what it has so far.
pub(crate) fn flush() -> Bytes {
    let mut out = BytesMut::new();
    write::flush(&mut out);
    out.freeze()
}

pub(crate) fn command_complete(tag: &str) -> Result<Bytes, WriteError> {
    let mut out = BytesMut::new();
    write::command_complete(&mut out, tag)?;
    Ok(out.freeze())
}

pub(crate) fn parameter_status(name: &str, value: &str) -> Result<Bytes, WriteError> {
    let mut out = BytesMut::new();
    write::parameter_status(&mut out, name, value)?;
    Ok(out.freeze())
}

pub(crate) fn notification(
    process: u32,
    channel: &str,
    payload: &str,
) -> Result<Bytes, WriteError> {
    let mut out = BytesMut::new();
    write::notification_response(&mut out, process, channel, payload)?;
    Ok(out.freeze())
}

pub(crate) fn copy_fail(reason: &str) -> Result<Bytes, WriteError> {
    let mut out = BytesMut::new();
    write::copy_fail(&mut out, reason)?;
    Ok(out.freeze())
}

pub(crate) fn terminate() -> Bytes {
    let mut out = BytesMut::new();
    write::terminate(&mut out);
    out.freeze()
}
