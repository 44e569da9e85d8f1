//! A client without a guest: it negotiates, looks at the device, lends memory, starts the controller and waits for interrupts.

extern crate alloc;

use alloc::sync::Arc;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use hba_core::register::{ALL_ONES, RegOffset, Registers};
use hba_vfio_user::{GuestMemory, Part, Remote, ServeError, Server};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use sim_backend::controller::ControllerModel as _;
use sim_backend::disk::{DiskConfig, SimDisk};
use sim_backend::memory::DeviceMemory;
use sim_backend::mpi1::registers::{DOORBELL, INT_MASK, INT_STATUS, REPLY_FIFO, REQUEST_FIFO};
use sim_backend::mpi1::script::{InitNumbers, Script};
use sim_backend::mpi1::{Mpi1Controller, Personality};
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_ACTION_UNMASK, VFIO_IRQ_SET_DATA_EVENTFD,
    VFIO_IRQ_SET_DATA_NONE, VFIO_PCI_BAR1_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX,
    VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX,
};
use vfio_user::Client;

/// Where the guest's memory is for the device, and how much of it.
const MEMORY: u64 = 0x10_0000;
const MEMORY_LEN: u64 = 0x1_0000;
/// Offsets in it: request frames, reply frames, sense data, data.
const REQUESTS: u64 = 0x0000;
const REPLIES: u64 = 0x4000;
const DATA: u64 = 0x8000;

/// A server on its own thread, and a client of it with memory.
struct Guest {
    client: Client,
    memory: File,
    remote: Remote,
    socket: PathBuf,
    serving: Option<JoinHandle<Result<(), ServeError>>>,
}

/// A controller with one disk on a socket that has the test's name.
fn server(name: &str) -> (Server, PathBuf) {
    let socket = std::env::temp_dir().join(format!("hba-vfio-user-{}-{name}", std::process::id()));
    let memory = Arc::new(GuestMemory::default());
    let device = DeviceMemory::outside(memory.clone());
    let mut model = Mpi1Controller::new(Personality::hardware(), device);
    let disk = SimDisk::new(&DiskConfig::nth(0, 4096)).expect("a disk");
    model.attach(0, Box::new(disk)).expect("a free slot");
    let server = Server::bind(&socket, &Part::sas1068(), Box::new(model), memory);
    (server.expect("a new socket"), socket)
}

impl Guest {
    fn new(name: &str) -> Self {
        let (server, socket) = server(name);
        let remote = server.remote();
        let serving = Some(thread::spawn(|| server.serve()));
        let mut client = Client::new(&socket).expect("a server");
        let memory = memfd_create("guest", MemfdFlags::CLOEXEC).map(File::from);
        let memory = memory.expect("a memory file");
        memory.set_len(MEMORY_LEN).expect("a length");
        client.dma_map(0, MEMORY, MEMORY_LEN, memory.as_raw_fd()).expect("mapped");
        Self { client, memory, remote, socket, serving }
    }

    /// Bus master on, and the controller operational with eight reply frames.
    fn start(&mut self) {
        self.write_config(4, &[0x06]);
        let numbers =
            InitNumbers { max_devices: 8, reply_frame_size: 128, host_mfa_high: 0, sense_high: 0 };
        let frames = (0..8).map(|n| (MEMORY + REPLIES) as u32 + n * 128).collect::<Vec<_>>();
        let script = Script::identify().append(Script::start(numbers, &frames));
        let transcript = script.run(self, thread::sleep).expect("the controller starts");
        assert_eq!(transcript.values("ioc facts")[0], 0x0314_0105, "facts of MPI 1.5");
        assert_eq!(self.read32(DOORBELL) >> 28, 2, "operational");
    }

    fn write_config(&mut self, offset: u64, bytes: &[u8]) {
        let written = self.client.region_write(VFIO_PCI_CONFIG_REGION_INDEX, offset, bytes);
        written.expect("configuration space");
    }

    fn read_config(&mut self, offset: u64) -> u32 {
        let mut bytes = [0; 4];
        let read = self.client.region_read(VFIO_PCI_CONFIG_REGION_INDEX, offset, &mut bytes);
        read.expect("configuration space");
        u32::from_le_bytes(bytes)
    }

    /// Hands the server an eventfd for the first interrupt of a kind.
    fn interrupt(&mut self, kind: u32) -> OwnedFd {
        let fd = eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd");
        let flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        self.client.set_irqs(kind, flags, 0, 1, &[fd.as_raw_fd()]).expect("taken");
        fd
    }

    /// READ(10) of block 0 to the data area.
    fn post_read(&mut self, context: u32) {
        let words = [
            0,
            64 << 8 | 10,
            context,
            0,
            0,
            2 << 24,
            0x28,
            0,
            1,
            0,
            512,
            (MEMORY + DATA + 0x1000) as u32,
            0xd100_0000 | 512,
            (MEMORY + DATA) as u32,
        ];
        let frame = words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect::<Vec<_>>();
        self.memory.write_all_at(&frame, REQUESTS).expect("room");
        self.write32(REQUEST_FIFO, (MEMORY + REQUESTS) as u32);
    }

    fn end(mut self) {
        self.client.shutdown().expect("connected");
        let serving = self.serving.take().expect("not ended");
        serving.join().expect("no panic").expect("a clean end");
        assert!(!self.socket.exists(), "the socket is removed");
    }
}

impl Registers for Guest {
    fn read32(&mut self, offset: RegOffset) -> u32 {
        let mut bytes = [0; 4];
        let read = self.client.region_read(VFIO_PCI_BAR1_REGION_INDEX, offset.0.into(), &mut bytes);
        read.expect("a register");
        u32::from_le_bytes(bytes)
    }

    fn write32(&mut self, offset: RegOffset, value: u32) {
        let bytes = value.to_le_bytes();
        let written = self.client.region_write(VFIO_PCI_BAR1_REGION_INDEX, offset.0.into(), &bytes);
        written.expect("a register");
    }
}

/// Waits for an eventfd, and takes its count.
fn wait(fd: &OwnedFd) -> Option<u64> {
    let mut polled = [PollFd::new(fd, PollFlags::IN)];
    let limit = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
    if poll(&mut polled, Some(&limit)).expect("poll") == 0 {
        return None;
    }
    let mut count = [0; 8];
    let copy = fd.as_fd().try_clone_to_owned().expect("one more descriptor");
    File::from(copy).read_exact(&mut count).expect("a count");
    Some(u64::from_ne_bytes(count))
}

fn is_quiet(fd: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(fd, PollFlags::IN)];
    poll(&mut polled, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(0)
}

#[test]
fn the_device_is_what_the_part_is() {
    let mut guest = Guest::new("part");
    assert_eq!(guest.read_config(0), 0x0054_1000);
    let sizes = (0..9).map(|n| guest.client.region(n).expect("a region").size);
    assert_eq!(sizes.collect::<Vec<_>>(), [0x100, 0x4000, 0, 0x1_0000, 0, 0, 0, 0x100, 0]);
    let counts = [VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX, 3, 4]
        .map(|kind| guest.client.get_irq_info(kind).expect("known").count);
    assert_eq!(counts, [1, 1, 1, 0, 0]);
    guest.end();
}

#[test]
fn a_read_ends_with_data_in_the_guest_s_memory_and_a_message() {
    for kind in [VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX] {
        let mut guest = Guest::new(&format!("message-{kind}"));
        let message = guest.interrupt(kind);
        guest.start();
        guest.write32(INT_MASK, 1);
        guest.memory.write_all_at(&[0xa5; 512], DATA).expect("room");
        // The power-on attention first: a reply frame, with sense data in memory.
        guest.post_read(7);
        assert!(wait(&message).is_some(), "a message for the attention");
        let word = guest.read32(REPLY_FIFO);
        assert_eq!(word, 1 << 31 | (MEMORY + REPLIES) as u32 >> 1);
        guest.write32(REPLY_FIFO, word << 1);
        assert_eq!(guest.read32(REPLY_FIFO), ALL_ONES);
        let mut sense = [0; 14];
        guest.memory.read_exact_at(&mut sense, DATA + 0x1000).expect("inside");
        assert_eq!((sense[2], sense[12]), (6, 0x29));
        // Then GOOD.
        guest.post_read(8);
        assert!(wait(&message).is_some(), "a message for the data");
        assert_eq!(guest.read32(REPLY_FIFO), 8, "context reply");
        assert_eq!(guest.read32(REPLY_FIFO), ALL_ONES);
        let mut data = [0; 512];
        guest.memory.read_exact_at(&mut data, DATA).expect("inside");
        assert_eq!(data, [0; 512]);
        guest.end();
    }
}

#[test]
fn the_level_masks_itself_until_the_guest_has_served_it() {
    let mut guest = Guest::new("level");
    let line = guest.interrupt(VFIO_PCI_INTX_IRQ_INDEX);
    guest.start();
    guest.write32(INT_MASK, 1);
    guest.post_read(7);
    assert_eq!(wait(&line), Some(1));
    let unmask = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK;
    assert_eq!(guest.read32(INT_STATUS) & 8, 8);
    assert!(is_quiet(&line), "told once");
    guest.client.set_irqs(VFIO_PCI_INTX_IRQ_INDEX, unmask, 0, 1, &[]).expect("unmasked");
    assert_eq!(wait(&line), Some(1), "still up, so told again");
    let word = guest.read32(REPLY_FIFO);
    guest.write32(REPLY_FIFO, word << 1);
    assert_eq!(guest.read32(REPLY_FIFO), ALL_ONES);
    guest.client.set_irqs(VFIO_PCI_INTX_IRQ_INDEX, unmask, 0, 1, &[]).expect("unmasked");
    assert!(is_quiet(&line), "served");
    guest.end();
}

#[test]
fn a_reset_leaves_the_power_on_state_and_a_fault_can_be_asked_for() {
    let mut guest = Guest::new("reset");
    guest.start();
    assert_eq!(guest.read_config(4) & 6, 6);
    guest.client.reset().expect("reset");
    assert_eq!(guest.read32(DOORBELL), 0x1000_0000, "ready, with nothing of the last owner");
    assert_eq!(guest.read_config(4) & 6, 0);
    guest.start();
    guest.remote.fault(0x5862).expect("a fault state");
    assert_eq!(guest.read32(DOORBELL) & 0xf000_ffff, 0x4000_5862);
    assert_eq!(
        guest.remote.set_plugged(1, false).expect_err("no disk").to_string(),
        "there is no disk 1"
    );
    guest.end();
}

#[test]
fn a_word_is_taken_before_the_next_one_is_there() {
    let mut guest = Guest::new("words");
    // IOC facts as firmware does it: nothing is waited for.
    for word in [0x4203 << 16, 0x03 << 24, 0, 0x77] {
        guest.write32(DOORBELL, word);
    }
    assert_eq!(guest.read32(DOORBELL) & 0xffff, 0x0105, "the first half word of the reply");
    guest.end();
}

#[test]
fn memory_that_was_taken_back_is_not_touched() {
    let mut guest = Guest::new("unmap");
    guest.start();
    guest.client.dma_unmap(MEMORY, MEMORY_LEN).expect("unmapped");
    guest.write32(REQUEST_FIFO, (MEMORY + REQUESTS) as u32);
    let state =
        (0..1000).map(|_| guest.read32(DOORBELL) & 0xf000_ffff).find(|state| state >> 28 == 4);
    assert_eq!(state, Some(0x4000_8112), "the model cannot fetch the frame");
    guest.end();
}

#[test]
fn nonsense_is_answered_with_an_error_and_the_server_ends_in_order() {
    let (server, socket) = server("nonsense");
    let serving = thread::spawn(|| server.serve());
    // A version message whose size is smaller than itself.
    let mut stream = UnixStream::connect(&socket).expect("a server");
    let mut message = vec![0; 20];
    message[2] = 1;
    message[4] = 16;
    std::io::Write::write_all(&mut stream, &message).expect("sent");
    drop(stream);
    let ended = serving.join().expect("the panic stays inside");
    assert!(matches!(ended, Err(ServeError::Protocol)), "{ended:?}");
    assert!(!socket.exists(), "the socket is removed");
}

#[test]
fn a_socket_that_exists_is_refused() {
    let (first, socket) = server("exists");
    let memory = Arc::new(GuestMemory::default());
    let model = Mpi1Controller::new(Personality::hardware(), DeviceMemory::outside(memory.clone()));
    let second = Server::bind(&socket, &Part::sas1068(), Box::new(model), memory);
    let error = second.expect_err("in use").to_string();
    assert_eq!(error, format!("{} exists; remove it if no server uses it", socket.display()));
    let nowhere = Path::new("/nonexistent/folder/socket");
    let memory = Arc::new(GuestMemory::default());
    let model = Mpi1Controller::new(Personality::hardware(), DeviceMemory::outside(memory.clone()));
    let third = Server::bind(nowhere, &Part::sas1068(), Box::new(model), memory);
    assert!(matches!(third, Err(ServeError::Bind { .. })));
    drop(first);
    assert!(!socket.exists(), "dropping removes it");
}
