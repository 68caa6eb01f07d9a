//! Looks names up.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The addresses of a name, while they are looked up.
pub type Looking<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Finds the addresses of names. [`SystemResolver`] is what a worker uses unless it is given another.
pub trait Resolver: Send + Sync + 'static {
    /// Every address of `host`.
    ///
    /// # Errors
    /// When it cannot be looked up.
    fn look_up<'a>(&'a self, host: &'a str) -> Looking<'a>;
}

/// Asks the system: its hosts file and its name servers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn look_up<'a>(&'a self, host: &'a str) -> Looking<'a> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Answers every name with the same addresses: those that were checked.
pub(in crate::builtin) struct Pinned(pub Vec<SocketAddr>);

impl Resolve for Pinned {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}
