//! The network in training: populations, projections with candidate delays, and how they lie in memory.

use super::simd::LANES;
use crate::network::Reset;

/// Populations and projections; population 0 is the input, the last one the readout.
#[derive(Debug, Clone, PartialEq)]
pub struct Net {
    /// Steps of a sample.
    pub steps: usize,
    /// Sizes of all populations, input first, readout last.
    pub sizes: Vec<usize>,
    /// What a spike does to the membrane of hidden populations.
    pub reset: Reset,
    /// Projections, in the order of the exported file.
    pub projections: Vec<Projection>,
}

/// All pairs of two populations, with a synapse for each candidate delay.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    /// Index of the source population.
    pub source: usize,
    /// Index of the target population.
    pub target: usize,
    /// Candidate delays in steps, ascending, each at least 1.
    pub delays: Vec<u16>,
}

/// Delays of a register chunk: up to four groups of four, or one delay alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Index of the first delay.
    pub first: usize,
    /// Groups of four delays, 1 to 4; 0 stands for one delay alone.
    pub groups: usize,
    /// Groups (or the one delay) that still arrive within the sample, for a spike of each step; `[steps]`.
    pub valid: Vec<u8>,
}

/// A projection laid out: weights are `[target tile][pre][delay][16]`, delays padded to a multiple of four.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Members of the source.
    pub pre: usize,
    /// Members of the target.
    pub post: usize,
    /// Delays with padding: the last one repeated, with weights of 0.
    pub delays: Vec<u16>,
    /// How many of them are candidates.
    pub real: usize,
    /// For the kernels.
    pub chunks: Vec<Chunk>,
}

impl Layout {
    /// Lays a projection out.
    #[must_use]
    pub fn new(net: &Net, projection: &Projection) -> Self {
        let mut delays = projection.delays.clone();
        let real = delays.len();
        if real > 1 {
            delays.resize(real.next_multiple_of(4), delays[real - 1]);
        }
        let mut chunks = Vec::new();
        let mut first = 0;
        while first < delays.len() {
            let groups = ((delays.len() - first) / 4).min(4);
            let heads = groups.max(1);
            let arrives = |t: usize, g: usize| t + usize::from(delays[first + 4 * g]) < net.steps;
            let valid = (0..net.steps).map(|t| (0..heads).filter(|&g| arrives(t, g)).count() as u8).collect();
            chunks.push(Chunk { first, groups, valid });
            first += 4 * groups + usize::from(groups == 0);
        }
        Self { pre: net.sizes[projection.source], post: net.sizes[projection.target], delays, real, chunks }
    }

    /// Tiles of the target.
    #[must_use]
    pub fn tiles(&self) -> usize {
        self.post.div_ceil(LANES)
    }

    /// Numbers of a tile.
    #[must_use]
    pub fn tile_len(&self) -> usize {
        self.pre * self.delays.len() * LANES
    }

    /// Numbers in all, padding included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tiles() * self.tile_len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the synapse of a pair with the delay of index `d` lies.
    #[must_use]
    pub fn at(&self, pre: usize, d: usize, post: usize) -> usize {
        ((post / LANES * self.pre + pre) * self.delays.len() + d) * LANES + post % LANES
    }

    /// (pre, delay index, post) of a place; none for padding.
    #[must_use]
    pub fn synapse(&self, at: usize) -> Option<(usize, usize, usize)> {
        let (lane, rest) = (at % LANES, at / LANES);
        let (d, rest) = (rest % self.delays.len(), rest / self.delays.len());
        let (pre, post) = (rest % self.pre, rest / self.pre * LANES + lane);
        (d < self.real && post < self.post).then_some((pre, d, post))
    }

    /// Rows that a group may reach past the sample.
    fn overhang(&self) -> usize {
        let spans = self.delays.chunks(4).map(|g| usize::from(g[g.len() - 1] - g[0]));
        spans.max().unwrap_or(0)
    }
}

/// Populations that are computed together: one, or several that are joined in a loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The populations, ascending.
    pub populations: Vec<usize>,
    /// Projections among themselves.
    pub inner: Vec<usize>,
}

/// Everything about a network that the engine looks up.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The network.
    pub net: Net,
    /// Of each projection.
    pub layouts: Vec<Layout>,
    /// In the order of the forward pass; the readout is the last.
    pub stages: Vec<Stage>,
    /// Rows of a sample in a tile: its steps, and what a group of delays may reach past them.
    pub rows: usize,
    /// Samples of a block; depends on the steps only.
    pub block: usize,
}

/// Bytes of a tile of a block that should stay in the first-level cache.
const TILE_BYTES: usize = 28 * 1024;

impl Plan {
    /// Plans a network.
    ///
    /// # Errors
    /// What cannot be trained, in words.
    pub fn new(net: Net) -> Result<Self, String> {
        check(&net)?;
        let layouts: Vec<Layout> = net.projections.iter().map(|p| Layout::new(&net, p)).collect();
        let rows = net.steps + layouts.iter().map(Layout::overhang).max().unwrap_or(0);
        let block = (TILE_BYTES / (rows * LANES * 4)).clamp(1, 16);
        let stages = stages(&net);
        Ok(Self { net, layouts, stages, rows, block })
    }

    /// Tiles of a population.
    #[must_use]
    pub fn tiles(&self, population: usize) -> usize {
        self.net.sizes[population].div_ceil(LANES)
    }

    /// Rows of a tile of a block.
    #[must_use]
    pub fn block_rows(&self) -> usize {
        self.block * self.rows
    }

    /// Index of the readout.
    #[must_use]
    pub fn readout(&self) -> usize {
        self.net.sizes.len() - 1
    }

    /// Bytes that one step over `batch` samples needs: batch x steps x neurons for membranes and their
    /// derivatives, the events at a density of one half, weights with gradients and two moments; `taps` learned positions a
    /// pair (0 where none are learned) with theirs.
    #[must_use]
    pub fn bytes(&self, batch: usize, taps: usize) -> u64 {
        let cells = (batch.div_ceil(self.block) * self.block_rows() * LANES) as u64;
        let neurons: u64 = (1..self.net.sizes.len()).map(|p| self.tiles(p) as u64).sum();
        let weights: u64 = self.layouts.iter().map(|l| l.len() as u64).sum();
        let channels = self.net.sizes[0].div_ceil(LANES) as u64;
        let positions: u64 = self.layouts.iter().map(|l| (l.tiles() * l.pre * taps * LANES) as u64).sum();
        // A weight has its value, two moments, gradient, mask, what forward and backward pass see of it, and what that is made
        // from on the way to integers; a tap a weight and a position, with moments and gradients.
        // f32 membranes and derivatives, masks of two bytes a tile, eight bytes an event.
        cells * neurons * 8
            + cells / LANES as u64 * neurons * 2
            + cells * (neurons + channels) * 4
            + weights * 33
            + positions * 32
    }
}

fn check(net: &Net) -> Result<(), String> {
    let last = net.sizes.len() - 1;
    if net.sizes.len() < 2 || net.sizes.contains(&0) || net.steps == 0 {
        return Err("a network has steps, an input and a readout, and no empty population".into());
    }
    for p in &net.projections {
        if p.source >= last || p.target == 0 || p.target > last {
            return Err(format!(
                "projection {} to {}: from the input or a hidden population to a hidden one or the readout",
                p.source, p.target
            ));
        }
        if p.delays.is_empty() || p.delays[0] == 0 || !p.delays.is_sorted_by(|a, b| a < b) {
            return Err(format!(
                "projection {} to {}: delays {:?}: at least one, ascending, from 1",
                p.source, p.target, p.delays
            ));
        }
    }
    for target in 1..=last {
        if !net.projections.iter().any(|p| p.target == target) {
            return Err(format!("population {target}: no projection feeds it"));
        }
    }
    Ok(())
}

/// Strongly connected hidden populations in topological order (reachability: there are few of them).
fn stages(net: &Net) -> Vec<Stage> {
    let n = net.sizes.len();
    let mut reach = vec![vec![false; n]; n];
    for p in &net.projections {
        reach[p.source][p.target] = true;
    }
    for k in 0..n {
        for i in 0..n {
            for j in 0..n {
                reach[i][j] |= reach[i][k] && reach[k][j];
            }
        }
    }
    let mut placed = vec![false; n];
    placed[0] = true;
    let mut out = Vec::new();
    while placed.contains(&false) {
        // The first whose sources outside its own loop are all placed; one always is.
        let next = (1..n)
            .find(|&i| !placed[i] && (1..n).all(|j| placed[j] || i == j || !reach[j][i] || reach[i][j]));
        let Some(i) = next else { break };
        let populations: Vec<usize> = (1..n).filter(|&j| i == j || (reach[i][j] && reach[j][i])).collect();
        populations.iter().for_each(|&j| placed[j] = true);
        let within = |p: &Projection| populations.contains(&p.source) && populations.contains(&p.target);
        let inner = (0..net.projections.len()).filter(|&p| within(&net.projections[p])).collect();
        out.push(Stage { populations, inner });
    }
    // The readout feeds nothing, so it can go last.
    out.sort_by_key(|s| s.populations == [n - 1]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(delays: &[u16], pairs: &[(usize, usize)]) -> Net {
        let projections = pairs
            .iter()
            .map(|&(source, target)| Projection { source, target, delays: delays.to_vec() })
            .collect();
        Net { steps: 40, sizes: vec![5, 18, 7, 3], reset: Reset::Zero, projections }
    }

    #[test]
    fn every_synapse_has_a_place_of_its_own() {
        let net = net(&[1, 4, 9, 12, 30], &[(0, 1), (1, 2), (2, 3)]);
        let layout = Layout::new(&net, &net.projections[0]);
        let places: Vec<_> = (0..layout.len()).filter_map(|at| layout.synapse(at).map(|s| (at, s))).collect();
        assert_eq!(places.len(), 5 * 18 * 5);
        assert!(places.iter().all(|&(at, (pre, d, post))| layout.at(pre, d, post) == at));
        assert_eq!(layout.delays, [1, 4, 9, 12, 30, 30, 30, 30]);
        // 39 - 9 is the last step from which the second delay of the first group arrives.
        assert_eq!(layout.chunks[0].valid[9], 2);
        assert_eq!(layout.chunks[0].valid[10], 1);
        assert_eq!(layout.chunks[0].valid[39], 0);
    }

    #[test]
    fn loops_are_computed_together_and_in_order() {
        let plan = Plan::new(net(&[1], &[(0, 2), (2, 1), (1, 2), (1, 3)])).expect("valid");
        assert_eq!(plan.stages[0], Stage { populations: vec![1, 2], inner: vec![1, 2] });
        assert_eq!(plan.stages[1].populations, [3]);
        let plan = Plan::new(net(&[1], &[(0, 2), (2, 1), (1, 1), (1, 3), (2, 3)])).expect("valid");
        let order: Vec<_> = plan.stages.iter().map(|s| s.populations.clone()).collect();
        assert_eq!(order, [[2], [1], [3]]);
        assert_eq!(plan.stages[1].inner, [2]);
    }

    #[test]
    fn a_population_that_nothing_feeds_is_refused() {
        let refusal = Plan::new(net(&[1], &[(0, 1), (1, 3)])).expect_err("nothing feeds 2");
        assert!(refusal.contains("population 2"), "{refusal}");
    }
}
