//! An adapter with data memory of any kind, polled: `Host` without its choice of memory.

use hba_core::adapter::{Adapter, Need};
use hba_core::command::{Completion, Rejected, Request};
use hba_core::control::RecoveryConfig;
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::DataBuffer;
use hba_core::host::Platform;
use hba_core::port::ControlPort;
use hba_core::queue::{Batch, Vector};

/// One adapter on one platform.
pub struct Rig<P: ControlPort, L, D: DataBuffer> {
    /// The adapter.
    pub adapter: Adapter<P, D>,
    /// The platform.
    pub platform: L,
    batch: Batch<D>,
}

/// Polls of one wait before the test counts as failed.
const POLLS_MAX: u32 = 200_000;

impl<P: ControlPort, L: Platform, D: DataBuffer> Rig<P, L, D> {
    /// The adapter, operational.
    ///
    /// # Panics
    ///
    /// If it does not become so.
    pub fn start(port: P, mut platform: L) -> Self {
        let (recovery, timeouts) = (RecoveryConfig::default(), ClassTimeouts::default());
        let mut adapter = Adapter::new(port, recovery, timeouts, platform.now());
        adapter.set_mapping(platform.mapping());
        let mut rig = Self { adapter, platform, batch: Batch::new(8) };
        for _ in 0..POLLS_MAX {
            let open = rig.adapter.queues().iter().all(hba_core::queue::IoQueue::is_open);
            if rig.adapter.control().is_operational() && open {
                return rig;
            }
            assert!(rig.adapter.stopped().is_none(), "{:?}", rig.adapter.poll_event());
            assert!(rig.poll().is_empty(), "nothing was submitted");
        }
        panic!("the controller does not become operational");
    }

    /// One poll, and a wait if there was nothing to do.
    ///
    /// # Panics
    ///
    /// If the platform has not the memory that the adapter needs.
    pub fn poll(&mut self) -> Vec<Completion<D>> {
        let now = self.platform.now();
        let progress = self.adapter.poll(now, self.platform.registers(), &mut self.batch);
        if let Some(Need::Memory(plan)) = &progress.need {
            let regions = plan.regions.iter().map(|region| self.platform.allocate(region));
            let regions = regions.collect::<Result<_, _>>().expect("memory");
            self.adapter.provide_memory(regions).expect("the memory is as planned");
        }
        let done: Vec<_> = self.batch.drain().map(|done| done.completion).collect();
        if done.is_empty() && !progress.more && progress.need.is_none() {
            let soon = now + core::time::Duration::from_millis(100);
            self.platform.wait(progress.next.map_or(soon, |next| next.min(soon)));
        }
        done
    }

    /// Submits one command on the first vector and polls until it has completed.
    ///
    /// # Errors
    ///
    /// [`Rejected`] with the request.
    ///
    /// # Panics
    ///
    /// If it does not complete.
    pub fn execute(&mut self, request: Request<D>) -> Result<Completion<D>, Rejected<D>> {
        let now = self.platform.now();
        self.adapter.submit(Vector(0), request, now, self.platform.registers())?;
        for _ in 0..POLLS_MAX {
            if let Some(completion) = self.poll().pop() {
                return Ok(completion);
            }
        }
        panic!("the command does not complete");
    }
}
