//! The homes that the suite runs against.

mod bad_days;
mod chosen;
mod embedded;
mod memory;
mod postgres;
mod redis;
mod redis_cluster;
mod tls;
mod valkey;
