//! The options of `sim`.

use core::fmt;
use core::num::NonZeroU32;
use core::str::FromStr;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use sim_backend::campaign::Profile;

use super::count::parse_count;
use super::seed::SeedRange;

/// The options of `sim`.
#[derive(Clone, Debug, ClapArgs)]
pub struct SimArgs {
    /// The seeds, the last one not included
    #[arg(long, value_name = "A..B", default_value = "0..100")]
    pub seeds: SeedRange,
    /// Run for so long, with seeds from A on and no end
    #[arg(long, value_name = "S")]
    pub seconds: Option<u64>,
    /// What goes wrong: swarm, calm, sick, power, liars or soak
    #[arg(long, value_name = "NAME", default_value = "swarm")]
    pub profile: Profile,
    /// Runs at the same time
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_count)]
    pub jobs: NonZeroU32,
    /// Only the I-th of N parts of the seeds, I from 0 on
    #[arg(long, value_name = "I/N", default_value = "0/1")]
    pub shard: Shard,
    /// Run each seed a second time, with the log or under a flight recorder, and compare the trace hashes
    #[arg(long)]
    pub twice: bool,
    /// Write every word between the core and its backend to a file, a line each
    #[arg(long, value_name = "FILE", conflicts_with = "exhaustive")]
    pub log: Option<PathBuf>,
    /// Run what a failure left
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "seconds", "exhaustive"])]
    pub replay: Option<PathBuf>,
    /// Instead of seeds: every workload of N operations, every moment of a power cut, every outcome
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=6), conflicts_with_all = ["seeds", "seconds"])]
    pub exhaustive: Option<u32>,
    /// Plant a bug for the campaign to find: its name, `list` for the names, `fast` or `all` to hunt for eight or each
    #[cfg(feature = "sabotage")]
    #[arg(long, value_name = "NAME")]
    pub sabotage: Option<String>,
}

impl SimArgs {
    /// The profile's name.
    pub(crate) fn profile_name(&self) -> &'static str {
        self.profile.name()
    }

    /// The option that plants a bug, as it was given.
    pub(crate) fn planted(&self) -> String {
        #[cfg(feature = "sabotage")]
        if let Some(name) = &self.sabotage {
            return format!(" --sabotage {name}");
        }
        String::new()
    }

    /// Whether the `number`-th of many things belongs to this shard.
    #[cfg(feature = "sabotage")]
    pub(crate) fn is_of_part(&self, number: u64) -> bool {
        number % u64::from(self.shard.of) == u64::from(self.shard.index)
    }
}

/// One of several equal parts of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 0 on.
    pub index: u32,
    /// Of how many; at least 1.
    pub of: u32,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((index, of)) if index < of => Ok(Self { index, of }),
            _ => Err("a shard is I/N with I below N, as in 0/16".into()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

pub(super) const EXAMPLES: &str = "\
Examples:
  hba sim --controller sim:direct                 100 seeds, a second or two
  hba sim --controller sim:direct --seeds 0..100000 --jobs 8
  hba sim --seconds 600 --profile power           ten minutes on the SAS1068
  hba sim --exhaustive 3 --controller sim:direct  every power cut of every small workload
  hba sim --replay hba-sim-42-O9.txt              what a failure left

docs/campaigns.md has the oracles, the profiles and how to run a campaign on a cluster.";
