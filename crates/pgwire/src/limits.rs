//! Every limit on what a peer may send. Each has a test that reaches it.

/// Largest first packet of a client: `StartupMessage`, `SSLRequest`, `CancelRequest`, … With its
/// length field.
///
/// Source: PostgreSQL `MAX_STARTUP_PACKET_LENGTH`.
pub const STARTUP_PACKET_BYTES_MAX: u32 = 10_000;

/// Largest SASL message of a client while it logs in, without its type byte.
///
/// Source: PostgreSQL `PG_MAX_SASL_MESSAGE_LENGTH`.
pub const SASL_MESSAGE_BYTES_MAX: u32 = 1_024;

/// Default for the largest message of a client that is logged in, without its type byte.
pub const FRONTEND_MESSAGE_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// Largest client message of a kind that carries only names: Close, Describe, Execute, Flush, Sync,
/// Terminate, `CopyDone`, `CopyFail`. Without its type byte.
///
/// Source: PostgreSQL `PQ_SMALL_MESSAGE_LIMIT`.
pub const FRONTEND_SMALL_MESSAGE_BYTES_MAX: u32 = 10_000;

/// Largest message of a target other than `DataRow`, without its type byte. It is held in memory.
pub const BACKEND_MESSAGE_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// Largest `DataRow` of a target, without its type byte. It is streamed, never held.
///
/// Source: PostgreSQL `MaxAllocSize`, 1 GiB less one.
pub const BACKEND_ROW_BYTES_MAX: u32 = 0x3fff_ffff;

/// Largest message of a target before it is ready for queries, without its type byte.
pub const BACKEND_LOGIN_MESSAGE_BYTES_MAX: u32 = 30_000;

/// Most messages that a target may send before it is ready for queries.
pub const BACKEND_LOGIN_MESSAGES_MAX: u32 = 1_000;

/// Most parameters of one Bind: what its 16-bit count can say.
pub const BIND_PARAMETERS_MAX: usize = 65_535;

/// Most columns of one `RowDescription`.
///
/// Source: PostgreSQL `MaxTupleAttributeNumber`.
pub const ROW_COLUMNS_MAX: usize = 1_664;

/// Longest secret of a cancel key.
///
/// Source: PostgreSQL 18 documentation, section 54.7, `BackendKeyData`.
pub const CANCEL_KEY_BYTES_MAX: usize = 256;

/// Most replies that one session may be waiting for.
pub const PENDING_REPLIES_MAX: usize = 65_536;

/// Fewest PBKDF2 rounds that a target may ask for, unless weak passwords are allowed.
///
/// Source: RFC 7677 section 4.
pub const SCRAM_ITERATIONS_MIN: u32 = 4_096;

/// Most PBKDF2 rounds that a target may ask for. More would let a target stall the gateway.
pub const SCRAM_ITERATIONS_MAX: u32 = 1_000_000;

/// Longest text of one field of an error that the gateway writes; a longer one is cut.
pub const ERROR_TEXT_BYTES_MAX: usize = 64 * 1024;
