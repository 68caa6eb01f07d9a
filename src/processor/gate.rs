//! The way to ask whether a service may be tried, which the worker fills in.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// How long a service must be left alone; `None` where it may be tried.
pub(crate) type Asked<'a> = Pin<Box<dyn Future<Output = Option<Duration>> + Send + 'a>>;

/// Knows which services are down.
pub(crate) trait Gate: Send + Sync {
    /// Whether a service may be tried.
    fn ask<'a>(&'a self, dependency: &'a str) -> Asked<'a>;
}
