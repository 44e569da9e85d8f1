//! Every block says who it is: number and generation, written and read back at random, at every depth and size (b26).

extern crate alloc;

use alloc::collections::VecDeque;
use core::time::Duration;

use hba_core::command::{Cookie, Request};
use hba_core::dma::RegionBuffer;
use hba_core::host::{Data, Platform};
use hba_core::logical_unit::{Fua, Piece};
use hba_core::port::ControlPort;
use hba_tests::scene::{Scene, direct, sas1068, sas3008};
use scsi_proto::{Lba, Status};
use sim_backend::controller::ControllerModel;
use sim_backend::disk::DiskConfig;
use sim_backend::schedule::{CompletionOrder, Schedule, SplitMix64};

/// 16 MiB.
const BLOCKS: u64 = 1 << 15;
/// 4 MiB.
const LONGEST: u64 = 8192;
const DEPTH_MAX: usize = 8;
/// Data memory, in bytes.
const MEMORY: usize = 24 << 20;
const OPERATIONS: usize = if cfg!(debug_assertions) { 12 } else { 120 };

#[derive(Clone, Copy, Debug)]
struct Operation {
    write: bool,
    lba: u64,
    blocks: u64,
    generation: u64,
    /// Pieces that have not ended.
    left: usize,
}

struct Workload<'a, P: ControlPort, C: ControllerModel> {
    scene: &'a mut Scene<P, C>,
    prng: SplitMix64,
    /// The generation of each block; 0 before the first write.
    blocks: Vec<u64>,
    operations: Vec<Operation>,
    out: Vec<usize>,
    /// Pieces that wait for a free tag, with their operation.
    waiting: VecDeque<(usize, Piece)>,
    /// Pieces that are out, by cookie.
    pieces: Vec<(usize, Piece)>,
    pool: Vec<RegionBuffer>,
    piece_len: usize,
    /// Blocks that were compared.
    compared: u64,
}

fn stamp(lba: u64, generation: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    if generation != 0 {
        bytes[..8].copy_from_slice(&lba.to_le_bytes());
        bytes[8..].copy_from_slice(&generation.to_le_bytes());
    }
    bytes
}

impl<'a, P: ControlPort, C: ControllerModel> Workload<'a, P, C> {
    fn new(scene: &'a mut Scene<P, C>, seed: u64) -> Self {
        let limits = *scene.host.limits().expect("it is up");
        let piece_len = limits.transfer_safe() as usize;
        let count = (MEMORY / piece_len).clamp(2, 256);
        let pool = (0..count).map(|_| scene.host.platform().buffer(piece_len).expect("memory"));
        let pool = pool.collect();
        Self {
            scene,
            prng: SplitMix64::new(seed),
            blocks: vec![0; BLOCKS as usize],
            operations: Vec::new(),
            out: Vec::new(),
            waiting: VecDeque::new(),
            pieces: Vec::new(),
            pool,
            piece_len,
            compared: 0,
        }
    }

    /// Any length as likely as any other of the same number of digits.
    fn length(&mut self) -> u64 {
        let most = 1 << self.prng.below(14);
        1 + self.prng.below(most)
    }

    /// Begins an operation that overlaps none that is out.
    fn begin(&mut self, write: bool, lba: u64, blocks: u64) -> bool {
        let overlaps = |at: &usize| {
            let other = &self.operations[*at];
            other.lba < lba + blocks && lba < other.lba + other.blocks
        };
        if self.out.iter().any(overlaps) {
            return false;
        }
        let generation = self.operations.len() as u64 + 1;
        if write {
            self.blocks[lba as usize..(lba + blocks) as usize].fill(generation);
        }
        let limits = *self.scene.host.limits().expect("it is up");
        let pieces = self.scene.unit.split(Lba(lba), blocks, &limits).expect("in range");
        let at = self.operations.len();
        let before = self.waiting.len();
        self.waiting.extend(pieces.map(|piece| (at, piece)));
        let left = self.waiting.len() - before;
        self.operations.push(Operation { write, lba, blocks, generation, left });
        self.out.push(at);
        true
    }

    fn request(&self, at: usize, piece: Piece, mut buffer: RegionBuffer) -> Request<Data> {
        let Operation { write, generation, .. } = self.operations[at];
        let len = piece.blocks as usize * 512;
        let cut = (len / 1024).max(1) * 512;
        match len - cut {
            0 => buffer.scatter(&[len as u32], 0),
            rest => buffer.scatter(&[cut as u32, rest as u32], 0),
        }
        let unit = &self.scene.unit;
        let cookie = Cookie(self.pieces.len() as u64);
        let mut bytes = vec![0xee; len];
        if write {
            for (lba, block) in (piece.lba.0..).zip(bytes.chunks_mut(512)) {
                block.as_chunks_mut().0.fill(stamp(lba, generation));
            }
        }
        buffer.write(&bytes);
        let made = if write {
            unit.write(piece.lba, piece.blocks, Fua::Off, Some(buffer), cookie)
        } else {
            unit.read(piece.lba, piece.blocks, Some(buffer), cookie)
        };
        made.expect("in range")
    }

    fn turn(&mut self) {
        while let (Some(&(at, piece)), Some(buffer)) = (self.waiting.front(), self.pool.pop()) {
            let request = self.request(at, piece, buffer);
            if let Err(rejected) = self.scene.host.submit(request) {
                self.pool.extend(rejected.request.data);
                break;
            }
            self.waiting.pop_front();
            self.pieces.push((at, piece));
        }
        let mut done = Vec::new();
        let polled = self.scene.host.poll(|one| {
            let told = String::from_utf8_lossy(one.sense).into_owned();
            assert!(one.completion.is_done(), "{} {told}", one.completion.outcome);
            done.push(one.completion);
        });
        polled.expect("it is there");
        for completion in done {
            let (at, piece) = self.pieces[completion.cookie.0 as usize];
            let buffer = completion.data.expect("home");
            if !self.operations[at].write {
                self.compare(piece, &buffer);
            }
            self.pool.push(buffer);
            self.operations[at].left -= 1;
            if self.operations[at].left == 0 {
                self.out.retain(|out| *out != at);
            }
        }
    }

    fn compare(&mut self, piece: Piece, buffer: &RegionBuffer) {
        let mut bytes = vec![0; piece.blocks as usize * 512];
        buffer.read(&mut bytes);
        for (lba, block) in (piece.lba.0..).zip(bytes.chunks(512)) {
            let wanted = stamp(lba, self.blocks[lba as usize]);
            let right = block.as_chunks().0.iter().all(|word| *word == wanted);
            assert!(right, "block {lba}: {:02x?} instead of {wanted:02x?}", &block[..16]);
            self.compared += 1;
        }
    }

    fn finish(&mut self) {
        while !self.out.is_empty() {
            self.turn();
        }
    }

    fn run(&mut self, depth: usize) {
        for _ in 0..OPERATIONS {
            let blocks = self.length().min(LONGEST);
            let lba = self.prng.below(BLOCKS - blocks + 1);
            let write = self.prng.below(2) == 0;
            while self.out.len() >= depth || !self.begin(write, lba, blocks) {
                self.turn();
            }
        }
        self.finish();
    }

    /// What was flushed is there after the power was gone.
    fn examine(&mut self) {
        self.scene.flush().expect("an honest disk");
        self.scene.blink();
        let told = self.scene.test_unit_ready().completion.outcome;
        assert_eq!(told, hba_core::command::Outcome::Status(Status::CHECK_CONDITION));
        for lba in (0..BLOCKS).step_by(LONGEST as usize) {
            assert!(self.begin(false, lba, LONGEST));
            self.finish();
        }
    }
}

fn integrity<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) {
    scene.test_unit_ready();
    let mut workload = Workload::new(scene, 26);
    assert!(workload.piece_len >= 512);
    // The longest there is, and one block.
    assert!(workload.begin(true, 5, LONGEST));
    workload.finish();
    assert!(workload.begin(false, 5, LONGEST) && workload.begin(true, BLOCKS - 1, 1));
    workload.finish();
    for depth in [1, 3, DEPTH_MAX] {
        workload.run(depth);
    }
    workload.examine();
    assert!(workload.compared >= BLOCKS + LONGEST);
}

fn disk() -> DiskConfig {
    DiskConfig { cache_blocks: 4096, ..DiskConfig::nth(0, BLOCKS) }
}

/// Commands end in an order drawn from a seed, each after a time of its own.
fn reordered() -> Schedule {
    Schedule::new(CompletionOrder::Seeded(26))
        .with_delay(Duration::ZERO, Duration::from_micros(500))
}

#[test]
fn b26_integrity_on_direct() {
    let mut scene = direct(&disk());
    scene.machine.with_controller(|controller| controller.set_schedule(reordered()));
    integrity(&mut scene);
}

#[test]
fn b26_integrity_on_sas1068() {
    let mut scene = sas1068(&disk());
    scene.machine.with_controller(|controller| controller.set_schedule(reordered()));
    integrity(&mut scene);
}

#[test]
fn b26_integrity_on_sas3008() {
    let mut scene = sas3008(&disk());
    scene.machine.with_controller(|controller| controller.set_schedule(reordered()));
    integrity(&mut scene);
}
