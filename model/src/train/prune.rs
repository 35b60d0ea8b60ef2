//! Choosing delays: what goes, what is offered anew, and when.

use super::config::{Config, Pace, Prune};
use super::net::{Layout, Plan};
use super::parameters::{Parameters, Tensor};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What is done to the delays at the beginning of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Keep so many a pair (or axon).
    Keep(usize),
    /// Offer delays this far to both sides of those kept.
    Offer(u16),
}

/// The actions of the pruning phase with the epochs in it, spread over its first two thirds.
///
/// # Errors
/// Fewer epochs than actions.
pub fn timetable(config: &Config, most: usize, stride: u16) -> Result<Vec<(usize, Action)>, String> {
    let [_, epochs, _] = config.phases();
    let Some(keep) = config.keep.filter(|k| epochs > 0 && *k < most || config.regrow) else {
        return Ok(Vec::new());
    };
    let room = (epochs * 2 / 3).max(1);
    let mut actions = Vec::new();
    match config.pace {
        Pace::OneShot => {}
        Pace::Stepped => {
            let halves = std::iter::successors(Some(most / 2), |k| Some(k / 2));
            actions.extend(halves.take_while(|k| *k > keep).map(Action::Keep));
        }
        Pace::Gradual => {
            let steps = room.max(2);
            let share = |i: usize| (keep as f64 / most as f64).powf(i as f64 / steps as f64);
            actions.extend((1..steps).map(|i| Action::Keep((most as f64 * share(i)).round() as usize)));
            actions.retain(|a| *a != Action::Keep(keep) && *a != Action::Keep(most));
            actions.dedup();
        }
    }
    actions.push(Action::Keep(keep));
    if config.regrow {
        let mut by = stride / 2;
        while by >= 1 {
            actions.extend([Action::Offer(by), Action::Keep(keep)]);
            by /= 2;
        }
    }
    if actions.len() > epochs {
        return Err(format!(
            "--prune-epochs {epochs}: {} actions need at least as many epochs; more epochs, or --pace one-shot",
            actions.len()
        ));
    }
    let room = room.max(actions.len());
    Ok(actions.iter().enumerate().map(|(i, a)| (i * room / actions.len(), *a)).collect())
}

/// Whether a projection has delays to choose from.
fn chooses(parameters: &Parameters, j: usize, layout: &Layout) -> bool {
    parameters.taps[j].is_none() && layout.real > 1
}

/// Keeps `k` delays of each pair, axon, or axon on average; weights of those that stay grow so that each
/// neuron's weights keep their root mean square, or rates would collapse.
pub fn prune(plan: &Plan, parameters: &mut Parameters, mode: Prune, k: usize, rng: &mut ChaCha8Rng) {
    for (j, layout) in plan.layouts.iter().enumerate() {
        if !chooses(parameters, j, layout) {
            continue;
        }
        let weights = &parameters.weights[j].values;
        let there = &parameters.mask[j];
        let mut mask = vec![false; layout.len()];
        let size = |at: usize| if there[at] { weights[at].abs() } else { -1.0 };
        match mode {
            Prune::Synaptic | Prune::Random => {
                for pre in 0..layout.pre {
                    for post in 0..layout.post {
                        let mut places: Vec<usize> = (0..layout.real)
                            .map(|d| layout.at(pre, d, post))
                            .filter(|at| there[*at])
                            .collect();
                        if mode == Prune::Random {
                            places.shuffle(rng);
                        } else {
                            places.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
                        }
                        places.iter().take(k).for_each(|&at| mask[at] = true);
                    }
                }
            }
            Prune::Axonal | Prune::AxonalVariable => {
                let mut axons: Vec<(f64, usize, usize)> = Vec::new();
                for pre in 0..layout.pre {
                    for d in 0..layout.real {
                        let places =
                            (0..layout.post).map(|post| layout.at(pre, d, post)).filter(|at| there[*at]);
                        let (mut sum, mut any) = (0.0, false);
                        for at in places {
                            (sum, any) = (sum + f64::from(weights[at].abs()), true);
                        }
                        if any {
                            axons.push((sum, pre, d));
                        }
                    }
                }
                axons.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
                let mut kept = vec![0; layout.pre];
                let mut all = 0;
                for (_, pre, d) in axons {
                    let full = if mode == Prune::Axonal { kept[pre] >= k } else { all >= k * layout.pre };
                    if full {
                        continue;
                    }
                    (kept[pre], all) = (kept[pre] + 1, all + 1);
                    for at in (0..layout.post).map(|post| layout.at(pre, d, post)) {
                        mask[at] = there[at];
                    }
                }
            }
        }
        apply(layout, &mut parameters.weights[j], &mut parameters.mask[j], mask);
    }
}

/// Removes what the new mask leaves out and scales what stays.
pub(super) fn apply(layout: &Layout, weights: &mut Tensor, mask: &mut Vec<bool>, new: Vec<bool>) {
    let (mut before, mut after) = (vec![0f64; layout.post], vec![0f64; layout.post]);
    let squares = |of: &[bool], sums: &mut [f64]| {
        for at in (0..layout.len()).filter(|at| of[*at]) {
            if let Some((_, _, post)) = layout.synapse(at) {
                sums[post] += f64::from(weights.values[at]).powi(2);
            }
        }
    };
    squares(mask, &mut before);
    squares(&new, &mut after);
    for (at, there) in new.iter().enumerate() {
        let Some((_, _, post)) = layout.synapse(at) else { continue };
        if !there {
            weights.values[at] = 0.0;
            (weights.moments.first[at], weights.moments.second[at]) = (0.0, 0.0);
        } else if after[post] > 0.0 {
            weights.values[at] *= (before[post] / after[post]).sqrt() as f32;
        }
    }
    *mask = new;
}

/// Offers delays `by` steps to both sides of every synapse that is there, within the first and last
/// candidate; they begin with weight 0. Delays that no synapse has any more leave the projection.
pub fn offer(plan: &Plan, parameters: &mut Parameters, by: u16) -> Plan {
    let mut net = plan.net.clone();
    for (j, layout) in plan.layouts.iter().enumerate() {
        if !chooses(parameters, j, layout) {
            continue;
        }
        let (first, last) = (layout.delays[0], layout.delays[layout.real - 1]);
        let around = |d: u16| {
            [d.saturating_sub(by), d, d.saturating_add(by)]
                .into_iter()
                .filter(move |x| (first..=last).contains(x))
        };
        let there: Vec<(usize, u16, usize)> = (0..layout.len())
            .filter(|at| parameters.mask[j][*at])
            .filter_map(|at| layout.synapse(at).map(|(pre, d, post)| (pre, layout.delays[d], post)))
            .collect();
        let mut delays: Vec<u16> = there.iter().flat_map(|s| around(s.1)).collect();
        delays.sort_unstable();
        delays.dedup();
        parameters.relay(&mut net, j, delays);
        let new = Layout::new(&net, &net.projections[j]);
        for (pre, delay, post) in there {
            for d in around(delay) {
                if let Ok(d) = new.delays[..new.real].binary_search(&d) {
                    parameters.mask[j][new.at(pre, d, post)] = true;
                }
            }
        }
    }
    // The delays are ascending and from 1, as before.
    Plan::new(net).unwrap_or_else(|_| plan.clone())
}

/// Drops candidate delays that no synapse has.
pub fn compact(plan: &Plan, parameters: &mut Parameters) -> Plan {
    let mut net = plan.net.clone();
    for (j, layout) in plan.layouts.iter().enumerate() {
        let mut used = vec![false; layout.real];
        for at in (0..layout.len()).filter(|at| parameters.mask[j][*at]) {
            if let Some((_, d, _)) = layout.synapse(at) {
                used[d] = true;
            }
        }
        let delays: Vec<u16> = (0..layout.real).filter(|d| used[*d]).map(|d| layout.delays[d]).collect();
        if !delays.is_empty() && delays.len() < layout.real && parameters.taps[j].is_none() {
            parameters.relay(&mut net, j, delays);
        }
    }
    Plan::new(net).unwrap_or_else(|_| plan.clone())
}

#[cfg(test)]
mod tests {
    use super::super::net::{Net, Projection};
    use super::*;
    use crate::network::Reset;
    use rand::SeedableRng;

    fn network() -> (Plan, Parameters) {
        let delays: Vec<u16> = (1..=29).step_by(4).collect();
        let projections =
            [(0, 1), (1, 2)].map(|(source, target)| Projection { source, target, delays: delays.clone() });
        let net =
            Net { steps: 40, sizes: vec![6, 18, 3], reset: Reset::Zero, projections: projections.into() };
        let plan = Plan::new(net).expect("valid");
        let parameters = Parameters::new(&plan, 5.0, None, &mut ChaCha8Rng::seed_from_u64(1));
        (plan, parameters)
    }

    /// Synapses there, for each (pre, post).
    fn pairs(plan: &Plan, parameters: &Parameters, j: usize) -> Vec<Vec<Vec<usize>>> {
        let layout = &plan.layouts[j];
        let of = |pre: usize, post: usize| {
            (0..layout.real).filter(|&d| parameters.mask[j][layout.at(pre, d, post)]).collect()
        };
        (0..layout.pre).map(|pre| (0..layout.post).map(|post| of(pre, post)).collect()).collect()
    }

    #[test]
    fn synaptic_pruning_keeps_the_strongest_of_each_pair() {
        let (plan, mut parameters) = network();
        let before = parameters.weights[0].values.clone();
        prune(&plan, &mut parameters, Prune::Synaptic, 3, &mut ChaCha8Rng::seed_from_u64(1));
        let layout = &plan.layouts[0];
        for (pre, posts) in pairs(&plan, &parameters, 0).iter().enumerate() {
            for (post, kept) in posts.iter().enumerate() {
                assert_eq!(kept.len(), 3);
                let size = |d: usize| before[layout.at(pre, d, post)].abs();
                let least = kept.iter().map(|d| size(*d)).fold(f32::MAX, f32::min);
                assert!((0..layout.real).filter(|d| !kept.contains(d)).all(|d| size(d) <= least));
            }
        }
    }

    #[test]
    fn axonal_pruning_keeps_the_same_delays_for_all_targets() {
        let (plan, mut parameters) = network();
        prune(&plan, &mut parameters, Prune::Axonal, 2, &mut ChaCha8Rng::seed_from_u64(1));
        for posts in pairs(&plan, &parameters, 0) {
            assert_eq!(posts[0].len(), 2);
            assert!(posts.iter().all(|p| *p == posts[0]));
        }
    }

    #[test]
    fn a_variable_budget_is_met_over_the_projection() {
        let (plan, mut parameters) = network();
        prune(&plan, &mut parameters, Prune::AxonalVariable, 2, &mut ChaCha8Rng::seed_from_u64(1));
        let each: Vec<usize> = pairs(&plan, &parameters, 0).iter().map(|posts| posts[0].len()).collect();
        assert_eq!(each.iter().sum::<usize>(), 2 * 6);
        assert!(each.iter().any(|n| *n != 2), "{each:?}");
    }

    #[test]
    fn random_masks_have_the_same_size() {
        let (plan, mut parameters) = network();
        prune(&plan, &mut parameters, Prune::Random, 3, &mut ChaCha8Rng::seed_from_u64(1));
        assert!(pairs(&plan, &parameters, 1).iter().flatten().all(|kept| kept.len() == 3));
    }

    #[test]
    fn offers_lie_around_what_is_kept() {
        let (plan, mut parameters) = network();
        prune(&plan, &mut parameters, Prune::Synaptic, 1, &mut ChaCha8Rng::seed_from_u64(1));
        let kept = pairs(&plan, &parameters, 0)[0][0][0];
        let delay = plan.layouts[0].delays[kept];
        let plan = offer(&plan, &mut parameters, 2);
        let found: Vec<u16> =
            pairs(&plan, &parameters, 0)[0][0].iter().map(|d| plan.layouts[0].delays[*d]).collect();
        let expected: Vec<u16> = [delay.saturating_sub(2), delay, delay + 2]
            .into_iter()
            .filter(|d| (1..=29).contains(d))
            .collect();
        assert_eq!(found, expected);
    }
}
