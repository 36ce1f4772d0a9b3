//! Opens a connection to a target: its address, and TLS as the settings say.
//!
//! **Invariant:** where the settings ask for TLS, nothing is said to a target before its certificate is
//! verified but the request for TLS itself.

use std::sync::Arc;

use pgwire::{ALPN, TargetError, TlsAnswer, write};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use crate::lifeline;
use crate::settings::{TargetAddress, TargetTls, TlsNegotiation};
use crate::stream::Stream;
use crate::target::{ConnectError, Target};

impl Target {
    /// Opens a connection, encrypted as the settings say.
    pub(crate) async fn open(&self) -> Result<Stream, ConnectError> {
        let address = &self.settings.address;
        let (tcp, host) = match address {
            TargetAddress::Unix { .. } => {
                let socket = UnixStream::connect(address.to_string()).await;
                return socket.map(Stream::Unix).map_err(|source| self.io(source));
            }
            TargetAddress::Tcp { host, port } => {
                let tcp = TcpStream::connect((host.as_str(), *port)).await;
                (tcp.map_err(|source| self.io(source))?, host)
            }
        };
        tcp.set_nodelay(true).map_err(|source| self.io(source))?;
        lifeline::watch_target(&tcp).map_err(|source| self.io(source))?;
        match &self.settings.tls {
            TargetTls::Disabled => Ok(Stream::Tcp(tcp)),
            TargetTls::VerifyFull { config, negotiation, .. } => {
                let tcp = match negotiation {
                    TlsNegotiation::Requested => self.ask_for_tls(tcp).await?,
                    TlsNegotiation::Direct => tcp,
                };
                let tls = self.encrypt(tcp, host, Arc::clone(config)).await?;
                let spoken = tls.get_ref().1.alpn_protocol();
                match (negotiation, spoken) {
                    (TlsNegotiation::Requested, _) | (TlsNegotiation::Direct, Some(ALPN)) => {}
                    (TlsNegotiation::Direct, _) => {
                        return Err(ConnectError::NoAlpn(self.settings.address.to_string()));
                    }
                }
                Ok(Stream::ClientTls(tls))
            }
        }
    }

    /// Asks for TLS as servers before PostgreSQL 17 need it.
    async fn ask_for_tls(&self, mut tcp: TcpStream) -> Result<TcpStream, ConnectError> {
        let mut request = bytes::BytesMut::new();
        write::ssl_request(&mut request);
        tcp.write_all(&request).await.map_err(|source| self.io(source))?;
        // One byte only: what a server sends behind it in the clear must not be taken as encrypted.
        let mut answer = [0; 1];
        tcp.read_exact(&mut answer).await.map_err(|source| self.io(source))?;
        match pgwire::tls_answer(&answer).map_err(TargetError::from)? {
            Some(TlsAnswer::Accepted) => Ok(tcp),
            Some(TlsAnswer::Refused) | None => {
                Err(ConnectError::NoTls(self.settings.address.to_string()))
            }
        }
    }

    async fn encrypt(
        &self,
        tcp: TcpStream,
        host: &str,
        config: Arc<rustls::ClientConfig>,
    ) -> Result<Box<tokio_rustls::client::TlsStream<TcpStream>>, ConnectError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_invalid| ConnectError::Name(host.to_owned()))?;
        let connector = tokio_rustls::TlsConnector::from(config);
        let tls = connector.connect(name, tcp).await.map_err(|source| self.io(source))?;
        Ok(Box::new(tls))
    }
}
