//! A byte stream to a client or a target: TCP, Unix socket, or either under TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// One connection.
#[derive(Debug)]
pub(crate) enum Stream {
    /// TCP in the clear.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// A client's TLS connection.
    ServerTls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    /// A TLS connection to a target.
    ClientTls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl Stream {
    /// True if the connection is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => false,
            Self::ServerTls(_) | Self::ClientTls(_) => true,
        }
    }
}

impl Stream {
    /// True if there is nothing to read, not even the end. Who waits for it is not woken any more.
    pub(crate) fn is_silent(&mut self) -> bool {
        let mut byte = [0];
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(self).poll_read(&mut context, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    /// The chain that a client presented, its own certificate first, or a target's.
    pub(crate) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        let shown = match self {
            Self::Tcp(_) | Self::Unix(_) => None,
            Self::ServerTls(stream) => stream.get_ref().1.peer_certificates(),
            Self::ClientTls(stream) => stream.get_ref().1.peer_certificates(),
        };
        shown.unwrap_or_default()
    }
}

/// Calls the same method on whichever stream it is.
macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tcp($stream) => $call,
            Stream::Unix($stream) => $call,
            Stream::ServerTls($stream) => $call,
            Stream::ClientTls($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(context, buffer))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write_vectored(context, buffers))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(context))
    }
}
