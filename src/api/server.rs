//! A server for the API: bounded in connections and in what they may take, and stopped in order.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{ApiSettings, is_loopback, router};
use crate::Client;

/// Open connections; those beyond wait to be accepted.
const CONNECTIONS_MAX: usize = 1_000;
/// The head of a request takes no longer than this, nor does a connection wait longer for the next one.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// After an error of accepting (no more files, say) it rests so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listening server.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    stop: CancellationToken,
}

impl Server {
    /// Listens on `address`. Callers without a token are trusted only where that is loopback, whatever `settings` say.
    ///
    /// # Errors
    /// What the system says: the address is in use, is not ours, may not be used.
    pub async fn bind(address: SocketAddr, client: Client, settings: ApiSettings) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let trust_without_token = is_loopback(address.ip());
        let stop = settings.stop.clone();
        let router = router(client, ApiSettings { trust_without_token, ..settings });
        Ok(Self { listener, address, router, stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`; then no connection is accepted any more, streams end, and requests under way get `grace` to
    /// end. Whether all of them did.
    pub async fn run(self, stop: impl Future<Output = ()>, grace: Duration) -> bool {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                (stream, peer, place) = accept(&self.listener, &places) => {
                    connections.spawn(serve(stream, peer, self.router.clone(), (place, self.stop.clone())));
                }
                Some(_) = connections.join_next() => {}
            }
        }
        drop(self.listener);
        self.stop.cancel();
        let ended = async { while connections.join_next().await.is_some() {} };
        let in_time = tokio::time::timeout(grace, ended).await.is_ok();
        connections.shutdown().await;
        in_time
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end, or after `stop` to the end of the request under way.
async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    (_place, stop): (Option<OwnedSemaphorePermit>, CancellationToken),
) {
    // Small answers shall not wait for each other; a system that does not know it does without.
    let _ = stream.set_nodelay(true);
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        inner.call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // The caller went away, or spoke no HTTP.
        tracing::debug!(%peer, %error, "a connection ended");
    }
}
