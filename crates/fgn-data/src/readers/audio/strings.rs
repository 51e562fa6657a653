//! Strings of sounds: several of one group, one after the other, with silence between them.
//!
//! A string is drawn from the seed, its part and its index alone, and joined when a batch asks for it, so that ten
//! thousand take no more memory than the sounds they are made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng;
use rand::seq::index::sample;

use super::files::Files;
use super::options::StringOptions;
use super::samples::Source;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprinter;
use crate::sampling::generator;

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Train,
    Valid,
    Test,
}

impl Part {
    /// The purpose of its draws.
    fn purpose(self) -> [u8; 8] {
        match self {
            Part::Train => *b"strings0",
            Part::Valid => *b"strings1",
            Part::Test => *b"strings2",
        }
    }
}

/// Strings of some of the sounds.
#[derive(Debug)]
pub(super) struct Strings {
    sounds: Arc<Files>,
    /// The sounds of each group.
    groups: Vec<Vec<u32>>,
    /// How many sounds there are up to the end of each group.
    ends: Vec<u32>,
    part: Part,
    options: StringOptions,
    count: u32,
}

/// What a string is made of.
struct Drawn {
    sounds: Vec<u32>,
    /// The silence before each sound but the first, in seconds.
    gaps: Vec<f64>,
}

impl Strings {
    /// Strings of the sounds at `indices`.
    ///
    /// # Errors
    /// [`Error::Table`] for a group of fewer sounds than the longest string has.
    pub(super) fn new(
        sounds: Arc<Files>,
        indices: &[u32],
        part: Part,
        options: &StringOptions,
    ) -> Result<Strings> {
        let mut by_group: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for &index in indices {
            let group = if sounds.has_groups() { sounds.group(index as usize) } else { 0 };
            by_group.entry(group).or_default().push(index);
        }
        let most = options.count[1];
        if let Some((&group, few)) = by_group.iter().find(|(_, all)| all.len() < most as usize) {
            return Err(Error::Table {
                at: sounds.name.clone(),
                found: format!("{} sounds of the group {:?}", few.len(), sounds.group_name(group)),
                expected: format!("{most} or more, as a string has (data.audio.strings.count)"),
            });
        }
        let groups: Vec<Vec<u32>> = by_group.into_values().collect();
        let mut end = 0;
        let ends = groups.iter().map(|group| {
            end += group.len() as u32;
            end
        });
        let count = if part == Part::Train { options.samples } else { options.test_samples };
        let (ends, options) = (ends.collect(), options.clone());
        Ok(Strings { sounds, groups, ends, part, options, count })
    }

    /// What the string at `index` is made of. A group is drawn as often as it has sounds.
    fn draw(&self, index: usize) -> Drawn {
        let StringOptions { count: [fewest, most], gap: [shortest, longest], seed, .. } =
            self.options;
        let mut rng = generator(self.part.purpose(), seed, index as u64);
        let sound = rng.random_range(0..self.ends.last().copied().unwrap_or(1));
        let group = &self.groups[self.ends.partition_point(|&end| end <= sound)];
        let count = rng.random_range(fewest..=most) as usize;
        let gap = |_| shortest + (longest - shortest) * rng.random::<f64>();
        let gaps: Vec<f64> = (1..count).map(gap).collect();
        let sounds = sample(&mut rng, group.len(), count).into_iter().map(|at| group[at]);
        Drawn { sounds: sounds.collect(), gaps }
    }
}

impl Source for Strings {
    fn len(&self) -> usize {
        self.count as usize
    }

    fn sound(&self, index: usize) -> Result<Vec<f32>> {
        let Drawn { sounds, gaps } = self.draw(index);
        let mut all = Vec::new();
        for (at, &sound) in sounds.iter().enumerate() {
            let gap = at.checked_sub(1).and_then(|before| gaps.get(before)).copied();
            let silence = gap.unwrap_or(0.0) * f64::from(self.sounds.sample_rate);
            all.resize(all.len() + silence.round() as usize, 0.0);
            all.extend(self.sounds.sound(sound as usize)?);
        }
        Ok(all)
    }

    /// The tokens of all texts, and the end token once.
    fn target(&self, index: usize) -> Result<Vec<u32>> {
        let mut all = Vec::new();
        for &sound in &self.draw(index).sounds {
            all.pop();
            all.extend(self.sounds.target(sound as usize)?);
        }
        Ok(all)
    }

    fn title(&self, index: usize) -> String {
        format!("string {index}")
    }

    fn group(&self, index: usize) -> u32 {
        let first = self.draw(index).sounds.first().copied();
        match first.filter(|_| self.sounds.has_groups()) {
            Some(sound) => self.sounds.group(sound as usize),
            None => index as u32,
        }
    }

    fn fingerprint(&self, content: &mut Fingerprinter) {
        self.sounds.fingerprint(content);
        for group in &self.groups {
            content.number(group.len() as u64);
            group.iter().for_each(|&sound| content.number(sound.into()));
        }
        let StringOptions { count, gap, seed, .. } = self.options;
        count.iter().for_each(|&count| content.number(count.into()));
        gap.iter().for_each(|gap| content.bytes(&gap.to_le_bytes()));
        content.bytes(&self.part.purpose());
        content.number(self.count.into());
        content.number(seed);
    }
}
