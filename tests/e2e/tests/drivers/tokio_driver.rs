//! tokio-postgres: typed, binary, pipelined.

use std::time::{Duration, Instant};

use e2e::Database;
use futures_util::{SinkExt as _, TryStreamExt as _, pin_mut};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, IsolationLevel, NoTls, SimpleQueryMessage};

use crate::scenario::{BIG_ROWS, BIG_SUM, ENDLESS, ERRORS, TABLES, ask, ensure, ensure_eq};
