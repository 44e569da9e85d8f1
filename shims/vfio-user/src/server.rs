//! One device on one socket for one client.

use alloc::sync::Arc;
use core::fmt;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::Path;
use std::thread;

use sim_backend::controller::ControllerModel;

use crate::backend::Backend;
use crate::error::ServeError;
use crate::interrupts::Interrupts;
use crate::memory::GuestMemory;
use crate::part::Part;
use crate::worker::{Remote, Shared};

/// A device that waits for its client. Dropping it removes the socket.
pub struct Server {
    server: vfio_user::Server,
    backend: Backend,
    shared: Arc<Shared>,
    memory: Arc<GuestMemory>,
}

impl Server {
    /// Makes the socket `path` for a controller. `model` must reach the guest through `memory`.
    ///
    /// # Errors
    ///
    /// [`ServeError`] when there can be no such socket.
    pub fn bind(
        path: &Path,
        part: &Part,
        model: Box<dyn ControllerModel>,
        memory: Arc<GuestMemory>,
    ) -> Result<Self, ServeError> {
        let irqs = Interrupts::new(part.msix().0).infos();
        let server = vfio_user::Server::new(path, true, irqs, Backend::regions(part));
        let server = server.map_err(|source| match source {
            vfio_user::Error::SocketPathExists => ServeError::Exists { path: path.to_owned() },
            source => ServeError::Bind { path: path.to_owned(), source },
        })?;
        let shared = Arc::new(Shared::new(part, model));
        let backend = Backend::new(part, shared.clone(), memory.clone());
        Ok(Self { server, backend, shared, memory })
    }

    /// A hand on the device for another thread.
    #[must_use]
    pub fn remote(&self) -> Remote {
        Remote(self.shared.clone())
    }

    /// Waits for a client and serves it until it leaves.
    ///
    /// # Errors
    ///
    /// [`ServeError::Client`] and [`ServeError::Protocol`]. The socket is removed in either case.
    pub fn serve(mut self) -> Result<(), ServeError> {
        let shared = self.shared.clone();
        let worker = thread::spawn(move || shared.work());
        let run = AssertUnwindSafe(|| self.server.run(&mut self.backend));
        let ended = catch_unwind(run).map_err(|_| ServeError::Protocol);
        self.shared.stop();
        let worked = worker.join();
        self.memory.clear();
        if let Err(panic) = worked {
            std::panic::resume_unwind(panic);
        }
        ended?.map_err(|source| ServeError::Client { source })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}
