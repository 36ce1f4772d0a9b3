//! Bytes on their way out: kept as the pieces they came in, written together.
//!
//! Rows that need no change go from the target's buffer to the client's socket without a copy.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// Pieces handed to the kernel in one call.
const SLICES_MAX: usize = 64;

/// Above this many waiting bytes nothing more is read from the other side.
pub(crate) const OUTBOX_BYTES_HIGH: usize = 256 * 1024;
/// The same for pieces, each of which costs memory beside its bytes.
const OUTBOX_PIECES_HIGH: usize = 4096;

/// A queue of bytes for one socket.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    /// A TLS stream may hold what it took until it is flushed.
    unflushed: bool,
}

impl Outbox {
    /// Adds bytes at the end.
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.bytes = self.bytes.saturating_add(piece.len());
            self.pieces.push_back(piece);
        }
    }

    /// True if nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && !self.unflushed
    }

    /// True if so much waits that the source must be left unread.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= OUTBOX_BYTES_HIGH || self.pieces.len() >= OUTBOX_PIECES_HIGH
    }

    /// Writes what one call takes. Safe to drop half-way: what was written is known.
    ///
    /// # Errors
    ///
    /// The socket's error; a socket that takes nothing counts as closed.
    pub(crate) async fn write_some<W: AsyncWrite + Unpin>(&mut self, to: &mut W) -> io::Result<()> {
        if !self.pieces.is_empty() {
            self.write_once(to).await?;
        }
        if self.pieces.is_empty() && self.unflushed {
            to.flush().await?;
            self.unflushed = false;
        }
        Ok(())
    }

    async fn write_once<W: AsyncWrite + Unpin>(&mut self, to: &mut W) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0_usize;
        for (slot, piece) in slices.iter_mut().zip(&self.pieces) {
            *slot = IoSlice::new(piece);
            count = count.saturating_add(1);
        }
        let used = slices.get(..count).unwrap_or_default();
        let written =
            poll_fn(|context| Pin::new(&mut *to).poll_write_vectored(context, used)).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.unflushed = true;
        self.advance(written);
        Ok(())
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes = self.bytes.saturating_sub(written);
        while let Some(front) = self.pieces.front_mut() {
            if front.len() > written {
                front.advance(written);
                return;
            }
            written = written.saturating_sub(front.len());
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn many_small_pieces_fill_it_as_a_few_large_ones_do() {
        let mut outbox = Outbox::default();
        for _ in 1..OUTBOX_PIECES_HIGH {
            outbox.push(Bytes::from_static(b"1"));
        }
        assert!(!outbox.is_full());
        outbox.push(Bytes::from_static(b"1"));
        assert!(outbox.is_full());
        let mut outbox = Outbox::default();
        outbox.push(vec![0; OUTBOX_BYTES_HIGH].into());
        assert!(outbox.is_full());
    }

    proptest! {
        /// However little the socket takes at a time, the bytes come out whole and in order.
        #[test]
        fn bytes_come_out_whole_and_in_order(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..100),
            room in 1..64_usize,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut outbox = Outbox::default();
            for piece in &pieces {
                outbox.push(piece.clone().into());
            }
            let got = runtime.block_on(async {
                let (mut near, mut far) = tokio::io::duplex(room);
                let mut got = Vec::new();
                while !outbox.is_empty() {
                    outbox.write_some(&mut near).await.unwrap();
                    let mut buffer = vec![0; room];
                    let read = tokio::io::AsyncReadExt::read(&mut far, &mut buffer).await.unwrap();
                    got.extend_from_slice(&buffer[..read]);
                }
                got
            });
            prop_assert_eq!(got, pieces.concat());
            prop_assert_eq!(outbox.bytes, 0);
        }
    }
}
