//! The committed corpora of the fuzz targets, replayed.

use std::fs;
use std::path::Path;

use hba_tests::fuzz::{BODIES, Body};
use sim_backend::schedule::SplitMix64;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("an input")).collect()
}

/// Every input as it is, cut off, and with single bytes changed.
fn replay(body: Body, corpus: &[Vec<u8>]) {
    let mut random = SplitMix64::new(1);
    for input in corpus {
        body(input);
        for _ in 0..8 {
            let mut changed = input.clone();
            changed.truncate(random.below(input.len() as u64 + 1) as usize);
            for _ in 0..random.below(4) {
                if !changed.is_empty() {
                    let at = random.below(changed.len() as u64) as usize;
                    changed[at] = random.draw() as u8;
                }
            }
            body(&changed);
        }
    }
}

#[test]
fn every_input_of_every_corpus_passes() {
    for (target, body) in BODIES {
        let corpus = corpus(target);
        assert!(corpus.len() >= 8, "{target} has {} inputs", corpus.len());
        replay(body, &corpus);
    }
}

#[test]
fn any_bytes_pass() {
    for (target, body) in BODIES {
        let mut random = SplitMix64::new(7);
        let rounds = if target == "cdb_dispatch" { 300 } else { 20_000 };
        for _ in 0..rounds {
            let len = random.below(200);
            let input: Vec<u8> = (0..len).map(|_| random.draw() as u8).collect();
            body(&input);
        }
    }
}
