//! Streams: of what happens, and of memory that nobody waits for.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_stream::wrappers::{BroadcastStream, ReceiverStream};
use tokio_stream::{Stream, StreamExt};

use crate::control::ControlEvent;

/// What an event stream gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something happened.
    Control(ControlEvent),
    /// This reader was too slow: so many events, the oldest, were dropped for it. Others may have got them.
    Lagged(u64),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control(event) => event.fmt(f),
            Self::Lagged(count) => write!(f, "{count} events were not read in time"),
        }
    }
}

/// A stream of events that holds the last 64 and says how many a slow reader missed. Ends with the adapter's last handle
/// and driver.
#[derive(Debug)]
pub struct Events(pub(super) BroadcastStream<ControlEvent>);

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        Pin::new(&mut self.0).poll_next(cx).map(|item| {
            item.map(|item| match item {
                Ok(event) => Event::Control(event),
                Err(BroadcastStreamRecvError::Lagged(count)) => Event::Lagged(count),
            })
        })
    }
}

impl Events {
    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<Event> {
        StreamExt::next(self).await
    }
}

/// A stream of the memory of commands whose futures were dropped; see the [module's documentation](super).
#[derive(Debug)]
pub struct Reclaimed<D>(pub(super) Option<ReceiverStream<D>>);

impl<D> Stream for Reclaimed<D> {
    type Item = D;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<D>> {
        match &mut self.0 {
            Some(stream) => Pin::new(stream).poll_next(cx),
            None => Poll::Ready(None),
        }
    }
}

impl<D> Reclaimed<D> {
    /// The next memory; `None` after the last.
    pub async fn next(&mut self) -> Option<D> {
        StreamExt::next(self).await
    }
}
