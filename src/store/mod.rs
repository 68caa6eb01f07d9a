//! The only code that speaks Redis: connections, key names, scripts, and one function per transition.

#![allow(dead_code, unused_imports)]
mod connection;
mod keys;

pub(crate) use keys::{Key, QueueKeys};
