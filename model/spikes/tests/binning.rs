//! From times and units to steps and channels.

use spikes::{Binned, Binning, Error, SpikeFile};

const MS: Binning = Binning { steps: 4, step_ms: 1.0, channels: 3, group: 2 };

fn one(times: &[f32], units: &[u16]) -> SpikeFile {
    let mut file = SpikeFile::default();
    file.push(times, units, None);
    file
}

fn bin(times: &[f32], units: &[u16], binning: &Binning) -> Binned {
    one(times, units).bin(0, binning).expect("fits")
}

/// Worked out apart: with a step of 4 ms, 64-bit division of the same two f32 numbers gives 2 for 0.012 and 49 for 0.2,
/// and 64-bit division by an exact 0.004 gives 32 for 0.132.
#[test]
fn a_time_on_a_border_follows_division_in_32_bits() {
    let binning = Binning { steps: 60, step_ms: 4.0, channels: 1, group: 1 };
    for (time, step) in [(0.012, 3), (0.024, 6), (0.028, 7), (0.1, 25), (0.132, 33), (0.2, 50), (0.0119, 2)] {
        assert_eq!(bin(&[time], &[0], &binning).step(step), [0], "{time}");
    }
}

#[test]
fn grouped_units_share_a_channel_and_repeats_count_once() {
    let binned = bin(&[0.0, 0.0001, 0.0002, 0.001], &[5, 0, 1, 4], &MS);
    assert_eq!((binned.step(0), binned.step(1)), (&[0, 2][..], &[2][..]));
    assert_eq!((binned.repeats, binned.late), (1, 0));
}

#[test]
fn spikes_at_or_after_the_last_step_are_counted_late() {
    let binned = bin(&[0.0039, 0.0041, 1e30], &[0, 0, 0], &MS);
    assert_eq!((binned.step(3), binned.late, binned.repeats), (&[0][..], 2, 0));
}

#[test]
fn a_unit_without_a_channel_is_refused_with_what_would_fit() {
    let error = one(&[0.0], &[6]).bin(0, &MS).expect_err("refused");
    assert!(matches!(error, Error::Channel { sample: 0, unit: 6, channel: 3, group: 2, channels: 3 }));
}

#[test]
fn order_in_the_file_does_not_matter() {
    let forward = bin(&[0.0, 0.002, 0.001], &[1, 3, 5], &MS);
    assert_eq!(bin(&[0.001, 0.0, 0.002], &[5, 1, 3], &MS), forward);
}
