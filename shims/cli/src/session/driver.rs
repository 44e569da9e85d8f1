//! The polling host of `hba-core` as one type, whatever controller and platform it runs on.

use hba_core::adapter::AdapterHandle;
use hba_core::command::{Rejected, Request};
use hba_core::control::ControlEvent;
use hba_core::discovery::Discovered;
use hba_core::dma::RegionBuffer;
use hba_core::host::{Answer, Data, Host, HostError, OutOfMemory, Platform};
use hba_core::limits::Limits;
use hba_core::port::ControlPort;
use hba_core::queue::{Done, Vector};

use super::SessionError;

/// What a [`Host`] does, without its type parameters.
pub trait Driver {
    /// See [`Host::bring_up`].
    ///
    /// # Errors
    ///
    /// [`HostError`].
    fn bring_up(&mut self) -> Result<(), HostError>;

    /// Resets the controller and brings it up again; it forgets whatever is outstanding.
    ///
    /// # Errors
    ///
    /// [`HostError`].
    fn reset(&mut self) -> Result<(), HostError>;

    /// See [`Host::discover`].
    ///
    /// # Errors
    ///
    /// [`HostError`].
    fn discover(&mut self) -> Result<Discovered, HostError>;

    /// See [`Host::submit_on`].
    ///
    /// # Errors
    ///
    /// [`Rejected`] with the whole request.
    fn submit_on(
        &mut self,
        vector: Vector,
        request: Request<Data>,
    ) -> Result<AdapterHandle, Rejected<Data>>;

    /// See [`Host::poll`].
    ///
    /// # Errors
    ///
    /// [`HostError`].
    fn poll(&mut self, sink: &mut dyn FnMut(Done<'_, Data>)) -> Result<(), HostError>;

    /// See [`Host::execute`].
    ///
    /// # Errors
    ///
    /// [`HostError`].
    fn execute(&mut self, request: Request<Data>) -> Result<Answer, HostError>;

    /// The limits; `None` before bring-up.
    fn limits(&self) -> Option<Limits>;

    /// Memory for data, `len` bytes.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory>;

    /// The events since the last call.
    fn take_events(&mut self) -> Vec<ControlEvent>;

    /// Stops controller, driver and platform in order.
    ///
    /// # Errors
    ///
    /// [`SessionError`].
    fn close(self: Box<Self>) -> Result<(), SessionError>;
}

/// A platform that may need an orderly end.
pub trait EndPlatform: Platform + Sized {
    /// Ends the platform.
    ///
    /// # Errors
    ///
    /// [`SessionError`] when that was not orderly.
    fn end(self) -> Result<(), SessionError>;
}

impl<P: ControlPort, L: EndPlatform> Driver for Host<P, L> {
    fn bring_up(&mut self) -> Result<(), HostError> {
        Self::bring_up(self)
    }

    fn reset(&mut self) -> Result<(), HostError> {
        let now = self.platform().now();
        self.adapter().request_reset(now);
        Self::bring_up(self)
    }

    fn discover(&mut self) -> Result<Discovered, HostError> {
        Self::discover(self)
    }

    fn submit_on(
        &mut self,
        vector: Vector,
        request: Request<Data>,
    ) -> Result<AdapterHandle, Rejected<Data>> {
        Self::submit_on(self, vector, request)
    }

    fn poll(&mut self, sink: &mut dyn FnMut(Done<'_, Data>)) -> Result<(), HostError> {
        Self::poll(self, sink)
    }

    fn execute(&mut self, request: Request<Data>) -> Result<Answer, HostError> {
        Self::execute(self, request)
    }

    fn limits(&self) -> Option<Limits> {
        Self::limits(self).copied()
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        self.platform().buffer(len)
    }

    fn take_events(&mut self) -> Vec<ControlEvent> {
        Self::take_events(self)
    }

    fn close(mut self: Box<Self>) -> Result<(), SessionError> {
        let stopped = self.shutdown();
        let ended = self.into_platform().end();
        stopped.map_err(SessionError::Host).and(ended)
    }
}
